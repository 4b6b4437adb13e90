//! Clauses: one test of a context, or of its segments.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::condition::Condition;
use crate::output::Out;
use crate::source::{Problem, Source};

use super::operators::{alternatives, on_attribute, passes};
use super::reference::{Place, components, has_kind, place};
use super::{Reader, Shared, USER, error, list, segment};

/// The kind that a member names, and whether it names one.
pub(super) fn kind_of<'d>(
    source: &Source<'_, 'd>,
    member: &str,
) -> Result<(&'d str, bool), Problem> {
    Ok(match source.optional(member) {
        Some(kind) if !kind.string()?.is_empty() => (kind.string()?, true),
        _ => (USER, false),
    })
}

/// The clauses of a rule: all must match. Without any every context does.
pub(super) fn all(
    reader: &Reader<'_>,
    rule: &Source<'_, '_>,
    shared: &mut Shared,
    reads: &mut BTreeSet<String>,
) -> Result<Vec<Condition>, Problem> {
    let clauses = rule.optional("clauses");
    let mut conditions = Vec::new();
    for clause in list(clauses.as_ref())? {
        conditions.push(translate(reader, &clause, shared, reads)?);
    }
    Ok(conditions)
}

fn translate(
    reader: &Reader<'_>,
    clause: &Source<'_, '_>,
    shared: &mut Shared,
    reads: &mut BTreeSet<String>,
) -> Result<Condition, Problem> {
    clause.expect_object()?;
    let op = match clause.optional("op") {
        Some(op) => op.string()?,
        None => "",
    };
    let negate = match clause.optional("negate") {
        Some(negate) => negate.boolean()?,
        None => false,
    };
    let values_source = clause.optional("values");
    let values: Vec<Source<'_, '_>> = list(values_source.as_ref())?.collect();
    if op == "segmentMatch" {
        let mut any = Vec::new();
        for value in &values {
            if let Ok(key) = value.string()
                && segment::require(reader, key, value, shared, reads)?
            {
                any.push(Condition::Is(Out::object([("segment", Out::text(key))])));
            }
        }
        return Ok(Condition::any(any).negated_if(negate));
    }
    let (kind, is_named) = kind_of(clause, "contextKind")?;
    let attribute = clause.optional("attribute");
    let names = match &attribute {
        Some(attribute) => components(attribute.string()?, !is_named),
        None => None,
    };
    let (Some(names), Some(attribute)) = (names, attribute) else {
        return Ok(error("a clause has no valid attribute reference"));
    };
    if names.first().is_some_and(|name| name == "_meta") {
        return Ok(error("a clause refers to `_meta`"));
    }
    let tests = alternatives(reader.dialect, op, &values)?;
    Ok(match place(reader, kind, &names, &attribute)? {
        Place::Nowhere => Condition::Always(false),
        Place::Kinds => {
            reads.insert("kind".into());
            let mut any = Vec::new();
            match op {
                "in" => any.extend(
                    values
                        .iter()
                        .filter_map(|value| value.string().ok())
                        .map(has_kind),
                ),
                "startsWith" | "endsWith" | "contains" => {
                    if passes(op, USER, &values) {
                        any.push(has_kind(USER));
                    }
                    any.push(on_attribute("kind", &tests));
                }
                _ if tests.is_empty() => {}
                _ => {
                    let reason = "kinds can be compared with texts, and in no other way";
                    return Err(clause.inexpressible(reason));
                }
            }
            Condition::any(any).negated_if(negate)
        }
        Place::Anonymous { attribute, key } => {
            reads.insert(attribute.clone());
            let lists_false = op == "in" && values.iter().any(|value| value.boolean() == Ok(false));
            let exists = |wanted| vec![("exists", Out::boolean(wanted))];
            let missing = Condition::test(attribute.clone(), exists(false));
            let unsaid = match lists_false {
                true => missing,
                false => Condition::Always(false),
            };
            let matches = Condition::any([on_attribute(&attribute, &tests), unsaid]);
            Condition::all([
                Condition::test(key, exists(true)),
                matches.negated_if(negate),
            ])
        }
        Place::Attribute { attribute, guards } => {
            reads.insert(attribute.clone());
            let matches = on_attribute(&attribute, &tests);
            if matches.is_never() && !negate {
                return Ok(matches);
            }
            let exists = Condition::test(attribute, vec![("exists", Out::boolean(true))]);
            let present = if negate {
                exists
            } else {
                Condition::Always(true)
            };
            let conditions = guards
                .into_iter()
                .chain([present, matches.negated_if(negate)]);
            Condition::all(conditions)
        }
    })
}
