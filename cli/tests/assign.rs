//! `bucketry assign`, from the outside.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use bucketry_core::{EvaluationContext, FlagSet, UnixMillis};

const FLAG_SET: &str = r#"{
    "format": 1,
    "revision": 7,
    "flags": {
        "button": {
            "type": "string",
            "variants": { "blue": "blue", "green": "green" },
            "default": "blue",
            "rules": [
                { "if": { "attribute": "staff", "equals": true }, "serve": "green" },
                {
                    "id": "test",
                    "unit": "userId",
                    "experiment": { "key": "exp", "phase": 3 },
                    "rollout": 80,
                    "split": { "blue": 1, "green": 1 }
                }
            ]
        },
        "plain": {
            "type": "boolean",
            "rules": [{ "if": { "attribute": "country", "in": ["DE", "FR"] }, "serve": "on" }]
        }
    }
}"#;

/// A directory of its own for each test, with the flag set in it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("assign-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("flags.json"), FLAG_SET).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bucketry"));
        command
            .current_dir(&self.0)
            .arg("assign")
            .args(arguments.split_whitespace());
        command
    }

    fn run(&self, arguments: &str) -> Ran {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &str, input: &str) -> Ran {
        let mut child = self.spawn(arguments);
        // A command that stops early may not read it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ran::from(child.wait_with_output().unwrap())
    }

    fn spawn(&self, arguments: &str) -> Child {
        self.command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn units(count: usize) -> String {
    let rows = (0..count).map(|unit| format!("user-{unit}\n"));
    std::iter::once("userId\n".to_owned()).chain(rows).collect()
}

#[test]
fn every_unit_gets_the_variant_that_resolving_gives() {
    let place = Place::new("every-unit");
    let countries = ["DE", "US", ""];
    let staff = ["true", "false", "yes"];
    let rows = (0..2_000).map(|unit| (unit, countries[unit % 3], staff[unit / 3 % 3]));
    let mut input = String::from("country,userId,staff,other\r\n");
    let mut want = String::from("userId,button,plain\n");
    let flag_set = FlagSet::from_json(FLAG_SET.as_bytes()).unwrap();
    for (unit, country, staff) in rows {
        input += &format!("{country},\"{unit}\",{staff},\"x\ny\"\r\n");
        let unit = unit.to_string();
        let mut context = EvaluationContext::new(unit.as_str()).with("userId", unit.as_str());
        if !country.is_empty() {
            context.set("country", country);
        }
        match staff {
            "yes" => context.set("staff", "yes"),
            staff => context.set("staff", staff == "true"),
        }
        let variant = |key| {
            let resolution = flag_set.resolve(key, &context, UnixMillis(0));
            resolution.variant().unwrap_or_default()
        };
        want += &format!("{unit},{},{}\n", variant("button"), variant("plain"));
    }
    place.write("units.csv", &input);
    for threads in ["1", "5"] {
        let ran = place.run(&format!(
            "flags.json units.csv --flag button --flag plain --unit-column userId --typed --threads {threads}"
        ));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.stdout, want);
    }
}

