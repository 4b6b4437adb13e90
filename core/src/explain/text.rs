//! Conditions and values as text for a person.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

#[cfg(feature = "imported")]
use crate::condition::WHERE;
use crate::condition::{IGNORE_CASE, LENIENT, LOOSE, Node, Op, PADDED, SECONDS, TEXT, TYPE_NAMES};
#[cfg(feature = "imported")]
use crate::flag_set::NONE;
use crate::flag_set::{FlagSet, Span, Tables};
use crate::json_write::push_string;
use crate::number::Number;
use crate::time::{UnixMillis, format_rfc3339};
use crate::value::{AttributeValue, Value};
use crate::version::{Comparison, Packed};

/// Operands shown of a long list.
const SHOWN: usize = 10;

/// A flag's value as JSON.
pub(crate) fn value(value: Value<'_>) -> String {
    match value {
        Value::Boolean(value) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Integer(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Object(json) => json.into(),
    }
}

/// Bytes shown of an attribute's value.
const MAX_SHOWN_BYTES: usize = 300;

/// An attribute's value as JSON, as far as it is worth showing.
pub(super) fn attribute(value: &AttributeValue<'_>) -> String {
    let mut text = String::new();
    push_attribute(&mut text, value);
    if text.len() > MAX_SHOWN_BYTES {
        let mut end = MAX_SHOWN_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Appends a value's JSON, and stops soon after what is shown.
fn push_attribute(out: &mut String, value: &AttributeValue<'_>) {
    if out.len() > MAX_SHOWN_BYTES {
        return;
    }
    match value {
        AttributeValue::Null => out.push_str("null"),
        AttributeValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        AttributeValue::Integer(value) => out.push_str(&value.to_string()),
        AttributeValue::Number(value) => out.push_str(&value.to_string()),
        AttributeValue::String(text) => {
            let mut end = text.len().min(MAX_SHOWN_BYTES);
            while !text.is_char_boundary(end) {
                end += 1;
            }
            out.push_str(&quoted(text.get(..end).unwrap_or_default()));
        }
        AttributeValue::Array(elements) => {
            out.push('[');
            for (place, element) in elements.iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                if out.len() > MAX_SHOWN_BYTES {
                    break;
                }
                push_attribute(out, element);
            }
            out.push(']');
        }
        AttributeValue::Object(members) => {
            out.push('{');
            for (place, (name, value)) in members.iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                if out.len() > MAX_SHOWN_BYTES {
                    break;
                }
                out.push_str(&quoted(name));
                out.push_str(": ");
                push_attribute(out, value);
            }
            out.push('}');
        }
    }
}

pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = Vec::new();
    push_string(&mut quoted, text);
    String::from_utf8(quoted).unwrap_or_default()
}

