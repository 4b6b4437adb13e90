//! What resolving a flag gives.

use crate::bucketing::UnitText;
use crate::context::EvaluationContext;
use crate::flag_set::{FlagSet, Metadata, NONE, NONE16};
use crate::value::Value;

/// Why a value was served, in OpenFeature's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Reason {
    /// The flag has no rules.
    Static,
    /// No rule served.
    Default,
    /// A rule matched the context.
    TargetingMatch,
    /// A rule that draws by hash served.
    Split,
    /// The value came from a cache. The core never says so; a client may.
    Cached,
    /// The flag is disabled.
    Disabled,
    /// The cause is not known. The core never says so.
    Unknown,
    /// The flag set is older than it should be. The core never says so; a client may.
    Stale,
    /// See the error code.
    Error,
}

impl Reason {
    /// The name as OpenFeature's specification spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::Default => "DEFAULT",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Split => "SPLIT",
            Self::Cached => "CACHED",
            Self::Disabled => "DISABLED",
            Self::Unknown => "UNKNOWN",
            Self::Stale => "STALE",
            Self::Error => "ERROR",
        }
    }
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong, in OpenFeature's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum ErrorCode {
    /// There is no flag set yet. The core never says so; a client does.
    ProviderNotReady,
    /// The flag set has no such flag.
    FlagNotFound,
    /// The flag could not be compiled; the message says where and why.
    ParseError,
    /// The flag's value is of another type than was asked for. Said by whoever asks for a type.
    TypeMismatch,
    /// A draw with `missingUnit: "error"` found no unit.
    TargetingKeyMissing,
    /// The context is over a limit.
    InvalidContext,
    /// The provider cannot recover. The core never says so.
    ProviderFatal,
    /// Anything else. The core never says so.
    General,
}

impl ErrorCode {
    /// The name as OpenFeature's specification spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProviderNotReady => "PROVIDER_NOT_READY",
            Self::FlagNotFound => "FLAG_NOT_FOUND",
            Self::ParseError => "PARSE_ERROR",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::TargetingKeyMissing => "TARGETING_KEY_MISSING",
            Self::InvalidContext => "INVALID_CONTEXT",
            Self::ProviderFatal => "PROVIDER_FATAL",
            Self::General => "GENERAL",
        }
    }
}

impl core::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a sticky assignment took part.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Sticky {
    /// The experiment is not sticky.
    #[default]
    None,
    /// A prior assignment was served.
    Hit,
    /// A new assignment, for the caller to store.
    Write,
}

/// The outcome of resolving one flag for one context: small, and borrowed from both.
///
/// Resolving has no side effect. Whoever uses the value records [`Resolution::assignment`] as an
/// exposure; whoever only looks does not.
#[derive(Clone, Copy)]
pub struct Resolution<'a> {
    pub(crate) set: &'a FlagSet,
    pub(crate) context: &'a EvaluationContext<'a>,
    pub(crate) flag: u32,
    pub(crate) variant: u16,
    pub(crate) rule: u16,
    /// The rule whose experiment an exposure is of: the one that served, or one that a holdout kept the
    /// unit out of. [`NONE16`] when there is none.
    pub(crate) exposed: u16,
    /// The place among the experiment's holdouts of the one that kept the unit out.
    pub(crate) holdout: Option<u8>,
    pub(crate) reason: Reason,
    pub(crate) error: Option<ErrorCode>,
    pub(crate) unit_missing: bool,
    pub(crate) sticky: Sticky,
}

