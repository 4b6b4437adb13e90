//! Flags up to their rules: numbers, types, variants, metadata; and units and hashes, which all share.

use alloc::string::String;

use alloc::vec::Vec;

use crate::bucketing::Hash;
use crate::flag_set::{
    Attribute, AttributeKind, Flag, FlagState, MetadataEntry, NONE, NONE16, Segment, Span, Variant,
    VariantValue,
};
use crate::json::{Json, Kind};
use crate::limits;
use crate::messages::{Message, m};
use crate::number::{Number, write_u64};
use crate::resolution::Reason;
use crate::schema;
use crate::value::ValueType;

use super::fields::Issue;
use super::graph::Item;
use super::{Loader, json_kind, memo};

const EMPTY: Flag = Flag {
    variants: 0,
    rules: 0,
    metadata: NONE,
    variant_count: 0,
    rule_count: 0,
    default: NONE16,
    off: NONE16,
    value_type: ValueType::Boolean,
    state: FlagState::Enabled,
    fallback: Reason::Default,
    plain_draw: NONE,
    plain_serve: NONE16,
    reads_attributes: false,
};

const UNNAMED: Segment = Segment {
    name: NONE,
    root: NONE,
};

const NO_VALUE: [Message; 5] = [
    m!("expected a value of type boolean"),
    m!("expected a value of type string"),
    m!("expected a value of type integer"),
    m!("expected a value of type number"),
    m!("expected a value of type object"),
];

impl<'d> Loader<'d> {
    /// Gives every flag its number. Of two flags of one key both are refused, as one.
    pub(super) fn number_flags(&mut self, json: Json<'d>, segments: usize) {
        let mut doubles = Vec::new();
        for (key, value) in json.members() {
            let number = self.tables.symbols.intern(key) as usize;
            if number < self.flags.len() {
                doubles.push((number, value));
            } else if number == limits::MAX_FLAGS {
                return self.wrong(json, m!("more than 100,000 flags"));
            } else {
                self.flags.push(value);
            }
        }
        let count = self.flags.len();
        self.items.resize_with(segments + count, Item::default);
        self.tables.segments.resize(segments, UNNAMED);
        self.tables.flags.resize(count, EMPTY);
        self.tables.fingerprints.resize(count, 0);
        for (number, value) in doubles {
            let issue = Issue::new(value, m!("two flags have this key"));
            self.refuse(segments + number, &issue);
        }
    }

    pub(super) fn flag_item(&self, flag: usize) -> usize {
        self.tables.segments.len() + flag
    }

    pub(super) fn is_refused(&self, flag: usize) -> bool {
        let item = self.items.get(self.flag_item(flag));
        item.is_some_and(|item| item.refused)
    }

    /// Reads all of a flag but its rules.
    pub(super) fn flag_header(&mut self, number: usize) {
        let Some(&json) = self.flags.get(number) else {
            return;
        };
        if self.is_refused(number) {
            return;
        }
        let flag = self.header(json);
        if let Some(problem) = self.problem.take() {
            self.refuse(self.flag_item(number), &problem.issue);
        } else if let Some(slot) = self.tables.flags.get_mut(number) {
            *slot = flag;
        }
    }

    fn header(&mut self, json: Json<'d>) -> Flag {
        self.check_name(json, json.name());
        // Before all else: what an importer wrote about the flag is what a caller should read.
        let error = json.member("error");
        if error.exists() {
            self.text(error);
            self.wrong(error, m!("@"));
        }
        let [
            value_type,
            enabled,
            variants,
            default,
            off,
            _,
            _,
            _,
            metadata,
            _,
        ] = self.fields(json, &schema::FLAG_MEMBERS);
        let mut flag = EMPTY;
        if self.is_wrong() || !self.need(value_type, json, m!("member `type` is missing")) {
            return flag;
        }
        let type_name = self.text(value_type);
        match ValueType::ALL
            .iter()
            .find(|known| known.as_str() == type_name)
        {
            Some(known) => flag.value_type = *known,
            None => self.wrong(
                value_type,
                m!("expected boolean, string, integer, number or object"),
            ),
        }
        if !self.boolean(enabled, true) {
            flag.state = FlagState::Disabled;
        }
        let variants = self.variants(json, variants, flag.value_type);
        flag.variants = variants.start;
        flag.variant_count = variants.len as u16;
        for (json, slot) in [(default, &mut flag.default), (off, &mut flag.off)] {
            if json.kind() != Kind::Null {
                *slot = self.variant_in(variants, json);
            }
        }
        flag.metadata = self.metadata(metadata);
        flag
    }

