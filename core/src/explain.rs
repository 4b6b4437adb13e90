//! Explanations: every rule and condition of a resolution, what it saw and how it ended.
//!
//! The evaluator is the same as for [`FlagSet::resolve`]; this module only listens to it.

#[cfg(test)]
mod tests;
pub(crate) mod text;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bucketing::{Hash, Position, Unit};
use crate::condition::Op;
use crate::context::EvaluationContext;
use crate::flag_set::{Draw, FlagHandle, FlagSet, PositionTest, Rule, Span};
use crate::resolution::{ErrorCode, Reason, Resolution, Sticky};
use crate::resolve::{Tried, resolve_traced};
use crate::time::UnixMillis;
use crate::trace::{Outcome, Trace};
use crate::value::AttributeValue;

/// Why a flag resolved as it did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The flag key that was asked for.
    pub flag: String,
    /// The variant served; none leaves the value to the caller.
    pub variant: Option<String>,
    /// The value served, as JSON.
    pub value: Option<String>,
    /// Why.
    pub reason: Reason,
    /// What went wrong, if the reason is `ERROR`.
    pub error_code: Option<ErrorCode>,
    /// What went wrong, in words.
    pub error_message: Option<String>,
    /// The place of the rule that served, from 0.
    pub rule_index: Option<usize>,
    /// Whether the flag is enabled; a refused or missing one is not.
    pub enabled: bool,
    /// Every rule of the flag, in order, also those not reached.
    pub rules: Vec<RuleExplanation>,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RuleExplanation {
    /// The rule's id.
    pub id: Option<String>,
    /// How trying it ended.
    pub outcome: RuleOutcome,
    /// When it is in force, if it says so: from, and until.
    pub window: Option<(Option<UnixMillis>, Option<UnixMillis>)>,
    /// Its `if`.
    pub condition: Option<ConditionExplanation>,
    /// The experiment's key and phase.
    pub experiment: Option<(String, u32)>,
    /// Where the layer's unit fell.
    pub layer: Option<PositionExplanation>,
    /// Where the unit fell, and what the positions mean.
    pub draw: Option<DrawExplanation>,
    /// The holdouts looked at, and whether each kept the unit out.
    pub holdouts: Vec<(PositionExplanation, bool)>,
    /// The variant of a rule with `serve`.
    pub serve: Option<String>,
}

/// How trying a rule ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RuleOutcome {
    /// It served this variant.
    Served {
        /// The variant.
        variant: String,
        /// Whether a prior assignment took part.
        sticky: Sticky,
    },
    /// It did not serve.
    Passed(Outcome),
    /// The context lacks the unit.
    UnitMissing,
    /// It ended the resolution in an error.
    Error(ErrorCode),
    /// An earlier rule ended the resolution, or there was none because the flag is disabled.
    NotReached,
}

/// A condition and what it came to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConditionExplanation {
    /// The condition for a person, without its children: `country in ["DE", "FR"]`, `all`.
    pub text: String,
    /// Whether it held; none when it was not looked at, or ended in an error.
    pub result: Option<bool>,
    /// The attribute's value in the context, as JSON; none when the condition reads none or was not looked
    /// at. A missing attribute shows as `missing`.
    pub attribute: Option<String>,
    /// Where the unit fell, for a `position` condition that found one.
    pub position: Option<PositionExplanation>,
    /// The other flag, for a prerequisite.
    pub prerequisite: Option<Box<Explanation>>,
    /// What it is made of.
    pub children: Vec<Self>,
}

/// A position, and the ranges that it was held against.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PositionExplanation {
    /// The layer's or holdout's key; empty for a condition.
    pub name: String,
    /// The salt.
    pub salt: String,
    /// The position, `0..modulus`.
    pub position: u64,
    /// The number of positions.
    pub modulus: u64,
    /// From, and up to but not including.
    pub ranges: Vec<(u64, u64)>,
}

/// What a rule drew.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DrawExplanation {
    /// The salt.
    pub salt: String,
    /// The hash.
    pub hash: Hash,
    /// The attribute that the unit came from; none when the unit is missing and counts as position 0.
    pub unit_type: Option<String>,
    /// The unit.
    pub unit: Option<String>,
    /// Where it fell.
    pub position: Position,
    /// The exclusive bound of the enrolment position, of `2^32`; none without rollout.
    pub enrol_cut: Option<u64>,
    /// The arms by position: variant, from, up to but not including.
    pub arms: Vec<(String, u64, u64)>,
}

impl FlagSet {
    /// Explains what [`FlagSet::resolve`] answers for the same arguments: the same evaluator, listened to.
    ///
    /// It holds what the conditions saw of the context: treat it as personal data.
    #[must_use]
    pub fn explain(
        &self,
        flag_key: &str,
        context: &EvaluationContext<'_>,
        now: UnixMillis,
    ) -> Explanation {
        let Some(flag) = self.flag(flag_key) else {
            let mut explanation = explain(self, Resolution::not_found(self, context), Vec::new());
            explanation.flag = String::from(flag_key);
            return explanation;
        };
        let recorder = Recorder { frames: Vec::new() };
        let (resolution, mut recorder) = resolve_traced(self, flag.flag, context, now, recorder);
        let rules = recorder.frames.pop().map(|frame| frame.rules);
        explain(self, resolution, rules.unwrap_or_default())
    }
}

