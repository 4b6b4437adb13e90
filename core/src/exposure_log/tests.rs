use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::*;
use crate::bucketing::UnitText;
use crate::resolution::{Reason, Sticky};
use crate::time::UnixMillis;

const PRODUCER: ProducerId = ProducerId([0x11; 16]);
const OTHER: ProducerId = ProducerId([0x22; 16]);
const DAY: u64 = 86_400_000;

fn config() -> ExposureLogConfig {
    ExposureLogConfig::new(PRODUCER).heartbeat_interval(Duration::ZERO)
}

fn log(config: ExposureLogConfig) -> ExposureLog {
    ExposureLog::new(config).unwrap()
}

fn assignment<'a>(unit: &'a str, variant: &'a str) -> Assignment<'a> {
    Assignment {
        flag: "button",
        rule: None,
        experiment: "exp",
        phase: 1,
        unit_type: "targetingKey",
        unit: UnitText::new(unit),
        variant: Some(variant),
        reason: Reason::Split,
        arm: Some(1),
        enrol: Some(2),
        enrol_cut: None,
        arm_range: Some((0, 10)),
        arm_share: Some(10),
        modulus: 1 << 32,
        layer: None,
        layer_position: None,
        holdout: None,
        sticky: Sticky::None,
        environment: None,
        revision: 1,
    }
}

/// `millis` on both clocks.
fn at(millis: u64) -> Times {
    Times {
        monotonic: MonotonicMillis(millis),
        wall: UnixMillis(millis as i64),
    }
}

fn record(log: &mut ExposureLog, unit: &str, millis: u64) -> Recorded {
    let recorded = log.record(
        &assignment(unit, "on"),
        &ExposureDetails::default(),
        at(millis),
        0,
    );
    assert!(log.counters().is_balanced(), "{:?}", log.counters());
    recorded
}

fn batch(log: &mut ExposureLog, millis: u64) -> Batch {
    match log.poll(at(millis), u64::MAX) {
        LogStep::Send(batch) => batch,
        LogStep::Wait(until) => panic!("at {millis} asked to wait until {until:?}"),
    }
}

fn wait(log: &mut ExposureLog, millis: u64) -> Option<u64> {
    match log.poll(at(millis), u64::MAX) {
        LogStep::Send(batch) => panic!("at {millis} asked to send {}", batch.id),
        LogStep::Wait(until) => until.map(|until| until.0),
    }
}

fn units(batch: &Batch) -> Vec<String> {
    let body = core::str::from_utf8(&batch.body).unwrap();
    let unit = |line: &str| {
        let (_, rest) = line.split_once("\"unit\":\"")?;
        Some(rest.split_once('"')?.0.to_string())
    };
    body.lines().filter_map(unit).collect()
}

#[test]
fn an_exposure_waits_for_the_flush_interval_and_is_sent_until_acknowledged() {
    let mut log = log(config());
    assert_eq!(wait(&mut log, 0), None);
    assert_eq!(record(&mut log, "a", 1_000), Recorded::Queued);
    assert_eq!(record(&mut log, "b", 4_000), Recorded::Queued);
    assert_eq!(wait(&mut log, 4_000), Some(11_000));
    assert_eq!(wait(&mut log, 10_999), Some(11_000));
    let sent = batch(&mut log, 11_000);
    assert_eq!(sent.id.to_string(), "11111111111111111111111111111111-1-2");
    assert_eq!(
        (sent.attempt, units(&sent)),
        (1, vec!["a".into(), "b".into()])
    );
    assert_eq!(wait(&mut log, 11_000), Some(71_000), "the send timeout");
    assert_eq!((log.counters().in_flight, log.counters().sent), (2, 0));

    assert!(log.acknowledge(sent.id));
    assert_eq!((log.counters().in_flight, log.counters().sent), (0, 2));
    assert_eq!(log.pending_bytes(), 0);
    assert!(!log.acknowledge(sent.id), "a second answer changes nothing");
    assert_eq!(log.counters().sent, 2);
    assert_eq!(wait(&mut log, 12_000), None);
}

