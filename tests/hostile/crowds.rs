//! Very many of one thing.

use super::*;

/// What loading a document of this many flags does on the heap.
fn load_flags(count: usize, flag: &str, rest: &str) -> (FlagSet, Heap) {
    let flags = list(count, |n| {
        format!(r#""flag-{n:06}":{}"#, flag.replace('#', &n.to_string()))
    });
    let document = format!(r#"{{"format":1,{rest}"flags":{{{flags}}}}}"#);
    measure(|| FlagSet::from_json(document.as_bytes()).expect("a flag set"))
}

#[test]
fn every_flag_broken() {
    for flag in [
        r#"{"type":"nope"}"#,
        r#"[]"#,
        r#"{"type":"boolean","rules":[{"serve":"on"},{"serve":"on"},{"serve":"gone"}]}"#,
        r#"{"type":"boolean","rules":[{"if":{"segment":"broken"},"serve":"on"}]}"#,
        r#"{"type":"boolean","rules":[{"if":{"flag":"gone-#","is":"on"},"serve":"on"}]}"#,
        r#"{"type":"boolean","rules":[{"experiment":{"key":"e#","layer":"l","slots":[0,10000]},"serve":"on"}]}"#,
        r#"{"type":"boolean","rules":[{"experiment":{"key":"e","phase":#},"serve":"on"}]}"#,
    ] {
        let rest = r#""segments":{"broken":{"segment":"gone"}},"layers":{"l":{}},"#;
        let (set, heap) = load_flags(100_000, flag, rest);
        let told = set.diagnostics();
        assert_eq!(told.len(), limits::MAX_DIAGNOSTICS + 1, "{flag}");
        let rest = told.last().expect("a last one").to_string();
        let broken = set.flag_keys().filter(|key| {
            set.resolve(key, &EvaluationContext::anonymous(), NOW)
                .error_code()
                .is_some()
        });
        let broken = broken.count();
        assert!(broken >= 99_998, "{flag}: {broken}");
        assert!(
            rest.ends_with(" more") && rest.starts_with("warning at /: 9"),
            "{rest}"
        );
        // Some bytes for each: its name, why it answers an error, and the index of the document.
        assert!(heap.peak < 200_000_000, "{flag}: {heap:?}");
        // Twice as many flags take twice as much, not four times.
        let (_, half) = load_flags(
            50_000,
            flag,
            r#""segments":{"broken":{"segment":"gone"}},"layers":{"l":{}},"#,
        );
        assert!(
            heap.allocations < half.allocations * 5 / 2,
            "{flag}: {heap:?} {half:?}"
        );
        assert!(heap.peak < half.peak * 5 / 2, "{flag}: {heap:?} {half:?}");
        let error =
            FlagSet::from_json_strict(br#"{"format":1,"flags":{"a":{}}}"#).expect_err("broken");
        assert!(matches!(error, LoadError::Refused(_)));
    }
}

#[test]
fn a_sea_of_members_that_nobody_knows() {
    // Also with what is wrong behind it, to be pointed at.
    let document = format!(
        r#"{{"format":1,{},"segments":{{{}}},"flags":{{{}}}}}"#,
        list(200_000, |n| format!(r#""unknown-{n}":{n}"#)),
        list(10_000, |n| format!(r#""s{n}":{n}"#)),
        list(1_000, |n| format!(r#""f{n}":{n}"#)),
    );
    let set = FlagSet::from_json(document.as_bytes()).expect("a flag set");
    let told = set.diagnostics();
    assert_eq!(
        told[0].to_string(),
        "warning at /unknown-0: unknown member `unknown-0`"
    );
    assert_eq!(
        told[limits::MAX_DIAGNOSTICS].message,
        format!("{} more", 200_000 + 10_000 + 1_000 - 1_000)
    );
    let document = with_flag("", &list(200_000, |n| format!(r#""x-{n}":{n}"#)));
    assert!(diagnostics(&document).is_empty());
}

#[test]
fn values_tested_over_and_over() {
    // A megabyte of variants, and 1,000 prerequisites that each look at all of it.
    let variants = list(1_000, |n| {
        format!(r#""v{n}":{{"text":"{}"}}"#, "x".repeat(1_000))
    });
    let flags = list(1_000, |n| {
        format!(
            r#""f{n}":{{"type":"boolean","rules":[{{"if":{{"flag":"base","value":{{"exists":true}}}},"serve":"on"}}]}}"#
        )
    });
    let document = format!(
        r#"{{"format":1,"flags":{{"base":{{"type":"object","variants":{{{variants}}}}},{flags}}}}}"#
    );
    let got = diagnostics(&document);
    assert!((900..1_000).contains(&got.len()), "{}", got.len());
    assert!(
        got[0].ends_with("prerequisites test more than 64 MiB of values"),
        "{}",
        got[0]
    );
}

#[test]
fn experiments_that_crowd_a_layer() {
    // As many experiments as there are slots, each given 100 times over; then one slot that is taken.
    let rule = |key: &str, slots: &str| {
        format!(
            r#"{{"type":"boolean","rules":[{{"experiment":{{"key":"{key}","layer":"l","slots":[{slots}]}},"serve":"on"}}]}}"#
        )
    };
    let flags = list(10_000, |n| {
        let slots = list(20, |_| format!("[{n},{}]", n + 1));
        format!(r#""f{n}":{}"#, rule(&format!("e{n}"), &slots))
    });
    let last = rule("late", "[5000,5001]");
    let document =
        format!(r#"{{"format":1,"layers":{{"l":{{}}}},"flags":{{{flags},"late":{last}}}}}"#);
    let got = diagnostics(&document);
    assert_only(
        &got,
        "error at /flags/late/rules/0/experiment: another experiment of the layer has some of these slots",
    );
}

#[test]
fn comparing_hostile_sets_is_bounded() {
    // A thousand rules that all draw for themselves, and as many conditions: more combinations than atoms.
    let set = |percent: u32| {
        let rules = |condition: &dyn Fn(usize) -> String| {
            list(1_000, |n| {
                format!(
                    r#"{{"id":"r{n}",{}"serve":"on","rollout":{percent}}}"#,
                    condition(n)
                )
            })
        };
        let document = format!(
            r#"{{"format":1,"flags":{{
            "draws":{{"type":"boolean","default":"off","rules":[{}]}},
            "conditions":{{"type":"boolean","default":"off","rules":[{}]}}}}}}"#,
            rules(&|_| String::new()),
            rules(&|n| format!(r#""if":{{"attribute":"a{n}","exists":true}},"#)),
        );
        FlagSet::from_json_strict(document.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    };
    let (old, new) = (set(1), set(2));
    let (movements, heap) = measure(|| old.movements(&new, NOW));
    assert_eq!(movements.len(), 2);
    assert!(movements.iter().all(|movement| movement.gap.is_some()));
    assert_eq!(movements[1].cases.len(), 1_000);
    assert!(heap.peak < 64 << 20, "{heap:?}");
    assert_eq!(old.diff(&new).len(), 2_000);
}
