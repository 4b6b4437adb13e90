//! What a part of a flag set means, as text: equal texts exactly when the meaning is equal, whatever numbers
//! the two sets gave to their names, and in whatever order a document lists what has no order.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::condition::{IGNORE_CASE, Node, Op, TEXT};
use crate::flag_set::{
    Draw, Flag, FlagSet, FlagState, NONE, Population, Range, Rule, Span, Tables, ValueSet,
    VariantValue,
};
#[cfg(feature = "imported")]
use crate::formula::Formula;
use crate::number::{Number, integral, write_u64};
use crate::symbols::Symbols;
use crate::version::Packed;

/// Texts of what segments and prerequisites mean, numbered, of both sets alike.
pub(super) struct Meanings(Symbols);

impl Meanings {
    /// `set` gives the seed: nobody can write names that all collide.
    pub(super) fn new(set: &FlagSet) -> Self {
        Self(Symbols::new(set.tables.symbols.seed(), 0))
    }
}

/// One of the two sets, and what is known of it.
pub(super) struct Side<'a> {
    pub(super) set: &'a FlagSet,
    /// By segment: the number of its meaning, or [`NONE`].
    segments: Vec<u32>,
    /// By flag that is a prerequisite: likewise.
    flags: Vec<u32>,
}

impl<'a> Side<'a> {
    pub(super) fn new(set: &'a FlagSet) -> Self {
        Self {
            set,
            segments: vec![NONE; set.tables.segments.len()],
            flags: vec![NONE; set.tables.flags.len()],
        }
    }

    /// The meaning of a flag.
    pub(super) fn flag(&mut self, flag: u32, meanings: &mut Meanings) -> String {
        let mut writer = Writer::new(self, Some(meanings));
        writer.whole_flag(flag);
        writer.out
    }

    /// The number of the meaning of a condition: that of its segment, if it is one.
    pub(super) fn condition(&mut self, mut node: u32, meanings: &mut Meanings) -> u32 {
        let tables = &self.set.tables;
        while let Some(segment) = tables
            .nodes
            .get(node as usize)
            .filter(|node| node.op == Op::Segment)
            .and_then(|node| tables.segments.get(node.a as usize))
        {
            node = segment.root;
        }
        let mut writer = Writer::new(self, Some(meanings));
        writer.node(node);
        let out = writer.out;
        meanings.0.intern(&out)
    }

    /// What a condition says, with segments and flags by their names.
    pub(super) fn said(&mut self, node: u32) -> String {
        let mut writer = Writer::new(self, None);
        writer.node(node);
        writer.out
    }

    /// What a rule says, likewise, but for its id.
    pub(super) fn rule_said(&mut self, flag: u32, rule: &Rule) -> String {
        let mut writer = Writer::new(self, None);
        writer.rule(flag, rule, false);
        writer.out
    }
}

struct Writer<'w, 'a> {
    side: &'w mut Side<'a>,
    tables: &'a Tables,
    /// None: segments and flags are written by name.
    meanings: Option<&'w mut Meanings>,
    out: String,
}

impl<'w, 'a> Writer<'w, 'a> {
    fn new(side: &'w mut Side<'a>, meanings: Option<&'w mut Meanings>) -> Self {
        Self {
            tables: &side.set.tables,
            side,
            meanings,
            out: String::new(),
        }
    }

    fn number(&mut self, number: u64) {
        self.out.push_str(write_u64(number, &mut [0; 20]));
        self.out.push(' ');
    }

