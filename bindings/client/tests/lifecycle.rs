//! From building to dropping: files, the copy on disk, stand-ins, events, runtimes, ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bucketry::source::{Changes, Fetched, Request, Source, SourceError, SourceFuture};
use bucketry::testing::TestClient;
use bucketry::{Builder, Client, Delivered, EvaluationContext, Event, Origin, Status, callback};
use support::{LIMIT, Server, document, eventually, failing, serving};

fn quick() -> Builder {
    Client::builder()
        .interval(Duration::from_secs(1))
        .backoff(Duration::from_millis(20), Duration::from_millis(100))
}

fn user() -> EvaluationContext<'static> {
    EvaluationContext::new("user-1")
}

fn text(client: &Client) -> String {
    client.string_value("a", &user(), "")
}

/// Replaces a file as careful programs do.
fn replace(path: &Path, content: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::rename(beside, path).unwrap();
}

#[test]
fn a_file_is_read_again_when_it_has_changed_in_whatever_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    let client = Client::builder()
        .file(&path)
        .interval(Duration::from_secs(86_400))
        .stale_after(None)
        .build()
        .unwrap();
    // It may come later.
    let missing = client.ready(Duration::from_millis(200)).unwrap_err();
    assert!(missing.to_string().contains("flags.json"), "{missing}");
    fs::write(&path, document(1, "a")).unwrap();
    eventually("the file is found", || text(&client) == "revision 1");
    fs::write(&path, document(2, "a")).unwrap();
    eventually("it was written", || text(&client) == "revision 2");
    replace(&path, &document(3, "a"));
    eventually("it was replaced", || text(&client) == "revision 3");

    // Half a file and no file keep what is held.
    fs::write(&path, document(4, "a").split_at(40).0).unwrap();
    eventually("half is refused", || client.metrics().refused > 0);
    fs::remove_file(&path).unwrap();
    let gone = || {
        client
            .state()
            .last_failure
            .is_some_and(|why| why.contains("o such file"))
    };
    eventually("it is gone", gone);
    assert_eq!(
        (text(&client).as_str(), client.status()),
        ("revision 3", Status::Ready)
    );
    fs::write(&path, document(5, "a")).unwrap();
    eventually("it is back", || text(&client) == "revision 5");
}

#[cfg(unix)]
#[test]
fn a_config_map_that_is_switched_by_a_link_is_noticed() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for revision in [1, 2] {
        let version = at(&format!("..{revision}"));
        fs::create_dir(&version).unwrap();
        fs::write(version.join("flags.json"), document(revision, "a")).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/flags.json", at("flags.json")).unwrap();
    let client = quick()
        .interval(Duration::from_secs(600))
        .file(at("flags.json"))
        .build()
        .unwrap();
    client.ready(LIMIT).unwrap();
    assert_eq!(text(&client), "revision 1");
    symlink("..2", at("..tmp")).unwrap();
    fs::rename(at("..tmp"), at("..data")).unwrap();
    eventually("the link points elsewhere", || {
        text(&client) == "revision 2"
    });
}

#[test]
fn the_copy_on_disk_answers_when_the_source_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(serving(document(7, "a")));
    let build = || {
        quick()
            .url(server.url("/f"))
            .cache_dir(folder.path().join("deep/cache"))
            .build()
            .unwrap()
    };
    let first = build();
    first.ready(LIMIT).unwrap();
    eventually("it is written", || first.metrics().cache_writes > 0);
    drop(first);

    server.become_(failing(503));
    let second = build();
    let state = second.ready(LIMIT).unwrap();
    assert_eq!(
        (state.revision, state.origin),
        (Some(7), Some(Origin::Cache))
    );
    assert!(state.last_failure.unwrap().contains("status 503"));
    assert_eq!(
        (text(&second).as_str(), second.status()),
        ("revision 7", Status::Ready)
    );
    // The tag came along, so that an unchanged flag set is not sent again.
    let tag = |request: &support::Seen| request.header("if-none-match").map(str::to_owned);
    assert!(tag(server.seen().last().unwrap()).is_some());
    // An older one is refused after a restart too.
    server.become_(serving(document(6, "a")));
    eventually("it is refused", || second.metrics().refused > 0);
    server.become_(serving(document(8, "a")));
    eventually("it is newer", || text(&second) == "revision 8");
    drop(second);

    // What was damaged is not used, and replaced.
    server.become_(failing(503));
    let file = fs::read_dir(folder.path().join("deep/cache"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let third = build();
    assert!(third.ready(Duration::from_millis(300)).is_err());
    server.become_(serving(document(8, "a")));
    third.ready(LIMIT).unwrap();
    eventually("it is written", || third.metrics().cache_writes > 0);
    drop(third);
    server.become_(failing(503));
    assert_eq!(build().ready(LIMIT).unwrap().revision, Some(8));
}

#[test]
fn an_old_copy_is_stale_from_the_start_and_fresh_when_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(serving(document(7, "a")));
    let build = |stale| {
        let client = quick()
            .url(server.url("/f"))
            .cache_dir(folder.path())
            .stale_after(Some(stale));
        client.build().unwrap()
    };
    let first = build(Duration::from_secs(600));
    first.ready(LIMIT).unwrap();
    drop(first);
    server.become_(failing(500));
    std::thread::sleep(Duration::from_millis(1_100));
    let second = build(Duration::from_secs(1));
    second.ready(LIMIT).unwrap();
    eventually("it is stale", || second.status() == Status::Stale);
    assert!(second.age().unwrap() >= Duration::from_secs(1));
    server.become_(serving(document(7, "a")));
    eventually("it is confirmed", || second.status() == Status::Ready);
}

