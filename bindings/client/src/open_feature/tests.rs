use std::sync::Arc;

use ::open_feature::{EvaluationContextFieldValue, OpenFeature, Value};
use bucketry_core::AttributeValue;
use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::testing::TestClient;

const FLAGS: &str = r#"{ "format": 1, "revision": 3, "flags": {
    "off": { "type": "boolean", "enabled": false },
    "colour": { "type": "string", "variants": { "blue": "b", "green": "g" },
        "rules": [{ "experiment": { "key": "e" }, "split": { "blue": 1, "green": 1 } }] },
    "object": { "type": "object", "default": "v",
        "variants": { "v": { "n": 1, "f": 1.0, "s": "x", "gone": null, "list": [true, { "a": [] }], "big": 18446744073709551615 } } },
    "list": { "type": "object", "default": "v", "variants": { "v": [1, 2] } },
    "null-in-list": { "type": "object", "default": "v", "variants": { "v": { "list": [1, null] } } },
    "needs-unit": { "type": "boolean", "default": "off", "rules": [
        { "id": "r", "missingUnit": "error", "serve": "on", "rollout": 50 }] },
    "late": { "type": "boolean", "default": "off",
        "rules": [{ "if": { "attribute": "joined", "after": "2026-06-01T00:00:00Z", "epoch": "seconds" }, "serve": "on" }] }
} }"#;

fn provider() -> (TestClient, Provider) {
    let test = TestClient::from_json(FLAGS).unwrap();
    let provider = Provider::new((*test).clone());
    (test, provider)
}

fn read(given: &GivenContext) -> EvaluationContext<'_> {
    context::read(given, |field| panic!("{field}")).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("resolving never waits")
}

#[test]
fn every_kind_of_attribute_keeps_its_type() {
    let given = GivenContext::default()
        .with_targeting_key("user-1")
        .with_custom_field("bool", true)
        .with_custom_field("int", 5)
        .with_custom_field("float", 0.5)
        .with_custom_field("text", "5")
        .with_custom_field("time", datetime!(2026-11-24 01:00:00.125 +01:00));
    let context = read(&given);
    assert_eq!(context.targeting_key(), Some("user-1"));
    assert_eq!(context.attributes().count(), 5);
    for (name, want) in [
        ("bool", AttributeValue::Bool(true)),
        ("int", AttributeValue::Integer(5)),
        ("float", AttributeValue::Number(0.5)),
        ("text", AttributeValue::from("5")),
        ("time", AttributeValue::from("2026-11-24T00:00:00.125Z")),
    ] {
        assert_eq!(context.attribute(name), Some(&want), "{name}");
    }
}

#[test]
fn structures_of_known_types_are_read_and_others_are_told_of() {
    let structure = StructValue::default().with_field("plan", "pro").with_field(
        "seats",
        Value::Array(vec![Value::Int(1), Value::Float(0.5)]),
    );
    let nested = json!({ "plan": "pro", "seats": [1, 0.5] });
    let want = AttributeValue::Object(vec![
        ("plan".into(), "pro".into()),
        (
            "seats".into(),
            AttributeValue::Array(vec![1.into(), 0.5.into()]),
        ),
    ]);
    let fields = [
        EvaluationContextFieldValue::new_struct(structure.clone()),
        EvaluationContextFieldValue::new_struct(Value::Struct(structure)),
        EvaluationContextFieldValue::new_struct(nested.clone()),
        EvaluationContextFieldValue::Struct(Arc::new(nested.as_object().unwrap().clone())),
        EvaluationContextFieldValue::new_struct(want.clone()),
    ];
    let members = |value: &AttributeValue<'_>| {
        let AttributeValue::Object(members) = value.clone() else {
            panic!("{value:?}");
        };
        let mut members: Vec<_> = members
            .into_iter()
            .map(|(name, value)| (name.into_owned(), format!("{value:?}")))
            .collect();
        members.sort();
        members
    };
    for field in fields {
        let given = GivenContext::default().with_custom_field("account", field);
        let context = read(&given);
        let got = context.attribute("account").unwrap();
        assert_eq!(members(got), members(&want));
    }
    let groups = vec!["staff".to_owned()];
    let given = GivenContext::default()
        .with_custom_field("groups", EvaluationContextFieldValue::new_struct(groups))
        .with_custom_field(
            "odd",
            EvaluationContextFieldValue::new_struct(Reason::Split),
        );
    let mut told = Vec::new();
    let context = context::read(&given, |field| told.push(field.to_owned())).unwrap();
    assert_eq!(
        context.attribute("groups"),
        Some(&AttributeValue::from(["staff"]))
    );
    assert_eq!(
        (context.attribute("odd"), told),
        (None, vec!["odd".to_owned()])
    );
}

