//! What is in a file of records: the account that its manifest gives.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bucketry_core::{BatchId, ProducerId, UnixMillis};
use sha2::{Digest, Sha256};

use crate::random::hex;

/// The version of the manifest's form, its member `manifest`.
const MANIFEST_VERSION: u32 = 1;

/// What a file holds so far, by what was appended to it.
#[derive(Clone, Default)]
pub(super) struct Summary {
    pub(super) bytes: u64,
    pub(super) records: u64,
    hash: Sha256,
    /// The earliest and the latest `ts`, in microseconds.
    times: Option<(i64, i64)>,
    /// The numbers of each producer, as ranges that do not touch.
    producers: BTreeMap<ProducerId, Vec<(u64, u64)>>,
}

impl Summary {
    /// Adds whole lines, of which `numbers` says which records they are.
    pub(super) fn add_lines(&mut self, lines: &[u8], numbers: &[BatchId]) {
        self.hash.update(lines);
        self.bytes += lines.len() as u64;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.records += 1;
            self.add_time(line);
        }
        for id in numbers {
            self.add_numbers(id.producer, id.first, id.last);
        }
    }

    /// Adds one whole line, as it was found in a file. Whether it is a record of a log.
    pub(super) fn add_line(&mut self, line: &[u8]) -> bool {
        self.hash.update(line);
        self.bytes += line.len() as u64;
        self.records += 1;
        self.add_time(line);
        let origin = member(line, br#""producer_id":""#).zip(member(line, br#""seq":"#));
        let Some((producer, number)) = origin else {
            return false;
        };
        let producer = producer
            .get(..32)
            .and_then(text)
            .and_then(|id| id.parse().ok());
        let Some((producer, number)) = producer.zip(integer(number)) else {
            return false;
        };
        let number = number.unsigned_abs();
        self.add_numbers(producer, number, number);
        true
    }

    fn add_time(&mut self, line: &[u8]) {
        let Some(time) = member(line, br#""ts":"#).and_then(integer) else {
            return;
        };
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
    }

    fn add_numbers(&mut self, producer: ProducerId, first: u64, last: u64) {
        let ranges = self.producers.entry(producer).or_default();
        // Batches come nearly in order, so it is nearly always the last one that grows.
        if let Some((_, end)) = ranges.last_mut()
            && *end + 1 == first
        {
            *end = last;
            return;
        }
        ranges.push((first, last));
        ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges.drain(..) {
            match joined.last_mut() {
                Some((_, end)) if *end + 1 >= first => *end = (*end).max(last),
                _ => joined.push((first, last)),
            }
        }
        *ranges = joined;
    }

    /// The manifest of a file of this content. `cut` is what a crash left of a line that was not whole, in bytes.
    pub(super) fn manifest(
        &self,
        file: &str,
        began: UnixMillis,
        sealed: UnixMillis,
        cut: Option<u64>,
    ) -> String {
        let mut text = String::new();
        // The names are made here and hold nothing that JSON would escape. Writing to a text does not fail.
        let _ = write!(
            text,
            r#"{{"manifest":{MANIFEST_VERSION},"file":"{file}","bytes":{},"sha256":"{}","records":{},"began":"{}","sealed":"{}""#,
            self.bytes,
            hex(&self.hash.clone().finalize()),
            self.records,
            began.to_rfc3339(),
            sealed.to_rfc3339(),
        );
        if let Some((first, last)) = self.times {
            let _ = write!(text, r#","first_ts":{first},"last_ts":{last}"#);
        }
        if let Some(cut) = cut {
            let _ = write!(text, r#","recovered":true,"cut_bytes":{cut}"#);
        }
        text.push_str(r#","producers":{"#);
        for (place, (producer, ranges)) in self.producers.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let _ = write!(text, r#"{comma}"{producer}":["#);
            for (place, (first, last)) in ranges.iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                let _ = write!(text, "{comma}[{first},{last}]");
            }
            text.push(']');
        }
        text.push_str("}}\n");
        text
    }
}

/// Whether a line, its end included, is whole: what a crash tears is not, nor what a file system fills up with zeros.
pub(super) fn is_whole(line: &[u8]) -> bool {
    line.starts_with(b"{") && line.ends_with(b"}\n") && !line.contains(&0)
}

/// What follows the first `name` of a line. The members looked for stand before any text of a user's, so what is found is one.
fn member<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = line.windows(name.len()).position(|window| window == name)?;
    line.get(at + name.len()..)
}

fn integer(digits: &[u8]) -> Option<i64> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    let length = digits.iter().position(|byte| !is_part(byte))?;
    text(digits.get(..length)?)?.parse().ok()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCER: ProducerId = ProducerId([0xAB; 16]);

    fn line(seq: u64, ts: i64) -> String {
        format!(
            r#"{{"v":1,"rec":"exposure","producer_id":"{PRODUCER}","seq":{seq},"event_id":"e","ts":{ts},"unit":"\"ts\":9"}}"#
        ) + "\n"
    }

    #[test]
    fn numbers_become_ranges_whatever_their_order() {
        let mut summary = Summary::default();
        for (first, last) in [
            (1, 3),
            (4, 9),
            (20, 30),
            (11, 12),
            (10, 10),
            (25, 40),
            (1, 2),
        ] {
            summary.add_numbers(PRODUCER, first, last);
        }
        assert_eq!(summary.producers[&PRODUCER], [(1, 12), (20, 40)]);
    }

    #[test]
    fn a_batch_and_its_lines_give_the_same_account() {
        let body: String = (1..=4).map(|seq| line(seq, 100 - seq as i64)).collect();
        let mut batch = Summary::default();
        let id = BatchId {
            producer: PRODUCER,
            first: 1,
            last: 4,
        };
        batch.add_lines(body.as_bytes(), &[id]);
        let mut lines = Summary::default();
        for line in body.split_inclusive('\n') {
            assert!(is_whole(line.as_bytes()));
            assert!(lines.add_line(line.as_bytes()));
        }
        let manifest =
            |summary: &Summary| summary.manifest("f", UnixMillis(0), UnixMillis(1), None);
        assert_eq!(manifest(&batch), manifest(&lines));
        let text = manifest(&batch);
        assert!(text.contains(r#""records":4,"#), "{text}");
        assert!(text.contains(r#""first_ts":96,"last_ts":99,"#), "{text}");
        assert!(
            text.contains(&format!(r#""producers":{{"{PRODUCER}":[[1,4]]}}"#)),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_whole_line_is_seen() {
        for torn in [
            "{\"v\":1",
            "{\"v\":1}",
            "\n",
            "\0\0\n",
            "{\0}\n",
            "v}\n",
            "",
        ] {
            assert!(!is_whole(torn.as_bytes()), "{torn:?}");
        }
    }
}
