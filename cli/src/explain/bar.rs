//! A position among ranges, drawn.

use std::fmt;

use anstyle::Style;

use crate::style::DIM;

/// Characters between the brackets.
const WIDTH: u32 = 40;

/// `[####|###......]`: `#` where ranges are, `|` where the unit is.
pub(super) struct Bar<'a> {
    pub(super) ranges: &'a [(u64, u64)],
    /// None draws the ranges only.
    pub(super) position: Option<u64>,
    /// How to show the position.
    pub(super) marker: Style,
    pub(super) modulus: u64,
}

/// Whether one of `ranges` holds `position`.
pub(super) fn contains(ranges: &[(u64, u64)], position: u64) -> bool {
    ranges
        .iter()
        .any(|&(from, to)| from <= position && position < to)
}

impl fmt::Display for Bar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DIM}[{DIM:#}")?;
        let marker = self.marker;
        let (width, modulus) = (u128::from(WIDTH), u128::from(self.modulus.max(1)));
        let here = self.position.map(|at| u128::from(at) * width / modulus);
        for cell in 0..width {
            if here == Some(cell) {
                write!(f, "{marker}|{marker:#}")?;
                continue;
            }
            // Compared without division, so that any overlap shows: a range of one position is still seen, and
            // a modulus may be smaller than the bar.
            let covered = self.ranges.iter().any(|&(from, to)| {
                u128::from(from) * width < (cell + 1) * modulus
                    && cell * modulus < u128::from(to) * width
            });
            if covered {
                f.write_str("#")?;
            } else {
                write!(f, "{DIM}.{DIM:#}")?;
            }
        }
        write!(f, "{DIM}]{DIM:#}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(ranges: &[(u64, u64)], position: Option<u64>, modulus: u64) -> String {
        let bar = Bar {
            ranges,
            position,
            marker: Style::new(),
            modulus,
        };
        anstream::adapter::strip_str(&bar.to_string()).to_string()
    }

    #[test]
    fn positions_and_ranges_stand_where_they_are() {
        let two32 = 1 << 32;
        for (ranges, position, modulus, want) in [
            // A quarter, and a unit at its start.
            (
                &[(0, 25)][..],
                Some(0),
                100,
                "[|#########..............................]",
            ),
            // The last position of a quarter, and the first after it.
            (
                &[(0, 25)],
                Some(24),
                100,
                "[#########|..............................]",
            ),
            (
                &[(0, 25)],
                Some(25),
                100,
                "[##########|.............................]",
            ),
            // One position of four thousand million is still seen.
            (
                &[(two32 - 1, two32)],
                Some(0),
                two32,
                "[|......................................#]",
            ),
            // A modulus smaller than the bar.
            (
                &[(0, 5)],
                Some(9),
                10,
                "[####################................|...]",
            ),
            (
                &[],
                None,
                two32,
                "[........................................]",
            ),
            (
                &[(0, two32)],
                None,
                two32,
                "[########################################]",
            ),
            (
                &[(10, 20), (60, 70)],
                None,
                100,
                "[....####................####............]",
            ),
        ] {
            assert_eq!(
                drawn(ranges, position, modulus),
                want,
                "{ranges:?} {position:?}"
            );
        }
    }
}
