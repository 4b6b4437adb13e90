//! Conditions: the MongoDB-like ones of rules, saved groups and prerequisites.
//!
//! Every comparison is JavaScript's, coercions of scalars included. A missing attribute is null there, and null is 0
//! where numbers are compared: what that gives is worked out here and written as `exists`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bucketry_core::internal::Kind;
use bucketry_core::{EvaluationContext, FlagSet, UnixMillis};

use crate::condition::{Condition, IGNORE_CASE, LOOSE, Test, attribute_name, one_of};
use crate::format::Dialect;
use crate::letters::case_variants;
use crate::output::Out;
use crate::source::{Problem, Source};

use super::ecmascript::{number_of, padded_version, text_of};
use super::feature::FlagReader;
use super::regex::{self, Untranslatable};
use super::target::Target;

/// What the paths of a condition start from.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    /// The context's attributes.
    Attributes,
    /// The element of an array.
    Element,
    /// An object whose only member, `value`, is what another flag serves.
    Value(Target),
}

impl FlagReader<'_> {
    /// A condition: an object of paths and of `$or`, `$nor`, `$and`, `$not`, `$savedGroup`.
    pub(super) fn condition(
        &mut self,
        source: &Source<'_, '_>,
        scope: &Scope,
    ) -> Result<Condition, Problem> {
        source.expect_object()?;
        let mut all = Vec::new();
        for (name, value) in source.members() {
            all.push(match name {
                "$or" => self.or(&value, scope)?,
                "$nor" => self.or(&value, scope)?.negated(),
                "$and" => {
                    value.expect_array()?;
                    let list = value.elements().map(|each| self.condition(&each, scope));
                    Condition::all(list.collect::<Result<Vec<_>, _>>()?)
                }
                "$not" => self.condition(&value, scope)?.negated(),
                "$savedGroup" => self.saved_group(&value, scope)?,
                path => {
                    let target = self.target(&value, path, scope)?;
                    self.value(&value, &target, false)?
                }
            });
        }
        Ok(Condition::all(all))
    }

    /// Any of the conditions; none of them is true.
    fn or(&mut self, source: &Source<'_, '_>, scope: &Scope) -> Result<Condition, Problem> {
        source.expect_array()?;
        let list = source.elements().map(|each| self.condition(&each, scope));
        let list = list.collect::<Result<Vec<_>, _>>()?;
        if list.is_empty() {
            return Ok(Condition::Always(true));
        }
        Ok(Condition::any(list))
    }

    /// What a dotted path leads to.
    fn target(
        &mut self,
        source: &Source<'_, '_>,
        path: &str,
        scope: &Scope,
    ) -> Result<Target, Problem> {
        let mut parts = path.split('.');
        let first = parts.next().unwrap_or_default();
        let start = match scope {
            Scope::Value(target) if first == "value" => target.clone(),
            Scope::Value(_) => Target::Missing,
            Scope::Element => Target::Attribute(crate::condition::member_of("", first)),
            Scope::Attributes => {
                self.reads.insert(first.to_owned());
                Target::Attribute(if first.is_empty() {
                    "/".into()
                } else {
                    attribute_name(first)
                })
            }
        };
        let mut target = start;
        for part in parts {
            target = target
                .member(part)
                .ok_or_else(|| source.inexpressible("looks into a value that a flag serves"))?;
        }
        if let Target::Attribute(name) = &target
            && name.len() > bucketry_core::limits::MAX_NAME_BYTES
        {
            return Err(source.inexpressible("an attribute's name has more than 256 bytes"));
        }
        Ok(target)
    }

    /// What a value has to be: a plain value to be equal to, or an object of operators.
    pub(super) fn value(
        &mut self,
        source: &Source<'_, '_>,
        target: &Target,
        ignore_case: bool,
    ) -> Result<Condition, Problem> {
        match source.kind() {
            Kind::String => equals_text(source, target, source.string()?, ignore_case),
            Kind::Number => equals_number(target, number(source)?),
            Kind::True | Kind::False => Ok(truthiness(target, source.boolean()?)),
            Kind::Null => Ok(target.exists().negated()),
            Kind::Object if is_operators(source) => {
                source.expect_object()?;
                let list = source.members();
                let list = list.map(|(name, operand)| self.operator(name, &operand, target));
                Ok(Condition::all(list.collect::<Result<Vec<_>, _>>()?))
            }
            _ => same_json(source, target),
        }
    }

    fn operator(
        &mut self,
        name: &str,
        operand: &Source<'_, '_>,
        target: &Target,
    ) -> Result<Condition, Problem> {
        match name {
            "$eq" => strictly_equals(operand, target),
            "$ne" => Ok(strictly_equals(operand, target)?.negated()),
            "$lt" => order(operand, target, "lessThan", |a, b| a < b),
            "$lte" => order(operand, target, "lessOrEqual", |a, b| a <= b),
            "$gt" => order(operand, target, "greaterThan", |a, b| a > b),
            "$gte" => order(operand, target, "greaterOrEqual", |a, b| a >= b),
            "$veq" => same_version(operand, target),
            "$vne" => Ok(same_version(operand, target)?.negated()),
            "$vlt" => version(operand, target, "lessThan", |a, b| a < b),
            "$vlte" => version(operand, target, "lessOrEqual", |a, b| a <= b),
            "$vgt" => version(operand, target, "greaterThan", |a, b| a > b),
            "$vgte" => version(operand, target, "greaterOrEqual", |a, b| a >= b),
            "$exists" => Ok(target.exists().negated_if(!is_truthy(operand))),
            "$in" | "$nin" | "$ini" | "$nini" if operand.kind() != Kind::Array => {
                Ok(Condition::Always(false))
            }
            "$in" => membership(operand, target, false),
            "$nin" => Ok(membership(operand, target, false)?.negated()),
            "$ini" => membership(operand, target, true),
            "$nini" => Ok(membership(operand, target, true)?.negated()),
            "$inGroup" => self.in_group(operand, target, true),
            "$notInGroup" => self.in_group(operand, target, false),
            "$not" => Ok(self.value(operand, target, false)?.negated()),
            "$size" => {
                let Some(size) = target.size() else {
                    return Err(operand.inexpressible("asks for the size of what a flag serves"));
                };
                let passes = self.value(operand, &size, false)?;
                Ok(Condition::all([target.has_type("array"), passes]))
            }
            "$elemMatch" => self.element(operand, target),
            "$all" | "$alli" if operand.kind() != Kind::Array => Ok(Condition::Always(false)),
            "$all" | "$alli" => {
                let element = Target::Attribute(String::new());
                let mut all = vec![target.has_type("array")];
                for each in operand.elements() {
                    let passes = self.value(&each, &element, name == "$alli")?;
                    all.push(target.any_element(passes));
                }
                if all.len() > 1 {
                    // Some element is there, so it is an array.
                    all.remove(0);
                }
                Ok(Condition::all(all))
            }
            "$regex" => self.regex(operand, target, false),
            "$regexi" => self.regex(operand, target, true),
            "$notRegex" if self.reader.dialect == Dialect::Rust => {
                Ok(self.regex(operand, target, false)?.negated())
            }
            "$notRegexi" if self.reader.dialect == Dialect::Rust => {
                Ok(self.regex(operand, target, true)?.negated())
            }
            "$type" => Ok(match operand.json().as_str() {
                Some("null") => target.exists().negated(),
                Some("string") => target.has_type("string"),
                Some("number") => target.has_type("number"),
                Some("boolean") => target.has_type("boolean"),
                Some("array") => target.has_type("array"),
                Some("object") => target.has_type("object"),
                _ => Condition::Always(false),
            }),
            _ => {
                let message = format!("`{name}` is no known operator: the condition never holds");
                self.report
                    .warn(Some(self.key), || operand.pointer(), message);
                Ok(Condition::Always(false))
            }
        }
    }

    /// Some element that is not null passes.
    fn element(&mut self, operand: &Source<'_, '_>, target: &Target) -> Result<Condition, Problem> {
        if operand.kind() != Kind::Object {
            return Err(operand.malformed("is no object"));
        }
        let element = Target::Attribute(String::new());
        let passes = if is_operators(operand) {
            self.value(operand, &element, false)?
        } else {
            self.condition(operand, &Scope::Element)?
        };
        let passes = match passes {
            // A test is false for null as it is, but for `exists`.
            Condition::Is(_) => passes,
            other => Condition::all([element.exists(), other]),
        };
        if matches!(target, Target::Flag { .. })
            && !matches!(passes, Condition::Is(_) | Condition::Always(_))
        {
            return Err(
                operand.inexpressible("asks several things of an element of what a flag serves")
            );
        }
        Ok(target.any_element(passes))
    }

    fn regex(
        &mut self,
        operand: &Source<'_, '_>,
        target: &Target,
        ignore_case: bool,
    ) -> Result<Condition, Problem> {
        let Some(pattern) = operand.json().as_str() else {
            return Err(operand.malformed("is no string"));
        };
        let pattern = match regex::translate(pattern, ignore_case) {
            Ok(pattern) => pattern,
            Err(Untranslatable::Invalid) => {
                let message = "is no regular expression: the condition never holds";
                self.report
                    .warn(Some(self.key), || operand.pointer(), message);
                return Ok(Condition::Always(false));
            }
            Err(Untranslatable::Unsupported(why)) => {
                return Err(operand.inexpressible(format!("the regular expression {why}")));
            }
        };
        let matches: Test = vec![("matches", Out::text(&pattern)), LOOSE];
        let null_matches = matches_null(&pattern);
        Ok(Condition::any([
            target.test(matches),
            target.missing_if(null_matches),
        ]))
    }

    /// `$inGroup` and `$notInGroup`: the group's values, whatever attribute it is of.
    fn in_group(
        &mut self,
        operand: &Source<'_, '_>,
        target: &Target,
        wanted: bool,
    ) -> Result<Condition, Problem> {
        let id = operand.string()?;
        let Some(group) = self
            .reader
            .saved_groups
            .iter()
            .find_map(|groups| groups.get(id))
        else {
            // A group that is not there is empty.
            return Ok(Condition::Always(!wanted));
        };
        let values = match group.kind() {
            Kind::Array => group,
            Kind::Object
                if group.get("type").and_then(|kind| kind.json().as_str()) == Some("list") =>
            {
                match group.get("values") {
                    Some(values) if values.kind() == Kind::Array => {
                        return Ok(membership(&values, target, false)?.negated_if(!wanted));
                    }
                    _ => return Ok(Condition::Always(false)),
                }
            }
            _ => return Ok(Condition::Always(false)),
        };
        Ok(membership(&values, target, false)?.negated_if(!wanted))
    }

    /// `$savedGroup`: a whole group, with the attribute or the condition that it has itself.
    fn saved_group(
        &mut self,
        source: &Source<'_, '_>,
        scope: &Scope,
    ) -> Result<Condition, Problem> {
        const NEVER: Condition = Condition::Always(false);
        let id = source.get("id").and_then(|id| id.json().as_str());
        let Some(id) = id.filter(|id| !self.visited.contains(*id)) else {
            return Ok(NEVER);
        };
        let own_key = source.get("attributeKey");
        if own_key
            .as_ref()
            .is_some_and(|key| key.kind() != Kind::String)
        {
            return Ok(NEVER);
        }
        let groups = self.reader.saved_groups;
        let Some(group) = groups.iter().find_map(|groups| groups.get(id)) else {
            return Ok(NEVER);
        };
        match group.get("type").and_then(|kind| kind.json().as_str()) {
            Some("list") => {
                let key = own_key.or_else(|| group.get("attributeKey"));
                let values = group
                    .get("values")
                    .filter(|values| values.kind() == Kind::Array);
                let (Some(key), Some(values)) = (key, values) else {
                    return Ok(NEVER);
                };
                let Some(path) = key.json().as_str() else {
                    return Ok(NEVER);
                };
                let target = self.target(&key, path, scope)?;
                membership(&values, &target, false)
            }
            Some("condition") => {
                let Some(condition) = group
                    .get("condition")
                    .filter(|each| each.kind() == Kind::Object)
                else {
                    return Ok(NEVER);
                };
                self.expand(source)?;
                self.visited.insert(id.to_owned());
                let result = self.condition(&condition, scope);
                self.visited.remove(id);
                result
            }
            _ => Ok(NEVER),
        }
    }
}

