//! Targeting rules: conditions on attributes.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use bucketry_core::internal::{Kind, push_pointer_token};

use crate::format::Dialect;
use crate::output::Out;
use crate::source::{Problem, ProblemKind, Source};

use super::flag::FlagReader;
use super::obfuscation;
use super::version;

/// The attribute that is the targeting key where a context has no attribute of that name.
const ID: &str = "id";
const TARGETING_KEY: &str = "targetingKey";

#[derive(Clone, Copy)]
enum Operator {
    OneOf {
        wanted: bool,
    },
    Matches {
        wanted: bool,
    },
    /// The flag set's operator, and the comparator where the operand is a version.
    Compare(&'static str, &'static str),
    IsNull,
    /// The comparator.
    Version(&'static str),
}

impl Operator {
    const EPPO: &[&str] = &[
        "ONE_OF",
        "NOT_ONE_OF",
        "MATCHES",
        "NOT_MATCHES",
        "GT",
        "GTE",
        "LT",
        "LTE",
        "IS_NULL",
    ];

    fn named(name: &str, dialect: Dialect) -> Option<Self> {
        Some(match name {
            "ONE_OF" => Self::OneOf { wanted: true },
            "NOT_ONE_OF" => Self::OneOf { wanted: false },
            "MATCHES" => Self::Matches { wanted: true },
            "NOT_MATCHES" => Self::Matches { wanted: false },
            "GT" => Self::Compare("greaterThan", ">"),
            "GTE" => Self::Compare("greaterOrEqual", ">="),
            "LT" => Self::Compare("lessThan", "<"),
            "LTE" => Self::Compare("lessOrEqual", "<="),
            "IS_NULL" => Self::IsNull,
            _ if dialect == Dialect::Eppo => return None,
            "SEMVER_EQ" => Self::Version("="),
            "SEMVER_NEQ" => Self::Version("!="),
            "SEMVER_LT" => Self::Version("<"),
            "SEMVER_LTE" => Self::Version("<="),
            "SEMVER_GT" => Self::Version(">"),
            "SEMVER_GTE" => Self::Version(">="),
            _ => return None,
        })
    }
}

impl FlagReader<'_> {
    /// What an allocation's `rules` ask for: any rule, of each every condition. `None`: everything
    /// passes.
    pub(super) fn targeting(&mut self, rules: &Source<'_, '_>) -> Result<Option<Out>, Problem> {
        let mut any = Vec::new();
        let mut everything = false;
        for rule in rules.elements() {
            rule.expect_object()?;
            rule.warn_of_unknown(&["conditions"], Some(self.key), self.report);
            let conditions = rule.required("conditions")?;
            conditions.expect_array()?;
            let mut all = Vec::new();
            for condition in conditions.elements() {
                all.push(self.condition(&condition)?);
            }
            everything |= all.is_empty();
            any.push(all_of(all));
        }
        Ok(match any.len() {
            _ if everything => None,
            0 => None,
            1 => any.pop(),
            _ => Some(Out::object([("any", Out::Array(any))])),
        })
    }

    fn condition(&mut self, source: &Source<'_, '_>) -> Result<Out, Problem> {
        match self.readable_condition(source) {
            // Eppo's SDKs skip what they cannot read: the condition does not hold, the flag lives.
            Err(problem)
                if self.reader.dialect == Dialect::Eppo
                    && problem.kind == ProblemKind::Malformed =>
            {
                let message = format!("the condition never holds: {}", problem.reason);
                self.report
                    .warn(Some(self.key), || problem.pointer, message);
                Ok(never())
            }
            other => other,
        }
    }

