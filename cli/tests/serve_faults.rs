//! `bucketry serve`, from the outside: kills, stops and full disks in the middle of the work.
#![cfg(unix)]

mod server;

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bucketry_core::Batch;
use server::{LIMIT, Server, batches, client, folder, metric, numbers, stored, wait_for};

/// Sends a batch until it is accepted.
fn deliver(url: &str, batch: &Batch) {
    let client = client();
    wait_for("a batch to be accepted", || {
        let request = client.post(format!("{url}/exposures"));
        let request = request
            .header("content-type", "application/x-ndjson")
            .timeout(LIMIT);
        let request = request.header("idempotency-key", batch.id.to_string());
        request
            .body(batch.body.clone())
            .send()
            .is_ok_and(|answer| answer.status() == 200)
    });
}

#[test]
fn concurrent_senders_lose_and_double_nothing_through_three_kills() {
    let home = folder("serve-faults-kills");
    let first = Server::start(&home, &[]);
    let (url, port) = (
        first.url.clone(),
        first.address().rsplit(':').next().unwrap().to_owned(),
    );
    let accepted = AtomicU64::new(0);
    let work: Vec<_> = (1..=4)
        .map(|producer| batches(producer, usize::from(producer) * 10_000, 60, 25))
        .collect();
    let (url, count) = (&url, &accepted);
    let server = thread::scope(|scope| {
        let mut server = first;
        for batches in &work {
            scope.spawn(move || {
                for batch in batches {
                    deliver(url, batch);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for kill in 1..=3 {
            wait_for("some batches", || {
                accepted.load(Ordering::Relaxed) >= kill * 50
            });
            server.kill();
            let mut command = Command::new(env!("CARGO_BIN_EXE_bucketry"));
            command.args(["serve", "--port", &port]);
            server = Server::spawn(&home, command);
        }
        server
    });
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let records = stored(&home.join("exposures"));
    for producer in 1..=4 {
        assert_eq!(
            numbers(&records, producer),
            (1..=1_500).collect::<Vec<_>>(),
            "producer {producer}"
        );
    }
}

#[test]
fn a_stop_in_the_middle_loses_nothing_that_was_accepted() {
    let home = folder("serve-faults-stop");
    let server = Server::start(&home, &[]);
    let work: Vec<_> = (1..=4)
        .map(|producer| batches(producer, usize::from(producer) * 10_000, 200, 10))
        .collect();
    let accepted = AtomicU64::new(0);
    let (asked, count) = (&server, &accepted);
    let told: Vec<Vec<u64>> = thread::scope(|scope| {
        let senders: Vec<_> = work
            .iter()
            .map(|batches| {
                scope.spawn(move || {
                    let mut told = Vec::new();
                    for batch in batches {
                        if !asked
                            .post_batch(batch)
                            .send()
                            .is_ok_and(|answer| answer.status() == 200)
                        {
                            break;
                        }
                        count.fetch_add(1, Ordering::Relaxed);
                        told.extend(batch.id.first..=batch.id.last);
                    }
                    told
                })
            })
            .collect();
        wait_for("some batches", || accepted.load(Ordering::Relaxed) >= 20);
        server.terminate();
        senders
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .collect()
    });
    assert_eq!(server.ended().code(), Some(0));
    let records = stored(&home.join("exposures"));
    for (producer, told) in (1..=4).zip(told) {
        let held = numbers(&records, producer);
        assert!(
            held.starts_with(&told),
            "producer {producer}: {} accepted, {} stored",
            told.len(),
            held.len()
        );
    }
    let names = std::fs::read_dir(home.join("exposures")).unwrap();
    assert!(
        names
            .map(|entry| entry.unwrap().path())
            .all(|path| path.extension().unwrap() != "open")
    );
}

#[test]
fn a_disk_that_is_full_is_said_and_what_was_stored_stays() {
    let home = folder("serve-faults-full");
    // A file may grow to 64 blocks of the shell's; the signal that would kill for more is ignored.
    let mut command = Command::new("bash");
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; exec {} serve --port 0",
        env!("CARGO_BIN_EXE_bucketry")
    );
    command.args(["-c", &script]);
    let server = Server::spawn(&home, command);
    let all = batches(1, 0, 40, 10);
    let mut refused = None;
    let mut told = 0;
    for batch in &all {
        let answer = server.post_batch(batch).send().unwrap();
        if answer.status() == 503 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status(), 200);
        told = batch.id.last;
    }
    let refused = refused.expect("the disk to be full");
    assert_eq!(refused.headers()["retry-after"], "10");
    assert!(refused.text().unwrap().contains("could not be stored"));
    assert!(
        server.stderr().contains("senders are asked to send again"),
        "{}",
        server.stderr()
    );
    assert_eq!(metric(&server, "bucketry_exposure_store_broken"), 1.0);
    assert_eq!(server.get_json("/healthz")["status"], "degraded");
    assert_eq!(
        server.post_batch(&all[0]).send().unwrap().status(),
        200,
        "what is stored is known"
    );
    server.kill();

    let server = Server::start(&home, &[]);
    for batch in &all {
        deliver(&server.url, batch);
    }
    let records = stored(&home.join("exposures"));
    assert!(told > 0);
    assert_eq!(numbers(&records, 1), (1..=400).collect::<Vec<_>>());
}
