//! Signed flag sets, and documents of other flag services: `--features import,signature`.
#![cfg(all(feature = "import", feature = "signature"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bucketry::{Builder, Client, EvaluationContext, Format, ImportOptions, Origin};
use ring::signature::{Ed25519KeyPair, KeyPair};
use support::{LIMIT, Seen, Server, document, eventually, failing, respond};

fn quick(server: &Server) -> Builder {
    Client::builder()
        .url(server.url("/flags.json"))
        .interval(Duration::from_secs(1))
        .backoff(Duration::from_millis(20), Duration::from_millis(100))
}

fn text(client: &Client) -> String {
    client.string_value("a", &EvaluationContext::new("user-1"), "")
}

fn key(seed: u8) -> (Ed25519KeyPair, String) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = STANDARD.encode(pair.public_key());
    (pair, public)
}

fn sign(id: &str, key: &Ed25519KeyPair, document: &str) -> String {
    let signature = STANDARD.encode(key.sign(document.as_bytes()));
    format!("keyId={id}; ed25519={signature}")
}

/// Serves the document, with these signatures if there are any.
fn signed(document: String, signatures: String) -> impl support::Handler {
    move |_: &Seen, out: &mut dyn Write| {
        let header = [("bucketry-signature", signatures.as_str())];
        let headers = if signatures.is_empty() {
            &header[..0]
        } else {
            &header[..]
        };
        respond(out, 200, headers, document.as_bytes())
    }
}

#[test]
fn only_what_a_trusted_key_signed_is_taken() {
    let ((old, old_public), (new, new_public), (strange, _)) = (key(1), key(2), key(3));
    let folder = tempfile::tempdir().unwrap();
    let first = document(1, "a");
    let server = Server::start(signed(first.clone(), sign("2025", &old, &first)));
    let build = |public: &str| {
        let builder = quick(&server)
            .cache_dir(folder.path())
            .signing_key("2025", public);
        builder.signing_key("2026", &*new_public).build().unwrap()
    };
    let client = build(&old_public);
    client.ready(LIMIT).unwrap();
    let second = document(2, "a");
    for (signatures, why) in [
        (String::new(), "is not signed"),
        (
            sign("2025", &strange, &second),
            "signature of the flag set is wrong",
        ),
        (
            sign("2025", &old, &first),
            "signature of the flag set is wrong",
        ),
        (
            sign("2027", &strange, &second),
            "signature of the flag set is wrong",
        ),
    ] {
        server.become_(signed(second.clone(), signatures));
        eventually(why, || {
            client
                .state()
                .last_failure
                .is_some_and(|failure| failure.contains(why))
        });
        assert_eq!(text(&client), "revision 1");
    }
    // The next key, beside one that this program does not know.
    let both = format!(
        "{}, {}",
        sign("2027", &strange, &second),
        sign("2026", &new, &second)
    );
    server.become_(signed(second, both));
    eventually("the next key is trusted", || text(&client) == "revision 2");
    // A right signature does not make an old document new.
    server.become_(signed(first.clone(), sign("2025", &old, &first)));
    eventually("it is older", || {
        client
            .state()
            .last_failure
            .is_some_and(|failure| failure.contains("older than 2"))
    });
    drop(client);

    // The copy on disk is checked as well: with its signature by the key of 2026 it is good.
    server.become_(failing(500));
    let later = build(&key(9).1);
    assert_eq!(later.ready(LIMIT).unwrap().origin, Some(Origin::Cache));
    assert_eq!(text(&later), "revision 2");
    drop(later);
    let without = quick(&server)
        .cache_dir(folder.path())
        .signing_key("2030", key(9).1)
        .build()
        .unwrap();
    assert!(without.ready(Duration::from_millis(300)).is_err());
    assert!(quick(&server).signing_key("2026", "short").build().is_err());
}

#[test]
fn a_file_is_signed_by_one_beside_it() {
    let (key, public) = key(1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    let document = document(1, "a");
    std::fs::write(&path, &document).unwrap();
    let builder = Client::builder()
        .file(&path)
        .interval(Duration::from_secs(1));
    let client = builder.signing_key("k", public).build().unwrap();
    eventually("it is refused", || client.metrics().refused > 0);
    assert_eq!(text(&client), "");
    std::fs::write(
        folder.path().join("flags.json.sig"),
        sign("k", &key, &document),
    )
    .unwrap();
    eventually("it is signed", || text(&client) == "revision 1");
}

const UFC: &str = r#"{
    "createdAt": "2026-01-31T12:00:00Z", "environment": { "name": "production" },
    "flags": { "a": {
        "key": "a", "enabled": true, "variationType": "STRING",
        "variations": { "on": { "key": "on", "value": "imported" } },
        "allocations": [{ "key": "all", "splits": [{ "variationKey": "on", "shards": [] }] }]
    } }
}"#;

#[test]
fn documents_of_another_service_are_translated_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(signed(UFC.to_owned(), String::new()));
    let build = || {
        let builder = quick(&server).cache_dir(folder.path());
        builder
            .import(Format::Ufc, ImportOptions::new())
            .build()
            .unwrap()
    };
    let client = build();
    client.ready(LIMIT).unwrap();
    assert_eq!(text(&client), "imported");
    eventually("it is unchanged", || client.metrics().unchanged >= 2);
    assert_eq!(client.metrics().accepted, 1);
    // The time of creation is the revision.
    let next = UFC
        .replace("imported", "changed")
        .replace("12:00:00Z", "12:00:01Z");
    server.become_(signed(next, String::new()));
    eventually("it changed", || text(&client) == "changed");
    server.become_(signed(document(1, "a"), String::new()));
    eventually("it is no such document", || {
        client
            .state()
            .last_failure
            .is_some_and(|failure| failure.contains("no ufc document"))
    });
    assert_eq!(text(&client), "changed");
    drop(client);
    server.become_(failing(500));
    let later = build();
    assert_eq!(later.ready(LIMIT).unwrap().origin, Some(Origin::Cache));
    assert_eq!(text(&later), "changed");

    let inline = Client::builder()
        .inline(UFC)
        .import(Format::Ufc, ImportOptions::new());
    assert_eq!(text(&inline.build().unwrap()), "imported");
    let wrong = Client::builder()
        .inline("{}")
        .import(Format::Ufc, ImportOptions::new());
    assert!(
        wrong
            .build()
            .unwrap_err()
            .to_string()
            .contains("cannot be imported")
    );
}
