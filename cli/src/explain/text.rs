//! Explanations for a person.

use std::borrow::Cow;
use std::io::{self, Write};

use bucketry_core::{
    ConditionExplanation, Explanation, Outcome, Reason, RuleExplanation, RuleOutcome, Sticky,
};

use super::bar::contains;
use super::mark::{NO, NOT_REACHED, YES};
use super::{Asked, draw};
use crate::style::{BAD, DIM, GOOD, PLAIN, STRONG, WARN, printable};

/// Most characters of a condition, and of an attribute's value, that are shown.
const SHOWN: usize = 100;
/// Column of what conditions saw, unless a longer condition stands before.
const SEEN_COLUMN: usize = 56;

pub(super) fn write(out: &mut impl Write, asked: &Asked<'_>) -> io::Result<()> {
    let explanation = asked.explanation;
    let flag = printable(&explanation.flag);
    writeln!(out, "{STRONG}{flag}{STRONG:#}  {}", answer(explanation))?;
    let who = asked
        .targeting_key
        .map_or("no targeting key".into(), printable);
    let (at, revision) = (&asked.at, asked.revision);
    writeln!(out, "{DIM}{who} at {at}, revision {revision}{DIM:#}")?;
    if !explanation.rules.is_empty() {
        writeln!(out)?;
    }
    let width = id_width(&explanation.rules);
    for (index, rule) in explanation.rules.iter().enumerate() {
        write_rule(out, index, rule, width)?;
    }
    write_end(out, explanation)
}

/// The variant and its value, and the reason.
fn answer(explanation: &Explanation) -> String {
    if let Some(code) = explanation.error_code {
        let message = explanation.error_message.as_deref().unwrap_or_default();
        return format!("{BAD}{code}{BAD:#}  {}", printable(message));
    }
    let reason = explanation.reason;
    match (&explanation.variant, &explanation.value) {
        (Some(variant), Some(value)) => {
            let (variant, value) = (printable(variant), printable(value));
            format!("{GOOD}{variant}{GOOD:#} = {value}  {DIM}{reason}{DIM:#}")
        }
        _ => format!("{WARN}the caller's default{WARN:#}  {DIM}{reason}{DIM:#}"),
    }
}

/// What happened after the rules.
fn write_end(out: &mut impl Write, explanation: &Explanation) -> io::Result<()> {
    let served = match &explanation.variant {
        Some(variant) => format!("serves {STRONG}{}{STRONG:#}", printable(variant)),
        None => "leaves the value to the caller".into(),
    };
    match explanation.reason {
        Reason::Disabled => writeln!(out, "{WARN}!{WARN:#} the flag is disabled, and {served}"),
        Reason::Static => writeln!(out, "{YES} no rules: the default {served}"),
        Reason::Error => Ok(()),
        _ if explanation.rule_index.is_none() => {
            writeln!(out, "{YES} no rule served: the default {served}")
        }
        _ => Ok(()),
    }
}

fn write_rule(
    out: &mut impl Write,
    index: usize,
    rule: &RuleExplanation,
    width: usize,
) -> io::Result<()> {
    write_headline(out, "", index, rule, width)?;
    if rule.outcome == RuleOutcome::NotReached {
        return Ok(());
    }
    if let Some(condition) = &rule.condition {
        write_condition(out, condition, 3)?;
    }
    if let Some(layer) = &rule.layer {
        let inside = contains(&layer.ranges, layer.position);
        draw::write_position(out, "layer", layer, inside)?;
    }
    if let Some(draw) = &rule.draw {
        draw::write(out, draw)?;
    }
    for (holdout, held) in &rule.holdouts {
        draw::write_position(out, "holdout", holdout, !held)?;
    }
    Ok(())
}

/// A rule's id for a person.
fn id_of(rule: &RuleExplanation) -> Cow<'_, str> {
    rule.id.as_deref().map_or("(no id)".into(), printable)
}

/// The longest id's characters, so that what became of the rules stands in a column; within reason.
fn id_width(rules: &[RuleExplanation]) -> usize {
    let widths = rules.iter().map(|rule| id_of(rule).chars().count());
    widths.filter(|&width| width <= 24).max().unwrap_or(0)
}