#[test]
fn repeats_within_a_window_are_recognised_and_later_ones_marked() {
    let mut log = log(config());
    assert_eq!(record(&mut log, "a", 0), Recorded::Queued);
    assert_eq!(record(&mut log, "a", DAY - 1), Recorded::Deduplicated);
    assert_eq!(record(&mut log, "a", DAY), Recorded::Queued);
    assert_eq!(record(&mut log, "a", DAY + 5), Recorded::Deduplicated);
    let other = log.record(
        &assignment("a", "off"),
        &ExposureDetails::default(),
        at(DAY),
        0,
    );
    assert_eq!(
        other,
        Recorded::Queued,
        "another variant is another exposure"
    );
    let sent = batch(&mut log, 2 * DAY);
    let body = String::from_utf8(sent.body).unwrap();
    let firsts: Vec<bool> = body
        .lines()
        .map(|line| line.contains("\"first\":true"))
        .collect();
    assert_eq!(firsts, [true, true, false], "repeats go last");
    assert!(body.contains("\"dedupe_window\":1,"));
    assert_eq!(log.counters().deduplicated, 2);
}

#[test]
fn without_a_window_a_unit_is_recorded_once_for_ever() {
    let mut log = log(config().dedupe_window(None));
    assert_eq!(record(&mut log, "a", 0), Recorded::Queued);
    assert_eq!(record(&mut log, "a", 1_000 * DAY), Recorded::Deduplicated);
}

#[test]
fn without_deduplication_everything_is_recorded_and_nothing_called_first() {
    let mut log = log(config().dedupe_entries(0));
    assert_eq!(record(&mut log, "a", 0), Recorded::Queued);
    assert_eq!(record(&mut log, "a", 0), Recorded::Queued);
    let sent = batch(&mut log, 10_000);
    let body = String::from_utf8(sent.body).unwrap();
    assert!(!body.contains("\"first\""));
    let id = |line: &str| line.split_once("event_id").unwrap().1[3..35].to_string();
    let ids: Vec<String> = body.lines().map(id).collect();
    assert_eq!(ids[0], ids[1], "the receiver still has one");
}

#[test]
fn a_full_batch_goes_at_once() {
    let mut log = log(config().batch_records(3));
    for (unit, millis) in [("a", 0), ("b", 1), ("c", 2), ("d", 3)] {
        record(&mut log, unit, millis);
    }
    assert_eq!(units(&batch(&mut log, 3)), ["a", "b", "c"]);
    assert_eq!(wait(&mut log, 3), Some(10_003), "the fourth waits");
}

#[test]
fn batches_keep_their_bytes_and_their_numbers_are_without_gaps() {
    let mut log = log(config().batch_bytes(4_096));
    let mut last = 0;
    for number in 0..200_u64 {
        record(
            &mut log,
            &format!("user-{number}-{}", "x".repeat(number as usize)),
            number,
        );
        while let LogStep::Send(batch) = log.poll(at(number), 0) {
            assert!(batch.body.len() <= 4_096);
            assert_eq!(batch.id.first, last + 1);
            last = batch.id.last;
            let lines = core::str::from_utf8(&batch.body).unwrap().lines().count();
            assert_eq!(lines as u64, batch.id.last - batch.id.first + 1);
            for (line, seq) in batch.body.split(|b| *b == b'\n').zip(batch.id.first..) {
                let text = core::str::from_utf8(line).unwrap();
                assert!(text.is_empty() || text.contains(&format!("\"seq\":{seq},")));
            }
            log.acknowledge(batch.id);
        }
    }
    assert!(last > 150);
}

#[test]
fn failures_back_off_and_the_bytes_stay_the_same() {
    let mut log = log(config());
    record(&mut log, "a", 0);
    let first = batch(&mut log, 10_000);
    assert!(log.retry(first.id, MonotonicMillis(10_500), None));
    // Drawn with the highest chance: 1 s for the log, 2 s for the batch.
    assert_eq!(wait(&mut log, 10_500), Some(11_500));
    assert_eq!(wait(&mut log, 11_500), Some(12_500));
    let second = batch(&mut log, 12_500);
    assert_eq!(
        second,
        Batch {
            attempt: 2,
            ..first.clone()
        }
    );
    log.retry(second.id, MonotonicMillis(12_500), None);
    assert_eq!(wait(&mut log, 12_500), Some(14_500));
    assert_eq!(wait(&mut log, 14_500), Some(16_500));
    for attempt in 3..40 {
        let again = batch(&mut log, attempt * 1_000_000);
        assert_eq!(u64::from(again.attempt), attempt);
        log.retry(again.id, MonotonicMillis(attempt * 1_000_000), None);
    }
    assert_eq!(
        wait(&mut log, 39_000_000),
        Some(39_300_000),
        "never more than five minutes"
    );
    let sent = batch(&mut log, 39_300_000);
    assert!(log.acknowledge(sent.id));
}

