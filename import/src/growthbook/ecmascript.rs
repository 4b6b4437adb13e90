//! Values as ECMAScript reads and writes them: the format's comparisons are JavaScript's.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The number that a text is, as `Number(text)`; `None` for NaN.
pub(super) fn number_of(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c.is_whitespace() && c != '\u{85}' || c == '\u{FEFF}');
    if text.is_empty() {
        return Some(0.0);
    }
    for (prefixes, radix) in [(["0x", "0X"], 16), (["0o", "0O"], 8), (["0b", "0B"], 2)] {
        if let Some(digits) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
            // No sign: `from_str_radix` takes one, the language does not.
            let plain = digits.chars().all(|digit| digit.is_digit(radix));
            let value = u64::from_str_radix(digits, radix).ok();
            return value.filter(|_| plain).map(|value| value as f64);
        }
    }
    match text {
        "Infinity" | "+Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    // The standard library reads the same decimals, and `inf` and `nan` beside them.
    let decimal =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    let value = text.bytes().all(decimal).then(|| text.parse().ok());
    value.flatten()
}

/// The text of a number, as `String(number)`.
pub(super) fn text_of(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let scientific = format!("{value:e}");
    let (sign, rest) = match scientific.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", scientific.as_str()),
    };
    let Some((mantissa, exponent)) = rest.split_once('e') else {
        return scientific;
    };
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let count = digits.len() as i32;
    let (whole, fraction) = digits
        .split_at_checked(point.clamp(0, count) as usize)
        .unwrap_or((&digits, ""));
    let zeros = |count: i32| "0".repeat(count.max(0) as usize);
    match point {
        _ if (count..=21).contains(&point) => format!("{sign}{digits}{}", zeros(point - count)),
        1..=21 => format!("{sign}{whole}.{fraction}"),
        -5..=0 => format!("{sign}0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
            let dot = if rest.is_empty() { "" } else { "." };
            let mark = if point > 0 { "+" } else { "-" };
            format!("{sign}{first}{dot}{rest}e{mark}{}", (point - 1).abs())
        }
    }
}

/// The key for sorting that a version becomes: `paddedVersionString` of `packages/sdk-js/src/util.ts`.
pub(super) fn padded_version(text: &str) -> String {
    let text = if text.is_empty() { "0" } else { text };
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split('+').next().unwrap_or_default();
    let mut parts: Vec<String> = text
        .split(['-', '.'])
        .map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if digits {
                format!("{part:>5}")
            } else {
                part.to_string()
            }
        })
        .collect();
    if parts.len() == 3 {
        parts.push("~".into());
    }
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_texts_are_those_of_javascript() {
        // Right column: printed by Node.js, `Number(text)`.
        for (text, want) in [
            ("", Some(0.0)),
            (" \n", Some(0.0)),
            (" 8 ", Some(8.0)),
            ("0x1F", Some(31.0)),
            ("0b11", Some(3.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("+5e1", Some(50.0)),
            ("0x", None),
            ("0x+1", None),
            ("inf", None),
            ("nan", None),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1_0", None),
            ("1e", None),
        ] {
            assert_eq!(number_of(text), want, "{text:?}");
        }
    }

    #[test]
    fn texts_of_numbers_are_those_of_javascript() {
        // Right column: printed by Node.js, `String(x)`.
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "0"),
            (5.0, "5"),
            (-1.25, "-1.25"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (123.456, "123.456"),
        ] {
            assert_eq!(text_of(value), want);
        }
    }

    #[test]
    fn versions_are_padded_as_the_sdk_pads_them() {
        for (text, want) in [
            ("v1.2.3+b", "    1-    2-    3-~"),
            ("1.2", "    1-    2"),
            ("1.0.0-rc.1", "    1-    0-    0-rc-    1"),
            ("", "    0"),
            ("123456", "123456"),
        ] {
            assert_eq!(padded_version(text), want);
        }
    }
}
