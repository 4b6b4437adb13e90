//! `eppo_core`: compiled flags, hashed with MD5, an exposure event in the answer.

use std::hint::black_box;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use eppo_core::configuration_store::ConfigurationStore;
use eppo_core::eval::{Evaluator, EvaluatorConfig, get_assignment};
use eppo_core::ufc::{Assignment, AssignmentValue, UniversalFlagConfig, VariationType};
use eppo_core::{AttributeValue, Attributes, Configuration, SdkMetadata, Str};
use harness::{Arm, Flag, Implementation, Kind, Rule, Run, User};
use serde_json::{Value, json};

const METADATA: SdkMetadata = SdkMetadata {
    name: "bench",
    version: "0.0.0",
};

fn flag(flag: &Flag) -> Value {
    let key = &flag.key;
    let shard = |salt: &str, start: u32, end: u32| json!({ "salt": format!("{salt}-{key}"), "ranges": [{ "start": start, "end": end }] });
    let allocation = |name: &str, rules: Value, splits: Value, log: bool| json!({ "key": name, "rules": rules, "splits": splits, "doLog": log });
    let (variation_type, variations, allocations) = match &flag.kind {
        Kind::On => {
            let splits = json!([{ "variationKey": "on", "shards": [] }]);
            (
                "BOOLEAN",
                switch(),
                vec![allocation("everyone", json!([]), splits, false)],
            )
        }
        Kind::Split => {
            let variations = json!({
                "control": { "key": "control", "value": "control" },
                "treatment": { "key": "treatment", "value": "treatment" },
            });
            let splits = json!([
                { "variationKey": "control", "shards": [shard("split", 0, 5000)] },
                { "variationKey": "treatment", "shards": [shard("split", 5000, 10000)] },
            ]);
            (
                "STRING",
                variations,
                vec![allocation("experiment", json!([]), splits, true)],
            )
        }
        Kind::Rules(rules) => {
            let allocations = rules.iter().enumerate().map(|(n, rule)| {
                let shards = match rule.percent {
                    100 => vec![],
                    percent => vec![shard("traffic", 0, u32::from(percent) * 100)],
                };
                let splits = json!([{ "variationKey": "on", "shards": shards }]);
                allocation(
                    &format!("rule-{n}"),
                    json!([conditions(rule)]),
                    splits,
                    false,
                )
            });
            ("BOOLEAN", switch(), allocations.collect())
        }
    };
    json!({
        "key": key,
        "enabled": true,
        "variationType": variation_type,
        "variations": variations,
        "allocations": allocations,
        "totalShards": 10000,
    })
}

fn switch() -> Value {
    json!({ "on": { "key": "on", "value": true }, "off": { "key": "off", "value": false } })
}

fn conditions(rule: &Rule) -> Value {
    json!({ "conditions": [
        { "attribute": "country", "operator": "ONE_OF", "value": rule.countries },
        { "attribute": "appVersion", "operator": "GTE", "value": rule.min_version },
    ] })
}

struct Context {
    key: Str,
    attributes: Arc<Attributes>,
}

fn document(flags: &[Flag]) -> Vec<u8> {
    let flags: Value = flags
        .iter()
        .map(|one| (one.key.clone(), flag(one)))
        .collect();
    let document = json!({
        "createdAt": "2026-01-01T00:00:00.000Z",
        "format": "SERVER",
        "environment": { "name": "Test" },
        "flags": flags,
    });
    document.to_string().into_bytes()
}

fn load(document: &[u8]) -> Configuration {
    let flags = UniversalFlagConfig::from_json(METADATA, document.to_vec()).expect("valid flags");
    Configuration::from_server_response(flags, None)
}

fn context(user: &User) -> Context {
    let attributes = Attributes::from_iter([
        ("email".into(), user.email.as_str().into()),
        ("plan".into(), user.plan.into()),
        ("platform".into(), user.platform.into()),
        ("country".into(), user.country.into()),
        ("language".into(), user.language.into()),
        ("age".into(), AttributeValue::from(user.age as f64)),
        ("appVersion".into(), user.app_version.as_str().into()),
        ("beta".into(), user.beta.into()),
    ]);
    Context {
        key: user.key.as_str().into(),
        attributes: Arc::new(attributes),
    }
}

