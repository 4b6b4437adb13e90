//! From a document to a [`FlagSet`]: everything is checked here, so that resolving cannot fail.
//!
//! The order matters: flags get their numbers and variants first, because rules of other flags refer to
//! them; then segments and rules are compiled; then references are followed to the end.

mod conditions;
mod experiments;
mod fields;
mod flags;
mod graph;
mod rules;

use alloc::string::String;
use alloc::vec::Vec;

use crate::bucketing::Hash;
use crate::diagnostics::{Diagnostic, LoadError, Severity};
use crate::flag_set::{
    Attribute, AttributeKind, FlagSet, FlagState, NONE, Population, Segment, Span, TARGETING_KEY,
    Tables,
};
use crate::hash::xxh64;
use crate::json::{Document, Json, Kind};
use crate::limits;
use crate::number::write_u64;
use crate::schema;
use crate::sort::sort;
use crate::symbols::{Symbol, Symbols};

use fields::{Issue, Load, fields, issue, name};
use graph::Item;

#[cfg(test)]
mod tests;

/// Compiles a document.
pub(crate) fn load(bytes: &[u8]) -> Result<FlagSet, LoadError> {
    let document = Document::parse(bytes, limits::MAX_DOCUMENT_BYTES).map_err(LoadError::Syntax)?;
    // Names chosen to collide under one seed do not collide under that of the document they stand in.
    let loader = Loader::new(xxh64(bytes, 0), bytes.len() / 100);
    loader.document(document.root()).map_err(|issue| {
        LoadError::Document(Diagnostic {
            severity: Severity::Error,
            pointer: issue.pointer(None),
            message: issue.message,
            flag: None,
        })
    })
}

/// A flag set in the making.
struct Loader<'d> {
    tables: Tables,
    diagnostics: Vec<Diagnostic>,
    /// Diagnostics over [`limits::MAX_DIAGNOSTICS`].
    unsaid: u64,
    default_hash: u8,
    flags: Vec<Json<'d>>,
    /// By [`Item`]: segments, then flags.
    items: Vec<Item>,
    edges: Vec<graph::Edge<'d>>,
    refused: Vec<Option<String>>,
    segments: Names,
    layers: Names,
    holdouts: Names,
    broken_layers: Vec<bool>,
    broken_holdouts: Vec<bool>,
    attributes: Memo,
    units: Memo,
    sets: Memo,
    variant_lists: Memo,
    #[cfg(feature = "regex")]
    regexes: Memo,
}

/// Where a condition or a rule stands: what it takes over when it names nothing of its own.
#[derive(Clone, Copy)]
struct Scope {
    unit: u16,
    hash: u8,
    /// The flag, for messages; none in a segment.
    item: usize,
}

/// Names of one kind of thing, each with its number.
#[derive(Default)]
struct Names(Vec<(Symbol, u32)>);

impl Names {
    fn find(&self, symbols: &Symbols, name: &str) -> Option<u32> {
        let symbol = symbols.find(name.as_bytes())?;
        let at = self
            .0
            .binary_search_by_key(&symbol, |(name, _)| *name)
            .ok()?;
        self.0.get(at).map(|(_, number)| *number)
    }
}

/// What a piece of text has been compiled to before.
struct Memo {
    keys: Symbols,
    values: Vec<u32>,
}

impl Memo {
    fn new(seed: u64) -> Self {
        Self {
            keys: Symbols::new(seed, 0),
            values: Vec::new(),
        }
    }

    fn get(&self, key: &str) -> Option<u32> {
        let key = self.keys.find(key.as_bytes())?;
        self.values.get(key as usize).copied()
    }

    /// `key` must be new.
    fn put(&mut self, key: &str, value: u32) {
        self.keys.intern(key);
        self.values.push(value);
    }
}

