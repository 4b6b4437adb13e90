//! `bucketry explain`, from the outside.

mod program;

use std::collections::BTreeMap;

use program::{changed_example, command, file, finish, run};
use serde_json::Value;

const AT: &str = "--at 2026-11-23T12:00:00Z";

#[test]
fn a_person_sees_which_rule_won_and_why_the_others_did_not() {
    let ran = run(&format!("explain {AT}"));
    assert!(
        ran.stderr
            .contains("note: explaining buy-button; there are also new-checkout, "),
        "{}",
        ran.stderr
    );
    let want = r#"buy-button  outline = "outline"  SPLIT
visitor-17 at 2026-11-23T12:00:00Z, revision 42

✗ 1 staff        its condition is false
     ✗ segment "staff"
       ✗ email endsWith ["@shop.example"] ignoring case  "mara@mail.example"
✓ 2 button-test  serves outline  experiment button-test/2
     ✓ all
       ✓ flag "new-checkout" is "on"                    on, SPLIT
       ✓ appVersion semver >=2.1.0 (loose)              "2.4.1"
     ✓ layer   [#################|##....................]  43.47 %  in 0..50 % of checkout
     ✓ rollout [##|#############################........]   6.33 %  below 80 %
       split   [####################....................]           control 0..50 %
               [....................##########..........]           green 50..75 %
     ✓         [..............................####|#####]  87.24 %  outline 75..100 %
       xxh64 of salt "button-test/2" and targetingKey "visitor-17": arm 3746962987, enrol 272141991 of 4294967296
     ✓ holdout [##..............|.......................]  41.75 %  not in 0..5 % of q4-2026
"#;
    assert_eq!(ran.exits(0), want);
}

#[test]
fn each_way_to_fail_has_its_words() {
    let stdout = run(&format!(
        "explain {AT} examples/flags.json free-shipping-from buy-button request-timeout-ms reviews --context '{{\"targetingKey\":\"visitor-3\",\"country\":\"US\"}}'"
    ))
    .exits(0);
    let want = r#"free-shipping-from  usual = 75  DEFAULT
visitor-3 at 2026-11-23T12:00:00Z, revision 42

✗ 1 holidays  is in force from 2026-11-27T00:00:00Z until 2026-12-27T00:00:00Z only
     · segment "large-carts"
✗ 2 loyal     its condition is false
     ✗ customerSince before 2024-01-01T00:00:00Z        missing
✓ no rule served: the default serves usual

buy-button  control = "blue"  DEFAULT
visitor-3 at 2026-11-23T12:00:00Z, revision 42

✗ 1 staff        its condition is false
     ✗ segment "staff"
       ✗ email endsWith ["@shop.example"] ignoring case  missing
✗ 2 button-test  its condition is false  experiment button-test/2
     ✗ all
       ✗ flag "new-checkout" is "on"                    off, DEFAULT
           ✗ 1 staff      its condition is false
           ✗ 2 pilot      its condition is false
           ✗ 3 eu         its condition is false
           ✗ 4 elsewhere  the unit is outside its rollout
       · appVersion semver >=2.1.0 (loose)
✓ no rule served: the default serves control

request-timeout-ms  short = 800  STATIC
visitor-3 at 2026-11-23T12:00:00Z, revision 42
✓ no rules: the default serves short

reviews  off = false  DISABLED
visitor-3 at 2026-11-23T12:00:00Z, revision 42

· 1 (no id)  not reached
! the flag is disabled, and serves off
"#;
    assert_eq!(stdout, want);
}

#[test]
fn draws_that_go_against_the_unit_are_drawn_too() {
    let path = file(
        "explain-draws.json",
        r#"{"format":1,
            "layers":{"l":{}},"holdouts":{"h":{"percent":100}},
            "flags":{
                "f":{"type":"string","variants":{"a":"A"},"rules":[
                    {"id":"slots","experiment":{"key":"x","layer":"l","slots":[0,1]},"split":{"a":1}},
                    {"id":"gap","split":[{"variant":"a","ranges":[[0,1]]}]},
                    {"id":"held","experiment":{"key":"y","holdout":"h"},"serve":"a"},
                    {"id":"tenant","unit":"tenant","serve":"a","rollout":100},
                    {"id":"md5","hash":{"name":"md5-mod","modulus":10},"salt":"s","split":[
                        {"variant":"a","ranges":[[0,5]]},{"variant":"a","ranges":[[5,10]]}]}
                ]},
                "e":{"type":"boolean","rules":[{"id":"r","serve":"on","rollout":50,"unit":"tenant","missingUnit":"error"}]}
            }}"#,
    );
    let stdout = run(&format!(
        "explain {AT} {path} --context '{{\"targetingKey\":\"u\"}}'"
    ))
    .exits(1);
    // The positions were computed by tests/reference.
    let want = r#"f  a = "A"  SPLIT
u at 2026-11-23T12:00:00Z, revision 0

✗ 1 slots   the unit is outside its slots of the layer  experiment x/1
     ✗ layer   [#...................|...................]  51.94 %  not in 0..0.01 % of l
✗ 2 gap     the unit falls between its arms
       split   [#.......................................]           a 0..0 %
     ✗         [.........|..............................]  22.94 %  in no arm
       xxh64 of salt "f/gap" and targetingKey "u": arm 985585533, enrol 4160617898 of 4294967296
✗ 3 held    a holdout keeps the unit out  experiment y/1
     ✗ holdout [####################################|###]  91.17 %  in 0..100 % of h
✗ 4 tenant  the context lacks its unit
✓ 5 md5     serves a
     ✓ split   [|#######################################]   0.00 %  a 0..50 %, 50..100 %
       md5-mod of salt "s" and targetingKey "u": arm 0 of 10

e  TARGETING_KEY_MISSING  the context lacks the unit that a rule draws for
u at 2026-11-23T12:00:00Z, revision 0

✗ 1 r  ends in TARGETING_KEY_MISSING
"#;
    assert_eq!(stdout, want);
}

/// The evaluator that explains is the one that evaluates: every flag, every context of the examples.
#[test]
fn explanations_agree_with_answers() {
    let mut compared = 0;
    // Of the imported flags one has no answer for a visitor without targeting key.
    for (set, code) in [
        ("examples/flags.json", 0),
        ("--from ufc examples/ufc.json", 1),
    ] {
        let arguments = format!("{AT} --contexts examples/contexts.ndjson {set}");
        let answers = run(&format!("evaluate {arguments}")).json(code);
        let explanations = run(&format!("explain --json {arguments}")).json(code);
        assert_eq!(answers.len(), explanations.len());
        for (answer, explanation) in answers.iter().zip(&explanations) {
            for member in [
                "context",
                "targetingKey",
                "flagKey",
                "variant",
                "reason",
                "ruleIndex",
                "errorCode",
                "revision",
            ] {
                assert_eq!(
                    answer[member], explanation[member],
                    "{member}: {explanation}"
                );
            }
            assert_eq!(answer["value"].as_f64(), explanation["value"].as_f64());
            let served: Vec<usize> = (explanation["rules"].as_array().unwrap().iter().enumerate())
                .filter(|(_, rule)| rule["outcome"] == "SERVED")
                .map(|(index, _)| index)
                .collect();
            let rule = answer["ruleIndex"].as_u64().map(|index| index as usize);
            assert_eq!(served, Vec::from_iter(rule), "{explanation}");
            if let Some(assignment) = answer["assignment"].as_object() {
                let rules = explanation["rules"].as_array().unwrap();
                let drawn = |rule: &&Value| rule["experiment"]["key"] == assignment["experiment"];
                let draw = &rules.iter().rfind(drawn).unwrap()["draw"];
                assert_eq!(
                    (&draw["arm"], &draw["unit"]),
                    (&assignment["arm"], &assignment["unit"])
                );
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 6 * (9 + 4));
}

#[test]
fn the_examples_show_most_of_what_there_is() {
    let explanations = run(&format!(
        "explain --json {AT} --contexts examples/contexts.ndjson examples/flags.json"
    ))
    .json(0);
    let mut outcomes = BTreeMap::new();
    for rule in explanations
        .iter()
        .flat_map(|each| each["rules"].as_array().unwrap())
    {
        *outcomes
            .entry(rule["outcome"].as_str().unwrap())
            .or_insert(0) += 1;
    }
    for outcome in [
        "SERVED",
        "CONDITION_FALSE",
        "OUTSIDE_WINDOW",
        "OUTSIDE_ROLLOUT",
        "OUTSIDE_LAYER_SLOTS",
        "HELD_OUT",
        "UNIT_MISSING",
        "NOT_REACHED",
    ] {
        assert!(outcomes.contains_key(outcome), "{outcome}: {outcomes:?}");
    }
}

#[test]
fn colours_are_for_terminals_and_for_those_who_force_them() {
    let line = "explain examples/flags.json buy-button --context {}";
    assert!(!run(line).exits(0).contains('\u{1b}'));
    let forced = finish(command(line).env("CLICOLOR_FORCE", "1"), "").exits(0);
    assert!(forced.contains("\u{1b}["));
    let none = finish(
        command(line)
            .env("CLICOLOR_FORCE", "1")
            .env("NO_COLOR", "1"),
        "",
    )
    .exits(0);
    let json = finish(
        command(&format!("{line} --json")).env("CLICOLOR_FORCE", "1"),
        "",
    )
    .exits(0);
    assert!(!json.contains('\u{1b}'));
    assert!(!none.contains('\u{1b}'));
}

#[test]
fn a_refused_flag_says_what_is_wrong_with_it() {
    let path = changed_example(
        "explain-refused.json",
        &[("\"default\": \"none\"", "\"default\": \"nothing\"")],
    );
    let stdout = run(&format!(
        "explain {path} discount missing --context {{}} {AT}"
    ))
    .exits(1);
    let want = "\
discount  PARSE_ERROR  /flags/discount/default: the flag has no variant `nothing`
no targeting key at 2026-11-23T12:00:00Z, revision 42

missing  FLAG_NOT_FOUND  the flag set has no flag of this key
no targeting key at 2026-11-23T12:00:00Z, revision 42
";
    assert_eq!(stdout, want);
}
