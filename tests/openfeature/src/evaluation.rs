//! Evaluating a flag of a named type, and what comes of it in one form.

use open_feature::{
    Client, EvaluationContext, EvaluationDetails, EvaluationErrorCode, EvaluationOptions,
    EvaluationResult, FlagMetadata, StructValue, Value,
};
use serde_json::{Value as Json, json};

/// A flag that a scenario asks for.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    pub(crate) default: Json,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Boolean,
    String,
    Integer,
    Float,
    Object,
}

impl Kind {
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        Ok(match name.to_lowercase().as_str() {
            "boolean" => Self::Boolean,
            "string" => Self::String,
            "integer" => Self::Integer,
            "float" => Self::Float,
            "object" => Self::Object,
            other => return Err(format!("no type `{other}`")),
        })
    }

    /// A value as the scenarios write it.
    pub(crate) fn read(self, text: &str) -> Result<Json, String> {
        match self {
            Self::String => Ok(json!(text)),
            _ => serde_json::from_str(&text.replace("\\\"", "\""))
                .map_err(|error| format!("{text}: {error}")),
        }
    }
}

/// What an evaluation gave. An error gives the default, as a caller would take it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Outcome {
    pub(crate) flag_key: String,
    pub(crate) value: Json,
    pub(crate) variant: Option<String>,
    pub(crate) reason: String,
    pub(crate) error_code: Option<String>,
    pub(crate) metadata: FlagMetadata,
}

pub(crate) async fn evaluate(
    client: &Client,
    asked: &Asked,
    context: &EvaluationContext,
    options: Option<&EvaluationOptions>,
) -> Outcome {
    let (key, context) = (asked.key.as_str(), Some(context));
    match asked.kind {
        Kind::Boolean => outcome(
            asked,
            client.get_bool_details(key, context, options).await,
            Value::Bool,
        ),
        Kind::String => outcome(
            asked,
            client.get_string_details(key, context, options).await,
            Value::String,
        ),
        Kind::Integer => outcome(
            asked,
            client.get_int_details(key, context, options).await,
            Value::Int,
        ),
        Kind::Float => outcome(
            asked,
            client.get_float_details(key, context, options).await,
            Value::Float,
        ),
        Kind::Object => {
            let details = client
                .get_struct_details::<StructValue>(key, context, options)
                .await;
            outcome(asked, details, Value::Struct)
        }
    }
}

fn outcome<T>(
    asked: &Asked,
    result: EvaluationResult<EvaluationDetails<T>>,
    wrap: fn(T) -> Value,
) -> Outcome {
    match result {
        Ok(details) => Outcome {
            flag_key: details.flag_key,
            value: to_json(&wrap(details.value)),
            variant: details.variant,
            reason: details
                .reason
                .map_or(String::new(), |reason| reason.to_string()),
            error_code: None,
            metadata: details.flag_metadata,
        },
        Err(error) => {
            // What is left to the caller is no failure: the code is the reason.
            let (reason, error_code) = match &error.code {
                EvaluationErrorCode::General(reason) if reason != "GENERAL" => {
                    (reason.clone(), None)
                }
                code => ("ERROR".to_owned(), Some(code.to_string())),
            };
            Outcome {
                flag_key: asked.key.clone(),
                value: asked.default.clone(),
                variant: None,
                reason,
                error_code,
                metadata: FlagMetadata::default(),
            }
        }
    }
}

pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::String(value) => json!(value),
        Value::Array(elements) => elements.iter().map(to_json).collect(),
        Value::Struct(value) => {
            let fields = value.fields.iter();
            Json::Object(
                fields
                    .map(|(name, value)| (name.clone(), to_json(value)))
                    .collect(),
            )
        }
    }
}

/// Equal JSON; numbers by their value.
pub(crate) fn same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one.as_f64() == other.as_f64(),
        (Json::Object(one), Json::Object(other)) => {
            let in_other = |(name, value)| other.get(name).is_some_and(|found| same(value, found));
            one.len() == other.len() && one.iter().all(in_other)
        }
        _ => one == other,
    }
}
