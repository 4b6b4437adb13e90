//! Conditions for all units at once: which are taken as one, and which are taken apart.

use alloc::vec::Vec;

use crate::condition::Op;
use crate::flag_set::{FlagState, NONE, PositionTest};

use super::super::meaning::merged;
use super::{Assumed, Stop, Walk, rules_of};

impl Walk<'_> {
    pub(super) fn condition(&mut self, side: usize, index: u32) -> Result<bool, Stop> {
        self.step(1)?;
        let tables = &self.side(side).set.tables;
        let Some(node) = tables.nodes.get(index as usize) else {
            return Ok(false);
        };
        if let Some(meaning) = self.opaque(side, index) {
            return self.assumed(meaning, side, index);
        }
        match node.op {
            Op::Always => Ok(node.a == 1),
            Op::Not => Ok(!self.condition(side, index + 1)?),
            Op::Error => Err(Stop::Error),
            Op::All | Op::Any => {
                let decides = node.op == Op::Any;
                let mut child = index + 1;
                while child < node.next {
                    if self.condition(side, child)? == decides {
                        return Ok(decides);
                    }
                    child = tables.nodes.get(child as usize).map_or(NONE, |n| n.next);
                }
                Ok(!decides)
            }
            Op::Segment => match tables.segments.get(node.a as usize) {
                Some(segment) => self.condition(side, segment.root),
                None => Ok(false),
            },
            Op::FlagIs => {
                let served = self.resolved(side, Some(node.a))?.variant;
                let set = self.side(side).set;
                let wanted = tables.lists(node.b).iter();
                let mut names =
                    wanted.filter_map(|variant| set.variant_name(node.a, *variant as u16));
                Ok(served.is_some_and(|served| names.any(|name| name == served)))
            }
            Op::FlagEnabled => {
                let flag = tables.flags.get(node.a as usize);
                let enabled = flag.is_some_and(|flag| flag.state == FlagState::Enabled);
                Ok(enabled == (node.b == 1))
            }
            Op::Position => match tables.positions.get(node.a as usize) {
                Some(test) => self.position(side, test),
                None => Ok(false),
            },
            _ => Ok(false),
        }
    }

    fn position(&mut self, side: usize, test: &PositionTest) -> Result<bool, Stop> {
        let ranges = merged(test.ranges.of(&self.side(side).set.tables.ranges));
        let lane = self.lane(side, (test.salt, test.unit, test.hash, test.enrol_lane));
        self.inside(lane, &ranges)
    }

    fn assumed(&self, meaning: u32, side: usize, node: u32) -> Result<bool, Stop> {
        let Assumed::Each(assumed) = &self.assumed else {
            return Ok(false);
        };
        let known = assumed.iter().find(|(known, _)| *known == meaning);
        known.map(|(_, holds)| *holds).ok_or(Stop::Unassumed {
            meaning,
            side,
            node,
        })
    }

    /// The meaning of a condition whose truth is assumed as a whole: an attribute test, and whatever is made
    /// of such and stands in both sets. The fewer there are, the fewer cases.
    fn opaque(&mut self, side: usize, index: u32) -> Option<u32> {
        if let Some(known) = self.opaque.get(&(side, index)) {
            return *known;
        }
        let op = self.side(side).set.tables.nodes.get(index as usize)?.op;
        let opaque = match op {
            Op::Always
            | Op::Not
            | Op::Error
            | Op::Segment
            | Op::FlagIs
            | Op::FlagEnabled
            | Op::Position => None,
            Op::All | Op::Any => self
                .is_pure(side, index)
                .then(|| self.meaning(side, index))
                .filter(|meaning| self.common.binary_search(meaning).is_ok()),
            _ => Some(self.meaning(side, index)),
        };
        self.opaque.insert((side, index), opaque);
        opaque
    }

    /// Whether a condition depends on attributes alone.
    fn is_pure(&self, side: usize, index: u32) -> bool {
        let tables = &self.side(side).set.tables;
        let Some(root) = tables.nodes.get(index as usize) else {
            return false;
        };
        (index..root.next).all(|node| match tables.nodes.get(node as usize) {
            Some(node) => match node.op {
                Op::Error | Op::FlagIs | Op::FlagEnabled | Op::Position => false,
                Op::Segment => tables
                    .segments
                    .get(node.a as usize)
                    .is_some_and(|segment| self.is_pure(side, segment.root)),
                _ => true,
            },
            None => false,
        })
    }

    /// The meanings of the compound conditions that resolving a flag may come to.
    pub(super) fn compounds(
        &mut self,
        side: usize,
        flag: Option<u32>,
        found: &mut Vec<u32>,
        seen: &mut Vec<u32>,
    ) {
        let Some(flag) = flag.filter(|flag| !seen.contains(flag)) else {
            return;
        };
        seen.push(flag);
        let tables = &self.side(side).set.tables;
        let Some(flag) = tables
            .flags
            .get(flag as usize)
            .filter(|flag| flag.state == FlagState::Enabled)
        else {
            return;
        };
        for rule in rules_of(flag).of(&tables.rules) {
            self.compounds_under(side, rule.condition, found, seen);
        }
    }

    fn compounds_under(
        &mut self,
        side: usize,
        root: u32,
        found: &mut Vec<u32>,
        seen: &mut Vec<u32>,
    ) {
        let tables = &self.side(side).set.tables;
        let Some(node) = tables.nodes.get(root as usize) else {
            return;
        };
        for index in root..node.next {
            let Some(node) = tables.nodes.get(index as usize) else {
                break;
            };
            if self.step(1).is_err() {
                break;
            }
            match node.op {
                Op::All | Op::Any => {
                    let first = tables.nodes.get(index as usize + 1);
                    // Of one child or none it is taken apart, so that it is one with that child.
                    let several = first.is_some_and(|first| first.next < node.next);
                    if several && self.is_pure(side, index) {
                        found.push(self.meaning(side, index));
                    }
                }
                Op::Segment => {
                    if let Some(segment) = tables.segments.get(node.a as usize) {
                        self.compounds_under(side, segment.root, found, seen);
                    }
                }
                Op::FlagIs => self.compounds(side, Some(node.a), found, seen),
                _ => {}
            }
        }
    }
}
