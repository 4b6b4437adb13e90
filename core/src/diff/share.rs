//! Shares as fractions of integers: what is computed exactly is not rounded on the way out.

use core::fmt;

/// A part of a whole, between nothing and all, as a fraction in lowest terms.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub struct Share {
    numerator: u128,
    denominator: u128,
}

impl Share {
    /// Nothing.
    pub const NONE: Self = Self {
        numerator: 0,
        denominator: 1,
    };

    /// `denominator` is at least 1 and at most 2^96, `numerator` not above it.
    pub(super) fn new(numerator: u128, denominator: u128) -> Self {
        let (mut a, mut b) = (denominator.max(1), numerator);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        Self {
            numerator: numerator / a,
            denominator: denominator.max(1) / a,
        }
    }

    /// Not above the denominator.
    #[must_use]
    pub const fn numerator(self) -> u128 {
        self.numerator
    }

    /// From 1 to 2^96, with no factor in common with the numerator.
    #[must_use]
    pub const fn denominator(self) -> u128 {
        self.denominator
    }

    /// Whether this is nothing at all.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.numerator == 0
    }

    /// Parts per billion, to the nearest: `0..=1_000_000_000`.
    #[must_use]
    pub const fn parts_per_billion(self) -> u64 {
        self.parts(1_000_000_000)
    }

    const fn parts(self, whole: u64) -> u64 {
        ((self.numerator * whole as u128 + self.denominator / 2) / self.denominator) as u64
    }
}

impl fmt::Display for Share {
    /// In per cent with up to six decimals, the last rounded to the nearest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DECIMALS: usize = 6;
        const ONE: u64 = 1_000_000;
        let parts = self.parts(100 * ONE);
        if parts == 0 && !self.is_none() {
            return f.write_str("less than 0.000001 %");
        }
        let (whole, mut fraction, mut width) = (parts / ONE, parts % ONE, DECIMALS);
        while width > 0 && fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        match width {
            0 => write!(f, "{whole} %"),
            _ => write!(f, "{whole}.{fraction:0width$} %"),
        }
    }
}
