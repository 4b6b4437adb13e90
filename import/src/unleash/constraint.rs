//! Constraints: one context field against values, and segments, which are lists of them.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bucketry_core::internal::Kind;
use bucketry_core::{ErrorCode, EvaluationContext, FlagSet, UnixMillis};

use crate::condition::{Condition, IGNORE_CASE, LOOSE, Test, attribute_name, one_of};
use crate::letters::case_variants;
use crate::output::Out;
use crate::source::{Problem, Source};
use crate::time::Instant;

use super::toggle::ToggleReader;

/// The field that is the targeting key where a context has none of that name.
pub(super) const USER_ID: &str = "userId";
pub(super) const TARGETING_KEY: &str = "targetingKey";
const CURRENT_TIME: &str = "currentTime";

/// A constraint, as a condition or as one on the time of the evaluation.
pub(super) enum Constraint {
    Condition(Condition),
    /// On `currentTime`: what holds where the context has that field, and otherwise from and until when it holds, in
    /// milliseconds since 1970.
    Time {
        condition: Condition,
        from: Option<i64>,
        until: Option<i64>,
    },
}

impl ToggleReader<'_> {
    pub(super) fn constraint(&mut self, source: &Source<'_, '_>) -> Result<Constraint, Problem> {
        source.expect_object()?;
        let known = [
            "contextName",
            "operator",
            "value",
            "values",
            "inverted",
            "caseInsensitive",
        ];
        source.warn_of_unknown(&known, Some(self.key), self.report);
        let field = source.required("contextName")?.string()?;
        let operator = source.required("operator")?.string()?;
        let flag = |name| {
            source
                .optional(name)
                .is_some_and(|each| each.json().as_bool() == Some(true))
        };
        let (inverted, ignore_case) = (flag("inverted"), flag("caseInsensitive"));
        self.reads.insert(field.to_owned());
        let values = source.optional("values");
        let values: Vec<_> = values.iter().flat_map(Source::elements).collect();
        let never = Condition::Always(false);
        let condition = match operator {
            "IN" => membership(field, &values)?,
            "NOT_IN" => membership(field, &values)?.negated(),
            "STR_STARTS_WITH" => texts(field, "startsWith", &values, ignore_case)?,
            "STR_ENDS_WITH" => texts(field, "endsWith", &values, ignore_case)?,
            "STR_CONTAINS" => texts(field, "contains", &values, ignore_case)?,
            "NUM_EQ" => Condition::all([
                number(source, field, "greaterOrEqual")?,
                number(source, field, "lessOrEqual")?,
            ]),
            "NUM_GT" => number(source, field, "greaterThan")?,
            "NUM_GTE" => number(source, field, "greaterOrEqual")?,
            "NUM_LT" => number(source, field, "lessThan")?,
            "NUM_LTE" => number(source, field, "lessOrEqual")?,
            "DATE_AFTER" | "DATE_BEFORE" => {
                return self.date(source, field, operator == "DATE_AFTER", inverted);
            }
            "SEMVER_EQ" | "SEMVER_GT" | "SEMVER_GTE" | "SEMVER_LT" | "SEMVER_LTE" => {
                let version = value(source)?;
                if version.starts_with('v') {
                    // Inverted or not.
                    return Ok(Constraint::Condition(never));
                }
                let comparator = match operator {
                    "SEMVER_GT" => ">",
                    "SEMVER_GTE" => ">=",
                    "SEMVER_LT" => "<",
                    "SEMVER_LTE" => "<=",
                    _ => "=",
                };
                if version.contains(' ') {
                    return Err(source.malformed(format!("`{version}` is no version")));
                }
                let test = vec![("semver", Out::Text(format!("{comparator}{version}")))];
                if !self.is_accepted(&test) {
                    return Err(source.malformed(format!("`{version}` is no version")));
                }
                of_field(field, test)
            }
            "REGEX" => {
                let pattern = value(source)?;
                let pattern = if ignore_case {
                    format!("(?i){pattern}")
                } else {
                    pattern.to_owned()
                };
                let test = vec![("matches", Out::Text(pattern)), LOOSE];
                if self.is_accepted(&test) {
                    of_field(field, test)
                } else {
                    let message = "is no regular expression: nothing matches it";
                    self.report
                        .warn(Some(self.key), || source.pointer(), message);
                    never
                }
            }
            "IN_CIDR" => {
                let single = source.optional("value");
                let entries = values.iter().chain(&single);
                let entries: Vec<&str> = entries.filter_map(|each| each.json().as_str()).collect();
                self.addresses(source, field, &entries)
            }
            _ => {
                let message = format!("`{operator}` is no known operator: the toggle is off");
                self.report
                    .warn(Some(self.key), || source.pointer(), message);
                self.is_off = true;
                return Ok(Constraint::Condition(never));
            }
        };
        Ok(Constraint::Condition(condition.negated_if(inverted)))
    }

    /// Whether the address is in one of the blocks; an entry that is none does not count.
    pub(super) fn addresses(
        &mut self,
        source: &Source<'_, '_>,
        field: &str,
        entries: &[&str],
    ) -> Condition {
        self.reads.insert(field.to_owned());
        let mut blocks = Vec::new();
        for entry in entries {
            if self.is_accepted(&vec![("cidr", Out::text(*entry))]) {
                blocks.push(Out::text(*entry));
            } else {
                let message = format!("`{entry}` is no address or block, left out");
                self.report
                    .warn(Some(self.key), || source.pointer(), message);
            }
        }
        if blocks.is_empty() {
            return Condition::Always(false);
        }
        of_field(field, vec![("cidr", Out::Array(blocks))])
    }

    fn date(
        &mut self,
        source: &Source<'_, '_>,
        field: &str,
        after: bool,
        inverted: bool,
    ) -> Result<Constraint, Problem> {
        let text = value(source)?;
        let Some(instant) = Instant::parse(text) else {
            return Err(source.malformed(format!("`{text}` is no RFC 3339 time")));
        };
        // The first millisecond after the instant, and the first that is not before it.
        let (next, first) = (instant.until(), instant.from());
        let test: Test = if after {
            vec![("notBefore", Out::number(next))]
        } else {
            vec![("before", Out::number(first))]
        };
        let condition = of_field(field, test).negated_if(inverted);
        if field != CURRENT_TIME {
            return Ok(Constraint::Condition(condition));
        }
        let (from, until) = match (after, inverted) {
            (true, false) => (Some(next), None),
            (true, true) => (None, Some(next)),
            (false, false) => (None, Some(first)),
            (false, true) => (Some(first), None),
        };
        Ok(Constraint::Time {
            condition,
            from,
            until,
        })
    }

    /// Whether the flag set takes this test: it reads versions, addresses and expressions as this format does.
    fn is_accepted(&self, test: &Test) -> bool {
        let condition = Condition::test("a", test.clone()).into_out();
        let rule = Out::object([("if", condition), ("serve", Out::text("on"))]);
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
        let context = EvaluationContext::anonymous();
        set.resolve("f", &context, UnixMillis(0)).error_code() != Some(ErrorCode::ParseError)
    }
}

