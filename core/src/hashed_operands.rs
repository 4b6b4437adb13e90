//! `inHashed`: operands that the reader of a flag set cannot see.

use alloc::vec::Vec;

use crate::hash::{md5, sha256};
use crate::symbols::{Symbol, Symbols};

/// The operand of one `inHashed`.
#[derive(Debug)]
pub(crate) struct HashedOperands {
    pub(crate) digests: Digests,
    pub(crate) prefix: Symbol,
    pub(crate) suffix: Symbol,
    pub(crate) part: Part,
}

/// Digests of one hash, ascending.
#[derive(Debug)]
pub(crate) enum Digests {
    Md5(Vec<[u8; 16]>),
    Sha256(Vec<[u8; 32]>),
}

/// Which bytes of a text are hashed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Whole,
    First(usize),
    Last(usize),
}

impl HashedOperands {
    /// Whether the digest of this text is one of those.
    pub(crate) fn hold(&self, symbols: &Symbols, text: &str) -> bool {
        let text = text.as_bytes();
        let part = match self.part {
            Part::Whole => Some(text),
            Part::First(bytes) => text.get(..bytes),
            Part::Last(bytes) => text.len().checked_sub(bytes).and_then(|at| text.get(at..)),
        };
        let Some(part) = part else {
            return false;
        };
        let (prefix, suffix) = (symbols.get(self.prefix), symbols.get(self.suffix));
        let parts = [prefix.as_bytes(), part, suffix.as_bytes()];
        match &self.digests {
            Digests::Md5(digests) => digests.binary_search(&md5(&parts)).is_ok(),
            Digests::Sha256(digests) => digests.binary_search(&sha256(&parts)).is_ok(),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.digests {
            Digests::Md5(digests) => digests.capacity() * 16,
            Digests::Sha256(digests) => digests.capacity() * 32,
        }
    }
}

impl Digests {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Md5(digests) => digests.len(),
            Self::Sha256(digests) => digests.len(),
        }
    }

    /// The digests as 64-bit words, one after the other: two or four of them each.
    pub(crate) fn words(&self) -> Vec<u64> {
        let bytes = match self {
            Self::Md5(digests) => digests.as_flattened(),
            Self::Sha256(digests) => digests.as_flattened(),
        };
        let (words, _) = bytes.as_chunks();
        words.iter().map(|word| u64::from_be_bytes(*word)).collect()
    }
}

impl Part {
    /// Two numbers that tell parts apart.
    pub(crate) const fn kind_and_length(self) -> (u64, u64) {
        match self {
            Self::Whole => (0, 0),
            Self::First(bytes) => (1, bytes as u64),
            Self::Last(bytes) => (2, bytes as u64),
        }
    }
}

/// The bytes that exactly `2 * N` lower-case hexadecimal digits stand for.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; N];
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        for digit in pair {
            *byte = *byte << 4
                | match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return None,
                };
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_asked_for_is_hashed_between_prefix_and_suffix() {
        // Digests by Python's hashlib.
        let rows: &[(&str, Part, &str, &str, &str, bool)] = &[
            (
                "900150983cd24fb0d6963f7d28e17f72",
                Part::Whole,
                "",
                "",
                "abc",
                true,
            ),
            (
                "900150983cd24fb0d6963f7d28e17f72",
                Part::Whole,
                "a",
                "c",
                "b",
                true,
            ),
            (
                "900150983cd24fb0d6963f7d28e17f72",
                Part::Whole,
                "ab",
                "",
                "b",
                false,
            ),
            (
                "900150983cd24fb0d6963f7d28e17f72",
                Part::First(3),
                "",
                "",
                "abcd",
                true,
            ),
            (
                "900150983cd24fb0d6963f7d28e17f72",
                Part::Last(3),
                "",
                "",
                "zabc",
                true,
            ),
            (
                "900150983cd24fb0d6963f7d28e17f72",
                Part::First(2),
                "",
                "c",
                "abX",
                true,
            ),
            (
                "900150983cd24fb0d6963f7d28e17f72",
                Part::First(4),
                "",
                "",
                "abc",
                false,
            ),
            (
                "900150983cd24fb0d6963f7d28e17f72",
                Part::Last(4),
                "",
                "",
                "abc",
                false,
            ),
            // One byte of the two of U+00E9: parts are bytes, not characters.
            (
                "d78276f56f8ec8d4f8cca375e4534366",
                Part::First(1),
                "",
                "",
                "\u{e9}",
                true,
            ),
        ];
        for (digest, part, prefix, suffix, text, want) in rows {
            let mut symbols = Symbols::new(0, 0);
            let operands = HashedOperands {
                digests: Digests::Md5(parse_hex(digest).into_iter().collect()),
                prefix: symbols.intern(prefix),
                suffix: symbols.intern(suffix),
                part: *part,
            };
            let row = (part, prefix, suffix, text);
            assert_eq!(operands.hold(&symbols, text), *want, "{row:?}");
        }
    }

    #[test]
    fn digests_are_lower_case_hexadecimal_of_full_length() {
        assert_eq!(parse_hex("00ff7a"), Some([0, 0xFF, 0x7A]));
        for text in [
            "",
            "00ff7",
            "00ff7a0",
            "00ff7a00",
            "00FF7A",
            "00ff7g",
            "0\u{e9}ff7",
        ] {
            assert_eq!(parse_hex::<3>(text), None, "{text}");
        }
    }
}
