//! The text of a number or boolean, for regular expressions and hashed operands with `loose`.

use core::fmt::Write;

use crate::number::{Number, integral, write_i64};
use crate::value::AttributeValue;

/// A short text that is held inline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextForm {
    text: [u8; 32],
    len: usize,
}

impl TextForm {
    /// The text of a boolean or a number; none for anything else.
    pub(crate) fn of(value: &AttributeValue<'_>) -> Option<Self> {
        let mut form = Self {
            text: [0; 32],
            len: 0,
        };
        match *value {
            AttributeValue::Bool(value) => form.push(if value { "true" } else { "false" }),
            _ => match value.as_number()? {
                Number::Integer(value) => form.push(write_i64(value, &mut [0; 20])),
                Number::Double(value) => match integral(value) {
                    Some(value) => form.push(write_i64(value, &mut [0; 20])),
                    None => form.double(value)?,
                },
            },
        }
        Some(form)
    }

    pub(crate) fn as_str(&self) -> &str {
        let text = self.text.get(..self.len).unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }

    fn push(&mut self, text: &str) {
        for byte in text.bytes() {
            if let Some(slot) = self.text.get_mut(self.len) {
                *slot = byte;
                self.len += 1;
            }
        }
    }

    fn zeros(&mut self, count: i32) {
        for _ in 0..count {
            self.push("0");
        }
    }

    /// The layout of ECMAScript's `Number::toString` around the shortest digits that read back, which is what
    /// the standard library's exponent form prints.
    fn double(&mut self, value: f64) -> Option<()> {
        let mut scientific = Self {
            text: [0; 32],
            len: 0,
        };
        write!(scientific, "{value:e}").ok()?;
        let text = scientific.as_str();
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", text),
        };
        let (mantissa, exponent) = text.split_once('e')?;
        let exponent: i32 = exponent.parse().ok()?;
        let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = 1 + rest.len() as i32;
        self.push(sign);
        // `point` digits stand before the decimal point.
        let point = exponent + 1;
        if (digits..=21).contains(&point) {
            self.push(first);
            self.push(rest);
            self.zeros(point - digits);
        } else if point > 0 && point <= 21 {
            let (whole, fraction) = rest.split_at_checked(exponent as usize)?;
            self.push(first);
            self.push(whole);
            self.push(".");
            self.push(fraction);
        } else if point > -6 && point <= 0 {
            self.push("0.");
            self.zeros(-point);
            self.push(first);
            self.push(rest);
        } else {
            self.push(first);
            if !rest.is_empty() {
                self.push(".");
                self.push(rest);
            }
            self.push(if exponent < 0 { "e-" } else { "e+" });
            self.push(write_i64(exponent.unsigned_abs().into(), &mut [0; 20]));
        }
        Some(())
    }
}

impl Write for TextForm {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        if self.len + text.len() > self.text.len() {
            return Err(core::fmt::Error);
        }
        self.push(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_javascript_writes_them() {
        // Right column: printed by Node.js, `String(x)`.
        for (value, want) in [
            (0.5, "0.5"),
            (-1.25, "-1.25"),
            (1e21, "1e+21"),
            (123456789012345680000.0, "123456789012345680000"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (9007199254740993.0, "9007199254740992"),
            (1e20, "100000000000000000000"),
            (123.456, "123.456"),
            (3.0, "3"),
        ] {
            let form = TextForm::of(&AttributeValue::Number(value));
            assert_eq!(form.map(|form| form.as_str() == want), Some(true), "{want}");
        }
    }
}
