//! What changed, one entry a change.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::explain::text::{quoted, value};
use crate::flag_set::{
    Draw, Experiment, FlagSet, FlagState, Metadata, MissingUnit, NONE, Population, Rule,
};
use crate::json::push_pointer_token;
use crate::number::write_u64;

use super::meaning::Side;
use super::rules::{Matched, matched, moved, rules};
use super::{Action, Change, RuleName, Subject, text};

impl FlagSet {
    /// What changed from this flag set to `other`: the set itself and what its flags share first, then the
    /// flags in the order of `other`, then those that are gone.
    ///
    /// Segments and flags that a condition names are compared where they stand, not wherever they are
    /// used: see [`FlagSet::changed_flags`] for who is affected. Neither the revision nor the order of what
    /// has no order is a change.
    #[must_use]
    pub fn diff(&self, other: &Self) -> Vec<Change> {
        let mut list = List {
            old: Side::new(self),
            new: Side::new(other),
            changes: Vec::new(),
        };
        list.shared();
        for flag in other.flag_keys() {
            list.flag(flag);
        }
        for key in self.flag_keys().filter(|key| other.flag(key).is_none()) {
            list.at(Some(key), &["flags", key])
                .add(Subject::Flag, Some(String::new()), None);
        }
        list.changes
    }
}

struct List<'a> {
    old: Side<'a>,
    new: Side<'a>,
    changes: Vec<Change>,
}

/// Where changes are found.
struct At<'l> {
    changes: &'l mut Vec<Change>,
    flag: Option<&'l str>,
    rule: Option<RuleName>,
    place: String,
}

impl At<'_> {
    /// Notes a difference, if it is one, with what was and what is.
    fn add(&mut self, subject: Subject, before: Option<String>, after: Option<String>) {
        if before == after {
            return;
        }
        let action = match (&before, &after) {
            (None, _) => Action::Added,
            (_, None) => Action::Removed,
            _ => Action::Changed,
        };
        let empty = |text: Option<String>| text.filter(|text| !text.is_empty());
        self.changes.push(Change {
            flag: self.flag.map(Into::into),
            rule: self.rule.clone(),
            subject,
            action,
            place: self.place.clone(),
            before: empty(before),
            after: empty(after),
        });
    }

    /// As [`At::add`] of the member of this name, which is a change also where it was absent or is now.
    fn member(
        &mut self,
        name: &str,
        subject: Subject,
        before: Option<String>,
        after: Option<String>,
    ) {
        if before == after {
            return;
        }
        let length = self.place.len();
        push_pointer_token(&mut self.place, name);
        self.add(
            subject,
            before.or(Some(String::new())),
            after.or(Some(String::new())),
        );
        self.place.truncate(length);
    }
}

impl<'a> List<'a> {
    fn at<'l>(&'l mut self, flag: Option<&'l str>, place: &[&str]) -> At<'l> {
        let mut pointer = String::new();
        for token in place {
            push_pointer_token(&mut pointer, token);
        }
        At {
            changes: &mut self.changes,
            flag,
            rule: None,
            place: pointer,
        }
    }

