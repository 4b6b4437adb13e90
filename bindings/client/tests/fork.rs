//! A process that forks: the child goes on with a thread of its own and sends nothing of its parent's.
//!
//! A program of its own, because a child has only the thread that forked: nothing of a test harness runs there.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bucketry::{Client, Delivered, EvaluationContext, Status, callback};
use support::{LIMIT, Seen, Server, eventually, respond};

fn document(revision: u64) -> String {
    format!(
        r#"{{ "format": 1, "revision": {revision}, "flags": {{
            "revision": {{ "type": "integer", "variants": {{ "v": {revision} }}, "default": "v" }},
            "exp": {{
                "type": "string", "variants": {{ "blue": "blue", "green": "green" }},
                "rules": [{{ "experiment": {{ "key": "exp" }}, "split": {{ "blue": 1, "green": 1 }} }}]
            }}
        }} }}"#
    )
}

fn expose(client: &Client, units: impl Iterator<Item = String>) {
    for unit in units {
        let context = EvaluationContext::new(unit);
        assert!(!client.string_value("exp", &context, "").is_empty());
    }
}

/// Runs `child` in a forked process, which has as long as a test may take, and gives its exit code.
fn fork(child: impl FnOnce()) -> i32 {
    #[expect(unsafe_code, reason = "there is no safe way to fork")]
    // SAFETY: the child calls nothing but what is under test, and ends by `_exit`.
    unsafe {
        let id = libc::fork();
        assert!(id >= 0, "fork failed");
        if id == 0 {
            // A child that waits for a lock of its parent's is killed, which the parent sees.
            libc::alarm(u32::try_from(LIMIT.as_secs()).unwrap());
            // The harness would keep what the child says to itself.
            std::panic::set_hook(Box::new(|panic| {
                let _ = writeln!(std::io::stderr(), "in the child: {panic}");
            }));
            let outcome = catch_unwind(AssertUnwindSafe(child));
            libc::_exit(i32::from(outcome.is_err()));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(id, &raw mut status, 0), id);
        status
    }
}

fn threads_named(name: &str) -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|each| each.trim() == name).count()
}

fn client(server: &Server, deliver: impl Fn(&str) + Send + Sync + 'static) -> Client {
    let sink = callback(move |batch: &bucketry::Batch| {
        deliver(str::from_utf8(&batch.body).unwrap());
        Delivered::Accepted
    });
    let builder = Client::builder().url(server.url("/flags.json")).sink(sink);
    builder.interval(Duration::from_secs(1)).build().unwrap()
}

fn units(delivered: &Mutex<String>, prefix: &str) -> usize {
    delivered
        .lock()
        .unwrap()
        .matches(&format!("\"unit\":\"{prefix}"))
        .count()
}

#[test]
fn a_child_has_a_client_of_its_own_and_the_parent_keeps_its_exposures() {
    let server = Server::start(|request: &Seen, out: &mut dyn std::io::Write| {
        let revision = if request.path == "/flags.json" { 1 } else { 2 };
        respond(out, 200, &[], document(revision).as_bytes())
    });
    let delivered = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&delivered);
    let mut parent = Some(client(&server, move |lines| {
        sink.lock().unwrap().push_str(lines)
    }));
    let of_parent = parent.clone().unwrap();
    of_parent.ready(LIMIT).unwrap();
    eventually("there is one thread", || threads_named("bucketry") == 1);
    expose(&of_parent, (0..5).map(|n| format!("parent-{n}")));

    // A child that never uses the client ends as if there were none.
    drop(of_parent);
    assert_eq!(fork(|| drop(parent.take())), 0);

    let parent = parent.unwrap();
    let asked = server.seen().len();
    let code = fork(|| {
        assert_eq!(threads_named("bucketry"), 0, "threads do not fork");
        let user = EvaluationContext::new("child-0");
        assert_eq!(
            parent.integer_value("revision", &user, 0),
            1,
            "what was held still answers"
        );
        eventually("the first use began it anew", || {
            threads_named("bucketry") == 1
        });
        assert_eq!(parent.status(), Status::Ready);
        expose(&parent, (0..3).map(|n| format!("child-{n}")));
        let report = parent.flush(LIMIT);
        assert_eq!((report.delivered, report.totals.evaluated), (3, 3));
        assert_eq!(
            (units(&delivered, "child"), units(&delivered, "parent")),
            (3, 0)
        );
        let metrics = parent.metrics();
        assert_eq!(metrics.forks, 1);
        // It refreshes by itself, through a connection of its own.
        eventually("the child asks", || {
            parent.metrics().unchanged > metrics.unchanged
        });
        let report = parent.close(LIMIT);
        assert_eq!(report.totals.sent, 3);
        assert_eq!(parent.close(LIMIT), report);
    });
    assert_eq!(code, 0, "the child says why");
    assert!(server.seen().len() > asked);

    let report = parent.close(LIMIT);
    assert_eq!((report.totals.sent, report.totals.evaluated), (5, 5));
    assert_eq!(
        (units(&delivered, "child"), units(&delivered, "parent")),
        (0, 5)
    );

    // Now while other threads are in the middle of everything that takes a lock.
    // (A lock of the program's own, such as the one above, is the program's to care for: this sink has none.)
    let client = client(&server, |_| {});
    client.ready(LIMIT).unwrap();
    let done = AtomicBool::new(false);
    let mut failed = None;
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (client, done) = (&client, &done);
            scope.spawn(move || {
                for n in 0_u64.. {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    expose(client, std::iter::once(format!("busy-{thread}-{n}")));
                    client.set_override("other", n as i64);
                    let _ = (client.metrics(), client.events(), client.state());
                }
            });
        }
        for round in 0..20 {
            let code = fork(|| {
                expose(&client, (0..3).map(|n| format!("child-{round}-{n}")));
                let report = client.flush(LIMIT);
                assert_eq!(report.totals.evaluated, 3);
                assert!(client.ready(LIMIT).is_ok());
                // A child may fork in turn.
                let code = fork(|| {
                    expose(&client, std::iter::once("grandchild".to_owned()));
                    assert_eq!(client.close(LIMIT).totals.sent, 1);
                    assert_eq!(client.metrics().forks, 2);
                });
                assert_eq!(code, 0);
            });
            failed = failed.or((code != 0).then_some(round));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(failed, None, "the child of this round says why");
}
