//! Flags up to their rules: numbers, types, variants, metadata; and units and hashes, which all share.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bucketing::Hash;
use crate::flag_set::{
    Attribute, AttributeKind, Flag, FlagState, MetadataEntry, NONE, NONE16, Span, Variant,
    VariantValue,
};
use crate::json::{Json, Kind};
use crate::limits;
use crate::number::Number;
use crate::resolution::Reason;
use crate::schema;
use crate::value::ValueType;

use super::fields::{array, boolean, check_name, fields, issue, name, no_doubles, text};
use super::graph::Item;
use super::{Load, Loader, memo_key};

impl<'d> Loader<'d> {
    /// Gives every flag its number. Of two flags of one key both are refused, as one.
    pub(super) fn number_flags(&mut self, json: Json<'d>) -> Load<'d, ()> {
        let segments = self.items.len();
        let mut doubles = Vec::new();
        for (key, value) in json.members() {
            let number = self.tables.symbols.intern(key) as usize;
            if number < self.flags.len() {
                doubles.push((number, value));
                continue;
            }
            if number == limits::MAX_FLAGS {
                return Err(issue(json, &["more than 100,000 flags"]));
            }
            self.flags.push(value);
        }
        let count = self.flags.len();
        self.items.resize_with(segments + count, Item::default);
        self.refused.resize(count, None);
        let empty = Flag {
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
        self.tables.flags.resize(count, empty);
        for (number, value) in doubles {
            self.refuse(
                segments + number,
                issue(value, &["two flags have this key"]),
            );
        }
        Ok(())
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
        match self.try_flag_header(number, json) {
            Ok(flag) => {
                if let Some(slot) = self.tables.flags.get_mut(number) {
                    *slot = flag;
                }
            }
            Err(issue) => self.refuse(self.flag_item(number), issue),
        }
    }

    fn try_flag_header(&mut self, number: usize, json: Json<'d>) -> Load<'d, Flag> {
        {
            let key = self.tables.symbols.get(number as u32);
            check_name(json, key)?;
        }
        // Before all else: what an importer wrote about the flag is what a caller should read.
        if let Some((_, error)) = json.members().find(|(name, _)| *name == "error") {
            return Err(issue(error, &[text(error)?]));
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
        ] = fields(json, &schema::FLAG_MEMBERS)?;
        let value_type = value_type.ok_or_else(|| issue(json, &["member `type` is missing"]))?;
        let type_name = text(value_type)?;
        let value_type = ValueType::ALL
            .into_iter()
            .find(|known| known.as_str() == type_name)
            .ok_or_else(|| {
                issue(
                    value_type,
                    &["expected boolean, string, integer, number or object"],
                )
            })?;
        let enabled = match enabled {
            Some(enabled) => boolean(enabled)?,
            None => true,
        };
        let variants = self.variants(json, variants, value_type)?;
        let mut flag = Flag {
            variants: variants.start,
            rules: 0,
            metadata: NONE,
            variant_count: variants.len as u16,
            rule_count: 0,
            default: NONE16,
            off: NONE16,
            value_type,
            state: if enabled {
                FlagState::Enabled
            } else {
                FlagState::Disabled
            },
            fallback: Reason::Default,
            plain_draw: NONE,
            plain_serve: NONE16,
            reads_attributes: false,
        };
        for (json, slot) in [(default, &mut flag.default), (off, &mut flag.off)] {
            if let Some(json) = json.filter(|json| json.kind() != Kind::Null) {
                *slot = self.variant_in(variants, json)?;
            }
        }
        if let Some(metadata) = metadata {
            flag.metadata = self.metadata(metadata)?;
        }
        Ok(flag)
    }

    /// The number, in the flag, of the variant that a string names.
    pub(super) fn variant_in(&self, variants: Span, json: Json<'d>) -> Load<'d, u16> {
        let name = text(json)?;
        self.variant_of(variants, name)
            .ok_or_else(|| issue(json, &["the flag has no variant `", name, "`"]))
    }

    pub(super) fn variant_of(&self, variants: Span, name: &str) -> Option<u16> {
        let symbol = self.tables.symbols.find(name.as_bytes())?;
        let at = variants
            .of(&self.tables.variants)
            .iter()
            .position(|variant| variant.name == symbol)?;
        Some(at as u16)
    }

    pub(super) fn flag_variants(&self, flag: u32) -> Span {
        let flag = self.tables.flags.get(flag as usize);
        flag.map_or(Span::default(), |flag| Span {
            start: flag.variants,
            len: flag.variant_count.into(),
        })
    }

    fn variants(
        &mut self,
        flag: Json<'d>,
        json: Option<Json<'d>>,
        value_type: ValueType,
    ) -> Load<'d, Span> {
        let key = match json {
            Some(json) => memo_key(value_type.as_str(), json),
            None if value_type == ValueType::Boolean => String::from("boolean"),
            None => return Err(issue(flag, &["member `variants` is missing"])),
        };
        // Most flags share their variants with others: what is written alike is stored once.
        if let Some(start) = self.variant_lists.get(&key) {
            let len = json.map_or(2, |json| json.members().count());
            return Ok(Span {
                start,
                len: len as u32,
            });
        }
        let start = self.tables.variants.len() as u32;
        match json {
            None => {
                for (name, value) in [("on", true), ("off", false)] {
                    let name = self.tables.symbols.intern(name);
                    let value = VariantValue::Boolean(value);
                    self.tables.variants.push(Variant { name, value });
                }
            }
            Some(json) => {
                if json.kind() != Kind::Object {
                    return Err(issue(json, &["expected an object"]));
                }
                let count = json.members().count();
                if count > limits::MAX_VARIANTS {
                    return Err(issue(json, &["more than 1,000 variants"]));
                }
                no_doubles(json)?;
                for (name, value) in json.members() {
                    check_name(value, name)?;
                    let value = self.value(value, value_type)?;
                    let name = self.tables.symbols.intern(name);
                    self.tables.variants.push(Variant { name, value });
                }
            }
        }
        self.variant_lists.put(&key, start);
        Ok(Span {
            start,
            len: self.tables.variants.len() as u32 - start,
        })
    }

    fn value(&mut self, json: Json<'d>, value_type: ValueType) -> Load<'d, VariantValue> {
        let wrong = || issue(json, &["expected a value of type ", value_type.as_str()]);
        Ok(match value_type {
            ValueType::Boolean => VariantValue::Boolean(json.as_bool().ok_or_else(wrong)?),
            ValueType::String => {
                let text = json.as_str().ok_or_else(wrong)?;
                VariantValue::String(self.tables.symbols.intern(text))
            }
            ValueType::Integer => match json.number() {
                Some(Number::Integer(value)) => VariantValue::Integer(value),
                _ => return Err(wrong()),
            },
            ValueType::Number => match json.number() {
                Some(Number::Integer(value)) => VariantValue::Number(value as f64),
                Some(Number::Double(value)) => VariantValue::Number(value),
                None => return Err(wrong()),
            },
            ValueType::Object => {
                if !matches!(json.kind(), Kind::Object | Kind::Array) {
                    return Err(wrong());
                }
                check_json(json)?;
                let mut text = String::new();
                json.minify_to(&mut text);
                VariantValue::Object(self.tables.symbols.intern(&text))
            }
        })
    }

    /// A metadata object; the number of its span.
    pub(super) fn metadata(&mut self, json: Json<'d>) -> Load<'d, u32> {
        if json.kind() != Kind::Object {
            return Err(issue(json, &["expected an object"]));
        }
        if json.members().count() > limits::MAX_METADATA {
            return Err(issue(json, &["more than 64 members of metadata"]));
        }
        no_doubles(json)?;
        let start = self.tables.metadata.len() as u32;
        for (key, value) in json.members() {
            check_name(value, key)?;
            let entry = match value.kind() {
                Kind::True => VariantValue::Boolean(true),
                Kind::False => VariantValue::Boolean(false),
                Kind::String => VariantValue::String(self.tables.symbols.intern(value.text())),
                Kind::Number => match value.number() {
                    Some(Number::Integer(number)) => VariantValue::Integer(number),
                    Some(Number::Double(number)) => VariantValue::Number(number),
                    None => return Err(out_of_range(value)),
                },
                _ => return Err(issue(value, &["expected a string, a boolean or a number"])),
            };
            let name = self.tables.symbols.intern(key);
            self.tables
                .metadata
                .push(MetadataEntry { name, value: entry });
        }
        self.tables.metadata_spans.push(Span {
            start,
            len: self.tables.metadata.len() as u32 - start,
        });
        Ok(self.tables.metadata_spans.len() as u32 - 1)
    }

    /// The number of the attribute with this name or pointer.
    pub(super) fn attribute(&mut self, json: Json<'d>) -> Load<'d, u16> {
        let text = name(json)?;
        if let Some(number) = self.attributes.get(text) {
            return Ok(number as u16);
        }
        let kind = match text.as_bytes() {
            b"$random" => AttributeKind::Random,
            [b'/', ..] => {
                if !valid_escapes(text.as_bytes()) {
                    return Err(issue(
                        json,
                        &["`~` in a JSON pointer is followed by 0 or 1"],
                    ));
                }
                AttributeKind::Pointer
            }
            _ => AttributeKind::Name,
        };
        let number = self.tables.attributes.len();
        if number == limits::MAX_ATTRIBUTES_READ {
            return Err(issue(json, &["more than 60,000 attribute names"]));
        }
        let symbol = self.tables.symbols.intern(text);
        self.tables
            .attributes
            .push(Attribute { name: symbol, kind });
        self.attributes.put(text, number as u32);
        Ok(number as u16)
    }

    /// The number of a unit chain.
    pub(super) fn unit(&mut self, json: Json<'d>) -> Load<'d, u16> {
        // An array of one name means the name.
        let json = match (json.elements().next(), json.elements().nth(1)) {
            (Some(only), None) if only.kind() == Kind::String => only,
            _ => json,
        };
        let key = memo_key("unit ", json);
        if let Some(number) = self.units.get(&key) {
            return Ok(number as u16);
        }
        let number = self.tables.units.len();
        if number == limits::MAX_ATTRIBUTES_READ {
            return Err(issue(json, &["more than 60,000 different units"]));
        }
        let start = self.tables.unit_attributes.len() as u32;
        if json.kind() == Kind::String {
            let attribute = self.attribute(json)?;
            self.tables.unit_attributes.push(attribute);
        } else {
            let bound = "a unit names 1 to 8 attributes";
            let chain = array(json, limits::MAX_UNIT_CHAIN, bound)?;
            for element in chain.elements() {
                let attribute = self.attribute(element)?;
                self.tables.unit_attributes.push(attribute);
            }
            if self.tables.unit_attributes.len() as u32 == start {
                return Err(issue(json, &[bound]));
            }
        }
        self.tables.units.push(Span {
            start,
            len: self.tables.unit_attributes.len() as u32 - start,
        });
        self.units.put(&key, number as u32);
        Ok(number as u16)
    }

    /// The number of a hash profile.
    pub(super) fn hash(&mut self, json: Json<'d>) -> Load<'d, u8> {
        let hash = if let Some(name) = json.as_str() {
            if let Some(at) = Hash::NATIVE.iter().position(|(known, _)| *known == name) {
                return Ok(at as u8);
            }
            return Err(issue(json, &["unknown hash `", name, "`"]));
        } else {
            let [name, modulus] = fields(json, &schema::HASH_MEMBERS)?;
            let name = name.ok_or_else(|| issue(json, &["member `name` is missing"]))?;
            if text(name)? != schema::MODULUS_HASH {
                return Err(issue(name, &["only `md5-mod` takes a modulus"]));
            }
            let modulus = modulus.ok_or_else(|| issue(json, &["member `modulus` is missing"]))?;
            let modulus = modulus
                .as_u64(1 << 32)
                .filter(|&modulus| modulus > 0)
                .ok_or_else(|| issue(modulus, &["expected an integer from 1 to 4294967296"]))?;
            Hash::Md5Mod { modulus }
        };
        let hashes = &mut self.tables.hashes;
        if let Some(at) = hashes.iter().position(|&known| known == hash) {
            return Ok(at as u8);
        }
        if hashes.len() > usize::from(u8::MAX) {
            return Err(issue(json, &["more than 256 different hashes"]));
        }
        hashes.push(hash);
        Ok((hashes.len() - 1) as u8)
    }

    pub(super) fn two_lanes(&mut self, json: Json<'d>) -> Load<'d, u8> {
        let hash = self.hash(json)?;
        self.need_two_lanes(hash, json)?;
        Ok(hash)
    }

    pub(super) fn need_two_lanes(&self, hash: u8, at: Json<'d>) -> Load<'d, ()> {
        if self.tables.hash(hash).has_two_lanes() {
            return Ok(());
        }
        Err(issue(
            at,
            &["this needs a hash of two lanes, such as `xxh64`"],
        ))
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

fn out_of_range<'d>(at: Json<'d>) -> super::Issue<'d> {
    issue(
        at,
        &["the number is too large for a double, or longer than 128 characters"],
    )
}

/// Refuses double members and numbers out of range anywhere in a value.
fn check_json<'d>(json: Json<'d>) -> Load<'d, ()> {
    match json.kind() {
        Kind::Number if json.number().is_none() => Err(out_of_range(json)),
        Kind::Array => json.elements().try_for_each(check_json),
        Kind::Object => {
            no_doubles(json)?;
            json.members().try_for_each(|(_, value)| check_json(value))
        }
        _ => Ok(()),
    }
}
