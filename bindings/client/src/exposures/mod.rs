//! The exposures of a client: from the threads that evaluate to the sink.
//!
//! All logic is core's [`ExposureLog`]; here are the locks, the clock, the tasks and the files around it. A unit always goes to
//! the same one of several logs ("shards"), so that its repeats are found while threads do not wait for each other.

mod delivery;
mod options;
mod report;
mod shard;
mod spooling;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bucketry_core::{Assignment, ConfigError, Counters, ExposureDetails, Recorded, Times};
use tokio::sync::{Notify, watch};

pub use options::ExposureOptions;
pub use report::{Dropped, FlushReport, Kept};

use crate::sink::Sink;
use crate::spool::{Spool, SpoolOptions};
use shard::{Shard, Shards};

/// Both clocks, asked by the delivery loop.
pub(crate) type Clock = Arc<dyn Fn() -> Times + Send + Sync>;

/// What the exposures of a client are made of.
#[derive(Clone)]
pub(crate) struct ExposuresConfig {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) options: ExposureOptions,
    /// Where what is pending outlives the process; none: nowhere.
    pub(crate) spool: Option<SpoolOptions>,
    /// Written to every record.
    pub(crate) sdk: String,
    pub(crate) platform: String,
    pub(crate) clock: Clock,
}

/// Shared between the threads that evaluate and the one that delivers.
pub(crate) struct Exposures {
    inner: Arc<Inner>,
    /// What a forked child uses instead: a lock of its parent's may be held by a thread that the child does not have.
    child: OnceLock<Box<Self>>,
}

/// The exposures of one process.
struct Inner {
    config: ExposuresConfig,
    shards: Shards,
    /// Wakes the loop: something may be due.
    wake: Notify,
    /// Told after each answer of the sink, to whoever waits for a flush.
    progress: watch::Sender<()>,
    /// The loop is to end; and whether it has.
    stopping: AtomicBool,
    ended: watch::Sender<bool>,
    /// Until when the receiver asked to be left alone, in monotonic milliseconds.
    pause_until: AtomicU64,
    /// Opened by the loop.
    spool: Mutex<Option<Spool>>,
    health: Health,
}

/// How the sink does.
#[derive(Default)]
struct Health {
    attempts: AtomicU64,
    failures: AtomicU64,
    panics: AtomicU64,
    /// Why the last attempt failed; none after one that did not.
    failing: Mutex<Option<String>>,
    /// Why the spool could not be written; none when it could.
    spool_failing: Mutex<Option<String>>,
}

/// How delivery does, beside the [`Counters`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeliveryStatus {
    /// How often a batch was given to the sink.
    pub attempts: u64,
    /// How many of the attempts failed, panics included.
    pub failures: u64,
    /// How often the sink panicked.
    pub panics: u64,
    /// Why the last attempt failed; none after one that did not.
    pub failing: Option<String>,
    /// Why the spool could not be written when that was tried last; none when it could.
    pub spool_failing: Option<String>,
}

impl Exposures {
    /// Nothing runs before [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// When an option is outside its range.
    pub(crate) fn new(config: ExposuresConfig) -> Result<Self, ConfigError> {
        let count = config.options.shard_count();
        let names = (config.sdk.as_str(), config.platform.as_str());
        let shards = Shards::new(count, || Shard::new(&config.options, count, names))?;
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                shards,
                wake: Notify::new(),
                progress: watch::Sender::new(()),
                stopping: AtomicBool::new(false),
                ended: watch::Sender::new(false),
                pause_until: AtomicU64::new(0),
                spool: Mutex::default(),
                health: Health::default(),
            }),
            child: OnceLock::new(),
        })
    }

    /// Those of this process.
    fn here(&self) -> &Arc<Inner> {
        let mut here = self;
        while let Some(child) = here.child.get() {
            here = child;
        }
        &here.inner
    }

    /// Takes an exposure: `assignment` was used now. From any thread; allocates nothing for a repeat.
    pub(crate) fn record(
        &self,
        assignment: &Assignment<'_>,
        details: &ExposureDetails<'_>,
        now: Times,
    ) -> Recorded {
        let here = self.here();
        let shard = here.shards.of(&assignment.unit);
        let (recorded, wake) = shard.record(assignment, details, now);
        if wake {
            here.wake.notify_one();
        }
        recorded
    }

    /// Counts a resolution whose context lacked a unit.
    pub(crate) fn count_unit_missing(&self) {
        self.here().shards.at(0).lock().log.count_unit_missing();
    }

    /// Delivers until [`shut_down`](Self::shut_down). To be run on a tokio runtime with its clock.
    pub(crate) async fn run(&self) {
        let here = self.here();
        tokio::select! {
            () = here.run() => {}
            () = here.keep_spool() => {}
        }
        here.ended.send_replace(true);
    }

    /// Sends everything that was recorded before, and waits until it is delivered, at most so long.
    pub(crate) async fn flush(&self, limit: Duration) -> FlushReport {
        self.here().flush(limit).await
    }

    /// Flushes, at most so long, and ends the loop. What is recorded afterwards is not delivered.
    pub(crate) async fn shut_down(&self, limit: Duration) -> FlushReport {
        self.here().shut_down(limit).await
    }

    /// The sum over the shards.
    pub(crate) fn counters(&self) -> Counters {
        self.here().counters()
    }

    /// How the sink does.
    pub(crate) fn status(&self) -> DeliveryStatus {
        let health = &self.here().health;
        DeliveryStatus {
            attempts: health.attempts.load(Ordering::Relaxed),
            failures: health.failures.load(Ordering::Relaxed),
            panics: health.panics.load(Ordering::Relaxed),
            failing: health.failing().clone(),
            spool_failing: health.spool_failing().clone(),
        }
    }

    /// In a forked child: starts anew, with ids of its own. What was pending is the parent's to deliver. The loop must
    /// be [run](Self::run) again, on a runtime of the child.
    pub(crate) fn after_fork_in_child(&self) {
        let mut here = self;
        while let Some(child) = here.child.get() {
            here = child;
        }
        // The parent's spool is free for others as soon as the parent ends, not when its children do: its lock is theirs too
        // while they have the file open. A lock of ours that a thread of the parent held stays as it is.
        if let Ok(mut spool) = here.inner.spool.try_lock() {
            *spool = None;
        }
        let mut config = here.inner.config.clone();
        if let Some(sink) = config.sink.in_child() {
            config.sink = sink;
        }
        // The options were checked when the first was made.
        if let Ok(child) = Self::new(config) {
            let _ = here.child.set(Box::new(child));
        }
    }
}

impl Inner {
    fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for shard in self.shards.iter() {
            report::add(&mut sum, &shard.lock().log.counters());
        }
        sum
    }
}

impl Health {
    fn failing(&self) -> MutexGuard<'_, Option<String>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spool_failing(&self) -> MutexGuard<'_, Option<String>> {
        let failing = self.spool_failing.lock();
        failing.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Exposures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposures")
            .field("sink", &self.here().config.sink.name())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
