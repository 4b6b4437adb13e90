//! Values, refusals and disabled flags.

use super::*;

#[test]
fn values_are_taken_over_by_type() {
    let rows: &[(Dialect, &str, &str, Result<&str, &str>)] = &[
        (DATADOG, "BOOLEAN", "false", Ok("Boolean(false)")),
        (DATADOG, "STRING", r#""\u00e9 \"""#, Ok(r#"String("é \"")"#)),
        (
            DATADOG,
            "INTEGER",
            "-9223372036854775808",
            Ok("Integer(-9223372036854775808)"),
        ),
        (DATADOG, "NUMERIC", "3", Ok("Number(3.0)")),
        (
            DATADOG,
            "NUMERIC",
            "0.30000000000000004",
            Ok("Number(0.30000000000000004)"),
        ),
        (
            DATADOG,
            "JSON",
            r#"{"b": 1.0, "a": [ ]}"#,
            Ok(r#"Object("{\"b\":1.0,\"a\":[]}")"#),
        ),
        (
            DATADOG,
            "JSON",
            "[1e400]",
            Err("the flag set refuses what it became"),
        ),
        (
            DATADOG,
            "JSON",
            r#"{"a": 1, "a": 2}"#,
            Err("the flag set refuses what it became"),
        ),
        (
            DATADOG,
            "JSON",
            "null",
            Err("is a JSON value that is neither object nor array"),
        ),
        (
            DATADOG,
            "JSON",
            r#""{}""#,
            Err("is a JSON value that is neither object nor array"),
        ),
        (DATADOG, "BOOLEAN", r#""true""#, Err("is no boolean")),
        (DATADOG, "STRING", "1", Err("is no string")),
        (DATADOG, "INTEGER", "1.0", Err("is no 64-bit integer")),
        (
            DATADOG,
            "INTEGER",
            "9223372036854775808",
            Err("is no 64-bit integer"),
        ),
        (
            DATADOG,
            "NUMERIC",
            "1e400",
            Err("is no number that a double can hold"),
        ),
        (DATADOG, "NUMERIC", r#""1""#, Err("is no number")),
        (DATADOG, "DATE", "1", Err("is no variation type")),
        (EPPO, "INTEGER", "1.0", Ok("Integer(1)")),
        (
            EPPO,
            "INTEGER",
            "9007199254740993",
            Ok("Integer(9007199254740992)"),
        ),
        (EPPO, "NUMERIC", "2.5", Ok("Number(2.5)")),
        (
            EPPO,
            "JSON",
            r#""{ \"a\": [1, 2.50] }""#,
            Ok(r#"Object("{\"a\":[1,2.50]}")"#),
        ),
        (
            EPPO,
            "JSON",
            r#""null""#,
            Err("is a JSON value that is neither object nor array"),
        ),
        (
            EPPO,
            "JSON",
            r#"{"a": 1}"#,
            Err("is neither boolean, number nor string"),
        ),
        (
            EPPO,
            "STRING",
            "null",
            Err("is neither boolean, number nor string"),
        ),
    ];
    for (dialect, variation_type, value, want) in rows {
        let text = flag(&allocation("a", &[split("on", &[])]))
            .replace("BOOLEAN", variation_type)
            .replace(r#", "off": {"key": "off", "value": false}"#, "")
            .replace("\"value\": true", &format!("\"value\": {value}"));
        let imported = flags(&text, &options(*dialect));
        let set = FlagSet::from_json(imported.document.as_bytes()).unwrap();
        let context = EvaluationContext::anonymous();
        let resolution = set.resolve("f", &context, UnixMillis(0));
        match want {
            Ok(want) => {
                let got = resolution.value().map(|value| format!("{value:?}"));
                assert_eq!(
                    got.as_deref(),
                    Some(*want),
                    "{dialect} {variation_type} {value}"
                );
            }
            Err(want) => {
                let refusal = imported.report.refusals.first();
                let reason = refusal.map_or("", |refusal| &refusal.reason);
                assert!(
                    reason.starts_with(want),
                    "{dialect} {variation_type} {value}: {reason}"
                );
            }
        }
    }
}

#[test]
fn where_eppo_draws_what_has_no_value_the_caller_decides() {
    let bad = r#""pi": {"key": "pi", "value": 3.14}"#;
    for broken in [bad, r#""unrelated": {"key": "unrelated", "value": 1}"#] {
        let text = flag(&format!(
            "{}, {}",
            allocation(
                "a",
                &[
                    split("on", &[shard("s", 100, &[(0, 30)])]),
                    split("pi", &[shard("s", 100, &[(30, 60)])]),
                ]
            ),
            allocation("b", &[split("on", &[])])
        ));
        let text = text
            .replace("BOOLEAN", "INTEGER")
            .replace(r#""off": {"key": "off", "value": false}"#, broken)
            .replace("\"value\": true", "\"value\": 1");
        let imported = flags(&text, &options(EPPO));
        assert_eq!(imported.report.refusals, []);
        assert!(
            imported
                .report
                .warnings
                .iter()
                .any(|each| each.message.contains("the caller's default is served"))
        );
        for unit in 0..100 {
            let unit = format!("u{unit}");
            let ranges = [("on", vec![(0, 30)]), ("pi", vec![(30, 60)])];
            let splits = ranges.map(|(variation, ranges)| (variation, vec![("s", 100, ranges)]));
            let want = match first_split(&splits, &unit) {
                Some("on") => "SPLIT on",
                Some(_) => "DEFAULT none",
                None => "STATIC on",
            };
            let context = format!(r#"{{"targetingKey": "{unit}"}}"#);
            assert_eq!(
                answer(&imported, &context, 0),
                want,
                "{unit}\n{}",
                imported.document
            );
        }
        // Datadog's SDKs drop such a flag.
        let imported = flags(
            &text.replacen("\"totalShards\": 100,", "", 1),
            &options(DATADOG),
        );
        assert_eq!(imported.report.refusals.len(), 1);
    }
}

#[test]
fn refusals_name_the_place_and_the_reason() {
    let good = flag(&allocation(
        "a",
        &[split("on", &[shard("s", 10, &[(0, 5)])])],
    ));
    let rows: &[(Dialect, &str, &str, &str, &str)] = &[
        (
            DATADOG,
            r#""enabled": true"#,
            r#""enabled": 1"#,
            "/flags/f/enabled",
            "is no boolean",
        ),
        (
            DATADOG,
            r#""enabled": true,"#,
            "",
            "/flags/f",
            "lacks `enabled`",
        ),
        (DATADOG, r#""key": "f","#, "", "/flags/f", "lacks `key`"),
        (
            DATADOG,
            r#""key": "f","#,
            r#""key": "f", "key": "f","#,
            "/flags/f",
            "has the member `key` twice",
        ),
        (
            DATADOG,
            "BOOLEAN",
            "boolean",
            "/flags/f/variationType",
            "is no variation type",
        ),
        (
            DATADOG,
            r#""value": true"#,
            r#""v": true"#,
            "/flags/f/variations/on",
            "lacks `value`",
        ),
        (
            DATADOG,
            r#""key": "on","#,
            r#""key": "off","#,
            "/flags/f/variations/off",
            "there is another variation of the key `off`",
        ),
        (
            DATADOG,
            r#""variationKey": "on""#,
            r#""variationKey": "onn""#,
            "/flags/f/allocations/0",
            "a split names the variation `onn`, which is not there",
        ),
        (
            DATADOG,
            r#""shards": ["#,
            r#""shard": ["#,
            "/flags/f/allocations/0/splits/0",
            "lacks `shards`",
        ),
        (
            DATADOG,
            r#""totalShards": 10,"#,
            "",
            "/flags/f/allocations/0/splits/0/shards/0",
            "lacks `totalShards`",
        ),
        (
            DATADOG,
            r#""totalShards": 10,"#,
            r#""totalShards": 0,"#,
            "/flags/f/allocations/0/splits/0/shards/0",
            "has no shards in total",
        ),
        (
            DATADOG,
            r#""totalShards": 10,"#,
            r#""totalShards": 4294967296,"#,
            "/flags/f/allocations/0/splits/0/shards/0/totalShards",
            "is no integer of 0 to 4294967295",
        ),
        (
            DATADOG,
            r#""start": 0"#,
            r#""start": -1"#,
            "/flags/f/allocations/0/splits/0/shards/0/ranges/0/start",
            "is no integer of 0 to 4294967295",
        ),
        (
            DATADOG,
            r#""start": 0"#,
            r#""start": null"#,
            "/flags/f/allocations/0/splits/0/shards/0/ranges/0/start",
            "is no integer of 0 to 4294967295",
        ),
        (
            DATADOG,
            r#""salt": "s""#,
            r#""salt": "\u0001""#,
            "/flags/f/allocations/0/splits/0/shards/0/salt",
            "a salt has no control characters",
        ),
        (
            DATADOG,
            r#""splits": ["#,
            r#""doLog": "yes", "splits": ["#,
            "/flags/f/allocations/0/doLog",
            "is no boolean",
        ),
        (
            DATADOG,
            r#""splits": ["#,
            r#""startAt": "2020-02-30T00:00:00Z", "splits": ["#,
            "/flags/f/allocations/0/startAt",
            "is no RFC 3339 time",
        ),
        (
            DATADOG,
            r#""splits": ["#,
            r#""rules": [{}], "splits": ["#,
            "/flags/f/allocations/0/rules/0",
            "lacks `conditions`",
        ),
        (
            DATADOG,
            r#""splits": ["#,
            r#""rules": {}, "splits": ["#,
            "/flags/f/allocations/0/rules",
            "is no array",
        ),
        (
            EPPO,
            r#""totalShards": 100,"#,
            "",
            "/flags/f",
            "lacks `totalShards`",
        ),
        (
            EPPO,
            r#""totalShards": 100,"#,
            r#""totalShards": 0,"#,
            "/flags/f/allocations/0/splits/0/shards/0",
            "has no shards in total",
        ),
    ];
    assert_eq!(flags(&good, &options(DATADOG)).report.refusals, []);
    for (dialect, from, to, pointer, reason) in rows {
        assert!(good.contains(from), "{from}");
        let text = good.replacen(from, to, 1);
        let imported = flags(&text, &options(*dialect));
        let [refusal] = &imported.report.refusals[..] else {
            panic!("{from} -> {to}: {}", imported.report);
        };
        assert_eq!(
            (&*refusal.pointer, &*refusal.reason),
            (*pointer, *reason),
            "{from} -> {to}"
        );
        assert_eq!(refusal.answer, Answer::ParseError, "{from} -> {to}");
        assert_eq!(
            answer(&imported, r#"{"targetingKey": "u"}"#, 0),
            "ERROR PARSE_ERROR"
        );
        let set = FlagSet::from_json(imported.document.as_bytes()).unwrap();
        let context = EvaluationContext::anonymous();
        let resolution = set.resolve("f", &context, UnixMillis(0));
        let message = resolution.error_message().unwrap_or_default();
        assert!(
            message.ends_with(&format!("not imported: {pointer}: {reason}")),
            "{message}"
        );
    }
    let operands: &[(&str, &str, &str)] = &[
        ("GT", r#""5""#, "is no number"),
        ("GT", "true", "is no number"),
        ("ONE_OF", r#""a""#, "is no array"),
        ("ONE_OF", "[1]", "is no string"),
        ("MATCHES", "1", "is no string"),
        ("MATCHES", r#"["a", "b"]"#, "is no string"),
        ("IS_NULL", r#""true""#, "is no boolean"),
        ("SEMVER_EQ", r#""1.x""#, "is no version"),
        (
            "SEMVER_EQ",
            r#""1.2.3.4.5.6.7.8.9""#,
            "is a version of more than eight numbers",
        ),
        ("GT", "null", "is no number"),
    ];
    for (operator, operand, reason) in operands {
        let imported = flags(&condition("x", operator, operand), &options(DATADOG));
        let found = imported
            .report
            .refusals
            .first()
            .map(|refusal| &*refusal.reason);
        assert_eq!(found, Some(*reason), "{operator} {operand}");
    }
}

#[test]
fn a_malformed_flag_may_answer_the_callers_default() {
    let options = options(DATADOG).malformed(Malformed::Default);
    let imported = flags(&condition("x", "LIKE", "1"), &options);
    assert_eq!(imported.report.refusals[0].answer, Answer::Default);
    assert_eq!(answer(&imported, "{}", 0), "DEFAULT none");
    // What only bucketry cannot express is an error all the same.
    let imported = flags(
        &condition("x", "SEMVER_EQ", r#""1.2.3.4.5.6.7.8.9""#),
        &options,
    );
    assert_eq!(imported.report.refusals[0].answer, Answer::ParseError);
    assert_eq!(answer(&imported, "{}", 0), "ERROR PARSE_ERROR");
}

#[test]
fn a_disabled_flag_is_disabled_first() {
    let disabled = |text: String| text.replacen("\"enabled\": true", "\"enabled\": false", 1);
    let good = disabled(flag(&allocation("a", &[split("on", &[])])));
    let imported = flags(&good, &options(DATADOG));
    assert_eq!(answer(&imported, "{}", 0), "DISABLED none");
    assert_eq!(
        imported.report.flags[0].rules, 1,
        "the rules come over for the day it is enabled"
    );
    for text in [
        good.replace("\"value\": true", "\"value\": 1"),
        good.replace("\"variationKey\": \"on\"", "\"variationKey\": \"lost\""),
        disabled(condition("x", "SEMVER_EQ", r#""1.2.3.4.5.6.7.8.9""#)),
    ] {
        let imported = flags(&text, &options(DATADOG));
        assert_eq!(
            answer(&imported, "{}", 0),
            "DISABLED none",
            "{}",
            imported.document
        );
    }
    let unreadable = disabled(condition("x", "LIKE", "1"));
    assert_eq!(
        answer(&flags(&unreadable, &options(DATADOG)), "{}", 0),
        "ERROR PARSE_ERROR"
    );
}

#[test]
fn flag_keys_that_are_none_are_left_out_and_doubles_refused() {
    let text = flag("");
    let control = text.replacen("\"f\"", "\"a\\u0007\"", 1);
    let empty = text.replacen("\"f\"", "\"\"", 1);
    let imported = flags(
        &format!("{control}, {empty}, {text}, {text}"),
        &options(DATADOG),
    );
    let refusals: Vec<_> = imported
        .report
        .refusals
        .iter()
        .map(|each| (each.flag.as_deref(), each.answer))
        .collect();
    assert_eq!(
        refusals,
        [
            (Some("a\u{7}"), Answer::FlagNotFound),
            (Some(""), Answer::FlagNotFound),
            (Some("f"), Answer::ParseError),
        ]
    );
    assert_eq!(answer(&imported, "{}", 0), "ERROR PARSE_ERROR");
}
