//! Columns of text.

use std::io::{self, Write};

use anstyle::Style;

use crate::style::{DIM, printable};

/// A text and how to show it.
pub(crate) struct Cell {
    text: String,
    style: Style,
    right: bool,
}

impl Cell {
    pub(crate) fn new(style: Style, text: &str) -> Self {
        Self {
            text: printable(text).into_owned(),
            style,
            right: false,
        }
    }

    /// Set to the right, as numbers are.
    pub(crate) fn right(style: Style, text: &str) -> Self {
        Self {
            right: true,
            ..Self::new(style, text)
        }
    }
}

/// Rows of `N` columns, each column as wide as its longest text.
pub(crate) struct Table<const N: usize> {
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(headings: [&str; N]) -> Self {
        Self {
            rows: vec![headings.map(|heading| Cell::new(DIM, heading))],
        }
    }

    pub(crate) fn row(&mut self, row: [Cell; N]) {
        if let [headings] = self.rows.as_mut_slice() {
            for (heading, cell) in headings.iter_mut().zip(&row) {
                heading.right = cell.right;
            }
        }
        self.rows.push(row);
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.text.chars().count().max(*width);
            }
        }
        for row in &self.rows {
            let last = row.iter().rposition(|cell| !cell.text.is_empty());
            let last = last.unwrap_or_default();
            for (at, (cell, width)) in row.iter().zip(widths).enumerate().take(last + 1) {
                let Cell { text, style, right } = cell;
                let gap = if at == 0 { 0 } else { 2 };
                let blanks = width - text.chars().count();
                // No blanks at the end of a line.
                let (before, after) = match right {
                    true => (gap + blanks, 0),
                    false if at == last => (gap, 0),
                    false => (gap, blanks),
                };
                write!(out, "{:before$}{style}{text}{style:#}{:after$}", "", "")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