    fn shared(&mut self) {
        let (old, new) = (self.old.set, self.new.set);
        let environment = |set: &FlagSet| set.environment().map(Into::into);
        self.at(None, &["environment"]).add(
            Subject::Environment,
            environment(old),
            environment(new),
        );
        self.metadata(None, old.metadata(), new.metadata());
        let segments = |side: &mut Side<'a>| -> Named<(String, String)> {
            let set = side.set;
            let segments = set.tables.segments.iter();
            segments
                .map(|segment| {
                    let condition = (side.said(segment.root), text::condition(set, segment.root));
                    (set.tables.symbols.get(segment.name).into(), condition)
                })
                .collect()
        };
        let (before, after) = (segments(&mut self.old), segments(&mut self.new));
        for name in names(&before, &after) {
            let (before, after) = told_apart(before.get(name).cloned(), after.get(name).cloned());
            self.at(None, &["segments", name])
                .add(Subject::Segment, before, after);
        }
        self.populations(false);
        self.populations(true);
    }

    fn metadata(&mut self, flag: Option<&str>, old: Metadata<'_>, new: Metadata<'_>) {
        let texts = |metadata: Metadata<'_>| -> Named<String> {
            let entries = metadata.iter();
            entries
                .map(|(name, entry)| (name.into(), value(entry)))
                .collect()
        };
        let (before, after) = (texts(old), texts(new));
        for name in names(&before, &after) {
            let place: &[&str] = match flag {
                Some(flag) => &["flags", flag, "metadata", name],
                None => &["metadata", name],
            };
            self.at(flag, place).add(
                Subject::Metadata,
                before.get(name).cloned(),
                after.get(name).cloned(),
            );
        }
    }

    fn populations(&mut self, holdouts: bool) {
        let (old, new) = (self.old.set, self.new.set);
        let (kind, subject) = if holdouts {
            ("holdouts", Subject::Holdout)
        } else {
            ("layers", Subject::Layer)
        };
        let named = |set: &FlagSet| -> Named<Population> {
            let tables = &set.tables;
            let table = if holdouts {
                &tables.holdouts
            } else {
                &tables.layers
            };
            let entries = table.iter();
            entries
                .map(|entry| (tables.symbols.get(entry.key).into(), *entry))
                .collect()
        };
        let (before, after) = (named(old), named(new));
        for name in names(&before, &after) {
            let mut at = self.at(None, &[kind, name]);
            match (before.get(name), after.get(name)) {
                (Some(before), Some(after)) => {
                    let mut compare =
                        |name, subject, text: &dyn Fn(&FlagSet, &Population) -> String| {
                            at.member(
                                name,
                                subject,
                                Some(text(old, before)),
                                Some(text(new, after)),
                            );
                        };
                    compare("unit", Subject::Unit, &|set, entry| {
                        text::unit(set, entry.unit)
                    });
                    compare("salt", Subject::Salt, &|set, entry| {
                        quoted(set.tables.symbols.get(entry.salt))
                    });
                    compare("hash", Subject::Hash, &|set, entry| {
                        text::hash(set, entry.hash)
                    });
                    if holdouts {
                        compare("percent", Subject::Percent, &|_, entry| {
                            text::percent(entry.cut)
                        });
                    }
                }
                (before, after) => {
                    let text = |there: Option<&Population>| there.map(|_| String::new());
                    at.add(subject, text(before), text(after));
                }
            }
        }
    }

    fn flag(&mut self, key: &'a str) {
        let (old, new) = (self.old.set, self.new.set);
        let Some(after) = new.flag(key).map(|flag| flag.flag) else {
            return;
        };
        let Some(before) = old.flag(key).map(|flag| flag.flag) else {
            self.at(Some(key), &["flags", key])
                .add(Subject::Flag, None, Some(String::new()));
            return;
        };
        let refusal =
            |set: &FlagSet, flag: u32| set.refusal(flag).map(|why| format!("refused: {why}"));
        let (was_refused, is_refused) = (refusal(old, before), refusal(new, after));
        if was_refused.is_some() || is_refused.is_some() {
            let works = || Some(String::from("works"));
            self.at(Some(key), &["flags", key]).add(
                Subject::Flag,
                was_refused.or_else(works),
                is_refused.or_else(works),
            );
            return;
        }
        self.header(key, before, after);
        self.metadata(
            Some(key),
            old.flag_metadata(before),
            new.flag_metadata(after),
        );
        self.rules(key, before, after);
    }

    fn header(&mut self, key: &'a str, before: u32, after: u32) {
        let (old, new) = (self.old.set, self.new.set);
        let tables = (&old.tables, &new.tables);
        let flags = (
            tables.0.flags.get(before as usize),
            tables.1.flags.get(after as usize),
        );
        let (Some(was), Some(is)) = flags else {
            return;
        };
        let mut at = self.at(Some(key), &["flags", key]);
        let both = |before: &str, after: &str| (Some(before.into()), Some(after.into()));
        let (from, to) = both(was.value_type.as_str(), is.value_type.as_str());
        at.member("type", Subject::Type, from, to);
        let enabled = |state: FlagState| {
            if state == FlagState::Enabled {
                "true"
            } else {
                "false"
            }
        };
        let (from, to) = both(enabled(was.state), enabled(is.state));
        at.member("enabled", Subject::Enabled, from, to);
        for (name, subject, from, to) in [
            ("default", Subject::Default, was.default, is.default),
            ("off", Subject::Off, was.off, is.off),
        ] {
            let (from, to) = (
                text::variant(old, before, from),
                text::variant(new, after, to),
            );
            at.member(name, subject, Some(from), Some(to));
        }
        let variants = |set: &'a FlagSet, flag: u32| -> Named<String> {
            let handle = set.flag_at(flag);
            let variants = handle.into_iter().flat_map(|flag| flag.variants());
            variants
                .map(|(name, entry)| (name.into(), value(entry)))
                .collect()
        };
        let (before, after) = (variants(old, before), variants(new, after));
        for name in names(&before, &after) {
            self.at(Some(key), &["flags", key, "variants", name]).add(
                Subject::Variant,
                before.get(name).cloned(),
                after.get(name).cloned(),
            );
        }
    }

    fn rules(&mut self, key: &'a str, before: u32, after: u32) {
        let Matched {
            pairs,
            removed,
            added,
        } = matched(&mut self.old, &mut self.new, (before, after));
        let moved = moved(&pairs);
        for (was, is) in pairs {
            let at = self.rule_at(key, false, after, is);
            if moved.contains(&(was, is)) {
                at.changes.push(Change {
                    flag: Some(key.into()),
                    rule: at.rule.clone(),
                    subject: Subject::Rule,
                    action: Action::Moved,
                    place: at.place.clone(),
                    before: Some(was.to_string()),
                    after: Some(is.to_string()),
                });
            }
            self.rule(key, (before, was), (after, is));
        }
        for place in added {
            self.rule_at(key, false, after, place)
                .add(Subject::Rule, None, Some(String::new()));
        }
        for place in removed {
            self.rule_at(key, true, before, place)
                .add(Subject::Rule, Some(String::new()), None);
        }
    }

    fn rule_at(&mut self, key: &'a str, old: bool, flag: u32, place: u16) -> At<'_> {
        let set = if old { self.old.set } else { self.new.set };
        let mut digits = [0; 20];
        let index = write_u64(place.into(), &mut digits);
        let mut at = self.at(Some(key), &["flags", key, "rules", index]);
        at.rule = Some(RuleName {
            index: place.into(),
            id: set.rule_id(flag, place).map(Into::into),
        });
        at
    }

    fn rule(&mut self, key: &'a str, (before, was): (u32, u16), (after, is): (u32, u16)) {
        let rule_of =
            |side: &Side<'a>, flag, place: u16| rules(side, flag).get(usize::from(place)).copied();
        let (Some(old_rule), Some(new_rule)) = (
            rule_of(&self.old, before, was),
            rule_of(&self.new, after, is),
        ) else {
            return;
        };
        let condition = |side: &mut Side<'a>, rule: &Rule| {
            (rule.condition != NONE).then(|| {
                (
                    side.said(rule.condition),
                    text::condition(side.set, rule.condition),
                )
            })
        };
        let (from, to) = told_apart(
            condition(&mut self.old, &old_rule),
            condition(&mut self.new, &new_rule),
        );
        let (old, new) = (self.old.set, self.new.set);
        let mut at = self.rule_at(key, false, after, is);
        at.member("if", Subject::Condition, from, to);
        let (old, new) = (
            Of {
                set: old,
                flag: before,
                rule: old_rule,
            },
            Of {
                set: new,
                flag: after,
                rule: new_rule,
            },
        );
        let fields: &[(&str, Subject, Field)] = &FIELDS;
        for (name, subject, text) in fields {
            at.member(name, *subject, text(&old), text(&new));
        }
        let mut split = (old.draw_text(text::split), new.draw_text(text::split));
        let arms = (old.draw_text(arms), new.draw_text(arms));
        if arms.0 != arms.1 && split.0 == split.1 {
            // They differ by less than a millionth of a per cent.
            split = arms;
        }
        at.member("split", Subject::Split, split.0, split.1);
        push_pointer_token(&mut at.place, "experiment");
        for (name, subject, text) in EXPERIMENT_FIELDS {
            at.member(name, subject, old.experiment(text), new.experiment(text));
        }
    }
}

