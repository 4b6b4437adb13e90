//! The chi-square test of goodness of fit: did the arms get the shares that they should?

use std::f64::consts::PI;

/// Expected counts below this make the distribution of the statistic a poor approximation (Cochran 1954).
const MIN_EXPECTED: f64 = 5.0;

/// The probability of counts that are at least as far from the expected `shares`, if these are right.
/// `None` when there are fewer than two shares, or too few counts to tell.
///
/// # Formula
///
/// `X^2 = sum((count - expected)^2 / expected)`, `expected = share / sum(shares) * sum(counts)`, and the
/// survival function of the chi-square distribution with one degree of freedom less than there are shares.
/// `shares` are positive.
pub(crate) fn goodness_of_fit(counts: &[u64], shares: &[u64]) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    let whole: u64 = shares.iter().sum();
    let mut statistic = 0.0;
    for (count, share) in counts.iter().zip(shares) {
        let expected = *share as f64 / whole as f64 * total as f64;
        if expected.is_nan() || expected < MIN_EXPECTED {
            return None;
        }
        let off = *count as f64 - expected;
        statistic += off * off / expected;
    }
    let freedom = shares.len().checked_sub(1).filter(|freedom| *freedom > 0)?;
    Some(survival(statistic, freedom as u32))
}

/// The probability that a chi-square variable of `freedom` degrees is above `x`.
///
/// # Formula
///
/// The regularised upper incomplete gamma function `Q(freedom / 2, x / 2)`: by the series of its complement where
/// that converges fast, else by the continued fraction of Lentz (Numerical Recipes, 3rd edition, 6.2).
fn survival(x: f64, freedom: u32) -> f64 {
    let (a, x) = (f64::from(freedom) / 2.0, x / 2.0);
    if x <= 0.0 {
        return 1.0;
    }
    let scale = (a * x.ln() - x - ln_gamma_of_half(freedom)).exp();
    if x < a + 1.0 {
        1.0 - scale * series(a, x)
    } else {
        scale * continued_fraction(a, x)
    }
}

/// Both expansions converge in a few times the square root of `a` steps; degrees of freedom are under 1,000.
const MAX_STEPS: u32 = 10_000;

fn series(a: f64, x: f64) -> f64 {
    let mut term = 1.0 / a;
    let mut sum = term;
    for step in 1..MAX_STEPS {
        term *= x / (a + f64::from(step));
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum
}

fn continued_fraction(a: f64, x: f64) -> f64 {
    // Keeps a denominator that happens to be 0 from becoming infinite.
    let tiny = f64::MIN_POSITIVE / f64::EPSILON;
    let away_from_zero = |value: f64| if value.abs() < tiny { tiny } else { value };
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / tiny;
    let mut d = 1.0 / away_from_zero(b);
    let mut fraction = d;
    for step in 1..MAX_STEPS {
        let numerator = -f64::from(step) * (f64::from(step) - a);
        b += 2.0;
        d = 1.0 / away_from_zero(numerator * d + b);
        c = away_from_zero(b + numerator / c);
        let factor = d * c;
        fraction *= factor;
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    fraction
}

/// `ln(gamma(n / 2))` for `n >= 1`, by `gamma(z + 1) = z * gamma(z)` from `gamma(1/2) = sqrt(pi)` or
/// `gamma(1) = 1`.
fn ln_gamma_of_half(n: u32) -> f64 {
    let (first, start) = if n % 2 == 1 {
        (1, PI.ln() / 2.0)
    } else {
        (2, 0.0)
    };
    let steps = (first..n).step_by(2).map(|below| f64::from(below) / 2.0);
    steps.fold(start, |sum, z| sum + z.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_close(got: f64, want: f64, relative: f64) {
        assert!(
            (got - want).abs() <= relative * want.abs(),
            "got {got}, want {want}"
        );
    }

    #[test]
    fn survival_matches_published_values() {
        for (x, freedom, want, relative) in [
            // Critical values, NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4, three decimals.
            (2.706, 1, 0.10, 1e-3),
            (3.841, 1, 0.05, 1e-3),
            (10.828, 1, 0.001, 1e-3),
            (13.816, 2, 0.001, 1e-3),
            (18.307, 10, 0.05, 1e-3),
            (29.588, 10, 0.001, 1e-3),
            (77.929, 100, 0.95, 1e-3),
            (149.449, 100, 0.001, 1e-3),
            // Two degrees of freedom: exp(-x / 2).
            (0.5, 2, (-0.25_f64).exp(), 1e-14),
            (1_000.0, 2, (-500.0_f64).exp(), 1e-12),
            // The ends.
            (0.0, 7, 1.0, 0.0),
            (1e6, 1, 0.0, 0.0),
        ] {
            let got = survival(x, freedom);
            assert!(
                (got - want).abs() <= relative * want,
                "x {x}, {freedom} degrees: got {got}, want {want}"
            );
        }
    }

    #[test]
    fn both_expansions_agree_where_they_meet() {
        for freedom in [1, 2, 3, 10, 99, 999] {
            let (a, x) = (f64::from(freedom) / 2.0, f64::from(freedom) / 2.0 + 1.0);
            let scale = (a * x.ln() - x - ln_gamma_of_half(freedom)).exp();
            assert_close(
                1.0 - scale * series(a, x),
                scale * continued_fraction(a, x),
                1e-10,
            );
        }
    }

    #[test]
    fn known_experiments_give_the_known_p() {
        // Cookie Cats and Hillstrom, computed with scipy.stats.chisquare.
        let p = goodness_of_fit(&[44_700, 45_489], &[1, 1]).unwrap();
        assert_close(p, 0.008_607_987_81, 1e-8);
        let p = goodness_of_fit(&[21_306, 21_307, 21_387], &[1, 1, 1]).unwrap();
        assert_close(p, 0.903_692_96, 1e-7);
    }

    #[test]
    fn a_test_without_power_gives_nothing() {
        for (counts, shares) in [
            (&[0, 0][..], &[1, 1][..]),
            (&[4, 5], &[1, 1]),
            (&[400, 0], &[99, 1]),
            (&[100], &[1]),
            (&[], &[]),
        ] {
            assert_eq!(goodness_of_fit(counts, shares), None, "{counts:?}");
        }
    }
}
