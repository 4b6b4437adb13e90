//! Runs the public conformance suites that are at hand and prints an account of each.
//!
//! `cargo test -p bucketry-tests --test conformance -- [part of a suite's name]`. Fails on any case that differs
//! and is not listed as inexpressible.

use std::process::ExitCode;

use bucketry_tests::conformance::{Tally, folder, suites};

fn main() -> ExitCode {
    let folder = folder();
    if !folder.is_dir() {
        println!("skipped: no such folder: {}", folder.display());
        return ExitCode::SUCCESS;
    }
    // What begins with a dash is meant for the usual harness, such as `--nocapture`.
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let mut success = true;
    for suite in suites() {
        if filter
            .as_ref()
            .is_some_and(|part| !suite.name().contains(part.as_str()))
        {
            continue;
        }
        match Tally::of(&*suite, &folder) {
            Some(tally) => {
                println!("{}: {tally}", suite.name());
                success &= tally.is_success();
            }
            None => println!("{}: skipped: no such folder", suite.name()),
        }
    }
    if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
