//! The calls that `cargo xtask bench-check` counts instructions of.
//!
//! `--list` prints each scenario and a number of calls; `SCENARIO CALLS` sets everything up and makes
//! that many calls.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark of what cannot be set up is none"
)]

mod scenarios;

use core::hint::black_box;

use bucketry_core::{ExposureDetails, FlagSet};
use scenarios::{Bench, NOW, TIMES};

/// Name, calls, and the calls themselves.
type Scenario = (&'static str, u64, fn(&Bench, u64));

#[rustfmt::skip]
const SCENARIOS: [Scenario; 8] = [
    ("on_off_by_key", 10_000, |bench, calls| by_key(&bench.ons, bench, calls)),
    ("split_by_key", 10_000, |bench, calls| by_key(&bench.split, bench, calls)),
    ("split_by_handle", 10_000, by_handle),
    ("split_among_1000", 10_000, among_1000),
    ("five_rules", 10_000, |bench, calls| by_key(&bench.rules, bench, calls)),
    ("all_1000", 20, all_1000),
    ("record_repeat", 10_000, record_repeat),
    ("load_1000", 2, load_1000),
];

#[expect(clippy::disallowed_methods, reason = "a program has arguments")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [name, calls] => {
            let scenario = SCENARIOS.iter().find(|scenario| scenario.0 == *name);
            let (_, _, run) = scenario.expect("no such scenario");
            run(&Bench::new(), calls.parse().expect("a number of calls"));
        }
        // Also what `cargo bench` does, which adds an argument of its own.
        _ => SCENARIOS
            .iter()
            .for_each(|(name, calls, _)| println!("{name} {calls}")),
    }
}

fn by_key(set: &FlagSet, bench: &Bench, calls: u64) {
    let key = bench.key(0);
    for n in 0..calls {
        black_box(set.resolve(black_box(key), bench.context(n), NOW).value());
    }
}

fn by_handle(bench: &Bench, calls: u64) {
    let flag = bench.split.flag(bench.key(0)).expect("the flag");
    for n in 0..calls {
        black_box(flag.resolve(bench.context(n), NOW).value());
    }
}

fn among_1000(bench: &Bench, calls: u64) {
    for n in 0..calls {
        let key = black_box(bench.key(n));
        black_box(bench.splits.resolve(key, bench.context(n), NOW).value());
    }
}

fn all_1000(bench: &Bench, calls: u64) {
    for n in 0..calls {
        for (_, resolution) in bench.mixed.resolve_all(bench.context(n), NOW) {
            black_box(resolution.value());
        }
    }
}

fn record_repeat(bench: &Bench, calls: u64) {
    let resolution = bench.split.resolve(bench.key(0), bench.context(0), NOW);
    let assignment = resolution.assignment().expect("an experiment");
    let details = ExposureDetails::default();
    let mut log = scenarios::log();
    log.record(&assignment, &details, TIMES, 0);
    for _ in 0..calls {
        black_box(log.record(black_box(&assignment), &details, TIMES, 0));
    }
}

fn load_1000(bench: &Bench, calls: u64) {
    for _ in 0..calls {
        let document = black_box(bench.mixed_document.as_bytes());
        black_box(FlagSet::from_json(document).is_ok());
    }
}