#[test]
fn a_directory_that_cannot_be_written_costs_nothing_but_the_copy() {
    let folder = tempfile::tempdir().unwrap();
    let no_folder = folder.path().join("file");
    fs::write(&no_folder, "").unwrap();
    let client = quick().inline(document(1, "b")).build().unwrap();
    drop(client);
    let server = Server::start(serving(document(1, "a")));
    let client = quick()
        .url(server.url("/f"))
        .cache_dir(no_folder.join("cache"))
        .build()
        .unwrap();
    client.ready(LIMIT).unwrap();
    eventually("writing failed", || client.metrics().cache_failures > 0);
    assert_eq!(
        (text(&client).as_str(), client.status()),
        ("revision 1", Status::Ready)
    );
}

#[test]
fn a_stand_in_answers_while_the_preferred_source_fails() {
    let (first, second) = (
        Server::start(failing(500)),
        Server::start(serving(document(3, "a"))),
    );
    let client = quick()
        .url(first.url("/f"))
        .url(second.url("/f"))
        .build()
        .unwrap();
    let state = client.ready(LIMIT).unwrap();
    assert_eq!(state.origin, Some(Origin::Source(second.url("/f").into())));
    assert!(
        state.last_failure.unwrap().contains("meanwhile"),
        "the failure is told"
    );
    // It goes on to be asked while it stands in.
    second.become_(serving(document(4, "a")));
    eventually("the stand-in changes", || text(&client) == "revision 4");
    // What is older is not taken back from the preferred one.
    first.become_(serving(document(2, "a")));
    eventually("it is refused", || client.metrics().refused > 0);
    assert_eq!(text(&client), "revision 4");
    first.become_(serving(document(5, "a")));
    eventually("the preferred one is back", || {
        text(&client) == "revision 5"
    });
    let asked = second.seen().len();
    eventually("the preferred one is asked", || first.seen().len() > 10);
    assert!(
        second.seen().len() <= asked + 1,
        "the stand-in is left alone"
    );
}

#[test]
fn a_stand_in_without_a_higher_revision_does_not_replace_what_was_got() {
    let server = Server::start(serving(document(0, "a")));
    let client = quick()
        .url(server.url("/f"))
        .inline(document(0, "inline"))
        .build()
        .unwrap();
    client.ready(LIMIT).unwrap();
    assert_eq!(text(&client), "revision 0");
    server.become_(failing(500));
    eventually("the source fails", || client.metrics().failed > 2);
    assert_eq!(
        (text(&client).as_str(), client.status()),
        ("revision 0", Status::Ready)
    );
}

/// A source that panics, blocks its watcher, and at last gives something.
struct Troubled(AtomicUsize);

impl Source for Troubled {
    fn name(&self) -> &str {
        "troubled"
    }

    fn fetch<'a>(&'a self, _: &'a Request) -> SourceFuture<'a, Result<Fetched, SourceError>> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("before the future"),
            1 => Box::pin(async { panic!("in the future") }),
            2 => Box::pin(async { Err(SourceError::new("not today")) }),
            _ => Box::pin(async { Ok(Fetched::document(document(1, "a"))) }),
        }
    }

    fn watch<'a>(&'a self, _: Changes) -> SourceFuture<'a, ()> {
        panic!("while watching")
    }
}

