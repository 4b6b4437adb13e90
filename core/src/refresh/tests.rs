use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::limits::MAX_DOCUMENT_BYTES;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// A document with one boolean flag for each of `flags`: its key and its default variant.
fn document(revision: u64, flags: &[(&str, &str)]) -> String {
    let flags: Vec<String> = flags
        .iter()
        .map(|(key, default)| {
            format!(r#""{key}": {{ "type": "boolean", "default": "{default}" }}"#)
        })
        .collect();
    format!(
        r#"{{ "format": 1, "revision": {revision}, "flags": {{ {} }} }}"#,
        flags.join(", ")
    )
}

fn at(millis: u64) -> Times {
    Times {
        monotonic: MonotonicMillis(millis),
        wall: UnixMillis(1_700_000_000_000 + millis as i64),
    }
}

/// [`Refreshed`] after the flag set was taken out.
#[derive(Debug, PartialEq)]
enum Outcome {
    Accepted,
    Unchanged,
    Failed(RefreshFailure),
    Ignored,
}

/// A program that refreshes: the machine, what it holds, and what it was told.
struct Host {
    refresh: Refresh,
    held: Option<Box<FlagSet>>,
    events: Vec<RefreshEvent>,
    /// What every poll is given; the highest draws the longest waits.
    chance: u64,
}

impl Host {
    fn new(config: RefreshConfig) -> Self {
        Self {
            refresh: Refresh::new(config).unwrap(),
            held: None,
            events: Vec::new(),
            chance: u64::MAX,
        }
    }

    /// A program that holds revision 1 of a flag `a` since time 0.
    fn ready(config: RefreshConfig) -> Self {
        let mut host = Self::new(config);
        let document = document(1, &[("a", "off")]);
        assert_eq!(host.answer(0, &ok(&document)), Outcome::Accepted);
        host.events.clear();
        host
    }

    fn fetch(&mut self, millis: u64) -> Request {
        match self.refresh.poll(MonotonicMillis(millis), self.chance) {
            RefreshStep::Fetch(request) => request,
            RefreshStep::Wait(until) => panic!("at {millis} asked to wait until {until:?}"),
        }
    }

    fn wait(&mut self, millis: u64) -> Option<u64> {
        let step = self.refresh.poll(MonotonicMillis(millis), self.chance);
        self.take_events();
        match step {
            RefreshStep::Fetch(request) => panic!("at {millis} asked to fetch {request:?}"),
            RefreshStep::Wait(until) => until.map(|until| until.0),
        }
    }

    /// Fetches at `millis` and answers at once. What is accepted is held.
    fn answer(&mut self, millis: u64, response: &Response<'_>) -> Outcome {
        let request = self.fetch(millis);
        self.respond(request.id, millis, response)
    }

    fn respond(&mut self, id: RequestId, millis: u64, response: &Response<'_>) -> Outcome {
        let held = self.held.as_deref();
        let outcome = self.refresh.on_response(id, response, held, at(millis));
        self.take_events();
        match outcome {
            Refreshed::Accepted(flag_set) => {
                self.held = Some(flag_set);
                Outcome::Accepted
            }
            Refreshed::Unchanged => Outcome::Unchanged,
            Refreshed::Failed(failure) => Outcome::Failed(failure),
            Refreshed::Ignored => Outcome::Ignored,
        }
    }

    fn failure(&mut self, millis: u64, response: &Response<'_>) -> RefreshFailure {
        match self.answer(millis, response) {
            Outcome::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.refresh.next_event() {
            self.events.push(event);
        }
    }

    fn revision(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.revision())
    }
}

fn ok(document: &str) -> Response<'_> {
    Response {
        status: 200,
        body: document.as_bytes(),
        ..Response::default()
    }
}

fn status(status: u16) -> Response<'static> {
    Response {
        status,
        ..Response::default()
    }
}

fn changed(flags: &[&str], revision: u64) -> RefreshEvent {
    RefreshEvent::Changed {
        flags: flags.iter().map(ToString::to_string).collect(),
        revision,
    }
}

