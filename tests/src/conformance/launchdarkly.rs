//! `launchdarkly/sdk-test-harness`: what every server-side SDK of LaunchDarkly has to answer.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bucketry_core::{ErrorCode, EvaluationContext, FlagSet, Reason, Resolution, UnixMillis};
use bucketry_import::{Format, ImportOptions, import};
use serde_json::{Map, Value, json};
use yaml_rust2::{Yaml, YamlLoader};

use super::{Suite, Tally, same_json};

pub(super) struct LaunchDarkly;

impl Suite for LaunchDarkly {
    fn name(&self) -> &'static str {
        "launchdarkly"
    }

    fn folder(&self) -> &'static str {
        "launchdarkly"
    }

    fn run(&self, folder: &Path, tally: &mut Tally) -> Result<(), String> {
        let folder = folder.join("data-files/server-side-eval");
        let at = |error: std::io::Error| format!("{}: {error}", folder.display());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(at)? {
            let path = entry.map_err(at)?.path();
            if path.extension().is_some_and(|extension| extension == "yml") {
                files.push(path);
            }
        }
        files.sort();
        for file in files {
            let stem = file
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let text =
                std::fs::read_to_string(&file).map_err(|error| format!("{stem}: {error}"))?;
            for (number, data) in expand(&text)
                .map_err(|error| format!("{stem}: {error}"))?
                .iter()
                .enumerate()
            {
                run_set(&format!("{stem} {number}"), data, tally)?;
            }
        }
        Ok(())
    }
}

fn run_set(name: &str, data: &Value, tally: &mut Tally) -> Result<(), String> {
    let document = data["sdkData"].to_string();
    let imported = import(
        Format::LaunchDarkly,
        document.as_bytes(),
        &ImportOptions::new(),
    )
    .map_err(|error| format!("{name}: {error}"))?;
    let set = FlagSet::from_json(imported.document.as_bytes())
        .map_err(|error| format!("{name}: the imported flag set: {error}"))?;
    for (number, case) in data["evaluations"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let case_name = format!(
            "{name}.{number} (`{}`)",
            case["flagKey"].as_str().unwrap_or_default()
        );
        let want = Answer {
            value: case["expect"]["value"].clone(),
            variation: case["expect"]["variationIndex"].as_u64(),
            reason: case["expect"]["reason"].clone(),
        };
        tally.check(
            &case_name,
            &answer(&set, &data["sdkData"]["flags"], case)?,
            &want,
        );
    }
    Ok(())
}

/// What one of the vendor's SDKs would say.
struct Answer {
    value: Value,
    variation: Option<u64>,
    reason: Value,
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        same_json(&self.value, &other.value)
            && self.variation == other.variation
            && same_json(&self.reason, &other.reason)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (variation {:?}) because {}",
            self.value, self.variation, self.reason
        )
    }
}

fn answer(set: &FlagSet, source: &Value, case: &Value) -> Result<Answer, String> {
    let context =
        bucketry_import::context(Format::LaunchDarkly, case["context"].to_string().as_bytes())
            .map_err(|error| format!("a case's context: {error}"))?;
    let context = EvaluationContext::from_json(context.as_bytes())
        .map_err(|error| format!("a case's context: {error}"))?;
    let flag = case["flagKey"].as_str().unwrap_or_default();
    let resolution = set.resolve(flag, &context, UnixMillis(0));
    let error = |kind: &str| json!({ "kind": "ERROR", "errorKind": kind });
    let default = || match case.get("default") {
        Some(default) => default.clone(),
        None => zero(&source[flag]["variations"][0]),
    };
    let value = match resolution.value() {
        None => default(),
        Some(value) => to_json(value)?,
    };
    let is_wanted = match case["valueType"].as_str() {
        Some("bool") => value.is_boolean(),
        Some("int" | "double") => value.is_number(),
        Some("string") => value.is_string(),
        _ => true,
    };
    if resolution.value().is_some() && !is_wanted {
        return Ok(Answer {
            value: default(),
            variation: None,
            reason: error("WRONG_TYPE"),
        });
    }
    Ok(Answer {
        value,
        variation: resolution
            .variant()
            .and_then(|variant| variant.parse().ok()),
        reason: match resolution.error_code() {
            Some(ErrorCode::FlagNotFound) => error("FLAG_NOT_FOUND"),
            Some(_) => error("MALFORMED_FLAG"),
            None => reason(&resolution),
        },
    })
}

