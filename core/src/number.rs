//! Numbers: their JSON text, exact comparison, and decimal digits, without the standard library's
//! conversions, which cost a browser more bytes than the rest of the evaluator's arithmetic.

use core::cmp::Ordering;

/// Bytes of the longest number token that is read; it bounds the arithmetic of [`Big`].
pub(crate) const MAX_TOKEN: usize = 128;

/// A number of a flag set or context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// A signed 64-bit integer.
    Integer(i64),
    /// An IEEE 754 double. Parsing yields finite ones only.
    Double(f64),
}

/// Reads `token`, which must be exactly one JSON number of at most [`MAX_TOKEN`] bytes.
///
/// Without fraction and exponent and within `i64` it is an integer (`-0` is 0), else the nearest
/// double, ties to even. `None` for anything that is not a JSON number, and for one that rounds
/// beyond the largest double.
pub(crate) fn parse_json_number(token: &[u8]) -> Option<Number> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let decimal = Decimal::scan(token)?;
    if decimal.fraction.is_empty() && decimal.exponent.is_none() {
        let integer = decimal.integer.iter().try_fold(0_i64, |sum, digit| {
            let digit = i64::from(digit - b'0');
            let tens = sum.checked_mul(10)?;
            if decimal.negative {
                tens.checked_sub(digit)
            } else {
                tens.checked_add(digit)
            }
        });
        if let Some(integer) = integer {
            return Some(Number::Integer(integer));
        }
    }
    let magnitude = decimal.magnitude()?;
    Some(Number::Double(if decimal.negative {
        -magnitude
    } else {
        magnitude
    }))
}

/// Reads a number as people write it: white space around it, a sign before it, a comma for its point, any zeros
/// before it, and nothing before or after its point are no hindrance. Else as [`parse_json_number`].
#[cfg(feature = "imported")]
pub(crate) fn parse_lenient(text: &[u8]) -> Option<Number> {
    let text = crate::text::trim(text);
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (integer, rest) = text.split_at_checked(digits(text))?;
    let (fraction, exponent) = match rest {
        [b'.' | b',', after @ ..] => after.split_at_checked(digits(after))?,
        _ => (&[][..], rest),
    };
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    let zeros = integer.iter().take_while(|byte| **byte == b'0').count();
    let integer = match integer.get(zeros..) {
        Some(integer @ [_, ..]) => integer,
        _ => b"0",
    };
    let point: &[u8] = if fraction.is_empty() { b"" } else { b"." };
    let sign: &[u8] = if negative { b"-" } else { b"" };
    let mut token = [0; MAX_TOKEN];
    let mut length = 0;
    for byte in [sign, integer, point, fraction, exponent]
        .iter()
        .copied()
        .flatten()
    {
        *token.get_mut(length)? = *byte;
        length += 1;
    }
    parse_json_number(token.get(..length)?)
}

/// Whether `token` is a number by RFC 8259 section 6, however long.
pub(crate) fn is_number(token: &[u8]) -> bool {
    Decimal::scan(token).is_some()
}

/// Reads per cent (0 to 100 with at most four decimals, no exponent) as parts per million.
///
/// `token` must be exactly one JSON number. A fifth decimal is refused even when it is zero.
pub(crate) fn parse_percent(token: &[u8]) -> Option<u32> {
    let decimal = Decimal::scan(token)?;
    if decimal.exponent.is_some() || decimal.integer.len() > 3 || decimal.fraction.len() > 4 {
        return None;
    }
    let digits = decimal
        .digits()
        .chain(core::iter::repeat_n(0, 4 - decimal.fraction.len()));
    let parts = digits.fold(0, |sum, digit| sum * 10 + u32::from(digit));
    (parts <= 1_000_000 && (parts == 0 || !decimal.negative)).then_some(parts)
}

/// Compares by mathematical value, without rounding either side. `None` if one is NaN or infinite.
pub(crate) fn compare(left: Number, right: Number) -> Option<Ordering> {
    match (left, right) {
        (Number::Integer(left), Number::Integer(right)) => Some(left.cmp(&right)),
        (Number::Integer(left), Number::Double(right)) => compare_mixed(left, right),
        (Number::Double(left), Number::Integer(right)) => {
            compare_mixed(right, left).map(Ordering::reverse)
        }
        (Number::Double(left), Number::Double(right)) => {
            (left.is_finite() && right.is_finite()).then_some(())?;
            left.partial_cmp(&right)
        }
    }
}

