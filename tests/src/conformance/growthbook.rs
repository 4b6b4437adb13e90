//! `growthbook/growthbook: packages/sdk-js/test/cases.json`: the cases that all of GrowthBook's SDKs share.
//!
//! Run are the sections about what a unit gets. `getQueryStringOverride`, `urlRedirect` and `decrypt` are about a web
//! page and a key, `getEqualWeights` is part of `getBucketRange`.

use std::fmt;
use std::path::Path;

use bucketry_core::{
    Assignment, EvaluationContext, FlagSet, Formula, Hash, PriorAssignment, Reason, Resolution,
    Sticky, TextUnits, UnixMillis,
};
use bucketry_import::{Dialect, Format, ImportOptions, import};
use serde_json::{Map, Value, json};

use super::{Suite, Tally, read_json, same_json};

const NOW: UnixMillis = UnixMillis(0);

pub(super) struct GrowthBook;

impl Suite for GrowthBook {
    fn name(&self) -> &'static str {
        "growthbook"
    }

    fn folder(&self) -> &'static str {
        "growthbook"
    }

    fn inexpressible(&self) -> &'static [(&'static str, &'static str)] {
        LISTED
    }

    fn run(&self, folder: &Path, tally: &mut Tally) -> Result<(), String> {
        let cases = read_json(&folder.join("cases.json"))?;
        let sections: [(&str, Section); 9] = [
            ("hash", hash),
            ("getBucketRange", bucket_range),
            ("chooseVariation", choose_variation),
            ("inNamespace", in_namespace),
            ("evalCondition", condition),
            ("feature", feature),
            ("contextualBandit", feature),
            ("run", experiment),
            ("stickyBucket", sticky_bucket),
        ];
        for (name, section) in sections {
            run_section(name, name, section, &cases, Dialect::JavaScript, tally)?;
        }
        // The Rust SDK's own copy has conditions that only it knows.
        let rust = folder.join("rust-sdk").join("all_cases.json");
        if rust.is_file() {
            let cases = read_json(&rust)?;
            let name = "rust evalCondition";
            run_section(
                name,
                "evalCondition",
                condition,
                &cases,
                Dialect::Rust,
                tally,
            )?;
        }
        Ok(())
    }
}

type Section = fn(&[Value], Dialect) -> Result<(Answer, Answer), String>;

fn run_section(
    name: &str,
    section: &str,
    run: Section,
    cases: &Value,
    dialect: Dialect,
    tally: &mut Tally,
) -> Result<(), String> {
    for (number, case) in cases[section].as_array().into_iter().flatten().enumerate() {
        let case = case.as_array().map(Vec::as_slice).unwrap_or_default();
        let title = match case.first() {
            // The hash's cases have a seed in the place of a name.
            Some(Value::String(title)) if section != "hash" => format!("{name}: {title}"),
            _ => format!("{name}: {number}"),
        };
        let (got, want) = run(case, dialect).map_err(|error| format!("{title}: {error}"))?;
        tally.check(&title, &got, &want);
    }
    Ok(())
}

/// Compared as JSON: 1 and 1.0 are one number.
struct Answer(Value);

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        same_json(&self.0, &other.0)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn profile(version: &Value) -> Option<Hash> {
    let text = TextUnits::Utf16;
    let (formula, modulus) = match version.as_u64()? {
        1 => (Formula::Fnv1aSuffix { text }, 1_000),
        2 => (Formula::Fnv1aTwice { text }, 10_000),
        _ => return None,
    };
    Some(Hash::Imported { formula, modulus })
}

fn hash(case: &[Value], _: Dialect) -> Result<(Answer, Answer), String> {
    let [seed, value, version, want] = case else {
        return Err("four members are expected".to_owned());
    };
    let texts = seed
        .as_str()
        .zip(value.as_str())
        .ok_or("seed and value are texts")?;
    let got = profile(version)
        .map(|hash| hash.position(texts.0, texts.1).arm as f64 / hash.modulus() as f64);
    Ok((Answer(json!(got)), Answer(want.clone())))
}

/// The ranges of the only rule of an imported experiment, by variation.
fn imported_ranges(experiment: Value, count: usize) -> Result<Vec<Vec<[u64; 2]>>, String> {
    let document = json!({ "features": { "f": { "rules": [experiment] } } });
    let set = translated(&document, Dialect::JavaScript, false)?;
    let set: Value = serde_json::from_str(&set).map_err(|error| error.to_string())?;
    let mut ranges = vec![Vec::new(); count];
    for arm in set["flags"]["f"]["rules"][0]["split"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let index: usize = arm["variant"]
            .as_str()
            .and_then(|name| name.parse().ok())
            .ok_or("no variation")?;
        let own: Vec<[u64; 2]> =
            serde_json::from_value(arm["ranges"].clone()).map_err(|error| error.to_string())?;
        ranges
            .get_mut(index)
            .ok_or("no such variation")?
            .extend(own);
    }
    Ok(ranges)
}

