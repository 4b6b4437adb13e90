//! Features: rules in order, prerequisites, forced values, rollouts.

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bucketry_core::internal::Kind;

use crate::condition::{Condition, Test, attribute_name, members, pairs};
use crate::format::Dialect;
use crate::names::{is_name, is_salt};
use crate::output::Out;
use crate::report::{ImportedFlag, Report};
use crate::source::{Problem, Source};

use super::condition::Scope;
use super::ranges::{half_open, up_to};
use super::target::{ID, TARGETING_KEY, Target};
use super::values::Variants;
use super::{MAX_EXPANSIONS, Reader, Shared};

/// What the translation of one flag shares.
pub(super) struct FlagReader<'f> {
    pub(super) reader: &'f Reader<'f>,
    pub(super) shared: &'f mut Shared,
    pub(super) report: &'f mut Report,
    pub(super) key: &'f str,
    /// The attributes read so far.
    pub(super) reads: BTreeSet<String>,
    /// The groups that are being written out.
    pub(super) visited: BTreeSet<String>,
    pub(super) variants: Variants,
    pub(super) rules: Vec<Test>,
    pub(super) experiments: BTreeSet<String>,
    ids: BTreeSet<String>,
}

/// A hash of the format: the profile, and its modulus.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Profile {
    pub(super) hash: Out,
    pub(super) modulus: u64,
}

/// Translates a feature.
pub(super) fn translate(
    reader: &Reader<'_>,
    key: &str,
    source: &Source<'_, '_>,
    shared: &mut Shared,
    report: &mut Report,
) -> Result<(Out, ImportedFlag), Problem> {
    source.expect_object()?;
    source.warn_of_unknown(&["defaultValue", "rules"], Some(key), report);
    let rules = source.optional("rules");
    if let Some(rules) = &rules {
        rules.expect_array()?;
    }
    let rules: Vec<_> = rules.iter().flat_map(Source::elements).collect();
    let default = source.optional("defaultValue");
    let mut mixed = None;
    each_value(source, &mut |value| {
        if value.kind() != Kind::Null {
            let same = mixed.get_or_insert(class(value));
            if *same != class(value) {
                *same = None;
            }
        }
    });
    let mut flag = FlagReader::new(
        reader,
        key,
        shared,
        report,
        mixed.flatten().unwrap_or("object"),
    );
    if mixed == Some(None) {
        return Err(source.inexpressible("serves values of more than one type, and a flag has one"));
    }
    // Variations first: their keys are what exposures name.
    for rule in &rules {
        rule.expect_object()?;
        if rule.get("force").is_none() {
            flag.name_variations(rule, rule_key(rule, key)?)?;
        }
    }
    for rule in &rules {
        flag.rule(rule)?;
    }
    let default = match &default {
        Some(default) => flag.variants.value(default)?,
        None => None,
    };
    Ok(flag.finish(source, default))
}

/// Translates an experiment that the payload lists beside the features: who is not in it gets the first variation.
pub(super) fn translate_experiment(
    reader: &Reader<'_>,
    key: &str,
    source: &Source<'_, '_>,
    shared: &mut Shared,
    report: &mut Report,
) -> Result<(Out, ImportedFlag), Problem> {
    source.expect_object()?;
    let variations = source.required("variations")?;
    variations.expect_array()?;
    let mut class_of_all = None;
    for value in variations.elements() {
        if class_of_all.get_or_insert(class(&value)) != &class(&value) {
            return Err(value.inexpressible("is of another type than the other variations"));
        }
    }
    let value_type = class_of_all.flatten().unwrap_or("object");
    let mut flag = FlagReader::new(reader, key, shared, report, value_type);
    let names = flag.name_variations(source, key)?;
    flag.experiment(source, key, true, Vec::new(), None)?;
    let default = names.into_iter().next().flatten();
    Ok(flag.finish(source, default))
}

/// The type of a value; none for null.
fn class(value: &Source<'_, '_>) -> Option<&'static str> {
    Some(match value.kind() {
        Kind::Null => return None,
        Kind::True | Kind::False => "boolean",
        Kind::String => "string",
        Kind::Number => "number",
        Kind::Array | Kind::Object => "object",
    })
}

