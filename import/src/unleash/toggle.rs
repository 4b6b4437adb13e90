//! Toggles: one boolean flag for whether it is on, and one for its variant.

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::condition::{Condition, Test, members, pairs};
use crate::names::is_name;
use crate::output::Out;
use crate::report::{ImportedFlag, Report};
use crate::source::{Problem, Source};

use super::constraint::{USER_ID, text_in};
use super::strategy::{Case, hash, parameter_of, salt};
use super::{Reader, Shared, variant_key};

/// The seed under which variants are drawn.
const VARIANT_SEED: u32 = 86_028_157;

/// What the translation of one toggle shares.
pub(super) struct ToggleReader<'f> {
    pub(super) reader: &'f Reader<'f>,
    pub(super) shared: &'f mut Shared,
    pub(super) report: &'f mut Report,
    pub(super) key: &'f str,
    /// The attributes read so far.
    pub(super) reads: BTreeSet<String>,
    experiments: BTreeSet<String>,
    /// Whether whoever gets a variant is to be recorded.
    impressions: bool,
    variants: Vec<(String, Out)>,
    /// Whether something is missing or unknown that turns the whole toggle off.
    pub(super) is_off: bool,
}

/// The flags that a toggle becomes.
pub(super) fn translate(
    reader: &Reader<'_>,
    key: &str,
    source: &Source<'_, '_>,
    shared: &mut Shared,
    report: &mut Report,
) -> Result<Vec<(Out, ImportedFlag)>, Problem> {
    source.expect_object()?;
    let known = [
        "name",
        "enabled",
        "strategies",
        "variants",
        "dependencies",
        "description",
        "type",
        "project",
        "stale",
        "impressionData",
        "createdAt",
        "lastSeenAt",
        "segments",
        "id",
    ];
    source.warn_of_unknown(&known, Some(key), report);
    let enabled = source.required("enabled")?.boolean()?;
    let impressions = source
        .optional("impressionData")
        .is_some_and(|each| each.json().as_bool() == Some(true));
    let mut toggle = ToggleReader {
        reader,
        shared,
        report,
        key,
        reads: BTreeSet::new(),
        experiments: BTreeSet::new(),
        impressions,
        variants: Vec::new(),
        is_off: false,
    };
    let strategies = source.optional("strategies");
    if let Some(strategies) = &strategies {
        strategies.expect_array()?;
    }
    let strategies: Vec<_> = strategies.iter().flat_map(Source::elements).collect();
    let parents = toggle.parents(source)?;
    let mut rules = Vec::new();
    let mut cases = Vec::new();
    for strategy in &strategies {
        cases.push(toggle.strategy(strategy)?);
    }
    if strategies.is_empty() {
        cases.push(vec![Case {
            condition: Condition::Always(true),
            from: None,
            until: None,
        }]);
    }
    if toggle.is_off {
        cases.iter_mut().for_each(Vec::clear);
    }
    for case in cases.iter().flatten() {
        if parents.is_never() {
            break;
        }
        let mut rule = Test::new();
        let condition = Condition::all([parents.clone(), case.condition.clone()]);
        Case { condition, ..*case }.push_to(&mut rule);
        rule.push(("serve", Out::text("on")));
        rules.push(members(rule));
    }
    let mut flags = vec![toggle.finish(
        source,
        key.to_owned(),
        vec![
            ("type", Out::text("boolean")),
            ("default", Out::text("off")),
            ("off", Out::text("off")),
        ],
        enabled,
        rules,
    )];
    if has_variants(source) {
        let variant_key = variant_key(key);
        if !is_name(&variant_key) || reader.toggles.contains_key(&*variant_key) {
            let reason = format!("there is no room for the flag `{variant_key}` of its variants");
            return Err(source.inexpressible(reason));
        }
        toggle.reads.clear();
        let (variants, rules) = toggle.variant_rules(source, &strategies, &cases)?;
        let head = vec![("type", Out::text("object")), ("variants", variants)];
        flags.push(toggle.finish(source, variant_key, head, enabled, rules));
    }
    Ok(flags)
}

/// Whether a toggle has variants, its own or a strategy's.
fn has_variants(source: &Source<'_, '_>) -> bool {
    let some = |of: &Source<'_, '_>| {
        let variants = of.optional("variants");
        variants.is_some_and(|variants| variants.elements().next().is_some())
    };
    let strategies = source.optional("strategies");
    some(source)
        || strategies
            .iter()
            .flat_map(Source::elements)
            .any(|strategy| some(&strategy))
}

