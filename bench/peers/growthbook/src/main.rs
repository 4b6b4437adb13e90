//! `growthbook-rust`: rules as deserialised, conditions turned into a tree at each evaluation.

use std::collections::HashMap;

use growthbook_rust::client::{GrowthBookClient, GrowthBookClientBuilder, GrowthBookClientTrait};
use growthbook_rust::dto::GrowthBookResponse;
use growthbook_rust::growthbook::GrowthBook;
use growthbook_rust::model_public::{
    FeatureResult, GrowthBookAttribute as Attribute, GrowthBookAttributeValue as AttributeValue,
};
use harness::{Arm, Flag, Implementation, Kind, Rule, Run, User};
use serde_json::{Value, json};

fn feature(flag: &Flag) -> Value {
    match &flag.kind {
        Kind::On => json!({ "defaultValue": true }),
        Kind::Split => json!({
            "defaultValue": "control",
            "rules": [{
                "key": flag.key,
                "hashAttribute": "id",
                "hashVersion": 2,
                "variations": ["control", "treatment"],
                "weights": [0.5, 0.5],
                "coverage": 1,
            }],
        }),
        Kind::Rules(rules) => {
            let rules: Value = rules.iter().map(rule).collect();
            json!({ "defaultValue": false, "rules": rules })
        }
    }
}

fn rule(rule: &Rule) -> Value {
    let condition = json!({
        "country": { "$in": rule.countries },
        "appVersion": { "$vgte": rule.min_version },
    });
    match rule.percent {
        100 => json!({ "force": true, "condition": condition }),
        percent => json!({
            "force": true,
            "condition": condition,
            "coverage": f64::from(percent) / 100.0,
            "hashAttribute": "id",
            "hashVersion": 2,
        }),
    }
}

fn document(flags: &[Flag]) -> Vec<u8> {
    let features: Value = flags
        .iter()
        .map(|one| (one.key.clone(), feature(one)))
        .collect();
    json!({ "status": 200, "features": features })
        .to_string()
        .into_bytes()
}

fn response(document: &[u8]) -> GrowthBookResponse {
    serde_json::from_slice(document).expect("valid features")
}

fn context(user: &User) -> Option<Vec<Attribute>> {
    let text = |name: &str, text: &str| {
        Attribute::new(name.to_owned(), AttributeValue::String(text.to_owned()))
    };
    Some(vec![
        text("id", &user.key),
        text("email", &user.email),
        text("plan", user.plan),
        text("platform", user.platform),
        text("country", user.country),
        text("language", user.language),
        Attribute::new("age".to_owned(), AttributeValue::Int(user.age)),
        text("appVersion", &user.app_version),
        Attribute::new("beta".to_owned(), AttributeValue::Bool(user.beta)),
    ])
}

fn arm(answer: &FeatureResult) -> Arm {
    match answer.experiment_result {
        Some(_) => answer.value.as_str().map_or(Arm::Other, Arm::named),
        None => Arm::Other,
    }
}

/// The evaluator alone.
struct Evaluator;

impl Implementation for Evaluator {
    type Config = GrowthBook;
    type Flag = &'static str;
    type Context = Option<Vec<Attribute>>;
    type Boolean<'a> = FeatureResult;
    type Variant<'a> = FeatureResult;

    fn document(flags: &[Flag]) -> Vec<u8> {
        document(flags)
    }

    fn load(document: &[u8]) -> GrowthBook {
        GrowthBook {
            forced_variations: None,
            features: response(document).features.expect("features"),
            attributes: None,
            sticky_bucket_service: None,
            saved_groups: HashMap::new(),
        }
    }

    fn flag(_: &'static GrowthBook, key: &'static str) -> &'static str {
        key
    }

    fn context(user: &'static User) -> Self::Context {
        context(user)
    }

    fn boolean(config: &GrowthBook, flag: &'static str, context: &Self::Context) -> FeatureResult {
        config.check(flag, context)
    }

    fn variant(config: &GrowthBook, flag: &'static str, context: &Self::Context) -> FeatureResult {
        config.check(flag, context)
    }

    fn is_on(answer: &FeatureResult) -> bool {
        answer.on
    }

    fn arm(answer: &FeatureResult) -> Arm {
        arm(answer)
    }
}

/// The client of its documentation, which takes the user's attributes by value.
struct Client;

impl Implementation for Client {
    type Config = GrowthBookClient;
    type Flag = &'static str;
    type Context = Option<Vec<Attribute>>;
    type Boolean<'a> = FeatureResult;
    type Variant<'a> = FeatureResult;

    fn document(flags: &[Flag]) -> Vec<u8> {
        document(flags)
    }

    fn load(document: &[u8]) -> GrowthBookClient {
        let features = response(document).features.expect("features");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let client = GrowthBookClientBuilder::new().features(features).build();
        runtime.block_on(client).expect("a client without network")
    }

    fn flag(_: &'static GrowthBookClient, key: &'static str) -> &'static str {
        key
    }

    fn context(user: &'static User) -> Self::Context {
        context(user)
    }

    fn boolean(
        config: &GrowthBookClient,
        flag: &'static str,
        context: &Self::Context,
    ) -> FeatureResult {
        config.feature_result(flag, context.clone())
    }

    fn variant(
        config: &GrowthBookClient,
        flag: &'static str,
        context: &Self::Context,
    ) -> FeatureResult {
        config.feature_result(flag, context.clone())
    }

    fn is_on(answer: &FeatureResult) -> bool {
        answer.on
    }

    fn arm(answer: &FeatureResult) -> Arm {
        arm(answer)
    }
}

fn main() {
    let run = Run::from_arguments();
    run.load::<Evaluator>("GrowthBook, the evaluator");
    run.context::<Evaluator>("GrowthBook, the evaluator");
    run.evaluate::<Evaluator>("GrowthBook, the evaluator");
    run.evaluate::<Client>("– the documented client");
    harness::floors::measure(&run);
}
