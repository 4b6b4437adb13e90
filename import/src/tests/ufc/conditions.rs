//! Conditions, rules and attributes.

use super::*;

#[test]
fn operators_read_attributes_as_the_source_does() {
    let rows: &[(Dialect, &str, &str, &str, bool)] = &[
        // Membership goes by the text form.
        (DATADOG, "ONE_OF", r#"["a", "b"]"#, r#""b""#, true),
        (DATADOG, "ONE_OF", r#"["a", "b"]"#, r#""B""#, false),
        (DATADOG, "ONE_OF", r#"["5"]"#, "5", true),
        (DATADOG, "ONE_OF", r#"["5"]"#, "5.0", true),
        (DATADOG, "ONE_OF", r#"["5"]"#, r#""5""#, true),
        (DATADOG, "ONE_OF", r#"["5.0"]"#, "5", false), // the text form of 5.0 is `5`
        (DATADOG, "ONE_OF", r#"["05"]"#, "5", false),
        (DATADOG, "ONE_OF", r#"["0.1"]"#, "0.1", true),
        (DATADOG, "ONE_OF", r#"["1e3"]"#, "1000", false),
        (
            DATADOG,
            "ONE_OF",
            r#"["100000000000000000000000"]"#,
            "1e23",
            true,
        ),
        (DATADOG, "ONE_OF", r#"["NaN", "inf", "-0"]"#, "0", false),
        (DATADOG, "ONE_OF", r#"["true"]"#, "true", true),
        (DATADOG, "ONE_OF", r#"["true"]"#, r#""true""#, true),
        (DATADOG, "ONE_OF", r#"["true"]"#, "1", false),
        (DATADOG, "ONE_OF", r#"["True"]"#, "true", false),
        (DATADOG, "ONE_OF", r#"["null"]"#, "null", false),
        (DATADOG, "ONE_OF", "[]", r#""a""#, false),
        (DATADOG, "ONE_OF", r#"["a"]"#, r#"["a"]"#, false), // lists have no text form
        (DATADOG, "NOT_ONE_OF", r#"["a"]"#, r#""b""#, true),
        (DATADOG, "NOT_ONE_OF", r#"["a"]"#, r#""a""#, false),
        (DATADOG, "NOT_ONE_OF", r#"["5"]"#, "5", false),
        (DATADOG, "NOT_ONE_OF", r#"["5"]"#, "6", true),
        (DATADOG, "NOT_ONE_OF", r#"["true"]"#, "false", true),
        (DATADOG, "NOT_ONE_OF", r#"["a"]"#, "null", false), // missing fails the negation too
        (DATADOG, "NOT_ONE_OF", r#"["a"]"#, "[]", false),
        (DATADOG, "NOT_ONE_OF", "[]", r#""a""#, true),
        // Patterns too.
        (DATADOG, "MATCHES", r#""^b.*n""#, r#""ban""#, true),
        (DATADOG, "MATCHES", r#""a""#, r#""ban""#, true),
        (DATADOG, "MATCHES", r#""^tr""#, "true", true),
        (DATADOG, "MATCHES", r#""^12$""#, "12.0", true),
        (DATADOG, "MATCHES", r#""x""#, r#""ban""#, false),
        (DATADOG, "MATCHES", r#"["a"]"#, r#""ban""#, true), // a list of one is its text
        (DATADOG, "NOT_MATCHES", r#""x""#, r#""ban""#, true),
        (DATADOG, "NOT_MATCHES", r#""a""#, r#""ban""#, false),
        (DATADOG, "NOT_MATCHES", r#""a""#, "null", false),
        (DATADOG, "NOT_MATCHES", r#""a""#, "{}", false),
        (DATADOG, "NOT_MATCHES", r#""7""#, "12", true),
        // Numbers, and texts that are numbers.
        (DATADOG, "GT", "10", "10.5", true),
        (DATADOG, "GT", "10", "10", false),
        (DATADOG, "GTE", "10", r#""10""#, true),
        (DATADOG, "LT", "10", r#""ten""#, false),
        (DATADOG, "LT", "10", "true", false),
        (DATADOG, "LTE", "1e2", "100", true),
        (DATADOG, "LTE", "-0.5", "-0.5", true),
        (DATADOG, "LT", "10", "null", false),
        (DATADOG, "IS_NULL", "true", "null", true),
        (DATADOG, "IS_NULL", "true", r#""""#, false),
        (DATADOG, "IS_NULL", "false", "0", true),
        (DATADOG, "IS_NULL", "false", "null", false),
        // Datadog's versions have any number of parts, but neither `v` nor leading zeros.
        (DATADOG, "SEMVER_EQ", r#""1.2""#, r#""1.2.0""#, true),
        (
            DATADOG,
            "SEMVER_EQ",
            r#""1.2.0""#,
            r#""1.2.0+build.7""#,
            true,
        ),
        (DATADOG, "SEMVER_EQ", r#""1.2.0""#, r#""v1.2.0""#, false),
        (DATADOG, "SEMVER_EQ", r#""1.2.0""#, r#""1.02.0""#, false),
        (DATADOG, "SEMVER_NEQ", r#""1.2.0""#, r#""1.2.1""#, true),
        (DATADOG, "SEMVER_NEQ", r#""1.2.0""#, r#""1.2""#, false),
        (DATADOG, "SEMVER_NEQ", r#""1.2.0""#, r#""new""#, false),
        (DATADOG, "SEMVER_NEQ", r#""1.2.0""#, "null", false),
        (DATADOG, "SEMVER_NEQ", r#""1.2.0""#, "1.3", false), // a number is no version
        (DATADOG, "SEMVER_LT", r#""2""#, r#""2.0.0-rc.11""#, true),
        (
            DATADOG,
            "SEMVER_GT",
            r#""2.0.0-rc.2""#,
            r#""2.0.0-rc.11""#,
            true,
        ),
        (
            DATADOG,
            "SEMVER_GTE",
            r#""18.0.0.0.1""#,
            r#""18.0.0.0.1""#,
            true,
        ),
        (
            DATADOG,
            "SEMVER_LTE",
            r#""18.0.0.0.1""#,
            r#""18.0.0.0.2""#,
            false,
        ),
        // Eppo compares versions where the operand is one, and takes numbers as texts.
        (EPPO, "GTE", r#""1.10.0""#, r#""1.9.0""#, false),
        (EPPO, "GTE", r#""1.10.0""#, r#""1.10.0""#, true),
        (EPPO, "LT", r#""1.10.0""#, r#""1.9.0-beta""#, true),
        (EPPO, "LT", r#""1.10.0""#, r#""1.9""#, false),
        (EPPO, "GT", r#""10""#, "11", true),
        (EPPO, "GT", r#""1e1""#, r#""11""#, true),
        // What Eppo cannot read never holds, and the flag lives.
        (EPPO, "GT", r#""ten""#, "11", false),
        (EPPO, "ONE_OF", r#""a""#, r#""a""#, false),
        (EPPO, "SEMVER_EQ", r#""1.0.0""#, r#""1.0.0""#, false),
        (EPPO, "MATCHES", r#"["a"]"#, r#""a""#, false),
        (EPPO, "IS_NULL", "0", "null", false),
    ];
    for (dialect, operator, operand, attribute, want) in rows {
        let imported = flags(&condition("x", operator, operand), &options(*dialect));
        let row = format!("{dialect} {operator} {operand}, attribute {attribute}");
        assert_eq!(imported.report.refusals, [], "{row}");
        let want = if *want {
            "TARGETING_MATCH on"
        } else {
            "DEFAULT none"
        };
        let context = format!(r#"{{"x": {attribute}}}"#);
        assert_eq!(
            answer(&imported, &context, 0),
            want,
            "{row}\n{}",
            imported.document
        );
        if *attribute == "null" {
            assert_eq!(answer(&imported, "{}", 0), want, "{row}, but absent");
        }
    }
}

#[test]
fn the_targeting_key_stands_in_for_a_missing_id() {
    let rows = [
        ("ONE_OF", r#"["u"]"#, r#"{"targetingKey": "u"}"#, true),
        (
            "ONE_OF",
            r#"["u"]"#,
            r#"{"targetingKey": "u", "id": "v"}"#,
            false,
        ),
        (
            "ONE_OF",
            r#"["u"]"#,
            r#"{"targetingKey": "v", "id": "u"}"#,
            true,
        ),
        ("ONE_OF", r#"["u"]"#, "{}", false),
        ("NOT_ONE_OF", r#"["u"]"#, r#"{"targetingKey": "v"}"#, true),
        (
            "NOT_ONE_OF",
            r#"["u"]"#,
            r#"{"targetingKey": "v", "id": "u"}"#,
            false,
        ),
        ("NOT_ONE_OF", r#"["u"]"#, "{}", false),
        ("MATCHES", r#""^$""#, r#"{"targetingKey": ""}"#, true),
        ("GT", "5", r#"{"targetingKey": "6"}"#, true),
        ("SEMVER_GT", r#""5""#, r#"{"targetingKey": "6.0.0"}"#, true),
        ("IS_NULL", "true", r#"{"targetingKey": "u"}"#, false),
        ("IS_NULL", "true", r#"{"id": "u"}"#, false),
        ("IS_NULL", "true", "{}", true),
        ("IS_NULL", "false", r#"{"targetingKey": "u"}"#, true),
        ("IS_NULL", "false", r#"{"id": "u"}"#, true),
        ("IS_NULL", "false", "{}", false),
    ];
    for (operator, operand, context, want) in rows {
        let imported = flags(&condition("id", operator, operand), &options(DATADOG));
        let want = if want {
            "TARGETING_MATCH on"
        } else {
            "DEFAULT none"
        };
        assert_eq!(
            answer(&imported, context, 0),
            want,
            "{operator} {operand} {context}"
        );
    }
}

#[test]
fn attribute_names_are_names_and_nothing_else() {
    for name in [
        "a.b", "a/b", "/a/b", "/", "~1", "/~0", "$random", "\u{fc} x",
    ] {
        let imported = flags(&condition(name, "ONE_OF", r#"["y"]"#), &options(DATADOG));
        assert_eq!(imported.report.refusals, [], "{name}");
        assert_eq!(imported.report.flags[0].attributes, [name]);
        let context = format!(r#"{{"{name}": "y", "a": {{"b": "n"}}, "": "n"}}"#);
        assert_eq!(
            answer(&imported, &context, 0),
            "TARGETING_MATCH on",
            "{name}"
        );
    }
    let imported = flags(
        &condition("targetingKey", "ONE_OF", r#"["u"]"#),
        &options(DATADOG),
    );
    assert_eq!(
        answer(&imported, r#"{"targetingKey": "u"}"#, 0),
        "TARGETING_MATCH on"
    );
    let imported = flags(
        &condition("targetingKey", "ONE_OF", r#"["u"]"#),
        &options(EPPO),
    );
    assert_eq!(
        answer(&imported, r#"{"targetingKey": "u"}"#, 0),
        "ERROR PARSE_ERROR"
    );
}

#[test]
fn rules_are_alternatives_of_conjunctions() {
    let rules = |rules: &str| {
        flag(&format!(
            r#"{{"key": "a", "rules": {rules}, "splits": [{{"variationKey": "on", "shards": []}}]}}"#
        ))
    };
    let is =
        |name: &str| format!(r#"{{"attribute": "{name}", "operator": "ONE_OF", "value": ["1"]}}"#);
    let (a, b, c) = (is("a"), is("b"), is("c"));
    let two = format!(r#"[{{"conditions": [{a}, {b}]}}, {{"conditions": [{c}]}}]"#);
    let with_empty = format!(r#"[{{"conditions": [{a}]}}, {{"conditions": []}}]"#);
    for (text, context, want) in [
        (&*two, r#"{"a": 1}"#, "DEFAULT none"),
        (&*two, r#"{"a": 1, "b": 1}"#, "TARGETING_MATCH on"),
        (&*two, r#"{"c": 1}"#, "TARGETING_MATCH on"),
        (&*with_empty, "{}", "TARGETING_MATCH on"), // a rule without conditions always holds
        ("[]", "{}", "STATIC on"),
        ("null", "{}", "STATIC on"),
    ] {
        let imported = flags(&rules(text), &options(DATADOG));
        assert_eq!(answer(&imported, context, 0), want, "{text} {context}");
    }
    let imported = flags(&rules("null"), &options(EPPO));
    assert_eq!(imported.report.refusals[0].reason, "is no array");
}
