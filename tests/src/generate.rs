//! Flag sets and contexts made up from a seed. Their words are few, so that conditions are true about as often as
//! not, and everything of the format comes up.

use bucketry_core::{AttributeValue, EvaluationContext, PriorAssignment, encode_ids, xxh64_salted};
use serde_json::{Map, Value as Json, json};

use crate::random::Random;

/// Flags of one made-up set, and rules of one flag. Each rule has its own share of the slots of a layer.
const MOST_FLAGS: u64 = 5;
const MOST_RULES: u64 = 4;

const COUNTRIES: [&str; 5] = ["DE", "FR", "it", "US", "Ελλάδα"];
const PLANS: [&str; 4] = ["free", "pro", "Pro", ""];
const TAGS: [&str; 4] = ["staff", "beta", "vip", "1"];
const VERSIONS: [&str; 6] = ["1.2.3", "2.0.0", "2.0.0-rc.1", "v2.1", "2.10.0+7", "latest"];
const ADDRESSES: [&str; 5] = ["10.1.2.3", "192.168.0.1", "::1", "2001:db8::5", "10.1.2"];
const TIMES: [&str; 3] = [
    "2026-01-01T00:00:00Z",
    "2026-07-01T12:00:00.5+02:00",
    "2026-13-01",
];
const UNITS: [&str; 5] = ["targetingKey", "org", "/address/zip", "$random", "missing"];
const SALTS: [&str; 3] = ["one", "two", "drei·3"];

/// A flag set document that loads without an error.
///
/// Flag `n` is called `flag-n`, and names only flags before it.
#[must_use]
pub fn flag_set(random: &mut Random) -> Json {
    let segments: Map<String, Json> = (0..random.below(4))
        .map(|n| (format!("segment-{n}"), condition(random, n, 0, 2)))
        .collect();
    let known = segments.len() as u64;
    let count = 1 + random.below(MOST_FLAGS) as usize;
    let flags: Map<String, Json> = (0..count)
        .map(|n| (format!("flag-{n}"), flag(random, n, known)))
        .collect();
    json!({
        "format": 1,
        "revision": random.below(1_000),
        "environment": "test",
        "segments": segments,
        "layers": { "layer-0": {}, "layer-1": { "unit": "org", "salt": "one", "hash": "sha256" } },
        "holdouts": { "holdout-0": { "percent": 20 }, "holdout-1": { "percent": 40, "unit": ["org", "targetingKey"] } },
        "flags": flags
    })
}

/// Flag number `n` of a set that has `segments` segments, and the flags before it.
pub fn flag(random: &mut Random, n: usize, segments: u64) -> Json {
    let value_type = *random.one_of(&["boolean", "string", "integer", "number", "object"]);
    let values = match value_type {
        "boolean" => [json!(true), json!(false), json!(true)],
        "string" => [json!("a"), json!(""), json!("Ωmega")],
        "integer" => [json!(i64::MIN), json!(0), json!(7)],
        "number" => [json!(0.1), json!(-2), json!(1e300)],
        _ => [json!({}), json!({ "a": [1, null] }), json!([])],
    };
    let mut flag = json!({
        "type": value_type,
        "variants": { "on": values[0], "off": values[1], "third": values[2] },
        "enabled": !random.percent(10),
        "default": random.one_of(&[json!("off"), json!("third"), Json::Null])
    });
    if random.percent(30) {
        flag["off"] = json!("off");
    }
    if random.percent(20) {
        flag["unit"] = unit(random);
    }
    if random.percent(20) {
        flag["hash"] = hash(random);
    }
    if random.percent(30) {
        flag["metadata"] = json!({ "owner": "team", "since": 3, "odd": 0.5, "live": true });
    }
    let count = random.below(MOST_RULES + 1);
    let rules: Vec<Json> = (0..count)
        .map(|place| rule(random, n, place, segments))
        .collect();
    flag["rules"] = json!(rules);
    flag
}

