//! Parts of a flag set as text for a person.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bucketing::NATIVE_MODULUS;
use crate::condition::Op;
use crate::explain::text::{node, quoted};
use crate::flag_set::{Draw, Experiment, FlagSet, NONE, NONE16, Window};
#[cfg(feature = "imported")]
use crate::formula::Formula;
use crate::limits;
use crate::time::{UnixMillis, format_rfc3339};

use super::meaning::merged;
use super::share::Share;

/// A whole condition on one line.
pub(super) fn condition(set: &FlagSet, index: u32) -> String {
    let tables = &set.tables;
    let Some(found) = tables.nodes.get(index as usize) else {
        return "always".into();
    };
    let mut children = Vec::new();
    if matches!(found.op, Op::All | Op::Any | Op::Not) {
        let mut child = index + 1;
        while child < found.next {
            children.push(condition(set, child));
            child = tables.nodes.get(child as usize).map_or(NONE, |n| n.next);
        }
    }
    match (found.op, children.as_slice()) {
        (Op::All, []) => "always".into(),
        (Op::Any, []) => "never".into(),
        (Op::All | Op::Any, [only]) => only.clone(),
        (Op::All, _) => format!("({})", children.join(" and ")),
        (Op::Any, _) => format!("({})", children.join(" or ")),
        (Op::Not, [child]) => format!("not {child}"),
        _ => node(set, index),
    }
}

pub(super) fn variant(set: &FlagSet, flag: u32, variant: u16) -> String {
    match set.variant_name(flag, variant) {
        Some(name) => quoted(name),
        None => "the caller's default".into(),
    }
}

/// A cut of the enrolment lane as the per cent that it came from.
pub(super) fn percent(cut: u64) -> String {
    const MILLION: u64 = 1_000_000;
    let parts = (cut * MILLION).div_ceil(NATIVE_MODULUS);
    Share::new(parts.into(), MILLION.into()).to_string()
}

pub(super) fn unit(set: &FlagSet, unit: u16) -> String {
    let chain = set.tables.units.get(usize::from(unit)).copied();
    let chain = chain.unwrap_or_default().of(&set.tables.unit_attributes);
    let names: Vec<&str> = chain.iter().map(|a| set.attribute_name(*a)).collect();
    names.join(", else ")
}

pub(super) fn hash(set: &FlagSet, hash: u8) -> String {
    match set.tables.hash(hash) {
        #[cfg(feature = "imported")]
        crate::Hash::Md5Mod { modulus } => format!("md5-mod {modulus}"),
        #[cfg(feature = "imported")]
        crate::Hash::Imported { formula, modulus } => {
            let name = formula.name();
            match formula {
                Formula::Murmur3 { seed } => format!("{name} {modulus}, seed {seed}"),
                Formula::Fnv1aSuffix { text } | Formula::Fnv1aTwice { text } => {
                    format!("{name} {modulus}, {}", text.name())
                }
                _ => format!("{name} {modulus}"),
            }
        }
        native => native.name().into(),
    }
}

/// The arms by position: `"control" 50 %, nobody 10 %, "green" 40 %`.
pub(super) fn split(set: &FlagSet, flag: u32, draw: &Draw) -> String {
    let modulus = set.tables.hash(draw.hash).modulus();
    let mut arms: Vec<(u64, u64, u16)> = Vec::new();
    for arm in draw.arms.of(&set.tables.arms) {
        match arms.last_mut() {
            Some((_, end, variant)) if *end == arm.start && *variant == arm.variant => {
                *end = arm.end;
            }
            _ => arms.push((arm.start, arm.end, arm.variant)),
        }
    }
    let mut parts = Vec::new();
    let mut position = 0;
    for (start, end, variant) in arms.into_iter().chain([(modulus, modulus, NONE16)]) {
        let share = |length: u64| Share::new(length.into(), modulus.into());
        if position < start {
            parts.push(format!("nobody {}", share(start - position)));
        }
        if let Some(name) = set.variant_name(flag, variant) {
            parts.push(format!("{} {}", quoted(name), share(end - start)));
        }
        position = end;
    }
    parts.join(", ")
}

pub(super) fn window(window: &Window) -> String {
    let time = |millis: i64| format_rfc3339(UnixMillis(millis));
    match (window.from, window.until) {
        (from, i64::MAX) => format!("from {}", time(from)),
        (i64::MIN, until) => format!("until {}", time(until)),
        (from, until) => format!("from {} until {}", time(from), time(until)),
    }
}

pub(super) fn layer(set: &FlagSet, experiment: &Experiment) -> Option<String> {
    let layer = set.tables.layers.get(experiment.layer as usize)?;
    Some(quoted(set.tables.symbols.get(layer.key)))
}

pub(super) fn slots(set: &FlagSet, experiment: &Experiment) -> Option<String> {
    let slot = |cut: u64| (cut * limits::LAYER_SLOTS).div_ceil(NATIVE_MODULUS);
    let slots: Vec<String> = merged(experiment.slots.of(&set.tables.ranges))
        .iter()
        .map(|range| format!("{}..{}", slot(range.start), slot(range.end)))
        .collect();
    (!slots.is_empty()).then(|| slots.join(", "))
}

pub(super) fn holdouts(set: &FlagSet, experiment: &Experiment) -> Option<String> {
    let list = experiment.holdouts.of(&set.tables.holdout_lists);
    let names: Vec<String> = list
        .iter()
        .filter_map(|holdout| set.holdout_key(*holdout))
        .map(quoted)
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}
