//! Values of settings, and the names that they get as variants.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bucketry_core::internal::Kind;
use bucketry_core::limits::MAX_NUMBER_BYTES;

use crate::names::is_name;
use crate::output::Out;
use crate::source::{Problem, Source};

/// Longest text that is the name of its variant where the document gives none.
const MAX_TEXT_AS_NAME: usize = 64;

/// The types of settings: the flag set's name, and the member that holds a value.
const TYPES: [(&str, &str); 4] = [
    ("boolean", "b"),
    ("string", "s"),
    ("integer", "i"),
    ("number", "d"),
];

/// The type of a setting's values.
pub(super) fn value_type(
    setting: &Source<'_, '_>,
) -> Result<(&'static str, &'static str), Problem> {
    let source = setting.required("t")?;
    let number = source.u32()?;
    known_type(number).ok_or_else(|| source.malformed("is no setting type"))
}

pub(super) fn known_type(number: u32) -> Option<(&'static str, &'static str)> {
    TYPES.get(number as usize).copied()
}

/// The flag set's name of that type, as far as it can be told.
pub(super) fn type_name(setting: &Source<'_, '_>) -> Option<&'static str> {
    value_type(setting).ok().map(|(name, _)| name)
}

/// A value as the flag set writes it, out of an object `{ "b" | "s" | "i" | "d": value }`.
pub(super) fn read(source: &Source<'_, '_>, member: &str) -> Result<Out, Problem> {
    source.expect_object()?;
    let value = source
        .get(member)
        .ok_or_else(|| source.malformed("has no value of the setting's type"))?;
    let wrong = |what: &str| Err(value.malformed(what));
    match (member, value.kind()) {
        ("b", Kind::True) => Ok(Out::boolean(true)),
        ("b", Kind::False) => Ok(Out::boolean(false)),
        ("b", _) => wrong("is no boolean"),
        ("s", Kind::String) => Ok(Out::text(value.json().text())),
        ("s", _) => wrong("is no string"),
        ("i", Kind::Number) => match value.json().text().parse::<i64>() {
            Ok(integer) => Ok(Out::number(integer)),
            Err(_) => wrong("is no 64-bit integer"),
        },
        (_, Kind::Number) => number(&value),
        _ => wrong("is no number"),
    }
}

/// A finite number, in the digits of the document.
pub(super) fn number(source: &Source<'_, '_>) -> Result<Out, Problem> {
    let text = match source.kind() {
        Kind::Number => source.json().text(),
        _ => return Err(source.malformed("is no number")),
    };
    match text.parse() {
        Ok(value) if f64::is_finite(value) && text.len() <= MAX_NUMBER_BYTES => {
            Ok(Out::Json(text.to_string().into()))
        }
        Ok(value) if f64::is_finite(value) => Ok(Out::double(value)),
        _ => Err(source.malformed("is no number that a double can hold")),
    }
}

/// The variants of a setting: every value that something serves.
#[derive(Default)]
pub(super) struct Variants(Vec<(String, Out)>);

impl Variants {
    /// The name of a value's variant: its variation id, else its text.
    pub(super) fn name(&mut self, id: Option<&str>, value: Out) -> String {
        let wanted = match id.filter(|id| is_name(id)) {
            Some(id) => id.to_string(),
            None => {
                if let Some((name, _)) = self.0.iter().find(|(_, known)| *known == value) {
                    return name.clone();
                }
                match &value {
                    Out::Json(json) => json.to_string(),
                    Out::Text(text) if text.len() <= MAX_TEXT_AS_NAME && is_name(text) => {
                        text.clone()
                    }
                    _ => "value".to_string(),
                }
            }
        };
        let mut name = wanted.clone();
        let mut count = 1;
        while let Some((_, known)) = self.0.iter().find(|(known, _)| *known == name) {
            if *known == value {
                return name;
            }
            count += 1;
            name = format!("{wanted}-{count}");
        }
        self.0.push((name.clone(), value));
        name
    }

    pub(super) fn into_out(self) -> Out {
        let variants = self.0.into_iter();
        Out::Object(
            variants
                .map(|(name, value)| (Cow::Owned(name), value))
                .collect(),
        )
    }
}