/// Whether an object has operators, and nothing else.
fn is_operators(source: &Source<'_, '_>) -> bool {
    let mut names = source.members().map(|(name, _)| name).peekable();
    names.peek().is_some() && names.all(|name| name.starts_with('$'))
}

fn is_truthy(source: &Source<'_, '_>) -> bool {
    match source.kind() {
        Kind::Null | Kind::False => false,
        Kind::String => !source.json().text().is_empty(),
        Kind::Number => source
            .json()
            .text()
            .parse::<f64>()
            .is_ok_and(|value| value != 0.0),
        _ => true,
    }
}

fn number(source: &Source<'_, '_>) -> Result<f64, Problem> {
    match source.json().text().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(source.inexpressible("is no finite number")),
    }
}

/// The scalars whose text form is this text.
fn typed(text: &str, operands: &mut Vec<Out>) {
    operands.push(Out::text(text));
    match text {
        "true" => operands.push(Out::boolean(true)),
        "false" => operands.push(Out::boolean(false)),
        _ => {
            if let Some(value) =
                number_of(text).filter(|value| value.is_finite() && text_of(*value) == text)
            {
                operands.push(Out::double(value));
            }
        }
    }
}

/// `value + "" === text`.
fn equals_text(
    source: &Source<'_, '_>,
    target: &Target,
    text: &str,
    ignore_case: bool,
) -> Result<Condition, Problem> {
    let mut operands = Vec::new();
    if ignore_case {
        for variant in variants(source, text)? {
            typed(&variant, &mut operands);
        }
    } else {
        typed(text, &mut operands);
    }
    let mut test = one_of(operands);
    let mut null = text == "null";
    if ignore_case {
        null = text.eq_ignore_ascii_case("null");
        if text.chars().any(char::is_alphabetic) {
            test.push(IGNORE_CASE);
        }
    }
    Ok(Condition::any([target.test(test), target.missing_if(null)]))
}

