//! The loop against sinks of every kind, under virtual time.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

use bucketry_core::{EvaluationContext, FlagSet, MonotonicMillis, Recorded, Times, UnixMillis};
use tokio::task::{LocalSet, spawn_local};

use super::*;
use crate::sink::{Batch, Delivered, SinkFuture, callback};

mod killed;
mod laws;
mod spooled;

const START: i64 = 1_795_464_000_000;

fn flag_set() -> FlagSet {
    let document = br#"{ "format": 1, "flags": { "button": {
        "type": "string", "variants": { "blue": "blue", "green": "green" },
        "rules": [{ "experiment": { "key": "exp-42" }, "split": { "blue": 1, "green": 1 } }]
    } } }"#;
    FlagSet::from_json_strict(document).unwrap()
}

/// Tokio's clock, which a test that is paused moves.
fn clock() -> Clock {
    let start = tokio::time::Instant::now();
    Arc::new(move || {
        let millis = start.elapsed().as_millis() as u64;
        Times {
            monotonic: MonotonicMillis(millis),
            wall: UnixMillis(START + millis as i64),
        }
    })
}

fn exposures(sink: impl Sink, options: ExposureOptions) -> Arc<Exposures> {
    spooling(sink, options, None)
}

fn spooling(
    sink: impl Sink,
    options: ExposureOptions,
    spool: Option<SpoolOptions>,
) -> Arc<Exposures> {
    let config = ExposuresConfig {
        sink: Arc::new(sink),
        options,
        spool,
        sdk: "bucketry-test/1".into(),
        platform: "test".into(),
        clock: clock(),
    };
    Arc::new(Exposures::new(config).unwrap())
}

/// Records one exposure of a unit.
fn record(exposures: &Exposures, flag_set: &FlagSet, unit: &str) -> Recorded {
    let now = (exposures.here().config.clock)();
    let context = EvaluationContext::new(unit);
    let resolution = flag_set.resolve("button", &context, now.wall);
    let assignment = resolution.assignment().unwrap();
    exposures.record(&assignment, &ExposureDetails::default(), now)
}

/// Runs `work` beside the loop of `exposures`, and shuts that down.
async fn beside_the_loop<T>(
    exposures: &Arc<Exposures>,
    work: impl Future<Output = T>,
) -> (T, FlushReport) {
    let local = LocalSet::new();
    local
        .run_until(async {
            let running = Arc::clone(exposures);
            let running = spawn_local(async move { running.run().await });
            let done = work.await;
            let report = exposures.shut_down(Duration::from_secs(3_600)).await;
            running.await.unwrap();
            (done, report)
        })
        .await
}

/// Keeps the records that it accepts; answers as told.
#[derive(Clone, Default)]
struct Receiver {
    lines: Arc<Mutex<Vec<String>>>,
    attempts: Arc<AtomicUsize>,
}

impl Receiver {
    fn take(&self, batch: &Batch) {
        let text = std::str::from_utf8(&batch.body).unwrap();
        let mut lines = self.lines.lock().unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }

    /// Answers always the same, and keeps what it accepts.
    fn sink(&self, answer: Delivered) -> impl Sink {
        let receiver = self.clone();
        callback(move |batch: &Batch| {
            if answer == Delivered::Accepted {
                receiver.take(batch);
            }
            answer.clone()
        })
    }

