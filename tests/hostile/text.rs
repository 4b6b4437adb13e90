//! Texts that are no flag set.

use super::*;

const EXAMPLE: &str = r#"{"format":1,"revision":7,"segments":{"eu":{"attribute":"c\u006funtry","in":["DE","ΕΛ"]}},
 "layers":{"l":{}},"holdouts":{"h":{"percent":5.25}},"flags":{"a":{"type":"object","variants":{"x":{"n":[1,-2.5e3,null,true]}},
 "default":"x","rules":[{"id":"r","if":{"all":[{"segment":"eu"},{"not":{"attribute":"v","semver":">=1.0.0"}}]},"split":{"x":1},
 "experiment":{"key":"e","layer":"l","slots":[0,10],"holdout":"h"}}]}}}"#;

#[test]
fn cut_short_anywhere() {
    assert!(FlagSet::from_json_strict(EXAMPLE.as_bytes()).is_ok());
    for end in 0..EXAMPLE.len() {
        let error = refused(&EXAMPLE.as_bytes()[..end]);
        assert!(
            error.starts_with("flag set is not valid JSON: "),
            "{end}: {error}"
        );
    }
    let context = r#"{"targetingKey":"ü","a":[1,{"b":"\ud83e\udd8a"}],"c":-1.5}"#;
    assert!(EvaluationContext::from_json(context.as_bytes()).is_ok());
    for end in 0..context.len() {
        assert!(
            EvaluationContext::from_json(&context.as_bytes()[..end]).is_err(),
            "{end}"
        );
    }
}

#[test]
fn too_large() {
    let mut document = br#"{"format":1,"flags":{"f":{"type":"boolean"}}}"#.to_vec();
    document.resize(100_000_000, b' ');
    let (error, heap) = measure(|| refused(&document));
    assert!(error.contains("longer than 67108864 bytes"), "{error}");
    assert!(heap.peak < 1_000, "{heap:?}");
    // As large as may be.
    document.truncate(limits::MAX_DOCUMENT_BYTES);
    let (set, heap) = measure(|| FlagSet::from_json_strict(&document));
    assert_eq!(set.map(|set| set.len()), Ok(1));
    assert!(heap.peak < 100_000_000, "{heap:?}");
    document.truncate(limits::MAX_CONTEXT_BYTES + 1);
    let error = EvaluationContext::from_json(&document)
        .expect_err("too large")
        .to_string();
    assert!(error.contains("longer than 1048576 bytes"), "{error}");
}