/// `value * 1 === number`.
fn equals_number(target: &Target, number: f64) -> Result<Condition, Problem> {
    let (zero, one) = (number == 0.0, number == 1.0);
    let mut scalars = Vec::new();
    if one {
        scalars.push(Out::boolean(true));
    }
    if zero {
        scalars.extend([Out::boolean(false), Out::text("")]);
    }
    let bound = |operator| target.test(vec![(operator, Out::double(number)), LOOSE]);
    let equal = if let Target::Size(_) | Target::Flag { .. } = target {
        target.test(vec![("equals", Out::double(number))])
    } else {
        Condition::all([bound("greaterOrEqual"), bound("lessOrEqual")])
    };
    let scalars = if scalars.is_empty() || matches!(target, Target::Size(_)) {
        Condition::Always(false)
    } else {
        target.test(one_of(scalars))
    };
    Ok(Condition::any([equal, scalars, target.missing_if(zero)]))
}

/// `value !== null && !!value === wanted`.
fn truthiness(target: &Target, wanted: bool) -> Condition {
    if let Target::Flag { boolean: true, .. } = target {
        return target.test(vec![("equals", Out::boolean(wanted))]);
    }
    let falsy = vec![Out::text(""), Out::number(0), Out::boolean(false)];
    let falsy = target.test(vec![("in", Out::Array(falsy))]);
    if wanted {
        Condition::all([target.exists(), falsy.negated()])
    } else {
        falsy
    }
}

