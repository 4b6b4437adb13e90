//! Conditions: from JSON to nodes in preorder.

use alloc::vec::Vec;

use crate::address::Block;
use crate::condition::{FLAT, IGNORE_CASE, LOOSE, Node, Op, SECONDS, TYPE_NAMES, compare_folded};
use crate::context::attribute_value;
use crate::flag_set::{
    Comparator, IdList, MissingUnit, NONE, NONE16, PositionTest, Range, Span, TARGETING_KEY,
    ValueSet, VariantValue,
};
use crate::hashed_ids;
use crate::json::{Document, Json, Kind};
use crate::limits;
use crate::number::{self, Number};
use crate::schema::{self, Operator};
use crate::sort::{sort, sort_by};
use crate::value::AttributeValue;
use crate::version;

use super::fields::{
    array, boolean, fields, issue, no_doubles, percent, salt, text, time, unknown,
};
use super::graph::Edge;
use super::rules::{MISSING, one_of, range};
use super::{Load, Loader, Scope, memo_key};

impl<'d> Loader<'d> {
    /// A whole condition; the number of its root.
    pub(super) fn condition_tree(&mut self, json: Json<'d>, scope: Scope) -> Load<'d, u32> {
        let root = self.tables.nodes.len();
        self.condition(json, scope, 1)?;
        if self.tables.nodes.len() - root > limits::MAX_CONDITIONS {
            return Err(issue(json, &["more than 10,000 conditions"]));
        }
        Ok(root as u32)
    }

    fn push(&mut self, op: Op, a: u32, b: u32) -> usize {
        let at = self.tables.nodes.len();
        self.tables.nodes.push(Node {
            op,
            modifiers: 0,
            attribute: NONE16,
            next: at as u32 + 1,
            a,
            b,
        });
        at
    }

    /// Sets where the subtree of a node ends: here.
    fn end_subtree(&mut self, at: usize) {
        let next = self.tables.nodes.len() as u32;
        let children = self.tables.nodes.iter().enumerate().skip(at + 1);
        let flat = children
            .into_iter()
            .all(|(at, node)| node.op.tests_attribute() && node.next as usize == at + 1);
        if let Some(node) = self.tables.nodes.get_mut(at) {
            node.next = next;
            if flat && matches!(node.op, Op::All | Op::Any) {
                node.modifiers |= FLAT;
            }
        }
    }

    fn condition(&mut self, json: Json<'d>, scope: Scope, depth: u32) -> Load<'d, ()> {
        if depth > limits::MAX_CONDITION_DEPTH {
            return Err(issue(json, &["conditions nest deeper than 32 levels"]));
        }
        if json.kind() != Kind::Object {
            return Err(issue(json, &["expected a condition, which is an object"]));
        }
        no_doubles(json)?;
        let mut kinds = json.members().filter_map(|(name, value)| {
            let kind = schema::CONDITION_KINDS
                .iter()
                .find(|known| **known == name)?;
            Some((*kind, value))
        });
        let (Some((kind, value)), None) = (kinds.next(), kinds.next()) else {
            let kinds = schema::CONDITION_KINDS.join(", ");
            return Err(issue(json, &["expected exactly one of: ", &kinds]));
        };
        match kind {
            "attribute" => {
                let attribute = self.attribute(value)?;
                return self.attribute_test(json, attribute, true, depth);
            }
            "flag" => return self.prerequisite(json, value, scope),
            "hashedIds" => return self.hashed_ids(json, value),
            _ => {}
        }
        if let Some((name, value)) = json
            .members()
            .find(|(name, _)| *name != kind && !schema::is_ignored(name))
        {
            return Err(unknown(value, name));
        }
        match kind {
            "all" | "any" => {
                let op = if kind == "all" { Op::All } else { Op::Any };
                let at = self.push(op, 0, 0);
                let bound = "more than 10,000 conditions";
                for element in array(value, limits::MAX_CONDITIONS, bound)?.elements() {
                    self.condition(element, scope, depth + 1)?;
                }
                self.end_subtree(at);
            }
            "not" => {
                let at = self.push(Op::Not, 0, 0);
                self.condition(value, scope, depth + 1)?;
                self.end_subtree(at);
            }
            "always" => {
                let always = boolean(value)?;
                self.push(Op::Always, always.into(), 0);
            }
            "segment" => {
                let name = text(value)?;
                let segment = self.segments.find(&self.tables.symbols, name);
                let segment =
                    segment.ok_or_else(|| issue(value, &["there is no segment `", name, "`"]))?;
                self.edges.push(Edge {
                    to: segment,
                    at: value,
                });
                self.push(Op::Segment, segment, 0);
            }
            _ => self.position(value, scope)?,
        }
        Ok(())
    }

    fn prerequisite(&mut self, json: Json<'d>, key: Json<'d>, scope: Scope) -> Load<'d, ()> {
        let [_, is, enabled, value] = fields(json, &schema::PREREQUISITE_MEMBERS)?;
        let name = text(key)?;
        let flag = self
            .tables
            .symbols
            .find(name.as_bytes())
            .filter(|&flag| (flag as usize) < self.flags.len())
            .ok_or_else(|| issue(key, &["there is no flag `", name, "`"]))?;
        let item = self.flag_item(flag as usize);
        if item == scope.item {
            return Err(issue(key, &["this refers back to itself in a circle"]));
        }
        self.edges.push(Edge {
            to: item as u32,
            at: key,
        });
        // The variants of a refused flag are not known; the reference will be refused with it.
        let refused = self.is_refused(flag as usize);
        let variants = self.flag_variants(flag);
        let mut wanted: Vec<u32> = Vec::new();
        match (is, enabled, value) {
            (None, Some(enabled), None) => {
                let enabled = boolean(enabled)?;
                self.push(Op::FlagEnabled, flag, enabled.into());
                return Ok(());
            }
            (Some(is), None, None) => {
                if is.kind() == Kind::String {
                    if !refused {
                        wanted.push(self.variant_in(variants, is)?.into());
                    }
                } else {
                    let bound = "more than 1,000 variants";
                    for element in array(is, limits::MAX_VARIANTS, bound)?.elements() {
                        text(element)?;
                        if !refused {
                            wanted.push(self.variant_in(variants, element)?.into());
                        }
                    }
                }
            }
            (None, None, Some(test)) => {
                let at = self.tables.nodes.len();
                self.attribute_test(test, TARGETING_KEY, false, 1)?;
                for number in 0..variants.len {
                    if !refused && self.variant_passes(at as u32, variants.start + number) {
                        wanted.push(number);
                    }
                }
                self.tables.nodes.truncate(at);
            }
            _ => {
                return Err(issue(
                    json,
                    &["expected exactly one of: is, enabled, value"],
                ));
            }
        }
        let list = self.tables.symbol_lists.len() as u32;
        self.tables.symbol_lists.push(wanted.len() as u32);
        self.tables.symbol_lists.append(&mut wanted);
        self.push(Op::FlagIs, flag, list);
        Ok(())
    }

    /// Whether the value of a variant passes the test at a node.
    fn variant_passes(&self, node: u32, variant: u32) -> bool {
        let tables = &self.tables;
        let (Some(test), Some(variant)) = (
            tables.nodes.get(node as usize),
            tables.variants.get(variant as usize),
        ) else {
            return false;
        };
        let value = match variant.value {
            VariantValue::Boolean(value) => AttributeValue::Bool(value),
            VariantValue::Integer(value) => AttributeValue::Integer(value),
            VariantValue::Number(value) => AttributeValue::Number(value),
            VariantValue::String(text) => tables.symbols.get(text).into(),
            VariantValue::Object(json) => {
                let json = tables.symbols.get(json).as_bytes();
                match Document::parse(json, limits::MAX_DOCUMENT_BYTES) {
                    Ok(document) => {
                        attribute_value(document.root()).unwrap_or(AttributeValue::Null)
                    }
                    Err(_) => AttributeValue::Null,
                }
            }
        };
        !value.is_missing() && tables.test(node, test, &value)
    }

    fn position(&mut self, json: Json<'d>, scope: Scope) -> Load<'d, ()> {
        let [own_salt, unit, hash, lane, missing, ranges, share] =
            fields(json, &schema::POSITION_MEMBERS)?;
        let own_salt = own_salt.ok_or_else(|| issue(json, &["member `salt` is missing"]))?;
        let own_salt = salt(own_salt)?;
        let hash = match hash {
            Some(hash) => self.hash(hash)?,
            None => scope.hash,
        };
        let enrol_lane = match lane {
            Some(lane) => one_of(lane, &schema::LANES, &[false, true])?,
            None => share.is_some(),
        };
        if enrol_lane {
            self.need_two_lanes(hash, lane.or(share).unwrap_or(json))?;
        }
        let unit = match unit {
            Some(unit) => self.unit(unit)?,
            None => scope.unit,
        };
        let missing = match missing {
            Some(missing) => one_of(missing, &schema::MISSING_POSITION, &MISSING)?,
            None => MissingUnit::Skip,
        };
        let start = self.tables.ranges.len() as u32;
        match (ranges, share) {
            (Some(ranges), None) => {
                let modulus = self.tables.hash(hash).modulus();
                let bound = "more than 1,000 ranges";
                for pair in array(ranges, limits::MAX_POSITION_RANGES, bound)?.elements() {
                    let range = range(pair, modulus)?;
                    self.tables.ranges.push(range);
                }
            }
            (None, Some(share)) => {
                if let Some(lane) = lane {
                    return Err(issue(lane, &["`percent` has a lane of its own"]));
                }
                let end = percent(share)?;
                self.tables.ranges.push(Range { start: 0, end });
            }
            _ => return Err(issue(json, &["expected either `ranges` or `percent`"])),
        }
        let test = PositionTest {
            salt: self.tables.symbols.intern(own_salt),
            unit,
            hash,
            enrol_lane,
            missing,
            ranges: Span {
                start,
                len: self.tables.ranges.len() as u32 - start,
            },
        };
        self.tables.positions.push(test);
        self.push(Op::Position, self.tables.positions.len() as u32 - 1, 0);
        Ok(())
    }

    fn hashed_ids(&mut self, json: Json<'d>, list: Json<'d>) -> Load<'d, ()> {
        let [_, own_salt, unit] = fields(json, &schema::HASHED_IDS_MEMBERS)?;
        let own_salt = own_salt.ok_or_else(|| issue(json, &["member `salt` is missing"]))?;
        let own_salt = salt(own_salt)?;
        let unit = match unit {
            Some(unit) => self.unit(unit)?,
            None => 0,
        };
        let encoded = text(list)?;
        let hashes = hashed_ids::decode_ids(encoded.as_bytes(), limits::MAX_HASHED_IDS)
            .map_err(|error| issue(list, &[error.problem.message()]))?;
        let salt = self.tables.symbols.intern(own_salt);
        self.tables.id_lists.push(IdList { salt, unit, hashes });
        self.push(Op::HashedIds, self.tables.id_lists.len() as u32 - 1, 0);
        Ok(())
    }

    /// One operator and its modifiers, beside `attribute` if `with_attribute`.
    fn attribute_test(
        &mut self,
        json: Json<'d>,
        attribute: u16,
        with_attribute: bool,
        depth: u32,
    ) -> Load<'d, ()> {
        if depth > limits::MAX_CONDITION_DEPTH {
            return Err(issue(json, &["conditions nest deeper than 32 levels"]));
        }
        if json.kind() != Kind::Object {
            return Err(issue(json, &["expected an object with one operator"]));
        }
        no_doubles(json)?;
        let mut operator = None;
        let [mut ignore_case, mut loose, mut epoch] = [None; 3];
        for (name, value) in json.members() {
            match name {
                "attribute" if with_attribute => {}
                "ignoreCase" => ignore_case = Some(value),
                "loose" => loose = Some(value),
                "epoch" => epoch = Some(value),
                _ => {
                    let known = schema::OPERATORS.iter().find(|(known, _)| *known == name);
                    match known {
                        Some((_, known)) if operator.is_none() => {
                            operator = Some((*known, value));
                        }
                        Some(_) => {
                            return Err(issue(value, &["a second operator `", name, "`"]));
                        }
                        None if schema::is_ignored(name) => {}
                        None => return Err(unknown(value, name)),
                    }
                }
            }
        }
        let Some((operator, operand)) = operator else {
            return Err(issue(json, &["no operator"]));
        };
        let mut modifiers = 0;
        for (json, allowed, bit) in [
            (ignore_case, operator.takes_ignore_case(), IGNORE_CASE),
            (loose, operator.takes_loose(), LOOSE),
        ] {
            if let Some(json) = json {
                if boolean(json)? {
                    if !allowed {
                        return Err(issue(json, &["this operator does not take this modifier"]));
                    }
                    modifiers |= bit;
                }
            }
        }
        if let Some(json) = epoch {
            if text(json)? != "seconds" {
                return Err(issue(json, &["expected \"seconds\""]));
            }
            if !operator.takes_epoch() {
                return Err(issue(json, &["this operator does not take this modifier"]));
            }
            modifiers |= SECONDS;
        }
        let at = self.push(Op::Exists, 0, 0);
        let (op, a, b) = self.operator(operator, operand, modifiers, depth)?;
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
        Ok(())
    }

