//! Public conformance suites of other formats, run through their importer and the core.
//!
//! The data is not part of the repository. A suite is one file in this folder: it reads whatever case
//! files it finds in its folder, so that a fuller copy of the suite runs without a change.

mod configcat;
mod datadog_ffe;
mod growthbook;
mod launchdarkly;
mod unleash;

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// One public suite.
pub trait Suite {
    /// What the account calls it.
    fn name(&self) -> &'static str;

    /// Its folder in the folder of suites.
    fn folder(&self) -> &'static str;

    /// Cases whose expected result a flag set cannot express, and why. Such a case must fail: one that
    /// passes does not belong here.
    fn inexpressible(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Runs every case found in the folder.
    ///
    /// # Errors
    ///
    /// Why the cases could not be run at all.
    fn run(&self, folder: &Path, tally: &mut Tally) -> Result<(), String>;
}

/// Every suite that there is an importer for.
#[must_use]
pub fn suites() -> Vec<Box<dyn Suite>> {
    vec![
        Box::new(configcat::ConfigCat),
        Box::new(datadog_ffe::DatadogFfe { obfuscated: false }),
        Box::new(datadog_ffe::DatadogFfe { obfuscated: true }),
        Box::new(growthbook::GrowthBook),
        Box::new(launchdarkly::LaunchDarkly),
        Box::new(unleash::Unleash),
    ]
}

/// The folder of suites: what `BUCKETRY_CONFORMANCE` names, from the workspace's root.
#[must_use]
pub fn folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let named = std::env::var_os("BUCKETRY_CONFORMANCE");
    root.join(named.unwrap_or_else(|| "../shared/conformance".into()))
}

/// What came of the cases of one suite.
#[derive(Debug, Default)]
pub struct Tally {
    inexpressible: &'static [(&'static str, &'static str)],
    passed: usize,
    listed: Vec<String>,
    failed: Vec<String>,
}

impl Tally {
    /// Runs a suite in its folder, if that is there.
    #[must_use]
    pub fn of(suite: &dyn Suite, folder: &Path) -> Option<Self> {
        let folder = folder.join(suite.folder());
        if !folder.is_dir() {
            return None;
        }
        let mut tally = Self {
            inexpressible: suite.inexpressible(),
            ..Self::default()
        };
        if let Err(reason) = suite.run(&folder, &mut tally) {
            tally.failed.push(reason);
        } else if tally.passed + tally.listed.len() + tally.failed.len() == 0 {
            tally.failed.push("the folder has no cases".to_owned());
        }
        Some(tally)
    }

    /// Takes the result of one case. `case` tells it from all others of the suite.
    pub fn check<T: fmt::Display + PartialEq>(&mut self, case: &str, got: &T, want: &T) {
        let listed = self.inexpressible.iter().find(|(name, _)| *name == case);
        self.check_listed(case, got, want, listed.map(|(_, why)| *why));
    }

    /// Takes the result of one case of a suite that lists whole families of cases: `why` it is one that a flag set cannot
    /// express, if it is.
    pub fn check_listed<T: fmt::Display + PartialEq>(
        &mut self,
        case: &str,
        got: &T,
        want: &T,
        why: Option<&str>,
    ) {
        match (got == want, why) {
            (true, None) => self.passed += 1,
            (true, Some(_)) => {
                let failure = format!("{case}: listed as inexpressible, but passes");
                self.failed.push(failure);
            }
            (false, Some(why)) => self.listed.push(format!("{case}: {why}")),
            (false, None) => {
                let failure = format!("{case}:\n    got  {got}\n    want {want}");
                self.failed.push(failure);
            }
        }
    }

    /// Whether every case passed that is not listed as inexpressible.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failed.is_empty()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} listed as inexpressible",
            self.passed,
            self.failed.len(),
            self.listed.len()
        )?;
        for listed in &self.listed {
            write!(f, "\n  listed: {listed}")?;
        }
        for failure in &self.failed {
            write!(f, "\n  FAILED: {failure}")?;
        }
        Ok(())
    }
}

/// Reads a JSON file.
fn read_json(path: &Path) -> Result<Value, String> {
    let at = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
    serde_json::from_str(&text).map_err(|error| at(&error))
}

/// The JSON files of a folder, by name.
fn json_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let at = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether two values are the same JSON; `1` and `1.0` are.
fn same_json(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let in_b = |(name, value)| b.get(name).is_some_and(|other| same_json(value, other));
            a.len() == b.len() && a.iter().all(in_b)
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_passes_fails_or_is_listed_and_a_list_must_be_right() {
        let mut tally = Tally {
            inexpressible: &[("b", "no such thing"), ("d", "outdated")],
            ..Tally::default()
        };
        tally.check("a", &1, &1);
        tally.check("b", &1, &2);
        assert!(tally.is_success());
        tally.check("c", &1, &2);
        tally.check("d", &2, &2);
        assert!(!tally.is_success());
        assert_eq!(
            tally.to_string(),
            "1 passed, 2 failed, 1 listed as inexpressible\n\
             \x20 listed: b: no such thing\n\
             \x20 FAILED: c:\n    got  1\n    want 2\n\
             \x20 FAILED: d: listed as inexpressible, but passes"
        );
    }

    #[test]
    fn an_empty_suite_does_not_pass() {
        struct Empty;
        impl Suite for Empty {
            fn name(&self) -> &'static str {
                "empty"
            }
            fn folder(&self) -> &'static str {
                "src"
            }
            fn run(&self, _: &Path, _: &mut Tally) -> Result<(), String> {
                Ok(())
            }
        }
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(!Tally::of(&Empty, here).unwrap().is_success());
        assert!(Tally::of(&Empty, &here.join("nowhere")).is_none());
    }

    #[test]
    fn numbers_are_compared_by_value() {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert!(same_json(
            &json(r#"{"a": [1, 2.0]}"#),
            &json(r#"{"a": [1.0, 2]}"#)
        ));
        assert!(!same_json(
            &json(r#"{"a": [1]}"#),
            &json(r#"{"a": [1], "b": null}"#)
        ));
        assert!(!same_json(&json("1"), &json("\"1\"")));
    }
}
