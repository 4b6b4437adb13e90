//! Attribute tests: an operator, its modifiers and its operands.

use crate::address::Block;
#[cfg(feature = "imported")]
use crate::condition::WHERE;
use crate::condition::{IGNORE_CASE, LENIENT, LOOSE, Node, Op, PADDED, SECONDS, TEXT, TYPE_NAMES};
use crate::flag_set::{Comparator, NONE, Span, TARGETING_KEY, ValueSet};
use crate::hash::COMPACT;
use crate::json::{Json, Kind};
use crate::limits;
use crate::messages::{Message, m};
use crate::number;
use crate::schema::{self, Operator};
use crate::sort::{sort, sort_by};
use crate::text::compare_folded;
use crate::version::{self, Packed};

#[cfg(feature = "imported")]
use super::Scope;
use super::fields::UNKNOWN;
use super::{Loader, json_kind, memo};

impl<'d> Loader<'d> {
    /// One operator and its modifiers, beside `attribute` if `with_attribute`.
    pub(super) fn attribute_test(
        &mut self,
        json: Json<'d>,
        attribute: u16,
        with_attribute: bool,
        depth: u32,
    ) {
        if !self.begin_condition(json, depth, m!("expected an object with one operator")) {
            return;
        }
        let mut operator = None;
        let mut modifier_values = [json.absent(); schema::MODIFIERS.len()];
        for (name, value) in json.members() {
            let modifier = schema::MODIFIERS.iter().position(|known| *known == name);
            if let Some(slot) = modifier.and_then(|at| modifier_values.get_mut(at)) {
                *slot = value;
            } else if let Some((_, known)) =
                schema::OPERATORS.iter().find(|(known, _)| *known == name)
            {
                if operator.is_some() {
                    self.wrong(value, m!("a second operator `#`"));
                }
                operator = Some((*known, value));
            } else if !(with_attribute && name == "attribute" || schema::is_ignored(name)) {
                self.wrong(value, UNKNOWN);
            }
        }
        let Some((operator, operand)) = operator else {
            return self.wrong(json, m!("no operator"));
        };
        let mut modifiers = 0;
        let [ignore_case, loose, epoch, collation, lenient] = modifier_values;
        for (json, allowed, bit) in [
            (ignore_case, operator.takes_ignore_case(), IGNORE_CASE),
            (loose, operator.takes_loose(), LOOSE),
            (
                lenient,
                operator.takes_lenient() && cfg!(feature = "imported"),
                LENIENT,
            ),
            (epoch, operator.takes_epoch(), SECONDS),
        ] {
            let on = if bit != SECONDS {
                self.boolean(json, false)
            } else {
                if json.exists() && self.text(json) != "seconds" {
                    self.wrong(json, m!("expected \"seconds\""));
                }
                json.exists()
            };
            if on {
                if !allowed {
                    self.wrong(json, m!("this operator does not take this modifier"));
                }
                modifiers |= bit;
            }
        }
        if operator.orders() && operand.kind() == Kind::String {
            modifiers |= TEXT;
        }
        if modifiers & LENIENT != 0 && modifiers & TEXT != 0 {
            self.wrong(lenient, m!("this operator does not take this modifier"));
        }
        if collation.exists() {
            self.one_of(collation, &schema::COLLATIONS);
            if modifiers & TEXT == 0 {
                self.wrong(collation, m!("only the order of texts takes a collation"));
            }
            modifiers |= PADDED;
        }
        let at = self.push(Op::Exists, 0, 0);
        let (op, a, b) = self.operator(operator, operand, modifiers, depth);
        let next = self.tables.nodes.len() as u32;
        if let Some(node) = self.tables.nodes.get_mut(at) {
            *node = Node {
                op,
                modifiers,
                attribute,
                next,
                a,
                b,
            };
        }
    }