/// A condition without what it is made of.
pub(crate) fn node(set: &FlagSet, index: u32) -> String {
    let tables = &set.tables;
    let Some(node) = tables.nodes.get(index as usize) else {
        return String::new();
    };
    let symbol = |symbol: u32| tables.symbols.get(symbol);
    match node.op {
        Op::Always => if node.a == 1 { "always" } else { "never" }.into(),
        Op::All => "all".into(),
        Op::Any => "any".into(),
        Op::Not => "not".into(),
        Op::Error => format!("error {}", quoted(symbol(node.a))),
        Op::Segment => {
            let segment = tables.segments.get(node.a as usize);
            let name = segment.map_or("", |segment| symbol(segment.name));
            format!("segment {}", quoted(name))
        }
        Op::FlagIs => {
            let names: Vec<String> = tables
                .lists(node.b)
                .iter()
                .filter_map(|variant| set.variant_name(node.a, *variant as u16))
                .map(quoted)
                .collect();
            let key = quoted(symbol(node.a));
            match names.as_slice() {
                [name] => format!("flag {key} is {name}"),
                _ => format!("flag {key} is one of [{}]", names.join(", ")),
            }
        }
        Op::FlagEnabled => {
            let state = if node.b == 1 { "enabled" } else { "disabled" };
            format!("flag {} is {state}", quoted(symbol(node.a)))
        }
        Op::Position => {
            let Some(test) = tables.positions.get(node.a as usize) else {
                return String::new();
            };
            let lane = if test.enrol_lane { "enrol" } else { "arm" };
            let ranges: Vec<String> = test
                .ranges
                .of(&tables.ranges)
                .iter()
                .map(|range| format!("{}..{}", range.start, range.end))
                .collect();
            let hash = tables.hash(test.hash);
            format!(
                "{lane} position under {} in {} of {}",
                quoted(symbol(test.salt)),
                ranges.join(", "),
                hash.modulus()
            )
        }
        #[cfg(feature = "imported")]
        Op::Prior => {
            let parts = tables.symbol_lists.get(node.a as usize..);
            let Some([experiment, first, end, names @ ..]) = parts else {
                return String::new();
            };
            let experiment = quoted(symbol(*experiment));
            let mut text = format!("prior assignment of {experiment} in phase {first}..{end}");
            if node.b != NONE {
                let names = names.iter().take(node.b as usize);
                let names = list(names.map(|name| quoted(symbol(*name))));
                text.push_str(&format!(" to one of {names}"));
            }
            text
        }
        Op::HashedIds => {
            let list = tables.id_lists.get(node.a as usize);
            format!(
                "unit in list of {} ids",
                list.map_or(0, |list| list.hashes.len())
            )
        }
        _ => {
            let test = operator(tables, index, node);
            format!("{} {test}", set.attribute_name(node.attribute))
        }
    }
}

/// An operator with its operand and modifiers.
fn operator(tables: &Tables, index: u32, node: &Node) -> String {
    let span = Span {
        start: node.a,
        len: node.b,
    };
    let texts = || {
        let parts = span.of(&tables.symbol_lists);
        list(parts.iter().map(|part| quoted(tables.symbols.get(*part))))
    };
    let bound = || {
        if node.modifiers & TEXT != 0 {
            return quoted(tables.symbols.get(node.a));
        }
        let number = tables.numbers.get(node.a as usize);
        number
            .map(|number| number_text(*number))
            .unwrap_or_default()
    };
    let time = || {
        let time = tables.times.get(node.a as usize);
        format_rfc3339(UnixMillis(time.copied().unwrap_or_default()))
    };
    let test = match node.op {
        Op::In => format!("in {}", set_text(tables, node.a)),
        Op::Contains => format!("contains {}", texts()),
        Op::StartsWith => format!("startsWith {}", texts()),
        Op::EndsWith => format!("endsWith {}", texts()),
        #[cfg(feature = "regex")]
        Op::Matches => {
            let regex = tables.regexes.get(node.a as usize);
            format!(
                "matches /{}/",
                regex.map_or("", |(_, regex)| regex.as_str())
            )
        }
        Op::Less => format!("< {}", bound()),
        Op::LessOrEqual => format!("<= {}", bound()),
        Op::Greater => format!("> {}", bound()),
        Op::GreaterOrEqual => format!(">= {}", bound()),
        Op::Before => format!("before {}", time()),
        Op::NotAfter => format!("notAfter {}", time()),
        Op::After => format!("after {}", time()),
        Op::NotBefore => format!("notBefore {}", time()),
        Op::Semver => {
            let comparators = span.of(&tables.comparators).iter().map(|comparator| {
                if comparator.packed == Packed::NONE {
                    return String::from(tables.symbols.get(comparator.text));
                }
                let [major, minor, patch] = comparator.packed.numbers();
                let sign = match comparator.comparison {
                    Comparison::Equal => "=",
                    Comparison::NotEqual => "!=",
                    Comparison::Less => "<",
                    Comparison::LessOrEqual => "<=",
                    Comparison::Greater => ">",
                    Comparison::GreaterOrEqual => ">=",
                };
                format!("{sign}{major}.{minor}.{patch}")
            });
            format!("semver {}", comparators.collect::<Vec<_>>().join(" "))
        }
        Op::Cidr => {
            let blocks = span.of(&tables.blocks).iter();
            format!("cidr {}", list(blocks.map(ToString::to_string)))
        }
        Op::ContainsAny => format!("containsAny {}", set_text(tables, node.a)),
        Op::ContainsAll => format!("containsAll {}", set_text(tables, node.a)),
        #[cfg(feature = "imported")]
        Op::InHashed => {
            let operands = tables.hashed.get(node.a as usize);
            let count = operands.map_or(0, |operands| operands.digests.len());
            format!("hash is one of {count}")
        }
        Op::AnyElement | Op::EveryElement => {
            let name = if node.op == Op::AnyElement {
                "anyElement"
            } else {
                "everyElement"
            };
            #[cfg(feature = "imported")]
            if node.b == WHERE {
                return format!("{name} where {}", element(tables, index + 1));
            }
            match tables.nodes.get(index as usize + 1) {
                Some(child) => format!("{name} {}", operator(tables, index + 1, child)),
                None => name.into(),
            }
        }
        #[cfg(feature = "imported")]
        Op::Size => match tables.nodes.get(index as usize + 1) {
            Some(child) => format!("size {}", operator(tables, index + 1, child)),
            None => "size".into(),
        },
        Op::Exists => if node.a == 1 { "exists" } else { "is missing" }.into(),
        Op::HasType => {
            let name = TYPE_NAMES.get(node.a as usize).copied();
            format!("is of type {}", name.unwrap_or_default())
        }
        _ => String::new(),
    };
    let mut test = test;
    for (bit, note) in [
        (IGNORE_CASE, " ignoring case"),
        (LOOSE, " (loose)"),
        (SECONDS, " (seconds)"),
        (LENIENT, " (lenient)"),
        (PADDED, " as padded versions"),
    ] {
        if node.modifiers & bit != 0 {
            test.push_str(note);
        }
    }
    test
}