#[test]
fn exposures_are_numbered_without_gaps_and_identified_for_ever() {
    let place = Place::new("exposures");
    place.write("units.csv", units(20_000));
    let once = |out: &str| {
        let arguments = format!(
            "flags.json units.csv --flag button --at 2026-12-24T18:00:00Z -o o.csv --exposures {out}"
        );
        let ran = place.run(&arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
        let lines = place.read(out);
        let lines: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(
            ran.stderr.contains(&format!("{} exposures", lines.len())),
            "{ran:?}"
        );
        lines
    };
    let (first, second) = (once("first.ndjson"), once("second.ndjson"));
    // 80 % of 20,000, within five standard deviations of 57.
    assert!(first.len().abs_diff(16_000) < 283, "{}", first.len());
    let variants = place.read("o.csv");
    let variants: std::collections::HashMap<&str, &str> = variants
        .lines()
        .filter_map(|line| line.split_once(','))
        .collect();
    let mut ids = HashSet::new();
    for (number, (a, b)) in first.iter().zip(&second).enumerate() {
        assert_eq!(a["seq"], number as u64 + 1);
        assert_eq!(a["rec"], "exposure");
        assert_eq!(a["experiment"], "exp");
        assert_eq!(a["phase"], 3);
        assert_eq!(a["ts"], 1_798_135_200_000_000_u64);
        assert_eq!(a["unit_type"], "userId");
        let unit = a["unit"].as_str().unwrap();
        assert_eq!(variants[unit], a["variant"], "{unit}");
        assert_eq!(a["event_id"], b["event_id"], "{unit}");
        assert_ne!(a["producer_id"], b["producer_id"]);
        assert!(ids.insert(a["event_id"].as_str().unwrap()), "{unit} twice");
    }
    assert_eq!(first.len(), second.len());
}

#[test]
fn the_summary_counts_variants_and_checks_the_sample_ratio() {
    let place = Place::new("summary");
    let ran = place.run_with("flags.json --flag button", &units(4_000));
    assert!(ran.stderr.starts_with("4000 units in "), "{}", ran.stderr);
    let green = ran
        .stdout
        .lines()
        .filter(|line| line.ends_with(",green"))
        .count();
    let line = format!("green {green} {}.{:02}", green / 40, green % 40 * 10 / 4);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let found = ran.stderr.lines().any(|told| words(told) == line);
    assert!(found, "no {line:?} in {}", ran.stderr);
    assert!(
        ran.stderr.contains("sample ratio: as expected"),
        "{}",
        ran.stderr
    );

    // Only those who got green: no fair draw.
    let chosen: String = std::iter::once("userId")
        .chain(
            ran.stdout
                .lines()
                .filter_map(|line| line.strip_suffix(",green")),
        )
        .map(|unit| format!("{unit}\n"))
        .collect();
    let ran = place.run_with("flags.json --flag button", &chosen);
    assert!(
        ran.stderr.contains("sample ratio mismatch"),
        "{}",
        ran.stderr
    );

    // The rows are not the rule's units.
    let ran = place.run_with(
        "flags.json --flag button --unit-column visit",
        "visit,userId\n1,a\n2,a\n3,a\n",
    );
    assert!(
        ran.stderr.contains("rows may share a unit"),
        "{}",
        ran.stderr
    );
}

#[test]
fn forms_follow_from_names_and_can_be_told() {
    let place = Place::new("forms");
    let csv = "userId,country\na,DE\nb,\n";
    let ndjson = "{\"targetingKey\":\"a\",\"country\":\"DE\"}\n{\"targetingKey\":\"b\"}\n";
    place.write("units.csv", csv);
    place.write("units.jsonl", ndjson);
    let rows = "userId,plain\na,on\nb,\n";
    let objects = "{\"targetingKey\":\"a\",\"variants\":{\"plain\":\"on\"}}\n{\"targetingKey\":\"b\",\"variants\":{\"plain\":null}}\n";
    for (arguments, input, want) in [
        ("flags.json -f plain units.csv", "", rows),
        ("flags.json -f plain -", csv, rows),
        (
            "flags.json -f plain units.csv --output-format ndjson",
            "",
            objects,
        ),
        ("flags.json -f plain units.jsonl", "", objects),
        ("flags.json -f plain --format ndjson", ndjson, objects),
        (
            "flags.json -f plain units.jsonl --output-format csv",
            "",
            "targetingKey,plain\na,on\nb,\n",
        ),
        ("flags.json -f plain --no-header", "a,x\nb,y\n", "a,\nb,\n"),
        ("flags.json -f plain --no-header", "", ""),
        ("flags.json -f plain --format ndjson", "", ""),
    ] {
        let ran = place.run_with(arguments, input);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(0), want),
            "{arguments}: {ran:?}"
        );
    }
    let ran = place.run("flags.json units.csv -f plain -o out.ndjson");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    assert_eq!(place.read("out.ndjson"), objects);
}

#[test]
fn a_bad_row_is_named_by_its_line_and_leaves_whole_rows() {
    let place = Place::new("bad-row");
    let bad = "userId,country\na,DE\n\"b\nb\",FR\nc\nd,DE\n";
    let ran = place.run_with("flags.json -f plain -o out.csv", bad);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("line 5: found 1 cells"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("2 units written"), "{}", ran.stderr);
    assert_eq!(place.read("out.csv"), "userId,plain\na,on\n\"b\nb\",on\n");

    let ran = place.run_with("flags.json -f plain --on-error skip", bad);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.stdout, "userId,plain\na,on\n\"b\nb\",on\nd,on\n");
    assert!(ran.stderr.contains("1 left out"), "{}", ran.stderr);
}