    fn operator(
        &mut self,
        operator: Operator,
        operand: Json<'d>,
        modifiers: u8,
        depth: u32,
    ) -> (Op, u32, u32) {
        let folded = modifiers & IGNORE_CASE != 0;
        let loose = modifiers & LOOSE != 0;
        let op = op(operator);
        let (a, b) = match operator {
            Operator::Equals | Operator::In | Operator::ContainsAny | Operator::ContainsAll => {
                // Every operand is looked for in every element.
                if operator == Operator::ContainsAll
                    && operand.elements().count() > limits::MAX_TEXT_OPERANDS
                {
                    self.wrong(operand, m!("more than 1,000 operands"));
                }
                let many = operator != Operator::Equals;
                (self.value_set(operand, many, folded), 0)
            }
            Operator::Contains | Operator::StartsWith | Operator::EndsWith => self.texts(operand),
            Operator::Matches => (self.regex(operand), 0),
            Operator::LessThan
            | Operator::LessOrEqual
            | Operator::GreaterThan
            | Operator::GreaterOrEqual => {
                if modifiers & TEXT != 0 {
                    return (op, self.order_operand(operand), 0);
                }
                match operand.number() {
                    Some(number) => self.tables.numbers.push(number),
                    None => self.wrong(operand, m!("expected a number in range")),
                }
                ((self.tables.numbers.len() as u32).wrapping_sub(1), 0)
            }
            Operator::Before | Operator::NotAfter | Operator::After | Operator::NotBefore => {
                let time = self.time(operand);
                self.tables.times.push(time);
                (self.tables.times.len() as u32 - 1, 0)
            }
            Operator::Semver => self.semver(operand, loose),
            Operator::Cidr => self.blocks(operand),
            Operator::InHashed => (self.hashed(operand), 0),
            #[cfg(feature = "imported")]
            Operator::AnyElement | Operator::EveryElement
                if operand.members().any(|(name, _)| name == "where") =>
            {
                let [condition] = self.fields(operand, &schema::WHERE_MEMBERS);
                let scope = Scope {
                    unit: 0,
                    hash: 0,
                    item: usize::MAX,
                    element: true,
                };
                self.condition(condition, scope, depth + 1);
                (0, WHERE)
            }
            Operator::AnyElement | Operator::EveryElement | Operator::Size => {
                if operator == Operator::Size && !cfg!(feature = "imported") {
                    self.wrong(operand, LEFT_OUT);
                }
                self.attribute_test(operand, TARGETING_KEY, false, depth + 1);
                (0, 0)
            }
            Operator::Exists => (self.boolean(operand, false).into(), 0),
            Operator::HasType => (self.one_of(operand, &TYPE_NAMES) as u32, 0),
        };
        (op, a, b)
    }

    fn texts(&mut self, operand: Json<'d>) -> (u32, u32) {
        let start = self.tables.symbol_lists.len() as u32;
        for json in self.one_or_array(operand, limits::MAX_TEXT_OPERANDS, TOO_MANY_TEXTS) {
            let text = self.text(json);
            let symbol = self.tables.symbols.intern(text);
            self.tables.symbol_lists.push(symbol);
        }
        (start, self.tables.symbol_lists.len() as u32 - start)
    }

    fn blocks(&mut self, operand: Json<'d>) -> (u32, u32) {
        let start = self.tables.blocks.len() as u32;
        for json in self.one_or_array(operand, limits::MAX_TEXT_OPERANDS, TOO_MANY_TEXTS) {
            self.text(json);
            match Block::parse(json.text().as_bytes()) {
                Some(block) => self.tables.blocks.push(block),
                None => self.wrong(
                    json,
                    m!("expected an IP address, or a block such as 10.0.0.0/8"),
                ),
            }
        }
        (start, self.tables.blocks.len() as u32 - start)
    }

