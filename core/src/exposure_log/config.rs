//! What can be set of an exposure log, and within which bounds.

use alloc::string::String;
use core::time::Duration;

use crate::exposure::{MILLION, ProducerId};
use crate::schedule::{ConfigError, Range, check, millis};

/// Which exposures are recorded, of those that are no repeats.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Sampling {
    /// All of them.
    #[default]
    All,
    /// Those of a share of the units, chosen by a hash of the unit for each phase of each experiment: the
    /// same units in every process and window.
    ///
    /// # Formula
    ///
    /// Kept when the first four bytes, big-endian, of SHA-256 of `sample:<experiment>/<phase> ++ 0x1F ++ unit` are below
    /// `floor(parts_per_million * 2^32 / 1,000,000)`: the hash profile `sha256` under a salt of its own.
    Units {
        /// The share, in parts per million: 1 to 1,000,000.
        parts_per_million: u32,
    },
    /// Each with this probability, by the `chance` given to [`record`]. A unit is drawn for once in each dedupe
    /// window; one that the dedupe table has forgotten is drawn for again, so give the table room
    /// for the units of a window, or choose units by hash.
    ///
    /// [`record`]: super::ExposureLog::record
    Chance {
        /// The share, in parts per million: 1 to 1,000,000.
        parts_per_million: u32,
    },
}

impl Sampling {
    pub(super) const fn parts_per_million(self) -> u32 {
        match self {
            Self::All => MILLION,
            Self::Units { parts_per_million } | Self::Chance { parts_per_million } => {
                parts_per_million
            }
        }
    }
}

/// The settings of an [`ExposureLog`](super::ExposureLog). Ranges are checked once, where the log is made.
#[derive(Clone, Debug)]
pub struct ExposureLogConfig {
    pub(super) producer: ProducerId,
    pub(super) sdk: Option<String>,
    pub(super) platform: Option<String>,
    pub(super) sampling: Sampling,
    pub(super) dedupe_window: Option<Duration>,
    pub(super) dedupe_entries: usize,
    pub(super) max_pending: usize,
    pub(super) max_bytes: usize,
    pub(super) max_arms: usize,
    pub(super) batch_records: usize,
    pub(super) batch_bytes: usize,
    pub(super) flush_interval: u64,
    pub(super) heartbeat_interval: u64,
    pub(super) max_in_flight: usize,
    pub(super) send_timeout: u64,
    pub(super) backoff: u64,
    pub(super) max_backoff: u64,
    pub(super) max_retry_after: u64,
}

impl ExposureLogConfig {
    /// The defaults, with an id that no other log has: 128 random bits.
    #[must_use]
    pub const fn new(producer: ProducerId) -> Self {
        Self {
            producer,
            sdk: None,
            platform: None,
            sampling: Sampling::All,
            dedupe_window: Some(Duration::from_secs(86_400)),
            dedupe_entries: 16_384,
            max_pending: 10_000,
            max_bytes: 8 << 20,
            max_arms: 64,
            batch_records: 1_000,
            batch_bytes: 256 << 10,
            flush_interval: 10_000,
            heartbeat_interval: 60_000,
            max_in_flight: 2,
            send_timeout: 60_000,
            backoff: 1_000,
            max_backoff: 300_000,
            max_retry_after: 3_600_000,
        }
    }

    /// Written to every record as `sdk`: the SDK's name and version. At most 256 bytes. Default: absent.
    #[must_use]
    pub fn sdk(mut self, sdk: impl Into<String>) -> Self {
        self.sdk = Some(sdk.into());
        self
    }

    /// Written to every record as `platform`. At most 256 bytes. Default: absent.
    #[must_use]
    pub fn platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = Some(platform.into());
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

    /// How many identities (unit, experiment, phase, variant) the dedupe table remembers, at 32 bytes each, allocated with the
    /// first exposure; rounded up to a power of two. A forgotten one is recorded once more, with the same event id. 0 switches deduplication
    /// off: every exposure is recorded, and its `first` is absent. Up to 2^24; default: 16,384.
    #[must_use]
    pub const fn dedupe_entries(mut self, entries: usize) -> Self {
        self.dedupe_entries = entries;
        self
    }

    /// Most exposures held until they are delivered. 1 to 10,000,000; default: 10,000.
    #[must_use]
    pub const fn max_pending(mut self, exposures: usize) -> Self {
        self.max_pending = exposures;
        self
    }