/// The reason in LaunchDarkly's words: the ids of the rules say them.
fn reason(resolution: &Resolution<'_>) -> Value {
    if resolution.reason() == Reason::Disabled {
        return json!({ "kind": "OFF" });
    }
    let id = resolution.rule_id().unwrap_or("fallthrough");
    let id = id.strip_suffix(":untracked").unwrap_or(id);
    let mut reason = match id.split_once(':') {
        Some(("prerequisite", key)) => {
            json!({ "kind": "PREREQUISITE_FAILED", "prerequisiteKey": key })
        }
        Some(("target", _)) => json!({ "kind": "TARGET_MATCH" }),
        Some(("rule", rule)) => {
            let (index, id) = match rule.split_once(':') {
                Some((index, id)) => (index, Some(id)),
                None => (rule, None),
            };
            let mut reason =
                json!({ "kind": "RULE_MATCH", "ruleIndex": index.parse::<u64>().unwrap_or(0) });
            if let Some(id) = id {
                reason["ruleId"] = json!(id);
            }
            reason
        }
        _ => json!({ "kind": "FALLTHROUGH" }),
    };
    if resolution.assignment().is_some() {
        reason["inExperiment"] = json!(true);
    }
    reason
}

/// What a caller that names no default is given: the zero of the type of the flag's values.
fn zero(variation: &Value) -> Value {
    match variation {
        Value::Bool(_) => json!(false),
        Value::Number(_) => json!(0),
        Value::String(_) => json!(""),
        _ => Value::Null,
    }
}

fn to_json(value: bucketry_core::Value<'_>) -> Result<Value, String> {
    Ok(match value {
        bucketry_core::Value::Boolean(value) => json!(value),
        bucketry_core::Value::String(value) => json!(value),
        bucketry_core::Value::Integer(value) => json!(value),
        bucketry_core::Value::Number(value) => json!(value),
        bucketry_core::Value::Object(value) => {
            serde_json::from_str(value).map_err(|error| format!("a variant's JSON: {error}"))?
        }
    })
}

/// The sets of one file: constants and parameters are replaced in the text before it is read.
fn expand(text: &str) -> Result<Vec<Value>, String> {
    let raw = parse(text)?;
    let no_constants = Map::new();
    let constants = raw["constants"].as_object().unwrap_or(&no_constants);
    let mut sets = Vec::new();
    for parameters in parameter_sets(&raw["parameters"]) {
        let text = replace(text, constants);
        let text = replace(&text, &parameters);
        let text = replace(&text, constants);
        sets.push(parse(&text)?);
    }
    Ok(sets)
}

/// One object a set, or the product of several lists of objects.
fn parameter_sets(parameters: &Value) -> Vec<Map<String, Value>> {
    let Some(list) = parameters.as_array() else {
        return vec![Map::new()];
    };
    if !list.iter().any(Value::is_array) {
        return list.iter().filter_map(Value::as_object).cloned().collect();
    }
    let mut sets = vec![Map::new()];
    for part in list {
        let mut product = Vec::new();
        for set in &sets {
            for choice in part
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_object)
            {
                let mut both = set.clone();
                both.extend(choice.clone());
                product.push(both);
            }
        }
        sets = product;
    }
    sets
}

fn replace(text: &str, values: &Map<String, Value>) -> String {
    let mut text = text.to_owned();
    for (name, value) in values {
        let json = value.to_string();
        let bare = value.as_str().map_or(json.clone(), str::to_owned);
        text = text.replace(&format!("\"<{name}>\""), &json);
        text = text.replace(
            &format!("<{name}>"),
            if value.is_string() { &bare } else { &json },
        );
    }
    text
}

fn parse(text: &str) -> Result<Value, String> {
    let documents = YamlLoader::load_from_str(text).map_err(|error| error.to_string())?;
    let document = documents
        .iter()
        .find(|document| !document.is_null() && !document.is_badvalue());
    Ok(document.map_or(Value::Null, yaml_to_json))
}

fn yaml_to_json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Real(text) => text
            .parse::<f64>()
            .map_or(Value::Null, |number| json!(number)),
        Yaml::Integer(number) => json!(number),
        Yaml::String(text) => json!(text),
        Yaml::Boolean(value) => json!(value),
        Yaml::Array(list) => list.iter().map(yaml_to_json).collect(),
        Yaml::Hash(members) => {
            let mut own: BTreeMap<String, Value> = BTreeMap::new();
            let mut merged: BTreeMap<String, Value> = BTreeMap::new();
            for (name, value) in members {
                let name = match name {
                    Yaml::String(name) => name.clone(),
                    other => yaml_to_json(other).to_string(),
                };
                let value = yaml_to_json(value);
                match (name.as_str(), value) {
                    ("<<", Value::Object(base)) => merged.extend(base),
                    (_, value) => _ = own.insert(name, value),
                }
            }
            merged.extend(own);
            Value::Object(merged.into_iter().collect())
        }
        _ => Value::Null,
    }
}