/// The key under which a [`Memo`] holds what a value compiles to.
fn memo_key(kind: &str, json: Json<'_>) -> String {
    let mut key = String::from(kind);
    // A string's text lacks its quotes: without the mark `["a"]` and `"[\"a\"]"` would be one.
    key.push(if json.kind() == Kind::String {
        's'
    } else {
        'j'
    });
    key.push_str(json.text());
    key
}

impl<'d> Loader<'d> {
    fn new(seed: u64, capacity: usize) -> Self {
        let mut tables = Tables::new(Symbols::new(seed, capacity));
        tables.hashes.extend(Hash::NATIVE.map(|(_, hash)| hash));
        Self {
            tables,
            diagnostics: Vec::new(),
            unsaid: 0,
            default_hash: 0,
            flags: Vec::new(),
            items: Vec::new(),
            edges: Vec::new(),
            refused: Vec::new(),
            segments: Names::default(),
            layers: Names::default(),
            holdouts: Names::default(),
            broken_layers: Vec::new(),
            broken_holdouts: Vec::new(),
            attributes: Memo::new(seed),
            units: Memo::new(seed),
            sets: Memo::new(seed),
            variant_lists: Memo::new(seed),
            #[cfg(feature = "regex")]
            regexes: Memo::new(seed),
        }
    }

    fn document(mut self, root: Json<'d>) -> Load<'d, FlagSet> {
        if root.kind() != Kind::Object {
            return Err(issue(root, &["expected an object"]));
        }
        if let Some(name) = root.duplicate_member() {
            return Err(issue(root, &["duplicate member `", name, "`"]));
        }
        let mut known = [None; schema::SET_MEMBERS.len()];
        for (member, value) in root.members() {
            match schema::SET_MEMBERS.iter().position(|&name| name == member) {
                Some(at) => {
                    if let Some(slot) = known.get_mut(at) {
                        *slot = Some(value);
                    }
                }
                None if member == "$schema" || schema::is_ignored(member) => {}
                None => self.warn(value, &["unknown member `", member, "`"]),
            }
        }
        let [
            format,
            revision,
            environment,
            hash,
            metadata,
            segments,
            layers,
            holdouts,
            flags,
        ] = known;
        let format = format.ok_or_else(|| issue(root, &["member `format` is missing"]))?;
        if format.as_u64(u64::MAX) != Some(schema::FORMAT) {
            return Err(issue(format, &["expected format 1"]));
        }
        let revision = match revision {
            None => 0,
            Some(json) => json
                .as_u64(schema::MAX_REVISION)
                .ok_or_else(|| issue(json, &["expected an integer from 0 to 9007199254740991"]))?,
        };
        for json in [segments, layers, holdouts, flags].into_iter().flatten() {
            if json.kind() != Kind::Object {
                return Err(issue(json, &["expected an object"]));
            }
        }
        if let Some(segments) = segments {
            let count = segments.members().count();
            if count > limits::MAX_SEGMENTS {
                return Err(issue(segments, &["more than 10,000 segments"]));
            }
            let unnamed = Segment {
                name: NONE,
                root: NONE,
            };
            self.tables.segments.resize(count, unnamed);
            self.items.resize_with(count, Item::default);
        }
        // Flag keys come first: a flag's number is its key's symbol.
        if let Some(flags) = flags {
            self.number_flags(flags)?;
        }
        let environment = match environment {
            None => NONE,
            Some(json) => {
                let text = name(json)?;
                self.tables.symbols.intern(text)
            }
        };
        let targeting_key = self.tables.symbols.intern("targetingKey");
        self.tables.attributes.push(Attribute {
            name: targeting_key,
            kind: AttributeKind::TargetingKey,
        });
        self.attributes.put("targetingKey", TARGETING_KEY.into());
        self.tables.units.push(Span { start: 0, len: 1 });
        self.tables.unit_attributes.push(TARGETING_KEY);
        self.units.put("unit stargetingKey", 0);
        if let Some(hash) = hash {
            self.default_hash = self.hash(hash)?;
        }
        let metadata = match metadata {
            None => NONE,
            Some(json) => self.metadata(json)?,
        };
        self.populations(layers, false)?;
        self.populations(holdouts, true)?;
        self.name_segments(segments);
        for flag in 0..self.flags.len() {
            self.flag_header(flag);
        }
        self.segment_conditions(segments);
        for flag in 0..self.flags.len() {
            self.flag_rules(flag);
        }
        self.settle();
        self.check_experiments();
        self.settle();
        self.finish(revision, environment, metadata)
    }

    fn finish(mut self, revision: u64, environment: u32, metadata: u32) -> Load<'d, FlagSet> {
        for (flag, refusal) in core::mem::take(&mut self.refused).into_iter().enumerate() {
            if let Some(why) = refusal {
                self.tables.refusals.push((flag as u32, why));
            }
        }
        if self.unsaid > 0 {
            let mut message = String::from(write_u64(self.unsaid, &mut [0; 20]));
            message.push_str(" more");
            self.diagnostics.push(Diagnostic {
                severity: Severity::Warning,
                pointer: String::new(),
                message,
                flag: None,
            });
        }
        self.tables.shrink();
        self.diagnostics.shrink_to_fit();
        Ok(FlagSet {
            tables: self.tables,
            revision,
            environment,
            metadata,
            diagnostics: self.diagnostics,
        })
    }

