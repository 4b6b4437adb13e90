//! Hash functions: those that place units (part of the format for ever) and the one behind the
//! key tables (not part of it).
//!
//! Everything here is portable integer code with the same result on every platform. The inputs of
//! a position are two short slices, so none of these functions copies them into one buffer first.

mod compact;

/// Whether functions are chosen for the size of their code.
pub(crate) const COMPACT: bool = cfg!(target_family = "wasm");

/// The byte between salt and unit in what the native profiles hash. No salt holds it.
pub(crate) const SEPARATOR: u8 = 0x1F;

const P1: u64 = 0x9E37_79B1_85EB_CA87;
const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P3: u64 = 0x1656_67B1_9E37_79F9;
const P4: u64 = 0x85EB_CA77_C2B2_AE63;
const P5: u64 = 0x27D4_EB2F_1656_67C5;

/// XXH64 of `bytes` under `seed`.
#[must_use]
pub fn xxh64(bytes: &[u8], seed: u64) -> u64 {
    if COMPACT {
        return compact::xxh64(&[bytes], seed);
    }
    let (words, _) = bytes.as_chunks::<8>();
    let mut words = words.iter();
    let (mut state, rest_of_words) = Xxh64::begin(bytes.len(), seed, || next_word(&mut words));
    for _ in 0..rest_of_words {
        state.word(next_word(&mut words).wrapping_mul(P2));
    }
    state.finish(tail(bytes), bytes.len() % 8)
}

/// XXH64 of `salt ++ 0x1F ++ unit` under `seed`, without joining them in memory.
#[must_use]
#[inline]
pub fn xxh64_salted(salt: &[u8], unit: &[u8], seed: u64) -> u64 {
    if COMPACT {
        return compact::xxh64(&[salt, &[SEPARATOR], unit], seed);
    }
    let length = salt.len() + 1 + unit.len();
    // The bytes of the joined text that are not handed out yet and precede the unit's next word:
    // the end of the salt and the separator. Always `8 * lag + 8` bits of them.
    let lag = 8 * (salt.len() % 8) as u32;
    let mut carry = tail(salt) | u64::from(SEPARATOR) << lag;
    let (salt_words, _) = salt.as_chunks::<8>();
    let (unit_words, _) = unit.as_chunks::<8>();
    let (mut salt_words, mut unit_words) = (salt_words.iter(), unit_words.iter());
    let unit_tail = tail(unit);
    let mut next = || {
        if let Some(word) = salt_words.next() {
            return u64::from_le_bytes(*word);
        }
        let unit_word = unit_words
            .next()
            .map_or(unit_tail, |word| u64::from_le_bytes(*word));
        // Two shifts, because `lag + 8` may be 64.
        let word = carry | unit_word << lag << 8;
        carry = unit_word >> (56 - lag);
        word
    };
    let (mut state, rest_of_words) = Xxh64::begin(length, seed, &mut next);
    for _ in 0..rest_of_words {
        state.word(next().wrapping_mul(P2));
    }
    let spare = next();
    state.finish(spare, length % 8)
}

/// A salt made ready for [`xxh64_salted`]: its whole words, and the bytes after them beside the separator,
/// are read when the salt is known. What of the unit does not share a word with them is read in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix {
    /// The words that salt and separator fill, as [`scaled`].
    words: [u64; 3],
    /// The bytes of salt and separator after those.
    carry: u64,
    /// How many bits `carry` has: 0 to 56, in eights.
    bits: u8,
    /// How many of `words` there are.
    filled: u8,
    /// Bytes of salt and separator; [`Prefix::LONG`] when there are 32 or more.
    length: u8,
}

impl Prefix {
    const LONG: u8 = 32;

