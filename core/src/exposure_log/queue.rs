//! Exposures that wait for a batch: first ones apart from repeats, because those make room.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::schedule::MonotonicMillis;

use super::batch::LINE_OVERHEAD;

/// An exposure that waits for its batch.
pub(super) struct Queued {
    /// The record's own members, see [`Exposure::write_body`](crate::Exposure).
    pub(super) body: Box<[u8]>,
    /// What the dedupe table knows it by, and the window it is of.
    pub(super) key: [u64; 2],
    pub(super) window: i64,
    /// Its place among the counted arms.
    pub(super) arm: u16,
    pub(super) since: MonotonicMillis,
}

#[derive(Default)]
pub(super) struct Queue {
    /// Also everything when deduplication is off.
    firsts: VecDeque<Queued>,
    repeats: VecDeque<Queued>,
    /// Bytes of the lines that these will be, and of those how many are of repeats.
    line_bytes: usize,
    repeat_bytes: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.firsts.len() + self.repeats.len()
    }

    /// Bytes of memory, as the bound counts them.
    pub(super) fn cost(&self) -> usize {
        self.line_bytes + self.len() * LINE_OVERHEAD
    }

    /// What shedding all repeats would free.
    pub(super) fn cost_of_repeats(&self) -> usize {
        self.repeat_bytes + self.repeats.len() * LINE_OVERHEAD
    }

    /// Bytes of the lines that these will be.
    pub(super) const fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    /// Since when the longest waiting one waits.
    pub(super) fn oldest(&self) -> Option<MonotonicMillis> {
        let since = |queue: &VecDeque<Queued>| queue.front().map(|queued| queued.since);
        match (since(&self.firsts), since(&self.repeats)) {
            (Some(first), Some(repeat)) => Some(first.min(repeat)),
            (first, repeat) => first.or(repeat),
        }
    }

    /// Adds an exposure whose line takes `frame` bytes around its own members.
    pub(super) fn push(&mut self, queued: Queued, frame: usize, repeat: bool) {
        let line = queued.body.len() + frame;
        self.line_bytes += line;
        if repeat {
            self.repeat_bytes += line;
            self.repeats.push_back(queued);
        } else {
            self.firsts.push_back(queued);
        }
    }

    /// Takes the next exposure, first ones before repeats, if its line has at most `room` bytes.
    pub(super) fn pop(&mut self, frame: usize, room: usize) -> Option<Queued> {
        let repeat = self.firsts.is_empty();
        let next = if repeat { &self.repeats } else { &self.firsts }.front()?;
        if next.body.len() + frame > room {
            return None;
        }
        if repeat {
            return self.shed(frame);
        }
        let queued = self.firsts.pop_front()?;
        self.line_bytes -= queued.body.len() + frame;
        Some(queued)
    }

    /// Takes the repeat that waits longest.
    pub(super) fn shed(&mut self, frame: usize) -> Option<Queued> {
        let queued = self.repeats.pop_front()?;
        let line = queued.body.len() + frame;
        self.line_bytes -= line;
        self.repeat_bytes -= line;
        Some(queued)
    }
}
