//! Conditions: compiled to a flat tree in preorder, evaluated without allocation.

use core::cmp::Ordering;

use crate::address::Address;
use crate::bucketing::{Position, Unit};
use crate::context::{EvaluationContext, lookup};
#[cfg(feature = "imported")]
use crate::flag_set::NONE;
use crate::flag_set::{
    AttributeKind, Comparator, FlagSet, FlagState, IdList, MissingUnit, NONE16, PositionTest, Span,
    TARGETING_KEY, Tables, ValueSet,
};
use crate::hash::{self, COMPACT};
use crate::memory::{Slot, VersionMemory};
use crate::number::{self, Number};
#[cfg(feature = "imported")]
use crate::pointer::descend;
use crate::pointer::follow;
use crate::resolution::ErrorCode;
use crate::symbols::Symbol;
use crate::text::{compare_folded, contains, same, trim};
use crate::time::{UnixMillis, parse_rfc3339};
use crate::trace::Trace;
use crate::value::AttributeValue;
use crate::version::{self, Packed, Version};

/// What a node tests. `a` and `b` of the [`Node`] mean what the comment says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Op {
    /// `a`: 1 for true.
    Always,
    All,
    Any,
    Not,
    /// `a`: the text of the error.
    Error,
    /// `a`: segment.
    Segment,
    /// `a`: flag; `b`: where in `symbol_lists` the list of its variant numbers is, length first.
    FlagIs,
    /// `a`: flag; `b`: 1 for enabled.
    FlagEnabled,
    /// `a`: index in `positions`.
    Position,
    /// `a`: index in `id_lists`.
    HashedIds,
    /// `a`: where in `symbol_lists` experiment, first phase, end of phases and variants are; `b`: how many
    /// variants, or [`NONE`](crate::flag_set::NONE) for whatever variant.
    #[cfg(feature = "imported")]
    Prior,
    /// `a`: index in `sets`.
    In,
    /// `a`, `b`: span of `symbol_lists`.
    Contains,
    StartsWith,
    EndsWith,
    /// `a`: index in `regexes`.
    #[cfg(feature = "regex")]
    Matches,
    /// `a`: index in `numbers`.
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `a`: index in `times`.
    Before,
    NotAfter,
    After,
    NotBefore,
    /// `a`, `b`: span of `comparators`.
    Semver,
    /// `a`, `b`: span of `blocks`.
    Cidr,
    /// `a`: index in `sets`.
    ContainsAny,
    ContainsAll,
    /// `a`: index in `hashed`.
    #[cfg(feature = "imported")]
    InHashed,
    /// The child is the next node and tests the element; `b`: [`WHERE`] if it is a condition.
    AnyElement,
    EveryElement,
    /// The child is the next node and tests the number of elements.
    #[cfg(feature = "imported")]
    Size,
    /// `a`: 1 for "exists".
    Exists,
    /// `a`: a [`TypeName`].
    HasType,
}

impl Op {
    /// Whether this looks at an attribute, and at nothing else.
    pub(crate) const fn tests_attribute(self) -> bool {
        #[cfg(feature = "imported")]
        if matches!(self, Self::Prior) {
            return false;
        }
        !matches!(
            self,
            Self::Always
                | Self::All
                | Self::Any
                | Self::Not
                | Self::Error
                | Self::Segment
                | Self::FlagIs
                | Self::FlagEnabled
                | Self::Position
                | Self::HashedIds
        )
    }
}

/// Names of attribute types.
pub(crate) const TYPE_NAMES: [&str; 5] = ["string", "number", "boolean", "array", "object"];

/// A modifier bit of a [`Node`].
pub(crate) const IGNORE_CASE: u8 = 1;
/// A modifier bit of a [`Node`].
pub(crate) const LOOSE: u8 = 2;
/// A modifier bit of a [`Node`]: numbers are seconds.
pub(crate) const SECONDS: u8 = 4;
/// A modifier bit of an `all` or `any` [`Node`]: its children are attribute tests of one node each.
pub(crate) const FLAT: u8 = 8;
/// A modifier bit of a [`Node`] that puts in order: `a` is a symbol, and text is compared.
pub(crate) const TEXT: u8 = 16;
/// A modifier bit beside [`TEXT`]: versions are padded first.
pub(crate) const PADDED: u8 = 32;
/// A modifier bit of a [`Node`]: text is read as people write numbers and versions.
pub(crate) const LENIENT: u8 = 64;

