//! Random numbers: from the operating system where they must be unique, from a generator where they only spread load.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{SystemTime, UNIX_EPOCH};

/// Random bytes that no other process gets.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        // A system without random numbers: what differs between processes and moments, hashed.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let moment = (std::process::id(), since_1970.unwrap_or_default());
        for (place, chunk) in bytes.chunks_mut(8).enumerate() {
            let word = RandomState::new().hash_one((moment, place)).to_le_bytes();
            for (byte, random) in chunk.iter_mut().zip(word) {
                *byte = random;
            }
        }
    }
    bytes
}

/// `bytes` in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// SplitMix64: enough for jitter and sampling, and a nanosecond a number.
#[derive(Debug)]
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) fn new() -> Self {
        Self(u64::from_le_bytes(bytes()))
    }

    /// Always the same numbers.
    #[cfg(test)]
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform over all 64 bits.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