    /// Adds a diagnostic that is about no flag.
    fn say(&mut self, severity: Severity, issue: &Issue<'d>) {
        let pointer = issue.pointer(None);
        self.add(severity, pointer, issue.message.clone(), None);
    }

    fn add(&mut self, severity: Severity, pointer: String, message: String, flag: Option<String>) {
        if self.diagnostics.len() == limits::MAX_DIAGNOSTICS {
            self.unsaid += 1;
            return;
        }
        self.diagnostics.push(Diagnostic {
            severity,
            pointer,
            message,
            flag,
        });
    }

    fn warn(&mut self, at: Json<'d>, message: &[&str]) {
        self.say(Severity::Warning, &issue(at, message));
    }

    /// Marks a segment or a flag as refused and says why, once.
    fn refuse(&mut self, item: usize, issue: Issue<'d>) {
        let Some(entry) = self.items.get_mut(item) else {
            return;
        };
        if core::mem::replace(&mut entry.refused, true) {
            return;
        }
        let Some(flag) = item.checked_sub(self.tables.segments.len()) else {
            self.say(Severity::Error, &issue);
            return;
        };
        if let Some(flag) = self.tables.flags.get_mut(flag) {
            flag.state = FlagState::Refused;
        }
        let key = self.tables.symbols.get(flag as u32);
        let base = self.flags.get(flag).map(|flag| (*flag, "flags", key));
        let pointer = issue.pointer(base);
        let key = String::from(key);
        if let Some(refusal) = self.refused.get_mut(flag) {
            *refusal = Some([&pointer, ": ", &issue.message].concat());
        }
        self.add(Severity::Error, pointer, issue.message, Some(key));
    }

