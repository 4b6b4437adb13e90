//! Points in time and their RFC 3339 text.

use alloc::string::String;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// The core has no clock: whoever resolves a flag says what time it is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// The time that an RFC 3339 `date-time` says, its fraction cut after milliseconds; none when the text
    /// is not one.
    ///
    /// ```
    /// use bucketry_core::UnixMillis;
    ///
    /// let time = UnixMillis::from_rfc3339("2026-01-31T13:00:00+01:00");
    /// assert_eq!(time, Some(UnixMillis(1_769_860_800_000)));
    /// ```
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        parse_rfc3339(text.as_bytes()).map(|time| time.millis)
    }

    /// This time as RFC 3339 text in UTC, with milliseconds when there are some; outside the years
    /// 0000 to 9999, which that text cannot express, the number of milliseconds.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        format_rfc3339(self)
    }
}

/// What a date-time says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rfc3339 {
    /// The time, its fraction cut after milliseconds: later digits are dropped.
    pub(crate) millis: UnixMillis,
    /// Digits after the second's point; 0 without one.
    pub(crate) fraction_digits: u32,
}

/// Reads an RFC 3339 `date-time` that fills `text`.
///
/// `T` and `Z` may be small letters; the offset is required and at most 23:59; years are 0000 to
/// 9999; the day must exist in the Gregorian calendar; second 60 is the next minute's 0.
pub(crate) fn parse_rfc3339(text: &[u8]) -> Option<Rfc3339> {
    let mut reader = Reader(text);
    let year = reader.number::<4>()?;
    reader.take(b"-")?;
    let month = reader.number::<2>()?;
    reader.take(b"-")?;
    let day = reader.number::<2>()?;
    reader.take(b"Tt")?;
    let hour = reader.number::<2>()?;
    reader.take(b":")?;
    let minute = reader.number::<2>()?;
    reader.take(b":")?;
    let second = reader.number::<2>()?;

    let (mut fraction, mut fraction_digits) = (0, 0);
    if reader.take(b".").is_some() {
        while let Some(digit) = reader.number::<1>() {
            fraction_digits += 1;
            if fraction_digits <= 3 {
                fraction = fraction * 10 + digit;
            }
        }
        if fraction_digits == 0 {
            return None;
        }
        for _ in fraction_digits..3 {
            fraction *= 10;
        }
    }

    let offset = match reader.take(b"Zz+-")? {
        sign @ (b'+' | b'-') => {
            let hours = reader.number::<2>()?;
            reader.take(b":")?;
            let minutes = reader.number::<2>()?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = 60 * hours + minutes;
            if sign == b'-' { -offset } else { offset }
        }
        _ => 0,
    };

    let in_range = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    if !in_range || !reader.0.is_empty() {
        return None;
    }
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset;
    let millis = UnixMillis((minutes * 60 + second) * 1_000 + fraction);
    Some(Rfc3339 {
        millis,
        fraction_digits,
    })
}

/// `time` as RFC 3339 text in UTC, with milliseconds when there are some. A time outside the
/// years 0000 to 9999, which that text cannot express, is given as its number of milliseconds.
pub(crate) fn format_rfc3339(time: UnixMillis) -> String {
    const DAY: i64 = 86_400_000;
    let mut text = String::with_capacity(24);
    let (days, in_day) = (time.0.div_euclid(DAY), time.0.rem_euclid(DAY));
    let (year, month, day) = date(days);
    if !(0..=9_999).contains(&year) {
        text.push_str(crate::number::write_i64(time.0, &mut [0; 20]));
        return text;
    }
    let fields = [
        (year, 1_000, '-'),
        (month, 10, '-'),
        (day, 10, 'T'),
        (in_day / 3_600_000, 10, ':'),
        (in_day / 60_000 % 60, 10, ':'),
        (in_day / 1_000 % 60, 10, '.'),
        (in_day % 1_000, 100, 'Z'),
    ];
    for (number, mut unit, after) in fields {
        while unit > 0 {
            text.push(char::from(b'0' + (number / unit % 10) as u8));
            unit /= 10;
        }
        if after == '.' && in_day % 1_000 == 0 {
            text.push('Z');
            break;
        }
        text.push(after);
    }
    text
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// Exactly `DIGITS` decimal digits, or nothing is taken.
    fn number<const DIGITS: usize>(&mut self) -> Option<i64> {
        let (digits, rest) = self.0.split_first_chunk::<DIGITS>()?;
        let number = digits.iter().try_fold(0, |number, byte| {
            byte.is_ascii_digit()
                .then(|| number * 10 + i64::from(byte - b'0'))
        })?;
        self.0 = rest;
        Some(number)
    }

    /// The next byte if it is one of `choice`.
    fn take(&mut self, choice: &[u8]) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        choice.contains(byte).then(|| {
            self.0 = rest;
            *byte
        })
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days in 400 Gregorian years.
const ERA: i64 = 146_097;

/// Days from 0000-03-01, a year's first day when years are counted from March so that the leap day
/// comes last, to 1970-01-01.
const MARCH_0_TO_1970: i64 = 719_468;

/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let in_era = year.rem_euclid(400);
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = in_era / 4 - in_era / 100;
    year.div_euclid(400) * ERA + in_era * 365 + leap_days + in_year - MARCH_0_TO_1970
}

/// Year, month and day; the inverse of [`days_since_1970`] (`civil_from_days`).
fn date(days_since_1970: i64) -> (i64, i64, i64) {
    let days = days_since_1970 + MARCH_0_TO_1970;
    let in_era = days.rem_euclid(ERA);
    let year_in_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / (ERA - 1)) / 365;
    let in_year = in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
    let from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = days.div_euclid(ERA) * 400 + year_in_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
