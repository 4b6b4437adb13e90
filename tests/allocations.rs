//! What touches the heap, and how much: nothing while resolving, and about the document's size for a flag set.

use bucketry_core::{
    EvaluationContext, FlagSet, PriorAssignment, Reason, Recorded, Sticky, UnixMillis, encode_ids,
    xxh64_salted,
};
use bucketry_tests::generate;
use bucketry_tests::heap::{Counting, measure};
use bucketry_tests::random::Random;
use serde_json::Value as Json;

/// The flag sets that the benches time.
#[expect(dead_code, reason = "the benches need more of it")]
#[path = "../core/benches/scenarios/mod.rs"]
mod scenarios;

#[global_allocator]
static HEAP: Counting = Counting;

fn load(text: &str) -> FlagSet {
    FlagSet::from_json_strict(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The same document without white space.
fn minified(text: &str) -> String {
    serde_json::from_str::<Json>(text)
        .expect("JSON")
        .to_string()
}

/// Resolves every flag, and looks at all of each answer; says how often the heap was asked.
fn allocations(
    set: &FlagSet,
    keys: &[String],
    context: &EvaluationContext<'_>,
    now: UnixMillis,
) -> u64 {
    let look_up = |key: &String| {
        let resolution = set.resolve(key, context, now);
        let assignment = resolution.assignment();
        let metadata = resolution.metadata().iter().count();
        let texts = (resolution.rule_id(), resolution.error_message());
        std::hint::black_box((resolution.value(), assignment, metadata, texts));
    };
    // A regular expression makes its working memory when it is first used.
    keys.iter().for_each(look_up);
    let (_, by_key) = measure(|| keys.iter().for_each(look_up));
    let handles: Vec<_> = keys.iter().filter_map(|key| set.flag(key)).collect();
    let (_, by_handle) = measure(|| {
        for handle in &handles {
            std::hint::black_box(handle.resolve(context, now).value());
        }
    });
    by_key.allocations + by_handle.allocations
}

fn keys(set: &FlagSet) -> Vec<String> {
    let keys = set.flag_keys().map(Into::into);
    keys.chain(["missing".to_owned()]).collect()
}

/// A flag for every operator and every way through the rules.
const EVERYTHING: &str = r#"{
    "format": 1,
    "segments": {
        "eu": { "attribute": "country", "in": ["DE", "FR"] },
        "nested": { "all": [{ "segment": "eu" }, { "not": { "attribute": "gone", "exists": true } }] },
        "ids": { "hashedIds": "IDS", "salt": "s" }
    },
    "layers": { "l": {} },
    "holdouts": { "all": { "percent": 100 }, "none": { "percent": 0 } },
    "flags": {
        "on": { "type": "boolean", "default": "on" },
        "off": { "type": "boolean", "enabled": false, "off": "off" },
        "object": { "type": "object", "variants": { "a": { "x": [1, 2] } }, "default": "a", "metadata": { "a": 1, "b": "c" } },
        "split": { "type": "boolean", "rules": [{ "split": { "on": 1, "off": 1 } }] },
        "rollout": { "type": "boolean", "rules": [{ "serve": "on", "rollout": 50 }] },
        "md5": { "type": "boolean", "hash": { "name": "md5-mod", "modulus": 10000 }, "rules": [{ "split": { "on": 1, "off": 1 } }] },
        "sha256": { "type": "boolean", "hash": "sha256", "rules": [{ "serve": "on", "rollout": 50 }] },
        "number-unit": { "type": "boolean", "unit": ["gone", "age"], "rules": [{ "split": { "on": 1, "off": 1 } }] },
        "random-unit": { "type": "boolean", "unit": "$random", "rules": [{ "split": { "on": 1, "off": 1 } }] },
        "no-unit": { "type": "boolean", "unit": "gone", "rules": [{ "split": { "on": 1, "off": 1 } }] },
        "unit-error": { "type": "boolean", "unit": "gone", "rules": [{ "split": { "on": 1 }, "missingUnit": "error" }] },
        "unit-zero": { "type": "boolean", "unit": "gone", "rules": [{ "split": { "on": 1 }, "missingUnit": "zero" }] },
        "experiment": { "type": "boolean", "rules": [{ "experiment": { "key": "e", "layer": "l", "slots": [0, 10000], "holdout": "none" }, "split": { "on": 1, "off": 1 } }] },
        "sticky": { "type": "boolean", "rules": [{ "experiment": { "key": "sticky", "sticky": true }, "split": { "on": 1, "off": 1 } }] },
        "sticky-new": { "type": "boolean", "rules": [{ "experiment": { "key": "new", "sticky": true }, "split": { "on": 1, "off": 1 } }] },
        "held": { "type": "boolean", "default": "off", "rules": [{ "experiment": { "key": "h", "holdout": ["none", "all"] }, "split": { "on": 1, "off": 1 } }] },
        "window": { "type": "boolean", "rules": [{ "from": 5, "serve": "off" }, { "until": 5, "serve": "on" }] },
        "stop": { "type": "boolean", "default": "off", "rules": [{ "rollout": 0, "serve": "on", "otherwise": "stop" }, { "serve": "on" }] },
        "prerequisite": { "type": "boolean", "rules": [{ "if": { "flag": "on", "is": "on" }, "serve": "on" }] },
        "enabled": { "type": "boolean", "rules": [{ "if": { "flag": "off", "enabled": false }, "serve": "on" }] },
        "value": { "type": "boolean", "rules": [{ "if": { "flag": "object", "value": { "exists": true } }, "serve": "on" }] },
        "segment": { "type": "boolean", "rules": [{ "if": { "segment": "nested" }, "serve": "on" }] },
        "listed": { "type": "boolean", "rules": [{ "if": { "segment": "ids" }, "serve": "on" }] },
        "position": { "type": "boolean", "rules": [{ "if": { "position": { "salt": "s", "percent": 100 } }, "serve": "on" }] },
        CONDITIONS
        "end": { "type": "boolean" }
    }
}"#;

const CONDITIONS: [&str; 27] = [
    r#""attribute": "country", "equals": "DE""#,
    r#""attribute": "country", "in": ["de"], "ignoreCase": true"#,
    r#""attribute": "country", "contains": ["x", "E"]"#,
    r#""attribute": "country", "startsWith": "d", "ignoreCase": true"#,
    r#""attribute": "country", "endsWith": "E""#,
    r#""attribute": "country", "matches": "^[D-F]E$""#,
    r#""attribute": "age", "matches": "^4\\d$", "loose": true"#,
    r#""attribute": "score", "matches": "^0\\.5$", "loose": true"#,
    r#""attribute": "age", "lessThan": 42.5"#,
    r#""attribute": "age", "greaterOrEqual": 42"#,
    r#""attribute": "text-age", "lessOrEqual": 42, "loose": true"#,
    r#""attribute": "score", "greaterThan": 0.25"#,
    r#""attribute": "when", "before": "2030-01-01T00:00:00Z""#,
    r#""attribute": "when", "notAfter": 1893456000000"#,
    r#""attribute": "age", "after": 0, "epoch": "seconds""#,
    r#""attribute": "when", "notBefore": 0"#,
    r#""attribute": "version", "semver": ">=1.2.0 <3.0.0-beta.2""#,
    r#""attribute": "loose-version", "semver": ">=2", "loose": true"#,
    r#""attribute": "ip", "cidr": ["192.168.0.0/16", "10.0.0.0/8"]"#,
    r#""attribute": "tags", "containsAny": ["b"]"#,
    r#""attribute": "tags", "containsAll": ["a", 1]"#,
    r#""attribute": "tags", "anyElement": { "startsWith": "a" }"#,
    r#""attribute": "tags", "everyElement": { "exists": true }"#,
    r#""attribute": "/address/city", "exists": true"#,
    r#""attribute": "/tags/0", "hasType": "string""#,
    r#""attribute": "gone", "exists": false"#,
    r#""attribute": "country", "inHashed": { "hash": "sha256", "digests": ["6814ef46f686990cf4e946f966167b0507e1d642c44e51f61bffb0bba2d4672b"] }"#,
];

#[test]
fn no_way_to_resolve_allocates() {
    let conditions: String = CONDITIONS
        .iter()
        .enumerate()
        .map(|(n, condition)| {
            format!(
                r#""condition-{n:02}": {{ "type": "boolean", "rules": [{{ "if": {{ {condition} }}, "serve": "on" }}] }},"#
            )
        })
        .collect();
    let ids = encode_ids(&mut [xxh64_salted(b"s", b"user-1", 0)]);
    let document = EVERYTHING
        .replace("CONDITIONS", &conditions)
        .replace("IDS", &ids);
    let set = load(&document);
    let context = EvaluationContext::new("user-1")
        .with("country", "DE")
        .with("age", 42)
        .with("text-age", "42")
        .with("score", 0.5)
        .with("when", "2026-01-01T00:00:00+01:00")
        .with("version", "3.0.0-beta.1")
        .with("loose-version", "v2.1")
        .with("ip", "10.1.2.3")
        .with(
            "tags",
            bucketry_core::AttributeValue::Array(vec!["a".into(), "b".into(), 1.into()]),
        )
        .with(
            "address",
            bucketry_core::AttributeValue::Object(vec![("city".into(), "Ulm".into())]),
        )
        .with_random(7)
        .with_prior(PriorAssignment {
            experiment: "sticky".into(),
            phase: 1,
            variant: "on".into(),
        });
    let keys = keys(&set);
    assert_eq!(allocations(&set, &keys, &context, UnixMillis(0)), 0);
    assert_eq!(
        allocations(&set, &keys, &EvaluationContext::anonymous(), UnixMillis(9)),
        0
    );
    // They went the ways that they are there for.
    let resolve = |key: &str| set.resolve(key, &context, UnixMillis(0));
    for key in keys.iter().filter(|key| key.starts_with("condition-")) {
        assert_eq!(resolve(key).variant(), Some("on"), "{key}: {document}");
    }
    for key in [
        "window",
        "prerequisite",
        "enabled",
        "value",
        "segment",
        "listed",
        "position",
    ] {
        assert_eq!(resolve(key).variant(), Some("on"), "{key}");
    }
    assert_eq!(resolve("stop").variant(), Some("off"));
    assert_eq!(resolve("unit-error").reason(), Reason::Error);
    assert_eq!(resolve("missing").reason(), Reason::Error);
    assert!(resolve("no-unit").unit_missing());
    let sticky = |key: &str| {
        resolve(key)
            .assignment()
            .map(|assignment| assignment.sticky)
    };
    assert_eq!(sticky("sticky"), Some(Sticky::Hit));
    assert_eq!(sticky("sticky-new"), Some(Sticky::Write));
    assert_eq!(
        resolve("held").assignment().and_then(|held| held.holdout),
        Some("all")
    );
    assert!(resolve("number-unit").variant().is_some());
}

#[test]
fn nothing_that_is_made_up_allocates() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let set = load(&generate::flag_set(&mut random).to_string());
        let keys = keys(&set);
        for _ in 0..10 {
            let context = generate::context(&mut random);
            let names: Vec<&str> = context
                .as_object()
                .expect("an object")
                .keys()
                .map(String::as_str)
                .collect();
            let context = generate::extras(&mut random, generate::built(&context, &names));
            assert_eq!(
                allocations(&set, &keys, &context, UnixMillis(1_000)),
                0,
                "seed {seed}: {context:?}"
            );
        }
    }
}

