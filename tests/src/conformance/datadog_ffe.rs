//! `DataDog/ffe-system-test-data`: UFC in Datadog's dialect, and the same flags in Eppo's obfuscated form.

use std::fmt;
use std::path::Path;

use bucketry_core::internal::md5;
use bucketry_core::{ErrorCode, EvaluationContext, FlagSet, Reason, UnixMillis, ValueType};
use bucketry_import::{Dialect, Format, ImportOptions, Malformed, import};
use serde_json::{Value, json};

use super::{Suite, Tally, json_files, read_json, same_json};

/// 2026-06-12, the day of the suite's commit. Its dates lie decades before and after.
const NOW: UnixMillis = UnixMillis(1_781_222_400_000);

/// The suite, plain or obfuscated by the formula first.
pub(super) struct DatadogFfe {
    pub(super) obfuscated: bool,
}

impl Suite for DatadogFfe {
    fn name(&self) -> &'static str {
        if self.obfuscated {
            "datadog-ffe, obfuscated"
        } else {
            "datadog-ffe"
        }
    }

    fn folder(&self) -> &'static str {
        "datadog-ffe"
    }

    fn run(&self, folder: &Path, tally: &mut Tally) -> Result<(), String> {
        let mut config = read_json(&folder.join("ufc-config.json"))?;
        // At the commit that the cases are from, an unreadable flag is dropped in silence.
        let mut options = ImportOptions::new()
            .dialect(Dialect::Datadog)
            .malformed(Malformed::Default);
        if self.obfuscated {
            let (flags, attributes) = names(&config);
            options = options.known_flags(flags).known_attributes(attributes);
            config = obfuscate(&config);
        }
        let imported = import(Format::Ufc, config.to_string().as_bytes(), &options)
            .map_err(|error| format!("ufc-config.json: {error}"))?;
        if imported.report.obfuscated != self.obfuscated {
            return Err("ufc-config.json: whether it is obfuscated was not recognised".to_owned());
        }
        let flag_set = FlagSet::from_json(imported.document.as_bytes())
            .map_err(|error| format!("the imported flag set: {error}"))?;
        for file in json_files(&folder.join("evaluation-cases"))? {
            let cases = read_json(&file)?;
            let cases = cases.get("cases").unwrap_or(&cases);
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            for (number, case) in cases.as_array().into_iter().flatten().enumerate() {
                let name = format!("{stem} {number} (`{}`)", text(case, "flag"));
                tally.check(&name, &evaluate(&flag_set, case)?, &expected(case));
            }
        }
        Ok(())
    }
}

/// What a caller sees.
struct Evaluation {
    value: Value,
    reason: String,
    /// Where the case says nothing, nothing is asked.
    error_code: Option<String>,
}

impl PartialEq for Evaluation {
    fn eq(&self, other: &Self) -> bool {
        let codes = self.error_code.as_ref().zip(other.error_code.as_ref());
        same_json(&self.value, &other.value)
            && self.reason == other.reason
            && codes.is_none_or(|(a, b)| a == b)
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.reason, self.value)?;
        match &self.error_code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

fn text<'c>(case: &'c Value, name: &str) -> &'c str {
    case[name].as_str().unwrap_or_default()
}

fn expected(case: &Value) -> Evaluation {
    let result = &case["result"];
    Evaluation {
        value: result["value"].clone(),
        reason: text(result, "reason").to_owned(),
        error_code: result["errorCode"].as_str().map(str::to_owned),
    }
}

