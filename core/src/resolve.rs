//! Resolving a flag: the order of steps of `docs/flag-set.md`, section 3.3, readable top to bottom.

use alloc::vec::Vec;

use crate::bucketing::{Position, Unit};
use crate::condition::Evaluation;
use crate::context::EvaluationContext;
use crate::flag_set::{
    Draw, Experiment, Flag, FlagHandle, FlagSet, FlagState, MissingUnit, NONE, NONE16, Rule, Span,
    find_arm,
};
use crate::hash::COMPACT;
use crate::limits;
use crate::memory::Slot;
use crate::resolution::{ErrorCode, Reason, Resolution, Sticky};
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
    resolve_or(set, flag, context, |found| {
        evaluate(set, flag, found, context, now)
    })
}

/// Resolves one flag that needs more than [`resolve_or`] looks at.
#[inline(never)]
fn evaluate<'a>(
    set: &'a FlagSet,
    flag: u32,
    found: &'a Flag,
    context: &'a EvaluationContext<'a>,
    now: UnixMillis,
) -> Resolution<'a> {
    if found.reads_attributes && !COMPACT {
        let mut memory = [Slot::EMPTY; REMEMBERED];
        Evaluation::new(set, context, now, &mut memory, NoTrace).rules(flag, found)
    } else {
        Evaluation::new(set, context, now, &mut [], NoTrace).rules(flag, found)
    }
}

/// Resolves one flag; those that need it with `evaluate`.
///
/// Inlined, and each answer made whole in one place, so that what the caller does not read is not written: copying
/// an answer right after it was written in pieces stalls the processor for longer than the rest takes.
#[cfg_attr(not(target_family = "wasm"), inline(always))]
fn resolve_or<'a>(
    set: &'a FlagSet,
    flag: u32,
    context: &'a EvaluationContext<'a>,
    evaluate: impl FnOnce(&'a Flag) -> Resolution<'a>,
) -> Resolution<'a> {
    let Some(found) = set.tables.flags.get(flag as usize) else {
        return Resolution::not_found(set, context);
    };
    if found.rule_count == 0 || found.state != FlagState::Enabled {
        return without_rules(set, context, flag, found);
    }
    if let Some(draw) = set.tables.draws.get(found.plain_draw as usize)
        && let Some(unit) = context.targeting_key()
        && context.attributes.len() <= limits::MAX_CONTEXT_ATTRIBUTES
        && let Some(hash) = draw.prefix.xxh64(unit.as_bytes(), 0)
    {
        return plain_draw(set, context, flag, found, draw, Position::two_lanes(hash));
    }
    evaluate(found)
}

/// Resolves the flag that most experiments and rollouts are: one rule, which only draws, for the targeting
/// key. The same steps as [`Evaluation::rules`] with all that such a rule does not have left out, which
/// halves the time.
///
/// The property `a resolution equals its explanation` holds the two against each other.
#[cfg_attr(not(target_family = "wasm"), inline(always))]
fn plain_draw<'a>(
    set: &'a FlagSet,
    context: &'a EvaluationContext<'a>,
    flag: u32,
    found: &Flag,
    draw: &Draw,
    position: Position,
) -> Resolution<'a> {
    let mut resolution = Resolution::none(set, context, flag, found.fallback);
    resolution.variant = found.default;
    if position.enrol < draw.rollout {
        let arms = draw.arms.of(&set.tables.arms);
        let served = match find_arm(arms, position.arm) {
            Some(arm) => arm.variant,
            None => found.plain_serve,
        };
        if served != NONE16 {
            resolution.variant = served;
            resolution.rule = 0;
            resolution.reason = Reason::Split;
            if draw.experiment != NONE {
                resolution.exposed = 0;
            }
        }
    }
    resolution
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
        let mut memory = Vec::new();
        if !COMPACT {
            let slots = self.tables.attributes.len().next_power_of_two();
            memory.resize(slots, Slot::EMPTY);
        }
        (0..self.tables.flags.len() as u32).filter_map(move |flag| {
            let handle = self.flag_at(flag)?;
            let resolution = resolve_or(self, flag, context, |found| {
                Evaluation::new(self, context, now, &mut memory, NoTrace).rules(flag, found)
            });
            Some((handle, resolution))
        })
    }
}

