//! Draws for a person: positions, and the ranges that they were held against.

use std::io::{self, Write};

use bucketry_core::{DrawExplanation, NATIVE_MODULUS, PositionExplanation};

use super::bar::{Bar, contains};
use super::mark::{Mark, NO, NONE, YES};
use crate::style::{DIM, GOOD, PLAIN, percent, printable};

/// Most variants of a split that are drawn; the one that was hit always is.
const SHOWN_VARIANTS: usize = 10;

/// Where a unit stands on one line: what it is, the bar, the position, and what that means.
struct Line<'a> {
    mark: Mark,
    label: &'a str,
    ranges: &'a [(u64, u64)],
    position: Option<u64>,
    modulus: u64,
}

impl Line<'_> {
    fn write(&self, out: &mut impl Write, meaning: &str) -> io::Result<()> {
        let (mark, label) = (self.mark, self.label);
        let bar = Bar {
            ranges: self.ranges,
            position: self.position,
            marker: mark.style(),
            modulus: self.modulus,
        };
        let at = match self.position {
            Some(position) => percent(position, self.modulus) + " %",
            None => String::new(),
        };
        writeln!(out, "     {mark} {label:<8}{bar} {at:>8}  {meaning}")
    }
}

/// What a rule drew.
pub(super) fn write(out: &mut impl Write, draw: &DrawExplanation) -> io::Result<()> {
    let mut enrolled = true;
    if let Some(cut) = draw.enrol_cut {
        enrolled = draw.position.enrol < cut;
        let (mark, word) = match enrolled {
            true => (YES, "below"),
            false => (NO, "not below"),
        };
        let line = Line {
            mark,
            label: "rollout",
            ranges: &[(0, cut)],
            position: Some(draw.position.enrol),
            modulus: NATIVE_MODULUS,
        };
        let share = bound(cut, NATIVE_MODULUS);
        line.write(out, &format!("{DIM}{word} {share} %{DIM:#}"))?;
    }
    if enrolled && !draw.arms.is_empty() {
        write_split(out, draw)?;
    }
    write_unit(out, draw)
}

/// A line for each variant.
fn write_split(out: &mut impl Write, draw: &DrawExplanation) -> io::Result<()> {
    let arm = draw.position.arm;
    let mut variants: Vec<(&str, Vec<(u64, u64)>)> = Vec::new();
    for (variant, from, to) in &draw.arms {
        match variants.iter_mut().find(|(name, _)| name == variant) {
            Some((_, ranges)) => ranges.push((*from, *to)),
            None => variants.push((variant, vec![(*from, *to)])),
        }
    }
    let hit = variants
        .iter()
        .position(|(_, ranges)| contains(ranges, arm));
    let mut label = "split";
    for (index, (variant, ranges)) in variants.iter().enumerate() {
        let is_hit = hit == Some(index);
        if index >= SHOWN_VARIANTS && !is_hit {
            continue;
        }
        let line = Line {
            mark: if is_hit { YES } else { NONE },
            label,
            ranges,
            position: is_hit.then_some(arm),
            modulus: draw.hash.modulus(),
        };
        let style = if is_hit { GOOD } else { PLAIN };
        let shares = shares(ranges, draw.hash.modulus());
        let variant = printable(variant);
        line.write(
            out,
            &format!("{style}{variant}{style:#} {DIM}{shares}{DIM:#}"),
        )?;
        label = "";
    }
    let shown = SHOWN_VARIANTS + usize::from(hit.is_some_and(|hit| hit >= SHOWN_VARIANTS));
    if let Some(omitted @ 1..) = variants.len().checked_sub(shown) {
        writeln!(out, "       {DIM}and {omitted} more{DIM:#}")?;
    }
    if hit.is_none() {
        let line = Line {
            mark: NO,
            label: "",
            ranges: &[],
            position: Some(arm),
            modulus: draw.hash.modulus(),
        };
        line.write(out, &format!("{DIM}in no arm{DIM:#}"))?;
    }
    Ok(())
}

/// What was hashed, and what came of it.
fn write_unit(out: &mut impl Write, draw: &DrawExplanation) -> io::Result<()> {
    let (hash, salt) = (draw.hash.name(), printable(&draw.salt));
    write!(out, "       {DIM}{hash} of salt \"{salt}\" and ")?;
    match (&draw.unit_type, &draw.unit) {
        (Some(unit_type), Some(unit)) => {
            write!(out, "{} \"{}\"", printable(unit_type), printable(unit))?;
        }
        _ => write!(out, "no unit")?,
    }
    write!(out, ": arm {}", draw.position.arm)?;
    if draw.hash.has_two_lanes() {
        write!(out, ", enrol {}", draw.position.enrol)?;
    }
    writeln!(out, " of {}{DIM:#}", draw.hash.modulus())
}

/// Where a unit stands in a layer or a holdout; `good` says whether that lets it through.
pub(super) fn write_position(
    out: &mut impl Write,
    label: &str,
    position: &PositionExplanation,
    good: bool,
) -> io::Result<()> {
    let line = Line {
        mark: if good { YES } else { NO },
        label,
        ranges: &position.ranges,
        position: Some(position.position),
        modulus: position.modulus,
    };
    let word = match contains(&position.ranges, position.position) {
        true => "in",
        false => "not in",
    };
    let ranges = shares(&position.ranges, position.modulus);
    let name = printable(&position.name);
    line.write(out, &format!("{DIM}{word} {ranges} of {name}{DIM:#}"))
}

/// Where a unit stands in the ranges of a condition.
pub(super) fn write_condition_position(
    out: &mut impl Write,
    position: &PositionExplanation,
    indent: usize,
) -> io::Result<()> {
    let inside = contains(&position.ranges, position.position);
    let bar = Bar {
        ranges: &position.ranges,
        position: Some(position.position),
        marker: if inside { YES } else { NO }.style(),
        modulus: position.modulus,
    };
    let at = percent(position.position, position.modulus);
    writeln!(out, "{:indent$}{bar} {at} %", "")
}

/// Ranges in per cent; the first few of many.
fn shares(ranges: &[(u64, u64)], modulus: u64) -> String {
    const SHOWN: usize = 3;
    let share =
        |&(from, to): &(u64, u64)| format!("{}..{} %", bound(from, modulus), bound(to, modulus));
    let shown: Vec<String> = ranges.iter().take(SHOWN).map(share).collect();
    let rest = match ranges.len().saturating_sub(SHOWN) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    shown.join(", ") + &rest
}

/// A bound of a range in per cent, to the nearest ten-thousandth, which is how a rollout is written: a bound
/// itself is a whole number of positions, rounded down.
fn bound(at: u64, modulus: u64) -> String {
    let whole = u128::from(modulus.max(1));
    let millionths = (u128::from(at) * 1_000_000 + whole / 2) / whole;
    let digits = format!("{}.{:04}", millionths / 10_000, millionths % 10_000);
    digits.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use bucketry_core::enrol_cut;

    use super::*;

    #[test]
    fn a_rollout_reads_as_it_was_written() {
        for (ppm, want) in [
            (0, "0"),
            (1, "0.0001"),
            (9_999, "0.9999"),
            (10_000, "1"),
            (125_000, "12.5"),
            (333_333, "33.3333"),
            (999_999, "99.9999"),
            (1_000_000, "100"),
        ] {
            assert_eq!(bound(enrol_cut(ppm), NATIVE_MODULUS), want, "{ppm} ppm");
        }
        assert_eq!(bound(3_334, 10_000), "33.34");
    }
}
