//! What a program gets when it asks: values, details, snapshots, overrides, exposures.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use bucketry::testing::TestClient;
use bucketry::{
    Client, ErrorCode, EvaluationContext, Event, MetadataValue, Override, Reason, Status,
};
use serde_json::json;

const FLAGS: &str = r#"{
    "format": 1, "revision": 7,
    "flags": {
        "on": { "type": "boolean", "default": "on", "metadata": { "owner": "team-a", "level": 3 } },
        "text": { "type": "string", "variants": { "a": "A", "b": "B" }, "default": "a" },
        "count": { "type": "integer", "variants": { "some": 5 }, "default": "some" },
        "ratio": { "type": "number", "variants": { "half": 0.5 }, "default": "half" },
        "limits": { "type": "object", "variants": { "x": { "max": 3, "names": ["a"] } }, "default": "x" },
        "default": { "type": "boolean" },
        "timed": { "type": "boolean", "default": "off", "rules": [{ "from": "2026-06-01T00:00:00Z", "serve": "on" }] },
        "exp": {
            "type": "string", "variants": { "blue": "blue", "green": "green" },
            "rules": [{ "id": "r", "experiment": { "key": "exp-1" }, "split": { "blue": 1, "green": 1 } }]
        }
    }
}"#;

fn client() -> TestClient {
    TestClient::from_json(FLAGS).unwrap()
}

fn user() -> EvaluationContext<'static> {
    EvaluationContext::new("user-1")
}

#[test]
fn each_type_is_got_and_nothing_is_coerced() {
    let (client, user) = (client(), user());
    assert!(client.bool_value("on", &user, false));
    assert_eq!(client.string_value("text", &user, "z"), "A");
    assert_eq!(client.integer_value("count", &user, 0), 5);
    assert_eq!(client.float_value("ratio", &user, 0.0), 0.5);
    assert_eq!(
        client.json_value("limits", &user, "{}"),
        r#"{"max":3,"names":["a"]}"#
    );
    assert_eq!(client.object_value("limits", &user, json!({}))["max"], 3);

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Limits {
        max: u32,
        names: Vec<String>,
    }
    let none = || Limits {
        max: 0,
        names: vec![],
    };
    let limits = client.object_as("limits", &user, none());
    assert_eq!(
        limits,
        Limits {
            max: 3,
            names: vec!["a".into()]
        }
    );

    // Another type: the caller's default, and why.
    assert_eq!(client.float_value("count", &user, 1.5), 1.5);
    assert_eq!(client.integer_value("ratio", &user, 9), 9);
    let details = client.bool_details("text", &user, true);
    assert_eq!((details.value, details.reason), (true, Reason::Error));
    assert_eq!(details.error_code, Some(ErrorCode::TypeMismatch));
    assert!(details.error_message.unwrap().contains("type string"));
    let misfit = client.object_as_details("limits", &user, vec![1]);
    assert_eq!(misfit.value, [1]);
    assert_eq!(misfit.error_code, Some(ErrorCode::TypeMismatch));
}

#[test]
fn details_say_what_led_to_the_value() {
    let (client, user) = (client(), user());
    let on = client.bool_details("on", &user, false);
    assert_eq!((on.value, on.variant.as_deref()), (true, Some("on")));
    assert_eq!(
        (on.reason, on.revision, on.error_code),
        (Reason::Static, Some(7), None)
    );
    let owner = MetadataValue::String("team-a".into());
    assert_eq!(on.metadata.get("owner"), Some(&owner));
    assert_eq!(on.metadata.get("level"), Some(&MetadataValue::Integer(3)));

    let served = client.string_details("exp", &user, "none");
    assert_eq!(
        (served.reason, served.rule.as_deref()),
        (Reason::Split, Some("r"))
    );

    let missing = client.bool_details("gone", &user, true);
    assert_eq!(
        (missing.value, missing.error_code),
        (true, Some(ErrorCode::FlagNotFound))
    );

    let left = client.bool_details("default", &user, true);
    assert_eq!(
        (left.value, left.error_code, left.variant),
        (true, None, None)
    );
}

#[test]
fn without_a_flag_set_every_default_is_given() {
    let client = TestClient::empty();
    let details = client.string_details("exp", &user(), "mine");
    assert_eq!(details.value, "mine");
    assert_eq!(details.error_code, Some(ErrorCode::ProviderNotReady));
    assert_eq!(
        (details.revision, client.status()),
        (None, Status::NotReady)
    );
    assert!(client.explain("exp", &user()).is_none());
    client.set_override("exp", "forced");
    assert_eq!(client.string_value("exp", &user(), "mine"), "forced");
    client.replace(FLAGS).unwrap();
    client.clear_overrides();
    assert_eq!(client.status(), Status::Ready);
    assert!(["blue", "green"].contains(&client.string_value("exp", &user(), "mine").as_str()));
}

#[test]
fn a_snapshot_keeps_its_flag_set_its_overrides_and_its_time() {
    let (client, user) = (client(), user());
    let before = client.snapshot();
    client
        .replace(FLAGS.replace("\"A\"", "\"changed\"").replace("7", "8"))
        .unwrap();
    client.set_override("count", 99);
    client.set_now(bucketry::UnixMillis(1_790_000_000_000));
    assert_eq!(before.string_value("text", &user, ""), "A");
    assert_eq!(before.str_value("text", &user, ""), "A");
    assert_eq!(before.integer_value("count", &user, 0), 5);
    assert!(!before.bool_value("timed", &user, true));
    let after = client.snapshot();
    assert_eq!(after.str_value("text", &user, ""), "changed");
    assert_eq!(after.integer_value("count", &user, 0), 99);
    assert!(after.bool_value("timed", &user, false));
}

