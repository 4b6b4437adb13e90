//! Resolving a flag: the order of steps of `docs/flag-set.md`, section 3.3, readable top to bottom.

use crate::bucketing::{Position, Unit};
use crate::condition::{Evaluation, Slot};
use crate::context::EvaluationContext;
use crate::flag_set::{
    Draw, Experiment, Flag, FlagHandle, FlagSet, FlagState, MissingUnit, NONE, NONE16, Rule, Span,
    find_arm,
};
use crate::limits;
use crate::resolution::{Drawn, ErrorCode, Reason, Resolution, Sticky};
use crate::time::UnixMillis;
use crate::trace::{NoTrace, Outcome, Trace};

/// Attributes that one resolution remembers. Few rules read more, and clearing more costs time.
const REMEMBERED: usize = 4;

/// Resolves one flag.
#[inline]
pub(crate) fn resolve<'a>(
    set: &'a FlagSet,
    flag: u32,
    context: &'a EvaluationContext<'a>,
    now: UnixMillis,
) -> Resolution<'a> {
    let Some(found) = set.tables.flags.get(flag as usize) else {
        return Resolution::not_found(set);
    };
    if found.rule_count == 0 || found.state != FlagState::Enabled {
        return without_rules(set, flag, found);
    }
    let mut memory = [Slot::EMPTY; REMEMBERED];
    Evaluation::new(set, context, now, &mut memory, NoTrace).flag(flag)
}

/// Resolves a flag as [`resolve`] does, telling `trace` each step.
pub(crate) fn resolve_traced<'a, T: Trace<'a>>(
    set: &'a FlagSet,
    flag: u32,
    context: &'a EvaluationContext<'a>,
    now: UnixMillis,
    trace: T,
) -> (Resolution<'a>, T) {
    let mut memory = [Slot::EMPTY; REMEMBERED];
    let mut evaluation = Evaluation::new(set, context, now, &mut memory, trace);
    let resolution = evaluation.flag(flag);
    (resolution, evaluation.into_trace())
}

impl FlagSet {
    /// Resolves every flag, in the order of the document, looking each attribute up once for all of them.
    ///
    /// Allocates one table of the attributes that the flag set reads, and nothing else.
    pub fn resolve_all<'a>(
        &'a self,
        context: &'a EvaluationContext<'a>,
        now: UnixMillis,
    ) -> impl Iterator<Item = (FlagHandle<'a>, Resolution<'a>)> {
        let slots = self.tables.attributes.len().next_power_of_two();
        let mut memory = alloc::vec![Slot::EMPTY; slots];
        (0..self.tables.flags.len() as u32).filter_map(move |flag| {
            let handle = self.flag_at(flag)?;
            let resolution = Evaluation::new(self, context, now, &mut memory, NoTrace).flag(flag);
            Some((handle, resolution))
        })
    }
}

fn without_rules<'a>(set: &'a FlagSet, flag: u32, found: &Flag) -> Resolution<'a> {
    match found.state {
        FlagState::Refused => Resolution::error(set, flag, ErrorCode::ParseError),
        FlagState::Disabled => Resolution {
            variant: found.off,
            ..Resolution::none(set, flag, Reason::Disabled)
        },
        FlagState::Enabled => Resolution {
            variant: found.default,
            ..Resolution::none(set, flag, found.fallback)
        },
    }
}

/// How trying a rule ended.
pub(crate) enum Tried<'a> {
    Serve {
        variant: u16,
        drawn: Option<Drawn<'a>>,
    },
    /// The next rule is to be tried.
    Pass(Outcome),
    /// The rule matched, but the draw went against the unit.
    NotEnrolled(Outcome),
    UnitMissing,
    HeldOut(Drawn<'a>),
    Error(ErrorCode),
}

