//! The exposure record: who was shown what, in a form that a warehouse can check and join.
//!
//! `docs/exposures.md` documents every member. A record is one JSON object on one line; what is not
//! known is absent, never empty.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::hash::{SEPARATOR, key_hash, sha256};
use crate::json_write::{Members, push_hex, push_i64, push_u64};
use crate::resolution::{Assignment, Sticky};
use crate::schedule::millis;
use crate::time::UnixMillis;

/// The version of the record's form, its member `v`.
pub const RECORD_VERSION: u64 = 1;

/// The version of this crate, as records name it in `core`.
const CORE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who numbers the records: 128 random bits, drawn anew for every [`ExposureLog`] and so at least
/// at every process start and after every fork.
///
/// [`ExposureLog`]: crate::ExposureLog
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProducerId(pub [u8; 16]);

/// The identity of an exposure: the same for every repeat, retry and replay of it, on every server.
/// See [`Exposure::event_id`].
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EventId(pub [u8; 16]);

macro_rules! hexadecimal {
    ($name:ident) => {
        impl fmt::Display for $name {
            /// 32 lower-case hexadecimal digits, as in the records.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

hexadecimal!(ProducerId);
hexadecimal!(EventId);

/// What the host knows about an exposure beside the assignment. All of it is optional; what is
/// `None` or empty is absent from the record.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExposureDetails<'a> {
    /// Stands for the unit in the record and in its event id, for example `hmac:<key id>:<hex>`. The positions `w0`,
    /// `w1` and `layer_w` are then left out: they are hashes of the unit under a public salt, so who
    /// has a list of units could undo the pseudonym with them.
    pub pseudonym: Option<&'a str>,
    /// A digest of the value that was shown, when variants of one name may have had several.
    pub value_digest: Option<&'a str>,
    /// A digest of the flag set document, for example `sha256:<hex>`.
    pub config_digest: Option<&'a str>,
    /// How long ago the flag set was last known to be the newest, in milliseconds.
    pub config_age: Option<Duration>,
    /// A digest of the evaluation context.
    pub context_digest: Option<&'a str>,
    /// The attributes that analysis may segment by, as text: an allow-list, not the whole context.
    pub context: &'a [(&'a str, &'a str)],
    /// What kind of cluster the unit belongs to, for example `tenant`.
    pub cluster_type: Option<&'a str>,
    /// The cluster that was randomised as a whole.
    pub cluster: Option<&'a str>,
    /// The stratum within which was randomised.
    pub stratum: Option<&'a str>,
    /// The matched pair that the cluster belongs to.
    pub pair: Option<&'a str>,
    /// Whether the variants would have differed for this unit (triggered analysis).
    pub triggered: Option<bool>,
    /// Whether an override chose the variant. Analysis leaves such records out.
    pub forced: Option<bool>,
    /// The kind of traffic, for example `human`, `bot` or `internal`.
    pub traffic_class: Option<&'a str>,
    /// The trace that the exposure happened in: 32 hexadecimal digits.
    pub trace_id: Option<&'a str>,
    /// The span that the exposure happened in: 16 hexadecimal digits.
    pub span_id: Option<&'a str>,
}

/// Which line of which producer a record is, and what runs there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The producer, and the number of the line: from 1, without gaps.
    pub sequence: Option<(ProducerId, u64)>,
    /// The SDK and its version, for example `bucketry-rust/0.1.0`.
    pub sdk: Option<&'a str>,
    /// Where it runs, for example `linux-x86_64`.
    pub platform: Option<&'a str>,
}

/// One exposure, before it is written.
#[derive(Clone, Copy, Debug)]
pub struct Exposure<'a> {
    pub(crate) assignment: &'a Assignment<'a>,
    pub(crate) details: ExposureDetails<'a>,
    pub(crate) at: UnixMillis,
    pub(crate) window: i64,
    pub(crate) first: Option<bool>,
    pub(crate) sampling_rate: u32,
}

/// Parts per million, the unit of sampling rates.
pub(crate) const MILLION: u32 = 1_000_000;