    /// With its length before it, so that no text can be taken for what follows.
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.out.push_str(text);
    }

    fn symbol(&mut self, symbol: u32) {
        self.text(self.tables.symbols.get(symbol));
    }

    fn value(&mut self, value: VariantValue) {
        match value {
            VariantValue::Boolean(value) => self.out.push(if value { 't' } else { 'f' }),
            VariantValue::String(text) => {
                self.out.push('s');
                self.symbol(text);
            }
            VariantValue::Integer(value) => {
                self.out.push('i');
                self.number(value as u64);
            }
            VariantValue::Number(value) => {
                self.out.push('d');
                self.number(value.to_bits());
            }
            VariantValue::Object(json) => {
                self.out.push('o');
                self.symbol(json);
            }
        }
    }

    /// Writes some entries in an order that depends on nothing but what they say.
    fn unordered(&mut self, count: usize, mut write: impl FnMut(&mut Self, usize)) {
        let outer = core::mem::take(&mut self.out);
        let mut ends = Vec::with_capacity(count);
        for entry in 0..count {
            write(self, entry);
            ends.push(self.out.len());
        }
        let written = core::mem::replace(&mut self.out, outer);
        let mut start = 0;
        let mut entries: Vec<&str> = Vec::with_capacity(count);
        for end in ends {
            entries.extend(written.get(start..end));
            start = end;
        }
        entries.sort_unstable();
        entries.dedup();
        self.number(entries.len() as u64);
        for entry in entries {
            self.out.push_str(entry);
        }
    }

    fn whole_flag(&mut self, number: u32) {
        let tables = self.tables;
        let Some(flag) = tables.flags.get(number as usize) else {
            return;
        };
        if flag.state == FlagState::Refused {
            self.out.push('!');
            let why = self.side.set.refusal(number);
            self.text(why.unwrap_or_default());
            return;
        }
        self.number(flag.value_type as u64);
        let variants = Span {
            start: flag.variants,
            len: flag.variant_count.into(),
        }
        .of(&tables.variants);
        self.unordered(variants.len(), |this, at| {
            if let Some(variant) = variants.get(at) {
                this.symbol(variant.name);
                this.value(variant.value);
            }
        });
        let metadata = tables.metadata_spans.get(flag.metadata as usize);
        let metadata = metadata.copied().unwrap_or_default().of(&tables.metadata);
        self.unordered(metadata.len(), |this, at| {
            if let Some(entry) = metadata.get(at) {
                this.symbol(entry.name);
                this.value(entry.value);
            }
        });
        self.serving(number, flag, true);
    }

    /// What decides which variant a flag serves; `named`: and what it says of itself when it does.
    fn serving(&mut self, number: u32, flag: &Flag, named: bool) {
        self.out.push(if flag.state == FlagState::Enabled {
            '+'
        } else {
            '-'
        });
        self.variant(number, flag.default);
        self.variant(number, flag.off);
        let rules = Span {
            start: flag.rules,
            len: flag.rule_count.into(),
        };
        self.number(rules.len.into());
        for rule in rules.of(&self.tables.rules) {
            self.rule(number, rule, named);
        }
    }

    fn variant(&mut self, flag: u32, variant: u16) {
        match self.side.set.variant_name(flag, variant) {
            Some(name) => self.text(name),
            None => self.out.push('_'),
        }
    }

    fn rule(&mut self, flag: u32, rule: &Rule, named: bool) {
        let tables = self.tables;
        if named {
            if rule.id != NONE {
                self.symbol(rule.id);
            }
            self.out.push('|');
            self.number(rule.reason as u64);
        }
        if let Some(window) = tables.windows.get(rule.window as usize) {
            self.out.push('w');
            self.number(window.from as u64);
            self.number(window.until as u64);
        }
        if rule.condition != NONE {
            self.out.push('c');
            self.node(rule.condition);
        }
        self.variant(flag, rule.serve);
        if let Some(draw) = tables.draws.get(rule.draw as usize) {
            self.draw(flag, draw);
        }
        self.out.push(if rule.stop { '.' } else { ';' });
    }

    fn draw(&mut self, flag: u32, draw: &Draw) {
        let tables = self.tables;
        self.out.push('d');
        self.lane(draw.salt, draw.unit, draw.hash);
        self.number(draw.missing as u64);
        self.number(if draw.has_rollout {
            draw.rollout
        } else {
            u64::MAX
        });
        self.number(draw.arms.len.into());
        for arm in draw.arms.of(&tables.arms) {
            self.number(arm.start);
            self.number(arm.end);
            self.variant(flag, arm.variant);
        }
        let Some(experiment) = tables.experiments.get(draw.experiment as usize) else {
            return;
        };
        self.out.push('e');
        self.symbol(experiment.key);
        self.number(experiment.phase.into());
        self.number(experiment.sticky.into());
        if let Some(layer) = tables.layers.get(experiment.layer as usize) {
            self.out.push('l');
            self.population(layer);
            self.ranges(experiment.slots.of(&tables.ranges));
        }
        for &holdout in experiment.holdouts.of(&tables.holdout_lists) {
            if let Some(holdout) = tables.holdouts.get(holdout as usize) {
                self.out.push('h');
                self.population(holdout);
            }
        }
    }

    fn population(&mut self, population: &Population) {
        self.symbol(population.key);
        self.lane(population.salt, population.unit, population.hash);
        self.number(population.cut);
    }

    fn lane(&mut self, salt: u32, unit: u16, hash: u8) {
        self.symbol(salt);
        let chain = self.tables.units.get(usize::from(unit)).copied();
        let chain = chain.unwrap_or_default().of(&self.tables.unit_attributes);
        self.number(chain.len() as u64);
        for &attribute in chain {
            self.text(self.side.set.attribute_name(attribute));
            let attribute = self.tables.attributes.get(usize::from(attribute));
            self.number(attribute.is_some_and(|each| each.empty_is_missing).into());
        }
        match self.tables.hash(hash) {
            #[cfg(feature = "imported")]
            crate::Hash::Md5Mod { modulus } => self.number(modulus),
            #[cfg(feature = "imported")]
            crate::Hash::Imported { formula, modulus } => {
                self.out.push_str(formula.name());
                self.number(modulus);
                match formula {
                    Formula::Murmur3 { seed } => self.number(seed.into()),
                    Formula::Fnv1aSuffix { text } | Formula::Fnv1aTwice { text } => {
                        self.out.push_str(text.name());
                    }
                    _ => {}
                }
            }
            native => self.out.push_str(native.name()),
        }
    }

    fn ranges(&mut self, ranges: &[Range]) {
        let merged = merged(ranges);
        self.number(merged.len() as u64);
        for range in merged {
            self.number(range.start);
            self.number(range.end);
        }
    }

    fn node(&mut self, index: u32) {
        let tables = self.tables;
        let Some(node) = tables.nodes.get(index as usize) else {
            return;
        };
        self.number(node.op as u64);
        match node.op {
            Op::Always => self.number(node.a.into()),
            Op::Error => self.symbol(node.a),
            Op::All | Op::Any | Op::Not => {
                let mut child = index + 1;
                while child < node.next {
                    self.node(child);
                    child = tables.nodes.get(child as usize).map_or(NONE, |n| n.next);
                }
                self.out.push(')');
            }
            Op::Segment => self.segment(node.a),
            Op::FlagIs => {
                let wanted = tables.lists(node.b);
                self.prerequisite(node.a);
                self.unordered(wanted.len(), |this, at| {
                    if let Some(variant) = wanted.get(at) {
                        this.variant(node.a, *variant as u16);
                    }
                });
            }
            Op::FlagEnabled => {
                let state = tables.flags.get(node.a as usize).map(|flag| flag.state);
                if self.meanings.is_some() {
                    let enabled = state == Some(FlagState::Enabled);
                    self.number((enabled == (node.b == 1)).into());
                } else {
                    self.symbol(node.a);
                    self.number(node.b.into());
                }
            }
            Op::Position => {
                if let Some(test) = tables.positions.get(node.a as usize) {
                    self.lane(test.salt, test.unit, test.hash);
                    self.number(test.enrol_lane.into());
                    self.number(test.missing as u64);
                    self.ranges(test.ranges.of(&tables.ranges));
                }
            }
            Op::HashedIds => {
                if let Some(list) = tables.id_lists.get(node.a as usize) {
                    self.lane(list.salt, list.unit, 0);
                    self.number(list.hashes.len() as u64);
                    for digest in digests(&list.hashes) {
                        self.number(digest);
                    }
                }
            }
            #[cfg(feature = "imported")]
            Op::Prior => {
                let list = tables.symbol_lists.get(node.a as usize..);
                if let Some([experiment, first, end, names @ ..]) = list {
                    self.symbol(*experiment);
                    self.number((*first).into());
                    self.number((*end).into());
                    self.number(node.b.into());
                    let count = if node.b == NONE { 0 } else { node.b as usize };
                    self.unordered(count, |this, at| {
                        if let Some(name) = names.get(at) {
                            this.symbol(*name);
                        }
                    });
                }
            }
            _ => self.attribute_test(index, node),
        }
    }

    fn segment(&mut self, number: u32) {
        let Some(segment) = self.tables.segments.get(number as usize).copied() else {
            return;
        };
        if self.meanings.is_none() {
            return self.symbol(segment.name);
        }
        let known = self.side.segments.get(number as usize).copied();
        let meaning = match known {
            Some(meaning) if meaning != NONE => meaning,
            _ => {
                let meaning = self.apart(|this| this.node(segment.root));
                if let Some(known) = self.side.segments.get_mut(number as usize) {
                    *known = meaning;
                }
                meaning
            }
        };
        self.number(meaning.into());
    }

    fn prerequisite(&mut self, number: u32) {
        let Some(flag) = self.tables.flags.get(number as usize).copied() else {
            return;
        };
        if self.meanings.is_none() {
            return self.symbol(number);
        }
        let known = self.side.flags.get(number as usize).copied();
        let meaning = match known {
            Some(meaning) if meaning != NONE => meaning,
            _ => {
                let meaning = self.apart(|this| this.serving(number, &flag, false));
                if let Some(known) = self.side.flags.get_mut(number as usize) {
                    *known = meaning;
                }
                meaning
            }
        };
        self.number(meaning.into());
    }

    /// The number of a meaning that is written for itself.
    fn apart(&mut self, write: impl FnOnce(&mut Self)) -> u32 {
        let outer = core::mem::take(&mut self.out);
        write(self);
        let written = core::mem::replace(&mut self.out, outer);
        match &mut self.meanings {
            Some(meanings) => meanings.0.intern(&written),
            None => NONE,
        }
    }

    fn attribute_test(&mut self, index: u32, node: &Node) {
        let tables = self.tables;
        self.number(node.modifiers.into());
        self.text(self.side.set.attribute_name(node.attribute));
        let folded = node.modifiers & IGNORE_CASE != 0;
        let span = Span {
            start: node.a,
            len: node.b,
        };
        match node.op {
            Op::In | Op::ContainsAny | Op::ContainsAll => {
                if let Some(set) = tables.sets.get(node.a as usize) {
                    self.set(set, folded);
                }
            }
            Op::Contains | Op::StartsWith | Op::EndsWith => {
                let texts = span.of(&tables.symbol_lists);
                self.unordered(texts.len(), |this, at| {
                    if let Some(text) = texts.get(at) {
                        this.operand(*text, folded);
                    }
                });
            }
            #[cfg(feature = "regex")]
            Op::Matches => {
                if let Some((pattern, _)) = tables.regexes.get(node.a as usize) {
                    self.symbol(*pattern);
                }
            }
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual
                if node.modifiers & TEXT != 0 =>
            {
                self.symbol(node.a);
            }
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                if let Some(number) = tables.numbers.get(node.a as usize) {
                    self.operand_number(*number);
                }
            }
            Op::Before | Op::NotAfter | Op::After | Op::NotBefore => {
                let time = tables.times.get(node.a as usize).copied();
                self.number(time.unwrap_or_default() as u64);
            }
            Op::Semver => {
                self.number(span.len.into());
                for comparator in span.of(&tables.comparators) {
                    self.number(comparator.comparison as u64);
                    self.number(comparator.packed.0);
                    if comparator.packed == Packed::NONE {
                        self.symbol(comparator.text);
                    }
                }
            }
            Op::Cidr => {
                let blocks = span.of(&tables.blocks);
                self.unordered(blocks.len(), |this, at| {
                    if let Some(block) = blocks.get(at) {
                        for part in block.parts() {
                            this.number(part);
                        }
                    }
                });
            }
            Op::AnyElement | Op::EveryElement => {
                self.number(node.b.into());
                self.node(index + 1);
            }
            #[cfg(feature = "imported")]
            Op::Size => self.node(index + 1),
            #[cfg(feature = "imported")]
            Op::InHashed => {
                if let Some(operands) = tables.hashed.get(node.a as usize) {
                    self.symbol(operands.prefix);
                    self.symbol(operands.suffix);
                    let (kind, length) = operands.part.kind_and_length();
                    self.number(kind);
                    self.number(length);
                    let words = operands.digests.words();
                    self.number(operands.digests.len() as u64);
                    self.number(words.len() as u64);
                    for digest in digests(&words) {
                        self.number(digest);
                    }
                }
            }
            Op::Exists | Op::HasType => self.number(node.a.into()),
            #[cfg(feature = "imported")]
            Op::Prior => {}
            Op::Always
            | Op::Error
            | Op::All
            | Op::Any
            | Op::Not
            | Op::Segment
            | Op::FlagIs
            | Op::FlagEnabled
            | Op::Position
            | Op::HashedIds => {}
        }
    }

    fn set(&mut self, set: &ValueSet, folded: bool) {
        let tables = self.tables;
        let texts = set.symbols.of(&tables.symbol_lists);
        self.unordered(texts.len(), |this, at| {
            if let Some(text) = texts.get(at) {
                this.operand(*text, folded);
            }
        });
        let numbers = set.numbers.of(&tables.numbers);
        self.unordered(numbers.len(), |this, at| {
            if let Some(number) = numbers.get(at) {
                this.operand_number(*number);
            }
        });
        self.number(set.has_true.into());
        self.number(set.has_false.into());
    }

    fn operand(&mut self, symbol: u32, folded: bool) {
        let text = self.tables.symbols.get(symbol);
        self.number(text.len() as u64);
        for character in text.chars() {
            self.out.push(if folded {
                character.to_ascii_lowercase()
            } else {
                character
            });
        }
    }

    /// 1 and 1.0 are one number.
    fn operand_number(&mut self, number: Number) {
        let integer = match number {
            Number::Integer(integer) => Some(integer),
            Number::Double(double) => integral(double),
        };
        match (integer, number) {
            (Some(integer), _) => self.number(integer as u64),
            (None, Number::Double(double)) => {
                self.out.push('d');
                self.number(double.to_bits());
            }
            _ => {}
        }
    }
}