#[test]
fn retry_after_is_kept_to_its_bound() {
    let mut log = log(config());
    record(&mut log, "a", 0);
    let sent = batch(&mut log, 10_000);
    log.retry(
        sent.id,
        MonotonicMillis(10_000),
        Some(Duration::from_secs(100)),
    );
    assert_eq!(wait(&mut log, 10_000), Some(110_000));
    let sent = batch(&mut log, 110_000);
    log.retry(sent.id, MonotonicMillis(110_000), Some(Duration::MAX));
    assert_eq!(wait(&mut log, 110_000), Some(110_000 + 3_600_000));
}

#[test]
fn one_batch_that_always_fails_does_not_hold_up_the_others() {
    let mut log = log(config().batch_records(1).max_in_flight(1));
    for number in 0..50 {
        record(&mut log, &format!("user-{number}"), 0);
    }
    let mut poison = None;
    let mut delivered = 0;
    let mut now = 0;
    while delivered < 49 && now < DAY {
        match log.poll(at(now), now.wrapping_mul(0x9E37_79B9_7F4A_7C15)) {
            LogStep::Wait(until) => now = until.expect("something is pending").0.max(now + 1),
            LogStep::Send(batch) if *poison.get_or_insert(batch.id) == batch.id => {
                log.retry(batch.id, MonotonicMillis(now), None);
            }
            LogStep::Send(batch) => {
                log.acknowledge(batch.id);
                delivered += 1;
            }
        }
    }
    assert_eq!(delivered, 49);
    assert!(now < 60_000, "it took {now} ms");
}

#[test]
fn while_the_receiver_fails_there_is_one_batch_on_the_wire() {
    let mut log = log(config().batch_records(1).max_in_flight(3));
    for unit in ["a", "b", "c", "d"] {
        record(&mut log, unit, 0);
    }
    let sent = [batch(&mut log, 0), batch(&mut log, 0), batch(&mut log, 0)];
    assert_eq!(wait(&mut log, 0), Some(60_000));
    for failed in &sent {
        log.retry(failed.id, MonotonicMillis(0), None);
    }
    let probe = batch(&mut log, 300_000);
    assert_eq!(wait(&mut log, 300_000), Some(360_000));
    log.acknowledge(probe.id);
    batch(&mut log, 300_000);
    batch(&mut log, 300_000);
    batch(&mut log, 300_000);
}

#[test]
fn a_batch_without_answer_is_sent_again_and_a_late_answer_counts() {
    let mut log = log(config());
    record(&mut log, "a", 0);
    let first = batch(&mut log, 10_000);
    wait(&mut log, 70_000);
    let second = batch(&mut log, 100_000);
    assert_eq!((second.id, second.attempt), (first.id, 2));
    assert!(log.acknowledge(first.id));
    assert!(!log.acknowledge(second.id));
    assert_eq!(log.counters().sent, 1);
}

#[test]
fn flush_makes_everything_due_whatever_was_waited_for() {
    let mut log = log(config().max_in_flight(4));
    record(&mut log, "a", 0);
    let failed = batch(&mut log, 10_000);
    log.retry(
        failed.id,
        MonotonicMillis(10_000),
        Some(Duration::from_secs(600)),
    );
    record(&mut log, "b", 10_001);
    assert_eq!(wait(&mut log, 10_001), Some(610_000));
    log.flush();
    assert_eq!(batch(&mut log, 10_001).id, failed.id);
    log.acknowledge(failed.id);
    assert_eq!(units(&batch(&mut log, 10_001)), ["b"]);
    // Flushing is over: what comes now waits as usual.
    record(&mut log, "c", 10_002);
    assert_eq!(wait(&mut log, 10_002), Some(20_002));
    log.flush();
    assert_eq!(units(&batch(&mut log, 10_002)), ["c"]);
    // Nothing was there to flush: no different.
    wait(&mut log, 10_002);
    log.flush();
    wait(&mut log, 10_003);
    record(&mut log, "d", 10_003);
    assert_eq!(wait(&mut log, 10_003), Some(20_003));
}

