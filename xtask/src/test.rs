//! `cargo xtask test`: the parts, their order, and the account at the end.

use crate::project::{Project, Stop};
use crate::{docs, purity, python, rust, sizes};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// One part of the tests. A new language or platform is one more row of [`PARTS`].
struct Part {
    name: &'static str,
    about: &'static str,
    run: fn(&Project) -> Result<(), Stop>,
}

/// In the order they run: what fails soonest and costs least comes first.
#[rustfmt::skip]
const PARTS: &[Part] = &[
    Part { name: "lint", about: "lock file, rustfmt, clippy; a warning is an error", run: rust::lint },
    Part { name: "deps", about: "licences, sources and unused dependencies, where the tools are installed", run: rust::deps },
    Part { name: "rust", about: "unit, integration and documentation tests of the workspace", run: rust::test },
    Part { name: "conformance", about: "public suites of other formats, where they are at hand", run: rust::conformance },
    Part { name: "msrv", about: "the oldest Rust that the manifest promises", run: rust::msrv },
    Part { name: "purity", about: "core on a bare-metal target, and as a wasm module without imports", run: purity::check },
    Part { name: "sizes", about: "the browser module against what it last weighed", run: sizes::no_growth },
    Part { name: "docs", about: "every code block of the documents, and every file they name", run: docs::check },
    Part { name: "reference", about: "vectors and generated pairs against the independent evaluator", run: python::reference },
    Part { name: "sql", about: "positions recomputed in DuckDB and ClickHouse, exposures read in DuckDB", run: python::sql },
    Part { name: "miri", about: "core's own tests under miri", run: rust::miri },
];

enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

pub(crate) fn main(project: &Project, arguments: &[&str]) -> ExitCode {
    if arguments == ["--list"] {
        for part in PARTS {
            println!("{:12} {}", part.name, part.about);
        }
        return ExitCode::SUCCESS;
    }
    let all = arguments.contains(&"--all");
    let named: Vec<&str> = arguments
        .iter()
        .copied()
        .filter(|word| *word != "--all")
        .collect();
    if let Some(unknown) = named.iter().find(|name| !is_part(name)) {
        eprintln!("no part `{unknown}`; `cargo xtask test --list` names them");
        return ExitCode::from(2);
    }
    let chosen = PARTS
        .iter()
        .filter(|part| named.is_empty() || named.contains(&part.name));
    let done: Vec<_> = chosen.map(|part| run(project, part, all)).collect();
    account(&done)
}

pub(crate) fn is_part(name: &str) -> bool {
    PARTS.iter().any(|part| part.name == name)
}

fn run<'a>(project: &Project, part: &'a Part, all: bool) -> (&'a Part, Outcome, Duration) {
    println!("\n== {}: {}", part.name, part.about);
    let start = Instant::now();
    let outcome = match (part.run)(project) {
        Ok(()) => Outcome::Passed,
        Err(Stop::Absent(reason)) => Outcome::Skipped(reason),
        Err(Stop::Missing(reason)) if !all => Outcome::Skipped(reason),
        Err(Stop::Missing(reason) | Stop::Failed(reason)) => Outcome::Failed(reason),
    };
    let spent = start.elapsed();
    println!("== {}", row(part, &outcome, spent));
    (part, outcome, spent)
}

fn account(done: &[(&Part, Outcome, Duration)]) -> ExitCode {
    println!();
    let [mut passed, mut failed, mut skipped] = [0; 3];
    for (part, outcome, spent) in done {
        let row = row(part, outcome, *spent);
        println!("{}", row.lines().next().unwrap_or_default());
        match outcome {
            Outcome::Passed => passed += 1,
            Outcome::Failed(_) => failed += 1,
            Outcome::Skipped(_) => skipped += 1,
        }
    }
    println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn row(part: &Part, outcome: &Outcome, spent: Duration) -> String {
    let (word, reason) = match outcome {
        Outcome::Passed => ("passed", ""),
        Outcome::Failed(reason) => ("FAILED", reason.as_str()),
        Outcome::Skipped(reason) => ("skipped", reason.as_str()),
    };
    let row = format!(
        "{:12} {word:8} {:6.1} s  {reason}",
        part.name,
        spent.as_secs_f64()
    );
    row.trim_end().to_owned()
}
