//! What Prometheus reads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use axum::http::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::published::Published;
use super::store::Store;

/// Method, route and status; the route as the program writes it, so that no client can make up new ones.
type RequestLabels = [(&'static str, String); 3];
type Label = [(&'static str, &'static str); 1];

/// Counters and gauges of the server.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Histogram,
    evaluations: Family<Label, Counter>,
    refused: Family<Label, Counter>,
    subscribers: Gauge,
    revision: Gauge<u64, AtomicU64>,
    flags: Gauge<u64, AtomicU64>,
    loaded: Gauge<i64, AtomicI64>,
    publications: Counter,
    broken: Gauge,
}

impl Metrics {
    pub(super) fn new(store: Option<Arc<Store>>) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("bucketry"),
            requests: Family::default(),
            seconds: Histogram::new([0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0]),
            evaluations: Family::default(),
            refused: Family::default(),
            subscribers: Gauge::default(),
            revision: Gauge::default(),
            flags: Gauge::default(),
            loaded: Gauge::default(),
            publications: Counter::default(),
            broken: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "http_requests",
            "Requests answered",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "http_request",
            "Time until the head of the answer was sent",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "ofrep_evaluations",
            "Flags evaluated for OFREP clients, by reason",
            metrics.evaluations.clone(),
        );
        registry.register(
            "exposure_batches_refused",
            "Batches that were not accepted, by why",
            metrics.refused.clone(),
        );
        registry.register(
            "event_subscribers",
            "Clients that listen to changes",
            metrics.subscribers.clone(),
        );
        registry.register(
            "flag_set_revision",
            "Revision of the flag set that is served",
            metrics.revision.clone(),
        );
        registry.register("flag_set_flags", "Flags in it", metrics.flags.clone());
        registry.register_with_unit(
            "flag_set_loaded_timestamp",
            "When it was loaded, since 1970",
            Unit::Seconds,
            metrics.loaded.clone(),
        );
        registry.register(
            "flag_set_publications",
            "Flag sets served since the start",
            metrics.publications.clone(),
        );
        registry.register(
            "flag_set_broken",
            "1 while the file holds something else than what is served",
            metrics.broken.clone(),
        );
        if let Some(store) = store {
            registry.register_collector(Box::new(Exposures(store)));
        }
        metrics
    }

    /// All of it, in OpenMetrics' text format.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    pub(super) fn request(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let method = match *method {
            Method::GET | Method::HEAD | Method::POST | Method::OPTIONS => method.as_str(),
            _ => "other",
        };
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.to_string()),
        ];
        self.requests.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(super) fn evaluated(&self, reason: &'static str) {
        self.evaluations.get_or_create(&[("reason", reason)]).inc();
    }

    pub(super) fn refused(&self, why: &'static str) {
        self.refused.get_or_create(&[("why", why)]).inc();
    }

    /// Counts a subscriber, unless there are `limit` already.
    pub(super) fn subscribe(&self, limit: i64) -> bool {
        let counted = self.subscribers.inc() < limit;
        if !counted {
            self.subscribers.dec();
        }
        counted
    }

    pub(super) fn unsubscribe(&self) {
        self.subscribers.dec();
    }

    pub(super) fn published(&self, flags: &Published) {
        self.publications.inc();
        self.revision.set(flags.set.revision());
        self.flags.set(flags.set.len() as u64);
        self.loaded.set(flags.loaded_at.0.div_euclid(1_000));
    }

    pub(super) fn set_broken(&self, broken: bool) {
        self.broken.set(i64::from(broken));
    }
}

/// The collector's counters, read when they are asked for.
#[derive(Debug)]
struct Exposures(Arc<Store>);

impl Collector for Exposures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (counts, totals) = (self.0.counts(), self.0.totals());
        #[rustfmt::skip]
        let counters = [
            ("exposure_batches", "Batches accepted, those known before included", counts.batches),
            ("exposure_batches_known", "Batches accepted of which everything was stored before", counts.known_batches),
            ("exposure_records", "Records stored", counts.records),
            ("exposure_repeats", "Of these, exposures that were stored already: only their number is kept", counts.repeats),
            ("exposure_bytes", "Bytes stored", counts.bytes),
            ("exposure_commits", "Times that what was written was made durable", counts.commits),
            ("exposure_store_failures", "Batches that the disk refused", counts.failures),
            ("exposure_producers_forgotten", "Producers no longer remembered, for want of room", totals.forgotten),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(name, &format!("{help}."), None, kind)?)?;
        }
        #[rustfmt::skip]
        let gauges = [
            ("exposure_producers", "Producers remembered", totals.producers as u64),
            ("exposure_producers_with_gaps", "Producers of which records are missing", totals.with_gaps as u64),
            ("exposure_records_missing", "Records missing between those that came", totals.missing),
            ("exposure_ids_remembered", "Exposures whose repeats are recognised", totals.events as u64),
            ("exposure_store_broken", "1 while the disk refuses", u64::from(self.0.problem().is_some())),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            let kind = gauge.metric_type();
            gauge.encode(encoder.encode_descriptor(name, &format!("{help}."), None, kind)?)?;
        }
        Ok(())
    }
}
