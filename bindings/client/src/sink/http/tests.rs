//! The sink against a real server, which answers as it is told.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;

use bucketry_core::{BatchId, ExposureLog, ExposureLogConfig, LogStep, ProducerId};
use flate2::read::GzDecoder;

use super::*;

/// What a request was.
#[derive(Clone, Debug, Default)]
struct Got {
    head: String,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines();
        let mut values = lines.filter_map(|line| line.split_once(": "));
        values
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// A server that gives its answers in turn, the last one for ever.
struct Server {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

fn server(answers: &'static [&'static str]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/exposures", listener.local_addr().unwrap());
    let got: Arc<Mutex<Vec<Got>>> = Arc::default();
    let seen = Arc::clone(&got);
    std::thread::spawn(move || {
        let mut turn = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(request) = read(&stream) else {
                continue;
            };
            seen.lock().unwrap().push(request);
            let answer = answers[turn.min(answers.len() - 1)];
            turn += 1;
            // A client that has given up is no failure of the server.
            let _ = stream.write_all(answer.replace('\n', "\r\n").as_bytes());
        }
    });
    Server { url, got }
}

fn read(stream: &TcpStream) -> Option<Got> {
    let mut reader = BufReader::new(stream);
    let mut got = Got::default();
    while !got.head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut got.head).ok()? == 0 {
            return None;
        }
    }
    let length = got.header("content-length")?.parse().ok()?;
    got.body = vec![0; length];
    reader.read_exact(&mut got.body).ok()?;
    Some(got)
}

/// A batch of at least so many bytes, made by a log.
fn batch(bytes: usize) -> Batch {
    let set = br#"{ "format": 1, "flags": { "f": { "type": "boolean",
        "rules": [{ "experiment": { "key": "e" }, "split": { "on": 1, "off": 1 } }] } } }"#;
    let set = bucketry_core::FlagSet::from_json_strict(set).unwrap();
    let mut log = ExposureLog::new(ExposureLogConfig::new(ProducerId([7; 16]))).unwrap();
    let mut unit = 0;
    while log.pending_bytes() < bytes {
        let key = format!("user-{unit}");
        let context = bucketry_core::EvaluationContext::new(&key);
        let resolution = set.resolve("f", &context, bucketry_core::UnixMillis(0));
        let assignment = resolution.assignment().unwrap();
        let _ = log.record(&assignment, &Default::default(), Default::default(), 0);
        unit += 1;
    }
    log.flush();
    match log.poll(Default::default(), 0) {
        LogStep::Send(batch) => batch,
        step @ LogStep::Wait(_) => panic!("{step:?}"),
    }
}

const OK: &str = "HTTP/1.1 204 No Content\nConnection: close\n\n";

fn status(status: u16, seconds: Option<u64>) -> Delivered {
    Delivered::Status {
        status,
        retry_after: seconds.map(Duration::from_secs),
    }
}

