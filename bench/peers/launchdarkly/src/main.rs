//! `launchdarkly-server-sdk-evaluation`: flags as deserialised, hashed with SHA-1.

use std::collections::HashMap;

use harness::{Arm, Flag as Description, Implementation, Kind, Rule, Run, User};
use launchdarkly_server_sdk_evaluation::{
    AttributeValue, Context, ContextBuilder, Detail, Flag, FlagValue, Segment, Store, evaluate,
};
use serde::Deserialize;
use serde_json::{Value, json};

const OFF: usize = 0;
const ON: usize = 1;

fn flag(flag: &Description) -> Value {
    let (variations, rules, fallthrough) = match &flag.kind {
        Kind::On => (json!([false, true]), json!([]), json!({ "variation": ON })),
        Kind::Split => {
            let halves = [(0, 50_000), (1, 50_000)];
            (json!(["control", "treatment"]), json!([]), rollout(&halves))
        }
        Kind::Rules(rules) => {
            let rules = rules
                .iter()
                .enumerate()
                .map(|(n, one)| rule(n, one))
                .collect();
            (json!([false, true]), rules, json!({ "variation": OFF }))
        }
    };
    json!({
        "key": flag.key,
        "version": 1,
        "on": true,
        "prerequisites": [],
        "targets": [],
        "contextTargets": [],
        "rules": rules,
        "fallthrough": fallthrough,
        "offVariation": 0,
        "variations": variations,
        "clientSideAvailability": { "usingMobileKey": false, "usingEnvironmentId": false },
        "salt": "5d8a4e1f3b2c4a6f9e7d0c1b2a3f4e5d",
        "trackEvents": false,
        "trackEventsFallthrough": false,
    })
}

fn rollout(weights: &[(usize, u32)]) -> Value {
    let weights: Value = weights
        .iter()
        .map(|(variation, weight)| json!({ "variation": variation, "weight": weight }))
        .collect();
    json!({ "rollout": { "contextKind": "user", "variations": weights } })
}

fn rule(n: usize, rule: &Rule) -> Value {
    let mut served = match rule.percent {
        100 => json!({ "variation": ON }),
        percent => {
            let weight = u32::from(percent) * 1000;
            rollout(&[(ON, weight), (OFF, 100_000 - weight)])
        }
    };
    served["id"] = json!(format!("rule-{n}"));
    served["trackEvents"] = json!(false);
    // There is no "at least" among the operators of versions; "not less" is what its own
    // interface writes.
    served["clauses"] = json!([
        { "contextKind": "user", "attribute": "country", "op": "in", "values": rule.countries },
        {
            "contextKind": "user",
            "attribute": "appVersion",
            "op": "semVerLessThan",
            "negate": true,
            "values": [rule.min_version],
        },
    ]);
    served
}

#[derive(Deserialize)]
struct Flags {
    flags: HashMap<String, Flag>,
}

impl Store for Flags {
    fn flag(&self, key: &str) -> Option<Flag> {
        self.flags.get(key).cloned()
    }

    fn segment(&self, _: &str) -> Option<Segment> {
        None
    }
}

fn document(flags: &[Description]) -> Vec<u8> {
    let flags: Value = flags
        .iter()
        .map(|one| (one.key.clone(), flag(one)))
        .collect();
    json!({ "flags": flags, "segments": {} })
        .to_string()
        .into_bytes()
}

fn context(user: &User) -> Context {
    ContextBuilder::new(user.key.as_str())
        .set_string("email", user.email.as_str())
        .set_string("plan", user.plan)
        .set_string("platform", user.platform)
        .set_string("country", user.country)
        .set_string("language", user.language)
        .set_value("age", AttributeValue::Number(user.age as f64))
        .set_string("appVersion", user.app_version.as_str())
        .set_bool("beta", user.beta)
        .build()
        .expect("a valid context")
}

fn arm(value: Option<&FlagValue>) -> Arm {
    match value {
        Some(FlagValue::Str(name)) => Arm::named(name),
        _ => Arm::Other,
    }
}

/// The evaluation function, over flags that are borrowed from a map.
struct Core;

impl Implementation for Core {
    type Config = Flags;
    type Flag = &'static str;
    type Context = Context;
    type Boolean<'a> = Detail<&'a FlagValue>;
    type Variant<'a> = Detail<&'a FlagValue>;

    fn document(flags: &[Description]) -> Vec<u8> {
        document(flags)
    }

    fn load(document: &[u8]) -> Flags {
        serde_json::from_slice(document).expect("valid flags")
    }

    fn flag(_: &'static Flags, key: &'static str) -> &'static str {
        key
    }

    fn context(user: &'static User) -> Context {
        context(user)
    }

    fn boolean<'a>(
        config: &'a Flags,
        flag: &'static str,
        context: &'a Context,
    ) -> Detail<&'a FlagValue> {
        evaluate(config, &config.flags[flag], context, None)
    }

    fn variant<'a>(
        config: &'a Flags,
        flag: &'static str,
        context: &'a Context,
    ) -> Detail<&'a FlagValue> {
        evaluate(config, &config.flags[flag], context, None)
    }

    fn is_on(answer: &Detail<&FlagValue>) -> bool {
        answer.value == Some(&FlagValue::Bool(true))
    }

    fn arm(answer: &Detail<&FlagValue>) -> Arm {
        arm(answer.value)
    }
}

/// What its SDK does: the store hands out a copy of the flag, and the value is copied from that.
struct Copied;

fn evaluate_copy(config: &Flags, flag: &str, context: &Context) -> Detail<FlagValue> {
    let flag = config.flag(flag).expect("a known flag");
    evaluate(config, &flag, context, None).map(FlagValue::clone)
}

impl Implementation for Copied {
    type Config = Flags;
    type Flag = &'static str;
    type Context = Context;
    type Boolean<'a> = Detail<FlagValue>;
    type Variant<'a> = Detail<FlagValue>;

    fn document(flags: &[Description]) -> Vec<u8> {
        document(flags)
    }

    fn load(document: &[u8]) -> Flags {
        Core::load(document)
    }

    fn flag(_: &'static Flags, key: &'static str) -> &'static str {
        key
    }

    fn context(user: &'static User) -> Context {
        context(user)
    }

    fn boolean(config: &Flags, flag: &'static str, context: &Context) -> Detail<FlagValue> {
        evaluate_copy(config, flag, context)
    }

    fn variant(config: &Flags, flag: &'static str, context: &Context) -> Detail<FlagValue> {
        evaluate_copy(config, flag, context)
    }

    fn is_on(answer: &Detail<FlagValue>) -> bool {
        answer.value == Some(FlagValue::Bool(true))
    }

    fn arm(answer: &Detail<FlagValue>) -> Arm {
        arm(answer.value.as_ref())
    }
}

fn main() {
    let run = Run::from_arguments();
    run.load::<Core>("LaunchDarkly");
    run.context::<Core>("LaunchDarkly");
    run.evaluate::<Core>("LaunchDarkly");
    run.evaluate::<Copied>("– with a store that copies, as its SDK");
    harness::floors::measure(&run);
}