fn compare_mixed(integer: i64, double: f64) -> Option<Ordering> {
    /// 2^63, the least double above every `i64`.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if !double.is_finite() {
        None
    } else if double >= LIMIT {
        Some(Ordering::Less)
    } else if double < -LIMIT {
        Some(Ordering::Greater)
    } else {
        let whole = double as i64;
        // Exact: a double with a fraction is below 2^53.
        let fraction = double - whole as f64;
        Some(integer.cmp(&whole).then(0.0.partial_cmp(&fraction)?))
    }
}

/// The integer that `double` is, if it is one and below 2^53 in magnitude: beyond, several integers
/// share a double, so its digits would be an accident.
pub(crate) fn integral(double: f64) -> Option<i64> {
    let whole = double as i64;
    (whole as f64 == double && whole.unsigned_abs() < 1 << 53).then_some(whole)
}

/// Writes `number` in decimal at the end of `buffer`.
pub(crate) fn write_u64(number: u64, buffer: &mut [u8; 20]) -> &str {
    write_decimal(false, number, buffer)
}

/// Writes `number` in decimal at the end of `buffer`.
pub(crate) fn write_i64(number: i64, buffer: &mut [u8; 20]) -> &str {
    write_decimal(number < 0, number.unsigned_abs(), buffer)
}

fn write_decimal(negative: bool, magnitude: u64, buffer: &mut [u8; 20]) -> &str {
    let mut start = buffer.len();
    let mut rest = magnitude;
    let mut slots = buffer.iter_mut().rev();
    for slot in slots.by_ref() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
        start -= 1;
        if rest == 0 {
            break;
        }
    }
    if negative && let Some(slot) = slots.next() {
        *slot = b'-';
        start -= 1;
    }
    let text = buffer.get(start..).unwrap_or_default();
    core::str::from_utf8(text).unwrap_or_default()
}

/// The parts of a JSON number.
struct Decimal<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    /// Saturated far beyond what matters.
    exponent: Option<i32>,
}

impl<'a> Decimal<'a> {
    /// RFC 8259 section 6 over the whole of `token`.
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn scan(token: &'a [u8]) -> Option<Self> {
        let unsigned = token.strip_prefix(b"-");
        let negative = unsigned.is_some();
        let (integer, mut rest) = digits(unsigned.unwrap_or(token))?;
        if integer.len() > 1 && integer.starts_with(b"0") {
            return None;
        }
        let mut fraction = [].as_slice();
        if let Some(after) = rest.strip_prefix(b".") {
            (fraction, rest) = digits(after)?;
        }
        let mut exponent = None;
        if let Some((b'e' | b'E', after)) = rest.split_first() {
            let (sign, after) = match after.split_first() {
                Some((b'-', after)) => (-1, after),
                Some((b'+', after)) => (1, after),
                _ => (1, after),
            };
            let (power, after) = digits(after)?;
            let power = power.iter().fold(0, |sum, digit| {
                (sum * 10 + i32::from(digit - b'0')).min(1_000_000)
            });
            (exponent, rest) = (Some(sign * power), after);
        }
        rest.is_empty().then_some(Self {
            negative,
            integer,
            fraction,
            exponent,
        })
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.integer
            .iter()
            .chain(self.fraction)
            .map(|digit| digit - b'0')
    }

    /// The double nearest to this number without its sign; `None` if that is infinite.
    fn magnitude(&self) -> Option<f64> {
        let exponent = self.exponent.unwrap_or(0) - self.fraction.len() as i32;
        let mut count = 0;
        let mut mantissa = 0_u64;
        for digit in self.digits().skip_while(|digit| *digit == 0) {
            count += 1;
            mantissa = mantissa.saturating_mul(10).saturating_add(digit.into());
        }
        // Both operands are exact, so the one rounding of the division or product is the result's
        // (Clinger 1990). 10^22 is the largest power of ten that a double holds.
        if mantissa <= 1 << 53 && exponent.abs() <= 22 {
            let power = (0..exponent.abs()).fold(1.0, |power, _| power * 10.0);
            let mantissa = mantissa as f64;
            return Some(if exponent < 0 {
                mantissa / power
            } else {
                mantissa * power
            });
        }
        // The number is below 10^(count + exponent), and not below a tenth of that. Half of the
        // least double is above 10^-324.
        match count + exponent {
            _ if count == 0 => Some(0.0),
            ..=-324 => Some(0.0),
            311.. => None,
            _ => nearest_double(self.digits(), exponent),
        }
    }
}