#[test]
fn a_custom_field_may_be_the_targeting_key() {
    let field = GivenContext::default().with_custom_field("targetingKey", "b");
    assert_eq!(read(&field).targeting_key(), Some("b"));
    assert_eq!(
        read(&field.clone().with_targeting_key("a")).targeting_key(),
        Some("a")
    );
    let number = GivenContext::default().with_custom_field("targetingKey", 7);
    let error = context::read(&number, |_| ()).unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::InvalidContext);
}

#[test]
fn a_time_is_read_as_one_whatever_the_unit_of_numbers() {
    let (_, provider) = provider();
    let given = GivenContext::default().with_custom_field("joined", datetime!(2026-07-01 0:00 UTC));
    let details = run(provider.resolve_bool_value("late", &given)).unwrap();
    assert!(details.value);
    assert_eq!(details.reason, Some(EvaluationReason::TargetingMatch));
}

#[test]
fn what_is_left_to_the_caller_is_an_error_with_the_reason_for_its_code() {
    let (_, provider) = provider();
    let error = run(provider.resolve_bool_value("off", &GivenContext::default())).unwrap_err();
    assert_eq!(
        error.code,
        EvaluationErrorCode::General("DISABLED".to_owned())
    );
    assert_eq!(error.code.to_string(), "DISABLED");
    assert_eq!(
        error.message.as_deref(),
        Some("flag `off` leaves the value to the caller: use your default")
    );
}

#[test]
fn errors_keep_their_code_and_message() {
    let (_, provider) = provider();
    let nobody = GivenContext::default();
    let error = run(provider.resolve_string_value("nope", &nobody)).unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::FlagNotFound);
    let error = run(provider.resolve_int_value("colour", &nobody.clone().with_targeting_key("a")));
    let error = error.unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::TypeMismatch);
    assert!(error.message.unwrap().contains("string"));
    let error = run(provider.resolve_bool_value("needs-unit", &nobody)).unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::TargetingKeyMissing);
    let empty = Provider::from((*TestClient::empty()).clone());
    let error = run(empty.resolve_bool_value("off", &nobody)).unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::ProviderNotReady);
    assert_eq!(empty.status(), ProviderStatus::NotReady);
}

#[test]
fn an_object_is_a_structure_and_a_list_is_none() {
    let (_, provider) = provider();
    let nobody = GivenContext::default();
    let value = run(provider.resolve_struct_value("object", &nobody))
        .unwrap()
        .value;
    let inner = StructValue::default().with_field("a", Value::Array(Vec::new()));
    let want = StructValue::default()
        .with_field("n", 1)
        .with_field("f", 1.0)
        .with_field("s", "x")
        .with_field(
            "list",
            Value::Array(vec![Value::Bool(true), Value::Struct(inner)]),
        )
        .with_field("big", 18_446_744_073_709_551_615.0);
    assert_eq!(value, want, "and the null is left out");
    for flag in ["list", "null-in-list"] {
        let error = run(provider.resolve_struct_value(flag, &nobody)).unwrap_err();
        assert_eq!(error.code, EvaluationErrorCode::TypeMismatch, "{flag}");
    }
}

#[test]
fn evaluating_records_the_exposure() {
    let (test, provider) = provider();
    run(async {
        let mut api = OpenFeature::default();
        api.set_provider(provider).await;
        assert_eq!(api.provider_metadata().await.name, "bucketry");
        let flags = api.create_client();
        let user = GivenContext::default().with_targeting_key("user-1");
        let details = flags
            .get_string_details("colour", Some(&user), None)
            .await
            .unwrap();
        assert_eq!(details.reason, Some(EvaluationReason::Split));
        let exposures = test.take_exposures();
        assert_eq!(exposures.len(), 1);
        assert_eq!(
            (exposures[0].unit.as_str(), &exposures[0].variant),
            ("user-1", &details.variant)
        );
    });
}

#[test]
fn an_override_answers_here_too() {
    let (test, provider) = provider();
    test.set_override("off", true);
    let details = run(provider.resolve_bool_value("off", &GivenContext::default())).unwrap();
    assert_eq!((details.value, details.variant), (true, None));
    assert_eq!(details.reason, Some(EvaluationReason::Static));
}
