//! A flag.

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bucketry_core::internal::Kind;

use crate::format::Dialect;
use crate::output::Out;
use crate::report::{ImportedFlag, Report};
use crate::source::{Problem, ProblemKind, Source};

use super::allocation::Allocation;
use super::rules::{RuleWriter, Shared};
use super::{Reader, rules, value};

/// What the translation of one flag shares.
pub(super) struct FlagReader<'f> {
    pub(super) reader: &'f Reader<'f>,
    pub(super) key: &'f str,
    pub(super) report: &'f mut Report,
    /// The attributes read so far.
    pub(super) reads: BTreeSet<String>,
    /// Members already reported as left behind.
    pub(super) left_behind: BTreeSet<&'static str>,
}

/// The variations that split may name: the value, or why there is none.
pub(super) type Variations = BTreeMap<String, Result<(), Problem>>;

/// Translates the flag of this key.
pub(super) fn translate(
    reader: &Reader<'_>,
    key: &str,
    source: &Source<'_, '_>,
    shared: &mut Shared,
    report: &mut Report,
) -> Result<(Out, ImportedFlag), Problem> {
    let mut flag = FlagReader {
        reader,
        key,
        report,
        reads: BTreeSet::new(),
        left_behind: BTreeSet::new(),
    };
    source.expect_object()?;
    let known = [
        "key",
        "enabled",
        "variationType",
        "variations",
        "allocations",
        "totalShards",
    ];
    source.warn_of_unknown(&known, Some(key), flag.report);
    source.required("key")?.string()?;
    let enabled = source.required("enabled")?.boolean()?;
    let value_type = value::value_type(source)?;

    match flag.contents(source, value_type, enabled, shared) {
        Ok(contents) => Ok(flag.finish(source, value_type, enabled, contents)),
        // The format's SDKs answer DISABLED before they look further; only a structure that they cannot read
        // comes first.
        Err(Stop::Refused(problem)) => Err(problem),
        Err(Stop::Unusable(problem)) if enabled => Err(problem),
        Err(Stop::Unusable(problem)) => {
            let message = format!(
                "the disabled flag came over without rules: {}",
                problem.reason
            );
            flag.report.warn(Some(key), || problem.pointer, message);
            Ok(flag.finish(source, value_type, enabled, Contents::default()))
        }
    }
}

/// Why there are no contents.
enum Stop {
    /// For every flag.
    Refused(Problem),
    /// For an enabled flag.
    Unusable(Problem),
}

/// Structure that cannot be read refuses the flag; what only bucketry cannot express does not matter while
/// the flag is disabled.
impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        match problem.kind {
            ProblemKind::Malformed => Self::Refused(problem),
            ProblemKind::Inexpressible => Self::Unusable(problem),
        }
    }
}

#[derive(Default)]
struct Contents {
    variants: Vec<(Cow<'static, str>, Out)>,
    /// The modulus of the flag's hash.
    modulus: Option<u32>,
    rules: Vec<Out>,
    experiments: BTreeSet<String>,
}

impl FlagReader<'_> {
    fn contents(
        &mut self,
        source: &Source<'_, '_>,
        value_type: &'static str,
        enabled: bool,
        shared: &mut Shared,
    ) -> Result<Contents, Stop> {
        let mut variants = Vec::new();
        let mut variations = Variations::new();
        let variations_source = source.required("variations")?;
        variations_source.expect_object()?;
        for (_, variation) in variations_source.members() {
            variation.expect_object()?;
            variation.warn_of_unknown(&["key", "value"], Some(self.key), self.report);
            let key = self.reader.text(&variation.required("key")?)?;
            let value = variation.required("value")?;
            let scalar = !matches!(value.kind(), Kind::Object | Kind::Array | Kind::Null);
            if self.reader.dialect == Dialect::Eppo && !scalar {
                return Err(value
                    .malformed("is neither boolean, number nor string")
                    .into());
            }
            let value = self.reader.value(&value, value_type);
            if variations.contains_key(&key) {
                let reason = format!("there is another variation of the key `{key}`");
                return Err(variation.inexpressible(reason).into());
            }
            let usable = value.map(|value| variants.push((key.clone().into(), value)));
            variations.insert(key, usable);
        }

        let allocations_source = source.required("allocations")?;
        allocations_source.expect_array()?;
        let total_shards = match self.reader.dialect {
            Dialect::Eppo => Some(source.required("totalShards")?.u32()?),
            _ => None,
        };
        let mut allocations = Vec::new();
        for allocation in allocations_source.elements() {
            allocations.push(self.allocation(&allocation, total_shards)?);
        }

        if enabled {
            self.check(&variations, &allocations, &allocations_source)
                .map_err(Stop::Unusable)?;
        }
        if variants.is_empty() {
            // Whatever matches, the caller's default is served.
            return Ok(Contents::default());
        }
        let mut writer = RuleWriter::new(self.key, &variations, &allocations);
        for (source, allocation) in allocations_source.elements().zip(&allocations) {
            writer.allocation(&source, allocation, shared, self.report)?;
        }
        Ok(Contents {
            variants,
            modulus: writer.modulus,
            rules: writer.rules,
            experiments: writer.experiments,
        })
    }

    /// Whether every variation has a value of the flag's type, and every split a variation. Datadog refuses the
    /// flag otherwise; Eppo serves the caller's default where such a split is drawn.
    fn check(
        &mut self,
        variations: &Variations,
        allocations: &[Allocation],
        source: &Source<'_, '_>,
    ) -> Result<(), Problem> {
        let eppo = self.reader.dialect == Dialect::Eppo;
        for problem in variations.values().filter_map(|value| value.as_ref().err()) {
            if !eppo || problem.kind == ProblemKind::Inexpressible {
                return Err(problem.clone());
            }
            let message = format!(
                "where it is drawn the caller's default is served: {}",
                problem.reason
            );
            self.report
                .warn(Some(self.key), || problem.pointer.clone(), message);
        }
        for (source, allocation) in source.elements().zip(allocations) {
            for split in &allocation.splits {
                if !variations.contains_key(&split.variation) {
                    let reason = format!(
                        "a split names the variation `{}`, which is not there",
                        split.variation
                    );
                    if !eppo {
                        return Err(source.malformed(reason));
                    }
                    let message =
                        format!("{reason}: where it is drawn the caller's default is served");
                    self.report
                        .warn(Some(self.key), || source.pointer(), message);
                }
            }
        }
        Ok(())
    }

    fn finish(
        self,
        source: &Source<'_, '_>,
        value_type: &'static str,
        enabled: bool,
        contents: Contents,
    ) -> (Out, ImportedFlag) {
        let imported = ImportedFlag {
            key: self.key.to_owned(),
            pointer: source.pointer(),
            rules: contents.rules.len(),
            attributes: self.reads.into_iter().collect(),
            experiments: contents.experiments.into_iter().collect(),
        };
        let mut members: Vec<(Cow<'static, str>, Out)> = Vec::new();
        members.push(("type".into(), Out::text(value_type)));
        if !enabled {
            members.push(("enabled".into(), Out::boolean(false)));
        }
        members.push(("variants".into(), Out::Object(contents.variants)));
        if let Some(modulus) = contents.modulus {
            members.push(("hash".into(), rules::hash(Some(modulus))));
        }
        if !contents.rules.is_empty() {
            members.push(("rules".into(), Out::Array(contents.rules)));
        }
        (Out::Object(members), imported)
    }
}
