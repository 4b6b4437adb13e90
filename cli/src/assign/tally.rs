//! What was assigned, counted: per flag its variants, per experiment its arms.

use std::io::{self, Write};

use bucketry_core::{Assignment, ErrorCode, FlagHandle, Resolution};

use super::chi_square::goodness_of_fit;
use super::rows::TARGETING_KEY;
use crate::style::{GOOD, HEADING, PLAIN, STRONG, WARN, percent, printable};
use crate::table::{Cell, Table};

/// Below this a sample ratio is called a mismatch; the threshold of the experimentation platforms
/// (Fabijan et al., KDD 2019).
const MISMATCH: f64 = 0.001;

/// What was counted.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) units: u64,
    pub(super) bad_rows: u64,
    flags: Vec<FlagTally>,
}

#[derive(Clone, Debug)]
struct FlagTally {
    key: String,
    /// Name and count of each variant.
    variants: Vec<(String, u64)>,
    /// Resolutions that left the value to the caller.
    no_variant: u64,
    errors: Vec<(ErrorCode, u64)>,
    held_out: u64,
    unit_missing: u64,
    rules: Vec<RuleTally>,
}

/// A rule of an experiment.
#[derive(Clone, Debug)]
struct RuleTally {
    rule_index: usize,
    name: String,
    /// Whether its unit is that of the rows. If not, rows of one unit fall into one arm together and say
    /// nothing about the ratio.
    by_row: bool,
    /// Arm positions of each variant.
    shares: Vec<u64>,
    counts: Vec<u64>,
}

impl Tally {
    /// Nothing counted yet. `unit_name` is what the rows call their unit beside the targeting key.
    pub(super) fn new(flags: &[FlagHandle<'_>], unit_name: &str) -> Self {
        Self {
            units: 0,
            bad_rows: 0,
            flags: flags
                .iter()
                .map(|flag| FlagTally::new(*flag, unit_name))
                .collect(),
        }
    }

    /// Counts what the flag at this place resolved to.
    pub(super) fn count(
        &mut self,
        flag: usize,
        resolution: &Resolution<'_>,
        assignment: Option<&Assignment<'_>>,
    ) {
        if let Some(flag) = self.flags.get_mut(flag) {
            flag.count(resolution, assignment);
        }
    }

    /// Adds what another thread counted for the same flags.
    pub(super) fn add(&mut self, other: &Self) {
        self.units += other.units;
        self.bad_rows += other.bad_rows;
        for (to, from) in self.flags.iter_mut().zip(&other.flags) {
            to.add(from);
        }
    }
}

impl FlagTally {
    fn new(flag: FlagHandle<'_>, unit_name: &str) -> Self {
        let variants: Vec<(String, u64)> =
            flag.variants().map(|(name, _)| (name.into(), 0)).collect();
        let rules = flag.experiment_rules().map(|rule| {
            let mut shares = vec![0; variants.len()];
            for arm in rule.arms() {
                let variant = variants.iter().position(|(name, _)| name == arm.variant);
                if let Some(share) = variant.and_then(|variant| shares.get_mut(variant)) {
                    *share += arm.end - arm.start;
                }
            }
            let id = rule.rule_id().map(|id| format!(", rule {id}"));
            RuleTally {
                rule_index: rule.rule_index(),
                name: format!(
                    "{}, phase {}, of flag {}{}",
                    rule.experiment(),
                    rule.phase(),
                    flag.key(),
                    id.unwrap_or_default()
                ),
                by_row: rule
                    .unit()
                    .all(|name| name == TARGETING_KEY || name == unit_name),
                counts: vec![0; shares.len()],
                shares,
            }
        });
        Self {
            key: flag.key().into(),
            no_variant: 0,
            errors: Vec::new(),
            held_out: 0,
            unit_missing: 0,
            rules: rules.collect(),
            variants,
        }
    }

