//! What can be set of the exposures of a client.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use bucketry_core::{ExposureLogConfig, ProducerId, Sampling};

/// How a client records exposures and holds them until they are delivered. Ranges are checked where the client is built.
///
/// Limits are of the client as a whole. Inside, they are divided among the shards, each of which is an
/// [`ExposureLog`](bucketry_core::ExposureLog) with a producer id of its own.
#[derive(Clone, Debug)]
pub struct ExposureOptions {
    shards: Option<usize>,
    sampling: Sampling,
    dedupe_window: Option<Duration>,
    dedupe_entries: usize,
    max_pending: usize,
    max_bytes: usize,
    batch_records: usize,
    batch_bytes: usize,
    flush_interval: Duration,
    heartbeat_interval: Duration,
    send_timeout: Duration,
    backoff: (Duration, Duration),
    max_retry_after: Duration,
    max_in_flight: usize,
}

impl Default for ExposureOptions {
    fn default() -> Self {
        Self {
            shards: None,
            sampling: Sampling::All,
            dedupe_window: Some(Duration::from_secs(86_400)),
            dedupe_entries: 131_072,
            max_pending: 25_000,
            max_bytes: 16 << 20,
            batch_records: 1_000,
            batch_bytes: 256 << 10,
            flush_interval: Duration::from_secs(10),
            heartbeat_interval: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
            backoff: (Duration::from_secs(1), Duration::from_secs(300)),
            max_retry_after: Duration::from_secs(3_600),
            max_in_flight: 4,
        }
    }
}

impl ExposureOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many logs share the work, so that threads which record do not wait for each other; rounded up to a power of
    /// two, at most 16. A unit always has the same one. Default: twice the processors.
    #[must_use]
    pub const fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Which exposures are recorded. Default: all.
    #[must_use]
    pub const fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// How long an exposure stands for its repeats: windows of this length, counted from 1970, in each of which a unit is
    /// recorded once for its variant. `None`: once for ever. 1 second to 366 days; default: a day.
    #[must_use]
    pub const fn dedupe_window(mut self, length: Option<Duration>) -> Self {
        self.dedupe_window = length;
        self
    }

    /// How many identities (unit, experiment, phase, variant) are remembered, at 32 bytes each. A forgotten one is recorded once
    /// more, with the same event id. 0 records every exposure. Default: 131,072, which is 4 MiB.
    #[must_use]
    pub const fn dedupe_entries(mut self, entries: usize) -> Self {
        self.dedupe_entries = entries;
        self
    }

    /// Most exposures held until they are delivered. Default: 25,000.
    #[must_use]
    pub const fn max_pending(mut self, exposures: usize) -> Self {
        self.max_pending = exposures;
        self
    }

    /// Most memory for what is held until it is delivered, in bytes; at least [`batch_bytes`](Self::batch_bytes).
    /// Default: 16 MiB, some 20,000 exposures of usual size.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Most records in a batch; so many are sent without waiting. 1 to 100,000; default: 1,000.
    #[must_use]
    pub const fn batch_records(mut self, records: usize) -> Self {
        self.batch_records = records;
        self
    }

    /// Most bytes in a batch; so many are sent without waiting, and an exposure that needs more alone is dropped.
    /// 1 KiB to 16 MiB; default: 256 KiB.
    #[must_use]
    pub const fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// How long an exposure waits for others before it is sent. 0 to 1 day; default: 10 s.
    #[must_use]
    pub const fn flush_interval(mut self, interval: Duration) -> Self {
        self.flush_interval = interval;
        self
    }

    /// How often the counters are sent along, if anything changed. 1 second to 1 day; zero: never. Default: 60 s.
    #[must_use]
    pub const fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = interval;
        self
    }

    /// How long a sink may take for a batch; then it is cancelled, and the batch sent again. 1 second to 1 hour;
    /// default: 60 s.
    #[must_use]
    pub const fn send_timeout(mut self, timeout: Duration) -> Self {
        self.send_timeout = timeout;
        self
    }

    /// How long to wait after a failure, at most: `first` after one, twice as long after each further one, never more than `cap`.
    /// Half of it is drawn. 10 ms to 1 hour, `first` no longer than `cap`; default: 1 s and 5 min.
    #[must_use]
    pub const fn backoff(mut self, first: Duration, cap: Duration) -> Self {
        self.backoff = (first, cap);
        self
    }

    /// The longest wait that a receiver may ask for with `Retry-After`; more is cut to this. 0 to 1 day; default: 1 h.
    #[must_use]
    pub const fn max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }

    /// Most batches given to the sink at once. 1 to 16; default: 4.
    #[must_use]
    pub const fn max_in_flight(mut self, batches: usize) -> Self {
        self.max_in_flight = batches;
        self
    }

    /// How many shards there will be: never so many that one could not hold a batch.
    pub(super) fn shard_count(&self) -> usize {
        let processors = || available_parallelism().map_or(4, NonZero::get) * 2;
        let wanted = self.shards.unwrap_or_else(processors).clamp(1, 16);
        let mut shards = wanted.next_power_of_two();
        while shards > 1
            && (self.max_bytes / shards < self.batch_bytes || self.max_pending < shards)
        {
            shards /= 2;
        }
        shards
    }

    /// The settings of one shard of so many.
    pub(super) fn for_shard(
        &self,
        producer: ProducerId,
        shards: usize,
        (sdk, platform): (&str, &str),
    ) -> ExposureLogConfig {
        let (backoff, max_backoff) = self.backoff;
        ExposureLogConfig::new(producer)
            .sdk(sdk)
            .platform(platform)
            .sampling(self.sampling)
            .dedupe_window(self.dedupe_window)
            .dedupe_entries(self.dedupe_entries.div_ceil(shards))
            .max_pending(self.max_pending / shards)
            .max_bytes(self.max_bytes / shards)
            .batch_records(self.batch_records)
            .batch_bytes(self.batch_bytes)
            .flush_interval(self.flush_interval)
            .heartbeat_interval(self.heartbeat_interval)
            .send_timeout(self.send_timeout)
            .backoff(backoff, max_backoff)
            .max_retry_after(self.max_retry_after)
            .max_in_flight(self.max_in_flight)
    }

    /// Whether a batch of another process leaves a shard, which holds `load` bytes, half of its room.
    pub(super) const fn has_room_to_restore(
        &self,
        load: usize,
        bytes: usize,
        records: u64,
        shards: usize,
    ) -> bool {
        // As much as a log counts for each record beside its text, or more.
        let overhead = 256 * records as usize;
        let half = self.max_bytes / shards / 2;
        load + bytes + overhead <= half && records as usize <= self.max_pending / shards / 2
    }

    pub(super) const fn batch_limits(&self) -> (usize, usize) {
        (self.batch_records, self.batch_bytes)
    }

    pub(super) const fn in_flight_limit(&self) -> usize {
        self.max_in_flight
    }

    pub(super) const fn time_limit(&self) -> Duration {
        self.send_timeout
    }

    pub(super) const fn longest_pause(&self) -> Duration {
        self.max_retry_after
    }
}
