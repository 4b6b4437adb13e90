//! The exposure log: from an assignment that was used to a record that the receiver has.
//!
//! A sans-I/O machine. The host gives it assignments, times and answers; it says what to send and
//! when to ask again. It never sends, waits or reads a clock.

mod batch;
mod config;
mod counters;
mod dedupe;
mod outbox;
mod queue;
mod spool;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

pub use batch::{Batch, BatchId, InvalidId};
pub use config::{ExposureLogConfig, Sampling};
pub use counters::{Arm, ArmCounters, Counters, DropReason, Drops, RestoredCounters};
pub use spool::{RestoreError, read as read_spool, write as write_spool};

use batch::{HEARTBEAT, Held, LINE_OVERHEAD};
use counters::Arms;
use dedupe::{Dedupe, Entry, NO_WINDOW};
use outbox::Outbox;
use queue::{Queue, Queued};

use crate::exposure::{
    Exposure, ExposureDetails, MILLION, Origin, ProducerId, dedupe_window, identity_key,
    write_head, write_tail,
};
use crate::hash::sha256_salted;
use crate::json_write::{Members, push_u64};
use crate::resolution::Assignment;
use crate::schedule::{ConfigError, MonotonicMillis, Times, millis, pick};

/// What became of an exposure when it was recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recorded {
    /// It will be sent. Ask [`ExposureLog::poll`] again: it may be time.
    Queued,
    /// It is a repeat of one in the same dedupe window.
    Deduplicated,
    /// Sampling left it out.
    SampledOut,
    /// It is lost, and counted.
    Dropped(DropReason),
}

/// What the host should do now.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum LogStep {
    /// Send this batch, then ask again.
    Send(Batch),
    /// Nothing to send before this time; `None`: before another exposure or answer comes.
    Wait(Option<MonotonicMillis>),
}

/// What the answer to a batch meant, see [`ExposureLog::on_response`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Delivery {
    /// The receiver has it.
    Acknowledged,
    /// It will be sent again.
    Retrying,
    /// It was too large and will be sent in two halves.
    Split,
    /// The receiver will never take it; its exposures are dropped.
    Rejected,
    /// No batch of this id is held: it was answered before, or is of another log.
    Unknown,
}

/// What [`ExposureLog::restore`] took over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Restored {
    /// Batches that will be sent.
    pub batches: usize,
    /// Batches that found no room; their exposures are counted as dropped.
    pub dropped: usize,
    /// Batches that the log held already.
    pub already_held: usize,
}

/// A bounded queue of exposures that loses none in silence.
///
/// It recognises repeats, samples, numbers the records without gaps, hands them out in batches, keeps
/// each batch until it is acknowledged, and counts every fate: see [`Counters`] for the law that
/// always holds. Under pressure repeats make room for first exposures.
///
/// # The loop
///
/// After each call that changes something, and at the time that it named, the host asks
/// [`poll`](Self::poll) until the answer is [`LogStep::Wait`]. Whatever becomes of a batch is told with
/// [`on_response`](Self::on_response), or with [`acknowledge`](Self::acknowledge), [`retry`](Self::retry) and
/// [`reject`](Self::reject); a batch without an answer is sent again after a while. A host that asks at least once
/// a flush interval may leave out asking after [`record`](Self::record).
///
/// An id is a hash of what was exposed, so an exposure that arrives twice, from this process or another,
/// is one exposure to the receiver. `docs/exposures.md` says what a receiver does.
pub struct ExposureLog {
    config: ExposureLogConfig,
    dedupe: Dedupe,
    /// Keys of the dedupe table are hashed under this, so units cannot be chosen to collide.
    seed: u64,
    arms: Arms,
    counters: Counters,
    queue: Queue,
    outbox: Outbox,
    /// Most bytes that a line has around its own members.
    frame: usize,
    next_seq: u64,
    /// The size of batches made now: what was set, or what the receiver was found to take.
    batch_bytes: usize,
    flushing: bool,
    /// Whether the flush still has to write the counters: once, although each answer changes them.
    telling: bool,
    /// [`Counters::activity`] when the counters were last written, and when that was; none before the first poll.
    heartbeat: Option<(u64, MonotonicMillis)>,
    /// How long the next batch waits, and the next writing of the counters: drawn for each.
    flush_wait: u64,
    heartbeat_wait: u64,
}

