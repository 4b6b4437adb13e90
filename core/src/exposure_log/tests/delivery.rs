//! Batches, answers and failures.

use super::*;

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
fn half_of_what_batches_and_counters_wait_is_drawn() {
    for (chance, flush, heartbeat) in [(0, 5_000, 30_000), (u64::MAX, 10_000, 60_000)] {
        let mut log = log(config().heartbeat_interval(Duration::from_secs(60)));
        assert_eq!(log.poll(at(0), chance), LogStep::Wait(None));
        record(&mut log, "a", 0);
        let due = LogStep::Wait(Some(MonotonicMillis(flush)));
        assert_eq!(log.poll(at(0), !chance), due, "drawn once");
        let sent = match log.poll(at(flush), chance) {
            LogStep::Send(batch) => batch,
            wait => panic!("{wait:?}"),
        };
        assert!(log.acknowledge(sent.id));
        let due = LogStep::Wait(Some(MonotonicMillis(heartbeat)));
        assert_eq!(log.poll(at(flush), !chance), due);
    }
}

#[test]
fn a_flush_of_many_batches_writes_the_counters_once() {
    let hourly = config().heartbeat_interval(Duration::from_secs(3_600));
    let mut log = log(hourly.batch_records(2).max_in_flight(1));
    wait(&mut log, 0);
    for number in 0..9 {
        record(&mut log, &format!("user-{number}"), 0);
    }
    log.flush();
    let mut bodies = Vec::new();
    while let LogStep::Send(batch) = log.poll(at(1), u64::MAX) {
        bodies.extend_from_slice(&batch.body);
        log.acknowledge(batch.id);
    }
    let bodies = String::from_utf8(bodies).unwrap();
    assert_eq!(bodies.lines().count(), 10);
    assert_eq!(bodies.matches("heartbeat").count(), 1);
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
    // Beyond it up to the flush interval is drawn, here with the highest chance.
    assert_eq!(wait(&mut log, 10_000), Some(120_000));
    let sent = batch(&mut log, 120_000);
    log.retry(sent.id, MonotonicMillis(120_000), Some(Duration::MAX));
    assert_eq!(wait(&mut log, 120_000), Some(130_000 + 3_600_000));
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
    assert_eq!(wait(&mut log, 10_001), Some(620_000));
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
