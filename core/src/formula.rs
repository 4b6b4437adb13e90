//! The hash profiles of imported flags: formulas of one lane with a modulus.
//!
//! They are here so that nobody changes variant when a flag is imported, not because they are good: some
//! couple experiments with each other. `docs/bucketing.md` has each formula and says which.

use crate::bucketing::NATIVE_MODULUS;
use crate::hash::{imported, sha256};
use crate::number::write_u64;

/// How salt and unit become a number, of which the remainder by a modulus is the position.
///
/// `salt` and `unit` are UTF-8 unless said otherwise, and `++` joins them with nothing between.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Formula {
    /// The first 60 bits of `SHA-1(salt ++ unit)`: `sha1-60-mod`.
    ///
    /// Source: `launchdarkly/js-core: packages/shared/sdk-server/src/evaluation/Bucketer.ts`, where the salt
    /// is `<flag key>.<salt>.` or `<seed>.` and the modulus 2^60.
    Sha1First60,
    /// The first 28 bits of `SHA-1(salt ++ unit)`: `sha1-28-mod`.
    ///
    /// Source: `configcat/common-js: src/RolloutEvaluator.ts`, where the salt is the setting's key and the
    /// modulus 100.
    Sha1First28,
    /// `MurmurHash3 x86-32(salt ++ unit, seed)`: `murmur3-32-mod`.
    ///
    /// Source: `Unleash/yggdrasil: unleash-yggdrasil/src/strategy_parsing.rs`, where the salt is
    /// `<group>:` and the seed 0, or 86028157 for variants.
    Murmur3 {
        /// The seed.
        seed: u32,
    },
    /// `MurmurHash3 x86-32(unit, seed)`, where the salt is the seed in decimal: `murmur3-32-seed-mod`.
    ///
    /// Source: `splitio/javascript-commons: src/utils/murmur3/murmur3.ts`, modulus 100.
    Murmur3Seed,
    /// `31 * h + c` over the unit's UTF-16 code units in 32 bits, xor the seed, which is the salt in decimal;
    /// without its sign: `polynomial31-seed-mod`.
    ///
    /// Source: `splitio/python-client: splitio/engine/hashfns/legacy.py`, modulus 100.
    Polynomial31Seed,
    /// `FNV-1a 32(unit ++ salt)`: `fnv1a-32-suffix-mod`.
    ///
    /// Source: `growthbook/growthbook: packages/sdk-js/src/util.ts`, `hash` of version 1, modulus 1,000.
    Fnv1aSuffix {
        /// What is hashed of a text.
        text: TextUnits,
    },
    /// `FNV-1a 32` of the decimal digits of `FNV-1a 32(salt ++ unit)`: `fnv1a-32-twice-mod`.
    ///
    /// Source: as [`Formula::Fnv1aSuffix`], version 2, modulus 10,000.
    Fnv1aTwice {
        /// What is hashed of a text.
        text: TextUnits,
    },
    /// The first four bytes of `SHA-256(unit ++ salt)`, little-endian: `sha256-le-suffix-mod`.
    ///
    /// Source: `microsoft/FeatureManagement-Dotnet: src/Microsoft.FeatureManagement/Targeting/
    /// TargetingEvaluator.cs`, where the salt begins with a line feed and the modulus is 2^32.
    Sha256LeSuffix,
}

/// The numbers that a text is hashed as, where the programs that a formula is from disagree.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum TextUnits {
    /// Bytes of UTF-8: `utf8`, the default.
    #[default]
    Utf8,
    /// Code units of UTF-16, each as one number: `utf16`.
    Utf16,
    /// Code points: `codePoints`.
    CodePoints,
}

impl TextUnits {
    /// Every choice, in the order of [`crate::schema::TEXT_UNITS`].
    pub(crate) const ALL: [Self; 3] = [Self::Utf8, Self::Utf16, Self::CodePoints];

    /// The name in a flag set document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Utf16 => "utf16",
            Self::CodePoints => "codePoints",
        }
    }

    fn fnv1a_32(self, first: &str, second: &str) -> u32 {
        match self {
            Self::Utf8 => imported::fnv1a_32(first.bytes().chain(second.bytes()).map(u32::from)),
            Self::Utf16 => {
                let units = first.encode_utf16().chain(second.encode_utf16());
                imported::fnv1a_32(units.map(u32::from))
            }
            Self::CodePoints => {
                imported::fnv1a_32(first.chars().chain(second.chars()).map(u32::from))
            }
        }
    }
}