/// A condition on an array's element.
#[cfg(feature = "imported")]
fn element(tables: &Tables, index: u32) -> String {
    let Some(node) = tables.nodes.get(index as usize) else {
        return String::new();
    };
    match node.op {
        Op::Always => if node.a == 1 { "always" } else { "never" }.into(),
        Op::Not => format!("not {}", element(tables, index + 1)),
        Op::All | Op::Any => {
            let mut parts = Vec::new();
            let mut child = index + 1;
            while child < node.next {
                parts.push(element(tables, child));
                child = tables
                    .nodes
                    .get(child as usize)
                    .map_or(node.next, |n| n.next);
            }
            let name = if node.op == Op::All { "all" } else { "any" };
            format!("{name} {}", list(parts.into_iter()))
        }
        _ => {
            let attribute = tables.attributes.get(usize::from(node.attribute));
            let name = attribute.map_or("", |attribute| tables.symbols.get(attribute.name));
            format!("{} {}", quoted(name), operator(tables, index, node))
        }
    }
}

fn set_text(tables: &Tables, set: u32) -> String {
    let Some(set) = tables.sets.get(set as usize) else {
        return String::new();
    };
    let symbols = set.symbols.of(&tables.symbol_lists);
    let texts = symbols
        .iter()
        .map(|symbol| quoted(tables.symbols.get(*symbol)));
    let numbers = set.numbers.of(&tables.numbers);
    let numbers = numbers.iter().map(|number| number_text(*number));
    let booleans = [(set.has_true, "true"), (set.has_false, "false")]
        .into_iter()
        .filter(|(has, _)| *has)
        .map(|(_, text)| text.to_string());
    list(texts.chain(numbers).chain(booleans))
}

fn list(mut items: impl Iterator<Item = String>) -> String {
    let shown: Vec<String> = items.by_ref().take(SHOWN).collect();
    let more = items.count();
    if more == 0 {
        format!("[{}]", shown.join(", "))
    } else {
        format!("[{}, and {more} more]", shown.join(", "))
    }
}

fn number_text(number: Number) -> String {
    match number {
        Number::Integer(value) => value.to_string(),
        Number::Double(value) => value.to_string(),
    }
}