/// The time where the context has that field, and where it has not.
pub(super) fn has_current_time() -> Condition {
    Condition::test(CURRENT_TIME, vec![("exists", Out::boolean(true))])
}

/// A test of a field, with the targeting key standing in for a missing `userId`. False where it is missing.
pub(super) fn of_field(field: &str, test: Test) -> Condition {
    let own = Condition::test(attribute_name(field), test.clone());
    if field != USER_ID {
        return own;
    }
    let exists = Condition::test(USER_ID, vec![("exists", Out::boolean(true))]);
    let stand_in = Condition::test(TARGETING_KEY, test);
    Condition::any([own, Condition::all([exists.negated(), stand_in])])
}

/// The field's text is one of these.
pub(super) fn text_in<'t>(field: &str, texts: impl IntoIterator<Item = &'t str>) -> Condition {
    let mut operands = Vec::new();
    for text in texts {
        operands.push(Out::text(text));
        // A context may have the number that is written so.
        if let Some(number) = text
            .parse::<i64>()
            .ok()
            .filter(|number| format!("{number}") == text)
        {
            operands.push(Out::number(number));
        }
    }
    if operands.is_empty() {
        return Condition::Always(false);
    }
    of_field(field, one_of(operands))
}

fn membership(field: &str, values: &[Source<'_, '_>]) -> Result<Condition, Problem> {
    let texts = values
        .iter()
        .map(|value| value.string())
        .collect::<Result<Vec<_>, _>>()?;
    Ok(text_in(field, texts))
}

fn texts(
    field: &str,
    operator: &'static str,
    values: &[Source<'_, '_>],
    ignore_case: bool,
) -> Result<Condition, Problem> {
    let mut operands = Vec::new();
    for value in values {
        let text = value.string()?;
        if ignore_case {
            let many = "has too many letters beyond A to Z to write down all its forms in lower and upper case";
            let variants = case_variants(text).ok_or_else(|| value.inexpressible(many))?;
            operands.extend(variants.into_iter().map(Out::Text));
        } else {
            operands.push(Out::text(text));
        }
    }
    if operands.is_empty() {
        return Ok(Condition::Always(false));
    }
    let mut test = vec![(operator, Out::Array(operands))];
    test.extend(ignore_case.then_some(IGNORE_CASE));
    Ok(of_field(field, test))
}

fn number(
    source: &Source<'_, '_>,
    field: &str,
    operator: &'static str,
) -> Result<Condition, Problem> {
    let text = value(source)?;
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(of_field(
            field,
            vec![(operator, Out::double(number)), LOOSE],
        )),
        _ => Err(source.malformed(format!("`{text}` is no number"))),
    }
}

/// The single value of a constraint.
fn value<'d>(source: &Source<'_, 'd>) -> Result<&'d str, Problem> {
    let value = source.required("value")?;
    match value.kind() {
        Kind::String | Kind::Number => Ok(value.json().text()),
        _ => Err(value.malformed("is no text")),
    }
}

/// A list in one text, separated by commas.
pub(super) fn split(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).collect()
}

/// The name of a segment in the flag set.
pub(super) fn segment_name(id: &str) -> String {
    format!("segment {id}")
}