#[test]
fn the_first_fetch_is_at_once_and_makes_ready() {
    let mut host = Host::new(RefreshConfig::new());
    let request = host.fetch(0);
    assert_eq!((request.etag, request.revision), (None, None));
    assert_eq!((request.attempt, request.max_bytes), (1, 16 << 20));
    assert_eq!(host.wait(0), Some(MINUTE), "the request timeout");
    let document = document(7, &[("a", "off")]);
    host.respond(request.id, 250, &ok(&document));
    assert_eq!(host.events, [RefreshEvent::Ready { revision: 7 }]);
    let status = host.refresh.status();
    assert!(status.ready && !status.stale && status.failures == 0);
    assert_eq!(status.confirmed_at, Some(UnixMillis(1_700_000_000_250)));
}

#[test]
fn the_interval_is_jittered_on_both_sides() {
    for (chance, want) in [(0, 27_000), (u64::MAX, 33_000), (1 << 63, 30_000)] {
        let mut host = Host::new(RefreshConfig::new());
        host.chance = chance;
        let document = document(1, &[("a", "off")]);
        host.answer(0, &ok(&document));
        // Drawn once: asking again does not draw again.
        host.chance = !chance;
        assert_eq!(host.wait(0), Some(want));
    }
    let mut host = Host::ready(RefreshConfig::new().jitter_percent(0));
    assert_eq!(host.wait(0), Some(30_000));
}

#[test]
fn the_etag_goes_back_and_a_304_confirms() {
    let mut host = Host::new(RefreshConfig::new());
    let document = document(1, &[("a", "off")]);
    let tagged = Response {
        etag: Some("W/\"x-gzip\""),
        ..ok(&document)
    };
    host.answer(0, &tagged);
    let request = host.fetch(MINUTE);
    assert_eq!(request.etag.as_deref(), Some("W/\"x-gzip\""), "as it came");
    assert_eq!(request.revision, Some(1));
    let outcome = host.respond(request.id, MINUTE, &status(304));
    assert_eq!(outcome, Outcome::Unchanged);
    let age = host.refresh.age(MonotonicMillis(MINUTE));
    assert_eq!(age, Some(Duration::ZERO));
    assert_eq!(host.fetch(2 * MINUTE).etag.as_deref(), Some("W/\"x-gzip\""));
}

#[test]
fn a_304_clears_the_failure_before_it() {
    let mut host = Host::ready(RefreshConfig::new());
    host.failure(MINUTE, &status(500));
    assert_eq!(host.refresh.status().failures, 1);
    host.answer(2 * MINUTE, &status(304));
    let status = host.refresh.status();
    assert_eq!((status.failures, status.last_failure), (0, None));
    assert_eq!(host.wait(2 * MINUTE), Some(2 * MINUTE + 33_000));
}

#[test]
fn a_304_without_a_flag_set_drops_the_etag() {
    let mut host = Host::new(RefreshConfig::new());
    let document = document(1, &[("a", "off")]);
    let tagged = Response {
        etag: Some("\"1\""),
        ..ok(&document)
    };
    host.answer(0, &tagged);
    host.held = None; // a host that lost it
    assert_eq!(
        host.failure(MINUTE, &status(304)),
        RefreshFailure::NothingHeld
    );
    assert_eq!(host.fetch(2 * MINUTE).etag, None);
}

#[test]
fn a_change_names_the_flags_that_differ() {
    let mut host = Host::ready(RefreshConfig::new());
    let document_2 = document(2, &[("a", "on"), ("b", "off")]);
    host.answer(MINUTE, &ok(&document_2));
    assert_eq!(host.events, [changed(&["a", "b"], 2)]);
    let document_3 = document(3, &[("b", "off")]);
    host.answer(2 * MINUTE, &ok(&document_3));
    assert_eq!(host.events.pop(), Some(changed(&["a"], 3)));
    // A new revision of the same flags is held, and no news.
    let document_4 = document(4, &[("b", "off")]);
    host.answer(3 * MINUTE, &ok(&document_4));
    assert_eq!((host.revision(), host.events.len()), (Some(4), 1));
}

