//! Exposures of a real client on real disks: full ones, such that cannot be written to, and processes that are told to end.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use bucketry::{Batch, Client, Delivered, EvaluationContext, ExposureOptions, callback};
use tempfile::TempDir;

const FLAGS: &str = r#"{ "format": 1, "flags": { "button": { "type": "boolean",
    "rules": [{ "experiment": { "key": "exp-42" }, "split": { "on": 1, "off": 1 } }] } } }"#;
/// For each wait: only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(120);
/// Names the folder in which a child works.
const FOLDER: &str = "BUCKETRY_TEST_FOLDER";

fn options() -> ExposureOptions {
    ExposureOptions::new()
        .flush_interval(Duration::from_millis(20))
        .backoff(Duration::from_millis(20), Duration::from_millis(200))
}

fn expose(client: &Client, units: std::ops::Range<usize>) {
    for unit in units {
        let context = EvaluationContext::new(format!("user-{unit}"));
        let _ = client.bool_value("button", &context, false);
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn failing(client: &Client) -> Option<String> {
    client
        .metrics()
        .delivery
        .and_then(|delivery| delivery.failing)
}

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.to_str().is_some_and(|path| path.ends_with(end)));
    files
}

/// The event ids in the sealed files, and how many lines have one.
fn events(folder: &Path) -> (BTreeSet<String>, usize) {
    let (mut events, mut lines) = (BTreeSet::new(), 0);
    for path in files(folder, ".ndjson") {
        for line in fs::read_to_string(path).unwrap().lines() {
            if let Some((_, rest)) = line.split_once(r#""event_id":""#) {
                lines += 1;
                events.insert(rest[..32].to_owned());
            }
        }
    }
    (events, lines)
}

/// A file system of half a megabyte; none where this user may not mount one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn what_a_full_disk_does_not_take_is_kept_and_written_when_there_is_room() {
    let Some(disk) = SmallDisk::new() else {
        println!("skipped: this user may not mount a small file system");
        return;
    };
    let folder = disk.0.path().join("exposures");
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![b'x'; 300 << 10]).unwrap();
    let client = Client::builder()
        .inline(FLAGS)
        .exposures_to_dir(&folder)
        .exposure_options(options())
        .build()
        .unwrap();
    // Some 360 KiB, where there is room for 200.
    expose(&client, 0..600);
    wait_until("the disk is full", || failing(&client).is_some());
    let counters = client.metrics().exposures.unwrap();
    assert_eq!((counters.evaluated, counters.dropped.total()), (600, 0));
    assert!(counters.queued + counters.in_flight > 0);
    fs::remove_file(ballast).unwrap();
    let report = client.close(PATIENCE);
    assert!(report.is_complete(), "{report}");
    let (events, lines) = events(&folder);
    assert_eq!(
        (events.len(), lines),
        (600, 600),
        "no batch is there in part, or twice"
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_told_and_costs_only_what_is_left_at_the_end() {
    // Nobody can make a folder there, not even root.
    let client = Client::builder()
        .inline(FLAGS)
        .exposures_to_dir("/proc/self/exposures")
        .exposure_options(options())
        .build()
        .unwrap();
    expose(&client, 0..10);
    wait_until("the failure is told", || failing(&client).is_some());
    let report = client.close(Duration::from_millis(50));
    assert_eq!(
        (report.delivered, report.dropped.abandoned),
        (0, 10),
        "{report}"
    );
    assert!(report.failure.is_some());
}

#[test]
#[ignore = "a process for the test below to end"]
fn flushes_until_it_is_told_to_end() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let sink = callback(|_: &Batch| Delivered::Failed("the receiver is down".into()));
    let spool =
        bucketry::SpoolOptions::new(folder.join("spool")).interval(Duration::from_millis(10));
    let client = Client::builder()
        .inline(FLAGS)
        .sink(sink)
        .spool(spool)
        .exposure_options(options())
        .build()
        .unwrap();
    expose(&client, 0..2_000);
    loop {
        fs::write(folder.join("flushing"), "").unwrap();
        let _ = client.flush(Duration::from_secs(3_600));
    }
}

#[test]
fn sigterm_in_the_middle_of_a_flush_loses_nothing_that_is_spooled() {
    let folder = TempDir::new().unwrap();
    let spool = folder.path().join("spool");
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--ignored", "flushes_until_it_is_told_to_end"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.matches("\"event_id\"").count()
    };
    wait_until("everything is spooled", || {
        folder.path().join("flushing").exists()
            && files(&spool, ".spool").iter().map(lines).sum::<usize>() >= 2_000
    });
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert!(!child.wait().unwrap().success());

    let exposures = folder.path().join("exposures");
    let client = Client::builder()
        .inline(FLAGS)
        .exposures_to_dir(&exposures)
        .spool(&spool)
        .exposure_options(options())
        .build()
        .unwrap();
    wait_until("the next process delivers them", || {
        files(&spool, ".spool").is_empty()
            && client.metrics().exposures.unwrap().restored.sent >= 2_000
    });
    let report = client.close(PATIENCE);
    assert_eq!(report.dropped.total(), 0, "{report}");
    let (events, lines) = events(&exposures);
    assert_eq!((events.len(), lines), (2_000, 2_000));
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_bounded_however_many_units_there_are_and_nothing_leaves() {
    // What is held is full after 25,000 units and what is remembered after 131,072. BUCKETRY_UNITS=10000000 runs the whole.
    let units = env::var("BUCKETRY_UNITS").map_or(400_000, |units| units.parse().unwrap());
    let sink = callback(|_: &Batch| Delivered::Failed("the receiver is down".into()));
    let client = Client::builder().inline(FLAGS).sink(sink).build().unwrap();
    expose(&client, 0..1);
    let before = resident();
    expose(&client, 0..units);
    let grown = resident().saturating_sub(before);
    println!("{units} units: {grown} KiB");
    assert!(grown < 32 << 10, "{grown} KiB");
    let counters = client.metrics().exposures.unwrap();
    assert!(counters.is_balanced() && counters.dropped.queue_full > 0);
    let _ = client.close(Duration::from_millis(1));
}

/// The most memory that this process had at one time, in KiB: other tests of this file included, which take little.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
