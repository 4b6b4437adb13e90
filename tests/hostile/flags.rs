//! One flag, or a few, that ask for too much.

use super::*;

#[test]
fn cycles() {
    let circle = "this refers back to itself in a circle";
    for condition in [
        r#"{"flag":"f","is":"on"}"#,
        r#"{"not":{"flag":"f","enabled":true}}"#,
    ] {
        let got = diagnostics(&with_condition(condition));
        assert!(got.len() == 1 && got[0].ends_with(circle), "{got:?}");
    }
    let through_a_segment = with_flag(
        r#""segments":{"s":{"flag":"f","is":"on"},"self":{"segment":"self"}},"#,
        r#""rules":[{"if":{"segment":"s"},"serve":"on"}]"#,
    );
    let got = diagnostics(&through_a_segment);
    assert_eq!(
        got.iter().filter(|line| line.ends_with(circle)).count(),
        3,
        "{got:?}"
    );
    // Each of 100,000 flags leads to the next and back to the first.
    let count = limits::MAX_FLAGS;
    let document = format!(
        r#"{{"format":1,"flags":{{{}}}}}"#,
        list(count, |n| {
            let next = (n + 1) % count;
            format!(
                r#""f{n}":{{"type":"boolean","rules":[{{"if":{{"any":[{{"flag":"f{next}","is":"on"}},{{"flag":"f0","is":"on"}}]}},"serve":"on"}}]}}"#
            )
        })
    );
    let set = FlagSet::from_json(document.as_bytes()).expect("a flag set");
    let context = EvaluationContext::anonymous();
    let message = set.resolve("f99999", &context, NOW).error_message();
    assert_eq!(
        message,
        Some("/flags/f99999/rules/0/if/any/0/flag: this refers back to itself in a circle")
    );
    // A chain of as many is no cycle, but too long for all but its end.
    let document = format!(
        r#"{{"format":1,"flags":{{"f0":{{"type":"boolean","default":"on"}},{}}}}}"#,
        list(count - 1, |n| format!(
            r#""f{}":{{"type":"boolean","default":"off","rules":[{{"if":{{"flag":"f{n}","is":"on"}},"serve":"on"}}]}}"#,
            n + 1
        ))
    );
    let set = FlagSet::from_json(document.as_bytes()).expect("a flag set");
    let works = |key: &&str| set.resolve(key, &context, NOW).variant() == Some("on");
    assert_eq!(set.flag_keys().filter(works).count(), 32);
}

