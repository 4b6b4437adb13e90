//! A flag.

use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use bucketry_core::internal::Kind;

use crate::condition::{Condition, members, pairs};
use crate::names::is_name;
use crate::output::Out;
use crate::report::{ImportedFlag, Report};
use crate::source::{Problem, Source};

use super::clause::kind_of;
use super::reference::key_in;
use super::{Reader, Shared, USER, all_in_turn, clause, error, list, rollout};

const KNOWN: &[&str] = &[
    "key",
    "version",
    "on",
    "prerequisites",
    "targets",
    "contextTargets",
    "rules",
    "fallthrough",
    "offVariation",
    "variations",
    "clientSide",
    "clientSideAvailability",
    "salt",
    "trackEvents",
    "trackEventsFallthrough",
    "debugEventsUntilDate",
    "samplingRatio",
    "excludeFromSummaries",
    "migration",
    "deleted",
];

/// Translates the flag of this key.
pub(super) fn translate(
    reader: &Reader<'_>,
    key: &str,
    source: &Source<'_, '_>,
    shared: &mut Shared,
    report: &mut Report,
) -> Result<(Out, ImportedFlag), Problem> {
    source.expect_object()?;
    source.warn_of_unknown(KNOWN, Some(key), report);
    let variations_source = source.optional("variations");
    let variations: Vec<Source<'_, '_>> = list(variations_source.as_ref())?.collect();
    let mut flag = Writer {
        reader,
        key,
        source,
        count: variations.len(),
        off: Off::None,
        rules: Vec::new(),
        reads: BTreeSet::new(),
        experiments: BTreeSet::new(),
        errors: 0,
    };
    if let Some(off) = source.optional("offVariation") {
        flag.off = flag.variation(&off).map_or(Off::Invalid, Off::Variant);
    }
    let on = match source.optional("on") {
        Some(on) => on.boolean()?,
        None => false,
    };
    let mut body = vec![("type", Out::text(type_name(source)))];
    if !on {
        body.push(("enabled", Out::boolean(false)));
    }
    body.push(("variants", variants(&variations)));
    let mut default = None;
    match (on, flag.off) {
        (true, _) => default = flag.contents(shared)?,
        (false, Off::Variant(off)) => body.push(("off", name(off))),
        (false, Off::None) => {}
        (false, Off::Invalid) => {
            let at = source.required("offVariation")?;
            return Err(at.malformed("is no number of a variation"));
        }
    }
    if on && default.is_none() && flag.errors > 0 && flag.rules.len() == 1 {
        let at = source.optional("fallthrough").unwrap_or(*source);
        return Err(at.malformed("serves no variation"));
    }
    if flag.errors > 0 {
        let message =
            "a part of the flag is malformed: where it is reached the flag answers PARSE_ERROR";
        report.warn(Some(key), || source.pointer(), message);
    }
    if let Some(default) = default {
        body.push(("default", name(default)));
    }
    let imported = ImportedFlag {
        key: key.into(),
        pointer: source.pointer(),
        rules: flag.rules.len(),
        attributes: flag.reads.into_iter().collect(),
        experiments: flag.experiments.into_iter().collect(),
    };
    if !flag.rules.is_empty() {
        body.push(("rules", Out::Array(flag.rules)));
    }
    Ok((members(body), imported))
}

/// The flag of a file that gives a value and nothing else.
pub(super) fn of_value(key: &str, source: &Source<'_, '_>) -> (Out, ImportedFlag) {
    let body = members([
        ("type", Out::text(type_of(core::slice::from_ref(source)))),
        ("variants", variants(core::slice::from_ref(source))),
        ("default", name(0)),
    ]);
    let imported = ImportedFlag {
        key: key.into(),
        pointer: source.pointer(),
        rules: 0,
        attributes: Vec::new(),
        experiments: Vec::new(),
    };
    (body, imported)
}

/// The type of the flag: that of all its values, or `object`.
pub(super) fn type_name(source: &Source<'_, '_>) -> &'static str {
    let variations = source.optional("variations");
    let variations: Vec<Source<'_, '_>> = variations.iter().flat_map(Source::elements).collect();
    type_of(&variations)
}

fn type_of(values: &[Source<'_, '_>]) -> &'static str {
    let of = |value: &Source<'_, '_>| match value.kind() {
        Kind::True | Kind::False => "boolean",
        Kind::String => "string",
        Kind::Number if value.json().text().parse::<i64>().is_ok() => "integer",
        Kind::Number => "number",
        _ => "object",
    };
    let mut all = values.iter().map(of);
    let Some(first) = all.next() else {
        return "boolean";
    };
    all.fold(first, |a, b| match (a, b) {
        _ if a == b => a,
        ("integer" | "number", "integer" | "number") => "number",
        _ => "object",
    })
}

/// The variations by their numbers.
fn variants(values: &[Source<'_, '_>]) -> Out {
    let variant = |(index, value): (usize, &Source<'_, '_>)| {
        let mut json = String::new();
        value.json().minify_to(&mut json);
        (Cow::Owned(index.to_string()), Out::Json(json.into()))
    };
    Out::Object(values.iter().enumerate().map(variant).collect())
}