#[test]
fn a_source_that_panics_is_asked_again() {
    let client = quick()
        .source(Troubled(AtomicUsize::new(0)))
        .build()
        .unwrap();
    eventually("it recovers", || text(&client) == "revision 1");
    let metrics = client.metrics();
    assert_eq!((metrics.source_panics, metrics.worker_panics), (3, 0));
}

#[test]
fn callbacks_that_panic_or_block_hold_nothing_up() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (release, blocked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let path = tempfile::tempdir().unwrap();
    let file = path.path().join("flags.json");
    fs::write(&file, document(1, "a")).unwrap();
    let (hear, wait, seen) = (
        Arc::clone(&told),
        Arc::clone(&release),
        Arc::clone(&blocked),
    );
    let client = quick()
        .file(&file)
        .on_event(|_| panic!("a callback of the application"))
        .on_event(move |_| {
            seen.store(true, Ordering::SeqCst);
            while !wait.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
        })
        .on_event(move |event| hear.lock().unwrap().push(event.as_str()))
        .build()
        .unwrap();
    client.ready(LIMIT).unwrap();
    eventually("a callback is stuck", || blocked.load(Ordering::SeqCst));
    replace(&file, &document(2, "a"));
    eventually("the next flag set is held", || {
        text(&client) == "revision 2"
    });
    eventually("the others are told", || told.lock().unwrap().len() == 2);
    eventually("panics are counted", || {
        client.metrics().callback_panics == 2
    });
    assert_eq!(
        *told.lock().unwrap(),
        ["PROVIDER_READY", "PROVIDER_CONFIGURATION_CHANGED"]
    );
    let began = Instant::now();
    let _ = client.close(LIMIT);
    assert!(
        began.elapsed() < LIMIT / 2,
        "a stuck callback does not hold up the end"
    );
    release.store(true, Ordering::SeqCst);
}

#[test]
fn a_subscriber_that_does_not_listen_loses_the_oldest_and_is_told() {
    let client = TestClient::empty();
    let mut events = client.events();
    for revision in 1..=300 {
        client.replace(document(revision, "a")).unwrap();
    }
    assert_eq!(events.missed(), 300 - 256);
    let Some(Event::ConfigurationChanged { revision, .. }) = events.try_recv() else {
        panic!("the oldest that was kept");
    };
    assert_eq!(revision, 45);
    assert_eq!(client.metrics().events_lost, 44);
}

const EXPERIMENT: &str = r#"{ "format": 1, "flags": { "exp": {
    "type": "string", "variants": { "blue": "blue", "green": "green" },
    "rules": [{ "experiment": { "key": "exp" }, "split": { "blue": 1, "green": 1 } }]
} } }"#;

/// A client that records into memory, and what it delivered.
fn recording() -> (Client, Arc<Mutex<String>>) {
    let delivered = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&delivered);
    let client = quick()
        .inline(EXPERIMENT)
        .sink(callback(move |batch: &bucketry::Batch| {
            sink.lock()
                .unwrap()
                .push_str(str::from_utf8(&batch.body).unwrap());
            Delivered::Accepted
        }));
    (client.build().unwrap(), delivered)
}

fn expose(client: &Client, units: usize) {
    for unit in 0..units {
        let context = EvaluationContext::new(format!("user-{unit}"));
        assert!(!client.string_value("exp", &context, "").is_empty());
    }
}

fn exposures(delivered: &Mutex<String>) -> usize {
    delivered
        .lock()
        .unwrap()
        .matches("\"rec\":\"exposure\"")
        .count()
}

#[test]
fn a_flush_and_a_close_say_what_became_of_exposures() {
    let (client, delivered) = recording();
    expose(&client, 10);
    expose(&client, 10);
    let report = client.flush(LIMIT);
    assert_eq!((report.delivered, report.totals.deduplicated), (10, 10));
    assert!(report.is_complete(), "{report}");
    expose(&client, 15);
    let report = client.close(LIMIT);
    assert_eq!((report.delivered, report.totals.sent), (5, 15));
    assert_eq!(exposures(&delivered), 15);
    assert_eq!(client.metrics().exposures.unwrap().sent, 15);
    assert!(
        client
            .metrics()
            .to_prometheus()
            .contains("bucketry_exposures_total{fate=\"sent\"} 15\n")
    );
}

