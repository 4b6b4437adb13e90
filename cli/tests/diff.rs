//! `bucketry diff`, from the outside.

mod program;

use program::{changed_example, file, run, run_with};
use serde_json::json;

const OLD: &str = "examples/flags.json";

/// The example with another split of a running experiment and another value.
fn changed_split(name: &str) -> String {
    changed_example(
        name,
        &[
            ("\"revision\": 42", "\"revision\": 43"),
            (
                "\"control\": 2, \"green\": 1, \"outline\": 1",
                "\"control\": 1, \"green\": 2, \"outline\": 1",
            ),
            ("\"small\": 0.05", "\"small\": 0.06"),
        ],
    )
}

#[test]
fn a_flag_set_is_the_same_as_itself() {
    let stdout = run(&format!("diff {OLD} {OLD}")).exits(0);
    assert_eq!(
        stdout,
        "examples/flags.json revision 42 -> examples/flags.json revision 42\n\nno difference\n"
    );
    let path = changed_example(
        "diff-revision.json",
        &[("\"revision\": 42", "\"revision\": 50")],
    );
    run(&format!("diff {OLD} {path}")).exits(0); // a revision is no difference
}

#[test]
fn a_raised_rollout_moves_exactly_its_share() {
    let set = |rollout| {
        format!(
            r#"{{"format":1,"flags":{{"f":{{"type":"boolean","default":"off","rules":[{{"id":"r","serve":"on","rollout":{rollout}}}]}}}}}}"#
        )
    };
    let (old, new) = (
        file("diff-20.json", &set(20)),
        file("diff-50.json", &set(50)),
    );
    let stdout = run(&format!("diff {old} {new}")).exits(1);
    let want = "\
OLD revision 0 -> NEW revision 0

f
  ~ rule r: rollout 20 % -> 50 %
  > of all units
      30 %  off -> on

1 change; units change variant in 1 flag
";
    assert_eq!(stdout.replace(&old, "OLD").replace(&new, "NEW"), want);
    run(&format!("diff {old} {new} --fail-on-move")).exits(0); // no experiment

    let found = run(&format!("diff {new} {old} --json")).json(1);
    let moved = &found[0]["movements"][0]["cases"][0]["moves"][0];
    // Both cuts are rounded down to whole positions, so the share is right to one position.
    let share = moved["share"].as_f64().unwrap();
    assert!((share - 0.3).abs() < 1.0 / 4_294_967_296.0, "{share}");
    assert_eq!(
        (&moved["from"], &moved["to"], &moved["exact"]),
        (&json!("on"), &json!("off"), &json!(true))
    );
}

#[test]
fn a_running_experiment_that_would_move_units_stops_a_build() {
    let new = changed_split("diff-weights.json");
    let stdout = run(&format!("diff {OLD} {new} --fail-on-move")).exits(1);
    for line in [
        "  ~ variant small 0.05 -> 0.06\n",
        "  ! experiment button-test stays in phase 2, but 25 % of its units switch control -> green\n",
        "1 change within a phase of a running experiment; a new phase would draw anew\n",
    ] {
        assert!(stdout.contains(line), "{line}: {stdout}");
    }
    let found = run(&format!("diff {OLD} {new} --json")).json(1);
    let broken = &found[0]["phaseBreaks"][0];
    assert_eq!(
        (&broken["kind"], &broken["ofAssigned"]),
        (&json!("switched"), &json!(0.25))
    );

    // A new phase may do what it likes.
    let restarted = changed_example(
        "diff-phase.json",
        &[
            (
                "\"control\": 2, \"green\": 1, \"outline\": 1",
                "\"control\": 1, \"green\": 2, \"outline\": 1",
            ),
            ("\"phase\": 2", "\"phase\": 3"),
        ],
    );
    run(&format!("diff {OLD} {restarted} --fail-on-move")).exits(0);
}

#[test]
fn a_list_of_units_counts_who_moves() {
    let new = changed_example(
        "diff-units.json",
        &[("\"rollout\": 12.5", "\"rollout\": 25")],
    );
    let mut csv = String::from("visitor,country,appVersion\n");
    let mut ndjson = String::new();
    for number in 0..2_000 {
        csv += &format!("visitor-{number},JP,3.0.0\n");
        ndjson += &format!(
            "{{\"targetingKey\":\"visitor-{number}\",\"country\":\"JP\",\"appVersion\":\"3.0.0\"}}\n"
        );
    }
    let units = file("diff-units.csv", &csv);
    let by_csv = run(&format!("diff {OLD} {new} --json --units {units}")).json(1);
    let by_ndjson = run_with(
        &format!("diff {OLD} {new} --json --units - --format ndjson"),
        &ndjson,
    )
    .json(1);
    assert_eq!(by_csv, by_ndjson);
    let counted = &by_csv[0]["units"];
    assert_eq!(counted["count"], 2_000);
    let moved = &counted["moves"][0];
    assert_eq!(
        (&moved["flag"], &moved["to"]),
        (&json!("new-checkout"), &json!("on"))
    );
    // Binomial with p = 1/8: 250, with a standard deviation of 15. The units are fixed, so this cannot flicker.
    let units_moved = moved["units"].as_u64().unwrap();
    assert!((200..300).contains(&units_moved), "{units_moved}");

    let stdout = run(&format!("diff {OLD} {new} --units {units}")).exits(1);
    let line = format!("  > {units_moved} of 2000 units (");
    assert!(stdout.contains(&line), "{stdout}");
    assert!(stdout.contains("2000 units read; 1 change; "), "{stdout}");
}

#[test]
fn trouble_has_a_code_of_its_own() {
    let bad = file("diff-bad.csv", "unit,country\na,DE\nb\n");
    for (line, input, want) in [
        (
            "diff - -".into(),
            "",
            "only one file can come from standard input",
        ),
        (
            format!("diff {OLD} no-such.json"),
            "",
            "cannot read `no-such.json`",
        ),
        (
            format!("diff {OLD} -"),
            "[]",
            "`standard input`: not a flag set",
        ),
        (
            format!("diff {OLD} {OLD} --units {bad}"),
            "",
            "line 3: found 1 cells where the first line has 2",
        ),
        (format!("diff {OLD} {OLD} --typed"), "", "--units"),
        ("diff".into(), "", "<OLD>"),
    ] {
        let ran = run_with(&line, input);
        assert!(ran.stderr.contains(want), "{line}: {}", ran.stderr);
        ran.exits(2);
    }
}
