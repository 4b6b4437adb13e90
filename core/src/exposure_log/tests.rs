use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::*;
use crate::bucketing::UnitText;
use crate::resolution::{Reason, Sticky};
use crate::time::UnixMillis;

mod delivery;
mod spool;

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
