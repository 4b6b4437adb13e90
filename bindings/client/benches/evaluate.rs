//! Times of the client's calls beside the core's, measured in the same run.
//!
//! `cargo bench -p bucketry`. Each row has a bound; the program fails over it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark of what cannot be set up is none"
)]

#[expect(dead_code, reason = "the core's benches need more of it")]
#[path = "../../../core/benches/scenarios/mod.rs"]
mod scenarios;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bucketry::testing::TestClient;
use bucketry::{Client, FlagSet};
use scenarios::{Bench, NOW};

/// Batches of each call, taken in turns; the best one counts.
const ROUNDS: usize = 400;

const BATCH: u64 = 4_096;

/// How long a throughput is measured, and how often; the best one counts.
const SPAN: Duration = Duration::from_millis(300);
const SPANS: usize = 7;

/// How often another flag set is swapped in meanwhile.
const SWAP: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    let bench = Bench::new();
    let client = TestClient::empty();
    client.hold(FlagSet::from_json(bench_document(1).as_bytes()).expect("a flag set"));
    let mut over = false;

    let ons = client.flag_set().expect("it is held");
    let core = || {
        for n in 0..BATCH {
            let resolution = ons.resolve(black_box(bench.key(n)), bench.context(n), NOW);
            black_box(resolution.value().and_then(|value| value.as_bool()));
        }
    };
    let through = || {
        for n in 0..BATCH {
            black_box(client.bool_value(black_box(bench.key(n)), bench.context(n), false));
        }
    };
    let snapshot = client.snapshot();
    let pinned = || {
        for n in 0..BATCH {
            black_box(snapshot.bool_value(black_box(bench.key(n)), bench.context(n), false));
        }
    };
    let mut best = [f64::INFINITY; 3];
    for _ in 0..ROUNDS {
        for (best, call) in best.iter_mut().zip([&core as &dyn Fn(), &through, &pinned]) {
            let start = Instant::now();
            call();
            *best = best.min(start.elapsed().as_secs_f64() * 1e9 / BATCH as f64);
        }
    }
    println!("{:44} {:>10} {:>8} {:>8}", "", "", "ratio", "bound");
    println!(
        "{:44} {:7.1} ns",
        "core: resolve by key among 1,000", best[0]
    );
    for (name, time) in [
        ("client: bool_value", best[1]),
        ("snapshot: bool_value", best[2]),
    ] {
        let ratio = time / best[0];
        println!("{name:44} {time:7.1} ns {ratio:8.2} {:>8}", "1.50");
        over |= ratio > 1.5;
    }

    let sets: Vec<_> = (2..=9)
        .map(|revision| {
            let set = FlagSet::from_json(bench_document(revision).as_bytes());
            Arc::new(set.expect("a flag set"))
        })
        .collect();
    let mut rates = [0.0_f64; 2];
    for _ in 0..SPANS {
        for (rate, threads) in rates.iter_mut().zip([1, 2]) {
            *rate = rate.max(throughput(&client, &bench, &sets, threads));
        }
    }
    let scaling = rates[1] / rates[0];
    println!(
        "{:44} {:5.1} M/s",
        "1 thread, sets swapped every 10 ms",
        rates[0] / 1e6
    );
    println!(
        "{:44} {:5.1} M/s {scaling:8.2} {:>8}",
        "2 threads",
        rates[1] / 1e6,
        ">= 1.90"
    );
    over |= scaling < 1.9;

    let start = start_to_ready(&bench);
    println!(
        "{:44} {:7.2} ms {:8} {:>8}",
        "start to ready, file of 1,000 flags", start, "", "20"
    );
    over |= start > 20.0;
    ExitCode::from(u8::from(over))
}

/// 1,000 flags that are on.
fn bench_document(revision: u64) -> String {
    let flags: Vec<_> = (0..1_000)
        .map(|n| {
            format!(
                r#""team-{}.flag-{n:04}":{{"type":"boolean","default":"on"}}"#,
                n % 7
            )
        })
        .collect();
    format!(
        r#"{{"format":1,"revision":{revision},"flags":{{{}}}}}"#,
        flags.join(",")
    )
}

/// Evaluations a second of so many threads together, while a thread swaps flag sets.
fn throughput(client: &TestClient, bench: &Bench, sets: &[Arc<FlagSet>], threads: usize) -> f64 {
    let done = AtomicBool::new(false);
    let done = &done;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for set in sets.iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                client.hold(Arc::clone(set));
                std::thread::sleep(SWAP);
            }
        });
        let start = Instant::now();
        let counting: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0_u64;
                    while !done.load(Ordering::Relaxed) {
                        for n in 0..256 {
                            black_box(client.bool_value(bench.key(n), bench.context(n), false));
                        }
                        count += 256;
                    }
                    count
                })
            })
            .collect();
        std::thread::sleep(SPAN);
        done.store(true, Ordering::Relaxed);
        let spent = start.elapsed().as_secs_f64();
        let counts = counting
            .into_iter()
            .map(|thread| thread.join().expect("it counts"));
        counts.sum::<u64>() as f64 / spent
    })
}

/// Milliseconds from building a client over a local file until it is ready; the best of many.
fn start_to_ready(bench: &Bench) -> f64 {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("flags.json");
    std::fs::write(&path, &bench.mixed_document).expect("a file");
    let once = |_| {
        let start = Instant::now();
        let client = Client::builder().file(&path).build().expect("it is built");
        client.ready(Duration::from_secs(10)).expect("it is ready");
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..30).map(once).fold(f64::INFINITY, f64::min)
}