#[test]
fn repeats_make_room_for_firsts_and_never_the_other_way() {
    let mut log = log(config().max_pending(4));
    for unit in ["a", "b"] {
        record(&mut log, unit, 0);
    }
    let sent = batch(&mut log, 10_000);
    log.acknowledge(sent.id);
    // The next day: both again, and two new units fill the queue.
    for unit in ["a", "b", "c", "d"] {
        assert_eq!(record(&mut log, unit, DAY), Recorded::Queued);
    }
    let full = Recorded::Dropped(DropReason::QueueFull);
    assert_eq!(record(&mut log, "e", DAY), Recorded::Queued, "sheds a");
    assert_eq!(record(&mut log, "f", DAY), Recorded::Queued, "sheds b");
    assert_eq!(record(&mut log, "g", DAY), full, "nothing left to shed");
    assert_eq!(record(&mut log, "a", DAY), full, "a repeat sheds nothing");
    let sent = batch(&mut log, DAY + 10_000);
    assert_eq!(units(&sent), ["c", "d", "e", "f"]);
    log.acknowledge(sent.id);
    // What was shed or found no room is not taken for recorded.
    for unit in ["a", "b", "g"] {
        assert_eq!(record(&mut log, unit, DAY + 1), Recorded::Queued, "{unit}");
    }
    let dropped = log.counters().dropped;
    assert_eq!((dropped.shed, dropped.queue_full), (2, 2));
}

#[test]
fn memory_is_bounded_in_bytes() {
    let mut log = log(config().max_bytes(300_000).batch_bytes(100_000));
    let mut most = 0;
    for number in 0..5_000 {
        record(&mut log, &format!("user-{number}"), 0);
        most = most.max(log.pending_bytes());
        if number % 100 == 0 {
            let _ = log.poll(at(0), 0);
            most = most.max(log.pending_bytes());
        }
    }
    assert!(most <= 300_000, "{most}");
    assert!(most >= 299_000, "the bound is used: {most}");
    let counters = log.counters();
    assert!(counters.dropped.queue_full > 4_000 && counters.in_flight > 0);
}

#[test]
fn an_exposure_too_large_for_a_batch_is_dropped_and_counted() {
    let mut log = log(config().batch_bytes(2_000));
    let huge = "x".repeat(2_000);
    let too_large = Recorded::Dropped(DropReason::TooLarge);
    assert_eq!(record(&mut log, &huge, 0), too_large);
    assert_eq!(record(&mut log, "a", 0), Recorded::Queued);
    assert_eq!(log.counters().dropped.too_large, 1);
}

#[test]
fn sampling_by_unit_keeps_the_documented_units_in_every_log() {
    // Computed with Python: int.from_bytes(sha256(b"sample:exp/1\x1fuser-%d").digest()[:4]) < 2**30
    let want = [3, 18, 20, 23, 28, 39];
    let sampling = Sampling::Units {
        parts_per_million: 250_000,
    };
    for producer in [PRODUCER, OTHER] {
        let config = ExposureLogConfig {
            producer,
            ..config().sampling(sampling)
        };
        let mut log = log(config);
        let kept: Vec<u64> = (0..40)
            .filter(|n| record(&mut log, &format!("user-{n}"), 0) == Recorded::Queued)
            .collect();
        assert_eq!(kept, want);
        assert_eq!(log.counters().sampled_out, 40 - want.len() as u64);
        // Asked again, they are repeats: the draw stands.
        for number in 0..40 {
            let again = record(&mut log, &format!("user-{number}"), 1);
            assert_eq!(again, Recorded::Deduplicated);
        }
        let body = batch(&mut log, 10_000).body;
        assert!(
            String::from_utf8(body)
                .unwrap()
                .contains("\"sampling_rate\":0.25,")
        );
    }
}

#[test]
fn sampling_by_chance_draws_once_a_window() {
    let sampling = Sampling::Chance {
        parts_per_million: 500_000,
    };
    let mut log = log(config().sampling(sampling));
    let mut draw = |unit: &str, millis, chance| {
        log.record(
            &assignment(unit, "on"),
            &ExposureDetails::default(),
            at(millis),
            chance,
        )
    };
    assert_eq!(draw("a", 0, u64::MAX), Recorded::SampledOut);
    assert_eq!(draw("a", 1, 0), Recorded::Deduplicated, "no second chance");
    assert_eq!(draw("b", 0, (1 << 63) - 1), Recorded::Queued);
    assert_eq!(draw("c", 0, 1 << 63), Recorded::SampledOut);
    assert_eq!(draw("a", DAY, 0), Recorded::Queued);
    let sent = batch(&mut log, DAY + 10_000);
    let body = String::from_utf8(sent.body).unwrap();
    assert!(
        !body.contains("\"first\":false"),
        "a was never recorded before"
    );
}

