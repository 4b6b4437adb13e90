//! Time as the two machines see it, the back-off they share, and the check of their settings.

use core::fmt;
use core::time::Duration;

use crate::time::UnixMillis;

/// Milliseconds on a clock that never goes back and starts anywhere: the process's monotonic clock,
/// or `performance.now()` in a page. Schedules use it, so a wrong wall clock cannot stall them.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MonotonicMillis(pub u64);

impl MonotonicMillis {
    /// This time and `span` more; the last representable one if that is beyond it.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        self.after_millis(millis(span))
    }

    pub(crate) const fn after_millis(self, span: u64) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// The time since `earlier`; zero if that is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Times {
    /// For schedules.
    pub monotonic: MonotonicMillis,
    /// For timestamps and dedupe windows.
    pub wall: UnixMillis,
}

/// A setting outside its range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// The name of the setter.
    pub setting: &'static str,
    /// The least value allowed, in the unit that the setter documents.
    pub min: u64,
    /// The greatest value allowed.
    pub max: u64,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, min, max } = self;
        write!(f, "`{setting}` must be from {min} to {max}")
    }
}

impl core::error::Error for ConfigError {}

/// The name of a setting, its least and its greatest value.
pub(crate) type Range = (&'static str, u64, u64);

/// Whether each value is in its range.
pub(crate) fn check(ranges: &[Range], values: &[u64]) -> Result<(), ConfigError> {
    for ((setting, min, max), value) in ranges.iter().copied().zip(values) {
        if *value < min || *value > max {
            return Err(ConfigError { setting, min, max });
        }
    }
    Ok(())
}

/// `span` in milliseconds. The conversion of the standard library goes through 128 bits.
#[cfg_attr(target_family = "wasm", inline(never))]
pub(crate) const fn millis(span: Duration) -> u64 {
    span.as_secs()
        .saturating_mul(1_000)
        .saturating_add(span.subsec_millis() as u64)
}

/// A number of `0..=span` in proportion to `chance`, which is uniform over all 64 bits.
pub(crate) fn pick(span: u64, chance: u64) -> u64 {
    ((u128::from(chance) * (u128::from(span) + 1)) >> 64) as u64
}

/// How long to wait after `failures` (1 or more) in a row, in the unit of `base` and `cap`.
///
/// # Formula
///
/// `full = min(cap, base * 2^(failures - 1))`, and a time drawn evenly from `full / 2 ..= full`: half is kept so
/// that a retry is never at once, half is drawn so that a fleet that failed together does not come
/// back together ("equal jitter").
pub(crate) fn backoff(base: u64, cap: u64, failures: u32, chance: u64) -> u64 {
    let doublings = failures.saturating_sub(1).min(32);
    let full = base.saturating_mul(1 << doublings).min(cap);
    full / 2 + pick(full - full / 2, chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_cap_and_keeps_half() {
        let (base, cap) = (1_000, 300_000);
        for (failures, least, most) in [
            (1, 500, 1_000),
            (2, 1_000, 2_000),
            (5, 8_000, 16_000),
            (10, 150_000, 300_000),
            (u32::MAX, 150_000, 300_000),
        ] {
            let wait = |chance| backoff(base, cap, failures, chance);
            assert_eq!((wait(0), wait(u64::MAX)), (least, most), "{failures}");
            assert!((least..=most).contains(&wait(0x1234_5678_9ABC_DEF0)));
        }
    }

    #[test]
    fn pick_covers_its_range_without_leaving_it() {
        assert_eq!(pick(0, u64::MAX), 0);
        assert_eq!(pick(9, 0), 0);
        assert_eq!(pick(9, u64::MAX), 9);
        assert_eq!(pick(u64::MAX, u64::MAX), u64::MAX);
        // Ten equal parts of the chances.
        for part in 0..10 {
            assert_eq!(pick(9, (u64::MAX / 10) * part + u64::MAX / 20), part);
        }
    }

    #[test]
    fn settings_outside_their_range_are_named() {
        let ranges = [("interval", 0, 9), ("flush_interval", 5, 10)];
        assert_eq!(check(&ranges, &[0, 5]), Ok(()));
        assert_eq!(check(&ranges, &[9, 10]), Ok(()));
        assert!(check(&ranges, &[9, 4]).is_err());
        let error = check(&ranges, &[9, 11]).unwrap_err();
        assert_eq!(
            alloc::format!("{error}"),
            "`flush_interval` must be from 5 to 10"
        );
    }
}
