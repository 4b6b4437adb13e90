//! ConfigCat: what the public matrices do not reach, seen from the answers.

use alloc::format;
use alloc::string::{String, ToString};

use bucketry_core::{EvaluationContext, FlagSet, UnixMillis};

use crate::{Answer, Dialect, Format, Import, ImportError, ImportOptions, import};

/// A document with these settings (the members of the object `f`) and two segments.
fn imported(settings: &str, options: &ImportOptions) -> Import {
    let document = format!(
        r#"{{"p": {{"s": "salt"}}, "f": {{{settings}}}, "s": [
            {{"n": "grown up", "r": [{{"a": "age", "c": 15, "d": 18}}, {{"a": "plan", "c": 29, "s": "free"}}]}}]}}"#
    );
    import(Format::ConfigCat, document.as_bytes(), options)
        .unwrap_or_else(|error| panic!("{error}: {document}"))
}

/// A boolean setting `f`, false unless this condition holds.
fn setting(condition: &str) -> String {
    format!(
        r#""f": {{"t": 0, "v": {{"b": false}}, "r": [{{"c": [{condition}], "s": {{"v": {{"b": true}}}}}}]}}"#
    )
}

fn holds_in(condition: &str, context: &str, dialect: Dialect) -> Option<bool> {
    let options = ImportOptions::new().dialect(dialect);
    let imported = imported(&setting(condition), &options);
    assert_eq!(imported.report.refusals, [], "{condition}");
    let set = FlagSet::from_json(imported.document.as_bytes()).unwrap();
    let context = EvaluationContext::from_json(context.as_bytes()).unwrap();
    let value = set.resolve("f", &context, UnixMillis(0)).value();
    value.and_then(|value| value.as_bool())
}

fn holds(condition: &str, context: &str) -> bool {
    holds_in(condition, context, Dialect::JavaScript).unwrap()
}

