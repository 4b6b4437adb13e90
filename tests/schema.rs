//! The published JSON Schema (`docs/flag-set.schema.json`) against the loader.
//!
//! A schema that refuses what the loader takes would mark good documents in an editor; one that takes what the
//! loader refuses lets mistakes through. Both are looked for by changing good documents in every place, and what
//! only the loader can know is listed in [`ONLY_THE_LOADER`].

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use bucketry_core::{Diagnostic, FlagSet, LoadError, Severity, limits, schema as words};
use jsonschema::Validator;
use serde_json::{Value as Json, json};

fn published() -> Json {
    serde_json::from_str(include_str!("../docs/flag-set.schema.json")).unwrap()
}

fn validator() -> Validator {
    let schema = published();
    if let Err(error) = jsonschema::meta::validate(&schema) {
        panic!("no JSON Schema: {error} at {}", error.instance_path());
    }
    jsonschema::draft202012::new(&schema).unwrap()
}

/// What strict loading finds wrong.
fn errors(document: &str) -> Vec<Diagnostic> {
    let found = match FlagSet::from_json_strict(document.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(LoadError::Refused(diagnostics)) => diagnostics,
        Err(LoadError::Document(diagnostic)) => vec![diagnostic],
        Err(other) => panic!("{other}: {document}"),
    };
    let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
    found.into_iter().filter(is_error).collect()
}

/// Something that the loader refuses and no schema can.
struct Beyond {
    /// What of the loader's message says so.
    message: &'static str,
    /// Whether the value that the message points at is otherwise as the schema wants it.
    fits: fn(&Json) -> bool,
    /// An example: a document without its `format`.
    example: &'static str,
}

fn any(_: &Json) -> bool {
    true
}

fn is_text(value: &Json) -> bool {
    value.is_string()
}

fn is_pair(value: &Json) -> bool {
    let small = |bound: &Json| bound.as_u64().is_some_and(|bound| bound <= 1 << 60);
    value
        .as_array()
        .is_some_and(|pair| pair.len() == 2 && pair.iter().all(small))
}

fn has_long_number(value: &Json) -> bool {
    value
        .as_f64()
        .is_some_and(|number| (0.0..=100.0).contains(&number))
}