impl FlagHandle<'_> {
    /// Explains the flag's resolution; see [`FlagSet::explain`].
    #[must_use]
    pub fn explain(self, context: &EvaluationContext<'_>, now: UnixMillis) -> Explanation {
        self.set.explain(self.key(), context, now)
    }
}

fn explain(
    set: &FlagSet,
    resolution: Resolution<'_>,
    mut rules: Vec<RuleExplanation>,
) -> Explanation {
    let flag = resolution.flag;
    let own = own_rules(set, flag);
    for rule in own.iter().skip(rules.len()) {
        rules.push(unreached(set, flag, rule));
    }
    Explanation {
        flag: resolution.flag_key().unwrap_or_default().into(),
        variant: resolution.variant().map(Into::into),
        value: resolution.value().map(text::value),
        reason: resolution.reason(),
        error_code: resolution.error_code(),
        error_message: resolution.error_message().map(Into::into),
        rule_index: resolution.rule_index(),
        enabled: set.flag_at(flag).is_some_and(FlagHandle::is_enabled),
        rules,
    }
}

fn own_rules(set: &FlagSet, flag: u32) -> &[Rule] {
    let flag = set.tables.flags.get(flag as usize);
    let span = flag.map_or(Span::default(), |flag| Span {
        start: flag.rules,
        len: flag.rule_count.into(),
    });
    span.of(&set.tables.rules)
}

fn unreached(set: &FlagSet, flag: u32, rule: &Rule) -> RuleExplanation {
    let tables = &set.tables;
    let window = tables.windows.get(rule.window as usize).map(|window| {
        let bound = |time: i64, none: i64| (time != none).then_some(UnixMillis(time));
        (bound(window.from, i64::MIN), bound(window.until, i64::MAX))
    });
    let draw = tables.draws.get(rule.draw as usize);
    let experiment = draw.and_then(|draw| tables.experiments.get(draw.experiment as usize));
    RuleExplanation {
        id: (rule.id != crate::flag_set::NONE).then(|| tables.symbols.get(rule.id).into()),
        outcome: RuleOutcome::NotReached,
        window,
        condition: tables
            .nodes
            .get(rule.condition as usize)
            .map(|_| unvisited(set, rule.condition)),
        experiment: experiment
            .map(|experiment| (tables.symbols.get(experiment.key).into(), experiment.phase)),
        layer: None,
        draw: None,
        holdouts: Vec::new(),
        serve: set.variant_name(flag, rule.serve).map(Into::into),
    }
}

/// A condition that was not looked at.
fn unvisited(set: &FlagSet, node: u32) -> ConditionExplanation {
    ConditionExplanation {
        text: text::node(set, node),
        result: None,
        attribute: None,
        position: None,
        prerequisite: None,
        children: children(set, node)
            .map(|child| unvisited(set, child))
            .collect(),
    }
}

/// The nodes below a node that are conditions of their own.
fn children(set: &FlagSet, node: u32) -> impl Iterator<Item = u32> {
    let nodes = &set.tables.nodes;
    let parent = nodes.get(node as usize);
    let end = match parent {
        Some(parent) if matches!(parent.op, Op::All | Op::Any | Op::Not) => parent.next,
        _ => node,
    };
    let mut child = node + 1;
    core::iter::from_fn(move || {
        if child >= end {
            return None;
        }
        let this = child;
        child = nodes.get(this as usize)?.next;
        Some(this)
    })
}

/// Listens to a resolution.
struct Recorder {
    /// The flag asked for, and above it the prerequisites being resolved.
    frames: Vec<Frame>,
}

#[derive(Default)]
struct Frame {
    rules: Vec<RuleExplanation>,
    /// The conditions being evaluated in the last rule, outermost first.
    open: Vec<ConditionExplanation>,
}

impl Recorder {
    fn rule(&mut self) -> Option<&mut RuleExplanation> {
        self.frames.last_mut()?.rules.last_mut()
    }

    fn condition(&mut self) -> Option<&mut ConditionExplanation> {
        self.frames.last_mut()?.open.last_mut()
    }
}

impl<'a> Trace<'a> for Recorder {
    fn rule_start(&mut self, set: &'a FlagSet, flag: u32, rule: u16) {
        // A rule that starts inside a condition is one of a prerequisite.
        if self
            .frames
            .last()
            .is_none_or(|frame| !frame.open.is_empty())
        {
            self.frames.push(Frame::default());
        }
        if let (Some(frame), Some(rule)) = (self.frames.last_mut(), set.rule_at(flag, rule)) {
            frame.rules.push(unreached(set, flag, rule));
        }
    }

