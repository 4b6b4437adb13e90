//! Both flag sets resolved for all units at once: instead of a position, a set of positions, which every
//! test divides; instead of attributes, the truth of each condition, which the caller assumes.
//!
//! A lane of a hash is a dimension, and every test looks at one of them. So what is left of the units on the
//! way through the rules is always a box: so many positions of each lane. Its share is the product of its
//! sides, exactly.

mod conditions;

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

use crate::bucketing::{Hash, NATIVE_MODULUS};
use crate::flag_set::{Draw, Flag, FlagState, NONE, NONE16, Range, Rule, Span};
use crate::time::UnixMillis;

use super::meaning::{Meanings, Side, merged};

/// Most boxes that the units of one case fall apart into.
const MAX_BOXES: usize = 4_096;

/// Most rules, conditions and ranges looked at for one flag: about a tenth of a second. A flag of 1,000 rules
/// with a condition each needs two million for all of its cases.
const MAX_STEPS: u32 = 5_000_000;

/// The old set and the new one.
pub(super) const OLD: usize = 0;
pub(super) const NEW: usize = 1;

/// What a flag resolves to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Served<'a> {
    pub(super) variant: Option<&'a str>,
    /// Key and phase of the experiment of the rule that served.
    pub(super) experiment: Option<(&'a str, u32)>,
}

/// Why a walk ended early.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// The truth of this condition is not assumed: its meaning, and where it stands.
    Unassumed {
        meaning: u32,
        side: usize,
        node: u32,
    },
    /// The flag asked for ends in an error, which serves nothing.
    Error,
    /// There are too many boxes, or too many steps.
    TooMuch,
}

/// What conditions are taken to be.
#[derive(Clone, Debug)]
pub(super) enum Assumed {
    /// These meanings are true or false; others end the walk.
    Each(Vec<(u32, bool)>),
    /// Of the conditions of rules, all but this one are false, whatever they are made of.
    Only(Option<u32>),
}

/// The ranges of each variant of a split, which ascend and do not touch.
type Arms = Rc<[(u16, Rc<[Range]>)]>;

/// One lane of one hash of one unit.
struct Lane<'a> {
    hash: Hash,
    salt: &'a str,
    unit: Vec<&'a str>,
    enrol: bool,
    /// The two lanes of a hash have the same number.
    draw: usize,
}

impl Lane<'_> {
    const fn size(&self) -> u64 {
        if self.enrol {
            NATIVE_MODULUS
        } else {
            self.hash.modulus()
        }
    }
}

/// The positions of each lane that the units at hand may have, and the way there.
#[derive(Default)]
struct Boxed {
    /// By lane; none is all.
    left: Vec<Option<Rc<[Range]>>>,
    /// At every test that divided: whether the units inside were followed. First inside, then outside.
    turns: Vec<bool>,
    turn: usize,
}

/// Units that fare alike: what both sets serve them, and how many positions of which lanes they have.
pub(super) struct Group<'a> {
    pub(super) served: [Served<'a>; 2],
    pub(super) sides: Vec<(usize, u64)>,
}

pub(super) struct Walk<'a> {
    pub(super) sides: [Side<'a>; 2],
    pub(super) meanings: Meanings,
    pub(super) assumed: Assumed,
    now: UnixMillis,
    lanes: Vec<Lane<'a>>,
    lane_numbers: BTreeMap<(usize, u32, u16, u8, bool), usize>,
    arms: BTreeMap<(usize, u32), Arms>,
    /// By side and node: the meaning of a condition that is taken as one; none when it is taken apart.
    opaque: BTreeMap<(usize, u32), Option<u32>>,
    /// The meanings of compound conditions that both sets have.
    common: Vec<u32>,
    boxed: Boxed,
    steps: u32,
}

impl<'a> Walk<'a> {
    pub(super) fn new(old: Side<'a>, new: Side<'a>, meanings: Meanings, now: UnixMillis) -> Self {
        Self {
            sides: [old, new],
            meanings,
            assumed: Assumed::Each(Vec::new()),
            now,
            lanes: Vec::new(),
            lane_numbers: BTreeMap::new(),
            arms: BTreeMap::new(),
            opaque: BTreeMap::new(),
            common: Vec::new(),
            boxed: Boxed::default(),
            steps: 0,
        }
    }