/// An integer, written otherwise.
fn is_integral(value: &Json) -> bool {
    value.is_f64() && value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

const ONLY_THE_LOADER: &[Beyond] = &[
    // References.
    Beyond {
        message: "the flag has no variant",
        fits: any,
        example: r#"{"flags": {"a": {"type": "boolean", "default": "maybe"}}}"#,
    },
    Beyond {
        message: "there is no flag",
        fits: is_text,
        example: r#"{"segments": {"s": {"flag": "a", "enabled": true}}}"#,
    },
    Beyond {
        message: "there is no segment",
        fits: is_text,
        example: r#"{"segments": {"s": {"segment": "t"}}}"#,
    },
    Beyond {
        message: "there is no layer",
        fits: is_text,
        example: r#"{"flags": {"a": {"type": "boolean", "rules": [
            {"serve": "on", "experiment": {"key": "e", "layer": "l", "slots": [0, 1]}}]}}}"#,
    },
    Beyond {
        message: "there is no holdout",
        fits: is_text,
        example: r#"{"flags": {"a": {"type": "boolean", "rules": [
            {"serve": "on", "experiment": {"key": "e", "holdout": "h"}}]}}}"#,
    },
    Beyond {
        message: "in a circle",
        fits: any,
        example: r#"{"segments": {"s": {"not": {"segment": "s"}}}}"#,
    },
    // A consequence of an error elsewhere; never alone.
    Beyond {
        message: "was refused",
        fits: any,
        example: r#"{"segments": {"s": {"segment": "t"}, "u": {"segment": "s"}}}"#,
    },
    // What must differ, or be the same.
    Beyond {
        message: "duplicate member",
        fits: any,
        example: r#"{"segments": {"s": {"always": true, "always": true}}}"#,
    },
    Beyond {
        message: "two flags have this key",
        fits: any,
        example: r#"{"flags": {"a": {"type": "boolean"}, "a": {"type": "boolean"}}}"#,
    },
    Beyond {
        message: "two rules have the id",
        fits: any,
        example: r#"{"flags": {"a": {"type": "boolean", "rules": [
            {"id": "r", "serve": "on"}, {"id": "r", "serve": "on"}]}}}"#,
    },
    Beyond {
        message: "a second rule without `id` draws",
        fits: any,
        example: r#"{"flags": {"a": {"type": "boolean", "rules": [
            {"serve": "on", "rollout": 1}, {"serve": "on", "rollout": 2}]}}}"#,
    },
    Beyond {
        message: "another rule has this experiment",
        fits: any,
        example: r#"{"flags": {"a": {"type": "boolean", "rules": [
            {"serve": "on", "experiment": {"key": "e"}},
            {"serve": "on", "experiment": {"key": "e", "phase": 2}}]}}}"#,
    },
    Beyond {
        message: "another experiment of the layer",
        fits: any,
        example: r#"{"layers": {"l": {}}, "flags": {"a": {"type": "boolean", "rules": [
            {"serve": "on", "experiment": {"key": "e", "layer": "l", "slots": [0, 5]}},
            {"serve": "on", "experiment": {"key": "f", "layer": "l", "slots": [4, 9]}}]}}}"#,
    },
    // What must fit together.
    Beyond {
        message: "weights sum to 1 up to",
        fits: any,
        example: r#"{"flags": {"a": {"type": "boolean", "rules": [{"split": {"on": 0, "off": 0}}]}}}"#,
    },
    Beyond {
        message: "ranges of arms overlap",
        fits: any,
        example: r#"{"flags": {"a": {"type": "boolean", "rules": [{"split": [
            {"variant": "on", "ranges": [[0, 5]]}, {"variant": "off", "ranges": [[4, 9]]}]}]}}}"#,
    },
    Beyond {
        message: "expected 1 to 10,000 ranges",
        fits: any,
        example: r#"{"flags": {"a": {"type": "boolean", "rules": [{"split": [
            {"variant": "on", "ranges": []}]}]}}}"#,
    },
    Beyond {
        message: "expected [start, end]",
        fits: is_pair,
        example: r#"{"segments": {"s": {"position": {"salt": "s", "ranges": [[5, 5]]}}}}"#,
    },
    Beyond {
        message: "`from` is not before `until`",
        fits: any,
        example: r#"{"flags": {"a": {"type": "boolean", "rules": [{"serve": "on", "from": 5, "until": 5}]}}}"#,
    },
    Beyond {
        message: "two lanes",
        fits: any,
        example: r#"{"flags": {"a": {"type": "boolean", "hash": {"name": "md5-mod", "modulus": 9}, "rules": [
            {"serve": "on", "rollout": 5}]}}}"#,
    },
    Beyond {
        message: "the salt of this hash is a seed",
        fits: any,
        example: r#"{"segments": {"s": {"position": {"salt": "s", "ranges": [],
            "hash": {"name": "murmur3-32-seed-mod", "modulus": 9}}}}}"#,
    },
    // What texts mean.
    Beyond {
        message: "expected a time",
        fits: |time| is_text(time) || is_integral(time),
        example: r#"{"segments": {"s": {"attribute": "a", "before": "2026-02-29T00:00:00Z"}}}"#,
    },
    Beyond {
        message: "expected comparators",
        fits: is_text,
        example: r#"{"segments": {"s": {"attribute": "a", "semver": ">=2.1"}}}"#,
    },
    Beyond {
        message: "expected an IP address",
        fits: is_text,
        example: r#"{"segments": {"s": {"attribute": "a", "cidr": "10.0.0.0/33"}}}"#,
    },
    Beyond {
        message: "regex parse error",
        fits: is_text,
        example: r#"{"segments": {"s": {"attribute": "a", "matches": "("}}}"#,
    },
    Beyond {
        message: "is not base64",
        fits: is_text,
        example: r#"{"segments": {"s": {"hashedIds": "A", "salt": "s"}}}"#,
    },
    Beyond {
        message: "holds a malformed number",
        fits: is_text,
        example: r#"{"segments": {"s": {"hashedIds": "gA==", "salt": "s"}}}"#,
    },
    Beyond {
        message: "does not ascend",
        fits: is_text,
        example: r#"{"segments": {"s": {"hashedIds": "AQA=", "salt": "s"}}}"#,
    },
    // How it is written.
    Beyond {
        message: "at most four decimals",
        fits: has_long_number,
        example: r#"{"holdouts": {"h": {"percent": 0.00001}}}"#,
    },
    Beyond {
        message: "expected format 1",
        fits: is_integral,
        example: r#"{"format": 1.0}"#,
    },
    Beyond {
        message: "expected an integer",
        fits: is_integral,
        example: r#"{"flags": {"a": {"type": "boolean", "rules": [{"split": {"on": 1.0}}]}}}"#,
    },
    Beyond {
        message: "expected a value of type integer",
        fits: is_integral,
        example: r#"{"flags": {"a": {"type": "integer", "variants": {"x": 1.0}}}}"#,
    },
    // A schema counts characters, the loader bytes.
    Beyond {
        message: "a name has 1 to 256 bytes",
        fits: |name| {
            name.as_str()
                .is_some_and(|name| (1..=256).contains(&name.chars().count()))
        },
        example: r#"{"segments": {"s": {"attribute": "żżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżż", "exists": true}}}"#,
    },
    // Sums of the whole.
    Beyond {
        message: "nest deeper than 32 levels",
        fits: any,
        example: r#"{"segments": {"s": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not":
            {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not":
            {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"always": true}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}"#,
    },
];