/// Every value that a feature may serve.
pub(super) fn each_value(feature: &Source<'_, '_>, visit: &mut dyn FnMut(&Source<'_, '_>)) {
    if let Some(default) = feature.get("defaultValue") {
        visit(&default);
    }
    for rule in feature.get("rules").iter().flat_map(Source::elements) {
        if let Some(force) = rule.get("force") {
            visit(&force);
            continue;
        }
        for variation in variations_of(&rule).iter().flat_map(Source::elements) {
            visit(&variation);
        }
    }
}

pub(super) fn variations_of<'q>(rule: &'q Source<'q, '_>) -> Option<Source<'q, 'q>> {
    rule.optional("contextualVariations")
        .or_else(|| rule.optional("variations"))
}

/// The experiment's key: the feature's, where the rule has none.
fn rule_key<'k>(rule: &Source<'_, 'k>, feature: &'k str) -> Result<&'k str, Problem> {
    match rule.optional("key") {
        Some(key) if key.json().as_str() == Some("") => Ok(feature),
        Some(key) => key.string(),
        None => Ok(feature),
    }
}

impl<'f> FlagReader<'f> {
    fn new(
        reader: &'f Reader<'f>,
        key: &'f str,
        shared: &'f mut Shared,
        report: &'f mut Report,
        value_type: &'static str,
    ) -> Self {
        Self {
            reader,
            shared,
            report,
            key,
            reads: BTreeSet::new(),
            visited: BTreeSet::new(),
            variants: Variants {
                value_type,
                list: Vec::new(),
            },
            rules: Vec::new(),
            experiments: BTreeSet::new(),
            ids: BTreeSet::new(),
        }
    }

    /// Gives the variations of a rule their names.
    pub(super) fn name_variations(
        &mut self,
        rule: &Source<'_, '_>,
        experiment: &str,
    ) -> Result<Vec<Option<String>>, Problem> {
        let meta = rule.optional("meta");
        let mut meta = meta.iter().flat_map(Source::elements);
        let mut names = Vec::new();
        for (index, value) in variations_of(rule)
            .iter()
            .flat_map(Source::elements)
            .enumerate()
        {
            let own = meta.next().and_then(|meta| {
                let key = meta.get("key")?;
                key.json()
                    .as_str()
                    .filter(|key| !key.is_empty())
                    .map(ToOwned::to_owned)
            });
            let key = own.unwrap_or_else(|| format!("{index}"));
            names.push(self.variants.variation(experiment, &key, &value)?);
        }
        Ok(names)
    }

    fn rule(&mut self, rule: &Source<'_, '_>) -> Result<(), Problem> {
        let known = [
            "id",
            "condition",
            "parentConditions",
            "force",
            "coverage",
            "range",
            "ranges",
            "seed",
            "hashVersion",
            "hashAttribute",
            "fallbackAttribute",
            "filters",
            "namespace",
            "key",
            "variations",
            "contextualVariations",
            "contextualBanditRef",
            "weights",
            "meta",
            "name",
            "phase",
            "disableStickyBucketing",
            "bucketVersion",
            "minBucketVersion",
            "tracks",
            "type",
        ];
        rule.warn_of_unknown(&known, Some(self.key), self.report);
        let mut base = Vec::new();
        let parents = rule.optional("parentConditions");
        for parent in parents.iter().flat_map(Source::elements) {
            let passes = self.parent(&parent)?;
            if parent
                .optional("gate")
                .is_some_and(|gate| gate.json().as_bool() == Some(true))
            {
                // What fails ends the search without a value; who comes past has passed.
                let mut gate = base.clone();
                gate.push(passes.negated());
                self.push_null(Condition::all(gate));
            } else {
                base.push(passes);
            }
        }
        if let Some(filters) = rule.optional("filters") {
            base.push(self.filters(&filters)?);
        }
        if let Some(force) = rule.get("force") {
            return self.force(rule, &force, base);
        }
        let id = self.id(rule, None);
        self.experiment(rule, rule_key(rule, self.key)?, false, base, id)
    }

