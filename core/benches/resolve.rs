//! Times of the core's calls beside what nothing can be faster than, measured in the same run: one
//! look-up of the key in a hash map, and one XXH64 of 24 bytes.
//!
//! `cargo bench -p bucketry-core --bench resolve`. Each row has a bound; the program fails over it.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark of what cannot be set up is none"
)]

mod scenarios;

use core::hint::black_box;
use core::time::Duration;

use bucketry_core::{ExposureDetails, FlagSet};
use hashbrown::HashMap;
use scenarios::{Bench, NOW, TIMES};
use std::process::ExitCode;
use std::time::Instant;
use xxhash_rust::xxh64::xxh64;

/// Batches of each call, taken in turns, so that a busy moment of the machine hits all alike; the best
/// one counts.
const ROUNDS: usize = 400;

/// Long enough for the clock's grain, short enough to fit between two interruptions.
const BATCH: Duration = Duration::from_micros(200);

const LOOK_UP: &str = "map look-up";
const HASH: &str = "XXH64 of 24 bytes";
const VALUE: &str = "serde_json::Value of 1,000 flags";

/// Makes a number of calls.
type Call<'a> = Box<dyn FnMut(u64) + 'a>;

struct Row<'a> {
    name: &'static str,
    call: Call<'a>,
    per_batch: u64,
    /// Nanoseconds a call.
    best: f64,
    /// The rows that together are the floor, and the most that this may be a multiple of it.
    bound: Option<(&'static [&'static str], f64)>,
}

impl<'a> Row<'a> {
    fn new(name: &'static str, mut call: impl FnMut(u64) + 'a) -> Self {
        let mut per_batch = 1;
        while time(&mut call, per_batch) < BATCH {
            per_batch *= 2;
        }
        Self {
            name,
            call: Box::new(call),
            per_batch,
            best: f64::INFINITY,
            bound: None,
        }
    }

    fn within(mut self, times: f64, floor: &'static [&'static str]) -> Self {
        self.bound = Some((floor, times));
        self
    }

    fn measure(&mut self) {
        let spent = time(&mut self.call, self.per_batch);
        self.best = self
            .best
            .min(spent.as_secs_f64() * 1e9 / self.per_batch as f64);
    }
}

fn time(call: &mut impl FnMut(u64), count: u64) -> Duration {
    let start = Instant::now();
    call(count);
    start.elapsed()
}

fn main() -> ExitCode {
    let bench = Bench::new();
    let flag = bench.split.flag(bench.key(0)).expect("the flag");
    let resolution = bench.split.resolve(bench.key(0), bench.context(0), NOW);
    let assignment = resolution.assignment().expect("an experiment");
    let details = ExposureDetails::default();
    let mut log = scenarios::log();
    log.record(&assignment, &details, TIMES, 0);

    let map: HashMap<&str, usize, foldhash::fast::FixedState> =
        bench.keys.iter().map(String::as_str).zip(0..).collect();
    let units: Vec<&[u8]> = bench
        .contexts
        .iter()
        .filter_map(|context| context.targeting_key().map(str::as_bytes))
        .collect();

    let mut rows = [
        Row::new(LOOK_UP, |calls| {
            for n in 0..calls {
                black_box(map.get(black_box(bench.key(n))));
            }
        }),
        Row::new(HASH, |calls| {
            for n in 0..calls {
                black_box(xxh64(black_box(units[n as usize % units.len()]), 0));
            }
        }),
        Row::new(VALUE, |calls| {
            for _ in 0..calls {
                let document = black_box(bench.mixed_document.as_bytes());
                black_box(serde_json::from_slice::<serde_json::Value>(document).is_ok());
            }
        }),
        Row::new("on, by key among 1,000", |calls| {
            among(&bench.ons, &bench, calls)
        })
        .within(2.0, &[LOOK_UP]),
        Row::new("split, by key among 1,000", |calls| {
            among(&bench.splits, &bench, calls)
        })
        .within(2.0, &[LOOK_UP, HASH]),
        Row::new("split, by handle", |calls| {
            for n in 0..calls {
                black_box(flag.resolve(bench.context(n), NOW).value());
            }
        })
        .within(2.0, &[HASH]),
        Row::new("five rules, by key", |calls| {
            for n in 0..calls {
                let key = black_box(bench.key(0));
                black_box(bench.rules.resolve(key, bench.context(n), NOW).value());
            }
        })
        .within(6.0, &[LOOK_UP, HASH]),
        Row::new("all 1,000", |calls| {
            for n in 0..calls {
                for (_, resolution) in bench.mixed.resolve_all(bench.context(n), NOW) {
                    black_box(resolution.value());
                }
            }
        }),
        Row::new("record a repeat", |calls| {
            for _ in 0..calls {
                black_box(log.record(black_box(&assignment), &details, TIMES, 0));
            }
        }),
        Row::new("load 1,000 flags", |calls| {
            for _ in 0..calls {
                let document = black_box(bench.mixed_document.as_bytes());
                black_box(FlagSet::from_json(document).is_ok());
            }
        })
        .within(3.0, &[VALUE]),
    ];
    for _ in 0..ROUNDS {
        rows.iter_mut().for_each(Row::measure);
    }
    report(&rows)
}

fn among(set: &FlagSet, bench: &Bench, calls: u64) {
    for n in 0..calls {
        let key = black_box(bench.key(n));
        black_box(set.resolve(key, bench.context(n), NOW).value());
    }
}

fn report(rows: &[Row<'_>]) -> ExitCode {
    println!(
        "{:32} {:>12} {:>12} {:>6} {:>6}",
        "", "ns", "floor", "ratio", "bound"
    );
    let mut over = false;
    for row in rows {
        print!("{:32} {:12.1}", row.name, row.best);
        if let Some((names, bound)) = row.bound {
            let floors = rows.iter().filter(|row| names.contains(&row.name));
            let floor: f64 = floors.map(|row| row.best).sum();
            let ratio = row.best / floor;
            print!(" {floor:12.1} {ratio:6.2} {bound:6.1}");
            if ratio > bound {
                print!("  OVER");
                over = true;
            }
        }
        println!();
    }
    if over {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