fn name(variation: usize) -> Out {
    Out::text(variation.to_string())
}

/// What is served where nothing else is.
#[derive(Clone, Copy)]
enum Off {
    None,
    Variant(usize),
    Invalid,
}

/// A flag in the making.
struct Writer<'w> {
    reader: &'w Reader<'w>,
    key: &'w str,
    source: &'w Source<'w, 'w>,
    /// How many variations there are.
    count: usize,
    off: Off,
    rules: Vec<Out>,
    reads: BTreeSet<String>,
    experiments: BTreeSet<String>,
    /// Rules that end in an error.
    errors: usize,
}

impl Writer<'_> {
    /// The number of a variation that there is.
    fn variation(&self, source: &Source<'_, '_>) -> Option<usize> {
        let number = source.json().text().parse::<usize>().ok();
        number.filter(|number| source.kind() == Kind::Number && *number < self.count)
    }

    /// The rules of a flag that is on, and what is served when none serves.
    fn contents(&mut self, shared: &mut Shared) -> Result<Option<usize>, Problem> {
        self.prerequisites()?;
        self.targets()?;
        let rules = self.source.optional("rules");
        for (index, rule) in list(rules.as_ref())?.enumerate() {
            rule.expect_object()?;
            let reader = self.reader;
            let conditions = clause::all(reader, &rule, shared, &mut self.reads)?;
            let mut id = format!("rule:{index}");
            let own = match rule.optional("id") {
                Some(own) => own.string()?,
                None => "",
            };
            let long = format!("{id}:{own}:untracked");
            if !own.is_empty() && is_name(&long) {
                id = format!("{id}:{own}");
            }
            let experiment = if own.is_empty() { &id } else { own };
            let experiment = format!("{}:{experiment}", self.key);
            self.serve(&rule, conditions, &id, &experiment)?;
        }
        let Some(fallthrough) = self.source.optional("fallthrough") else {
            self.error("fallthrough", Vec::new(), "there is no fallthrough");
            return Ok(None);
        };
        fallthrough.expect_object()?;
        if let Some(variation) = fallthrough.optional("variation")
            && let Some(number) = self.variation(&variation)
        {
            return Ok(Some(number));
        }
        let experiment = format!("{}:fallthrough", self.key);
        self.serve(&fallthrough, Vec::new(), "fallthrough", &experiment)?;
        Ok(None)
    }

    fn prerequisites(&mut self) -> Result<(), Problem> {
        let prerequisites = self.source.optional("prerequisites");
        for prerequisite in list(prerequisites.as_ref())? {
            prerequisite.expect_object()?;
            let key_source = prerequisite.required("key")?;
            let key = key_source.string()?;
            if key == self.key {
                return Err(key_source.malformed("the flag is a prerequisite of itself"));
            }
            let asked = prerequisite.optional("variation");
            let asked = asked.and_then(|asked| asked.json().text().parse::<usize>().ok());
            let other = self.reader.flags.get(key).filter(|flag| {
                flag.optional("deleted")
                    .is_none_or(|deleted| deleted.boolean() != Ok(true))
            });
            let passes = match (other, asked) {
                (Some(other), Some(asked))
                    if asked
                        < other
                            .optional("variations")
                            .iter()
                            .flat_map(Source::elements)
                            .count() =>
                {
                    let flag = || ("flag", Out::text(key));
                    Condition::all([
                        Condition::Is(members([flag(), ("enabled", Out::boolean(true))])),
                        Condition::Is(members([flag(), ("is", name(asked))])),
                    ])
                }
                _ => Condition::Always(false),
            };
            let mut id = format!("prerequisite:{key}");
            if !is_name(&id) || self.has_rule(&id) {
                id = format!("prerequisite:{}", self.rules.len());
            }
            let fails = passes.negated();
            match self.off {
                Off::Invalid => self.error(&id, vec![fails], "the off variation is not there"),
                Off::None => self.rule(&id, fails, vec![("serve", Out::NULL), DEFAULT]),
                Off::Variant(off) => self.rule(&id, fails, vec![("serve", name(off)), DEFAULT]),
            }
        }
        Ok(())
    }

    fn has_rule(&self, id: &str) -> bool {
        let id = Out::text(id);
        self.rules.iter().any(|rule| match rule {
            Out::Object(members) => members.first().is_some_and(|(_, own)| *own == id),
            _ => false,
        })
    }

    fn targets(&mut self) -> Result<(), Problem> {
        let users = self.source.optional("targets");
        let users: Vec<Source<'_, '_>> = list(users.as_ref())?.collect();
        let contexts = self.source.optional("contextTargets");
        let contexts: Vec<Source<'_, '_>> = list(contexts.as_ref())?.collect();
        let all = if contexts.is_empty() {
            &users
        } else {
            &contexts
        };
        for (index, target) in all.iter().enumerate() {
            target.expect_object()?;
            let (kind, _) = kind_of(target, "contextKind")?;
            let number = target.required("variation")?;
            let mut of = Some(target);
            if kind == USER && !contexts.is_empty() {
                // The keys of users stand in `targets`, under the same variation.
                let same = |user: &&Source<'_, '_>| {
                    user.get("variation")
                        .is_some_and(|own| own.json().text() == number.json().text())
                };
                of = users.iter().find(same);
            }
            let Some(of) = of else { continue };
            let values = of.optional("values");
            let matches = key_in(kind, list(values.as_ref())?)?;
            if matches.is_never() {
                continue;
            }
            self.reads.insert(super::reference::key_of(kind));
            let id = format!("target:{index}");
            match self.variation(&number) {
                Some(variation) => self.rule(&id, matches, vec![("serve", name(variation))]),
                None => self.error(&id, vec![matches], "a target names no variation"),
            }
        }
        Ok(())
    }

    /// Writes what a rule or the fallthrough serves.
    fn serve(
        &mut self,
        source: &Source<'_, '_>,
        conditions: Vec<Condition>,
        id: &str,
        experiment: &str,
    ) -> Result<(), Problem> {
        if let Some(variation) = source.optional("variation") {
            match self.variation(&variation) {
                Some(number) => {
                    self.rule(id, all_in_turn(conditions), vec![("serve", name(number))]);
                }
                None => self.error(id, conditions, "there is no such variation"),
            }
            return Ok(());
        }
        let Some(rollout) = source.optional("rollout") else {
            self.error(id, conditions, "there is neither a variation nor a rollout");
            return Ok(());
        };
        rollout.expect_object()?;
        let variations = rollout.optional("variations");
        let variations: Vec<Source<'_, '_>> = list(variations.as_ref())?.collect();
        if variations.is_empty() {
            self.error(id, conditions, "a rollout has no variations");
            return Ok(());
        }
        let is_experiment = rollout
            .optional("kind")
            .is_some_and(|kind| kind.string() == Ok("experiment"));
        let reader = self.reader;
        let Some(unit) = rollout::unit(reader, &rollout, "contextKind", is_experiment)? else {
            self.error(
                id,
                conditions,
                "a rollout has no valid reference to bucket by",
            );
            return Ok(());
        };
        self.reads.insert(unit.clone());
        let salt = rollout::salt(reader, self.source, self.key, Some(&rollout))?;
        let arms = rollout::arms(reader, &variations, self.count)?;

        let lost = arms.iter().filter(|arm| arm.variation.is_none());
        let lost: Vec<(u64, u64)> = lost.map(|arm| arm.range).collect();
        let condition = all_in_turn(conditions);
        if !lost.is_empty() {
            let position = members([
                ("salt", Out::text(salt.clone())),
                ("unit", Out::text(unit.clone())),
                ("hash", rollout::hash()),
                ("ranges", pairs(lost)),
                ("missing", Out::text("zero")),
            ]);
            let position = Condition::Is(Out::object([("position", position)]));
            let id = format!("{id}:invalid");
            self.error(
                &id,
                vec![condition.clone(), position],
                "there is no such variation",
            );
        }
        for untracked in [false, true] {
            let of = |arm: &&rollout::Arm| is_experiment && arm.untracked;
            let part = arms.iter().filter(|arm| of(arm) == untracked);
            let split: Vec<Out> = part
                .filter_map(|arm| {
                    let variant = ("variant", name(arm.variation?));
                    Some(members([variant, ("ranges", pairs([arm.range]))]))
                })
                .collect();
            if split.is_empty() {
                continue;
            }
            let mut rule = Vec::new();
            let tracked = is_experiment && !untracked;
            if tracked && is_name(experiment) {
                rule.push(("experiment", members([("key", Out::text(experiment))])));
                self.experiments.insert(experiment.into());
            }
            rule.push(("salt", Out::text(salt.clone())));
            rule.push(("unit", Out::text(unit.clone())));
            rule.push(("hash", rollout::hash()));
            rule.push(("missingUnit", Out::text("zero")));
            rule.push(("split", Out::Array(split)));
            let id = if untracked {
                format!("{id}:untracked")
            } else {
                id.into()
            };
            self.rule(&id, condition.clone(), rule);
        }
        Ok(())
    }

    /// A rule that ends in an error where the conditions hold.
    fn error(&mut self, id: &str, mut conditions: Vec<Condition>, reason: &str) {
        conditions.push(error(reason));
        let condition = all_in_turn(conditions);
        if !condition.is_never() {
            self.errors += 1;
            self.rule(id, condition, vec![("serve", Out::NULL)]);
        }
    }

    fn rule(&mut self, id: &str, condition: Condition, rest: Vec<(&'static str, Out)>) {
        if condition.is_never() {
            return;
        }
        let mut rule = vec![("id", Out::text(id))];
        condition.push_to(&mut rule);
        rule.extend(rest);
        self.rules.push(members(rule));
    }
}

/// A prerequisite that fails is no match of anything.
const DEFAULT: (&str, Out) = ("reason", Out::Json(Cow::Borrowed("\"DEFAULT\"")));
