//! `statsig-rust`: a whole SDK; interned strings, memoised SHA-256, a queue of exposures.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use harness::{Arm, Flag, Implementation, Kind, Rule, Run, User};
use serde_json::{Map, Value, json};
use statsig_rust::log_event_payload::LogEventRequest;
use statsig_rust::output_logger::LogLevel;
use statsig_rust::statsig_types::Experiment;
use statsig_rust::{
    DynamicValue, EventLoggingAdapter, ExperimentEvaluationOptions, FeatureGateEvaluationOptions,
    Statsig, StatsigBootstrapSpecsAdapter, StatsigErr, StatsigOptions, StatsigRuntime, StatsigUser,
    StatsigUserBuilder,
};

/// Conditions stand apart from flags and are named by a hash of what they say, so that equal ones
/// are one.
#[derive(Default)]
struct Conditions(BTreeMap<String, Value>);

impl Conditions {
    fn name(&mut self, condition: Value) -> String {
        let known = self.0.len();
        match self.0.iter().find(|(_, one)| **one == condition) {
            Some((name, _)) => name.clone(),
            None => {
                let name = (1_000_000_007 + known * 2_654_435).to_string();
                self.0.insert(name.clone(), condition);
                name
            }
        }
    }

    fn user(&mut self, field: &str, operator: &str, value: Value) -> String {
        self.name(json!({
            "type": "user_field",
            "targetValue": value,
            "operator": operator,
            "field": field,
            "additionalValues": {},
            "idType": "userID",
        }))
    }

    fn bucket(&mut self, salt: &str, below: u32) -> String {
        self.name(json!({
            "type": "user_bucket",
            "targetValue": below,
            "operator": "lt",
            "field": null,
            "additionalValues": { "salt": salt },
            "idType": "userID",
        }))
    }

    fn everyone(&mut self) -> String {
        self.name(json!({
            "type": "public",
            "targetValue": null,
            "operator": null,
            "field": null,
            "additionalValues": {},
            "idType": "userID",
        }))
    }
}

fn gate(key: &str, rules: Vec<Value>) -> Value {
    json!({
        "type": "feature_gate",
        "salt": format!("salt-of-{key}"),
        "enabled": true,
        "defaultValue": false,
        "rules": rules,
        "idType": "userID",
        "entity": "feature_gate",
        "version": 1,
    })
}

fn experiment(key: &str, conditions: &mut Conditions) -> Value {
    let salt = format!("salt-of-{key}");
    let groups = [("control", 500), ("treatment", 1000)].map(|(name, below)| {
        json!({
            "name": format!("{key}-{name}"),
            "groupName": name,
            "passPercentage": 100,
            "conditions": [conditions.bucket(&salt, below)],
            "returnValue": { "arm": name },
            "id": format!("{key}-{name}"),
            "salt": format!("{key}-{name}"),
            "idType": "userID",
            "isExperimentGroup": true,
        })
    });
    json!({
        "type": "dynamic_config",
        "salt": salt,
        "enabled": true,
        "defaultValue": {},
        "rules": groups,
        "idType": "userID",
        "entity": "experiment",
        "version": 1,
        "isActive": true,
        "hasSharedParams": false,
    })
}

fn passing(id: String, percent: u8, conditions: Vec<String>) -> Value {
    json!({
        "name": id,
        "passPercentage": percent,
        "conditions": conditions,
        "returnValue": true,
        "id": id,
        "salt": id,
        "idType": "userID",
    })
}

fn document(flags: &[Flag]) -> Vec<u8> {
    let mut conditions = Conditions::default();
    let mut gates = Map::new();
    let mut experiments = Map::new();
    for Flag { key, kind } in flags {
        match kind {
            Kind::On => {
                let everyone = conditions.everyone();
                let rule = passing(format!("{key}-on"), 100, vec![everyone]);
                gates.insert(key.clone(), gate(key, vec![rule]));
            }
            Kind::Split => {
                experiments.insert(key.clone(), experiment(key, &mut conditions));
            }
            Kind::Rules(rules) => {
                let mut rule = |(n, rule): (usize, &Rule)| {
                    let country = conditions.user("country", "any", json!(rule.countries));
                    let version =
                        conditions.user("appVersion", "version_gte", json!(rule.min_version));
                    passing(
                        format!("{key}-rule-{n}"),
                        rule.percent,
                        vec![country, version],
                    )
                };
                let rules = rules.iter().enumerate().map(&mut rule).collect();
                gates.insert(key.clone(), gate(key, rules));
            }
        }
    }
    let document = json!({
        "dynamic_configs": experiments,
        "feature_gates": gates,
        "layer_configs": {},
        "condition_map": conditions.0,
        "experiment_to_layer": {},
        "has_updates": true,
        "time": 1_767_981_029_384_u64,
        "company_id": "bench",
        "response_format": "dcs-v2",
    });
    document.to_string().into_bytes()
}