impl<'a, T: Trace<'a>> Evaluation<'a, '_, T> {
    /// Resolves a flag; also the one that a prerequisite names.
    pub(crate) fn flag(&mut self, flag: u32) -> Resolution<'a> {
        let set = self.set;
        let Some(found) = set.tables.flags.get(flag as usize) else {
            return Resolution::not_found(set);
        };
        if found.rule_count == 0 || found.state != FlagState::Enabled {
            return without_rules(set, flag, found);
        }
        if self.context.attributes.len() > limits::MAX_CONTEXT_ATTRIBUTES {
            return Resolution::error(set, flag, ErrorCode::InvalidContext);
        }
        let mut resolution = Resolution::none(set, flag, found.fallback);
        let mut held_out = None;
        let rules = Span {
            start: found.rules,
            len: found.rule_count.into(),
        };
        for (index, rule) in rules.of(&set.tables.rules).iter().enumerate() {
            let index = index as u16;
            self.trace.rule_start(set, flag, index);
            let tried = self.rule(flag, index, rule);
            self.trace.rule_end(set, flag, &tried);
            match tried {
                Tried::Serve { variant, drawn } => {
                    resolution.variant = variant;
                    resolution.rule = index;
                    resolution.reason = rule.reason;
                    resolution.drawn = drawn.or(held_out);
                    return resolution;
                }
                Tried::Pass(_) => continue,
                Tried::UnitMissing => {
                    resolution.unit_missing = true;
                    continue;
                }
                Tried::Error(code) => return Resolution::error(set, flag, code),
                Tried::HeldOut(drawn) => held_out = held_out.or(Some(drawn)),
                Tried::NotEnrolled(_) => {}
            }
            if rule.stop {
                break;
            }
        }
        resolution.variant = found.default;
        resolution.drawn = held_out;
        resolution
    }

    fn rule(&mut self, flag: u32, index: u16, rule: &Rule) -> Tried<'a> {
        let tables = &self.set.tables;
        if let Some(window) = tables.windows.get(rule.window as usize) {
            if self.now.0 < window.from || self.now.0 >= window.until {
                return Tried::Pass(Outcome::OutsideWindow);
            }
        }
        if rule.condition != NONE {
            match self.condition(rule.condition) {
                Ok(true) => {}
                Ok(false) => return Tried::Pass(Outcome::ConditionFalse),
                Err(code) => return Tried::Error(code),
            }
        }
        match tables.draws.get(rule.draw as usize) {
            None => Tried::Serve {
                variant: rule.serve,
                drawn: None,
            },
            Some(draw) => self.draw(flag, index, rule, draw),
        }
    }

    fn draw(&mut self, flag: u32, index: u16, rule: &Rule, draw: &Draw) -> Tried<'a> {
        let tables = &self.set.tables;
        let experiment = tables.experiments.get(draw.experiment as usize);
        if let Some(experiment) = experiment.filter(|experiment| experiment.sticky) {
            if let Some(variant) = self.prior(flag, experiment) {
                let drawn = self.unit(draw.unit).map(|(unit_type, unit)| Drawn {
                    rule: index,
                    sticky: Sticky::Hit,
                    unit_type,
                    holdout: NONE,
                    unit,
                    position: None,
                    layer_position: 0,
                });
                return Tried::Serve { variant, drawn };
            }
        }
        let found = self.unit(draw.unit);
        if found.is_none() {
            match draw.missing {
                MissingUnit::Skip => return Tried::UnitMissing,
                MissingUnit::Error => return Tried::Error(ErrorCode::TargetingKeyMissing),
                MissingUnit::Zero => {}
            }
        }
        let mut layer_position = 0;
        if let Some(experiment) = experiment {
            if let Some(layer) = tables.layers.get(experiment.layer as usize) {
                let Some((_, unit)) = self.unit(layer.unit) else {
                    return Tried::UnitMissing;
                };
                layer_position = self.position(layer.hash, layer.salt, unit).arm;
                let slots = experiment.slots.of(&tables.ranges);
                let inside = slots.iter().any(|slot| slot.contains(layer_position));
                self.trace
                    .layer(self.set, experiment.layer, experiment.slots, layer_position);
                if !inside {
                    return Tried::NotEnrolled(Outcome::OutsideLayerSlots);
                }
            }
        }
        let needs_position = draw.has_rollout || draw.arms.len > 0;
        let position = match found {
            Some((_, unit)) if needs_position => self.position(draw.hash, draw.salt, unit),
            _ => Position::default(),
        };
        self.trace.draw(self.set, flag, draw, found, position);
        if position.enrol >= draw.rollout {
            return Tried::NotEnrolled(Outcome::OutsideRollout);
        }
        let variant = if draw.arms.len > 0 {
            match find_arm(draw.arms.of(&tables.arms), position.arm) {
                Some(arm) => arm.variant,
                None => return Tried::NotEnrolled(Outcome::InNoArm),
            }
        } else {
            rule.serve
        };
        let Some(experiment) = experiment else {
            return Tried::Serve {
                variant,
                drawn: None,
            };
        };
        let drawn = found.map(|(unit_type, unit)| Drawn {
            rule: index,
            sticky: if experiment.sticky {
                Sticky::Write
            } else {
                Sticky::None
            },
            unit_type,
            holdout: NONE,
            unit,
            position: needs_position.then_some(position),
            layer_position,
        });
        for &holdout in experiment.holdouts.of(&tables.holdout_lists) {
            if self.held_out(holdout) {
                return match drawn {
                    Some(drawn) => Tried::HeldOut(Drawn {
                        holdout,
                        sticky: Sticky::None,
                        ..drawn
                    }),
                    None => Tried::NotEnrolled(Outcome::HeldOut),
                };
            }
        }
        Tried::Serve { variant, drawn }
    }

    fn held_out(&mut self, holdout: u32) -> bool {
        let Some(population) = self.set.tables.holdouts.get(holdout as usize) else {
            return false;
        };
        let Some((_, unit)) = self.unit(population.unit) else {
            return false;
        };
        let position = self.position(population.hash, population.salt, unit).enrol;
        let held = position < population.cut;
        self.trace.holdout(self.set, holdout, position, held);
        held
    }

    /// The variant of the caller's prior assignment, if it is one of this flag.
    fn prior(&self, flag: u32, experiment: &Experiment) -> Option<u16> {
        let set = self.set;
        let key = set.tables.symbols.get(experiment.key);
        let prior = self
            .context
            .prior
            .iter()
            .rfind(|prior| prior.experiment == key && prior.phase == experiment.phase)?;
        set.variant_named(flag, &prior.variant)
    }

    #[inline]
    pub(crate) fn position(&self, hash: u8, salt: u32, unit: Unit<'a>) -> Position {
        let tables = &self.set.tables;
        let salt = tables.symbols.get(salt);
        tables.hash(hash).position(salt, &unit.text())
    }
}

impl FlagSet {
    /// The number of the flag's variant of this name.
    pub(crate) fn variant_named(&self, flag: u32, name: &str) -> Option<u16> {
        let flag = self.tables.flags.get(flag as usize)?;
        let variants = Span {
            start: flag.variants,
            len: flag.variant_count.into(),
        };
        let symbol = self.tables.symbols.find(name.as_bytes())?;
        let at = variants
            .of(&self.tables.variants)
            .iter()
            .position(|variant| variant.name == symbol)?;
        u16::try_from(at).ok().filter(|&at| at != NONE16)
    }
}
