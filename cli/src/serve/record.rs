//! Whether a body is what `docs/exposures.md` says, and what the collector must know of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;

use bucketry_core::{BatchId, EventId, ProducerId, RECORD_VERSION};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

/// Numbers that every JSON reader holds.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A body that can be stored.
#[derive(Debug)]
pub(super) struct Batch {
    /// Which records it holds; none if they are not numbered.
    pub(super) id: Option<BatchId>,
    pub(super) lines: Vec<Line>,
    /// The last heartbeat in it.
    pub(super) heartbeat: Option<(u64, Heartbeat)>,
}

/// A line of a body.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Where it stands, line feed included.
    pub(super) bytes: Range<usize>,
    pub(super) seq: Option<u64>,
    /// Set for exposures only.
    pub(super) exposure: Option<Seen>,
}

/// What tells an exposure from its repeats.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) event_id: EventId,
    /// Microseconds since 1970.
    pub(super) ts: i64,
}

/// The counters of a producer, as its heartbeat told them.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Heartbeat {
    pub(super) evaluated: u64,
    pub(super) queued: u64,
    pub(super) in_flight: u64,
    pub(super) sent: u64,
    pub(super) deduplicated: u64,
    pub(super) sampled_out: u64,
    /// By reason.
    pub(super) dropped: BTreeMap<&'static str, u64>,
}

/// Reads a body, and checks that it holds the records that `key` names.
///
/// # Errors
///
/// What is wrong, with the number of the line.
pub(super) fn check(body: &[u8], key: Option<BatchId>) -> Result<Batch, String> {
    if body.is_empty() {
        return Err("the body is empty: a batch has at least one record".into());
    }
    let mut batch = Batch {
        id: None,
        lines: Vec::new(),
        heartbeat: None,
    };
    let mut start = 0;
    for (at, text) in body.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = at + 1;
        let refuse = |reason: String| format!("line {number}: {reason}");
        let Some(text) = text.strip_suffix(b"\n") else {
            return Err(refuse(
                "not ended by a line feed, so it may have been cut off".into(),
            ));
        };
        let end = start + text.len() + 1;
        let record = Record::read(text).map_err(refuse)?;
        batch.number(&record, at).map_err(refuse)?;
        let exposure = match &*record.rec.0 {
            "exposure" => Some(record.exposure().map_err(refuse)?),
            "heartbeat" => {
                let heartbeat = record.heartbeat().map_err(refuse)?;
                batch.heartbeat = record.seq.map(|seq| (seq, heartbeat));
                None
            }
            _ => None,
        };
        batch.lines.push(Line {
            bytes: start..end,
            seq: record.seq,
            exposure,
        });
        start = end;
    }
    match (key, batch.id) {
        (Some(key), Some(id)) if key != id => Err(format!(
            "the header Idempotency-Key names {key}, but the records are {id}"
        )),
        (Some(_), None) => Err(
            "the records have no producer_id and seq, so no Idempotency-Key can name them".into(),
        ),
        _ => Ok(batch),
    }
}

impl Batch {
    /// Takes the record's number, which follows that of the one before.
    fn number(&mut self, record: &Record<'_>, before: usize) -> Result<(), String> {
        let number = record.number()?;
        let (Some((producer, seq)), true) = (number, before == 0 || self.id.is_some()) else {
            return match (number, self.id, before) {
                (None, None, _) => Ok(()),
                _ => Err("some records of the batch are numbered and some are not".into()),
            };
        };
        let id = self.id.get_or_insert(BatchId {
            producer,
            first: seq,
            last: seq,
        });
        if id.producer != producer {
            return Err(format!(
                "producer_id is {producer}, but the batch began with {}",
                id.producer
            ));
        }
        if before > 0 && id.last + 1 != seq {
            return Err(format!(
                "seq is {seq}, but {} must follow: a batch is consecutive records",
                id.last + 1
            ));
        }
        id.last = seq;
        Ok(())
    }
}

/// A text that borrows from the line where it has no escapes.
#[derive(Deserialize, Eq, Ord, PartialEq, PartialOrd)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

macro_rules! record {
    ($($name:ident: $type:ty,)*) => {
        /// Every member that the document lists, so that the type of each is checked; others pass.
        #[derive(Deserialize)]
        #[allow(dead_code, reason = "some are read for their type alone")]
        struct Record<'a> {
            v: u64,
            #[serde(borrow)]
            rec: Text<'a>,
            $(#[serde(default, deserialize_with = "present")] $name: Option<$type>,)*
        }
    };
}

record! {
    producer_id: Text<'a>, seq: u64,
    event_id: Text<'a>, ts: i64, env: Text<'a>, flag: Text<'a>, experiment: Text<'a>, phase: u32,
    unit_type: Text<'a>, unit: Text<'a>, variant: Text<'a>, value_digest: Text<'a>, holdout: Text<'a>,
    reason: Text<'a>, rule: Text<'a>,
    w0: u64, enrol_cut: u64, w1: u64, cut_lo: u64, cut_hi: u64, modulus: u64, propensity: f64,
    layer: Text<'a>, layer_w: u64,
    config_version: u64, config_digest: Text<'a>, config_age_ms: u64,
    context_digest: Text<'a>, context: BTreeMap<Text<'a>, Text<'a>>,
    cluster_type: Text<'a>, cluster: Text<'a>, stratum: Text<'a>, pair: Text<'a>,
    triggered: bool, first: bool, dedupe_window: i64, sampling_rate: f64, forced: bool,
    traffic_class: Text<'a>, sticky: Text<'a>, trace_id: Text<'a>, span_id: Text<'a>,
    sdk: Text<'a>, core: Text<'a>, platform: Text<'a>,
    evaluated: u64, queued: u64, in_flight: u64, sent: u64, deduplicated: u64, sampled_out: u64,
    dropped: BTreeMap<String, u64>,
}