    pub(crate) fn new(salt: &[u8]) -> Self {
        let mut prefix = Self {
            words: [0; 3],
            carry: 0,
            bits: 0,
            filled: 0,
            length: Self::LONG,
        };
        if COMPACT || salt.len() + 1 >= usize::from(Self::LONG) {
            return prefix;
        }
        prefix.length = salt.len() as u8 + 1;
        for byte in salt.iter().chain(&[SEPARATOR]) {
            prefix.carry |= u64::from(*byte) << prefix.bits;
            prefix.bits += 8;
            if prefix.bits == 64 {
                if let Some(slot) = prefix.words.get_mut(usize::from(prefix.filled)) {
                    *slot = prefix.carry.wrapping_mul(P2);
                }
                prefix.filled += 1;
                prefix.carry = 0;
                prefix.bits = 0;
            }
        }
        prefix
    }

    /// XXH64 of salt, separator and unit; none for a salt of 31 bytes or more.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn xxh64(&self, unit: &[u8], seed: u64) -> Option<u64> {
        if COMPACT || self.length == Self::LONG {
            return None;
        }
        let length = usize::from(self.length) + unit.len();
        let count = length % 8;
        let bits = u32::from(self.bits) & 56;
        // The unit's first word, and what is left of the joined text after its last whole word. Two shifts
        // each, because the sum of each two may be 64.
        let (start, last) = match (unit.first_chunk(), unit.last_chunk()) {
            (Some(first), Some(last)) => (
                u64::from_le_bytes(*first),
                u64::from_le_bytes(*last) >> 8 >> (56 - 8 * count),
            ),
            _ => {
                let start = tail(unit);
                (start, start >> 8 >> (56 - bits))
            }
        };
        // The word that salt and unit share; what does not fit is shifted out.
        let head = self.carry | start << bits;
        let Some(rest) = unit.get(8 - bits as usize / 8..) else {
            return Some(self.short(length, seed).finish(head, count));
        };
        let (words, _) = rest.as_chunks();
        let [a, b, c] = self.words;
        let d = head.wrapping_mul(P2);
        let stripe = match (self.filled, words) {
            (0, [x, y, z, after @ ..]) => Some(([d, scaled(x), scaled(y), scaled(z)], after)),
            (1, [x, y, after @ ..]) => Some(([a, d, scaled(x), scaled(y)], after)),
            (2, [x, after @ ..]) => Some(([a, b, d, scaled(x)], after)),
            (3, after) => Some(([a, b, c, d], after)),
            _ => None,
        };
        let (mut state, words) = match stripe {
            Some((stripe, mut words)) => {
                let mut lanes = Lanes::new(seed);
                lanes.stripe(stripe);
                while let [x, y, z, w, after @ ..] = words {
                    lanes.stripe([scaled(x), scaled(y), scaled(z), scaled(w)]);
                    words = after;
                }
                (lanes.merge(length), words)
            }
            None => {
                let mut state = self.short(length, seed);
                state.word(d);
                (state, words)
            }
        };
        for word in words {
            state.word(scaled(word));
        }
        Some(state.finish(last, count))
    }

    /// The state after the salt's whole words, of a text of less than 32 bytes.
    #[inline]
    fn short(&self, length: usize, seed: u64) -> Xxh64 {
        let mut state = Xxh64(seed.wrapping_add(P5).wrapping_add(length as u64));
        for word in self.words.iter().take(usize::from(self.filled)) {
            state.word(*word);
        }
        state
    }
}

/// A word times [`P2`], the first step of a round: a salt's words are kept so.
#[inline]
fn scaled(word: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*word).wrapping_mul(P2)
}

/// The four running states that take whole stripes of 32 bytes, as scaled words.
struct Lanes([u64; 4]);

impl Lanes {
    #[inline]
    fn new(seed: u64) -> Self {
        Self([
            seed.wrapping_add(P1).wrapping_add(P2),
            seed.wrapping_add(P2),
            seed,
            seed.wrapping_sub(P1),
        ])
    }

    #[inline]
    fn stripe(&mut self, words: [u64; 4]) {
        for (lane, word) in self.0.iter_mut().zip(words) {
            *lane = round(*lane, word);
        }
    }

