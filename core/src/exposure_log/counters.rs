//! The account: what became of every exposure, in all and for each arm.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::exposure::hash_text;
use crate::json_write::Members;
use crate::resolution::Assignment;

/// Why an exposure was dropped.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DropReason {
    /// There was no room, and no repeat that could have made room.
    QueueFull,
    /// It was a repeat and made room for a first exposure.
    Shed,
    /// Alone it is larger than a batch may be.
    TooLarge,
    /// The receiver refused its batch for good.
    Rejected,
}

/// How many exposures were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Drops {
    /// See [`DropReason::QueueFull`].
    pub queue_full: u64,
    /// See [`DropReason::Shed`].
    pub shed: u64,
    /// See [`DropReason::TooLarge`].
    pub too_large: u64,
    /// See [`DropReason::Rejected`].
    pub rejected: u64,
}

impl Drops {
    /// The sum over the reasons.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.queue_full + self.shed + self.too_large + self.rejected
    }

    const fn of(&mut self, reason: DropReason) -> &mut u64 {
        match reason {
            DropReason::QueueFull => &mut self.queue_full,
            DropReason::Shed => &mut self.shed,
            DropReason::TooLarge => &mut self.too_large,
            DropReason::Rejected => &mut self.rejected,
        }
    }
}

/// What became of the exposures given to a log since it was made (or since
/// [`reset_for_child`](super::ExposureLog::reset_for_child)).
///
/// The law, at every moment: `evaluated = queued + in_flight + sent + deduplicated + sampled_out + dropped`,
/// and for those taken over from other processes `restored.accepted = restored.in_flight + restored.sent +
/// restored.dropped`. `queued` and the two `in_flight` are counted from what is held, the others as it happens.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// Exposures given to [`record`](super::ExposureLog::record).
    pub evaluated: u64,
    /// Waiting to be put into a batch.
    pub queued: u64,
    /// In a batch that is not acknowledged, whether it is on the wire or waits for its next attempt.
    pub in_flight: u64,
    /// In a batch that was acknowledged.
    pub sent: u64,
    /// Repeats within a dedupe window.
    pub deduplicated: u64,
    /// Left out by sampling.
    pub sampled_out: u64,
    /// Lost.
    pub dropped: Drops,
    /// Resolutions whose context lacked a unit; told by the host and no part of the law.
    pub unit_missing: u64,
    /// Exposures that the parent process held at a fork. The parent delivers them, so they are no part of
    /// the law here.
    pub left_to_parent: u64,
    /// Exposures of other processes, taken over by [`restore`](super::ExposureLog::restore).
    pub restored: RestoredCounters,
}

/// What became of exposures that another process recorded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RestoredCounters {
    /// Taken over.
    pub accepted: u64,
    /// Not acknowledged yet.
    pub in_flight: u64,
    /// Acknowledged.
    pub sent: u64,
    /// Lost: there was no room, or the receiver refused them.
    pub dropped: u64,
}

impl Counters {
    /// Whether the law holds. It always does; a test asks.
    #[must_use]
    pub const fn is_balanced(&self) -> bool {
        let delivered = self.queued + self.in_flight + self.sent;
        let withheld = self.deduplicated + self.sampled_out + self.dropped.total();
        let restored = &self.restored;
        self.evaluated == delivered + withheld
            && restored.accepted == restored.in_flight + restored.sent + restored.dropped
    }
}

/// What became of the exposures of one variant of an experiment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ArmCounters {
    /// Given to [`record`](super::ExposureLog::record).
    pub evaluated: u64,
    /// In a batch that was acknowledged.
    pub sent: u64,
    /// Repeats within a dedupe window.
    pub deduplicated: u64,
    /// Left out by sampling.
    pub sampled_out: u64,
    /// Lost, for whatever reason.
    pub dropped: u64,
}

/// An arm that is counted, borrowed from the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Arm<'a> {
    /// The experiment.
    pub experiment: &'a str,
    /// Its phase.
    pub phase: u32,
    /// What was served; none is the caller's default.
    pub variant: Option<&'a str>,
    /// The holdout that kept its units out, if one did.
    pub holdout: Option<&'a str>,
    /// What became of its exposures.
    pub counters: ArmCounters,
}

/// The counters of a bounded number of arms. The place after the last is everything else.
pub(super) struct Arms {
    named: Vec<Named>,
    other: ArmCounters,
    max: usize,
}

struct Named {
    /// Hash of the members below. One in 2^64 pairs of arms would be counted as one.
    key: u64,
    phase: u32,
    /// Experiment, variant and holdout; empty where absent, which no name is.
    names: [Box<str>; 3],
    counters: ArmCounters,
}