#[test]
fn trouble_is_told_before_anything_is_written() {
    let place = Place::new("trouble");
    place.write("units.csv", "userId\na\n");
    place.write("out.csv", "precious");
    place.write(
        "none.json",
        r#"{"format": 1, "flags": {"a": {"type": "boolean"}}}"#,
    );
    let broken = FLAG_SET.replace("\"in\": [", "\"in\": [null, ");
    place.write("broken.json", &broken);
    for (arguments, want) in [
        ("broken.json units.csv", "flag `plain`"), // it may have an experiment
        (
            "none.json units.csv",
            "no flag of `none.json` has an experiment",
        ),
        ("broken.json units.csv -f plain", "flag `plain`"),
        ("flags.json units.csv -f missing", "no flag `missing`"),
        ("flags.json units.csv -f plain -f plain", "named twice"),
        (
            "flags.json nowhere.csv -f plain",
            "cannot read `nowhere.csv`",
        ),
        ("flags.json -f plain", "is empty"),
        (
            "flags.json units.csv -f plain --unit-column x",
            "no column `x`",
        ),
        ("- - -f plain", "standard input"),
        ("flags.json units.csv -f plain --threads 0", "--threads"),
        ("flags.json units.csv -f plain --at noon", "--at"),
    ] {
        let ran = place.run(&format!("{arguments} -o out.csv"));
        assert_eq!(ran.code, Some(2), "{arguments}: {ran:?}");
        assert!(ran.stderr.contains(want), "{arguments}: {}", ran.stderr);
        assert_eq!(place.read("out.csv"), "precious", "{arguments}");
    }
    for arguments in [
        "flags.json units.csv -f plain -o units.csv",
        "flags.json units.csv -f plain --exposures flags.json",
        "flags.json units.csv -f plain -o out.csv --exposures ./out.csv",
    ] {
        let ran = place.run(arguments);
        assert!(
            ran.stderr.contains("would overwrite"),
            "{arguments}: {ran:?}"
        );
    }
    assert_eq!(place.read("units.csv"), "userId\na\n");
}

#[test]
fn a_row_comes_out_before_the_next_goes_in() {
    let place = Place::new("slow");
    let mut child = place.spawn("flags.json -f plain");
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    input.write_all(b"userId,country\n").unwrap();
    assert_eq!(output.next().unwrap().unwrap(), "userId,plain");
    for unit in ["a", "b", "c"] {
        input.write_all(format!("{unit},DE\n").as_bytes()).unwrap();
        assert_eq!(output.next().unwrap().unwrap(), format!("{unit},on"));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_of_the_rows_may_stop_reading() {
    let place = Place::new("closed");
    let mut child = place.spawn("flags.json -f plain");
    let mut input = child.stdin.take().unwrap();
    drop(child.stdout.take());
    // Until the program notices.
    while input.write_all(units(1_000).as_bytes()).is_ok() {}
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

/// The most memory that a process has had in use, in KiB.
#[cfg(target_os = "linux")]
fn peak_memory(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_input() {
    let place = Place::new("memory");
    for threads in ["2", "16"] {
        let mut child = place.spawn(&format!(
            "flags.json -f button -f plain --threads {threads} -o o.csv --exposures e.ndjson"
        ));
        let mut input = child.stdin.take().unwrap();
        let unit = "u".repeat(60);
        writeln!(input, "userId,country").unwrap();
        let mut peaks = Vec::new();
        for round in 0..20 {
            let rows = (0..10_000).map(|row| format!("{unit}{round}-{row},DE\n"));
            input
                .write_all(rows.collect::<String>().as_bytes())
                .unwrap();
            peaks.push(peak_memory(&child));
        }
        drop(input);
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert!(ran.stderr.starts_with("200000 units in "), "{}", ran.stderr);
        let peak = peaks.iter().max().unwrap();
        assert!(*peak < 64 << 10, "{threads} threads: {peaks:?} KiB");
    }
}
