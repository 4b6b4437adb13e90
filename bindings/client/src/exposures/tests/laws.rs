//! The law of conservation, whatever the sink does.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::*;
use crate::random::Generator;

/// A sink that does anything; what it accepted, or may have, is with the receiver.
struct Fickle {
    receiver: Receiver,
    random: Mutex<Generator>,
}

impl Sink for Fickle {
    fn deliver<'a>(&'a self, batch: &'a Batch) -> SinkFuture<'a, Delivered> {
        let draw = self.random.lock().unwrap().next();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(draw >> 54)).await;
            let status = |status, retry_after: bool| Delivered::Status {
                status,
                retry_after: retry_after.then_some(Duration::from_secs(draw & 63)),
            };
            match draw % 16 {
                0 => panic!("on purpose"),
                1 => std::future::pending().await,
                2 => Delivered::Failed("refused".into()),
                3 => Delivered::Rejected("never".into()),
                4 => status(413, false),
                5 => status(400, false),
                6 => status(429, true),
                7 => status(503, true),
                8 => {
                    // Stored, but the answer is lost.
                    self.receiver.take(batch);
                    Delivered::Failed("connection reset".into())
                }
                9 => {
                    self.receiver.take(batch);
                    std::future::pending().await
                }
                10..=12 => {
                    self.receiver.take(batch);
                    status(202, false)
                }
                _ => {
                    self.receiver.take(batch);
                    Delivered::Accepted
                }
            }
        })
    }
}

/// One life of a process, by `seed`, and what it said at its end.
async fn live(seed: u64, receiver: &Receiver, folder: &TempDir) -> FlushReport {
    let set = flag_set();
    let mut random = Generator::seeded(seed);
    let options = ExposureOptions::new()
        .shards(1 << (random.next() % 5))
        .batch_records(1 + (random.next() % 100) as usize)
        .max_bytes(1 << (18 + random.next() % 5))
        .max_pending(100 + (random.next() % 3_000) as usize)
        .send_timeout(Duration::from_secs(1 + random.next() % 60));
    let sink = Fickle {
        receiver: receiver.clone(),
        random: Mutex::new(Generator::seeded(random.next())),
    };
    let spool = Some(SpoolOptions::new(folder.path()));
    let exposures = spooling(sink, options, spool);
    let local = LocalSet::new();
    local
        .run_until(async {
            let running = Arc::clone(&exposures);
            let running = spawn_local(async move { running.run().await });
            for _ in 0..20 {
                for _ in 0..random.next() % 200 {
                    let unit = format!("user-{}", random.next() % 5_000);
                    record(&exposures, &set, &unit);
                }
                match random.next() % 4 {
                    0 => drop(
                        exposures
                            .flush(Duration::from_secs(random.next() % 10))
                            .await,
                    ),
                    _ => tokio::time::sleep(Duration::from_millis(random.next() % 30_000)).await,
                }
                assert!(exposures.counters().is_balanced());
            }
            let report = exposures
                .shut_down(Duration::from_secs(random.next() % 20))
                .await;
            running.await.unwrap();
            report
        })
        .await
}

#[tokio::test(start_paused = true)]
async fn every_exposure_is_delivered_or_kept_or_counted() {
    for seed in 0..10 {
        let receiver = Receiver::default();
        let folder = TempDir::new().unwrap();
        let mut carried = 0;
        for life in 0..3 {
            let report = live(seed * 3 + life, &receiver, &folder).await;
            let totals = report.totals;
            assert!(totals.is_balanced(), "seed {seed}: {totals:?}");
            // What found no room to be restored waits on disk.
            let taken_over = totals.restored.accepted;
            assert!(taken_over <= carried, "seed {seed}: {report}");
            // Of its own and of its predecessors': settled, or on disk for the next.
            let pending = totals.queued + totals.in_flight + totals.restored.in_flight;
            assert_eq!(pending, report.kept.spooled, "seed {seed}: {report}");
            assert_eq!(report.dropped.abandoned, 0, "seed {seed}: {report}");
            carried = carried - taken_over + report.kept.spooled;
        }
        // A last life with a receiver that takes everything.
        let sink = receiver.sink(Delivered::Accepted);
        let last = spooling(
            sink,
            ExposureOptions::new(),
            Some(SpoolOptions::new(folder.path())),
        );
        let ((), report) = beside_the_loop(&last, async {
            tokio::time::sleep(Duration::from_secs(120)).await;
        })
        .await;
        assert_eq!(
            report.totals.restored.sent, carried,
            "seed {seed}: {report}"
        );
        assert!(numbers_are_distinct(&receiver), "seed {seed}");
    }
}

/// Whether lines of one number are always the same line.
fn numbers_are_distinct(receiver: &Receiver) -> bool {
    let lines: BTreeSet<String> = receiver.lines.lock().unwrap().iter().cloned().collect();
    let number = |line: &String| {
        let (_, rest) = line.split_once(r#""producer_id":""#).unwrap();
        let (producer, rest) = rest.split_once(r#"","seq":"#).unwrap();
        let (seq, _) = rest.split_once(',').unwrap();
        (producer.to_owned(), seq.to_owned())
    };
    let numbers: BTreeSet<_> = lines.iter().map(number).collect();
    numbers.len() == lines.len()
}
