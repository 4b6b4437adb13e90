//! A visitor of resolution steps, for explanations. Resolving without one costs nothing: the empty
//! implementation compiles away.

use crate::bucketing::{Position, Unit};
use crate::flag_set::{Draw, FlagSet, PositionTest, Span};
use crate::resolution::{ErrorCode, Resolution};
use crate::resolve::Tried;
use crate::value::AttributeValue;

/// Why a rule did not serve.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The time is before `from`, or not before `until`.
    OutsideWindow,
    /// `if` is false.
    ConditionFalse,
    /// The unit is in none of the experiment's slots of the layer.
    OutsideLayerSlots,
    /// The enrolment position is not below the rollout's cut.
    OutsideRollout,
    /// The arm position is in a gap between the arms.
    InNoArm,
    /// A holdout keeps the unit out.
    HeldOut,
}

/// What an explanation hears of.
pub(crate) trait Trace<'a> {
    /// Whether anybody listens. If not, what would be told need not happen in its order.
    const HEARS: bool = true;

    #[inline]
    fn rule_start(&mut self, _set: &'a FlagSet, _flag: u32, _rule: u16) {}
    #[inline]
    fn rule_end(&mut self, _resolution: &Resolution<'a>, _tried: Tried) {}
    #[inline]
    fn node_start(&mut self, _set: &'a FlagSet, _node: u32) {}
    #[inline]
    fn attribute(&mut self, _value: Option<&'a AttributeValue<'a>>) {}
    #[inline]
    fn prerequisite(&mut self, _resolution: &Resolution<'a>) {}
    #[inline]
    fn position(
        &mut self,
        _set: &'a FlagSet,
        _test: &PositionTest,
        _unit: Option<Unit<'a>>,
        _position: u64,
    ) {
    }
    #[inline]
    fn node_end(&mut self, _set: &'a FlagSet, _node: u32, _result: Result<bool, ErrorCode>) {}
    #[inline]
    fn layer(&mut self, _set: &'a FlagSet, _layer: u32, _slots: Span, _position: u64) {}
    #[inline]
    fn draw(
        &mut self,
        _set: &'a FlagSet,
        _flag: u32,
        _draw: &Draw,
        _unit: Option<(u16, Unit<'a>)>,
        _position: Position,
    ) {
    }
    #[inline]
    fn holdout(&mut self, _set: &'a FlagSet, _holdout: u32, _position: u64, _held: bool) {}
}

/// Hears nothing.
pub(crate) struct NoTrace;

impl Trace<'_> for NoTrace {
    const HEARS: bool = false;
}
