//! From a document to a [`FlagSet`]: everything is checked here, so that resolving cannot fail.
//!
//! The order matters: flags get their numbers and variants first, because rules of other flags refer to
//! them; then segments and rules are compiled; then references are followed to the end.

mod conditions;
mod experiments;
mod fields;
mod fingerprint;
mod flags;
#[cfg(feature = "imported")]
mod formula;
mod graph;
#[cfg(feature = "imported")]
mod hashed;
mod operators;
mod rules;
mod splits;

use alloc::string::String;
use alloc::vec::Vec;

use crate::bucketing::Hash;
use crate::diagnostics::{Diagnostic, LoadError, Severity};
use crate::flag_set::{
    Attribute, AttributeKind, FlagSet, FlagState, NONE, Population, Span, TARGETING_KEY, Tables,
};
use crate::hash::xxh64;
use crate::json::{Document, Json, Kind};
use crate::limits;
use crate::messages::m;
use crate::number::write_u64;
use crate::schema;
use crate::sort::sort_by;
use crate::symbols::{Symbol, Symbols};

use fields::{DOUBLE, Issue, Problem, UNKNOWN, concat};
use fingerprint::fingerprint;
use graph::Item;

#[cfg(test)]
mod tests;

/// Compiles a document.
pub(crate) fn load(bytes: &[u8]) -> Result<FlagSet, LoadError> {
    let document = Document::parse(bytes, limits::MAX_DOCUMENT_BYTES).map_err(LoadError::Syntax)?;
    // Names chosen to collide under one seed do not collide under that of the document they stand in.
    let mut loader = Loader::new(xxh64(bytes, 0), bytes.len() / 100);
    let head = loader.document(document.root());
    if let Some(Problem { issue, .. }) = loader.problem {
        return Err(LoadError::Document(Diagnostic {
            severity: Severity::Error,
            pointer: issue.pointer_from_root(),
            code: issue.code(),
            message: issue.message(),
            flag: None,
        }));
    }
    Ok(FlagSet {
        tables: loader.tables,
        revision: head.revision,
        environment: head.environment,
        metadata: head.metadata,
        diagnostics: loader.diagnostics,
    })
}

/// What a flag set says of itself.
struct Head {
    revision: u64,
    environment: Symbol,
    /// The number of a span.
    metadata: u32,
}

/// A flag set in the making.
struct Loader<'d> {
    tables: Tables,
    /// What is wrong with what is being read.
    problem: Option<Problem<'d>>,
    diagnostics: Vec<Diagnostic>,
    /// Diagnostics over [`limits::MAX_DIAGNOSTICS`].
    unsaid: u64,
    default_hash: u8,
    /// Of what every flag depends on.
    default_print: u64,
    /// Of the layers and holdouts that the item being read has used so far.
    used_print: u64,
    /// The object of segments.
    segments: Option<Json<'d>>,
    flags: Vec<Json<'d>>,
    /// By [`Item`]: segments, then flags.
    items: Vec<Item>,
    edges: Vec<graph::Edge<'d>>,
    /// Fingerprints by number; 0 for one that was refused.
    layers: Vec<u64>,
    holdouts: Vec<u64>,
    memo: Memo,
    /// What is wrong with the patterns that were refused.
    #[cfg(feature = "regex")]
    refused_regexes: Vec<String>,
    /// Bytes of variants' values that prerequisites have been tested on.
    tested: usize,
}

/// Where a condition or a rule stands: what it takes over when it names nothing of its own.
#[derive(Clone, Copy)]
struct Scope {
    unit: u16,
    hash: u8,
    /// The flag, for messages; none in a segment.
    item: usize,
    /// Whether attributes are those of an array's element.
    #[cfg(feature = "imported")]
    element: bool,
}

/// The kinds of things that a [`Memo`] holds.
mod memo {
    pub(super) const ATTRIBUTE: u8 = b'a';
    pub(super) const UNIT: u8 = b'u';
    /// Units by the numbers of their attributes.
    pub(super) const CHAIN: u8 = b'c';
    pub(super) const SEGMENT: u8 = b's';
    pub(super) const LAYER: u8 = b'l';
    pub(super) const HOLDOUT: u8 = b'h';
    #[cfg(feature = "regex")]
    pub(super) const REGEX: u8 = b'r';
    /// The first of two: strict and loose.
    pub(super) const COMPARATORS: u8 = b'0';
    /// The first of four.
    pub(super) const OPERANDS: u8 = b'2';
    /// The first of five: by type.
    pub(super) const VARIANTS: u8 = b'A';
}

