//! `bucketry import`, from the outside.

mod program;

use std::fs;

use program::{file, run, run_with};
use serde_json::Value;

const BROKEN: &str = r#"{"createdAt":"2026-01-01T00:00:00Z","flags":{
    "good":{"key":"good","enabled":true,"variationType":"BOOLEAN","variations":{"on":{"key":"on","value":true}},"allocations":[]},
    "odd":{"key":"odd","enabled":true,"variationType":"BOOLEAN","variations":{"on":{"key":"on","value":true}},
        "allocations":[{"key":"a","rules":[{"conditions":[{"attribute":"x","operator":"SOUNDS_LIKE","value":"y"}]}],
        "splits":[{"variationKey":"on","shards":[]}]}]}}}"#;

#[test]
fn what_is_imported_is_a_flag_set() {
    let ran = run("import --from ufc examples/ufc.json");
    assert_eq!(
        ran.stderr,
        "examples/ufc.json (ufc, datadog): 4 flags imported, 0 refused\n"
    );
    let document = ran.exits(0);
    run_with("validate --strict -", &document).exits(0);
    // The same answers as when it is read directly.
    let path = file("import-set.json", &document);
    // One visitor has no targeting key, which is an error of one flag.
    let contexts = "--contexts examples/contexts.ndjson --at 2026-11-23T12:00:00Z";
    let through_file = run(&format!("evaluate {path} {contexts}")).exits(1);
    let directly = run(&format!("evaluate --from ufc examples/ufc.json {contexts}")).exits(1);
    assert_eq!(through_file, directly);
}

#[test]
fn with_no_file_the_example_is_imported() {
    let ran = run("import --from ufc");
    assert!(
        ran.stderr
            .starts_with("note: importing the example, `examples/ufc.json`\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        ran.exits(0),
        run("import --from ufc examples/ufc.json").exits(0)
    );
}

#[test]
fn refusals_show_in_the_report_and_in_the_exit_code() {
    let path = file("import-broken.json", BROKEN);
    let ran = run(&format!("import --from ufc {path}"));
    let stderr = ran.stderr.clone();
    assert!(
        stderr.starts_with("refused /flags/odd/allocations/0/rules/0/conditions/0/operator: "),
        "{stderr}"
    );
    assert!(stderr.ends_with("1 flag imported, 1 refused\n"), "{stderr}");
    let document: Value = serde_json::from_str(&ran.exits(1)).unwrap();
    assert!(document["flags"]["odd"]["error"].is_string());
    run(&format!("import --from ufc {path} --allow-refusals")).exits(0);

    let ran = run(&format!("import --from ufc {path} --report json"));
    let report: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(report["refusals"][0]["flag"], "odd");
    assert_eq!(report["flags"][0]["key"], "good");
    ran.exits(1);
}

#[test]
fn the_flag_set_can_go_to_a_file() {
    let out = file("import-out.json", "");
    assert_eq!(
        run(&format!("import --from ufc examples/ufc.json -o {out}")).exits(0),
        ""
    );
    assert_eq!(
        fs::read_to_string(&out).unwrap(),
        run("import --from ufc examples/ufc.json").exits(0)
    );
}

#[test]
fn trouble_has_a_code_of_its_own() {
    for (line, input, want) in [
        ("import examples/ufc.json", "", "--from <FORMAT>"),
        (
            "import --from flagpole examples/ufc.json",
            "",
            "[possible values: ",
        ),
        (
            "import --from ufc -",
            "[]",
            "`standard input`: document is no object",
        ),
        (
            "import --from ufc -",
            "{",
            "`standard input`: document is not valid JSON",
        ),
        (
            "import --from ufc -o no/such/folder/x.json",
            "",
            "cannot write `no/such/folder/x.json`",
        ),
    ] {
        let ran = run_with(line, input);
        assert!(ran.stderr.contains(want), "{line}: {}", ran.stderr);
        ran.exits(2);
    }
}
