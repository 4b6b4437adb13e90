//! An evaluation with everything about it, as OpenFeature has it.

use bucketry_core::{ErrorCode, Metadata, Reason, Recorded, Value};

use super::Answer;

/// The outcome of evaluating a flag: the value, and what led to it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EvaluationDetails<T> {
    /// The flag that was asked for.
    pub flag_key: String,
    /// The value to use.
    pub value: T,
    /// The name of the variant; none where the caller's default is served, or a value that an override gave.
    pub variant: Option<String>,
    /// Why. An override says [`Reason::Static`].
    pub reason: Reason,
    /// What went wrong, exactly when the reason is [`Reason::Error`]; the value then is the caller's default.
    pub error_code: Option<ErrorCode>,
    /// What went wrong, in words.
    pub error_message: Option<String>,
    /// What the flag set says about the flag beside its rules.
    pub metadata: FlagMetadata,
    /// The id of the rule that served, if it has one.
    pub rule: Option<String>,
    /// The revision of the flag set that answered; 0 if it names none.
    pub revision: Option<u64>,
    /// Whether an override answered.
    pub forced: bool,
    /// What became of the exposure, if there was one to record.
    pub recorded: Option<Recorded>,
}

impl<T> EvaluationDetails<T> {
    pub(crate) fn new(key: &str, value: T, answer: Answer<'_>) -> Self {
        let resolution = answer.resolution.as_ref();
        let rule = resolution.filter(|_| !answer.forced);
        Self {
            flag_key: key.to_owned(),
            value,
            variant: answer.variant.map(Into::into),
            reason: answer.reason,
            error_code: answer.error_code,
            metadata: answer.metadata().map(FlagMetadata::new).unwrap_or_default(),
            rule: rule
                .and_then(|resolution| resolution.rule_id())
                .map(Into::into),
            revision: resolution.map(|resolution| resolution.revision()),
            forced: answer.forced,
            recorded: answer.recorded,
            error_message: answer.error_message,
        }
    }

    /// The same with another value made of this one.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> EvaluationDetails<U> {
        EvaluationDetails {
            flag_key: self.flag_key,
            value: change(self.value),
            variant: self.variant,
            reason: self.reason,
            error_code: self.error_code,
            error_message: self.error_message,
            metadata: self.metadata,
            rule: self.rule,
            revision: self.revision,
            forced: self.forced,
            recorded: self.recorded,
        }
    }
}

/// What a flag set says about a flag beside its rules: names and scalar values, in the order of the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlagMetadata(Vec<(String, MetadataValue)>);

/// A value of [`FlagMetadata`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MetadataValue {
    /// A boolean.
    Boolean(bool),
    /// A text.
    String(String),
    /// An integer.
    Integer(i64),
    /// A double.
    Number(f64),
}

impl FlagMetadata {
    fn new(metadata: Metadata<'_>) -> Self {
        let entries = metadata.iter().map(|(name, value)| {
            let value = match value {
                Value::Boolean(value) => MetadataValue::Boolean(value),
                Value::Integer(value) => MetadataValue::Integer(value),
                Value::Number(value) => MetadataValue::Number(value),
                Value::String(text) | Value::Object(text) => MetadataValue::String(text.to_owned()),
            };
            (name.to_owned(), value)
        });
        Self(entries.collect())
    }

    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&MetadataValue> {
        self.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The names and values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &MetadataValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