/// Names of things, and what pieces of text have been compiled to before, each with its number.
struct Memo {
    keys: Symbols,
    values: Vec<u32>,
    key: String,
}

impl Memo {
    fn set_key(&mut self, kind: u8, text: &str) {
        self.key.clear();
        self.key.push(char::from(kind));
        self.key.push_str(text);
    }

    #[inline(never)]
    fn get(&mut self, kind: u8, text: &str) -> Option<u32> {
        self.set_key(kind, text);
        let key = self.keys.find(self.key.as_bytes())?;
        self.values.get(key as usize).copied()
    }

    /// What is held already stays.
    #[inline(never)]
    fn put(&mut self, kind: u8, text: &str, value: u32) {
        self.set_key(kind, text);
        let key = self.keys.intern(&self.key);
        if key as usize == self.values.len() {
            self.values.push(value);
        }
    }
}

/// The kind under which a [`Memo`] holds what a value compiles to: a string's text lacks its quotes, and
/// without the mark `["a"]` and `"[\"a\"]"` would be one.
fn json_kind(kind: u8, json: Json<'_>) -> u8 {
    if json.kind() == Kind::String {
        kind
    } else {
        kind | 0x80
    }
}

impl<'d> Loader<'d> {
    fn new(seed: u64, capacity: usize) -> Self {
        Self {
            tables: Tables::new(Symbols::new(seed, capacity)),
            problem: None,
            diagnostics: Vec::new(),
            unsaid: 0,
            default_hash: 0,
            default_print: 0,
            used_print: 0,
            segments: None,
            flags: Vec::new(),
            items: Vec::new(),
            edges: Vec::new(),
            layers: Vec::new(),
            holdouts: Vec::new(),
            memo: Memo {
                keys: Symbols::new(seed, 0),
                values: Vec::new(),
                key: String::new(),
            },
            #[cfg(feature = "regex")]
            refused_regexes: Vec::new(),
            tested: 0,
        }
    }

