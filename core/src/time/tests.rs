use alloc::format;

use super::*;

#[test]
fn date_times_match_another_library() {
    // Python: (datetime.fromisoformat(text) - epoch) // timedelta(milliseconds=1); by hand where
    // that refuses (year 0, second 60, more than six digits).
    for (text, millis, fraction_digits) in [
        ("1970-01-01T00:00:00Z", 0, 0),
        ("2024-02-29T12:34:56Z", 1_709_210_096_000, 0), // leap year
        ("2000-02-29T00:00:00Z", 951_782_400_000, 0),   // every 400 years
        ("0001-01-01T00:00:00Z", -62_135_596_800_000, 0),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000, 0),
        ("1969-12-31T23:59:59.999Z", -1, 3), // before 1970
        ("2026-08-01t10:00:00z", 1_785_578_400_000, 0), // small letters
        ("2026-08-01T10:00:00+02:00", 1_785_571_200_000, 0),
        ("2026-08-01T10:00:00-23:59", 1_785_664_740_000, 0),
        ("2026-01-01T00:00:00+00:01", 1_767_225_540_000, 0), // into the day before
        ("2026-08-01T10:00:00-00:00", 1_785_578_400_000, 0), // unknown local offset
        ("2026-08-01T10:00:00.5Z", 1_785_578_400_500, 1),
        ("2026-08-01T10:00:00.25Z", 1_785_578_400_250, 2),
        ("2026-08-01T10:00:00.123Z", 1_785_578_400_123, 3),
        ("2026-08-01T10:00:00.1239Z", 1_785_578_400_123, 4), // cut, not rounded
        ("1969-12-31T23:59:59.9999Z", -1, 4),                // digits dropped: to the past
        ("2016-12-31T23:59:60Z", 1_483_228_800_000, 0),      // a leap second is the next minute's 0
        ("2026-08-01T10:59:60.5Z", 1_785_582_000_500, 1),    // anywhere
        ("0000-01-01T00:00:00Z", -62_167_219_200_000, 0),    // year 0, 366 days before year 1
        ("0000-01-01T00:00:00+23:59", -62_167_305_540_000, 0), // earlier than year 0
    ] {
        let want = Rfc3339 {
            millis: UnixMillis(millis),
            fraction_digits,
        };
        assert_eq!(parse_rfc3339(text.as_bytes()), Some(want), "{text}");
    }
}

#[test]
fn what_is_no_date_time_is_refused() {
    for text in [
        "",
        "2026-08-01",
        "2026-08-01T10:00:00",  // no offset
        "2026-08-01 10:00:00Z", // RFC 3339 allows it to applications; the format does not
        "2026-08-01T10:00Z",
        "2026-08-01T10:00:00.Z",
        "2026-08-01T10:00:00,5Z",
        "2026-08-01T10:00:00Z ",
        " 2026-08-01T10:00:00Z",
        "2026-08-01T10:00:00+0200",
        "2026-08-01T10:00:00+02",
        "2026-08-01T10:00:00+24:00",
        "2026-08-01T10:00:00+02:60",
        "2026-08-01T10:00:00ZZ",
        "2026-08-01T24:00:00Z",
        "2026-08-01T10:60:00Z",
        "2026-08-01T10:00:61Z",
        "2026-00-01T10:00:00Z",
        "2026-13-01T10:00:00Z",
        "2026-08-00T10:00:00Z",
        "2026-04-31T10:00:00Z",
        "2025-02-29T10:00:00Z",
        "1900-02-29T10:00:00Z",
        "2024-02-30T10:00:00Z",
        "26-08-01T10:00:00Z",
        "+2026-08-01T10:00:00Z",
        "-001-08-01T10:00:00Z",
        "12026-08-01T10:00:00Z",
        "2026-8-1T10:00:00Z",
        "20260801T100000Z",
        "２026-08-01T10:00:00Z",
    ] {
        assert_eq!(parse_rfc3339(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn every_day_follows_the_one_before() {
    // Counts the calendar by its rule, from 0000-01-01 to 9999-12-31, and writes each day back.
    let mut days = -719_528; // Python: date(1, 1, 1).toordinal() - date(1970, 1, 1).toordinal() - 366
    for year in 0..=9_999 {
        let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        let february = if leap { 29 } else { 28 };
        for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
            assert_eq!(days_in_month(year, month), length, "{year}-{month}");
            for day in 1..=length {
                assert_eq!(
                    days_since_1970(year, month, day),
                    days,
                    "{year}-{month}-{day}"
                );
                assert_eq!(date(days), (year, month, day), "day {days}");
                days += 1;
            }
        }
    }
}

#[test]
fn times_are_written_as_they_are_read() {
    for (millis, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_785_578_709_007, "2026-08-01T10:05:09.007Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(format_rfc3339(UnixMillis(millis)), text);
        assert_eq!(
            parse_rfc3339(text.as_bytes()).unwrap().millis.0,
            millis,
            "{text}"
        );
    }
    for outside in [-62_167_219_200_001, 253_402_300_800_000, i64::MIN, i64::MAX] {
        assert_eq!(format_rfc3339(UnixMillis(outside)), format!("{outside}"));
    }
}
