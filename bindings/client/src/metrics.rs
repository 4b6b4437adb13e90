//! What a client counts, for a dashboard.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bucketry_core::Counters;

use crate::counts::Outcome;
use crate::exposures::DeliveryStatus;
use crate::shared::Shared;
use crate::status::Status;

/// What the worker counts as it happens.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) fetches: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) unchanged: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) fetched_bytes: AtomicU64,
    pub(crate) cache_writes: AtomicU64,
    pub(crate) cache_failures: AtomicU64,
    pub(crate) source_panics: AtomicU64,
    pub(crate) worker_panics: AtomicU64,
    pub(crate) forks: AtomicU64,
}

/// Adds one.
pub(crate) fn bump(meter: &AtomicU64) {
    meter.fetch_add(1, Ordering::Relaxed);
}

/// What a client counted since it was built.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// The state.
    pub status: Status,
    /// Revision of the flag set that is held.
    pub revision: Option<u64>,
    /// Flags in it.
    pub flags: usize,
    /// How long ago a source last said that it is the newest.
    pub age: Option<Duration>,
    /// Evaluations by what they came to.
    pub evaluations: Evaluations,
    /// Requests to sources.
    pub fetches: u64,
    /// Answers with a newer flag set.
    pub accepted: u64,
    /// Answers that what is held is the newest.
    pub unchanged: u64,
    /// Requests that brought nothing usable; those of `refused` included.
    pub failed: u64,
    /// Documents that came and were refused.
    pub refused: u64,
    /// Bytes of the documents that came, unpacked.
    pub fetched_bytes: u64,
    /// Flag sets written to disk.
    pub cache_writes: u64,
    /// Flag sets that could not be written to disk.
    pub cache_failures: u64,
    /// Panics of sources, caught.
    pub source_panics: u64,
    /// Panics of the client's own thread, which then began anew: a fault of this crate or of a `tracing` subscriber.
    pub worker_panics: u64,
    /// Panics of event callbacks, caught.
    pub callback_panics: u64,
    /// Events that subscribers did not fetch in time.
    pub events_lost: u64,
    /// Forks after which this client began anew.
    pub forks: u64,
    /// What became of the exposures; none without a sink.
    pub exposures: Option<Counters>,
    /// How the sink does; none without one.
    pub delivery: Option<DeliveryStatus>,
}

/// Evaluations by what they came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Evaluations {
    /// The value of a variant or of an override.
    pub value: u64,
    /// The caller's default, as the flag set says.
    pub default: u64,
    /// The default: there was no flag set.
    pub not_ready: u64,
    /// The default: there is no such flag.
    pub flag_not_found: u64,
    /// The default: the flag could not be compiled.
    pub parse_error: u64,
    /// The default: the flag, or its override, is of another type.
    pub type_mismatch: u64,
    /// The default: the context lacked the unit that a rule insists on.
    pub targeting_key_missing: u64,
    /// The default: the context is over a limit.
    pub invalid_context: u64,
}

impl Evaluations {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.named().iter().map(|(_, count)| count).sum()
    }

    const fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("value", self.value),
            ("default", self.default),
            ("not_ready", self.not_ready),
            ("flag_not_found", self.flag_not_found),
            ("parse_error", self.parse_error),
            ("type_mismatch", self.type_mismatch),
            ("targeting_key_missing", self.targeting_key_missing),
            ("invalid_context", self.invalid_context),
        ]
    }
}

impl Metrics {
    pub(crate) fn of(shared: &Shared) -> Self {
        let arm = shared.arm();
        let state = arm.state.borrow().clone();
        let held = shared.held();
        let sum = |outcome| shared.counts.sum(outcome);
        let meters = &shared.meters;
        let read = |meter: &AtomicU64| meter.load(Ordering::Relaxed);
        Self {
            status: state.status,
            revision: state.revision,
            flags: held.flag_set.as_ref().map_or(0, |set| set.len()),
            age: shared.age(shared.clock.monotonic()),
            evaluations: Evaluations {
                value: sum(Outcome::Value),
                default: sum(Outcome::Default),
                not_ready: sum(Outcome::NotReady),
                flag_not_found: sum(Outcome::NotFound),
                parse_error: sum(Outcome::Refused),
                type_mismatch: sum(Outcome::Mismatch),
                targeting_key_missing: sum(Outcome::UnitMissing),
                invalid_context: sum(Outcome::InvalidContext),
            },
            fetches: read(&meters.fetches),
            accepted: read(&meters.accepted),
            unchanged: read(&meters.unchanged),
            failed: read(&meters.failed),
            refused: read(&meters.refused),
            fetched_bytes: read(&meters.fetched_bytes),
            cache_writes: read(&meters.cache_writes),
            cache_failures: read(&meters.cache_failures),
            source_panics: read(&meters.source_panics),
            worker_panics: read(&meters.worker_panics),
            callback_panics: arm.hub.panics(),
            events_lost: arm.hub.lost(),
            forks: read(&meters.forks),
            exposures: held.recorder.log().map(|log| log.counters()),
            delivery: held.recorder.log().map(|log| log.status()),
        }
    }