    /// The number, in the flag, of the variant that a string names.
    #[inline(never)]
    pub(super) fn variant_in(&mut self, variants: Span, json: Json<'d>) -> u16 {
        let name = self.text(json);
        self.variant_of(variants, name, json, m!("the flag has no variant `@`"))
    }

    pub(super) fn variant_of(
        &mut self,
        variants: Span,
        name: &str,
        at: Json<'d>,
        unknown: Message,
    ) -> u16 {
        let symbol = self.tables.symbols.find(name.as_bytes()).unwrap_or(NONE);
        let known = variants.of(&self.tables.variants);
        if let Some(number) = known.iter().position(|variant| variant.name == symbol) {
            return number as u16;
        }
        self.wrong(at, unknown);
        NONE16
    }

    pub(super) fn flag_variants(&self, flag: u32) -> Span {
        let flag = self.tables.flags.get(flag as usize);
        flag.map_or(Span::default(), |flag| Span {
            start: flag.variants,
            len: flag.variant_count.into(),
        })
    }

    fn variants(&mut self, flag: Json<'d>, json: Json<'d>, value_type: ValueType) -> Span {
        if !json.exists() && value_type != ValueType::Boolean {
            self.wrong(flag, m!("member `variants` is missing"));
        }
        if json.exists() && self.is_object(json) {
            if json.members().count() > limits::MAX_VARIANTS {
                self.wrong(json, m!("more than 1,000 variants"));
            }
            self.no_doubles(json);
        }
        if self.is_wrong() {
            return Span::default();
        }
        // Most flags share their variants with others: what is written alike is stored once.
        let kind = json_kind(memo::VARIANTS + value_type as u8, json);
        let mut len = json.members().count() as u32;
        if !json.exists() {
            len = 2;
        }
        if let Some(start) = self.memo.get(kind, json.text()) {
            return Span { start, len };
        }
        let start = self.tables.variants.len() as u32;
        if !json.exists() {
            for (name, value) in [("on", true), ("off", false)] {
                self.push_variant(name, VariantValue::Boolean(value));
            }
        }
        for (name, value) in json.members() {
            self.check_name(value, name);
            let value = self.value(value, value_type);
            self.push_variant(name, value);
        }
        if !self.is_wrong() {
            self.memo.put(kind, json.text(), start);
        }
        Span { start, len }
    }

    fn push_variant(&mut self, name: &str, value: VariantValue) {
        let name = self.tables.symbols.intern(name);
        self.tables.variants.push(Variant { name, value });
    }

    #[inline(never)]
    fn value(&mut self, json: Json<'d>, value_type: ValueType) -> VariantValue {
        let (kind, number) = (json.kind(), json.number());
        match (value_type, kind) {
            (ValueType::Boolean, Kind::True | Kind::False) => {
                return VariantValue::Boolean(kind == Kind::True);
            }
            (ValueType::String, Kind::String) => {
                return VariantValue::String(self.tables.symbols.intern(json.text()));
            }
            (ValueType::Object, _) => {
                self.check_json(json);
                let mut text = String::new();
                json.minify_to(&mut text);
                return VariantValue::Object(self.tables.symbols.intern(&text));
            }
            _ => {}
        }
        match (value_type, number) {
            (ValueType::Integer, Some(Number::Integer(value))) => VariantValue::Integer(value),
            (ValueType::Number, Some(Number::Integer(value))) => VariantValue::Number(value as f64),
            (ValueType::Number, Some(Number::Double(value))) => VariantValue::Number(value),
            _ => {
                let message = NO_VALUE.get(value_type as usize).copied();
                self.wrong(
                    json,
                    message.unwrap_or(m!("expected a value of type object")),
                );
                VariantValue::Boolean(false)
            }
        }
    }

