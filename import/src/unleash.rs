//! Unleash: what the client API gives to SDKs, as one document or as delta events.
//!
//! Read from `Unleash/yggdrasil: unleash-yggdrasil/src/` (`strategy_upgrade.rs`, `strategy_parsing.rs`, `lib.rs`), the
//! engine that most SDKs share. What each member becomes and why stands in `docs/migrate/unleash.md`.

mod constraint;
mod strategy;
mod toggle;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bucketry_core::internal::Kind;
use bucketry_core::limits::MAX_FLAGS;

use crate::draft::Draft;
use crate::error::ImportError;
use crate::format::{Dialect, Format, ImportOptions};
use crate::names::is_name;
use crate::output::Out;
use crate::report::Report;
use crate::source::{Problem, Source};

/// What a whole translation reads from.
struct Reader<'r> {
    /// The toggles by name.
    toggles: BTreeMap<&'r str, &'r Source<'r, 'r>>,
    segments: &'r BTreeMap<String, Source<'r, 'r>>,
}

/// What the flags of a whole translation share.
#[derive(Default)]
struct Shared {
    /// The segments that are used, as conditions.
    segments: BTreeMap<String, Out>,
    /// Each experiment with what all its rules must agree in.
    experiments: BTreeMap<String, Out>,
}

/// One step of how the state came to be: a whole document is one, too.
struct Event<'s> {
    kind: &'s str,
    features: Option<Source<'s, 's>>,
    segments: Option<Source<'s, 's>>,
    feature: Option<Source<'s, 's>>,
    segment: Option<Source<'s, 's>>,
    /// The name or id of what is removed.
    removed: Option<String>,
}

/// Toggles and segments in the order in which they came.
#[derive(Default)]
struct State<'s> {
    toggles: Vec<(&'s str, Source<'s, 's>)>,
    segments: BTreeMap<String, Source<'s, 's>>,
}

/// The flag of a toggle's variant.
fn variant_key(toggle: &str) -> String {
    format!("{toggle}:variant")
}

pub(crate) fn translate(
    root: &Source<'_, '_>,
    options: &ImportOptions,
) -> Result<Draft, ImportError> {
    root.expect_object()?;
    let mut report = Report::new(
        Format::Unleash,
        options.dialect.unwrap_or(Dialect::Yggdrasil),
    );
    let known = ["version", "features", "segments", "events", "query", "meta"];
    root.warn_of_unknown(&known, None, &mut report);

    let list = root.optional("events");
    let mut steps = Vec::new();
    let mut revision = 0;
    if let Some(list) = &list {
        list.expect_array()?;
        steps.extend(list.elements());
        let ids = steps
            .iter()
            .filter_map(|event| integer(&event.get("eventId")?));
        revision = ids.max().unwrap_or(0);
    } else {
        root.required("features")?;
        steps.push(*root);
        if let Some(meta) = root.optional("meta") {
            revision = meta
                .get("revisionId")
                .and_then(|id| integer(&id))
                .unwrap_or(0);
        }
    }
    let events = steps
        .iter()
        .map(Event::read)
        .collect::<Result<Vec<_>, _>>()?;
    let mut state = State::default();
    for event in &events {
        state.apply(event, &mut report)?;
    }
    if state.toggles.len() > MAX_FLAGS / 2 {
        return Err(root.malformed("has more than 50,000 features").into());
    }
    let mut draft = Draft::new(report, options.malformed);
    draft.revision = revision;
    if draft.revision == 0 {
        let message = "no `meta.revisionId` to take a revision from: it is 0";
        draft.report.warn(None, || root.pointer(), message);
    }
    let reader = Reader {
        toggles: state
            .toggles
            .iter()
            .map(|(name, source)| (*name, source))
            .collect(),
        segments: &state.segments,
    };
    let mut shared = Shared::default();
    let mut seen = BTreeSet::new();
    for (name, source) in &state.toggles {
        if !is_name(name) {
            let reason = "a flag key has 1 to 256 bytes and no control characters";
            draft.leave_out(Some(name), source.inexpressible(reason));
            continue;
        }
        if !seen.insert(*name) {
            continue;
        }
        match toggle::translate(&reader, name, source, &mut shared, &mut draft.report) {
            Ok(flags) => {
                for (body, imported) in flags {
                    draft.flag(body, imported);
                }
            }
            Err(problem) => draft.refuse(name, "boolean", problem),
        }
    }
    draft.segments = shared.segments.into_iter().collect();
    Ok(draft)
}

fn integer(source: &Source<'_, '_>) -> Option<u64> {
    let number = (source.kind() == Kind::Number).then(|| source.json().text().parse().ok());
    number.flatten().filter(|number: &u64| *number < 1 << 53)
}

/// A number or a text as text.
fn id_of(source: &Source<'_, '_>) -> Result<String, Problem> {
    match source.kind() {
        Kind::Number | Kind::String => Ok(source.json().text().to_string()),
        _ => Err(source.malformed("is no id")),
    }
}

impl<'s> Event<'s> {
    fn read(source: &'s Source<'s, 's>) -> Result<Self, Problem> {
        source.expect_object()?;
        let kind = match source.optional("type") {
            Some(kind) => kind.string()?,
            None => "hydration",
        };
        let removed = match kind {
            "feature-removed" => Some(source.required("featureName")?.string()?.to_string()),
            "segment-removed" => Some(id_of(&source.required("segmentId")?)?),
            _ => None,
        };
        Ok(Self {
            kind,
            features: source.optional("features"),
            segments: source.optional("segments"),
            feature: source.optional("feature"),
            segment: source.optional("segment"),
            removed,
        })
    }
}

impl<'s> State<'s> {
    fn apply(&mut self, event: &'s Event<'s>, report: &mut Report) -> Result<(), Problem> {
        match event.kind {
            "hydration" => {
                self.toggles.clear();
                self.segments.clear();
                for list in [&event.features, &event.segments].into_iter().flatten() {
                    list.expect_array()?;
                }
                for feature in event.features.iter().flat_map(Source::elements) {
                    self.feature(feature)?;
                }
                for segment in event.segments.iter().flat_map(Source::elements) {
                    self.segment(segment)?;
                }
            }
            "feature-updated" => self.feature_of(event)?,
            "feature-removed" => {
                self.toggles
                    .retain(|(name, _)| Some(*name) != event.removed.as_deref());
            }
            "segment-updated" => {
                if let Some(segment) = event.segment {
                    self.segment(segment)?;
                }
            }
            "segment-removed" => {
                if let Some(id) = &event.removed {
                    self.segments.remove(id);
                }
            }
            other => {
                let message = format!("the event `{other}` is not known, ignored");
                report.warn(None, String::new, message);
            }
        }
        Ok(())
    }

    fn feature_of(&mut self, event: &'s Event<'s>) -> Result<(), Problem> {
        event
            .feature
            .map_or(Ok(()), |feature| self.feature(feature))
    }

    /// Adds a toggle, or puts it in the place of the one of its name.
    fn feature(&mut self, source: Source<'s, 's>) -> Result<(), Problem> {
        source.expect_object()?;
        let name = source.required("name")?.string()?;
        match self.toggles.iter_mut().find(|(each, _)| *each == name) {
            Some((_, old)) => *old = source,
            None => self.toggles.push((name, source)),
        }
        Ok(())
    }

    fn segment(&mut self, source: Source<'s, 's>) -> Result<(), Problem> {
        source.expect_object()?;
        let id = id_of(&source.required("id")?)?;
        self.segments.insert(id, source);
        Ok(())
    }
}