#[test]
fn answers_mean_the_same_on_every_platform() {
    for (status, want, held_after) in [
        (200, Delivery::Acknowledged, false),
        (204, Delivery::Acknowledged, false),
        (400, Delivery::Rejected, false),
        (413, Delivery::Rejected, false), // one record cannot be split
        (415, Delivery::Rejected, false),
        (422, Delivery::Rejected, false),
        (100, Delivery::Retrying, true),
        (302, Delivery::Retrying, true),
        (401, Delivery::Retrying, true),
        (403, Delivery::Retrying, true),
        (404, Delivery::Retrying, true),
        (408, Delivery::Retrying, true),
        (409, Delivery::Retrying, true),
        (429, Delivery::Retrying, true),
        (500, Delivery::Retrying, true),
        (503, Delivery::Retrying, true),
        (0, Delivery::Retrying, true), // whatever a host makes of it
    ] {
        let mut log = log(config());
        record(&mut log, "a", 0);
        let sent = batch(&mut log, 10_000);
        let meant = log.on_response(sent.id, status, None, MonotonicMillis(10_000));
        assert_eq!(meant, want, "{status}");
        assert_eq!(log.counters().in_flight == 1, held_after, "{status}");
        assert!(log.counters().is_balanced());
        let again = log.on_response(sent.id, 200, None, MonotonicMillis(10_000));
        let known = if held_after {
            Delivery::Acknowledged
        } else {
            Delivery::Unknown
        };
        assert_eq!(again, known, "{status}");
    }
}

#[test]
fn a_batch_that_is_too_large_for_the_receiver_is_halved_until_it_fits() {
    let mut log = log(config());
    for number in 0..100 {
        record(&mut log, &format!("user-{number}"), 0);
    }
    let mut got = Vec::new();
    let mut numbers = Vec::new();
    log.flush();
    while let LogStep::Send(batch) = log.poll(at(0), 0) {
        let status = if batch.body.len() > 8_000 { 413 } else { 200 };
        let before = log.pending_bytes();
        let meant = log.on_response(batch.id, status, None, MonotonicMillis(0));
        assert_eq!(meant == Delivery::Split, status == 413);
        assert!(log.pending_bytes() <= before && log.counters().is_balanced());
        if status == 200 {
            got.extend(units(&batch));
            numbers.push((batch.id.first, batch.id.last));
        }
    }
    assert_eq!(got.len(), 100);
    assert_eq!(log.counters().sent, 100);
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
    // It has learned: the next batches fit at once.
    for number in 100..200 {
        record(&mut log, &format!("user-{number}"), 0);
    }
    log.flush();
    while let LogStep::Send(batch) = log.poll(at(0), 0) {
        assert!(batch.body.len() <= 8_000);
        log.acknowledge(batch.id);
    }
    assert_eq!(log.counters().sent, 200);
}

#[test]
fn what_is_exported_is_delivered_by_another_log_as_it_is() {
    let mut old = log(config().batch_records(2));
    for unit in ["a", "b", "c"] {
        record(&mut old, unit, 0);
    }
    let on_wire = batch(&mut old, 0);
    let spool = old.export();
    assert!(old.counters().is_balanced());
    assert_eq!((old.counters().queued, old.counters().in_flight), (0, 3));

    let mut new = log(ExposureLogConfig {
        producer: OTHER,
        ..config()
    });
    let restored = new.restore(&spool).unwrap();
    assert_eq!((restored.batches, restored.dropped), (2, 0));
    assert_eq!(new.counters().restored.in_flight, 3);
    let again = batch(&mut new, 0);
    assert_eq!((again.id, &again.body), (on_wire.id, &on_wire.body));
    let rest = batch(&mut new, 0);
    assert_eq!((rest.id.producer, rest.id.first), (PRODUCER, 3));
    assert_eq!(units(&rest), ["c"]);
    // Restoring twice does not double.
    assert_eq!(new.restore(&spool).unwrap().already_held, 2);
    new.acknowledge(again.id);
    new.reject(rest.id);
    let counters = new.counters();
    let restored = counters.restored;
    assert_eq!(
        (restored.accepted, restored.sent, restored.dropped),
        (3, 2, 1)
    );
    assert!(counters.is_balanced() && counters.evaluated == 0);
    // An empty log exports an empty spool.
    assert_eq!(old.restore(&new.export()).unwrap(), Restored::default());
}

