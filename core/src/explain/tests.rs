use alloc::string::ToString;

use super::{Explanation, RuleOutcome};
use crate::resolution::Sticky;
use crate::{EvaluationContext, FlagSet, Outcome, Reason, UnixMillis};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn explain(flags: &str, flag: &str, context: &EvaluationContext<'_>) -> Explanation {
    let document = alloc::format!(
        r#"{{"format":1,"segments":{{"eu":{{"attribute":"country","in":["DE","FR"]}}}},
            "layers":{{"l":{{}}}},"holdouts":{{"all":{{"percent":100}}}},"flags":{{{flags}}}}}"#
    );
    let set = FlagSet::from_json_strict(document.as_bytes()).unwrap();
    set.explain(flag, context, NOW)
}

#[test]
fn each_rule_says_how_it_ended() {
    let context = EvaluationContext::new("u")
        .with("country", "US")
        .with("age", 40);
    let explanation = explain(
        r#""f":{"type":"string","variants":{"a":"A","b":"B"},"default":"a","rules":[
            {"id":"past","until":"2001-01-01T00:00:00Z","serve":"b"},
            {"id":"eu","if":{"segment":"eu"},"serve":"b"},
            {"id":"nobody","serve":"b","rollout":0},
            {"id":"tenant","unit":"tenant","serve":"b","rollout":100},
            {"id":"held","experiment":{"key":"x","holdout":"all"},"split":{"b":1}},
            {"id":"half","split":{"a":1,"b":0}},
            {"id":"late","serve":"b"}]}"#,
        "f",
        &context,
    );
    let outcomes: alloc::vec::Vec<_> = explanation.rules.iter().map(|rule| &rule.outcome).collect();
    assert_eq!(
        outcomes,
        [
            &RuleOutcome::Passed(Outcome::OutsideWindow),
            &RuleOutcome::Passed(Outcome::ConditionFalse),
            &RuleOutcome::Passed(Outcome::OutsideRollout),
            &RuleOutcome::UnitMissing,
            &RuleOutcome::Passed(Outcome::HeldOut),
            &RuleOutcome::Served {
                variant: "a".to_string(),
                sticky: Sticky::None
            },
            &RuleOutcome::NotReached,
        ]
    );
    assert_eq!(explanation.variant.as_deref(), Some("a"));
    assert_eq!(explanation.reason, Reason::Split);
    let eu = explanation.rules[1].condition.as_ref().unwrap();
    assert_eq!(
        (eu.text.as_str(), eu.result),
        ("segment \"eu\"", Some(false))
    );
    assert_eq!(eu.children[0].text, r#"country in ["DE", "FR"]"#);
    assert_eq!(eu.children[0].attribute.as_deref(), Some("\"US\""));
    let draw = explanation.rules[5].draw.as_ref().unwrap();
    assert_eq!(
        (draw.salt.as_str(), draw.unit.as_deref()),
        ("f/half", Some("u"))
    );
    assert_eq!(draw.arms, [("a".to_string(), 0, 1 << 32)]);
}

#[test]
fn what_was_not_looked_at_is_shown_as_such() {
    let context = EvaluationContext::new("u").with("age", 40);
    let explanation = explain(
        r#""f":{"type":"boolean","rules":[{"serve":"on","if":{"all":[
            {"attribute":"age","greaterThan":50},
            {"any":[{"attribute":"email","endsWith":"@x"},{"not":{"attribute":"n","exists":true}}]}]}}]}"#,
        "f",
        &context,
    );
    let condition = explanation.rules[0].condition.as_ref().unwrap();
    assert_eq!(condition.text, "all");
    let [age, any] = condition.children.as_slice() else {
        panic!("two children: {condition:?}");
    };
    assert_eq!((age.text.as_str(), age.result), ("age > 50", Some(false)));
    assert_eq!((any.text.as_str(), any.result), ("any", None));
    assert_eq!(any.children[1].children[0].text, "n exists");
}

#[test]
fn a_prerequisite_brings_its_own_explanation() {
    let context = EvaluationContext::new("u").with("country", "DE");
    let flags = r#"
        "static":{"type":"boolean","default":"on"},
        "base":{"type":"boolean","rules":[{"if":{"segment":"eu"},"serve":"on"},{"serve":"off"}]},
        "f":{"type":"boolean","rules":[
            {"if":{"all":[{"flag":"static","is":"on"},{"flag":"base","is":["on","off"]},{"attribute":"country","equals":"DE"}]},"serve":"on"}]}"#;
    let explanation = explain(flags, "f", &context);
    let condition = explanation.rules[0].condition.as_ref().unwrap();
    let [first, second, third] = condition.children.as_slice() else {
        panic!("three children: {condition:?}");
    };
    let nested = first.prerequisite.as_ref().unwrap();
    assert_eq!((nested.flag.as_str(), nested.rules.len()), ("static", 0));
    let nested = second.prerequisite.as_ref().unwrap();
    assert_eq!((nested.flag.as_str(), nested.rules.len()), ("base", 2));
    assert_eq!(nested.rules[1].outcome, RuleOutcome::NotReached);
    assert_eq!(second.text, r#"flag "base" is one of ["on", "off"]"#);
    assert_eq!(third.result, Some(true));
    assert_eq!(explanation.variant.as_deref(), Some("on"));
}

#[cfg(feature = "messages")]
#[test]
fn missing_flags_and_refused_ones_are_explained_too() {
    let set = FlagSet::from_json(br#"{"format":1,"flags":{"f":{"type":"boolean","default":"x"}}}"#);
    let set = set.unwrap();
    let context = EvaluationContext::anonymous();
    let missing = set.explain("g", &context, NOW);
    assert_eq!(
        (missing.flag.as_str(), missing.reason),
        ("g", Reason::Error)
    );
    let refused = set.explain("f", &context, NOW);
    let message = refused.error_message.unwrap();
    assert_eq!(message, "/flags/f/default: the flag has no variant `x`");
}