fn rule(random: &mut Random, flag: usize, place: u64, segments: u64) -> Json {
    let mut rule = json!({ "id": format!("rule-{place}") });
    if random.percent(70) {
        rule["if"] = condition(random, segments, flag, 3);
    }
    if random.percent(10) {
        rule["from"] = json!(random.below(2_000));
    }
    if random.percent(10) {
        rule["until"] = json!(2_000 + random.below(2_000));
    }
    if random.percent(45) {
        rule["split"] = if random.percent(50) {
            json!({ "on": 1 + random.below(9), "off": random.below(9), "third": random.below(3) })
        } else {
            json!([
                { "variant": "third", "ranges": [[0, 1], [5, 1_000]] },
                { "variant": "on", "ranges": [[1_000, 4_000]] }
            ])
        };
    } else {
        rule["serve"] = json!(random.one_of(&["on", "off", "third"]));
    }
    if random.percent(50) {
        rule["rollout"] = percent(random);
    }
    if random.percent(30) {
        rule["salt"] = json!(random.one_of(&SALTS));
    }
    if random.percent(30) {
        rule["unit"] = unit(random);
    }
    if random.percent(40) {
        rule["missingUnit"] = json!(random.one_of(&["skip", "zero", "error"]));
    }
    if random.percent(15) {
        rule["otherwise"] = json!("stop");
    }
    if random.percent(15) {
        rule["reason"] = json!(random.one_of(&["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT"]));
    }
    // A rollout needs two lanes; without one the flag's hash may have one.
    if rule.get("rollout").is_some() || random.percent(30) {
        rule["hash"] = json!(random.one_of(&["xxh64", "xxh64-seed42", "sha256"]));
    }
    if random.percent(40) {
        let key = format!("experiment-{flag}-{place}");
        let mut experiment =
            json!({ "key": key, "phase": 1 + random.below(3), "sticky": random.percent(30) });
        if random.percent(75) {
            let width = 10_000 / MOST_FLAGS / MOST_RULES;
            let start = (flag as u64 * MOST_RULES + place) * width;
            experiment["layer"] = json!(random.one_of(&["layer-0", "layer-1"]));
            experiment["slots"] = json!([start, start + 1 + random.below(width)]);
        }
        if random.percent(40) {
            experiment["holdout"] = random
                .one_of(&[json!("holdout-0"), json!(["holdout-1", "holdout-0"])])
                .clone();
        }
        rule["experiment"] = experiment;
    }
    rule
}

fn percent(random: &mut Random) -> Json {
    json!(*random.one_of(&[0.0, 0.0001, 10.0, 33.3333, 50.0, 90.0, 100.0]))
}

fn unit(random: &mut Random) -> Json {
    if random.percent(70) {
        return json!(random.one_of(&UNITS));
    }
    json!([random.one_of(&UNITS), random.one_of(&UNITS)])
}

fn hash(random: &mut Random) -> Json {
    random
        .one_of(&[
            json!("xxh64"),
            json!("xxh64-seed42"),
            json!("sha256"),
            json!({ "name": "md5-mod", "modulus": 10_000 }),
        ])
        .clone()
}

/// A condition that may name the first `segments` segments and the first `flags` flags.
pub fn condition(random: &mut Random, segments: u64, flags: usize, depth: u32) -> Json {
    let inner = |random: &mut Random| condition(random, segments, flags, depth - 1);
    if depth > 0 && random.percent(40) {
        return match random.below(3) {
            0 => json!({ "not": inner(random) }),
            kind => {
                let children: Vec<Json> = (0..random.below(4)).map(|_| inner(random)).collect();
                if kind == 1 {
                    json!({ "all": children })
                } else {
                    json!({ "any": children })
                }
            }
        };
    }
    match random.below(12) {
        0 if segments > 0 => json!({ "segment": format!("segment-{}", random.below(segments)) }),
        1 | 2 if flags > 0 => prerequisite(random, flags),
        3 | 4 => position(random),
        5 => hashed_ids(random),
        6 => json!({ "always": random.percent(50) }),
        _ => attribute_test(random),
    }
}

fn prerequisite(random: &mut Random, flags: usize) -> Json {
    let key = format!("flag-{}", random.below(flags as u64));
    match random.below(4) {
        0 => json!({ "flag": key, "enabled": random.percent(50) }),
        1 => json!({ "flag": key, "is": ["on", "third"] }),
        2 => json!({ "flag": key, "value": { "in": [true, "a", 7, 0.1] } }),
        _ => json!({ "flag": key, "is": random.one_of(&["on", "off"]) }),
    }
}

