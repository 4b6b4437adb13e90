//! Conditions: from JSON to nodes in preorder.

use crate::condition::{FLAT, Node, Op};
use crate::context::attribute_value;
#[cfg(feature = "imported")]
use crate::flag_set::NONE;
use crate::flag_set::{IdList, NONE16, PositionTest, Range, Span, TARGETING_KEY, VariantValue};
use crate::hash::COMPACT;
use crate::hashed_ids;
use crate::json::{Document, Json, Kind};
use crate::limits;
use crate::messages::{Message, m};
use crate::schema;
use crate::value::AttributeValue;

use super::fields::UNKNOWN;
use super::graph::Edge;
use super::{Loader, Scope, memo};

impl<'d> Loader<'d> {
    /// A whole condition; the number of its root.
    pub(super) fn condition_tree(&mut self, json: Json<'d>, scope: Scope) -> u32 {
        let root = self.tables.nodes.len();
        self.condition(json, scope, 1);
        if self.tables.nodes.len() - root > limits::MAX_CONDITIONS {
            self.wrong(json, m!("more than 10,000 conditions"));
        }
        root as u32
    }

    #[inline(never)]
    pub(super) fn push(&mut self, op: Op, a: u32, b: u32) -> usize {
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
        let nodes = &self.tables.nodes;
        let next = nodes.len();
        let is_test = |child: usize| {
            let node = nodes.get(child);
            node.is_some_and(|node| node.op.tests_attribute() && node.next as usize == child + 1)
        };
        let flat = !COMPACT && (at + 1..next).all(is_test);
        if let Some(node) = self.tables.nodes.get_mut(at) {
            node.next = next as u32;
            if flat && matches!(node.op, Op::All | Op::Any) {
                node.modifiers |= FLAT;
            }
        }
    }

    /// Whether a condition may stand here and is an object without double members.
    pub(super) fn begin_condition(
        &mut self,
        json: Json<'d>,
        depth: u32,
        no_object: Message,
    ) -> bool {
        if depth > limits::MAX_CONDITION_DEPTH {
            self.wrong(json, m!("conditions nest deeper than 32 levels"));
        }
        if json.kind() != Kind::Object {
            self.wrong(json, no_object);
        }
        self.no_doubles(json);
        !self.is_wrong()
    }

    pub(super) fn condition(&mut self, json: Json<'d>, scope: Scope, depth: u32) {
        if !self.begin_condition(json, depth, m!("expected a condition, which is an object")) {
            return;
        }
        let (mut kind, mut value, mut kinds) = ("", json, 0);
        for (name, member) in json.members() {
            if let Some(known) = schema::CONDITION_KINDS.iter().find(|known| **known == name) {
                (kind, value) = (*known, member);
                kinds += 1;
            }
        }
        if kinds != 1 {
            let kinds = &schema::CONDITION_KINDS;
            return self.wrong_with(json, m!("expected exactly one of: %"), kinds);
        }
        #[cfg(feature = "imported")]
        if scope.element && !schema::ELEMENT_CONDITION_KINDS.contains(&kind) {
            let kinds = &schema::ELEMENT_CONDITION_KINDS;
            return self.wrong_with(json, m!("expected exactly one of: %"), kinds);
        }
        match kind {
            #[cfg(feature = "imported")]
            "attribute" if scope.element => {
                let attribute = self.element_attribute(value);
                return self.attribute_test(json, attribute, true, depth);
            }
            "attribute" => {
                let attribute = self.attribute(value);
                return self.attribute_test(json, attribute, true, depth);
            }
            "flag" => return self.prerequisite(json, value, scope),
            "hashedIds" => return self.hashed_ids(json, value),
            "prior" => return self.prior(json, value),
            _ => {}
        }
        for (name, other) in json.members() {
            if name != kind && !schema::is_ignored(name) {
                return self.wrong(other, UNKNOWN);
            }
        }
        match kind {
            "all" | "any" | "not" => {
                let mut list = value.alone();
                let mut op = Op::Not;
                if kind != "not" {
                    op = if kind == "all" { Op::All } else { Op::Any };
                    let bound = m!("more than 10,000 conditions");
                    list = self.array(value, limits::MAX_CONDITIONS, bound).elements();
                }
                let at = self.push(op, 0, 0);
                for element in list {
                    self.condition(element, scope, depth + 1);
                }
                self.end_subtree(at);
            }
            "always" => {
                let always = self.boolean(value, false);
                self.push(Op::Always, always.into(), 0);
            }
            "error" => {
                let text = self.text(value);
                let text = self.tables.symbols.intern(text);
                self.push(Op::Error, text, 0);
            }
            "segment" => {
                let name = self.text(value);
                let Some(segment) = self.memo.get(memo::SEGMENT, name) else {
                    return self.wrong(value, m!("there is no segment `@`"));
                };
                self.refer(segment, value);
                self.push(Op::Segment, segment, 0);
            }
            _ => self.position(value, scope),
        }
    }