/// As positions of 10,000; the cases are exact to eight digits only.
fn bucket_range(case: &[Value], _: Dialect) -> Result<(Answer, Answer), String> {
    let [_, Value::Array(arguments), Value::Array(want)] = case else {
        return Err("three members are expected".to_owned());
    };
    let [count, coverage, weights] = arguments.as_slice() else {
        return Err("three arguments are expected".to_owned());
    };
    let count = count.as_u64().unwrap_or(0) as usize;
    let variations: Vec<usize> = (0..count).collect();
    let mut experiment =
        json!({ "variations": variations, "coverage": coverage, "hashVersion": 2 });
    if !weights.is_null() {
        experiment["weights"] = weights.clone();
    }
    let got = imported_ranges(experiment, count)?;
    // The cases are rounded: a bound that is a hair above a position takes that one in.
    let close = |position: u64, bound: &Value| {
        let beyond = position as f64 - bound.as_f64().unwrap_or(f64::NAN) * 10_000.0;
        (-1e-4..1.0001).contains(&beyond)
    };
    let same = got
        .iter()
        .zip(want)
        .all(|(got, want)| match got.as_slice() {
            [] => want[0] == want[1],
            [[start, end]] => close(*start, &want[0]) && close(*end, &want[1]),
            _ => false,
        });
    let shown = json!(got);
    let want = if same && got.len() == want.len() {
        shown.clone()
    } else {
        json!(want)
    };
    Ok((Answer(shown), Answer(want)))
}

fn choose_variation(case: &[Value], _: Dialect) -> Result<(Answer, Answer), String> {
    let [_, number, Value::Array(ranges), want] = case else {
        return Err("four members are expected".to_owned());
    };
    let variations: Vec<usize> = (0..ranges.len()).collect();
    let experiment = json!({ "variations": variations, "ranges": ranges, "hashVersion": 2 });
    let position = (number.as_f64().unwrap_or(f64::NAN) * 10_000.0).round() as u64;
    let imported = imported_ranges(experiment, ranges.len())?;
    let holds = |own: &Vec<[u64; 2]>| {
        own.iter()
            .any(|[start, end]| (*start..*end).contains(&position))
    };
    let got = imported.iter().position(holds);
    let got = got.map_or(json!(-1), |index| json!(index));
    Ok((Answer(got), Answer(want.clone())))
}

fn in_namespace(case: &[Value], dialect: Dialect) -> Result<(Answer, Answer), String> {
    let [_, id, namespace, want] = case else {
        return Err("four members are expected".to_owned());
    };
    let rule = json!({ "variations": [0, 1], "namespace": namespace });
    let document = json!({ "features": { "f": { "rules": [rule] } } });
    let set = flag_set(&document, dialect, false)?;
    let context = context(&json!({ "id": id }))?;
    let got = set.resolve("f", &context, NOW).assignment().is_some();
    Ok((Answer(json!(got)), Answer(want.clone())))
}

fn condition(case: &[Value], dialect: Dialect) -> Result<(Answer, Answer), String> {
    let [_, condition, attributes, want, rest @ ..] = case else {
        return Err("four members are expected".to_owned());
    };
    let mut document = json!({
        "features": { "f": { "defaultValue": false, "rules": [{ "force": true, "condition": condition }] } },
    });
    if let Some(groups) = rest.first() {
        document["savedGroups"] = groups.clone();
    }
    let set = flag_set(&document, dialect, false)?;
    let context = context(attributes)?;
    let resolution = set.resolve("f", &context, NOW);
    Ok((Answer(shown_value(&resolution)?), Answer(want.clone())))
}

fn feature(case: &[Value], dialect: Dialect) -> Result<(Answer, Answer), String> {
    let [_, given, key, want] = case else {
        return Err("four members are expected".to_owned());
    };
    let set = flag_set(given, dialect, false)?;
    let context = context(&given["attributes"])?;
    let resolution = set.resolve(key.as_str().unwrap_or_default(), &context, NOW);
    let mut got = json!({
        "value": shown_value(&resolution)?,
        "source": source(&resolution),
        "ruleId": resolution.rule_id().unwrap_or_default(),
    });
    got["on"] = json!(is_truthy(&got["value"]));
    got["off"] = json!(!is_truthy(&got["value"]));
    if let Some(assignment) = resolution.assignment() {
        got["experimentResult"] = result(
            &assignment,
            &given["features"][key.as_str().unwrap_or_default()],
        );
    }
    Ok((Answer(got), Answer(comparable(want))))
}

