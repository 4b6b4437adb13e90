//! URL sources against servers that answer well, badly, slowly and not at all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use bucketry::{Builder, Client, ErrorCode, EvaluationContext, Event, Events, Status};
use support::{LIMIT, Seen, Server, document, eventually, failing, respond, serving};

/// Writes a response.
type Answer = Box<dyn Fn(&mut dyn Write) -> std::io::Result<()> + Send + Sync>;

/// Asks often, so that a test need not wait.
fn quick(server: &Server) -> Builder {
    Client::builder()
        .url(server.url("/flags.json"))
        .interval(Duration::from_secs(1))
        .backoff(Duration::from_millis(20), Duration::from_millis(100))
}

fn user() -> EvaluationContext<'static> {
    EvaluationContext::new("user-1")
}

/// The message of the next error that contains all of these.
#[track_caller]
fn error(events: &mut Events, with: &[&str]) -> (String, ErrorCode) {
    let end = Instant::now() + LIMIT;
    let mut others = Vec::new();
    while Instant::now() < end {
        match events.recv_timeout(Duration::from_secs(1)) {
            Some(Event::Error {
                message,
                error_code,
                ..
            }) if with.iter().all(|part| message.contains(part)) => {
                return (message, error_code);
            }
            Some(other) => others.push(other),
            None => {}
        }
    }
    panic!("no error with {with:?} among {others:?}");
}

#[test]
fn an_address_is_asked_with_the_tag_that_it_gave() {
    let server = Server::start(serving(document(1, "a")));
    let client = quick(&server).bearer_token("t0ken").build().unwrap();
    let state = client.ready(LIMIT).unwrap();
    assert_eq!((state.status, state.revision), (Status::Ready, Some(1)));
    assert_eq!(client.string_value("a", &user(), ""), "revision 1");
    eventually("the source confirms", || client.metrics().unchanged >= 2);
    let seen = server.seen();
    assert_eq!(seen[0].header("if-none-match"), None);
    assert!(
        seen[1]
            .header("if-none-match")
            .is_some_and(|tag| tag.starts_with('"'))
    );
    assert_eq!(seen[1].header("authorization"), Some("Bearer t0ken"));
    assert!(
        seen[0]
            .header("user-agent")
            .unwrap()
            .starts_with("bucketry-rust/")
    );
    let metrics = client.metrics();
    assert_eq!((metrics.accepted, metrics.failed), (1, 0));
    assert!(client.age().unwrap() < LIMIT);
}

#[test]
fn a_new_revision_is_held_and_told() {
    let server = Server::start(serving(document(1, "a")));
    let client = quick(&server).build().unwrap();
    client.ready(LIMIT).unwrap();
    let mut events = client.events();
    assert!(matches!(
        events.try_recv(),
        Some(Event::Ready { revision: 1, .. })
    ));
    server.become_(serving(document(2, "b")));
    let Some(Event::ConfigurationChanged {
        flags, revision, ..
    }) = events.recv_timeout(LIMIT)
    else {
        panic!("the change is told");
    };
    // What is told is held already.
    assert_eq!(client.string_value("b", &user(), ""), "revision 2");
    assert_eq!(
        (&*flags, revision),
        (&["b".to_owned(), "a".to_owned()][..], 2)
    );
}

#[test]
fn no_status_loses_the_flag_set_or_ends_the_asking() {
    let server = Server::start(serving(document(1, "a")));
    let client = quick(&server).build().unwrap();
    client.ready(LIMIT).unwrap();
    let mut events = client.events();
    for (round, status) in [(2, 401), (3, 403), (4, 404), (5, 429), (6, 500), (7, 304)] {
        server.become_(failing(status));
        if status == 304 {
            // Nothing changed, which is no failure while something is held.
            let before = client.metrics().unchanged;
            eventually("304 confirms", || client.metrics().unchanged > before);
        } else {
            let status = format!("status {status}");
            let kept = format!("revision {}", round - 1);
            let (message, code) = error(
                &mut events,
                &[&status, &kept, "stays in use", "asked again in"],
            );
            assert_eq!(code, ErrorCode::General, "{message}");
            assert_eq!(client.status(), Status::Ready);
            assert!(client.state().last_failure.unwrap().contains(&status));
        }
        assert_eq!(
            client.string_value("a", &user(), ""),
            format!("revision {}", round - 1)
        );
        server.become_(serving(document(round, "a")));
        let want = format!("revision {round}");
        eventually("recovery", || client.string_value("a", &user(), "") == want);
        eventually("the failure is over", || {
            client.state().last_failure.is_none()
        });
    }
}

