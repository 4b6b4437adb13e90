//! Exposures as events of OpenTelemetry's logs, through the provider that the program has.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::{InstrumentationScope, SpanId, TraceFlags, TraceId};
use serde_json::{Map, Value as Json};

use super::{Batch, Blocking, BlockingSink, Delivered, Sink, SinkFuture};

/// The event of the semantic conventions.
const EVALUATION: &str = "feature_flag.evaluation";
/// The counters of a producer, which are no evaluation.
const HEARTBEAT: &str = "bucketry.heartbeat";

/// Members of a record that have a name in the semantic conventions.
const NAMES: [(&str, &str); 6] = [
    ("flag", "feature_flag.key"),
    ("variant", "feature_flag.result.variant"),
    ("reason", "feature_flag.result.reason"),
    ("unit", "feature_flag.context.id"),
    ("env", "feature_flag.set.id"),
    ("config_version", "feature_flag.version"),
];

/// Members that have a place of their own in a log record, or say nothing there.
const ELSEWHERE: [&str; 5] = ["v", "rec", "ts", "trace_id", "span_id"];

/// Emits each exposure as an event `feature_flag.evaluation` of OpenTelemetry's logs, with the attributes of its semantic
/// conventions; what those have no name for is `bucketry.<member>`, see `docs/delivery.md`. Heartbeats are events
/// `bucketry.heartbeat`.
///
/// A batch counts as delivered when the provider was given it. What its exporter does with it is the provider's to guarantee:
/// flush it after closing the client.
pub struct OpenTelemetrySink<L> {
    emitter: Blocking<Emitter<L>>,
}

struct Emitter<L> {
    logger: L,
}

impl<L: Logger + Send + Sync + 'static> OpenTelemetrySink<L> {
    /// Emits to the provider that the program exports its logs with.
    pub fn new<P: LoggerProvider<Logger = L>>(provider: &P) -> Self {
        let scope = InstrumentationScope::builder("bucketry")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Self {
            emitter: Blocking::new(Emitter {
                logger: provider.logger_with_scope(scope),
            }),
        }
    }
}

impl<L: Logger + Send + Sync + 'static> Sink for OpenTelemetrySink<L> {
    fn deliver<'a>(&'a self, batch: &'a Batch) -> SinkFuture<'a, Delivered> {
        self.emitter.deliver(batch)
    }

    fn name(&self) -> &str {
        "opentelemetry"
    }

    fn in_child(&self) -> Option<Arc<dyn Sink>> {
        self.emitter.in_child()
    }
}

impl<L: Logger + Send + Sync + 'static> BlockingSink for Emitter<L> {
    fn deliver(&self, batch: &Batch) -> Delivered {
        let lines = batch.body.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(Json::Object(record)) => self.emit(record),
                // A log writes nothing else.
                Ok(_) | Err(_) => return Delivered::Rejected("a record is no JSON object".into()),
            }
        }
        Delivered::Accepted
    }
}

impl<L: Logger> Emitter<L> {
    fn emit(&self, mut record: Map<String, Json>) {
        let mut event = self.logger.create_log_record();
        let is_evaluation = record.get("rec").is_some_and(|kind| kind == "exposure");
        event.set_event_name(if is_evaluation { EVALUATION } else { HEARTBEAT });
        event.set_severity_number(Severity::Info);
        event.set_observed_timestamp(SystemTime::now());
        if let Some(micros) = record.get("ts").and_then(Json::as_u64) {
            event.set_timestamp(UNIX_EPOCH + Duration::from_micros(micros));
        }
        let id = |name| record.get(name).and_then(Json::as_str);
        let trace = id("trace_id").and_then(|id| TraceId::from_hex(id).ok());
        let span = id("span_id").and_then(|id| SpanId::from_hex(id).ok());
        if let Some((trace, span)) = trace.zip(span) {
            event.set_trace_context(trace, span, Some(TraceFlags::SAMPLED));
        }
        for name in ELSEWHERE {
            record.remove(name);
        }
        if is_evaluation {
            event.add_attribute("feature_flag.provider.name", "bucketry");
            for (member, name) in NAMES {
                if let Some(text) = record.remove(member).and_then(|value| text(member, value)) {
                    event.add_attribute(name, text);
                }
            }
        }
        for (member, value) in record {
            if let Some(value) = any(value) {
                event.add_attribute(format!("bucketry.{member}"), value);
            }
        }
        self.logger.emit(event);
    }
}

/// A member as the conventions want it: all of them are texts, and reasons are in small letters.
fn text(member: &str, value: Json) -> Option<String> {
    match value {
        Json::String(text) if member == "reason" => Some(text.to_ascii_lowercase()),
        Json::String(text) => Some(text),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn any(value: Json) -> Option<AnyValue> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(value) => value.into(),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64()?.into(),
        },
        Json::String(text) => text.into(),
        Json::Array(values) => {
            AnyValue::ListAny(Box::new(values.into_iter().filter_map(any).collect()))
        }
        Json::Object(members) => {
            let members = members.into_iter();
            let members = members.filter_map(|(name, value)| Some((name.into(), any(value)?)));
            AnyValue::Map(Box::new(members.collect()))
        }
    })
}

impl<L> fmt::Debug for OpenTelemetrySink<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTelemetrySink").finish_non_exhaustive()
    }
}
