//! Running experiments whose units would be moved: what must not happen within a phase.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::flag_set::{FlagSet, FlagState, NONE, Rule};
use crate::time::UnixMillis;

use super::RuleName;
use super::meaning::{Meanings, Side};
use super::movement::{Measure, Parts};
use super::rules::{matched, rules};
use super::share::Share;
use super::walk::{NEW, OLD, Served, Walk};

/// A change within a phase of an experiment that spoils its result: units that it had assigned get another
/// variant of it, or leave it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PhaseBreak {
    /// The flag.
    pub flag: String,
    /// The experiment's rule: in the new flag set, or in the old one when it is gone.
    pub rule: RuleName,
    /// The experiment.
    pub experiment: String,
    /// Its phase, the same in both flag sets.
    pub phase: u32,
    /// What happens.
    pub kind: PhaseBreakKind,
}

/// What happens to the units of an experiment.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PhaseBreakKind {
    /// They get another variant of the same experiment and phase.
    Switched {
        /// The variant until now.
        from: String,
        /// The variant from now on.
        to: String,
        /// The share of the units that the rule matches.
        share: Share,
        /// The share of the units that the rule had assigned.
        of_assigned: Share,
    },
    /// They are no longer in the experiment, which goes on without them.
    Left {
        /// The variant until now.
        from: String,
        /// The share of the units that the rule matches.
        share: Share,
        /// The share of the units that the rule had assigned.
        of_assigned: Share,
    },
    /// The rule's condition changed, so its units may be others: how many, only a list of them can tell.
    Targeting,
}

impl fmt::Display for PhaseBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            flag,
            rule,
            experiment,
            phase,
            kind,
        } = self;
        write!(
            f,
            "flag `{flag}`, {rule}: experiment `{experiment}` stays in phase {phase}, but "
        )?;
        match kind {
            PhaseBreakKind::Switched {
                from,
                to,
                of_assigned,
                ..
            } => {
                write!(
                    f,
                    "{of_assigned} of its units switch from `{from}` to `{to}`"
                )
            }
            PhaseBreakKind::Left {
                from, of_assigned, ..
            } => {
                write!(
                    f,
                    "{of_assigned} of its units, which had `{from}`, leave it"
                )
            }
            PhaseBreakKind::Targeting => f.write_str("its condition changed"),
        }
    }
}

impl FlagSet {
    /// The experiments whose key and phase stay the same in `other` although units that they have assigned
    /// would get another variant, or leave: changed weights, salt, unit or hash, fewer slots, a lower
    /// rollout, a new holdout. A larger rollout and more slots break nothing.
    ///
    /// Computed rule by rule, exactly, for the units that the rule matches before and after; what rules
    /// before it do is in [`FlagSet::movements`]. Experiments of flags that are disabled or refused in either
    /// set are not running.
    #[must_use]
    pub fn phase_breaks(&self, other: &Self) -> Vec<PhaseBreak> {
        let meanings = Meanings::new(other);
        let mut walk = Walk::new(Side::new(self), Side::new(other), meanings, UnixMillis(0));
        let mut breaks = Vec::new();
        for key in self.changed_flags(other) {
            let flags = [self, other].map(|set| {
                let flag = set.flag(key)?.flag;
                let found = set.tables.flags.get(flag as usize)?;
                (found.state == FlagState::Enabled).then_some(flag)
            });
            if let [Some(old), Some(new)] = flags {
                flag_breaks(&mut walk, key, (old, new), &mut breaks);
            }
        }
        breaks
    }
}

fn flag_breaks(walk: &mut Walk<'_>, key: &str, flags: (u32, u32), breaks: &mut Vec<PhaseBreak>) {
    for (old, new) in pairs(walk, flags) {
        let (from, to) = (
            rules(walk.side(OLD), flags.0),
            rules(walk.side(NEW), flags.1),
        );
        let Some(before) = from.get(usize::from(old)) else {
            continue;
        };
        let after = new.and_then(|new| to.get(usize::from(new)));
        let Some((experiment, phase)) = experiment(walk.side(OLD).set, before) else {
            continue;
        };
        let (set, flag, place) = match new {
            Some(new) => (walk.side(NEW).set, flags.1, new),
            None => (walk.side(OLD).set, flags.0, old),
        };
        let template = PhaseBreak {
            flag: key.into(),
            rule: RuleName {
                index: place.into(),
                id: set.rule_id(flag, place).map(Into::into),
            },
            experiment: experiment.into(),
            phase,
            kind: PhaseBreakKind::Targeting,
        };
        if after.is_some_and(|after| condition(walk, OLD, before) != condition(walk, NEW, after)) {
            breaks.push(template.clone());
        }
        breaks.extend(
            kinds(walk, flags, before, after)
                .into_iter()
                .map(|kind| PhaseBreak {
                    kind,
                    ..template.clone()
                }),
        );
    }
}

