//! Experiments: rules with variations, contextual bandits, and what an application overrides.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bucketry_core::internal::Kind;

use crate::condition::{Condition, Test, pairs};
use crate::names::is_name;
use crate::output::Out;
use crate::ranges::{Ranges, first_come};
use crate::source::{Problem, Source};

use super::condition::Scope;
use super::feature::{FlagReader, Profile, double, range, salt, variations_of};
use super::ranges::{bucket_ranges, half_open};
use super::target::ID;

/// Largest phase of an experiment.
const MAX_PHASE: u32 = 1_000_000;

/// A variation of an experiment.
struct Variation {
    /// The variant that it became; none for null.
    variant: Option<String>,
    passthrough: bool,
}

/// An experiment's members: what an application overrides comes first.
struct Members<'s> {
    own: &'s Source<'s, 's>,
    over: Option<Source<'s, 's>>,
    /// Whether all members count, or of a feature's rule only those that the SDK takes over.
    all: bool,
}

impl<'s> Members<'s> {
    fn get(&'s self, name: &str) -> Option<Source<'s, 's>> {
        let over = self.over.as_ref().and_then(|over| over.get(name));
        let only_overridden = matches!(
            name,
            "status" | "active" | "force" | "groups" | "url" | "urlPatterns" | "parentConditions"
        );
        over.or_else(|| self.own.get(name).filter(|_| self.all || !only_overridden))
    }

    /// What is neither absent nor null.
    fn some(&'s self, name: &str) -> Option<Source<'s, 's>> {
        self.get(name).filter(|value| value.kind() != Kind::Null)
    }

