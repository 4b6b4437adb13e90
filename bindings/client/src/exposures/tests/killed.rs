//! Processes that are killed: real ones, this test program once more.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use std::{env, fs};

use serde_json::Value as Json;
use tempfile::TempDir;

use super::*;
use crate::sink::NdjsonSink;

/// Names the folder in which a child works.
const FOLDER: &str = "BUCKETRY_TEST_FOLDER";
/// Long enough for any machine; a test waits so long only to fail.
const PATIENCE: Duration = Duration::from_secs(60);

/// This program again, running one of the tests below that do nothing otherwise.
fn child(test: &str, folder: &TempDir) -> Child {
    let name = format!("exposures::tests::killed::{test}");
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--ignored", &name])
        .env(FOLDER, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The wall clock, and a monotonic one.
fn real_clock() -> Clock {
    let start = Instant::now();
    Arc::new(move || Times {
        monotonic: MonotonicMillis(start.elapsed().as_millis() as u64),
        wall: UnixMillis(START),
    })
}

/// Records units without end, keeping pace with the sink; the length of a file is how many.
fn record_for_ever(folder: &std::path::Path, sink: Arc<dyn Sink>, spool: Option<SpoolOptions>) {
    let config = ExposuresConfig {
        sink,
        options: ExposureOptions::new().flush_interval(Duration::from_millis(20)),
        spool,
        sdk: "bucketry-test/1".into(),
        platform: "test".into(),
        clock: real_clock(),
    };
    let exposures = Arc::new(Exposures::new(config).unwrap());
    let running = Arc::clone(&exposures);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(running.run());
    });
    let set = flag_set();
    let run = std::process::id();
    let mut recorded = fs::File::create(folder.join(format!("recorded-{run}"))).unwrap();
    for unit in 0.. {
        if record(&exposures, &set, &format!("{run}/{unit}")) == Recorded::Queued {
            recorded.write_all(b".").unwrap();
        }
        while exposures.counters().queued > 500 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
#[ignore = "a process for the tests below to kill"]
fn writes_files_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let folder = std::path::PathBuf::from(folder);
    let sink = NdjsonSink::new(folder.join("exposures")).max_file_bytes(100_000);
    record_for_ever(&folder, Arc::new(sink), None);
}

#[test]
#[ignore = "a process for the tests below to kill"]
fn spools_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let folder = std::path::PathBuf::from(folder);
    let spool = SpoolOptions::new(folder.join("spool")).interval(Duration::from_millis(10));
    let sink = Receiver::default().sink(Delivered::Failed("the receiver is down".into()));
    record_for_ever(&folder, Arc::new(sink), Some(spool));
}

/// The sealed records of a folder: of each producer the numbers, and all event ids with how often they are there.
fn sealed(folder: &std::path::Path) -> (BTreeMap<String, Vec<u64>>, BTreeMap<String, usize>) {
    let (mut numbers, mut events) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "ndjson") {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let line: Json = serde_json::from_str(line).unwrap();
            let producer = line["producer_id"].as_str().unwrap().to_owned();
            numbers
                .entry(producer)
                .or_default()
                .push(line["seq"].as_u64().unwrap());
            if line["rec"] == "exposure" {
                let event = line["event_id"].as_str().unwrap().to_owned();
                *events.entry(event).or_default() += 1;
            }
        }
    }
    numbers
        .values_mut()
        .for_each(|numbers| numbers.sort_unstable());
    (numbers, events)
}

/// What is in the spool's files, however they are called.
fn spooled_batches(folder: &std::path::Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let spools = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "spool"));
    spools.count()
}

#[test]
fn files_of_a_process_killed_while_writing_are_sealed_whole() {
    let folder = TempDir::new().unwrap();
    let files = folder.path().join("exposures");
    for round in 0..3 {
        let mut child = child("writes_files_until_it_is_killed", &folder);
        wait_until("the child writes files", || {
            sealed_count(&files) > round * 3 + 2
        });
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // The next start seals what is open.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(NdjsonSink::new(&files).start());
    let open = |name: &str| name.ends_with(".open");
    let entries = fs::read_dir(&files).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| open(&name)));
    let (numbers, events) = sealed(&files);
    assert!(numbers.len() >= 3);
    for (producer, numbers) in &numbers {
        // In each file order, without gaps: nothing that was accepted is missing before what came last.
        let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, &expected, "{producer}");
    }
    assert!(events.values().all(|count| *count == 1));
}

fn sealed_count(files: &std::path::Path) -> usize {
    let entries = fs::read_dir(files).into_iter().flatten().flatten();
    let sealed =
        entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "ndjson"));
    sealed.count()
}

#[test]
fn exposures_of_killed_processes_are_delivered_by_the_next() {
    let folder = TempDir::new().unwrap();
    let spool = folder.path().join("spool");
    let mut recorded = 0;
    for round in 0..3 {
        let before = spooled_batches(&spool);
        let mut child = child("spools_until_it_is_killed", &folder);
        wait_until("the child spools", || spooled_batches(&spool) > before + 3);
        child.kill().unwrap();
        child.wait().unwrap();
        let said = folder.path().join(format!("recorded-{}", child.id()));
        let said = fs::metadata(said).unwrap().len() as usize;
        assert!(said > 0, "round {round}");
        recorded += said;
    }
    let files = folder.path().join("exposures");
    let config = ExposuresConfig {
        sink: Arc::new(NdjsonSink::new(&files)),
        options: ExposureOptions::new(),
        spool: Some(SpoolOptions::new(&spool).interval(Duration::from_millis(10))),
        sdk: "bucketry-test/1".into(),
        platform: "test".into(),
        clock: real_clock(),
    };
    let exposures = Arc::new(Exposures::new(config).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let report = LocalSet::new().block_on(&runtime, async {
        let running = Arc::clone(&exposures);
        spawn_local(async move { running.run().await });
        let start = Instant::now();
        loop {
            let restored = exposures.counters().restored;
            let all = restored.accepted > 0 && restored.in_flight == 0;
            if all && spooled_batches(&spool) == 0 {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{restored:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        exposures.shut_down(PATIENCE).await
    });
    let restored = report.totals.restored;
    assert_eq!((restored.accepted, restored.dropped), (restored.sent, 0));
    let (numbers, events) = sealed(&files);
    // Each exposure that was on disk is there once, and the numbers have no gaps: what a kill takes is what was not numbered
    // or not on disk yet, at the end of each producer.
    assert_eq!(events.len() as u64, restored.sent);
    assert!(events.values().all(|count| *count == 1));
    for (producer, numbers) in &numbers {
        let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, &expected, "{producer}");
    }
    assert!(
        events.len() <= recorded + 3,
        "{} of {recorded}",
        events.len()
    );
}
