//! Overrides: what tests and quality assurance make a flag answer.

use std::collections::HashMap;

use bucketry_core::Value;

/// What a flag answers whatever its rules say. An exposure that it leads to is marked `forced`, so that analysis leaves it
/// out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Override {
    /// The value of this variant of the flag. A flag without it answers the caller's default with the error `GENERAL`.
    Variant(String),
    /// A boolean, also for a flag that does not exist.
    Boolean(bool),
    /// A text, likewise.
    String(String),
    /// An integer, likewise.
    Integer(i64),
    /// A number, likewise.
    Number(f64),
    /// An object as JSON text, likewise.
    Object(String),
}

impl Override {
    /// The value of a variant of the flag.
    pub fn variant(name: impl Into<String>) -> Self {
        Self::Variant(name.into())
    }

    /// An object as JSON text.
    pub fn object(json: impl Into<String>) -> Self {
        Self::Object(json.into())
    }

    pub(crate) const fn value(&self) -> Option<Value<'_>> {
        Some(match self {
            Self::Variant(_) => return None,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::String(value) => Value::String(value.as_str()),
            Self::Integer(value) => Value::Integer(*value),
            Self::Number(value) => Value::Number(*value),
            Self::Object(json) => Value::Object(json.as_str()),
        })
    }
}

impl From<bool> for Override {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<&str> for Override {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Override {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<i64> for Override {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<i32> for Override {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for Override {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

/// The overrides of one flag.
#[derive(Clone, Debug, Default)]
struct OfFlag {
    everyone: Option<Override>,
    by_targeting_key: HashMap<String, Override>,
}

/// All overrides of a client. Immutable: a change makes a new one, so that evaluations never wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides(HashMap<String, OfFlag>);

impl Overrides {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn set(&mut self, flag: String, targeting_key: Option<String>, to: Override) {
        let flag = self.0.entry(flag).or_default();
        match targeting_key {
            Some(key) => {
                flag.by_targeting_key.insert(key, to);
            }
            None => flag.everyone = Some(to),
        }
    }

    pub(crate) fn remove(&mut self, flag: &str) {
        self.0.remove(flag);
    }

    pub(crate) fn remove_for(&mut self, flag: &str, targeting_key: &str) {
        let Some(of_flag) = self.0.get_mut(flag) else {
            return;
        };
        of_flag.by_targeting_key.remove(targeting_key);
        if of_flag.everyone.is_none() && of_flag.by_targeting_key.is_empty() {
            self.0.remove(flag);
        }
    }

    /// That of the targeting key before that of everyone.
    pub(crate) fn find(&self, flag: &str, targeting_key: Option<&str>) -> Option<&Override> {
        let flag = self.0.get(flag)?;
        targeting_key
            .and_then(|key| flag.by_targeting_key.get(key))
            .or(flag.everyone.as_ref())
    }
}
