//! One of the logs, its lock, and when the loop must look at it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bucketry_core::{
    Assignment, ConfigError, ExposureDetails, ExposureLog, LogStep, ProducerId, Recorded, Times,
    xxh64,
};

use super::options::ExposureOptions;
use crate::random::{self, Generator};

/// Aligned so that no two share a cache line, nor the pair of lines that processors fetch together.
#[repr(align(128))]
pub(super) struct Shard(Mutex<State>);

pub(super) struct State {
    pub(super) log: ExposureLog,
    random: Generator,
    /// Nothing is queued, so the loop does not know when to look here for what is recorded next.
    idle: bool,
    /// Recorded since the loop looked; and how many records and held bytes make it look again before the time it set itself.
    recorded: usize,
    wake_records: usize,
    wake_bytes: usize,
    batch: (usize, usize),
}

impl Shard {
    pub(super) fn new(
        options: &ExposureOptions,
        shards: usize,
        names: (&str, &str),
    ) -> Result<Self, ConfigError> {
        let config = options.for_shard(ProducerId(random::bytes()), shards, names);
        let batch = options.batch_limits();
        Ok(Self(Mutex::new(State {
            log: ExposureLog::new(config)?,
            random: Generator::new(),
            idle: true,
            recorded: 0,
            wake_records: batch.0,
            wake_bytes: batch.1,
            batch,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A log is whole between any two of its steps; a panic elsewhere does not make it wrong.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of the exposure, and whether the loop must be woken.
    pub(super) fn record(
        &self,
        assignment: &Assignment<'_>,
        details: &ExposureDetails<'_>,
        now: Times,
    ) -> (Recorded, bool) {
        let mut state = self.lock();
        let chance = state.random.next();
        let recorded = state.log.record(assignment, details, now, chance);
        if recorded != Recorded::Queued {
            return (recorded, false);
        }
        state.recorded += 1;
        let full =
            state.recorded >= state.wake_records || state.log.pending_bytes() >= state.wake_bytes;
        let wake = state.idle || full;
        if wake {
            state.idle = false;
            state.set_alarm();
        }
        (recorded, wake)
    }
}

impl State {
    /// What the log wants done.
    pub(super) fn poll(&mut self, now: Times) -> LogStep {
        let chance = self.random.next();
        let step = self.log.poll(now, chance);
        self.recorded = 0;
        self.set_alarm();
        // What is queued is part of the wait that was named, whatever else is.
        self.idle = self.log.counters().queued == 0;
        step
    }

    /// A batch is full by records or by bytes; the latter are looked at twice on the way, because what is held counts more
    /// than the lines.
    fn set_alarm(&mut self) {
        let (records, bytes) = self.batch;
        self.wake_records = self.recorded.saturating_add(records);
        self.wake_bytes = self.log.pending_bytes().saturating_add(bytes / 2);
    }
}

/// Logs that share the work; at least one.
pub(super) struct Shards {
    first: Shard,
    others: Box<[Shard]>,
}

impl Shards {
    /// `count` of them, a power of two.
    pub(super) fn new(
        count: usize,
        make: impl Fn() -> Result<Shard, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let first = make()?;
        let others = (1..count).map(|_| make()).collect::<Result<_, _>>()?;
        Ok(Self { first, others })
    }

    /// The one that a unit belongs to, always the same.
    pub(super) fn of(&self, unit: &str) -> &Shard {
        if self.others.is_empty() {
            return &self.first;
        }
        // One less than a power of two.
        let place = xxh64(unit.as_bytes(), 0) as usize & self.others.len();
        self.at(place)
    }

    pub(super) fn at(&self, place: usize) -> &Shard {
        let other = place
            .checked_sub(1)
            .and_then(|place| self.others.get(place));
        other.unwrap_or(&self.first)
    }

    pub(super) const fn count(&self) -> usize {
        self.others.len() + 1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Shard> {
        std::iter::once(&self.first).chain(&self.others)
    }
}
