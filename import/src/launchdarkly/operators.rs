//! Operators, as what a flag set tests of one value.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use bucketry_core::internal::Kind;

use crate::condition::{Condition, LOOSE, Test, one_of};
use crate::format::Dialect;
use crate::output::Out;
use crate::source::{Problem, Source};
use crate::time::Instant;
use crate::ufc::version;

/// What the SDKs read as a version beside the loose reading of the flag set: one to three numbers, no `v`, no leading zeros.
const VERSION: &str = r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){0,2}([-+]|$)([0-9A-Za-z.+-]*)$";

/// A value passes when it passes all tests of one of these.
pub(super) type Alternatives = Vec<Vec<Test>>;

/// What a clause asks of one value. Operands of a wrong type match nothing, as an unknown operator does.
pub(super) fn alternatives(
    dialect: Dialect,
    op: &str,
    values: &[Source<'_, '_>],
) -> Result<Alternatives, Problem> {
    let texts = || values.iter().filter_map(|value| value.string().ok());
    let text_list = || Out::Array(texts().map(Out::text).collect());
    Ok(match op {
        "in" => {
            let mut operands = Vec::new();
            for value in values {
                match value.kind() {
                    Kind::String => operands.push(Out::text(value.string()?)),
                    Kind::Number | Kind::True | Kind::False => {
                        operands.push(Out::Json(
                            alloc::string::String::from(value.json().text()).into(),
                        ));
                    }
                    // No attribute is null; JavaScript holds no two objects for equal.
                    Kind::Null => {}
                    _ if dialect == Dialect::JavaScript => {}
                    _ => {
                        let reason = "an object or array as operand is compared by its contents";
                        return Err(value.inexpressible(reason));
                    }
                }
            }
            some(!operands.is_empty(), || one_of(operands))
        }
        "startsWith" | "endsWith" | "contains" => {
            let name = match op {
                "startsWith" => "startsWith",
                "endsWith" => "endsWith",
                _ => "contains",
            };
            some(texts().next().is_some(), || vec![(name, text_list())])
        }
        "matches" => {
            let patterns = texts().map(|text| vec![vec![("matches", Out::text(text))]]);
            patterns.collect()
        }
        "lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual" => {
            let (name, largest) = match op {
                "lessThan" => ("lessThan", true),
                "lessThanOrEqual" => ("lessOrEqual", true),
                "greaterThan" => ("greaterThan", false),
                _ => ("greaterOrEqual", false),
            };
            // A value below one of them is below the largest.
            let mut best: Option<(f64, Out)> = None;
            for value in values.iter().filter(|value| value.kind() == Kind::Number) {
                let text = value.json().text();
                let number: f64 = text.parse().unwrap_or(f64::NAN);
                if best
                    .as_ref()
                    .is_none_or(|(best, _)| (number > *best) == largest)
                {
                    best = Some((number, Out::Json(alloc::string::String::from(text).into())));
                }
            }
            best.map(|(_, operand)| vec![vec![(name, operand)]])
                .into_iter()
                .collect()
        }
        "before" | "after" => {
            let before = op == "before";
            let mut best: Option<i64> = None;
            for value in values {
                let millis = match value.kind() {
                    Kind::Number => match value.json().text().parse::<i64>() {
                        Ok(millis) => millis,
                        Err(_) => {
                            let reason = "is no whole number of milliseconds";
                            return Err(value.inexpressible(reason));
                        }
                    },
                    Kind::String => match Instant::parse(value.string()?) {
                        Some(instant) => instant.millis,
                        None => continue,
                    },
                    _ => continue,
                };
                best = Some(match best {
                    None => millis,
                    Some(best) if before => best.max(millis),
                    Some(best) => best.min(millis),
                });
            }
            let name = if before { "before" } else { "after" };
            best.map(|millis| vec![vec![(name, Out::number(millis))]])
                .into_iter()
                .collect()
        }
        "semVerEqual" | "semVerLessThan" | "semVerGreaterThan" => {
            let comparator = match op {
                "semVerEqual" => "=",
                "semVerLessThan" => "<",
                _ => ">",
            };
            let versions =
                texts().filter(|text| version::core_numbers(text).is_some_and(|n| n <= 3));
            versions
                .map(|text| {
                    let semver = Out::text(format!("{comparator}{text}"));
                    vec![
                        vec![("matches", Out::text(VERSION))],
                        vec![("semver", semver), LOOSE],
                    ]
                })
                .collect()
        }
        _ => Vec::new(),
    })
}

fn some(any: bool, test: impl FnOnce() -> Test) -> Alternatives {
    if any { vec![vec![test()]] } else { Vec::new() }
}

/// Whether a text known now passes, as far as that can be told without a regular expression or a version.
pub(super) fn passes(op: &str, text: &str, values: &[Source<'_, '_>]) -> bool {
    let mut texts = values.iter().filter_map(|value| value.string().ok());
    match op {
        "in" => texts.any(|operand| text == operand),
        "startsWith" => texts.any(|operand| text.starts_with(operand)),
        "endsWith" => texts.any(|operand| text.ends_with(operand)),
        "contains" => texts.any(|operand| text.contains(operand)),
        _ => false,
    }
}

/// The attribute, or one of its elements, passes.
pub(super) fn on_attribute(attribute: &str, alternatives: &Alternatives) -> Condition {
    Condition::any(alternatives.iter().flat_map(|tests| {
        let own = Condition::all(
            tests
                .iter()
                .map(|test| Condition::test(attribute, test.clone())),
        );
        let element = match tests.as_slice() {
            [only] => crate::condition::members(only.clone()),
            several => {
                let each = several.iter().map(|test| Condition::test("", test.clone()));
                crate::condition::members([("where", Condition::all(each).into_out())])
            }
        };
        [
            own,
            Condition::test(attribute, vec![("anyElement", element)]),
        ]
    }))
}