    /// A prerequisite: another feature's value passes a condition.
    pub(super) fn parent(&mut self, source: &Source<'_, '_>) -> Result<Condition, Problem> {
        source.expect_object()?;
        let id = source.required("id")?;
        let key = id.string()?;
        let known = self
            .reader
            .features
            .as_ref()
            .is_some_and(|features| features.get(key).is_some());
        let target = if known {
            let (boolean, arrays) = self.reader.kinds_of(key);
            Target::Flag {
                key: key.to_owned(),
                boolean,
                arrays,
            }
        } else {
            Target::Missing
        };
        match source.optional("condition") {
            Some(condition) => self.condition(&condition, &Scope::Value(target)),
            None => Ok(Condition::Always(true)),
        }
    }

    /// The unit is in the ranges of every filter.
    pub(super) fn filters(&mut self, filters: &Source<'_, '_>) -> Result<Condition, Problem> {
        filters.expect_array()?;
        let mut all = Vec::new();
        for filter in filters.elements() {
            filter.expect_object()?;
            let attribute = self.text_or(&filter, "attribute", ID)?;
            let seed = filter.required("seed")?;
            let Some(profile) = self.profile(&filter, 2)? else {
                return Ok(Condition::Always(false));
            };
            let ranges = self.range_list(&filter.required("ranges")?, profile.modulus)?;
            let unit = self.unit(&attribute, None);
            all.push(self.position(&seed, &unit, &profile, &ranges)?);
        }
        Ok(Condition::all(all))
    }

    /// Ranges as positions.
    pub(super) fn range_list(
        &self,
        source: &Source<'_, '_>,
        modulus: u64,
    ) -> Result<Vec<(u64, u64)>, Problem> {
        source.expect_array()?;
        source
            .elements()
            .map(|pair| Ok(half_open(range(&pair)?, modulus)))
            .collect()
    }

    pub(super) fn position(
        &self,
        seed: &Source<'_, '_>,
        unit: &Out,
        profile: &Profile,
        ranges: &[(u64, u64)],
    ) -> Result<Condition, Problem> {
        self.position_of(salt(seed, seed.string()?)?, unit, profile, ranges)
    }

    pub(super) fn position_of(
        &self,
        salt: &str,
        unit: &Out,
        profile: &Profile,
        ranges: &[(u64, u64)],
    ) -> Result<Condition, Problem> {
        let ranges: Vec<_> = ranges
            .iter()
            .copied()
            .filter(|(start, end)| start < end)
            .collect();
        if ranges.is_empty() {
            return Ok(Condition::Always(false));
        }
        Ok(Condition::Is(Out::object([(
            "position",
            members([
                ("salt", Out::text(salt)),
                ("unit", unit.clone()),
                ("hash", profile.hash.clone()),
                ("ranges", pairs(ranges)),
            ]),
        )])))
    }

    /// A rule that serves one value.
    fn force(
        &mut self,
        rule: &Source<'_, '_>,
        force: &Source<'_, '_>,
        mut base: Vec<Condition>,
    ) -> Result<(), Problem> {
        if let Some(condition) = rule.optional("condition") {
            base.push(self.condition(&condition, &Scope::Attributes)?);
        }
        if rule.optional("tracks").is_some() {
            let message = "exposures that were decided elsewhere (`tracks`) are left out";
            self.report.warn(Some(self.key), || rule.pointer(), message);
        }
        let variant = self.variants.value(force)?;
        let rollout = match (rule.optional("range"), rule.get("coverage")) {
            (Some(pair), _) => Some(Ok(range(&pair)?)),
            (None, Some(coverage)) => Some(Err(double(&coverage)?)),
            (None, None) => None,
        };
        let id = self.id(rule, None);
        let mut out = Test::new();
        out.extend(id.map(|id| ("id", Out::Text(id))));
        let Some(rollout) = rollout else {
            Condition::all(base).push_to(&mut out);
            out.push(("serve", variant.map_or(Out::NULL, Out::Text)));
            self.rules.push(out);
            return Ok(());
        };
        let Some(profile) = self.profile(rule, 1)? else {
            return Ok(());
        };
        let positions = match rollout {
            Ok(range) => half_open(range, profile.modulus),
            // No share is nobody, although the comparison lets position 0 in.
            Err(0.0) => return Ok(()),
            Err(coverage) => up_to(coverage, profile.modulus),
        };
        if positions.0 >= positions.1 {
            return Ok(());
        }
        let attribute = self.text_or(rule, "hashAttribute", ID)?;
        let fallback = self.fallback(rule)?;
        let unit = self.unit(&attribute, fallback.as_deref());
        let seed = self.text_or(rule, "seed", self.key)?;
        let salt = salt(rule, &seed)?;
        match variant {
            Some(variant) => {
                Condition::all(base).push_to(&mut out);
                let arm = Out::object([
                    ("variant", Out::Text(variant)),
                    ("ranges", pairs([positions])),
                ]);
                out.extend([
                    ("salt", Out::text(salt)),
                    ("unit", unit),
                    ("hash", profile.hash),
                    ("split", Out::Array(vec![arm])),
                ]);
            }
            None => {
                base.push(self.position_of(salt, &unit, &profile, &[positions])?);
                Condition::all(base).push_to(&mut out);
                out.push(("serve", Out::NULL));
            }
        }
        self.rules.push(out);
        Ok(())
    }