/// Bounds of a whole flag or flag set, met only in large documents: those of `tests/vectors`.
const LIMITS_OF_THE_WHOLE: [&str; 4] = [
    "more than 256 different regular expressions",
    "are chained more than 32 levels deep",
    "could reach more than 100,000 conditions",
    "more than 10,000 conditions",
];

/// Whether an error is one that no schema can find.
fn only_the_loader_knows(error: &Diagnostic, document: &Json) -> bool {
    let value = document.pointer(&error.pointer).unwrap_or(&Json::Null);
    // An importer wrote it, and the loader repeats it: no mistake to mark in an editor.
    let is_told = error.pointer.ends_with("/error") && value.as_str() == Some(&error.message);
    let listed = |beyond: &Beyond| error.message.contains(beyond.message) && (beyond.fits)(value);
    let is_limit = LIMITS_OF_THE_WHOLE
        .iter()
        .any(|limit| error.message.contains(limit));
    is_told || is_limit || ONLY_THE_LOADER.iter().any(listed)
}

#[test]
fn what_only_the_loader_knows_is_listed() {
    let validator = validator();
    for beyond in ONLY_THE_LOADER {
        let text = match beyond.example.contains("format") {
            true => beyond.example.to_owned(),
            false => beyond.example.replacen('{', r#"{"format": 1, "#, 1),
        };
        let document: Json = serde_json::from_str(&text).unwrap();
        if let Err(error) = validator.validate(&document) {
            panic!("`{}`: the schema knows: {error}", beyond.message);
        }
        let errors = errors(&text);
        let said = errors
            .iter()
            .any(|error| error.message.contains(beyond.message));
        assert!(said, "`{}`: {errors:?}", beyond.message);
    }
}

/// Good documents that have every member, operator and form between them, without their `format`.
const GOOD: &[&str] = &[
    r#"{
        "$schema": "x", "revision": 7, "environment": "production", "hash": "sha256", "description": {}, "x-y": 1,
        "metadata": {"text": "a", "number": 1.5, "boolean": true},
        "segments": {"s": {"description": 1, "always": true, "x-a": null}},
        "layers": {"l": {"unit": "userId", "salt": "s", "hash": "xxh64", "description": ""}},
        "holdouts": {"h": {"unit": ["a", "/b"], "salt": "s", "hash": "xxh64-seed42", "percent": 5}}
    }"#,
    r#"{"hash": {"name": "md5-mod", "modulus": 10000}}"#,
    r#"{"hash": {"name": "sha1-60-mod", "modulus": 1152921504606846976, "description": 1}}"#,
    r#"{"hash": {"name": "murmur3-32-mod", "modulus": 4294967296, "seed": 4294967295}}"#,
    r#"{"flags": {"f": {"type": "boolean", "rules": [
        {"id": "a", "hash": {"name": "sha1-28-mod", "modulus": 268435456}, "split": {"on": 1}},
        {"id": "b", "hash": {"name": "murmur3-32-seed-mod", "modulus": 100}, "salt": "-1", "split": {"on": 1}},
        {"id": "c", "hash": {"name": "polynomial31-seed-mod", "modulus": 100}, "salt": "1", "split": {"on": 1}},
        {"id": "d", "hash": {"name": "fnv1a-32-suffix-mod", "modulus": 1000, "text": "utf16"}, "split": {"on": 1}},
        {"id": "e", "hash": {"name": "fnv1a-32-twice-mod", "modulus": 10000, "text": "codePoints"}, "split": {"on": 1}},
        {"id": "f", "hash": {"name": "fnv1a-32-twice-mod", "modulus": 10000, "text": "utf8"}, "split": {"on": 1}},
        {"id": "g", "hash": {"name": "sha256-le-suffix-mod", "modulus": 100}, "salt": "\nBeta", "split": {"on": 1}}
    ]}}}"#,
    r#"{"flags": {
        "b": {"type": "boolean", "enabled": false, "default": "on", "off": "off", "unit": "u", "hash": "xxh64",
              "rules": [], "metadata": {"a": "b"}, "description": "d"},
        "s": {"type": "string", "variants": {"x": "X", "y": ""}, "default": null, "off": null},
        "i": {"type": "integer", "variants": {"x": -5, "y": 9007199254740993}},
        "n": {"type": "number", "variants": {"x": 1, "y": -2.5e3}},
        "o": {"type": "object", "variants": {"x": {"a": [1]}, "y": []}},
        "c": {"type": "boolean", "variants": {"yes": true}}
    }}"#,
    r#"{"flags": {"a": {"type": "boolean", "rules": [
        {"id": "r", "if": {"always": true}, "from": "2026-01-01T00:00:00Z", "until": 1798761600000, "serve": "on",
         "rollout": 12.5, "salt": "s", "unit": ["u", "targetingKey"], "hash": "sha256", "missingUnit": "zero",
         "otherwise": "stop", "reason": "STATIC", "x-owner": "me"},
        {"split": {"on": 1, "off": 3}, "missingUnit": "error", "otherwise": "next", "reason": "SPLIT"},
        {"serve": "on", "missingUnit": "skip", "reason": "DEFAULT"}, {"serve": "on", "reason": "TARGETING_MATCH"}, {"serve": null},
        {"id": "t", "split": [{"variant": "on", "weight": 1}, {"variant": "off", "weight": 0, "description": 1}]},
        {"id": "v", "hash": {"name": "md5-mod", "modulus": 4294967296},
         "split": [{"variant": "on", "ranges": [[0, 10], [20, 4294967296]]}, {"variant": "on", "ranges": []}]}
    ]}}}"#,
    r#"{"layers": {"l": {}}, "holdouts": {"h": {"percent": 0.5}, "i": {"percent": 100}},
        "flags": {"a": {"type": "boolean", "rules": [
            {"serve": "on", "experiment": {"key": "e", "phase": 2, "layer": "l", "slots": [0, 10], "holdout": "h",
                                           "sticky": true, "x-q": 1}},
            {"serve": "on", "experiment": {"key": "f", "layer": "l", "slots": [[10, 20], [30, 10000]],
                                           "holdout": ["h", "i"], "sticky": false}}
    ]}}}"#,
    r#"{"segments": {
            "all": {"all": [{"always": true}, {"all": []}]}, "any": {"any": [{"always": false}]},
            "not": {"not": {"segment": "all"}, "x-why": []}, "segment": {"segment": "any"}
    }}"#,
    r#"{"flags": {
            "a": {"type": "integer", "variants": {"x": 1, "y": 2}},
            "b": {"type": "boolean", "rules": [
                {"if": {"flag": "a", "is": "x", "description": 0}, "serve": "on"},
                {"if": {"flag": "a", "is": ["x", "y"]}, "serve": "on"},
                {"if": {"flag": "a", "enabled": true}, "serve": "on"},
                {"if": {"flag": "a", "value": {"greaterThan": 1, "loose": true, "x-a": 1}}, "serve": "on"}
    ]}}}"#,
    r#"{"segments": {
            "p": {"position": {"salt": "s", "unit": "u", "hash": "sha256", "lane": "enrol", "missing": "zero",
                               "ranges": [[0, 5], [3, 4294967296]]}},
            "q": {"position": {"salt": "s", "hash": {"name": "md5-mod", "modulus": 10}, "lane": "arm", "missing": "false",
                               "ranges": [[0, 10]]}},
            "r": {"position": {"salt": "s", "missing": "error", "percent": 12.5}},
            "h": {"hashedIds": "AQ==", "salt": "s", "unit": ["u", "$random"], "x-n": 2}
    }}"#,
    r#"{"segments": {
            "e": {"attribute": "/a/0/b~1c", "equals": "x", "ignoreCase": true}, "e2": {"attribute": "a", "equals": 1},
            "i": {"attribute": "a", "in": ["x", 1.5, true], "ignoreCase": false},
            "c": {"attribute": "a", "contains": "x", "ignoreCase": true},
            "s": {"attribute": "a", "startsWith": ["x", ""], "ignoreCase": true},
            "w": {"attribute": "a", "endsWith": [], "ignoreCase": true, "loose": false},
            "m": {"attribute": "a", "matches": "^x+$", "loose": true, "description": null}
    }}"#,
    r#"{"segments": {
            "l": {"attribute": "a", "lessThan": 1}, "m": {"attribute": "a", "lessOrEqual": 1.5, "loose": true},
            "g": {"attribute": "a", "greaterThan": -1, "lenient": true}, "h": {"attribute": "a", "greaterOrEqual": 0},
            "b": {"attribute": "a", "before": "2026-12-24T18:00:00+01:00", "epoch": "seconds"},
            "n": {"attribute": "a", "notAfter": "2026-12-24t18:00:00.123z"},
            "f": {"attribute": "a", "after": -5}, "o": {"attribute": "a", "notBefore": 0}
    }}"#,
    r#"{"segments": {
            "v": {"attribute": "a", "semver": ">=2.1.0 <3.0.0-rc.1+b"}, "w": {"attribute": "a", "semver": "v2", "loose": true, "lenient": false},
            "y": {"attribute": "a", "semver": "=2.0.0", "lenient": true},
            "n": {"attribute": "a", "cidr": "10.0.0.0/8"}, "o": {"attribute": "a", "cidr": ["2001:db8::/32", "::ffff:1.2.3.4"]},
            "c": {"attribute": "a", "containsAny": ["x", 1]}, "d": {"attribute": "a", "containsAll": [false]},
            "x": {"attribute": "a", "exists": false}, "t": {"attribute": "a", "hasType": "array"}
    }}"#,
    r#"{"segments": {
            "h": {"attribute": "a", "inHashed": {"hash": "md5", "digests": ["0123456789abcdef0123456789abcdef"],
                  "prefix": "p", "suffix": "", "first": 5, "description": 1}, "loose": true},
            "s": {"attribute": "a", "inHashed": {"hash": "sha256", "digests": [], "last": 10000}},
            "e": {"attribute": "a", "anyElement": {"equals": "x", "ignoreCase": true, "x-b": 1}},
            "f": {"attribute": "a", "everyElement": {"anyElement": {"before": 5, "epoch": "seconds"}}},
            "o": {"attribute": "a", "lessThan": "b", "loose": true}, "p": {"attribute": "a", "greaterOrEqual": ""},
            "q": {"attribute": "a", "lessOrEqual": "1.2.3", "collation": "paddedVersion"},
            "w": {"attribute": "a", "anyElement": {"where": {"all": [{"attribute": "", "exists": true}, {"any": [
                  {"not": {"attribute": "/a~0", "equals": 1, "x-c": 1}}, {"always": true}]}]}}},
            "x": {"prior": "e", "phases": [0, 1000001], "is": ["a"], "x-d": 1}, "y": {"prior": "e", "is": "b"},
            "z": {"position": {"salt": "s", "unit": {"of": ["u", "targetingKey"], "empty": "missing"}, "ranges": []}},
            "r": {"attribute": "a", "size": {"greaterThan": "x", "collation": "paddedVersion", "loose": false}}
    }}"#,
];

