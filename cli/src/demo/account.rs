//! What lies in the files afterwards: read back line by line, as a warehouse would.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::assign::chi_square::goodness_of_fit;
use crate::failure::{Failure, Result};

/// What is read of a record.
#[derive(Deserialize)]
struct Record {
    rec: String,
    producer_id: String,
    seq: u64,
    event_id: Option<String>,
    experiment: Option<String>,
    phase: Option<u32>,
    variant: Option<String>,
    holdout: Option<String>,
    propensity: Option<f64>,
}

/// The account of a folder.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) files: usize,
    /// Exposures, each counted once for its producer and number; those of which only the number was kept included.
    pub(super) records: u64,
    /// Different ids among them.
    pub(super) distinct: u64,
    /// Numbers that are missing.
    pub(super) missing: u64,
    /// Numbers that are there twice.
    pub(super) twice: u64,
    pub(super) experiments: BTreeMap<String, Experiment>,
}

/// Who was exposed to what in an experiment.
#[derive(Debug, Default)]
pub(super) struct Experiment {
    pub(super) held_out: u64,
    pub(super) arms: BTreeMap<String, Arm>,
}

/// A variant of an experiment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arm {
    pub(super) exposures: u64,
    /// The share that the split gives it.
    pub(super) propensity: f64,
}

impl Experiment {
    pub(super) fn total(&self) -> u64 {
        self.arms.values().map(|arm| arm.exposures).sum()
    }

    /// The probability of counts at least this far from the split, if nothing is wrong.
    pub(super) fn p_value(&self) -> Option<f64> {
        let counts: Vec<u64> = self.arms.values().map(|arm| arm.exposures).collect();
        let share = |arm: &Arm| (arm.propensity * 1e9).round() as u64;
        let shares: Vec<u64> = self.arms.values().map(share).collect();
        goodness_of_fit(&counts, &shares)
    }
}

/// Reads every sealed file of a folder.
pub(super) fn read(folder: &Path) -> Result<Account> {
    let mut account = Account::default();
    let mut numbers: HashMap<String, BTreeSet<u64>> = HashMap::new();
    let mut seen = HashSet::new();
    let entries = fs::read_dir(folder).map_err(|error| Failure::file("read", folder, &error))?;
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_none_or(|extension| extension != "ndjson")
        {
            continue;
        }
        account.files += 1;
        let text = fs::read_to_string(&path);
        for line in text
            .map_err(|error| Failure::file("read", &path, &error))?
            .lines()
        {
            let record: Record = serde_json::from_str(line)
                .map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))?;
            let is_new = match numbers.get_mut(&record.producer_id) {
                Some(held) => held.insert(record.seq),
                None => {
                    let held = numbers.entry(record.producer_id.clone()).or_default();
                    held.insert(record.seq)
                }
            };
            if is_new {
                account.add(record, &mut seen);
            } else {
                account.twice += 1;
            }
        }
    }
    let missing = |held: &BTreeSet<u64>| held.last().map_or(0, |last| last - held.len() as u64);
    account.missing = numbers.values().map(missing).sum();
    account.distinct = seen.len() as u64;
    Ok(account)
}

impl Account {
    fn add(&mut self, record: Record, seen: &mut HashSet<String>) {
        let (true, Some(event_id)) = (record.rec != "heartbeat", record.event_id) else {
            return;
        };
        self.records += 1;
        if !seen.insert(event_id) {
            return;
        }
        let Some((experiment, phase)) = record.experiment.zip(record.phase) else {
            return;
        };
        let name = format!("{experiment}/{phase}");
        let experiment = self.experiments.entry(name).or_default();
        if record.holdout.is_some() {
            experiment.held_out += 1;
            return;
        }
        let arm = experiment
            .arms
            .entry(record.variant.unwrap_or_default())
            .or_default();
        arm.exposures += 1;
        arm.propensity = record.propensity.unwrap_or_default();
    }
}