impl<'a> Exposure<'a> {
    /// The exposure of `assignment` at the time `at`, in the dedupe window 0.
    #[must_use]
    pub fn new(assignment: &'a Assignment<'a>, at: UnixMillis) -> Self {
        Self {
            assignment,
            details: ExposureDetails::default(),
            at,
            window: 0,
            first: None,
            sampling_rate: MILLION,
        }
    }

    /// With what the host knows beside.
    #[must_use]
    pub const fn with_details(mut self, details: ExposureDetails<'a>) -> Self {
        self.details = details;
        self
    }

    /// In the dedupe window of this index (see [`dedupe_window`]), which the event id depends on.
    #[must_use]
    pub const fn with_window(mut self, index: i64) -> Self {
        self.window = index;
        self
    }

    /// With the knowledge whether this is the first exposure of its unit to its variant.
    #[must_use]
    pub const fn with_first(mut self, first: Option<bool>) -> Self {
        self.first = first;
        self
    }

    /// As one of a sample that keeps this many in a million, 1 to 1,000,000.
    #[must_use]
    pub const fn with_sampling_rate(mut self, parts_per_million: u32) -> Self {
        self.sampling_rate = parts_per_million;
        self
    }

    /// The identity of this exposure.
    ///
    /// # Formula
    ///
    /// The first 16 bytes of the SHA-256 of these texts joined by the byte 0x1F: environment, experiment,
    /// phase, unit type, variant, holdout, dedupe window, unit. What is absent is an empty text; numbers are
    /// in decimal. No name can hold 0x1F and the unit, which can, stands last, so no two exposures join
    /// to the same bytes.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        let [names @ .., _] = identity(self.assignment);
        let mut text = Vec::new();
        for (place, name) in names.into_iter().enumerate() {
            if place == 2 {
                push_u64(&mut text, u64::from(self.assignment.phase));
                text.push(SEPARATOR);
            }
            text.extend_from_slice(name.as_bytes());
            text.push(SEPARATOR);
        }
        push_i64(&mut text, self.window);
        text.push(SEPARATOR);
        text.extend_from_slice(self.unit().as_bytes());
        EventId(sha256(&[&text]).first_chunk().copied().unwrap_or_default())
    }

    /// Appends the record as one line of JSON, line feed included.
    pub fn write_line(&self, origin: &Origin<'_>, out: &mut Vec<u8>) {
        write_head(out, "exposure", origin.sequence);
        out.push(b',');
        self.write_body(out);
        write_tail(out, origin);
    }

    fn unit(&self) -> &str {
        self.details.pseudonym.unwrap_or(&self.assignment.unit)
    }

    /// The members that are this record's own, without braces: what a log keeps until the line gets
    /// its number.
    pub(crate) fn write_body(&self, out: &mut Vec<u8>) {
        let (assignment, details) = (self.assignment, &self.details);
        let mut line = Members::resume(out, false);
        hex(&mut line, "event_id", &self.event_id().0);
        line.signed("ts", self.at.0.saturating_mul(1_000));
        line.text_if("env", assignment.environment);
        line.text("flag", assignment.flag);
        line.text("experiment", assignment.experiment);
        line.integer("phase", u64::from(assignment.phase));
        line.text("unit_type", assignment.unit_type);
        line.text("unit", self.unit());
        line.text_if("variant", assignment.variant);
        line.text_if("value_digest", details.value_digest);
        line.text_if("holdout", assignment.holdout);
        line.text("reason", assignment.reason.as_str());
        line.text_if("rule", assignment.rule);

        let known = |position: Option<u64>| position.filter(|_| details.pseudonym.is_none());
        line.integer_if("w0", known(assignment.enrol));
        line.integer_if("enrol_cut", assignment.enrol_cut);
        line.integer_if("w1", known(assignment.arm));
        if let Some((from, to)) = assignment.arm_range {
            line.integer("cut_lo", from);
            line.integer("cut_hi", to);
        }
        if assignment.arm.is_some() || assignment.arm_range.is_some() {
            line.integer("modulus", assignment.modulus);
        }
        // A held-out unit was not served what its arm position says.
        if let (Some(share), None) = (assignment.arm_share, assignment.holdout) {
            line.fraction("propensity", share, assignment.modulus);
        }
        line.text_if("layer", assignment.layer);
        line.integer_if("layer_w", known(assignment.layer_position));

        line.integer("config_version", assignment.revision);
        line.text_if("config_digest", details.config_digest);
        line.integer_if("config_age_ms", details.config_age.map(millis));
        line.text_if("context_digest", details.context_digest);
        if !details.context.is_empty() {
            let mut context = Members::open(line.name("context"));
            for (name, value) in details.context {
                context.text(name, value);
            }
            context.close();
        }
        line.text_if("cluster_type", details.cluster_type);
        line.text_if("cluster", details.cluster);
        line.text_if("stratum", details.stratum);
        line.text_if("pair", details.pair);
        line.boolean_if("triggered", details.triggered);

        line.boolean_if("first", self.first);
        line.signed("dedupe_window", self.window);
        line.fraction(
            "sampling_rate",
            u64::from(self.sampling_rate),
            u64::from(MILLION),
        );
        line.boolean_if("forced", details.forced);
        line.text_if("traffic_class", details.traffic_class);
        let sticky = match assignment.sticky {
            Sticky::None => "none",
            Sticky::Hit => "hit",
            Sticky::Write => "write",
        };
        line.text("sticky", sticky);
        line.text_if("trace_id", details.trace_id);
        line.text_if("span_id", details.span_id);
    }
}

