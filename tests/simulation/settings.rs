//! What a client is set to, drawn from the seed within the ranges that the core allows.

use std::time::Duration;

use bucketry_core::{ExposureLogConfig, ProducerId, RefreshConfig, Sampling, Signing};
use bucketry_tests::random::Random;

/// The settings of a client. They outlive its processes. All times in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) interval: u64,
    pub(crate) jitter_percent: u64,
    pub(crate) backoff: u64,
    pub(crate) max_backoff: u64,
    pub(crate) max_retry_after: u64,
    pub(crate) request_timeout: u64,
    pub(crate) stale_after: Option<u64>,
    pub(crate) signed: bool,
    /// Whether the client keeps the flag set on its disk.
    pub(crate) cache: bool,
    /// Whether it is told of publications, as by server-sent events.
    pub(crate) pushed: bool,

    pub(crate) posts: Posts,
    pub(crate) batch_records: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) max_pending: usize,
    pub(crate) max_bytes: usize,
    pub(crate) dedupe_entries: usize,
    pub(crate) dedupe_window: Option<u64>,
    pub(crate) sampling: Sampling,
    /// How often it writes its spool; `None`: it has none.
    pub(crate) spool_every: Option<u64>,
}

/// When exposures may be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posts {
    pub(crate) flush_interval: u64,
    pub(crate) heartbeat_interval: u64,
    pub(crate) max_in_flight: usize,
    pub(crate) send_timeout: u64,
    pub(crate) backoff: u64,
    pub(crate) max_backoff: u64,
    pub(crate) max_retry_after: u64,
}

impl Settings {
    pub(crate) fn draw(random: &mut Random, signed: bool) -> Self {
        let interval = *random.one_of(&[8_000, 30_000, 60_000]);
        let batch_bytes = *random.one_of(&[2_000, 20_000, 262_144]);
        let parts_per_million = 400_000;
        Self {
            interval,
            jitter_percent: *random.one_of(&[0, 10, 50]),
            backoff: *random.one_of(&[100, 1_000]),
            max_backoff: *random.one_of(&[5_000, 30_000, 120_000]),
            max_retry_after: *random.one_of(&[0, 10_000, 90_000]),
            request_timeout: *random.one_of(&[2_000, 10_000, 30_000]),
            stale_after: *random.one_of(&[None, Some(interval), Some(600_000)]),
            signed,
            cache: random.percent(70),
            pushed: random.percent(30),
            posts: Posts {
                flush_interval: *random.one_of(&[0, 1_000, 10_000]),
                heartbeat_interval: *random.one_of(&[0, 10_000, 60_000]),
                max_in_flight: *random.one_of(&[1, 2, 5]),
                send_timeout: *random.one_of(&[2_000, 10_000, 30_000]),
                backoff: *random.one_of(&[100, 1_000]),
                max_backoff: *random.one_of(&[5_000, 30_000, 120_000]),
                max_retry_after: *random.one_of(&[0, 10_000, 90_000]),
            },
            batch_records: *random.one_of(&[1, 5, 1_000]),
            batch_bytes,
            max_pending: *random.one_of(&[20, 10_000, 10_000]),
            max_bytes: *random.one_of(&[batch_bytes.max(30_000), 8 << 20, 8 << 20]),
            dedupe_entries: *random.one_of(&[0, 16, 16_384]),
            dedupe_window: *random.one_of(&[None, Some(60_000), Some(86_400_000)]),
            sampling: *random.one_of(&[
                Sampling::All,
                Sampling::All,
                Sampling::Units { parts_per_million },
                Sampling::Chance { parts_per_million },
            ]),
            spool_every: *random.one_of(&[None, Some(8_000), Some(30_000)]),
        }
    }

    pub(crate) fn refresh(&self) -> RefreshConfig {
        let signing = match self.signed {
            true => Signing::Required,
            false => Signing::Optional,
        };
        RefreshConfig::new()
            .interval(span(self.interval))
            .jitter_percent(self.jitter_percent as u32)
            .backoff(span(self.backoff), span(self.max_backoff))
            .max_retry_after(span(self.max_retry_after))
            .request_timeout(span(self.request_timeout))
            .stale_after(self.stale_after.map(span))
            .signing(signing)
    }

    pub(crate) fn log(&self, producer: ProducerId) -> ExposureLogConfig {
        let posts = &self.posts;
        ExposureLogConfig::new(producer)
            .sdk("simulation/1")
            .sampling(self.sampling)
            .dedupe_window(self.dedupe_window.map(span))
            .dedupe_entries(self.dedupe_entries)
            .max_pending(self.max_pending)
            .max_bytes(self.max_bytes)
            .batch_records(self.batch_records)
            .batch_bytes(self.batch_bytes)
            .flush_interval(span(posts.flush_interval))
            .heartbeat_interval(span(posts.heartbeat_interval))
            .max_in_flight(posts.max_in_flight)
            .send_timeout(span(posts.send_timeout))
            .backoff(span(posts.backoff), span(posts.max_backoff))
            .max_retry_after(span(posts.max_retry_after))
    }

    /// The least and the greatest wait after a good answer.
    pub(crate) const fn intervals(&self) -> (u64, u64) {
        let jitter = self.interval * self.jitter_percent / 100;
        (self.interval - jitter, self.interval + jitter)
    }
}

pub(crate) const fn span(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// As the core reads it.
pub(crate) fn millis(span: Duration) -> u64 {
    span.as_millis() as u64
}
