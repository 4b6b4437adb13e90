//! Segments, as conditions with a name.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bucketry_core::limits::MAX_REFERENCE_DEPTH;

use crate::condition::{Condition, members, pairs};
use crate::names::is_name;
use crate::output::Out;
use crate::source::{Problem, Source};

use super::clause::kind_of;
use super::reference::key_in;
use super::rollout::{Sum, hash, salt, unit, weight};
use super::{Reader, Shared, USER, all_in_turn, clause, error, list};

/// A segment that came over.
pub(super) struct Translated {
    pub(super) condition: Out,
    /// The attributes that it reads.
    pub(super) reads: BTreeSet<String>,
}

/// Whether the document has this segment, which is then translated. `at` is what refers to it.
pub(super) fn require(
    reader: &Reader<'_>,
    key: &str,
    at: &Source<'_, '_>,
    shared: &mut Shared,
    reads: &mut BTreeSet<String>,
) -> Result<bool, Problem> {
    let Some(source) = reader.segments.get(key) else {
        return Ok(false);
    };
    if source
        .optional("deleted")
        .is_some_and(|d| d.boolean() == Ok(true))
    {
        return Ok(false);
    }
    if shared.open.iter().any(|open| open == key) {
        return Err(at.malformed("segments refer to each other in a circle"));
    }
    if shared.open.len() as u32 >= MAX_REFERENCE_DEPTH {
        return Err(at.inexpressible("segments refer to each other more than 32 deep"));
    }
    if !shared.segments.contains_key(key) {
        shared.open.push(key.into());
        let translated = translate(reader, key, source, shared);
        shared.open.pop();
        shared.segments.insert(key.into(), translated);
    }
    match shared.segments.get(key) {
        Some(Ok(segment)) => {
            reads.extend(segment.reads.iter().cloned());
            Ok(true)
        }
        Some(Err(problem)) => Err(problem.clone()),
        None => Ok(false),
    }
}

fn translate(
    reader: &Reader<'_>,
    key: &str,
    source: &Source<'_, '_>,
    shared: &mut Shared,
) -> Result<Translated, Problem> {
    source.expect_object()?;
    if !is_name(key) {
        let reason = "a segment's key has 1 to 256 bytes and no control characters";
        return Err(source.inexpressible(reason));
    }
    if let Some(unbounded) = source.optional("unbounded")
        && unbounded.boolean()?
    {
        let reason = "is a big segment, whose members are kept in a store of their own and not in this document";
        return Err(unbounded.inexpressible(reason));
    }
    let mut reads = BTreeSet::new();
    let included = targets(source, "included", "includedContexts")?;
    let excluded = targets(source, "excluded", "excludedContexts")?;
    let rules_source = source.optional("rules");
    let mut rules = Vec::new();
    for rule in list(rules_source.as_ref())? {
        rules.push(translate_rule(
            reader, key, source, &rule, shared, &mut reads,
        )?);
        if rules
            .last()
            .is_some_and(|rule| super::is_error(rule) || *rule == Condition::Always(true))
        {
            break;
        }
    }
    let by_rule = Condition::all([excluded.negated(), Condition::any(rules)]);
    Ok(Translated {
        condition: Condition::any([included, by_rule]).into_out(),
        reads,
    })
}

fn targets(source: &Source<'_, '_>, users: &str, contexts: &str) -> Result<Condition, Problem> {
    let users = source.optional(users);
    let contexts = source.optional(contexts);
    let mut any = vec![key_in(USER, list(users.as_ref())?)?];
    for target in list(contexts.as_ref())? {
        let (kind, _) = kind_of(&target, "contextKind")?;
        let values = target.optional("values");
        any.push(key_in(kind, list(values.as_ref())?)?);
    }
    Ok(Condition::any(any))
}

fn translate_rule(
    reader: &Reader<'_>,
    key: &str,
    segment: &Source<'_, '_>,
    rule: &Source<'_, '_>,
    shared: &mut Shared,
    reads: &mut BTreeSet<String>,
) -> Result<Condition, Problem> {
    rule.expect_object()?;
    let mut conditions = clause::all(reader, rule, shared, reads)?;
    if let Some(share) = rule.optional("weight") {
        let end = Sum::new(reader.dialect).add(weight(&share)?);
        conditions.push(match unit(reader, rule, "rolloutContextKind", false)? {
            None => error("a segment's rule has no valid reference to bucket by"),
            Some(unit) => {
                reads.insert(unit.clone());
                let ranges = (end > 0).then_some((0, end));
                let position = members([
                    ("salt", Out::text(salt(reader, segment, key, None)?)),
                    ("unit", Out::text(unit)),
                    ("hash", hash()),
                    ("ranges", pairs(ranges)),
                    ("missing", Out::text("zero")),
                ]);
                Condition::Is(Out::object([("position", position)]))
            }
        });
    }
    Ok(all_in_turn(conditions))
}
