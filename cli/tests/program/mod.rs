//! Running the program as a person or a CI job does, from the folder that holds the examples.

// Each test file is a crate of its own and uses only some of this.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Arguments as a shell would split them, with single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

pub(crate) fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bucketry"));
    command
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(words(line))
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE");
    command
}

/// Runs `bucketry LINE` with nothing to read.
pub(crate) fn run(line: &str) -> Ran {
    run_with(line, "")
}

/// Runs `bucketry LINE` with this standard input.
pub(crate) fn run_with(line: &str, input: &str) -> Ran {
    finish(&mut command(line), input)
}

pub(crate) fn finish(command: &mut Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read closes its end; that is its right.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// What was written, if the run ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self.stdout
    }

    /// The lines of JSON that were written, if the run ended with this code.
    #[track_caller]
    pub(crate) fn json(self, code: i32) -> Vec<serde_json::Value> {
        let stdout = self.exits(code);
        let parse = |line| serde_json::from_str(line).unwrap();
        stdout.lines().map(parse).collect()
    }
}

/// A file for a test, named so that no other test has it. Gives the path.
pub(crate) fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The example's flag set with some text replaced, as a file.
pub(crate) fn changed_example(name: &str, changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/flags.json"
    ))
    .unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from}");
        text = text.replace(from, to);
    }
    file(name, &text)
}
