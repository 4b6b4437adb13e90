//! `bucketry evaluate`, from the outside.

mod program;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use program::{changed_example, command, file, run, run_with};
use serde_json::json;

const AT: &str = "--at 2026-11-23T12:00:00Z";

#[test]
fn with_nothing_named_the_example_answers() {
    let ran = run(&format!("evaluate {AT}"));
    let notes = ran.stderr.clone();
    assert!(
        notes.contains("note: no flag set is named, so the example answers: examples/flags.json\n")
    );
    assert!(notes.contains("note: no context is given, so the example's visitor asks: {"));
    let answers = ran.json(0);
    assert_eq!(answers.len(), 9);
    assert_eq!(
        answers[1],
        json!({
            "context": 1, "targetingKey": "visitor-17", "flagKey": "buy-button",
            "variant": "outline", "value": "outline", "reason": "SPLIT",
            "ruleIndex": 1, "ruleId": "button-test", "revision": 42,
            "assignment": {
                "experiment": "button-test", "phase": 2, "unitType": "targetingKey", "unit": "visitor-17",
                "arm": 3_746_962_987_u64, "armRange": [3_221_225_472_u64, 4_294_967_296_u64],
                "modulus": 4_294_967_296_u64, "enrol": 272_141_991, "enrolCut": 3_435_973_836_u64,
                "layer": "checkout", "layerPosition": 1_867_235_281,
            },
        })
    );
    assert_eq!(
        answers[0]["flagMetadata"],
        json!({ "ticket": "SHOP-812", "temporary": true })
    );
    assert_eq!(answers[6]["value"]["hero"], "recommended");
}

#[test]
fn the_example_knows_its_visitor_also_when_it_is_named() {
    for set in ["examples/flags.json", "--from ufc examples/ufc.json"] {
        let answers = run(&format!("evaluate {AT} {set}")).json(0);
        assert_eq!(answers[0]["targetingKey"], "visitor-17", "{set}");
    }
    let path = file(
        "evaluate-other.json",
        r#"{"format":1,"flags":{"f":{"type":"boolean"}}}"#,
    );
    let ran = run(&format!("evaluate {AT} {path}"));
    assert_eq!(
        ran.stderr,
        "note: no context is given, so an empty one is used; see --context\n"
    );
    assert!(ran.json(0)[0]["targetingKey"].is_null());
}

