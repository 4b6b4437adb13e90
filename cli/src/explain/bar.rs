//! A position among ranges, drawn.

use std::fmt;

use crate::style::{BAD, DIM, GOOD};

/// Characters between the brackets.
const WIDTH: usize = 40;

/// `[####|###......]`: `#` where ranges are, `|` where the unit is.
pub(super) struct Bar<'a> {
    pub(super) ranges: &'a [(u64, u64)],
    /// None draws the ranges only.
    pub(super) position: Option<u64>,
    pub(super) modulus: u64,
}

impl Bar<'_> {
    /// Whether the position is in one of the ranges.
    pub(super) fn is_inside(&self) -> bool {
        self.position.is_some_and(|at| contains(self.ranges, at))
    }

    /// The positions that the character `cell` stands for: from, and up to but not including.
    fn positions(&self, cell: usize) -> (u128, u128) {
        let bound = |cell: usize| cell as u128 * u128::from(self.modulus) / WIDTH as u128;
        (bound(cell), bound(cell + 1))
    }
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
        let marker = if self.is_inside() { GOOD } else { BAD };
        for cell in 0..WIDTH {
            let (from, to) = self.positions(cell);
            let here = self.position.map(u128::from);
            // The last cell also takes a modulus smaller than the bar.
            if here.is_some_and(|here| from <= here && here < to) {
                write!(f, "{marker}|{marker:#}")?;
                continue;
            }
            // Any overlap shows: a range of one position is still seen.
            let covered = self
                .ranges
                .iter()
                .any(|&(start, end)| u128::from(start) < to && from < u128::from(end));
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