#[test]
fn looking_exposes_nobody_and_using_does() {
    let (client, user) = (client(), user());
    let seen = client.peek().string_value("exp", &user, "");
    let snapshot = client.snapshot();
    assert_eq!(snapshot.peek().string_details("exp", &user, "").value, seen);
    // A value that is not used is no exposure either.
    assert!(client.bool_value("exp", &user, true));
    assert!(client.exposures().is_empty());

    assert_eq!(client.string_value("exp", &user, ""), seen);
    assert_eq!(snapshot.string_value("exp", &user, ""), seen);
    let exposures = client.take_exposures();
    assert_eq!(exposures.len(), 2);
    assert_eq!(
        (exposures[0].unit.as_str(), exposures[0].experiment.as_str()),
        ("user-1", "exp-1")
    );
    assert_eq!(exposures[0].variant.as_deref(), Some(seen.as_str()));
    assert!(!exposures[0].forced);
    assert!(client.exposures().is_empty());
}

#[test]
fn overrides_answer_for_whom_they_are_meant_and_are_marked() {
    let (client, user) = (client(), user());
    let other = EvaluationContext::new("user-2");
    client.set_override("exp", Override::variant("green"));
    client.set_override_for("user-2", "exp", Override::variant("blue"));
    let details = client.string_details("exp", &user, "");
    assert_eq!((details.value.as_str(), details.forced), ("green", true));
    assert_eq!((details.reason, details.rule), (Reason::Static, None));
    assert_eq!(client.string_value("exp", &other, ""), "blue");
    let exposures = client.take_exposures();
    assert!(exposures.iter().all(|exposure| exposure.forced));
    assert_eq!(exposures[1].variant.as_deref(), Some("blue"));

    // The error of the override is told, not hidden behind the flag's own value.
    client.set_override("text", Override::variant("nothing"));
    let wrong = client.string_details("text", &user, "mine");
    assert_eq!(
        (wrong.value.as_str(), wrong.error_code),
        ("mine", Some(ErrorCode::General))
    );
    client.set_override("text", true);
    let wrong = client.string_details("text", &user, "mine");
    assert_eq!(wrong.error_code, Some(ErrorCode::TypeMismatch));

    client.clear_override_for("user-2", "exp");
    assert_eq!(client.string_value("exp", &other, ""), "green");
    client.clear_override("exp");
    assert!(!client.string_details("exp", &user, "").forced);
}

#[test]
fn evaluations_are_counted_by_what_they_came_to() {
    let (client, user) = (client(), user());
    let _ = client.bool_value("on", &user, false);
    let _ = client.peek().bool_value("on", &user, false);
    let _ = client.bool_value("text", &user, false);
    let _ = client.bool_details("gone", &user, false);
    let _ = client.bool_value("default", &user, false);
    let metrics = client.metrics();
    let counts = metrics.evaluations;
    assert_eq!((counts.value, counts.type_mismatch), (2, 1));
    assert_eq!(
        (counts.flag_not_found, counts.default, counts.total()),
        (1, 1, 5)
    );
    let text = metrics.to_prometheus();
    assert!(
        text.contains("bucketry_evaluations_total{outcome=\"value\"} 2\n"),
        "{text}"
    );
    assert!(
        text.contains("bucketry_status{status=\"ready\"} 1\n"),
        "{text}"
    );
}

#[test]
fn a_test_client_tells_of_replaced_flag_sets() {
    let client = client();
    let mut events = client.events();
    assert!(matches!(
        events.try_recv(),
        Some(Event::Ready { revision: 7, .. })
    ));
    client
        .replace(
            FLAGS
                .replace("\"A\"", "\"changed\"")
                .replace("\"revision\": 7", "\"revision\": 8"),
        )
        .unwrap();
    let Some(Event::ConfigurationChanged {
        flags, revision, ..
    }) = events.try_recv()
    else {
        panic!("the change is told");
    };
    assert_eq!((&*flags, revision), (&["text".to_owned()][..], 8));
    assert!(client.replace("{}").is_err());
    assert_eq!(client.flag_set().unwrap().revision(), 8);
}

#[test]
fn an_inline_document_answers_as_soon_as_it_is_built() {
    let client = Client::builder()
        .inline(FLAGS)
        .override_flag("count", 3)
        .build()
        .unwrap();
    assert!(client.bool_value("on", &user(), false));
    assert_eq!(client.integer_value("count", &user(), 0), 3);
    let state = client.ready(Duration::from_secs(30)).unwrap();
    assert_eq!((state.status, state.revision), (Status::Ready, Some(7)));
    let report = client.close(Duration::from_secs(30));
    assert_eq!(client.close(Duration::from_secs(30)), report);
    assert_eq!(client.status(), Status::Closed);
    assert!(client.bool_value("on", &user(), false));
}

#[test]
fn what_can_never_work_is_refused_when_it_is_built() {
    let built = |builder: bucketry::Builder| builder.build().map(drop).unwrap_err().to_string();
    let start = || Client::builder().inline(FLAGS);
    assert!(built(Client::builder()).contains("needs a source"));
    assert!(built(Client::builder().inline("{")).contains("inline document"));
    assert!(built(start().interval(Duration::ZERO)).contains("`interval` must be from 1000"));
    assert!(built(Client::builder().url("ftp://h/x")).contains("only http and https"));
    assert!(built(Client::builder().url("nothing")).contains("cannot be asked"));
    assert!(built(start().header("bad name", "x")).contains("`bad name`"));
    let secret = built(Client::builder().url("ftp://user:pass@h/x?token=1"));
    assert!(
        !secret.contains("pass") && !secret.contains("token"),
        "{secret}"
    );
}