#[test]
fn an_older_revision_is_never_taken() {
    let mut host = Host::ready(RefreshConfig::new());
    let newer = document(9, &[("a", "on")]);
    host.answer(MINUTE, &ok(&newer));
    host.events.clear();
    for revision in [8, 1, 0] {
        let older = document(revision, &[("a", "off")]);
        let failure = host.failure(HOUR * (10 - revision), &ok(&older));
        let want = RefreshFailure::Older {
            held: 9,
            received: revision,
        };
        assert_eq!(failure, want);
        assert_eq!(host.events.pop(), Some(RefreshEvent::Rejected(want)));
        assert_eq!(host.revision(), Some(9));
    }
}

#[test]
fn a_revision_stands_for_its_content() {
    let mut host = Host::ready(RefreshConfig::new());
    let other = document(1, &[("a", "on")]);
    let reused = RefreshFailure::RevisionReused { revision: 1 };
    assert_eq!(host.failure(MINUTE, &ok(&other)), reused);
    // Another rendering of the same flags is no other content.
    let same = document(1, &[("a", "off")]).replace(' ', "  ");
    assert_eq!(host.answer(HOUR, &ok(&same)), Outcome::Unchanged);
    assert_eq!(host.refresh.status().last_failure, None);
}

#[test]
fn flag_sets_without_revision_are_taken_as_they_come() {
    let mut host = Host::new(RefreshConfig::new());
    for (minute, default) in [(0, "off"), (1, "on"), (2, "off")] {
        let document = document(0, &[("a", default)]);
        host.answer(minute * MINUTE, &ok(&document));
    }
    let want = [
        RefreshEvent::Ready { revision: 0 },
        changed(&["a"], 0),
        changed(&["a"], 0),
    ];
    assert_eq!(host.events, want);
    let unchanged = document(0, &[("a", "off")]);
    host.answer(3 * MINUTE, &ok(&unchanged));
    assert_eq!(host.events.len(), 3);
}

#[test]
fn what_cannot_be_used_is_refused_and_the_last_good_one_stays() {
    let signed = |signature| {
        (
            RefreshConfig::new().signing(Signing::Required),
            Response {
                signature,
                ..status(200)
            },
        )
    };
    let lenient = RefreshConfig::new;
    let good = document(2, &[("a", "on")]);
    let bogus = r#"{ "format": 1, "revision": 2, "flags": { "a": { "type": "bogus" } } }"#;
    let huge = " ".repeat(1_001);
    for (name, (config, response), body) in [
        ("cut", (lenient(), status(200)), &good[..40]),
        ("no flag set", (lenient(), status(200)), "{}"),
        ("no JSON", (lenient(), status(200)), "<html>"),
        ("empty", (lenient(), status(200)), ""),
        (
            "too large",
            (lenient().max_bytes(1_000), status(200)),
            &huge,
        ),
        (
            "strict",
            (lenient().reading(Reading::Strict), status(200)),
            bogus,
        ),
        ("unsigned", signed(Signature::Absent), &good),
        ("wrongly signed", signed(Signature::Invalid), &good),
        (
            "wrongly signed though no signature is asked for",
            (lenient(), signed(Signature::Invalid).1),
            &good,
        ),
    ] {
        let mut host = Host::new(config);
        let first = document(1, &[("a", "off")]);
        let key = Signature::Valid { key_id: "2026" };
        let accepted = Response {
            signature: key,
            etag: Some("\"1\""),
            ..ok(&first)
        };
        host.answer(0, &accepted);
        let response = Response {
            body: body.as_bytes(),
            etag: Some("\"2\""),
            ..response
        };
        let failure = host.failure(MINUTE, &response);
        assert!(failure.is_refusal(), "{name}: {failure}");
        assert_eq!(host.revision(), Some(1), "{name}");
        assert_eq!(
            host.events.last(),
            Some(&RefreshEvent::Rejected(failure)),
            "{name}"
        );
        // The entity tag of what was refused is not sent: it would hide the repair.
        let request = host.fetch(HOUR);
        assert_eq!(request.etag.as_deref(), Some("\"1\""), "{name}");
        let good = Response {
            signature: key,
            body: br#"{"format":1,"revision":3,"flags":{}}"#,
            ..status(200)
        };
        host.respond(request.id, HOUR, &good);
        assert_eq!(host.revision(), Some(3), "{name}: it goes on");
    }
}

