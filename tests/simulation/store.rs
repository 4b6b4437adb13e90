//! The server's second half: the collector of exposures, as `docs/exposures.md` tells a receiver to be.

use std::collections::{BTreeMap, BTreeSet};

use bucketry_core::{Batch, BatchId, ProducerId, xxh64};

use crate::trace::{Checked, hold};

/// An exposure's id.
pub(crate) type Id = [u8; 16];

/// Everything that was stored durably.
#[derive(Default)]
pub(crate) struct Store {
    batches: BTreeMap<BatchId, u64>,
    pub(crate) lines: BTreeMap<ProducerId, BTreeMap<u64, Line>>,
    /// Taken by something that is no collector and answered 2xx. Only the test knows.
    pub(crate) swallowed: BTreeSet<BatchId>,
    pub(crate) duplicates: u64,
}

/// A record that came.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Line {
    /// The exposure's id; none for a heartbeat.
    pub(crate) exposure: Option<Id>,
    digest: u64,
}

impl Store {
    pub(crate) fn knows(&self, id: BatchId) -> bool {
        self.batches.contains_key(&id)
    }

    /// Stores a batch; one that is known already is not stored again.
    pub(crate) fn take(&mut self, batch: &Batch) -> Checked {
        let digest = xxh64(&batch.body, 0);
        if let Some(known) = self.batches.insert(batch.id, digest) {
            self.duplicates += 1;
            hold!(
                NUMBERS,
                known == digest,
                "two contents of batch {}",
                batch.id
            );
            return Ok(());
        }
        let lines = self.lines.entry(batch.id.producer).or_default();
        let mut number = batch.id.first;
        for text in batch.body.split_inclusive(|byte| *byte == b'\n') {
            let line = Line {
                exposure: exposure_id(text),
                digest: xxh64(text, 0),
            };
            if let Some(known) = lines.insert(number, line) {
                self.duplicates += 1;
                hold!(
                    NUMBERS,
                    known == line,
                    "two records of number {number} of {}",
                    batch.id
                );
            }
            number += 1;
        }
        hold!(
            NUMBERS,
            number == batch.id.last + 1,
            "lines and numbers of {}",
            batch.id
        );
        Ok(())
    }

    pub(crate) fn has(&self, producer: ProducerId, number: u64) -> bool {
        self.lines
            .get(&producer)
            .is_some_and(|lines| lines.contains_key(&number))
    }

    /// The numbers missing below the highest that came: all that a receiver can know of losses.
    pub(crate) fn gaps(&self, producer: ProducerId) -> Vec<u64> {
        let mut gaps = Vec::new();
        let mut next = 1;
        for number in self
            .lines
            .get(&producer)
            .into_iter()
            .flat_map(BTreeMap::keys)
        {
            gaps.extend(next..*number);
            next = number + 1;
        }
        gaps
    }
}

const NUMBERS: &str = "one record a number";

/// The `event_id` of a record; none of a heartbeat.
pub(crate) fn exposure_id(line: &[u8]) -> Option<Id> {
    // Every record begins with `v`, `rec`, `producer_id` and `seq`; in an exposure the id follows.
    const HEAD: &[u8] = br#"{"v":1,"rec":"exposure","producer_id":"","seq":"#;
    const NAME: &[u8] = br#","event_id":""#;
    let after = line.get(HEAD.len() + 32..)?;
    let digits = after
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let hex = after.get(digits..)?.strip_prefix(NAME)?.get(..32)?;
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(hex.chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(id)
}
