//! Any bytes as an evaluation context, against serde_json's reading of the same bytes.

#![no_main]

use bucketry_core::{AttributeValue, EvaluationContext};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(context) = EvaluationContext::from_json(bytes) else {
        return;
    };
    // Core steps over a byte order mark, as RFC 8259 section 8.1 allows; serde_json does not.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let value: Value = serde_json::from_slice(bytes).expect("core read what is not JSON");
    let members = value
        .as_object()
        .expect("core read a context that is no object");
    let key = members.get("targetingKey").and_then(Value::as_str);
    assert_eq!(context.targeting_key(), key);
    for (name, want) in members.iter().filter(|(name, _)| *name != "targetingKey") {
        let got = context.attribute(name).expect("an attribute is lost");
        assert!(same(got, want), "`{name}` is {got:?}, not {want}");
    }
});

fn same(got: &AttributeValue<'_>, want: &Value) -> bool {
    match (got, want) {
        (AttributeValue::Null, Value::Null) => true,
        (AttributeValue::Bool(got), Value::Bool(want)) => got == want,
        (AttributeValue::String(got), Value::String(want)) => got == want,
        (AttributeValue::Integer(got), Value::Number(want)) => {
            // `-0` is the integer 0 here, and a double there.
            want.as_i64() == Some(*got) || (*got == 0 && want.as_f64() == Some(0.0))
        }
        (AttributeValue::Number(got), Value::Number(want)) => {
            want.as_i64().is_none() && want.as_f64().map(f64::to_bits) == Some(got.to_bits())
        }
        (AttributeValue::Array(got), Value::Array(want)) => {
            got.len() == want.len() && got.iter().zip(want).all(|(got, want)| same(got, want))
        }
        (AttributeValue::Object(got), Value::Object(want)) => want.iter().all(|(name, want)| {
            // Of two members of one name the last counts.
            let got = got.iter().rev().find(|(found, _)| found == name);
            got.is_some_and(|(_, got)| same(got, want))
        }),
        _ => false,
    }
}
