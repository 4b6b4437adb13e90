//! The test's own account of every producer, kept apart from the core's.

use std::collections::{BTreeMap, BTreeSet};

use bucketry_core::{BatchId, Counters, ProducerId};

use crate::store::{Id, exposure_id};

/// What is known of one producer, living or not.
#[derive(Default)]
pub(crate) struct Book {
    /// The exposures that its log said it would send, in order.
    pub(crate) accepted: Vec<Id>,
    /// What `record` answered otherwise.
    pub(crate) told: Counters,
    /// The numbers that were seen in a batch or spool, and the exposure that each is; none is a heartbeat.
    pub(crate) sealed: BTreeMap<u64, Option<Id>>,
    /// The numbers in batches that a process was told are refused for good, or gave up for that.
    pub(crate) refused: BTreeSet<u64>,
    /// The numbers in batches that a process was told are stored, whoever said so.
    pub(crate) acknowledged: BTreeSet<u64>,
    /// The numbers that a spool held when its process ended: they must not be lost.
    pub(crate) promised: BTreeSet<u64>,
    /// The log's own account when its process ended; none while it lives.
    pub(crate) ended: Option<Counters>,
}

#[derive(Default)]
pub(crate) struct Books {
    pub(crate) of: BTreeMap<ProducerId, Book>,
    parsed: BTreeSet<BatchId>,
}

impl Books {
    pub(crate) fn book(&mut self, producer: ProducerId) -> &mut Book {
        self.of.entry(producer).or_default()
    }

    /// Notes what is in a batch.
    pub(crate) fn read_batch(&mut self, id: BatchId, body: &[u8]) {
        if !self.parsed.insert(id) {
            return;
        }
        let lines = body.split_inclusive(|byte| *byte == b'\n');
        let sealed = (id.first..).zip(lines.map(exposure_id));
        self.book(id.producer).sealed.extend(sealed);
    }

    /// Notes what is in a spool, and gives its batches.
    pub(crate) fn read_spool(&mut self, spool: &[u8]) -> Vec<BatchId> {
        let mut batches = Vec::new();
        let mut rest = after_line(spool).1;
        loop {
            let (head, after) = after_line(rest);
            if head.starts_with("sha256 ") {
                return batches;
            }
            let Some((id, length)) = head.split_once(' ') else {
                return batches; // cut short
            };
            let id: BatchId = id.parse().expect("the id of a batch");
            let length: usize = length.parse().expect("the length of a batch");
            let Some((body, after)) = after.split_at_checked(length) else {
                return batches;
            };
            self.read_batch(id, body);
            batches.push(id);
            rest = after;
        }
    }
}

/// A line without its end, and what follows it.
fn after_line(text: &[u8]) -> (&str, &[u8]) {
    let end = text.iter().position(|byte| *byte == b'\n');
    let (line, rest) = text.split_at(end.map_or(text.len(), |end| end + 1));
    (str::from_utf8(line).expect("UTF-8").trim_end(), rest)
}