    /// A metadata object; the number of its span.
    #[inline(never)]
    pub(super) fn metadata(&mut self, json: Json<'d>) -> u32 {
        if !json.exists() || !self.is_object(json) {
            return NONE;
        }
        if json.members().count() > limits::MAX_METADATA {
            self.wrong(json, m!("more than 64 members of metadata"));
        }
        self.no_doubles(json);
        let start = self.tables.metadata.len() as u32;
        for (key, value) in json.members() {
            self.check_name(value, key);
            let value_type = match (value.kind(), value.number()) {
                (Kind::True | Kind::False, _) => ValueType::Boolean,
                (Kind::String, _) => ValueType::String,
                (Kind::Number, Some(Number::Integer(_))) => ValueType::Integer,
                (Kind::Number, Some(Number::Double(_))) => ValueType::Number,
                (Kind::Number, None) => return self.out_of_range(value),
                _ => {
                    self.wrong(value, m!("expected a string, a boolean or a number"));
                    return NONE;
                }
            };
            let value = self.value(value, value_type);
            let name = self.tables.symbols.intern(key);
            self.tables.metadata.push(MetadataEntry { name, value });
        }
        self.tables.metadata_spans.push(Span {
            start,
            len: self.tables.metadata.len() as u32 - start,
        });
        self.tables.metadata_spans.len() as u32 - 1
    }

    fn out_of_range(&mut self, at: Json<'d>) -> u32 {
        self.wrong(
            at,
            m!("the number is too large for a double, or longer than 128 characters"),
        );
        NONE
    }

    /// Refuses double members and numbers out of range anywhere in a value.
    fn check_json(&mut self, json: Json<'d>) {
        if json.kind() == Kind::Number && json.number().is_none() {
            self.out_of_range(json);
        }
        for element in json.elements() {
            self.check_json(element);
        }
        self.no_doubles(json);
        for (_, value) in json.members() {
            self.check_json(value);
        }
    }

    /// The number of the attribute with this name or pointer.
    #[inline(never)]
    pub(super) fn attribute(&mut self, json: Json<'d>) -> u16 {
        let text = self.name(json);
        if let Some(number) = self.memo.get(memo::ATTRIBUTE, text) {
            return number as u16;
        }
        let mut kind = AttributeKind::Name;
        if text == "$random" {
            kind = AttributeKind::Random;
        }
        if text.as_bytes().first() == Some(&b'/') {
            kind = AttributeKind::Pointer;
            if !valid_escapes(text.as_bytes()) {
                self.wrong(json, m!("`~` in a JSON pointer is followed by 0 or 1"));
            }
        }
        let number = self.tables.attributes.len();
        if number == limits::MAX_ATTRIBUTES_READ {
            self.wrong(json, m!("more than 60,000 attribute names"));
        }
        if self.is_wrong() {
            return 0;
        }
        let name = self.tables.symbols.intern(text);
        self.tables.attributes.push(Attribute {
            name,
            kind,
            empty_is_missing: false,
        });
        self.memo.put(memo::ATTRIBUTE, text, number as u32);
        number as u16
    }

    /// The same attribute, but missing where it is empty.
    fn attribute_unless_empty(&mut self, attribute: u16) -> u16 {
        let key = super::fields::concat(&["\0", write_u64(attribute.into(), &mut [0; 20])]);
        if let Some(number) = self.memo.get(memo::ATTRIBUTE, &key) {
            return number as u16;
        }
        let number = self.tables.attributes.len();
        if number >= limits::MAX_ATTRIBUTES_READ {
            return attribute;
        }
        if let Some(plain) = self.tables.attributes.get(usize::from(attribute)).copied() {
            self.tables.attributes.push(Attribute {
                empty_is_missing: true,
                ..plain
            });
            self.memo.put(memo::ATTRIBUTE, &key, number as u32);
        }
        number as u16
    }

    /// The number of what leads from an array's element to what is tested: a pointer, empty for the element itself.
    #[cfg(feature = "imported")]
    pub(super) fn element_attribute(&mut self, json: Json<'d>) -> u16 {
        let text = self.text(json);
        let pointer = text.is_empty() || text.as_bytes().first() == Some(&b'/');
        if !pointer || text.len() > limits::MAX_NAME_BYTES || !valid_escapes(text.as_bytes()) {
            self.wrong(json, m!("expected a JSON pointer into the element"));
        }
        let key = super::fields::concat(&["\0/", text]);
        if let Some(number) = self.memo.get(memo::ATTRIBUTE, &key) {
            return number as u16;
        }
        let number = self.tables.attributes.len();
        if number == limits::MAX_ATTRIBUTES_READ {
            self.wrong(json, m!("more than 60,000 attribute names"));
        }
        if self.is_wrong() {
            return 0;
        }
        let name = self.tables.symbols.intern(text);
        self.tables.attributes.push(Attribute {
            name,
            kind: AttributeKind::Element,
            empty_is_missing: false,
        });
        self.memo.put(memo::ATTRIBUTE, &key, number as u32);
        number as u16
    }