#[test]
fn a_lenient_reading_takes_the_flags_that_are_right() {
    let mut host = Host::new(RefreshConfig::new());
    let half =
        r#"{ "format": 1, "flags": { "a": { "type": "bogus" }, "b": { "type": "boolean" } } }"#;
    host.answer(0, &ok(half));
    assert_eq!(host.events, [RefreshEvent::Ready { revision: 0 }]);
}

#[test]
fn no_status_stops_it() {
    for code in (0..=999).filter(|code| ![200, 304].contains(code)) {
        let mut host = Host::ready(RefreshConfig::new());
        let failure = host.failure(MINUTE, &status(code));
        assert_eq!(failure, RefreshFailure::Status { status: code });
        assert!(!failure.is_refusal() && host.events.is_empty(), "{code}");
        let next = host.wait(MINUTE);
        assert_eq!(next, Some(MINUTE + 1_000), "{code}");
        let repaired = document(2, &[("a", "on")]);
        host.answer(MINUTE + 1_000, &ok(&repaired));
        assert_eq!(host.events, [changed(&["a"], 2)], "{code}");
    }
}

#[test]
fn failures_double_the_wait_up_to_the_cap() {
    let mut host = Host::ready(RefreshConfig::new().stale_after(None));
    let mut now = MINUTE;
    for (attempt, want) in [
        (1, 1_000),
        (2, 2_000),
        (3, 4_000),
        (4, 8_000),
        (5, 16_000),
        (6, 32_000),
        (7, 64_000),
        (8, 128_000),
        (9, 256_000),
        (10, 300_000),
        (11, 300_000),
    ] {
        let request = host.fetch(now);
        assert_eq!(request.attempt, attempt);
        assert!(host.refresh.on_failure(request.id, MonotonicMillis(now)));
        assert_eq!(host.wait(now), Some(now + want), "{attempt}");
        now += want;
    }
}

#[test]
fn a_refused_document_is_not_fetched_more_often_than_the_interval() {
    let interval = Duration::from_secs(3_600);
    let config = RefreshConfig::new()
        .interval(interval)
        .stale_after(None)
        .jitter_percent(0);
    let mut host = Host::ready(config);
    let mut now = HOUR;
    for _ in 0..20 {
        host.failure(now, &ok("{}"));
        assert_eq!(host.wait(now), Some(now + HOUR));
        now += HOUR;
    }
}

#[test]
fn retry_after_is_kept_and_bounded_and_outranks_a_forced_refresh() {
    let mut host = Host::ready(RefreshConfig::new().stale_after(None));
    let busy = |seconds| Response {
        retry_after: Some(Duration::from_secs(seconds)),
        ..status(429)
    };
    host.chance = 0;
    host.failure(MINUTE, &busy(120));
    host.refresh.force_refresh();
    assert_eq!(host.wait(MINUTE), Some(3 * MINUTE));
    host.failure(3 * MINUTE, &busy(u64::MAX));
    assert_eq!(host.wait(3 * MINUTE), Some(3 * MINUTE + HOUR));
    // Beyond it as much is drawn as of the interval.
    host.chance = u64::MAX;
    host.failure(90 * MINUTE, &busy(120));
    assert_eq!(host.wait(90 * MINUTE), Some(92 * MINUTE + 6_000));
    // Shorter than the back-off, it does not shorten it.
    host.failure(2 * HOUR, &busy(0));
    assert_eq!(host.wait(2 * HOUR), Some(2 * HOUR + 8_000));
}