impl ExposureLog {
    /// A log without content.
    ///
    /// # Errors
    ///
    /// When a setting is outside its range.
    pub fn new(config: ExposureLogConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self::with_checked(config))
    }

    fn with_checked(config: ExposureLogConfig) -> Self {
        let mut log = Self {
            dedupe: Dedupe::new(config.dedupe_entries),
            seed: 0,
            arms: Arms::new(config.max_arms),
            counters: Counters::default(),
            queue: Queue::default(),
            outbox: Outbox::default(),
            frame: 0,
            next_seq: 1,
            batch_bytes: config.batch_bytes,
            flushing: false,
            telling: false,
            heartbeat: None,
            flush_wait: 0,
            heartbeat_wait: 0,
            config,
        };
        let producer = log.config.producer;
        let (halves, _) = producer.0.as_chunks();
        log.seed = halves
            .iter()
            .fold(0, |seed, half| seed ^ u64::from_le_bytes(*half));
        let mut frame = Vec::new();
        write_head(&mut frame, "exposure", Some((producer, u64::MAX)));
        frame.push(b',');
        write_tail(&mut frame, &log.origin());
        log.frame = frame.len();
        log
    }

    /// Takes an exposure: `assignment` was used now.
    ///
    /// `chance` is uniform over all 64 bits and is looked at only by [`Sampling::Chance`]. Allocates nothing when the
    /// exposure is a repeat.
    pub fn record(
        &mut self,
        assignment: &Assignment<'_>,
        details: &ExposureDetails<'_>,
        now: Times,
        chance: u64,
    ) -> Recorded {
        self.counters.evaluated += 1;
        let key = identity_key(assignment, self.seed);
        let window = dedupe_window(now.wall, self.config.dedupe_window);
        let known = self.dedupe.find(key).copied();
        if let Some(entry) = known.filter(|entry| entry.window == window) {
            self.dedupe.remember(entry);
            self.counters.deduplicated += 1;
            let arm = self.arms.at(entry.arm);
            arm.evaluated += 1;
            arm.deduplicated += 1;
            return Recorded::Deduplicated;
        }

        let arm = match known {
            Some(entry) => entry.arm,
            None => self.arms.place(assignment),
        };
        let repeat = known.is_some_and(|entry| entry.exposed);
        self.arms.at(arm).evaluated += 1;
        let mut entry = Entry {
            key,
            window,
            arm,
            exposed: repeat,
        };
        if !self.is_sampled(assignment, chance) {
            self.dedupe.remember(entry);
            self.counters.sampled_out += 1;
            self.arms.at(arm).sampled_out += 1;
            return Recorded::SampledOut;
        }

        let mut body = Vec::new();
        let exposure = Exposure {
            assignment,
            details: *details,
            at: now.wall,
            window,
            first: (!self.dedupe.is_off()).then_some(!repeat),
            sampling_rate: self.config.sampling.parts_per_million(),
        };
        exposure.write_body(&mut body);
        let line = body.len() + self.frame;
        let refused = if line > self.config.batch_bytes {
            Some(DropReason::TooLarge)
        } else if !self.make_room(line + LINE_OVERHEAD, repeat) {
            Some(DropReason::QueueFull)
        } else {
            None
        };
        // A dropped exposure is not remembered: the next one of its unit gets another chance.
        if let Some(reason) = refused {
            self.counters.drop_one(reason, self.arms.at(arm));
            return Recorded::Dropped(reason);
        }
        entry.exposed = true;
        self.dedupe.remember(entry);
        let queued = Queued {
            body: body.into_boxed_slice(),
            key,
            window,
            arm,
            since: now.monotonic,
        };
        self.queue.push(queued, self.frame, repeat);
        Recorded::Queued
    }

    /// Counts a resolution whose context lacked a unit ([`Resolution::unit_missing`]), for the heartbeat.
    ///
    /// [`Resolution::unit_missing`]: crate::Resolution::unit_missing
    pub const fn count_unit_missing(&mut self) {
        self.counters.unit_missing += 1;
    }

    /// What to do at `now`. `chance` is uniform over all 64 bits, another one each time; the waits after failures are drawn
    /// with it.
    pub fn poll(&mut self, now: Times, chance: u64) -> LogStep {
        let time = now.monotonic;
        let held = match self.outbox.poll(time, chance, &self.config) {
            Ok(step) => return step,
            Err(wake) => wake,
        };
        let heartbeat = self.heartbeat_due(time);
        if (heartbeat || self.next_batch_at().is_some_and(|at| at <= time))
            && self.seal(heartbeat.then_some(now))
            && let Some(step) = self.outbox.send_last(time, &self.config)
        {
            return step;
        }
        self.flushing = false;
        self.telling = false;
        let wake = [held, self.next_batch_at(), self.next_heartbeat_at()];
        LogStep::Wait(wake.into_iter().flatten().min())
    }

    /// Makes everything pending due at once, the counters too, whatever wait was in force. Each batch gets one attempt
    /// for it; a failure waits as usual.
    pub fn flush(&mut self) {
        self.flushing = true;
        self.telling = true;
        self.outbox.flush();
    }

    /// The receiver has the batch. Right at any time, also for an attempt that was given up. Whether the batch was held.
    pub fn acknowledge(&mut self, id: BatchId) -> bool {
        self.settle(id, None)
    }

    /// The attempt failed: the batch is sent again after a wait, and nothing at all before `retry_after`, which the
    /// receiver may have asked for. Whether the batch was held.
    pub fn retry(
        &mut self,
        id: BatchId,
        now: MonotonicMillis,
        retry_after: Option<Duration>,
    ) -> bool {
        let asked = retry_after.map_or(0, millis);
        let pause = asked.min(self.config.max_retry_after);
        self.outbox.fail(id, now, pause, &self.config)
    }

    /// The receiver will never take the batch: its exposures are dropped and counted. Whether the batch was held.
    pub fn reject(&mut self, id: BatchId) -> bool {
        self.settle(id, Some(DropReason::Rejected))
    }

    /// What an HTTP answer to the batch means, so that every platform reads it alike.
    ///
    /// 2xx acknowledges. 413 sends the batch again in two halves, or rejects it if it is one record. 400, 415 and 422 reject.
    /// Everything else, 401, 403 and 404 included, is sent again: a key that is wrong today is repaired tomorrow,
    /// and meanwhile nothing is lost but what finds no room. `retry_after` is the header, if there is one.
    pub fn on_response(
        &mut self,
        id: BatchId,
        status: u16,
        retry_after: Option<Duration>,
        now: MonotonicMillis,
    ) -> Delivery {
        let (held, meaning) = match status {
            200..=299 => (self.acknowledge(id), Delivery::Acknowledged),
            413 if self.split(id) => (true, Delivery::Split),
            400 | 413 | 415 | 422 => (self.reject(id), Delivery::Rejected),
            _ => (self.retry(id, now, retry_after), Delivery::Retrying),
        };
        if held { meaning } else { Delivery::Unknown }
    }

    /// Everything pending, as text that another process can [`restore`](Self::restore). Nothing changes hands: this log goes on
    /// delivering, and a receiver that gets something from both has it once.
    ///
    /// What was queued is put into batches for it, so that it has its numbers for good; exporting more often than the
    /// flush interval makes smaller batches.
    pub fn export(&mut self) -> Vec<u8> {
        let batches: Vec<_> = self.pending_batches().collect();
        spool::write(&batches)
    }

    /// Everything pending, batch by batch, for a host that keeps its own account of what it has stored: what
    /// [`export`](Self::export) gives is [`write_spool`] of all of them.
    pub fn pending_batches(&mut self) -> impl Iterator<Item = (BatchId, &[u8])> {
        while self.queue.len() > 0 && self.seal(None) {}
        let held = self.outbox.held().iter();
        held.map(|batch| (batch.id, batch.body.as_slice()))
    }

    /// Takes over what another log exported, to send as it is: with its ids, producer and numbers.
    ///
    /// # Errors
    ///
    /// When the text is no spool, or was cut short or changed; this log then is as before.
    pub fn restore(&mut self, spool: &[u8]) -> Result<Restored, RestoreError> {
        let batches = spool::read_held(spool)?;
        for batch in &batches {
            if batch.id.producer == self.config.producer && batch.id.last >= self.next_seq {
                return Err(RestoreError::ProducerReused);
            }
        }
        let mut restored = Restored::default();
        for batch in batches {
            if self.outbox.contains(batch.id) {
                restored.already_held += 1;
                continue;
            }
            let exposures = batch.exposures as u64;
            self.counters.restored.accepted += exposures;
            if self.has_room(batch.cost(), batch.exposures) {
                restored.batches += 1;
                self.outbox.hold(batch);
            } else {
                restored.dropped += 1;
                self.counters.restored.dropped += exposures;
            }
        }
        Ok(restored)
    }

    /// Makes the copy of a log that a forked child got into a log of its own: new id, nothing pending, counters at zero.
    /// What was pending stays with the parent, which delivers it; [`Counters::left_to_parent`] says how much it was.
    ///
    /// The dedupe table is emptied too. What the parent does not live to deliver the child then records
    /// again, and what it does deliver the receiver has once.
    pub fn reset_for_child(&mut self, producer: ProducerId) {
        let left = self.queue.len() + self.outbox.exposures();
        let mut config = self.config.clone();
        config.producer = producer;
        *self = Self::with_checked(config);
        self.counters.left_to_parent = left as u64;
    }

    /// What became of everything so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.queued = self.queue.len() as u64;
        for batch in self.outbox.held() {
            let in_flight = if batch.restored {
                &mut counters.restored.in_flight
            } else {
                &mut counters.in_flight
            };
            *in_flight += batch.exposures as u64;
        }
        counters
    }

    /// The same for each arm, in the order in which they were first seen. The heartbeat carries them.
    pub fn arms(&self) -> impl Iterator<Item = Arm<'_>> {
        self.arms.iter()
    }

    /// The same for all arms that [`max_arms`](ExposureLogConfig::max_arms) left no room for.
    #[must_use]
    pub const fn other_arms(&self) -> ArmCounters {
        self.arms.other()
    }

    /// Bytes held until they are delivered, as [`max_bytes`](ExposureLogConfig::max_bytes) counts them.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.queue.cost() + self.outbox.cost()
    }

    /// The id that this log's records carry.
    #[must_use]
    pub const fn producer(&self) -> ProducerId {
        self.config.producer
    }

    fn origin(&self) -> Origin<'_> {
        Origin {
            sequence: None,
            sdk: self.config.sdk.as_deref(),
            platform: self.config.platform.as_deref(),
        }
    }

    fn is_sampled(&self, assignment: &Assignment<'_>, chance: u64) -> bool {
        let rate = u64::from(self.config.sampling.parts_per_million());
        let position = match self.config.sampling {
            Sampling::All => return true,
            Sampling::Chance { .. } => (chance >> 32) as u32,
            Sampling::Units { .. } => {
                let mut salt = b"sample:".to_vec();
                salt.extend_from_slice(assignment.experiment.as_bytes());
                salt.push(b'/');
                push_u64(&mut salt, u64::from(assignment.phase));
                let digest = sha256_salted(&salt, assignment.unit.as_bytes());
                digest
                    .first_chunk()
                    .map_or(0, |word| u32::from_be_bytes(*word))
            }
        };
        u64::from(position) < (rate << 32) / u64::from(MILLION)
    }

    fn has_room(&self, cost: usize, exposures: usize) -> bool {
        let pending = self.queue.len() + self.outbox.exposures();
        pending.saturating_add(exposures) <= self.config.max_pending
            && self.pending_bytes().saturating_add(cost) <= self.config.max_bytes
    }

    /// Sheds queued repeats for an exposure that is none, if that helps.
    fn make_room(&mut self, cost: usize, repeat: bool) -> bool {
        let without_repeats = self.pending_bytes() - self.queue.cost_of_repeats();
        let helps = !repeat && without_repeats + cost <= self.config.max_bytes;
        while !self.has_room(cost, 1) {
            if !helps {
                return false;
            }
            let Some(shed) = self.queue.shed(self.frame) else {
                return false;
            };
            self.counters
                .drop_one(DropReason::Shed, self.arms.at(shed.arm));
            // The unit may be recorded again in this window.
            if let Some(entry) = self.dedupe.find(shed.key)
                && entry.window == shed.window
            {
                entry.window = NO_WINDOW;
            }
        }
        true
    }

    /// When what is queued should be sent.
    fn next_batch_at(&self) -> Option<MonotonicMillis> {
        let oldest = self.queue.oldest()?;
        let full = self.queue.len() >= self.config.batch_records
            || self.queue.line_bytes() >= self.batch_bytes;
        Some(if self.flushing || full {
            oldest
        } else {
            oldest.after_millis(self.flush_wait)
        })
    }

    /// When the counters should be written again: none while nothing changed, and while the receiver fails.
    fn next_heartbeat_at(&self) -> Option<MonotonicMillis> {
        let (written, at) = self.heartbeat?;
        let interval = self.config.heartbeat_interval;
        if interval == 0
            || written == self.counters.activity()
            || (self.outbox.is_failing() && !self.telling)
        {
            return None;
        }
        Some(if self.telling {
            at
        } else {
            at.after_millis(self.heartbeat_wait)
        })
    }

    fn heartbeat_due(&mut self, now: MonotonicMillis) -> bool {
        // The first intervals begin with the first poll: a log has no other beginning in time.
        if self.heartbeat.is_none() {
            self.heartbeat = Some((0, now));
            self.draw_waits();
        }
        self.next_heartbeat_at().is_some_and(|at| at <= now)
    }

    /// Half of each wait is drawn, so that processes which began together do not send in step.
    fn draw_waits(&mut self) {
        let chance = self.outbox.chance;
        let draw = |full: u64, chance| full / 2 + pick(full - full / 2, chance);
        self.flush_wait = draw(self.config.flush_interval, chance);
        self.heartbeat_wait = draw(self.config.heartbeat_interval, chance.rotate_left(32));
    }

    /// Moves what is queued, up to a batch of it, into a batch with the counters at its head if `heartbeat`. Whether there was
    /// anything.
    fn seal(&mut self, heartbeat: Option<Times>) -> bool {
        let mut body = Vec::new();
        let mut arms = Vec::new();
        let first = self.next_seq;
        if let Some(now) = heartbeat {
            self.write_heartbeat(now, &mut body);
            if !body.is_empty() {
                arms.push(HEARTBEAT);
                self.next_seq += 1;
            }
        }
        while arms.len() < self.config.batch_records {
            let room = if body.is_empty() {
                usize::MAX
            } else {
                self.batch_bytes.saturating_sub(body.len())
            };
            let Some(queued) = self.queue.pop(self.frame, room) else {
                break;
            };
            let sequence = Some((self.config.producer, self.next_seq));
            write_head(&mut body, "exposure", sequence);
            body.push(b',');
            body.extend_from_slice(&queued.body);
            write_tail(&mut body, &self.origin());
            arms.push(queued.arm);
            self.next_seq += 1;
        }
        self.flushing &= self.queue.len() > 0;
        if arms.is_empty() {
            return false;
        }
        self.draw_waits();
        let id = BatchId {
            producer: self.config.producer,
            first,
            last: self.next_seq - 1,
        };
        self.outbox.hold(Held::new(id, body, arms, false));
        true
    }

    /// Writes a line with the counters to the empty `out`: without the arms where those are too much for a batch or for
    /// the memory that is left, or not at all.
    fn write_heartbeat(&mut self, now: Times, out: &mut Vec<u8>) {
        self.telling = false;
        let memory = self.config.max_bytes.saturating_sub(self.pending_bytes());
        let room = self.batch_bytes.min(memory.saturating_sub(LINE_OVERHEAD));
        let sequence = Some((self.config.producer, self.next_seq));
        write_head(out, "heartbeat", sequence);
        let mut line = Members::resume(out, true);
        line.signed("ts", now.wall.0.saturating_mul(1_000));
        self.counters().write(&mut line);
        let mut arms = Vec::new();
        self.arms.write(&mut Members::resume(&mut arms, true));
        // A line's own head is longer than its tail.
        if out.len() + arms.len() + self.frame <= room {
            out.extend_from_slice(&arms);
        }
        write_tail(out, &self.origin());
        if out.len() > room {
            out.clear();
        }
        // Also when there was no room: the next interval tries again, not the next poll.
        self.heartbeat = Some((self.counters.activity(), now.monotonic));
    }

    /// Lets go of a batch and counts its exposures as sent, or as dropped for a reason. Whether it was held.
    fn settle(&mut self, id: BatchId, dropped: Option<DropReason>) -> bool {
        let Some(batch) = self.outbox.release(id) else {
            return false;
        };
        let exposures = batch.exposures as u64;
        let restored = &mut self.counters.restored;
        match dropped {
            None if batch.restored => restored.sent += exposures,
            Some(_) if batch.restored => restored.dropped += exposures,
            None => self.counters.sent += exposures,
            Some(_) => {}
        }
        if batch.restored {
            return true;
        }
        for place in batch.arms {
            if place == HEARTBEAT {
                continue;
            }
            let arm = self.arms.at(place);
            match dropped {
                None => arm.sent += 1,
                Some(reason) => self.counters.drop_one(reason, arm),
            }
        }
        true
    }

    /// Replaces a batch by its halves, and makes no more batches of its size.
    fn split(&mut self, id: BatchId) -> bool {
        let Some(size) = self.outbox.split(id) else {
            return false;
        };
        self.batch_bytes = self.batch_bytes.min(size.max(1 << 10));
        true
    }
}

impl fmt::Debug for ExposureLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExposureLog")
            .field("producer", &self.config.producer)
            .field("next_seq", &self.next_seq)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
