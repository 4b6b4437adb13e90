//! Interned text: every name and text operand of a flag set, each once, found by its bytes.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::hash::{COMPACT, SHORT, key_hash, same};

/// The number of an interned text.
pub(crate) type Symbol = u32;

/// Texts, each stored once, in the order they came.
#[derive(Debug)]
pub(crate) struct Symbols {
    text: String,
    /// Where each text begins, and where the last one ends: one more than there are texts.
    starts: Vec<u32>,
    /// Open addressing with linear probing. A slot is 0 when free, else a symbol plus one in its low bits
    /// and, in the bits left over, the top of the text's hash: most probes end without touching the text.
    slots: Vec<u32>,
    seed: u64,
}

impl Symbols {
    /// `seed` is taken from the document, so that nobody can write names that all collide.
    pub(crate) fn new(seed: u64, capacity: usize) -> Self {
        let mut starts = Vec::with_capacity(capacity + 1);
        starts.push(0);
        Self {
            text: String::new(),
            starts,
            slots: vec![0; slots_for(capacity)],
            seed,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    #[inline]
    pub(crate) fn get(&self, symbol: Symbol) -> &str {
        let range = self.range(symbol);
        range
            .and_then(|range| self.text.get(range))
            .unwrap_or_default()
    }

    #[inline]
    pub(crate) fn bytes(&self, symbol: Symbol) -> &[u8] {
        let range = self.range(symbol);
        range
            .and_then(|range| self.text.as_bytes().get(range))
            .unwrap_or_default()
    }

    #[inline]
    fn range(&self, symbol: Symbol) -> Option<Range<usize>> {
        let [start, end] = *self.starts.get(symbol as usize..)?.first_chunk()?;
        Some(start as usize..end as usize)
    }

    /// The symbol of this text, if it is interned.
    #[cfg_attr(not(target_family = "wasm"), inline)]
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub(crate) fn find(&self, text: &[u8]) -> Option<Symbol> {
        let hash = key_hash(text, self.seed);
        // Most texts are at their first place. Looking there alone is no loop and calls nothing.
        if !COMPACT {
            let mask = self.slots.len().wrapping_sub(1);
            let slot = *self.slots.get(hash as usize & mask)?;
            let symbol = (slot & low_bits(mask)).wrapping_sub(1);
            if slot & !low_bits(mask) == tag(hash, mask)
                && text.len() <= SHORT
                && same(self.bytes(symbol), text)
            {
                return Some(symbol);
            }
        }
        self.find_from(text, hash)
    }

    #[cfg_attr(not(target_family = "wasm"), inline(never))]
    fn find_from(&self, text: &[u8], hash: u64) -> Option<Symbol> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            if slot & !low_bits(mask) == tag(hash, mask) {
                let symbol = (slot & low_bits(mask)).wrapping_sub(1);
                if same(self.bytes(symbol), text) {
                    return Some(symbol);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// The symbol of this text, which is added if it is new.
    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.find(text.as_bytes()) {
            return symbol;
        }
        let symbol = self.len() as Symbol;
        self.text.push_str(text);
        self.starts.push(self.text.len() as u32);
        if (self.len() + 1) * 4 > self.slots.len() * 3 {
            self.rebuild(slots_for(self.len() * 2));
        } else {
            self.place(symbol);
        }
        symbol
    }

    /// Gives back what growing reserved.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.starts.shrink_to_fit();
        let slots = slots_for(self.len());
        if slots < self.slots.len() {
            self.rebuild(slots);
        }
    }

    fn rebuild(&mut self, slots: usize) {
        self.slots = vec![0; slots];
        for symbol in 0..self.len() as Symbol {
            self.place(symbol);
        }
    }

    fn place(&mut self, symbol: Symbol) {
        let mask = self.slots.len().wrapping_sub(1);
        let hash = key_hash(self.bytes(symbol), self.seed);
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == 0 {
                *slot = tag(hash, mask) | (symbol + 1);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.text.capacity() + 4 * (self.starts.capacity() + self.slots.capacity())
    }
}

/// A power of two at most three quarters full, and never full.
fn slots_for(len: usize) -> usize {
    (len + len / 3 + 2).next_power_of_two()
}

/// The bits of a slot that hold a symbol plus one. As the table is never full, that is at most `mask`.
fn low_bits(mask: usize) -> u32 {
    mask as u32
}

/// What a slot holds beside the symbol.
fn tag(hash: u64, mask: usize) -> u32 {
    (hash >> 32) as u32 & !low_bits(mask)
}
