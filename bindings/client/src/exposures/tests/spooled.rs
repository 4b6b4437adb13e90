//! What outlives a process.

use std::fs;

use tempfile::TempDir;

use super::*;

fn failed() -> Delivered {
    Delivered::Failed("on purpose".into())
}

fn files(folder: &TempDir) -> Vec<String> {
    let names = fs::read_dir(folder.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn spool(folder: &TempDir) -> Option<SpoolOptions> {
    Some(SpoolOptions::new(folder.path()))
}

/// A process that records so many units, from `from`, and delivers none of them.
async fn spooled(folder: &TempDir, from: usize, units: usize) -> FlushReport {
    let set = flag_set();
    let sink = Receiver::default().sink(failed());
    let exposures = spooling(sink, ExposureOptions::new(), spool(folder));
    let local = LocalSet::new();
    local
        .run_until(async {
            let running = Arc::clone(&exposures);
            spawn_local(async move { running.run().await });
            for unit in from..from + units {
                record(&exposures, &set, &format!("user-{unit}"));
            }
            exposures.shut_down(Duration::from_millis(100)).await
        })
        .await
}

#[tokio::test(start_paused = true)]
async fn what_was_not_delivered_the_next_process_delivers_once() {
    let folder = TempDir::new().unwrap();
    let report = spooled(&folder, 0, 3_000).await;
    assert_eq!(
        (report.kept.spooled, report.dropped.total()),
        (3_000, 0),
        "{report}"
    );
    assert_eq!(report.totals.in_flight, 3_000);
    let report = spooled(&folder, 3_000, 500).await;
    assert_eq!(report.totals.restored.accepted, 3_000);
    assert_eq!(report.kept.spooled, 3_500, "{report}");

    let receiver = Receiver::default();
    let sink = receiver.sink(Delivered::Accepted);
    let next = spooling(sink, ExposureOptions::new(), spool(&folder));
    let (_, report) = beside_the_loop(&next, async {
        while receiver.events().len() < 3_500 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    assert_eq!(report.totals.restored.sent, 3_500);
    assert!(receiver.events().values().all(|count| *count == 1));
    // Nothing stays of what is delivered.
    assert_eq!(files(&folder), <[&str; 0]>::default());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_lives_keeps_its_spool() {
    let folder = TempDir::new().unwrap();
    let set = flag_set();
    let receiver = Receiver::default();
    let living = spooling(
        receiver.sink(failed()),
        ExposureOptions::new(),
        spool(&folder),
    );
    let other = Receiver::default();
    let beside = spooling(
        other.sink(Delivered::Accepted),
        ExposureOptions::new(),
        spool(&folder),
    );
    let ((), _) = beside_the_loop(&living, async {
        record(&living, &set, "user-1");
        while !files(&folder).iter().any(|name| name.ends_with(".spool")) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let ((), report) = beside_the_loop(&beside, async {
            tokio::time::sleep(Duration::from_secs(120)).await;
        })
        .await;
        assert_eq!(report.totals.restored.accepted, 0);
    })
    .await;
    assert_eq!(other.events().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn more_than_there_is_room_for_waits_on_disk() {
    let folder = TempDir::new().unwrap();
    for from in 0..4 {
        let report = spooled(&folder, from * 1_000, 1_000).await;
        assert_eq!(report.dropped.total(), 0, "{report}");
    }
    // Half of its room is left for what it records itself: fewer than 1,000 records at a time fit.
    let options = ExposureOptions::new().shards(1).max_bytes(1 << 20);
    let receiver = Receiver::default();
    let small = spooling(receiver.sink(Delivered::Accepted), options, spool(&folder));
    let ((), report) = beside_the_loop(&small, async {
        while receiver.events().len() < 4_000 {
            let held = small.here().shards.at(0).lock().log.pending_bytes();
            assert!(held <= 700 << 10, "{held}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    assert_eq!(
        (report.totals.restored.sent, report.totals.restored.dropped),
        (4_000, 0)
    );
    assert_eq!(files(&folder), <[&str; 0]>::default());
}

#[tokio::test(start_paused = true)]
async fn a_spool_without_room_says_what_it_lost() {
    let folder = TempDir::new().unwrap();
    let set = flag_set();
    let spool = SpoolOptions::new(folder.path()).max_bytes(150 << 10);
    let sink = Receiver::default().sink(failed());
    let options = ExposureOptions::new().batch_records(50);
    let exposures = spooling(sink, options, Some(spool));
    let local = LocalSet::new();
    let report = local
        .run_until(async {
            let running = Arc::clone(&exposures);
            spawn_local(async move { running.run().await });
            for unit in 0..1_000 {
                record(&exposures, &set, &format!("user-{unit}"));
            }
            exposures.shut_down(Duration::from_millis(100)).await
        })
        .await;
    let (spooled, lost) = (report.kept.spooled, report.dropped.abandoned);
    assert_eq!(spooled + lost, 1_000, "{report}");
    assert!(lost > 0, "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_kept_and_the_others_are_read() {
    let folder = TempDir::new().unwrap();
    let _ = spooled(&folder, 0, 10).await;
    let damaged = files(&folder)
        .into_iter()
        .find(|name| name.ends_with(".spool"))
        .unwrap();
    let path = folder.path().join(damaged);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("user-3", "user-4")).unwrap();
    let _ = spooled(&folder, 100, 10).await;

    let receiver = Receiver::default();
    let next = spooling(
        receiver.sink(Delivered::Accepted),
        ExposureOptions::new(),
        spool(&folder),
    );
    let ((), _) = beside_the_loop(&next, async {
        while receiver.events().len() < 10 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let left = files(&folder);
    assert!(left.len() == 1 && left[0].ends_with(".damaged"), "{left:?}");
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_written_to_is_told_and_stops_nothing() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a file, no folder");
    fs::write(&file, "").unwrap();
    let set = flag_set();
    let receiver = Receiver::default();
    let spool = Some(SpoolOptions::new(&file));
    let exposures = spooling(
        receiver.sink(Delivered::Accepted),
        ExposureOptions::new(),
        spool,
    );
    let ((), report) = beside_the_loop(&exposures, async {
        record(&exposures, &set, "user-1");
        while exposures.status().spool_failing.is_none() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    assert_eq!((report.totals.sent, report.dropped.total()), (1, 0));
}