    fn rule_end(&mut self, resolution: &Resolution<'a>, tried: Tried) {
        let Some(rule) = self.rule() else { return };
        let variant = |variant| {
            let name = resolution.set.variant_name(resolution.flag, variant);
            String::from(name.unwrap_or_default())
        };
        rule.outcome = match tried {
            Tried::Serve(served) => RuleOutcome::Served {
                variant: variant(served),
                sticky: resolution.sticky,
            },
            Tried::Pass(outcome) | Tried::NotEnrolled(outcome) => RuleOutcome::Passed(outcome),
            Tried::UnitMissing => RuleOutcome::UnitMissing,
            Tried::HeldOut(_) => RuleOutcome::Passed(Outcome::HeldOut),
            Tried::Error(code) => RuleOutcome::Error(code),
        };
    }

    fn node_start(&mut self, set: &'a FlagSet, node: u32) {
        if let Some(frame) = self.frames.last_mut() {
            frame.open.push(ConditionExplanation {
                text: text::node(set, node),
                result: None,
                attribute: None,
                position: None,
                prerequisite: None,
                children: Vec::new(),
            });
        }
    }

    fn attribute(&mut self, value: Option<&'a AttributeValue<'a>>) {
        if let Some(condition) = self.condition() {
            condition.attribute = Some(value.map_or_else(|| "missing".into(), text::attribute));
        }
    }

    fn prerequisite(&mut self, resolution: &Resolution<'a>) {
        let nested = self.frames.pop_if(|frame| frame.open.is_empty());
        let rules = nested.map(|frame| frame.rules).unwrap_or_default();
        let explanation = explain(resolution.set, *resolution, rules);
        if let Some(condition) = self.condition() {
            condition.prerequisite = Some(Box::new(explanation));
        }
    }

    fn position(
        &mut self,
        set: &'a FlagSet,
        test: &PositionTest,
        _unit: Option<Unit<'a>>,
        position: u64,
    ) {
        let tables = &set.tables;
        if let Some(condition) = self.condition() {
            condition.position = Some(PositionExplanation {
                name: String::new(),
                salt: tables.symbols.get(test.salt).into(),
                position,
                modulus: tables.hash(test.hash).modulus(),
                ranges: ranges(set, test.ranges),
            });
        }
    }

    fn node_end(&mut self, set: &'a FlagSet, node: u32, result: Result<bool, ErrorCode>) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let Some(mut condition) = frame.open.pop() else {
            return;
        };
        condition.result = result.ok();
        let seen = condition.children.len();
        let rest = children(set, node).skip(seen);
        condition
            .children
            .extend(rest.map(|child| unvisited(set, child)));
        match frame.open.last_mut() {
            Some(parent) => parent.children.push(condition),
            None => {
                if let Some(rule) = frame.rules.last_mut() {
                    rule.condition = Some(condition);
                }
            }
        }
    }

    fn layer(&mut self, set: &'a FlagSet, layer: u32, slots: Span, position: u64) {
        let layer = set.tables.layers.get(layer as usize);
        if let (Some(rule), Some(layer)) = (self.rule(), layer) {
            rule.layer = Some(PositionExplanation {
                name: set.tables.symbols.get(layer.key).into(),
                salt: set.tables.symbols.get(layer.salt).into(),
                position,
                modulus: crate::NATIVE_MODULUS,
                ranges: ranges(set, slots),
            });
        }
    }

    fn draw(
        &mut self,
        set: &'a FlagSet,
        flag: u32,
        draw: &Draw,
        unit: Option<(u16, Unit<'a>)>,
        position: Position,
    ) {
        let tables = &set.tables;
        let Some(rule) = self.rule() else { return };
        if !draw.has_rollout && draw.arms.len == 0 {
            return;
        }
        rule.draw = Some(DrawExplanation {
            salt: tables.symbols.get(draw.salt).into(),
            hash: tables.hash(draw.hash),
            unit_type: unit.map(|(attribute, _)| set.attribute_name(attribute).into()),
            unit: unit.map(|(_, unit)| String::from(unit.text().as_str())),
            position,
            enrol_cut: draw.has_rollout.then_some(draw.rollout),
            arms: draw
                .arms
                .of(&tables.arms)
                .iter()
                .map(|arm| {
                    let variant = set.variant_name(flag, arm.variant);
                    (variant.unwrap_or_default().into(), arm.start, arm.end)
                })
                .collect(),
        });
    }

    fn holdout(&mut self, set: &'a FlagSet, holdout: u32, position: u64, held: bool) {
        let holdout = set.tables.holdouts.get(holdout as usize);
        if let (Some(rule), Some(holdout)) = (self.rule(), holdout) {
            let explanation = PositionExplanation {
                name: set.tables.symbols.get(holdout.key).into(),
                salt: set.tables.symbols.get(holdout.salt).into(),
                position,
                modulus: crate::NATIVE_MODULUS,
                ranges: alloc::vec![(0, holdout.cut)],
            };
            rule.holdouts.push((explanation, held));
        }
    }
}

fn ranges(set: &FlagSet, span: Span) -> Vec<(u64, u64)> {
    span.of(&set.tables.ranges)
        .iter()
        .map(|range| (range.start, range.end))
        .collect()
}