fn is_on(answer: &Option<Assignment>) -> bool {
    matches!(
        answer,
        Some(Assignment {
            value: AssignmentValue::Boolean(true),
            ..
        })
    )
}

fn arm(answer: &Option<Assignment>) -> Arm {
    match answer {
        Some(Assignment {
            value: AssignmentValue::String(name),
            event: Some(_),
        }) => Arm::named(name),
        _ => Arm::Other,
    }
}

/// The evaluation function itself, with a time that the caller knows.
struct Core;

fn evaluate(
    config: &Configuration,
    flag: &str,
    context: &Context,
    expected: VariationType,
) -> Option<Assignment> {
    let now = black_box(DateTime::<Utc>::UNIX_EPOCH);
    let Context { key, attributes } = context;
    get_assignment(Some(config), flag, key, attributes, Some(expected), now).expect("no error")
}

impl Implementation for Core {
    type Config = Configuration;
    type Flag = &'static str;
    type Context = Context;
    type Boolean<'a> = Option<Assignment>;
    type Variant<'a> = Option<Assignment>;

    fn document(flags: &[Flag]) -> Vec<u8> {
        document(flags)
    }

    fn load(document: &[u8]) -> Configuration {
        load(document)
    }

    fn flag(_: &'static Configuration, key: &'static str) -> &'static str {
        key
    }

    fn context(user: &'static User) -> Context {
        context(user)
    }

    fn boolean(
        config: &Configuration,
        flag: &'static str,
        context: &Context,
    ) -> Option<Assignment> {
        evaluate(config, flag, context, VariationType::Boolean)
    }

    fn variant(
        config: &Configuration,
        flag: &'static str,
        context: &Context,
    ) -> Option<Assignment> {
        evaluate(config, flag, context, VariationType::String)
    }

    fn is_on(answer: &Option<Assignment>) -> bool {
        is_on(answer)
    }

    fn arm(answer: &Option<Assignment>) -> Arm {
        arm(answer)
    }
}

/// What its SDKs do: the configuration comes from a store behind a lock, the time from the clock.
struct Stored;

fn evaluate_stored(
    evaluator: &Evaluator,
    flag: &str,
    context: &Context,
    expected: VariationType,
) -> Option<Assignment> {
    let Context { key, attributes } = context;
    evaluator
        .get_assignment(flag, key, attributes, Some(expected))
        .expect("no error")
}

impl Implementation for Stored {
    type Config = Evaluator;
    type Flag = &'static str;
    type Context = Context;
    type Boolean<'a> = Option<Assignment>;
    type Variant<'a> = Option<Assignment>;

    fn document(flags: &[Flag]) -> Vec<u8> {
        document(flags)
    }

    fn load(document: &[u8]) -> Evaluator {
        let store = ConfigurationStore::new();
        store.set_configuration(Arc::new(load(document)));
        Evaluator::new(EvaluatorConfig {
            configuration_store: Arc::new(store),
            sdk_metadata: METADATA,
        })
    }

    fn flag(_: &'static Evaluator, key: &'static str) -> &'static str {
        key
    }

    fn context(user: &'static User) -> Context {
        context(user)
    }

    fn boolean(config: &Evaluator, flag: &'static str, context: &Context) -> Option<Assignment> {
        evaluate_stored(config, flag, context, VariationType::Boolean)
    }

    fn variant(config: &Evaluator, flag: &'static str, context: &Context) -> Option<Assignment> {
        evaluate_stored(config, flag, context, VariationType::String)
    }

    fn is_on(answer: &Option<Assignment>) -> bool {
        is_on(answer)
    }

    fn arm(answer: &Option<Assignment>) -> Arm {
        arm(answer)
    }
}

fn main() {
    let run = Run::from_arguments();
    run.load::<Core>("Eppo");
    run.context::<Core>("Eppo");
    run.evaluate::<Core>("Eppo");
    run.evaluate::<Stored>("– with its store and the clock");
    harness::floors::measure(&run);
}
