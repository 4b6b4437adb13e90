//! `bucketry serve`, from the outside: what becomes of exposures.

mod server;

use server::{Server, batches, folder, numbers, stored};

#[test]
fn a_batch_is_stored_as_it_came_and_once() {
    let home = folder("serve-exposures-once");
    let server = Server::start(&home, &[]);
    let batch = &batches(1, 0, 1, 20)[0];
    let answer = server.post_batch(batch).send().unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().unwrap();
    assert!(text.contains("\"stored\":20"), "{text}");
    let again = server.post_batch(batch).send().unwrap();
    assert_eq!(again.status(), 200);
    let text = again.text().unwrap();
    assert!(
        text.contains("\"stored\":0") && text.contains("\"known\":20"),
        "{text}"
    );
    let records = stored(&home.join("exposures"));
    assert_eq!(numbers(&records, 1), (1..=20).collect::<Vec<_>>());
}

#[test]
fn what_was_accepted_survives_a_kill_and_is_not_stored_again() {
    let home = folder("serve-exposures-kill");
    let batches = batches(2, 0, 6, 10);
    for (round, pair) in batches.chunks(2).enumerate() {
        let server = Server::start(&home, &[]);
        // Everything of the earlier rounds comes once more.
        for batch in &batches[..round * 2] {
            let answer = server.post_batch(batch).send().unwrap().text().unwrap();
            assert!(answer.contains("\"stored\":0"), "{answer}");
        }
        for batch in pair {
            assert_eq!(server.post_batch(batch).send().unwrap().status(), 200);
        }
        server.kill();
    }
    let records = stored(&home.join("exposures"));
    assert_eq!(numbers(&records, 2), (1..=60).collect::<Vec<_>>());
}

#[cfg(unix)]
#[test]
fn sigterm_seals_the_file_and_ends_with_0() {
    let home = folder("serve-exposures-term");
    let server = Server::start(&home, &[]);
    let batch = &batches(3, 0, 1, 5)[0];
    assert_eq!(server.post_batch(batch).send().unwrap().status(), 200);
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let files = std::fs::read_dir(home.join("exposures")).unwrap();
    let names: Vec<_> = files
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let manifest = names.iter().find(|name| name.ends_with(".manifest.json"));
    let manifest = home.join("exposures").join(manifest.expect("a manifest"));
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    assert_eq!(manifest["records"], 5);
    assert_eq!(
        manifest["producers"][&"03".repeat(16)],
        serde_json::json!([[1, 5]])
    );
}
