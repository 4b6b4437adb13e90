//! The small commands, and what all commands have in common, from the outside.

mod program;

use program::{run, run_with};
use serde_json::json;

#[test]
fn positions_are_those_of_the_documents() {
    // docs/bucketing.md gives the formulas; these were computed by tests/reference.
    let lines = run("position --salt button-test/2 visitor-17").json(0);
    assert_eq!(
        lines,
        [
            json!({ "unit": "visitor-17", "arm": 3_746_962_987_u64, "enrol": 272_141_991, "modulus": 4_294_967_296_u64 })
        ]
    );
    // MD5("s-user-1") begins with 0xfbca03d1, and that modulo 100 is 65.
    let lines = run_with(
        "position --salt s- --hash md5-mod --modulus 100",
        "user-1\r\n\nuser-1\n",
    )
    .json(0);
    assert_eq!(
        lines,
        vec![json!({ "unit": "user-1", "arm": 65, "modulus": 100 }); 2]
    );
    let lines = run("position --salt checkout/7f3a9c21 --hash sha256 user-1").json(0);
    assert_eq!(lines[0]["arm"], 1_951_514_297);
}

#[test]
fn positions_are_a_table_for_a_person() {
    let want = "\
unit               arm      %      enrol     %
visitor-17  3746962987  87.24  272141991  6.33
";
    let line = "position --text --salt button-test/2 visitor-17";
    assert_eq!(run(line).exits(0), want);
    let want = "\
unit    arm      %  enrol  %
user-1   65  65.00      -
";
    let line = "position --text --salt s- --hash md5-mod --modulus 100 user-1";
    assert_eq!(run(line).exits(0), want);
}

#[test]
fn hashed_ids_are_found_by_the_flag_set_that_holds_them() {
    let ids = "c-1002\nc-1001\nc-1002\n";
    let list = run_with("hash-ids --salt pilot-2026", ids).exits(0);
    let example = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/flags.json"
    ))
    .unwrap();
    assert!(
        example.contains(&format!("\"hashedIds\": \"{}\"", list.trim_end())),
        "{list}"
    );
    let condition = run_with(
        "hash-ids --salt pilot-2026 --condition --unit customerId",
        ids,
    )
    .json(0);
    assert_eq!(
        condition,
        [json!({ "hashedIds": list.trim_end(), "salt": "pilot-2026", "unit": "customerId" })]
    );
    assert_eq!(run_with("hash-ids --salt s", "").exits(0), "\n"); // nobody is a list too
}

#[test]
fn every_shell_has_its_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&format!("completions {shell}")).exits(0);
        assert!(script.contains("hash-ids"), "{shell}");
    }
}

#[test]
fn every_command_has_help() {
    let help = run("--help").exits(0);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(
        commands.contains(&"explain") && commands.contains(&"assign"),
        "{commands:?}"
    );
    for command in commands.iter().filter(|command| **command != "help") {
        let help = run(&format!("{command} --help")).exits(0);
        assert!(
            help.contains(&format!("Usage: bucketry {command}")),
            "{help}"
        );
    }
    assert!(run("--version").exits(0).starts_with("bucketry "));
}

#[test]
fn wrong_arguments_have_a_code_of_their_own() {
    for (line, want) in [
        ("", "Usage: bucketry <COMMAND>"),
        ("explode", "unrecognized subcommand"),
        ("position --salt", "a value is required"),
        ("position --salt '' x", "a salt has 1 to 1024 bytes"),
        ("position --salt s --hash md5-mod x", "--modulus"),
        (
            "position --salt s --modulus 5 x",
            "the hash `xxh64` has no modulus",
        ),
        (
            "position --salt s --hash md5-mod --modulus 0 x",
            "0 is not in 1..",
        ),
        (
            "position --salt s --hash md5-mod --modulus 4294967297 x",
            "the modulus of `md5-mod` is 1 to 4294967296",
        ),
        (
            "position --salt s --hash murmur3-32-seed-mod --modulus 100 x",
            "the salt of `murmur3-32-seed-mod` is its seed",
        ),
        (
            "position --salt s --hash sha256 --seed 5 x",
            "the hash `sha256` has no seed",
        ),
        ("hash-ids --salt s --unit u", "--condition"),
        ("validate", "<FILE>..."),
        ("completions tcsh", "invalid value"),
    ] {
        let ran = run(line);
        assert!(ran.stderr.contains(want), "{line}: {}", ran.stderr);
        ran.exits(2);
    }
}

#[test]
fn lines_that_are_no_text_are_named() {
    let mut command = program::command("hash-ids --salt s");
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools-bytes.txt");
    std::fs::write(&path, b"good\n\xFF\n").unwrap();
    command.stdin(std::fs::File::open(&path).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: line 2 is not UTF-8\n"
    );
}