fn good_documents() -> Vec<Json> {
    let parse = |text: &&str| {
        let mut document: Json = serde_json::from_str(text).unwrap();
        document["format"] = json!(words::FORMAT);
        document
    };
    GOOD.iter().map(parse).collect()
}

/// Every place in a document, as JSON pointers.
fn places(value: &Json, at: String, places: &mut Vec<String>) {
    match value {
        Json::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                self::places(element, format!("{at}/{index}"), places);
            }
        }
        Json::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                self::places(member, format!("{at}/{name}"), places);
            }
        }
        _ => {}
    }
    places.push(at);
}

/// Every word of the format.
fn all_words() -> BTreeSet<&'static str> {
    let mut all = BTreeSet::new();
    all.extend(words::SET_MEMBERS);
    all.extend(words::FLAG_MEMBERS);
    all.extend(words::RULE_MEMBERS);
    all.extend(words::EXPERIMENT_MEMBERS);
    all.extend(words::LAYER_MEMBERS);
    all.extend(words::HOLDOUT_MEMBERS);
    all.extend(words::ARM_MEMBERS);
    all.extend(words::POSITION_MEMBERS);
    all.extend(words::HASH_MEMBERS);
    all.extend(words::CONDITION_KINDS);
    all.extend(words::PREREQUISITE_MEMBERS);
    all.extend(words::HASHED_IDS_MEMBERS);
    all.extend(words::PRIOR_MEMBERS);
    all.extend(words::UNIT_MEMBERS);
    all.extend(words::WHERE_MEMBERS);
    all.extend(words::HASHED_MEMBERS);
    all.extend(words::MODIFIERS);
    all.extend(words::OPERATORS.map(|(name, _)| name));
    all.extend(words::HASHED_HASHES);
    all.extend(words::NATIVE_HASHES.map(|(name, _)| name));
    all.extend(words::MISSING_UNIT);
    all.extend(words::MISSING_POSITION);
    all.extend(words::OTHERWISE);
    all.extend(words::LANES);
    all.extend(words::VALUE_TYPES.map(|value_type| value_type.as_str()));
    all.extend(words::ATTRIBUTE_TYPES);
    all.extend(words::RULE_REASONS.map(|reason| reason.as_str()));
    all.extend(words::MODULUS_HASHES.map(|(name, _)| name));
    all.extend(words::TEXT_UNITS);
    all.extend(["seconds", "CACHED", "DISABLED", "UNKNOWN", "STALE", "ERROR"]);
    all
}

