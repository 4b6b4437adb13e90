//! Comparators of conditions on the user.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::condition::{Condition, LOOSE, Test, one_of};
use crate::format::Dialect;
use crate::output::Out;
use crate::source::{Problem, Source};

use super::condition::{Verdict, texts};
use super::setting::SettingReader;
use super::values;

/// White space around and a comma for the point are allowed.
const LENIENT: (&str, Out) = ("lenient", Out::boolean(true));

/// Most bytes that a flag set's `first` and `last` may ask for.
const MAX_HASHED_BYTES: u32 = 10_000;

/// Where a text has to have one of the operands.
#[derive(Clone, Copy)]
enum Place {
    Anywhere,
    Start,
    End,
}

impl SettingReader<'_, '_, '_> {
    /// What a condition on an attribute says of it.
    pub(super) fn comparison(
        &self,
        source: &Source<'_, '_>,
        attribute: &str,
        context: &str,
    ) -> Result<Verdict, Problem> {
        let comparator = source.required("c")?;
        let number = comparator.u32()?;
        let test = |test: Test| Condition::test(attribute, test);
        Ok(match number {
            0 | 1 => self.text(attribute, equal(attribute, &texts(source)?)),
            28 | 29 => {
                let operand = source.required("s")?.string()?;
                self.text(attribute, equal(attribute, &[operand]))
            }
            2 | 3 => self.text(attribute, part(source, attribute, Place::Anywhere)?),
            30 | 31 => self.text(attribute, part(source, attribute, Place::Start)?),
            32 | 33 => self.text(attribute, part(source, attribute, Place::End)?),
            4 | 5 => return self.version_one_of(source, attribute, number == 5),
            6..=9 => self.version_order(source, attribute, number)?,
            10..=15 | 18 | 19 => {
                let operand = values::number(&source.required("d")?)?;
                numeric(attribute, number, &operand)
            }
            16 | 17 | 20 | 21 => {
                let digests = match number {
                    16 | 17 => texts(source)?,
                    _ => vec![source.required("s")?.string()?],
                };
                let hashed = hashed(&digests, &self.suffix(source, context)?, None);
                let holds = hashed.map_or(Condition::Always(false), |hashed| {
                    test(vec![("inHashed", hashed), LOOSE])
                });
                self.text(attribute, holds)
            }
            22..=25 => {
                let member = if number < 24 { "first" } else { "last" };
                let suffix = self.suffix(source, context)?;
                self.text(attribute, hashed_part(source, attribute, member, &suffix)?)
            }
            26 | 27 | 34 | 35 => {
                let operands = texts(source)?;
                let holds = if number >= 34 {
                    let operands = operands.into_iter().map(Out::text).collect();
                    test(vec![("containsAny", Out::Array(operands))])
                } else {
                    let hashed = hashed(&operands, &self.suffix(source, context)?, None);
                    hashed.map_or(Condition::Always(false), |hashed| {
                        let element = Out::object([("inHashed", hashed)]);
                        test(vec![("anyElement", element)])
                    })
                };
                let texts = Out::object([("hasType", Out::text("string"))]);
                let readable = test(vec![("everyElement", texts)]);
                Verdict {
                    holds: Condition::all([readable.clone(), holds.clone()]),
                    fails: Condition::all([readable, holds.negated()]),
                }
            }
            _ => return Err(comparator.malformed("is no comparator")),
        }
        .negated_if(is_negative(number)))
    }

    /// The verdict of a test that reads the attribute as text.
    fn text(&self, attribute: &str, holds: Condition) -> Verdict {
        let exists = Condition::test(attribute, vec![("exists", Out::boolean(true))]);
        let present = if self.reader.dialect == Dialect::Rust {
            exists
        } else {
            let empty = Condition::test(attribute, vec![("equals", Out::text(""))]);
            Condition::all([exists, empty.negated()])
        };
        Verdict {
            holds: if self.reader.dialect == Dialect::Rust || holds == Condition::Always(false) {
                holds.clone()
            } else {
                let empty = Condition::test(attribute, vec![("equals", Out::text(""))]);
                Condition::all([holds.clone(), empty.negated()])
            },
            fails: Condition::all([present, holds.negated()]),
        }
    }

    fn semver(&self, attribute: &str, comparators: String) -> Condition {
        let mut test = vec![("semver", Out::Text(comparators))];
        if self.reader.dialect != Dialect::Rust {
            test.push(LENIENT);
        }
        Condition::test(attribute, test)
    }

    fn any_version(&self, attribute: &str) -> Condition {
        // The least version that there is.
        self.semver(attribute, ">=0.0.0-0".to_string())
    }

    fn version_one_of(
        &self,
        source: &Source<'_, '_>,
        attribute: &str,
        negate: bool,
    ) -> Result<Verdict, Problem> {
        let operands = texts(source)?;
        let operands = operands.iter().map(|text| text.trim());
        let operands: Vec<&str> = operands.filter(|text| !text.is_empty()).collect();
        let readable = self.any_version(attribute);
        if !operands.iter().all(|text| is_version(text)) {
            // Whichever way it is turned.
            return Ok(Verdict {
                holds: Condition::Always(false),
                fails: readable,
            });
        }
        let equal = operands
            .iter()
            .map(|text| self.semver(attribute, format!("={text}")));
        let verdict = Verdict {
            holds: Condition::any(equal.clone()),
            fails: Condition::all([readable, Condition::any(equal).negated()]),
        };
        Ok(verdict.negated_if(negate))
    }

    fn version_order(
        &self,
        source: &Source<'_, '_>,
        attribute: &str,
        number: u32,
    ) -> Result<Verdict, Problem> {
        let operand = source.required("s")?.string()?;
        let operand = if self.reader.dialect == Dialect::Rust {
            operand
        } else {
            operand.trim()
        };
        if !is_version(operand) {
            return Ok(Verdict {
                holds: Condition::Always(false),
                fails: self.any_version(attribute),
            });
        }
        let (holds, fails) = match number {
            6 => ("<", ">="),
            7 => ("<=", ">"),
            8 => (">", "<="),
            _ => (">=", "<"),
        };
        Ok(Verdict {
            holds: self.semver(attribute, format!("{holds}{operand}")),
            fails: self.semver(attribute, format!("{fails}{operand}")),
        })
    }
}

