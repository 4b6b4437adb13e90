//! Checks between rules of different flags: one experiment is drawn in one way, and two experiments of one
//! layer never share a slot.

use alloc::vec;
use alloc::vec::Vec;

use crate::flag_set::{Draw, Experiment, NONE, Range, Span};
use crate::json::Json;
use crate::symbols::Symbol;

use super::Loader;
use super::fields::issue;

impl<'d> Loader<'d> {
    /// In the order of the document, so that what ran goes on running: of two flags that clash the later one
    /// is refused.
    pub(super) fn check_experiments(&mut self) {
        if self.tables.experiments.is_empty() {
            return;
        }
        let mut first_draws = vec![NONE; self.tables.symbols.len()];
        let mut layers: Vec<Vec<(Range, Symbol)>> = vec![Vec::new(); self.tables.layers.len()];
        for flag in 0..self.flags.len() {
            if self.is_refused(flag) {
                continue;
            }
            match self.clash(flag, &first_draws, &layers) {
                Some((rule, message)) => {
                    let at = self.rule_json(flag, rule);
                    if let Some(at) = at {
                        let problem = issue(at, &[message]);
                        self.refuse(self.flag_item(flag), problem);
                    }
                }
                None => self.occupy(flag, &mut first_draws, &mut layers),
            }
        }
    }

    fn rule_json(&self, flag: usize, rule: usize) -> Option<Json<'d>> {
        let flag = *self.flags.get(flag)?;
        let (_, rules) = flag.members().find(|(name, _)| *name == "rules")?;
        let rule = rules.elements().nth(rule)?;
        let experiment = rule.members().find(|(name, _)| *name == "experiment");
        experiment.map(|(_, json)| json)
    }

    /// The draws of a flag that belong to experiments, with the place of their rules.
    fn experiment_draws(
        &self,
        flag: usize,
    ) -> impl Iterator<Item = (usize, u32, Draw, Experiment)> {
        let tables = &self.tables;
        let rules = tables.flags.get(flag).map_or(Span::default(), |flag| Span {
            start: flag.rules,
            len: flag.rule_count.into(),
        });
        rules
            .of(&tables.rules)
            .iter()
            .enumerate()
            .filter_map(|(place, rule)| {
                let draw = tables.draws.get(rule.draw as usize)?;
                let experiment = tables.experiments.get(draw.experiment as usize)?;
                Some((place, rule.draw, *draw, *experiment))
            })
    }

    fn clash(
        &self,
        flag: usize,
        first_draws: &[u32],
        layers: &[Vec<(Range, Symbol)>],
    ) -> Option<(usize, &'static str)> {
        let mut own: Vec<(usize, Draw, Experiment)> = Vec::new();
        for (place, _, draw, experiment) in self.experiment_draws(flag) {
            let first = first_draws.get(experiment.key as usize).copied();
            let before = self
                .tables
                .draws
                .get(first.unwrap_or(NONE) as usize)
                .copied();
            let before = before.into_iter().chain(
                own.iter()
                    .filter(|(_, _, other)| other.key == experiment.key)
                    .map(|(_, draw, _)| *draw)
                    .take(1),
            );
            for other in before {
                if !self.drawn_alike(&draw, &experiment, &other) {
                    return Some((
                        place,
                        "another rule has this experiment with another phase, layer, slots, holdout, salt, unit or hash",
                    ));
                }
            }
            if let Some(taken) = layers.get(experiment.layer as usize) {
                let slots = experiment.slots.of(&self.tables.ranges);
                let others = own
                    .iter()
                    .filter(|(_, _, other)| {
                        other.layer == experiment.layer && other.key != experiment.key
                    })
                    .flat_map(|(_, _, other)| other.slots.of(&self.tables.ranges));
                let taken = taken
                    .iter()
                    .filter(|(_, key)| *key != experiment.key)
                    .map(|(range, _)| range);
                if taken.chain(others).any(|range| {
                    slots
                        .iter()
                        .any(|slot| slot.start < range.end && range.start < slot.end)
                }) {
                    return Some((
                        place,
                        "another experiment of the layer has some of these slots",
                    ));
                }
            }
            own.push((place, draw, experiment));
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

    fn occupy(&self, flag: usize, first_draws: &mut [u32], layers: &mut [Vec<(Range, Symbol)>]) {
        for (_, number, _, experiment) in self.experiment_draws(flag) {
            let Some(first) = first_draws.get_mut(experiment.key as usize) else {
                continue;
            };
            if *first != NONE {
                continue;
            }
            *first = number;
            if let Some(taken) = layers.get_mut(experiment.layer as usize) {
                for slot in experiment.slots.of(&self.tables.ranges) {
                    taken.push((*slot, experiment.key));
                }
            }
        }
    }
}