/// Values to put in the place of others: each kind, and each bound of the format with its neighbours.
fn probes() -> Vec<Json> {
    let mut probes = vec![
        json!(null),
        json!(true),
        json!(false),
        json!(-1),
        json!(0.5),
        json!(-0.5),
        json!(100.5),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(i64::MAX as u64 + 1),
        json!(1e300),
        json!(""),
        json!("/"),
        json!("/a~2"),
        json!("a\u{7}"),
        json!("a".repeat(limits::MAX_NAME_BYTES)),
        json!("a".repeat(limits::MAX_NAME_BYTES + 1)),
        json!("a".repeat(limits::MAX_REGEX_BYTES + 1)),
        json!("a".repeat(limits::MAX_SALT_BYTES)),
        json!("a".repeat(limits::MAX_SALT_BYTES + 1)),
        json!("2026-12-24T18:00:00Z"),
        json!("2026-12-24T18:00:00.1234Z"),
        json!("1.2.3"),
        json!("10.0.0.0/8"),
        json!([]),
        json!([null]),
        json!([true]),
        json!(["a"]),
        json!(["a", 1]),
        json!([["a"]]),
        json!([0, 1]),
        json!([0, 1, 2]),
        json!([[0, 1]]),
        json!([0, 10_001]),
        json!([[0, 4_294_967_297_u64]]),
        json!([[0, (1_u64 << 60) + 1]]),
        json!(["0123456789abcdef"]),
        json!({}),
        json!({"a": 1}),
        json!({"always": true}),
        json!({"equals": 1}),
        json!({"name": "md5-mod", "modulus": 7}),
        json!(vec!["a"; limits::MAX_UNIT_CHAIN]),
        json!(vec!["a"; limits::MAX_UNIT_CHAIN + 1]),
        json!(vec!["h"; limits::MAX_HOLDOUTS_OF_EXPERIMENT + 1]),
        json!(vec!["a"; limits::MAX_TEXT_OPERANDS + 1]),
        json!(vec![json!({"serve": "on"}); limits::MAX_RULES + 1]),
        json!(vec![[0, 1]; limits::MAX_POSITION_RANGES + 1]),
    ];
    let bounds = [
        1,
        100,
        10_000,
        1_000_000,
        1_000_000_000,
        1 << 28,
        1 << 32,
        words::MAX_REVISION,
        1 << 60,
    ];
    for bound in bounds {
        probes.extend([json!(bound - 1), json!(bound), json!(bound + 1)]);
    }
    let many =
        |len: usize| -> Json { (0..len).map(|at| (format!("n{at}"), json!(true))).collect() };
    probes.extend([
        many(limits::MAX_METADATA + 1),
        many(limits::MAX_VARIANTS + 1),
    ]);
    probes
}