#[inline]
fn without_rules<'a>(
    set: &'a FlagSet,
    context: &'a EvaluationContext<'a>,
    flag: u32,
    found: &Flag,
) -> Resolution<'a> {
    let none = |reason| Resolution::none(set, context, flag, reason);
    match found.state {
        FlagState::Refused => none(Reason::Error).error(ErrorCode::ParseError),
        FlagState::Disabled => Resolution {
            variant: found.off,
            ..none(Reason::Disabled)
        },
        FlagState::Enabled => Resolution {
            variant: found.default,
            ..none(found.fallback)
        },
    }
}

/// How trying a rule ended.
#[derive(Clone, Copy)]
pub(crate) enum Tried {
    Serve(u16),
    /// The next rule is to be tried.
    Pass(Outcome),
    /// The rule matched, but the draw went against the unit.
    NotEnrolled(Outcome),
    UnitMissing,
    /// As [`Tried::NotEnrolled`], by the holdout at this place of the experiment's.
    HeldOut(u8),
    Error(ErrorCode),
}

impl<'a, T: Trace<'a>> Evaluation<'a, '_, T> {
    /// Resolves a flag; also the one that a prerequisite names.
    pub(crate) fn flag(&mut self, flag: u32) -> Resolution<'a> {
        let Some(found) = self.set.tables.flags.get(flag as usize) else {
            return Resolution::not_found(self.set, self.context);
        };
        if found.rule_count == 0 || found.state != FlagState::Enabled {
            return without_rules(self.set, self.context, flag, found);
        }
        self.rules(flag, found)
    }

    fn rules(&mut self, flag: u32, found: &'a Flag) -> Resolution<'a> {
        let set = self.set;
        let mut resolution = Resolution::none(set, self.context, flag, found.fallback);
        if self.context.attributes.len() > limits::MAX_CONTEXT_ATTRIBUTES {
            return resolution.error(ErrorCode::InvalidContext);
        }
        resolution.variant = found.default;
        let rules = Span {
            start: found.rules,
            len: found.rule_count.into(),
        };
        let all = rules.of(&set.tables.rules);
        let mut next = 0;
        loop {
            let mut matches = false;
            if !T::HEARS
                && !COMPACT
                && let Some(rest @ [_, ..]) = all.get(next..)
            {
                let passed;
                (passed, matches) = self.pass_over(rest);
                next += passed;
            }
            let Some(rule) = all.get(next) else {
                return resolution;
            };
            let index = next as u16;
            next += 1;
            self.trace.rule_start(set, flag, index);
            let tried = if matches {
                self.matched(flag, index, rule, &mut resolution)
            } else {
                self.rule(flag, index, rule, &mut resolution)
            };
            self.trace.rule_end(&resolution, tried);
            match tried {
                Tried::Serve(variant) => {
                    resolution.variant = variant;
                    resolution.rule = index;
                    resolution.reason = rule.reason;
                    return resolution;
                }
                Tried::Pass(_) => continue,
                Tried::UnitMissing => {
                    resolution.unit_missing = true;
                    continue;
                }
                Tried::Error(code) => return resolution.error(code),
                Tried::HeldOut(holdout) => {
                    if resolution.exposed == NONE16 {
                        resolution.exposed = index;
                        resolution.holdout = Some(holdout);
                    }
                }
                Tried::NotEnrolled(_) => {}
            }
            if rule.stop {
                return resolution;
            }
        }
    }

    #[inline]
    fn rule(
        &mut self,
        flag: u32,
        index: u16,
        rule: &'a Rule,
        resolution: &mut Resolution<'a>,
    ) -> Tried {
        let tables = &self.set.tables;
        if let Some(window) = tables.windows.get(rule.window as usize)
            && !window.contains(self.now.0)
        {
            return Tried::Pass(Outcome::OutsideWindow);
        }
        if rule.condition != NONE {
            match self.condition(rule.condition) {
                Ok(true) => {}
                Ok(false) => return Tried::Pass(Outcome::ConditionFalse),
                Err(code) => return Tried::Error(code),
            }
        }
        self.matched(flag, index, rule, resolution)
    }

    /// A rule whose condition is true.
    #[inline]
    fn matched(
        &mut self,
        flag: u32,
        index: u16,
        rule: &'a Rule,
        resolution: &mut Resolution<'a>,
    ) -> Tried {
        let tables = &self.set.tables;
        let Some(draw) = tables.draws.get(rule.draw as usize) else {
            return Tried::Serve(rule.serve);
        };
        match tables.experiments.get(draw.experiment as usize) {
            None => self.draw(flag, rule, draw),
            Some(experiment) => self.experiment(flag, index, rule, draw, experiment, resolution),
        }
    }

    /// The unit of a rule that draws: missing is no error where it counts as position 0.
    #[inline]
    fn drawn_unit(&self, draw: &Draw) -> Result<Option<(u16, Unit<'a>)>, Tried> {
        match (self.set.unit(self.context, draw.unit), draw.missing) {
            (None, MissingUnit::Skip) => Err(Tried::UnitMissing),
            (None, MissingUnit::Error) => Err(Tried::Error(ErrorCode::TargetingKeyMissing)),
            (unit, _) => Ok(unit),
        }
    }

    /// Rollout and split.
    #[inline]
    fn draw(&mut self, flag: u32, rule: &Rule, draw: &'a Draw) -> Tried {
        match self.drawn_unit(draw) {
            Ok(unit) => self.enrol(flag, rule, draw, unit),
            Err(tried) => tried,
        }
    }

    #[inline]
    fn enrol(
        &mut self,
        flag: u32,
        rule: &Rule,
        draw: &'a Draw,
        unit: Option<(u16, Unit<'a>)>,
    ) -> Tried {
        let set = self.set;
        if !draw.needs_position() {
            return Tried::Serve(rule.serve);
        }
        let position = match unit {
            Some((_, unit)) => set.draw_position(draw, unit),
            None => Position::default(),
        };
        self.trace.draw(set, flag, draw, unit, position);
        if position.enrol >= draw.rollout {
            return Tried::NotEnrolled(Outcome::OutsideRollout);
        }
        if draw.arms.len == 0 {
            return Tried::Serve(rule.serve);
        }
        match find_arm(draw.arms.of(&set.tables.arms), position.arm) {
            Some(arm) => Tried::Serve(arm.variant),
            None => Tried::NotEnrolled(Outcome::InNoArm),
        }
    }

    #[inline]
    fn experiment(
        &mut self,
        flag: u32,
        index: u16,
        rule: &'a Rule,
        draw: &'a Draw,
        experiment: &'a Experiment,
        resolution: &mut Resolution<'a>,
    ) -> Tried {
        let set = self.set;
        if experiment.sticky
            && let Some(variant) = self.prior(flag, experiment)
        {
            // Without a unit there is nothing to record, and a holdout met before stays recorded.
            if set.unit(self.context, draw.unit).is_some() {
                resolution.exposed = index;
                resolution.holdout = None;
                resolution.sticky = Sticky::Hit;
            }
            return Tried::Serve(variant);
        }
        let unit = match self.drawn_unit(draw) {
            Ok(unit) => unit,
            Err(tried) => return tried,
        };
        if let Some(layer) = set.tables.layers.get(experiment.layer as usize) {
            let Some((_, unit)) = set.unit(self.context, layer.unit) else {
                return Tried::UnitMissing;
            };
            let position = set.position(layer.hash, layer.salt, unit).arm;
            self.trace
                .layer(set, experiment.layer, experiment.slots, position);
            let slots = experiment.slots.of(&set.tables.ranges);
            if !slots.iter().any(|slot| slot.contains(position)) {
                return Tried::NotEnrolled(Outcome::OutsideLayerSlots);
            }
        }
        let tried = self.enrol(flag, rule, draw, unit);
        if !matches!(tried, Tried::Serve(_)) {
            return tried;
        }
        let holdouts = experiment.holdouts.of(&set.tables.holdout_lists);
        for (place, &holdout) in holdouts.iter().enumerate() {
            if self.held_out(holdout) {
                return match unit {
                    Some(_) => Tried::HeldOut(place as u8),
                    None => Tried::NotEnrolled(Outcome::HeldOut),
                };
            }
        }
        if unit.is_some() {
            resolution.exposed = index;
            resolution.holdout = None;
            if experiment.sticky {
                resolution.sticky = Sticky::Write;
            }
        }
        tried
    }

    fn held_out(&mut self, holdout: u32) -> bool {
        let set = self.set;
        let Some(population) = set.tables.holdouts.get(holdout as usize) else {
            return false;
        };
        let Some((_, unit)) = set.unit(self.context, population.unit) else {
            return false;
        };
        let position = set.position(population.hash, population.salt, unit).enrol;
        let held = position < population.cut;
        self.trace.holdout(set, holdout, position, held);
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