    #[inline]
    fn merge(self, length: usize) -> Xxh64 {
        let [a, b, c, d] = self.0;
        let mut state = a
            .rotate_left(1)
            .wrapping_add(b.rotate_left(7))
            .wrapping_add(c.rotate_left(12))
            .wrapping_add(d.rotate_left(18));
        for lane in self.0 {
            let mixed = round(0, lane.wrapping_mul(P2));
            state = (state ^ mixed).wrapping_mul(P1).wrapping_add(P4);
        }
        Xxh64(state.wrapping_add(length as u64))
    }
}

/// The running state of XXH64, fed with little-endian words, [`scaled`].
struct Xxh64(u64);

impl Xxh64 {
    /// Starts a text of `length` bytes: takes its whole stripes of four words from `next`. Also the
    /// number of words after those.
    #[inline]
    fn begin(length: usize, seed: u64, mut next: impl FnMut() -> u64) -> (Self, usize) {
        let state = if length >= 32 {
            let mut lanes = Lanes::new(seed);
            for _ in 0..length / 32 {
                lanes.stripe([next(), next(), next(), next()].map(|word| word.wrapping_mul(P2)));
            }
            lanes.merge(length)
        } else {
            Self(seed.wrapping_add(P5).wrapping_add(length as u64))
        };
        (state, length % 32 / 8)
    }

    #[inline]
    fn word(&mut self, scaled: u64) {
        let mixed = (self.0 ^ round(0, scaled)).rotate_left(27);
        self.0 = mixed.wrapping_mul(P1).wrapping_add(P4);
    }

    /// Takes the last `count` bytes (0 to 7), the low ones of `rest`; what is above them is ignored.
    #[inline]
    fn finish(self, mut rest: u64, count: usize) -> u64 {
        let byte = |state: u64, rest: u64| {
            let mixed = state ^ (rest & 0xFF).wrapping_mul(P5);
            mixed.rotate_left(11).wrapping_mul(P1)
        };
        let mut state = self.0;
        if count & 4 != 0 {
            let half = rest & 0xFFFF_FFFF;
            state = (state ^ half.wrapping_mul(P1)).rotate_left(23);
            state = state.wrapping_mul(P2).wrapping_add(P3);
            rest >>= 32;
        }
        if count & 2 != 0 {
            state = byte(byte(state, rest), rest >> 8);
            rest >>= 16;
        }
        if count & 1 != 0 {
            state = byte(state, rest);
        }
        state = (state ^ state >> 33).wrapping_mul(P2);
        state = (state ^ state >> 29).wrapping_mul(P3);
        state ^ state >> 32
    }
}

#[inline]
fn round(lane: u64, scaled: u64) -> u64 {
    lane.wrapping_add(scaled).rotate_left(31).wrapping_mul(P1)
}

fn next_word(words: &mut core::slice::Iter<'_, [u8; 8]>) -> u64 {
    words.next().map_or(0, |word| u64::from_le_bytes(*word))
}

/// The last `bytes.len() % 8` bytes as a little-endian number.
#[inline]
fn tail(bytes: &[u8]) -> u64 {
    let count = bytes.len() % 8;
    if let Some(word) = bytes.last_chunk::<8>() {
        // Two shifts, because `64 - 8 * count` may be 64.
        return u64::from_le_bytes(*word) >> 8 >> (56 - 8 * count);
    }
    if let (Some(low), Some(high)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The two overlap unless the count is 8, and agree where they do.
        return u64::from(u32::from_le_bytes(*low))
            | u64::from(u32::from_le_bytes(*high)) << (8 * count - 32);
    }
    let byte = |at: usize| bytes.get(at).map_or(0, |byte| u64::from(*byte) << (8 * at));
    byte(0) | byte(1) | byte(2)
}

/// SHA-256 (FIPS 180-4) of `salt ++ 0x1F ++ unit`.
#[must_use]
pub(crate) fn sha256_salted(salt: &[u8], unit: &[u8]) -> [u8; 32] {
    sha256(&[salt, &[SEPARATOR], unit])
}