    fn refer(&mut self, to: u32, at: Json<'d>) {
        self.edges.push(Edge { to, at });
    }

    fn prerequisite(&mut self, json: Json<'d>, key: Json<'d>, scope: Scope) {
        let [_, is, enabled, value] = self.fields(json, &schema::PREREQUISITE_MEMBERS);
        let name = self.text(key);
        let flag = self.tables.symbols.find(name.as_bytes());
        let Some(flag) = flag.filter(|&flag| (flag as usize) < self.flags.len()) else {
            return self.wrong(key, m!("there is no flag `@`"));
        };
        let item = self.flag_item(flag as usize);
        if item == scope.item {
            self.wrong(key, m!("this refers back to itself in a circle"));
        }
        if self.is_wrong() {
            return;
        }
        self.refer(item as u32, key);
        if u8::from(is.exists()) + u8::from(enabled.exists()) + u8::from(value.exists()) != 1 {
            return self.wrong(json, m!("expected exactly one of: is, enabled, value"));
        }
        if enabled.exists() {
            let enabled = self.boolean(enabled, false);
            self.push(Op::FlagEnabled, flag, enabled.into());
            return;
        }
        // The variants of a refused flag are not known; the reference will be refused with it.
        let refused = self.is_refused(flag as usize);
        let variants = self.flag_variants(flag);
        let test = self.tables.nodes.len();
        if value.exists() {
            self.attribute_test(value, TARGETING_KEY, false, 1);
        }
        let list = self.tables.symbol_lists.len();
        self.tables.symbol_lists.push(0);
        if value.exists() {
            for number in 0..variants.len {
                if refused || self.is_wrong() {
                    break;
                }
                let variant = variants.start + number;
                self.tested += 1 + self.tables.value_bytes(variant);
                if self.tested > limits::MAX_TESTED_BYTES {
                    self.wrong(value, m!("prerequisites test more than 64 MiB of values"));
                } else if self.variant_passes(test as u32, variant) {
                    self.tables.symbol_lists.push(number);
                }
            }
            self.tables.nodes.truncate(test);
        } else {
            for element in
                self.one_or_array(is, limits::MAX_VARIANTS, m!("more than 1,000 variants"))
            {
                self.text(element);
                if !refused {
                    let variant = self.variant_in(variants, element);
                    self.tables.symbol_lists.push(variant.into());
                }
            }
        }
        let len = self.tables.symbol_lists.len() - list - 1;
        if let Some(slot) = self.tables.symbol_lists.get_mut(list) {
            *slot = len as u32;
        }
        self.push(Op::FlagIs, flag, list as u32);
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

    fn position(&mut self, json: Json<'d>, scope: Scope) {
        let [salt, unit, hash, lane, missing, ranges, share] =
            self.fields(json, &schema::POSITION_MEMBERS);
        if !self.need(salt, json, m!("member `salt` is missing")) {
            return;
        }
        let salt_text = self.salt(salt);
        let hash = self.hash_or(hash, scope.hash);
        #[cfg(feature = "imported")]
        self.check_seed(hash, salt_text, salt);
        let mut enrol_lane = self.one_of(lane, &schema::LANES) != 0;
        if !lane.exists() {
            enrol_lane = share.exists();
        }
        if enrol_lane {
            self.need_two_lanes(hash, if lane.exists() { lane } else { share });
        }
        let unit = self.unit_or(unit, scope.unit);
        let missing = self.missing_unit(missing, &schema::MISSING_POSITION);
        let start = self.tables.ranges.len() as u32;
        if ranges.exists() == share.exists() {
            self.wrong(json, m!("expected either `ranges` or `percent`"));
        } else if ranges.exists() {
            let modulus = self.tables.hash(hash).modulus();
            let bound = m!("more than 1,000 ranges");
            let pairs = self.array(ranges, limits::MAX_POSITION_RANGES, bound);
            for pair in pairs.elements() {
                let (start, end) = self.range(pair, modulus);
                self.tables.ranges.push(Range { start, end });
            }
        } else {
            if lane.exists() {
                self.wrong(lane, m!("`percent` has a lane of its own"));
            }
            let end = self.percent(share);
            self.tables.ranges.push(Range { start: 0, end });
        }
        let test = PositionTest {
            salt: self.tables.symbols.intern(salt_text),
            unit,
            hash,
            enrol_lane,
            missing,
            ranges: Span {
                start,
                len: self.tables.ranges.len() as u32 - start,
            },
        };
        self.push(Op::Position, self.tables.positions.len() as u32, 0);
        self.tables.positions.push(test);
    }

    #[cfg(not(feature = "imported"))]
    fn prior(&mut self, json: Json<'d>, _: Json<'d>) {
        self.wrong(json, super::operators::LEFT_OUT);
    }

    /// Whether the context has a prior assignment: experiment, phases and variants stand in a list.
    #[cfg(feature = "imported")]
    fn prior(&mut self, json: Json<'d>, key: Json<'d>) {
        let [_, phases, is] = self.fields(json, &schema::PRIOR_MEMBERS);
        let name = self.name(key);
        let (mut first, mut end) = (0, u32::MAX.into());
        if phases.exists() {
            (first, end) = self.range(phases, 1_000_001);
        }
        let experiment = self.tables.symbols.intern(name);
        let start = self.tables.symbol_lists.len() as u32;
        let head = [experiment, first as u32, end as u32];
        self.tables.symbol_lists.extend(head);
        if is.exists() {
            for element in
                self.one_or_array(is, limits::MAX_VARIANTS, m!("more than 1,000 variants"))
            {
                let name = self.name(element);
                let symbol = self.tables.symbols.intern(name);
                self.tables.symbol_lists.push(symbol);
            }
        }
        let names = self.tables.symbol_lists.len() as u32 - start - 3;
        let names = if is.exists() { names } else { NONE };
        self.push(Op::Prior, start, names);
    }

    fn hashed_ids(&mut self, json: Json<'d>, list: Json<'d>) {
        let [_, salt, unit] = self.fields(json, &schema::HASHED_IDS_MEMBERS);
        if !self.need(salt, json, m!("member `salt` is missing")) {
            return;
        }
        let salt = self.salt(salt);
        let unit = self.unit_or(unit, 0);
        let encoded = self.text(list);
        if self.is_wrong() {
            return;
        }
        match hashed_ids::decode_ids(encoded.as_bytes(), limits::MAX_HASHED_IDS) {
            Ok(hashes) => {
                let salt = self.tables.symbols.intern(salt);
                self.push(Op::HashedIds, self.tables.id_lists.len() as u32, 0);
                self.tables.id_lists.push(IdList { salt, unit, hashes });
            }
            Err(error) => self.wrong(list, error.problem.message()),
        }
    }
}