    /// A rule that leaves the value to the caller.
    fn push_null(&mut self, condition: Condition) {
        if condition.is_never() {
            return;
        }
        let mut out = Test::new();
        condition.push_to(&mut out);
        out.extend([("serve", Out::NULL), ("reason", Out::text("DEFAULT"))]);
        self.rules.push(out);
    }

    /// The profile of `hashVersion`; `None` for a version that no SDK knows, which puts nobody anywhere.
    pub(super) fn profile(
        &self,
        source: &Source<'_, '_>,
        default: u32,
    ) -> Result<Option<Profile>, Problem> {
        self.profile_of(source.get("hashVersion").as_ref(), default)
    }

    pub(super) fn profile_of(
        &self,
        version: Option<&Source<'_, '_>>,
        default: u32,
    ) -> Result<Option<Profile>, Problem> {
        let mut number = f64::from(default);
        if let Some(version) = version
            && !matches!(version.kind(), Kind::Null | Kind::False)
        {
            let own = double(version)?;
            if own != 0.0 {
                number = own;
            }
        }
        let (name, modulus) = match number {
            1.0 => ("fnv1a-32-suffix-mod", 1_000),
            2.0 => ("fnv1a-32-twice-mod", 10_000),
            _ => return Ok(None),
        };
        let text = match self.reader.dialect {
            Dialect::Python => "codePoints",
            Dialect::Rust => "utf8",
            _ => "utf16",
        };
        let hash = Out::object([
            ("name", Out::text(name)),
            ("modulus", Out::number(modulus)),
            ("text", Out::text(text)),
        ]);
        Ok(Some(Profile { hash, modulus }))
    }

    /// Whom a rule is for: nobody, where the attribute is empty.
    pub(super) fn unit(&mut self, attribute: &str, fallback: Option<&str>) -> Out {
        let mut names = Vec::new();
        for name in core::iter::once(attribute).chain(fallback) {
            self.reads.insert(name.to_owned());
            names.push(Out::Text(attribute_name(name)));
            if name == ID {
                names.push(Out::text(TARGETING_KEY));
            }
        }
        let of = match names.pop() {
            Some(only) if names.is_empty() => only,
            last => {
                names.extend(last);
                Out::Array(names)
            }
        };
        Out::object([("of", of), ("empty", Out::text("missing"))])
    }

    /// The attribute that stands in for a missing one, where there are sticky buckets.
    fn fallback(&self, rule: &Source<'_, '_>) -> Result<Option<String>, Problem> {
        let disabled = rule.optional("disableStickyBucketing");
        if !self.reader.sticky || disabled.is_some_and(|each| each.json().as_bool() == Some(true)) {
            return Ok(None);
        }
        let fallback = self.text_or(rule, "fallbackAttribute", "")?;
        Ok(Some(fallback).filter(|name| !name.is_empty()))
    }

    /// A text; the default where it is absent or empty.
    pub(super) fn text_or(
        &self,
        source: &Source<'_, '_>,
        name: &str,
        default: &str,
    ) -> Result<String, Problem> {
        match source.optional(name) {
            Some(text) if text.string()?.is_empty() => Ok(default.to_owned()),
            Some(text) => Ok(text.string()?.to_owned()),
            None => Ok(default.to_owned()),
        }
    }

