//! The server's first half: the flag sets that it published, and what it answers when it is asked.

use std::rc::Rc;
use std::time::Duration;

use bucketry_core::Signature;
use bucketry_tests::random::Random;

/// From here on documents that nobody published: the same revision with other content, by a publisher's mistake.
pub(crate) const IMPOSTOR: i64 = 1_000_000;

/// From here on forgeries, whose signature is wrong.
pub(crate) const FORGERY: i64 = 2_000_000;

/// A flag set as it is served.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) revision: u64,
    /// The value of the flag `marker`: which publication this is, from 1.
    pub(crate) marker: i64,
    pub(crate) etag: Rc<str>,
    pub(crate) body: Rc<[u8]>,
}

/// An answer to a fetch.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: Option<Rc<str>>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Rc<[u8]>,
    pub(crate) seal: Seal,
    /// What it is, for the trace.
    pub(crate) what: &'static str,
}

/// What the host finds when it checks the signature.
#[derive(Clone, Copy)]
pub(crate) enum Seal {
    Absent,
    Valid,
    Invalid,
}

impl Seal {
    pub(crate) const fn signature(self) -> Signature<'static> {
        match self {
            Self::Absent => Signature::Absent,
            Self::Valid => Signature::Valid { key_id: "2026-1" },
            Self::Invalid => Signature::Invalid,
        }
    }
}

pub(crate) struct Server {
    /// In order, and when each was published. Never empty.
    pub(crate) published: Vec<(u64, Document)>,
    signs: bool,
    impostors: i64,
    forgeries: i64,
}

impl Server {
    pub(crate) fn new(random: &mut Random, signs: bool) -> Self {
        let first = document(1 + random.below(5), 1, 1, random);
        Self {
            published: vec![(0, first)],
            signs,
            impostors: 0,
            forgeries: 0,
        }
    }

    pub(crate) fn newest(&self) -> &Document {
        &self.published[self.published.len() - 1].1
    }

    /// The newest that was published at `time` or before.
    pub(crate) fn newest_at(&self, time: u64) -> &Document {
        let later = self.published.partition_point(|(at, _)| *at <= time);
        &self.published[later.max(1) - 1].1
    }

    pub(crate) fn publish(&mut self, now: u64, random: &mut Random) {
        let newest = self.newest();
        let revision = newest.revision + 1 + random.below(3);
        let phase = 1 + self.published.len() as u64 / 4;
        let document = document(revision, newest.marker + 1, phase, random);
        self.published.push((now, document));
    }

    fn seal(&self) -> Seal {
        match self.signs {
            true => Seal::Valid,
            false => Seal::Absent,
        }
    }

    fn whole(&self, document: Document, what: &'static str) -> Answer {
        Answer {
            status: 200,
            etag: Some(document.etag),
            retry_after: None,
            body: document.body,
            seal: self.seal(),
            what,
        }
    }

    /// What a server should answer.
    pub(crate) fn good_answer(&self, etag: Option<&str>) -> Answer {
        let newest = self.newest().clone();
        if etag == Some(&*newest.etag) {
            let mut answer = empty(304, "not modified");
            answer.etag = Some(newest.etag);
            return answer;
        }
        self.whole(newest, "the newest")
    }

    /// What it, or something between, answers instead.
    pub(crate) fn wrong_answer(&mut self, etag: Option<&str>, random: &mut Random) -> Answer {
        const OTHERS: [&str; 5] = ["{\"status\":\"ok\"}", "[]", "null", "", "{}"];
        match random.below(10) {
            0 | 1 => {
                // A good document cut short, under its own entity tag.
                let mut answer = self.whole(self.newest().clone(), "a document cut short");
                let length = random.below(answer.body.len() as u64) as usize;
                answer.body = answer.body[..length].into();
                answer
            }
            2 => body(
                "<!doctype html><title>Welcome to the hotel</title>",
                "a captive portal",
            ),
            3 => {
                let other: &str = random.one_of::<&str>(&OTHERS);
                body(other, "another JSON document")
            }
            4 => {
                let place = random.below(self.published.len() as u64) as usize;
                self.whole(self.published[place].1.clone(), "an older revision")
            }
            5 => {
                self.impostors += 1;
                let revision = self.newest().revision;
                let impostor = document(revision, IMPOSTOR + self.impostors, 1, random);
                self.whole(impostor, "the same revision with other flags")
            }
            6 => {
                self.forgeries += 1;
                let revision = self.newest().revision + 1_000;
                let forgery = document(revision, FORGERY + self.forgeries, 1, random);
                let mut answer = self.whole(forgery, "a forgery");
                answer.seal = Seal::Invalid;
                answer
            }
            7 => {
                let mut answer = self.whole(self.newest().clone(), "an unsigned document");
                answer.seal = Seal::Absent;
                answer
            }
            8 => empty(304, "not modified, whatever was asked for"),
            _ => self.good_answer(etag),
        }
    }

    /// A status that says nothing good, with a good document behind it that must not be taken.
    pub(crate) fn bad_status(&self, random: &mut Random) -> Answer {
        let mut answer = self.whole(self.newest().clone(), "a status");
        answer.status = match random.below(3) {
            0 => 100 + random.below(500) as u16,
            _ => *random.one_of(&[401, 403, 404, 408, 429, 500, 502, 503, 504]),
        };
        if matches!(answer.status, 200 | 304) {
            answer.status = 418;
        }
        answer.retry_after = retry_after(random);
        answer
    }
}

pub(crate) fn retry_after(random: &mut Random) -> Option<Duration> {
    let seconds = *random.one_of(&[None, None, Some(0), Some(2), Some(120), Some(86_400)]);
    seconds.map(Duration::from_secs)
}

fn empty(status: u16, what: &'static str) -> Answer {
    Answer {
        status,
        etag: None,
        retry_after: None,
        body: Rc::from([]),
        seal: Seal::Absent,
        what,
    }
}

fn body(text: &str, what: &'static str) -> Answer {
    let mut answer = empty(200, what);
    answer.body = text.as_bytes().into();
    answer
}

/// A flag set with a flag that names it, two experiments, and some white space of its own.
fn document(revision: u64, marker: i64, phase: u64, random: &mut Random) -> Document {
    let rollout = 20 + random.below(80);
    let space = " ".repeat(random.below(3) as usize);
    let body = format!(
        r#"{{{space} "format": 1, "revision": {revision}, "environment": "test", "flags": {{
"marker": {{ "type": "integer", "variants": {{ "v": {marker} }}, "default": "v" }},
"button": {{ "type": "string", "variants": {{ "blue": "b", "green": "g" }}, "rules": [
  {{ "id": "r", "experiment": {{ "key": "button", "phase": {phase} }}, "split": {{ "blue": 1, "green": 1 }} }}] }},
"banner": {{ "type": "boolean", "default": "off", "rules": [
  {{ "experiment": {{ "key": "banner" }}, "rollout": {rollout}, "split": {{ "on": 3, "off": 1 }} }}] }} }} }}"#
    );
    Document {
        revision,
        marker,
        etag: format!("\"{revision}-{marker}\"").into(),
        body: body.into_bytes().into(),
    }
}