impl Formula {
    /// The formula of a name in a flag set document, with what its other members are by default.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let text = TextUnits::Utf8;
        let all = [
            Self::Sha1First60,
            Self::Sha1First28,
            Self::Murmur3 { seed: 0 },
            Self::Murmur3Seed,
            Self::Polynomial31Seed,
            Self::Fnv1aSuffix { text },
            Self::Fnv1aTwice { text },
            Self::Sha256LeSuffix,
        ];
        all.into_iter().find(|formula| formula.name() == name)
    }

    /// The name in a flag set document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1First60 => "sha1-60-mod",
            Self::Sha1First28 => "sha1-28-mod",
            Self::Murmur3 { .. } => "murmur3-32-mod",
            Self::Murmur3Seed => "murmur3-32-seed-mod",
            Self::Polynomial31Seed => "polynomial31-seed-mod",
            Self::Fnv1aSuffix { .. } => "fnv1a-32-suffix-mod",
            Self::Fnv1aTwice { .. } => "fnv1a-32-twice-mod",
            Self::Sha256LeSuffix => "sha256-le-suffix-mod",
        }
    }

    /// The largest modulus: how many numbers the formula gives.
    #[must_use]
    pub const fn max_modulus(self) -> u64 {
        match self {
            Self::Sha1First60 => 1 << 60,
            Self::Sha1First28 => 1 << 28,
            _ => NATIVE_MODULUS,
        }
    }

    /// Whether a salt is a seed: an integer from -2^31 to 2^32 - 1 in decimal, taken modulo 2^32.
    #[must_use]
    pub const fn salt_is_seed(self) -> bool {
        matches!(self, Self::Murmur3Seed | Self::Polynomial31Seed)
    }

    /// The number of `unit` under `salt`.
    pub(crate) fn number(self, salt: &str, unit: &str) -> u64 {
        let (salt_bytes, unit_bytes) = (salt.as_bytes(), unit.as_bytes());
        match self {
            Self::Sha1First60 => sha1_word(salt_bytes, unit_bytes) >> 4,
            Self::Sha1First28 => sha1_word(salt_bytes, unit_bytes) >> 36,
            Self::Murmur3 { seed } => imported::murmur3_32(salt_bytes, unit_bytes, seed).into(),
            Self::Murmur3Seed => {
                imported::murmur3_32(&[], unit_bytes, seed(salt).unwrap_or(0)).into()
            }
            Self::Polynomial31Seed => {
                let mixed = imported::polynomial_31(unit) ^ seed(salt).unwrap_or(0);
                mixed.cast_signed().unsigned_abs().into()
            }
            Self::Fnv1aSuffix { text } => text.fnv1a_32(unit, salt).into(),
            Self::Fnv1aTwice { text } => {
                let first = text.fnv1a_32(salt, unit);
                let mut digits = [0; 20];
                let digits = write_u64(first.into(), &mut digits);
                imported::fnv1a_32(digits.bytes().map(u32::from)).into()
            }
            Self::Sha256LeSuffix => {
                let digest = sha256(&[unit_bytes, salt_bytes]);
                let word = digest.first_chunk().copied().map_or(0, u32::from_le_bytes);
                word.into()
            }
        }
    }
}

/// The first eight bytes of SHA-1, big-endian.
fn sha1_word(salt: &[u8], unit: &[u8]) -> u64 {
    let digest = imported::sha1(&[salt, unit]);
    digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// A salt that is a seed: its value modulo 2^32, written in one way only.
pub(crate) fn seed(salt: &str) -> Option<u32> {
    let (negative, digits) = match salt.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 10 || (digits != b"0" && digits.first() == Some(&b'0')) {
        return None;
    }
    let mut value = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    let bound = if negative { 1 << 31 } else { (1 << 32) - 1 };
    if value > bound || (negative && value == 0) {
        return None;
    }
    let value = value as u32;
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

#[cfg(test)]
mod tests;
