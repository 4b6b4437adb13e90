//! What allocations become: rules.

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bucketry_core::limits::{MAX_ARMS, MAX_RULES};

use crate::limits::MAX_REPEATED_BYTES;
use crate::output::Out;
use crate::report::Report;
use crate::source::{Problem, Source};

use super::allocation::{Allocation, Axis, Split};
use super::condition::{all_of, never};
use super::flag::Variations;
use crate::names::is_name;
use crate::ranges::{Ranges, first_come};
use crate::time::{self, Instant};

/// What the rules of the whole set share.
#[derive(Default)]
pub(super) struct Shared {
    /// Each experiment with the salt (`None`: its own) and the modulus of the hash (`None`: the native
    /// hash) that all its rules have.
    experiments: BTreeMap<String, (Option<String>, Option<u32>)>,
    /// How many bytes of conditions have been repeated.
    repeated: usize,
}

/// Writes the rules of one flag.
pub(super) struct RuleWriter<'w> {
    flag: &'w str,
    variations: &'w Variations,
    /// The ids given out, each with how often it was asked for.
    ids: BTreeMap<String, usize>,
    /// The modulus of the flag's hash: that of its first shard.
    pub(super) modulus: Option<u32>,
    pub(super) rules: Vec<Out>,
    pub(super) experiments: BTreeSet<String>,
}

/// An allocation as one split over one salt.
struct Draw<'a> {
    axis: &'a Axis,
    /// Positions that every split asks for.
    common: BTreeMap<&'a Axis, &'a Ranges>,
    /// Disjoint, in the order of the splits.
    arms: Vec<(&'a str, Ranges)>,
}

impl<'w> RuleWriter<'w> {
    pub(super) fn new(
        flag: &'w str,
        variations: &'w Variations,
        allocations: &[Allocation],
    ) -> Self {
        let splits = allocations.iter().flat_map(|allocation| &allocation.splits);
        let first = splits.flat_map(|split| &split.shards).next();
        Self {
            flag,
            variations,
            ids: BTreeMap::new(),
            modulus: first.map(|(axis, _)| axis.modulus),
            rules: Vec::new(),
            experiments: BTreeSet::new(),
        }
    }

    /// Appends the rules that an allocation becomes.
    pub(super) fn allocation(
        &mut self,
        source: &Source<'_, '_>,
        allocation: &Allocation,
        shared: &mut Shared,
        report: &mut Report,
    ) -> Result<(), Problem> {
        if self.rules.len() > MAX_RULES {
            return Err(source.inexpressible("is beyond what 1,000 rules hold"));
        }
        let mut window = Members::new();
        let (from, until) = (
            allocation.from.map(Instant::from),
            allocation.until.map(Instant::until),
        );
        if from.zip(until).is_some_and(|(from, until)| from >= until) {
            report.warn(
                Some(self.flag),
                || source.pointer(),
                "is never in force, left out",
            );
            return Ok(());
        }
        for (name, millis) in [("from", from), ("until", until)] {
            if let Some(millis) = millis {
                let text = time::to_text(millis);
                window.push((name, text.map_or_else(|| Out::number(millis), Out::Text)));
            }
        }

        let mut experiment = None;
        if allocation.do_log {
            let key = format!("{}-{}", self.flag, allocation.key);
            if is_name(&key) {
                experiment = Some(key);
            } else {
                let message = "flag and allocation key together are no name of an experiment: exposures are not recorded";
                report.warn(Some(self.flag), || source.pointer(), message);
            }
        }

        // What follows a split without shards is never reached.
        let unsharded = allocation
            .splits
            .iter()
            .position(|split| split.shards.is_empty());
        let reached = unsharded.map_or(allocation.splits.len(), |last| last + 1);
        if reached > MAX_ARMS {
            return Err(source.inexpressible("has more than 1,000 splits"));
        }
        let splits: Vec<&Split> = allocation.splits.iter().take(reached).collect();

        let allocation = Rules {
            allocation,
            window,
            experiment,
            reason: allocation.reason(),
            splits,
        };
        let draw = allocation.one_draw(self.variations);
        let draw = draw.filter(|draw| allocation.may_draw(draw, shared));
        match draw {
            Some(draw) => self.draw(&allocation, &draw, shared),
            None => self.serve_each(source, &allocation, shared)?,
        }
        if !allocation.splits.is_empty() {
            self.experiments.extend(allocation.experiment);
        }
        Ok(())
    }

