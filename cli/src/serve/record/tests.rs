//! What a body may be.

use bucketry_core::{
    EvaluationContext, Exposure, ExposureDetails, FlagSet, Origin, UnixMillis, dedupe_window,
};
use serde_json::{Value, json};

use super::*;

const PRODUCER: ProducerId = ProducerId([0xAB; 16]);

/// Exposures as an SDK writes them, with these numbers.
fn body(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut body = Vec::new();
    for number in numbers {
        write(
            Some((PRODUCER, number)),
            &ExposureDetails::default(),
            &mut body,
        );
    }
    body
}

fn write(sequence: Option<(ProducerId, u64)>, details: &ExposureDetails<'_>, body: &mut Vec<u8>) {
    let set = include_bytes!("../../../../examples/flags.json");
    let set = FlagSet::from_json(set).unwrap();
    let context = EvaluationContext::new("visitor-7").with("customerId", "c \"1\"\u{1F}ü");
    let now = UnixMillis(1_795_464_000_000);
    let resolution = set.resolve("search-ranking", &context, now);
    let assignment = resolution.assignment().unwrap();
    let origin = Origin {
        sequence,
        sdk: Some("test/1"),
        platform: Some("linux-x86_64"),
    };
    Exposure::new(&assignment, now)
        .with_details(*details)
        .with_window(dedupe_window(
            now,
            Some(std::time::Duration::from_secs(86_400)),
        ))
        .with_first(Some(true))
        .write_line(&origin, body);
}

fn refusal(body: &[u8]) -> String {
    check(body, None).expect_err("the body should be refused")
}

#[test]
fn what_the_core_writes_is_accepted() {
    let batch = check(&body(3..=5), None).unwrap();
    assert_eq!(batch.id.unwrap().to_string(), format!("{PRODUCER}-3-5"));
    let numbers: Vec<_> = batch.lines.iter().map(|line| line.seq.unwrap()).collect();
    assert_eq!(numbers, [3, 4, 5]);
    assert!(batch.lines.iter().all(|line| line.exposure.is_some()));
    let ends: Vec<_> = batch.lines.iter().map(|line| line.bytes.end).collect();
    assert_eq!(ends.last(), Some(&body(3..=5).len()));
}

#[test]
fn every_member_of_the_document_is_accepted() {
    let details = ExposureDetails {
        pseudonym: Some("hmac:k1:00ff"),
        value_digest: Some("d"),
        config_digest: Some("sha256:00"),
        config_age: Some(std::time::Duration::from_secs(3)),
        context_digest: Some("c"),
        context: &[("country", "DE"), ("plan", "pro")],
        cluster_type: Some("tenant"),
        cluster: Some("t-1"),
        stratum: Some("s"),
        pair: Some("p"),
        triggered: Some(true),
        forced: Some(false),
        traffic_class: Some("human"),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        span_id: Some("00f067aa0ba902b7"),
    };
    let mut body = Vec::new();
    write(Some((PRODUCER, 1)), &details, &mut body);
    check(&body, None).unwrap();
}

#[test]
fn records_without_numbers_are_accepted_if_none_has_one() {
    let mut body = Vec::new();
    write(None, &ExposureDetails::default(), &mut body);
    let batch = check(&body, None).unwrap();
    assert_eq!((batch.id, batch.lines.len()), (None, 1));
    let key = format!("{PRODUCER}-1-1").parse().unwrap();
    assert!(
        check(&body, Some(key))
            .unwrap_err()
            .contains("no Idempotency-Key can name them")
    );
    write(Some((PRODUCER, 1)), &ExposureDetails::default(), &mut body);
    assert_eq!(
        refusal(&body),
        "line 2: some records of the batch are numbered and some are not"
    );
}

#[test]
fn a_heartbeat_is_read_and_kinds_to_come_pass() {
    let mut text = body(1..=1);
    for rest in [
        json!({ "v": 1, "rec": "decision", "producer_id": PRODUCER.to_string(), "seq": 2, "draw": { "a": [null] } }),
        json!({
            "v": 1, "rec": "heartbeat", "producer_id": PRODUCER.to_string(), "seq": 3, "ts": 5,
            "evaluated": 9, "queued": 1, "in_flight": 0, "sent": 2, "deduplicated": 6, "sampled_out": 0,
            "dropped": { "queue_full": 0, "shed": 1, "invented": 2, "too": 3 },
            "arms": [{ "experiment": "e" }],
        }),
    ] {
        text.extend_from_slice(format!("{rest}\n").as_bytes());
    }
    let batch = check(&text, None).unwrap();
    assert_eq!(batch.id.unwrap().last, 3);
    let (seq, heartbeat) = batch.heartbeat.unwrap();
    assert_eq!(
        (seq, heartbeat.evaluated, heartbeat.deduplicated),
        (3, 9, 6)
    );
    let dropped: Vec<_> = heartbeat.dropped.into_iter().collect();
    assert_eq!(dropped, [("other", 5), ("queue_full", 0), ("shed", 1)]);
    assert!(batch.lines[1].exposure.is_none());
}