    /// How often each exposure came.
    fn events(&self) -> BTreeMap<String, usize> {
        let mut events = BTreeMap::new();
        for line in self.lines.lock().unwrap().iter() {
            if let Some((_, rest)) = line.split_once(r#""event_id":""#) {
                *events.entry(rest[..32].to_owned()).or_default() += 1;
            }
        }
        events
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_recorded_arrives_once_and_repeats_do_not() {
    let receiver = Receiver::default();
    let exposures = exposures(receiver.sink(Delivered::Accepted), ExposureOptions::new());
    let set = flag_set();
    let ((), report) = beside_the_loop(&exposures, async {
        for unit in 0..5_000 {
            let unit = format!("user-{unit}");
            assert_eq!(record(&exposures, &set, &unit), Recorded::Queued);
            assert_eq!(record(&exposures, &set, &unit), Recorded::Deduplicated);
        }
        // Nobody asks for them: the flush interval brings them.
        while receiver.events().len() < 5_000 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    assert!(report.is_complete(), "{report}");
    let totals = report.totals;
    assert!(totals.is_balanced());
    assert_eq!(
        (totals.evaluated, totals.sent, totals.deduplicated),
        (10_000, 5_000, 5_000)
    );
    assert!(receiver.events().values().all(|count| *count == 1));
}

#[tokio::test(start_paused = true)]
async fn an_exposure_waits_no_longer_than_the_flush_interval() {
    let receiver = Receiver::default();
    let exposures = exposures(receiver.sink(Delivered::Accepted), ExposureOptions::new());
    let set = flag_set();
    let ((), _) = beside_the_loop(&exposures, async {
        for unit in 0..20 {
            record(&exposures, &set, &format!("user-{unit}"));
            tokio::time::sleep(Duration::from_millis(10_050)).await;
            assert_eq!(receiver.events().len(), unit + 1);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_is_counted_and_asked_again() {
    let receiver = Receiver::default();
    let sink = {
        let receiver = receiver.clone();
        callback(move |batch: &Batch| {
            assert!(
                receiver.attempts.fetch_add(1, Ordering::Relaxed) > 2,
                "on purpose"
            );
            receiver.take(batch);
        })
    };
    let exposures = exposures(sink, ExposureOptions::new());
    let set = flag_set();
    let ((), report) = beside_the_loop(&exposures, async {
        for unit in 0..100 {
            record(&exposures, &set, &format!("user-{unit}"));
        }
        let _ = exposures.flush(Duration::from_secs(60)).await;
    })
    .await;
    assert_eq!(report.totals.sent, 100);
    assert_eq!(receiver.events().len(), 100);
    assert_eq!(exposures.status().panics, 3);
    assert_eq!(exposures.status().failing, None);
}

struct Hanging;

impl Sink for Hanging {
    fn deliver<'a>(&'a self, _: &'a Batch) -> SinkFuture<'a, Delivered> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_never_answers_keeps_nobody_waiting_beyond_the_limit() {
    let exposures = exposures(Hanging, ExposureOptions::new());
    let set = flag_set();
    let start = tokio::time::Instant::now();
    let local = LocalSet::new();
    let report = local
        .run_until(async {
            let running = Arc::clone(&exposures);
            spawn_local(async move { running.run().await });
            record(&exposures, &set, "user-1");
            let report = exposures.flush(Duration::from_secs(2)).await;
            assert_eq!((report.delivered, report.kept.in_flight), (0, 1));
            exposures.shut_down(Duration::from_secs(100)).await
        })
        .await;
    assert_eq!(report.dropped.abandoned, 1);
    assert_eq!(report.failure.as_deref(), Some("no answer within 60s"));
    assert!(start.elapsed() < Duration::from_secs(110));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_a_pause_gets_it_from_all_shards() {
    struct Busy(Arc<Mutex<Vec<tokio::time::Instant>>>);
    impl Sink for Busy {
        fn deliver<'a>(&'a self, _: &'a Batch) -> SinkFuture<'a, Delivered> {
            self.0.lock().unwrap().push(tokio::time::Instant::now());
            Box::pin(std::future::ready(Delivered::Status {
                status: 429,
                retry_after: Some(Duration::from_secs(120)),
            }))
        }
    }
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let options = ExposureOptions::new().shards(8).max_in_flight(1);
    let exposures = exposures(Busy(Arc::clone(&attempts)), options);
    let set = flag_set();
    let ((), _) = beside_the_loop(&exposures, async {
        for unit in 0..1_000 {
            record(&exposures, &set, &format!("user-{unit}"));
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
    })
    .await;
    let attempts = attempts.lock().unwrap();
    let paused = attempts.windows(2).take(4).map(|pair| pair[1] - pair[0]);
    for pause in paused {
        assert!(pause >= Duration::from_secs(120), "{pause:?}");
    }
    assert!(attempts.len() > 4);
}

#[tokio::test(start_paused = true)]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock of a thread that is not there"
)]
async fn a_forked_child_sends_nothing_of_its_parents() {
    let receiver = Receiver::default();
    let exposures = exposures(receiver.sink(Delivered::Accepted), ExposureOptions::new());
    let set = flag_set();
    for unit in 0..10 {
        record(&exposures, &set, &format!("parent-{unit}"));
    }
    // As in a child: some thread that is not here holds a lock.
    let parent = Arc::clone(exposures.here());
    let _held = parent.shards.at(0).lock();
    exposures.after_fork_in_child();
    let ((), report) = beside_the_loop(&exposures, async {
        assert_eq!(record(&exposures, &set, "parent-1"), Recorded::Queued);
    })
    .await;
    assert_eq!((report.totals.evaluated, report.totals.sent), (1, 1));
    assert_eq!(receiver.events().len(), 1);
}