/// All documents that one change makes of one.
fn changed(document: &Json, change: &mut impl FnMut(Json, String)) {
    let mut all = Vec::new();
    places(document, String::new(), &mut all);
    let probes = probes();
    let words = all_words();
    for place in &all {
        let mut with = |what: &str, edit: &dyn Fn(&mut Json)| {
            let mut copy = document.clone();
            edit(copy.pointer_mut(place).unwrap());
            change(copy, format!("{what} at {place}"));
        };
        for probe in &probes {
            with("another value", &|value| *value = probe.clone());
        }
        match document.pointer(place).unwrap() {
            Json::String(_) => {
                for word in &words {
                    with("another word", &|value| *value = json!(word));
                }
            }
            Json::Object(members) => {
                for name in ["unknown", "x-", "X-a", "", "$schema", "description"] {
                    with(name, &|value| value[name] = json!(1));
                }
                for name in &words {
                    for probe in [json!(1), json!(true), json!("on"), json!([])] {
                        with(name, &|value| value[*name] = probe.clone());
                    }
                }
                for name in members.keys() {
                    with("no member", &|value| {
                        drop(value.as_object_mut().unwrap().remove(name))
                    });
                }
            }
            Json::Array(elements) => {
                for probe in &probes {
                    with("one more element", &|value| {
                        value.as_array_mut().unwrap().push(probe.clone())
                    });
                }
                for index in 0..elements.len() {
                    with("an element less", &|value| {
                        drop(value.as_array_mut().unwrap().remove(index))
                    });
                }
            }
            _ => {}
        }
    }
}

/// What became of the changes of some documents.
#[derive(Default)]
struct Account {
    both_take: u32,
    both_refuse: u32,
    only_the_loader: u32,
    /// What the change was, what was said about it, and the document.
    differences: Vec<(String, String, String)>,
}

impl Account {
    fn add(&mut self, validator: &Validator, changed: &Json, what: String) {
        let text = changed.to_string();
        let refusals = errors(&text);
        let said = match (validator.is_valid(changed), refusals.first()) {
            (true, None) => return self.both_take += 1,
            (false, Some(_)) => return self.both_refuse += 1,
            (false, None) => format!("the schema: {}", validator.validate(changed).unwrap_err()),
            (true, Some(_)) => {
                let mut refusals = refusals.iter();
                match refusals.find(|error| !only_the_loader_knows(error, changed)) {
                    None => return self.only_the_loader += 1,
                    Some(error) => format!("the loader: {error}"),
                }
            }
        };
        self.differences
            .push((what, said, text.chars().take(500).collect()));
    }
}

