//! Differences for a person.

use std::io::{self, Write};

use bucketry_core::{Action, Change, Move, MovementCase, PhaseBreakKind, Subject};

use super::Differences;
use crate::style::{BAD, DIM, GOOD, HEADING, STRONG, WARN, count, percent, printable};

/// Most cases of a flag's movement that are shown.
const SHOWN_CASES: usize = 20;

pub(super) fn write(out: &mut impl Write, differences: &Differences) -> io::Result<()> {
    let Differences { old, new, .. } = differences;
    writeln!(
        out,
        "{DIM}{} revision {} -> {} revision {}{DIM:#}",
        old.name, old.revision, new.name, new.revision
    )?;
    for change in differences
        .changes
        .iter()
        .filter(|each| each.flag.is_none())
    {
        write_change(out, change, "")?;
    }
    for flag in flags(differences) {
        writeln!(out)?;
        writeln!(out, "{STRONG}{}{STRONG:#}", printable(flag))?;
        write_flag(out, differences, flag)?;
    }
    writeln!(out)?;
    write_summary(out, differences)
}

/// The flags that differ: those with changes of their own, then those that others or segments change.
fn flags(differences: &Differences) -> Vec<&str> {
    let own = differences
        .changes
        .iter()
        .filter_map(|change| change.flag.as_deref());
    let moved = differences
        .movements
        .iter()
        .map(|movement| movement.flag.as_str());
    let mut flags: Vec<&str> = Vec::new();
    for flag in own.chain(moved) {
        // Changes of one flag stand together.
        if flags.last() != Some(&flag) && !flags.contains(&flag) {
            flags.push(flag);
        }
    }
    flags
}

fn write_flag(out: &mut impl Write, differences: &Differences, flag: &str) -> io::Result<()> {
    let own = |change: &&Change| change.flag.as_deref() == Some(flag);
    for change in differences.changes.iter().filter(own) {
        write_change(out, change, "  ")?;
    }
    for movement in differences
        .movements
        .iter()
        .filter(|each| each.flag == flag)
    {
        write_cases(out, &movement.cases)?;
        if let Some(gap) = movement.gap {
            writeln!(out, "  {WARN}?{WARN:#} {gap}")?;
        }
    }
    if let Some(counted) = &differences.counted {
        for moved in counted.moves.iter().filter(|moved| moved.flag == flag) {
            let arrow = arrow(moved.from.as_deref(), moved.to.as_deref());
            let share = percent(moved.units, counted.units);
            writeln!(
                out,
                "  {HEADING}>{HEADING:#} {} of {} units ({share} %) {arrow}",
                moved.units, counted.units
            )?;
        }
    }
    for broken in differences
        .phase_breaks
        .iter()
        .filter(|each| each.flag == flag)
    {
        let (experiment, phase) = (printable(&broken.experiment), broken.phase);
        let what = match &broken.kind {
            PhaseBreakKind::Switched {
                from,
                to,
                of_assigned,
                ..
            } => format!(
                "{of_assigned} of its units switch {}",
                arrow(Some(from), Some(to))
            ),
            PhaseBreakKind::Left {
                from, of_assigned, ..
            } => {
                format!(
                    "{of_assigned} of its units leave it, from {}",
                    printable(from)
                )
            }
            PhaseBreakKind::Targeting => "its condition changed: its units may be others".into(),
            _ => "its units move".into(),
        };
        writeln!(
            out,
            "  {BAD}!{BAD:#} experiment {experiment} stays in phase {phase}, but {what}"
        )?;
    }
    Ok(())
}

/// A line as in a patch: `+` added, `-` removed, `~` changed.
fn write_change(out: &mut impl Write, change: &Change, indent: &str) -> io::Result<()> {
    let (style, sign) = match change.action {
        Action::Added => (GOOD, '+'),
        Action::Removed => (BAD, '-'),
        _ => (WARN, '~'),
    };
    let mut head = String::new();
    if let Some(rule) = &change.rule {
        head += &match &rule.id {
            Some(id) => format!("rule {id}: "),
            None => format!("rule {}: ", rule.index + 1),
        };
    }
    match (change.subject, &change.flag) {
        (Subject::Flag | Subject::Rule, Some(_)) => {}
        // The name of what flags share stands in the place alone.
        (_, None) => head += &format!("{} ", change.place.trim_start_matches('/')),
        (Subject::Variant | Subject::Metadata, _) => {
            let name = change.place.rsplit('/').next().unwrap_or_default();
            let name = name.replace("~1", "/").replace("~0", "~");
            head += &format!("{} {name} ", change.subject.as_str());
        }
        (subject, _) => head += &format!("{} ", subject.as_str()),
    }
    let head = printable(&head);
    write!(out, "{indent}{style}{sign}{style:#} {}", head.trim_end())?;
    let blank = if head.is_empty() { "" } else { " " };
    // The words that follow stand apart by one blank of their own.
    let text = |text: &Option<String>| match text.as_deref() {
        Some("") | None => String::new(),
        Some(text) => format!(" {}", printable(text)),
    };
    let (before, after) = (&change.before, &change.after);
    match change.action {
        Action::Added => writeln!(out, "{blank}added{}", text(after)),
        Action::Removed => writeln!(out, "{blank}removed{}", text(before)),
        Action::Moved => writeln!(out, "{blank}moved{} to{}", text(before), text(after)),
        _ => {
            let shown = |text: &Option<String>| match text {
                Some(text) => printable(text).into_owned(),
                None => "none".into(),
            };
            let (before, after) = (shown(before), shown(after));
            // Two long texts are easier compared one below the other.
            if before.len() + after.len() > 80 {
                writeln!(out)?;
                writeln!(out, "{indent}    {BAD}-{BAD:#} {before}")?;
                return writeln!(out, "{indent}    {GOOD}+{GOOD:#} {after}");
            }
            writeln!(out, "{blank}{before} -> {after}")
        }
    }
}