/// A rule and where it is from.
struct Of<'a> {
    set: &'a FlagSet,
    flag: u32,
    rule: Rule,
}

type Field = fn(&Of<'_>) -> Option<String>;
type ExperimentField = fn(&FlagSet, &Experiment) -> Option<String>;

const FIELDS: [(&str, Subject, Field); 9] = [
    ("from", Subject::Window, |of| {
        let window = of.set.tables.windows.get(of.rule.window as usize);
        window.map(text::window)
    }),
    ("serve", Subject::Serve, |of| {
        let name = of.set.variant_name(of.flag, of.rule.serve);
        name.map(quoted)
    }),
    ("rollout", Subject::Rollout, |of| {
        of.draw()
            .filter(|draw| draw.has_rollout)
            .map(|draw| text::percent(draw.rollout))
    }),
    ("salt", Subject::Salt, |of| {
        of.draw()
            .map(|draw| quoted(of.set.tables.symbols.get(draw.salt)))
    }),
    ("unit", Subject::Unit, |of| {
        of.draw().map(|draw| text::unit(of.set, draw.unit))
    }),
    ("hash", Subject::Hash, |of| {
        of.draw().map(|draw| text::hash(of.set, draw.hash))
    }),
    ("missingUnit", Subject::MissingUnit, |of| {
        let name = of.draw().map(|draw| match draw.missing {
            MissingUnit::Skip => "skip",
            MissingUnit::Zero => "zero",
            MissingUnit::Error => "error",
        });
        name.map(Into::into)
    }),
    ("otherwise", Subject::Otherwise, |of| {
        Some(if of.rule.stop { "stop" } else { "next" }.into())
    }),
    ("reason", Subject::Reason, |of| {
        Some(of.rule.reason.as_str().into())
    }),
];

const EXPERIMENT_FIELDS: [(&str, Subject, ExperimentField); 6] = [
    ("key", Subject::Experiment, |set, experiment| {
        Some(quoted(set.tables.symbols.get(experiment.key)))
    }),
    ("phase", Subject::Phase, |_, experiment| {
        Some(experiment.phase.to_string())
    }),
    ("layer", Subject::ExperimentLayer, text::layer),
    ("slots", Subject::Slots, text::slots),
    ("holdout", Subject::ExperimentHoldout, text::holdouts),
    ("sticky", Subject::Sticky, |_, experiment| {
        Some(experiment.sticky.to_string())
    }),
];

impl Of<'_> {
    fn draw(&self) -> Option<&Draw> {
        self.set.tables.draws.get(self.rule.draw as usize)
    }

    fn draw_text(&self, text: fn(&FlagSet, u32, &Draw) -> String) -> Option<String> {
        let draw = self.draw().filter(|draw| draw.arms.len > 0)?;
        Some(text(self.set, self.flag, draw))
    }

    fn experiment(&self, text: ExperimentField) -> Option<String> {
        let experiments = &self.set.tables.experiments;
        let experiment = experiments.get(self.draw()?.experiment as usize)?;
        text(self.set, experiment)
    }
}