    fn readable_condition(&mut self, source: &Source<'_, '_>) -> Result<Out, Problem> {
        source.expect_object()?;
        let known = ["attribute", "operator", "value"];
        source.warn_of_unknown(&known, Some(self.key), self.report);
        let attribute = self.attribute(&source.required("attribute")?)?;
        let operator_source = source.required("operator")?;
        let name = operator_source.string()?;
        let name = match &self.reader.names {
            None => Some(name),
            Some(_) => obfuscation::recognise(name, Operator::EPPO),
        };
        let Some(operator) = name.and_then(|name| Operator::named(name, self.reader.dialect))
        else {
            return Err(operator_source.malformed("is no known operator"));
        };
        let value = source.required("value")?;
        match operator {
            Operator::OneOf { wanted } => {
                let membership = self.membership(&value)?;
                Ok(on_attribute(attribute, |name| {
                    wanted_or_else(wanted, name, test(name, membership.clone()))
                }))
            }
            Operator::Matches { wanted } => {
                let pattern = self.single_text(&value)?;
                Ok(on_attribute(attribute, |name| {
                    let matches = vec![("matches", Out::text(&pattern)), LOOSE];
                    wanted_or_else(wanted, name, test(name, matches))
                }))
            }
            Operator::Compare(operator, comparator) => {
                let comparison = match self.operand(&value)? {
                    Operand::Number(number) => vec![(operator, Out::double(number)), LOOSE],
                    Operand::Version(version) => {
                        vec![("semver", Out::text(format!("{comparator}{version}")))]
                    }
                };
                Ok(on_attribute(attribute, |name| {
                    test(name, comparison.clone())
                }))
            }
            Operator::IsNull => Ok(is_null(attribute, self.null_operand(&value)?)),
            Operator::Version(comparator) => {
                let version = self.single_text(&value)?;
                match version::core_numbers(&version) {
                    None => return Err(value.malformed("is no version")),
                    Some(count) if count > version::MAX_CORE => {
                        return Err(value.inexpressible("is a version of more than eight numbers"));
                    }
                    Some(_) => {}
                }
                // The loose reading compares as Datadog does, but reads more texts as versions.
                let semver = vec![
                    ("semver", Out::text(format!("{comparator}{version}"))),
                    LOOSE,
                ];
                let pattern = vec![("matches", Out::text(version::EXTENDED_PATTERN))];
                Ok(on_attribute(attribute, |name| {
                    all_of(vec![
                        test(name, pattern.clone()),
                        test(name, semver.clone()),
                    ])
                }))
            }
        }
    }

    /// The attribute's name as the flag set writes it.
    fn attribute(&mut self, source: &Source<'_, '_>) -> Result<String, Problem> {
        let name = source.string()?;
        let name = match &self.reader.names {
            None => name,
            Some(names) => match names.attribute(name) {
                Some(name) => name,
                None => return Err(source.inexpressible("no known attribute has this hash")),
            },
        };
        // OpenFeature's contexts, which Datadog's SDKs read, have the targeting key under its name.
        if name == TARGETING_KEY && self.reader.dialect == Dialect::Eppo {
            return Err(source.inexpressible("an attribute of this name cannot be reached"));
        }
        self.reads.insert(name.into());
        if name.starts_with(['/', '$']) {
            // A name, neither a pointer nor `$random`.
            let mut pointer = String::new();
            push_pointer_token(&mut pointer, name);
            return Ok(pointer);
        }
        Ok(name.into())
    }

    /// One text; Datadog takes a list of one for it.
    fn single_text(&self, value: &Source<'_, '_>) -> Result<String, Problem> {
        if self.reader.dialect == Dialect::Datadog && value.kind() == Kind::Array {
            let mut elements = value.elements();
            if let (Some(only), None) = (elements.next(), elements.next()) {
                return self.reader.text(&only);
            }
        }
        self.reader.text(value)
    }