#[test]
fn a_restored_heartbeat_is_no_exposure() {
    let mut old = log(config().heartbeat_interval(Duration::from_secs(1)));
    wait(&mut old, 0);
    record(&mut old, "a", 0);
    let sent = batch(&mut old, 1_000);
    assert_eq!(
        (sent.id.first, sent.id.last),
        (1, 2),
        "the heartbeat takes along what waits"
    );
    let mut new = log(ExposureLogConfig {
        producer: OTHER,
        ..config()
    });
    new.restore(&old.export()).unwrap();
    assert_eq!(new.counters().restored.accepted, 1);
}

#[test]
fn a_damaged_spool_is_refused_and_nothing_changes() {
    let mut old = log(config());
    for unit in ["a", "ż", "c"] {
        record(&mut old, unit, 0);
    }
    let spool = old.export();
    let mut new = log(ExposureLogConfig {
        producer: OTHER,
        ..config()
    });
    record(&mut new, "held", 0);
    let before = (new.counters(), new.pending_bytes());
    for length in 0..spool.len() {
        assert!(new.restore(&spool[..length]).is_err(), "cut to {length}");
    }
    for position in 0..spool.len() {
        for bit in 0..8 {
            let mut damaged = spool.clone();
            damaged[position] ^= 1 << bit;
            assert!(new.restore(&damaged).is_err(), "bit {bit} of {position}");
        }
    }
    let mut longer = spool.clone();
    longer.push(b'\n');
    assert_eq!(new.restore(&longer), Err(RestoreError::Corrupt));
    assert_eq!((new.counters(), new.pending_bytes()), before);
    assert_eq!(new.restore(b""), Err(RestoreError::NotASpool));
    assert_eq!(new.restore(b"{\"v\":1}"), Err(RestoreError::NotASpool));
    assert_eq!(
        new.restore(b"bucketry-spool 2 0\n"),
        Err(RestoreError::UnknownVersion)
    );
    assert!(new.restore(&spool).is_ok(), "the undamaged one is fine");
}

#[test]
fn spools_that_lie_under_a_right_checksum_are_refused() {
    let id = "22222222222222222222222222222222";
    for content in [
        "bucketry-spool 1 1\n".to_string(), // a batch is missing
        format!("bucketry-spool 1 0\n{id}-1-1 2\n{{\n"), // one too many
        format!("bucketry-spool 1 1\n{id}-1-2 3\n{{}}\n"), // two numbers, one line
        format!("bucketry-spool 1 1\n{id}-0-0 3\n{{}}\n"), // numbers begin at 1
        format!("bucketry-spool 1 1\n{id}-2-1 3\n{{}}\n"), // backwards
        format!("bucketry-spool 1 1\n{id}-1-1 99\n{{}}\n"), // longer than it is
        format!("bucketry-spool 1 1\n{id}-1-1 2\n{{}}\n"), // line not ended
        format!("bucketry-spool 1 1\n{id}-01-1 3\n{{}}\n"), // another spelling
        "bucketry-spool 1 18446744073709551616\n".to_string(), // a count that overflows
        "bucketry-spool 1 18446744073709551615\n".to_string(), // a count that nothing could hold
        format!("bucketry-spool 1 1\n{id}-18446744073709551615-18446744073709551615 3\n{{}}\n"),
        format!("bucketry-spool 1 1\n{}-1-1 3\n{{}}\n", &id[1..]), // not a producer
    ] {
        let mut spool = content.clone().into_bytes();
        let digest = crate::hash::sha256(&[&spool]);
        spool.extend_from_slice(b"sha256 ");
        crate::json_write::push_hex(&mut spool, &digest);
        spool.push(b'\n');
        assert_eq!(
            log(config()).restore(&spool),
            Err(RestoreError::Corrupt),
            "{content}"
        );
    }
}

#[test]
fn a_log_does_not_take_its_own_producer_id_from_a_spool() {
    let mut old = log(config());
    record(&mut old, "a", 0);
    let spool = old.export();
    assert_eq!(
        log(config()).restore(&spool),
        Err(RestoreError::ProducerReused)
    );
    // The log that gave the numbers out may take them back.
    let id = batch(&mut old, 0).id;
    old.acknowledge(id);
    assert_eq!(old.restore(&spool).unwrap().batches, 1);
    assert!(old.counters().is_balanced());
}