    fn semver(&mut self, operand: Json<'d>, loose: bool) -> (u32, u32) {
        let list = self.text(operand);
        let kind = memo::COMPARATORS + u8::from(loose);
        let mut len = 1;
        for byte in list.bytes() {
            len += u32::from(byte == b' ');
        }
        if let Some(start) = self.memo.get(kind, list) {
            return (start, len);
        }
        if len > 100 {
            self.wrong(operand, m!("more than 100 comparators"));
            return (0, 0);
        }
        let start = self.tables.comparators.len() as u32;
        let parts = list.as_bytes().split(|byte| *byte == b' ');
        let mut at = 0;
        for (part, read) in parts.zip(version::comparators(list.as_bytes(), loose)) {
            let text = list.get(at..at + part.len()).unwrap_or_default();
            at += part.len() + 1;
            let Some((comparison, version)) = read else {
                self.wrong(
                    operand,
                    m!("expected comparators such as \">=2.1.0 <3.0.0\""),
                );
                return (0, 0);
            };
            let packed = if COMPACT {
                Packed::NONE
            } else {
                version.packed()
            };
            self.tables.comparators.push(Comparator {
                comparison,
                loose,
                packed,
                text: if packed == Packed::NONE {
                    self.tables.symbols.intern(text)
                } else {
                    NONE
                },
            });
        }
        self.memo.put(kind, list, start);
        (start, len)
    }

    #[cfg(feature = "imported")]
    fn order_operand(&mut self, operand: Json<'d>) -> u32 {
        self.tables.symbols.intern(operand.text())
    }

    #[cfg(not(feature = "imported"))]
    fn order_operand(&mut self, operand: Json<'d>) -> u32 {
        self.wrong(operand, LEFT_OUT);
        NONE
    }

    #[cfg(not(feature = "imported"))]
    fn hashed(&mut self, operand: Json<'d>) -> u32 {
        self.wrong(operand, LEFT_OUT);
        NONE
    }

    #[cfg(feature = "regex")]
    fn regex(&mut self, operand: Json<'d>) -> u32 {
        /// Marks a number as one of a pattern that was refused.
        const REFUSED: u32 = 1 << 31;
        let pattern = self.text(operand);
        if let Some(number) = self.memo.get(memo::REGEX, pattern) {
            if number & REFUSED != 0 {
                let error = self.refused_regexes.get((number ^ REFUSED) as usize);
                let error = error.cloned().unwrap_or_default();
                self.wrong_with(operand, m!("%"), &[&error]);
            }
            return number;
        }
        if pattern.len() > limits::MAX_REGEX_BYTES {
            self.wrong(operand, m!("the pattern is longer than 1,000 bytes"));
        }
        // Those that are refused count, too: to find that out takes as long.
        let number = self.tables.regexes.len();
        if number + self.refused_regexes.len() >= limits::MAX_REGEXES {
            self.wrong(operand, m!("more than 256 different regular expressions"));
        }
        if self.is_wrong() {
            return NONE;
        }
        let regex = regex::RegexBuilder::new(pattern)
            .size_limit(limits::MAX_REGEX_COMPILED_BYTES)
            .dfa_size_limit(limits::MAX_REGEX_COMPILED_BYTES)
            .build();
        match regex {
            Ok(regex) => {
                let symbol = self.tables.symbols.intern(pattern);
                self.tables.regexes.push((symbol, regex));
                self.memo.put(memo::REGEX, pattern, number as u32);
            }
            Err(error) => {
                let error = alloc::string::ToString::to_string(&error);
                self.wrong_with(operand, m!("%"), &[&error]);
                let refused = self.refused_regexes.len() as u32;
                self.memo.put(memo::REGEX, pattern, refused | REFUSED);
                self.refused_regexes.push(error);
            }
        }
        number as u32
    }

    #[cfg(not(feature = "regex"))]
    fn regex(&mut self, operand: Json<'d>) -> u32 {
        self.text(operand);
        self.wrong(
            operand,
            m!("this build of bucketry has no regular expressions"),
        );
        NONE
    }

