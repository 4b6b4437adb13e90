//! `cargo xtask fuzz`: each target for a while, from the seeds that the tests already hold.

use crate::project::{Project, Stop, fail};
use crate::{seeds, tools};

const SECONDS: &str = "60";

pub(crate) fn main(project: &Project, arguments: &[&str]) -> Result<(), Stop> {
    let (seconds, named) = match arguments {
        [] => (SECONDS, None),
        [seconds] => (*seconds, None),
        [seconds, target] => (*seconds, Some(*target)),
        _ => return fail("usage: cargo xtask fuzz [SECONDS] [TARGET]"),
    };
    if seconds.parse::<u32>().is_err() {
        return fail(format!("`{seconds}` is no number of seconds"));
    }
    tools::toolchain(project, "nightly", &[])?;
    if !tools::has("cargo-fuzz") {
        project
            .command("cargo install cargo-fuzz --version ^0.13 --quiet")
            .run()?;
    }
    let targets = targets(project)?;
    let chosen: Vec<_> = targets
        .iter()
        .filter(|target| named.is_none_or(|named| named == target.as_str()))
        .collect();
    if chosen.is_empty() {
        return fail(format!("no such target; there are {}", targets.join(", ")));
    }
    let mut crashed = Vec::new();
    for target in chosen {
        println!("\n== {target}: {seconds} s");
        if let Err(stop) = run(project, target, seconds) {
            eprintln!("{stop}");
            crashed.push(target.as_str());
        }
    }
    if crashed.is_empty() {
        Ok(())
    } else {
        fail(format!("found by {}", crashed.join(", ")))
    }
}

fn targets(project: &Project) -> Result<Vec<String>, Stop> {
    let files = project.files("fuzz/fuzz_targets", "rs")?;
    let names = files.iter().filter_map(|file| file.file_stem());
    Ok(names
        .map(|name| name.to_string_lossy().into_owned())
        .collect())
}

fn run(project: &Project, target: &str, seconds: &str) -> Result<(), Stop> {
    let corpus = project.root.join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    project
        .command_with("nightly", "cargo fuzz run --fuzz-dir fuzz")
        .arg(target)
        .arg(corpus)
        .arg(seeds::write(project, target)?)
        .args([
            "--",
            &format!("-max_total_time={seconds}"),
            "-rss_limit_mb=1024",
            "-timeout=10",
        ])
        .run()
}