#[test]
fn what_is_wrong_is_said_with_the_line() {
    let good = String::from_utf8(body(1..=1)).unwrap();
    let good: Value = serde_json::from_str(&good).unwrap();
    // A member, what it becomes (null: it goes), and what is said.
    let cases: &[(&str, Value, &str)] = &[
        ("v", Value::Null, "missing field `v`"),
        ("v", json!(2), "v is 2, and this collector knows 1"),
        ("rec", json!(""), "rec is empty"),
        ("producer_id", Value::Null, "seq without producer_id"),
        ("seq", Value::Null, "producer_id without seq"),
        (
            "producer_id",
            json!("AB".repeat(16)),
            "producer_id is not 32 hexadecimal digits in lower case",
        ),
        (
            "seq",
            json!(0),
            "seq is 0, outside of 1 to 9007199254740991",
        ),
        (
            "seq",
            json!(1_u64 << 53),
            "outside of 1 to 9007199254740991",
        ),
        (
            "seq",
            json!(-1),
            "invalid value: integer `-1`, expected u64",
        ),
        (
            "seq",
            json!("1"),
            "invalid type: string \"1\", expected u64",
        ),
        ("flag", Value::Null, "flag is missing"),
        ("flag", json!(""), "flag is empty"),
        ("experiment", json!(""), "experiment is empty"),
        ("unit_type", json!(""), "unit_type is empty"),
        ("unit", Value::Null, "unit is missing"),
        (
            "unit",
            json!(7),
            "invalid type: integer `7`, expected a string",
        ),
        ("phase", json!(0), "phase is 0, and the first phase is 1"),
        ("ts", Value::Null, "ts is missing"),
        ("reason", Value::Null, "reason is missing"),
        ("config_version", Value::Null, "config_version is missing"),
        ("dedupe_window", Value::Null, "dedupe_window is missing"),
        (
            "sampling_rate",
            json!(0),
            "sampling_rate is 0, outside of 0 to 1",
        ),
        (
            "sampling_rate",
            json!(1.5),
            "sampling_rate is 1.5, outside of 0 to 1",
        ),
        ("sticky", Value::Null, "sticky is missing"),
        ("core", Value::Null, "core is missing"),
        ("event_id", Value::Null, "event_id is missing"),
        (
            "event_id",
            json!("00".repeat(16)),
            "event_id is not that of the record's members, which give ",
        ),
        (
            "variant",
            json!("another"),
            "event_id is not that of the record's members, which give ",
        ),
        (
            "w1",
            json!(1.5),
            "invalid type: floating point `1.5`, expected u64",
        ),
        (
            "context",
            json!({ "a": 1 }),
            "invalid type: integer `1`, expected a string",
        ),
    ];
    for (member, becomes, want) in cases {
        let mut record = good.clone();
        match becomes {
            Value::Null => drop(record.as_object_mut().unwrap().remove(*member)),
            value => record[*member] = value.clone(),
        }
        let said = refusal(format!("{record}\n").as_bytes());
        assert!(
            said.starts_with("line 1: ") && said.contains(want),
            "{member} = {becomes}: {said}"
        );
    }
}

#[test]
fn a_body_that_is_no_batch_is_refused() {
    let one = body(1..=1);
    let text = |text: &str| text.as_bytes().to_vec();
    let null = String::from_utf8(one.clone())
        .unwrap()
        .replace("\"first\":true", "\"first\":null");
    for (body, want) in [
        (
            text(""),
            "the body is empty: a batch has at least one record",
        ),
        (text("\n"), "line 1: EOF while parsing a value at column 0"),
        (text("[]\n"), "line 1: invalid length 0"),
        (text("nonsense\n"), "line 1: expected ident at column 2"),
        (
            text("{\"v\":1}"),
            "line 1: not ended by a line feed, so it may have been cut off",
        ),
        (
            one[..one.len() - 1].to_vec(),
            "line 1: not ended by a line feed",
        ),
        ([one.clone(), text("\n")].concat(), "line 2: EOF"),
        (text("{\"v\":1,\"v\":1}\n"), "line 1: duplicate field `v`"),
        (
            null.into_bytes(),
            "line 1: invalid type: null, expected a boolean",
        ),
        (b"\xFF\n".to_vec(), "line 1: expected value"),
        (
            b"{\"v\":1,\"rec\":\"\xFF\"}\n".to_vec(),
            "line 1: invalid unicode code point",
        ),
        (
            [body(1..=1), body(3..=3)].concat(),
            "line 2: seq is 3, but 2 must follow",
        ),
        (
            [body(2..=2), body(1..=1)].concat(),
            "line 2: seq is 1, but 3 must follow",
        ),
        (
            [body(1..=1), body(1..=1)].concat(),
            "line 2: seq is 1, but 2 must follow",
        ),
        (
            format!("{}\n", "[".repeat(100_000)).into_bytes(),
            "line 1: ",
        ),
    ] {
        let said = refusal(&body);
        assert!(said.starts_with(want), "{said}, not {want}");
    }
    let mut two = body(1..=1);
    write(
        Some((ProducerId([1; 16]), 2)),
        &ExposureDetails::default(),
        &mut two,
    );
    assert!(refusal(&two).starts_with("line 2: producer_id is 0101"));
}

#[test]
fn the_key_names_what_is_in_the_body() {
    let key = |text: String| Some(text.parse().unwrap());
    check(&body(1..=3), key(format!("{PRODUCER}-1-3"))).unwrap();
    for wrong in [
        format!("{PRODUCER}-1-2"),
        format!("{PRODUCER}-1-4"),
        format!("{PRODUCER}-2-3"),
        format!("{}-1-3", ProducerId([1; 16])),
    ] {
        let said = check(&body(1..=3), key(wrong.clone())).unwrap_err();
        assert!(
            said.contains(&format!(
                "names {wrong}, but the records are {PRODUCER}-1-3"
            )),
            "{said}"
        );
    }
}

#[test]
fn a_repeat_keeps_the_number_and_the_id() {
    let batch = check(&body(4..=4), None).unwrap();
    let mut line = Vec::new();
    write_repeat(PRODUCER, 4, batch.lines[0].exposure.unwrap(), &mut line);
    let record: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(record["rec"], "repeat");
    assert_eq!(record["seq"], 4);
    // It could be sent again.
    check(&line, None).unwrap();
}