#[test]
fn documents_that_are_none_are_refused_and_the_last_good_one_kept() {
    let server = Server::start(serving(document(5, "a")));
    let client = quick(&server).max_bytes(2_000).build().unwrap();
    client.ready(LIMIT).unwrap();
    let mut events = client.events();
    let bomb = {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&vec![b' '; 50 << 20]).unwrap();
        gzip.finish().unwrap()
    };
    let refused: Vec<(&str, Answer)> = vec![
        (
            "not valid JSON",
            Box::new(|out| respond(out, 200, &[], b"<html>login</html>")),
        ),
        (
            "not a flag set",
            Box::new(|out| respond(out, 200, &[], b"{}")),
        ),
        (
            "revision 4 is older than 5",
            Box::new(|out| respond(out, 200, &[], document(4, "a").as_bytes())),
        ),
        (
            "revision 5 was published before",
            Box::new(|out| respond(out, 200, &[], document(5, "other").as_bytes())),
        ),
        (
            "larger than 2000 bytes",
            Box::new(|out| respond(out, 200, &[], &[b' '; 5_000])),
        ),
        (
            "larger than 2000 bytes",
            Box::new(move |out| respond(out, 200, &[("content-encoding", "gzip")], &bomb)),
        ),
    ];
    for (want, handler) in refused {
        server.become_(move |_: &Seen, out: &mut dyn Write| handler(out));
        let (message, code) = error(&mut events, &[want, "revision 5"]);
        assert_eq!(code, ErrorCode::ParseError, "{message}");
        assert_eq!(client.string_value("a", &user(), ""), "revision 5");
    }
    assert!(client.metrics().refused >= 6);
}

