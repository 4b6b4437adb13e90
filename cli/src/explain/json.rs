//! Explanations as JSON. The members are documented in `docs/cli.md`.

use bucketry_core::{
    ConditionExplanation, DrawExplanation, Explanation, Outcome, PositionExplanation,
    RuleExplanation, RuleOutcome, Sticky,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Asked;
use super::bar::contains;
use crate::answer::sticky_name;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line<'a> {
    context: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    targeting_key: Option<&'a str>,
    at: &'a str,
    revision: u64,
    #[serde(flatten)]
    flag: Flag<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Flag<'a> {
    flag_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    enabled: bool,
    rules: Vec<Rule<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sticky: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<Experiment<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<Position<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    draw: Option<Draw<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holdouts: Vec<Position<'a>>,
}

#[derive(Serialize)]
struct Experiment<'a> {
    key: &'a str,
    phase: u32,
}

#[derive(Serialize)]
struct Condition<'a> {
    text: &'a str,
    /// Absent when it was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<bool>,
    /// The attribute's value; null when it is missing, absent when none was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prerequisite: Option<Box<Flag<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Self>,
}

#[derive(Serialize)]
struct Position<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    salt: &'a str,
    position: u64,
    modulus: u64,
    ranges: &'a [(u64, u64)],
    inside: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Draw<'a> {
    salt: &'a str,
    hash: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    arm: u64,
    modulus: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrol: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrol_cut: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    arms: Vec<Arm<'a>>,
}

#[derive(Serialize)]
struct Arm<'a> {
    variant: &'a str,
    from: u64,
    to: u64,
}

pub(super) fn line<'a>(asked: &'a Asked<'a>) -> Line<'a> {
    Line {
        context: asked.number,
        targeting_key: asked.targeting_key,
        at: &asked.at,
        revision: asked.revision,
        flag: flag(asked.explanation),
    }
}

fn flag(explanation: &Explanation) -> Flag<'_> {
    Flag {
        flag_key: &explanation.flag,
        variant: explanation.variant.as_deref(),
        value: explanation.value.as_deref().and_then(raw),
        reason: explanation.reason.as_str(),
        error_code: explanation.error_code.map(|code| code.as_str()),
        error_message: explanation.error_message.as_deref(),
        rule_index: explanation.rule_index,
        enabled: explanation.enabled,
        rules: explanation.rules.iter().map(rule).collect(),
    }
}

fn rule(rule: &RuleExplanation) -> Rule<'_> {
    let (outcome, variant, sticky, error_code) = match &rule.outcome {
        RuleOutcome::Served { variant, sticky } => {
            ("SERVED", Some(variant.as_str()), *sticky, None)
        }
        RuleOutcome::Passed(outcome) => (outcome_name(*outcome), None, Sticky::None, None),
        RuleOutcome::UnitMissing => ("UNIT_MISSING", None, Sticky::None, None),
        RuleOutcome::Error(code) => ("ERROR", None, Sticky::None, Some(code.as_str())),
        _ => ("NOT_REACHED", None, Sticky::None, None),
    };
    let (from, until) = rule.window.unwrap_or_default();
    Rule {
        id: rule.id.as_deref(),
        outcome,
        variant,
        sticky: sticky_name(sticky),
        error_code,
        from: from.map(|time| time.to_rfc3339()),
        until: until.map(|time| time.to_rfc3339()),
        condition: rule.condition.as_ref().map(condition),
        experiment: rule
            .experiment
            .as_ref()
            .map(|(key, phase)| Experiment { key, phase: *phase }),
        layer: rule.layer.as_ref().map(position),
        draw: rule.draw.as_ref().map(draw),
        holdouts: rule
            .holdouts
            .iter()
            .map(|(holdout, _)| position(holdout))
            .collect(),
    }
}

const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OutsideWindow => "OUTSIDE_WINDOW",
        Outcome::ConditionFalse => "CONDITION_FALSE",
        Outcome::OutsideLayerSlots => "OUTSIDE_LAYER_SLOTS",
        Outcome::OutsideRollout => "OUTSIDE_ROLLOUT",
        Outcome::InNoArm => "IN_NO_ARM",
        Outcome::HeldOut => "HELD_OUT",
        _ => "PASSED",
    }
}

fn condition(condition: &ConditionExplanation) -> Condition<'_> {
    Condition {
        text: &condition.text,
        result: condition.result,
        // A missing attribute's text is no JSON, on purpose: a string "missing" has quotes.
        attribute: condition
            .attribute
            .as_deref()
            .and_then(|text| raw(text).or_else(|| raw("null"))),
        position: condition.position.as_ref().map(position),
        prerequisite: condition
            .prerequisite
            .as_deref()
            .map(|prerequisite| Box::new(flag(prerequisite))),
        conditions: condition.children.iter().map(self::condition).collect(),
    }
}

fn position(position: &PositionExplanation) -> Position<'_> {
    Position {
        name: &position.name,
        salt: &position.salt,
        position: position.position,
        modulus: position.modulus,
        ranges: &position.ranges,
        inside: contains(&position.ranges, position.position),
    }
}

fn draw(draw: &DrawExplanation) -> Draw<'_> {
    Draw {
        salt: &draw.salt,
        hash: draw.hash.name(),
        unit_type: draw.unit_type.as_deref(),
        unit: draw.unit.as_deref(),
        arm: draw.position.arm,
        modulus: draw.hash.modulus(),
        enrol: draw.hash.has_two_lanes().then_some(draw.position.enrol),
        enrol_cut: draw.enrol_cut,
        arms: draw
            .arms
            .iter()
            .map(|(variant, from, to)| Arm {
                variant,
                from: *from,
                to: *to,
            })
            .collect(),
    }
}

fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.into()).ok()
}
