//! Exposures through OpenTelemetry's own SDK, as a program that exports its logs gets them.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use bucketry::{Client, EvaluationContext, OpenTelemetrySink};
use opentelemetry::Key;
use opentelemetry::logs::AnyValue;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};

const FLAGS: &str = r#"{ "format": 1, "revision": 42, "environment": "production", "flags": { "button": {
    "type": "string", "variants": { "blue": "b", "green": "g" },
    "rules": [{ "id": "r", "experiment": { "key": "exp-42" }, "split": { "blue": 1, "green": 1 } }]
} } }"#;

#[test]
fn an_exposure_is_an_event_of_the_semantic_conventions() {
    let exporter = InMemoryLogExporter::default();
    let provider = SdkLoggerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let client = Client::builder()
        .inline(FLAGS)
        .sink(OpenTelemetrySink::new(&provider))
        .build()
        .unwrap();
    let context = EvaluationContext::new("user-1");
    let value = client.string_value("button", &context, "none");
    let _again = client.string_value("button", &context, "none");
    let report = client.close(Duration::from_secs(60));
    assert_eq!(report.delivered, 1, "{report}");

    let logs = exporter.get_emitted_logs().unwrap();
    let mut events = logs
        .iter()
        .filter(|log| log.record.event_name() == Some("feature_flag.evaluation"));
    let event = events.next().unwrap();
    assert!(events.next().is_none(), "a repeat is no second event");
    assert_eq!(event.instrumentation.name(), "bucketry");
    assert!(event.record.timestamp().unwrap() > UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let attributes: BTreeMap<&str, &AnyValue> = event
        .record
        .attributes_iter()
        .map(|(key, value): &(Key, AnyValue)| (key.as_str(), value))
        .collect();
    let variant = if value == "b" { "blue" } else { "green" };
    for (name, want) in [
        ("feature_flag.key", "button"),
        ("feature_flag.result.variant", variant),
        ("feature_flag.result.reason", "split"),
        ("feature_flag.context.id", "user-1"),
        ("feature_flag.set.id", "production"),
        ("feature_flag.version", "42"),
        ("feature_flag.provider.name", "bucketry"),
        ("bucketry.experiment", "exp-42"),
        ("bucketry.rule", "r"),
    ] {
        assert_eq!(
            attributes.get(name),
            Some(&&AnyValue::from(want.to_owned())),
            "{name}"
        );
    }
    assert_eq!(attributes.get("bucketry.phase"), Some(&&AnyValue::Int(1)));
    assert_eq!(
        attributes.get("bucketry.first"),
        Some(&&AnyValue::Boolean(true))
    );
    assert_eq!(
        attributes.get("bucketry.propensity"),
        Some(&&AnyValue::Double(0.5))
    );
    let allowed = |name: &&&str| name.starts_with("feature_flag.") || name.starts_with("bucketry.");
    assert!(
        attributes.keys().all(|name| allowed(&name)),
        "{attributes:?}"
    );
}
