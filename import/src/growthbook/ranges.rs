//! Shares and ranges of the unit interval, as ranges of whole positions.
//!
//! A unit's number is `k / modulus` in double arithmetic. Which `k` pass a comparison with a double is found by the very
//! comparison, so no rounding of ours decides.

use alloc::vec::Vec;

/// The first `k` of `0..=modulus` for which `k / modulus` is not below `bound`.
fn first_not_below(bound: f64, modulus: u64) -> u64 {
    first(modulus, |number| number >= bound)
}

/// The first `k` of `0..=modulus` whose number passes; `modulus` if none does. What passes is upward closed.
fn first(modulus: u64, passes: impl Fn(f64) -> bool) -> u64 {
    let (mut low, mut high) = (0, modulus);
    while low < high {
        let middle = low + (high - low) / 2;
        if passes(middle as f64 / modulus as f64) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The positions with `start <= n < end`.
pub(super) fn half_open((start, end): (f64, f64), modulus: u64) -> (u64, u64) {
    (
        first_not_below(start, modulus),
        first_not_below(end, modulus),
    )
}

/// The positions with `n <= end`.
pub(super) fn up_to(end: f64, modulus: u64) -> (u64, u64) {
    (0, first(modulus, |number| number > end))
}

/// The ranges of an experiment's variations: `getBucketRanges` of `packages/sdk-js/src/util.ts`, in the same double
/// arithmetic and the same order of operations.
pub(super) fn bucket_ranges(
    count: usize,
    coverage: f64,
    weights: Option<Vec<f64>>,
) -> Vec<(f64, f64)> {
    let coverage = coverage.clamp(0.0, 1.0);
    let equal = || alloc::vec![1.0 / count as f64; count];
    let mut weights = weights
        .filter(|list| list.len() == count)
        .unwrap_or_else(equal);
    let total: f64 = weights.iter().fold(0.0, |sum, weight| weight + sum);
    if !(0.99..=1.01).contains(&total) {
        weights = equal();
    }
    let mut cumulative = 0.0;
    let range = |weight: f64| {
        let start = cumulative;
        cumulative += weight;
        (start, start + coverage * weight)
    };
    weights.into_iter().map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_where_the_comparison_of_doubles_changes() {
        for modulus in [1_000, 10_000] {
            for hundredths in 0..=100_u32 {
                for bound in [
                    f64::from(hundredths) / 100.0,
                    f64::from(hundredths) / 100.0 + 1e-17,
                    0.1 * f64::from(hundredths) / 10.0,
                ] {
                    let (start, end) = half_open((bound, 2.0), modulus);
                    let (_, included) = up_to(bound, modulus);
                    assert_eq!(end, modulus);
                    for k in 0..modulus {
                        let number = k as f64 / modulus as f64;
                        assert_eq!(number >= bound, k >= start, "{k} {bound}");
                        assert_eq!(number <= bound, k < included, "{k} {bound}");
                    }
                }
            }
        }
    }

    #[test]
    fn bad_weights_become_equal_ones() {
        let halves = [(0.0, 0.5), (0.5, 1.0)];
        assert_eq!(bucket_ranges(2, 1.0, None), halves);
        assert_eq!(bucket_ranges(2, 7.0, Some(Vec::from([0.4, 0.1]))), halves);
        assert_eq!(bucket_ranges(2, 1.0, Some(Vec::from([0.4]))), halves);
        assert_eq!(
            bucket_ranges(2, 0.5, Some(Vec::from([0.4, 0.6]))),
            [(0.0, 0.2), (0.4, 0.7)]
        );
        assert_eq!(bucket_ranges(2, -1.0, None), [(0.0, 0.0), (0.5, 0.5)]);
    }
}
