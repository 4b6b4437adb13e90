//! Chi-square tests for positions of a hash.

/// The chance that a chi-square variable with `degrees` of freedom exceeds `x`.
///
/// # Formula
///
/// `Q(degrees / 2, x / 2)`, the upper regularised incomplete gamma function: below `degrees / 2 + 1` by the
/// series of its complement, above by the continued fraction (Lentz), as in DLMF 8.7.1 and 8.9.2.
#[must_use]
pub fn chi_square_survival(x: f64, degrees: f64) -> f64 {
    let (a, x) = (degrees / 2.0, x / 2.0);
    if x <= 0.0 {
        return 1.0;
    }
    let scale = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let mut term = 1.0 / a;
        let mut sum = term;
        for n in 1..10_000 {
            term *= x / (a + f64::from(n));
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return 1.0 - scale * sum;
    }
    let tiny = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / tiny;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for n in 1..10_000 {
        let n = f64::from(n);
        let numerator = -n * (n - a);
        b += 2.0;
        d = 1.0 / (numerator * d + b).max(tiny);
        c = (b + numerator / c).max(tiny);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    scale * fraction
}

/// The logarithm of the gamma function for `x > 0`, by Lanczos's approximation with g = 7 and nine terms
/// (about 15 digits).
#[must_use]
pub fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let sum = TERMS
        .iter()
        .zip(1..)
        .fold(0.999_999_999_999_809_9, |sum, (term, n)| {
            sum + term / (x + f64::from(n))
        });
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// The p-value of these counts when each bin has this weight.
///
/// Near 0: too uneven. Near 1: too even to be chance, which is a fault as well.
#[must_use]
pub fn goodness_of_fit(counts: &[u64], weights: &[f64]) -> f64 {
    let total: u64 = counts.iter().sum();
    let whole: f64 = weights.iter().sum();
    let x = counts.iter().zip(weights).map(|(count, weight)| {
        let expected = total as f64 * weight / whole;
        (*count as f64 - expected).powi(2) / expected
    });
    chi_square_survival(x.sum(), (counts.len() - 1) as f64)
}

/// The p-value of these counts when all bins are alike.
#[must_use]
pub fn uniformity(counts: &[u64]) -> f64 {
    goodness_of_fit(counts, &vec![1.0; counts.len()])
}

/// The p-value of a table of counts, row after row, when rows and columns are independent.
#[must_use]
pub fn independence(table: &[u64], columns: usize) -> f64 {
    let rows = table.len() / columns;
    let total = table.iter().sum::<u64>() as f64;
    let row = |at: usize| table[at * columns..(at + 1) * columns].iter().sum::<u64>() as f64;
    let column = |at: usize| table.iter().skip(at).step_by(columns).sum::<u64>() as f64;
    let (row_sums, column_sums): (Vec<f64>, Vec<f64>) = (
        (0..rows).map(row).collect(),
        (0..columns).map(column).collect(),
    );
    let mut x = 0.0;
    for (row, row_sum) in row_sums.iter().enumerate() {
        for (column, column_sum) in column_sums.iter().enumerate() {
            let expected = row_sum * column_sum / total;
            x += (table[row * columns + column] as f64 - expected).powi(2) / expected;
        }
    }
    chi_square_survival(x, ((rows - 1) * (columns - 1)) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survival_equals_published_values() {
        for (x, degrees, want) in [
            // NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.4, three decimals of x.
            (3.841, 1.0, 0.05),
            (10.828, 1.0, 0.001),
            (16.919, 9.0, 0.05),
            (27.877, 9.0, 0.001),
            (123.225, 99.0, 0.05),
            (148.230, 99.0, 0.001),
            (69.230, 99.0, 0.99),
        ] {
            let got = chi_square_survival(x, degrees);
            assert!((got / want - 1.0_f64).abs() < 6e-4, "{x} {degrees}: {got}");
        }
        for (x, degrees, want) in [
            // Two sample ratio checks by scipy 1.17: of 44,700 to 45,489, and of 21,306, 21,307, 21,387.
            (6.902_404_949_6, 1.0, 0.008_607_987_81),
            (0.202_531_25, 2.0, 0.903_692_96),
            // With two degrees of freedom it is exp(-x/2), with four exp(-x/2)(1 + x/2).
            (60.0, 2.0, (-30.0_f64).exp()),
            (60.0, 4.0, 31.0 * (-30.0_f64).exp()),
            (1.0, 2.0, (-0.5_f64).exp()),
        ] {
            let got = chi_square_survival(x, degrees);
            assert!((got / want - 1.0_f64).abs() < 1e-8, "{x} {degrees}: {got}");
        }
    }

    #[test]
    fn gamma_equals_factorials() {
        let mut factorial = 1.0_f64;
        for n in 1..20 {
            let error = ln_gamma(f64::from(n)) - factorial.ln();
            assert!(
                error.abs() < 1e-12 * factorial.ln().max(1.0),
                "{n}: {error}"
            );
            factorial *= f64::from(n);
        }
        let half = ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln();
        assert!(half.abs() < 1e-14, "{half}");
    }

    #[test]
    fn tables_by_hand() {
        // 10 and 20 of 30: x = 25/15 + 25/15.
        let p = uniformity(&[10, 20]);
        assert!((p - chi_square_survival(10.0 / 3.0, 1.0)).abs() < 1e-12);
        let p = independence(&[10, 20, 20, 10], 2);
        assert!((p - chi_square_survival(20.0 / 3.0, 1.0)).abs() < 1e-12);
        assert!(independence(&[10, 20, 30, 60], 2) > 0.999_999);
    }
}
