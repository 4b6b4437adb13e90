//! Values of flags and of attributes.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::number::Number;

/// The type that every variant of a flag has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[repr(u8)]
pub enum ValueType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A signed 64-bit integer.
    Integer,
    /// A double.
    Number,
    /// Any JSON object or array.
    Object,
}

impl ValueType {
    /// The name in a flag set document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Object => "object",
        }
    }

    pub(crate) const ALL: [Self; 5] = [
        Self::Boolean,
        Self::String,
        Self::Integer,
        Self::Number,
        Self::Object,
    ];
}

/// The value of a variant, borrowed from the flag set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A boolean flag's value.
    Boolean(bool),
    /// A string flag's value.
    String(&'a str),
    /// An integer flag's value.
    Integer(i64),
    /// A number flag's value; finite.
    Number(f64),
    /// An object flag's value: its JSON text without insignificant white space.
    Object(&'a str),
}

impl<'a> Value<'a> {
    /// The type of this value.
    #[must_use]
    pub const fn value_type(self) -> ValueType {
        match self {
            Self::Boolean(_) => ValueType::Boolean,
            Self::String(_) => ValueType::String,
            Self::Integer(_) => ValueType::Integer,
            Self::Number(_) => ValueType::Number,
            Self::Object(_) => ValueType::Object,
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    pub const fn as_bool(self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// The text, if it is a string.
    #[must_use]
    pub const fn as_str(self) -> Option<&'a str> {
        match self {
            Self::String(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if it is one.
    #[must_use]
    pub const fn as_i64(self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// The double, if it is a number. An integer is not: see [`Value::as_i64`].
    #[must_use]
    pub const fn as_f64(self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(value),
            _ => None,
        }
    }

    /// The JSON text, if it is an object.
    #[must_use]
    pub const fn as_json(self) -> Option<&'a str> {
        match self {
            Self::Object(value) => Some(value),
            _ => None,
        }
    }
}

/// The value of an attribute of an evaluation context.
///
/// Made from the obvious types by `From`; nothing is coerced: `"5"` is a string and stays one.
/// Integers and doubles are one type to the conditions and compare by mathematical value.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue<'a> {
    /// Counts as missing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A double. NaN and the infinities count as missing.
    Number(f64),
    /// Text.
    String(Cow<'a, str>),
    /// A list.
    Array(Vec<Self>),
    /// Named values; of two of one name the last counts.
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl<'a> AttributeValue<'a> {
    /// Whether conditions treat this value as absent: null, NaN and the infinities.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Number(number) => !number.is_finite(),
            _ => false,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_number(&self) -> Option<Number> {
        match *self {
            Self::Integer(value) => Some(Number::Integer(value)),
            Self::Number(value) if value.is_finite() => Some(Number::Double(value)),
            _ => None,
        }
    }

    /// The same value, owning its text.
    #[must_use]
    pub fn into_owned(self) -> AttributeValue<'static> {
        match self {
            Self::Null => AttributeValue::Null,
            Self::Bool(value) => AttributeValue::Bool(value),
            Self::Integer(value) => AttributeValue::Integer(value),
            Self::Number(value) => AttributeValue::Number(value),
            Self::String(text) => AttributeValue::String(Cow::Owned(text.into_owned())),
            Self::Array(elements) => {
                AttributeValue::Array(elements.into_iter().map(Self::into_owned).collect())
            }
            Self::Object(members) => AttributeValue::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned()))
                    .collect(),
            ),
        }
    }
}

impl From<bool> for AttributeValue<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for AttributeValue<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<i32> for AttributeValue<'_> {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u32> for AttributeValue<'_> {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for AttributeValue<'_> {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl<'a> From<&'a str> for AttributeValue<'a> {
    fn from(value: &'a str) -> Self {
        Self::String(Cow::Borrowed(value))
    }
}

impl From<String> for AttributeValue<'_> {
    fn from(value: String) -> Self {
        Self::String(Cow::Owned(value))
    }
}

impl<'a> From<Cow<'a, str>> for AttributeValue<'a> {
    fn from(value: Cow<'a, str>) -> Self {
        Self::String(value)
    }
}

impl<T: Into<Self>> From<Vec<T>> for AttributeValue<'_> {
    fn from(elements: Vec<T>) -> Self {
        Self::Array(elements.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Self>, const N: usize> From<[T; N]> for AttributeValue<'_> {
    fn from(elements: [T; N]) -> Self {
        Self::Array(elements.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Self>> From<Option<T>> for AttributeValue<'_> {
    /// `None` becomes [`AttributeValue::Null`], which counts as missing.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