#[inline(never)]
fn boxed(name: &str) -> Box<str> {
    name.into()
}

/// The place of the arms that found no room.
pub(super) const OTHER: u16 = u16::MAX;

impl Arms {
    pub(super) const fn new(max: usize) -> Self {
        Self {
            named: Vec::new(),
            other: ArmCounters {
                evaluated: 0,
                sent: 0,
                deduplicated: 0,
                sampled_out: 0,
                dropped: 0,
            },
            max,
        }
    }

    /// The place of the arm that `assignment` belongs to.
    pub(super) fn place(&mut self, assignment: &Assignment<'_>) -> u16 {
        let names = [
            assignment.experiment,
            assignment.variant.unwrap_or_default(),
            assignment.holdout.unwrap_or_default(),
        ];
        let mut key = u64::from(assignment.phase);
        for name in names {
            key = hash_text(name, key);
        }
        let mut place = 0;
        for arm in &self.named {
            if arm.key == key {
                return place;
            }
            place += 1;
        }
        if self.named.len() >= self.max {
            return OTHER;
        }
        self.named.push(Named {
            key,
            phase: assignment.phase,
            names: names.map(boxed),
            counters: ArmCounters::default(),
        });
        place
    }

    pub(super) fn at(&mut self, place: u16) -> &mut ArmCounters {
        match self.named.get_mut(usize::from(place)) {
            Some(arm) => &mut arm.counters,
            None => &mut self.other,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Arm<'_>> {
        self.named.iter().map(|arm| {
            let [experiment, variant, holdout] = &arm.names;
            Arm {
                experiment,
                phase: arm.phase,
                variant: (!variant.is_empty()).then_some(variant),
                holdout: (!holdout.is_empty()).then_some(holdout),
                counters: arm.counters,
            }
        })
    }

    pub(super) const fn other(&self) -> ArmCounters {
        self.other
    }

    /// Appends the `arms` and `arms_other` members of a heartbeat.
    pub(super) fn write(&self, line: &mut Members<'_>) {
        let list = line.name("arms");
        list.push(b'[');
        for arm in &self.named {
            if list.last() == Some(&b'}') {
                list.push(b',');
            }
            let mut object = Members::open(list);
            for (member, name) in ["experiment", "variant", "holdout"]
                .into_iter()
                .zip(&arm.names)
            {
                if !name.is_empty() {
                    object.text(member, name);
                }
            }
            object.integer("phase", u64::from(arm.phase));
            arm.counters.write(&mut object);
            object.close();
        }
        list.push(b']');
        if self.other.evaluated > 0 {
            let mut object = Members::open(line.name("arms_other"));
            self.other.write(&mut object);
            object.close();
        }
    }
}

impl ArmCounters {
    fn write(&self, object: &mut Members<'_>) {
        object.integer("evaluated", self.evaluated);
        object.integer("sent", self.sent);
        object.integer("deduplicated", self.deduplicated);
        object.integer("sampled_out", self.sampled_out);
        object.integer("dropped", self.dropped);
    }
}

impl Counters {
    /// Rises with everything that happens: the sum of what is only ever counted up.
    pub(super) const fn activity(&self) -> u64 {
        let told = self.sent + self.deduplicated + self.sampled_out + self.unit_missing;
        let restored = self.restored.accepted + self.restored.sent + self.restored.dropped;
        self.evaluated + told + self.dropped.total() + restored
    }

    /// Counts an exposure of `arm` as dropped.
    pub(super) fn drop_one(&mut self, reason: DropReason, arm: &mut ArmCounters) {
        *self.dropped.of(reason) += 1;
        arm.dropped += 1;
    }

    /// Appends the totals of a heartbeat.
    pub(super) fn write(&self, line: &mut Members<'_>) {
        line.integer("evaluated", self.evaluated);
        line.integer("queued", self.queued);
        line.integer("in_flight", self.in_flight);
        line.integer("sent", self.sent);
        line.integer("deduplicated", self.deduplicated);
        line.integer("sampled_out", self.sampled_out);
        let mut dropped = Members::open(line.name("dropped"));
        dropped.integer("queue_full", self.dropped.queue_full);
        dropped.integer("shed", self.dropped.shed);
        dropped.integer("too_large", self.dropped.too_large);
        dropped.integer("rejected", self.dropped.rejected);
        dropped.close();
        line.integer("unit_missing", self.unit_missing);
        let mut restored = Members::open(line.name("restored"));
        restored.integer("accepted", self.restored.accepted);
        restored.integer("in_flight", self.restored.in_flight);
        restored.integer("sent", self.restored.sent);
        restored.integer("dropped", self.restored.dropped);
        restored.close();
    }
}
