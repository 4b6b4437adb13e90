//! Sets of shards, as ranges.

use alloc::vec;
use alloc::vec::Vec;

/// A set of integers: half-open ranges, ascending, with gaps between them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    pub(super) fn full(modulus: u64) -> Self {
        Self(vec![(0, modulus)])
    }

    /// The integers below `modulus` that one of the ranges holds.
    pub(super) fn new(ranges: impl IntoIterator<Item = (u64, u64)>, modulus: u64) -> Self {
        let clamp = |(start, end): (u64, u64)| (start, end.min(modulus));
        let mut ranges: Vec<_> = ranges.into_iter().map(clamp).collect();
        ranges.retain(|(start, end)| start < end);
        ranges.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (start, end) in ranges {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        Self(merged)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_full(&self, modulus: u64) -> bool {
        self.0 == [(0, modulus)]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(&&a), Some(&&b)) = (left.peek(), right.peek()) {
            let (start, end) = (a.0.max(b.0), a.1.min(b.1));
            if start < end {
                both.push((start, end));
            }
            if a.1 < b.1 {
                left.next()
            } else {
                right.next()
            };
        }
        Self(both)
    }

    /// What is below `modulus` and not in this set.
    fn complement(&self, modulus: u64) -> Self {
        let mut gaps = Vec::new();
        let mut at = 0;
        for (start, end) in self.iter() {
            if at < start {
                gaps.push((at, start));
            }
            at = end;
        }
        if at < modulus {
            gaps.push((at, modulus));
        }
        Self(gaps)
    }

    /// What is in this set and not in the other.
    pub(super) fn without(&self, other: &Self, modulus: u64) -> Self {
        self.intersection(&other.complement(modulus))
    }

    /// What is in one of them.
    pub(super) fn union(&self, other: &Self, modulus: u64) -> Self {
        Self::new(self.iter().chain(other.iter()), modulus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every set of integers below 8, as a mask of bits.
    fn set(mask: u32) -> Ranges {
        let bits = (0..8).filter(|bit| mask >> bit & 1 == 1);
        Ranges::new(bits.map(|bit| (bit, bit + 1)), 8)
    }

    #[test]
    fn ranges_are_merged_clamped_and_sorted() {
        let ranges = [(5, 7), (0, 2), (2, 3), (9, 20), (4, 4), (6, 5), (12, 14)];
        assert_eq!(
            Ranges::new(ranges, 10),
            Ranges(vec![(0, 3), (5, 7), (9, 10)])
        );
        assert!(Ranges::new([(0, u64::MAX)], 10).is_full(10));
    }

    #[test]
    fn operations_agree_with_those_of_bits() {
        for a in 0..256 {
            for b in 0..256 {
                assert_eq!(set(a).intersection(&set(b)), set(a & b), "{a:b} {b:b}");
                assert_eq!(set(a).without(&set(b), 8), set(a & !b), "{a:b} {b:b}");
                assert_eq!(set(a).union(&set(b), 8), set(a | b), "{a:b} {b:b}");
            }
        }
    }
}