    /// The number of a set of operands: one value, or an array of them.
    fn value_set(&mut self, operand: Json<'d>, many: bool, folded: bool) -> u32 {
        let kind = memo::OPERANDS + 2 * u8::from(many) + u8::from(folded);
        let kind = json_kind(kind, operand);
        if let Some(number) = self.memo.get(kind, operand.text()) {
            return number;
        }
        let mut list = operand.alone();
        if many {
            let bound = m!("more than 100,000 operands");
            list = self
                .array(operand, limits::MAX_SET_OPERANDS, bound)
                .elements();
        }
        let (texts, numbers) = (self.tables.symbol_lists.len(), self.tables.numbers.len());
        let (mut has_true, mut has_false) = (false, false);
        for json in list {
            match (json.kind(), json.number()) {
                (Kind::String, _) => {
                    let symbol = self.tables.symbols.intern(json.text());
                    self.tables.symbol_lists.push(symbol);
                }
                (Kind::True, _) => has_true = true,
                (Kind::False, _) => has_false = true,
                (Kind::Number, Some(number)) => self.tables.numbers.push(number),
                (Kind::Number, None) => self.wrong(json, m!("the number is out of range")),
                _ => self.wrong(json, m!("expected a string, a number or a boolean")),
            }
        }
        let tables = &mut self.tables;
        let symbols = tables.symbol_lists.get_mut(texts..).unwrap_or_default();
        if folded {
            let bytes = |symbol: u32| tables.symbols.get(symbol).as_bytes();
            sort_by(symbols, |a, b| compare_folded(bytes(*a), bytes(*b)));
        } else {
            sort(symbols);
            let distinct = distinct(symbols);
            tables.symbol_lists.truncate(texts + distinct);
        }
        let own_numbers = tables.numbers.get_mut(numbers..).unwrap_or_default();
        sort_by(own_numbers, |a, b| {
            number::compare(*a, *b).unwrap_or(core::cmp::Ordering::Equal)
        });
        tables.sets.push(ValueSet {
            symbols: since(texts, tables.symbol_lists.len()),
            numbers: since(numbers, tables.numbers.len()),
            has_true,
            has_false,
        });
        let number = tables.sets.len() as u32 - 1;
        if !self.is_wrong() {
            self.memo.put(kind, operand.text(), number);
        }
        number
    }
}

/// Why a browser's build refuses what it does not have.
#[cfg_attr(feature = "imported", allow(dead_code, reason = "it refuses nothing"))]
pub(super) const LEFT_OUT: Message =
    m!("this build of bucketry leaves out what only imported flags use");

const TOO_MANY_TEXTS: Message = m!("more than 1,000 operands");

/// The node that tests what an operator asks.
fn op(operator: Operator) -> Op {
    match operator {
        Operator::Equals | Operator::In => Op::In,
        Operator::Contains => Op::Contains,
        Operator::StartsWith => Op::StartsWith,
        Operator::EndsWith => Op::EndsWith,
        #[cfg(feature = "regex")]
        Operator::Matches => Op::Matches,
        Operator::LessThan => Op::Less,
        Operator::LessOrEqual => Op::LessOrEqual,
        Operator::GreaterThan => Op::Greater,
        Operator::GreaterOrEqual => Op::GreaterOrEqual,
        Operator::Before => Op::Before,
        Operator::NotAfter => Op::NotAfter,
        Operator::After => Op::After,
        Operator::NotBefore => Op::NotBefore,
        Operator::Semver => Op::Semver,
        Operator::Cidr => Op::Cidr,
        Operator::ContainsAny => Op::ContainsAny,
        Operator::ContainsAll => Op::ContainsAll,
        #[cfg(feature = "imported")]
        Operator::InHashed => Op::InHashed,
        Operator::AnyElement => Op::AnyElement,
        Operator::EveryElement => Op::EveryElement,
        #[cfg(feature = "imported")]
        Operator::Size => Op::Size,
        Operator::HasType => Op::HasType,
        // Of what this build lacks nothing is ever resolved.
        _ => Op::Exists,
    }
}

/// Moves the distinct ones of a sorted list to its front. How many those are.
fn distinct(list: &mut [u32]) -> usize {
    let mut count = 0;
    let mut last = None;
    for at in 0..list.len() {
        let next = list.get(at).copied();
        if next != last
            && let (Some(slot), Some(next)) = (list.get_mut(count), next)
        {
            *slot = next;
            count += 1;
        }
        last = next;
    }
    count
}

fn since(start: usize, end: usize) -> Span {
    Span {
        start: start as u32,
        len: (end - start) as u32,
    }
}
