//! Signs at the beginning of a line.

use std::fmt;

use anstyle::Style;

use crate::style::{BAD, DIM, GOOD, PLAIN};

/// A sign and how to show it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mark(Style, char);

pub(super) const YES: Mark = Mark(GOOD, '✓');
pub(super) const NO: Mark = Mark(BAD, '✗');
pub(super) const NOT_REACHED: Mark = Mark(DIM, '·');
pub(super) const NONE: Mark = Mark(PLAIN, ' ');

impl Mark {
    pub(super) const fn style(self) -> Style {
        self.0
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(style, sign) = self;
        write!(f, "{style}{sign}{style:#}")
    }
}
