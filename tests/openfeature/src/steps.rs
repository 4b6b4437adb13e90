//! The steps: what each sentence of the scenarios does.

use bucketry::open_feature::Provider;
use futures_util::FutureExt;
use gherkin::Step;
use open_feature::provider::{FeatureProvider, ProviderStatus};
use open_feature::{
    Client, EvaluationContext, EvaluationContextFieldValue, EvaluationOptions, FlagMetadataValue,
    OpenFeature,
};
use regex::Regex;
use serde_json::{Value as Json, json};

use crate::cases::Case;
use crate::evaluation::{Asked, Kind, Outcome, evaluate, same, to_json};
use crate::hooks::{Adding, Calls};
use crate::providers;

/// What a scenario has built so far.
struct World<'f> {
    flags: &'f str,
    api: OpenFeature,
    client: Client,
    provider: Option<Provider>,
    asked: Option<Asked>,
    context: EvaluationContext,
    options: EvaluationOptions,
    calls: Calls,
    outcome: Option<Outcome>,
    /// Entries of the contexts of API and client, which take a whole one.
    of_api: EvaluationContext,
    of_client: EvaluationContext,
    levels: Vec<String>,
}

/// Runs one case: the first step that does not hold.
pub(crate) async fn run(case: &Case, flags: &str) -> Result<(), String> {
    let api = OpenFeature::default();
    let client = api.create_client();
    let mut world = World {
        flags,
        api,
        client,
        provider: None,
        asked: None,
        context: EvaluationContext::default(),
        options: EvaluationOptions::default(),
        calls: Calls::default(),
        outcome: None,
        of_api: EvaluationContext::default(),
        of_client: EvaluationContext::default(),
        levels: Vec::new(),
    };
    for step in &case.steps {
        world
            .step(step)
            .await
            .map_err(|why| format!("{}: {why}", step.value))?;
    }
    Ok(())
}

/// The parts of `text` that the pattern catches, if it is this whole sentence.
fn caught(pattern: &str, text: &str) -> Option<Vec<String>> {
    let regex = Regex::new(&format!("^(?:{pattern})$")).expect("the patterns below are right");
    let captures = regex.captures(text)?;
    let parts = captures.iter().skip(1);
    Some(
        parts
            .map(|part| part.map_or(String::new(), |part| part.as_str().to_owned()))
            .collect(),
    )
}

fn expect<T: PartialEq + std::fmt::Debug>(got: T, want: T) -> Result<(), String> {
    match got == want {
        true => Ok(()),
        false => Err(format!("got {got:?}, not {want:?}")),
    }
}

fn rows(step: &Step) -> Vec<Vec<String>> {
    step.table
        .as_ref()
        .map_or(Vec::new(), |table| table.rows.clone())
}