/// Of an element [`Node`]: the child is a whole condition.
#[cfg(feature = "imported")]
pub(crate) const WHERE: u32 = 1;

/// A node of a condition tree. Children follow their parent; `next` is the node after the subtree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) modifiers: u8,
    pub(crate) attribute: u16,
    pub(crate) next: u32,
    pub(crate) a: u32,
    pub(crate) b: u32,
}

impl Node {
    /// What a test for versions reads of a text.
    #[inline]
    pub(crate) fn version_text<'t>(&self, text: &'t str) -> &'t [u8] {
        if cfg!(feature = "imported") && self.modifiers & LENIENT != 0 {
            return trim(text.as_bytes());
        }
        text.as_bytes()
    }
}

/// One resolution in progress.
pub(crate) struct Evaluation<'a, 'm, T> {
    pub(crate) set: &'a FlagSet,
    pub(crate) context: &'a EvaluationContext<'a>,
    pub(crate) now: UnixMillis,
    /// A power of two of slots; an attribute's is its number modulo that.
    pub(crate) memory: &'m mut [Slot<'a>],
    pub(crate) version: VersionMemory,
    pub(crate) trace: T,
}

impl<'a, 'm, T: Trace<'a>> Evaluation<'a, 'm, T> {
    #[inline]
    pub(crate) fn new(
        set: &'a FlagSet,
        context: &'a EvaluationContext<'a>,
        now: UnixMillis,
        memory: &'m mut [Slot<'a>],
        trace: T,
    ) -> Self {
        Self {
            set,
            context,
            now,
            memory,
            version: VersionMemory::EMPTY,
            trace,
        }
    }

    pub(crate) fn into_trace(self) -> T {
        self.trace
    }

    /// Whether the condition with this root holds.
    pub(crate) fn condition(&mut self, index: u32) -> Result<bool, ErrorCode> {
        let set = self.set;
        let Some(node) = set.tables.nodes.get(index as usize) else {
            return Ok(false);
        };
        self.trace.node_start(set, index);
        let result = self.node(index, node);
        self.trace.node_end(set, index, result);
        result
    }

    fn node(&mut self, index: u32, node: &'a Node) -> Result<bool, ErrorCode> {
        let set = self.set;
        let tables = &set.tables;
        match node.op {
            Op::Always => Ok(node.a == 1),
            Op::All | Op::Any => {
                let decides = node.op == Op::Any;
                let mut child = index + 1;
                if !COMPACT && node.modifiers & FLAT != 0 {
                    return Ok(self.flat(child, node));
                }
                while child < node.next {
                    if self.condition(child)? == decides {
                        return Ok(decides);
                    }
                    let Some(seen) = tables.nodes.get(child as usize) else {
                        break;
                    };
                    child = seen.next;
                }
                Ok(!decides)
            }
            Op::Not => Ok(!self.condition(index + 1)?),
            Op::Error => Err(ErrorCode::ParseError),
            Op::Segment => match tables.segments.get(node.a as usize) {
                Some(segment) => self.condition(segment.root),
                None => Ok(false),
            },
            Op::FlagIs => {
                let resolution = self.flag(node.a);
                self.trace.prerequisite(&resolution);
                if resolution.error_code() == Some(ErrorCode::ParseError) {
                    return Err(ErrorCode::ParseError);
                }
                let wanted = tables.lists(node.b);
                Ok(resolution.variant != NONE16 && wanted.contains(&resolution.variant.into()))
            }
            Op::FlagEnabled => {
                let flag = tables.flags.get(node.a as usize);
                let enabled = flag.is_some_and(|flag| flag.state == FlagState::Enabled);
                Ok(enabled == (node.b == 1))
            }
            Op::Position => match tables.positions.get(node.a as usize) {
                Some(test) => self.position_test(test),
                None => Ok(false),
            },
            Op::HashedIds => Ok(tables
                .id_lists
                .get(node.a as usize)
                .is_some_and(|list| self.in_list(list))),
            #[cfg(feature = "imported")]
            Op::Prior => Ok(self.prior_test(node)),
            _ => Ok(self.attribute_test(index, node)),
        }
    }

    /// Whether the last prior assignment of the experiment in these phases is of one of the variants.
    #[cfg(feature = "imported")]
    fn prior_test(&self, node: &Node) -> bool {
        let tables = &self.set.tables;
        let list = tables
            .symbol_lists
            .get(node.a as usize..)
            .unwrap_or_default();
        let [experiment, first, end, names @ ..] = list else {
            return false;
        };
        let experiment = tables.symbols.get(*experiment);
        let prior =
            self.context.prior.iter().rfind(|prior| {
                prior.experiment == experiment && (*first..*end).contains(&prior.phase)
            });
        let mut names = names.iter().take(node.b as usize);
        prior.is_some_and(|prior| {
            node.b == NONE || names.any(|name| tables.symbols.get(*name) == prior.variant)
        })
    }

    fn position_test(&mut self, test: &PositionTest) -> Result<bool, ErrorCode> {
        let unit = self.set.unit(self.context, test.unit).map(|(_, unit)| unit);
        let position = match unit {
            Some(unit) => self.set.position(test.hash, test.salt, unit),
            None => match test.missing {
                MissingUnit::Skip => return Ok(false),
                MissingUnit::Zero => Position::default(),
                MissingUnit::Error => return Err(ErrorCode::TargetingKeyMissing),
            },
        };
        let position = if test.enrol_lane {
            position.enrol
        } else {
            position.arm
        };
        self.trace.position(self.set, test, unit, position);
        let ranges = test.ranges.of(&self.set.tables.ranges);
        Ok(ranges.iter().any(|range| range.contains(position)))
    }

    fn in_list(&self, list: &IdList) -> bool {
        let Some((_, unit)) = self.set.unit(self.context, list.unit) else {
            return false;
        };
        let salt = self.set.tables.symbols.get(list.salt);
        let hash = hash::xxh64_salted(salt.as_bytes(), unit.text().as_bytes(), 0);
        list.hashes.binary_search(&hash).is_ok()
    }
}

