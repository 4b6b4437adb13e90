//! What one resolution remembers of the context, and the quick way through rules that memory opens: most
//! flags test one or two attributes over and over.

use crate::condition::{Evaluation, FLAT, IGNORE_CASE, LOOSE, Node, Op};
use crate::flag_set::{NONE, NONE16, Rule, Span};
use crate::hash::COMPACT;
use crate::trace::Trace;
use crate::value::AttributeValue;
use crate::version::{Packed, Version};

/// A symbol that has not been looked up yet.
const UNKNOWN: u32 = u32::MAX;
/// A text that is no symbol, and so in no set.
const NO_SYMBOL: u32 = u32::MAX - 1;

/// What is remembered of one attribute, so that five rules on one attribute search the context once and look
/// its text up once.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a> {
    value: Option<&'a AttributeValue<'a>>,
    symbol: u32,
    /// The set that the symbol was last looked for in: rules on the same countries share one.
    set: u32,
    attribute: u16,
    in_set: bool,
}

impl Slot<'_> {
    pub(crate) const EMPTY: Self = Self {
        value: None,
        symbol: UNKNOWN,
        set: NONE,
        attribute: NONE16,
        in_set: false,
    };
}

/// The version that an attribute last read as.
#[derive(Clone, Copy)]
pub(crate) struct VersionMemory {
    attribute: u16,
    /// Of the node that read it.
    modifiers: u8,
    reading: VersionReading,
    /// [`Packed::NONE`] unless the reading is [`VersionReading::Packed`].
    packed: Packed,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum VersionReading {
    /// No version at all.
    None,
    Packed,
    /// One that has more to it.
    Full,
}

impl VersionMemory {
    pub(crate) const EMPTY: Self = Self {
        attribute: NONE16,
        modifiers: 0,
        reading: VersionReading::None,
        packed: Packed::NONE,
    };

    fn read(node: &Node, text: &str) -> Self {
        let mut memory = Self {
            attribute: node.attribute,
            modifiers: node.modifiers,
            ..Self::EMPTY
        };
        let text = node.version_text(text);
        let quick = if COMPACT { None } else { Packed::parse(text) };
        let packed = quick.or_else(|| {
            let version = Version::parse(text, node.modifiers & LOOSE != 0)?;
            Some(version.packed())
        });
        if let Some(packed) = packed {
            memory.packed = packed;
            memory.reading = if packed == Packed::NONE {
                VersionReading::Full
            } else {
                VersionReading::Packed
            };
        }
        memory
    }
}

impl<'a, T: Trace<'a>> Evaluation<'a, '_, T> {
    /// Passes over the rules whose condition is false, as far as it is one that needs nothing but attributes.
    /// How many these were, and whether the condition of the next one is known to be true.
    #[inline(never)]
    pub(crate) fn pass_over(&mut self, rules: &[Rule]) -> (usize, bool) {
        let nodes = &self.set.tables.nodes;
        let mut passed = 0;
        for rule in rules {
            match nodes.get(rule.condition as usize) {
                Some(node) if node.modifiers & FLAT != 0 && rule.window == NONE => {
                    if self.flat(rule.condition + 1, node) {
                        return (passed, true);
                    }
                }
                _ => break,
            }
            passed += 1;
        }
        (passed, false)
    }

    /// An `all` or `any` of attribute tests, the first at `child`: what most rules are.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn flat(&mut self, mut child: u32, parent: &Node) -> bool {
        let set = self.set;
        let decides = parent.op == Op::Any;
        let span = Span {
            start: child,
            len: parent.next - child,
        };
        for test in span.of(&set.tables.nodes) {
            let result = if T::HEARS {
                self.trace.node_start(set, child);
                let result = self.attribute_test(child, test);
                self.trace.node_end(set, child, Ok(result));
                result
            } else {
                match self.remembered_test(test) {
                    Some(result) => result,
                    None => self.attribute_test(child, test),
                }
            };
            if result == decides {
                return decides;
            }
            child += 1;
        }
        !decides
    }

    /// What memory alone can answer: a second look at a text or version that an earlier test looked up.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    fn remembered_test(&mut self, node: &Node) -> Option<bool> {
        let at = usize::from(node.attribute) & self.memory.len().wrapping_sub(1);
        let slot = self.memory.get_mut(at)?;
        if slot.attribute != node.attribute {
            return None;
        }
        let tables = &self.set.tables;
        match node.op {
            Op::In if slot.symbol != UNKNOWN && node.modifiers & IGNORE_CASE == 0 => {
                if slot.set != node.a {
                    let set = tables.sets.get(node.a as usize)?;
                    slot.in_set = tables.has_symbol(set, slot.symbol);
                    slot.set = node.a;
                }
                Some(slot.in_set)
            }
            Op::Semver
                if self.version.attribute == node.attribute
                    && self.version.modifiers == node.modifiers
                    && self.version.packed != Packed::NONE =>
            {
                Some(tables.packed_version_holds(node, self.version.packed))
            }
            _ => None,
        }
    }

    pub(crate) fn attribute_test(&mut self, index: u32, node: &'a Node) -> bool {
        let value = if COMPACT {
            self.set.find(self.context, node.attribute)
        } else {
            self.recall(node.attribute)
        };
        self.trace.attribute(value);
        let Some(value) = value else {
            return node.op == Op::Exists && node.a == 0;
        };
        if COMPACT {
            return self.set.tables.test(index, node, value);
        }
        // The two operators that gain from memory; the rest are the same for elements of arrays.
        match (node.op, value) {
            (Op::In, AttributeValue::String(text)) => self.look_up(node.attribute, text),
            (Op::Semver, AttributeValue::String(text)) => {
                let known = &self.version;
                if known.attribute != node.attribute || known.modifiers != node.modifiers {
                    self.version = VersionMemory::read(node, text);
                }
                if self.version.reading == VersionReading::None {
                    return false;
                }
            }
            _ => {}
        }
        match self.remembered_test(node) {
            Some(result) => result,
            None => self.set.tables.test(index, node, value),
        }
    }

    /// An attribute of the context, remembered; none when it is missing.
    #[inline]
    fn recall(&mut self, attribute: u16) -> Option<&'a AttributeValue<'a>> {
        let at = usize::from(attribute) & self.memory.len().wrapping_sub(1);
        if let Some(slot) = self.memory.get(at)
            && slot.attribute == attribute
        {
            return slot.value;
        }
        let value = self.set.find(self.context, attribute);
        if let Some(slot) = self.memory.get_mut(at) {
            *slot = Slot {
                value,
                attribute,
                ..Slot::EMPTY
            };
        }
        value
    }

    /// Looks up the text that [`Evaluation::recall`] gave for this attribute.
    #[inline]
    fn look_up(&mut self, attribute: u16, text: &str) {
        let at = usize::from(attribute) & self.memory.len().wrapping_sub(1);
        if let Some(slot) = self.memory.get_mut(at)
            && slot.symbol == UNKNOWN
        {
            let symbol = self.set.tables.symbols.find(text.as_bytes());
            slot.symbol = symbol.unwrap_or(NO_SYMBOL);
        }
    }
}