    /// Fills the tables.
    fn document(&mut self, root: Json<'d>) -> Head {
        let mut head = Head {
            revision: 0,
            environment: NONE,
            metadata: NONE,
        };
        if self.is_object(root) {
            self.no_doubles(root);
        }
        let mut known = [root.absent(); schema::SET_MEMBERS.len()];
        for (member, value) in root.members() {
            let place = schema::SET_MEMBERS.iter().position(|&name| name == member);
            match place.and_then(|place| known.get_mut(place)) {
                Some(slot) => *slot = value,
                None if member == "$schema" || schema::is_ignored(member) => {}
                None => self.say(Severity::Warning, &Issue::new(value, UNKNOWN), value),
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
        if self.need(format, root, m!("member `format` is missing"))
            && format.as_u64(u64::MAX) != Some(schema::FORMAT)
        {
            self.wrong(format, m!("expected format 1"));
        }
        head.revision = self.integer(
            revision,
            0,
            (0, schema::MAX_REVISION),
            m!("expected an integer from 0 to 9007199254740991"),
        );
        for (json, max, too_many) in [
            (
                segments,
                limits::MAX_SEGMENTS,
                m!("more than 10,000 segments"),
            ),
            (layers, limits::MAX_LAYERS, m!("more than 1,000 layers")),
            (holdouts, limits::MAX_LAYERS, m!("more than 1,000 holdouts")),
            (flags, usize::MAX, m!("more than 100,000 flags")),
        ] {
            if json.exists() && self.is_object(json) && json.members().count() > max {
                self.wrong(json, too_many);
            }
        }
        if self.is_wrong() {
            return head;
        }
        self.segments = Some(segments);
        // Flag keys come first: a flag's number is its key's symbol.
        let count = segments.members().count();
        self.number_flags(flags, count);
        if environment.exists() {
            let name = self.name(environment);
            head.environment = self.tables.symbols.intern(name);
        }
        self.native();
        if hash.exists() {
            self.default_hash = self.hash(hash);
        }
        head.metadata = self.metadata(metadata);
        if self.is_wrong() {
            return head;
        }
        self.default_print =
            fingerprint(environment).wrapping_add(fingerprint(hash).rotate_left(1));
        self.populations(layers, false);
        self.populations(holdouts, true);
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
        self.finish();
        head
    }

    /// What is there before anything is read.
    fn native(&mut self) {
        let tables = &mut self.tables;
        for (_, hash) in Hash::NATIVE {
            tables.hashes.push(hash);
        }
        let name = "targetingKey";
        tables.attributes.push(Attribute {
            empty_is_missing: false,
            name: tables.symbols.intern(name),
            kind: AttributeKind::TargetingKey,
        });
        tables.units.push(Span { start: 0, len: 1 });
        tables.unit_attributes.push(TARGETING_KEY);
        self.memo.put(memo::ATTRIBUTE, name, TARGETING_KEY.into());
        self.memo.put(memo::UNIT, name, 0);
    }

    fn finish(&mut self) {
        sort_by(&mut self.tables.refusals, |(a, _), (b, _)| a.cmp(b));
        if self.unsaid > 0 {
            self.diagnostics.push(Diagnostic {
                severity: Severity::Warning,
                pointer: String::new(),
                code: m!("% more").code(),
                message: concat(&[write_u64(self.unsaid, &mut [0; 20]), " more"]),
                flag: None,
            });
        }
        self.tables.shrink();
        #[cfg(not(target_family = "wasm"))]
        self.diagnostics.shrink_to_fit();
    }

    /// Adds a diagnostic that is about no flag. `base` is the member of the document that the place lies in.
    fn say(&mut self, severity: Severity, issue: &Issue<'d>, base: Json<'d>) {
        if self.diagnostics.len() == limits::MAX_DIAGNOSTICS {
            self.unsaid += 1;
            return;
        }
        let pointer = issue.pointer("", base);
        self.add(severity, issue.code(), pointer, issue.message(), None);
    }

    fn add(
        &mut self,
        severity: Severity,
        code: u8,
        pointer: String,
        message: String,
        flag: Option<String>,
    ) {
        if self.diagnostics.len() == limits::MAX_DIAGNOSTICS {
            self.unsaid += 1;
            return;
        }
        self.diagnostics.push(Diagnostic {
            severity,
            code,
            pointer,
            message,
            flag,
        });
    }

    /// Marks a segment or a flag as refused and says why, once.
    #[inline(never)]
    fn refuse(&mut self, item: usize, issue: &Issue<'d>) {
        let Some(entry) = self.items.get_mut(item) else {
            return;
        };
        if core::mem::replace(&mut entry.refused, true) {
            return;
        }
        let Some(flag) = item.checked_sub(self.tables.segments.len()) else {
            if let Some(segments) = self.segments {
                self.say(Severity::Error, issue, segments);
            }
            return;
        };
        if let Some(flag) = self.tables.flags.get_mut(flag) {
            flag.state = FlagState::Refused;
        }
        let Some(base) = self.flags.get(flag) else {
            return;
        };
        let pointer = issue.pointer("/flags", *base);
        let message = issue.message();
        let why = concat(&[&pointer, ": ", &message]);
        self.tables.refusals.push((flag as u32, why));
        let key = concat(&[self.tables.symbols.get(flag as u32)]);
        self.add(Severity::Error, issue.code(), pointer, message, Some(key));
    }

    /// Layers or holdouts.
    fn populations(&mut self, json: Json<'d>, holdouts: bool) {
        let kind = if holdouts { memo::HOLDOUT } else { memo::LAYER };
        let mut table = Vec::new();
        let mut prints = Vec::new();
        for (key, value) in json.members() {
            let population = self.population(key, value, holdouts);
            match self.memo.get(kind, key) {
                Some(first) => {
                    self.wrong(value, DOUBLE);
                    if let Some(print) = prints.get_mut(first as usize) {
                        *print = 0;
                    }
                }
                None => self.memo.put(kind, key, table.len() as u32),
            }
            table.push(population);
            prints.push(match self.problem.take() {
                None => fingerprint(value) | 1,
                Some(problem) => {
                    self.say(Severity::Error, &problem.issue, json);
                    0
                }
            });
        }
        if holdouts {
            self.holdouts = prints;
            self.tables.holdouts = table;
        } else {
            self.layers = prints;
            self.tables.layers = table;
        }
    }

    fn population(&mut self, key: &str, json: Json<'d>, holdout: bool) -> Population {
        self.check_name(json, key);
        let [unit, salt, hash, percent] = if holdout {
            self.fields(json, &schema::HOLDOUT_MEMBERS)
        } else {
            let [unit, salt, hash] = self.fields(json, &schema::LAYER_MEMBERS);
            [unit, salt, hash, json.absent()]
        };
        let mut cut = 0;
        if holdout && self.need(percent, json, m!("member `percent` is missing")) {
            cut = self.percent(percent);
        }
        let salt = if salt.exists() {
            concat(&[self.salt(salt)])
        } else {
            concat(&[if holdout { "holdout:" } else { "layer:" }, key])
        };
        let unit = self.unit_or(unit, 0);
        let number = self.hash_or(hash, self.default_hash);
        self.need_two_lanes(number, if hash.exists() { hash } else { json });
        Population {
            key: self.tables.symbols.intern(key),
            salt: self.tables.symbols.intern(&salt),
            unit,
            hash: number,
            cut,
        }
    }

    fn name_segments(&mut self, json: Json<'d>) {
        for (number, (key, _)) in json.members().enumerate() {
            let name = self.tables.symbols.intern(key);
            if let Some(segment) = self.tables.segments.get_mut(number) {
                segment.name = name;
            }
            match self.memo.get(memo::SEGMENT, key) {
                None => self.memo.put(memo::SEGMENT, key, number as u32),
                Some(first) => {
                    for item in [first as usize, number] {
                        if let Some(item) = self.items.get_mut(item) {
                            item.doubled = true;
                        }
                    }
                }
            }
        }
    }

    fn segment_conditions(&mut self, json: Json<'d>) {
        for (number, (key, value)) in json.members().enumerate() {
            let scope = Scope {
                unit: 0,
                hash: self.default_hash,
                item: number,
                #[cfg(feature = "imported")]
                element: false,
            };
            let start = self.open_item();
            self.check_name(value, key);
            if self.items.get(number).is_some_and(|item| item.doubled) {
                self.wrong(value, DOUBLE);
            }
            let root = self.condition_tree(value, scope);
            if !self.is_wrong()
                && let Some(segment) = self.tables.segments.get_mut(number)
            {
                segment.root = root;
            }
            self.close_item(number, value, start);
        }
    }

    /// How many references and conditions there are.
    fn open_item(&mut self) -> (usize, usize) {
        self.used_print = self.default_print;
        (self.edges.len(), self.tables.nodes.len())
    }

    /// Notes what an item refers to and how many rules and nodes it has, and refuses it if it is wrong.
    fn close_item(&mut self, item: usize, json: Json<'d>, (edges, nodes): (usize, usize)) {
        let problem = self.problem.take();
        if let Some(problem) = &problem {
            self.edges.truncate(problem.edges);
        }
        let edges = Span {
            start: edges as u32,
            len: (self.edges.len() - edges) as u32,
        };
        let flag = item.checked_sub(self.tables.segments.len());
        let flag = flag.and_then(|flag| self.tables.flags.get(flag));
        let rules = flag.map_or(0, |flag| flag.rule_count);
        let own = (self.tables.nodes.len() - nodes) as u32 + u32::from(rules);
        let print = self.used_print.wrapping_add(fingerprint(json));
        if let Some(item) = self.items.get_mut(item) {
            item.edges = edges;
            item.own = own;
            item.print = print;
        }
        if let Some(problem) = problem {
            self.refuse(item, &problem.issue);
        }
    }

    fn symbol_or_none(&mut self, text: &str) -> Symbol {
        if text.is_empty() {
            NONE
        } else {
            self.tables.symbols.intern(text)
        }
    }
}
