//! Values of features and variations, and the names that they get.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bucketry_core::internal::Kind;
use bucketry_core::limits::MAX_NUMBER_BYTES;

use crate::names::is_name;
use crate::output::Out;
use crate::source::{Problem, Source};

/// Longest text that is the name of the variant whose value it is.
const LONGEST_NAME: usize = 64;

/// The variants of a flag in the making.
pub(super) struct Variants {
    pub(super) value_type: &'static str,
    pub(super) list: Vec<(String, Out)>,
}

impl Variants {
    /// The variant of a variation: by its key, unless another value has that name. `None`: null, which is no variant.
    pub(super) fn variation(
        &mut self,
        experiment: &str,
        key: &str,
        value: &Source<'_, '_>,
    ) -> Result<Option<String>, Problem> {
        let prefixed = format!("{experiment}/{key}");
        self.named([key, &prefixed], value)
    }

    /// The variant of a value that is served as it is.
    pub(super) fn value(&mut self, value: &Source<'_, '_>) -> Result<Option<String>, Problem> {
        let text = value.json().text();
        let name = match value.kind() {
            Kind::True => "on",
            Kind::False => "off",
            Kind::String | Kind::Number if text.len() <= LONGEST_NAME => text,
            _ => "value",
        };
        let prefixed = format!("value {name}");
        self.named([name, &prefixed], value)
    }

    fn named(
        &mut self,
        names: [&str; 2],
        value: &Source<'_, '_>,
    ) -> Result<Option<String>, Problem> {
        if value.kind() == Kind::Null {
            return Ok(None);
        }
        let out = convert(value)?;
        let free = |list: &[(String, Out)], name: &str| {
            let found = list.iter().find(|(each, _)| each == name);
            found.is_none_or(|(_, known)| *known == out)
        };
        let own = names.iter().filter(|name| is_name(name));
        let mut name = own
            .map(|name| (*name).to_owned())
            .find(|name| free(&self.list, name));
        let mut number = 2;
        while name.is_none() {
            let numbered = format!("value {number}");
            number += 1;
            name = Some(numbered).filter(|name| free(&self.list, name));
        }
        if let Some(name) = &name
            && !self.list.iter().any(|(each, _)| each == name)
        {
            self.list.push((name.clone(), out));
        }
        Ok(name)
    }
}

fn convert(value: &Source<'_, '_>) -> Result<Out, Problem> {
    let json = value.json();
    Ok(match value.kind() {
        Kind::True => Out::boolean(true),
        Kind::False => Out::boolean(false),
        Kind::String => Out::text(json.text()),
        Kind::Number => match json.text().parse::<f64>() {
            // The digits as they stand: they are somebody's, and the nearest double is the same.
            Ok(number) if number.is_finite() && json.text().len() <= MAX_NUMBER_BYTES => {
                Out::Json(json.text().to_owned().into())
            }
            Ok(number) if number.is_finite() => Out::double(number),
            _ => return Err(value.inexpressible("is no number that a double can hold")),
        },
        Kind::Array | Kind::Object | Kind::Null => {
            let mut text = String::new();
            json.minify_to(&mut text);
            Out::Json(text.into())
        }
    })
}
