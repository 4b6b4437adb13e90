//! `bucketry validate`, from the outside.

mod program;

use program::{changed_example, file, run, run_with};
use serde_json::json;

#[test]
fn the_examples_are_in_order() {
    let ran = run("validate --strict examples/flags.json");
    assert_eq!(
        ran.exits(0),
        "examples/flags.json: ok (9 flags, revision 42)\n"
    );
}

#[test]
fn problems_are_lines_that_tools_understand() {
    let path = changed_example(
        "validate-problems.json",
        &[
            ("\"format\": 1,", "\"format\": 1, \"formt\": 2,"),
            ("\"default\": \"none\"", "\"default\": \"nothing\""),
            ("\"rollout\": 80", "\"rollot\": 80"),
        ],
    );
    let stdout = run(&format!("validate {path}")).exits(1);
    let want = "\
FILE:3:16: warning: unknown member `formt` [/formt]
FILE:66:11: error: unknown member `rollot` [/flags/buy-button/rules/1/rollot]
FILE:135:7: error: the flag has no variant `nothing` [/flags/discount/default]
FILE: not ok (9 flags, revision 42, 2 errors, 1 warning)
";
    assert_eq!(stdout.replace(&path, "FILE"), want);

    let found = run(&format!("validate --json {path}")).json(1);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["valid"], false);
    let second = &found[0]["problems"][1];
    assert_eq!(
        second,
        &json!({
            "severity": "error", "line": 66, "column": 11, "flag": "buy-button",
            "pointer": "/flags/buy-button/rules/1/rollot", "message": "unknown member `rollot`",
        })
    );
}

#[test]
fn warnings_count_when_asked_to() {
    let path = file("validate-warning.json", r#"{"format":1,"colour":"red"}"#);
    assert!(run(&format!("validate {path}")).exits(0).contains(": ok ("));
    assert!(
        run(&format!("validate --strict {path}"))
            .exits(1)
            .contains(": not ok (")
    );
}

#[test]
fn what_is_no_flag_set_is_told_with_its_place() {
    for (text, want) in [
        (
            "{\"format\":1,\n  \"flags\":{",
            "-:2:12: error: the text ends in the middle of a value",
        ),
        ("[]", "-:1:1: error: "),
        ("{\"format\":2}", "-:1:2: error: "),
        ("", "-:1:1: error: "),
        ("{\"format\":1} x", "-:1:14: error: "),
    ] {
        let stdout = run_with("validate -", text).exits(1);
        let stdout = stdout.replace("standard input", "-");
        assert!(stdout.starts_with(want), "{text:?}: {stdout}");
    }
    // Half a character, where a line number is still known.
    let mut command = program::command("validate -");
    command.env("LC_ALL", "C");
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("validate-bytes.json");
    std::fs::write(&path, b"{\"format\":1,\n\"x\":\"\xC3\"}").unwrap();
    let stdout = run(&format!("validate {}", path.display())).exits(1);
    assert!(
        stdout.contains(":2:6: error: the bytes are not UTF-8"),
        "{stdout}"
    );
}

#[test]
fn an_unreadable_file_does_not_keep_the_others_from_being_checked() {
    let ran = run("validate no-such-file.json examples/flags.json");
    let stderr = ran.stderr.clone();
    assert_eq!(
        ran.exits(2),
        "examples/flags.json: ok (9 flags, revision 42)\n"
    );
    assert!(
        stderr.starts_with("error: cannot read `no-such-file.json`: "),
        "{stderr}"
    );
}