/// SHA-256 (FIPS 180-4) of `parts` joined.
#[must_use]
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    // The square roots of the first 8 primes: 32 bits of the fraction.
    let mut state: [u32; 8] = [
        0x6A09_E667,
        0xBB67_AE85,
        0x3C6E_F372,
        0xA54F_F53A,
        0x510E_527F,
        0x9B05_688C,
        0x1F83_D9AB,
        0x5BE0_CD19,
    ];
    for_each_block(parts, u64::to_be_bytes, |block| {
        sha256_block(&mut state, block)
    });
    let mut digest = [0; 32];
    let (words, _) = digest.as_chunks_mut::<4>();
    for (bytes, word) in words.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// MD5 (RFC 1321) of `parts` joined. For the formulas of imported flags, not for secrets.
#[cfg(feature = "imported")]
#[must_use]
pub fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut state: [u32; 4] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];
    for_each_block(parts, u64::to_le_bytes, |block| {
        md5_block(&mut state, block)
    });
    let mut digest = [0; 16];
    let (words, _) = digest.as_chunks_mut::<4>();
    for (bytes, word) in words.iter_mut().zip(state) {
        *bytes = word.to_le_bytes();
    }
    digest
}

/// Bytes of a text that [`same`] compares without a call.
pub(crate) const SHORT: usize = 32;

/// Whether two texts are equal. Names are short: comparing them by two words that may overlap costs less
/// than calling the platform's function for it.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    /// Whether the first and the last `N` bytes agree; none for a text that is shorter.
    #[inline]
    fn ends_agree<const N: usize>(a: &[u8], b: &[u8]) -> Option<bool> {
        let first = a.first_chunk::<N>()? == b.first_chunk::<N>()?;
        Some(first & (a.last_chunk::<N>()? == b.last_chunk::<N>()?))
    }
    if a.len() != b.len() {
        return false;
    }
    let agree = match a.len() {
        _ if COMPACT => None,
        0..4 => Some(tail(a) == tail(b)),
        4..8 => ends_agree::<4>(a, b),
        8..=16 => ends_agree::<8>(a, b),
        17..=SHORT => ends_agree::<16>(a, b),
        _ => None,
    };
    agree.unwrap_or_else(|| a == b)
}

/// A hash of `bytes` under `seed` for tables in memory. Fast; not stable between versions of this
/// crate, so nothing that leaves the process may depend on it.
///
/// A folded 64 by 64 bit product in the manner of wyhash: short texts are two words that may
/// overlap, longer ones 16 bytes a step.
#[must_use]
#[inline]
pub(crate) fn key_hash(bytes: &[u8], seed: u64) -> u64 {
    if COMPACT {
        return compact::xxh64(&[bytes], seed);
    }
    // Multiplied, so that it does not meet the low bits of the text alone.
    let mut state = seed ^ P1.wrapping_mul(bytes.len() as u64 + 1);
    let mut rest = bytes;
    while rest.len() > 16
        && let Some((step, after)) = rest.split_first_chunk::<16>()
    {
        let (low, high) = halves(u128::from_le_bytes(*step));
        state = fold(low ^ state, high ^ P2);
        rest = after;
    }
    let (low, high) = if let (Some(low), Some(high)) = (rest.first_chunk(), rest.last_chunk()) {
        (u64::from_le_bytes(*low), u64::from_le_bytes(*high))
    } else if let (Some(low), Some(high)) = (rest.first_chunk(), rest.last_chunk()) {
        (
            u32::from_le_bytes(*low).into(),
            u32::from_le_bytes(*high).into(),
        )
    } else {
        (tail(rest), 0)
    };
    fold(low ^ state, high ^ P3)
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let (low, high) = halves(u128::from(a) * u128::from(b));
    low ^ high
}

#[inline]
fn halves(pair: u128) -> (u64, u64) {
    (pair as u64, (pair >> 64) as u64)
}