    /// Most memory for what is held until it is delivered, in bytes, overhead included; at least
    /// [`batch_bytes`](Self::batch_bytes) and at most 1 GiB. Default: 8 MiB, some 13,000 exposures of usual size.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Most pairs of experiment and variant that are counted apart; the others are counted together. 0 to 1,024; default:
    /// 64.
    #[must_use]
    pub const fn max_arms(mut self, arms: usize) -> Self {
        self.max_arms = arms;
        self
    }

    /// Most records in a batch; so many are sent without waiting. 1 to 100,000; default: 1,000.
    #[must_use]
    pub const fn batch_records(mut self, records: usize) -> Self {
        self.batch_records = records;
        self
    }

    /// Most bytes in a batch's body; so many are sent without waiting, and an exposure that needs more alone is
    /// dropped. 1 KiB to 16 MiB; default: 256 KiB. (A page's `sendBeacon` takes 64 KiB.)
    #[must_use]
    pub const fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// How long an exposure waits for others before it is sent, at most; half of it is drawn, so that processes which began
    /// together do not send in step. 0 to 1 day; default: 10 s.
    #[must_use]
    pub const fn flush_interval(mut self, interval: Duration) -> Self {
        self.flush_interval = millis(interval);
        self
    }

    /// After how long, at most, the counters are sent along, if anything changed; half of it is drawn. 1 second to 1 day; zero:
    /// never. Default: 60 s.
    #[must_use]
    pub const fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = millis(interval);
        self
    }

    /// Most batches on the wire at once; one, while the receiver fails. 1 to 16; default: 2.
    #[must_use]
    pub const fn max_in_flight(mut self, batches: usize) -> Self {
        self.max_in_flight = batches;
        self
    }

    /// After how long without an answer a batch is taken to have failed, and sent again. 1 second to
    /// 1 hour; default: 60 s.
    #[must_use]
    pub const fn send_timeout(mut self, timeout: Duration) -> Self {
        self.send_timeout = millis(timeout);
        self
    }

    /// How long to wait after a failure, at most: `first` after one, twice as long after each further one, never more
    /// than `cap`. Half of it is drawn. 10 ms to 1 hour, `first` no longer than `cap`; default: 1 s and 5 min.
    #[must_use]
    pub const fn backoff(mut self, first: Duration, cap: Duration) -> Self {
        self.backoff = millis(first);
        self.max_backoff = millis(cap);
        self
    }

    /// The longest wait that a receiver may ask for with `Retry-After`; more is cut to this. 0 to 1 day; default: 1 h.
    #[must_use]
    pub const fn max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = millis(longest);
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        const DAY: u64 = 86_400_000;
        const HOUR: u64 = 3_600_000;
        const RANGES: [Range; 15] = [
            ("sdk", 0, 256),
            ("platform", 0, 256),
            ("sampling", 1, MILLION as u64),
            ("dedupe_window", 1_000, 366 * DAY),
            ("dedupe_entries", 0, 1 << 24),
            ("max_pending", 1, 10_000_000),
            ("max_bytes", 1 << 10, 1 << 30),
            ("max_arms", 0, 1_024),
            ("batch_records", 1, 100_000),
            ("batch_bytes", 1 << 10, 16 << 20),
            ("flush_interval", 0, DAY),
            ("max_in_flight", 1, 16),
            ("send_timeout", 1_000, HOUR),
            ("backoff", 10, HOUR),
            ("max_retry_after", 0, DAY),
        ];
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len) as u64;
        let values = [
            length(&self.sdk),
            length(&self.platform),
            u64::from(self.sampling.parts_per_million()),
            self.dedupe_window.map_or(DAY, millis),
            self.dedupe_entries as u64,
            self.max_pending as u64,
            self.max_bytes as u64,
            self.max_arms as u64,
            self.batch_records as u64,
            self.batch_bytes as u64,
            self.flush_interval,
            self.max_in_flight as u64,
            self.send_timeout,
            self.max_backoff,
            self.max_retry_after,
        ];
        check(&RANGES, &values)?;
        // Zero switches heartbeats off.
        let heartbeat = match self.heartbeat_interval {
            0 => DAY,
            interval => interval,
        };
        let dependent = [
            ("heartbeat_interval", 1_000, DAY),
            ("max_bytes", self.batch_bytes as u64, 1 << 30),
            ("backoff", 10, self.max_backoff),
        ];
        let values = [heartbeat, self.max_bytes as u64, self.backoff];
        check(&dependent, &values)
    }
}
