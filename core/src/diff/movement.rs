//! Which share of the units moves between which variants.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::flag_set::{FlagSet, NONE};
use crate::time::UnixMillis;

use super::meaning::{Meanings, Side};
use super::rules::rules;
use super::share::Share;
use super::text;
use super::walk::{Assumed, Group, NEW, OLD, Stop, Walk};

/// Most cases looked at for one flag: as many as eight conditions can make.
const MAX_CASES: usize = 256;

/// Who moves in one flag.
///
/// The shares are of the units for which the premises of a case hold, so they are exact whatever the
/// units are like; how many units a case has, only a list of them can tell ([`UnitComparison`]).
///
/// [`UnitComparison`]: super::UnitComparison
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Movement {
    /// The flag.
    pub flag: String,
    /// The cases in which somebody moves.
    pub cases: Vec<MovementCase>,
    /// Why `cases` do not cover every unit; none when they do, and nobody else moves.
    pub gap: Option<&'static str>,
}

/// The units of one case, and who of them moves.
///
/// Premises are conditions as the flag sets say them, each taken to be true or false by itself; a case
/// may demand what no context fulfils (a country that is both).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MovementCase {
    /// What holds for the units of this case; empty for all units.
    pub premises: Vec<Premise>,
    /// Who moves, ascending by the variants' names; units that keep their variant are left out.
    pub moves: Vec<Move>,
}

/// A condition that holds, or does not.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Premise {
    /// The condition, for a person.
    pub condition: String,
    /// Whether it holds.
    pub holds: bool,
}

/// Units that get another variant.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Move {
    /// The variant until now; none is the caller's default.
    pub from: Option<String>,
    /// The variant from now on; none is the caller's default.
    pub to: Option<String>,
    /// The share of the units of the case.
    pub share: Share,
    /// Whether the share counts the positions of one hash. If not, several hashes decide together, and it is
    /// the product that independent hashes have.
    pub exact: bool,
}

impl fmt::Display for MovementCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, premise) in self.premises.iter().enumerate() {
            f.write_str(if at == 0 { "when " } else { " and " })?;
            if premise.holds {
                f.write_str(&premise.condition)?;
            } else {
                write!(f, "not {}", premise.condition)?;
            }
        }
        if self.premises.is_empty() {
            f.write_str("all units")?;
        }
        for (at, entry) in self.moves.iter().enumerate() {
            f.write_str(if at == 0 { ": " } else { ", " })?;
            entry.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |variant: &Option<String>| match variant {
            Some(name) => format!("`{name}`"),
            None => "the caller's default".into(),
        };
        let (from, to) = (name(&self.from), name(&self.to));
        write!(f, "{} from {from} to {to}", self.share)
    }
}

impl FlagSet {
    /// Who gets another variant when `other` takes the place of this flag set, as of `now`: one entry for
    /// each flag of [`FlagSet::changed_flags`] in which somebody moves, or in which that cannot be known.
    ///
    /// It is about contexts that have every unit that the rules ask for, and no prior assignments. The
    /// shares are computed from the ranges of positions of both sets, at a cost that is bounded for each
    /// flag; a flag that would cost more says so in [`Movement::gap`].
    #[must_use]
    pub fn movements(&self, other: &Self, now: UnixMillis) -> Vec<Movement> {
        let meanings = Meanings::new(other);
        let mut walk = Walk::new(Side::new(self), Side::new(other), meanings, now);
        let mut movements = Vec::new();
        for key in self.changed_flags(other) {
            let flags = [self, other].map(|set| set.flag(key).map(|flag| flag.flag));
            let (cases, gap) = cases(&mut walk, flags);
            if gap.is_some() || !cases.is_empty() {
                movements.push(Movement {
                    flag: key.into(),
                    cases: cases.into_iter().map(|case| case.named(&walk)).collect(),
                    gap,
                });
            }
        }
        movements
    }
}

/// A case, its premises by where they stand.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Case {
    premises: Vec<(usize, u32, bool)>,
    moves: Vec<Move>,
}

impl Case {
    fn named(self, walk: &Walk<'_>) -> MovementCase {
        let premises = self
            .premises
            .into_iter()
            .map(|(side, node, holds)| Premise {
                condition: text::condition(walk.side(side).set, node),
                holds,
            });
        MovementCase {
            premises: premises.collect(),
            moves: self.moves,
        }
    }
}

fn cases(walk: &mut Walk<'_>, flags: [Option<u32>; 2]) -> (Vec<Case>, Option<&'static str>) {
    walk.start(flags);
    let mut tried = 0;
    if let Ok(mut cases) = explore(walk, flags, Vec::new(), &mut tried) {
        cases.retain(|case| !case.moves.is_empty());
        return (cases, None);
    }
    walk.start(flags);
    match one_by_one(walk, flags) {
        Ok(cases) => (
            cases,
            Some(
                "too many conditions to try all combinations: each rule as if it were the only one that matches",
            ),
        ),
        Err(_) => (Vec::new(), Some("too many rules, conditions or ranges")),
    }
}

