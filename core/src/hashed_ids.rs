//! Lists of 64-bit hashes as text: base64 of LEB128 differences.

use alloc::{string::String, vec::Vec};

use crate::messages::{Message, m};

/// Why a list of hashed ids does not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct HashedIdsError {
    /// The byte of the text, from 0, where it goes wrong.
    pub(crate) position: usize,
    /// What is wrong there.
    pub(crate) problem: HashedIdsProblem,
}

/// What is wrong with a list of hashed ids.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HashedIdsProblem {
    /// A character outside the alphabet, wrong padding, a length that no bytes have, or bits that
    /// belong to no byte and are not zero.
    Base64,
    /// A number that ends with the text, is longer than it needs to be, or exceeds 64 bits.
    Number,
    /// A hash twice, or one beyond 2^64.
    Order,
    /// More hashes than allowed.
    TooMany,
}

impl HashedIdsProblem {
    /// A sentence's end: "the list …".
    pub(crate) fn message(self) -> Message {
        match self {
            Self::Base64 => m!("is not base64"),
            Self::Number => m!("holds a malformed number"),
            Self::Order => m!("does not ascend within 64 bits"),
            Self::TooMany => m!("holds too many hashes"),
        }
    }
}

/// Reads the hashes of `text`, ascending, at most `limit` of them.
///
/// Allocates once, exactly what the result needs, and nothing for a list over the limit.
pub(crate) fn decode_ids(text: &[u8], limit: usize) -> Result<Vec<u64>, HashedIdsError> {
    let ends = |byte: &Result<u8, usize>| byte.is_ok_and(|byte| byte < 0x80);
    let count = Bytes::new(text).filter(ends).count();
    if count > limit {
        return Err(HashedIdsError {
            position: 0,
            problem: HashedIdsProblem::TooMany,
        });
    }
    let mut ids = Vec::with_capacity(count);
    let mut bytes = Bytes::new(text);
    let (mut difference, mut shift) = (0_u64, 0_u32);
    while let Some(byte) = bytes.next() {
        let error = |problem| HashedIdsError {
            position: bytes.position,
            problem,
        };
        let byte = byte.map_err(|position| HashedIdsError {
            position,
            problem: HashedIdsProblem::Base64,
        })?;
        let part = u64::from(byte & 0x7F);
        // The tenth byte holds the 64th bit alone; a last byte of 0 would say nothing.
        if shift == 63 && byte > 1 || shift > 0 && byte == 0 {
            return Err(error(HashedIdsProblem::Number));
        }
        difference |= part << shift;
        shift += 7;
        if byte < 0x80 {
            let id = match ids.last() {
                None => Some(difference),
                Some(_) if difference == 0 => None,
                Some(last) => difference.checked_add(*last),
            };
            ids.push(id.ok_or_else(|| error(HashedIdsProblem::Order))?);
            (difference, shift) = (0, 0);
        }
    }
    if shift > 0 {
        let problem = HashedIdsProblem::Number;
        return Err(HashedIdsError {
            position: text.len(),
            problem,
        });
    }
    Ok(ids)
}

/// The text of `ids`, which are sorted for it; one that comes twice counts once. Padded base64.
#[must_use]
pub fn encode_ids(ids: &mut [u64]) -> String {
    ids.sort_unstable();
    let mut bytes = Vec::new();
    let mut last = None;
    for id in ids {
        let mut rest = *id - last.unwrap_or(0);
        if last.replace(*id) == Some(*id) {
            continue;
        }
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    encode_base64(&bytes)
}

/// RFC 4648 section 4, padded.
fn encode_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let octet = |at: usize| group.get(at).map_or(0, |byte| u32::from(*byte));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for at in 0..4 {
            let sextet = (bits >> (18 - 6 * at)) as usize & 63;
            let letter = ALPHABET.get(sextet).filter(|_| at <= group.len());
            text.push(letter.map_or('=', |letter| char::from(*letter)));
        }
    }
    text
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The bytes of a base64 text (RFC 4648 section 4, padded or not), or the position of the first
/// character that cannot stand there, once, after which there is nothing.
struct Bytes<'a> {
    text: &'a [u8],
    position: usize,
    /// Bits that are read and not handed out: the low `count` ones.
    bits: u32,
    count: u32,
}

impl<'a> Bytes<'a> {
    fn new(text: &'a [u8]) -> Self {
        let text = match text {
            _ if !text.len().is_multiple_of(4) => text,
            [rest @ .., b'=', b'='] | [rest @ .., b'='] => rest,
            _ => text,
        };
        Self {
            text,
            position: 0,
            bits: 0,
            count: 0,
        }
    }

    fn fail(&mut self) -> Option<Result<u8, usize>> {
        let position = self.position;
        (self.position, self.bits, self.count) = (self.text.len(), 0, 0);
        Some(Err(position))
    }
}

impl Iterator for Bytes<'_> {
    type Item = Result<u8, usize>;

    #[inline]
    fn next(&mut self) -> Option<Result<u8, usize>> {
        while self.count < 8 {
            let Some(letter) = self.text.get(self.position) else {
                // Fewer than a sextet, all zero, is what the last byte leaves.
                let clean = self.count < 6 && self.bits == 0;
                return if clean { None } else { self.fail() };
            };
            let Some(sextet @ 0..64) = SEXTETS.get(usize::from(*letter)) else {
                return self.fail();
            };
            self.position += 1;
            self.bits = self.bits << 6 | u32::from(*sextet);
            self.count += 6;
        }
        self.count -= 8;
        let byte = (self.bits >> self.count) as u8;
        self.bits &= (1 << self.count) - 1;
        Some(Ok(byte))
    }
}

/// The value of each letter of the alphabet; a table, because a chain of comparisons mispredicts on
/// almost every letter.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const SEXTETS: [u8; 256] = {
    let mut sextets = [NONE; 256];
    let mut at = 0;
    while at < 64 {
        sextets[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    sextets
};

const NONE: u8 = 0xFF;

#[cfg(test)]
mod tests;