#[test]
fn resolving_all_flags_allocates_one_table() {
    let set = load(&scenarios::mixed());
    let context = scenarios::context(0);
    let (resolved, heap) = measure(|| set.resolve_all(&context, scenarios::NOW).count());
    assert_eq!((resolved, heap.allocations, heap.kept), (1_000, 1, 0));
}

#[test]
fn a_context_of_borrowed_text_is_one_allocation() {
    let (context, heap) = measure(|| {
        EvaluationContext::new("user-1")
            .with("country", "DE")
            .with("plan", "pro")
            .with("age", 42)
            .with("beta", true)
    });
    assert_eq!(heap.allocations, 1, "{context:?}");
    let (_, heap) = measure(|| EvaluationContext::new("user-1"));
    assert_eq!(heap.allocations, 0);
}

#[test]
fn a_repeated_exposure_allocates_nothing() {
    let set = load(&scenarios::mixed());
    let contexts: Vec<_> = (0..64).map(scenarios::context).collect();
    let key = set.flag_keys().nth(4).expect("a split").to_owned();
    let mut log = scenarios::log();
    let mut record = |context: &EvaluationContext<'_>| {
        let resolution = set.resolve(&key, context, scenarios::NOW);
        let assignment = resolution.assignment().expect("an experiment's");
        log.record(
            &assignment,
            &bucketry_core::ExposureDetails::default(),
            scenarios::TIMES,
            0,
        )
    };
    for context in &contexts {
        assert_eq!(record(context), Recorded::Queued);
    }
    let (_, heap) = measure(|| {
        for context in &contexts {
            assert_eq!(record(context), Recorded::Deduplicated);
        }
    });
    assert_eq!((heap.allocations, heap.kept), (0, 0));
}