impl<'a> Resolution<'a> {
    /// The key of the flag; none when there is no such flag.
    #[must_use]
    pub fn flag_key(&self) -> Option<&'a str> {
        self.set.flag_at(self.flag).map(|flag| flag.key())
    }

    /// The value to use; none when the caller's default is to be used.
    #[must_use]
    #[inline]
    pub fn value(&self) -> Option<Value<'a>> {
        self.set.variant_value(self.flag, self.variant)
    }

    /// The name of the variant; none when the caller's default is to be used.
    #[must_use]
    #[inline]
    pub fn variant(&self) -> Option<&'a str> {
        self.set.variant_name(self.flag, self.variant)
    }

    /// The place of the variant among [`FlagHandle::variants`](crate::FlagHandle::variants); none when the
    /// caller's default is to be used. For counting by variant.
    #[must_use]
    pub fn variant_index(&self) -> Option<usize> {
        (self.variant != NONE16).then_some(usize::from(self.variant))
    }

    /// Why.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// What went wrong, exactly when the reason is [`Reason::Error`].
    #[must_use]
    pub const fn error_code(&self) -> Option<ErrorCode> {
        self.error
    }

    /// What went wrong, in words for a person.
    #[must_use]
    pub fn error_message(&self) -> Option<&'a str> {
        Some(match self.error? {
            ErrorCode::ParseError => self
                .set
                .refusal(self.flag)
                .unwrap_or("a condition that was reached is an error; `explain` shows its text"),
            ErrorCode::FlagNotFound => "the flag set has no flag of this key",
            ErrorCode::TargetingKeyMissing => "the context lacks the unit that a rule draws for",
            ErrorCode::InvalidContext => "the context has more than 1,000 attributes",
            _ => "the flag could not be resolved",
        })
    }

    /// The place of the rule that served, from 0.
    #[must_use]
    pub fn rule_index(&self) -> Option<usize> {
        (self.rule != NONE16).then_some(usize::from(self.rule))
    }

    /// The id of the rule that served, if it has one.
    #[must_use]
    pub fn rule_id(&self) -> Option<&'a str> {
        self.set.rule_id(self.flag, self.rule)
    }

    /// The flag's metadata; empty when there is no such flag.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'a> {
        self.set.flag_metadata(self.flag)
    }

    /// The revision of the flag set that answered.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.set.revision()
    }

    /// Whether a rule was passed over because the context lacks its unit. Worth counting: such users are
    /// in no experiment.
    #[must_use]
    pub const fn unit_missing(&self) -> bool {
        self.unit_missing
    }

    /// What an exposure would record: present when a rule of an experiment served, or when a holdout kept
    /// the unit out of one.
    ///
    /// Made on demand: the positions are computed again, so that a resolution without exposure does not
    /// carry them about.
    #[must_use]
    pub fn assignment(&self) -> Option<Assignment<'a>> {
        if self.exposed == NONE16 {
            return None;
        }
        let set = self.set;
        let draw = set.draw_of(self.flag, self.exposed)?;
        let experiment = set.tables.experiments.get(draw.experiment as usize)?;
        let details = set.experiment_of(self.flag, self.exposed)?;
        let (unit_type, unit) = set.unit(self.context, draw.unit)?;
        let drawn = self.sticky != Sticky::Hit && draw.needs_position();
        let position = drawn.then(|| set.draw_position(draw, unit));
        let layer = set.tables.layers.get(experiment.layer as usize);
        let layer_position = layer
            .filter(|_| self.sticky != Sticky::Hit)
            .and_then(|layer| {
                let (_, unit) = set.unit(self.context, layer.unit)?;
                Some(set.position(layer.hash, layer.salt, unit).arm)
            });
        let holdout = self.holdout.and_then(|place| {
            let holdouts = experiment.holdouts.of(&set.tables.holdout_lists);
            set.holdout_key(*holdouts.get(usize::from(place))?)
        });
        Some(Assignment {
            flag: self.flag_key()?,
            rule: set.rule_id(self.flag, self.exposed),
            experiment: details.key,
            phase: details.phase,
            unit_type: set.attribute_name(unit_type),
            unit: unit.text(),
            variant: self.variant(),
            reason: self.reason,
            arm: position.map(|position| position.arm),
            enrol: position
                .filter(|_| details.two_lanes)
                .map(|position| position.enrol),
            enrol_cut: details.enrol_cut,
            arm_range: position.and_then(|position| details.arm_range(position.arm)),
            arm_share: position.and_then(|position| details.arm_share(position.arm)),
            modulus: details.modulus,
            layer: details.layer,
            layer_position,
            holdout,
            sticky: self.sticky,
            environment: set.environment(),
            revision: set.revision(),
        })
    }
}

impl core::fmt::Debug for Resolution<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Resolution")
            .field("flag_key", &self.flag_key())
            .field("variant", &self.variant())
            .field("value", &self.value())
            .field("reason", &self.reason)
            .field("error_code", &self.error)
            .field("rule_index", &self.rule_index())
            .field("assignment", &self.assignment())
            .finish_non_exhaustive()
    }
}

/// What an exposure of a resolution records. See `docs/exposures.md`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Assignment<'a> {
    /// The flag that was resolved.
    pub flag: &'a str,
    /// The id of the experiment's rule, if it has one.
    pub rule: Option<&'a str>,
    /// The experiment.
    pub experiment: &'a str,
    /// Its phase, from 1.
    pub phase: u32,
    /// The name of the attribute that the unit came from, or `targetingKey`.
    pub unit_type: &'a str,
    /// Who was assigned.
    pub unit: UnitText<'a>,
    /// What was served; none is the caller's default (held-out units only).
    pub variant: Option<&'a str>,
    /// Why.
    pub reason: Reason,
    /// The arm position, `0..modulus`; none for a sticky hit and where the rule needs no position.
    pub arm: Option<u64>,
    /// The enrolment position, `0..2^32`; none also for a hash of one lane.
    pub enrol: Option<u64>,
    /// The exclusive bound of the rollout, if the rule has one.
    pub enrol_cut: Option<u64>,
    /// The range of arm positions that the unit fell in: from, and up to but not including.
    pub arm_range: Option<(u64, u64)>,
    /// How many arm positions lead to the variant of that range: a variant may own several ranges.
    pub arm_share: Option<u64>,
    /// The number of arm positions.
    pub modulus: u64,
    /// The layer of the experiment.
    pub layer: Option<&'a str>,
    /// The position of the layer's unit, `0..2^32`.
    pub layer_position: Option<u64>,
    /// The holdout that kept the unit out; `variant` is what was served instead.
    pub holdout: Option<&'a str>,
    /// How a sticky assignment took part.
    pub sticky: Sticky,
    /// The flag set's environment.
    pub environment: Option<&'a str>,
    /// The flag set's revision.
    pub revision: u64,
}

impl<'a> Resolution<'a> {
    /// An outcome without variant.
    #[inline]
    pub(crate) const fn none(
        set: &'a FlagSet,
        context: &'a EvaluationContext<'a>,
        flag: u32,
        reason: Reason,
    ) -> Self {
        Self {
            set,
            context,
            flag,
            variant: NONE16,
            rule: NONE16,
            exposed: NONE16,
            holdout: None,
            reason,
            error: None,
            unit_missing: false,
            sticky: Sticky::None,
        }
    }

    #[inline]
    pub(crate) const fn error(mut self, code: ErrorCode) -> Self {
        self.reason = Reason::Error;
        self.error = Some(code);
        self.variant = NONE16;
        self.exposed = NONE16;
        self
    }

    pub(crate) const fn not_found(set: &'a FlagSet, context: &'a EvaluationContext<'a>) -> Self {
        Self::none(set, context, NONE, Reason::Error).error(ErrorCode::FlagNotFound)
    }
}