    /// One rule for all splits.
    fn draw(&mut self, rules: &Rules<'_>, draw: &Draw<'_>, shared: &mut Shared) {
        let mut rule = self.begin(rules, None);
        let targeting = rules.allocation.targeting.clone();
        let common = draw.common.iter();
        let positions = common.map(|(axis, ranges)| self.position(axis, ranges));
        push_condition(&mut rule, targeting.into_iter().chain(positions).collect());
        rule.extend(rules.window.iter().cloned());
        if let Some(key) = &rules.experiment {
            let drawn = (Some(draw.axis.salt.clone()), Some(draw.axis.modulus));
            shared.experiments.insert(key.clone(), drawn);
            rule.push(("experiment", Out::object([("key", Out::text(key))])));
        }
        rule.push(("salt", Out::text(&draw.axis.salt)));
        if Some(draw.axis.modulus) != self.modulus {
            rule.push(("hash", hash(Some(draw.axis.modulus))));
        }
        rule.push(("missingUnit", Out::text("error")));
        let arm = |(variant, ranges): &(&str, Ranges)| {
            Out::object([("variant", Out::text(*variant)), ("ranges", pairs(ranges))])
        };
        rule.push(("split", Out::Array(draw.arms.iter().map(arm).collect())));
        rule.push(("reason", Out::text(rules.reason)));
        self.rules.push(object(rule));
    }

    /// A rule a split.
    fn serve_each(
        &mut self,
        source: &Source<'_, '_>,
        rules: &Rules<'_>,
        shared: &mut Shared,
    ) -> Result<(), Problem> {
        let targeting = &rules.allocation.targeting;
        let size = targeting.as_ref().map_or(0, Out::size);
        shared.repeated += size.saturating_mul(rules.splits.len().saturating_sub(1));
        if shared.repeated > MAX_REPEATED_BYTES {
            let reason =
                "the targeting would have to be repeated for each of its splits, which is too much";
            return Err(source.inexpressible(reason));
        }
        for split in &rules.splits {
            let alone = rules.splits.len() == 1;
            let mut rule = self.begin(rules, (!alone).then_some(split.variation.as_str()));
            let mut conditions: Vec<Out> = targeting.iter().cloned().collect();
            conditions.extend(self.positions(split));
            push_condition(&mut rule, conditions);
            rule.extend(rules.window.iter().cloned());
            match self.variations.get(&split.variation) {
                Some(Ok(())) => {
                    if let Some(key) = &rules.experiment {
                        self.push_experiment(&mut rule, key, shared);
                    }
                    rule.push(("serve", Out::text(&split.variation)));
                    rule.push(("reason", Out::text(rules.reason)));
                }
                _ => self.push_stop(&mut rule),
            }
            self.rules.push(object(rule));
        }
        Ok(())
    }

    /// The experiment of a rule that does not draw: salt and hash decide nothing here, but one experiment
    /// has one of each.
    fn push_experiment(&self, rule: &mut Members, key: &str, shared: &mut Shared) {
        let first = shared.experiments.entry(key.to_owned());
        let (salt, modulus) = first.or_insert((None, self.modulus));
        rule.push(("experiment", Out::object([("key", Out::text(key))])));
        if let Some(salt) = salt {
            rule.push(("salt", Out::text(&*salt)));
        }
        if *modulus != self.modulus {
            rule.push(("hash", hash(*modulus)));
        }
        // The targeting key decides nothing here either. Without it there is nobody to record.
        rule.push(("missingUnit", Out::text("zero")));
    }

    /// Ends the search with the caller's default: a rule that matches and enrols nobody.
    fn push_stop(&self, rule: &mut Members) {
        let usable = self.variations.iter().find(|(_, value)| value.is_ok());
        let variant = usable.map_or("", |(name, _)| name);
        rule.push(("hash", hash(None)));
        rule.push(("missingUnit", Out::text("zero")));
        rule.push(("rollout", Out::number(0)));
        rule.push(("serve", Out::text(variant)));
        rule.push(("otherwise", Out::text("stop")));
    }

    /// The conditions for a subject to fall in all shards of a split, and for its absence to be an error.
    fn positions(&self, split: &Split) -> Vec<Out> {
        let full = |(axis, ranges): &&(Axis, Ranges)| ranges.is_full(axis.modulus.into());
        let shards = split.shards.iter();
        let mut conditions = Vec::new();
        for (axis, ranges) in shards.clone().filter(|shard| !full(shard)) {
            if ranges.is_empty() {
                conditions.push(self.position(axis, &Ranges::full(axis.modulus.into())));
                conditions.push(never());
                return conditions;
            }
            conditions.push(self.position(axis, ranges));
        }
        if conditions.is_empty() {
            conditions.extend(
                shards
                    .take(1)
                    .map(|(axis, ranges)| self.position(axis, ranges)),
            );
        }
        conditions
    }