    /// Layers or holdouts.
    fn populations(&mut self, json: Option<Json<'d>>, holdouts: bool) -> Load<'d, ()> {
        let Some(json) = json else { return Ok(()) };
        let kind = if holdouts { "holdouts" } else { "layers" };
        if json.members().count() > limits::MAX_LAYERS {
            return Err(issue(json, &["more than 1,000 ", kind]));
        }
        let mut names = Names::default();
        let mut table = Vec::new();
        let mut broken = Vec::new();
        for (key, value) in json.members() {
            let symbol = self.tables.symbols.intern(key);
            let loaded = self.population(key, symbol, value, holdouts);
            broken.push(loaded.is_err());
            names.0.push((symbol, table.len() as u32));
            table.push(match loaded {
                Ok(population) => population,
                Err(issue) => {
                    self.say(Severity::Error, &issue);
                    Population {
                        key: symbol,
                        salt: symbol,
                        unit: 0,
                        hash: 0,
                        cut: 0,
                    }
                }
            });
        }
        sort(&mut names.0);
        for pair in names.0.windows(2) {
            if let [(a, first), (b, second)] = pair {
                if a == b {
                    let key = self.tables.symbols.get(*a);
                    let issue = issue(json, &["duplicate member `", key, "`"]);
                    for at in [*first, *second] {
                        if let Some(broken) = broken.get_mut(at as usize) {
                            *broken = true;
                        }
                    }
                    self.say(Severity::Error, &issue);
                }
            }
        }
        if holdouts {
            self.holdouts = names;
            self.broken_holdouts = broken;
            self.tables.holdouts = table;
        } else {
            self.layers = names;
            self.broken_layers = broken;
            self.tables.layers = table;
        }
        Ok(())
    }

    fn population(
        &mut self,
        key: &str,
        symbol: Symbol,
        json: Json<'d>,
        holdout: bool,
    ) -> Load<'d, Population> {
        fields::check_name(json, key)?;
        let [unit, salt, hash, percent] = if holdout {
            fields(json, &schema::HOLDOUT_MEMBERS)?
        } else {
            let [unit, salt, hash] = fields(json, &schema::LAYER_MEMBERS)?;
            [unit, salt, hash, None]
        };
        let cut = match percent {
            Some(percent) => fields::percent(percent)?,
            None if holdout => return Err(issue(json, &["member `percent` is missing"])),
            None => 0,
        };
        let salt = match salt {
            Some(salt) => fields::salt(salt)?.into(),
            None => [if holdout { "holdout:" } else { "layer:" }, key].concat(),
        };
        let unit = match unit {
            Some(unit) => self.unit(unit)?,
            None => 0,
        };
        let hash = match hash {
            Some(hash) => self.two_lanes(hash)?,
            None => {
                self.need_two_lanes(self.default_hash, json)?;
                self.default_hash
            }
        };
        Ok(Population {
            key: symbol,
            salt: self.tables.symbols.intern(&salt),
            unit,
            hash,
            cut,
        })
    }

    fn name_segments(&mut self, json: Option<Json<'d>>) {
        let Some(json) = json else { return };
        for (number, (key, _)) in json.members().enumerate() {
            let symbol = self.tables.symbols.intern(key);
            self.segments.0.push((symbol, number as u32));
            if let Some(segment) = self.tables.segments.get_mut(number) {
                segment.name = symbol;
            }
        }
        sort(&mut self.segments.0);
    }

    fn segment_conditions(&mut self, json: Option<Json<'d>>) {
        let Some(json) = json else { return };
        let doubles: Vec<Symbol> = self
            .segments
            .0
            .windows(2)
            .filter_map(|pair| match pair {
                [(a, _), (b, _)] if a == b => Some(*a),
                _ => None,
            })
            .collect();
        for (number, (key, value)) in json.members().enumerate() {
            let scope = Scope {
                unit: 0,
                hash: self.default_hash,
                item: number,
            };
            let edges = self.edges.len();
            let nodes = self.tables.nodes.len();
            let symbol = self.tables.symbols.intern(key);
            let loaded = fields::check_name(value, key).and_then(|()| {
                if doubles.contains(&symbol) {
                    return Err(issue(value, &["duplicate member `", key, "`"]));
                }
                self.condition_tree(value, scope)
            });
            self.close_item(number, edges, nodes);
            match loaded {
                Ok(root) => {
                    if let Some(segment) = self.tables.segments.get_mut(number) {
                        segment.root = root;
                    }
                }
                Err(issue) => self.refuse(number, issue),
            }
        }
    }

    /// Notes what an item refers to and how many nodes it has.
    fn close_item(&mut self, item: usize, edges: usize, nodes: usize) {
        let span = Span {
            start: edges as u32,
            len: (self.edges.len() - edges) as u32,
        };
        let own = (self.tables.nodes.len() - nodes) as u32;
        if let Some(item) = self.items.get_mut(item) {
            item.edges = span;
            item.own = own;
        }
    }
}
