//! The flags of the scenarios, translated from the form that they come in.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

/// A flag that one scenario wants and the file does not have; its condition is OpenFeature's of old.
const CONTEXT_AWARE: &str = r#"{
    "variants": { "internal": "INTERNAL", "external": "EXTERNAL" }, "defaultVariant": "external",
    "contextEvaluator": "fn == 'Sulisław' && ln == 'Świętopełk' && age == 29 && !customer ? 'internal' : ''"
}"#;

/// A flag set document of the flags in `path`.
pub(crate) fn translated(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut flags: Map<String, Json> =
        serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let aware = serde_json::from_str(CONTEXT_AWARE).map_err(|error| error.to_string())?;
    flags.entry("context-aware").or_insert(aware);
    let mut ours = Map::new();
    for (key, flag) in &flags {
        let flag = translate(flag).ok_or_else(|| format!("flag `{key}` is of another form"))?;
        ours.insert(key.clone(), flag);
    }
    Ok(json!({ "format": 1, "revision": 1, "flags": ours }).to_string())
}

fn translate(flag: &Json) -> Option<Json> {
    let variants = flag.get("variants")?.as_object()?;
    let kind = match variants.values().next()? {
        Json::Bool(_) => "boolean",
        Json::String(_) => "string",
        Json::Number(number) if number.is_i64() => "integer",
        Json::Number(_) => "number",
        _ => "object",
    };
    let mut ours = json!({ "type": kind, "variants": variants });
    let members = ours.as_object_mut()?;
    if flag.get("disabled") == Some(&Json::Bool(true)) {
        members.insert("enabled".into(), json!(false));
    }
    if let Some(default) = flag
        .get("defaultVariant")
        .filter(|default| !default.is_null())
    {
        members.insert("default".into(), default.clone());
    }
    if let Some(metadata) = flag
        .get("flagMetadata")
        .filter(|metadata| !metadata.is_null())
    {
        members.insert("metadata".into(), metadata.clone());
    }
    if let Some(evaluator) = flag.get("contextEvaluator") {
        members.insert("rules".into(), json!([rule(evaluator.as_str()?)?]));
    }
    Some(ours)
}

/// From `a == 'x' && !b && c > 1 ? 'variant' : ''`.
fn rule(evaluator: &str) -> Option<Json> {
    let (conditions, outcome) = evaluator.split_once(" ? ")?;
    let variant = outcome.strip_suffix(" : ''")?.trim_matches('\'');
    let mut all = Vec::new();
    for term in conditions.split(" && ") {
        all.push(condition(term)?);
    }
    Some(json!({ "if": { "all": all }, "serve": variant }))
}

fn condition(term: &str) -> Option<Json> {
    if let Some(attribute) = term.strip_prefix('!') {
        return Some(json!({ "attribute": attribute, "equals": false }));
    }
    if let Some((attribute, operand)) = term.split_once(" == ") {
        let operand = operand.replace('\'', "\"");
        let operand: Json = serde_json::from_str(&operand).ok()?;
        return Some(json!({ "attribute": attribute, "equals": operand }));
    }
    let (attribute, operand) = term.split_once(" > ")?;
    let operand: Json = serde_json::from_str(operand).ok()?;
    Some(json!({ "attribute": attribute, "greaterThan": operand }))
}
