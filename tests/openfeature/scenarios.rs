//! Runs OpenFeature's own scenarios against the provider and prints an account of them.
//!
//! `cargo test -p bucketry-openfeature-tests --test openfeature`. The scenarios are looked for where the conformance suites
//! are; without them nothing is run, and a line says so.

use std::process::ExitCode;

use bucketry_openfeature_tests::OpenFeatureScenarios;
use bucketry_tests::conformance::{Suite, Tally, folder};

fn main() -> ExitCode {
    let (suite, folder) = (OpenFeatureScenarios, folder());
    match Tally::of(&suite, &folder) {
        None => {
            println!(
                "{}: skipped: no such folder: {}",
                suite.name(),
                folder.join(suite.folder()).display()
            );
            ExitCode::SUCCESS
        }
        Some(tally) => {
            println!("{}: {tally}", suite.name());
            match tally.is_success() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
    }
}