#[test]
fn many_small_values() {
    // The index of a document takes 16 bytes for each value and each name, and twice that for a moment while it
    // grows. A value takes two bytes at least: 16 times the document's size is the most.
    for part in ["0,", "[],", "{\"\":0},", "\"\\n\","] {
        let parts = part.repeat(4_000_000 / part.len());
        let document = format!(r#"{{"format":1,"x-":[{}]}}"#, parts.trim_end_matches(','));
        let (set, heap) = measure(|| FlagSet::from_json_strict(document.as_bytes()));
        assert!(set.is_ok(), "{part}");
        assert!(heap.peak <= document.len() as i64 * 17, "{part}: {heap:?}");
    }
}

#[test]
fn nested_deeply() {
    for open in ["[", r#"{"a":"#] {
        let (error, heap) = measure(|| refused(open.repeat(1_000_000).as_bytes()));
        assert!(error.contains("64"), "{error}");
        // The text of this test itself, and an index of what was read.
        assert!(heap.peak < 20_000_000, "{heap:?}");
        let error = EvaluationContext::from_json(open.repeat(100_000).as_bytes());
        assert!(error.expect_err("nested").to_string().contains("64"));
    }
    // 60 levels of a value inside the four around it are as many as may be.
    let value = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let document = |depth| {
        let value = value(depth);
        format!(r#"{{"format":1,"flags":{{"f":{{"type":"object","variants":{{"a":{value}}}}}}}}}"#)
    };
    assert!(FlagSet::from_json_strict(document(60).as_bytes()).is_ok());
    assert!(refused(document(61).as_bytes()).contains("64"));

    let nested = |depth| {
        format!(
            "{}{}{}",
            r#"{"not":"#.repeat(depth),
            r#"{"always":true}"#,
            "}".repeat(depth)
        )
    };
    assert!(diagnostics(&with_condition(&nested(31))).is_empty());
    let got = diagnostics(&with_condition(&nested(32)));
    assert_eq!(got.len(), 1);
    assert!(
        got[0].contains("conditions nest deeper than 32 levels"),
        "{got:?}"
    );
}

#[test]
fn keys_twice() {
    let error = refused(br#"{"format":1,"flags":{},"flags":{}}"#);
    assert!(error.contains("duplicate member `flags`"), "{error}");
    // The same name, written in two ways.
    let error = refused(br#"{"format":1,"hash":"xxh64","h\u0061sh":"xxh64"}"#);
    assert!(error.contains("duplicate member `hash`"), "{error}");
    for (members, place) in [
        (r#""enabled":true,"enabled":true"#, "/flags/f/enabled"),
        (
            r#""variants":{"on":true,"\u006fn":true}"#,
            "/flags/f/variants/on",
        ),
        (r#""metadata":{"a":1,"a":1}"#, "/flags/f/metadata/a"),
        (r#""x-a":1,"x-a":2"#, "/flags/f/x-a"),
        (
            r#""rules":[{"serve":"on","serve":"on"}]"#,
            "/flags/f/rules/0/serve",
        ),
        (
            r#""rules":[{"split":{"on":1,"on":2}}]"#,
            "/flags/f/rules/0/split/on",
        ),
        (
            r#""rules":[{"if":{"always":true,"always":true},"serve":"on"}]"#,
            "/flags/f/rules/0/if/always",
        ),
    ] {
        let got = diagnostics(&with_flag("", members));
        assert_eq!(got.len(), 1, "{got:?}");
        assert!(
            got[0].starts_with(&format!("error at {place}: duplicate member")),
            "{got:?}"
        );
    }
    let twice = |kind: &str| {
        format!(
            r#"{{"format":1,"{kind}":{{"a":{{"always":true}},"b":{{"always":true}},"\u0061":{{"always":true}}}}}}"#
        )
    };
    for kind in ["segments", "flags"] {
        let got = diagnostics(&twice(kind));
        assert!(
            got.iter()
                .any(|line| line.starts_with(&format!("error at /{kind}/a: "))),
            "{got:?}"
        );
    }
    // Twice 50,000 flags, and one 100,000 times.
    let flag = r#"{"type":"boolean"}"#;
    for name in [|n: usize| n % 50_000, |_| 7] {
        let document = format!(
            r#"{{"format":1,"flags":{{{}}}}}"#,
            list(100_000, |n| format!(r#""{}":{flag}"#, name(n)))
        );
        let set = FlagSet::from_json(document.as_bytes()).expect("a flag set");
        assert!(set.flag_keys().all(|key| {
            set.resolve(key, &EvaluationContext::anonymous(), NOW)
                .reason()
                == Reason::Error
        }));
    }
}

#[test]
fn bytes_that_are_no_text() {
    for bytes in [
        &b"{\"format\":1,\"flags\":{\"\xFF\":{}}}"[..],
        b"{\"format\":1,\"x-\":\"\xC0\x80\"}",
        b"{\"format\":1,\"x-\":\"\xED\xA0\x80\"}",
        b"{\"format\":1,\"x-\":\"\xF4\x90\x80\x80\"}",
        b"{\"format\":1,\"x-\":\"\xE2\x82\"}",
        b"\xEF\xBB\xBF\xEF\xBB\xBF{\"format\":1}",
        b"\xFF\xFE{\x00",
        b"{\"format\":1,\"x-\":\"a\x00b\"}",
        b"{\"format\":1}\x00",
        br#"{"format":1,"x-":"\ud800"}"#,
        br#"{"format":1,"x-":"\udc00\ud800"}"#,
        br#"{"format":1,"x-":"\u12g4"}"#,
        b"",
        b"\xA0",
    ] {
        let error = refused(bytes);
        assert!(
            error.starts_with("flag set is not valid JSON: "),
            "{bytes:?}: {error}"
        );
        assert!(EvaluationContext::from_json(bytes).is_err(), "{bytes:?}");
    }
    // A NUL that is spelled out is a character that no name may have.
    let got = diagnostics(r#"{"format":1,"flags":{"\u0000":{"type":"boolean"}}}"#);
    assert!(
        got.len() == 1 && got[0].contains("control characters"),
        "{got:?}"
    );
}

#[test]
fn numbers_that_are_none() {
    for number in [
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        "0x10",
        "01",
        "-01",
        ".5",
        "5.",
        "+1",
        "--1",
        "-",
        "1e",
        "1e+",
        "1_000",
        "1,5",
        "٣",
        "1e5.5",
        "0b1",
        "1f",
    ] {
        let document = format!(r#"{{"format":1,"x-":{number}}}"#);
        assert!(FlagSet::from_json(document.as_bytes()).is_err(), "{number}");
        assert!(
            EvaluationContext::from_json(document.as_bytes()).is_err(),
            "{number}"
        );
    }
}

#[test]
fn numbers_that_are_huge() {
    let digits = |count: usize| "9".repeat(count);
    for (value_type, number) in [
        ("integer", digits(19)),
        ("integer", "1.0".into()),
        ("integer", "-9223372036854775809".into()),
        ("number", "1e309".into()),
        ("number", "-1e99999999999999999999".into()),
        ("number", digits(129)),
        ("number", format!("0.{}", "0".repeat(1_000_000))),
    ] {
        let document = format!(
            r#"{{"format":1,"flags":{{"f":{{"type":"{value_type}","variants":{{"a":{number}}},"default":"a"}},"fine":{{"type":"boolean"}}}}}}"#
        );
        let got = diagnostics(&document);
        assert_eq!(got.len(), 1, "{value_type}");
        assert!(
            got[0].starts_with("error at /flags/f/variants/a: "),
            "{value_type}: {got:?}"
        );
    }
    for number in ["1e309", &digits(129)] {
        let context = format!(r#"{{"a":{{"b":[0,{number}]}}}}"#);
        let error = EvaluationContext::from_json(context.as_bytes())
            .expect_err("huge")
            .to_string();
        assert!(error.contains("`/a/b/1`"), "{error}");
    }
    let value = |number: &str| {
        let document = format!(
            r#"{{"format":1,"flags":{{"f":{{"type":"number","variants":{{"a":{number}}},"default":"a"}}}}}}"#
        );
        let set = FlagSet::from_json_strict(document.as_bytes()).expect("a flag set");
        let context = EvaluationContext::anonymous();
        set.resolve("f", &context, NOW)
            .value()
            .and_then(|value| value.as_f64())
    };
    assert_eq!(value(&digits(128)), Some(1e128));
    assert_eq!(value("1e-99999"), Some(0.0));
    assert_eq!(value("1.7976931348623157e308"), Some(f64::MAX));
}