/// What of an expected result a flag set can say: not the experiment's own definition. A forced variation is served as
/// any forced value is.
fn comparable(want: &Value) -> Value {
    let mut kept = Map::new();
    for name in ["value", "on", "off", "source", "ruleId"] {
        kept.insert(name.to_owned(), want[name].clone());
    }
    let result = &want["experimentResult"];
    if result["hashUsed"] == json!(true) {
        kept.insert("experimentResult".to_owned(), kept_result(result));
    } else if result.is_object() {
        kept.insert("source".to_owned(), json!("force"));
    }
    Value::Object(kept)
}

fn kept_result(result: &Value) -> Value {
    let names = [
        "value",
        "variationId",
        "inExperiment",
        "hashUsed",
        "hashAttribute",
        "hashValue",
        "bucket",
        "key",
    ];
    let mut kept: Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), result[*name].clone()))
        .collect();
    // A number is a unit as its text.
    if let Some(Value::Number(number)) = kept.get("hashValue") {
        let text = number.to_string();
        kept.insert("hashValue".to_owned(), json!(text));
    }
    Value::Object(kept)
}

/// The experiment's result, as far as the assignment has it: the variation's number comes from the rule.
fn result(assignment: &Assignment<'_>, feature: &Value) -> Value {
    let key = assignment.variant.unwrap_or_default();
    let rules = feature["rules"].as_array().into_iter().flatten();
    let of_rule = |rule: &Value| {
        let variations = rule
            .get("contextualVariations")
            .or_else(|| rule.get("variations"))?
            .as_array()?
            .clone();
        let keys = (0..variations.len()).map(|index| match &rule["meta"][index]["key"] {
            Value::String(key) => key.clone(),
            _ => index.to_string(),
        });
        let own_key = rule["key"].as_str();
        let same = own_key.is_none_or(|own| own == assignment.experiment);
        let index = keys
            .clone()
            .position(|each| each == key || key.ends_with(&format!("/{each}")))?;
        same.then(|| {
            (
                index,
                variations.get(index).cloned(),
                keys.clone().nth(index),
            )
        })
    };
    let (index, value, key) = rules.filter_map(of_rule).next().unwrap_or_default();
    json!({
        "value": value,
        "variationId": index,
        "inExperiment": true,
        "hashUsed": true,
        "hashAttribute": assignment.unit_type,
        "hashValue": assignment.unit.as_str(),
        "bucket": assignment.arm.map(|position| position as f64 / assignment.modulus as f64),
        "key": key,
    })
}

fn experiment(case: &[Value], dialect: Dialect) -> Result<(Answer, Answer), String> {
    let [_, given, experiment, value, in_experiment, hash_used] = case else {
        return Err("six members are expected".to_owned());
    };
    let mut document = given.clone();
    document["experiments"] = json!([experiment]);
    let set = flag_set(&document, dialect, false)?;
    let context = context(&given["attributes"])?;
    let resolution = set.resolve(
        experiment["key"].as_str().unwrap_or_default(),
        &context,
        NOW,
    );
    let served = !matches!(
        resolution.reason(),
        Reason::Default | Reason::Static | Reason::Error
    );
    let got = json!([
        shown_value(&resolution)?,
        served,
        resolution.assignment().is_some()
    ]);
    Ok((
        Answer(got),
        Answer(json!([value, in_experiment, hash_used])),
    ))
}

