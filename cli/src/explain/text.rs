//! Explanations for a person.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::Style;
use bucketry_core::{
    ConditionExplanation, DrawExplanation, Explanation, NATIVE_MODULUS, Outcome,
    PositionExplanation, Reason, RuleExplanation, RuleOutcome, Sticky,
};

use super::Asked;
use super::bar::{Bar, contains};
use crate::style::{BAD, DIM, GOOD, PLAIN, STRONG, WARN, percent, printable};

/// Most characters of a condition, and of an attribute's value, that are shown.
const SHOWN: usize = 100;
/// Most variants of a split that are drawn; the one that was hit always is.
const SHOWN_ARMS: usize = 10;
/// Column of what conditions saw, unless a longer condition stands before.
const SEEN_COLUMN: usize = 56;

const YES: Mark = Mark(GOOD, "✓");
const NO: Mark = Mark(BAD, "✗");
const NOT_REACHED: Mark = Mark(DIM, "·");

#[derive(Clone, Copy)]
struct Mark(Style, &'static str);

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(style, sign) = self;
        write!(f, "{style}{sign}{style:#}")
    }
}

pub(super) fn write(out: &mut impl Write, asked: &Asked<'_>) -> io::Result<()> {
    let explanation = asked.explanation;
    let flag = printable(&explanation.flag);
    writeln!(out, "{STRONG}{flag}{STRONG:#}  {}", answer(explanation))?;
    let who = asked
        .targeting_key
        .map_or("no targeting key".into(), printable);
    let (at, revision) = (&asked.at, asked.revision);
    writeln!(out, "{DIM}{who} at {at}, revision {revision}{DIM:#}")?;
    writeln!(out)?;
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
        write_position(out, "layer", layer, contains(&layer.ranges, layer.position))?;
    }
    if let Some(draw) = &rule.draw {
        write_draw(out, draw)?;
    }
    for (holdout, held) in &rule.holdouts {
        write_position(out, "holdout", holdout, !held)?;
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
    let (name, fate) = match mark.1 == NOT_REACHED.1 {
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
        let bar = bar(position);
        let at = percent(position.position, position.modulus);
        writeln!(out, "{:indent$}  {bar} {at} %", "")?;
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

fn bar(position: &PositionExplanation) -> Bar<'_> {
    Bar {
        ranges: &position.ranges,
        position: Some(position.position),
        modulus: position.modulus,
    }
}

fn write_position(
    out: &mut impl Write,
    what: &str,
    position: &PositionExplanation,
    good: bool,
) -> io::Result<()> {
    let mark = if good { YES } else { NO };
    let at = percent(position.position, position.modulus);
    let ranges = shares(&position.ranges, position.modulus);
    let inside = match contains(&position.ranges, position.position) {
        true => "in",
        false => "not in",
    };
    let name = printable(&position.name);
    let bar = bar(position);
    writeln!(
        out,
        "     {mark} {:<10}{bar} {at:>6} %  {DIM}{inside} {ranges} of {name}{DIM:#}",
        what
    )
}

/// Ranges in per cent; the first few of many.
fn shares(ranges: &[(u64, u64)], modulus: u64) -> String {
    let share =
        |&(from, to): &(u64, u64)| format!("{}..{} %", bound(from, modulus), bound(to, modulus));
    let shown: Vec<String> = ranges.iter().take(3).map(share).collect();
    let rest = match ranges.len().saturating_sub(3) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    shown.join(", ") + &rest
}

fn write_draw(out: &mut impl Write, draw: &DrawExplanation) -> io::Result<()> {
    let (arm, enrol) = (draw.position.arm, draw.position.enrol);
    let modulus = draw.hash.modulus();
    if let Some(cut) = draw.enrol_cut {
        let ranges = [(0, cut)];
        let bar = Bar {
            ranges: &ranges,
            position: Some(enrol),
            modulus: NATIVE_MODULUS,
        };
        let mark = if bar.is_inside() { YES } else { NO };
        let at = percent(enrol, NATIVE_MODULUS);
        let inside = if bar.is_inside() {
            "below"
        } else {
            "not below"
        };
        let share = bound(cut, NATIVE_MODULUS);
        writeln!(
            out,
            "     {mark} {:<10}{bar} {at:>6} %  {DIM}{inside} {share} %{DIM:#}",
            "rollout"
        )?;
        if !bar.is_inside() {
            return write_unit(out, draw);
        }
    }
    let mut variants: Vec<(&str, Vec<(u64, u64)>)> = Vec::new();
    for (variant, from, to) in &draw.arms {
        match variants.iter_mut().find(|(name, _)| name == variant) {
            Some((_, ranges)) => ranges.push((*from, *to)),
            None => variants.push((variant, vec![(*from, *to)])),
        }
    }
    let mut omitted = 0;
    for (index, (variant, ranges)) in variants.iter().enumerate() {
        let hit = contains(ranges, arm);
        if index >= SHOWN_ARMS && !hit {
            omitted += 1;
            continue;
        }
        let bar = Bar {
            ranges,
            position: hit.then_some(arm),
            modulus,
        };
        let (mark, label) = match (hit, index) {
            (true, 0) => (YES.to_string(), "split"),
            (true, _) => (YES.to_string(), ""),
            (false, 0) => (" ".into(), "split"),
            (false, _) => (" ".into(), ""),
        };
        let at = if hit {
            percent(arm, modulus) + " %"
        } else {
            String::new()
        };
        let style = if hit { GOOD } else { PLAIN };
        let (variant, shares) = (printable(variant), shares(ranges, modulus));
        writeln!(
            out,
            "     {mark} {label:<10}{bar} {at:>8}  {style}{variant}{style:#} {DIM}{shares}{DIM:#}"
        )?;
    }
    if omitted > 0 {
        writeln!(out, "       {DIM}and {omitted} variants more{DIM:#}")?;
    }
    let in_gap = !draw.arms.is_empty() && !variants.iter().any(|(_, ranges)| contains(ranges, arm));
    if in_gap {
        let bar = Bar {
            ranges: &[],
            position: Some(arm),
            modulus,
        };
        let at = percent(arm, modulus);
        writeln!(
            out,
            "     {NO} {:<10}{bar} {at:>6} %  {DIM}in no arm{DIM:#}",
            ""
        )?;
    }
    write_unit(out, draw)
}

/// A bound of a range in per cent, to the nearest ten-thousandth, which is how a rollout is written: a bound
/// itself is a whole number of positions, rounded down.
fn bound(at: u64, modulus: u64) -> String {
    let whole = u128::from(modulus.max(1));
    let millionths = (u128::from(at) * 1_000_000 + whole / 2) / whole;
    let digits = format!("{}.{:04}", millionths / 10_000, millionths % 10_000);
    digits.trim_end_matches('0').trim_end_matches('.').into()
}

/// What was hashed, and what came of it.
fn write_unit(out: &mut impl Write, draw: &DrawExplanation) -> io::Result<()> {
    let hash = draw.hash.name();
    let salt = printable(&draw.salt);
    let arm = draw.position.arm;
    write!(out, "       {DIM}{hash} of salt \"{salt}\" and ")?;
    match (&draw.unit_type, &draw.unit) {
        (Some(unit_type), Some(unit)) => {
            let (unit_type, unit) = (printable(unit_type), printable(unit));
            write!(out, "{unit_type} \"{unit}\": arm {arm}")?;
        }
        _ => write!(out, "no unit: arm {arm}")?,
    }
    if draw.hash.has_two_lanes() {
        write!(out, ", enrol {}", draw.position.enrol)?;
    }
    writeln!(out, " of {}{DIM:#}", draw.hash.modulus())
}
