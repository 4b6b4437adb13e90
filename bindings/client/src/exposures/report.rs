//! What a flush and a close say.

use std::fmt;

use bucketry_core::{Counters, Drops};

/// What became of the exposures when a client was flushed or closed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct FlushReport {
    /// Exposures that the sink accepted during the call.
    pub delivered: u64,
    /// Exposures that are still to be delivered.
    pub kept: Kept,
    /// Exposures that were lost during the call.
    pub dropped: Dropped,
    /// Why the last attempt failed, if the sink fails.
    pub failure: Option<String>,
    /// Everything since the client was built.
    pub totals: Counters,
}

/// Exposures that are still to be delivered, by where they are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Kept {
    /// In memory, in no batch yet.
    pub queued: u64,
    /// In memory, in a batch that was not accepted yet.
    pub in_flight: u64,
    /// On disk: the next process that is given the spool's directory delivers them.
    pub spooled: u64,
}

/// Exposures that are lost, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Dropped {
    /// No room, and no repeat that could have made room.
    pub queue_full: u64,
    /// A repeat that made room for a first exposure.
    pub shed: u64,
    /// Larger than a batch may be.
    pub too_large: u64,
    /// Refused for good by the receiver.
    pub rejected: u64,
    /// Taken over from another process and then refused, or without room.
    pub restored: u64,
    /// Not delivered when the client was closed, and there was no spool to keep them.
    pub abandoned: u64,
}

impl Kept {
    /// The sum.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.queued + self.in_flight + self.spooled
    }
}

impl Dropped {
    /// The sum over the reasons.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.queue_full
            + self.shed
            + self.too_large
            + self.rejected
            + self.restored
            + self.abandoned
    }
}

impl FlushReport {
    /// Whether everything was delivered: nothing is kept and nothing was lost.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.kept.total() == 0 && self.dropped.total() == 0
    }

    /// The account so far, when nobody said what became of a flush.
    pub(crate) fn unanswered(totals: Counters) -> Self {
        let mut report = Self::between(&totals, totals);
        report.failure = Some("the client's thread did not answer in time".to_owned());
        report
    }

    pub(super) fn between(before: &Counters, after: Counters) -> Self {
        let since = |now: u64, then: u64| now.saturating_sub(then);
        let (now, then) = (&after.dropped, &before.dropped);
        Self {
            delivered: since(
                after.sent + after.restored.sent,
                before.sent + before.restored.sent,
            ),
            kept: Kept {
                queued: after.queued,
                in_flight: after.in_flight + after.restored.in_flight,
                spooled: 0,
            },
            dropped: Dropped {
                queue_full: since(now.queue_full, then.queue_full),
                shed: since(now.shed, then.shed),
                too_large: since(now.too_large, then.too_large),
                rejected: since(now.rejected, then.rejected),
                restored: since(after.restored.dropped, before.restored.dropped),
                abandoned: 0,
            },
            failure: None,
            totals: after,
        }
    }
}

impl fmt::Display for FlushReport {
    /// One line for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            delivered,
            kept,
            dropped,
            ..
        } = self;
        write!(
            f,
            "{delivered} delivered, {} kept ({} on disk), {} dropped",
            kept.total(),
            kept.spooled,
            dropped.total()
        )?;
        match &self.failure {
            Some(failure) => write!(f, "; last failure: {failure}"),
            None => Ok(()),
        }
    }
}

/// Adds the counters of one shard to those of the others.
pub(super) fn add(sum: &mut Counters, shard: &Counters) {
    sum.evaluated += shard.evaluated;
    sum.queued += shard.queued;
    sum.in_flight += shard.in_flight;
    sum.sent += shard.sent;
    sum.deduplicated += shard.deduplicated;
    sum.sampled_out += shard.sampled_out;
    add_drops(&mut sum.dropped, &shard.dropped);
    sum.unit_missing += shard.unit_missing;
    sum.left_to_parent += shard.left_to_parent;
    sum.restored.accepted += shard.restored.accepted;
    sum.restored.in_flight += shard.restored.in_flight;
    sum.restored.sent += shard.restored.sent;
    sum.restored.dropped += shard.restored.dropped;
}

const fn add_drops(sum: &mut Drops, shard: &Drops) {
    sum.queue_full += shard.queue_full;
    sum.shed += shard.shed;
    sum.too_large += shard.too_large;
    sum.rejected += shard.rejected;
}