    fn text(&'s self, name: &str) -> Result<Option<&'s str>, Problem> {
        let text = self.some(name).map(|value| value.string()).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    fn is_true(&'s self, name: &str) -> bool {
        self.some(name)
            .is_some_and(|value| value.json().as_bool() == Some(true))
    }

    fn integer(&'s self, name: &str) -> Result<u32, Problem> {
        let Some(value) = self.some(name) else {
            return Ok(0);
        };
        match value.u32() {
            Ok(number) if number < MAX_PHASE => Ok(number),
            Ok(_) => Err(value.inexpressible("is above 999,999")),
            Err(problem) => Err(problem),
        }
    }
}

impl FlagReader<'_> {
    /// The rules that an experiment becomes. `base`: what must hold before it is even looked at.
    pub(super) fn experiment(
        &mut self,
        source: &Source<'_, '_>,
        key: &str,
        all: bool,
        base: Vec<Condition>,
        id: Option<String>,
    ) -> Result<(), Problem> {
        let Some(variations) = variations_of(source) else {
            return Ok(());
        };
        variations.expect_array()?;
        let names = self.name_variations(source, key)?;
        if names.len() < 2 || !self.reader.enabled {
            return Ok(());
        }
        let reader = self.reader;
        let over = reader
            .overrides
            .as_ref()
            .and_then(|overrides| overrides.get(key));
        let members = Members {
            own: source,
            over,
            all,
        };
        if members.some("urlPatterns").is_some() || members.some("url").is_some() {
            return Err(
                source.inexpressible("depends on the page's address, which is no attribute")
            );
        }
        if let Some(groups) = members.some("groups") {
            return Err(groups
                .inexpressible("depends on groups that the application gives to the SDK in code"));
        }
        let meta = members.some("meta");
        let mut meta = meta.iter().flat_map(Source::elements);
        let variations = names.into_iter().map(|variant| {
            let meta = meta.next();
            let passthrough = meta.as_ref().and_then(|meta| meta.get("passthrough"));
            Variation {
                variant,
                passthrough: passthrough.is_some_and(|each| each.json().as_bool() == Some(true)),
            }
        });
        let variations: Vec<Variation> = variations.collect();

        let forced = reader
            .forced_variations
            .as_ref()
            .and_then(|forced| forced.get(key));
        if let Some(forced) = forced {
            self.serve(&variations, double(&forced)?, base, id);
            return Ok(());
        }
        let status = members.text("status")?;
        let inactive = members
            .some("active")
            .is_some_and(|active| active.json().as_bool() == Some(false));
        if status == Some("draft") || inactive {
            return Ok(());
        }
        let force = members.get("force");
        if force.is_none() && (reader.qa_mode || status == Some("stopped")) {
            return Ok(());
        }
        let Some(profile) = self.profile_of(members.some("hashVersion").as_ref(), 1)? else {
            return Ok(());
        };
        let mut plan = Plan::new(self, &members, key, profile)?;
        plan.base = base;
        plan.id = id;
        let mut conditions = Vec::new();
        if let Some(filters) = members.some("filters") {
            // A feature's rule has them in `base` already.
            if all
                || members
                    .over
                    .as_ref()
                    .is_some_and(|over| over.get("filters").is_some())
            {
                conditions.push(self.filters(&filters)?);
            }
        } else if let Some(namespace) = members.some("namespace") {
            conditions.push(self.namespace(&namespace, &plan.unit)?);
        }
        if let Some(condition) = members.some("condition") {
            conditions.push(self.condition(&condition, &Scope::Attributes)?);
        }
        for parent in members
            .some("parentConditions")
            .iter()
            .flat_map(Source::elements)
        {
            conditions.push(self.parent(&parent)?);
        }
        plan.conditions = conditions;

        let weights = members.some("weights");
        let weights = weights.map(|weights| numbers(&weights)).transpose()?;
        let count = variations.len();
        let coverage = match members.get("coverage") {
            Some(coverage) => double(&coverage)?,
            None => 1.0,
        };
        let own_ranges = match members.some("ranges") {
            Some(ranges) => {
                ranges.expect_array()?;
                Some(
                    ranges
                        .elements()
                        .map(|pair| range(&pair))
                        .collect::<Result<Vec<_>, _>>()?,
                )
            }
            None => None,
        };
        let force = force.map(|force| double(&force)).transpose()?;
        // A bandit's leaves: the first whose condition holds gives the weights.
        let mut before: Vec<Condition> = Vec::new();
        let bandit = members.text("contextualBanditRef")?;
        let bandit = bandit.and_then(|name| reader.bandits.as_ref()?.get(name));
        let leaves = bandit
            .as_ref()
            .and_then(|bandit| bandit.optional("contexts"));
        for leaf in leaves.iter().flat_map(Source::elements) {
            let holds = match leaf.optional("condition") {
                Some(condition) => self.condition(&condition, &Scope::Attributes)?,
                None => Condition::Always(true),
            };
            let leaf_weights = leaf
                .optional("weights")
                .map(|weights| numbers(&weights))
                .transpose()?;
            let ranges = own_ranges.clone();
            let ranges = ranges.unwrap_or_else(|| bucket_ranges(count, coverage, leaf_weights));
            let mut extra: Vec<Condition> =
                before.iter().cloned().map(Condition::negated).collect();
            extra.push(holds.clone());
            self.draw(source, &plan, &variations, &ranges, force, extra)?;
            before.push(holds);
        }
        let ranges = own_ranges.unwrap_or_else(|| bucket_ranges(count, coverage, weights));
        let extra = before.into_iter().map(Condition::negated).collect();
        self.draw(source, &plan, &variations, &ranges, force, extra)
    }

    /// A forced variation: no unit is looked at, and nothing is recorded.
    fn serve(
        &mut self,
        variations: &[Variation],
        index: f64,
        base: Vec<Condition>,
        id: Option<String>,
    ) {
        let found = (index >= 0.0)
            .then(|| variations.get(index as usize))
            .flatten();
        let Some(variation) = found.filter(|each| !each.passthrough) else {
            return;
        };
        let mut out = Test::new();
        out.extend(id.map(|id| ("id", Out::Text(id))));
        Condition::all(base).push_to(&mut out);
        out.push((
            "serve",
            variation.variant.clone().map_or(Out::NULL, Out::Text),
        ));
        self.rules.push(out);
    }

    fn namespace(&mut self, source: &Source<'_, '_>, unit: &Out) -> Result<Condition, Problem> {
        source.expect_array()?;
        let mut parts = source.elements();
        let (Some(name), Some(start), Some(end)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(source.malformed("is no namespace: a name and two numbers"));
        };
        let Some(profile) = self.profile_of(None, 1)? else {
            return Ok(Condition::Always(false));
        };
        let seed = format!("__{}", name.string()?);
        let positions = half_open((double(&start)?, double(&end)?), profile.modulus);
        self.position_of(salt(&name, &seed)?, unit, &profile, &[positions])
    }

    /// One rule: the unit's position chooses the variation.
    fn draw(
        &mut self,
        source: &Source<'_, '_>,
        plan: &Plan,
        variations: &[Variation],
        ranges: &[(f64, f64)],
        force: Option<f64>,
        extra: Vec<Condition>,
    ) -> Result<(), Problem> {
        let modulus = plan.profile.modulus;
        let sets: Vec<Ranges> = ranges
            .iter()
            .map(|pair| Ranges::new([half_open(*pair, modulus)], modulus))
            .collect();
        let left = first_come(&sets.iter().collect::<Vec<_>>());
        let mut conditions = plan.base.clone();
        let mut own = plan.conditions.clone();
        own.extend(extra);
        let own = Condition::all(own);
        let mut arms = Vec::new();
        let mut has_passthrough = false;
        for (index, ranges) in left.iter().enumerate() {
            // A range for which there is no variation takes its units out.
            let Some(variation) = variations.get(index) else {
                continue;
            };
            if ranges.is_empty() {
                continue;
            }
            if variation.passthrough && force.is_none() {
                has_passthrough = true;
                continue;
            }
            match (force, &variation.variant) {
                (Some(_), _) => arms.push((None, ranges)),
                (None, Some(variant)) => arms.push((Some(variant), ranges)),
                (None, None) => {
                    return Err(source
                        .inexpressible("a variation is null, which no variant of a split can be"));
                }
            }
        }
        if has_passthrough {
            if plan.sticky {
                let reason = "a variation lets its units through to the next rule, and sticky buckets would have to remember that";
                return Err(source.inexpressible(reason));
            }
            let message = "who gets a variation that lets through goes on to the next rule, and no exposure of it is recorded";
            self.report
                .warn(Some(self.key), || source.pointer(), message);
        }
        if arms.is_empty() || own.is_never() {
            return Ok(());
        }
        if let Some(force) = force {
            conditions.push(own);
            let all = arms.iter().flat_map(|(_, ranges)| ranges.iter());
            let all: Vec<_> = all.collect();
            conditions.push(self.position_of(&plan.salt, &plan.unit, &plan.profile, &all)?);
            self.serve(variations, force, conditions, plan.id.clone());
            return Ok(());
        }
        if plan.sticky {
            let phase = u64::from(plan.phase);
            let names = arms.iter().filter_map(|(name, _)| *name);
            let all = variations.iter().filter_map(|each| each.variant.as_ref());
            let mut names: Vec<&String> = names.chain(all).collect();
            names.sort();
            names.dedup();
            let prior = Out::object([
                ("prior", Out::text(&plan.key)),
                ("phases", pair(phase, phase + 1)),
                ("is", Out::Array(names.into_iter().map(Out::text).collect())),
            ]);
            conditions.push(Condition::any([own, Condition::Is(prior)]));
            if plan.min_phase > 1 {
                let blocked = Out::object([
                    ("prior", Out::text(&plan.key)),
                    ("phases", pair(1, plan.min_phase.into())),
                ]);
                conditions.push(Condition::Is(blocked).negated());
            }
        } else {
            conditions.push(own);
        }
        let mut out = Test::new();
        let id = plan.id.as_ref().map(|id| {
            let again = self
                .rules
                .iter()
                .any(|rule| rule.contains(&("id", Out::text(id))));
            if again {
                self.id(source, Some("/leaf"))
            } else {
                Some(id.clone())
            }
        });
        out.extend(id.flatten().map(|id| ("id", Out::Text(id))));
        Condition::all(conditions).push_to(&mut out);
        if let Some(experiment) = self.recorded(source, plan) {
            out.push(("experiment", experiment));
        }
        out.extend([
            ("salt", Out::text(&plan.salt)),
            ("unit", plan.unit.clone()),
            ("hash", plan.profile.hash.clone()),
        ]);
        let arms = arms.into_iter().filter_map(|(variant, ranges)| {
            Some(Out::object([
                ("variant", Out::text(variant?)),
                ("ranges", pairs(ranges.iter())),
            ]))
        });
        out.push(("split", Out::Array(arms.collect())));
        self.rules.push(out);
        Ok(())
    }

    /// The `experiment` member, unless the same key means another draw elsewhere.
    fn recorded(&mut self, source: &Source<'_, '_>, plan: &Plan) -> Option<Out> {
        if !is_name(&plan.key) {
            let message = "the experiment's key is no name: exposures are not recorded";
            self.report
                .warn(Some(self.key), || source.pointer(), message);
            return None;
        }
        let terms = Out::Array(vec![
            Out::text(&plan.salt),
            plan.unit.clone(),
            plan.profile.hash.clone(),
            Out::number(plan.phase),
        ]);
        let known = self
            .shared
            .experiments
            .entry(plan.key.clone())
            .or_insert_with(|| terms.clone());
        if *known != terms {
            let message = "another rule with this experiment's key draws otherwise: exposures of this one are not recorded";
            self.report
                .warn(Some(self.key), || source.pointer(), message);
            return None;
        }
        self.experiments.insert(plan.key.clone());
        let mut members = vec![("key", Out::text(&plan.key))];
        if plan.phase != 1 {
            members.push(("phase", Out::number(plan.phase)));
        }
        if plan.sticky {
            members.push(("sticky", Out::boolean(true)));
        }
        Some(crate::condition::members(members))
    }
}

/// What the rules of one experiment share.
struct Plan {
    key: String,
    salt: String,
    unit: Out,
    profile: Profile,
    phase: u32,
    /// Who has a prior assignment of an earlier phase is left out.
    min_phase: u32,
    sticky: bool,
    base: Vec<Condition>,
    conditions: Vec<Condition>,
    id: Option<String>,
}

impl Plan {
    fn new(
        flag: &mut FlagReader<'_>,
        members: &Members<'_>,
        key: &str,
        profile: Profile,
    ) -> Result<Self, Problem> {
        let sticky = flag.reader.sticky && !members.is_true("disableStickyBucketing");
        let attribute = members.text("hashAttribute")?.unwrap_or(ID);
        let fallback = if sticky {
            members.text("fallbackAttribute")?
        } else {
            None
        };
        let seed = members.text("seed")?.unwrap_or(key);
        let (mut phase, mut min_phase) = (1, 1);
        if sticky {
            phase = members.integer("bucketVersion")? + 1;
            min_phase = members.integer("minBucketVersion")? + 1;
        } else if let Some(number) = members.some("phase") {
            // A number as text; anything else says nothing about restarts.
            let number = number.json().text().parse::<u32>().ok();
            phase = number
                .filter(|number| *number < MAX_PHASE)
                .map_or(1, |number| number + 1);
        }
        Ok(Self {
            key: key.to_owned(),
            salt: salt(members.own, seed)?.to_owned(),
            unit: flag.unit(attribute, fallback),
            profile,
            phase,
            min_phase,
            sticky,
            base: Vec::new(),
            conditions: Vec::new(),
            id: None,
        })
    }
}

fn numbers(source: &Source<'_, '_>) -> Result<Vec<f64>, Problem> {
    source.expect_array()?;
    source.elements().map(|each| double(&each)).collect()
}

fn pair(start: u64, end: u64) -> Out {
    Out::Array(vec![Out::number(start), Out::number(end)])
}
