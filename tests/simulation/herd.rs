//! A thousand clients that began at the same instant, or were all cut off together: how far chance spreads them.
//!
//! Each bound is the number expected in the busiest second and seven standard deviations. A second is one of at
//! most 10,000 that are looked at, and a binomial count passes seven deviations once in 10^11.

use std::collections::BTreeMap;
use std::time::Duration;

use bucketry_core::{
    EvaluationContext, ExposureDetails, ExposureLog, ExposureLogConfig, FlagSet, LogStep,
    MonotonicMillis, ProducerId, Refresh, RefreshConfig, RefreshStep, Response, Times, UnixMillis,
};
use bucketry_tests::random::Random;

const CLIENTS: usize = 1_000;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// How many arrived in each second.
#[derive(Default)]
struct Arrivals(BTreeMap<u64, usize>);

impl Arrivals {
    fn note(&mut self, now: u64) {
        *self.0.entry(now / SECOND).or_insert(0) += 1;
    }

    /// Most in one second of `from..to`, in milliseconds.
    fn busiest(&self, from: u64, to: u64) -> usize {
        let seconds = self.0.range(from / SECOND..to.div_ceil(SECOND));
        seconds.map(|(_, count)| *count).max().unwrap_or(0)
    }

    fn count(&self, from: u64, to: u64) -> usize {
        self.0
            .range(from / SECOND..to.div_ceil(SECOND))
            .map(|(_, count)| count)
            .sum()
    }
}

/// The most that may come in a second when each of the clients comes once within `span` milliseconds, all moments
/// equally likely: the expectation n·p and seven deviations √(n·p·(1-p)).
fn bound(span: u64) -> usize {
    let n = CLIENTS as f64;
    let p = SECOND as f64 / span as f64;
    (n * p + 7.0 * (n * p * (1.0 - p)).sqrt()).ceil() as usize
}

fn times(now: u64) -> Times {
    Times {
        monotonic: MonotonicMillis(now),
        wall: UnixMillis(1_795_464_000_000 + now as i64),
    }
}

/// What a server does at a moment: answers, refuses connections, or says when to come again.
#[derive(Clone, Copy)]
enum Mood {
    Well,
    Gone,
    BusyUntil(u64),
}

const DOCUMENT: &str = r#"{ "format": 1, "revision": 1, "flags": {
    "button": { "type": "string", "variants": { "a": "a", "b": "b" }, "rules": [
        { "id": "r", "experiment": { "key": "e" }, "split": { "a": 1, "b": 1 } }] } } }"#;

/// Clients that all begin at the moment 0, with the default settings, and fetch until `end`.
fn fetches(end: u64, mood: impl Fn(u64) -> Mood) -> Arrivals {
    let mut random = Random::new(1);
    let held = FlagSet::from_json(DOCUMENT.as_bytes()).expect("a flag set");
    let new = || Refresh::new(RefreshConfig::new()).expect("the defaults");
    let mut clients: Vec<Refresh> = (0..CLIENTS).map(|_| new()).collect();
    let mut ready = [false; CLIENTS];
    let mut agenda: BTreeMap<(u64, usize), ()> =
        (0..CLIENTS).map(|client| ((0, client), ())).collect();
    let mut arrivals = Arrivals::default();
    while let Some(((now, client), ())) = agenda.pop_first() {
        if now > end {
            break;
        }
        let refresh = &mut clients[client];
        match refresh.poll(MonotonicMillis(now), random.bits()) {
            RefreshStep::Wait(until) => {
                let until = until.expect("it is never suspended").0;
                agenda.insert((until.max(now + 1), client), ());
            }
            RefreshStep::Fetch(request) => {
                arrivals.note(now);
                let mut response = Response {
                    status: 200,
                    body: DOCUMENT.as_bytes(),
                    ..Response::default()
                };
                match mood(now) {
                    Mood::Gone => {
                        refresh.on_failure(request.id, MonotonicMillis(now));
                    }
                    Mood::Well => {
                        let held = ready[client].then_some(&held);
                        drop(refresh.on_response(request.id, &response, held, times(now)));
                        ready[client] = true;
                    }
                    Mood::BusyUntil(until) => {
                        response.status = 503;
                        response.retry_after = Some(Duration::from_millis(until - now));
                        drop(refresh.on_response(request.id, &response, None, times(now)));
                    }
                }
                agenda.insert((now + 1, client), ());
            }
        }
    }
    arrivals
}

/// The first fetch is at once: a client without flags cannot wait. From then on chance spreads the herd: the interval of
/// 30 s is drawn from 27 to 33 s, so each second of the second round expects 1,000 / 6 = 167.
/// Each round adds a draw; after 30 rounds their sum has a deviation of √30 · 6 / √12 = 9.5 s and its density is
/// at most 1 / (9.5 · √2π) = 0.042 a second, as if spread over 23.8 s.
#[test]
fn clients_that_start_together_drift_apart() {
    let arrivals = fetches(HOUR, |_| Mood::Well);
    assert_eq!(arrivals.busiest(0, SECOND), CLIENTS);
    assert_eq!(arrivals.count(SECOND, 27 * SECOND), 0);
    let second_round = arrivals.busiest(SECOND, 15 * MINUTE);
    let later = arrivals.busiest(15 * MINUTE, HOUR);
    println!("busiest second: {second_round} in the second round, {later} after 15 minutes");
    assert!(second_round <= bound(6 * SECOND), "{second_round}");
    assert!(later <= bound(23_800), "{later}");
    // At most one fetch in the shortest interval.
    assert!(arrivals.count(0, HOUR) <= CLIENTS * (1 + (HOUR / (27 * SECOND)) as usize));
}

