//! Colours and text for a terminal. Everything is written through `anstream`, which takes the colours out where
//! the output is no terminal or `NO_COLOR` is set, and keeps them where `CLICOLOR_FORCE` is.

use std::borrow::Cow;

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const HEADING: Style = AnsiColor::Cyan.on_default().bold();
pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const PLAIN: Style = Style::new();

/// Colours of `--help`.
pub(crate) const HELP: Styles = Styles::styled()
    .header(HEADING)
    .usage(HEADING)
    .literal(STRONG)
    .placeholder(DIM)
    .error(BAD);

/// `text` without control characters, which would let a document steer the terminal.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |character: char| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    Cow::Owned(text.chars().map(escape).collect())
}

/// `1 flag`, `2 flags`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A share in per cent with two digits after the point, rounded down so that nothing below a bound seems to
/// have reached it: `33.33`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let hundredths = u128::from(part) * 10_000 / u128::from(whole.max(1));
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_nothing_else_is() {
        for (text, want) in [
            ("plain żółw 🦀", "plain żółw 🦀"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("two\nlines\t", "two\\nlines\\t"),
            ("\u{9b}31m", "\\u{9b}31m"), // the C1 form of ESC [
        ] {
            assert_eq!(printable(text), want, "{text:?}");
        }
    }

    #[test]
    fn percentages_round_down() {
        for (part, whole, want) in [
            (0, 1 << 32, "0.00"),
            ((1 << 32) - 1, 1 << 32, "99.99"),
            (1 << 32, 1 << 32, "100.00"),
            (1, 3, "33.33"),
            (u64::MAX, u64::MAX, "100.00"),
            (1, 0, "100.00"), // there is no such hash; no panic either
        ] {
            assert_eq!(percent(part, whole), want, "{part} of {whole}");
        }
    }
}