    /// In the text format of Prometheus, each metric with its type and a line of help.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let mut out = String::new();
        let states = [
            Status::NotReady,
            Status::Ready,
            Status::Stale,
            Status::Error,
            Status::Closed,
        ];
        head(
            &mut out,
            "status",
            "gauge",
            "1 for the state that the client is in.",
        );
        for state in states {
            let label = format!("{state:?}").to_lowercase();
            let here = u64::from(state == self.status);
            line(
                &mut out,
                &format!("bucketry_status{{status=\"{label}\"}}"),
                &here,
            );
        }
        head(
            &mut out,
            "evaluations_total",
            "counter",
            "Evaluations by what they came to.",
        );
        for (name, count) in self.evaluations.named() {
            line(
                &mut out,
                &format!("bucketry_evaluations_total{{outcome=\"{name}\"}}"),
                &count,
            );
        }
        let gauges = [
            (
                "flag_set_revision",
                "Revision of the flag set that is held.",
                self.revision.map(|n| n as f64),
            ),
            ("flag_set_flags", "Flags in it.", Some(self.flags as f64)),
            (
                "flag_set_age_seconds",
                "Time since a source last said that it is the newest.",
                self.age.map(|age| age.as_secs_f64()),
            ),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                head(&mut out, name, "gauge", help);
                line(&mut out, &format!("bucketry_{name}"), &value);
            }
        }
        let counters = [
            ("fetches_total", "Requests to sources.", self.fetches),
            (
                "fetches_accepted_total",
                "Answers with a newer flag set.",
                self.accepted,
            ),
            (
                "fetches_unchanged_total",
                "Answers that what is held is the newest.",
                self.unchanged,
            ),
            (
                "fetches_failed_total",
                "Requests that brought nothing usable.",
                self.failed,
            ),
            (
                "documents_refused_total",
                "Documents that came and were refused.",
                self.refused,
            ),
            (
                "fetched_bytes_total",
                "Bytes of the documents that came, unpacked.",
                self.fetched_bytes,
            ),
            (
                "cache_writes_total",
                "Flag sets written to disk.",
                self.cache_writes,
            ),
            (
                "cache_failures_total",
                "Flag sets that could not be written to disk.",
                self.cache_failures,
            ),
            (
                "source_panics_total",
                "Panics of sources, caught.",
                self.source_panics,
            ),
            (
                "callback_panics_total",
                "Panics of event callbacks, caught.",
                self.callback_panics,
            ),
            (
                "events_lost_total",
                "Events that subscribers did not fetch in time.",
                self.events_lost,
            ),
            (
                "forks_total",
                "Forks after which this client began anew.",
                self.forks,
            ),
        ];
        for (name, help, value) in counters {
            head(&mut out, name, "counter", help);
            line(&mut out, &format!("bucketry_{name}"), &value);
        }
        if let Some(exposures) = &self.exposures {
            write_exposures(&mut out, exposures);
        }
        if let Some(delivery) = &self.delivery {
            let name = "delivery_attempts_total";
            head(
                &mut out,
                name,
                "counter",
                "Batches given to the sink, by what came of it.",
            );
            let failed = delivery.failures;
            let attempts = [
                ("failed", failed),
                ("delivered", delivery.attempts.saturating_sub(failed)),
            ];
            for (outcome, count) in attempts {
                line(
                    &mut out,
                    &format!("bucketry_{name}{{outcome=\"{outcome}\"}}"),
                    &count,
                );
            }
        }
        out
    }
}

/// The account of `docs/exposures.md`, section 6: `recorded` is the sum of the fates.
fn write_exposures(out: &mut String, exposures: &Counters) {
    head(
        out,
        "exposures_recorded_total",
        "counter",
        "Exposures that were recorded.",
    );
    line(
        out,
        "bucketry_exposures_recorded_total",
        &exposures.evaluated,
    );
    head(
        out,
        "exposures_pending",
        "gauge",
        "Exposures that are still to be delivered.",
    );
    for (place, count) in [
        ("queued", exposures.queued),
        ("in_flight", exposures.in_flight),
    ] {
        line(
            out,
            &format!("bucketry_exposures_pending{{place=\"{place}\"}}"),
            &count,
        );
    }
    head(
        out,
        "exposures_total",
        "counter",
        "Exposures by their fate.",
    );
    let dropped = &exposures.dropped;
    for (fate, count) in [
        ("sent", exposures.sent),
        ("deduplicated", exposures.deduplicated),
        ("sampled_out", exposures.sampled_out),
        ("dropped_queue_full", dropped.queue_full),
        ("dropped_shed", dropped.shed),
        ("dropped_too_large", dropped.too_large),
        ("dropped_rejected", dropped.rejected),
    ] {
        line(
            out,
            &format!("bucketry_exposures_total{{fate=\"{fate}\"}}"),
            &count,
        );
    }
    head(
        out,
        "unit_missing_total",
        "counter",
        "Evaluations whose context lacked the unit of an experiment.",
    );
    line(out, "bucketry_unit_missing_total", &exposures.unit_missing);
}

// Writing to a text does not fail.
fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(
        out,
        "# HELP bucketry_{name} {help}\n# TYPE bucketry_{name} {kind}"
    );
}

fn line(out: &mut String, name: &str, value: &dyn std::fmt::Display) {
    let _ = writeln!(out, "{name} {value}");
}