#[test]
fn bodies_that_break_off_or_crawl_are_given_up() {
    let server = Server::start(serving(document(1, "a")));
    let client = quick(&server)
        .request_timeout(Duration::from_secs(1))
        .build()
        .unwrap();
    client.ready(LIMIT).unwrap();
    let mut events = client.events();
    server.become_(|_: &Seen, out: &mut dyn Write| {
        out.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 5000\r\n\r\n{ \"format\": 1,")
    });
    error(&mut events, &["broke off", "revision 1"]);
    // A byte now and then, for ever.
    server.become_(|_: &Seen, out: &mut dyn Write| {
        out.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 5000\r\n\r\n")?;
        loop {
            out.write_all(b" ")?;
            out.flush()?;
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    error(&mut events, &["no answer within 1.0s", "revision 1"]);
    // Garbage in place of HTTP.
    server.become_(|_: &Seen, out: &mut dyn Write| out.write_all(b"SSH-2.0-OpenSSH_9.6\r\n"));
    error(&mut events, &["revision 1"]);
    server.become_(serving(document(2, "a")));
    eventually("recovery", || {
        client.string_value("a", &user(), "") == "revision 2"
    });
}

#[test]
fn retry_after_is_kept_in_both_forms() {
    for date in [false, true] {
        let server = Server::start(move |_: &Seen, out: &mut dyn Write| {
            // A date has whole seconds, so the wait is between three and four.
            let at = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(4));
            let wait = if date { at.as_str() } else { "3" };
            respond(out, 503, &[("retry-after", wait)], b"")
        });
        let client = quick(&server).build().unwrap();
        let mut events = client.events();
        let (message, _) = error(&mut events, &["status 503", "there is no flag set"]);
        // Even if something is known to have changed.
        client.refresh();
        eventually("asked again", || server.seen().len() >= 2);
        let seen = server.seen();
        let waited = seen[1].at - seen[0].at;
        assert!(
            waited >= Duration::from_millis(2_900),
            "{waited:?} {message}"
        );
    }
}

#[test]
fn redirects_are_followed_a_few_times_and_keep_headers_at_home() {
    let target = Server::start(serving(document(3, "a")));
    let elsewhere = target.url("/moved.json");
    let server = Server::start(move |_: &Seen, out: &mut dyn Write| {
        respond(out, 302, &[("location", &elsewhere)], b"")
    });
    let client = quick(&server)
        .header("x-api-key", "secret")
        .build()
        .unwrap();
    client.ready(LIMIT).unwrap();
    assert_eq!(client.string_value("a", &user(), ""), "revision 3");
    assert_eq!(server.seen()[0].header("x-api-key"), Some("secret"));
    assert_eq!(target.seen()[0].header("x-api-key"), None);
    assert_eq!(target.seen()[0].path, "/moved.json");

    let mut events = client.events();
    server.become_(|_: &Seen, out: &mut dyn Write| {
        respond(out, 301, &[("location", "/flags.json")], b"")
    });
    error(&mut events, &["redirected more than 5 times", "revision 3"]);
}

#[test]
fn compressed_documents_are_unpacked() {
    let plain = document(1, "a");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(plain.as_bytes()).unwrap();
    let mut brotli = Vec::new();
    let mut compressor = brotli::CompressorWriter::new(&mut brotli, 4_096, 5, 20);
    compressor.write_all(plain.as_bytes()).unwrap();
    drop(compressor);
    for (encoding, body) in [("gzip", gzip.finish().unwrap()), ("br", brotli)] {
        let server = Server::start(move |request: &Seen, out: &mut dyn Write| {
            assert!(
                request
                    .header("accept-encoding")
                    .is_some_and(|all| all.contains(encoding))
            );
            respond(out, 200, &[("content-encoding", encoding)], &body)
        });
        let client = quick(&server).build().unwrap();
        client.ready(LIMIT).unwrap();
        assert_eq!(client.string_value("a", &user(), ""), "revision 1");
        assert_eq!(client.metrics().fetched_bytes, plain.len() as u64);
    }
}

#[test]
fn who_waits_for_a_server_that_never_answers_is_told_in_time() {
    let server = Server::start(|_: &Seen, _: &mut dyn Write| {
        std::thread::sleep(LIMIT);
        Ok(())
    });
    let client = quick(&server).build().unwrap();
    let error = client.ready(Duration::from_millis(100)).unwrap_err();
    assert!(
        error.to_string().contains("no source has answered"),
        "{error}"
    );
    assert_eq!(error.state().status, Status::NotReady);
    let details = client.bool_details("on", &user(), true);
    assert_eq!(
        (details.value, details.error_code),
        (true, Some(ErrorCode::ProviderNotReady))
    );
    // Neither does it hold up the end.
    let began = Instant::now();
    let _ = client.close(LIMIT);
    assert!(began.elapsed() < LIMIT / 2);
}

#[test]
fn names_that_do_not_exist_and_ports_that_are_closed_are_errors_that_pass() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (address, want) in [
        (
            "http://no-such-host.invalid/flags.json".to_owned(),
            "could not connect",
        ),
        (format!("http://{closed}/flags.json"), "could not connect"),
    ] {
        let client = Client::builder().url(&address).build().unwrap();
        let mut events = client.events();
        let (message, _) = error(&mut events, &[want]);
        assert!(message.starts_with(&address), "{message}");
        assert_eq!(client.status(), Status::Error);
        let not_ready = client.ready(Duration::from_millis(50)).unwrap_err();
        assert!(not_ready.to_string().contains(want), "{not_ready}");
    }
}

#[test]
fn certificates_are_checked() {
    let issued = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let config = std::sync::Arc::new(config);
    let server = Server::listen(serving(document(1, "a")), move |stream| {
        let connection = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
        Ok(Box::new(rustls::StreamOwned::new(connection, stream)))
    });
    let url = server.url("/flags.json").replace("http:", "https:");
    let strange = Client::builder().url(&url).build().unwrap();
    let (message, _) = error(&mut strange.events(), &["could not connect"]);
    assert!(
        message.contains("UnknownIssuer") || message.contains("certificate"),
        "{message}"
    );

    let trusting = Client::builder()
        .url(&url)
        .root_certificate(issued.cert.pem())
        .build()
        .unwrap();
    trusting.ready(LIMIT).unwrap();
    assert!(trusting.bool_value("on", &user(), false));

    let wrong = Client::builder()
        .url(&url)
        .root_certificate("no certificate")
        .build();
    assert!(wrong.unwrap_err().to_string().contains("root certificate"));
}

/// An event stream beside the flag set, told of by a `Link`.
fn streaming(document: String, events: &'static str) -> impl support::Handler {
    move |request: &Seen, out: &mut dyn Write| {
        if request.path == "/flags/events" {
            out.write_all(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n\r\n")?;
            out.write_all(events.as_bytes())?;
            out.flush()?;
            std::thread::sleep(Duration::from_millis(200));
            return Ok(());
        }
        let link = "</flags/events>; rel=\"monitor\"";
        respond(out, 200, &[("link", link)], document.as_bytes())
    }
}

#[test]
fn an_event_hastens_the_asking_and_a_lost_stream_is_opened_again() {
    let server = Server::start(streaming(document(1, "a"), ": hello\n\n"));
    let client = quick(&server)
        .interval(Duration::from_secs(86_400))
        .stale_after(None)
        .build()
        .unwrap();
    client.ready(LIMIT).unwrap();
    // The server ends the stream again and again.
    eventually("the stream is opened again", || {
        server.seen_at("/flags/events").len() >= 2
    });
    let change = "event: change\ndata: {\"revision\":2}\n\n";
    server.become_(streaming(document(2, "a"), change));
    eventually("the change is heard", || {
        client.string_value("a", &user(), "") == "revision 2"
    });
    assert!(client.state().last_failure.is_none());
}

#[test]
fn what_is_no_event_stream_leaves_polling_alone() {
    // Of the wrong type, endless without an event, and refused.
    for stream in [
        "HTTP/1.1 200 X\r\ncontent-type: text/html\r\n\r\nhello",
        "HTTP/1.1 503 X\r\n\r\n",
        "endless",
    ] {
        let server = Server::start(move |request: &Seen, out: &mut dyn Write| {
            if request.path != "/stream" {
                return serving(document(1, "a"))(request, out);
            }
            if stream != "endless" {
                return out.write_all(stream.as_bytes());
            }
            out.write_all(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n\r\ndata: ")?;
            loop {
                out.write_all(&[b'x'; 4_096])?;
            }
        });
        let client = quick(&server)
            .events_url(server.url("/stream"))
            .build()
            .unwrap();
        client.ready(LIMIT).unwrap();
        eventually("it is tried again", || server.seen_at("/stream").len() >= 2);
        eventually("polling goes on", || client.metrics().unchanged >= 2);
        assert_eq!(client.status(), Status::Ready);
    }
}

#[test]
fn a_flag_set_without_word_from_its_source_is_stale_and_still_answers() {
    let server = Server::start(serving(document(1, "a")));
    let client = quick(&server)
        .stale_after(Some(Duration::from_secs(1)))
        .build()
        .unwrap();
    client.ready(LIMIT).unwrap();
    let mut events = client.events();
    server.become_(failing(500));
    eventually("it is stale", || client.status() == Status::Stale);
    assert_eq!(client.string_value("a", &user(), ""), "revision 1");
    server.become_(serving(document(1, "a")));
    eventually("it is fresh", || client.status() == Status::Ready);
    let _ = client.close(LIMIT);
    let mut told = Vec::new();
    while let Some(event) = events.try_recv() {
        if !matches!(event, Event::Error { .. }) {
            told.push(event.as_str());
        }
    }
    let ready = "PROVIDER_READY";
    assert_eq!(told[..3], [ready, "PROVIDER_STALE", ready]);
}

#[test]
fn a_frozen_function_asks_when_it_thaws_and_waits_for_the_answer() {
    let server = Server::start(serving(document(1, "a")));
    let client = quick(&server)
        .interval(Duration::from_secs(86_400))
        .stale_after(None)
        .build()
        .unwrap();
    client.ready(LIMIT).unwrap();
    // Young enough: nobody is asked.
    let state = client.refresh_if_older_than(LIMIT * 10, LIMIT);
    assert_eq!((state.revision, server.seen().len()), (Some(1), 1));
    server.become_(serving(document(2, "a")));
    // Two requests are at least a second apart.
    eventually("it has aged", || {
        client.age().unwrap() > Duration::from_millis(1_050)
    });
    let state = client.refresh_if_older_than(Duration::from_millis(10), LIMIT);
    assert_eq!(state.revision, Some(2));
    assert_eq!(server.seen().len(), 2);
}
