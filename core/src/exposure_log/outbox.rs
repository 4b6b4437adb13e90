//! Batches until they are answered: which to send next, and how long to wait after failures.

use alloc::vec::Vec;
use core::mem;

use crate::schedule::{MonotonicMillis, backoff, pick};

use super::LogStep;
use super::batch::{BatchId, Held};
use super::config::ExposureLogConfig;

#[derive(Default)]
pub(super) struct Outbox {
    held: Vec<Held>,
    cost: usize,
    exposures: usize,
    /// Failures since the last answer that showed the receiver well, and until when they hold up everything.
    failures: u32,
    backoff_until: MonotonicMillis,
    /// Until when the receiver asked not to be asked.
    pause_until: MonotonicMillis,
    /// Of the latest poll; what is drawn before the next comes out of it.
    pub(super) chance: u64,
}

impl Outbox {
    pub(super) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Bytes of memory, as the bound counts them.
    pub(super) const fn cost(&self) -> usize {
        self.cost
    }

    pub(super) const fn exposures(&self) -> usize {
        self.exposures
    }

    pub(super) const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    fn place(&self, id: BatchId) -> Option<usize> {
        self.held.iter().position(|batch| batch.id == id)
    }

    pub(super) fn contains(&self, id: BatchId) -> bool {
        self.place(id).is_some()
    }

    pub(super) fn hold(&mut self, batch: Held) {
        self.cost += batch.cost();
        self.exposures += batch.exposures;
        self.held.push(batch);
    }

    /// Takes a batch that was answered for good.
    pub(super) fn release(&mut self, id: BatchId) -> Option<Held> {
        let place = self.place(id)?;
        // As `swap_remove`, whose panic message would bring `core::fmt` into small builds.
        let last = self.held.pop()?;
        let batch = match self.held.get_mut(place) {
            Some(batch) => mem::replace(batch, last),
            None => last,
        };
        self.cost -= batch.cost();
        self.exposures -= batch.exposures;
        self.recover();
        Some(batch)
    }

    /// The receiver answers, so there is nothing left to wait for but what it asked for.
    const fn recover(&mut self) {
        self.failures = 0;
        self.backoff_until = MonotonicMillis(0);
    }

    /// Replaces a batch by its halves, if it has two. Also the size of the first.
    pub(super) fn split(&mut self, id: BatchId) -> Option<usize> {
        let place = self.place(id)?;
        let batch = self.held.get_mut(place)?;
        // The halves take and hold together what the whole did.
        let later = batch.split_off()?;
        let size = batch.body.len();
        self.held.push(later);
        self.recover();
        Some(size)
    }

    /// Notes that an attempt failed, and that the receiver asked for a pause. Whether the batch is held.
    pub(super) fn fail(
        &mut self,
        id: BatchId,
        now: MonotonicMillis,
        pause: u64,
        config: &ExposureLogConfig,
    ) -> bool {
        let Some(place) = self.place(id) else {
            return false;
        };
        // Who were told the same moment do not all come back at it.
        let spread = if pause > 0 { config.flush_interval } else { 0 };
        let until = now.after_millis(pause + pick(spread, self.chance));
        self.pause_until = self.pause_until.max(until);
        self.give_up(place, now, config);
        true
    }

    /// Makes everything due that is not on the wire.
    pub(super) fn flush(&mut self) {
        self.backoff_until = MonotonicMillis(0);
        self.pause_until = MonotonicMillis(0);
        for batch in &mut self.held {
            if !batch.on_wire {
                batch.at = MonotonicMillis(0);
            }
        }
    }

    /// What to send of what is held, or how long not to send anything; otherwise, when something that is
    /// held needs the host again.
    pub(super) fn poll(
        &mut self,
        now: MonotonicMillis,
        chance: u64,
        config: &ExposureLogConfig,
    ) -> Result<LogStep, Option<MonotonicMillis>> {
        self.chance = chance;
        let (mut on_wire, mut given_up, mut next) = (0, None, None);
        for place in 0..self.held.len() {
            let Some(batch) = self.held.get(place) else {
                break;
            };
            let at = batch.at;
            if batch.on_wire && at <= now {
                self.give_up(place, now, config);
            } else if batch.on_wire {
                on_wire += 1;
                given_up = earlier(given_up, (at, 0));
            } else {
                next = earlier(next, (at, place));
            }
        }
        let given_up = given_up.map(|(at, _)| at);
        let most = if self.is_failing() {
            1
        } else {
            config.max_in_flight
        };
        if on_wire >= most {
            return Ok(LogStep::Wait(given_up));
        }
        let hold = self.backoff_until.max(self.pause_until);
        if hold > now {
            return Ok(LogStep::Wait(Some(hold)));
        }
        if let Some((at, place)) = next {
            if at <= now
                && let Some(batch) = self.held.get_mut(place)
            {
                return Ok(LogStep::Send(batch.send(now, config.send_timeout)));
            }
            return Err(Some(given_up.map_or(at, |given_up| given_up.min(at))));
        }
        Err(given_up)
    }

    /// Sends the batch that was held last.
    pub(super) fn send_last(
        &mut self,
        now: MonotonicMillis,
        config: &ExposureLogConfig,
    ) -> Option<LogStep> {
        let batch = self.held.last_mut()?;
        Some(LogStep::Send(batch.send(now, config.send_timeout)))
    }

    /// Ends an attempt without success, if one is on the wire.
    fn give_up(&mut self, place: usize, now: MonotonicMillis, config: &ExposureLogConfig) {
        let Some(batch) = self.held.get_mut(place).filter(|batch| batch.on_wire) else {
            return;
        };
        let chance = self.chance;
        // One step of Knuth's MMIX generator: another draw for each failure between two polls.
        self.chance = chance
            .wrapping_mul(0x5851_F42D_4C95_7F2D)
            .wrapping_add(0x1405_7B7E_F767_814F);
        self.failures = self.failures.saturating_add(1);
        let wait = |failures, chance| backoff(config.backoff, config.max_backoff, failures, chance);
        self.backoff_until = now.after_millis(wait(self.failures, chance));
        // One doubling more than the log as a whole waits, so that a batch which always fails leaves
        // the others their turn.
        let failures = batch.attempts.saturating_add(1);
        batch.at = now.after_millis(wait(failures, chance.rotate_left(32)));
        batch.on_wire = false;
    }
}

/// The earlier of two; of equals the one that was first.
fn earlier(
    one: Option<(MonotonicMillis, usize)>,
    other: (MonotonicMillis, usize),
) -> Option<(MonotonicMillis, usize)> {
    match one {
        Some(one) if one.0 <= other.0 => Some(one),
        _ => Some(other),
    }
}
