//! Any bytes as a flag set: loading ends, and what it loaded answers.

#![no_main]

use bucketry_core::{EvaluationContext, FlagSet, Severity, UnixMillis};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(set) = FlagSet::from_json(bytes) else {
        assert!(
            FlagSet::from_json_strict(bytes).is_err(),
            "strict is not stricter"
        );
        return;
    };
    let refused = set
        .diagnostics()
        .iter()
        .any(|found| found.severity == Severity::Error);
    assert_eq!(FlagSet::from_json_strict(bytes).is_err(), refused);

    let context = EvaluationContext::new("user-1")
        .with("country", "DE")
        .with("age", 42);
    for (flag, resolution) in set.resolve_all(&context, UnixMillis(0)) {
        let by_key = set.resolve(flag.key(), &context, UnixMillis(0));
        assert_eq!(by_key.variant(), resolution.variant());
        assert_eq!(by_key.reason(), resolution.reason());
    }
    assert!(set.diff(&set).is_empty(), "a flag set differs from itself");
});
