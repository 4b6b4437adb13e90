//! Values of variations.

use alloc::borrow::ToOwned;
use alloc::string::String;

use bucketry_core::internal::{Document, Json, Kind};
use bucketry_core::limits::{MAX_DOCUMENT_BYTES, MAX_NUMBER_BYTES};

use crate::format::Dialect;
use crate::output::Out;
use crate::source::{Problem, Source};

use super::Reader;

/// The flag set's name for a variation type; `None` for a type that the format does not have.
fn named(variation_type: &str) -> Option<&'static str> {
    Some(match variation_type {
        "BOOLEAN" => "boolean",
        "STRING" => "string",
        "INTEGER" => "integer",
        "NUMERIC" => "number",
        "JSON" => "object",
        _ => return None,
    })
}

/// The type of a flag's values.
pub(super) fn value_type(flag: &Source<'_, '_>) -> Result<&'static str, Problem> {
    let source = flag.required("variationType")?;
    named(source.string()?).ok_or_else(|| source.malformed("is no variation type"))
}

/// The type of a flag's values as far as it can be told.
pub(super) fn type_name(flag: &Source<'_, '_>) -> &'static str {
    value_type(flag).unwrap_or("boolean")
}

impl Reader<'_> {
    /// The value of a variation of a flag of this type.
    pub(super) fn value(&self, source: &Source<'_, '_>, value_type: &str) -> Result<Out, Problem> {
        // Texts of which the value is to be read, rather than JSON that holds it.
        let encoded =
            self.names.is_some() || self.dialect == Dialect::Eppo && value_type == "object";
        if !encoded {
            return self.convert(source, source.json(), value_type);
        }
        let text = self.text(source)?;
        match value_type {
            "string" => Ok(Out::Text(text)),
            _ => match Document::parse(text.as_bytes(), MAX_DOCUMENT_BYTES) {
                Ok(document) => self.convert(source, document.root(), value_type),
                Err(_) => Err(source.malformed("is no JSON in a text")),
            },
        }
    }

    fn convert(
        &self,
        source: &Source<'_, '_>,
        json: Json<'_>,
        value_type: &str,
    ) -> Result<Out, Problem> {
        let wrong = |what: &str| Err(source.malformed(what));
        match (value_type, json.kind()) {
            ("boolean", Kind::True) => Ok(Out::boolean(true)),
            ("boolean", Kind::False) => Ok(Out::boolean(false)),
            ("boolean", _) => wrong("is no boolean"),
            ("string", Kind::String) => Ok(Out::text(json.text())),
            ("string", _) => wrong("is no string"),
            ("integer", Kind::Number) => match self.integer(json.text()) {
                Some(integer) => Ok(Out::number(integer)),
                None => wrong("is no 64-bit integer"),
            },
            ("integer", _) => wrong("is no integer"),
            ("number", Kind::Number) => match json.text().parse() {
                // The digits as they stand: they are somebody's, and the nearest double is the same.
                Ok(value) if f64::is_finite(value) && json.text().len() <= MAX_NUMBER_BYTES => {
                    Ok(Out::Json(json.text().to_owned().into()))
                }
                Ok(value) if f64::is_finite(value) => Ok(Out::double(value)),
                _ => wrong("is no number that a double can hold"),
            },
            ("number", _) => wrong("is no number"),
            (_, Kind::Object | Kind::Array) => {
                let mut text = String::new();
                json.minify_to(&mut text);
                Ok(Out::Json(text.into()))
            }
            _ => Err(source.inexpressible("is a JSON value that is neither object nor array")),
        }
    }

    /// Datadog reads integers as such; Eppo reads every number as a double first.
    fn integer(&self, digits: &str) -> Option<i64> {
        if self.dialect != Dialect::Eppo {
            return digits.parse().ok();
        }
        let double: f64 = digits.parse().ok()?;
        let integer = double as i64;
        (integer as f64 == double).then_some(integer)
    }
}