    pub(super) fn side(&self, side: usize) -> &Side<'a> {
        let [old, new] = &self.sides;
        if side == OLD { old } else { new }
    }

    /// Begins with another flag.
    pub(super) fn start(&mut self, flags: [Option<u32>; 2]) {
        self.steps = 0;
        self.lanes.clear();
        self.lane_numbers.clear();
        self.opaque.clear();
        let mut compounds = [Vec::new(), Vec::new()];
        for (side, (flag, found)) in flags.into_iter().zip(&mut compounds).enumerate() {
            self.compounds(side, flag, found, &mut Vec::new());
            found.sort_unstable();
        }
        let [old, mut new] = compounds;
        new.dedup();
        new.retain(|meaning| old.binary_search(meaning).is_ok());
        self.common = new;
    }

    /// The groups that `serve` divides all units into.
    pub(super) fn groups(
        &mut self,
        mut serve: impl FnMut(&mut Self, usize) -> Result<Served<'a>, Stop>,
    ) -> Result<Vec<Group<'a>>, Stop> {
        self.boxed = Boxed::default();
        let mut groups = Vec::new();
        loop {
            self.boxed.left.clear();
            self.boxed.turn = 0;
            let served = [serve(self, OLD)?, serve(self, NEW)?];
            let left = self.boxed.left.iter().enumerate();
            let sides = left.filter_map(|(lane, ranges)| {
                let ranges = ranges.as_ref()?;
                Some((
                    lane,
                    ranges.iter().map(|range| range.end - range.start).sum(),
                ))
            });
            groups.push(Group {
                served,
                sides: sides.collect(),
            });
            if groups.len() > MAX_BOXES {
                return Err(Stop::TooMuch);
            }
            // Back to the last test whose outside has not been followed.
            while self.boxed.turns.last() == Some(&false) {
                self.boxed.turns.pop();
            }
            match self.boxed.turns.last_mut() {
                Some(inside) => *inside = false,
                None => return Ok(groups),
            }
        }
    }

    /// The number of positions of a lane, and the number of its draw.
    pub(super) fn lane_size(&self, lane: usize) -> (u64, usize) {
        self.lanes
            .get(lane)
            .map_or((1, 0), |lane| (lane.size(), lane.draw))
    }

    fn step(&mut self, count: usize) -> Result<(), Stop> {
        self.steps = self.steps.saturating_add(count as u32);
        if self.steps > MAX_STEPS {
            return Err(Stop::TooMuch);
        }
        Ok(())
    }

    /// What a flag serves; a flag that is missing or refused leaves the value to the caller.
    pub(super) fn flag(&mut self, side: usize, flag: Option<u32>) -> Result<Served<'a>, Stop> {
        match self.resolved(side, flag) {
            Err(Stop::Error) => Ok(Served::default()),
            other => other,
        }
    }

    fn resolved(&mut self, side: usize, flag: Option<u32>) -> Result<Served<'a>, Stop> {
        let set = self.side(side).set;
        let Some((flag, found)) =
            flag.and_then(|flag| Some((flag, *set.tables.flags.get(flag as usize)?)))
        else {
            return Ok(Served::default());
        };
        let served = |variant| Served {
            variant: set.variant_name(flag, variant),
            experiment: None,
        };
        match found.state {
            FlagState::Refused => return Ok(Served::default()),
            FlagState::Disabled => return Ok(served(found.off)),
            FlagState::Enabled => {}
        }
        for rule in rules_of(&found).of(&set.tables.rules) {
            self.step(1)?;
            if !self.in_force(side, rule) || !self.matches(side, rule)? {
                continue;
            }
            match self.draw(side, flag, rule)? {
                Some(drawn) => return Ok(drawn),
                None if rule.stop => break,
                None => {}
            }
        }
        Ok(served(found.default))
    }

    fn in_force(&self, side: usize, rule: &Rule) -> bool {
        let windows = &self.side(side).set.tables.windows;
        windows
            .get(rule.window as usize)
            .is_none_or(|window| window.contains(self.now.0))
    }

    fn matches(&mut self, side: usize, rule: &Rule) -> Result<bool, Stop> {
        if rule.condition == NONE {
            return Ok(true);
        }
        if let Assumed::Only(only) = self.assumed {
            return Ok(Some(self.meaning(side, rule.condition)) == only);
        }
        self.condition(side, rule.condition)
    }

    pub(super) fn meaning(&mut self, side: usize, node: u32) -> u32 {
        let Self {
            sides: [old, new],
            meanings,
            ..
        } = self;
        let side = if side == OLD { old } else { new };
        side.condition(node, meanings)
    }

    /// What a rule serves the units that it matches: none to those whom it does not enrol.
    pub(super) fn draw(
        &mut self,
        side: usize,
        flag: u32,
        rule: &Rule,
    ) -> Result<Option<Served<'a>>, Stop> {
        let set = self.side(side).set;
        let tables = &set.tables;
        let Some(draw) = tables.draws.get(rule.draw as usize) else {
            return Ok(Some(Served {
                variant: set.variant_name(flag, rule.serve),
                experiment: None,
            }));
        };
        let experiment = tables.experiments.get(draw.experiment as usize);
        if let Some(experiment) = experiment
            && let Some(layer) = tables.layers.get(experiment.layer as usize)
        {
            let lane = self.lane(side, (layer.salt, layer.unit, layer.hash, false));
            let slots = merged(experiment.slots.of(&tables.ranges));
            if !self.inside(lane, &slots)? {
                return Ok(None);
            }
        }
        if draw.rollout < NATIVE_MODULUS {
            let lane = self.lane(side, (draw.salt, draw.unit, draw.hash, true));
            let range = Range {
                start: 0,
                end: draw.rollout,
            };
            if !self.inside(lane, &[range])? {
                return Ok(None);
            }
        }
        let mut variant = rule.serve;
        if draw.arms.len > 0 {
            let lane = self.lane(side, (draw.salt, draw.unit, draw.hash, false));
            variant = NONE16;
            for (arm, ranges) in self.arms(side, rule.draw, draw).iter() {
                if self.inside(lane, ranges)? {
                    variant = *arm;
                    break;
                }
            }
            if variant == NONE16 {
                return Ok(None);
            }
        }
        let holdouts = experiment.map_or(Span::default(), |experiment| experiment.holdouts);
        for &holdout in holdouts.of(&tables.holdout_lists) {
            if let Some(holdout) = tables.holdouts.get(holdout as usize) {
                let lane = self.lane(side, (holdout.salt, holdout.unit, holdout.hash, true));
                let range = Range {
                    start: 0,
                    end: holdout.cut,
                };
                if self.inside(lane, &[range])? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(Served {
            variant: set.variant_name(flag, variant),
            experiment: experiment
                .map(|experiment| (tables.symbols.get(experiment.key), experiment.phase)),
        }))
    }

    /// The arms of a split, all ranges of one variant together.
    fn arms(&mut self, side: usize, number: u32, draw: &Draw) -> Arms {
        let arms = draw.arms.of(&self.side(side).set.tables.arms);
        let known = self.arms.entry((side, number)).or_insert_with(|| {
            let mut by_variant: BTreeMap<u16, Vec<Range>> = BTreeMap::new();
            for arm in arms {
                by_variant.entry(arm.variant).or_default().push(Range {
                    start: arm.start,
                    end: arm.end,
                });
            }
            let merged = by_variant
                .into_iter()
                .map(|(variant, ranges)| (variant, merged(&ranges).into()));
            merged.collect()
        });
        known.clone()
    }

    fn lane(&mut self, side: usize, key: (u32, u16, u8, bool)) -> usize {
        let (salt, unit, hash, enrol) = key;
        let key = (side, salt, unit, hash, enrol);
        if let Some(&lane) = self.lane_numbers.get(&key) {
            return lane;
        }
        let set = self.side(side).set;
        let chain = set
            .tables
            .units
            .get(usize::from(unit))
            .copied()
            .unwrap_or_default();
        let chain = chain.of(&set.tables.unit_attributes).iter();
        let mut lane = Lane {
            hash: set.tables.hash(hash),
            salt: set.tables.symbols.get(salt),
            unit: chain
                .map(|attribute| set.attribute_name(*attribute))
                .collect(),
            enrol,
            draw: self.lanes.len(),
        };
        let mut number = self.lanes.len();
        for (other, known) in self.lanes.iter().enumerate() {
            if (known.hash, known.salt, &known.unit) == (lane.hash, lane.salt, &lane.unit) {
                lane.draw = known.draw;
                if known.enrol == enrol {
                    number = other;
                    break;
                }
            }
        }
        if number == self.lanes.len() {
            self.lanes.push(lane);
        }
        self.lane_numbers.insert(key, number);
        number
    }

    /// Whether the units at hand are in these ranges of a lane, which ascend and do not touch. If some are
    /// and some are not, first those that are, and when all has been followed to the end those that are not.
    fn inside(&mut self, lane: usize, ranges: &[Range]) -> Result<bool, Stop> {
        let all = [Range {
            start: 0,
            end: self.lane_size(lane).0,
        }];
        if self.boxed.left.len() <= lane {
            self.boxed.left.resize(lane + 1, None);
        }
        let left = self.boxed.left.get(lane).cloned().flatten();
        let left = left.as_deref().unwrap_or(&all);
        self.step(ranges.len() + left.len())?;
        let (inside, outside) = divided(left, ranges);
        let goes_inside = if inside.is_empty() || outside.is_empty() {
            outside.is_empty()
        } else {
            let turn = self.boxed.turns.get(self.boxed.turn).copied();
            let inside = turn.unwrap_or_else(|| {
                self.boxed.turns.push(true);
                true
            });
            self.boxed.turn += 1;
            inside
        };
        let rest = if goes_inside { inside } else { outside };
        if let Some(left) = self.boxed.left.get_mut(lane) {
            let is_all = left.is_none() && rest == all;
            if !is_all {
                *left = Some(rest.into());
            }
        }
        Ok(goes_inside)
    }
}

fn rules_of(flag: &Flag) -> Span {
    Span {
        start: flag.rules,
        len: flag.rule_count.into(),
    }
}

/// The parts of ranges inside and outside of others; both ascend and do not touch.
fn divided(left: &[Range], by: &[Range]) -> (Vec<Range>, Vec<Range>) {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    let add = |to: &mut Vec<Range>, start: u64, end: u64| {
        if start < end {
            to.push(Range { start, end });
        }
    };
    for part in left {
        let mut start = part.start;
        for range in by
            .iter()
            .filter(|range| range.start < part.end && part.start < range.end)
        {
            add(&mut outside, start, range.start.max(part.start));
            add(
                &mut inside,
                range.start.max(part.start),
                range.end.min(part.end),
            );
            start = range.end.min(part.end);
        }
        add(&mut outside, start, part.end);
    }
    (inside, outside)
}