fn position(random: &mut Random) -> Json {
    let mut position = json!({
        "salt": random.one_of(&SALTS),
        "unit": unit(random),
        "hash": "xxh64",
        "missing": random.one_of(&["false", "false", "zero", "error"])
    });
    match random.below(3) {
        0 => position["percent"] = percent(random),
        1 => {
            position["hash"] = json!({ "name": "md5-mod", "modulus": 10_000 });
            position["ranges"] = json!([[0, 2_500], [2_000, 4_000], [9_999, 10_000]]);
        }
        _ => {
            position["lane"] = json!(random.one_of(&["arm", "enrol"]));
            position["ranges"] = json!([[1_u64 << 31, 1_u64 << 32]]);
        }
    }
    json!({ "position": position })
}

fn hashed_ids(random: &mut Random) -> Json {
    let salt = *random.one_of(&SALTS);
    let mut ids: Vec<u64> = (0..20)
        .map(|_| xxh64_salted(salt.as_bytes(), user(random).as_bytes(), 0))
        .collect();
    json!({ "hashedIds": encode_ids(&mut ids), "salt": salt })
}

fn attribute_test(random: &mut Random) -> Json {
    let (name, test) = match random.below(20) {
        0 => ("country", json!({ "equals": random.one_of(&COUNTRIES) })),
        1 => (
            "country",
            json!({ "in": ["de", "fr", 4], "ignoreCase": true }),
        ),
        2 => ("country", json!({ "in": COUNTRIES })),
        3 => ("plan", json!({ "contains": ["r", "x"] })),
        4 => (
            "plan",
            json!({ "startsWith": "P", "ignoreCase": random.percent(50) }),
        ),
        5 => ("plan", json!({ "endsWith": random.one_of(&["ro", ""]) })),
        6 => ("plan", json!({ "matches": "^(?i)pro$" })),
        7 => ("age", json!({ "matches": "^1[78]$", "loose": true })),
        8 => {
            let operator =
                *random.one_of(&["lessThan", "lessOrEqual", "greaterThan", "greaterOrEqual"]);
            let operands = [json!(18), json!(17.5), json!(9_007_199_254_740_993_i64)];
            let operand = random.one_of(&operands);
            (
                "age",
                json!({ operator: operand, "loose": random.percent(50) }),
            )
        }
        9 => (
            "age",
            json!({ "equals": random.one_of(&[json!(18), json!(18.0), json!("18")]) }),
        ),
        10 => {
            let operator = *random.one_of(&["before", "notAfter", "after", "notBefore"]);
            ("when", json!({ operator: random.one_of(&TIMES[..2]) }))
        }
        11 => (
            "when",
            json!({ "after": 1_700_000_000_000_i64, "epoch": "seconds" }),
        ),
        12 => (
            "version",
            json!({ "semver": random.one_of(&[">=2.0.0", "2.0.0-rc.1", ">=1.0.0 <2.1.0", "!=1.2.3"]) }),
        ),
        13 => ("version", json!({ "semver": ">=2.1", "loose": true })),
        14 => (
            "ip",
            json!({ "cidr": random.one_of(&[json!("10.0.0.0/8"), json!(["::/64", "192.168.0.1"])]) }),
        ),
        15 => ("tags", json!({ "containsAny": ["beta", 1] })),
        16 => (
            "tags",
            json!({ "containsAll": random.one_of(&[json!([]), json!(["staff", "vip"])]) }),
        ),
        17 => {
            let operator = *random.one_of(&["anyElement", "everyElement"]);
            ("tags", json!({ operator: { "startsWith": ["s", "v"] } }))
        }
        18 => ("/address/city", json!({ "exists": random.percent(50) })),
        _ => (
            *random.one_of(&["age", "tags", "beta"]),
            json!({ "hasType": random.one_of(&["number", "boolean", "array", "string"]) }),
        ),
    };
    let mut condition = test;
    condition["attribute"] = json!(name);
    condition
}