/// Hands `parts` joined to `block` in blocks of 64 bytes, padded as MD5 and SHA-2 pad: one bit,
/// zeros, and the length in bits as `length` writes it.
fn for_each_block(parts: &[&[u8]], length: fn(u64) -> [u8; 8], mut block: impl FnMut(&[u8; 64])) {
    let mut buffer = [0; 64];
    let mut filled = 0;
    let mut total = 0_u64;
    let mut put = |byte: u8, bits: u64| {
        total += bits;
        if let Some(slot) = buffer.get_mut(filled) {
            *slot = byte;
        }
        filled += 1;
        if filled == 64 {
            block(&buffer);
            filled = 0;
        }
        (filled, total)
    };
    for byte in parts.iter().copied().flatten() {
        put(*byte, 8);
    }
    let (mut at, bits) = put(0x80, 0);
    while at != 56 {
        (at, _) = put(0, 0);
    }
    for byte in length(bits) {
        put(byte, 0);
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "the index is masked to the array's 16 words"
)]
fn sha256_block(state: &mut [u32; 8], block: &[u8; 64]) {
    let mut words = words(block, u32::from_be_bytes);
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (i, constant) in SHA256_ROUNDS.iter().enumerate() {
        // A ring of 16: in each round the word used 16 rounds later takes the place of this one.
        let word = words[i & 15];
        let (near, far) = (words[(i + 1) & 15], words[(i + 14) & 15]);
        let near = near.rotate_right(7) ^ near.rotate_right(18) ^ near >> 3;
        let far = far.rotate_right(17) ^ far.rotate_right(19) ^ far >> 10;
        words[i & 15] = word
            .wrapping_add(near)
            .wrapping_add(words[(i + 9) & 15])
            .wrapping_add(far);

        let rotated = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let first = h
            .wrapping_add(rotated)
            .wrapping_add(choice)
            .wrapping_add(*constant)
            .wrapping_add(word);
        let rotated = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        (h, g, f, e) = (g, f, e, d.wrapping_add(first));
        (d, c, b, a) = (c, b, a, first.wrapping_add(rotated).wrapping_add(majority));
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *old = old.wrapping_add(new);
    }
}

#[cfg(feature = "imported")]
#[expect(
    clippy::indexing_slicing,
    reason = "the indices are masked to the arrays' lengths"
)]
fn md5_block(state: &mut [u32; 4], block: &[u8; 64]) {
    const SHIFTS: [[u32; 4]; 4] = [
        [7, 12, 17, 22],
        [5, 9, 14, 20],
        [4, 11, 16, 23],
        [6, 10, 15, 21],
    ];
    let words = words(block, u32::from_le_bytes);
    let [mut a, mut b, mut c, mut d] = *state;
    for (i, constant) in MD5_STEPS.iter().enumerate() {
        let (mixed, at) = match i / 16 {
            0 => ((b & c) | (!b & d), i),
            1 => ((d & b) | (!d & c), 5 * i + 1),
            2 => (b ^ c ^ d, 3 * i + 5),
            _ => (c ^ (b | !d), 7 * i),
        };
        let sum = a
            .wrapping_add(mixed)
            .wrapping_add(*constant)
            .wrapping_add(words[at & 15]);
        let turned = sum.rotate_left(SHIFTS[(i / 16) & 3][i & 3]);
        (a, d, c, b) = (d, c, b, b.wrapping_add(turned));
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d]) {
        *old = old.wrapping_add(new);
    }
}

fn words(block: &[u8; 64], read: fn([u8; 4]) -> u32) -> [u32; 16] {
    let mut words = [0; 16];
    let (chunks, _) = block.as_chunks::<4>();
    for (word, bytes) in words.iter_mut().zip(chunks) {
        *word = read(*bytes);
    }
    words
}