    fn operand(&self, value: &Source<'_, '_>) -> Result<Operand, Problem> {
        let text = match value.kind() {
            Kind::Number => value.json().text().to_string(),
            // Eppo's operands may be texts, and obfuscated ones are.
            Kind::String if self.reader.names.is_some() || self.reader.dialect == Dialect::Eppo => {
                let text = self.reader.text(value)?;
                if self.reader.dialect == Dialect::Eppo && version::core_numbers(&text) == Some(3) {
                    return Ok(Operand::Version(text));
                }
                text
            }
            _ => return Err(value.malformed("is no number")),
        };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Operand::Number(number)),
            Ok(_) => Err(value.inexpressible("is no finite number")),
            Err(_) => Err(value.malformed("is neither number nor version")),
        }
    }

    fn null_operand(&self, value: &Source<'_, '_>) -> Result<bool, Problem> {
        if self.reader.names.is_none() {
            return value.boolean();
        }
        match obfuscation::recognise(value.string()?, &["true", "false"]) {
            Some(name) => Ok(name == "true"),
            None => Err(value.malformed("is the hash of neither `true` nor `false`")),
        }
    }

    /// The operator for "the attribute's text is one of these".
    fn membership(&self, value: &Source<'_, '_>) -> Result<Vec<(&'static str, Out)>, Problem> {
        value.expect_array()?;
        let mut operands = Vec::new();
        for element in value.elements() {
            let text = element.string()?;
            if self.reader.names.is_none() {
                push_typed(text, &mut operands);
            } else if obfuscation::digest(text).is_some() {
                operands.push(Out::text(text));
            } else {
                return Err(element.malformed("is no MD5 in hexadecimal"));
            }
        }
        let operands = Out::Array(operands);
        Ok(match &self.reader.names {
            None => vec![("in", operands)],
            Some(_) => {
                let hashed = Out::object([("hash", Out::text("md5")), ("digests", operands)]);
                vec![("inHashed", hashed), LOOSE]
            }
        })
    }
}

enum Operand {
    Number(f64),
    Version(String),
}

const LOOSE: (&str, Out) = ("loose", Out::boolean(true));

/// Every value of an attribute whose text form is `text`: the text, and a number or boolean if one is
/// written so.
fn push_typed(text: &str, operands: &mut Vec<Out>) {
    operands.push(Out::text(text));
    match text {
        "true" => operands.push(Out::boolean(true)),
        "false" => operands.push(Out::boolean(false)),
        // The flag set knows one zero; the text form of its number is `0`.
        "-0" => {}
        _ => {
            // The text form is what Rust's `Display` writes: no exponent, shortest digits.
            let number = text.parse::<f64>().ok();
            if let Some(number) =
                number.filter(|number| number.is_finite() && number.to_string() == text)
            {
                operands.push(Out::double(number));
            }
        }
    }
}

fn test(attribute: &str, operator: Vec<(&'static str, Out)>) -> Out {
    let attribute = ("attribute", Out::text(attribute));
    let members = core::iter::once(attribute).chain(operator);
    Out::Object(members.map(|(name, value)| (name.into(), value)).collect())
}

/// The test, or its opposite for an attribute that has a text form: one that is missing fails both.
fn wanted_or_else(wanted: bool, attribute: &str, positive: Out) -> Out {
    if wanted {
        return positive;
    }
    let has_text = ["string", "number", "boolean"]
        .map(|name| test(attribute, vec![("hasType", Out::text(name))]));
    let has_text = Out::object([("any", Out::Array(has_text.into()))]);
    all_of(vec![has_text, Out::object([("not", positive)])])
}

/// A test of an attribute that is false when the attribute is missing, with the targeting key standing in for a
/// missing `id`.
fn on_attribute(attribute: String, test_of: impl Fn(&str) -> Out) -> Out {
    let own = test_of(&attribute);
    if attribute != ID {
        return own;
    }
    let stand_in = all_of(vec![exists(ID, false), test_of(TARGETING_KEY)]);
    Out::object([("any", Out::Array(vec![own, stand_in]))])
}

fn is_null(attribute: String, wanted: bool) -> Out {
    if attribute != ID {
        return exists(&attribute, !wanted);
    }
    let both = vec![exists(ID, !wanted), exists(TARGETING_KEY, !wanted)];
    Out::object([(if wanted { "all" } else { "any" }, Out::Array(both))])
}

fn exists(attribute: &str, wanted: bool) -> Out {
    test(attribute, vec![("exists", Out::boolean(wanted))])
}

/// The condition that never holds.
pub(super) fn never() -> Out {
    Out::object([("always", Out::boolean(false))])
}

/// The conjunction, without a word for a single condition.
pub(super) fn all_of(mut conditions: Vec<Out>) -> Out {
    match conditions.pop() {
        Some(only) if conditions.is_empty() => only,
        last => {
            conditions.extend(last);
            Out::object([("all", Out::Array(conditions))])
        }
    }
}