/// Ranges in ascending order, none of which touch.
pub(super) fn merged(ranges: &[Range]) -> Vec<Range> {
    let mut merged: Vec<Range> = ranges.to_vec();
    merged.sort_unstable_by_key(|range| range.start);
    merged.dedup_by(|next, last| {
        let touch = next.start <= last.end;
        if touch {
            last.end = last.end.max(next.end);
        }
        touch
    });
    merged
}

/// Two digests of a list of ids: each step is one to one, so lists of one length that differ in one place
/// never agree, and others with a chance of 2^-128.
fn digests(hashes: &[u64]) -> [u64; 2] {
    let fold = |factor: u64| {
        hashes.iter().fold(0, |sum: u64, hash| {
            (sum.rotate_left(5) ^ hash).wrapping_mul(factor)
        })
    };
    [fold(0x9E37_79B1_85EB_CA87), fold(0xC2B2_AE3D_27D4_EB4F)]
}

impl FlagSet {
    /// The keys of the flags that `other` may resolve differently: in the order of `other`, then those that it
    /// no longer has. Compares what the flags mean, through segments, layers, holdouts and prerequisites,
    /// so another rendering of the same flags changes none.
    ///
    /// Takes time and memory in proportion to the two sets.
    #[must_use]
    pub fn changed_flags<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let mut meanings = Meanings::new(other);
        let mut old = Side::new(self);
        let mut new = Side::new(other);
        let mut changed = Vec::new();
        for (number, key) in other.flag_keys().enumerate() {
            let before = self
                .flag(key)
                .map(|flag| old.flag(flag.flag, &mut meanings));
            if before.is_none_or(|before| before != new.flag(number as u32, &mut meanings)) {
                changed.push(key);
            }
        }
        changed.extend(self.flag_keys().filter(|key| other.flag(key).is_none()));
        changed
    }
}
