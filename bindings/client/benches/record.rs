//! What recording an exposure costs beyond resolving, through a client.
//!
//! `cargo bench -p bucketry --no-default-features --bench record`. Best of many rounds, taken in turns; the program fails over
//! a bound.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark of what cannot be set up is none"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bucketry::{Batch, Client, EvaluationContext, ExposureOptions, callback};

const ROUNDS: usize = 40;
const UNITS: usize = 10_000;
/// Nanoseconds beyond resolving.
const REPEAT: f64 = 60.0;
const FIRST: f64 = 300.0;

const FLAGS: &str = r#"{ "format": 1, "flags": { "button": { "type": "boolean",
    "rules": [{ "experiment": { "key": "exp-42" }, "split": { "on": 1, "off": 1 } }] } } }"#;

fn client() -> Client {
    // Nothing leaves while it is measured.
    let options = ExposureOptions::new()
        .max_bytes(64 << 20)
        .batch_records(100_000)
        .batch_bytes(8 << 20)
        .flush_interval(Duration::from_secs(3_600));
    Client::builder()
        .inline(FLAGS)
        .sink(callback(|_: &Batch| ()))
        .exposure_options(options)
        .build()
        .unwrap()
}

/// Nanoseconds a call.
fn time(contexts: &[EvaluationContext<'_>], call: impl Fn(&EvaluationContext<'_>) -> bool) -> f64 {
    let start = Instant::now();
    for context in contexts {
        black_box(call(context));
    }
    start.elapsed().as_nanos() as f64 / contexts.len() as f64
}

fn main() -> ExitCode {
    let units: Vec<String> = (0..UNITS).map(|unit| format!("user-{unit:06}")).collect();
    let contexts: Vec<_> = units
        .iter()
        .map(|unit| EvaluationContext::new(unit.as_str()))
        .collect();
    // As many as stay in a processor's cache: what a request that looks at its flags again finds.
    let (few, _) = contexts.split_at(100);
    let [mut resolve, mut repeat, mut resolve_first, mut first] = [f64::INFINITY; 4];
    for _ in 0..ROUNDS {
        let client = client();
        let peek = client.peek();
        let look = |context: &EvaluationContext<'_>| peek.bool_value("button", context, false);
        let record = |context: &EvaluationContext<'_>| client.bool_value("button", context, false);
        resolve_first = resolve_first.min(time(&contexts, look));
        first = first.min(time(&contexts, record));
        for _ in 0..ROUNDS {
            resolve = resolve.min(time(few, look));
            repeat = repeat.min(time(few, record));
        }
        let _ = client.close(Duration::from_secs(60));
    }
    let mut passed = true;
    for (name, resolving, recording, bound) in [
        ("repeat", resolve, repeat, REPEAT),
        ("first", resolve_first, first, FIRST),
    ] {
        let beyond = recording - resolving;
        passed &= beyond <= bound;
        println!(
            "{name:8} {recording:6.1} ns, {beyond:6.1} beyond resolving ({resolving:.1}); bound {bound}"
        );
    }
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