/// Whether a comparator is the opposite of the one whose number is one less. Those of order have no opposite.
fn is_negative(number: u32) -> bool {
    matches!(
        number,
        1 | 3 | 11 | 17 | 21 | 23 | 25 | 27 | 29 | 31 | 33 | 35
    )
}

/// A comparison of numbers, or of times in seconds. An attribute that reads as neither fails both ways.
fn numeric(attribute: &str, number: u32, operand: &Out) -> Verdict {
    let test = |operator| {
        let test = vec![(operator, operand.clone()), LENIENT];
        Condition::test(attribute, test)
    };
    let (holds, fails) = match number {
        10 | 11 => {
            return Verdict {
                holds: Condition::all([test("lessOrEqual"), test("greaterOrEqual")]),
                fails: Condition::any([test("lessThan"), test("greaterThan")]),
            };
        }
        12 | 18 => ("lessThan", "greaterOrEqual"),
        13 => ("lessOrEqual", "greaterThan"),
        14 | 19 => ("greaterThan", "lessOrEqual"),
        _ => ("greaterOrEqual", "lessThan"),
    };
    Verdict {
        holds: test(holds),
        fails: test(fails),
    }
}

/// The attribute's text is one of these.
fn equal(attribute: &str, operands: &[&str]) -> Condition {
    let mut values = Vec::new();
    let mut patterns = Vec::new();
    for operand in operands {
        values.push(Out::text(*operand));
        match *operand {
            "true" => values.push(Out::boolean(true)),
            "false" => values.push(Out::boolean(false)),
            _ => match operand.parse::<f64>() {
                // Of a number without exponent Rust writes the same text as ECMAScript.
                // The flag set knows one zero; the text of its number is `0`.
                Ok(_) if *operand == "-0" => {}
                Ok(number) if number.is_finite() && number.to_string() == *operand => {
                    values.push(Out::double(number));
                }
                Ok(_) if may_be_in_number(operand) => patterns.push(escape(operand)),
                _ => {}
            },
        }
    }
    let equal = Condition::test(attribute, one_of(values));
    let written = patterns.is_empty().then_some(Condition::Always(false));
    let written = written.unwrap_or_else(|| {
        let pattern = format!("^(?:{})$", patterns.join("|"));
        Condition::test(attribute, vec![("matches", Out::Text(pattern)), LOOSE])
    });
    Condition::any([equal, written])
}