#[test]
fn a_day_of_outage_is_survived_with_the_last_good_flag_set() {
    let mut host = Host::ready(RefreshConfig::new());
    let (mut now, mut attempts, mut chance) = (MINUTE, 0_u32, 1_u64);
    while now < 24 * HOUR {
        chance = chance.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        match host.refresh.poll(MonotonicMillis(now), chance) {
            RefreshStep::Wait(until) => {
                let until = until.expect("it never stops").0;
                assert!(until > now && until <= now + 5 * MINUTE);
                now = until;
            }
            RefreshStep::Fetch(request) => {
                attempts += 1;
                // Some requests fail, some are answered with an error, some never.
                match attempts % 3 {
                    0 => assert!(host.refresh.on_failure(request.id, MonotonicMillis(now))),
                    1 => {
                        host.respond(request.id, now, &status(503));
                    }
                    _ => {}
                }
            }
        }
        host.take_events();
    }
    // About one each 225 seconds once the cap is reached, a third of them a minute later.
    assert!((280..420).contains(&attempts), "{attempts}");
    assert_eq!(host.events, [RefreshEvent::Stale]);
    assert_eq!(host.revision(), Some(1));
    assert!(host.refresh.status().stale);

    let news = document(2, &[("a", "on")]);
    let request = loop {
        match host.refresh.poll(MonotonicMillis(now), chance) {
            RefreshStep::Wait(until) => now = until.unwrap().0,
            RefreshStep::Fetch(request) => break request,
        }
    };
    host.respond(request.id, now, &ok(&news));
    let want = [
        RefreshEvent::Stale,
        RefreshEvent::Recovered,
        changed(&["a"], 2),
    ];
    assert_eq!(host.events, want);
    assert!(!host.refresh.status().stale);
    assert!(host.wait(now).unwrap() <= now + 33_000);
}

#[test]
fn staleness_wakes_the_host_and_is_told_once() {
    let config = RefreshConfig::new()
        .interval(Duration::from_secs(3_600))
        .stale_after(Some(Duration::from_secs(3_600)));
    let mut host = Host::ready(config);
    assert_eq!(host.wait(0), Some(HOUR), "before the fetch at 66 min");
    assert_eq!(host.wait(HOUR), Some(HOUR + 6 * MINUTE));
    host.wait(HOUR + 1);
    assert_eq!(host.events, [RefreshEvent::Stale]);
    host.answer(2 * HOUR, &status(304));
    assert_eq!(host.events, [RefreshEvent::Stale, RefreshEvent::Recovered]);
}

#[test]
fn without_a_flag_set_nothing_is_stale() {
    let mut host = Host::new(RefreshConfig::new());
    host.failure(0, &status(500));
    host.failure(HOUR, &status(500));
    assert_eq!(host.refresh.age(MonotonicMillis(HOUR)), None);
    assert!(host.events.is_empty() && !host.refresh.status().ready);
}

#[test]
fn an_answer_to_a_request_that_was_given_up_is_ignored() {
    let mut host = Host::ready(RefreshConfig::new());
    let first = host.fetch(MINUTE);
    let next = host.wait(2 * MINUTE).unwrap();
    assert_eq!(next, 2 * MINUTE + 1_000, "the timeout is a failure");
    let failure = host.refresh.status().last_failure;
    assert_eq!(failure, Some(RefreshFailure::TimedOut));
    let second = host.fetch(next);
    assert_ne!(first.id, second.id);
    let document_3 = document(3, &[("a", "on")]);
    let late = host.respond(first.id, next, &ok(&document_3));
    assert_eq!(late, Outcome::Ignored);
    assert!(!host.refresh.on_failure(first.id, MonotonicMillis(next)));
    let document_2 = document(2, &[("a", "on")]);
    host.respond(second.id, next, &ok(&document_2));
    assert_eq!(host.revision(), Some(2));
    let twice = host.respond(second.id, next, &ok(&document_3));
    assert_eq!(twice, Outcome::Ignored, "answered already");
}