    /// The rule's own id, made distinct; none where it has none that can be one.
    pub(super) fn id(&mut self, rule: &Source<'_, '_>, suffix: Option<&str>) -> Option<String> {
        let id = rule.optional("id")?;
        let base = id.json().as_str()?;
        let base = suffix.map_or_else(|| base.to_owned(), |suffix| format!("{base}{suffix}"));
        let mut id = base.clone();
        let mut number = 1;
        while self.ids.contains(&id) {
            number += 1;
            id = format!("{base}/{number}");
        }
        if !is_name(&id) {
            return None;
        }
        self.ids.insert(id.clone());
        Some(id)
    }

    /// Counts a group that is written out once more.
    pub(super) fn expand(&mut self, source: &Source<'_, '_>) -> Result<(), Problem> {
        self.shared.expansions += 1;
        if self.shared.expansions > MAX_EXPANSIONS {
            return Err(source.inexpressible("groups use each other more than 10,000 times"));
        }
        Ok(())
    }

    fn finish(mut self, source: &Source<'_, '_>, default: Option<String>) -> (Out, ImportedFlag) {
        let imported = ImportedFlag {
            key: self.key.to_owned(),
            pointer: source.pointer(),
            rules: self.rules.len(),
            attributes: self.reads.into_iter().collect(),
            experiments: self.experiments.into_iter().collect(),
        };
        let mut flag = vec![("type", Out::text(self.variants.value_type))];
        let variants = self
            .variants
            .list
            .into_iter()
            .map(|(name, value)| (Cow::Owned(name), value));
        flag.push(("variants", Out::Object(variants.collect())));
        flag.extend(default.map(|name| ("default", Out::Text(name))));
        // What most rules have alike is said once.
        for name in ["unit", "hash"] {
            let find = |rule: &Test| {
                rule.iter()
                    .find(|(each, _)| *each == name)
                    .map(|(_, value)| value.clone())
            };
            let Some(first) = self.rules.iter().find_map(find) else {
                continue;
            };
            for rule in &mut self.rules {
                rule.retain(|(each, value)| *each != name || *value != first);
                for (each, value) in rule.iter_mut() {
                    if *each == "if" {
                        take_default(value, name, &first);
                    }
                }
            }
            flag.push((name, first));
        }
        if !self.rules.is_empty() {
            let rules = self.rules.into_iter().map(members);
            flag.push(("rules", Out::Array(rules.collect())));
        }
        (members(flag), imported)
    }
}

/// Takes a member out of every `position` in which it is what the flag says.
fn take_default(out: &mut Out, name: &str, default: &Out) {
    match out {
        Out::Array(list) => list
            .iter_mut()
            .for_each(|each| take_default(each, name, default)),
        Out::Object(list) => {
            for (member, value) in list {
                match (&**member, value) {
                    ("position", Out::Object(position)) => {
                        position.retain(|(each, value)| each != name || value != default);
                    }
                    (_, value) => take_default(value, name, default),
                }
            }
        }
        Out::Json(_) | Out::Text(_) => {}
    }
}

/// A text as a salt.
pub(super) fn salt<'s>(source: &Source<'_, '_>, text: &'s str) -> Result<&'s str, Problem> {
    if is_salt(text) {
        return Ok(text);
    }
    Err(source.inexpressible("a seed has 1 to 1,024 bytes and no control characters"))
}

/// A finite number.
pub(super) fn double(source: &Source<'_, '_>) -> Result<f64, Problem> {
    let number = (source.kind() == Kind::Number).then(|| source.json().text().parse::<f64>());
    match number {
        Some(Ok(number)) if number.is_finite() => Ok(number),
        _ => Err(source.malformed("is no finite number")),
    }
}

/// A pair of numbers.
pub(super) fn range(source: &Source<'_, '_>) -> Result<(f64, f64), Problem> {
    source.expect_array()?;
    let mut numbers = source.elements();
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(start), Some(end), None) => Ok((double(&start)?, double(&end)?)),
        _ => Err(source.malformed("is no pair of numbers")),
    }
}
