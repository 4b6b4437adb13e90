//! `bucketry serve`, from the outside: what is refused and how, OFREP, and who may write.

mod server;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use server::{LIMIT, Server, batches, client, folder, metric, numbers, stored, wait_for};

const NDJSON: &str = "application/x-ndjson";
const TOKEN: &str = "0123456789abcdef0123";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_is_no_batch_is_refused_with_the_reason_and_nothing_of_it_is_stored() {
    let home = folder("serve-requests-refused");
    let server = Server::start(&home, &["--max-batch", "64"]);
    let batch = &batches(1, 0, 1, 20)[0];
    let post = |kind: &str, body: Vec<u8>| {
        server
            .post("/exposures")
            .header("content-type", kind)
            .body(body)
    };
    let cut = batch.body[..batch.body.len() - 5].to_vec();
    let zipped = gzip(&batch.body);
    for (request, status, reason) in [
        (
            post(NDJSON, b"{}\n".to_vec()),
            400,
            "line 1: missing field `v`",
        ),
        (post(NDJSON, cut), 400, "line 20: not ended by a line feed"),
        (
            post(NDJSON, batch.body.clone()).header("idempotency-key", "x"),
            400,
            "Idempotency-Key is not",
        ),
        (
            server.post_batch(batch).body(Vec::new()),
            400,
            "the body is empty",
        ),
        (
            post("text/plain", batch.body.clone()),
            415,
            "Content-Type: application/x-ndjson",
        ),
        (
            post(NDJSON, vec![b' '; 65 << 10]),
            413,
            "send it as two halves",
        ),
        (
            post(NDJSON, gzip(&vec![b' '; 20 << 20])).header("content-encoding", "gzip"),
            413,
            "two halves",
        ),
        (
            post(NDJSON, zipped[..zipped.len() / 2].to_vec()).header("content-encoding", "gzip"),
            400,
            "could not be read",
        ),
        (
            post(NDJSON, batch.body.clone()).header("content-encoding", "gzip"),
            400,
            "could not be read",
        ),
    ] {
        let answer = request.send().unwrap();
        let found = answer.status();
        let text = answer.text().unwrap();
        assert_eq!(found, status, "{reason}: {text}");
        assert!(text.contains(reason), "{reason}: {text}");
    }
    let unknown = post(NDJSON, batch.body.clone())
        .header("content-encoding", "compress")
        .send()
        .unwrap();
    assert_eq!(unknown.status(), 415);
    assert_eq!(server.get("/exposures").status(), 405);
    assert_eq!(server.get("/nothing").status(), 404);
    assert_eq!(metric(&server, "bucketry_exposure_records_total"), 0.0);

    let answer = server
        .post_batch(batch)
        .header("content-encoding", "gzip")
        .body(zipped)
        .send()
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(numbers(&stored(&home.join("exposures")), 1).len(), 20);
}

#[test]
fn repeats_keep_their_number_and_gaps_are_reported() {
    let home = folder("serve-requests-report");
    let server = Server::start(&home, &[]);
    // Another producer records the same visitors: the ids are the same.
    for batch in [
        &batches(1, 0, 1, 10)[0],
        &batches(2, 0, 1, 10)[0],
        &batches(3, 100, 3, 10)[2],
    ] {
        assert_eq!(server.post_batch(batch).send().unwrap().status(), 200);
    }
    let records = stored(&home.join("exposures"));
    let repeats = records
        .iter()
        .filter(|record| record["rec"] == "repeat")
        .count();
    assert_eq!((records.len(), repeats), (30, 10));
    assert_eq!(numbers(&records, 2), (1..=10).collect::<Vec<_>>());
    let report = server.get_json("/exposures/report");
    assert_eq!(
        (&report["recordsMissing"], &report["producersWithGaps"]),
        (&json!(20), &json!(1))
    );
    let first = &report["byProducer"][0];
    assert_eq!(
        (&first["producerId"], &first["missingRanges"]),
        (&json!("03".repeat(16)), &json!([[1, 20]]))
    );
}

#[test]
fn only_who_has_a_token_may_write() {
    let home = folder("serve-requests-token");
    fs::write(
        home.join("tokens"),
        format!("\n{TOKEN}\nanother-token-of-some-length\n"),
    )
    .unwrap();
    let server = Server::start(&home, &["--token-file", "tokens"]);
    let batch = &batches(1, 0, 1, 5)[0];
    let post = || server.post_batch(batch);
    let missing = post().send().unwrap();
    assert_eq!(
        (
            missing.status().as_u16(),
            &missing.headers()["www-authenticate"]
        ),
        (401, &"Bearer".parse().unwrap())
    );
    for (request, status) in [
        (post().bearer_auth("wrong"), 403),
        (
            post()
                .bearer_auth(TOKEN)
                .header("origin", "http://evil.example"),
            403,
        ),
        (post().bearer_auth(TOKEN), 200),
        (
            post().header("x-api-key", "another-token-of-some-length"),
            200,
        ),
    ] {
        assert_eq!(request.send().unwrap().status(), status);
    }
    assert_eq!(server.get("/flags.json").status(), 200, "reading is open");
}

