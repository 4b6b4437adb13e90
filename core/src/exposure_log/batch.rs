//! Batches: consecutive records of one producer, held until the receiver has them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::exposure::ProducerId;
use crate::json_write::{push_hex, push_u64};
use crate::schedule::MonotonicMillis;

/// The name of a batch, and the proof of what is in it: no two batches of one id differ, and those of
/// one producer tell which numbers are missing between them.
///
/// As text `<producer>-<first>-<last>`: 32 hexadecimal digits and two decimal numbers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BatchId {
    /// Who numbered the records.
    pub producer: ProducerId,
    /// The number of the first record, from 1.
    pub first: u64,
    /// The number of the last record; not below `first`.
    pub last: u64,
}

/// A batch to send now. It stays with the log until its fate is told: [`acknowledge`], [`retry`],
/// [`reject`] or [`on_response`].
///
/// [`acknowledge`]: super::ExposureLog::acknowledge
/// [`retry`]: super::ExposureLog::retry
/// [`reject`]: super::ExposureLog::reject
/// [`on_response`]: super::ExposureLog::on_response
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Batch {
    /// Its name, the same at every attempt.
    pub id: BatchId,
    /// How often it was sent, this time included.
    pub attempt: u32,
    /// The records, one JSON object a line, each line ended; the same bytes at every attempt.
    pub body: Vec<u8>,
}

impl BatchId {
    /// The id as text, as `to_string` gives it but without `core::fmt`, for builds that count bytes.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        self.write(&mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        push_hex(out, &self.producer.0);
        for number in [self.first, self.last] {
            out.push(b'-');
            push_u64(out, number);
        }
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// A text that is no [`BatchId`] or [`ProducerId`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id of a batch or producer")
    }
}

impl core::error::Error for InvalidId {}

impl FromStr for BatchId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let mut line = text.as_bytes().to_vec();
        line.push(b'\n');
        let mut rest = line.as_slice();
        match read_batch_id(&mut rest, b'\n') {
            Some(id) if rest.is_empty() => Ok(id),
            _ => Err(InvalidId),
        }
    }
}

impl FromStr for ProducerId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_producer(text.as_bytes()).ok_or(InvalidId)
    }
}

/// Up to here every JSON reader holds numbers; at a million records a second it takes 285 years.
const MAX_SEQUENCE: u64 = (1 << 53) - 1;

/// Reads an id that `end` follows.
pub(super) fn read_batch_id(rest: &mut &[u8], end: u8) -> Option<BatchId> {
    let id = BatchId {
        producer: parse_producer(field(rest, b'-')?)?,
        first: read_u64(rest, b'-')?,
        last: read_u64(rest, end)?,
    };
    (id.first > 0 && id.first <= id.last && id.last <= MAX_SEQUENCE).then_some(id)
}

/// What stands before the next `end`, which is passed over.
pub(super) fn field<'a>(rest: &mut &'a [u8], end: u8) -> Option<&'a [u8]> {
    let length = rest.iter().position(|byte| *byte == end)?;
    let (field, after) = rest.split_at_checked(length)?;
    *rest = after.get(1..)?;
    Some(field)
}

/// Reads a number that `end` follows: decimal digits without leading zeros, so that it has one spelling.
pub(super) fn read_u64(rest: &mut &[u8], end: u8) -> Option<u64> {
    let digits = field(rest, end)?;
    if digits.is_empty() || (digits.len() > 1 && digits.first() == Some(&b'0')) {
        return None;
    }
    let mut number = 0_u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(number)
}

fn parse_producer(hex: &[u8]) -> Option<ProducerId> {
    let (pairs, rest) = hex.as_chunks::<2>();
    if pairs.len() != 16 || !rest.is_empty() {
        return None;
    }
    let mut id = ProducerId([0; 16]);
    for (byte, [high, low]) in id.0.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(id)
}

/// Lower case only: what was written by us is read, and an id has one spelling.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// What a record takes beside its bytes, queued or in a batch, as the bound on memory counts it: enough for a batch of
/// that one record (the struct, its place in a queue that grows by doubling, what an allocator adds), so that
/// neither making batches nor splitting them needs room.
pub(super) const LINE_OVERHEAD: usize = 200;

/// The place in [`Held::arms`] of a line that is a heartbeat.
pub(super) const HEARTBEAT: u16 = u16::MAX - 1;

/// A batch as the log holds it.
pub(super) struct Held {
    pub(super) id: BatchId,
    pub(super) body: Vec<u8>,
    /// The counted arm of each line, [`HEARTBEAT`] for one that is no exposure.
    pub(super) arms: Vec<u16>,
    /// How many of the lines are exposures.
    pub(super) exposures: usize,
    /// Recorded by another process, and counted apart.
    pub(super) restored: bool,
    pub(super) attempts: u32,
    /// Whether it was sent and is not answered.
    pub(super) on_wire: bool,
    /// When it is given up, if it is on the wire; otherwise when it is due.
    pub(super) at: MonotonicMillis,
}

impl Held {
    /// A batch to be sent at once.
    pub(super) fn new(id: BatchId, body: Vec<u8>, arms: Vec<u16>, restored: bool) -> Self {
        Self {
            id,
            body,
            exposures: arms.iter().filter(|arm| **arm != HEARTBEAT).count(),
            arms,
            restored,
            attempts: 0,
            on_wire: false,
            at: MonotonicMillis(0),
        }
    }

    /// Bytes of memory, as the bound counts them.
    pub(super) fn cost(&self) -> usize {
        self.body.len() + self.arms.len() * LINE_OVERHEAD
    }

    pub(super) fn send(&mut self, now: MonotonicMillis, timeout: u64) -> Batch {
        self.attempts = self.attempts.saturating_add(1);
        self.on_wire = true;
        self.at = now.after_millis(timeout);
        Batch {
            id: self.id,
            attempt: self.attempts,
            body: self.body.clone(),
        }
    }

    /// The later half of the lines as a batch of its own, taken out of this one; none if there is only one line.
    pub(super) fn split_off(&mut self) -> Option<Self> {
        let kept = self.arms.len().div_ceil(2);
        let arms = self.arms.get(kept..).filter(|arms| !arms.is_empty())?;
        let lines = self.body.split_inclusive(|byte| *byte == b'\n');
        let middle = lines.take(kept).map(<[u8]>::len).sum();
        let body = self.body.get(middle..)?;
        let mut id = self.id;
        id.first += kept as u64;
        let later = Self::new(id, body.to_vec(), arms.to_vec(), self.restored);
        self.body.truncate(middle);
        self.arms.truncate(kept);
        self.id.last = id.first - 1;
        self.exposures -= later.exposures;
        self.attempts = 0;
        self.on_wire = false;
        self.at = MonotonicMillis(0);
        Some(later)
    }
}