impl FlagSet {
    /// The unit of a chain, and the attribute that it came from.
    #[inline]
    pub(crate) fn unit<'a>(
        &'a self,
        context: &'a EvaluationContext<'a>,
        chain: u16,
    ) -> Option<(u16, Unit<'a>)> {
        if chain == 0 {
            return Some((TARGETING_KEY, Unit::of(&context.targeting_key)?));
        }
        let tables = &self.tables;
        let chain = tables.units.get(usize::from(chain)).copied()?;
        chain
            .of(&tables.unit_attributes)
            .iter()
            .find_map(|&attribute| {
                let value = self.find(context, attribute)?;
                Some((attribute, Unit::of(value)?))
            })
    }

    /// An attribute of the context; none when it is missing.
    pub(crate) fn find<'a>(
        &'a self,
        context: &'a EvaluationContext<'a>,
        attribute: u16,
    ) -> Option<&'a AttributeValue<'a>> {
        let tables = &self.tables;
        let attribute = tables.attributes.get(usize::from(attribute))?;
        let value = match attribute.kind {
            AttributeKind::TargetingKey => &context.targeting_key,
            AttributeKind::Random => &context.random,
            AttributeKind::Name => {
                lookup(&context.attributes, tables.symbols.bytes(attribute.name))?
            }
            AttributeKind::Pointer => {
                follow(&context.attributes, tables.symbols.bytes(attribute.name))?
            }
            #[cfg(feature = "imported")]
            AttributeKind::Element => return None,
        };
        let empty = cfg!(feature = "imported") && attribute.empty_is_missing && is_empty(value);
        (!value.is_missing() && !empty).then_some(value)
    }
}

impl Tables {
    /// A list of numbers in `symbol_lists` whose first entry is its length.
    pub(crate) fn lists(&self, at: u32) -> &[u32] {
        let len = self.symbol_lists.get(at as usize).copied();
        Span {
            start: at + 1,
            len: len.unwrap_or_default(),
        }
        .of(&self.symbol_lists)
    }