#[test]
fn a_person_gets_a_table() {
    let stdout = run(&format!(
        "evaluate {AT} --text examples/flags.json new-checkout buy-button home-page reviews --context '{{\"targetingKey\":\"visitor-17\",\"country\":\"DE\",\"appVersion\":\"2.4.1\"}}'"
    ))
    .exits(0);
    let want = "\
visitor-17 at 2026-11-23T12:00:00Z, revision 42
flag          variant  value                          reason    why
new-checkout  on       true                           SPLIT     rule 3 eu
buy-button    outline  \"outline\"                      SPLIT     rule 2 button-test, in button-test/2
home-page     plain    {\"hero\":\"static\",\"rows\":[\"ne…  DEFAULT
reviews       off      false                          DISABLED
";
    assert_eq!(stdout, want);
}

#[test]
fn contexts_come_from_a_stream_and_keep_their_numbers() {
    let contexts =
        "{\"targetingKey\":\"a\",\"country\":\"DE\"}\n\n{\n  \"targetingKey\": \"b\"\n}\n";
    let answers = run_with(
        "evaluate examples/flags.json new-checkout --contexts -",
        contexts,
    )
    .json(0);
    let places: Vec<_> = answers
        .iter()
        .map(|answer| {
            (
                answer["context"].as_u64().unwrap(),
                answer["targetingKey"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(places, [(1, "a"), (2, "b")]);
}

#[test]
fn whoever_feeds_contexts_one_by_one_gets_answers_one_by_one() {
    let mut child = command("evaluate examples/flags.json new-checkout --contexts -")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for key in ["a", "b"] {
        // A program that waited for more would make this test wait for ever.
        writeln!(stdin, "{{\"targetingKey\":\"{key}\"}}").unwrap();
        let answer = answers.next().unwrap().unwrap();
        assert!(
            answer.contains(&format!("\"targetingKey\":\"{key}\"")),
            "{answer}"
        );
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn time_random_number_and_prior_assignments_take_part() {
    let cart = "--context '{\"targetingKey\":\"u\",\"cart\":{\"total\":200}}'";
    for (at, want) in [
        ("2026-11-26T23:59:59.999Z", 75),
        ("2026-11-27T01:00:00+01:00", 0), // in force from this instant
        ("1798329600000", 75),            // 2026-12-27T00:00:00Z: no longer
    ] {
        let answers = run(&format!(
            "evaluate examples/flags.json free-shipping-from {cart} --at {at}"
        ))
        .json(0);
        assert_eq!(answers[0]["value"], want, "{at}");
    }

    let drawn = "evaluate examples/flags.json search-ranking --context '{\"targetingKey\":\"u\"}'";
    assert_eq!(run(drawn).json(0)[0]["assignment"]["sticky"], "write");
    for variant in ["classic", "semantic"] {
        let answers = run(&format!("{drawn} --prior ranking-test/1={variant}")).json(0);
        assert_eq!(answers[0]["variant"], variant);
        assert_eq!(answers[0]["assignment"]["sticky"], "hit");
    }

    let path = file(
        "evaluate-random.json",
        r#"{"format":1,"flags":{"f":{"type":"boolean","default":"off","rules":[
            {"id":"r","unit":"$random","serve":"on","rollout":50}]}}}"#,
    );
    let variants: Vec<_> = (0..20)
        .map(|number| {
            run(&format!("evaluate {path} --random {number} --context {{}}")).json(0)[0]["variant"]
                .clone()
        })
        .collect();
    assert!(
        variants.contains(&json!("on")) && variants.contains(&json!("off")),
        "{variants:?}"
    );
}

#[test]
fn an_error_in_a_flag_is_an_answer_and_shows_in_the_exit_code() {
    let path = changed_example(
        "evaluate-broken.json",
        &[("\"default\": \"none\"", "\"default\": \"nothing\"")],
    );
    let ran = run(&format!(
        "evaluate {path} discount new-checkout missing --context {{}}"
    ));
    let stderr = ran.stderr.clone();
    let answers = ran.json(1);
    let codes: Vec<_> = answers
        .iter()
        .map(|answer| answer["errorCode"].as_str())
        .collect();
    assert_eq!(codes, [Some("PARSE_ERROR"), None, Some("FLAG_NOT_FOUND")]);
    assert!(
        stderr.contains("has 1 error; flags in error answer PARSE_ERROR"),
        "{stderr}"
    );
    assert!(stderr.contains("bucketry validate"), "{stderr}");
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    for (line, input, want) in [
        (
            "--contexts -",
            "{}\n{\"targetingKey\":1}\n",
            "standard input, line 2: context has a `targetingKey` that is no string",
        ),
        (
            "--contexts -",
            "{}\n\nnonsense\n",
            "standard input, line 3: context is not valid",
        ),
        (
            "--contexts -",
            "{}\n{\"a\":",
            "standard input, line 2: context is not valid: the text ends",
        ),
        (
            "--context [1]",
            "",
            "--context, line 1: context is not a JSON object",
        ),
        (
            "--contexts no-such.ndjson",
            "",
            "cannot read `no-such.ndjson`",
        ),
        ("--context {} --contexts -", "", "cannot be used with"),
        ("--at yesterday", "", "neither an RFC 3339 time"),
        (
            "--prior x=y",
            "",
            "not of the form EXPERIMENT/PHASE=VARIANT",
        ),
        ("--dialect eppo", "", "--from"),
    ] {
        let ran = run_with(
            &format!("evaluate examples/flags.json new-checkout {line}"),
            input,
        );
        assert!(ran.stderr.contains(want), "{line}: {}", ran.stderr);
        ran.exits(2);
    }
}

#[test]
fn the_first_argument_is_a_file_or_a_flag_of_the_example() {
    assert_eq!(run("evaluate new-checkout buy-button").json(0).len(), 2);
    assert_eq!(
        run("evaluate --from ufc page-size").json(0)[0]["flagKey"],
        "page-size"
    );

    let ran = run("evaluate no-such-flag");
    assert!(
        ran.stderr
            .contains("there is no file `no-such-flag`\nhelp: the first argument is the flag set"),
        "{}",
        ran.stderr
    );
    ran.exits(2);
    let ran = run("evaluate no/such/file.json");
    assert!(
        ran.stderr
            .ends_with("error: there is no file `no/such/file.json`\n"),
        "{}",
        ran.stderr
    );
    ran.exits(2);
    let ran = run_with("evaluate - --contexts -", "{}");
    assert!(
        ran.stderr.contains("cannot both come from standard input"),
        "{}",
        ran.stderr
    );
    ran.exits(2);
}

#[test]
fn another_services_document_answers_directly() {
    let answers = run("evaluate --from ufc examples/ufc.json --context '{\"targetingKey\":\"u\",\"country\":\"DE\",\"appVersion\":\"2.2.0\",\"screenWidth\":1920}'").json(0);
    let variants: Vec<_> = answers
        .iter()
        .map(|answer| answer["variant"].as_str())
        .collect();
    assert_eq!(answers.len(), 4);
    assert_eq!(variants[2], Some("large"));
    assert_eq!(variants[3], None); // disabled: the caller's default
    assert!(answers[1]["assignment"]["unit"] == "u", "{}", answers[1]);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = command("evaluate examples/flags.json --contexts -")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let _ = child.stdin.take().unwrap().write_all(b"{}\n{}\n{}\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn text_of_a_context_cannot_steer_the_terminal() {
    let stdout = run("evaluate --text examples/flags.json new-checkout --context '{\"targetingKey\":\"\\u001b[31mred\\u009b2J\"}'").exits(0);
    assert!(
        stdout.starts_with("\\u{1b}[31mred\\u{9b}2J at "),
        "{stdout:?}"
    );
}