    fn count(&mut self, resolution: &Resolution<'_>, assignment: Option<&Assignment<'_>>) {
        self.unit_missing += u64::from(resolution.unit_missing());
        let variant = resolution.variant_index();
        match (
            variant.and_then(|at| self.variants.get_mut(at)),
            resolution.error_code(),
        ) {
            (Some((_, count)), _) => *count += 1,
            (None, Some(code)) => self.count_error(code, 1),
            (None, None) => self.no_variant += 1,
        }
        // A rule can serve without assigning: then it did not draw either.
        let Some(assignment) = assignment else { return };
        if assignment.holdout.is_some() {
            self.held_out += 1;
            return;
        }
        let served = resolution.rule_index();
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| Some(rule.rule_index) == served);
        let count = rule
            .zip(variant)
            .and_then(|(rule, at)| rule.counts.get_mut(at));
        if let Some(count) = count {
            *count += 1;
        }
    }

    fn count_error(&mut self, code: ErrorCode, count: u64) {
        match self.errors.iter_mut().find(|(known, _)| *known == code) {
            Some((_, known)) => *known += count,
            None => self.errors.push((code, count)),
        }
    }

    fn add(&mut self, other: &Self) {
        self.no_variant += other.no_variant;
        self.held_out += other.held_out;
        self.unit_missing += other.unit_missing;
        for ((_, to), (_, from)) in self.variants.iter_mut().zip(&other.variants) {
            *to += from;
        }
        for (code, count) in &other.errors {
            self.count_error(*code, *count);
        }
        for (to, from) in self.rules.iter_mut().zip(&other.rules) {
            for (to, from) in to.counts.iter_mut().zip(&from.counts) {
                *to += from;
            }
        }
    }
}

impl Tally {
    /// Tells what was counted.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for flag in &self.flags {
            flag.write(self.units, out)?;
        }
        for flag in &self.flags {
            for rule in &flag.rules {
                rule.write(&flag.variants, out)?;
            }
        }
        Ok(())
    }
}

impl FlagTally {
    fn write(&self, units: u64, out: &mut impl Write) -> io::Result<()> {
        let mut table = Table::new([self.key.as_str(), "units", "per cent"]);
        let mut row = |style, name: &str, count: u64| {
            table.row([
                Cell::new(style, name),
                Cell::right(PLAIN, &count.to_string()),
                Cell::right(PLAIN, &percent(count, units)),
            ]);
        };
        for (name, count) in &self.variants {
            row(STRONG, name, *count);
        }
        let errors = self
            .errors
            .iter()
            .map(|(code, count)| (code.as_str(), *count));
        let others = [
            ("(no variant)", self.no_variant),
            ("(held out, counted above)", self.held_out),
            ("(no unit for a rule, counted above)", self.unit_missing),
        ];
        for (name, count) in others.into_iter().chain(errors) {
            if count > 0 {
                row(WARN, name, count);
            }
        }
        writeln!(out)?;
        table.write(out)
    }
}

impl RuleTally {
    fn write(&self, variants: &[(String, u64)], out: &mut impl Write) -> io::Result<()> {
        let total: u64 = self.counts.iter().sum();
        let whole: u64 = self.shares.iter().sum();
        let mut table = Table::new(["arm", "units", "per cent", "expected"]);
        let arms = || {
            let arms = self.counts.iter().zip(&self.shares).zip(variants);
            arms.filter(|((_, share), _)| **share > 0)
        };
        for ((count, share), (name, _)) in arms() {
            table.row([
                Cell::new(STRONG, name),
                Cell::right(PLAIN, &count.to_string()),
                Cell::right(PLAIN, &percent(*count, total)),
                Cell::right(PLAIN, &percent(*share, whole)),
            ]);
        }
        writeln!(
            out,
            "\n{HEADING}experiment{HEADING:#} {}",
            printable(&self.name)
        )?;
        table.write(out)?;
        let (counts, shares): (Vec<_>, Vec<_>) = arms().map(|(arm, _)| arm).unzip();
        if !self.by_row {
            return writeln!(out, "sample ratio: not checked, as rows may share a unit");
        }
        match goodness_of_fit(&counts, &shares) {
            None => writeln!(
                out,
                "sample ratio: not checked, as there are too few units or arms"
            ),
            Some(p) if p < MISMATCH => writeln!(
                out,
                "{WARN}sample ratio mismatch{WARN:#}: p = {p:.2e}, below {MISMATCH}. Are the units those that were \
                 drawn for, each once?"
            ),
            Some(p) => writeln!(out, "sample ratio: {GOOD}as expected{GOOD:#}, p = {p:.4}"),
        }
    }
}