/// The rule's number, name and fate.
fn write_headline(
    out: &mut impl Write,
    indent: &str,
    index: usize,
    rule: &RuleExplanation,
    width: usize,
) -> io::Result<()> {
    let mark = match &rule.outcome {
        RuleOutcome::Served { .. } => YES,
        RuleOutcome::NotReached => NOT_REACHED,
        _ => NO,
    };
    let number = index + 1;
    let id = id_of(rule);
    let (name, fate) = match mark == NOT_REACHED {
        true => (DIM, DIM),
        false => (STRONG, PLAIN),
    };
    write!(
        out,
        "{indent}{mark} {number} {name}{id:<width$}{name:#}  {fate}{}{fate:#}",
        fate_of(rule)
    )?;
    if let Some((experiment, phase)) = &rule.experiment {
        let experiment = printable(experiment);
        write!(out, "  {DIM}experiment {experiment}/{phase}{DIM:#}")?;
    }
    writeln!(out)
}

fn fate_of(rule: &RuleExplanation) -> String {
    match &rule.outcome {
        RuleOutcome::Served { variant, sticky } => {
            let sticky = match sticky {
                Sticky::Hit => ", kept from a prior assignment",
                Sticky::Write => ", to be kept: the experiment is sticky",
                _ => "",
            };
            format!("serves {GOOD}{}{GOOD:#}{sticky}", printable(variant))
        }
        RuleOutcome::Passed(Outcome::OutsideWindow) => {
            let (from, until) = rule.window.unwrap_or_default();
            let from = from.map(|time| format!(" from {}", time.to_rfc3339()));
            let until = until.map(|time| format!(" until {}", time.to_rfc3339()));
            let window = [from, until].map(Option::unwrap_or_default).concat();
            format!("is in force{window} only")
        }
        RuleOutcome::Passed(outcome) => match outcome {
            Outcome::ConditionFalse => "its condition is false",
            Outcome::OutsideLayerSlots => "the unit is outside its slots of the layer",
            Outcome::OutsideRollout => "the unit is outside its rollout",
            Outcome::InNoArm => "the unit falls between its arms",
            Outcome::HeldOut => "a holdout keeps the unit out",
            _ => "did not serve",
        }
        .into(),
        RuleOutcome::UnitMissing => "the context lacks its unit".into(),
        RuleOutcome::Error(code) => format!("ends in {BAD}{code}{BAD:#}"),
        _ => "not reached".into(),
    }
}

fn write_condition(
    out: &mut impl Write,
    condition: &ConditionExplanation,
    depth: usize,
) -> io::Result<()> {
    let mark = match condition.result {
        Some(true) => YES,
        Some(false) => NO,
        None => NOT_REACHED,
    };
    let indent = depth * 2 - 1;
    let text = shortened(&condition.text);
    let style = if condition.result.is_some() {
        PLAIN
    } else {
        DIM
    };
    write!(out, "{:indent$}{mark} {style}{text}{style:#}", "")?;
    if let Some(seen) = seen(condition) {
        let used = indent + 2 + text.chars().count();
        let blanks = SEEN_COLUMN.saturating_sub(used).max(2);
        write!(out, "{:blanks$}{DIM}{seen}{DIM:#}", "")?;
    }
    writeln!(out)?;
    if let Some(position) = &condition.position {
        draw::write_condition_position(out, position, indent + 2)?;
    }
    if let Some(prerequisite) = &condition.prerequisite
        && condition.result == Some(false)
    {
        // Why the other flag answered otherwise, at a glance.
        let inner = " ".repeat(indent + 4);
        let width = id_width(&prerequisite.rules);
        for (index, rule) in prerequisite.rules.iter().enumerate() {
            write_headline(out, &inner, index, rule, width)?;
        }
    }
    for child in &condition.children {
        write_condition(out, child, depth + 1)?;
    }
    Ok(())
}

/// What a condition saw.
fn seen(condition: &ConditionExplanation) -> Option<String> {
    if let Some(prerequisite) = &condition.prerequisite {
        let variant = prerequisite.variant.as_deref();
        let variant = variant.map_or("no variant".into(), printable);
        let reason = match prerequisite.error_code {
            Some(code) => code.as_str(),
            None => prerequisite.reason.as_str(),
        };
        return Some(format!("{variant}, {reason}"));
    }
    condition.attribute.as_deref().map(shortened)
}

fn shortened(text: &str) -> String {
    let mut text = printable(text).into_owned();
    if let Some((cut, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(cut);
        text.push('…');
    }
    text
}
