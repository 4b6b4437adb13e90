//! A flag set and a context, parted by a byte that is in no UTF-8 text: every way to ask agrees.

#![no_main]

use bucketry_core::{EvaluationContext, FlagSet, UnixMillis};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0xFF);
    let (Some(document), Some(context)) = (parts.next(), parts.next()) else {
        return;
    };
    let (Ok(set), Ok(context)) = (
        FlagSet::from_json(document),
        EvaluationContext::from_json(context),
    ) else {
        return;
    };
    for now in [i64::MIN, 0, 1_760_000_000_000, i64::MAX].map(UnixMillis) {
        let mut all = 0;
        for (flag, resolution) in set.resolve_all(&context, now) {
            all += 1;
            let again = set.resolve(flag.key(), &context, now);
            let explained = set.explain(flag.key(), &context, now);
            for other in [again.variant(), flag.resolve(&context, now).variant()] {
                assert_eq!(other, resolution.variant(), "{}", flag.key());
            }
            assert_eq!(again.reason(), resolution.reason());
            assert_eq!(again.error_code(), resolution.error_code());
            assert_eq!(explained.variant.as_deref(), resolution.variant());
            assert_eq!(explained.error_code, resolution.error_code());
            assert_eq!(explained.rule_index, resolution.rule_index());
            assert_eq!(explained.reason, resolution.reason());
            if let Some(assignment) = resolution.assignment() {
                check_ranges(&assignment);
            }
        }
        assert_eq!(all, set.len());
    }
});

/// What an exposure says about positions holds.
fn check_ranges(assignment: &bucketry_core::Assignment<'_>) {
    if let (Some(arm), Some((start, end))) = (assignment.arm, assignment.arm_range) {
        assert!(start <= arm && arm < end && end <= assignment.modulus);
    }
    if let (Some(enrol), Some(cut), None) =
        (assignment.enrol, assignment.enrol_cut, assignment.holdout)
    {
        assert!(enrol < cut);
    }
}