/// At least one digit, and what follows them.
fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    if end == 0 {
        None
    } else {
        text.split_at_checked(end)
    }
}

/// The double nearest to `digits * 10^exponent`, which is not 0; `None` if that is infinite.
///
/// Long division of two integers, one bit of the result a step, so that the remainder decides the
/// rounding: slow (microseconds) and exact.
fn nearest_double(digits: impl Iterator<Item = u8>, exponent: i32) -> Option<f64> {
    /// The exponent of the least normal double: below it, doubles have fewer bits.
    const MIN_EXPONENT: i32 = -1_022;
    let mut dividend = Big::new(0);
    for digit in digits {
        dividend.multiply_add(10, digit.into());
    }
    let mut divisor = Big::new(1);
    let scaled = if exponent < 0 {
        &mut divisor
    } else {
        &mut dividend
    };
    for _ in 0..exponent.unsigned_abs() / 13 {
        scaled.multiply_add(5_u32.pow(13), 0);
    }
    scaled.multiply_add(5_u32.pow(exponent.unsigned_abs() % 13), 0);
    // The number is dividend / divisor * 2^power, where 1 <= dividend / divisor < 2 after this.
    let gap = dividend.bits() - divisor.bits();
    let lower = if gap < 0 { &mut dividend } else { &mut divisor };
    lower.shift_left(gap.unsigned_abs());
    let mut power = exponent + gap;
    if dividend.cmp(&divisor).is_lt() {
        dividend.shift_left(1);
        power -= 1;
    }
    let bits = 53 + (power - MIN_EXPONENT).min(0);
    let mut mantissa = 0_u64;
    for _ in 0..bits {
        mantissa <<= 1;
        if dividend.cmp(&divisor).is_ge() {
            dividend.subtract(&divisor);
            mantissa |= 1;
        }
        dividend.shift_left(1);
    }
    mantissa += match dividend.cmp(&divisor) {
        _ if bits < 0 => 0,
        Ordering::Less => 0,
        Ordering::Equal => mantissa & 1,
        Ordering::Greater => 1,
    };
    // A normal mantissa has bit 52 set, which adds one to the exponent's field; so does a carry.
    let field = (power - MIN_EXPONENT).clamp(0, 2_046) as u64;
    let double = f64::from_bits((field << 52) + mantissa);
    double.is_finite().then_some(double)
}

/// Enough for 5^451 (1,048 bits; a token of 128 digits times 10^-451 is the least that matters) and
/// one doubling.
const LIMBS: usize = 34;

/// An unsigned integer, least significant limb first.
struct Big {
    limbs: [u32; LIMBS],
    /// Limbs that may be other than 0.
    used: usize,
}

impl Big {
    fn new(value: u32) -> Self {
        let mut limbs = [0; LIMBS];
        limbs[0] = value;
        Self { limbs, used: 1 }
    }

    fn multiply_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for limb in self.limbs.iter_mut().take(self.used) {
            carry += u64::from(*limb) * u64::from(factor);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry != 0 {
            if let Some(limb) = self.limbs.get_mut(self.used) {
                *limb = carry as u32;
            }
            self.used += 1;
        }
    }

    fn shift_left(&mut self, bits: u32) {
        for _ in 0..bits / 31 {
            self.multiply_add(1 << 31, 0);
        }
        self.multiply_add(1 << (bits % 31), 0);
    }

    /// Only for a `smaller` that is not larger.
    fn subtract(&mut self, smaller: &Self) {
        let mut borrow = false;
        for (limb, other) in self.limbs.iter_mut().zip(smaller.limbs).take(self.used) {
            let (once, first) = limb.overflowing_sub(other);
            let (twice, second) = once.overflowing_sub(borrow.into());
            (*limb, borrow) = (twice, first | second);
        }
    }

    fn cmp(&self, other: &Self) -> Ordering {
        self.limbs.iter().rev().cmp(other.limbs.iter().rev())
    }

    /// The position after the highest bit that is set.
    fn bits(&self) -> i32 {
        let zeros = self
            .limbs
            .iter()
            .rev()
            .take_while(|limb| **limb == 0)
            .count();
        let top = self
            .limbs
            .iter()
            .rev()
            .nth(zeros)
            .map_or(32, |limb| limb.leading_zeros());
        32 * (LIMBS - zeros) as i32 - top as i32
    }
}

#[cfg(test)]
mod tests;
