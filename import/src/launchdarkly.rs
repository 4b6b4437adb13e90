//! LaunchDarkly: flags and segments as its server-side SDKs get them.
//!
//! Read from `launchdarkly/js-core: packages/shared/sdk-server/src/evaluation/` (`Evaluator.ts`, `Bucketer.ts`,
//! `Operations.ts`) and `launchdarkly/rust-server-sdk-evaluation: src/`. What each member becomes and why stands in
//! `docs/migrate/launchdarkly.md`.

mod clause;
mod context;
mod flag;
mod operators;
mod reference;
mod rollout;
mod segment;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use bucketry_core::internal::Kind;
use bucketry_core::limits::MAX_FLAGS;

use crate::condition::{Condition, members};
use crate::draft::Draft;
use crate::error::ImportError;
use crate::format::{Dialect, Format, ImportOptions};
use crate::names::is_name;
use crate::output::Out;
use crate::report::Report;
use crate::source::{Problem, Source};

pub(crate) use context::translate as translate_context;

/// The kind of context that is meant where none is named.
const USER: &str = "user";

/// What a whole translation reads from.
struct Reader<'r> {
    dialect: Dialect,
    flags: BTreeMap<&'r str, Source<'r, 'r>>,
    segments: BTreeMap<&'r str, Source<'r, 'r>>,
    /// The kinds of contexts beside users that the document names.
    kinds: BTreeSet<&'r str>,
}

/// What the flags of a whole translation share.
#[derive(Default)]
struct Shared {
    segments: BTreeMap<String, Result<segment::Translated, Problem>>,
    /// Segments on the way from the flag being read to the one at hand.
    open: alloc::vec::Vec<String>,
}

pub(crate) fn translate(
    root: &Source<'_, '_>,
    options: &ImportOptions,
) -> Result<Draft, ImportError> {
    root.expect_object()?;
    // The stream's `put` event wraps the data.
    let data = root.get("data");
    let root = match &data {
        Some(data) if root.get("flags").is_none() => data,
        _ => root,
    };
    root.expect_object()?;
    let mut report = Report::new(
        Format::LaunchDarkly,
        options.dialect.unwrap_or(Dialect::JavaScript),
    );
    root.warn_of_unknown(
        &["flags", "segments", "flagValues", "path"],
        None,
        &mut report,
    );
    let flags = root.optional("flags");
    let segments = root.optional("segments");
    let values = root.optional("flagValues");
    if flags.is_none() && values.is_none() {
        return Err(root.malformed("lacks `flags`").into());
    }
    for part in [&flags, &segments, &values].into_iter().flatten() {
        if part.kind() != Kind::Object {
            return Err(part.malformed("is no object").into());
        }
    }
    let count = |part: &Option<Source<'_, '_>>| part.iter().flat_map(Source::members).count();
    if count(&flags) + count(&values) > MAX_FLAGS {
        return Err(root.malformed("has more than 100,000 flags").into());
    }
    let mut kinds = BTreeSet::new();
    for part in [&flags, &segments].into_iter().flatten() {
        collect_kinds(part, 0, &mut kinds);
    }
    let reader = Reader {
        dialect: options.dialect.unwrap_or(Dialect::JavaScript),
        flags: flags.iter().flat_map(Source::members).collect(),
        segments: segments.iter().flat_map(Source::members).collect(),
        kinds,
    };
    let mut draft = Draft::new(report, options.malformed);
    let mut shared = Shared::default();
    let mut seen = BTreeSet::new();
    let all = flags
        .iter()
        .flat_map(Source::members)
        .map(|each| (false, each));
    let simple = values
        .iter()
        .flat_map(Source::members)
        .map(|each| (true, each));
    for (is_value, (key, source)) in all.chain(simple) {
        if !is_name(key) {
            let reason = "a flag key has 1 to 256 bytes and no control characters";
            draft.leave_out(Some(key), source.inexpressible(reason));
            continue;
        }
        if !seen.insert(key) {
            let reason = format!("the flag `{key}` is there more than once");
            draft.leave_out(Some(key), source.malformed(reason));
            continue;
        }
        if !is_value
            && source
                .optional("deleted")
                .is_some_and(|d| d.boolean() == Ok(true))
        {
            continue;
        }
        let result = if is_value {
            Ok(flag::of_value(key, &source))
        } else {
            flag::translate(&reader, key, &source, &mut shared, &mut draft.report)
        };
        match result {
            Ok((body, imported)) => draft.flag(body, imported),
            Err(problem) => draft.refuse(key, flag::type_name(&source), problem),
        }
    }
    for (key, segment) in shared.segments {
        if let Ok(segment) = segment {
            draft.segments.push((key, segment.condition));
        }
    }
    Ok(draft)
}

/// Every kind of context that is named anywhere.
fn collect_kinds<'d>(source: &Source<'_, 'd>, depth: u32, kinds: &mut BTreeSet<&'d str>) {
    for (name, member) in source.members() {
        if matches!(
            name,
            "contextKind" | "rolloutContextKind" | "unboundedContextKind"
        ) && let Ok(kind) = member.string()
            && !kind.is_empty()
            && kind != USER
        {
            kinds.insert(kind);
        }
        // Where kinds stand nothing is deeper.
        if depth < 8 && name != "variations" || matches!(name, "rollout") {
            collect_kinds(&member, depth + 1, kinds);
        }
    }
    for element in source.elements() {
        if depth < 8 {
            collect_kinds(&element, depth + 1, kinds);
        }
    }
}

/// The condition that ends a flag where the vendor's SDKs end it with `MALFORMED_FLAG`.
fn error(reason: &str) -> Condition {
    Condition::Is(members([("error", Out::text(reason))]))
}

fn is_error(condition: &Condition) -> bool {
    matches!(condition, Condition::Is(Out::Object(list)) if list.first().is_some_and(|(name, _)| name == "error"))
}

/// True when all are, looked at one after the other: what stands after an error is not reached.
fn all_in_turn(list: impl IntoIterator<Item = Condition>) -> Condition {
    let mut kept = alloc::vec::Vec::new();
    for each in list {
        let ends = is_error(&each) || each.is_never();
        kept.push(each);
        if ends {
            break;
        }
    }
    Condition::all(kept)
}

/// A list that may be absent.
fn list<'q, 'd>(
    source: Option<&'q Source<'q, 'd>>,
) -> Result<impl Iterator<Item = Source<'q, 'd>>, Problem> {
    if let Some(source) = source {
        source.expect_array()?;
    }
    Ok(source.into_iter().flat_map(Source::elements))
}
