//! The hash functions that only flags imported from elsewhere are placed by.

use super::{for_each_block, words};

/// SHA-1 (FIPS 180-4) of `parts` joined. For the formulas of imported flags, not for secrets.
pub(crate) fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut state: [u32; 5] = [
        0x6745_2301,
        0xEFCD_AB89,
        0x98BA_DCFE,
        0x1032_5476,
        0xC3D2_E1F0,
    ];
    for_each_block(parts, u64::to_be_bytes, |block| {
        sha1_block(&mut state, block)
    });
    let mut digest = [0; 20];
    let (words, _) = digest.as_chunks_mut::<4>();
    for (bytes, word) in words.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

#[expect(
    clippy::indexing_slicing,
    reason = "the index is masked to the array's 16 words"
)]
fn sha1_block(state: &mut [u32; 5], block: &[u8; 64]) {
    let mut words = words(block, u32::from_be_bytes);
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for i in 0..80 {
        let word = if i < 16 {
            words[i & 15]
        } else {
            // A ring of 16: the word of 16 rounds ago gives way to this round's.
            let mixed =
                words[(i + 13) & 15] ^ words[(i + 8) & 15] ^ words[(i + 2) & 15] ^ words[i & 15];
            words[i & 15] = mixed.rotate_left(1);
            words[i & 15]
        };
        let (mixed, constant) = match i / 20 {
            0 => ((b & c) | (!b & d), 0x5A82_7999),
            1 => (b ^ c ^ d, 0x6ED9_EBA1),
            2 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC),
            _ => (b ^ c ^ d, 0xCA62_C1D6),
        };
        let sum = a
            .rotate_left(5)
            .wrapping_add(mixed)
            .wrapping_add(e)
            .wrapping_add(constant)
            .wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d, e]) {
        *old = old.wrapping_add(new);
    }
}

/// MurmurHash3 x86-32 of `salt ++ unit` (Austin Appleby, `smhasher/src/MurmurHash3.cpp`).
pub(crate) fn murmur3_32(salt: &[u8], unit: &[u8], seed: u32) -> u32 {
    const C1: u32 = 0xCC9E_2D51;
    const C2: u32 = 0x1B87_3593;
    let scramble = |word: u32| word.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let mut hash = seed;
    let mut word = 0;
    let mut shift = 0;
    for byte in salt.iter().chain(unit) {
        word |= u32::from(*byte) << shift;
        shift += 8;
        if shift == 32 {
            hash = (hash ^ scramble(word)).rotate_left(13);
            hash = hash.wrapping_mul(5).wrapping_add(0xE654_6B64);
            (word, shift) = (0, 0);
        }
    }
    hash ^= scramble(word);
    hash ^= (salt.len() + unit.len()) as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85EB_CA6B);
    hash = (hash ^ hash >> 13).wrapping_mul(0xC2B2_AE35);
    hash ^ hash >> 16
}

/// FNV-1a 32 (Fowler, Noll, Vo) of numbers, each taken whole: of bytes it is the published function.
pub(crate) fn fnv1a_32(numbers: impl Iterator<Item = u32>) -> u32 {
    numbers.fold(0x811C_9DC5, |hash, number| {
        (hash ^ number).wrapping_mul(0x0100_0193)
    })
}

/// `31 * h + c` over UTF-16 code units, as `hashCode` of Java's `String` is defined.
pub(crate) fn polynomial_31(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| {
        hash.wrapping_mul(31).wrapping_add(unit.into())
    })
}
