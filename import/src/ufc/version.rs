//! Which texts are versions.

/// The pattern of [`core_numbers`], as a regular expression; at most eight core numbers, which
/// is what the flag set's loose reading compares.
pub(super) const EXTENDED_PATTERN: &str = concat!(
    r"^(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){0,7}",
    r"(?:-(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?",
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$",
);

/// Most core numbers that the flag set's loose reading compares.
pub(super) const MAX_CORE: usize = 8;

/// Core numbers of a version by Semantic Versioning 2.0.0, but for their number, which may be any from 1.
/// `None` for a text that is no such version, or has a core number beyond 2^64 - 1.
pub(crate) fn core_numbers(text: &str) -> Option<usize> {
    let (rest, build) = match text.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (text, None),
    };
    let (core, pre_release) = match rest.split_once('-') {
        Some((core, pre_release)) => (core, Some(pre_release)),
        None => (rest, None),
    };
    let no_leading_zero = |number: &str| number == "0" || !number.starts_with('0');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_identifier = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !text.is_empty() && text.bytes().all(allowed)
    };
    let core_is_right = core.split('.').all(|number| {
        is_number(number) && no_leading_zero(number) && number.parse::<u64>().is_ok()
    });
    let pre_release_is_right = pre_release.is_none_or(|text| {
        text.split('.')
            .all(|each| is_identifier(each) && (!is_number(each) || no_leading_zero(each)))
    });
    let build_is_right = build.is_none_or(|text| text.split('.').all(is_identifier));
    (core_is_right && pre_release_is_right && build_is_right).then(|| core.split('.').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_other_texts() {
        for (text, want) in [
            ("1.2.3", Some(3)),
            ("0.0.0", Some(3)),
            ("1", Some(1)),
            ("1.2.3.4.5.6.7.8.9", Some(9)),
            ("18446744073709551615.0.0", Some(3)), // 2^64 - 1
            ("18446744073709551616.0.0", None),    // 2^64
            ("1.2.3-rc.1+build.007", Some(3)),     // leading zeros in build only
            ("1.2.3-rc.01", None),
            ("1.2.3-18446744073709551616", Some(3)), // no bound in the pre-release
            ("1.2.3--", Some(3)),
            ("1.2.3-0a", Some(3)),
            ("1.2.3-", None),
            ("1.2.3+", None),
            ("1.2.3+a+b", None),
            ("1.2.3-a..b", None),
            ("01.2.3", None),
            ("1..3", None),
            ("v1.2.3", None),
            ("1.2.3 ", None),
            ("1.2.3-\u{3b1}", None),
            ("", None),
        ] {
            assert_eq!(core_numbers(text), want, "{text}");
        }
    }
}
