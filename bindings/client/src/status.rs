//! How a client stands, in OpenFeature's words.

use std::sync::Arc;

use bucketry_core::UnixMillis;

/// The state of a client, as OpenFeature names that of a provider.
///
/// Evaluations answer in every state: from the flag set that is held, else with the caller's default.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// `NOT_READY`: there is no flag set yet, and the sources were not all asked.
    #[default]
    NotReady,
    /// `READY`: there is a flag set.
    Ready,
    /// `STALE`: there is a flag set, and for longer than allowed no source confirmed that it is the newest.
    Stale,
    /// `ERROR`: there is no flag set, and no source gave one. They are asked again, for ever.
    Error,
    /// `NOT_READY` for OpenFeature: the client was closed. What it held still answers.
    Closed,
}

impl Status {
    /// The name as OpenFeature's specification spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotReady | Self::Closed => "NOT_READY",
            Self::Ready => "READY",
            Self::Stale => "STALE",
            Self::Error => "ERROR",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a flag set came from.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Origin {
    /// The source of this name: see [`Source::name`](crate::source::Source::name).
    Source(Arc<str>),
    /// The copy that an earlier process left on disk.
    Cache,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Source(name) => f.write_str(name),
            Self::Cache => f.write_str("the copy on disk"),
        }
    }
}

/// How a client stands, with what led to it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct State {
    /// In one word.
    pub status: Status,
    /// The revision of the flag set that is held; 0 if it names none.
    pub revision: Option<u64>,
    /// Where that flag set came from.
    pub origin: Option<Origin>,
    /// When a source last said that it is the newest.
    pub confirmed_at: Option<UnixMillis>,
    /// Failures of the preferred source since it last answered.
    pub failures: u32,
    /// What happened at the last failure, what was kept and what happens next; none after a success of the preferred
    /// source.
    pub last_failure: Option<String>,
    /// Whether every source that had to be asked was asked once: what [`ready`](crate::Client::ready) waits for when it
    /// holds only the copy on disk.
    pub(crate) settled: bool,
}

/// There is no flag set, and the time to wait for one is over. The client goes on trying; evaluations give the caller's
/// defaults until then.
#[derive(Clone, Debug)]
pub struct NotReady {
    pub(crate) state: State,
}

impl NotReady {
    /// How things stood.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }
}

impl std::fmt::Display for NotReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.state.last_failure, self.state.status) {
            (_, Status::Closed) => f.write_str("the client was closed before it had a flag set"),
            (Some(failure), _) => write!(f, "no flag set yet: {failure}"),
            (None, _) => f.write_str(
                "no flag set yet: no source has answered; evaluations give the defaults until one does",
            ),
        }
    }
}

impl std::error::Error for NotReady {}
