//! What time it is: the only place that asks the machine.

use std::time::{SystemTime, UNIX_EPOCH};

use bucketry_core::UnixMillis;

/// Now, by the machine's clock.
pub(crate) fn now() -> UnixMillis {
    unix_millis(SystemTime::now())
}

/// A time of the machine, of a file for example.
pub(crate) fn unix_millis(time: SystemTime) -> UnixMillis {
    let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis());
    UnixMillis(match time.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since).unwrap_or(i64::MAX),
        Err(before) => millis(before.duration()).map_or(i64::MIN, |millis| -millis),
    })
}

/// A time from the command line: RFC 3339, or milliseconds since 1970.
pub(crate) fn parse(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::from_rfc3339(text)
        .or_else(|| text.parse().map(UnixMillis).ok())
        .ok_or_else(|| {
            String::from(
                "neither an RFC 3339 time like 2026-12-24T18:00:00Z nor milliseconds since 1970",
            )
        })
}