    fn position(&self, axis: &Axis, ranges: &Ranges) -> Out {
        let mut position = vec![("salt", Out::text(&axis.salt))];
        if Some(axis.modulus) != self.modulus {
            position.push(("hash", hash(Some(axis.modulus))));
        }
        position.push(("ranges", pairs(ranges)));
        position.push(("missing", Out::text("error")));
        Out::object([("position", object(position))])
    }

    /// The members that a rule begins with.
    fn begin(&mut self, rules: &Rules<'_>, variation: Option<&str>) -> Members {
        let key = &rules.allocation.key;
        let base = match variation {
            Some(variation) => format!("{key}/{variation}"),
            None => key.clone(),
        };
        let mut number = self.ids.get(&base).copied().unwrap_or(0);
        let mut id = base.clone();
        loop {
            number += 1;
            if number > 1 {
                id = format!("{base}/{number}");
            }
            if !self.ids.contains_key(&id) {
                break;
            }
        }
        if !is_name(&id) {
            return Members::new();
        }
        self.ids.insert(id.clone(), 1);
        self.ids.insert(base, number);
        vec![("id", Out::Text(id))]
    }
}

/// What the rules of one allocation share.
struct Rules<'a> {
    allocation: &'a Allocation,
    window: Members,
    experiment: Option<String>,
    reason: &'static str,
    /// Those that can be reached.
    splits: Vec<&'a Split>,
}

impl<'a> Rules<'a> {
    /// The splits as one draw: the salt on which they differ, the ranges that each gets there before
    /// the ones after it, and the positions that all of them ask for alike.
    fn one_draw(&self, variations: &Variations) -> Option<Draw<'a>> {
        let usable = |split: &&&Split| matches!(variations.get(&split.variation), Some(Ok(())));
        if self.splits.iter().filter(usable).count() < self.splits.len() {
            return None;
        }
        let axes = self.splits.first()?.shards.iter().rev();
        axes.map(|(axis, _)| axis).find_map(|axis| {
            let mut common: Option<BTreeMap<&Axis, &Ranges>> = None;
            for split in &self.splits {
                let others = split
                    .shards
                    .iter()
                    .filter(|(each, ranges)| each != axis && !ranges.is_full(each.modulus.into()))
                    .map(|(axis, ranges)| (axis, ranges))
                    .collect();
                if *common.get_or_insert_with(|| BTreeMap::clone(&others)) != others {
                    return None;
                }
            }
            let common = common.unwrap_or_default();
            let full = Ranges::full(axis.modulus.into());
            let own = self.splits.iter().map(|split| {
                let own = split.shards.iter().find(|(each, _)| each == axis);
                own.map_or(&full, |(_, ranges)| ranges)
            });
            let left = first_come(&own.collect::<Vec<_>>());
            let arms = self.splits.iter().zip(left);
            let arms = arms.filter(|(_, ranges)| !ranges.is_empty());
            let arms: Vec<_> = arms
                .map(|(split, ranges)| (split.variation.as_str(), ranges))
                .collect();
            let empty = arms.is_empty() || common.values().any(|ranges| ranges.is_empty());
            (!empty).then_some(Draw { axis, common, arms })
        })
    }

    /// Whether the experiment, if it is known already, draws with the same salt and hash.
    fn may_draw(&self, draw: &Draw<'_>, shared: &Shared) -> bool {
        let known = self
            .experiment
            .as_ref()
            .and_then(|key| shared.experiments.get(key));
        known.is_none_or(|(salt, modulus)| {
            salt.as_ref() == Some(&draw.axis.salt) && *modulus == Some(draw.axis.modulus)
        })
    }
}

type Members = Vec<(&'static str, Out)>;

fn object(members: Members) -> Out {
    let owned = members
        .into_iter()
        .map(|(name, value)| (Cow::Borrowed(name), value));
    Out::Object(owned.collect())
}

fn push_condition(rule: &mut Members, conditions: Vec<Out>) {
    if !conditions.is_empty() {
        rule.push(("if", all_of(conditions)));
    }
}

/// The hash of this modulus, or the native one.
pub(super) fn hash(modulus: Option<u32>) -> Out {
    match modulus {
        None => Out::text("xxh64"),
        Some(modulus) => Out::object([
            ("name", Out::text("md5-mod")),
            ("modulus", Out::number(modulus)),
        ]),
    }
}

fn pairs(ranges: &Ranges) -> Out {
    let pair = |(start, end)| Out::Array(vec![Out::number(start), Out::number(end)]);
    Out::Array(ranges.iter().map(pair).collect())
}