impl World<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let text = step.value.as_str();
        for attempt in [Self::given, Self::then] {
            if let Some(outcome) = attempt(self, text, step) {
                return outcome;
            }
        }
        if let Some(outcome) = self.with_api(text).await {
            return outcome;
        }
        self.when(text)
            .await
            .unwrap_or_else(|| Err("nobody knows this step".to_owned()))
    }

    async fn set_provider(&mut self, provider: Provider) -> Result<(), String> {
        self.provider = Some(provider.clone());
        self.api.set_provider(provider).await;
        Ok(())
    }

    fn outcome(&self) -> Result<&Outcome, String> {
        self.outcome
            .as_ref()
            .ok_or_else(|| "no flag was evaluated".to_owned())
    }

    fn asked(&self) -> Result<&Asked, String> {
        self.asked
            .as_ref()
            .ok_or_else(|| "no flag was named".to_owned())
    }

    fn ask(&mut self, kind: &str, key: &str, default: &str) -> Result<(), String> {
        let kind = Kind::named(kind)?;
        let default = kind.read(default)?;
        self.asked = Some(Asked {
            kind,
            key: key.to_owned(),
            default,
        });
        Ok(())
    }

    /// Steps that change the API itself.
    async fn with_api(&mut self, text: &str) -> Option<Result<(), String>> {
        if text == "a stable provider with retrievable context is registered" {
            let provider = match providers::stable(self.flags) {
                Ok(provider) => provider,
                Err(why) => return Some(Err(why)),
            };
            return Some(self.set_provider(provider).await);
        }
        if let Some(parts) = caught("an? (.+) provider", text) {
            let provider = match providers::in_state(&parts[0], self.flags) {
                Ok(provider) => provider,
                Err(why) => return Some(Err(why)),
            };
            return Some(self.set_provider(provider).await);
        }
        let entry =
            r#"A context entry with key "(.*)" and value "(.*)" is added to the "(.*)" level"#;
        if let Some(parts) = caught(entry, text) {
            return Some(self.add_entry(&parts[2], &parts[0], &parts[1]).await);
        }
        let entries = r#"Context entries for each level from API level down to the "(.*)" level, with key "(.*)" and value "(.*)""#;
        if let Some(parts) = caught(entries, text) {
            for level in self.levels.clone() {
                if let Err(why) = self.add_entry(&level, &parts[1], &level).await {
                    return Some(Err(why));
                }
                if level == parts[0] {
                    break;
                }
            }
            return Some(Ok(()));
        }
        None
    }

    async fn add_entry(&mut self, level: &str, key: &str, value: &str) -> Result<(), String> {
        match level {
            "API" => {
                self.of_api.add_custom_field(key, value);
                self.api.set_evaluation_context(self.of_api.clone()).await;
            }
            "Client" => {
                self.of_client.add_custom_field(key, value);
                self.client.set_evaluation_context(self.of_client.clone());
            }
            "Invocation" => self.context.add_custom_field(key, value),
            "Before Hooks" => self.hook_client(Adding(key.to_owned(), value.to_owned())),
            other => return Err(format!("there is no level {other}")),
        }
        Ok(())
    }

    fn hook_client(&mut self, hook: impl open_feature::Hook) {
        let client = std::mem::replace(&mut self.client, self.api.create_client());
        self.client = client.with_hook(hook);
    }

    fn given(&mut self, text: &str, step: &Step) -> Option<Result<(), String>> {
        let asked = r#"an? (\w+)-flag with key "(.*)" and a fallback value "(.*)""#;
        if let Some(parts) = caught(asked, text) {
            return Some(self.ask(&parts[0], &parts[1], &parts[2]));
        }
        let attribute =
            r#"a context containing a key "(.*)", with type "(.*)" and with value "(.*)""#;
        if let Some(parts) = caught(attribute, text) {
            let value = match Kind::named(&parts[1]).and_then(|kind| kind.read(&parts[2])) {
                Ok(value) => value,
                Err(why) => return Some(Err(why)),
            };
            self.context.add_custom_field(&parts[0], field(&value));
            return Some(Ok(()));
        }
        if let Some(parts) = caught(r#"a context containing a key "(.*)" with null value"#, text) {
            // That crate has no null of its own.
            let null = EvaluationContextFieldValue::new_struct(Json::Null);
            self.context.add_custom_field(&parts[0], null);
            return Some(Ok(()));
        }
        let four = r#"context contains keys "(\w+)", "(\w+)", "(\w+)", "(\w+)" with values "(.*)", "(.*)", (\d+), "(\w+)""#;
        if let Some(parts) = caught(four, text) {
            let values = [json!(parts[4]), json!(parts[5])].into_iter();
            let values = values.chain(
                parts[6..]
                    .iter()
                    .filter_map(|text| serde_json::from_str(text).ok()),
            );
            for (name, value) in parts.iter().zip(values) {
                self.context.add_custom_field(name, field(&value));
            }
            return Some(Ok(()));
        }
        match text {
            "a client with added hook" => {
                let hook = self.calls.hook("client's");
                self.hook_client(hook);
            }
            "evaluation options containing specific hooks" => {
                let options = EvaluationOptions::default();
                self.options = options
                    .with_hook(self.calls.hook("first"))
                    .with_hook(self.calls.hook("second"));
            }
            "an evaluation context with modifiable data" => {
                self.context.add_custom_field("modifiable", "as it was");
            }
            "A table with levels of increasing precedence" => {
                self.levels = rows(step).into_iter().flatten().collect();
            }
            _ => return None,
        }
        Some(Ok(()))
    }

    async fn evaluate(&mut self) -> Result<(), String> {
        let asked = self.asked()?.clone();
        let outcome = evaluate(&self.client, &asked, &self.context, Some(&self.options)).await;
        self.outcome = Some(outcome);
        Ok(())
    }

    async fn when(&mut self, text: &str) -> Option<Result<(), String>> {
        match text {
            "the flag was evaluated with details"
            | "the flag was evaluated with details using the evaluation options" => {
                return Some(self.evaluate().await);
            }
            "the flag was evaluated with details asynchronously" => {
                // Ready when it is asked for the first time: nothing was waited for.
                let done = self.evaluate().now_or_never();
                return Some(done.unwrap_or_else(|| Err("it waits".to_owned())));
            }
            "Some flag was evaluated" => {
                let asked = self.ask("boolean", "boolean-flag", "false");
                return Some(match asked {
                    Ok(()) => self.evaluate().await,
                    Err(why) => Err(why),
                });
            }
            _ => {}
        }
        // The sentences of the older file name the flag and evaluate it in one.
        let older = r#"an? (?:non-existent )?(\w+ )?flag with key "(.*?)" is evaluated (as an integer, )?(?:with details and )?(?:with )?(?:a )?(?:default value|fallback value|null default value) ?"?(.*?)"?"#;
        if let Some(parts) = caught(older, text) {
            let kind = match (parts[0].trim(), parts[2].as_str()) {
                (_, "as an integer, ") => "integer",
                ("", _) => "string",
                (kind, _) => kind,
            };
            let default = if parts[3].is_empty() { "{}" } else { &parts[3] };
            if let Err(why) = self.ask(kind, &parts[1], default) {
                return Some(Err(why));
            }
            return Some(self.evaluate().await);
        }
        if let Some(parts) = caught(
            r#"the resolved flag value is "(.*)" when the context is empty"#,
            text,
        ) {
            self.context = EvaluationContext::default();
            if let Err(why) = self.evaluate().await {
                return Some(Err(why));
            }
            return Some(self.check_value(&parts[0]));
        }
        let merged = r#"The merged context contains an entry with key "(.*)" and value "(.*)""#;
        if let Some(parts) = caught(merged, text) {
            return Some(self.check_entry(&parts[0], &parts[1]).await);
        }
        None
    }

    /// A flag that targets the entry sees it.
    async fn check_entry(&mut self, key: &str, value: &str) -> Result<(), String> {
        let flags = json!({ "format": 1, "flags": { "probe": {
            "type": "boolean", "default": "off",
            "rules": [{ "if": { "attribute": key, "equals": value }, "serve": "on" }]
        } } });
        self.set_provider(providers::stable(&flags.to_string())?)
            .await?;
        self.ask("boolean", "probe", "false")?;
        self.evaluate().await?;
        expect(self.outcome()?.reason.as_str(), "TARGETING_MATCH")
    }

    fn check_value(&self, want: &str) -> Result<(), String> {
        let (got, want) = (&self.outcome()?.value, self.asked()?.kind.read(want)?);
        match same(got, &want) {
            true => Ok(()),
            false => Err(format!("got {got}, not {want}")),
        }
    }

    fn check_variant_and_reason(&self, variant: &str, reason: &str) -> Result<(), String> {
        let outcome = self.outcome()?;
        expect(outcome.variant.as_deref(), Some(variant))?;
        expect(outcome.reason.as_str(), reason)
    }

    fn then(&mut self, text: &str, step: &Step) -> Option<Result<(), String>> {
        self.check(text, step).transpose()
    }

    /// None when it is no sentence about an outcome.
    fn check(&self, text: &str, step: &Step) -> Result<Option<()>, String> {
        if let Some(parts) = caught(r#"the resolved details value should be "(.*)""#, text) {
            self.check_value(&parts[0])?;
        } else if let Some(parts) = caught(
            r#"the variant should be "(.*)", and the reason should be "(.*)""#,
            text,
        ) {
            self.check_variant_and_reason(&parts[0], &parts[1])?;
        } else if let Some(parts) = caught(r#"the reason should be "(.*)""#, text) {
            expect(self.outcome()?.reason.as_str(), &parts[0])?;
        } else if let Some(parts) = caught(r#"the error-code should be "(.*)""#, text) {
            expect(self.outcome()?.error_code.as_deref(), Some(&parts[0]))?;
        } else if let Some(parts) = caught(r#"the flag key should be "(.*)""#, text) {
            expect(self.outcome()?.flag_key.as_str(), &parts[0])?;
        } else if let Some(parts) = caught(r#"the variant should be "(.*)""#, text) {
            expect(self.outcome()?.variant.as_deref(), Some(&parts[0]))?;
        } else if let Some(parts) = caught(r#"the provider status should be "(.*)""#, text) {
            self.check_status(&parts[0])?;
        } else if let Some(parts) = caught(r#"the "(.*)" hooks? should have been executed"#, text) {
            let calls = self.calls.all();
            expect(calls.iter().any(|call| call.stage == parts[0]), true)?;
        } else if let Some(parts) = caught(
            r#"the "(.*)" hooks should be called with evaluation details"#,
            text,
        ) {
            for stage in parts[0].split(", ") {
                self.check_hook(stage, &rows(step))?;
            }
        } else if let Some(parts) = caught(
            r#"the resolved \w+ details value should be "?(.*?)"?, the variant should be "(.*)", and the reason should be "(.*)""#,
            text,
        ) {
            self.check_value(&parts[0])?;
            self.check_variant_and_reason(&parts[1], &parts[2])?;
        } else if let Some(parts) = caught(
            r#"the resolved object (?:details )?value should be contain fields "(\w+)", "(\w+)", and "(\w+)", with values "(\w+)", "(.*)" and (\d+), respectively"#,
            text,
        ) {
            let (first, third) = (
                serde_json::from_str::<Json>(&parts[3]),
                serde_json::from_str::<Json>(&parts[5]),
            );
            let (Ok(first), Ok(third)) = (first, third) else {
                return Err("no values".to_owned());
            };
            let want = json!({ &parts[0]: first, &parts[1]: parts[4], &parts[2]: third });
            expect(same(&self.outcome()?.value, &want), true)?;
        } else if let Some(parts) = caught(
            r#"the resolved \w+ (?:value|response) should be "?(.*?)"?"#,
            text,
        ) {
            self.check_value(&parts[0])?;
        } else if let Some(parts) = caught(
            r#"the reason should indicate an error and the error code should indicate a .* with "(.*)""#,
            text,
        ) {
            expect(self.outcome()?.reason.as_str(), "ERROR")?;
            expect(self.outcome()?.error_code.as_deref(), Some(&parts[0]))?;
        } else if caught(r"the default \w+ value should be returned", text).is_some() {
            expect(&self.outcome()?.value, &self.asked()?.default)?;
        } else {
            return self.check_rest(text, step);
        }
        Ok(Some(()))
    }

    fn check_rest(&self, text: &str, step: &Step) -> Result<Option<()>, String> {
        match text {
            "the resolved metadata should contain" => self.check_metadata(&rows(step))?,
            "the resolved metadata is empty" => expect(self.outcome()?.metadata.values.len(), 0)?,
            "the specified hooks should execute during evaluation" => {
                expect(self.calls.all().len(), 6)?;
            }
            "the hook order should be maintained" => {
                let order = |call: &crate::hooks::Call| (call.stage, call.hook);
                let got: Vec<_> = self.calls.all().iter().map(order).collect();
                let first_to_last = [("before", "first"), ("before", "second")];
                let last_to_first =
                    ["after", "finally"].map(|stage| [(stage, "second"), (stage, "first")]);
                let want = [first_to_last].into_iter().chain(last_to_first);
                expect(got, want.flatten().collect())?;
            }
            "the original evaluation context should remain unmodified" => {
                let unmodified =
                    EvaluationContext::default().with_custom_field("modifiable", "as it was");
                expect(&self.context, &unmodified)?;
            }
            "the evaluation details should be immutable" => {
                // They are the caller's own: what is done to them reaches nobody else.
                let again =
                    evaluate(&self.client, self.asked()?, &self.context, None).now_or_never();
                let mut changed = again.clone().ok_or("it waits")?;
                changed.metadata.add_value("changed", true);
                expect(again.as_ref(), Some(self.outcome()?))?;
            }
            // It was, or the step before would have said so.
            "the evaluation should complete without blocking" => {
                self.outcome()?;
            }
            _ => return Ok(None),
        }
        Ok(Some(()))
    }

    fn check_status(&self, want: &str) -> Result<(), String> {
        let status = self.provider.as_ref().ok_or("no provider")?.status();
        let name = match status {
            ProviderStatus::NotReady => "NOT_READY",
            ProviderStatus::Ready => "READY",
            ProviderStatus::Error => "ERROR",
            ProviderStatus::STALE => "STALE",
        };
        expect(name, want)
    }

    fn check_metadata(&self, rows: &[Vec<String>]) -> Result<(), String> {
        let metadata = &self.outcome()?.metadata;
        for row in rows.iter().skip(1) {
            let [key, kind, value] = row.as_slice() else {
                return Err("no row of three".to_owned());
            };
            let want = match Kind::named(kind)?.read(value)? {
                Json::Bool(value) => FlagMetadataValue::Bool(value),
                Json::String(value) => FlagMetadataValue::String(value),
                Json::Number(value) => match value.as_i64() {
                    Some(value) => FlagMetadataValue::Int(value),
                    None => FlagMetadataValue::Float(value.as_f64().unwrap_or_default()),
                },
                other => return Err(format!("{other} is no metadata")),
            };
            expect(metadata.values.get(key), Some(&want))?;
        }
        expect(metadata.values.len(), rows.len() - 1)
    }

    fn check_hook(&self, stage: &str, rows: &[Vec<String>]) -> Result<(), String> {
        let calls = self.calls.all();
        let call = calls
            .iter()
            .find(|call| call.stage == stage)
            .ok_or("it was not called")?;
        let details = call.details.as_ref().ok_or("it was not told")?;
        // That crate tells the code to the `error` stage only.
        let error_code = calls.iter().find_map(|call| call.error_code.as_deref());
        for row in rows.iter().skip(1) {
            let [kind, key, want] = row.as_slice() else {
                return Err("no row of three".to_owned());
            };
            let got = match key.as_str() {
                "flag_key" => json!(details.flag_key),
                "value" => to_json(&details.value),
                "variant" => json!(details.variant),
                "reason" => json!(details.reason.as_ref().map(ToString::to_string)),
                "error_code" => json!(error_code),
                other => return Err(format!("details have no `{other}`")),
            };
            let want = match want.as_str() {
                "null" => Json::Null,
                text => Kind::named(kind)?.read(text)?,
            };
            expect(got, want).map_err(|why| format!("{key}: {why}"))?;
        }
        Ok(())
    }
}

/// A value as a field of a context.
fn field(value: &Json) -> EvaluationContextFieldValue {
    match value {
        Json::Bool(value) => (*value).into(),
        Json::String(value) => value.as_str().into(),
        Json::Number(value) => match value.as_i64() {
            Some(value) => value.into(),
            None => value.as_f64().unwrap_or_default().into(),
        },
        other => EvaluationContextFieldValue::new_struct(other.clone()),
    }
}
