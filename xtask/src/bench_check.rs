//! Instruction counts of fixed calls, kept in a file: unlike times they repeat on a busy machine.
//!
//! The program `core/benches/instructions.rs` runs one scenario a given number of times. Two runs
//! under callgrind, of n and of 2n calls, differ by n calls and nothing else: what loading and
//! setting up cost cancels out.

use crate::project::{Project, Stop, fail, text};
use crate::tools;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const COUNTS: &str = "core/benches/instructions.txt";

/// A count may grow by this many per cent. Below it are a compiler's moods, above it a change.
const TOLERANCE: u64 = 5;

/// A scenario and its instructions per call.
type Count = (String, u64);

pub(crate) fn compare(project: &Project) -> Result<(), Stop> {
    let kept = project.read(COUNTS)?;
    let compiler = compiler(project)?;
    if !kept.contains(&compiler) {
        println!("the counts were kept by another compiler than {compiler}");
    }
    let kept = parse(&kept)?;
    let now = measure(project)?;
    let mut wrong = Vec::new();
    println!(
        "{:20} {:>12} {:>12} {:>8}",
        "instructions a call", "kept", "now", ""
    );
    for (name, count) in &now {
        let Some((_, before)) = kept.iter().find(|(kept, _)| kept == name) else {
            wrong.push(format!("`{name}` is new"));
            continue;
        };
        let change = (*count as f64 / *before as f64 - 1.0) * 100.0;
        println!("{name:20} {before:>12} {count:>12} {change:>+7.1}%");
        if is_worse(*before, *count) {
            wrong.push(format!(
                "`{name}` takes {count} instructions, and took {before}"
            ));
        }
    }
    let gone = kept
        .iter()
        .filter(|(name, _)| now.iter().all(|(other, _)| other != name));
    wrong.extend(gone.map(|(name, _)| format!("`{name}` is gone")));
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.push("`cargo xtask bench-check --update` keeps what is measured now".to_owned());
    fail(wrong.join("\n"))
}

pub(crate) fn update(project: &Project) -> Result<(), Stop> {
    let mut text = format!(
        "# Instructions per call, by callgrind. Written by `cargo xtask bench-check --update`.\n# {}\n",
        compiler(project)?
    );
    for (name, count) in measure(project)? {
        writeln!(text, "{name} {count}").map_err(|error| Stop::Failed(error.to_string()))?;
    }
    print!("{text}");
    Ok(std::fs::write(project.root.join(COUNTS), text)?)
}

fn is_worse(before: u64, now: u64) -> bool {
    now * 100 > before * (100 + TOLERANCE)
}

fn compiler(project: &Project) -> Result<String, Stop> {
    let version = project.command("rustc --version --verbose").read()?;
    let field = |name| {
        version
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
    };
    Ok(format!("rustc {}, {}", field("release: "), field("host: ")))
}

fn parse(text: &str) -> Result<Vec<Count>, Stop> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let count = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    lines
        .map(|line| count(line).ok_or_else(|| Stop::Failed(format!("{COUNTS}: `{line}`"))))
        .collect()
}

fn measure(project: &Project) -> Result<Vec<Count>, Stop> {
    tools::debian(project, "valgrind", "valgrind")?;
    let program = build(project)?;
    let mut counts = Vec::new();
    // One line a scenario: its name, and how many calls make a run long enough and not too long.
    for (name, calls) in parse(&project.program(&program).arg("--list").read()?)? {
        let once = count(project, &program, &name, calls)?;
        let twice = count(project, &program, &name, 2 * calls)?;
        let Some(difference) = twice.checked_sub(once) else {
            return fail(format!(
                "`{name}`: {calls} calls cost more than twice as many"
            ));
        };
        counts.push((name, (difference + calls / 2) / calls));
    }
    Ok(counts)
}

/// Builds the program and gives its path, which cargo alone knows.
fn build(project: &Project) -> Result<PathBuf, Stop> {
    let line = "cargo bench -p bucketry-core --bench instructions --no-run --message-format json-render-diagnostics";
    for message in project.command(line).read()?.lines() {
        let message: Value = serde_json::from_str(message)?;
        if let Some(path) = message.get("executable").and_then(Value::as_str) {
            return Ok(PathBuf::from(path));
        }
    }
    fail("cargo built no program for the bench `instructions`")
}

fn count(project: &Project, program: &Path, name: &str, calls: u64) -> Result<u64, Stop> {
    let flags = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let command = project.program("valgrind").args(flags).arg(program);
    let output = command.arg(name).arg(calls.to_string()).output()?;
    let report = text(&output.stderr);
    let collected = report
        .lines()
        .find_map(|line| line.split_once("Collected :"));
    match collected.map(|(_, count)| count.trim().parse()) {
        Some(Ok(count)) if output.status.success() => Ok(count),
        _ => fail(format!("callgrind counted nothing:\n{report}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_per_cent_more_is_the_most_that_passes() {
        assert!(!is_worse(100, 105));
        assert!(is_worse(100, 106));
        assert!(!is_worse(100, 50));
    }

    #[test]
    fn what_update_writes_is_what_compare_reads() {
        let counts = parse("# by\n# rustc\na_b 12\nc 3\n").map_err(|stop| stop.to_string());
        assert_eq!(
            counts,
            Ok(vec![("a_b".to_owned(), 12), ("c".to_owned(), 3)])
        );
        assert!(parse("a_b twelve").is_err());
    }
}
