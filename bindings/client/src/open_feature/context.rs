//! From OpenFeature's evaluation context to ours.

use std::any::Any;
use std::borrow::Cow;
use std::collections::HashMap;

use ::open_feature::{
    EvaluationContext as GivenContext, EvaluationContextFieldValue, EvaluationError,
    EvaluationErrorCode, EvaluationResult, StructValue, Value,
};
use bucketry_core::{AttributeValue, EvaluationContext};
use serde_json::Value as Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A custom field of this name is the targeting key where the context has none of its own.
const TARGETING_KEY: &str = "targetingKey";

/// The same context, borrowed. `unreadable` is told of each field that holds a structure of an unknown type, which then
/// is missing.
pub(super) fn read<'a>(
    given: &'a GivenContext,
    mut unreadable: impl FnMut(&str),
) -> EvaluationResult<EvaluationContext<'a>> {
    let mut context = EvaluationContext::anonymous();
    if let Some(key) = &given.targeting_key {
        context.set_targeting_key(key.as_str());
    }
    for (name, value) in &given.custom_fields {
        if name == TARGETING_KEY {
            match value {
                _ if given.targeting_key.is_some() => {}
                EvaluationContextFieldValue::String(key) => context.set_targeting_key(key.as_str()),
                _ => {
                    return Err(EvaluationError {
                        code: EvaluationErrorCode::InvalidContext,
                        message: Some("the context has a `targetingKey` that is no string".into()),
                    });
                }
            }
            continue;
        }
        match attribute(value) {
            Some(value) => context.set(name.as_str(), value),
            None => unreadable(name),
        }
    }
    Ok(context)
}

fn attribute(value: &EvaluationContextFieldValue) -> Option<AttributeValue<'_>> {
    Some(match value {
        EvaluationContextFieldValue::Bool(value) => AttributeValue::Bool(*value),
        EvaluationContextFieldValue::Int(value) => AttributeValue::Integer(*value),
        EvaluationContextFieldValue::Float(value) => AttributeValue::Number(*value),
        EvaluationContextFieldValue::String(value) => text(value),
        EvaluationContextFieldValue::DateTime(value) => date_time(*value),
        EvaluationContextFieldValue::Struct(value) => return structure(&**value),
    })
}

/// As text, which conditions read as a time whatever their unit of numbers; as milliseconds where the year has more than
/// four digits.
fn date_time(value: OffsetDateTime) -> AttributeValue<'static> {
    let utc = value.to_offset(time::UtcOffset::UTC);
    match utc.format(&Rfc3339) {
        Ok(text) => AttributeValue::String(text.into()),
        Err(_) => {
            let millis = value.unix_timestamp_nanos().div_euclid(1_000_000);
            i64::try_from(millis).map_or(AttributeValue::Null, AttributeValue::Integer)
        }
    }
}

/// The SDK keeps structures as `Any`: what is of a known type is read.
fn structure(value: &(dyn Any + Send + Sync)) -> Option<AttributeValue<'_>> {
    if let Some(value) = value.downcast_ref::<StructValue>() {
        return Some(of_struct(value));
    }
    if let Some(value) = value.downcast_ref::<Value>() {
        return Some(of_value(value));
    }
    if let Some(value) = value.downcast_ref::<Json>() {
        return Some(of_json(value));
    }
    if let Some(value) = value.downcast_ref::<serde_json::Map<String, Json>>() {
        return Some(of_map(value));
    }
    if let Some(value) = value.downcast_ref::<AttributeValue<'static>>() {
        return Some(value.clone());
    }
    if let Some(value) = value.downcast_ref::<Vec<String>>() {
        return Some(AttributeValue::Array(
            value.iter().map(|each| text(each)).collect(),
        ));
    }
    if let Some(value) = value.downcast_ref::<HashMap<String, String>>() {
        let members = value
            .iter()
            .map(|(name, value)| (name_of(name), text(value)));
        return Some(AttributeValue::Object(members.collect()));
    }
    None
}

fn text(text: &str) -> AttributeValue<'_> {
    AttributeValue::String(Cow::Borrowed(text))
}

fn name_of(name: &str) -> Cow<'_, str> {
    Cow::Borrowed(name)
}

fn of_struct(value: &StructValue) -> AttributeValue<'_> {
    let fields = value.fields.iter();
    let members = fields.map(|(name, value)| (name_of(name), of_value(value)));
    AttributeValue::Object(members.collect())
}

fn of_value(value: &Value) -> AttributeValue<'_> {
    match value {
        Value::Bool(value) => AttributeValue::Bool(*value),
        Value::Int(value) => AttributeValue::Integer(*value),
        Value::Float(value) => AttributeValue::Number(*value),
        Value::String(value) => text(value),
        Value::Array(elements) => AttributeValue::Array(elements.iter().map(of_value).collect()),
        Value::Struct(value) => of_struct(value),
    }
}

fn of_map(map: &serde_json::Map<String, Json>) -> AttributeValue<'_> {
    let members = map
        .iter()
        .map(|(name, value)| (name_of(name), of_json(value)));
    AttributeValue::Object(members.collect())
}

fn of_json(value: &Json) -> AttributeValue<'_> {
    match value {
        Json::Null => AttributeValue::Null,
        Json::Bool(value) => AttributeValue::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => AttributeValue::Integer(value),
            None => number
                .as_f64()
                .map_or(AttributeValue::Null, AttributeValue::Number),
        },
        Json::String(value) => text(value),
        Json::Array(elements) => AttributeValue::Array(elements.iter().map(of_json).collect()),
        Json::Object(map) => of_map(map),
    }
}