/// The cube roots of the first 64 primes: 32 bits of the fraction.
#[rustfmt::skip]
const SHA256_ROUNDS: [u32; 64] = [
    0x428A_2F98, 0x7137_4491, 0xB5C0_FBCF, 0xE9B5_DBA5, 0x3956_C25B, 0x59F1_11F1, 0x923F_82A4, 0xAB1C_5ED5,
    0xD807_AA98, 0x1283_5B01, 0x2431_85BE, 0x550C_7DC3, 0x72BE_5D74, 0x80DE_B1FE, 0x9BDC_06A7, 0xC19B_F174,
    0xE49B_69C1, 0xEFBE_4786, 0x0FC1_9DC6, 0x240C_A1CC, 0x2DE9_2C6F, 0x4A74_84AA, 0x5CB0_A9DC, 0x76F9_88DA,
    0x983E_5152, 0xA831_C66D, 0xB003_27C8, 0xBF59_7FC7, 0xC6E0_0BF3, 0xD5A7_9147, 0x06CA_6351, 0x1429_2967,
    0x27B7_0A85, 0x2E1B_2138, 0x4D2C_6DFC, 0x5338_0D13, 0x650A_7354, 0x766A_0ABB, 0x81C2_C92E, 0x9272_2C85,
    0xA2BF_E8A1, 0xA81A_664B, 0xC24B_8B70, 0xC76C_51A3, 0xD192_E819, 0xD699_0624, 0xF40E_3585, 0x106A_A070,
    0x19A4_C116, 0x1E37_6C08, 0x2748_774C, 0x34B0_BCB5, 0x391C_0CB3, 0x4ED8_AA4A, 0x5B9C_CA4F, 0x682E_6FF3,
    0x748F_82EE, 0x78A5_636F, 0x84C8_7814, 0x8CC7_0208, 0x90BE_FFFA, 0xA450_6CEB, 0xBEF9_A3F7, 0xC671_78F2,
];

/// `floor(2^32 * |sin(i)|)` for `i` from 1 to 64, in radians.
#[cfg(feature = "imported")]
#[rustfmt::skip]
const MD5_STEPS: [u32; 64] = [
    0xD76A_A478, 0xE8C7_B756, 0x2420_70DB, 0xC1BD_CEEE, 0xF57C_0FAF, 0x4787_C62A, 0xA830_4613, 0xFD46_9501,
    0x6980_98D8, 0x8B44_F7AF, 0xFFFF_5BB1, 0x895C_D7BE, 0x6B90_1122, 0xFD98_7193, 0xA679_438E, 0x49B4_0821,
    0xF61E_2562, 0xC040_B340, 0x265E_5A51, 0xE9B6_C7AA, 0xD62F_105D, 0x0244_1453, 0xD8A1_E681, 0xE7D3_FBC8,
    0x21E1_CDE6, 0xC337_07D6, 0xF4D5_0D87, 0x455A_14ED, 0xA9E3_E905, 0xFCEF_A3F8, 0x676F_02D9, 0x8D2A_4C8A,
    0xFFFA_3942, 0x8771_F681, 0x6D9D_6122, 0xFDE5_380C, 0xA4BE_EA44, 0x4BDE_CFA9, 0xF6BB_4B60, 0xBEBF_BC70,
    0x289B_7EC6, 0xEAA1_27FA, 0xD4EF_3085, 0x0488_1D05, 0xD9D4_D039, 0xE6DB_99E5, 0x1FA2_7CF8, 0xC4AC_5665,
    0xF429_2244, 0x432A_FF97, 0xAB94_23A7, 0xFC93_A039, 0x655B_59C3, 0x8F0C_CC92, 0xFFEF_F47D, 0x8584_5DD1,
    0x6FA8_7E4F, 0xFE2C_E6E0, 0xA301_4314, 0x4E08_11A1, 0xF753_7E82, 0xBD3A_F235, 0x2AD7_D2BB, 0xEB86_D391,
];

#[cfg(feature = "imported")]
pub(crate) mod imported;
#[cfg(test)]
mod tests;