    /// Whether a present value passes the attribute test of a node.
    pub(crate) fn test(&self, index: u32, node: &Node, value: &AttributeValue<'_>) -> bool {
        let folded = node.modifiers & IGNORE_CASE != 0;
        let loose = node.modifiers & LOOSE != 0;
        match node.op {
            Op::In => self.in_set(node, value),
            Op::Contains | Op::StartsWith | Op::EndsWith => {
                let Some(text) = value.as_str() else {
                    return false;
                };
                let span = Span {
                    start: node.a,
                    len: node.b,
                };
                span.of(&self.symbol_lists).iter().any(|&part| {
                    let part = self.symbols.get(part).as_bytes();
                    match node.op {
                        Op::Contains => contains(text.as_bytes(), part, folded),
                        Op::StartsWith => {
                            let start = text.as_bytes().get(..part.len());
                            start.is_some_and(|start| same(start, part, folded))
                        }
                        _ => text
                            .len()
                            .checked_sub(part.len())
                            .and_then(|start| text.as_bytes().get(start..))
                            .is_some_and(|end| same(end, part, folded)),
                    }
                })
            }
            #[cfg(feature = "regex")]
            Op::Matches => {
                let Some((_, regex)) = self.regexes.get(node.a as usize) else {
                    return false;
                };
                match value {
                    AttributeValue::String(text) => regex.is_match(text),
                    _ if loose => match crate::text_form::TextForm::of(value) {
                        Some(text) => regex.is_match(text.as_str()),
                        None => false,
                    },
                    _ => false,
                }
            }
            #[cfg(feature = "imported")]
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual
                if node.modifiers & TEXT != 0 =>
            {
                self.text_order(node, value)
                    .is_some_and(|order| holds(node.op, order))
            }
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                let number = match value {
                    #[cfg(feature = "imported")]
                    AttributeValue::String(text) if node.modifiers & LENIENT != 0 => {
                        number::parse_lenient(text.as_bytes())
                    }
                    AttributeValue::String(text) if loose => {
                        number::parse_json_number(text.as_bytes())
                    }
                    _ => value.as_number(),
                };
                let operand = self.numbers.get(node.a as usize).copied();
                let (Some(number), Some(operand)) = (number, operand) else {
                    return false;
                };
                number::compare(number, operand).is_some_and(|order| holds(node.op, order))
            }
            Op::Before | Op::NotAfter | Op::After | Op::NotBefore => {
                let seconds = node.modifiers & SECONDS != 0;
                let operand = self.times.get(node.a as usize);
                let (Some(time), Some(operand)) = (time_of(value, seconds), operand) else {
                    return false;
                };
                holds(node.op, time.cmp(operand))
            }
            Op::Semver => value
                .as_str()
                .and_then(|text| Version::parse(node.version_text(text), loose))
                .is_some_and(|version| self.version_holds(node, &version)),
            Op::Cidr => {
                let address = value
                    .as_str()
                    .and_then(|text| Address::parse(text.as_bytes()));
                let span = Span {
                    start: node.a,
                    len: node.b,
                };
                address.is_some_and(|address| {
                    span.of(&self.blocks)
                        .iter()
                        .any(|block| block.contains(address))
                })
            }
            Op::ContainsAny | Op::ContainsAll => {
                let AttributeValue::Array(elements) = value else {
                    return false;
                };
                let Some(set) = self.sets.get(node.a as usize) else {
                    return false;
                };
                if node.op == Op::ContainsAny {
                    elements.iter().any(|element| self.has(set, element))
                } else {
                    self.all_in(set, elements)
                }
            }
            #[cfg(feature = "imported")]
            Op::InHashed => {
                let Some(operands) = self.hashed.get(node.a as usize) else {
                    return false;
                };
                match value {
                    AttributeValue::String(text) => operands.hold(&self.symbols, text),
                    _ if loose => match crate::text_form::TextForm::of(value) {
                        Some(text) => operands.hold(&self.symbols, text.as_str()),
                        None => false,
                    },
                    _ => false,
                }
            }
            Op::AnyElement | Op::EveryElement => {
                let (AttributeValue::Array(elements), Some(test)) =
                    (value, self.nodes.get(index as usize + 1))
                else {
                    return false;
                };
                let passes = |element: &AttributeValue<'_>| {
                    #[cfg(feature = "imported")]
                    if node.b == WHERE {
                        return self.element_condition(index + 1, element);
                    }
                    if element.is_missing() {
                        test.op == Op::Exists && test.a == 0
                    } else {
                        self.test(index + 1, test, element)
                    }
                };
                if node.op == Op::AnyElement {
                    elements.iter().any(passes)
                } else {
                    elements.iter().all(passes)
                }
            }
            #[cfg(feature = "imported")]
            Op::Size => {
                let size = match value {
                    AttributeValue::Array(elements) => elements.len(),
                    AttributeValue::Object(members) => members.len(),
                    _ => return false,
                };
                let Some(test) = self.nodes.get(index as usize + 1) else {
                    return false;
                };
                self.test(index + 1, test, &AttributeValue::Integer(size as i64))
            }
            Op::Exists => node.a == 1,
            Op::HasType => {
                let type_name = match value {
                    AttributeValue::String(_) => 0,
                    AttributeValue::Integer(_) | AttributeValue::Number(_) => 1,
                    AttributeValue::Bool(_) => 2,
                    AttributeValue::Array(_) => 3,
                    AttributeValue::Object(_) => 4,
                    AttributeValue::Null => return false,
                };
                node.a == type_name
            }
            _ => false,
        }
    }

    /// Whether a condition on the element of an array holds.
    #[cfg(feature = "imported")]
    fn element_condition(&self, index: u32, element: &AttributeValue<'_>) -> bool {
        let Some(node) = self.nodes.get(index as usize) else {
            return false;
        };
        match node.op {
            Op::Always => node.a == 1,
            Op::Not => !self.element_condition(index + 1, element),
            Op::All | Op::Any => {
                let decides = node.op == Op::Any;
                let mut child = index + 1;
                while child < node.next {
                    if self.element_condition(child, element) == decides {
                        return decides;
                    }
                    let Some(seen) = self.nodes.get(child as usize) else {
                        break;
                    };
                    child = seen.next;
                }
                !decides
            }
            _ => {
                let attribute = self.attributes.get(usize::from(node.attribute));
                let pointer = attribute.map_or("", |attribute| self.symbols.get(attribute.name));
                match descend(element, pointer.as_bytes()).filter(|value| !value.is_missing()) {
                    Some(value) => self.test(index, node, value),
                    None => node.op == Op::Exists && node.a == 0,
                }
            }
        }
    }

    /// How a text stands to the operand of an order of texts; with `loose` also a number's.
    #[cfg(feature = "imported")]
    fn text_order(&self, node: &Node, value: &AttributeValue<'_>) -> Option<Ordering> {
        let form;
        let text = match value {
            AttributeValue::String(text) => text,
            AttributeValue::Bool(_) => return None,
            _ if node.modifiers & LOOSE != 0 => {
                form = crate::text_form::TextForm::of(value)?;
                form.as_str()
            }
            _ => return None,
        };
        let (text, operand) = (text.as_bytes(), self.symbols.get(node.a).as_bytes());
        Some(if node.modifiers & PADDED != 0 {
            version::compare_padded(text, operand)
        } else {
            text.cmp(operand)
        })
    }

    fn in_set(&self, node: &Node, value: &AttributeValue<'_>) -> bool {
        let Some(set) = self.sets.get(node.a as usize) else {
            return false;
        };
        if node.modifiers & IGNORE_CASE == 0 {
            return self.has(set, value);
        }
        match value {
            AttributeValue::String(text) => set
                .symbols
                .of(&self.symbol_lists)
                .binary_search_by(|&symbol| {
                    compare_folded(self.symbols.get(symbol).as_bytes(), text.as_bytes())
                })
                .is_ok(),
            _ => self.has(set, value),
        }
    }

    /// Whether a value is one of the operands.
    fn has(&self, set: &ValueSet, value: &AttributeValue<'_>) -> bool {
        match value {
            AttributeValue::String(text) => match self.symbols.find(text.as_bytes()) {
                Some(symbol) => self.has_symbol(set, symbol),
                None => false,
            },
            AttributeValue::Bool(true) => set.has_true,
            AttributeValue::Bool(false) => set.has_false,
            _ => match value.as_number() {
                Some(number) => self.number_in(set, number).is_some(),
                None => false,
            },
        }
    }

    #[inline]
    pub(crate) fn has_symbol(&self, set: &ValueSet, symbol: Symbol) -> bool {
        let symbols = set.symbols.of(&self.symbol_lists);
        if symbols.len() <= 16 {
            #[expect(
                clippy::manual_contains,
                reason = "`contains` is made for longer lists"
            )]
            return symbols.iter().any(|&operand| operand == symbol);
        }
        symbols.binary_search(&symbol).is_ok()
    }

    fn number_in(&self, set: &ValueSet, number: Number) -> Option<usize> {
        set.numbers
            .of(&self.numbers)
            .binary_search_by(|operand| number::compare(*operand, number).unwrap_or(Ordering::Less))
            .ok()
    }

    /// Whether every operand equals some element.
    fn all_in(&self, set: &ValueSet, elements: &[AttributeValue<'_>]) -> bool {
        let texts = set.symbols.of(&self.symbol_lists).iter().all(|&symbol| {
            let text = self.symbols.get(symbol);
            elements
                .iter()
                .any(|element| element.as_str() == Some(text))
        });
        let numbers = || {
            set.numbers.of(&self.numbers).iter().all(|&number| {
                elements.iter().any(|element| {
                    element.as_number().is_some_and(|found| {
                        number::compare(found, number) == Some(Ordering::Equal)
                    })
                })
            })
        };
        let has = |wanted: bool| elements.contains(&AttributeValue::Bool(wanted));
        texts && numbers() && (!set.has_true || has(true)) && (!set.has_false || has(false))
    }

    fn version_holds(&self, node: &Node, version: &Version<'_>) -> bool {
        let span = Span {
            start: node.a,
            len: node.b,
        };
        span.of(&self.comparators)
            .iter()
            .all(|comparator| self.compares(comparator, version))
    }

    #[inline]
    pub(crate) fn packed_version_holds(&self, node: &Node, version: Packed) -> bool {
        let span = Span {
            start: node.a,
            len: node.b,
        };
        span.of(&self.comparators).iter().all(|comparator| {
            if comparator.packed == Packed::NONE {
                return self.unpacked_version_holds(comparator, version);
            }
            comparator.comparison.holds(version.cmp(&comparator.packed))
        })
    }

    #[cold]
    fn unpacked_version_holds(&self, comparator: &Comparator, version: Packed) -> bool {
        self.compares(comparator, &version.version())
    }

    fn compares(&self, comparator: &Comparator, version: &Version<'_>) -> bool {
        let operand = if COMPACT || comparator.packed == Packed::NONE {
            let text = self.symbols.get(comparator.text).as_bytes();
            let mut operands = version::comparators(text, comparator.loose).flatten();
            operands.next().map(|(_, operand)| operand)
        } else {
            Some(comparator.packed.version())
        };
        operand.is_some_and(|operand| {
            let order = version.cmp_precedence(&operand);
            comparator.comparison.holds(order)
        })
    }
}