fn user(random: &mut Random) -> String {
    format!("user-{}", random.below(60))
}

/// A context as JSON: an object with or without targeting key.
pub fn context(random: &mut Random) -> Json {
    let mut context = Map::new();
    if random.percent(90) {
        context.insert("targetingKey".into(), json!(user(random)));
    }
    let words = |random: &mut Random, words: &[&str]| json!(random.one_of(words));
    let mut put = |random: &mut Random, name: &str, value: Json| {
        if random.percent(75) {
            context.insert(name.into(), value);
        }
    };
    let value = words(random, &COUNTRIES);
    put(random, "country", value);
    let value = words(random, &PLANS);
    put(random, "plan", value);
    let ages = [
        json!(17),
        json!(18),
        json!(18.0),
        json!("18"),
        json!(-0.5),
        json!(i64::MAX),
        Json::Null,
    ];
    let value = random.one_of(&ages).clone();
    put(random, "age", value);
    let value = if random.percent(70) {
        words(random, &TIMES)
    } else {
        json!(1_767_225_600_000_i64)
    };
    put(random, "when", value);
    let value = words(random, &VERSIONS);
    put(random, "version", value);
    let value = words(random, &ADDRESSES);
    put(random, "ip", value);
    let tags: Vec<Json> = (0..random.below(4)).map(|_| words(random, &TAGS)).collect();
    put(random, "tags", json!(tags));
    let value = json!(random.percent(50));
    put(random, "beta", value);
    let value = json!({ "city": "Ulm", "zip": random.below(90) });
    put(random, "address", value);
    let value = if random.percent(50) {
        json!(random.below(50))
    } else {
        json!(format!("org-{}", random.below(50)))
    };
    put(random, "org", value);
    Json::Object(context)
}

/// The same context, made by calls. Attributes come in the order of `names`.
#[must_use]
pub fn built(context: &Json, names: &[&str]) -> EvaluationContext<'static> {
    let mut built = EvaluationContext::anonymous();
    if let Some(key) = context.get("targetingKey").and_then(Json::as_str) {
        built.set_targeting_key(key.to_owned());
    }
    for name in names.iter().filter(|name| **name != "targetingKey") {
        if let Some(value) = context.get(*name) {
            built.set((*name).to_owned(), attribute(value));
        }
    }
    built
}

/// An attribute's value, from JSON.
fn attribute(value: &Json) -> AttributeValue<'static> {
    match value {
        Json::Null => AttributeValue::Null,
        Json::Bool(value) => AttributeValue::Bool(*value),
        Json::String(text) => AttributeValue::String(text.clone().into()),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => AttributeValue::Integer(integer),
            None => AttributeValue::Number(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::Array(elements) => AttributeValue::Array(elements.iter().map(attribute).collect()),
        Json::Object(members) => AttributeValue::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone().into(), attribute(value)))
                .collect(),
        ),
    }
}

/// What a caller may add to a context of a made-up set: a random number, and what was assigned before.
pub fn extras(
    random: &mut Random,
    mut context: EvaluationContext<'static>,
) -> EvaluationContext<'static> {
    if random.percent(70) {
        context = context.with_random(random.below(100));
    }
    for _ in 0..random.below(4) {
        let experiment = format!("experiment-{}-{}", random.below(3), random.below(4));
        let variant = *random.one_of(&["on", "off", "third", "gone"]);
        context = context.with_prior(PriorAssignment {
            experiment: experiment.into(),
            phase: 1 + random.below(3) as u32,
            variant: variant.into(),
        });
    }
    context
}

/// The text of a document with the members of every object in a random order.
pub fn shuffled(random: &mut Random, value: &Json) -> String {
    match value {
        Json::Array(elements) => {
            let texts: Vec<String> = elements
                .iter()
                .map(|element| shuffled(random, element))
                .collect();
            format!("[{}]", texts.join(","))
        }
        Json::Object(members) => {
            let mut texts: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}: {}", json!(name), shuffled(random, value)))
                .collect();
            random.shuffle(&mut texts);
            format!("{{{}}}", texts.join(", "))
        }
        scalar => scalar.to_string(),
    }
}
