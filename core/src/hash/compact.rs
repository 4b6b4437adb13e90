//! XXH64 in few bytes of code rather than few steps: what a browser's module has in place of the functions that know
//! the lengths of what they hash.

use super::{P1, P2, P3, P4, P5};

/// XXH64 of `parts` joined.
pub(super) fn xxh64(parts: &[&[u8]], seed: u64) -> u64 {
    let mut lanes = [
        seed.wrapping_add(P1).wrapping_add(P2),
        seed.wrapping_add(P2),
        seed,
        seed.wrapping_sub(P1),
    ];
    // The words of the stripe that is not full yet, and the bytes of the word that is not, at its upper end.
    let mut words = [0; 4];
    let mut word = 0;
    let mut length = 0_usize;
    for byte in parts.iter().copied().flatten() {
        word = word >> 8 | u64::from(*byte) << 56;
        length += 1;
        if length.is_multiple_of(8) {
            if let Some(slot) = words.get_mut((length / 8 - 1) & 3) {
                *slot = word;
            }
            if length.is_multiple_of(32) {
                for (lane, word) in lanes.iter_mut().zip(words) {
                    *lane = round(*lane, word);
                }
            }
        }
    }
    let mut state = seed.wrapping_add(P5);
    if length >= 32 {
        state = 0;
        for (lane, turn) in lanes.iter().zip([1, 7, 12, 18]) {
            state = lane.rotate_left(turn).wrapping_add(state);
        }
        for lane in lanes {
            state = (state ^ round(0, lane)).wrapping_mul(P1).wrapping_add(P4);
        }
    }
    state = state.wrapping_add(length as u64);
    for word in words.iter().take(length % 32 / 8) {
        state = (state ^ round(0, *word)).rotate_left(27);
        state = state.wrapping_mul(P1).wrapping_add(P4);
    }
    let bytes = length % 8;
    // Shifted to the lower end, in two steps because all of it may have to go.
    word = word >> 8 >> (56 - 8 * bytes);
    if bytes & 4 != 0 {
        state = (state ^ (word & 0xFFFF_FFFF).wrapping_mul(P1)).rotate_left(23);
        state = state.wrapping_mul(P2).wrapping_add(P3);
        word >>= 32;
    }
    for _ in 0..bytes & 3 {
        state = (state ^ (word & 0xFF).wrapping_mul(P5)).rotate_left(11);
        state = state.wrapping_mul(P1);
        word >>= 8;
    }
    state = (state ^ state >> 33).wrapping_mul(P2);
    state = (state ^ state >> 29).wrapping_mul(P3);
    state ^ state >> 32
}

fn round(lane: u64, word: u64) -> u64 {
    let mixed = lane.wrapping_add(word.wrapping_mul(P2));
    mixed.rotate_left(31).wrapping_mul(P1)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    #[test]
    fn the_compact_function_is_the_fast_one() {
        let bytes: Vec<u8> = (0..200_u32).map(|at| (at * 7 + 1) as u8).collect();
        for length in 0..bytes.len() {
            let text = &bytes[..length];
            for seed in [0, 42, u64::MAX] {
                let want = super::super::xxh64(text, seed);
                assert_eq!(super::xxh64(&[text], seed), want, "{length}");
                for cut in [0, length / 3, length] {
                    let (a, b) = text.split_at(cut);
                    assert_eq!(super::xxh64(&[a, b], seed), want, "{length}, {cut}");
                }
            }
        }
    }
}
