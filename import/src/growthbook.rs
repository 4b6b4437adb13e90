//! GrowthBook: the SDK endpoint's payload, or the context object that an application gives to the SDK.
//!
//! Read from `growthbook/growthbook: packages/sdk-js/src/` (`core.ts`, `mongrule.ts`, `util.ts`) at 1.8.0, and
//! `growthbook/growthbook-rust` and `growthbook-python` where they differ. What each member becomes and why stands in
//! `docs/migrate/growthbook.md`.

mod condition;
mod ecmascript;
mod experiment;
mod feature;
mod ranges;
mod regex;
mod target;
mod values;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use bucketry_core::internal::Kind;
use bucketry_core::limits::MAX_FLAGS;

use crate::draft::Draft;
use crate::error::ImportError;
use crate::format::{Dialect, Format, ImportOptions};
use crate::names::is_name;
use crate::output::Out;
use crate::report::Report;
use crate::source::Source;
use crate::time;

/// What a whole translation reads from.
struct Reader<'r> {
    dialect: Dialect,
    /// Whether the SDK in use has a store for sticky buckets.
    sticky: bool,
    features: Option<Source<'r, 'r>>,
    saved_groups: Option<Source<'r, 'r>>,
    bandits: Option<Source<'r, 'r>>,
    forced_variations: Option<Source<'r, 'r>>,
    overrides: Option<Source<'r, 'r>>,
    /// Whether experiments run at all.
    enabled: bool,
    /// Whether only forced variations are served.
    qa_mode: bool,
}

/// What the flags of a whole translation share.
#[derive(Default)]
struct Shared {
    /// Each experiment with what all its rules must agree in.
    experiments: BTreeMap<String, Out>,
    /// Saved groups as conditions on an attribute, by the segment's name.
    segments: BTreeMap<String, Out>,
    /// How often a group was written out where it is used.
    expansions: usize,
}

/// Most groups written out in place, in one import.
const MAX_EXPANSIONS: usize = 10_000;

pub(crate) fn translate<'d>(
    root: &Source<'d, 'd>,
    options: &ImportOptions,
) -> Result<Draft, ImportError> {
    root.expect_object()?;
    for name in [
        "encryptedFeatures",
        "encryptedExperiments",
        "encryptedSavedGroups",
    ] {
        if let Some(encrypted) = root.optional(name)
            && encrypted.json().as_str() != Some("")
        {
            let reason = "is encrypted; decrypt the payload first (AES-128-CBC, the key is the SDK connection's)";
            return Err(encrypted.malformed(reason).into());
        }
    }
    let features = root.optional("features");
    let experiments = root.optional("experiments");
    if features.is_none() && experiments.is_none() {
        return Err(root
            .malformed("has neither `features` nor `experiments`")
            .into());
    }
    let section = |name| -> Result<Option<Source<'_, '_>>, ImportError> {
        let section = root.optional(name);
        if let Some(section) = &section {
            section.expect_object()?;
        }
        Ok(section)
    };
    let boolean = |name, default| -> Result<bool, ImportError> {
        let found = root.optional(name);
        Ok(found.map_or(Ok(default), |value| value.boolean())?)
    };
    let dialect = options.dialect.unwrap_or(Dialect::JavaScript);
    let reader = Reader {
        dialect,
        sticky: options.sticky,
        features: section("features")?,
        saved_groups: section("savedGroups")?,
        bandits: section("contextualBandits")?,
        forced_variations: section("forcedVariations")?,
        overrides: section("overrides")?,
        enabled: boolean("enabled", true)?,
        qa_mode: boolean("qaMode", false)?,
    };
    let mut draft = Draft::new(Report::new(Format::GrowthBook, dialect), options.malformed);
    frame(root, &mut draft)?;
    let mut shared = Shared::default();
    let mut taken = BTreeSet::new();
    if let Some(features) = &reader.features {
        if features.members().count() > MAX_FLAGS {
            return Err(features.malformed("has more than 100,000 features").into());
        }
        for (key, source) in features.members() {
            taken.insert(key);
            if !is_name(key) {
                let reason = "a flag key has 1 to 256 bytes and no control characters";
                draft.leave_out(Some(key), source.inexpressible(reason));
                continue;
            }
            match feature::translate(&reader, key, &source, &mut shared, &mut draft.report) {
                Ok((body, imported)) => draft.flag(body, imported),
                Err(problem) => draft.refuse(key, "object", problem),
            }
        }
    }
    for source in experiments.iter().flat_map(Source::elements) {
        let key = source.get("key").and_then(|key| key.json().as_str());
        let Some(key) = key.filter(|key| is_name(key)) else {
            draft.leave_out(None, source.malformed("has no key that can be a flag's"));
            continue;
        };
        if !taken.insert(key) {
            let reason = format!("there is another flag `{key}`");
            draft.leave_out(Some(key), source.inexpressible(reason));
            continue;
        }
        match feature::translate_experiment(&reader, key, &source, &mut shared, &mut draft.report) {
            Ok((body, imported)) => draft.flag(body, imported),
            Err(problem) => draft.refuse(key, "object", problem),
        }
    }
    draft.segments = shared.segments.into_iter().collect();
    Ok(draft)
}

/// The members beside the flags.
fn frame(root: &Source<'_, '_>, draft: &mut Draft) -> Result<(), ImportError> {
    let known = [
        "features",
        "experiments",
        "savedGroups",
        "contextualBandits",
        "forcedVariations",
        "overrides",
        "enabled",
        "qaMode",
        "dateUpdated",
        "status",
        "encryptedFeatures",
        "encryptedExperiments",
        "encryptedSavedGroups",
    ];
    root.warn_of_unknown(&known, None, &mut draft.report);
    if let Some(updated) = root.optional("dateUpdated") {
        let Some(instant) = time::Instant::parse(updated.string()?) else {
            return Err(updated.malformed("is no RFC 3339 time").into());
        };
        draft.revision = time::revision(instant);
    }
    if draft.revision == 0 {
        let message = "no `dateUpdated` to take a revision from: it is 0";
        draft.report.warn(None, || root.pointer(), message);
    }
    Ok(())
}

impl Reader<'_> {
    /// Of a feature: whether all it may serve are booleans, and whether some of it is an array.
    fn kinds_of(&self, key: &str) -> (bool, bool) {
        let feature = self
            .features
            .as_ref()
            .and_then(|features| features.get(key));
        let (mut boolean, mut arrays) = (true, false);
        if let Some(feature) = &feature {
            feature::each_value(feature, &mut |value| {
                boolean &= matches!(value.kind(), Kind::True | Kind::False);
                arrays |= value.kind() == Kind::Array;
            });
        }
        (boolean, arrays)
    }
}