    fn operator(
        &mut self,
        operator: Operator,
        operand: Json<'d>,
        modifiers: u8,
        depth: u32,
    ) -> Load<'d, (Op, u32, u32)> {
        let folded = modifiers & IGNORE_CASE != 0;
        let loose = modifiers & LOOSE != 0;
        Ok(match operator {
            Operator::Equals => (Op::In, self.value_set(operand, false, folded)?, 0),
            Operator::In => (Op::In, self.value_set(operand, true, folded)?, 0),
            Operator::ContainsAny => (Op::ContainsAny, self.value_set(operand, true, false)?, 0),
            Operator::ContainsAll => (Op::ContainsAll, self.value_set(operand, true, false)?, 0),
            Operator::Contains => self.texts(Op::Contains, operand)?,
            Operator::StartsWith => self.texts(Op::StartsWith, operand)?,
            Operator::EndsWith => self.texts(Op::EndsWith, operand)?,
            Operator::Matches => self.regex(operand)?,
            Operator::LessThan => self.number(Op::Less, operand)?,
            Operator::LessOrEqual => self.number(Op::LessOrEqual, operand)?,
            Operator::GreaterThan => self.number(Op::Greater, operand)?,
            Operator::GreaterOrEqual => self.number(Op::GreaterOrEqual, operand)?,
            Operator::Before => self.time(Op::Before, operand)?,
            Operator::NotAfter => self.time(Op::NotAfter, operand)?,
            Operator::After => self.time(Op::After, operand)?,
            Operator::NotBefore => self.time(Op::NotBefore, operand)?,
            Operator::Semver => self.semver(operand, loose)?,
            Operator::Cidr => self.blocks(operand)?,
            Operator::InHashed => self.hashed(operand)?,
            Operator::AnyElement | Operator::EveryElement => {
                self.attribute_test(operand, TARGETING_KEY, false, depth + 1)?;
                if operator == Operator::AnyElement {
                    (Op::AnyElement, 0, 0)
                } else {
                    (Op::EveryElement, 0, 0)
                }
            }
            Operator::Exists => (Op::Exists, boolean(operand)?.into(), 0),
            Operator::HasType => {
                let which = one_of(operand, &TYPE_NAMES, &[0, 1, 2, 3, 4])?;
                (Op::HasType, which, 0)
            }
        })
    }

    fn number(&mut self, op: Op, operand: Json<'d>) -> Load<'d, (Op, u32, u32)> {
        let number = operand.number();
        let number = number.ok_or_else(|| issue(operand, &["expected a number in range"]))?;
        self.tables.numbers.push(number);
        Ok((op, self.tables.numbers.len() as u32 - 1, 0))
    }

    fn time(&mut self, op: Op, operand: Json<'d>) -> Load<'d, (Op, u32, u32)> {
        self.tables.times.push(time(operand)?);
        Ok((op, self.tables.times.len() as u32 - 1, 0))
    }

    /// The strings of an operand that is one or an array of them.
    fn strings(&self, operand: Json<'d>) -> Load<'d, Vec<Json<'d>>> {
        if operand.kind() == Kind::String {
            return Ok(alloc::vec![operand]);
        }
        let bound = "more than 1,000 operands";
        let elements = array(operand, limits::MAX_TEXT_OPERANDS, bound)?.elements();
        elements
            .map(|element| text(element).map(|_| element))
            .collect()
    }

    fn texts(&mut self, op: Op, operand: Json<'d>) -> Load<'d, (Op, u32, u32)> {
        let start = self.tables.symbol_lists.len() as u32;
        for json in self.strings(operand)? {
            let symbol = self.tables.symbols.intern(json.text());
            self.tables.symbol_lists.push(symbol);
        }
        let len = self.tables.symbol_lists.len() as u32 - start;
        Ok((op, start, len))
    }

    fn blocks(&mut self, operand: Json<'d>) -> Load<'d, (Op, u32, u32)> {
        let start = self.tables.blocks.len() as u32;
        for json in self.strings(operand)? {
            let block = Block::parse(json.text().as_bytes());
            let block = block.ok_or_else(|| {
                issue(
                    json,
                    &["expected an IP address, or a block such as 10.0.0.0/8"],
                )
            })?;
            self.tables.blocks.push(block);
        }
        let len = self.tables.blocks.len() as u32 - start;
        Ok((Op::Cidr, start, len))
    }

    fn semver(&mut self, operand: Json<'d>, loose: bool) -> Load<'d, (Op, u32, u32)> {
        let wrong = "expected comparators such as \">=2.1.0 <3.0.0\"";
        let list = text(operand)?;
        let key = memo_key(if loose { "loose " } else { "strict " }, operand);
        let len = list.bytes().filter(|byte| *byte == b' ').count() as u32 + 1;
        if let Some(start) = self.sets.get(&key) {
            return Ok((Op::Semver, start, len));
        }
        if len > 100 {
            return Err(issue(operand, &["more than 100 comparators"]));
        }
        let start = self.tables.comparators.len() as u32;
        let parts = list.as_bytes().split(|byte| *byte == b' ');
        for (part, read) in parts.zip(version::comparators(list.as_bytes(), loose)) {
            let (comparison, version) = read.ok_or_else(|| issue(operand, &[wrong]))?;
            let plain = version.as_plain();
            let text = core::str::from_utf8(part).unwrap_or_default();
            self.tables.comparators.push(Comparator {
                comparison,
                loose,
                plain,
                text: if plain.is_some() {
                    NONE
                } else {
                    self.tables.symbols.intern(text)
                },
            });
        }
        self.sets.put(&key, start);
        Ok((Op::Semver, start, len))
    }

    #[cfg(feature = "imported")]
    fn hashed(&mut self, operand: Json<'d>) -> Load<'d, (Op, u32, u32)> {
        use crate::hashed_operands::{Digests, HashedOperands, Part, parse_hex};

        fn all<'d, const N: usize>(digests: Json<'d>) -> Load<'d, Vec<[u8; N]>> {
            let bound = "more than 100,000 digests";
            let elements = array(digests, limits::MAX_SET_OPERANDS, bound)?.elements();
            let digest = |json: Json<'d>| {
                let wrong = "expected a digest of full length in lower-case hexadecimal";
                json.as_str()
                    .and_then(parse_hex)
                    .ok_or_else(|| issue(json, &[wrong]))
            };
            let mut digests = elements.map(digest).collect::<Load<'d, Vec<_>>>()?;
            sort(&mut digests);
            Ok(digests)
        }
        let [hash, digests, prefix, suffix, first, last] =
            fields(operand, &schema::HASHED_MEMBERS)?;
        let hash = hash.ok_or_else(|| issue(operand, &["member `hash` is missing"]))?;
        let is_md5 = one_of(hash, &schema::HASHED_HASHES, &[true, false])?;
        let digests = digests.ok_or_else(|| issue(operand, &["member `digests` is missing"]))?;
        let digests = if is_md5 {
            Digests::Md5(all(digests)?)
        } else {
            Digests::Sha256(all(digests)?)
        };
        let mut around = |json: Option<Json<'d>>| -> Load<'d, u32> {
            let text = json.map_or(Ok(""), text)?;
            match json {
                Some(json) if text.len() > limits::MAX_SALT_BYTES => {
                    Err(issue(json, &["more than 1,024 bytes"]))
                }
                _ => Ok(self.tables.symbols.intern(text)),
            }
        };
        let (prefix, suffix) = (around(prefix)?, around(suffix)?);
        let length = |json: Json<'d>| {
            let length = json.as_u64(limits::MAX_HASHED_PART_BYTES as u64);
            match length {
                Some(length) if length > 0 => Ok(length as usize),
                _ => Err(issue(json, &["expected an integer from 1 to 10000"])),
            }
        };
        let part = match (first, last) {
            (None, None) => Part::Whole,
            (Some(first), None) => Part::First(length(first)?),
            (None, Some(last)) => Part::Last(length(last)?),
            (Some(_), Some(last)) => {
                return Err(issue(last, &["`first` and `last` exclude each other"]));
            }
        };
        self.tables.hashed.push(HashedOperands {
            digests,
            prefix,
            suffix,
            part,
        });
        Ok((Op::InHashed, self.tables.hashed.len() as u32 - 1, 0))
    }

    #[cfg(not(feature = "imported"))]
    fn hashed(&mut self, operand: Json<'d>) -> Load<'d, (Op, u32, u32)> {
        Err(issue(
            operand,
            &["this build of bucketry has no hashed operands"],
        ))
    }

    #[cfg(feature = "regex")]
    fn regex(&mut self, operand: Json<'d>) -> Load<'d, (Op, u32, u32)> {
        let pattern = text(operand)?;
        if let Some(number) = self.regexes.get(pattern) {
            return Ok((Op::Matches, number, 0));
        }
        if pattern.len() > limits::MAX_REGEX_BYTES {
            return Err(issue(operand, &["the pattern is longer than 1,000 bytes"]));
        }
        let number = self.tables.regexes.len();
        if number == limits::MAX_REGEXES {
            return Err(issue(
                operand,
                &["more than 256 different regular expressions"],
            ));
        }
        let regex = regex::RegexBuilder::new(pattern)
            .size_limit(limits::MAX_REGEX_COMPILED_BYTES)
            .dfa_size_limit(limits::MAX_REGEX_COMPILED_BYTES)
            .build()
            .map_err(|error| issue(operand, &[&alloc::string::ToString::to_string(&error)]))?;
        let symbol = self.tables.symbols.intern(pattern);
        self.tables.regexes.push((symbol, regex));
        self.regexes.put(pattern, number as u32);
        Ok((Op::Matches, number as u32, 0))
    }

    #[cfg(not(feature = "regex"))]
    fn regex(&mut self, operand: Json<'d>) -> Load<'d, (Op, u32, u32)> {
        text(operand)?;
        Err(issue(
            operand,
            &["this build of bucketry has no regular expressions"],
        ))
    }

    /// The number of a set of operands: one value, or an array of them.
    fn value_set(&mut self, operand: Json<'d>, many: bool, folded: bool) -> Load<'d, u32> {
        let kind = match (many, folded) {
            (true, false) => "in ",
            (true, true) => "in folded ",
            (false, false) => "equals ",
            (false, true) => "equals folded ",
        };
        let key = memo_key(kind, operand);
        if let Some(number) = self.sets.get(&key) {
            return Ok(number);
        }
        let mut symbols: Vec<u32> = Vec::new();
        let mut numbers: Vec<Number> = Vec::new();
        let (mut has_true, mut has_false) = (false, false);
        let mut add = |json: Json<'d>, symbols_table: &mut crate::symbols::Symbols| {
            match json.kind() {
                Kind::String => symbols.push(symbols_table.intern(json.text())),
                Kind::True => has_true = true,
                Kind::False => has_false = true,
                Kind::Number => match json.number() {
                    Some(number) => numbers.push(number),
                    None => return Err(issue(json, &["the number is out of range"])),
                },
                _ => return Err(issue(json, &["expected a string, a number or a boolean"])),
            }
            Ok(())
        };
        if many {
            let bound = "more than 100,000 operands";
            for element in array(operand, limits::MAX_SET_OPERANDS, bound)?.elements() {
                add(element, &mut self.tables.symbols)?;
            }
        } else {
            add(operand, &mut self.tables.symbols)?;
        }
        if folded {
            let texts = &self.tables.symbols;
            let bytes = |symbol: u32| texts.get(symbol).as_bytes();
            sort_by(&mut symbols, |a, b| compare_folded(bytes(*a), bytes(*b)));
        } else {
            sort(&mut symbols);
            symbols.dedup();
        }
        sort_by(&mut numbers, |a, b| {
            number::compare(*a, *b).unwrap_or(core::cmp::Ordering::Equal)
        });
        let set = ValueSet {
            symbols: append(&mut self.tables.symbol_lists, symbols),
            numbers: append(&mut self.tables.numbers, numbers),
            has_true,
            has_false,
        };
        self.tables.sets.push(set);
        let number = self.tables.sets.len() as u32 - 1;
        self.sets.put(&key, number);
        Ok(number)
    }
}

fn append<T>(table: &mut Vec<T>, mut entries: Vec<T>) -> Span {
    let start = table.len() as u32;
    table.append(&mut entries);
    Span {
        start,
        len: table.len() as u32 - start,
    }
}