/// `value === operand`.
fn strictly_equals(operand: &Source<'_, '_>, target: &Target) -> Result<Condition, Problem> {
    Ok(match scalar(operand)? {
        Some(scalar) => target.test(vec![("equals", scalar)]),
        None if operand.kind() == Kind::Null => target.exists().negated(),
        // Another object is never the same one.
        None => Condition::Always(false),
    })
}

fn scalar(source: &Source<'_, '_>) -> Result<Option<Out>, Problem> {
    Ok(match source.kind() {
        Kind::String => Some(Out::text(source.json().text())),
        Kind::True => Some(Out::boolean(true)),
        Kind::False => Some(Out::boolean(false)),
        Kind::Number => Some(Out::double(number(source)?)),
        Kind::Null | Kind::Array | Kind::Object => None,
    })
}

/// `JSON.stringify(value) === JSON.stringify(source)`, but for the order of an object's members.
fn same_json(source: &Source<'_, '_>, target: &Target) -> Result<Condition, Problem> {
    let too_deep = || {
        source
            .inexpressible("compares with an array or object where only a scalar can be looked at")
    };
    match source.kind() {
        Kind::Array | Kind::Object => {
            let is_array = source.kind() == Kind::Array;
            let size = target.size().ok_or_else(too_deep)?;
            let mut all = vec![target.has_type(if is_array { "array" } else { "object" })];
            let mut count = 0_usize;
            let mut places = Vec::new();
            for each in source.elements() {
                places.push((format!("{count}"), each));
                count += 1;
            }
            for (name, each) in source.members() {
                if each.kind() == Kind::Null {
                    return Err(each
                        .inexpressible("null in an object cannot be told from a missing member"));
                }
                places.push((name.to_owned(), each));
                count += 1;
            }
            all.push(size.test(vec![("equals", Out::number(count))]));
            for (place, each) in places {
                let member = target.member(&place).ok_or_else(too_deep)?;
                all.push(same_json(&each, &member)?);
            }
            Ok(Condition::all(all))
        }
        Kind::Null => Ok(target.exists().negated()),
        _ => strictly_equals(source, target),
    }
}

