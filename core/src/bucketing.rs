//! The one primitive: the position of a unit under a salt.
//!
//! Everything that needs chance asks whether a position falls in ranges. `docs/bucketing.md` has the
//! formulas and the SQL that recomputes them.

#[cfg(feature = "imported")]
use crate::formula::{self, Formula};
use crate::hash;
use crate::limits;
use crate::number::{integral, write_u64};
use crate::value::AttributeValue;

/// Positions of the native hashes: `0..2^32`.
pub const NATIVE_MODULUS: u64 = 1 << 32;

/// A hash profile: how salt and unit become positions. A profile never changes; a better idea gets
/// a name of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Hash {
    /// `XXH64(salt ++ 0x1F ++ unit, seed 0)`: `xxh64`, the default.
    Xxh64,
    /// The same with seed 42, the seed of Spark's `xxhash64`: `xxh64-seed42`.
    Xxh64Seed42,
    /// The first two big-endian words of `SHA-256(salt ++ 0x1F ++ unit)`: `sha256`.
    Sha256,
    /// `u32be(MD5(salt ++ unit)) mod modulus`, as Eppo and Datadog place subjects (`shard` of the
    /// Universal Flag Configuration): `md5-mod`. One lane.
    #[cfg(feature = "imported")]
    Md5Mod {
        /// `1..=2^32`.
        modulus: u64,
    },
    /// A formula that only imported flags use. One lane.
    #[cfg(feature = "imported")]
    Imported {
        /// The formula, which has the name.
        formula: Formula,
        /// `1..=formula.max_modulus()`.
        modulus: u64,
    },
}

/// Where a unit falls.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Position {
    /// Chooses the arm of a split and the slot of a layer: `0..modulus`.
    pub arm: u64,
    /// Decides rollouts, percentages and holdouts: `0..2^32`. 0 for a hash of one lane.
    pub enrol: u64,
}

impl Hash {
    /// The native profiles, by name.
    pub(crate) const NATIVE: [(&'static str, Self); 3] = [
        ("xxh64", Self::Xxh64),
        ("xxh64-seed42", Self::Xxh64Seed42),
        ("sha256", Self::Sha256),
    ];

    /// The name in a flag set document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xxh64 => "xxh64",
            Self::Xxh64Seed42 => "xxh64-seed42",
            Self::Sha256 => "sha256",
            #[cfg(feature = "imported")]
            Self::Md5Mod { .. } => "md5-mod",
            #[cfg(feature = "imported")]
            Self::Imported { formula, .. } => formula.name(),
        }
    }

    /// The number of arm positions.
    #[must_use]
    pub const fn modulus(self) -> u64 {
        match self {
            #[cfg(feature = "imported")]
            Self::Md5Mod { modulus } => modulus,
            #[cfg(feature = "imported")]
            Self::Imported { modulus, .. } => modulus,
            Self::Xxh64 | Self::Xxh64Seed42 | Self::Sha256 => NATIVE_MODULUS,
        }
    }

    /// Whether there is an enrolment lane beside the arm lane.
    #[must_use]
    pub const fn has_two_lanes(self) -> bool {
        matches!(self, Self::Xxh64 | Self::Xxh64Seed42 | Self::Sha256)
    }

    /// Whether `salt` is one that this hash can be computed under: some take a seed for a salt.
    #[cfg(feature = "imported")]
    #[must_use]
    pub fn takes_salt(self, salt: &str) -> bool {
        match self {
            Self::Imported { formula, .. } if formula.salt_is_seed() => {
                formula::seed(salt).is_some()
            }
            _ => true,
        }
    }

    /// The seed, if this is XXH64 of salt, separator and unit.
    #[inline]
    pub(crate) const fn xxh64_seed(self) -> Option<u64> {
        match self {
            Self::Xxh64 => Some(0),
            Self::Xxh64Seed42 => Some(42),
            _ => None,
        }
    }

    /// The position of `unit` under `salt`.
    ///
    /// ```
    /// use bucketry_core::Hash;
    ///
    /// let position = Hash::Sha256.position("checkout/7f3a9c21", "user-1");
    /// assert_eq!(position.arm, 1_951_514_297);
    /// ```
    #[must_use]
    #[inline]
    pub fn position(self, salt: &str, unit: &str) -> Position {
        #[cfg(feature = "imported")]
        if let Self::Imported { formula, modulus } = self {
            return Position {
                arm: formula.number(salt, unit) % modulus.max(1),
                enrol: 0,
            };
        }
        let (salt, unit) = (salt.as_bytes(), unit.as_bytes());
        match self {
            Self::Xxh64 => Position::two_lanes(hash::xxh64_salted(salt, unit, 0)),
            Self::Xxh64Seed42 => Position::two_lanes(hash::xxh64_salted(salt, unit, 42)),
            Self::Sha256 => Position::two_lanes(first_word(&hash::sha256_salted(salt, unit))),
            #[cfg(feature = "imported")]
            Self::Md5Mod { modulus } => Position {
                arm: (first_word(&hash::md5(&[salt, unit])) >> 32) % modulus.max(1),
                enrol: 0,
            },
            #[cfg(feature = "imported")]
            Self::Imported { .. } => Position::default(),
        }
    }
}