/// Resolves the flag and adds what a client does: the caller's default and the type asked for.
fn evaluate(flag_set: &FlagSet, case: &Value) -> Result<Evaluation, String> {
    let mut context = case["attributes"].clone();
    context["targetingKey"] = case["targetingKey"].clone();
    let context = EvaluationContext::from_json(context.to_string().as_bytes())
        .map_err(|error| format!("a case's context: {error}"))?;
    let resolution = flag_set.resolve(text(case, "flag"), &context, NOW);
    let wanted = match text(case, "variationType") {
        "BOOLEAN" => ValueType::Boolean,
        "STRING" => ValueType::String,
        "INTEGER" => ValueType::Integer,
        "NUMERIC" => ValueType::Number,
        "JSON" => ValueType::Object,
        other => return Err(format!("a case asks for the type `{other}`")),
    };
    let (value, reason, error) = match resolution.value() {
        Some(value) if value.value_type() != wanted => {
            (None, Reason::Error, Some(ErrorCode::TypeMismatch))
        }
        value => (value, resolution.reason(), resolution.error_code()),
    };
    let value = match value {
        None => case["defaultValue"].clone(),
        Some(bucketry_core::Value::Boolean(value)) => json!(value),
        Some(bucketry_core::Value::String(value)) => json!(value),
        Some(bucketry_core::Value::Integer(value)) => json!(value),
        Some(bucketry_core::Value::Number(value)) => json!(value),
        Some(bucketry_core::Value::Object(value)) => {
            serde_json::from_str(value).map_err(|error| format!("a variant's JSON: {error}"))?
        }
    };
    Ok(Evaluation {
        value,
        reason: reason.to_string(),
        error_code: error.map(|code| code.to_string()),
    })
}

/// The flag keys and the attributes of a configuration: what the application behind it knows.
fn names(config: &Value) -> (Vec<String>, Vec<String>) {
    let mut flags = Vec::new();
    let mut attributes = Vec::new();
    for (key, flag) in config["flags"].as_object().into_iter().flatten() {
        flags.push(key.clone());
        for condition in conditions(flag) {
            attributes.extend(condition["attribute"].as_str().map(str::to_owned));
        }
    }
    (flags, attributes)
}

fn conditions(flag: &Value) -> impl Iterator<Item = &Value> {
    list(&flag["allocations"])
        .flat_map(|allocation| list(&allocation["rules"]))
        .flat_map(|rule| list(&rule["conditions"]))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Eppo's obfuscated form of a configuration: flag keys, attributes, operators and the operands of `ONE_OF` and
/// `IS_NULL` as MD5, every other text as base64, values too.
/// Formula: `Eppo-exp/js-sdk-common: src/rules.ts`, `src/decoding.ts`.
fn obfuscate(config: &Value) -> Value {
    let mut config = config.clone();
    config["format"] = json!("CLIENT");
    let flags = config["flags"].as_object().into_iter().flatten();
    let flags = flags.map(|(key, flag)| (hash(key), obfuscate_flag(flag)));
    config["flags"] = Value::Object(flags.collect());
    config
}

fn obfuscate_flag(flag: &Value) -> Value {
    let mut flag = flag.clone();
    flag["key"] = json!(hash(text(&flag, "key")));
    if let Some(variations) = flag["variations"].as_object_mut() {
        *variations = core::mem::take(variations)
            .into_iter()
            .map(|(key, mut variation)| {
                encode(&mut variation["key"]);
                encode(&mut variation["value"]);
                (base64(&key), variation)
            })
            .collect();
    }
    for allocation in list_mut(&mut flag["allocations"]) {
        for name in ["key", "startAt", "endAt"] {
            if let Some(value) = allocation.get_mut(name) {
                encode(value);
            }
        }
        if let Some(rules) = allocation.get_mut("rules") {
            for rule in list_mut(rules) {
                list_mut(&mut rule["conditions"]).for_each(obfuscate_condition);
            }
        }
        for split in list_mut(&mut allocation["splits"]) {
            encode(&mut split["variationKey"]);
            for shard in list_mut(&mut split["shards"]) {
                encode(&mut shard["salt"]);
            }
        }
    }
    flag
}

fn obfuscate_condition(condition: &mut Value) {
    let operator = text(condition, "operator").to_owned();
    condition["operator"] = json!(hash(&operator));
    condition["attribute"] = json!(hash(text(condition, "attribute")));
    match operator.as_str() {
        "ONE_OF" | "NOT_ONE_OF" => {
            let operands = list(&condition["value"]).filter_map(Value::as_str);
            condition["value"] = operands.map(hash).collect();
        }
        "IS_NULL" => condition["value"] = json!(hash(&condition["value"].to_string())),
        _ => encode(&mut condition["value"]),
    }
}

fn list_mut(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

/// A text as base64; any other value as the base64 of its JSON.
fn encode(value: &mut Value) {
    *value = match value.as_str() {
        Some(text) => json!(base64(text)),
        None => json!(base64(&value.to_string())),
    };
}

fn hash(text: &str) -> String {
    let digest = md5(&[text.as_bytes()]);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut base64 = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * place) & 63]);
            base64.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    base64
}