/// `<` and its like: texts by their order, everything else as numbers.
fn order(
    operand: &Source<'_, '_>,
    target: &Target,
    operator: &'static str,
    holds: fn(f64, f64) -> bool,
) -> Result<Condition, Problem> {
    let mut any = Vec::new();
    let bound = match operand.kind() {
        Kind::String => {
            let text = operand.json().text();
            if !matches!(target, Target::Size(_)) {
                any.push(target.test(vec![(operator, Out::text(text))]));
            }
            match number_of(text) {
                Some(bound) if bound.is_finite() => {
                    any.push(target.test(vec![(operator, Out::double(bound))]));
                }
                Some(bound) => {
                    // Every number is on one side of infinity.
                    let all = target.has_type("number");
                    any.push(if holds(0.0, bound) {
                        all
                    } else {
                        Condition::Always(false)
                    });
                }
                // Nothing is less or more than NaN.
                None => return Ok(Condition::any(any)),
            }
            number_of(text).unwrap_or(f64::NAN)
        }
        Kind::Number | Kind::True | Kind::False | Kind::Null => {
            let bound = match operand.kind() {
                Kind::Number => number(operand)?,
                Kind::True => 1.0,
                _ => 0.0,
            };
            let mut test = vec![(operator, Out::double(bound))];
            if !matches!(target, Target::Size(_)) {
                test.push(LOOSE);
            }
            any.push(target.test(test));
            bound
        }
        Kind::Array | Kind::Object => {
            return Err(operand.inexpressible("compares with the text form of an array or object"));
        }
    };
    let mut scalars = Vec::new();
    if holds(1.0, bound) {
        scalars.push(Out::boolean(true));
    }
    if holds(0.0, bound) {
        scalars.push(Out::boolean(false));
        if operand.kind() != Kind::String {
            scalars.push(Out::text(""));
        }
    }
    if !scalars.is_empty() && !matches!(target, Target::Size(_)) {
        any.push(target.test(one_of(scalars)));
    }
    any.push(target.missing_if(holds(0.0, bound)));
    Ok(Condition::any(any))
}

