//! RFC 3339 times, exact below the millisecond.

use alloc::format;
use alloc::string::String;

/// An instant, in milliseconds since 1970 and what is beyond them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Instant {
    /// Rounded toward the past.
    pub(crate) millis: i64,
    /// Whether `millis` was rounded.
    rounded: bool,
}

impl Instant {
    /// Reads RFC 3339 `date-time`. Second 60 is not read: what comes before and after a leap second
    /// differs between the format's own SDKs.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.as_bytes();
        let year = digits(&mut rest, 4)?;
        literal(&mut rest, b"-")?;
        let month = digits(&mut rest, 2)?;
        literal(&mut rest, b"-")?;
        let day = digits(&mut rest, 2)?;
        literal(&mut rest, b"Tt")?;
        let hour = digits(&mut rest, 2)?;
        literal(&mut rest, b":")?;
        let minute = digits(&mut rest, 2)?;
        literal(&mut rest, b":")?;
        let second = digits(&mut rest, 2)?;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_in_month = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }

        let mut millis = 0;
        let mut rounded = false;
        if literal(&mut rest, b".").is_some() {
            let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (fraction, after) = rest.split_at_checked(count).filter(|_| count > 0)?;
            rest = after;
            let mut fraction = fraction.iter().map(|byte| i64::from(byte - b'0'));
            for _ in 0..3 {
                millis = millis * 10 + fraction.next().unwrap_or(0);
            }
            rounded = fraction.any(|digit| digit > 0);
        }

        let offset = match rest.split_first()? {
            (b'Z' | b'z', []) => 0,
            (sign @ (b'+' | b'-'), mut rest) => {
                let hours = digits(&mut rest, 2)?;
                literal(&mut rest, b":")?;
                let minutes = digits(&mut rest, 2)?;
                if hours > 23 || minutes > 59 || !rest.is_empty() {
                    return None;
                }
                let minutes = hours * 60 + minutes;
                if *sign == b'-' { -minutes } else { minutes }
            }
            _ => return None,
        };
        let minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute - offset;
        Some(Self {
            millis: (minutes * 60 + second) * 1_000 + millis,
            rounded,
        })
    }

    /// The first whole millisecond that is not before this instant.
    pub(crate) const fn from(self) -> i64 {
        self.millis + self.rounded as i64
    }

    /// The first whole millisecond that is after this instant.
    pub(crate) const fn until(self) -> i64 {
        self.millis + 1
    }
}

/// Largest revision of a flag set.
const MAX_REVISION: i64 = (1 << 53) - 1;

/// The revision of a document of this time: its milliseconds since 1970, or 0 for one before.
pub(crate) fn revision(instant: Instant) -> u64 {
    let millis = (0..=MAX_REVISION).contains(&instant.millis);
    if millis {
        instant.millis.unsigned_abs()
    } else {
        0
    }
}

/// RFC 3339 text in UTC of milliseconds since 1970, for the years 0 to 9999; `None` beyond.
pub(crate) fn to_text(millis: i64) -> Option<String> {
    let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (year, month, day) = civil_from_days(days);
    if !(0..=9_999).contains(&year) {
        return None;
    }
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, millis) = (rest / 1_000 % 60, rest % 1_000);
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    Some(if millis == 0 {
        format!("{text}Z")
    } else {
        format!("{text}.{millis:03}Z")
    })
}

fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (digits, after) = rest.split_at_checked(count)?;
    *rest = after;
    digits.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + i64::from(byte - b'0'))
    })
}

fn literal(rest: &mut &[u8], any_of: &[u8]) -> Option<()> {
    let (first, after) = rest.split_first()?;
    any_of.contains(first).then(|| *rest = after)
}

/// Days since 1970-01-01 in the Gregorian calendar: years that begin in March, so that the leap day is
/// the last.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_millisecond_and_rounded_to_the_safe_side() {
        // Text, first millisecond not before, first millisecond after. From Python's datetime.
        for (text, from, until) in [
            ("1970-01-01T00:00:00Z", 0, 1),
            (
                "2002-10-31T09:00:00.594321Z",
                1_036_054_800_595,
                1_036_054_800_595,
            ),
            (
                "2002-10-31T09:00:00.594Z",
                1_036_054_800_594,
                1_036_054_800_595,
            ),
            (
                "2002-10-31T09:00:00.5940000Z",
                1_036_054_800_594,
                1_036_054_800_595,
            ),
            ("2000-02-29t23:59:59.9z", 951_868_799_900, 951_868_799_901),
            (
                "2024-01-01T01:30:00+02:30",
                1_704_063_600_000,
                1_704_063_600_001,
            ),
            (
                "2024-01-01T01:30:00-02:30",
                1_704_081_600_000,
                1_704_081_600_001,
            ),
            ("1969-12-31T23:59:59.9995Z", 0, 0), // rounds toward the past, to -1
            (
                "0000-03-01T00:00:00Z",
                -62_162_035_200_000,
                -62_162_035_199_999,
            ),
            (
                "9999-12-31T23:59:59.999Z",
                253_402_300_799_999,
                253_402_300_800_000,
            ),
        ] {
            let instant = Instant::parse(text).unwrap_or_else(|| panic!("{text} is a time"));
            assert_eq!((instant.from(), instant.until()), (from, until), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2024-01-01",
            "2024-01-01T00:00:00",       // no offset
            "2024-01-01 00:00:00Z",      // no T
            "2023-02-29T00:00:00Z",      // no such day
            "1900-02-29T00:00:00Z",      // no such day
            "2024-13-01T00:00:00Z",      // no such month
            "2024-01-01T24:00:00Z",      // no such hour
            "2016-12-31T23:59:60Z",      // leap second
            "2024-01-01T00:00:00.Z",     // empty fraction
            "2024-01-01T00:00:00Zx",     // more
            "2024-01-01T00:00:00+0100",  // offset without colon
            "2024-01-01T00:00:00+24:00", // no such offset
            "2024-1-1T00:00:00Z",
            "+024-01-01T00:00:00Z",
        ] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }

    #[test]
    fn text_and_milliseconds_are_inverse() {
        for millis in [
            0,
            -1,
            951_868_799_900,
            1_036_054_800_595,
            253_402_300_799_999,
        ] {
            let text = to_text(millis).unwrap_or_default();
            assert_eq!(
                Instant::parse(&text).map(|each| each.millis),
                Some(millis),
                "{text}"
            );
        }
        assert_eq!(to_text(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(to_text(253_402_300_800_000), None);
    }
}
