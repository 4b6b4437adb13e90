//! Answers as JSON: the form in which the vectors and the reference evaluator give them.

use bucketry_core::{Assignment, EvaluationContext, PriorAssignment, Resolution, Sticky, Value};
use serde_json::{Map, Value as Json, json};

/// The members of an answer that are present: `value`, `variant`, `reason`, `errorCode`, `ruleId`, `assignment`.
///
/// # Panics
///
/// When the value of an object flag is not JSON.
#[must_use]
pub fn answer(resolution: &Resolution<'_>) -> Json {
    let value = resolution.value().map(|value| match value {
        Value::Boolean(value) => json!(value),
        Value::String(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Number(value) => json!(value),
        Value::Object(text) => serde_json::from_str(text).expect("an object value is JSON"),
    });
    present([
        ("value", json!(value)),
        ("variant", json!(resolution.variant())),
        ("reason", json!(resolution.reason().as_str())),
        (
            "errorCode",
            json!(resolution.error_code().map(|code| code.as_str())),
        ),
        ("ruleId", json!(resolution.rule_id())),
        (
            "assignment",
            json!(resolution.assignment().as_ref().map(assignment)),
        ),
    ])
}

/// What stands for a context that cannot be read.
#[must_use]
pub fn invalid_context() -> Json {
    json!({ "reason": "ERROR", "errorCode": "INVALID_CONTEXT" })
}

fn assignment(assignment: &Assignment<'_>) -> Json {
    let sticky = match assignment.sticky {
        Sticky::None => None,
        Sticky::Hit => Some("hit"),
        Sticky::Write => Some("write"),
        other => panic!("the protocol does not know {other:?}"),
    };
    present([
        ("flag", json!(assignment.flag)),
        ("rule", json!(assignment.rule)),
        ("experiment", json!(assignment.experiment)),
        ("phase", json!(assignment.phase)),
        ("unitType", json!(assignment.unit_type)),
        ("unit", json!(&*assignment.unit)),
        ("variant", json!(assignment.variant)),
        ("reason", json!(assignment.reason.as_str())),
        ("arm", json!(assignment.arm)),
        ("enrol", json!(assignment.enrol)),
        ("enrolCut", json!(assignment.enrol_cut)),
        ("armRange", json!(assignment.arm_range)),
        ("modulus", json!(assignment.modulus)),
        ("layer", json!(assignment.layer)),
        ("layerPosition", json!(assignment.layer_position)),
        ("holdout", json!(assignment.holdout)),
        ("sticky", json!(sticky)),
    ])
}

fn present<const N: usize>(members: [(&str, Json); N]) -> Json {
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    Json::Object(
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<Map<_, _>>(),
    )
}

/// Whether two answers are the same: a number that is an integer on both sides exactly, any other as a double
/// with its sign.
#[must_use]
pub fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(a), Json::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a == b,
            _ => a.as_f64().map(f64::to_bits) == b.as_f64().map(f64::to_bits),
        },
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => left == right,
    }
}

/// Adds the random number and the prior assignments of a case, `[{experiment, phase, variant}]`.
#[must_use]
pub fn with_extras(
    mut context: EvaluationContext<'static>,
    random: Option<u64>,
    prior: &[Prior],
) -> EvaluationContext<'static> {
    if let Some(random) = random {
        context = context.with_random(random);
    }
    for prior in prior {
        context = context.with_prior(PriorAssignment {
            experiment: prior.experiment.clone().into(),
            phase: prior.phase,
            variant: prior.variant.clone().into(),
        });
    }
    context
}

/// A prior assignment of a case.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    experiment: String,
    phase: u32,
    variant: String,
}
