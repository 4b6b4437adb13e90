//! JSON out: a small tree, and a writer whose text a person can read and a diff can follow.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Values that fit in this many columns stand on one line.
const WIDTH: usize = 110;

/// A JSON value to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Out {
    /// JSON text, written as it is: a number, a word, or a value taken over from the source.
    Json(Cow<'static, str>),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(Cow<'static, str>, Self)>),
}

impl Out {
    pub(crate) const NULL: Self = Self::Json(Cow::Borrowed("null"));

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) const fn boolean(value: bool) -> Self {
        Self::Json(Cow::Borrowed(if value { "true" } else { "false" }))
    }

    /// A number that `Display` writes as JSON does: the integers.
    pub(crate) fn number(value: impl ToString) -> Self {
        Self::Json(value.to_string().into())
    }

    /// A finite double in the shortest decimal digits that read back to it.
    pub(crate) fn double(value: f64) -> Self {
        // `Display` of 1e300 has 301 digits, of 1e-7 none to spare.
        let plain = value == 0.0 || (1e-6..1e17).contains(&value.abs());
        Self::Json(
            if plain {
                format!("{value}")
            } else {
                format!("{value:e}")
            }
            .into(),
        )
    }

    pub(crate) fn object<const N: usize>(members: [(&'static str, Self); N]) -> Self {
        Self::Object(
            members
                .into_iter()
                .map(|(name, value)| (Cow::Borrowed(name), value))
                .collect(),
        )
    }

    /// How many bytes the value takes when written without white space, about.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Json(json) => json.len(),
            Self::Text(text) => text.len() + 2,
            Self::Array(elements) => 2 + elements.iter().map(|each| each.size() + 2).sum::<usize>(),
            Self::Object(members) => {
                let size = |(name, value): &(Cow<'_, str>, Self)| name.len() + 6 + value.size();
                2 + members.iter().map(size).sum::<usize>()
            }
        }
    }

    /// The JSON text, with a line break at the end.
    pub(crate) fn to_pretty(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out.push('\n');
        out
    }

    /// The JSON text as the value of a member that stands `indent` columns in.
    pub(crate) fn to_member(&self, indent: usize) -> String {
        let mut out = String::new();
        self.write(indent, &mut out);
        out
    }

    fn write(&self, indent: usize, out: &mut String) {
        let (open, close, empty) = match self {
            Self::Json(json) => return out.push_str(json),
            Self::Text(text) => return write_text(text, out),
            Self::Array(elements) => ('[', ']', elements.is_empty()),
            Self::Object(members) => ('{', '}', members.is_empty()),
        };
        out.push(open);
        let inline = self.fits(WIDTH.saturating_sub(indent));
        let inner = indent + 2;
        let separate = |first: bool, out: &mut String| {
            if !first {
                out.push(',');
            }
            if !inline {
                out.push('\n');
                out.extend(core::iter::repeat_n(' ', inner));
            } else if !first || open == '{' {
                out.push(' ');
            }
        };
        match self {
            Self::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    separate(index == 0, out);
                    element.write(inner, out);
                }
            }
            Self::Object(members) => {
                for (index, (name, value)) in members.iter().enumerate() {
                    separate(index == 0, out);
                    write_text(name, out);
                    out.push_str(": ");
                    value.write(inner, out);
                }
            }
            Self::Json(_) | Self::Text(_) => {}
        }
        if !inline {
            out.push('\n');
            out.extend(core::iter::repeat_n(' ', indent));
        } else if open == '{' && !empty {
            out.push(' ');
        }
        out.push(close);
    }

    /// Whether the value takes at most `width` columns on one line; costs no more than that.
    fn fits(&self, width: usize) -> bool {
        fn left(value: &Out, width: usize) -> Option<usize> {
            match value {
                Out::Json(json) => width.checked_sub(json.len()),
                Out::Text(text) => width.checked_sub(text.len() + 2),
                Out::Array(elements) => elements
                    .iter()
                    .try_fold(width.checked_sub(2)?, |width, each| {
                        left(each, width.checked_sub(2)?)
                    }),
                Out::Object(members) => members
                    .iter()
                    .try_fold(width.checked_sub(2)?, |width, (name, value)| {
                        left(value, width.checked_sub(name.len() + 6)?)
                    }),
            }
        }
        left(self, width).is_some()
    }
}

impl From<&String> for Out {
    fn from(text: &String) -> Self {
        Self::text(text)
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1F}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_stand_on_one_line_and_long_ones_do_not() {
        let short = Out::object([("a", Out::Array([Out::number(1), Out::NULL].into()))]);
        assert_eq!(short.to_pretty(), "{ \"a\": [1, null] }\n");
        let long = Out::object([
            ("a", Out::text("x".repeat(WIDTH))),
            ("b", Out::Array(Vec::new())),
        ]);
        let want = format!("{{\n  \"a\": \"{}\",\n  \"b\": []\n}}\n", "x".repeat(WIDTH));
        assert_eq!(long.to_pretty(), want);
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(
            Out::text("\"\\\n\u{1}é").to_pretty(),
            "\"\\\"\\\\\\n\\u0001é\"\n"
        );
    }

    #[test]
    fn doubles_read_back_to_themselves() {
        for value in [
            0.0,
            1.0,
            -2.5,
            0.1,
            1e17,
            1e300,
            1e-7,
            f64::MIN_POSITIVE,
            f64::MAX,
        ] {
            let Out::Json(json) = Out::double(value) else {
                panic!("a double is written as JSON")
            };
            assert_eq!(json.parse(), Ok(value), "{value:?}");
            assert!(json.len() < 32, "{value:?}");
        }
    }
}
