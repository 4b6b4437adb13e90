//! Comparing two flag sets: what changed, and who moves.
//!
//! [`FlagSet::changed_flags`] is for a program that got a new flag set, [`FlagSet::diff`] for a person who
//! reviews one, [`FlagSet::movements`] and [`FlagSet::phase_breaks`] for a build that must not move anybody
//! by accident.

mod list;
mod meaning;
mod movement;
mod phase;
mod rules;
mod share;
#[cfg(test)]
mod tests;
mod text;
mod units;
mod walk;

use alloc::format;
use alloc::string::String;
use core::fmt;

pub use movement::{Move, Movement, MovementCase, Premise};
pub use phase::{PhaseBreak, PhaseBreakKind};
pub use share::Share;
pub use units::{UnitComparison, UnitMove};

/// One difference between two flag sets.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// The flag; none for what flags share.
    pub flag: Option<String>,
    /// The rule, of a change within one.
    pub rule: Option<RuleName>,
    /// What changed.
    pub subject: Subject,
    /// How.
    pub action: Action,
    /// JSON pointer to it: in the new flag set, of what is gone in the old one.
    pub place: String,
    /// As it was, for a person; none of what was added.
    pub before: Option<String>,
    /// As it is, for a person; none of what is gone.
    pub after: Option<String>,
}

/// A rule of a flag.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RuleName {
    /// Its place, from 0: in the new flag set, of a rule that is gone in the old one.
    pub index: usize,
    /// Its id.
    pub id: Option<String>,
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "rule `{id}`"),
            None => write!(f, "rule {}", self.index),
        }
    }
}

/// How something changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
    /// It is the same, in another place among its like.
    Moved,
}

/// What changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// The set's environment.
    Environment,
    /// A member of the metadata, of a flag or of the set.
    Metadata,
    /// A segment: its condition.
    Segment,
    /// A layer.
    Layer,
    /// A holdout.
    Holdout,
    /// A flag as a whole; changed: it is refused now, or no longer.
    Flag,
    /// The type of a flag.
    Type,
    /// Whether a flag is enabled.
    Enabled,
    /// The variant that a flag serves when no rule does.
    Default,
    /// The variant that a flag serves when it is disabled.
    Off,
    /// A variant; changed: its value.
    Variant,
    /// A rule as a whole.
    Rule,
    /// `if` of a rule.
    Condition,
    /// `from` and `until` of a rule.
    Window,
    /// `serve` of a rule.
    Serve,
    /// `split` of a rule: its arms.
    Split,
    /// `rollout` of a rule.
    Rollout,
    /// The salt of a rule, layer or holdout, also where it follows from names.
    Salt,
    /// The unit of a rule, layer or holdout.
    Unit,
    /// The hash of a rule, layer or holdout.
    Hash,
    /// `missingUnit` of a rule.
    MissingUnit,
    /// `otherwise` of a rule.
    Otherwise,
    /// `reason` of a rule.
    Reason,
    /// The key of the experiment of a rule.
    Experiment,
    /// The phase of an experiment.
    Phase,
    /// The layer of an experiment.
    ExperimentLayer,
    /// The slots that an experiment has of its layer.
    Slots,
    /// The holdouts of an experiment.
    ExperimentHoldout,
    /// Whether an experiment is sticky.
    Sticky,
    /// The share of a holdout.
    Percent,
}

impl Subject {
    /// The word for it, as in the document where there is one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Metadata => "metadata",
            Self::Segment => "segment",
            Self::Layer | Self::ExperimentLayer => "layer",
            Self::Holdout | Self::ExperimentHoldout => "holdout",
            Self::Flag => "flag",
            Self::Type => "type",
            Self::Enabled => "enabled",
            Self::Default => "default",
            Self::Off => "off",
            Self::Variant => "variant",
            Self::Rule => "rule",
            Self::Condition => "if",
            Self::Window => "from and until",
            Self::Serve => "serve",
            Self::Split => "split",
            Self::Rollout => "rollout",
            Self::Salt => "salt",
            Self::Unit => "unit",
            Self::Hash => "hash",
            Self::MissingUnit => "missingUnit",
            Self::Otherwise => "otherwise",
            Self::Reason => "reason",
            Self::Experiment => "experiment",
            Self::Phase => "phase",
            Self::Slots => "slots",
            Self::Sticky => "sticky",
            Self::Percent => "percent",
        }
    }
}

impl fmt::Display for Change {
    /// One line: ``flag `new-checkout`, rule `ramp`: rollout 10 % -> 20 %``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(flag) = &self.flag {
            write!(f, "flag `{flag}`")?;
            if let Some(rule) = &self.rule {
                write!(f, ", {rule}")?;
            }
            f.write_str(": ")?;
        }
        match (self.subject, &self.flag) {
            (Subject::Flag | Subject::Rule, _) => {}
            (_, None) => write!(f, "{}: ", self.place.trim_start_matches('/'))?,
            (Subject::Variant | Subject::Metadata, _) => {
                let name = self.place.rsplit('/').next().unwrap_or_default();
                let name = name.replace("~1", "/").replace("~0", "~");
                write!(f, "{} `{name}` ", self.subject.as_str())?;
            }
            _ => write!(f, "{} ", self.subject.as_str())?,
        }
        let detail = |text: &Option<String>| match text {
            Some(text) => format!(" {text}"),
            None => String::new(),
        };
        match self.action {
            Action::Added => write!(f, "added{}", detail(&self.after)),
            Action::Removed => write!(f, "removed{}", detail(&self.before)),
            Action::Moved => write!(f, "moved{} to{}", detail(&self.before), detail(&self.after)),
            Action::Changed => {
                let none = "none";
                let (before, after) = (self.before.as_deref(), self.after.as_deref());
                write!(f, "{} -> {}", before.unwrap_or(none), after.unwrap_or(none))
            }
        }
    }
}
