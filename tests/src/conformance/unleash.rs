//! `Unleash/client-specification`: the specification files that all of Unleash's SDKs run.

use std::path::Path;

use bucketry_core::{EvaluationContext, FlagSet, UnixMillis};
use bucketry_import::{Format, ImportOptions, import};
use serde_json::{Map, Value, json};

use super::{Suite, Tally, json_files, read_json, same_json};

/// 2026-03-16, the day of the suite's commit. Its dates lie years before and after.
const NOW: UnixMillis = UnixMillis(1_773_619_200_000);

/// What stands for the random number: the cases ask for shares of nobody and everybody only.
const RANDOM: u64 = 4;

pub(super) struct Unleash;

impl Suite for Unleash {
    fn name(&self) -> &'static str {
        "unleash"
    }

    fn folder(&self) -> &'static str {
        "unleash"
    }

    fn run(&self, folder: &Path, tally: &mut Tally) -> Result<(), String> {
        for file in json_files(&folder.join("specifications"))? {
            let cases = read_json(&file)?;
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            // The list of the files is no specification.
            let Some(state) = cases.get("state") else {
                continue;
            };
            let imported = import(
                Format::Unleash,
                state.to_string().as_bytes(),
                &ImportOptions::new(),
            )
            .map_err(|error| format!("{stem}: {error}"))?;
            let set = FlagSet::from_json(imported.document.as_bytes())
                .map_err(|error| format!("{stem}: the imported flag set: {error}"))?;
            for (number, case) in list(&cases["tests"]).enumerate() {
                let name = format!("{stem} test {number} (`{}`)", text(&case["toggleName"]));
                let got = is_enabled(&set, text(&case["toggleName"]), &context(&case["context"])?);
                tally.check(&name, &got, &(case["expectedResult"] == json!(true)));
            }
            for (number, case) in list(&cases["variantTests"]).enumerate() {
                let name = format!("{stem} variant {number} (`{}`)", text(&case["toggleName"]));
                let got = variant(&set, text(&case["toggleName"]), &context(&case["context"])?)?;
                let want = &case["expectedResult"];
                let same = same_json(&got, want);
                tally.check(&name, &got, if same { &got } else { want });
            }
        }
        Ok(())
    }
}

fn is_enabled(set: &FlagSet, toggle: &str, context: &EvaluationContext<'_>) -> bool {
    let resolution = set.resolve(toggle, context, NOW);
    resolution.variant() == Some("on")
}

/// What `getVariant` gives: without a variant the one called `disabled`.
fn variant(set: &FlagSet, toggle: &str, context: &EvaluationContext<'_>) -> Result<Value, String> {
    let key = format!("{toggle}:variant");
    let resolution = set.resolve(&key, context, NOW);
    let mut got = match resolution.value() {
        Some(bucketry_core::Value::Object(value)) => {
            serde_json::from_str(value).map_err(|error| format!("a variant's JSON: {error}"))?
        }
        _ => json!({ "name": "disabled" }),
    };
    got["enabled"] = json!(resolution.value().is_some());
    got["feature_enabled"] = json!(is_enabled(set, toggle, context));
    Ok(got)
}

/// Fields and properties are attributes alike.
fn context(case: &Value) -> Result<EvaluationContext<'static>, String> {
    let mut attributes: Map<String, Value> =
        case["properties"].as_object().cloned().unwrap_or_default();
    for (name, value) in case.as_object().into_iter().flatten() {
        if name != "properties" {
            attributes.insert(name.clone(), value.clone());
        }
    }
    let context = EvaluationContext::from_json(Value::Object(attributes).to_string().as_bytes());
    let context = context.map_err(|error| format!("a case's context: {error}"))?;
    Ok(context.with_random(RANDOM).into_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