/// Takes events and forgets them.
struct Forgetful;

#[async_trait::async_trait]
impl EventLoggingAdapter for Forgetful {
    async fn start(&self, _: &Arc<StatsigRuntime>) -> Result<(), StatsigErr> {
        Ok(())
    }

    async fn log_events(&self, _: LogEventRequest) -> Result<bool, StatsigErr> {
        Ok(true)
    }

    async fn shutdown(&self) -> Result<(), StatsigErr> {
        Ok(())
    }

    fn should_schedule_background_flush(&self) -> bool {
        true
    }
}

fn load(document: &[u8]) -> Statsig {
    static INSTANCES: AtomicU32 = AtomicU32::new(0);
    let document = std::str::from_utf8(document)
        .expect("JSON is text")
        .to_owned();
    let options = StatsigOptions {
        specs_adapter: Some(Arc::new(StatsigBootstrapSpecsAdapter::new(document))),
        event_logging_adapter: Some(Arc::new(Forgetful)),
        disable_network: Some(true),
        disable_country_lookup: Some(true),
        disable_disk_access: Some(true),
        output_log_level: Some(LogLevel::None),
        ..StatsigOptions::default()
    };
    let key = format!("secret-bench-{}", INSTANCES.fetch_add(1, Ordering::Relaxed));
    let statsig = Statsig::new(&key, Some(Arc::new(options)));
    let handle = StatsigRuntime::get_runtime()
        .get_handle()
        .expect("a runtime");
    handle
        .block_on(statsig.initialize())
        .expect("a valid document");
    statsig
}

fn context(user: &User) -> StatsigUser {
    let custom = HashMap::from_iter([
        ("plan".to_owned(), DynamicValue::from(user.plan)),
        ("platform".to_owned(), DynamicValue::from(user.platform)),
        ("age".to_owned(), DynamicValue::from(user.age)),
        ("beta".to_owned(), DynamicValue::from(user.beta)),
    ]);
    StatsigUserBuilder::new_with_user_id(user.key.clone())
        .email(Some(user.email.clone()))
        .country(Some(user.country.to_owned()))
        .locale(Some(user.language.to_owned()))
        .app_version(Some(user.app_version.clone()))
        .custom(Some(custom))
        .build()
}

/// `check_gate` and `get_experiment`, with exposures as the constant says.
struct Sdk<const EXPOSURES: bool>;

impl<const EXPOSURES: bool> Implementation for Sdk<EXPOSURES> {
    type Config = Statsig;
    type Flag = &'static str;
    type Context = StatsigUser;
    type Boolean<'a> = bool;
    type Variant<'a> = Experiment;

    fn document(flags: &[Flag]) -> Vec<u8> {
        document(flags)
    }

    fn load(document: &[u8]) -> Statsig {
        load(document)
    }

    fn flag(_: &'static Statsig, key: &'static str) -> &'static str {
        key
    }

    fn context(user: &'static User) -> StatsigUser {
        context(user)
    }

    fn boolean(config: &Statsig, flag: &'static str, context: &StatsigUser) -> bool {
        let options = FeatureGateEvaluationOptions {
            disable_exposure_logging: !EXPOSURES,
        };
        config.check_gate_with_options(context, flag, options)
    }

    fn variant(config: &Statsig, flag: &'static str, context: &StatsigUser) -> Experiment {
        let options = ExperimentEvaluationOptions {
            disable_exposure_logging: !EXPOSURES,
            ..ExperimentEvaluationOptions::default()
        };
        config.get_experiment_with_options(context, flag, options)
    }

    fn is_on(answer: &bool) -> bool {
        *answer
    }

    fn arm(answer: &Experiment) -> Arm {
        answer
            .value
            .get("arm")
            .and_then(Value::as_str)
            .map_or(Arm::Other, Arm::named)
    }
}

fn main() {
    let run = Run::from_arguments();
    run.load::<Sdk<false>>("Statsig, exposures off");
    run.context::<Sdk<false>>("Statsig, exposures off");
    run.evaluate::<Sdk<false>>("Statsig, exposures off");
    run.evaluate::<Sdk<true>>("– exposures on");
    harness::floors::measure(&run);
}
