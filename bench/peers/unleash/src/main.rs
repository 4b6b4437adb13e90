//! `unleash-yggdrasil`: rules compiled to closures, hashed with MurmurHash3.

use std::collections::HashMap;

use chrono::DateTime;
use harness::{Arm, Flag, Implementation, Kind, Rule, Run, User};
use serde_json::{Value, json};
use unleash_types::client_features::ClientFeatures;
use unleash_yggdrasil::state::EnrichedContext;
use unleash_yggdrasil::{Context, EngineState, ExtendedVariantDef, VariantDef};

fn feature(flag: &Flag) -> Value {
    let mut feature =
        json!({ "name": flag.key, "type": "release", "enabled": true, "project": "default" });
    match &flag.kind {
        Kind::On => feature["strategies"] = json!([{ "name": "default" }]),
        Kind::Split => {
            feature["strategies"] = json!([{ "name": "default" }]);
            feature["variants"] = ["control", "treatment"]
                .map(|name| json!({ "name": name, "weight": 500, "stickiness": "userId" }))
                .into();
        }
        Kind::Rules(rules) => {
            feature["strategies"] = rules.iter().map(|rule| strategy(&flag.key, rule)).collect();
        }
    }
    feature
}

fn strategy(key: &str, rule: &Rule) -> Value {
    let constraints = json!([
        { "contextName": "country", "operator": "IN", "values": rule.countries },
        { "contextName": "appVersion", "operator": "SEMVER_GTE", "value": rule.min_version },
    ]);
    match rule.percent {
        100 => json!({ "name": "default", "constraints": constraints }),
        percent => json!({
            "name": "flexibleRollout",
            "constraints": constraints,
            "parameters": { "rollout": percent.to_string(), "stickiness": "userId", "groupId": key },
        }),
    }
}

fn document(flags: &[Flag]) -> Vec<u8> {
    let features: Value = flags.iter().map(feature).collect();
    json!({ "version": 2, "features": features })
        .to_string()
        .into_bytes()
}

fn load(document: &[u8]) -> EngineState {
    let features: ClientFeatures = serde_json::from_slice(document).expect("valid features");
    let engine = EngineState::initial_state(DateTime::UNIX_EPOCH);
    let warnings = engine.apply_client_features(features);
    assert!(warnings.is_none(), "{warnings:?}");
    engine
}

fn context(user: &User) -> Context {
    let properties = HashMap::from_iter([
        ("email".to_owned(), user.email.clone()),
        ("plan".to_owned(), user.plan.to_owned()),
        ("platform".to_owned(), user.platform.to_owned()),
        ("country".to_owned(), user.country.to_owned()),
        ("language".to_owned(), user.language.to_owned()),
        ("age".to_owned(), user.age.to_string()),
        ("appVersion".to_owned(), user.app_version.clone()),
        ("beta".to_owned(), user.beta.to_string()),
    ]);
    Context {
        user_id: Some(user.key.clone()),
        properties: Some(properties),
        ..Context::default()
    }
}

/// `is_enabled` and `get_variant`; `resolve_all` for all flags.
struct Engine;

impl Implementation for Engine {
    type Config = EngineState;
    type Flag = &'static str;
    type Context = Context;
    type Boolean<'a> = bool;
    type Variant<'a> = ExtendedVariantDef;

    fn document(flags: &[Flag]) -> Vec<u8> {
        document(flags)
    }

    fn load(document: &[u8]) -> EngineState {
        load(document)
    }

    fn flag(_: &'static EngineState, key: &'static str) -> &'static str {
        key
    }

    fn context(user: &'static User) -> Context {
        context(user)
    }

    fn boolean(config: &EngineState, flag: &'static str, context: &Context) -> bool {
        config.is_enabled(flag, context, &None)
    }

    fn variant(config: &EngineState, flag: &'static str, context: &Context) -> ExtendedVariantDef {
        config.get_variant(flag, context, &None)
    }

    fn is_on(answer: &bool) -> bool {
        *answer
    }

    fn arm(answer: &ExtendedVariantDef) -> Arm {
        Arm::named(&answer.name)
    }

    fn all(config: &EngineState, _: &[(&'static str, Kind)], context: &Context) -> usize {
        config
            .resolve_all(context, &None)
            .map_or(0, |all| std::hint::black_box(&all).len())
    }
}

/// `check_enabled` and `check_variant`, made for the bindings: no copy of the answer's strings for
/// a response. All flags one by one.
struct Borrowed;

impl Implementation for Borrowed {
    type Config = EngineState;
    type Flag = &'static str;
    type Context = Context;
    type Boolean<'a> = Option<bool>;
    type Variant<'a> = Option<VariantDef>;

    fn document(flags: &[Flag]) -> Vec<u8> {
        document(flags)
    }

    fn load(document: &[u8]) -> EngineState {
        load(document)
    }

    fn flag(_: &'static EngineState, key: &'static str) -> &'static str {
        key
    }

    fn context(user: &'static User) -> Context {
        context(user)
    }

    fn boolean(config: &EngineState, flag: &'static str, context: &Context) -> Option<bool> {
        config.check_enabled(&EnrichedContext::from(context, flag, None))
    }

    fn variant(config: &EngineState, flag: &'static str, context: &Context) -> Option<VariantDef> {
        config.check_variant(&EnrichedContext::from(context, flag, None))
    }

    fn is_on(answer: &Option<bool>) -> bool {
        *answer == Some(true)
    }

    fn arm(answer: &Option<VariantDef>) -> Arm {
        answer
            .as_ref()
            .map_or(Arm::Other, |variant| Arm::named(&variant.name))
    }
}

fn main() {
    let run = Run::from_arguments();
    run.load::<Engine>("Unleash");
    run.context::<Engine>("Unleash");
    run.evaluate::<Engine>("Unleash");
    run.evaluate::<Borrowed>("– `check_enabled`, `check_variant`");
    harness::floors::measure(&run);
}
