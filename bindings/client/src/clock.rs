//! The one clock of a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bucketry_core::{MonotonicMillis, Times, UnixMillis};

/// Reads both clocks: monotonic milliseconds since the client began, for schedules, and wall time, for the rules of
/// flags and for records.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// The wall time of a test.
    fixed: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clocks.
    pub(crate) fn system() -> Self {
        Self {
            start: Instant::now(),
            fixed: None,
        }
    }

    /// A wall clock that stands at `millis` until the test moves it; the monotonic one is the system's.
    pub(crate) fn fixed(millis: Arc<AtomicI64>) -> Self {
        Self {
            start: Instant::now(),
            fixed: Some(millis),
        }
    }

    /// Milliseconds since the client began.
    pub(crate) fn monotonic(&self) -> MonotonicMillis {
        let millis = self.start.elapsed().as_millis();
        MonotonicMillis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// Milliseconds since 1970. A clock before 1970 counts as 1970.
    pub(crate) fn wall(&self) -> UnixMillis {
        if let Some(fixed) = &self.fixed {
            return UnixMillis(fixed.load(Ordering::Relaxed));
        }
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Both.
    pub(crate) fn times(&self) -> Times {
        Times {
            monotonic: self.monotonic(),
            wall: self.wall(),
        }
    }

    /// How long from now until `at`; zero if that is past.
    pub(crate) fn until(&self, at: MonotonicMillis) -> Duration {
        at.since(self.monotonic())
    }
}