/// The first eight bytes of a digest, big-endian.
fn first_word(digest: &[u8]) -> u64 {
    digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

impl Position {
    #[inline]
    pub(crate) const fn two_lanes(hash: u64) -> Self {
        Self {
            arm: hash >> 32,
            enrol: hash & 0xFFFF_FFFF,
        }
    }
}

/// The exclusive bound below which a share of `ppm` parts per million enrols.
///
/// # Formula
///
/// `floor(ppm * 2^32 / 1_000_000)`; `ppm` is `0..=1_000_000`.
#[must_use]
pub const fn enrol_cut(ppm: u32) -> u64 {
    ((ppm as u64) << 32) / 1_000_000
}

/// Where the arm begins that has `before` of `total` parts of weight before it.
///
/// # Formula
///
/// `floor(before * modulus / total)`, with `before <= total < 2^32` and `modulus <= 2^60`; 0 when `total` is 0.
#[must_use]
pub const fn arm_cut(before: u64, total: u64, modulus: u64) -> u64 {
    if total == 0 {
        return 0;
    }
    // Weights sum to less than 2^32, so the product fits where the modulus does. A division of 128 bits is a
    // function of its own, which a build without such moduli does without.
    #[cfg(feature = "imported")]
    if modulus > NATIVE_MODULUS {
        return (before as u128 * modulus as u128 / total as u128) as u64;
    }
    before.saturating_mul(modulus) / total
}

/// Where slot `slot` of a layer begins: `floor(slot * 2^32 / 10_000)`.
#[must_use]
pub const fn slot_cut(slot: u64) -> u64 {
    (slot << 32) / limits::LAYER_SLOTS
}

/// The unit that a draw is for, before its text is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit<'a> {
    Text(&'a str),
    Integer(i64),
}

impl<'a> Unit<'a> {
    /// The unit that an attribute makes, if it can be one: text, or a whole number.
    #[inline]
    pub(crate) fn of(value: &'a AttributeValue<'_>) -> Option<Self> {
        match value {
            AttributeValue::String(text) => Some(Self::Text(text)),
            AttributeValue::Integer(value) => Some(Self::Integer(*value)),
            AttributeValue::Number(value) => integral(*value).map(Self::Integer),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn text(self) -> UnitText<'a> {
        match self {
            Self::Text(text) => UnitText(Inner::Borrowed(text)),
            Self::Integer(value) => UnitText::digits(value),
        }
    }
}

/// The text of a unit: borrowed, or the decimal digits of a number, without allocating.
#[derive(Clone, Copy)]
pub struct UnitText<'a>(Inner<'a>);

#[derive(Clone, Copy)]
enum Inner<'a> {
    Borrowed(&'a str),
    Digits { text: [u8; 21], len: u8 },
}

impl<'a> UnitText<'a> {
    /// This text, as a unit.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self(Inner::Borrowed(text))
    }

    fn digits(value: i64) -> Self {
        let mut digits = [0; 20];
        let written = write_u64(value.unsigned_abs(), &mut digits);
        let mut text = [b'-'; 21];
        let sign = usize::from(value < 0);
        for (to, from) in text.iter_mut().skip(sign).zip(written.bytes()) {
            *to = from;
        }
        Self(Inner::Digits {
            text,
            len: (sign + written.len()) as u8,
        })
    }

    /// The text.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Inner::Borrowed(text) => text,
            Inner::Digits { text, len } => text
                .get(..usize::from(*len))
                .and_then(|digits| core::str::from_utf8(digits).ok())
                .unwrap_or_default(),
        }
    }
}

impl core::ops::Deref for UnitText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl core::fmt::Debug for UnitText<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_str().fmt(f)
    }
}

impl core::fmt::Display for UnitText<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for UnitText<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for UnitText<'_> {}