/// `paddedVersionString(value) < paddedVersionString(operand)` and its like. What is neither text nor number is `0`.
fn version(
    operand: &Source<'_, '_>,
    target: &Target,
    operator: &'static str,
    holds: fn(&str, &str) -> bool,
) -> Result<Condition, Problem> {
    let text = version_text(operand)?;
    let test = |operator| {
        let collation = ("collation", Out::text("paddedVersion"));
        target.test(vec![(operator, Out::text(&text)), collation, LOOSE])
    };
    let zero = holds(&padded_version("0"), &padded_version(&text));
    let other = if zero {
        Condition::any([target.has_type("string"), target.has_type("number")]).negated()
    } else {
        Condition::Always(false)
    };
    Ok(Condition::any([test(operator), other]))
}

fn same_version(operand: &Source<'_, '_>, target: &Target) -> Result<Condition, Problem> {
    Ok(Condition::all([
        version(operand, target, "greaterOrEqual", |a, b| a >= b)?,
        version(operand, target, "lessOrEqual", |a, b| a <= b)?,
    ]))
}

fn version_text(operand: &Source<'_, '_>) -> Result<String, Problem> {
    Ok(match operand.kind() {
        Kind::String => operand.json().text().to_owned(),
        Kind::Number => text_of(number(operand)?),
        _ => "0".into(),
    })
}

/// `$in`: the value is one of these, or an array of which some element is.
fn membership(
    operands: &Source<'_, '_>,
    target: &Target,
    ignore_case: bool,
) -> Result<Condition, Problem> {
    let mut list = Vec::new();
    let (mut null, mut letters) = (false, false);
    for each in operands.elements() {
        match each.json().as_str() {
            Some(text) if ignore_case => {
                letters |= text.chars().any(char::is_alphabetic);
                list.extend(variants(&each, text)?.into_iter().map(Out::Text));
            }
            _ => {
                null |= each.kind() == Kind::Null;
                list.extend(scalar(&each)?);
            }
        }
    }
    let fold = ignore_case && letters;
    let with_case = |mut test: Test| {
        test.extend(fold.then_some(IGNORE_CASE));
        test
    };
    let mut any = Vec::new();
    if !list.is_empty() {
        any.push(target.test(with_case(one_of(list.clone()))));
        let elements = match target {
            Target::Size(_) | Target::Flag { arrays: false, .. } => None,
            _ if fold => Some(vec![(
                "anyElement",
                crate::condition::members(with_case(one_of(list))),
            )]),
            _ => Some(vec![("containsAny", Out::Array(list))]),
        };
        any.extend(elements.map(|test| target.test(test)));
    }
    if null {
        any.push(target.exists().negated());
        let missing = vec![("exists", Out::boolean(false))];
        any.push(target.test(vec![("anyElement", crate::condition::members(missing))]));
    }
    Ok(Condition::any(any))
}

fn variants(source: &Source<'_, '_>, text: &str) -> Result<Vec<String>, Problem> {
    let many = "has so many letters beyond A to Z that its forms in lower and upper case cannot be written down";
    case_variants(text).ok_or_else(|| source.inexpressible(many))
}

/// Whether a pattern matches `null`, which is the text of a missing attribute.
fn matches_null(pattern: &str) -> bool {
    let test = Condition::test("a", vec![("matches", Out::text(pattern))]).into_out();
    let rule = Out::object([("if", test), ("serve", Out::text("on"))]);
    let flag = Out::object([
        ("type", Out::text("boolean")),
        ("rules", Out::Array(vec![rule])),
    ]);
    let set = Out::object([
        ("format", Out::number(1)),
        ("flags", Out::object([("f", flag)])),
    ]);
    let Ok(set) = FlagSet::from_json(set.to_pretty().as_bytes()) else {
        return false;
    };
    let context = EvaluationContext::anonymous().with("a", "null");
    set.resolve("f", &context, UnixMillis(0)).variant() == Some("on")
}