#[test]
fn what_one_resolution_can_reach_is_bounded() {
    // Each of 20 segments uses the one before it twice: 2^20 conditions.
    let segments = list(20, |n| match n {
        0 => r#""s0":{"attribute":"a","exists":false}"#.into(),
        n => format!(
            r#""s{n}":{{"all":[{{"segment":"s{0}"}},{{"segment":"s{0}"}}]}}"#,
            n - 1
        ),
    });
    let document = with_flag(
        &format!(r#""segments":{{{segments}}},"#),
        r#""rules":[{"if":{"segment":"s19"},"serve":"on"}]"#,
    );
    let got = diagnostics(&document);
    assert!(
        got.iter()
            .any(|line| line.contains("more than 100,000 conditions")),
        "{got:?}"
    );
    let set = FlagSet::from_json(document.as_bytes()).expect("a flag set");
    let context = EvaluationContext::anonymous();
    assert_eq!(set.resolve("f", &context, NOW).reason(), Reason::Error);
    assert_eq!(set.resolve("fine", &context, NOW).variant(), Some("on"));
}

#[test]
fn the_deepest_that_loads_fits_a_small_stack() {
    // 32 flags, each of which asks the one before it at the bottom of 32 conditions.
    let set = |rollout: u32| {
        let flags = list(32, |n| {
            let condition = match n {
                0 => r#"{"attribute":"a","exists":true}"#.into(),
                n => format!(r#"{{"flag":"f{}","is":"on"}}"#, n - 1),
            };
            // The limits count the `if` itself.
            let condition = format!("{}{condition}{}", r#"{"not":"#.repeat(30), "}".repeat(30));
            let rule = format!(r#"{{"id":"r","if":{condition},"serve":"on","rollout":{rollout}}}"#);
            format!(r#""f{n}":{{"type":"boolean","default":"off","rules":[{rule}]}}"#)
        });
        FlagSet::from_json_strict(format!(r#"{{"format":1,"flags":{{{flags}}}}}"#).as_bytes())
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let check = move || {
        let (old, new) = (set(100), set(50));
        let context = EvaluationContext::new("u").with("a", true);
        assert_eq!(old.resolve("f31", &context, NOW).variant(), Some("on"));
        assert_eq!(
            old.explain("f31", &context, NOW).variant.as_deref(),
            Some("on")
        );
        assert_eq!(old.changed_flags(&new).len(), 32);
        let moved = old.movements(&new, NOW);
        // All but one in 2^32 lose what 32 draws had to agree on.
        assert_eq!(moved.len(), 32);
        assert_eq!(
            moved[31].cases[0].moves[0].share.parts_per_billion(),
            1_000_000_000
        );
    };
    // As much as a WebAssembly module has.
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(check);
    assert!(thread.expect("a thread").join().is_ok());
}

#[test]
fn members_that_are_out_of_range() {
    for (members, message) in [
        (
            r#""rules":[{"serve":"on","rollout":100.0001}]"#,
            "expected a number from 0 to 100",
        ),
        (
            r#""rules":[{"serve":"on","rollout":-0.1}]"#,
            "expected a number from 0 to 100",
        ),
        (
            r#""rules":[{"serve":"on","rollout":1e1}]"#,
            "expected a number from 0 to 100",
        ),
        (
            r#""rules":[{"serve":"on","rollout":0.00001}]"#,
            "expected a number from 0 to 100",
        ),
        (
            r#""rules":[{"split":{"on":1000000001}}]"#,
            "expected an integer from 0 to 1000000000",
        ),
        (
            r#""rules":[{"split":{"on":-1}}]"#,
            "expected an integer from 0 to 1000000000",
        ),
        (
            r#""rules":[{"split":{"on":0}}]"#,
            "weights sum to 1 up to 4294967295",
        ),
        (
            r#""rules":[{"split":[{"variant":"on","ranges":[[0,4294967297]]}]}]"#,
            "4294967296",
        ),
        (
            r#""rules":[{"split":[{"variant":"on","ranges":[[5,5]]}]}]"#,
            "start < end",
        ),
        (
            r#""rules":[{"serve":"on","salt":"a\u001fb"}]"#,
            "control characters",
        ),
        (
            r#""rules":[{"serve":"on","from":9223372036854775808}]"#,
            "expected a time",
        ),
        (
            r#""rules":[{"serve":"on","experiment":{"key":"e","phase":0}}]"#,
            "expected an integer from 1 to 1000000",
        ),
    ] {
        let got = diagnostics(&with_flag("", members));
        assert!(
            got.len() == 1 && got[0].contains(message),
            "{members}: {got:?}"
        );
        assert!(got[0].starts_with("error at /flags/f/rules/0/"), "{got:?}");
    }
}

#[test]
fn more_than_there_may_be() {
    let named = |count, value: &str| list(count, |n| format!(r#""n{n}":{value}"#));
    let always = r#"{"always":true}"#;
    for (member, count, value, message) in [
        (
            "flags",
            limits::MAX_FLAGS,
            r#"{"type":"boolean"}"#,
            "more than 100,000 flags",
        ),
        (
            "segments",
            limits::MAX_SEGMENTS,
            always,
            "more than 10,000 segments",
        ),
        ("layers", limits::MAX_LAYERS, "{}", "more than 1,000 layers"),
        (
            "holdouts",
            limits::MAX_LAYERS,
            r#"{"percent":1}"#,
            "more than 1,000 holdouts",
        ),
    ] {
        let document = |count| format!(r#"{{"format":1,"{member}":{{{}}}}}"#, named(count, value));
        assert!(
            FlagSet::from_json_strict(document(count).as_bytes()).is_ok(),
            "{member}"
        );
        let error = refused(document(count + 1).as_bytes());
        assert!(
            error.contains(message) && error.contains(&format!("/{member}")),
            "{error}"
        );
    }
    let texts = |count| list(count, |n| format!(r#""{n}""#));
    for (count, message, flag) in [
        (
            limits::MAX_VARIANTS,
            "more than 1,000 variants",
            &(|n| format!(r#""variants":{{{}}}"#, named(n, "true"))) as &dyn Fn(usize) -> String,
        ),
        (limits::MAX_RULES, "more than 1,000 rules", &|n| {
            format!(r#""rules":[{}]"#, list(n, |_| r#"{"serve":"on"}"#.into()))
        }),
        (
            limits::MAX_METADATA,
            "more than 64 members of metadata",
            &|n| format!(r#""metadata":{{{}}}"#, named(n, "1")),
        ),
        (
            limits::MAX_CONDITIONS - 1,
            "more than 10,000 conditions",
            &|n| {
                format!(
                    r#""rules":[{{"if":{{"all":[{}]}},"serve":"on"}}]"#,
                    list(n, |_| always.into())
                )
            },
        ),
        (
            limits::MAX_SET_OPERANDS,
            "more than 100,000 operands",
            &|n| {
                format!(
                    r#""rules":[{{"if":{{"attribute":"a","in":[{}]}},"serve":"on"}}]"#,
                    texts(n)
                )
            },
        ),
        (
            limits::MAX_TEXT_OPERANDS,
            "more than 1,000 operands",
            &|n| {
                format!(
                    r#""rules":[{{"if":{{"attribute":"a","contains":[{}]}},"serve":"on"}}]"#,
                    texts(n)
                )
            },
        ),
        (
            limits::MAX_POSITION_RANGES,
            "more than 1,000 ranges",
            &|n| {
                let ranges = list(n, |n| format!("[{n},{}]", n + 1));
                format!(
                    r#""rules":[{{"if":{{"position":{{"salt":"s","ranges":[{ranges}]}}}},"serve":"on"}}]"#
                )
            },
        ),
        (limits::MAX_ARMS, "more than 1,000 arms", &|n| {
            let arms = list(n, |_| r#"{"variant":"on","weight":1}"#.into());
            format!(r#""rules":[{{"split":[{arms}]}}]"#)
        }),
        (limits::MAX_UNIT_CHAIN, "1 to 8 attributes", &|n| {
            format!(r#""unit":[{}]"#, texts(n))
        }),
        (limits::MAX_NAME_BYTES, "a name has 1 to 256 bytes", &|n| {
            format!(r#""metadata":{{"{}":1}}"#, "n".repeat(n))
        }),
        (
            limits::MAX_SALT_BYTES,
            "a salt has 1 to 1,024 bytes",
            &|n| format!(r#""rules":[{{"serve":"on","salt":"{}"}}]"#, "s".repeat(n)),
        ),
        (limits::MAX_REGEX_BYTES, "longer than 1,000 bytes", &|n| {
            format!(
                r#""rules":[{{"if":{{"attribute":"a","matches":"{}"}},"serve":"on"}}]"#,
                "r".repeat(n)
            )
        }),
    ] {
        assert!(
            diagnostics(&with_flag("", &flag(count))).is_empty(),
            "{message}"
        );
        let got = diagnostics(&with_flag("", &flag(count + 1)));
        assert_eq!(got.len(), 1, "{message}");
        assert!(
            got[0].starts_with("error at /flags/f/") && got[0].contains(message),
            "{got:?}"
        );
    }
}

#[test]
fn expressions_that_explode() {
    // What takes a backtracking engine as long as the universe.
    let document = with_condition(r#"{"attribute":"a","matches":"^(a|aa)+$"}"#);
    let set = FlagSet::from_json_strict(document.as_bytes()).expect("a flag set");
    let text = "a".repeat(50_000) + "b";
    let context = EvaluationContext::new("u").with("a", text.as_str());
    let (variant, heap) = measure(|| set.resolve("f", &context, NOW).variant());
    assert_eq!(variant, Some("off"));
    assert!(heap.peak < 4_000_000, "{heap:?}");
    // What compiles to gigabytes.
    for pattern in [
        r"((a{1000}){1000}){1000}",
        r"(\\w{100}){100}",
        r"[\\s\\S]{0,99999}",
        "a{4294967295}",
        "(((((x*)*)*)*)*)*{999999}",
    ] {
        let document = with_condition(&format!(r#"{{"attribute":"a","matches":"{pattern}"}}"#));
        let (got, heap) = measure(|| diagnostics(&document));
        assert_eq!(got.len(), 1, "{pattern}");
        assert!(
            got[0].starts_with("error at /flags/f/rules/0/if/matches: "),
            "{got:?}"
        );
        assert!(heap.peak < 32 << 20, "{pattern}: {heap:?}");
    }
    let nested = format!("{}a{}", "(".repeat(499), ")".repeat(499));
    let got = diagnostics(&with_condition(&format!(
        r#"{{"attribute":"a","matches":"{nested}"}}"#
    )));
    assert_eq!(got.len(), 1, "{got:?}");
    // Whether they compile or not, no more than 256 are tried; one that comes again is not.
    for pattern in [
        |n: usize| format!("x{n}"),
        |n| format!("({n}"),
        |n| format!("({}", n % 2),
    ] {
        let flags = list(600, |n| {
            format!(
                r#""f{n}":{{"type":"boolean","rules":[{{"if":{{"attribute":"a","matches":"{}"}},"serve":"on"}}]}}"#,
                pattern(n)
            )
        });
        let got = diagnostics(&format!(r#"{{"format":1,"flags":{{{flags}}}}}"#));
        let bound = got
            .iter()
            .filter(|line| line.contains("more than 256 different regular expressions"));
        let want = if pattern(0) == pattern(2) {
            0
        } else {
            600 - limits::MAX_REGEXES
        };
        assert_eq!(bound.count(), want);
    }
}

#[test]
fn lists_of_ids_that_lie() {
    let condition = |list: &str| with_condition(&format!(r#"{{"hashedIds":"{list}","salt":"s"}}"#));
    for (list, problem) in [
        ("!", "is not base64"),
        ("AA=A", "is not base64"),
        ("A", "is not base64"),
        ("AB", "is not base64"),
        ("A A=", "is not base64"),
        // A number that goes on after the end, one with a zero too much, one beyond 64 bits.
        ("gA==", "holds a malformed number"),
        ("gAA=", "holds a malformed number"),
        ("////////////Ag==", "holds a malformed number"),
        // The same twice: a difference of 0; and the largest, then one more.
        ("AQA=", "does not ascend within 64 bits"),
        ("////////////AQE=", "does not ascend within 64 bits"),
    ] {
        let got = diagnostics(&condition(list));
        assert_eq!(got.len(), 1, "{list}: {got:?}");
        assert!(
            got[0].starts_with("error at /flags/f/rules/0/if/hashedIds: "),
            "{got:?}"
        );
        assert!(got[0].contains(problem), "{list}: {got:?}");
    }
    // One more than there may be; each takes a byte.
    let mut many: Vec<u64> = (1..=limits::MAX_HASHED_IDS as u64 + 1).collect();
    let document = condition(&encode_ids(&mut many));
    let (got, heap) = measure(|| diagnostics(&document));
    assert!(got.len() == 1 && got[0].contains("too many"), "{got:?}");
    assert!(heap.peak < 120_000_000, "{heap:?}");
    many.pop();
    let document = condition(&encode_ids(&mut many));
    let (set, heap) =
        measure(|| FlagSet::from_json_strict(document.as_bytes()).expect("a flag set"));
    assert!(heap.kept < 41_000_000, "{heap:?}");
    drop(set);
}

#[test]
fn names_that_collide() {
    // The same name for all kinds of things, and names that the format itself uses.
    let name = "targetingKey";
    let document = format!(
        r#"{{"format":1,"environment":"{name}","segments":{{"{name}":{{"attribute":"{name}","equals":"{name}"}}}},
        "layers":{{"{name}":{{"salt":"{name}"}}}},"holdouts":{{"{name}":{{"percent":0,"salt":"{name}"}}}},
        "flags":{{"{name}":{{"type":"string","variants":{{"{name}":"{name}","__proto__":"a","":"b"}},"default":"{name}"}},
        "ok":{{"type":"string","variants":{{"{name}":"{name}","__proto__":"a"}},"rules":[{{"id":"{name}","if":{{"segment":"{name}"}},
        "experiment":{{"key":"{name}","layer":"{name}","slots":[0,10000],"holdout":"{name}"}},"serve":"__proto__"}}]}}}}}}"#
    );
    // Only the empty name is wrong.
    assert_only(
        &diagnostics(&document),
        "error at /flags/targetingKey/variants/: a name has 1 to 256 bytes",
    );
    let set = FlagSet::from_json(document.as_bytes()).expect("a flag set");
    let context = EvaluationContext::new(name);
    assert_eq!(
        set.resolve("ok", &context, NOW).variant(),
        Some("__proto__")
    );
    // Names that differ in the last of 250 bytes, or by a byte that is folded elsewhere.
    let stem = "x".repeat(248);
    let document = format!(
        r#"{{"format":1,"flags":{{{}}}}}"#,
        list(20_000, |n| format!(
            r#""{stem}{}{}{}":{{"type":"integer","variants":{{"v":{n}}},"default":"v"}}"#,
            (b'0' + (n % 64) as u8 % 10) as char,
            if n.is_multiple_of(2) { 'K' } else { 'k' },
            char::from_u32(0x100 + n as u32).unwrap_or('?')
        ))
    );
    let set = FlagSet::from_json(document.as_bytes()).expect("a flag set");
    let context = EvaluationContext::anonymous();
    for (n, key) in set.flag_keys().enumerate().step_by(97) {
        let value = set
            .resolve(key, &context, NOW)
            .value()
            .and_then(|value| value.as_i64());
        assert_eq!(value, Some(n as i64));
    }
}

#[test]
fn contexts_that_are_huge() {
    let attributes = |count| format!("{{{}}}", list(count, |n| format!(r#""a{n}":{n}"#)));
    let read = EvaluationContext::from_json(attributes(1_000).as_bytes()).expect("a context");
    let error = EvaluationContext::from_json(attributes(10_000).as_bytes()).expect_err("too many");
    assert_eq!(error.to_string(), "context has more than 1000 attributes");

    let document = with_condition(r#"{"attribute":"a999","equals":999}"#);
    let set = FlagSet::from_json_strict(document.as_bytes()).expect("a flag set");
    assert_eq!(set.resolve("f", &read, NOW).variant(), Some("on"));
    let mut built = EvaluationContext::new("u");
    for n in 0..10_000 {
        built.set(format!("a{n}"), n);
    }
    let resolution = set.resolve("f", &built, NOW);
    assert_eq!(
        resolution.error_code().map(|code| code.as_str()),
        Some("INVALID_CONTEXT")
    );
    assert_eq!(
        resolution.error_message(),
        Some("the context has more than 1,000 attributes")
    );
    // A flag that reads nothing does not mind.
    assert_eq!(set.resolve("fine", &built, NOW).variant(), Some("on"));
    assert_eq!(set.resolve_all(&built, NOW).count(), 2);

    // Attributes inside attributes are one attribute, bounded by size and depth.
    let deep = format!(
        r#"{{"a":{{{}}}}}"#,
        list(50_000, |n| format!(r#""{n}":[{n}]"#))
    );
    let context = EvaluationContext::from_json(deep.as_bytes()).expect("a context");
    let document = with_condition(r#"{"attribute":"/a/49999/0","equals":49999}"#);
    let set = FlagSet::from_json_strict(document.as_bytes()).expect("a flag set");
    assert_eq!(set.resolve("f", &context, NOW).variant(), Some("on"));
    // Of what a caller builds the depth is the caller's: reading it does not recurse.
    let mut value = AttributeValue::Integer(1);
    for _ in 0..2_000 {
        value = AttributeValue::Array(vec![value]);
    }
    let context = EvaluationContext::new("u").with("a", value);
    assert_eq!(set.resolve("f", &context, NOW).variant(), Some("off"));
    // One attribute of a megabyte, held against every kind of text operand.
    let text = "a".repeat(1_000_000);
    let context = EvaluationContext::new(text.as_str()).with("a", text.as_str());
    for test in [
        r#""contains":"aaaaaaaaab""#,
        r#""endsWith":"b""#,
        r#""in":["a"],"ignoreCase":true"#,
        r#""semver":">=1.0.0","loose":true"#,
        r#""lessThan":1,"loose":true"#,
        r#""before":1"#,
        r#""cidr":"::/0""#,
        r#""matches":"a*b$""#,
    ] {
        let document = with_condition(&format!(r#"{{"attribute":"a",{test}}}"#));
        let set = FlagSet::from_json_strict(document.as_bytes()).expect("a flag set");
        assert_eq!(
            set.resolve("f", &context, NOW).variant(),
            Some("off"),
            "{test}"
        );
    }
}