/// Cut off for an hour, every client waits 150 to 300 s between attempts: when the server is back each comes within 300 s, and
/// a second expects no more than if they came within 150 s.
#[test]
fn an_outage_does_not_end_in_a_stampede() {
    let outage = HOUR..2 * HOUR;
    let during = |now: u64| {
        if outage.contains(&now) {
            Mood::Gone
        } else {
            Mood::Well
        }
    };
    let arrivals = fetches(3 * HOUR, during);
    let back = arrivals.busiest(2 * HOUR, 2 * HOUR + 150 * SECOND);
    // Those that are back fetch at their interval; the mixture is below that of the even case.
    let recovered = arrivals.busiest(2 * HOUR, 3 * HOUR);
    println!("busiest second: {back} as the server is back, {recovered} in the hour after");
    assert!(back <= bound(23_800), "{back}");
    assert!(recovered <= bound(23_800), "{recovered}");
    assert!(arrivals.count(2 * HOUR, 2 * HOUR + 301 * SECOND) >= CLIENTS);
    // While it lasted: 1 + 2 + … + 256 s of backing off are 9 attempts, then one in 150 s at the most.
    let attempts = arrivals.count(outage.start + MINUTE, outage.end) / CLIENTS;
    assert!(attempts <= 9 + 3_600 / 150, "{attempts}");
}

/// Cold clients that meet a server which is down double their waits together: attempt `n` is spread over half of its
/// longest wait, 2^(n-2) s, as nothing overlaps: attempt `n` ends before `n + 1` begins.
#[test]
fn cold_clients_spread_by_backing_off() {
    let arrivals = fetches(HOUR, |_| Mood::Gone);
    for attempt in 4..9 {
        // Sum of the waits before it: all halves, or all wholes.
        let (least, most) = (
            ((1 << (attempt - 1)) - 1) * SECOND / 2,
            ((1 << (attempt - 1)) - 1) * SECOND,
        );
        let spread = (1 << (attempt - 2)) * SECOND / 2;
        let busiest = arrivals.busiest(least, most + SECOND);
        println!(
            "attempt {attempt}: busiest second {busiest}, allowed {}",
            bound(spread)
        );
        assert!(busiest <= bound(spread), "attempt {attempt}: {busiest}");
    }
}

/// A load balancer tells all of them the same moment to come back: they come within 6 s after it, as much as the interval
/// is jittered by, and never before.
#[test]
fn a_common_retry_after_is_no_appointment() {
    let again = 10 * MINUTE;
    let arrivals = fetches(HOUR, |now| match now {
        0..MINUTE => Mood::BusyUntil(again),
        _ => Mood::Well,
    });
    assert_eq!(arrivals.count(SECOND, again), 0);
    let busiest = arrivals.busiest(again, again + 7 * SECOND);
    println!("busiest second: {busiest}");
    assert!(busiest <= bound(6 * SECOND), "{busiest}");
    assert_eq!(arrivals.count(again, again + 7 * SECOND), CLIENTS);
}

/// Logs under steady traffic that began at the same instant: a batch leaves 5 to 10 s after its first exposure, so a
/// second of the first round expects 1,000 / 5; after 16 rounds the deviation is √16 · 5 / √12 = 5.8 s
/// and rounds overlap: then everybody comes every 7.5 s on average.
#[test]
fn exposures_of_processes_that_start_together_drift_apart() {
    let mut random = Random::new(2);
    let flag_set = FlagSet::from_json(DOCUMENT.as_bytes()).expect("a flag set");
    let mut arrivals = Arrivals::default();
    let end = 4 * MINUTE;
    for client in 0..CLIENTS {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&client.to_le_bytes());
        let mut log =
            ExposureLog::new(ExposureLogConfig::new(ProducerId(id))).expect("the defaults");
        let mut visitor = 0_u64;
        for now in (0..end).step_by(500) {
            visitor += 1;
            let context = EvaluationContext::new(format!("{client}-{visitor}"));
            let resolution = flag_set.resolve("button", &context, UnixMillis(0));
            let assignment = resolution.assignment().expect("everybody is in it");
            let _ = log.record(
                &assignment,
                &ExposureDetails::default(),
                times(now),
                random.bits(),
            );
            while let LogStep::Send(batch) = log.poll(times(now), random.bits()) {
                arrivals.note(now);
                log.acknowledge(batch.id);
            }
        }
    }
    let first = arrivals.busiest(0, 15 * SECOND);
    let later = arrivals.busiest(2 * MINUTE, end);
    println!("busiest second: {first} in the first round, {later} after two minutes");
    assert!(first <= bound(5 * SECOND), "{first}");
    assert!(later <= bound(7_500), "{later}");
}