impl ToggleReader<'_> {
    /// The dependencies, all of which must be met.
    fn parents(&mut self, source: &Source<'_, '_>) -> Result<Condition, Problem> {
        let mut all = Vec::new();
        for dependency in source
            .optional("dependencies")
            .iter()
            .flat_map(Source::elements)
        {
            dependency.expect_object()?;
            let feature = dependency.required("feature")?;
            let name = feature.string()?;
            let parent = self.reader.toggles.get(name);
            let parent = parent.filter(|parent| {
                let own = parent.optional("dependencies");
                own.is_none_or(|own| own.elements().next().is_none())
            });
            // One that is not there, or has parents itself, is never met.
            let Some(parent) = parent else {
                return Ok(Condition::Always(false));
            };
            let wanted = dependency
                .optional("enabled")
                .is_none_or(|each| each.json().as_bool() != Some(false));
            all.push(served(name, [if wanted { "on" } else { "off" }]));
            let variants = dependency.optional("variants");
            let names: Vec<_> = variants.iter().flat_map(Source::elements).collect();
            if names.is_empty() || !has_variants(parent) {
                continue;
            }
            if !wanted {
                let reason = "asks for a variant of a toggle that must be off";
                return Err(dependency.inexpressible(reason));
            }
            let own = variant_names(parent);
            let names = names.iter().filter_map(|name| name.json().as_str());
            let names = names.filter(|name| own.contains(*name));
            let key = variant_key(name);
            let any = Condition::Is(Out::object([
                ("flag", Out::text(&key)),
                ("value", Out::object([("exists", Out::boolean(true))])),
            ]));
            // A parent that is on and has no variant for this context asks for none.
            all.push(Condition::any([served(&key, names), any.negated()]));
        }
        Ok(Condition::all(all))
    }

    /// The variants, and the rules that choose among them once the toggle is on.
    fn variant_rules(
        &mut self,
        source: &Source<'_, '_>,
        strategies: &[Source<'_, '_>],
        cases: &[Vec<Case>],
    ) -> Result<(Out, Vec<Out>), Problem> {
        let mut rules = Vec::new();
        let mut gate = Test::new();
        served(self.key, ["on"]).negated().push_to(&mut gate);
        gate.extend([("serve", Out::NULL), ("reason", Out::text("DEFAULT"))]);
        rules.push(members(gate));
        let toggle_list = source.optional("variants");
        let some = |list: &Source<'_, '_>| list.elements().next().is_some();
        let has_own = |strategy: &Source<'_, '_>| {
            strategy
                .optional("variants")
                .is_some_and(|list| some(&list))
        };
        // The first strategy that holds decides; one without variants goes on to the toggle's. After the last one with
        // variants that is all there is.
        let reached = strategies
            .iter()
            .rposition(has_own)
            .map_or(0, |last| last + 1);
        for (strategy, cases) in strategies.iter().zip(cases).take(reached) {
            let list = strategy.optional("variants").filter(some);
            let parameters = strategy.optional("parameters");
            let parameter = |name| parameters.as_ref().and_then(|all| parameter_of(all, name));
            let stickiness = parameter("stickiness").unwrap_or_else(|| "default".to_owned());
            let group = parameter("groupId").unwrap_or_else(|| self.key.to_owned());
            for case in cases {
                match &list {
                    Some(list) => rules.push(self.draw(list, &stickiness, &group, case)?),
                    None => self.toggle_variants(toggle_list.as_ref(), case, &mut rules)?,
                }
            }
        }
        let always = Case {
            condition: Condition::Always(true),
            from: None,
            until: None,
        };
        if toggle_list.as_ref().is_some_and(some) {
            self.toggle_variants(toggle_list.as_ref(), &always, &mut rules)?;
        }
        let variants = core::mem::take(&mut self.variants);
        let variants = variants
            .into_iter()
            .map(|(name, value)| (Cow::Owned(name), value));
        Ok((Out::Object(variants.collect()), rules))
    }

    /// The toggle's own variants: who is named gets one, everyone else draws.
    fn toggle_variants(
        &mut self,
        list: Option<&Source<'_, '_>>,
        case: &Case,
        rules: &mut Vec<Out>,
    ) -> Result<(), Problem> {
        let Some(list) = list.filter(|list| list.elements().next().is_some()) else {
            let mut rule = Test::new();
            case.push_to(&mut rule);
            rule.extend([("serve", Out::NULL), ("reason", Out::text("DEFAULT"))]);
            rules.push(members(rule));
            return Ok(());
        };
        for variant in list.elements() {
            for each in variant
                .optional("overrides")
                .iter()
                .flat_map(Source::elements)
            {
                let field = each.required("contextName")?.string()?;
                self.reads.insert(field.to_owned());
                let values = each.required("values")?;
                let texts = values
                    .elements()
                    .map(|value| value.string().map(ToOwned::to_owned));
                let texts = texts.collect::<Result<Vec<_>, _>>()?;
                let named = text_in(field, texts.iter().map(String::as_str));
                if named.is_never() {
                    continue;
                }
                let mut rule = Test::new();
                let condition = Condition::all([case.condition.clone(), named]);
                Case { condition, ..*case }.push_to(&mut rule);
                rule.push(("serve", Out::Text(self.variant(&variant)?)));
                rules.push(members(rule));
            }
        }
        let first = list.elements().next();
        let stickiness = first
            .as_ref()
            .and_then(|first| first.optional("stickiness"));
        let stickiness = match &stickiness {
            Some(stickiness) => stickiness.string()?.to_owned(),
            None => "default".to_owned(),
        };
        rules.push(self.draw(list, &stickiness, self.key, case)?);
        Ok(())
    }

    /// The rule that draws one of these variants by weight.
    fn draw(
        &mut self,
        list: &Source<'_, '_>,
        stickiness: &str,
        group: &str,
        case: &Case,
    ) -> Result<Out, Problem> {
        let mut weights = Vec::new();
        let mut total = 0_u64;
        for variant in list.elements() {
            let weight = variant.required("weight")?.u32()?;
            weights.push((self.variant(&variant)?, total, total + u64::from(weight)));
            total += u64::from(weight);
        }
        let mut rule = Test::new();
        case.push_to(&mut rule);
        if total == 0 || total > 1 << 32 {
            return Err(list.malformed("has no weights to choose by"));
        }
        // Without the unit a random one: whatever its name is, it is not sticky.
        let unit = match stickiness {
            "default" => self.unit(&[USER_ID, "sessionId"], true),
            "random" => self.unit(&[], true),
            field => self.unit(&[field], true),
        };
        let salt = salt(list, group)?;
        let hash = hash(VARIANT_SEED, total);
        if self.impressions {
            let terms = Out::Array(vec![Out::text(&salt), unit.clone(), hash.clone()]);
            let known = self
                .shared
                .experiments
                .entry(self.key.to_owned())
                .or_insert_with(|| terms.clone());
            if *known == terms {
                self.experiments.insert(self.key.to_owned());
                rule.push(("experiment", Out::object([("key", Out::text(self.key))])));
            } else {
                let message = "another strategy of the toggle draws otherwise: exposures of this one are not recorded";
                self.report.warn(Some(self.key), || list.pointer(), message);
            }
        }
        let arms = weights.into_iter().filter(|(_, start, end)| start < end);
        let arms = arms.map(|(name, start, end)| {
            Out::object([
                ("variant", Out::Text(name)),
                ("ranges", pairs([(start, end)])),
            ])
        });
        rule.extend([
            ("salt", Out::Text(salt)),
            ("unit", unit),
            ("hash", hash),
            ("missingUnit", Out::text("zero")),
            ("split", Out::Array(arms.collect())),
        ]);
        Ok(members(rule))
    }

    /// The name of a variant; of two variants of one name and different payloads the second is numbered.
    fn variant(&mut self, source: &Source<'_, '_>) -> Result<String, Problem> {
        source.expect_object()?;
        let name_source = source.required("name")?;
        let name = name_source.string()?;
        let mut value = vec![("name", Out::text(name))];
        if let Some(payload) = source.optional("payload") {
            let mut json = String::new();
            payload.json().minify_to(&mut json);
            value.push(("payload", Out::Json(json.into())));
        }
        let value = members(value);
        let mut number = 1;
        loop {
            let numbered = if number == 1 {
                name.to_owned()
            } else {
                format!("{name} ({number})")
            };
            if !is_name(&numbered) {
                return Err(name_source.inexpressible(
                    "a variant's name has 1 to 256 bytes and no control characters",
                ));
            }
            match self.variants.iter().find(|(each, _)| *each == numbered) {
                Some((_, known)) if *known == value => return Ok(numbered),
                Some(_) => number += 1,
                None => {
                    self.variants.push((numbered.clone(), value));
                    return Ok(numbered);
                }
            }
        }
    }

    fn finish(
        &mut self,
        source: &Source<'_, '_>,
        key: String,
        mut flag: Test,
        enabled: bool,
        rules: Vec<Out>,
    ) -> (Out, ImportedFlag) {
        let imported = ImportedFlag {
            key,
            pointer: source.pointer(),
            rules: rules.len(),
            attributes: self.reads.iter().cloned().collect(),
            experiments: core::mem::take(&mut self.experiments).into_iter().collect(),
        };
        if !enabled {
            flag.push(("enabled", Out::boolean(false)));
        }
        if !rules.is_empty() {
            flag.push(("rules", Out::Array(rules)));
        }
        (members(flag), imported)
    }
}

/// Names of a toggle's variants, as they are in the flag set.
fn variant_names<'s>(source: &'s Source<'_, '_>) -> BTreeSet<&'s str> {
    let mut names = BTreeSet::new();
    let mut add = |of: &Source<'_, 's>| {
        for variant in of.optional("variants").iter().flat_map(Source::elements) {
            names.extend(variant.get("name").and_then(|name| name.json().as_str()));
        }
    };
    add(source);
    for strategy in source
        .optional("strategies")
        .iter()
        .flat_map(Source::elements)
    {
        add(&strategy);
    }
    names
}

/// Another flag serves one of these variants.
fn served<'n>(key: &str, names: impl IntoIterator<Item = &'n str>) -> Condition {
    let names: Vec<Out> = names.into_iter().map(Out::text).collect();
    if names.is_empty() {
        return Condition::Always(false);
    }
    Condition::Is(Out::object([
        ("flag", Out::text(key)),
        ("is", Out::Array(names)),
    ]))
}