#[test]
fn schema_and_loader_agree_on_every_change_of_good_documents() {
    let validator = validator();
    let documents = good_documents();
    for document in &documents {
        let text = document.to_string();
        assert_eq!(errors(&text), [], "{text}");
        if let Err(error) = validator.validate(document) {
            panic!("{error}: {text}");
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    let accounts: Vec<Account> = std::thread::scope(|scope| {
        let share = |thread| {
            let (validator, documents) = (&validator, &documents);
            scope.spawn(move || {
                let mut account = Account::default();
                for document in documents.iter().skip(thread).step_by(threads) {
                    changed(document, &mut |changed, what| {
                        account.add(validator, &changed, what)
                    });
                }
                account
            })
        };
        let shares: Vec<_> = (0..threads).map(share).collect();
        shares
            .into_iter()
            .map(|share| share.join().unwrap())
            .collect()
    });
    let sum = |count: fn(&Account) -> u32| accounts.iter().map(count).sum::<u32>();
    let both_refuse = sum(|account| account.both_refuse);
    println!(
        "{} taken, {both_refuse} refused by both, {} refused by the loader for what only it knows",
        sum(|account| account.both_take),
        sum(|account| account.only_the_loader),
    );
    let differences: Vec<_> = accounts
        .iter()
        .flat_map(|account| &account.differences)
        .collect();
    let first = &differences[..differences.len().min(20)];
    assert!(
        differences.is_empty(),
        "{} differences, among them {first:#?}",
        differences.len()
    );
    assert!(both_refuse > 10_000, "{both_refuse}");
}

#[test]
fn good_documents_use_every_word() {
    let mut used = BTreeSet::new();
    fn collect(value: &Json, used: &mut BTreeSet<String>) {
        match value {
            Json::String(text) => drop(used.insert(text.clone())),
            Json::Array(elements) => elements.iter().for_each(|element| collect(element, used)),
            Json::Object(members) => {
                for (name, member) in members {
                    used.insert(name.clone());
                    collect(member, used);
                }
            }
            _ => {}
        }
    }
    for document in good_documents() {
        collect(&document, &mut used);
    }
    // Reasons that no rule can give are no words of the format; they are there to be refused.
    let unused: Vec<_> = all_words()
        .into_iter()
        .filter(|word| !used.contains(*word))
        .collect();
    assert_eq!(unused, ["CACHED", "DISABLED", "ERROR", "STALE", "UNKNOWN"]);
}

/// The flag sets of `tests/vectors`, as texts with the place they come from.
fn vector_documents() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let file: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let text = |document: &Json| match document {
            Json::String(text) => text.clone(),
            Json::Array(lines) => {
                let lines: Vec<_> = lines.iter().filter_map(Json::as_str).collect();
                lines.join("\n")
            }
            object => object.to_string(),
        };
        if let Some(sets) = file.get("flagSets").and_then(Json::as_object) {
            found.extend(
                sets.iter()
                    .map(|(key, set)| (format!("{name} {key}"), text(set))),
            );
        }
        for case in file
            .get("documents")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(document) = case.get("document").or_else(|| case.get("text")) {
                found.push((format!("{name} {}", case["id"]), text(document)));
            }
        }
    }
    found
}