#[test]
fn a_flag_set_takes_about_as_much_memory_as_its_document() {
    let document = minified(&scenarios::mixed());
    let (set, heap) = measure(|| load(&document));
    assert_eq!(set.len(), 1_000);
    let bytes = document.len() as i64;
    println!(
        "document {bytes}, kept {}, peak {}, {} allocations",
        heap.kept, heap.peak, heap.allocations
    );
    assert!(heap.kept * 2 <= bytes * 3, "{} for {bytes}", heap.kept);
    assert!(set.heap_bytes() as i64 * 2 <= bytes * 3);
    // While it loads: the text unescaped, an index of its values, and tables that double as they grow.
    assert!(heap.peak <= bytes * 5, "{} for {bytes}", heap.peak);
}

#[test]
fn the_account_of_memory_is_right() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        // Compiled regular expressions are not part of the account.
        let document = generate::flag_set(&mut random)
            .to_string()
            .replace("\"matches\"", "\"equals\"");
        let (set, heap) = measure(|| FlagSet::from_json(document.as_bytes()).expect("a flag set"));
        let account = set.heap_bytes() as i64;
        assert!(
            (account - heap.kept).abs() * 50 <= heap.kept,
            "seed {seed}: {account} for {}",
            heap.kept
        );
    }
}

