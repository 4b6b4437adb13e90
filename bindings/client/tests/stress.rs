//! Threads that get in each other's way on purpose: what they share is held to its account.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bucketry::{Batch, Client, Delivered, EvaluationContext, callback};

const THREADS: usize = 4;
/// Units that every thread exposes, and units of each thread's own. 500 in all are a quarter of a unit for each set of
/// eight places in the tables of what was recorded: that nine fall on one has a chance of 10^-11 for each of 2,048 sets.
const SHARED: usize = 100;
const OWN: usize = 100;
const ROUNDS: usize = 20;
const LIMIT: Duration = Duration::from_secs(120);

const EXPERIMENT: &str = r#"{ "format": 1, "flags": { "exp": {
    "type": "string", "variants": { "blue": "blue", "green": "green" },
    "rules": [{ "experiment": { "key": "exp" }, "split": { "blue": 1, "green": 1 } }]
} } }"#;

/// The `unit` of each exposure in the batch.
fn units(batch: &Batch) -> Vec<String> {
    let text = str::from_utf8(&batch.body).unwrap();
    let unit = |line: &str| {
        let (_, rest) = line.split_once("\"unit\":\"")?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    text.lines().filter_map(unit).collect()
}

/// Threads expose the same units at the same time, while others flush, read the account and swap what is held under
/// them: a repeat is found whichever thread recorded the first, and nothing is lost or sent twice.
#[test]
fn threads_that_record_the_same_units_record_each_once() {
    let delivered: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let sink = Arc::clone(&delivered);
    let client = Client::builder()
        .inline(EXPERIMENT)
        .sink(callback(move |batch: &Batch| {
            let mut delivered = sink.lock().unwrap();
            for unit in units(batch) {
                *delivered.entry(unit).or_insert(0) += 1;
            }
            Delivered::Accepted
        }))
        .build()
        .unwrap();
    client.ready(LIMIT).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = client.flush(LIMIT);
                assert!(client.metrics().exposures.unwrap().is_balanced());
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                client.set_override("another", true);
                client.clear_overrides();
            }
        });
        let recording: Vec<_> = (0..THREADS)
            .map(|number| {
                let client = &client;
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        let shared = (0..SHARED).map(|unit| format!("shared-{unit}"));
                        let own = (0..OWN).map(|unit| format!("own-{number}-{unit}"));
                        for unit in shared.chain(own) {
                            let context = EvaluationContext::new(unit);
                            assert!(!client.string_value("exp", &context, "").is_empty());
                        }
                    }
                })
            })
            .collect();
        for thread in recording {
            thread.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    let report = client.close(LIMIT);
    let (evaluated, units) = (THREADS * ROUNDS * (SHARED + OWN), SHARED + THREADS * OWN);
    assert!(report.is_complete(), "{report}");
    assert!(report.totals.is_balanced());
    assert_eq!(report.totals.evaluated, evaluated as u64);
    assert_eq!(report.totals.sent, units as u64);
    let delivered = delivered.lock().unwrap();
    assert_eq!(delivered.len(), units);
    assert!(delivered.values().all(|count| *count == 1));
}