/// Who moves in each case. Conditions are long and the same in many cases, so they are listed once.
fn write_cases(out: &mut impl Write, cases: &[MovementCase]) -> io::Result<()> {
    let mut conditions: Vec<&str> = Vec::new();
    for premise in cases.iter().flat_map(|case| &case.premises) {
        if !conditions.contains(&premise.condition.as_str()) {
            conditions.push(&premise.condition);
        }
    }
    for (index, condition) in conditions.iter().enumerate() {
        let (name, condition) = (name(index), printable(condition));
        writeln!(
            out,
            "  {HEADING}{name:>4}{HEADING:#} {DIM}={DIM:#} {condition}"
        )?;
    }
    for case in cases.iter().take(SHOWN_CASES) {
        let mut when: Vec<(usize, bool)> = case
            .premises
            .iter()
            .filter_map(|premise| {
                let index = conditions
                    .iter()
                    .position(|each| *each == premise.condition)?;
                Some((index, premise.holds))
            })
            .collect();
        when.sort_unstable();
        let when: Vec<String> = when
            .into_iter()
            .map(|(index, holds)| {
                let not = if holds { "" } else { "not " };
                format!("{not}{}", name(index))
            })
            .collect();
        let when = match when.as_slice() {
            [] => "of all units".into(),
            when => format!("of the units with {}", when.join(", ")),
        };
        writeln!(out, "  {HEADING}>{HEADING:#} {when}")?;
        let shares: Vec<String> = case.moves.iter().map(share).collect();
        let width = shares.iter().map(String::len).max().unwrap_or(0);
        for (each, share) in case.moves.iter().zip(shares) {
            let arrow = arrow(each.from.as_deref(), each.to.as_deref());
            writeln!(out, "      {share:>width$}  {arrow}")?;
        }
    }
    match cases.len().saturating_sub(SHOWN_CASES) {
        0 => Ok(()),
        rest => writeln!(
            out,
            "  {DIM}and {}, see --json{DIM:#}",
            count(rest, "more case")
        ),
    }
}

/// A, B, … Z, AA, …: a short name for a condition.
fn name(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    match index / 26 {
        0 => letter.into(),
        rest => name(rest - 1) + letter.encode_utf8(&mut [0; 4]),
    }
}

fn share(each: &Move) -> String {
    match each.exact {
        true => each.share.to_string(),
        false => format!("about {}", each.share),
    }
}

fn arrow(from: Option<&str>, to: Option<&str>) -> String {
    let name = |variant: Option<&str>| match variant {
        Some(name) => format!("{STRONG}{}{STRONG:#}", printable(name)),
        None => "the caller's default".into(),
    };
    format!("{} -> {}", name(from), name(to))
}

fn write_summary(out: &mut impl Write, differences: &Differences) -> io::Result<()> {
    if let Some(counted) = &differences.counted {
        let units = usize::try_from(counted.units).unwrap_or(usize::MAX);
        write!(out, "{} read; ", count(units, "unit"))?;
    }
    let changes = differences.changes.len();
    if differences.is_empty() {
        return writeln!(out, "{GOOD}no difference{GOOD:#}");
    }
    let moving = differences
        .movements
        .iter()
        .filter(|each| !each.cases.is_empty());
    let moving = match moving.count() {
        0 => "no unit changes variant".into(),
        flags => format!("units change variant in {}", count(flags, "flag")),
    };
    writeln!(out, "{}; {moving}", count(changes, "change"))?;
    match differences.phase_breaks.len() {
        0 => Ok(()),
        breaks => writeln!(
            out,
            "{BAD}{} within a phase of a running experiment{BAD:#}; a new phase would draw anew",
            count(breaks, "change")
        ),
    }
}
