//! Deterministic feature-flag evaluation and experiment assignment.
//!
//! A program gives a [`FlagSet`] (a JSON document) an [`EvaluationContext`] and the time, and gets a
//! [`Resolution`]: which variant, and why. There is no I/O, no clock, no randomness and no thread in this
//! crate: the same arguments give the same answer on every platform, for ever.
//!
//! | to | see |
//! | --- | --- |
//! | load a flag set | [`FlagSet::from_json`], [`FlagSet::from_json_strict`], [`Diagnostic`] |
//! | resolve | [`FlagSet::resolve`], [`FlagHandle::resolve`], [`FlagSet::resolve_all`] |
//! | say who asks | [`EvaluationContext`], [`AttributeValue`] |
//! | understand an answer | [`FlagSet::explain`], [`Explanation`] |
//! | compare two flag sets | [`FlagSet::diff`], [`FlagSet::movements`], [`FlagSet::phase_breaks`], [`UnitComparison`] |
//! | recompute a position | [`Hash::position`] |
//! | record who was exposed to what | [`Assignment`], [`ExposureLog`] |
//! | keep a flag set fresh | [`Refresh`] |
//!
//! The format is defined in `docs/flag-set.md`, the formulas in `docs/bucketing.md`, the exposure record in
//! `docs/exposures.md`.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        reason = "a test fails by panicking"
    )
)]
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod bucketing;
mod condition;
mod context;
mod diagnostics;
mod diff;
mod experiment;
mod explain;
mod exposure;
mod exposure_log;
mod flag_set;
#[cfg(feature = "imported")]
mod formula;
mod hash;
mod hashed_ids;
#[cfg(feature = "imported")]
mod hashed_operands;
mod json;
mod json_write;
pub mod limits;
mod load;
mod memory;
mod messages;
mod number;
mod pointer;
mod refresh;
mod resolution;
mod resolve;
mod schedule;
#[doc(hidden)]
pub mod schema;
mod sort;
mod symbols;
mod text;
#[cfg(any(feature = "imported", feature = "regex"))]
mod text_form;
mod time;
mod trace;
mod value;
mod version;

pub use bucketing::{Hash, NATIVE_MODULUS, Position, UnitText, arm_cut, enrol_cut, slot_cut};
pub use context::{ContextError, EvaluationContext, PriorAssignment};
pub use diagnostics::{Diagnostic, LoadError, Severity};
pub use diff::{
    Action, Change, Move, Movement, MovementCase, PhaseBreak, PhaseBreakKind, Premise, RuleName,
    Share, Subject, UnitComparison, UnitMove,
};
pub use experiment::{ArmRange, ExperimentRule};
pub use explain::{
    ConditionExplanation, DrawExplanation, Explanation, PositionExplanation, RuleExplanation,
    RuleOutcome,
};
pub use exposure::{
    EventId, Exposure, ExposureDetails, Origin, ProducerId, RECORD_VERSION, dedupe_window,
};
pub use exposure_log::{
    Arm, ArmCounters, Batch, BatchId, Counters, Delivery, DropReason, Drops, ExposureLog,
    ExposureLogConfig, InvalidId, LogStep, Recorded, RestoreError, Restored, RestoredCounters,
    Sampling, read_spool, write_spool,
};
pub use flag_set::{FlagHandle, FlagSet, Metadata};
#[cfg(feature = "imported")]
pub use formula::{Formula, TextUnits};
pub use hash::{xxh64, xxh64_salted};
pub use hashed_ids::encode_ids;
pub use json::{SyntaxError, SyntaxProblem};
pub use refresh::{
    Reading, Refresh, RefreshConfig, RefreshEvent, RefreshFailure, RefreshStatus, RefreshStep,
    Refreshed, Request, RequestId, Response, Signature, Signing,
};
pub use resolution::{Assignment, ErrorCode, Reason, Resolution, Sticky};
pub use schedule::{ConfigError, MonotonicMillis, Times};
pub use time::UnixMillis;
pub use trace::Outcome;
pub use value::{AttributeValue, Value, ValueType};

/// What the importers read documents with. No part of the public API.
#[doc(hidden)]
pub mod internal {
    #[cfg(feature = "imported")]
    pub use crate::hash::md5;
    pub use crate::json::{Document, Elements, Json, Kind, Members, push_pointer_token};
}
