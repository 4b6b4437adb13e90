//! OpenFeature's own scenarios (Gherkin) against the provider of the crate `bucketry`.
//!
//! A package of its own, so that nothing else waits for that SDK to be built.

mod cases;
mod evaluation;
mod flags;
mod hooks;
mod providers;
mod steps;

use std::path::Path;

use bucketry_tests::conformance::{Suite, Tally};

/// All scenarios of the specification, each row of an outline for itself.
#[derive(Clone, Copy, Debug)]
pub struct OpenFeatureScenarios;

const NO_TRANSACTION: &str = "the crate open-feature 0.3 has no transaction context";
const NO_FATAL: &str =
    "the crate open-feature 0.3 knows neither the status nor the code of a fatal provider";
const NO_CACHE: &str = "nothing is cached, because nothing is fetched when a flag is evaluated";
const NO_DEFAULT: &str = "the crate open-feature 0.3 knows no default value to tell hooks of";

/// Which cases need what there is not: the beginning of a case's name, and why.
const INEXPRESSIBLE: [(&str, &str); 6] = [
    (
        "evaluation_v2.feature: Provider in fatal state error",
        NO_FATAL,
    ),
    (
        "evaluation_v2.feature: Provider status accessibility (fatal",
        NO_FATAL,
    ),
    ("evaluation_v2.feature: CACHED reason", NO_CACHE),
    ("hooks.feature: Flag not found", NO_DEFAULT),
    ("contextMerging.feature: For a transaction", NO_TRANSACTION),
    (
        "contextMerging.feature: A context entry is added to a single level (Transaction",
        NO_TRANSACTION,
    ),
];

impl Suite for OpenFeatureScenarios {
    fn name(&self) -> &'static str {
        "openfeature"
    }

    fn folder(&self) -> &'static str {
        "openfeature/gherkin"
    }

    fn run(&self, folder: &Path, tally: &mut Tally) -> Result<(), String> {
        let flags = flags::translated(&folder.join("test-flags.json"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| error.to_string())?;
        for case in cases::read(folder)? {
            let outcome = runtime.block_on(steps::run(&case, &flags));
            tally.check_listed(
                &case.name,
                &told(outcome),
                &told(Ok(())),
                why_not(&case.name),
            );
        }
        Ok(())
    }
}

fn told(outcome: Result<(), String>) -> String {
    outcome
        .err()
        .unwrap_or_else(|| "every step holds".to_owned())
}

fn why_not(case: &str) -> Option<&'static str> {
    // The first row of an outline about levels comes without the others.
    if case.ends_with(" (API)") {
        return None;
    }
    let listed = INEXPRESSIBLE
        .iter()
        .find(|(name, _)| case.starts_with(name));
    listed.map(|(_, why)| *why)
}