/// A member that is there has a value: `null` is refused.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl<'a> Record<'a> {
    fn read(line: &'a [u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(line).map_err(|error| {
            // Its line is always 1 here.
            error.to_string().replace(" at line 1 column", " at column")
        })?;
        if record.v != RECORD_VERSION {
            return Err(format!(
                "v is {}, and this collector knows {RECORD_VERSION}",
                record.v
            ));
        }
        if record.rec.0.is_empty() {
            return Err("rec is empty".into());
        }
        Ok(record)
    }

    fn number(&self) -> Result<Option<(ProducerId, u64)>, String> {
        let (producer, seq) = match (&self.producer_id, self.seq) {
            (None, None) => return Ok(None),
            (Some(producer), Some(seq)) => (producer, seq),
            (Some(_), None) => return Err("producer_id without seq".into()),
            (None, Some(_)) => return Err("seq without producer_id".into()),
        };
        let producer = producer
            .0
            .parse()
            .map_err(|_| String::from("producer_id is not 32 hexadecimal digits in lower case"))?;
        if seq == 0 || seq > MAX_INTEGER {
            return Err(format!("seq is {seq}, outside of 1 to {MAX_INTEGER}"));
        }
        Ok(Some((producer, seq)))
    }

    /// What tells the exposure from its repeats, if the record is whole and its id is right.
    fn exposure(&self) -> Result<Seen, String> {
        let named = |text: &Text<'_>, name: &str| match text.0.is_empty() {
            true => Err(format!("{name} is empty")),
            false => Ok(()),
        };
        named(needed(&self.flag, "flag")?, "flag")?;
        let experiment = needed(&self.experiment, "experiment")?;
        named(experiment, "experiment")?;
        let unit_type = needed(&self.unit_type, "unit_type")?;
        named(unit_type, "unit_type")?;
        let unit = needed(&self.unit, "unit")?;
        let ts = *needed(&self.ts, "ts")?;
        let phase = *needed(&self.phase, "phase")?;
        if phase == 0 {
            return Err("phase is 0, and the first phase is 1".into());
        }
        needed(&self.reason, "reason")?;
        needed(&self.config_version, "config_version")?;
        needed(&self.sticky, "sticky")?;
        needed(&self.core, "core")?;
        let window = *needed(&self.dedupe_window, "dedupe_window")?;
        let rate = *needed(&self.sampling_rate, "sampling_rate")?;
        if !(rate > 0.0 && rate <= 1.0) {
            return Err(format!("sampling_rate is {rate}, outside of 0 to 1"));
        }
        let mut hash = Sha256::new();
        for part in [
            text(self.env.as_ref()),
            &experiment.0,
            &phase.to_string(),
            &unit_type.0,
            text(self.variant.as_ref()),
            text(self.holdout.as_ref()),
            &window.to_string(),
        ] {
            hash.update(part.as_bytes());
            hash.update([0x1F]);
        }
        hash.update(unit.0.as_bytes());
        let digest = hash.finalize();
        let event_id = EventId(digest.first_chunk().copied().unwrap_or_default());
        if needed(&self.event_id, "event_id")?.0 != event_id.to_string() {
            return Err(format!(
                "event_id is not that of the record's members, which give {event_id}"
            ));
        }
        Ok(Seen { event_id, ts })
    }

    fn heartbeat(&self) -> Result<Heartbeat, String> {
        needed(&self.ts, "ts")?;
        needed(&self.seq, "seq")?;
        Ok(Heartbeat {
            evaluated: *needed(&self.evaluated, "evaluated")?,
            queued: *needed(&self.queued, "queued")?,
            in_flight: *needed(&self.in_flight, "in_flight")?,
            sent: *needed(&self.sent, "sent")?,
            deduplicated: *needed(&self.deduplicated, "deduplicated")?,
            sampled_out: *needed(&self.sampled_out, "sampled_out")?,
            dropped: dropped(needed(&self.dropped, "dropped")?),
        })
    }
}

/// A text, or nothing where it is absent.
fn text<'a>(text: Option<&'a Text<'_>>) -> &'a str {
    text.map_or("", |text| &text.0)
}

/// The reasons that the document names; the rest together, so that nobody can make a heartbeat large.
fn dropped(counts: &BTreeMap<String, u64>) -> BTreeMap<&'static str, u64> {
    const REASONS: [&str; 4] = ["queue_full", "shed", "too_large", "rejected"];
    let mut known = BTreeMap::new();
    for (name, count) in counts {
        let reason = REASONS.into_iter().find(|reason| reason == name);
        let sum = known.entry(reason.unwrap_or("other")).or_insert(0_u64);
        *sum = sum.saturating_add(*count);
    }
    known
}

fn needed<T>(member: &Option<T>, name: impl Display) -> Result<&T, String> {
    member.as_ref().ok_or_else(|| format!("{name} is missing"))
}

/// What is stored in place of an exposure that is stored already: it keeps the number, so that what is missing can still
/// be told, and readers skip its kind.
pub(super) fn write_repeat(producer: ProducerId, seq: u64, seen: Seen, out: &mut Vec<u8>) {
    let Seen { event_id, ts } = seen;
    let line = format!(
        "{{\"v\":{RECORD_VERSION},\"rec\":\"repeat\",\"producer_id\":\"{producer}\",\"seq\":{seq},\"event_id\":\"{event_id}\",\"ts\":{ts}}}\n"
    );
    out.extend_from_slice(line.as_bytes());
}

#[cfg(test)]
mod tests;