/// Stored documents go in as prior assignments; what the caller is told to keep comes out.
fn sticky_bucket(case: &[Value], dialect: Dialect) -> Result<(Answer, Answer), String> {
    let [_, given, Value::Array(stored), key, want_result, want_docs] = case else {
        return Err("six members are expected".to_owned());
    };
    let set = flag_set(given, dialect, true)?;
    let key = key.as_str().unwrap_or_default();
    let rule = &given["features"][key]["rules"][0];
    let attributes = &given["attributes"];
    let mut docs: Map<String, Value> = given["stickyBucketAssignmentDocs"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for doc in stored {
        let name = format!(
            "{}||{}",
            text(&doc["attributeName"]),
            text(&doc["attributeValue"])
        );
        docs.insert(name, doc.clone());
    }
    // What is stored for the hash attribute counts more than what is stored for its stand-in.
    let mut context = context(attributes)?;
    let hash_attribute = rule["hashAttribute"].as_str().unwrap_or("id");
    for attribute in [rule["fallbackAttribute"].as_str(), Some(hash_attribute)]
        .into_iter()
        .flatten()
    {
        let Some(doc) = docs.get(&format!("{attribute}||{}", text(&attributes[attribute]))) else {
            continue;
        };
        for (assigned, variation) in doc["assignments"].as_object().into_iter().flatten() {
            let (experiment, version) = assigned
                .rsplit_once("__")
                .ok_or("an assignment has a version")?;
            context = context.with_prior(PriorAssignment {
                experiment: experiment.to_owned().into(),
                phase: version.parse::<u32>().map_err(|error| error.to_string())? + 1,
                variant: text(variation).into(),
            });
        }
    }
    let resolution = set.resolve(key, &context, NOW);
    let assignment = resolution.assignment();
    let mut got = Value::Null;
    if let Some(assignment) = &assignment {
        got = result(assignment, &given["features"][key]);
        got["stickyBucketUsed"] = json!(assignment.sticky == Sticky::Hit);
        let (attribute, unit) = (assignment.unit_type, assignment.unit.as_str());
        if assignment.sticky != Sticky::None {
            let doc = docs.entry(format!("{attribute}||{unit}")).or_insert_with(
                || json!({ "attributeName": attribute, "attributeValue": unit, "assignments": {} }),
            );
            let name = format!("{}__{}", assignment.experiment, assignment.phase - 1);
            doc["assignments"][name] = got["key"].clone();
        }
        // After a sticky hit no position is computed; the cases have one.
        got.as_object_mut().map(|got| got.remove("bucket"));
    }
    let mut want = want_result.clone();
    if want.is_object() {
        let used = want["stickyBucketUsed"].clone();
        want = kept_result(&want);
        want["stickyBucketUsed"] = used;
        want.as_object_mut().map(|want| want.remove("bucket"));
    }
    let want = json!({ "result": want, "docs": want_docs });
    Ok((Answer(json!({ "result": got, "docs": docs })), Answer(want)))
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// What of a case's context is the document rather than the user.
fn translated(given: &Value, dialect: Dialect, sticky: bool) -> Result<String, String> {
    let mut document = given.as_object().cloned().unwrap_or_default();
    for of_the_user in ["attributes", "url", "user", "stickyBucketAssignmentDocs"] {
        document.remove(of_the_user);
    }
    document.entry("features").or_insert_with(|| json!({}));
    let options = ImportOptions::new().dialect(dialect).sticky(sticky);
    let document = Value::Object(document).to_string();
    let imported = import(Format::GrowthBook, document.as_bytes(), &options);
    Ok(imported.map_err(|error| error.to_string())?.document)
}

fn flag_set(given: &Value, dialect: Dialect, sticky: bool) -> Result<FlagSet, String> {
    let document = translated(given, dialect, sticky)?;
    FlagSet::from_json(document.as_bytes())
        .map_err(|error| format!("the imported flag set: {error}"))
}

fn context(attributes: &Value) -> Result<EvaluationContext<'static>, String> {
    let text = if attributes.is_null() {
        "{}".to_owned()
    } else {
        attributes.to_string()
    };
    let context = EvaluationContext::from_json(text.as_bytes());
    Ok(context
        .map_err(|error| format!("a case's attributes: {error}"))?
        .into_owned())
}

fn shown_value(resolution: &Resolution<'_>) -> Result<Value, String> {
    Ok(match resolution.value() {
        None => Value::Null,
        Some(bucketry_core::Value::Boolean(value)) => json!(value),
        Some(bucketry_core::Value::String(value)) => json!(value),
        Some(bucketry_core::Value::Integer(value)) => json!(value),
        Some(bucketry_core::Value::Number(value)) => json!(value),
        Some(bucketry_core::Value::Object(value)) => {
            serde_json::from_str(value).map_err(|error| format!("a variant's JSON: {error}"))?
        }
    })
}

fn source(resolution: &Resolution<'_>) -> String {
    let error = resolution.error_code().map(|code| code.to_string());
    match (resolution.reason(), error.as_deref()) {
        (_, Some("FLAG_NOT_FOUND")) => "unknownFeature".to_owned(),
        (_, Some(_))
            if resolution
                .error_message()
                .is_some_and(|message| message.contains("circle")) =>
        {
            "cyclicPrerequisite".to_owned()
        }
        (_, Some(code)) => format!("{code}: {}", resolution.error_message().unwrap_or_default()),
        (Reason::Default, None) if resolution.rule_index().is_some() => "prerequisite".to_owned(),
        (Reason::Default | Reason::Static, None) => "defaultValue".to_owned(),
        _ if resolution.assignment().is_some() => "experiment".to_owned(),
        _ => "force".to_owned(),
    }
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// What stands in `docs/migrate/growthbook.md` as not expressible.
const LISTED: &[(&str, &str)] = &[
    (
        "feature: Multiple references to same prerequisite, do not break",
        TYPES,
    ),
    ("run: querystring force", ADDRESS),
    ("run: querystring force with inactive", ADDRESS),
    (
        "contextualBandit: querystring force overrides CB routing",
        ADDRESS,
    ),
];

const TYPES: &str = "a feature of a boolean and two texts; a flag has one type";
const ADDRESS: &str =
    "the page's address forces a variation; that is a browser's device for trying out";
