//! ConfigCat's Config JSON, version 6.
//!
//! Read from `configcat/rust-sdk: src/eval/evaluator.rs`, `src/user.rs` and `configcat/common-js:
//! src/RolloutEvaluator.ts`. What each member becomes and why stands in `docs/migrate/configcat.md`.

mod comparator;
mod condition;
mod setting;
mod values;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use bucketry_core::internal::Kind;
use bucketry_core::limits::MAX_FLAGS;

use crate::draft::Draft;
use crate::error::ImportError;
use crate::format::{Dialect, Format, ImportOptions};
use crate::names::is_name;
use crate::report::Report;
use crate::source::Source;

/// What a whole translation shares.
struct Reader<'r, 'd> {
    dialect: Dialect,
    /// What confidential texts are hashed with, beside the setting's key or the segment's name.
    salt: Option<&'d str>,
    segments: Vec<Source<'r, 'd>>,
    /// The `t` of each setting: a prerequisite compares a value of that type.
    types: BTreeMap<&'d str, u32>,
}

pub(crate) fn translate(
    root: &Source<'_, '_>,
    options: &ImportOptions,
) -> Result<Draft, ImportError> {
    root.expect_object()?;
    let dialect = options.dialect.unwrap_or(Dialect::JavaScript);
    let mut report = Report::new(Format::ConfigCat, dialect);
    root.warn_of_unknown(&["p", "s", "f"], None, &mut report);

    let preferences = root.optional("p");
    let mut salt = None;
    if let Some(preferences) = &preferences {
        preferences.expect_object()?;
        preferences.warn_of_unknown(&["u", "r", "s"], None, &mut report);
        if let Some(source) = preferences.optional("s") {
            salt = Some(source.string()?);
        }
    }
    let segments = root.optional("s");
    if let Some(segments) = &segments {
        segments.expect_array()?;
    }
    let settings = root.required("f")?;
    if settings.kind() != Kind::Object {
        return Err(settings.malformed("is no object").into());
    }
    if settings.members().count() > MAX_FLAGS {
        return Err(settings.malformed("has more than 100,000 settings").into());
    }
    let mut types = BTreeMap::new();
    for (key, setting) in settings.members() {
        if let Some(value) = setting.get("v")
            && value.kind() != Kind::Object
        {
            let reason = "is no object: this is Config JSON of version 5 or older, only version 6 can be imported";
            return Err(value.malformed(reason).into());
        }
        if let Some(Ok(value_type)) = setting.get("t").map(|source| source.u32()) {
            types.insert(key, value_type);
        }
    }
    let reader = Reader {
        dialect,
        salt,
        segments: segments.iter().flat_map(Source::elements).collect(),
        types,
    };

    let message = "the document has no revision: it is 0";
    report.warn(None, || root.pointer(), message);
    let mut draft = Draft::new(report, options.malformed);
    translate_settings(&reader, &settings, &mut draft);
    Ok(draft)
}

fn translate_settings(reader: &Reader<'_, '_>, settings: &Source<'_, '_>, draft: &mut Draft) {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for (key, _) in settings.members() {
        if !seen.insert(key) {
            twice.insert(key);
        }
    }
    for (key, source) in settings.members() {
        if !is_name(key) {
            let reason = "a flag key has 1 to 256 bytes and no control characters";
            draft.leave_out(Some(key), source.inexpressible(reason));
            continue;
        }
        if twice.contains(key) {
            // Of the several the first speaks for all: a set has each key once.
            if seen.remove(key) {
                let reason = format!("the setting `{key}` is there more than once");
                draft.refuse(key, "boolean", source.malformed(reason));
            }
            continue;
        }
        let value_type = values::type_name(&source);
        match setting::translate(reader, key, &source, &mut draft.report) {
            Ok((body, imported)) => draft.flag(body, imported),
            Err(problem) => draft.refuse(key, value_type.unwrap_or("boolean"), problem),
        }
    }
}
