//! JSON text, written by hand: the few forms that records need, without `core::fmt` and without
//! floats, which would each cost a browser more than everything else here.

use alloc::vec::Vec;

use crate::number::{write_i64, write_u64};

/// The members of one JSON object. [`Members::close`] ends it.
pub(crate) struct Members<'o> {
    out: &'o mut Vec<u8>,
    any: bool,
}

impl<'o> Members<'o> {
    /// Begins an object.
    pub(crate) fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, any: false }
    }

    /// Goes on with an object of which `out` already holds the brace and `any` members.
    pub(crate) fn resume(out: &'o mut Vec<u8>, any: bool) -> Self {
        Self { out, any }
    }

    pub(crate) fn close(self) {
        self.out.push(b'}');
    }

    /// Writes the name of the next member; the caller writes the value.
    pub(crate) fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if self.any {
            self.out.push(b',');
        }
        self.any = true;
        push_string(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        push_string(self.name(name), value);
    }

    /// No member at all when there is no value: what is not known is absent.
    pub(crate) fn text_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub(crate) fn integer(&mut self, name: &str, value: u64) {
        push_u64(self.name(name), value);
    }

    pub(crate) fn integer_if(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.integer(name, value);
        }
    }

    pub(crate) fn signed(&mut self, name: &str, value: i64) {
        push_i64(self.name(name), value);
    }

    pub(crate) fn boolean_if(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            let text: &[u8] = if value { b"true" } else { b"false" };
            self.name(name).extend_from_slice(text);
        }
    }

    /// `numerator / denominator` as an exact decimal, or its first 32 decimals: enough for every
    /// fraction over `2^32`, and more than any double holds. For `numerator <= denominator < 2^60`.
    pub(crate) fn fraction(&mut self, name: &str, numerator: u64, denominator: u64) {
        let out = self.name(name);
        let Some(whole) = numerator.checked_div(denominator) else {
            return out.extend_from_slice(b"null");
        };
        push_u64(out, whole);
        let mut rest = numerator % denominator;
        if rest == 0 {
            return;
        }
        out.push(b'.');
        for _ in 0..32 {
            rest *= 10;
            out.push(b'0' + (rest / denominator) as u8);
            rest %= denominator;
            if rest == 0 {
                break;
            }
        }
    }
}

/// A JSON string: quoted, with what RFC 8259 asks to be escaped and nothing else.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(plain) = rest
        .iter()
        .position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\')
        && let Some((head, [special, tail @ ..])) = rest.split_at_checked(plain)
    {
        out.extend_from_slice(head);
        out.push(b'\\');
        match special {
            b'\n' => out.push(b'n'),
            b'\r' => out.push(b'r'),
            b'\t' => out.push(b't'),
            0..0x20 => {
                out.extend_from_slice(b"u00");
                push_hex(out, &[*special]);
            }
            _ => out.push(*special),
        }
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Two lower-case hexadecimal digits a byte.
pub(crate) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 0xF));
    }
}

pub(crate) fn push_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(write_i64(value, &mut [0; 20]).as_bytes());
}

pub(crate) fn push_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(write_u64(value, &mut [0; 20]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_escape_what_json_requires_and_nothing_else() {
        for (text, want) in [
            ("", r#""""#),
            ("plain", r#""plain""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\n\r\t", r#""\n\r\t""#),
            ("\u{0}\u{1f}", r#""\u0000\u001f""#),
            ("\u{7f}é\u{2028}🦀/", "\"\u{7f}é\u{2028}🦀/\""),
            ("\"", r#""\"""#), // a special byte first and last
        ] {
            assert_eq!(written(|out| push_string(out, text)), want, "{text:?}");
        }
    }

    #[test]
    fn integers_have_all_their_digits() {
        for value in [0, 9, 10, 1_700_000_000_000_000, u64::MAX] {
            assert_eq!(
                written(|out| push_u64(out, value)),
                alloc::format!("{value}")
            );
        }
        for value in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(
                written(|out| push_i64(out, value)),
                alloc::format!("{value}")
            );
        }
    }

    #[test]
    fn fractions_are_exact_over_two_to_the_32() {
        let two32 = 1 << 32;
        for (numerator, denominator, want) in [
            (0, 10, "0"),
            (10, 10, "1"),
            (1, 2, "0.5"),
            (250_000, 1_000_000, "0.25"),
            (1, 3, "0.33333333333333333333333333333333"),
            (1, two32, "0.00000000023283064365386962890625"),
            (two32 - 1, two32, "0.99999999976716935634613037109375"),
        ] {
            let text = written(|out| {
                let mut members = Members::open(out);
                members.fraction("p", numerator, denominator);
                members.close();
            });
            assert_eq!(text, alloc::format!("{{\"p\":{want}}}"));
            // Read as a double it is the correctly rounded quotient.
            let read: f64 = want.parse().unwrap();
            assert_eq!(read, numerator as f64 / denominator as f64);
        }
        assert_eq!(
            written(|out| Members::open(out).fraction("p", 1, 0)),
            "{\"p\":null"
        );
    }
}