#[test]
fn a_forced_refresh_comes_soon_but_not_in_bursts() {
    let mut host = Host::ready(RefreshConfig::new());
    host.refresh.force_refresh();
    assert_eq!(host.wait(200), Some(1_000), "a second after the last one");
    let request = host.fetch(1_000);
    // Forced again while one is on its way, which may have missed the change.
    host.refresh.force_refresh();
    assert_eq!(host.wait(1_100), Some(1_000 + MINUTE));
    host.respond(request.id, 5_000, &status(304));
    let request = host.fetch(5_000);
    host.respond(request.id, 5_000, &status(304));
    assert_eq!(host.wait(5_000), Some(38_000), "and back to the interval");
    // A failure's wait does not hold it up.
    host.failure(MINUTE, &status(500));
    host.refresh.force_refresh();
    assert_eq!(host.wait(MINUTE), Some(MINUTE + 1_000));
}

#[test]
fn being_told_of_a_change_does_not_put_off_a_retry() {
    let backoff = Duration::from_millis(10);
    let mut host = Host::ready(RefreshConfig::new().backoff(backoff, backoff));
    host.failure(MINUTE, &status(500));
    host.refresh.force_refresh();
    assert_eq!(host.wait(MINUTE), Some(MINUTE + 10));
}

#[test]
fn a_frozen_function_refreshes_when_it_is_invoked() {
    let mut host = Host::ready(RefreshConfig::new().interval(Duration::from_secs(600)));
    let limit = Duration::from_secs(60);
    let poll = |host: &mut Host, now| host.refresh.poll(MonotonicMillis(now), 0);
    assert!(
        !host
            .refresh
            .refresh_if_older_than(limit, MonotonicMillis(MINUTE))
    );
    assert!(matches!(poll(&mut host, MINUTE), RefreshStep::Wait(_)));
    assert!(
        host.refresh
            .refresh_if_older_than(limit, MonotonicMillis(MINUTE + 1))
    );
    host.failure(MINUTE + 1, &status(500));
    // The source is down: invocations do not hammer it.
    let now = MINUTE + 2;
    assert!(
        host.refresh
            .refresh_if_older_than(limit, MonotonicMillis(now))
    );
    assert_eq!(host.wait(now), Some(MINUTE + 1_001));
}

#[test]
fn suspended_it_asks_nothing_and_resumed_it_has_aged() {
    let mut host = Host::ready(RefreshConfig::new());
    host.wait(0);
    let asleep = |monotonic, wall| Times {
        monotonic: MonotonicMillis(monotonic),
        wall: UnixMillis(wall),
    };
    host.refresh.suspend(asleep(5_000, 1_000_000));
    assert_eq!(host.wait(5_000), None);
    assert_eq!(host.wait(HOUR), None, "whatever the clock says");
    // Three days pass; the monotonic clock stood still.
    host.refresh
        .resume(asleep(5_001, 1_000_000 + 72 * HOUR as i64));
    let now = MonotonicMillis(5_001);
    let age = host.refresh.age(now).unwrap().as_millis();
    assert_eq!(age, u128::from(5_000 + 72 * HOUR));
    let request = host.fetch(5_001);
    host.take_events();
    assert_eq!(host.events, [RefreshEvent::Stale]);
    host.respond(request.id, 5_200, &status(304));
    assert_eq!(host.events, [RefreshEvent::Stale, RefreshEvent::Recovered]);
    assert_eq!(host.wait(5_200), Some(38_200), "named on the host's clock");

    // A monotonic clock that ran on is enough, and a wall clock set back does no harm.
    host.refresh.suspend(asleep(6_000, 5_000_000));
    host.refresh.resume(asleep(6_000 + HOUR, 0));
    host.answer(6_000 + HOUR, &status(304));
    // Resuming without suspending is nothing.
    host.refresh.resume(asleep(7_000 + HOUR, i64::MAX));
    assert!(host.refresh.age(MonotonicMillis(7_000 + HOUR)).unwrap() < Duration::from_secs(2));
}

