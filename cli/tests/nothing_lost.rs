//! The promise as a whole: a real client, a real server that is killed three times, and every exposure once at the end.

mod server;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bucketry::{Client, EvaluationContext, ExposureOptions, HttpSink};
use server::{Server, folder};

const EXPOSURES: u64 = 1_000_000;
/// After so many delivered ones the server is killed.
const KILLS: [u64; 3] = [150_000, 400_000, 700_000];

/// For each of the waits: a machine that does ten other things besides needs minutes for the whole.
const LIMIT: Duration = Duration::from_secs(600);

const FLAGS: &str = r#"{ "format": 1, "flags": { "button": {
    "type": "boolean", "rules": [{ "experiment": { "key": "exp-42" }, "split": { "on": 1, "off": 1 } }]
} } }"#;

#[test]
fn a_million_exposures_arrive_although_the_server_is_killed_three_times() {
    let home = folder("nothing-lost");
    fs::write(home.join("flags.json"), FLAGS).unwrap();
    let first = Server::start(&home, &["flags.json", "--rotate-size", "32"]);
    let port = first.address().rsplit(':').next().unwrap().to_owned();
    let options = ExposureOptions::new()
        .batch_bytes(1 << 20)
        // Room for all that waits (see `record`) in any one of the shards: one may back off while the others deliver.
        .max_pending(400_000)
        .max_bytes(512 << 20)
        .backoff(Duration::from_millis(50), Duration::from_millis(400));
    let sink = HttpSink::new(format!("{}/exposures", first.url)).unwrap();
    let client = Client::builder()
        .inline(FLAGS)
        .sink(sink)
        .exposure_options(options)
        .build()
        .unwrap();

    let recording = {
        let client = client.clone();
        thread::spawn(move || record(&client))
    };
    let mut server = first;
    for delivered in KILLS {
        wait_for("exposures to arrive", || {
            counters(&client).sent >= delivered
        });
        let before = client.metrics().delivery.unwrap().failures;
        server.kill();
        wait_for("the client to notice", || {
            client.metrics().delivery.unwrap().failures > before
        });
        let arguments = [
            "serve",
            "--port",
            &port,
            "flags.json",
            "--rotate-size",
            "32",
        ];
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bucketry"));
        command.args(arguments);
        server = Server::spawn(&home, command);
    }
    recording.join().unwrap();
    let report = client.close(LIMIT);

    let totals = report.totals;
    assert!(totals.is_balanced(), "{totals:?}");
    assert_eq!(
        (
            totals.evaluated,
            totals.sent,
            totals.deduplicated,
            totals.dropped.total()
        ),
        (EXPOSURES, EXPOSURES, 0, 0),
        "{report}"
    );
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));

    let stored = read(&home.join("exposures"));
    assert_eq!(
        stored.events.len() as u64,
        EXPOSURES,
        "each once, after ids are collapsed"
    );
    for (producer, mut numbers) in stored.numbers {
        numbers.sort_unstable();
        numbers.dedup();
        let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
        assert_eq!(
            (first, last),
            (1, numbers.len() as u64),
            "{producer} has a gap"
        );
    }
    fs::remove_dir_all(home).unwrap();
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn counters(client: &Client) -> bucketry::Counters {
    client.metrics().exposures.unwrap()
}

/// Evaluates for one unit after the other, no faster than the exposures leave.
fn record(client: &Client) {
    for unit in 0..EXPOSURES {
        let context = EvaluationContext::new(format!("user-{unit}"));
        let _ = client.bool_value("button", &context, false);
        if unit % 256 == 0 {
            wait_for("room", || {
                let counters = counters(client);
                counters.queued + counters.in_flight < 10_000
            });
        }
    }
}

#[derive(Default)]
struct Stored {
    events: HashSet<[u8; 32]>,
    numbers: BTreeMap<String, Vec<u64>>,
}

/// Reads what is sealed; nothing else may be there.
fn read(folder: &Path) -> Stored {
    let mut stored = Stored::default();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(!name.ends_with(".open"), "{name} is not sealed");
        if !name.ends_with(".ndjson") {
            continue;
        }
        for line in BufReader::new(fs::File::open(&path).unwrap()).lines() {
            let line = line.unwrap();
            let producer = member(&line, "\"producer_id\":\"");
            let number = member(&line, "\"seq\":");
            stored
                .numbers
                .entry(producer[..32].to_owned())
                .or_default()
                .push(number[..number.find(',').unwrap()].parse().unwrap());
            if line.contains(r#""rec":"exposure""#) {
                let event = member(&line, "\"event_id\":\"").as_bytes();
                stored.events.insert(*event.first_chunk().unwrap());
            }
        }
    }
    stored
}

fn member<'a>(line: &'a str, name: &str) -> &'a str {
    &line[line.find(name).unwrap() + name.len()..]
}