#[test]
fn a_million_hashed_ids_take_ten_megabytes() {
    const IDS: u64 = 1_000_000;
    let mut ids: Vec<u64> = (0..IDS)
        .map(|n| xxh64_salted(b"s", format!("user-{n}").as_bytes(), 0))
        .collect();
    let list = encode_ids(&mut ids);
    drop(ids);
    let document = format!(
        r#"{{"format":1,"segments":{{"s":{{"hashedIds":"{list}","salt":"s"}}}},
        "flags":{{"f":{{"type":"boolean","default":"off","rules":[{{"if":{{"segment":"s"}},"serve":"on"}}]}}}}}}"#
    );
    assert!(document.len() < 10_000_000, "{}", document.len());
    let (set, heap) = measure(|| load(&document));
    println!(
        "document {}, kept {}, peak {}",
        document.len(),
        heap.kept,
        heap.peak
    );
    assert!(heap.kept < 10_000_000, "{}", heap.kept);
    assert!(heap.peak < 30_000_000, "{}", heap.peak);
    let on = |n: u64| {
        let context = EvaluationContext::new(format!("user-{n}"));
        set.resolve("f", &context, UnixMillis(0)).variant() == Some("on")
    };
    assert!((0..1_000).all(|n| on(n * 999)));
    assert!((0..1_000).all(|n| !on(IDS + n)));
}
