//! What a flag answered, as JSON. The members are documented in `docs/cli.md`.

use bucketry_core::{Assignment, Metadata, Reason, Resolution, Sticky, Value};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// An answer; its names are those of OpenFeature's evaluation details.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    targeting_key: Option<&'a str>,
    flag_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<JsonValue<'a>>,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    unit_missing: bool,
    #[serde(skip_serializing_if = "MetadataMap::is_empty")]
    flag_metadata: MetadataMap<'a>,
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment: Option<AssignmentJson<'a>>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl<'a> Answer<'a> {
    /// The answer of `flag_key` to the context of this number and targeting key.
    pub(crate) fn new(
        flag_key: &'a str,
        resolution: &Resolution<'a>,
        context: Option<u64>,
        targeting_key: Option<&'a str>,
    ) -> Self {
        Self {
            context,
            targeting_key,
            flag_key,
            variant: resolution.variant(),
            value: resolution.value().map(JsonValue),
            reason: resolution.reason().as_str(),
            error_code: resolution.error_code().map(|code| code.as_str()),
            error_message: resolution.error_message(),
            rule_index: resolution.rule_index(),
            rule_id: resolution.rule_id(),
            unit_missing: resolution.unit_missing(),
            flag_metadata: MetadataMap(resolution.metadata()),
            revision: resolution.revision(),
            assignment: resolution.assignment().map(AssignmentJson::from),
        }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.reason == Reason::Error.as_str()
    }
}

/// A flag's value as JSON.
pub(crate) struct JsonValue<'a>(pub(crate) Value<'a>);

impl Serialize for JsonValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Boolean(value) => serializer.serialize_bool(value),
            Value::String(text) => serializer.serialize_str(text),
            Value::Integer(value) => serializer.serialize_i64(value),
            Value::Number(value) => serializer.serialize_f64(value),
            Value::Object(json) => serde_json::from_str::<&RawValue>(json)
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
        }
    }
}

pub(crate) struct MetadataMap<'a>(pub(crate) Metadata<'a>);

impl MetadataMap<'_> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for MetadataMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.iter() {
            map.serialize_entry(name, &JsonValue(value))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AssignmentJson<'a> {
    experiment: &'a str,
    phase: u32,
    unit_type: &'a str,
    unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    arm: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arm_range: Option<(u64, u64)>,
    modulus: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrol: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrol_cut: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holdout: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sticky: Option<&'static str>,
}

impl<'a> From<Assignment<'a>> for AssignmentJson<'a> {
    fn from(assignment: Assignment<'a>) -> Self {
        Self {
            experiment: assignment.experiment,
            phase: assignment.phase,
            unit_type: assignment.unit_type,
            unit: String::from(&*assignment.unit),
            arm: assignment.arm,
            arm_range: assignment.arm_range,
            modulus: assignment.modulus,
            enrol: assignment.enrol,
            enrol_cut: assignment.enrol_cut,
            layer: assignment.layer,
            layer_position: assignment.layer_position,
            holdout: assignment.holdout,
            sticky: sticky_name(assignment.sticky),
        }
    }
}

/// How a sticky assignment took part, if one did.
pub(crate) const fn sticky_name(sticky: Sticky) -> Option<&'static str> {
    match sticky {
        Sticky::Hit => Some("hit"),
        Sticky::Write => Some("write"),
        _ => None,
    }
}