/// The index of the dedupe window of `length` that `at` falls in: `floor(at / length)`, counted from
/// 1970, the same on every server. Without a length all of time is the window 0.
#[must_use]
pub fn dedupe_window(at: UnixMillis, length: Option<Duration>) -> i64 {
    let length = length.map_or(0, |length| {
        i64::try_from(millis(length)).unwrap_or(i64::MAX)
    });
    // An empty window is no window, rather than a division by zero.
    at.0.checked_div_euclid(length).unwrap_or(0)
}

/// The texts that the identity of an exposure is made of, beside phase and window; empty where absent, which
/// no name is. The unit, which may be empty, stands last.
fn identity<'a>(assignment: &'a Assignment<'_>) -> [&'a str; 6] {
    [
        assignment.environment.unwrap_or_default(),
        assignment.experiment,
        assignment.unit_type,
        assignment.variant.unwrap_or_default(),
        assignment.holdout.unwrap_or_default(),
        &assignment.unit,
    ]
}

/// 128 bits of the identity of an exposure without its window, for a table in memory: a tenth of the
/// cost of the event id, which only records that are written need. Never `[0, 0]`.
pub(crate) fn identity_key(assignment: &Assignment<'_>, seed: u64) -> [u64; 2] {
    let mut lanes = [seed, !seed ^ u64::from(assignment.phase)];
    // One chained pass a text: the length of each is part of its hash, so the joints count.
    for text in identity(assignment) {
        for lane in &mut lanes {
            *lane = hash_text(text, *lane);
        }
    }
    let [low, high] = lanes;
    [low | 1, high]
}

/// One copy of the inlined hash for all tables of the log: a browser pays for each.
#[inline(never)]
pub(crate) fn hash_text(text: &str, seed: u64) -> u64 {
    key_hash(text.as_bytes(), seed)
}

/// Begins a line: the members that every kind of record has, without the closing brace.
pub(crate) fn write_head(out: &mut Vec<u8>, kind: &str, sequence: Option<(ProducerId, u64)>) {
    let mut line = Members::open(out);
    line.integer("v", RECORD_VERSION);
    line.text("rec", kind);
    if let Some((producer, number)) = sequence {
        hex(&mut line, "producer_id", &producer.0);
        line.integer("seq", number);
    }
}

/// Ends a line that has members already.
pub(crate) fn write_tail(out: &mut Vec<u8>, origin: &Origin<'_>) {
    let mut line = Members::resume(out, true);
    line.text_if("sdk", origin.sdk);
    line.text("core", CORE_VERSION);
    line.text_if("platform", origin.platform);
    line.close();
    out.push(b'\n');
}

fn hex(line: &mut Members<'_>, name: &str, bytes: &[u8]) {
    let out = line.name(name);
    out.push(b'"');
    push_hex(out, bytes);
    out.push(b'"');
}

#[cfg(test)]
mod tests;
