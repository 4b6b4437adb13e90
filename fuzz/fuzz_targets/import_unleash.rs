//! Any bytes as an Unleash document: what is imported loads, and every flag came over whole or was refused.

#![no_main]

use bucketry_core::{Diagnostic, FlagSet, Severity};
use bucketry_import::{Format, ImportOptions, import};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(imported) = import(Format::Unleash, bytes, &ImportOptions::new()) else {
        return;
    };
    let document = imported.document.as_bytes();
    let set = FlagSet::from_json(document)
        .unwrap_or_else(|error| panic!("{error}\n{}", imported.document));
    if imported.report.refusals.is_empty() {
        assert!(
            FlagSet::from_json_strict(document).is_ok(),
            "{:?}",
            set.diagnostics()
        );
    }
    // A flag is either refused, and says so, or it came over without an error.
    for flag in &imported.report.flags {
        assert!(set.flag(&flag.key).is_some(), "`{}` is lost", flag.key);
        let is_of_it = |found: &&Diagnostic| found.flag.as_ref() == Some(&flag.key);
        let mut errors = set
            .diagnostics()
            .iter()
            .filter(|found| found.severity == Severity::Error);
        assert!(
            errors.find(is_of_it).is_none(),
            "`{}` came over broken",
            flag.key
        );
    }
});
