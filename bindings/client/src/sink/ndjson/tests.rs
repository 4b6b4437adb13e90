//! The files as a reader finds them.

use std::collections::BTreeMap;
use std::fs;

use bucketry_core::{BatchId, ProducerId};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;

fn producer(number: u8) -> ProducerId {
    ProducerId([number; 16])
}

/// A batch of lines that look as a log writes them.
fn batch(producer: ProducerId, first: u64, last: u64) -> (BatchId, Vec<u8>) {
    let line = |seq| {
        format!(
            r#"{{"v":1,"rec":"exposure","producer_id":"{producer}","seq":{seq},"event_id":"{:032x}","ts":{}}}"#,
            seq,
            1_000 + seq
        ) + "\n"
    };
    let body: String = (first..=last).map(line).collect();
    (
        BatchId {
            producer,
            first,
            last,
        },
        body.into_bytes(),
    )
}

fn files(folder: &TempDir, change: impl FnOnce(NdjsonSink) -> NdjsonSink) -> Files {
    let files = Files::new(change(NdjsonSink::new(folder.path())).settings);
    files.start().unwrap();
    files
}

fn names(folder: &TempDir, end: &str) -> Vec<String> {
    let names = fs::read_dir(folder.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(end)).collect();
    names.sort();
    names
}

/// Reads what is sealed as a loader would: every file against its manifest. The numbers of each producer.
fn load(folder: &TempDir) -> BTreeMap<String, Vec<u64>> {
    let mut loaded: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let sealed = names(folder, ".ndjson");
    assert_eq!(sealed.len(), names(folder, ".manifest.json").len());
    for name in sealed {
        let text = fs::read(folder.path().join(&name)).unwrap();
        let manifest = fs::read(folder.path().join(format!("{name}.manifest.json"))).unwrap();
        let manifest: Json = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["file"], name);
        assert_eq!(manifest["bytes"], text.len());
        let digest: String = Sha256::digest(&text)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(manifest["sha256"], digest);
        let lines: Vec<Json> = text
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(manifest["records"], lines.len());
        let times = || lines.iter().map(|line| line["ts"].as_i64().unwrap());
        assert_eq!(manifest["first_ts"], times().min().unwrap());
        assert_eq!(manifest["last_ts"], times().max().unwrap());
        let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for line in &lines {
            let producer = line["producer_id"].as_str().unwrap().to_owned();
            found
                .entry(producer)
                .or_default()
                .push(line["seq"].as_u64().unwrap());
        }
        let told = manifest["producers"].as_object().unwrap();
        assert_eq!(told.len(), found.len());
        for (producer, numbers) in found {
            let mut distinct = numbers.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let ranges = told[&producer].as_array().unwrap();
            let ranges = ranges
                .iter()
                .flat_map(|range| range[0].as_u64().unwrap()..=range[1].as_u64().unwrap());
            assert_eq!(ranges.collect::<Vec<_>>(), distinct, "{name}");
            loaded.entry(producer).or_default().extend(numbers);
        }
    }
    loaded
}

fn append(files: &mut Files, producer: ProducerId, first: u64, last: u64) {
    let (id, body) = batch(producer, first, last);
    files.append(id, &body).unwrap();
}

#[test]
fn sealed_files_are_what_their_manifests_say() {
    let folder = TempDir::new().unwrap();
    let mut files = files(&folder, |sink| sink.max_file_bytes(3_000));
    for start in 0..20 {
        append(&mut files, producer(1), start * 5 + 1, start * 5 + 5);
        append(&mut files, producer(2), start * 3 + 1, start * 3 + 3);
    }
    assert!(names(&folder, ".ndjson").len() > 3, "rotated by size");
    assert_eq!(names(&folder, ".open").len(), 1);
    files.close();
    assert_eq!(names(&folder, ".open").len(), 0);
    let loaded = load(&folder);
    assert_eq!(
        loaded[&producer(1).to_string()],
        (1..=100).collect::<Vec<_>>()
    );
    assert_eq!(
        loaded[&producer(2).to_string()],
        (1..=60).collect::<Vec<_>>()
    );
}

#[test]
fn a_batch_that_comes_again_is_written_once() {
    let folder = TempDir::new().unwrap();
    let mut files = files(&folder, |sink| sink);
    append(&mut files, producer(1), 1, 5);
    append(&mut files, producer(1), 1, 5);
    files.close();
    assert_eq!(load(&folder)[&producer(1).to_string()], [1, 2, 3, 4, 5]);
}

#[test]
fn what_a_crash_left_open_is_cut_and_sealed_by_the_next_start() {
    for (torn, kept) in [
        ("{\"v\":1,\"rec\"", 5),
        ("", 5),
        ("\0\0\0\0", 5),
        ("{\"v\":1}\0\n", 5),
    ] {
        let folder = TempDir::new().unwrap();
        let mut crashed = files(&folder, |sink| sink);
        append(&mut crashed, producer(1), 1, 5);
        // The process ends here: its lock goes, its file stays.
        drop(crashed);
        let open = names(&folder, ".open").remove(0);
        let path = folder.path().join(&open);
        let mut text = fs::read(&path).unwrap();
        text.extend_from_slice(torn.as_bytes());
        fs::write(&path, text).unwrap();

        let mut next = files(&folder, |sink| sink);
        append(&mut next, producer(2), 1, 2);
        next.close();
        let loaded = load(&folder);
        assert_eq!(loaded[&producer(1).to_string()].len(), kept, "{torn:?}");
        assert_eq!(loaded[&producer(2).to_string()].len(), 2);
        let manifest = names(&folder, ".manifest.json")
            .into_iter()
            .find_map(|name| {
                let text = fs::read_to_string(folder.path().join(name)).unwrap();
                text.contains("recovered").then_some(text)
            });
        let cut = format!(r#""cut_bytes":{},"#, torn.len());
        assert!(manifest.unwrap().contains(&cut), "{torn:?}");
    }
}

#[test]
fn a_file_in_which_nothing_is_whole_goes() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("exposures-x.ndjson.open"), "{\"v\":").unwrap();
    fs::write(folder.path().join("notes.ndjson.open"), "not ours").unwrap();
    files(&folder, |sink| sink);
    assert_eq!(names(&folder, ".open"), ["notes.ndjson.open"]);
}

