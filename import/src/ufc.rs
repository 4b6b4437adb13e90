//! Universal Flag Configuration: Eppo's and Datadog's.
//!
//! Read from `Eppo-exp/eppo-multiplatform: eppo_core/src/` (`ufc/models.rs`, `eval/eval_rules.rs`,
//! `eval/eval_assignment.rs`, `sharder.rs`), `Eppo-exp/js-sdk-common: src/` (`rules.ts`, `decoding.ts`: the
//! obfuscated form) and `DataDog/libdatadog: libdd-ffe/src/rules_based/`. What each member becomes and
//! why stands in `docs/import.md`.

mod allocation;
mod condition;
mod flag;
mod obfuscation;
mod rules;
mod value;
pub(crate) mod version;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

use bucketry_core::internal::Kind;
use bucketry_core::limits::MAX_FLAGS;

use crate::draft::Draft;
use crate::error::ImportError;
use crate::format::{Dialect, Format, ImportOptions};
use crate::names::is_name;
use crate::report::Report;
use crate::source::Source;
use crate::time;

use obfuscation::Names;

/// What a whole translation shares.
struct Reader<'r> {
    dialect: Dialect,
    /// The names behind the hashes; none in a plain document.
    names: Option<Names<'r>>,
}

pub(crate) fn translate(
    root: &Source<'_, '_>,
    options: &ImportOptions,
) -> Result<Draft, ImportError> {
    root.expect_object()?;
    // Datadog's agentless endpoint wraps the configuration as JSON:API does.
    let data = root.get("data");
    let attributes = data.as_ref().and_then(|data| data.get("attributes"));
    let root = match &attributes {
        Some(attributes) if root.get("flags").is_none() => attributes,
        _ => root,
    };
    root.expect_object()?;

    let flags = root.required("flags")?;
    if flags.kind() != Kind::Object {
        return Err(flags.malformed("is no object").into());
    }
    if flags.members().count() > MAX_FLAGS {
        return Err(flags.malformed("has more than 100,000 flags").into());
    }
    let dialect = options.dialect.unwrap_or_else(|| detect(&flags));
    let mut report = Report::new(Format::Ufc, dialect);

    let mut obfuscated = options.obfuscated.unwrap_or(false);
    if let Some(format) = root.optional("format") {
        let text = format.string()?;
        if text.eq_ignore_ascii_case("precomputed") {
            let reason =
                "holds assignments of one subject instead of flags, which cannot be imported";
            return Err(format.malformed(reason).into());
        }
        obfuscated = options
            .obfuscated
            .unwrap_or_else(|| text.eq_ignore_ascii_case("client"));
    }
    report.obfuscated = obfuscated;
    let reader = Reader {
        dialect,
        names: obfuscated.then(|| Names::new(&options.flag_keys, &options.attributes)),
    };

    let mut draft = Draft::new(report, options.malformed);
    frame(root, &mut draft)?;
    translate_flags(&reader, &flags, &mut draft);
    Ok(draft)
}

/// Datadog's shards carry `totalShards`; Eppo's flags do.
fn detect(flags: &Source<'_, '_>) -> Dialect {
    let mut eppo = false;
    for (_, flag) in flags.members() {
        let total = flag.get("totalShards").is_some();
        for allocation in flag.get("allocations").iter().flat_map(Source::elements) {
            for split in allocation.get("splits").iter().flat_map(Source::elements) {
                for shard in split.get("shards").iter().flat_map(Source::elements) {
                    if shard.get("totalShards").is_some() {
                        return Dialect::Datadog;
                    }
                }
            }
        }
        eppo |= total;
    }
    if eppo {
        Dialect::Eppo
    } else {
        Dialect::Datadog
    }
}

/// The members beside the flags.
fn frame(root: &Source<'_, '_>, draft: &mut Draft) -> Result<(), ImportError> {
    let known = ["createdAt", "format", "environment", "flags"];
    root.warn_of_unknown(&known, None, &mut draft.report);
    if let Some(created) = root.optional("createdAt") {
        let Some(instant) = time::Instant::parse(created.string()?) else {
            return Err(created.malformed("is no RFC 3339 time").into());
        };
        draft.revision = time::revision(instant);
    }
    if draft.revision == 0 {
        let message = "no time of creation to take a revision from: it is 0";
        draft.report.warn(None, || root.pointer(), message);
    }
    if let Some(environment) = root.optional("environment") {
        environment.expect_object()?;
        if let Some(name) = environment.optional("name") {
            let text = name.string()?;
            if is_name(text) {
                draft.environment = Some(text.into());
            } else {
                let message = "the environment's name cannot be one of a flag set, left out";
                draft.report.warn(None, || name.pointer(), message);
            }
        }
    }
    Ok(())
}

fn translate_flags(reader: &Reader<'_>, flags: &Source<'_, '_>, draft: &mut Draft) {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for (key, _) in flags.members() {
        if !seen.insert(key) {
            twice.insert(key);
        }
    }
    let mut shared = rules::Shared::default();
    for (source_key, source) in flags.members() {
        let key = match &reader.names {
            None => source_key,
            Some(names) => match names.flag(source_key) {
                Some(key) => key,
                None => {
                    let reason = "no known flag key has this hash";
                    draft.leave_out(None, source.inexpressible(reason));
                    continue;
                }
            },
        };
        if !is_name(key) {
            let reason = "a flag key has 1 to 256 bytes and no control characters";
            draft.leave_out(Some(key), source.inexpressible(reason));
            continue;
        }
        if twice.contains(source_key) {
            // Of the several the first speaks for all: a set has each key once.
            if seen.remove(source_key) {
                let reason = format!("the flag `{key}` is there more than once");
                draft.refuse(key, value::type_name(&source), source.inexpressible(reason));
            }
            continue;
        }
        match flag::translate(reader, key, &source, &mut shared, &mut draft.report) {
            Ok((body, imported)) => draft.flag(body, imported),
            Err(problem) => draft.refuse(key, value::type_name(&source), problem),
        }
    }
}

impl Reader<'_> {
    /// A text that the obfuscated form writes in base64.
    fn text(&self, source: &Source<'_, '_>) -> Result<String, crate::source::Problem> {
        let text = source.string()?;
        if self.names.is_none() {
            return Ok(text.into());
        }
        obfuscation::decode_text(text).ok_or_else(|| source.malformed("is no text in base64"))
    }
}
