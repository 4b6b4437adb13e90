//! Checks between rules of different flags: one experiment is drawn in one way, and two experiments of one
//! layer never share a slot.

use alloc::vec;
use alloc::vec::Vec;

use crate::flag_set::{Draw, Experiment, NONE, Range, Span};
use crate::messages::{Message, m};
use crate::symbols::Symbol;

use super::Loader;
use super::fields::Issue;

/// What the flags so far have taken.
struct Taken {
    /// The first draw of each experiment, by the symbol of its key.
    draws: Vec<u32>,
    /// The latest of [`Taken::slots`], by layer.
    latest: Vec<u32>,
    slots: Vec<Slot>,
}

/// That an experiment is there and, if it is in a layer, slots that it has.
struct Slot {
    key: Symbol,
    layer: u32,
    range: Range,
    /// The one before in the layer.
    before: u32,
}

impl<'d> Loader<'d> {
    /// In the order of the document, so that what ran goes on running: of two flags that clash the later one
    /// is refused.
    pub(super) fn check_experiments(&mut self) {
        if self.tables.experiments.is_empty() {
            return;
        }
        let mut taken = Taken {
            draws: vec![NONE; self.tables.symbols.len()],
            latest: vec![NONE; self.tables.layers.len()],
            slots: Vec::new(),
        };
        for flag in 0..self.flags.len() {
            if self.is_refused(flag) {
                continue;
            }
            let start = taken.slots.len();
            if let Some((rule, message)) = self.clash(flag, &mut taken) {
                taken.give_back(start);
                let rules = self.flags.get(flag).map(|flag| flag.member("rules"));
                let rule = rules.and_then(|rules| {
                    let mut elements = rules.elements();
                    for _ in 0..rule {
                        elements.next();
                    }
                    elements.next()
                });
                if let Some(rule) = rule {
                    let issue = Issue::new(rule.member("experiment"), message);
                    self.refuse(self.flag_item(flag), &issue);
                }
            }
        }
    }

    /// Takes what the experiments of a flag need. Otherwise the rule that clashes, and how.
    fn clash(&self, flag: usize, taken: &mut Taken) -> Option<(usize, Message)> {
        let tables = &self.tables;
        let rules = tables.flags.get(flag).map_or(Span::default(), |flag| Span {
            start: flag.rules,
            len: flag.rule_count.into(),
        });
        let mut place = 0;
        for rule in rules.of(&tables.rules) {
            place += 1;
            let Some(draw) = tables.draws.get(rule.draw as usize) else {
                continue;
            };
            let Some(experiment) = tables.experiments.get(draw.experiment as usize) else {
                continue;
            };
            let Some(first) = taken.draws.get_mut(experiment.key as usize) else {
                continue;
            };
            if let Some(other) = tables.draws.get(*first as usize) {
                if !self.drawn_alike(draw, experiment, other) {
                    return Some((
                        place - 1,
                        m!(
                            "another rule has this experiment with another phase, layer, slots, holdout, salt, unit or hash"
                        ),
                    ));
                }
                continue;
            }
            *first = rule.draw;
            let nothing = Range { start: 0, end: 0 };
            taken.take(experiment.key, NONE, nothing);
            for slot in experiment.slots.of(&tables.ranges) {
                if taken.is_taken(experiment, *slot) {
                    return Some((
                        place - 1,
                        m!("another experiment of the layer has some of these slots"),
                    ));
                }
                taken.take(experiment.key, experiment.layer, *slot);
            }
        }
        None
    }

    fn drawn_alike(&self, draw: &Draw, experiment: &Experiment, other_draw: &Draw) -> bool {
        let tables = &self.tables;
        let Some(other) = tables.experiments.get(other_draw.experiment as usize) else {
            return true;
        };
        let slots = |experiment: &Experiment| experiment.slots.of(&tables.ranges);
        let holdouts = |experiment: &Experiment| experiment.holdouts.of(&tables.holdout_lists);
        (draw.salt, draw.unit, draw.hash) == (other_draw.salt, other_draw.unit, other_draw.hash)
            && (experiment.phase, experiment.layer, experiment.sticky)
                == (other.phase, other.layer, other.sticky)
            && slots(experiment) == slots(other)
            && holdouts(experiment) == holdouts(other)
    }
}

impl Taken {
    fn is_taken(&self, experiment: &Experiment, slot: Range) -> bool {
        let mut at = self.latest.get(experiment.layer as usize).copied();
        while let Some(other) = at.and_then(|at| self.slots.get(at as usize)) {
            if other.key != experiment.key
                && slot.start < other.range.end
                && other.range.start < slot.end
            {
                return true;
            }
            at = Some(other.before);
        }
        false
    }

    fn take(&mut self, key: Symbol, layer: u32, range: Range) {
        let mut before = NONE;
        if let Some(latest) = self.latest.get_mut(layer as usize) {
            before = *latest;
            *latest = self.slots.len() as u32;
        }
        self.slots.push(Slot {
            key,
            layer,
            range,
            before,
        });
    }

    /// Undoes what was taken since there were `start` slots.
    fn give_back(&mut self, start: usize) {
        while self.slots.len() > start
            && let Some(slot) = self.slots.pop()
        {
            if let Some(latest) = self.latest.get_mut(slot.layer as usize) {
                *latest = slot.before;
            }
            if let Some(first) = self.draws.get_mut(slot.key as usize) {
                *first = NONE;
            }
        }
    }
}
