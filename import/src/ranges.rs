//! Sets of shards, as ranges.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

/// A set of integers: half-open ranges, ascending, with gaps between them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    pub(crate) fn full(modulus: u64) -> Self {
        Self(vec![(0, modulus)])
    }

    /// The integers below `modulus` that one of the ranges holds.
    pub(crate) fn new(ranges: impl IntoIterator<Item = (u64, u64)>, modulus: u64) -> Self {
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

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn is_full(&self, modulus: u64) -> bool {
        self.0 == [(0, modulus)]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    /// What is in both.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
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
}

/// Of each set what the sets before it leave.
pub(crate) fn first_come(sets: &[&Ranges]) -> Vec<Ranges> {
    // Between two neighbouring ends of ranges everything belongs to the first set that is there.
    let mut ends = Vec::new();
    for (index, set) in sets.iter().enumerate() {
        for (start, end) in set.iter() {
            ends.push((start, true, index));
            ends.push((end, false, index));
        }
    }
    ends.sort_unstable();
    let mut left = vec![Ranges::default(); sets.len()];
    let mut present = BTreeSet::new();
    let mut before = 0;
    for (at, begins, index) in ends {
        let owner = present
            .first()
            .and_then(|owner: &usize| left.get_mut(*owner));
        if let Some(Ranges(ranges)) = owner.filter(|_| before < at) {
            match ranges.last_mut() {
                Some(last) if last.1 == before => last.1 = at,
                _ => ranges.push((before, at)),
            }
        }
        before = at;
        if begins {
            present.insert(index);
        } else {
            present.remove(&index);
        }
    }
    left
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
                for c in [0, 0b0110_1001, 0xFF] {
                    let got = first_come(&[&set(a), &set(b), &set(c)]);
                    let want = [a, b & !a, c & !a & !b].map(set);
                    assert_eq!(got, want, "{a:b} {b:b} {c:b}");
                }
            }
        }
    }
}
