//! What can be set of a refresh, and within which bounds.

use core::time::Duration;

use crate::limits::MAX_DOCUMENT_BYTES;
use crate::schedule::{ConfigError, check, millis};

/// Whether a flag set needs a signature. One that is wrong is refused in any case.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Signing {
    /// An unsigned flag set is accepted.
    #[default]
    Optional,
    /// An unsigned flag set is refused.
    Required,
}

/// What is made of a flag set that is in error in places.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reading {
    /// Its bad flags answer `PARSE_ERROR`, the others work: [`FlagSet::from_json`](crate::FlagSet::from_json).
    #[default]
    Lenient,
    /// It is refused as a whole and the last good one kept: [`FlagSet::from_json_strict`](crate::FlagSet::from_json_strict).
    Strict,
}

/// The settings of a [`Refresh`](super::Refresh). Ranges are checked once, where it is made.
#[derive(Clone, Debug)]
pub struct RefreshConfig {
    pub(super) interval: u64,
    pub(super) jitter_percent: u32,
    pub(super) backoff: u64,
    pub(super) max_backoff: u64,
    pub(super) max_retry_after: u64,
    pub(super) request_timeout: u64,
    pub(super) stale_after: Option<u64>,
    pub(super) max_bytes: usize,
    pub(super) signing: Signing,
    pub(super) reading: Reading,
}

impl Default for RefreshConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl RefreshConfig {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            interval: 30_000,
            jitter_percent: 10,
            backoff: 1_000,
            max_backoff: 300_000,
            max_retry_after: 3_600_000,
            request_timeout: 60_000,
            stale_after: Some(600_000),
            max_bytes: 16 << 20,
            signing: Signing::Optional,
            reading: Reading::Lenient,
        }
    }

    /// How long to wait after a good answer. 1 second to 7 days; default: 30 s.
    #[must_use]
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = millis(interval);
        self
    }

    /// By how many per cent of itself the interval is drawn shorter or longer, so that clients do not ask in step. As much
    /// is drawn beyond a `Retry-After`. 0 to 50; default: 10.
    #[must_use]
    pub const fn jitter_percent(mut self, percent: u32) -> Self {
        self.jitter_percent = percent;
        self
    }

    /// How long to wait after a failure, at most: `first` after one, twice as long after each further one, never more
    /// than `cap`. Half of it is drawn. 10 ms to 1 day, `first` no longer than `cap`; default: 1 s and 5 min.
    #[must_use]
    pub const fn backoff(mut self, first: Duration, cap: Duration) -> Self {
        self.backoff = millis(first);
        self.max_backoff = millis(cap);
        self
    }

    /// The longest wait that a source may ask for with `Retry-After`; more is cut to this. 0 to 1 day; default: 1 h.
    #[must_use]
    pub const fn max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = millis(longest);
        self
    }

    /// After how long without an answer a request is given up. 1 second to 1 hour; default: 60 s.
    #[must_use]
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = millis(timeout);
        self
    }

    /// How long the flag set may be without word from its source before it counts as stale; `None`: never. At least
    /// the interval and at most 366 days; default: 10 min.
    #[must_use]
    pub const fn stale_after(mut self, age: Option<Duration>) -> Self {
        self.stale_after = match age {
            Some(age) => Some(millis(age)),
            None => None,
        };
        self
    }

    /// Largest document to read, in bytes. 1 to [`MAX_DOCUMENT_BYTES`]; default: 16 MiB.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Whether a flag set needs a signature. Default: it does not.
    #[must_use]
    pub const fn signing(mut self, signing: Signing) -> Self {
        self.signing = signing;
        self
    }

    /// What is made of a flag set that is in error in places. Default: what is right in it works.
    #[must_use]
    pub const fn reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        const HOUR: u64 = 3_600_000;
        const DAY: u64 = 24 * HOUR;
        let ranges = [
            ("interval", 1_000, 7 * DAY),
            ("jitter_percent", 0, 50),
            ("backoff", 10, DAY),
            ("backoff", 10, self.max_backoff),
            ("max_retry_after", 0, DAY),
            ("request_timeout", 1_000, HOUR),
            ("stale_after", self.interval, 366 * DAY),
            ("max_bytes", 1, MAX_DOCUMENT_BYTES as u64),
        ];
        let values = [
            self.interval,
            u64::from(self.jitter_percent),
            self.max_backoff,
            self.backoff,
            self.max_retry_after,
            self.request_timeout,
            self.stale_after.unwrap_or(366 * DAY),
            self.max_bytes as u64,
        ];
        check(&ranges, &values)
    }
}
