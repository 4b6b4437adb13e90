//! The text that carries undelivered batches from one process to the next.
//!
//! ```text
//! bucketry-spool 1 <number of batches>
//! <batch id> <bytes of the body>      once for each batch, followed by its body
//! sha256 <64 hexadecimal digits>      of everything before this line
//! ```
//!
//! It is UTF-8, so it fits a file, a preference store and `localStorage` alike, and a person can
//! read the records in it.

use alloc::vec::Vec;
use core::fmt;

use crate::hash::sha256;
use crate::json_write::{push_hex, push_u64};

use super::batch::{BatchId, HEARTBEAT, Held, field, read_batch_id, read_u64};
use super::counters::OTHER;

const NAME: &[u8] = b"bucketry-spool";
const VERSION: u64 = 1;
/// `sha256 `, 64 digits and the end of the line.
const CHECKSUM_BYTES: usize = 72;
/// How the lines begin that are no exposures.
const HEARTBEAT_HEAD: &[u8] = br#"{"v":1,"rec":"heartbeat""#;

/// Why a spool was refused. The log then holds what it held before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RestoreError {
    /// It does not begin as a spool does.
    NotASpool,
    /// It has a version that this build does not read.
    UnknownVersion,
    /// It was cut short or changed.
    Corrupt,
    /// It holds records of this log's own producer id with numbers that this log has not given out. A log
    /// must be made with a new id; going on would give two records one number.
    ProducerReused,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotASpool => "not a spool of exposures",
            Self::UnknownVersion => "a spool of a version that is not known",
            Self::Corrupt => "the spool was cut short or changed",
            Self::ProducerReused => "the spool's records have the producer id of this log",
        })
    }
}

impl core::error::Error for RestoreError {}

/// Batches as text that [`ExposureLog::restore`](super::ExposureLog::restore) and [`read_spool`](read) read.
#[must_use]
pub fn write(batches: &[(BatchId, &[u8])]) -> Vec<u8> {
    let mut out = NAME.to_vec();
    push_field(&mut out, VERSION);
    push_field(&mut out, batches.len() as u64);
    out.push(b'\n');
    for (id, body) in batches {
        id.write(&mut out);
        push_field(&mut out, body.len() as u64);
        out.push(b'\n');
        out.extend_from_slice(body);
    }
    let checksum = checksum_line(&out);
    out.extend_from_slice(&checksum);
    out
}

fn push_field(out: &mut Vec<u8>, value: u64) {
    out.push(b' ');
    push_u64(out, value);
}

/// The batches of such a text, for a host that restores them one by one, as there is room.
///
/// # Errors
///
/// When the text is no spool, or was cut short or changed.
pub fn read(spool: &[u8]) -> Result<Vec<(BatchId, Vec<u8>)>, RestoreError> {
    let batches = read_held(spool)?.into_iter();
    Ok(batches.map(|batch| (batch.id, batch.body)).collect())
}

/// The batches of a spool, as restored ones.
pub(super) fn read_held(spool: &[u8]) -> Result<Vec<Held>, RestoreError> {
    let mut rest = spool;
    if field(&mut rest, b' ') != Some(NAME) {
        return Err(RestoreError::NotASpool);
    }
    if read_u64(&mut rest, b' ') != Some(VERSION) {
        return Err(RestoreError::UnknownVersion);
    }
    read_content(spool, rest).ok_or(RestoreError::Corrupt)
}

fn read_content(spool: &[u8], mut rest: &[u8]) -> Option<Vec<Held>> {
    let (content, _) = spool.split_last_chunk::<CHECKSUM_BYTES>()?;
    if !spool.ends_with(&checksum_line(content)) {
        return None;
    }
    let count = read_u64(&mut rest, b'\n')?;
    let mut batches = Vec::new();
    // No room is set aside for that many batches: the text has to hold them first.
    while (batches.len() as u64) < count {
        batches.push(read_batch(&mut rest)?);
    }
    (rest.len() == CHECKSUM_BYTES).then_some(batches)
}

fn read_batch(rest: &mut &[u8]) -> Option<Held> {
    let id = read_batch_id(rest, b' ')?;
    let length = usize::try_from(read_u64(rest, b'\n')?).ok()?;
    let (body, after) = rest.split_at_checked(length)?;
    *rest = after;
    let mut arms = Vec::new();
    let mut lines = body;
    while let Some(line) = field(&mut lines, b'\n') {
        arms.push(if line.starts_with(HEARTBEAT_HEAD) {
            HEARTBEAT
        } else {
            OTHER
        });
    }
    let complete = lines.is_empty() && arms.len() as u64 == id.last - id.first + 1;
    complete.then(|| Held::new(id, body.to_vec(), arms, true))
}

fn checksum_line(content: &[u8]) -> Vec<u8> {
    let mut line = b"sha256 ".to_vec();
    push_hex(&mut line, &sha256(&[content]));
    line.push(b'\n');
    line
}
