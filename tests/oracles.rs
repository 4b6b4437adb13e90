//! What an importer's flags answer against what the vendor's own SDK answered, from lines of
//! `{"format", "document", "cases": [{"context", "now", "random", "flags": {key: value}}]}` on standard input.
//!
//! The programs in `tests/oracles` write such lines. A flag that was refused is counted, not compared.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::process::ExitCode;

use bucketry_core::{ErrorCode, EvaluationContext, FlagSet, UnixMillis, Value};
use bucketry_import::{Format, ImportOptions, import};
use serde::Deserialize;
use serde_json::Value as Json;

#[derive(Deserialize)]
struct Line {
    format: String,
    document: Json,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    context: Json,
    #[serde(default)]
    now: i64,
    #[serde(default)]
    random: u64,
    flags: BTreeMap<String, Json>,
}

fn shown(value: Option<Value<'_>>) -> Json {
    match value {
        None => Json::Null,
        Some(Value::Boolean(value)) => value.into(),
        Some(Value::String(value)) => value.into(),
        Some(Value::Integer(value)) => value.into(),
        Some(Value::Number(value)) => value.into(),
        Some(Value::Object(value)) => serde_json::from_str(value).expect("a variant is JSON"),
    }
}

fn main() -> ExitCode {
    let (mut pairs, mut refused, mut differences) = (0, 0, 0);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for line in io::stdin().lock().lines() {
        let line: Line =
            serde_json::from_str(&line.expect("lines of text")).expect("a line of the oracle");
        let format: Format = line.format.parse().expect("a format");
        let imported = import(
            format,
            line.document.to_string().as_bytes(),
            &ImportOptions::new(),
        )
        .expect("a document");
        let set = FlagSet::from_json(imported.document.as_bytes()).expect("a flag set");
        for refusal in &imported.report.refusals {
            *reasons.entry(refusal.reason.clone()).or_default() += 1;
        }
        for case in &line.cases {
            let context = EvaluationContext::from_json(case.context.to_string().as_bytes())
                .expect("a context");
            let context = context.with_random(case.random);
            for (key, want) in &case.flags {
                let resolution = set.resolve(key, &context, UnixMillis(case.now));
                if resolution.error_code() == Some(ErrorCode::ParseError) {
                    refused += 1;
                    continue;
                }
                pairs += 1;
                let got = shown(resolution.value());
                let same = got == *want || got.as_f64().is_some() && got.as_f64() == want.as_f64();
                if !same {
                    differences += 1;
                    if differences <= 20 {
                        println!(
                            "`{key}`: got {got}, want {want}\n  context {}",
                            case.context
                        );
                        for name in ["features", "savedGroups", "segments"] {
                            println!("  {name} {}", line.document[name]);
                        }
                    }
                }
            }
        }
    }
    println!("{pairs} pairs, {differences} differences, {refused} of refused flags");
    for (reason, count) in reasons {
        println!("  refused {count}: {reason}");
    }
    if pairs > 0 && differences == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