#[test]
fn dropping_the_last_handle_delivers_what_is_pending() {
    let (client, delivered) = recording();
    expose(&client, 10);
    let clone = client.clone();
    drop(client);
    assert_eq!(exposures(&delivered), 0);
    expose(&clone, 12);
    drop(clone);
    assert_eq!(exposures(&delivered), 12);
}

/// Everything that waits, in whatever runtime the caller is.
fn blocking_calls() {
    let server = Server::start(serving(document(1, "a")));
    let client = quick().url(server.url("/f")).build().unwrap();
    client.ready(LIMIT).unwrap();
    assert_eq!(text(&client), "revision 1");
    let mut events = client.events();
    assert!(events.recv_timeout(LIMIT).is_some());
    let state = client.refresh_if_older_than(Duration::from_secs(600), LIMIT);
    assert_eq!(state.revision, Some(1));
    let _ = client.flush(LIMIT);
    let _ = client.close(LIMIT);
    let (client, delivered) = recording();
    expose(&client, 3);
    drop(client);
    assert_eq!(exposures(&delivered), 3);
}

async fn async_calls() {
    let server = Server::start(serving(document(1, "a")));
    let client = quick().url(server.url("/f")).build().unwrap();
    client.ready_async(LIMIT).await.unwrap();
    let mut events = client.events();
    assert!(events.recv().await.is_some());
    let state = client
        .refresh_if_older_than_async(Duration::from_secs(600), LIMIT)
        .await;
    assert_eq!(state.revision, Some(1));
    let _ = client.flush_async(LIMIT).await;
    let _ = client.close_async(LIMIT).await;
    assert!(events.recv().await.is_none());
    let never = Server::start(|_: &support::Seen, _: &mut dyn std::io::Write| {
        std::thread::sleep(LIMIT);
        Ok(())
    });
    let client = quick().url(never.url("/f")).build().unwrap();
    assert!(client.ready_async(Duration::from_millis(50)).await.is_err());
}

#[test]
fn it_works_without_a_runtime_and_inside_every_kind() {
    blocking_calls();
    let mut builders = [
        tokio::runtime::Builder::new_current_thread(),
        tokio::runtime::Builder::new_multi_thread(),
    ];
    for builder in &mut builders {
        let runtime = builder.build().unwrap();
        runtime.block_on(async { blocking_calls() });
        runtime.block_on(async_calls());
    }
    // No runtime of tokio: nobody's timers and nobody's sockets are needed.
    let waker = std::thread::spawn(|| block_on_anything(async_calls()));
    waker.join().unwrap();
}

/// An executor of ten lines, as far from tokio as can be.
fn block_on_anything(future: impl Future<Output = ()>) {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    while future
        .as_mut()
        .poll(&mut std::task::Context::from_waker(&waker))
        .is_pending()
    {
        std::thread::park();
    }
}

#[test]
fn evaluations_see_one_whole_flag_set_while_sets_are_swapped() {
    let pair = |n: u64| {
        format!(
            r#"{{ "format": 1, "revision": {n}, "flags": {{
                "x": {{ "type": "integer", "variants": {{ "v": {n} }}, "default": "v" }},
                "y": {{ "type": "integer", "variants": {{ "v": {n} }}, "default": "v" }}
            }} }}"#
        )
    };
    let client = TestClient::from_json(pair(1)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (user, mut seen, mut asked) = (user(), 0, 0_u64);
                    while !done.load(Ordering::Relaxed) || asked < 1_000 {
                        let snapshot = client.snapshot();
                        let (x, y) = (
                            snapshot.integer_value("x", &user, 0),
                            snapshot.integer_value("y", &user, 0),
                        );
                        assert_eq!(x, y, "a snapshot is of one flag set");
                        let later = client.integer_value("x", &user, 0);
                        assert!(seen <= x && x <= later, "never back: {seen} {x} {later}");
                        seen = later;
                        asked += 3;
                    }
                    asked
                })
            })
            .collect();
        for n in 2..=500 {
            client.replace(pair(n)).unwrap();
            client.set_override("z", n as i64);
        }
        done.store(true, Ordering::Relaxed);
        let asked: u64 = readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .sum();
        assert_eq!(client.metrics().evaluations.value, asked);
    });
}