#[test]
fn a_file_that_is_written_to_is_left_alone_by_others() {
    let folder = TempDir::new().unwrap();
    let mut one = files(&folder, |sink| sink);
    append(&mut one, producer(1), 1, 5);
    let mut two = files(&folder, |sink| sink);
    append(&mut two, producer(2), 1, 5);
    assert_eq!(names(&folder, ".open").len(), 2);
    append(&mut one, producer(1), 6, 9);
    one.close();
    two.close();
    let loaded = load(&folder);
    assert_eq!(loaded[&producer(1).to_string()].len(), 9);
    assert_eq!(loaded[&producer(2).to_string()].len(), 5);
}

#[test]
fn a_folder_is_bounded_only_when_it_is_told_to() {
    for (bound, most) in [(None, 20), (Some(1_500), 2)] {
        let folder = TempDir::new().unwrap();
        let mut files = files(&folder, |sink| match bound {
            Some(bound) => sink.max_file_bytes(1).max_folder_bytes(bound),
            None => sink.max_file_bytes(1),
        });
        for seq in 1..=20 {
            append(&mut files, producer(1), seq * 4 - 3, seq * 4);
        }
        files.close();
        let numbers = &load(&folder)[&producer(1).to_string()];
        assert_eq!(names(&folder, ".ndjson").len(), most, "{bound:?}");
        assert_eq!(numbers.last(), Some(&80), "the newest stay");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_removed_meanwhile_is_made_again() {
    let folder = TempDir::new().unwrap();
    let mut files = files(&folder, |sink| sink);
    append(&mut files, producer(1), 1, 5);
    fs::remove_dir_all(folder.path()).unwrap();
    append(&mut files, producer(1), 6, 9);
    files.close();
    assert_eq!(load(&folder)[&producer(1).to_string()], [6, 7, 8, 9]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_write_that_fails_in_the_middle_leaves_no_part_of_a_batch() {
    let folder = TempDir::new().unwrap();
    let mut files = files(&folder, |sink| sink);
    append(&mut files, producer(1), 1, 5);
    // A device without room in place of the file.
    let disk = files.swap_file(full_device()).unwrap();
    let (id, body) = batch(producer(1), 6, 9);
    assert!(files.append(id, &body).is_err());
    drop(disk);
    // The file cannot be cut there either, so it is left for the end, and another is begun.
    append(&mut files, producer(1), 6, 9);
    files.close();
    let numbers = &load(&folder)[&producer(1).to_string()];
    assert_eq!(numbers, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[cfg(target_os = "linux")]
fn full_device() -> fs::File {
    fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_old_file_is_sealed_without_another_batch() {
    let folder = TempDir::new().unwrap();
    let sink = NdjsonSink::new(folder.path()).max_file_age(Duration::from_secs(600));
    let (id, body) = batch(producer(1), 1, 5);
    let written = sink.work().shared.files.lock().unwrap().append(id, &body);
    *lock(&sink.work().shared.begun) = written.unwrap();
    sink.set_timer();
    tokio::time::sleep(Duration::from_secs(599)).await;
    assert_eq!(names(&folder, ".ndjson").len(), 0);
    while names(&folder, ".ndjson").is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(load(&folder)[&producer(1).to_string()].len(), 5);
}

#[test]
fn a_receiver_writes_what_is_new_of_several_producers_at_once() {
    let folder = TempDir::new().unwrap();
    let sink = NdjsonSink::new(folder.path()).max_file_age(Duration::from_secs(3_600));
    let mut files = sink.files().unwrap();
    assert_eq!(files.until_due(), None);
    let ((one, first), (two, second)) = (batch(producer(1), 1, 5), batch(producer(2), 7, 9));
    files
        .append(&[first, second].concat(), &[one, two])
        .unwrap();
    assert!(files.until_due().is_some());
    files.seal_if_due().unwrap();
    assert_eq!(names(&folder, ".ndjson").len(), 0, "it is not an hour old");
    files.close();
    let loaded = load(&folder);
    assert_eq!(loaded[&producer(1).to_string()], [1, 2, 3, 4, 5]);
    assert_eq!(loaded[&producer(2).to_string()], [7, 8, 9]);
}

#[test]
fn a_receivers_file_is_sealed_when_it_is_old() {
    let folder = TempDir::new().unwrap();
    let mut files = NdjsonSink::new(folder.path())
        .max_file_age(Duration::ZERO)
        .files()
        .unwrap();
    for start in [1, 6] {
        let (id, body) = batch(producer(1), start, start + 4);
        files.append(&body, &[id]).unwrap();
        assert_eq!(files.until_due(), Some(Duration::ZERO));
        files.seal_if_due().unwrap();
        assert_eq!(files.until_due(), None);
    }
    assert_eq!(names(&folder, ".ndjson").len(), 2);
    assert_eq!(load(&folder)[&producer(1).to_string()].len(), 10);
}
