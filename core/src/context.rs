//! The evaluation context: who is asking, and what is known about them.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::hash::same;
use crate::json::{Document, Json, Kind, SyntaxError};
use crate::limits;
use crate::number::Number;
use crate::value::AttributeValue;

/// Who is asking for a flag, and what is known about them: a targeting key and typed attributes.
///
/// Text is borrowed or owned as it comes, so a context made of `&str` costs one allocation.
///
/// ```
/// use bucketry_core::EvaluationContext;
///
/// let context = EvaluationContext::new("user-1")
///     .with("country", "DE")
///     .with("age", 42)
///     .with("groups", ["staff", "beta"]);
/// assert_eq!(context.targeting_key(), Some("user-1"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationContext<'a> {
    /// A string, or null when there is none: conditions read it as an attribute.
    pub(crate) targeting_key: AttributeValue<'a>,
    pub(crate) attributes: Vec<(Cow<'a, str>, AttributeValue<'a>)>,
    pub(crate) random: AttributeValue<'a>,
    pub(crate) prior: Vec<PriorAssignment<'a>>,
}

/// What a unit was assigned before, from the caller's store of sticky assignments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PriorAssignment<'a> {
    /// The experiment's key.
    pub experiment: Cow<'a, str>,
    /// The phase that the assignment was made in; of no effect in another.
    pub phase: u32,
    /// The variant that was served.
    pub variant: Cow<'a, str>,
}

impl Default for EvaluationContext<'_> {
    fn default() -> Self {
        Self::anonymous()
    }
}

impl<'a> EvaluationContext<'a> {
    /// A context with this targeting key and no attributes. An empty key is a key.
    #[must_use]
    pub fn new(targeting_key: impl Into<Cow<'a, str>>) -> Self {
        Self {
            targeting_key: AttributeValue::String(targeting_key.into()),
            ..Self::anonymous()
        }
    }

    /// A context without targeting key and without attributes.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self {
            targeting_key: AttributeValue::Null,
            attributes: Vec::new(),
            random: AttributeValue::Null,
            prior: Vec::new(),
        }
    }

    /// This context with one more attribute. Of two of one name the last counts.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<Cow<'a, str>>,
        value: impl Into<AttributeValue<'a>>,
    ) -> Self {
        self.set(name, value);
        self
    }

    /// Adds an attribute. Of two of one name the last counts.
    ///
    /// A context of more than [`limits::MAX_CONTEXT_ATTRIBUTES`] attributes resolves every flag that
    /// has rules to `INVALID_CONTEXT`.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<AttributeValue<'a>>) {
        if self.attributes.capacity() == 0 {
            self.attributes.reserve_exact(8);
        }
        self.attributes.push((name.into(), value.into()));
    }

    /// Replaces the targeting key.
    pub fn set_targeting_key(&mut self, targeting_key: impl Into<Cow<'a, str>>) {
        self.targeting_key = AttributeValue::String(targeting_key.into());
    }

    /// Forgets everything and keeps the memory, so that one context can serve a million units.
    pub fn clear(&mut self) {
        self.targeting_key = AttributeValue::Null;
        self.attributes.clear();
        self.random = AttributeValue::Null;
        self.prior.clear();
    }

    /// This context with the random number that the unit `$random` reads.
    ///
    /// The core has no randomness of its own: a caller who wants a new draw at every call passes one.
    #[must_use]
    pub fn with_random(mut self, random: u64) -> Self {
        let mut digits = [0; 20];
        let text = crate::number::write_u64(random, &mut digits);
        self.random = AttributeValue::String(Cow::Owned(String::from(text)));
        self
    }

    /// This context with an assignment from the caller's store; experiments that are sticky keep to it.
    #[must_use]
    pub fn with_prior(mut self, prior: PriorAssignment<'a>) -> Self {
        self.prior.push(prior);
        self
    }

    /// The targeting key, if there is one.
    #[must_use]
    pub fn targeting_key(&self) -> Option<&str> {
        self.targeting_key.as_str()
    }

    /// The attribute of this name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&AttributeValue<'a>> {
        lookup(&self.attributes, name.as_bytes())
    }

    /// The attributes in the order they were added.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &AttributeValue<'a>)> {
        self.attributes
            .iter()
            .map(|(name, value)| (name.as_ref(), value))
    }

    /// The same context, owning its text.
    #[must_use]
    pub fn into_owned(self) -> EvaluationContext<'static> {
        EvaluationContext {
            targeting_key: self.targeting_key.into_owned(),
            attributes: self
                .attributes
                .into_iter()
                .map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned()))
                .collect(),
            random: self.random.into_owned(),
            prior: self
                .prior
                .into_iter()
                .map(|prior| PriorAssignment {
                    experiment: Cow::Owned(prior.experiment.into_owned()),
                    phase: prior.phase,
                    variant: Cow::Owned(prior.variant.into_owned()),
                })
                .collect(),
        }
    }

    /// Reads a context from a JSON object: `targetingKey` and, beside it, the attributes.
    ///
    /// # Errors
    ///
    /// [`ContextError`] when the text is not JSON, is no object, has a targeting key that is neither
    /// a string nor null, a number too large for a double, or exceeds [`limits::MAX_CONTEXT_BYTES`],
    /// [`limits::MAX_CONTEXT_ATTRIBUTES`] or [`limits::MAX_DEPTH`].
    ///
    /// ```
    /// use bucketry_core::EvaluationContext;
    ///
    /// let context = EvaluationContext::from_json(br#"{"targetingKey": "user-1", "age": 42}"#)?;
    /// assert_eq!(context.targeting_key(), Some("user-1"));
    /// # Ok::<(), bucketry_core::ContextError>(())
    /// ```
    pub fn from_json(bytes: &[u8]) -> Result<EvaluationContext<'static>, ContextError> {
        let document =
            Document::parse(bytes, limits::MAX_CONTEXT_BYTES).map_err(ContextError::Syntax)?;
        let root = document.root();
        if root.kind() != Kind::Object {
            return Err(ContextError::NotAnObject);
        }
        let mut context = EvaluationContext::anonymous();
        for (name, value) in root.members() {
            if name == "targetingKey" {
                context.targeting_key = match value.kind() {
                    Kind::String => AttributeValue::String(Cow::Owned(value.text().into())),
                    Kind::Null => AttributeValue::Null,
                    _ => return Err(ContextError::TargetingKeyType),
                };
                continue;
            }
            if context.attributes.len() == limits::MAX_CONTEXT_ATTRIBUTES {
                return Err(ContextError::TooManyAttributes);
            }
            let value = attribute_value(value).map_err(ContextError::Number)?;
            context.attributes.push((Cow::Owned(name.into()), value));
        }
        Ok(context)
    }
}