fn user(comparator: u32, operand: &str) -> String {
    format!(r#"{{"u": {{"a": "a", "c": {comparator}, {operand}}}}}"#)
}

#[test]
fn a_missing_or_unreadable_attribute_fails_a_condition_and_its_opposite() {
    for (comparator, operand, unreadable) in [
        (0, r#""l": ["x"]"#, "null"),
        (2, r#""l": ["x"]"#, "null"),
        (4, r#""l": ["1.0.0"]"#, r#""x""#),
        (10, r#""d": 1"#, r#""x""#),
        (12, r#""d": 1"#, "true"),
        (18, r#""d": 1"#, r#""2026-01-01T00:00:00Z""#),
        (28, r#""s": "x""#, "null"),
        (30, r#""l": ["x"]"#, "null"),
        (34, r#""l": ["x"]"#, r#"["x", 1]"#),
    ] {
        for comparator in [comparator, comparator + 1] {
            let condition = user(comparator, operand);
            let context = format!(r#"{{"a": {unreadable}}}"#);
            assert!(!holds(&condition, &context), "{comparator} {unreadable}");
            assert!(!holds(&condition, "{}"), "{comparator}");
        }
    }
}

#[test]
fn comparators_come_with_their_opposites() {
    for (comparator, operand, attribute, want) in [
        (0, r#""l": ["x", "y"]"#, r#""y""#, true),
        (0, r#""l": ["5"]"#, "5", true),
        (0, r#""l": ["5.0"]"#, "5", false),
        (0, r#""l": ["1e+21"]"#, "1e21", true),
        (0, r#""l": ["true"]"#, "true", true),
        (2, r#""l": ["b"]"#, r#""abc""#, true),
        (2, r#""l": ["2"]"#, "123", true),
        (2, r#""l": ["4"]"#, "123", false),
        (30, r#""l": ["1"]"#, "123", true),
        (32, r#""l": ["1"]"#, "123", false),
        (4, r#""l": ["1.0.0", " "]"#, r#"" 1.0.0+b ""#, true),
        (4, r#""l": ["1.0.1"]"#, r#""1.0.0""#, false),
        (10, r#""d": 0.5"#, r#"" 0,5 ""#, true),
        (34, r#""l": ["x"]"#, r#"["y", "x"]"#, true),
        (34, r#""l": ["x"]"#, "[]", false),
    ] {
        let context = format!(r#"{{"a": {attribute}}}"#);
        let got = holds(&user(comparator, operand), &context);
        assert_eq!(got, want, "{comparator} {operand} {attribute}");
        let got = holds(&user(comparator + 1, operand), &context);
        assert_eq!(got, !want, "{} {operand} {attribute}", comparator + 1);
    }
}

#[test]
fn an_operand_that_is_no_version_holds_neither_way() {
    for comparator in 4..10 {
        let operand = if comparator < 6 {
            r#""l": ["x"]"#
        } else {
            r#""s": "x""#
        };
        assert!(!holds(&user(comparator, operand), r#"{"a": "1.0.0"}"#));
    }
}

#[test]
fn confidential_texts_are_hashed_with_both_salts() {
    // printf '%s' 'dogsaltf' | sha256sum, and of the first two bytes, of the last two.
    let digest = "c97e247b63fe40e4ceddd814a80730163d8137f3f03fda22aede34d33dcc3332";
    let first = "a59fd925392fb7028702fb96196a0d68dfecc3517cb00985fc608bd80d4f244e";
    let last = "3ce3e5a295cdf34070bcdbd4abc52ef47c36bb18e9d35b5e6fb85765fee6b13f";
    let context = r#"{"a": "dog"}"#;
    assert!(holds(&user(16, &format!(r#""l": ["{digest}"]"#)), context));
    assert!(holds(&user(20, &format!(r#""s": "{digest}""#)), context));
    assert!(!holds(&user(21, &format!(r#""s": "{digest}""#)), context));
    assert!(holds(
        &user(22, &format!(r#""l": ["3_{first}", "2_{first}"]"#)),
        context
    ));
    assert!(holds(&user(24, &format!(r#""l": ["2_{last}"]"#)), context));
    assert!(holds(&user(25, &format!(r#""l": ["2_{first}"]"#)), context));
    let array = r#"{"a": ["cat", "dog"]}"#;
    assert!(holds(&user(26, &format!(r#""l": ["{digest}"]"#)), array));
    assert!(!holds(&user(27, &format!(r#""l": ["{digest}"]"#)), array));
}

#[test]
fn an_empty_text_is_missing_except_to_the_rust_sdk() {
    let (empty, condition) = (r#"{"a": ""}"#, user(1, r#""l": ["x"]"#));
    assert_eq!(
        holds_in(&condition, empty, Dialect::JavaScript),
        Some(false)
    );
    assert_eq!(holds_in(&condition, empty, Dialect::Rust), Some(true));
    let condition = user(0, r#""l": [""]"#);
    assert_eq!(
        holds_in(&condition, empty, Dialect::JavaScript),
        Some(false)
    );
    assert_eq!(holds_in(&condition, empty, Dialect::Rust), Some(true));
}

#[test]
fn outside_a_segment_is_who_fails_a_condition_before_one_that_cannot_be_evaluated() {
    let (inside, outside) = (r#"{"s": {"s": 0, "c": 0}}"#, r#"{"s": {"s": 0, "c": 1}}"#);
    for (context, in_it, out_of_it) in [
        (r#"{"age": 18, "plan": "pro"}"#, true, false),
        (r#"{"age": 18, "plan": "free"}"#, false, true),
        (r#"{"age": 17}"#, false, true),
        (r#"{"age": 18}"#, false, false),
        (r#"{"plan": "free"}"#, false, false),
    ] {
        assert_eq!(holds(inside, context), in_it, "{context}");
        assert_eq!(holds(outside, context), out_of_it, "{context}");
    }
}

#[test]
fn what_the_sdks_answer_an_error_to_is_refused() {
    let options = ImportOptions::new();
    for (settings, pointer) in [
        (r#""f": {"t": 0, "v": {"s": "x"}}"#.to_string(), "/f/f/v"),
        (r#""f": {"t": 9, "v": {"b": true}}"#.to_string(), "/f/f/t"),
        (
            r#""f": {"t": 0, "v": {"b": true}, "p": [{"p": 99, "v": {"b": true}}]}"#.to_string(),
            "/f/f/p",
        ),
        (setting(&user(36, r#""s": "x""#)), "/f/f/r/0/c/0/u/c"),
        (setting(&user(22, r#""l": ["x"]"#)), "/f/f/r/0/c/0/u"),
        (setting(r#"{"s": {"s": 1, "c": 0}}"#), "/f/f/r/0/c/0/s/s"),
        (
            setting(r#"{"p": {"f": "g", "c": 0, "v": {"b": true}}}"#),
            "/f/f/r/0/c/0/p/f",
        ),
        (
            setting(r#"{"p": {"f": "f", "c": 0, "v": {"b": true}}}"#),
            "/f/f",
        ),
    ] {
        let imported = imported(&settings, &options);
        let [refusal] = imported.report.refusals.as_slice() else {
            panic!("{settings}: {:?}", imported.report)
        };
        assert_eq!(refusal.pointer, pointer, "{}", refusal.reason);
        assert_eq!(refusal.answer, Answer::ParseError);
    }
}

#[test]
fn documents_of_older_versions_are_no_documents() {
    let document = br#"{"f": {"f": {"v": false, "t": 0, "p": [], "r": []}}}"#;
    let error = import(Format::ConfigCat, document, &ImportOptions::new());
    let Err(ImportError::Structure { pointer, reason }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(pointer, "/f/f/v");
    assert!(reason.contains("version 5"), "{reason}");
}

#[test]
fn a_variant_is_called_by_its_variation_id_or_its_value() {
    let settings = r#""f": {"t": 1, "v": {"s": "red"}, "p": [
        {"p": 50, "v": {"s": "red"}, "i": "a1"}, {"p": 50, "v": {"s": "blue"}, "i": "a1"}]}"#;
    let imported = imported(settings, &ImportOptions::new());
    let set = FlagSet::from_json_strict(imported.document.as_bytes()).unwrap();
    let names: String = set
        .flag("f")
        .unwrap()
        .variants()
        .map(|(name, _)| name.to_string() + " ")
        .collect();
    assert_eq!(names, "red a1 a1-2 ");
}
