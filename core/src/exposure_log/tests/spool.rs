//! What one process writes and another takes over.

use super::*;

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
fn a_spool_can_be_stored_and_restored_batch_by_batch() {
    let mut old = log(config().batch_records(2));
    for unit in ["a", "b", "c", "d", "e"] {
        record(&mut old, unit, 0);
    }
    let batches: Vec<_> = old
        .pending_batches()
        .map(|(id, body)| (id, body.to_vec()))
        .collect();
    assert_eq!(batches.len(), 3);
    assert_eq!(read_spool(&old.export()).unwrap(), batches);
    let mut new = log(ExposureLogConfig {
        producer: OTHER,
        ..config()
    });
    for (id, body) in &batches {
        let restored = new.restore(&write_spool(&[(*id, body)])).unwrap();
        assert_eq!((restored.batches, restored.dropped), (1, 0));
    }
    assert_eq!(new.export(), old.export());
    let spool = old.export();
    let cut = spool.get(..spool.len() - 1).unwrap();
    assert_eq!(read_spool(cut), Err(RestoreError::Corrupt));
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