/// The arms by their positions.
fn arms(set: &FlagSet, flag: u32, draw: &Draw) -> String {
    let arms = draw.arms.of(&set.tables.arms).iter();
    let arms: Vec<String> = arms
        .map(|arm| {
            format!(
                "{} {}..{}",
                text::variant(set, flag, arm.variant),
                arm.start,
                arm.end
            )
        })
        .collect();
    arms.join(", ")
}

/// The texts of two conditions that differ, also where the difference is in what is not shown.
fn told_apart(
    before: Option<(String, String)>,
    after: Option<(String, String)>,
) -> (Option<String>, Option<String>) {
    match (before, after) {
        (Some((a, _)), Some((b, _))) if a == b => (None, None),
        (Some((_, before)), Some((_, after))) if before == after => {
            let other = format!("{after} (with other operands)");
            (Some(before), Some(other))
        }
        (before, after) => (before.map(|(_, text)| text), after.map(|(_, text)| text)),
    }
}

type Named<T> = BTreeMap<String, T>;

/// The names of both, each once, ascending.
fn names<'n, T>(before: &'n Named<T>, after: &'n Named<T>) -> impl Iterator<Item = &'n str> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let mut names: Vec<&str> = after.keys().chain(gone).map(String::as_str).collect();
    names.sort_unstable();
    names.into_iter()
}