/// The attribute's text has one of the operands at a place.
fn part(source: &Source<'_, '_>, attribute: &str, place: Place) -> Result<Condition, Problem> {
    let operands = texts(source)?;
    let patterns: Vec<String> = operands
        .iter()
        .filter(|text| {
            may_be_in_number(text) || "true".contains(**text) || "false".contains(**text)
        })
        .map(|text| escape(text))
        .collect();
    let (operator, before, after) = match place {
        Place::Anywhere => ("contains", "", ""),
        Place::Start => ("startsWith", "^", ""),
        Place::End => ("endsWith", "", "$"),
    };
    let operands = operands.into_iter().map(Out::text).collect();
    let has = Condition::test(attribute, vec![(operator, Out::Array(operands))]);
    if patterns.is_empty() {
        return Ok(has);
    }
    // Numbers and booleans count by their text, which only a pattern looks at.
    let pattern = format!("{before}(?:{}){after}", patterns.join("|"));
    let written = Condition::test(attribute, vec![("matches", Out::Text(pattern)), LOOSE]);
    Ok(Condition::any([has, written]))
}

/// Whether the text of some number may contain this.
fn may_be_in_number(text: &str) -> bool {
    text.bytes().all(|byte| b"0123456789+-.e".contains(&byte))
}

/// A pattern that matches this text alone; it has nothing but digits, letters and `+-.`.
fn escape(text: &str) -> String {
    let mut pattern = String::new();
    for character in text.chars() {
        if matches!(character, '+' | '.' | '-') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// A list of hashed texts as `inHashed` has it; none if nothing can be on it.
fn hashed(digests: &[&str], suffix: &str, part: Option<(&'static str, u32)>) -> Option<Out> {
    let digests = digests.iter().filter(|digest| is_digest(digest));
    let digests: Vec<Out> = digests.map(|digest| Out::text(*digest)).collect();
    if digests.is_empty() {
        return None;
    }
    let mut members: Test = vec![
        ("hash", Out::text("sha256")),
        ("digests", Out::Array(digests)),
        ("suffix", Out::text(suffix)),
    ];
    members.extend(part.map(|(member, bytes)| (member, Out::number(bytes))));
    Some(crate::condition::members(members))
}

/// The first or last bytes of the attribute's text are on a list whose entries are `<bytes>_<digest>`.
fn hashed_part(
    source: &Source<'_, '_>,
    attribute: &str,
    member: &'static str,
    suffix: &str,
) -> Result<Condition, Problem> {
    let mut by_length: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for operand in texts(source)? {
        let parts = operand.split_once('_');
        let read = parts.and_then(|(bytes, digest)| Some((bytes.trim().parse().ok()?, digest)));
        let Some((bytes, digest)) = read.filter(|(_, digest)| !digest.is_empty()) else {
            return Err(source.malformed(format!("`{operand}` is no length and digest")));
        };
        if !(1..=MAX_HASHED_BYTES).contains(&bytes) {
            return Err(source.inexpressible("hashes a part of no or of more than 10,000 bytes"));
        }
        by_length.entry(bytes).or_default().push(digest);
    }
    let lists = by_length.iter().filter_map(|(bytes, digests)| {
        let hashed = hashed(digests, suffix, Some((member, *bytes)))?;
        Some(Condition::test(
            attribute,
            vec![("inHashed", hashed), LOOSE],
        ))
    });
    Ok(Condition::any(lists))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text is a version as Semantic Versioning 2.0.0 has it, with numbers below 2^64.
fn is_version(text: &str) -> bool {
    let (rest, build) = match text.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (text, None),
    };
    let (core, pre_release) = match rest.split_once('-') {
        Some((core, pre_release)) => (core, Some(pre_release)),
        None => (rest, None),
    };
    let is_number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u64>().is_ok()
            && (text == "0" || !text.starts_with('0'))
    };
    let identifiers = |text: &str, strict: bool| {
        text.split('.').all(|identifier| {
            let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            let digits = identifier.bytes().all(|byte| byte.is_ascii_digit());
            let padded = digits && identifier.len() > 1 && identifier.starts_with('0');
            !identifier.is_empty() && identifier.bytes().all(alphabet) && !(strict && padded)
        })
    };
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && pre_release.is_none_or(|text| identifiers(text, true))
        && build.is_none_or(|text| identifiers(text, false))
}