/// The cases under what is assumed so far; a condition that makes no difference makes no case.
fn explore(
    walk: &mut Walk<'_>,
    flags: [Option<u32>; 2],
    assumed: Vec<(u32, bool)>,
    tried: &mut usize,
) -> Result<Vec<Case>, Stop> {
    walk.assumed = Assumed::Each(assumed.clone());
    match moves(walk, flags) {
        Ok(moves) => {
            *tried += 1;
            let premises = Vec::new();
            Ok(alloc::vec![Case { premises, moves }])
        }
        Err(Stop::Unassumed {
            meaning,
            side,
            node,
        }) if *tried < MAX_CASES => {
            let mut branch = |holds| {
                let mut assumed = assumed.clone();
                assumed.push((meaning, holds));
                explore(walk, flags, assumed, tried)
            };
            let (holds, fails) = (branch(true)?, branch(false)?);
            if holds == fails {
                return Ok(holds);
            }
            let branches = [(true, holds), (false, fails)].into_iter();
            Ok(branches
                .flat_map(|(holds, cases)| {
                    cases.into_iter().map(move |mut case| {
                        case.premises.insert(0, (side, node, holds));
                        case
                    })
                })
                .collect())
        }
        Err(_) => Err(Stop::TooMuch),
    }
}

/// A case for each condition that a rule has: that rule matches, and no other that has another condition.
fn one_by_one(walk: &mut Walk<'_>, flags: [Option<u32>; 2]) -> Result<Vec<Case>, Stop> {
    let mut conditions: Vec<(u32, usize, u32)> = Vec::new();
    for side in [OLD, NEW] {
        let flag = flags.get(side).copied().flatten();
        let rules = flag.map_or(&[][..], |flag| rules(walk.side(side), flag));
        for rule in rules.iter().filter(|rule| rule.condition != NONE) {
            let meaning = walk.meaning(side, rule.condition);
            conditions.push((meaning, side, rule.condition));
        }
    }
    conditions.sort_unstable();
    conditions.dedup_by_key(|(meaning, ..)| *meaning);
    let mut cases = Vec::new();
    for (meaning, side, node) in conditions {
        walk.assumed = Assumed::Only(Some(meaning));
        let moves = moves(walk, flags)?;
        if !moves.is_empty() {
            cases.push(Case {
                premises: alloc::vec![(side, node, true)],
                moves,
            });
        }
    }
    walk.assumed = Assumed::Only(None);
    let moves = moves(walk, flags)?;
    if !moves.is_empty() {
        let premises = Vec::new();
        cases.push(Case { premises, moves });
    }
    Ok(cases)
}

fn moves(walk: &mut Walk<'_>, flags: [Option<u32>; 2]) -> Result<Vec<Move>, Stop> {
    let [old, new] = flags;
    let groups = walk.groups(|walk, side| walk.flag(side, if side == OLD { old } else { new }))?;
    let measure = Measure::of(walk, &groups);
    let mut moves: Vec<Move> = Vec::new();
    let mut sums: Vec<Sum<'_>> = Vec::new();
    for group in &groups {
        let [from, to] = group.served.map(|served| served.variant);
        if from == to {
            continue;
        }
        let parts = measure.parts(walk, group);
        match sums.iter_mut().find(|sum| (sum.from, sum.to) == (from, to)) {
            Some(sum) => sum.parts.add(parts),
            None => sums.push(Sum { from, to, parts }),
        }
    }
    sums.sort_unstable_by_key(|sum| (sum.from, sum.to));
    for Sum { from, to, parts } in sums {
        moves.push(Move {
            from: from.map(Into::into),
            to: to.map(Into::into),
            share: measure.share(parts),
            exact: measure.exact && parts.draw != Draws::Several,
        });
    }
    Ok(moves)
}

struct Sum<'a> {
    from: Option<&'a str>,
    to: Option<&'a str>,
    parts: Parts,
}

/// Counts units in parts of all.
pub(super) struct Measure {
    whole: u128,
    /// Whether every box is a whole number of parts.
    pub(super) exact: bool,
}

/// Some parts of all units, and which draws decided who is among them.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    pub(super) parts: u128,
    pub(super) draw: Draws,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Draws {
    None,
    One(usize),
    Several,
}

impl Draws {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, draws) | (draws, Self::None) => draws,
            (a, b) if a == b => a,
            _ => Self::Several,
        }
    }
}

impl Parts {
    pub(super) const NONE: Self = Self {
        parts: 0,
        draw: Draws::None,
    };

    pub(super) fn add(&mut self, other: Self) {
        self.parts += other.parts;
        self.draw = self.draw.and(other.draw);
    }
}

/// Parts that a share is counted in where its own denominator is larger. A box errs by less than one part
/// for each of its lanes; 4,096 boxes of 100 lanes by less than 2^-77 together.
const MOST_PARTS: u128 = 1 << 96;

impl Measure {
    pub(super) fn of(walk: &Walk<'_>, groups: &[Group<'_>]) -> Self {
        let mut lanes: Vec<usize> = groups
            .iter()
            .flat_map(|group| group.sides.iter().map(|(lane, _)| *lane))
            .collect();
        lanes.sort_unstable();
        lanes.dedup();
        let product = lanes.iter().try_fold(1_u128, |product, lane| {
            let product = product.checked_mul(walk.lane_size(*lane).0.into())?;
            (product <= MOST_PARTS).then_some(product)
        });
        Self {
            whole: product.unwrap_or(MOST_PARTS),
            exact: product.is_some(),
        }
    }

    pub(super) fn parts(&self, walk: &Walk<'_>, group: &Group<'_>) -> Parts {
        let mut counted = Parts {
            parts: self.whole,
            draw: Draws::None,
        };
        for (lane, length) in &group.sides {
            let (size, draw) = walk.lane_size(*lane);
            // In two parts, because 2^96 times a lane of 2^60 would not fit.
            let (length, size) = (u128::from(*length), u128::from(size.max(1)));
            counted.parts = counted.parts / size * length + counted.parts % size * length / size;
            counted.draw = counted.draw.and(Draws::One(draw));
        }
        counted
    }

    pub(super) fn share(&self, parts: Parts) -> Share {
        Share::new(parts.parts, self.whole)
    }
}
