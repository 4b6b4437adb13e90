//! When a client may ask the server: the schedules of the documents written once more, to hold the core to.
//!
//! Only the earliest moment is here, with the least that can be drawn. That nothing comes too late is a matter of
//! convergence, see `laws.rs`.

use std::collections::BTreeMap;

use bucketry_core::{BatchId, Refreshed, RequestId};

use crate::settings::{Posts, Settings};
use crate::trace::{Checked, hold};

pub(crate) const FETCH_STORM: &str = "no storm of fetches";
pub(crate) const POST_STORM: &str = "no storm of posts";

/// Forced fetches are this far apart.
const FORCED_GAP: u64 = 1_000;

/// The least wait after this many failures in a row.
fn least_backoff(base: u64, cap: u64, failures: u32) -> u64 {
    (base << (failures - 1).min(32)).min(cap) / 2
}

/// When one `Refresh` may fetch. Times are those of its own clock, sleep counted in.
pub(crate) struct FetchRules {
    interval: u64,
    backoff: u64,
    max_backoff: u64,
    max_retry_after: u64,
    timeout: u64,
    pub(crate) slept: u64,
    in_flight: Option<(RequestId, u64)>,
    failures: u32,
    /// Not before, unless it is forced; and not before, whatever forces it.
    earliest: u64,
    pause: u64,
    forced: bool,
    last_start: Option<u64>,
}

impl FetchRules {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            interval: settings.intervals().0,
            backoff: settings.backoff,
            max_backoff: settings.max_backoff,
            max_retry_after: settings.max_retry_after,
            timeout: settings.request_timeout,
            slept: 0,
            in_flight: None,
            failures: 0,
            earliest: 0,
            pause: 0,
            forced: false,
            last_start: None,
        }
    }

    pub(crate) const fn force(&mut self) {
        self.forced = true;
    }

    fn fail(&mut self, now: u64, refusal: bool) {
        self.in_flight = None;
        self.failures += 1;
        let wait = least_backoff(self.backoff, self.max_backoff, self.failures);
        self.earliest = now + wait.max(if refusal { self.interval } else { 0 });
    }

    /// Before each poll.
    pub(crate) fn on_poll(&mut self, monotonic: u64) {
        let now = monotonic + self.slept;
        if self
            .in_flight
            .is_some_and(|(_, sent)| now >= sent + self.timeout)
        {
            self.fail(now, false);
        }
    }

    pub(crate) fn on_fetch(&mut self, monotonic: u64, id: RequestId) -> Checked {
        let now = monotonic + self.slept;
        hold!(FETCH_STORM, self.in_flight.is_none(), "two fetches at once");
        let due = match self.last_start {
            _ if !self.forced => self.earliest,
            Some(start) => self.earliest.min(start + FORCED_GAP),
            None => 0,
        };
        let due = due.max(self.pause);
        hold!(
            FETCH_STORM,
            now >= due,
            "a fetch {} ms too early, after {} failures",
            due - now,
            self.failures
        );
        self.forced = false;
        self.last_start = Some(now);
        self.in_flight = Some((id, now));
        Ok(())
    }

    pub(crate) fn on_failure(&mut self, monotonic: u64, id: RequestId) {
        if self.in_flight.is_some_and(|(awaited, _)| awaited == id) {
            self.fail(monotonic + self.slept, false);
        }
    }

    pub(crate) fn on_answer(&mut self, monotonic: u64, asked: Option<u64>, verdict: &Refreshed) {
        let now = monotonic + self.slept;
        match verdict {
            Refreshed::Accepted(_) | Refreshed::Unchanged => {
                self.in_flight = None;
                self.failures = 0;
                self.earliest = now + self.interval;
                self.pause = 0;
            }
            Refreshed::Failed(failure) => {
                if let Some(asked) = asked {
                    self.pause = now + asked.min(self.max_retry_after);
                }
                self.fail(now, failure.is_refusal());
            }
            _ => {}
        }
    }
}

/// When one `ExposureLog` may send. Times are monotonic.
pub(crate) struct PostRules {
    posts: Posts,
    /// When each batch that is on the wire is given up.
    on_wire: BTreeMap<BatchId, u64>,
    /// How often each batch that failed was sent, and not before when again.
    failed: BTreeMap<BatchId, (u32, u64)>,
    failures: u32,
    backoff_until: u64,
    pause_until: u64,
    /// Batches that were sent for the first time.
    pub(crate) firsts: u64,
    /// What may make a batch of its own, beside time: flushes, exports, splits, restored ones.
    pub(crate) occasions: u64,
    /// Whether a batch was too large for the receiver.
    pub(crate) split: bool,
}

impl PostRules {
    pub(crate) const fn new(posts: Posts) -> Self {
        Self {
            posts,
            on_wire: BTreeMap::new(),
            failed: BTreeMap::new(),
            failures: 0,
            backoff_until: 0,
            pause_until: 0,
            firsts: 0,
            occasions: 0,
            split: false,
        }
    }

    pub(crate) fn on_flush(&mut self) {
        self.backoff_until = 0;
        self.pause_until = 0;
        for (_, not_before) in self.failed.values_mut() {
            *not_before = 0;
        }
        self.occasions += 2;
    }

    fn fail(&mut self, id: BatchId, now: u64) {
        if self.on_wire.remove(&id).is_none() {
            return;
        }
        let Posts {
            backoff,
            max_backoff,
            ..
        } = self.posts;
        self.failures += 1;
        let until = now + least_backoff(backoff, max_backoff, self.failures);
        self.backoff_until = until;
        let (attempts, not_before) = self.failed.entry(id).or_insert((1, 0));
        *not_before = now + least_backoff(backoff, max_backoff, *attempts + 1);
    }

    /// Before each poll.
    pub(crate) fn on_poll(&mut self, now: u64) {
        let over = |(id, at): (&BatchId, &u64)| (*at <= now).then_some(*id);
        let over: Vec<BatchId> = self.on_wire.iter().filter_map(over).collect();
        for id in over {
            self.fail(id, now);
        }
    }

    pub(crate) fn on_send(&mut self, now: u64, id: BatchId, attempt: u32) -> Checked {
        let most = match self.failures {
            0 => self.posts.max_in_flight,
            _ => 1,
        };
        let others = self.on_wire.len();
        hold!(
            POST_STORM,
            others < most,
            "batch {id} beside {others} others"
        );
        let until = self.backoff_until.max(self.pause_until);
        let known = self.failed.get(&id).copied();
        let until = known.map_or(until, |(_, not_before)| until.max(not_before));
        hold!(
            POST_STORM,
            now >= until,
            "batch {id} is sent {} ms too early, after {} failures",
            until - now,
            self.failures
        );
        if let Some((attempts, _)) = self.failed.get_mut(&id) {
            *attempts = attempt;
        }
        self.firsts += u64::from(attempt == 1);
        self.on_wire.insert(id, now + self.posts.send_timeout);
        Ok(())
    }

    /// It is settled: stored, or refused for good.
    pub(crate) fn on_settled(&mut self, id: BatchId) {
        self.on_wire.remove(&id);
        self.failed.remove(&id);
        self.failures = 0;
        self.backoff_until = 0;
    }

    pub(crate) fn on_split(&mut self, id: BatchId) {
        self.on_settled(id);
        self.occasions += 2;
        self.split = true;
    }

    pub(crate) fn on_retry(&mut self, now: u64, id: BatchId, asked: Option<u64>) {
        self.fail(id, now);
        let pause = asked.unwrap_or(0).min(self.posts.max_retry_after);
        self.pause_until = self.pause_until.max(now + pause);
    }
}