/// The meaning of the condition of a rule.
fn condition(walk: &mut Walk<'_>, side: usize, rule: &Rule) -> Option<u32> {
    (rule.condition != NONE).then(|| walk.meaning(side, rule.condition))
}

fn experiment<'a>(set: &'a FlagSet, rule: &Rule) -> Option<(&'a str, u32)> {
    let tables = &set.tables;
    let draw = tables.draws.get(rule.draw as usize)?;
    let experiment = tables.experiments.get(draw.experiment as usize)?;
    Some((tables.symbols.get(experiment.key), experiment.phase))
}

/// The old rules of experiments that the flag still has in the same phase, each with the rule that it became:
/// none when that is gone, though others of the experiment are there.
fn pairs(walk: &mut Walk<'_>, flags: (u32, u32)) -> Vec<(u16, Option<u16>)> {
    let [old, new] = &mut walk.sides;
    let matched = matched(old, new, flags);
    let (old, new) = (&*old, &*new);
    let of = |side: &Side<'_>, flag, place: u16| {
        let rule = rules(side, flag).get(usize::from(place))?;
        experiment(side.set, rule).map(|(key, phase)| (String::from(key), phase))
    };
    let old_of = |place| of(old, flags.0, place);
    let new_of = |place| of(new, flags.1, place);
    let mut pairs = Vec::new();
    let mut lost = matched.removed;
    let mut found = matched.added;
    for (before, after) in matched.pairs {
        match old_of(before) {
            Some(experiment) if new_of(after) == Some(experiment.clone()) => {
                pairs.push((before, Some(after)));
            }
            _ => {
                lost.push(before);
                found.push(after);
            }
        }
    }
    lost.sort_unstable();
    found.sort_unstable();
    for before in lost {
        let Some(experiment) = old_of(before) else {
            continue;
        };
        let same = |after: &u16| new_of(*after).as_ref() == Some(&experiment);
        match found.iter().position(&same) {
            Some(at) => pairs.push((before, Some(found.remove(at)))),
            None => {
                let goes_on = (0..rules(new, flags.1).len() as u16).any(|after| same(&after));
                if goes_on {
                    pairs.push((before, None));
                }
            }
        }
    }
    pairs.sort_unstable();
    pairs
}

/// Who is moved when one rule becomes the other.
fn kinds(
    walk: &mut Walk<'_>,
    flags: (u32, u32),
    before: &Rule,
    after: Option<&Rule>,
) -> Vec<PhaseBreakKind> {
    walk.start([None, None]);
    let groups = walk.groups(|walk, side| {
        let served = match (side, after) {
            (OLD, _) => walk.draw(OLD, flags.0, before)?,
            (_, Some(after)) => walk.draw(NEW, flags.1, after)?,
            (_, None) => None,
        };
        Ok(served.unwrap_or_default())
    });
    // One rule has at most 1,000 arms on either side, but together they may fall apart into more boxes than
    // are looked at. Then they differ everywhere.
    let Ok(groups) = groups else {
        return alloc::vec![PhaseBreakKind::Targeting];
    };
    let measure = Measure::of(walk, &groups);
    let mut assigned = Parts::NONE;
    let mut sums: Vec<([Served<'_>; 2], Parts)> = Vec::new();
    for group in &groups {
        let parts = measure.parts(walk, group);
        let [from, to] = group.served;
        if from.variant.is_none() {
            continue;
        }
        assigned.add(parts);
        if from.variant != to.variant {
            match sums.iter_mut().find(|(served, _)| *served == [from, to]) {
                Some((_, sum)) => sum.add(parts),
                None => sums.push(([from, to], parts)),
            }
        }
    }
    sums.sort_unstable_by_key(|([from, to], _)| (from.variant, to.variant));
    let kind = |([from, to], parts): &([Served<'_>; 2], Parts)| {
        let from = from.variant?.into();
        let share = measure.share(*parts);
        let of_assigned = Share::new(parts.parts, assigned.parts);
        Some(match to.variant {
            Some(to) => PhaseBreakKind::Switched {
                from,
                to: to.into(),
                share,
                of_assigned,
            },
            None => PhaseBreakKind::Left {
                from,
                share,
                of_assigned,
            },
        })
    };
    sums.iter().filter_map(kind).collect()
}