#[test]
fn an_address_that_others_reach_needs_a_token_and_a_short_one_is_refused() {
    let home = folder("serve-requests-bind");
    let run = |token: Option<&str>, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bucketry"));
        command
            .arg("serve")
            .args(arguments)
            .current_dir(&home)
            .env_remove("BUCKETRY_TOKEN");
        token.map(|token| command.env("BUCKETRY_TOKEN", token));
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for (token, arguments, said) in [
        (None, &["--bind", "0.0.0.0"][..], "anybody could write"),
        (Some("short"), &[], "less than 16 characters"),
        (Some(""), &[], "holds no token"),
        (None, &["missing.json"], "missing.json"),
        (None, &["--token-file", "missing"], "missing"),
    ] {
        let (code, stderr) = run(token, arguments);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
    let first = Server::start(&home, &[]);
    let (code, stderr) = run(None, &["--port", "0"]);
    assert_eq!(code, Some(2), "two collectors in one folder");
    assert!(
        stderr.contains("another process collects exposures"),
        "{stderr}"
    );
    drop(first);
}

#[test]
fn ofrep_answers_one_flag_and_all_as_the_protocol_says() {
    let server = Server::start(&folder("serve-requests-ofrep"), &["--no-exposures"]);
    let ask = |path: &str, body: &str| {
        let answer = server
            .post(&format!("/ofrep/v1/evaluate/flags{path}"))
            .body(body.to_owned())
            .send()
            .unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_str::<Value>(&answer.text().unwrap()).unwrap(),
        )
    };
    let visitor =
        r#"{"context":{"targetingKey":"visitor-17","country":"DE","appVersion":"2.4.1"}}"#;
    assert_eq!(
        ask("/buy-button", visitor),
        (
            200,
            json!({ "key": "buy-button", "value": "outline", "variant": "outline", "reason": "SPLIT" })
        )
    );
    for (path, body, status, code) in [
        ("/none", visitor, 404, "FLAG_NOT_FOUND"),
        ("/%00%2F..%2F", visitor, 404, "FLAG_NOT_FOUND"),
        ("/discount", "{", 400, "PARSE_ERROR"),
        ("/discount", r#"{"context":[]}"#, 400, "INVALID_CONTEXT"),
        (
            "/discount",
            r#"{"context":{"targetingKey":7}}"#,
            400,
            "INVALID_CONTEXT",
        ),
        ("", r#"{"context":7}"#, 400, "INVALID_CONTEXT"),
    ] {
        let (found, answer) = ask(path, body);
        assert_eq!(
            (found, &answer["errorCode"]),
            (status, &json!(code)),
            "{path} {body}"
        );
        assert!(answer["errorDetails"].is_string());
    }
    let (_, bulk) = ask("", visitor);
    assert_eq!(bulk["flags"].as_array().unwrap().len(), 9);
    assert_eq!(
        bulk["eventStreams"][0]["endpoint"]["requestUri"],
        "/ofrep/v1/events"
    );
    let all = |etag: &str, body: &str| {
        let request = server
            .post("/ofrep/v1/evaluate/flags")
            .body(body.to_owned());
        request.header("if-none-match", etag).send().unwrap()
    };
    let etag = all("\"none\"", visitor).headers()["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(all(&etag, visitor).status(), 304);
    assert_eq!(
        all(&etag, r#"{"context":{"targetingKey":"visitor-18"}}"#).status(),
        200
    );
}

#[test]
fn pages_may_ask_when_they_are_named() {
    let server = Server::start(
        &folder("serve-requests-cors"),
        &["--allow-origin", "http://localhost:3000"],
    );
    for (origin, allowed) in [
        ("http://localhost:3000", true),
        ("http://evil.example", false),
    ] {
        let answer = client()
            .get(format!("{}/flags.json", server.url))
            .header("origin", origin)
            .send()
            .unwrap();
        assert_eq!(
            answer.headers().contains_key("access-control-allow-origin"),
            allowed,
            "{origin}"
        );
    }
}

#[test]
fn who_sends_slowly_or_nonsense_is_cut_off_and_others_are_served() {
    let home = folder("serve-requests-slow");
    let server = Server::start(&home, &["--read-timeout", "1"]);
    let said = |text: &str| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let slow_body = said(
        "POST /exposures HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ncontent-length: 1000\r\n\r\n{\"v\"",
    );
    assert!(slow_body.starts_with("HTTP/1.1 408 "), "{slow_body}");
    // A head that never ends, and what is no HTTP: the connection ends, with or without a word.
    said("GET /flags.json HTTP/1.1\r\nhost: x\r\nx-");
    for nonsense in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "POST /exposures HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    ] {
        assert!(said(nonsense).starts_with("HTTP/1.1 400 "), "{nonsense:?}");
    }
    let large = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "a".repeat(100 << 10)
    );
    assert!(
        !said(&large).starts_with("HTTP/1.1 200"),
        "a head over the limit"
    );
    assert_eq!(server.get("/healthz").status(), 200);
}

#[test]
fn no_more_listen_than_may_and_streams_end_with_the_server() {
    let server = Server::start(
        &folder("serve-requests-streams"),
        &["--max-subscribers", "2"],
    );
    let mut first = server.get("/flags/events");
    let second = server.get("/ofrep/v1/events");
    let third = server.get("/flags/events");
    assert_eq!(
        (third.status().as_u16(), &third.headers()["retry-after"]),
        (503, &"30".parse().unwrap())
    );
    drop(second);
    wait_for("the place to be free", || {
        server.get("/flags/events").status() == 200
    });
    server.terminate();
    let mut rest = String::new();
    first.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("event: change"), "{rest}");
    assert_eq!(server.ended().code(), Some(0));
}