/// Whether a unit that must not be empty counts this as missing.
fn is_empty(value: &AttributeValue<'_>) -> bool {
    match value {
        AttributeValue::String(text) => text.is_empty(),
        AttributeValue::Integer(number) => *number == 0,
        AttributeValue::Number(number) => *number == 0.0,
        _ => false,
    }
}

fn holds(op: Op, order: Ordering) -> bool {
    match op {
        Op::Less | Op::Before => order.is_lt(),
        Op::LessOrEqual | Op::NotAfter => order.is_le(),
        Op::Greater | Op::After => order.is_gt(),
        _ => order.is_ge(),
    }
}

/// A time attribute in milliseconds since 1970.
fn time_of(value: &AttributeValue<'_>, seconds: bool) -> Option<i64> {
    match *value {
        AttributeValue::String(ref text) => {
            parse_rfc3339(text.as_bytes()).map(|time| time.millis.0)
        }
        AttributeValue::Integer(number) if seconds => number.checked_mul(1_000),
        AttributeValue::Integer(number) => Some(number),
        AttributeValue::Number(number) => {
            let millis = if seconds { number * 1_000.0 } else { number };
            // The bounds are exact doubles; the cast cuts toward zero.
            let fits =
                (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&millis);
            fits.then_some(millis as i64)
        }
        _ => None,
    }
}