#[tokio::test]
async fn a_batch_is_posted_as_the_protocol_says() {
    let server = server(&[OK]);
    let sink = HttpSink::new(&server.url)
        .unwrap()
        .bearer_token("secret")
        .unwrap();
    let batch = batch(10_000);
    assert_eq!(sink.deliver(&batch).await, status(204, None));
    let got = server.got.lock().unwrap().remove(0);
    assert!(
        got.head.starts_with("POST /exposures HTTP/1.1\r\n"),
        "{}",
        got.head
    );
    for (name, value) in [
        ("content-type", "application/x-ndjson"),
        ("content-encoding", "gzip"),
        ("authorization", "Bearer secret"),
        ("bucketry-attempt", "1"),
        ("idempotency-key", &batch.id.to_string()),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
    let key: BatchId = got.header("idempotency-key").unwrap().parse().unwrap();
    assert_eq!(key, batch.id);
    let mut body = Vec::new();
    GzDecoder::new(got.body.as_slice())
        .read_to_end(&mut body)
        .unwrap();
    assert_eq!(body, batch.body);
    assert!(got.body.len() * 4 < body.len(), "{}", got.body.len());
}

#[tokio::test]
async fn a_receiver_that_takes_no_gzip_gets_it_plain_from_then_on() {
    const NO: &str =
        "HTTP/1.1 415 Unsupported Media Type\nConnection: close\nContent-Length: 0\n\n";
    let server = server(&[NO, OK]);
    let sink = HttpSink::new(&server.url).unwrap();
    let batch = batch(10_000);
    for _ in 0..2 {
        assert_eq!(sink.deliver(&batch).await, status(204, None));
    }
    let got = server.got.lock().unwrap();
    let encodings: Vec<_> = got
        .iter()
        .map(|got| got.header("content-encoding"))
        .collect();
    assert_eq!(encodings, [Some("gzip"), None, None]);
    assert_eq!(got[1].body, batch.body);
}

#[tokio::test]
async fn what_the_receiver_answers_is_told() {
    let date = "Wed, 21 Oct 2026 07:29:30 GMT";
    assert!(httpdate::parse_http_date(date).is_ok());
    for (answer, want) in [
        (
            &["HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\n\nok"],
            status(200, None),
        ),
        (
            &["HTTP/1.1 400 Bad Request\nConnection: close\nContent-Length: 0\n\n"],
            status(400, None),
        ),
        (
            &["HTTP/1.1 413 Too Large\nConnection: close\nContent-Length: 0\n\n"],
            status(413, None),
        ),
        (
            &[
                "HTTP/1.1 429 Too Many Requests\nConnection: close\nRetry-After: 7\nContent-Length: 0\n\n",
            ],
            status(429, Some(7)),
        ),
        (
            // Ninety seconds by the clock of the receiver, whatever ours says.
            &[
                "HTTP/1.1 503 Down\nConnection: close\nDate: Wed, 21 Oct 2026 07:28:00 GMT\nRetry-After: Wed, 21 Oct 2026 07:29:30 GMT\nContent-Length: 0\n\n",
            ],
            status(503, Some(90)),
        ),
    ] {
        let server = server(answer);
        let sink = HttpSink::new(&server.url).unwrap();
        assert_eq!(sink.deliver(&batch(100)).await, want, "{answer:?}");
    }
}

#[tokio::test]
async fn whatever_is_no_answer_is_a_failure() {
    // Bodies that break off and redirects among them: none of these may look like 2xx.
    for (answer, reason) in [
        (
            "HTTP/1.1 307 Elsewhere\nConnection: close\nLocation: http://127.0.0.1:1/x\nContent-Length: 0\n\n",
            "http://127.0.0.1:1/x",
        ),
        (
            "HTTP/1.1 301 Elsewhere\nConnection: close\nLocation: /other\nContent-Length: 0\n\n",
            "/other",
        ),
        ("HTTP/1.1 2", ""),
        ("", ""),
        ("this is no HTTP\n\n", ""),
    ] {
        let answers: &'static [&'static str] = Vec::leak(vec![answer]);
        let server = server(answers);
        let sink = HttpSink::new(&server.url).unwrap();
        match sink.deliver(&batch(100)).await {
            Delivered::Failed(why) => assert!(why.contains(reason), "{why}"),
            other => panic!("{answer:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn nobody_listening_and_nobody_answering_are_failures() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", free.local_addr().unwrap());
    let hanging = HttpSink::new(&url)
        .unwrap()
        .timeout(Duration::from_millis(50));
    // It listens, and never answers.
    let delivered = hanging.deliver(&batch(100)).await;
    assert!(
        matches!(&delivered, Delivered::Failed(why) if why.contains("too long")),
        "{delivered:?}"
    );
    drop(free);
    let delivered = HttpSink::new(&url).unwrap().deliver(&batch(100)).await;
    assert!(
        matches!(&delivered, Delivered::Failed(why) if why.contains("connect")),
        "{delivered:?}"
    );
}

#[test]
fn what_is_no_address_or_header_is_refused_where_it_is_given() {
    for url in ["", "ftp://example.com", "example.com/exposures"] {
        assert!(
            matches!(HttpSink::new(url), Err(BuildError::Url { .. })),
            "{url}"
        );
    }
    let sink = HttpSink::new("http://example.com").unwrap();
    assert!(matches!(
        sink.bearer_token("a\nb"),
        Err(BuildError::Header { .. })
    ));
    let sink = HttpSink::new("http://user:pass@example.com/x?key=1").unwrap();
    assert_eq!(sink.name(), "http://example.com/x");
    assert!(!format!("{sink:?}").contains("pass"));
}