#[test]
fn what_finds_no_room_at_a_restore_is_counted() {
    let mut old = log(config().batch_records(1));
    for unit in ["a", "b", "c"] {
        record(&mut old, unit, 0);
    }
    let spool = old.export();
    let mut new = log(ExposureLogConfig {
        producer: OTHER,
        ..config().max_pending(2)
    });
    let restored = new.restore(&spool).unwrap();
    assert_eq!((restored.batches, restored.dropped), (2, 1));
    assert_eq!(new.counters().restored.dropped, 1);
    assert!(new.counters().is_balanced());
}

#[test]
fn a_forked_child_sends_nothing_of_its_parent() {
    let mut child = log(config());
    record(&mut child, "a", 0);
    batch(&mut child, 10_000);
    record(&mut child, "b", 10_000);
    child.reset_for_child(OTHER);
    assert_eq!(child.producer(), OTHER);
    assert_eq!(wait(&mut child, 20_000), None);
    let counters = child.counters();
    assert_eq!((counters.evaluated, counters.left_to_parent), (0, 2));
    // What the parent may not live to deliver is recorded again, under the child's own numbers.
    assert_eq!(record(&mut child, "a", 20_000), Recorded::Queued);
    let sent = batch(&mut child, 30_000);
    assert_eq!((sent.id.producer, sent.id.first), (OTHER, 1));
    assert!(child.counters().is_balanced());
}

#[test]
fn arms_are_counted_apart_up_to_a_bound() {
    let mut log = log(config().max_arms(2));
    let mut take = |unit, variant| {
        log.record(
            &assignment(unit, variant),
            &ExposureDetails::default(),
            at(0),
            0,
        )
    };
    for (unit, variant) in [("a", "on"), ("b", "off"), ("c", "third"), ("d", "fourth")] {
        take(unit, variant);
        take(unit, variant);
    }
    log.count_unit_missing();
    let sent = batch(&mut log, 10_000);
    log.acknowledge(sent.id);
    let arms: Vec<(Option<&str>, ArmCounters)> =
        log.arms().map(|arm| (arm.variant, arm.counters)).collect();
    let one = ArmCounters {
        evaluated: 2,
        sent: 1,
        deduplicated: 1,
        ..ArmCounters::default()
    };
    assert_eq!(arms, [(Some("on"), one), (Some("off"), one)]);
    assert_eq!(
        log.other_arms(),
        ArmCounters {
            evaluated: 4,
            sent: 2,
            deduplicated: 2,
            ..ArmCounters::default()
        }
    );
}

#[test]
fn the_heartbeat_carries_the_account() {
    let config = config()
        .heartbeat_interval(Duration::from_secs(60))
        .max_arms(1)
        .sdk("test/1");
    let mut log = log(config);
    assert_eq!(wait(&mut log, 0), None, "nothing happened, nothing to say");
    record(&mut log, "a", 30_000);
    record(&mut log, "a", 30_001);
    let sent = batch(&mut log, 40_000);
    assert_eq!(sent.id.last, 1);
    log.acknowledge(sent.id);
    log.count_unit_missing();
    let _ = log.record(
        &assignment("b", "off"),
        &ExposureDetails::default(),
        at(59_000),
        0,
    );
    assert_eq!(wait(&mut log, 59_000), Some(60_000));
    let sent = batch(&mut log, 60_000);
    assert_eq!(
        (sent.id.first, sent.id.last),
        (2, 3),
        "numbered like the rest"
    );
    let body = String::from_utf8(sent.body).unwrap();
    let want = format!(
        "{}{}{}{}{}\n",
        r#"{"v":1,"rec":"heartbeat","producer_id":"11111111111111111111111111111111","seq":2,"ts":60000000,"#,
        r#""evaluated":3,"queued":1,"in_flight":0,"sent":1,"deduplicated":1,"sampled_out":0,"#,
        r#""dropped":{"queue_full":0,"shed":0,"too_large":0,"rejected":0},"unit_missing":1,"restored":{"accepted":0,"in_flight":0,"sent":0,"dropped":0},"#,
        r#""arms":[{"experiment":"exp","variant":"on","phase":1,"evaluated":2,"sent":1,"deduplicated":1,"sampled_out":0,"dropped":0}],"arms_other":{"evaluated":1,"sent":0,"deduplicated":0,"sampled_out":0,"dropped":0},"#,
        r#""sdk":"test/1","core":"0.1.0"}"#.replace("0.1.0", env!("CARGO_PKG_VERSION")),
    );
    assert_eq!(body.split_inclusive('\n').next(), Some(want.as_str()));
    log.acknowledge(sent.id);
    // The acknowledgement is news, told once; then there is silence.
    let sent = batch(&mut log, 120_000);
    log.acknowledge(sent.id);
    assert_eq!(log.counters().evaluated, 3);
    assert_eq!(wait(&mut log, 180_000), None);
}