#[test]
fn flag_sets_that_load_validate_and_others_fail_for_what_only_the_loader_knows() {
    let validator = validator();
    let examples = ["../examples/flags.json", "../docs/flag-set.md"].map(|name| {
        let text =
            fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        let block = text
            .split("```json\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next());
        (name.to_owned(), block.unwrap_or(&text).to_owned())
    });
    let mut loaded = 0;
    let mut limits_met = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, text) in vector_documents().into_iter().chain(examples) {
        let Ok(document) = serde_json::from_str(&text) else {
            continue;
        };
        match FlagSet::from_json_strict(text.as_bytes()) {
            // No matter of schemas.
            Err(LoadError::Syntax(_)) => {}
            Ok(_) => {
                loaded += 1;
                if let Err(error) = validator.validate(&document) {
                    wrong.push(format!("{name}: {error} at {}", error.instance_path()));
                }
            }
            Err(_) => {
                assert!(!name.starts_with(".."), "{name} does not load");
                if validator.is_valid(&document) {
                    let errors = errors(&text);
                    limits_met.extend(LIMITS_OF_THE_WHOLE.iter().filter(|limit| {
                        errors.iter().any(|error| error.message.contains(**limit))
                    }));
                    let unknown = errors
                        .iter()
                        .find(|error| !only_the_loader_knows(error, &document));
                    wrong.extend(
                        unknown.map(|error| format!("{name}: the schema takes it; {error}")),
                    );
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences: {wrong:#?}", wrong.len());
    assert!(loaded > 80, "only {loaded} flag sets load");
    assert_eq!(limits_met, LIMITS_OF_THE_WHOLE.iter().collect());
}

#[test]
fn tables_and_schema_have_the_same_words() {
    let schema = published();
    let at = |pointer: &str| {
        let found = schema.pointer(pointer);
        found.unwrap_or_else(|| panic!("no {pointer}"))
    };
    let members = |pointer: &str| -> BTreeSet<String> {
        let members = at(pointer).as_object().unwrap().keys();
        members
            .filter(|name| *name != "description" && *name != "$schema")
            .cloned()
            .collect()
    };
    let set =
        |words: &[&str]| -> BTreeSet<String> { words.iter().map(|word| (*word).into()).collect() };
    let operators = words::OPERATORS.map(|(name, _)| name);
    for (pointer, table) in [
        ("/properties", &words::SET_MEMBERS[..]),
        ("/$defs/flag/properties", &words::FLAG_MEMBERS),
        ("/$defs/rule/properties", &words::RULE_MEMBERS),
        ("/$defs/experiment/properties", &words::EXPERIMENT_MEMBERS),
        ("/$defs/layer/properties", &words::LAYER_MEMBERS),
        ("/$defs/holdout/properties", &words::HOLDOUT_MEMBERS),
        ("/$defs/arm/properties", &words::ARM_MEMBERS),
        ("/$defs/position/properties", &words::POSITION_MEMBERS),
        ("/$defs/condition/properties", &words::CONDITION_KINDS),
        ("/$defs/hash/then/properties", &words::HASH_MEMBERS),
        (
            "/$defs/prerequisite/properties",
            &words::PREREQUISITE_MEMBERS[1..],
        ),
        (
            "/$defs/hashedIds/properties",
            &words::HASHED_IDS_MEMBERS[1..],
        ),
        ("/$defs/prior/properties", &words::PRIOR_MEMBERS[1..]),
        (
            "/$defs/elementCondition/properties",
            &words::ELEMENT_CONDITION_KINDS,
        ),
        ("/$defs/elementTest/then/properties", &words::WHERE_MEMBERS),
        ("/$defs/unit/anyOf/2/properties", &words::UNIT_MEMBERS),
        (
            "/$defs/test/properties/inHashed/properties",
            &words::HASHED_MEMBERS,
        ),
        (
            "/$defs/test/properties",
            &[&operators[..], &words::MODIFIERS].concat(),
        ),
    ] {
        assert_eq!(members(pointer), set(table), "{pointer}");
        // For completion in an editor, each says what it is.
        for (name, member) in at(pointer).as_object().unwrap() {
            let referred = member.get("$ref").and_then(Json::as_str);
            let referred = referred.map(|reference| at(reference.trim_start_matches('#')));
            let told = [Some(member), referred].into_iter().flatten();
            let told = told.filter_map(|schema| schema.get("description")).next();
            assert!(told.is_some(), "{pointer}/{name} has no description");
        }
    }
    let reasons = words::RULE_REASONS.map(|reason| reason.as_str());
    for (pointer, table) in [
        (
            "/$defs/flag/properties/type/enum",
            &words::VALUE_TYPES.map(|value_type| value_type.as_str())[..],
        ),
        (
            "/$defs/rule/properties/missingUnit/enum",
            &words::MISSING_UNIT,
        ),
        ("/$defs/rule/properties/otherwise/enum", &words::OTHERWISE),
        ("/$defs/rule/properties/reason/enum", &reasons),
        ("/$defs/position/properties/lane/enum", &words::LANES),
        (
            "/$defs/position/properties/missing/enum",
            &words::MISSING_POSITION,
        ),
        (
            "/$defs/nativeHash/enum",
            &words::NATIVE_HASHES.map(|(name, _)| name),
        ),
        (
            "/$defs/hash/then/properties/name/enum",
            &words::MODULUS_HASHES.map(|(name, _)| name),
        ),
        ("/$defs/hash/then/properties/text/enum", &words::TEXT_UNITS),
        (
            "/$defs/test/properties/hasType/enum",
            &words::ATTRIBUTE_TYPES,
        ),
        (
            "/$defs/test/properties/inHashed/properties/hash/enum",
            &words::HASHED_HASHES,
        ),
        ("/$defs/test/properties/collation/enum", &words::COLLATIONS),
    ] {
        let listed = at(pointer).as_array().unwrap().iter();
        let listed = listed.map(|word| word.as_str().unwrap().to_owned());
        assert_eq!(listed.collect::<BTreeSet<_>>(), set(table), "{pointer}");
    }
}