#[test]
fn a_request_that_slept_with_the_device_is_given_up() {
    let mut host = Host::ready(RefreshConfig::new());
    let request = host.fetch(MINUTE);
    host.refresh.suspend(at(MINUTE));
    let mut later = at(MINUTE + 10);
    later.wall.0 += HOUR as i64;
    host.refresh.resume(later);
    assert!(host.wait(MINUTE + 10).is_some());
    let late = host.respond(request.id, MINUTE + 20, &status(304));
    assert_eq!(late, Outcome::Ignored);
}

#[test]
fn a_cached_flag_set_makes_ready_with_its_age() {
    let cached = FlagSet::from_json(document(5, &[("a", "off")]).as_bytes()).unwrap();
    let mut host = Host::new(RefreshConfig::new());
    let age = Duration::from_secs(540);
    // The clock of a process that has just begun: the set is older than the clock.
    host.refresh.bootstrap(&cached, Some("\"5\""), age, at(10));
    host.held = Some(Box::new(cached));
    host.take_events();
    assert_eq!(host.events, [RefreshEvent::Ready { revision: 5 }]);
    assert_eq!(host.refresh.age(MonotonicMillis(10)), Some(age));
    let request = host.fetch(10);
    assert_eq!(
        (request.etag.as_deref(), request.revision),
        (Some("\"5\""), Some(5))
    );
    assert_eq!(host.wait(10), Some(60_010), "stale and timed out at once");
    host.wait(60_010);
    assert_eq!(host.events.last(), Some(&RefreshEvent::Stale));
    // The cache does not make the source go back.
    let older = document(4, &[("a", "off")]);
    let failure = host.failure(2 * MINUTE, &ok(&older));
    assert_eq!(
        failure,
        RefreshFailure::Older {
            held: 5,
            received: 4
        }
    );
}

#[test]
fn events_that_nobody_takes_are_bounded() {
    let mut refresh = Refresh::new(RefreshConfig::new()).unwrap();
    for minute in 1..1_000 {
        let RefreshStep::Fetch(request) = refresh.poll(MonotonicMillis(minute * HOUR), 0) else {
            panic!("an hour is enough");
        };
        let _ = refresh.on_response(request.id, &ok("{}"), None, at(minute * HOUR));
    }
    let kept = core::iter::from_fn(|| refresh.next_event()).count();
    assert_eq!(kept, MAX_EVENTS);
}

#[test]
fn an_overlong_etag_is_not_kept() {
    let mut host = Host::new(RefreshConfig::new());
    let long = "x".repeat(MAX_ETAG_BYTES + 1);
    let document = document(1, &[("a", "off")]);
    let tagged = Response {
        etag: Some(&long),
        ..ok(&document)
    };
    host.answer(0, &tagged);
    assert_eq!(host.fetch(MINUTE).etag, None);
}

#[test]
fn settings_are_checked_once() {
    let second = Duration::from_secs(1);
    let config = RefreshConfig::new;
    for (config, setting) in [
        (config().interval(second / 2), "interval"),
        (config().interval(Duration::MAX), "interval"),
        (config().jitter_percent(51), "jitter_percent"),
        (config().backoff(second * 2, second), "backoff"),
        (config().backoff(Duration::ZERO, second), "backoff"),
        (config().max_retry_after(Duration::MAX), "max_retry_after"),
        (config().request_timeout(Duration::ZERO), "request_timeout"),
        (config().stale_after(Some(second)), "stale_after"),
        (config().max_bytes(0), "max_bytes"),
        (config().max_bytes(MAX_DOCUMENT_BYTES + 1), "max_bytes"),
    ] {
        assert_eq!(Refresh::new(config).unwrap_err().setting, setting);
    }
}
