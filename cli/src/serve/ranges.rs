//! Which numbers of a producer are stored.

/// Sorted ranges, both ends included, that neither overlap nor touch. A producer whose records all came is one range.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    pub(super) fn as_slice(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// How many ranges there are: what memory is counted in.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        let before = after.checked_sub(1).and_then(|at| self.0.get(at));
        before.is_some_and(|(_, last)| number <= *last)
    }

    /// Adds the numbers from `first` to `last`.
    pub(super) fn insert(&mut self, first: u64, last: u64) {
        // Ranges from `from` to `to` overlap or touch the new one, and become one with it.
        let from = self
            .0
            .partition_point(|(_, end)| end.saturating_add(1) < first);
        let to = self
            .0
            .partition_point(|(start, _)| *start <= last.saturating_add(1));
        let joined = self.0.get(from..to).unwrap_or_default();
        let low = joined.first().map_or(first, |range| range.0.min(first));
        let high = joined.last().map_or(last, |range| range.1.max(last));
        self.0.splice(from..to.max(from), [(low, high)]);
    }

    pub(super) fn extend(&mut self, others: &Self) {
        for (first, last) in &others.0 {
            self.insert(*first, *last);
        }
    }

    /// The largest number held.
    pub(super) fn last(&self) -> Option<u64> {
        self.0.last().map(|range| range.1)
    }

    /// How many numbers are held.
    pub(super) fn total(&self) -> u64 {
        let sizes = self.0.iter().map(|(first, last)| last - first + 1);
        sizes.sum()
    }

    /// What is missing between 1 and the last number held.
    pub(super) fn missing(&self) -> impl Iterator<Item = (u64, u64)> {
        let before = std::iter::once(0).chain(self.0.iter().map(|range| range.1));
        let gaps = before.zip(self.0.iter().map(|range| range.0));
        gaps.filter(|(end, start)| end + 1 < *start)
            .map(|(end, start)| (end + 1, start - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_agree_with_a_set_of_numbers() {
        // Every way to insert four ranges out of those within 1..=6, in order.
        let pairs: Vec<(u64, u64)> = (1..=6).flat_map(|a| (a..=6).map(move |b| (a, b))).collect();
        for number in 0..pairs.len().pow(4) {
            let (mut ranges, mut model, mut rest) = (Ranges::default(), BTreeSet::new(), number);
            for _ in 0..4 {
                let (first, last) = pairs[rest % pairs.len()];
                rest /= pairs.len();
                ranges.insert(first, last);
                model.extend(first..=last);
            }
            let held: Vec<u64> = ranges.0.iter().flat_map(|(a, b)| *a..=*b).collect();
            assert!(held.iter().eq(&model), "{ranges:?} against {model:?}");
            assert!(
                ranges.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0),
                "{ranges:?} has ranges that touch"
            );
            assert!((0..8).all(|n| ranges.contains(n) == model.contains(&n)));
            assert_eq!(ranges.total(), model.len() as u64);
            let missing: BTreeSet<u64> = ranges.missing().flat_map(|(a, b)| a..=b).collect();
            let top = ranges.last().unwrap();
            assert!((1..=top).all(|n| missing.contains(&n) != model.contains(&n)));
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut ranges = Ranges::default();
        ranges.insert(u64::MAX - 1, u64::MAX);
        ranges.insert(1, 1);
        assert!(ranges.contains(u64::MAX));
        assert_eq!(ranges.missing().collect::<Vec<_>>(), [(2, u64::MAX - 2)]);
    }
}