/// The last of the named values with this name.
pub(crate) fn lookup<'v, 'a>(
    values: &'v [(Cow<'a, str>, AttributeValue<'a>)],
    name: &[u8],
) -> Option<&'v AttributeValue<'a>> {
    values
        .iter()
        .rev()
        .find(|(key, _)| same(key.as_bytes(), name))
        .map(|(_, value)| value)
}

/// The attribute value that a piece of JSON stands for, or the pointer to a number that is none.
pub(crate) fn attribute_value(json: Json<'_>) -> Result<AttributeValue<'static>, String> {
    Ok(match json.kind() {
        Kind::Null => AttributeValue::Null,
        Kind::True => AttributeValue::Bool(true),
        Kind::False => AttributeValue::Bool(false),
        Kind::String => AttributeValue::String(Cow::Owned(json.text().into())),
        Kind::Number => match json.number() {
            Some(Number::Integer(value)) => AttributeValue::Integer(value),
            Some(Number::Double(value)) => AttributeValue::Number(value),
            None => return Err(json.pointer()),
        },
        Kind::Array => {
            let mut elements = Vec::new();
            for element in json.elements() {
                elements.push(attribute_value(element)?);
            }
            AttributeValue::Array(elements)
        }
        Kind::Object => {
            let mut members = Vec::new();
            for (name, value) in json.members() {
                members.push((Cow::Owned(name.into()), attribute_value(value)?));
            }
            AttributeValue::Object(members)
        }
    })
}

/// Why a context could not be read.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ContextError {
    /// The text is not JSON, or over a limit of size or depth.
    Syntax(SyntaxError),
    /// The text is JSON but no object.
    NotAnObject,
    /// `targetingKey` is neither a string nor null.
    TargetingKeyType,
    /// More attributes than [`limits::MAX_CONTEXT_ATTRIBUTES`].
    TooManyAttributes,
    /// The number at this JSON pointer is too large for a double, or too long.
    Number(String),
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "context is not valid: {error}"),
            Self::NotAnObject => f.write_str("context is not a JSON object"),
            Self::TargetingKeyType => f.write_str("context has a `targetingKey` that is no string"),
            Self::TooManyAttributes => write!(
                f,
                "context has more than {} attributes",
                limits::MAX_CONTEXT_ATTRIBUTES
            ),
            Self::Number(pointer) => write!(
                f,
                "context has a number at `{pointer}` that is too large for a double or longer than {} characters",
                limits::MAX_NUMBER_BYTES
            ),
        }
    }
}

impl core::error::Error for ContextError {}
