//! `bucketry-core`: by key, by handle, all at once, and with splits that are experiments.

use std::hint::black_box;

use bucketry_core::{EvaluationContext, FlagHandle, FlagSet, Resolution, UnixMillis, Value};
use harness::{Arm, Flag, Implementation, Kind, Rule, Run, User};
use serde_json::{Map, Value as Json, json};

/// The time of every evaluation; no rule of the benchmark asks for it.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

fn flag(flag: &Flag, experiments: bool) -> Json {
    match &flag.kind {
        Kind::On => json!({ "type": "boolean", "default": "on" }),
        Kind::Split => {
            let mut rule = json!({ "id": "halves", "split": { "control": 1, "treatment": 1 } });
            if experiments {
                rule["experiment"] = json!({ "key": flag.key });
            }
            json!({
                "type": "string",
                "variants": { "control": "control", "treatment": "treatment" },
                "default": "control",
                "rules": [rule],
            })
        }
        Kind::Rules(rules) => {
            let rules: Json = rules
                .iter()
                .enumerate()
                .map(|(n, one)| rule(n, one))
                .collect();
            json!({ "type": "boolean", "default": "off", "rules": rules })
        }
    }
}

fn rule(n: usize, rule: &Rule) -> Json {
    let mut served = json!({
        "id": format!("rule-{n}"),
        "if": { "all": [
            { "attribute": "country", "in": rule.countries },
            { "attribute": "appVersion", "semver": format!(">={}", rule.min_version) },
        ] },
        "serve": "on",
    });
    if rule.percent < 100 {
        served["rollout"] = json!(rule.percent);
    }
    served
}

fn document(flags: &[Flag], experiments: bool) -> Vec<u8> {
    let flags: Map<String, Json> = flags
        .iter()
        .map(|one| (one.key.clone(), flag(one, experiments)))
        .collect();
    json!({ "format": 1, "revision": 1, "flags": flags })
        .to_string()
        .into_bytes()
}

fn load(document: &[u8]) -> FlagSet {
    let flags = FlagSet::from_json(document).expect("a valid document");
    assert!(flags.diagnostics().is_empty(), "{:?}", flags.diagnostics());
    flags
}

fn context(user: &'static User) -> EvaluationContext<'static> {
    EvaluationContext::new(user.key.as_str())
        .with("email", user.email.as_str())
        .with("plan", user.plan)
        .with("platform", user.platform)
        .with("country", user.country)
        .with("language", user.language)
        .with("age", user.age)
        .with("appVersion", user.app_version.as_str())
        .with("beta", user.beta)
}

fn is_on(answer: &Resolution<'_>) -> bool {
    answer.value() == Some(Value::Boolean(true))
}

fn arm(answer: &Resolution<'_>) -> Arm {
    match (answer.value(), answer.variant()) {
        (Some(Value::String(value)), Some(variant)) if value == variant => Arm::named(value),
        _ => Arm::Other,
    }
}

/// `FlagSet::resolve`; `FlagSet::resolve_all` for all flags.
struct ByKey<const EXPERIMENTS: bool>;

impl<const EXPERIMENTS: bool> Implementation for ByKey<EXPERIMENTS> {
    type Config = FlagSet;
    type Flag = &'static str;
    type Context = EvaluationContext<'static>;
    type Boolean<'a> = Resolution<'a>;
    type Variant<'a> = Resolution<'a>;

    fn document(flags: &[Flag]) -> Vec<u8> {
        document(flags, EXPERIMENTS)
    }

    fn load(document: &[u8]) -> FlagSet {
        load(document)
    }

    fn flag(_: &'static FlagSet, key: &'static str) -> &'static str {
        key
    }

    fn context(user: &'static User) -> EvaluationContext<'static> {
        context(user)
    }

    fn boolean<'a>(
        config: &'a FlagSet,
        flag: &'static str,
        context: &'a Self::Context,
    ) -> Resolution<'a> {
        config.resolve(flag, context, black_box(NOW))
    }

    fn variant<'a>(
        config: &'a FlagSet,
        flag: &'static str,
        context: &'a Self::Context,
    ) -> Resolution<'a> {
        config.resolve(flag, context, black_box(NOW))
    }

    fn is_on(answer: &Resolution<'_>) -> bool {
        is_on(answer)
    }

    fn arm(answer: &Resolution<'_>) -> Arm {
        // What an experiment's evaluation is for: the record of who was exposed.
        assert_eq!(answer.assignment().is_some(), EXPERIMENTS);
        arm(answer)
    }

    fn all(config: &FlagSet, _: &[(&'static str, Kind)], context: &Self::Context) -> usize {
        let mut count = 0;
        for (flag, resolution) in config.resolve_all(context, black_box(NOW)) {
            black_box((&flag, &resolution));
            count += 1;
        }
        count
    }
}

/// `FlagHandle::resolve`, the handle looked up once before; all flags in a loop over handles. The
/// context owns its strings.
struct ByHandle;

impl Implementation for ByHandle {
    type Config = FlagSet;
    type Flag = FlagHandle<'static>;
    type Context = EvaluationContext<'static>;
    type Boolean<'a> = Resolution<'a>;
    type Variant<'a> = Resolution<'a>;

    fn document(flags: &[Flag]) -> Vec<u8> {
        document(flags, false)
    }

    fn load(document: &[u8]) -> FlagSet {
        load(document)
    }

    fn flag(config: &'static FlagSet, key: &'static str) -> FlagHandle<'static> {
        config.flag(key).expect("a known flag")
    }

    fn context(user: &'static User) -> EvaluationContext<'static> {
        context(user).into_owned()
    }

    fn boolean<'a>(
        _: &'a FlagSet,
        flag: FlagHandle<'static>,
        context: &'a Self::Context,
    ) -> Resolution<'a> {
        flag.resolve(context, black_box(NOW))
    }

    fn variant<'a>(
        _: &'a FlagSet,
        flag: FlagHandle<'static>,
        context: &'a Self::Context,
    ) -> Resolution<'a> {
        flag.resolve(context, black_box(NOW))
    }

    fn is_on(answer: &Resolution<'_>) -> bool {
        is_on(answer)
    }

    fn arm(answer: &Resolution<'_>) -> Arm {
        arm(answer)
    }
}

fn main() {
    let run = Run::from_arguments();
    run.load::<ByKey<false>>("bucketry");
    run.context::<ByKey<false>>("bucketry");
    run.evaluate::<ByKey<false>>("bucketry");
    let handle = "– by handle; contexts own their strings";
    run.context::<ByHandle>(handle);
    run.evaluate::<ByHandle>(handle);
    run.evaluate::<ByKey<true>>("– splits are experiments");
    harness::floors::measure(&run);
}
