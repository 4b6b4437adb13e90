//! The project's tasks, run as `cargo xtask TASK`.

mod bench_check;
mod docs;
mod fuzz;
mod markdown;
mod project;
mod purity;
mod python;
mod rust;
mod seeds;
mod sizes;
mod test;
mod tools;
mod wasm;

use project::{Project, Stop};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  test [--all] [PART]...   run the tests, or these parts of them; --all: as CI does, where a missing
                           tool is a failure and not a skip
  test --list              the parts, in the order they run
  bench-check [--update]   compare instruction counts (callgrind) with core/benches/instructions.txt
  fuzz [SECONDS] [TARGET]  run the fuzz targets, each for SECONDS (60)
  sizes                    the browser module's size, and its bound
  compare                  the peers' crates side by side (the workspace in bench/)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let project = match Project::find() {
        Ok(project) => project,
        Err(stop) => return report(Err(stop)),
    };
    match arguments.as_slice() {
        ["test", rest @ ..] => test::main(&project, rest),
        ["bench-check"] => report(bench_check::compare(&project)),
        ["bench-check", "--update"] => report(bench_check::update(&project)),
        ["fuzz", rest @ ..] => report(fuzz::main(&project, rest)),
        ["sizes"] => report(sizes::gate(&project)),
        ["compare"] => report(compare(&project)),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The peers' workspace is apart from ours: its lock file holds some four hundred crates.
fn compare(project: &Project) -> Result<(), Stop> {
    project
        .command("cargo run --release --quiet")
        .dir("bench")
        .run()
}

fn report(result: Result<(), Stop>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("{stop}");
            ExitCode::FAILURE
        }
    }
}