#[test]
fn heartbeats_do_not_pile_up_while_the_receiver_fails() {
    let mut log = log(config().heartbeat_interval(Duration::from_secs(1)));
    wait(&mut log, 0);
    let mut now = 0;
    for number in 0..10_000 {
        record(&mut log, &format!("user-{number}"), now);
        while let LogStep::Send(batch) = log.poll(at(now), now) {
            log.retry(batch.id, MonotonicMillis(now), None);
        }
        now += 1_000;
    }
    let held = log.export();
    let beats = String::from_utf8(held)
        .unwrap()
        .matches("heartbeat")
        .count();
    assert!(beats <= 2, "{beats}");
}

#[test]
fn a_heartbeat_too_large_for_a_batch_leaves_the_arms_out() {
    let config = config()
        .heartbeat_interval(Duration::from_secs(1))
        .batch_bytes(2_048)
        .max_arms(100);
    let mut log = log(config);
    wait(&mut log, 0);
    for number in 0..100 {
        let variant = format!("variant-{number}");
        let _ = log.record(
            &assignment("a", &variant),
            &ExposureDetails::default(),
            at(0),
            0,
        );
    }
    let body = batch(&mut log, 1_000).body;
    assert!(body.len() <= 2_048);
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("\"rec\":\"heartbeat\"") && !body.contains("\"arms\""));
}

#[test]
fn settings_are_checked_once() {
    let second = Duration::from_secs(1);
    let day = Duration::from_secs(86_400);
    for (config, setting) in [
        (config().sdk("x".repeat(257)), "sdk"),
        (config().platform("x".repeat(257)), "platform"),
        (config().dedupe_window(Some(second / 2)), "dedupe_window"),
        (config().dedupe_window(Some(day * 367)), "dedupe_window"),
        (config().dedupe_entries((1 << 24) + 1), "dedupe_entries"),
        (config().max_pending(0), "max_pending"),
        (config().max_bytes(1_000), "max_bytes"),
        (config().max_arms(1_025), "max_arms"),
        (config().batch_records(0), "batch_records"),
        (config().batch_bytes(1_023), "batch_bytes"),
        (config().flush_interval(day + second), "flush_interval"),
        (
            config().heartbeat_interval(second / 2),
            "heartbeat_interval",
        ),
        (config().max_in_flight(0), "max_in_flight"),
        (config().max_in_flight(17), "max_in_flight"),
        (config().send_timeout(Duration::ZERO), "send_timeout"),
        (config().backoff(second * 2, second), "backoff"),
        (config().backoff(Duration::ZERO, second), "backoff"),
        (config().backoff(second, Duration::MAX), "backoff"),
        (config().max_retry_after(day * 2), "max_retry_after"),
        (
            config().sampling(Sampling::Units {
                parts_per_million: 0,
            }),
            "sampling",
        ),
        (
            config().sampling(Sampling::Chance {
                parts_per_million: 1_000_001,
            }),
            "sampling",
        ),
    ] {
        let error = ExposureLog::new(config).unwrap_err();
        assert_eq!(error.setting, setting);
    }
}

#[test]
fn batch_ids_read_back_from_their_text() {
    let id = BatchId {
        producer: ProducerId([0xA7; 16]),
        first: 3,
        last: 17,
    };
    let text = id.to_string();
    assert_eq!(text, "a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7-3-17");
    assert_eq!(text, id.text());
    assert_eq!(text.parse(), Ok(id));
    let hex = "a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7";
    assert_eq!(hex.parse(), Ok(id.producer));
    for wrong in [
        "",
        "a7-3-17",
        &format!("{hex}-3"),
        &format!("{hex}-3-2"),
        &format!("{hex}-0-2"),
        &format!("{hex}-3-17-"),
        &format!("{hex}-03-17"),
        &format!("{hex}-3-99999999999999999999"),
        &format!("{}-3-17", hex.to_uppercase()),
    ] {
        assert_eq!(wrong.parse::<BatchId>(), Err(InvalidId), "{wrong}");
    }
}