    /// The number of a unit chain.
    #[inline(never)]
    pub(super) fn unit_or(&mut self, json: Json<'d>, default: u16) -> u16 {
        if !json.exists() {
            return default;
        }
        let mut json = json;
        let mut empty_is_missing = false;
        if json.kind() == Kind::Object {
            let [of, empty] = self.fields(json, &schema::UNIT_MEMBERS);
            if cfg!(not(feature = "imported")) {
                self.wrong(json, super::operators::LEFT_OUT);
            }
            if !self.need(of, json, m!("member `of` is missing")) {
                return 0;
            }
            self.one_of(empty, &schema::EMPTY_UNIT);
            empty_is_missing = empty.exists();
            json = of;
        }
        let mut elements = json.elements();
        // An array of one name means the name.
        if let (Some(only), None) = (elements.next(), elements.next())
            && only.kind() == Kind::String
        {
            json = only;
        }
        let kind = json_kind(memo::UNIT, json);
        if !empty_is_missing && let Some(number) = self.memo.get(kind, json.text()) {
            return number as u16;
        }
        let number = self.tables.units.len();
        if number == limits::MAX_ATTRIBUTES_READ {
            self.wrong(json, m!("more than 60,000 different units"));
        }
        let bound = m!("a unit names 1 to 8 attributes");
        let list = self.one_or_array(json, limits::MAX_UNIT_CHAIN, bound);
        let start = self.tables.unit_attributes.len() as u32;
        for element in list {
            let mut attribute = self.attribute(element);
            if empty_is_missing {
                attribute = self.attribute_unless_empty(attribute);
            }
            self.tables.unit_attributes.push(attribute);
        }
        let len = self.tables.unit_attributes.len() as u32 - start;
        if len == 0 {
            self.wrong(json, bound);
        }
        if self.is_wrong() {
            return 0;
        }
        // The same attributes are the same unit, however they were written.
        let chain = self.tables.unit_attributes.iter().skip(start as usize);
        let mut numbers = String::new();
        for attribute in chain {
            numbers.push_str(write_u64((*attribute).into(), &mut [0; 20]));
            numbers.push(' ');
        }
        let number = match self.memo.get(memo::CHAIN, &numbers) {
            Some(number) => {
                self.tables.unit_attributes.truncate(start as usize);
                number
            }
            None => {
                self.tables.units.push(Span { start, len });
                self.memo.put(memo::CHAIN, &numbers, number as u32);
                number as u32
            }
        };
        if !empty_is_missing {
            self.memo.put(kind, json.text(), number);
        }
        number as u16
    }

    pub(super) fn hash_or(&mut self, json: Json<'d>, default: u8) -> u8 {
        if json.exists() {
            self.hash(json)
        } else {
            default
        }
    }

    /// The number of a hash profile.
    #[inline(never)]
    pub(super) fn hash(&mut self, json: Json<'d>) -> u8 {
        if let Some(name) = json.as_str() {
            let number = Hash::NATIVE.iter().position(|(known, _)| *known == name);
            if let Some(number) = number {
                return number as u8;
            }
            self.wrong(json, m!("unknown hash `@`"));
            return 0;
        }
        self.modulus_hash(json)
    }

    #[cfg(not(feature = "imported"))]
    fn modulus_hash(&mut self, json: Json<'d>) -> u8 {
        self.wrong(
            json,
            m!("this build of bucketry has no hash with a modulus"),
        );
        0
    }

    pub(super) fn need_two_lanes(&mut self, hash: u8, at: Json<'d>) {
        if !self.tables.hash(hash).has_two_lanes() {
            self.wrong(at, m!("this needs a hash of two lanes, such as `xxh64`"));
        }
    }
}

fn valid_escapes(pointer: &[u8]) -> bool {
    let mut bytes = pointer.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'~' && !matches!(bytes.next(), Some(b'0' | b'1')) {
            return false;
        }
    }
    true
}
