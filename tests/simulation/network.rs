//! The network between clients and server, and the weather that it has.

use std::rc::Rc;
use std::time::Duration;

use bucketry_core::{Batch, BatchId, RequestId};
use bucketry_tests::random::Random;

use crate::server::{Answer, retry_after};
use crate::trace::{Checked, note};
use crate::world::{Event, World};

/// Which process of which client. Answers to one that ended go nowhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    pub(crate) client: usize,
    pub(crate) process: u64,
}

#[derive(Clone)]
pub(crate) enum Packet {
    Fetch {
        from: Address,
        id: RequestId,
        etag: Option<Rc<str>>,
    },
    Flags {
        to: Address,
        id: RequestId,
        answer: Answer,
    },
    Unfetched {
        to: Address,
        id: RequestId,
    },
    Post {
        from: Address,
        batch: Rc<Batch>,
    },
    Receipt {
        to: Address,
        id: BatchId,
        status: u16,
        retry_after: Option<Duration>,
    },
    Unposted {
        to: Address,
        id: BatchId,
    },
}

/// How the network and the server fare, in parts of 100 where nothing else is said.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    pub(crate) calm: bool,
    pub(crate) since: u64,
    pub(crate) loss: u64,
    pub(crate) doubling: u64,
    /// In milliseconds, one way.
    pub(crate) max_delay: u64,
    pub(crate) outage: Outage,
    pub(crate) bad_statuses: u64,
    pub(crate) wrong_bodies: u64,
    pub(crate) refusals: u64,
    /// Posts that something answers 2xx which is no collector.
    pub(crate) swallowed: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outage {
    None,
    /// Connections are refused.
    Refused,
    /// Nothing is heard.
    Silent,
}

/// The longest one way in fair weather: less than half of the shortest request timeout.
pub(crate) const CALM_DELAY: u64 = 200;

impl Weather {
    pub(crate) const fn calm(now: u64) -> Self {
        Self {
            calm: true,
            since: now,
            loss: 0,
            doubling: 0,
            max_delay: CALM_DELAY,
            outage: Outage::None,
            bad_statuses: 0,
            wrong_bodies: 0,
            refusals: 0,
            swallowed: 0,
        }
    }

    pub(crate) fn storm(now: u64, random: &mut Random) -> Self {
        Self {
            calm: false,
            since: now,
            loss: *random.one_of(&[0, 5, 40]),
            doubling: *random.one_of(&[0, 10, 30]),
            max_delay: *random.one_of(&[CALM_DELAY, 3_000, 20_000]),
            outage: *random.one_of(&[Outage::None, Outage::None, Outage::Refused, Outage::Silent]),
            bad_statuses: *random.one_of(&[0, 20, 90]),
            wrong_bodies: *random.one_of(&[0, 30, 90]),
            refusals: *random.one_of(&[0, 0, 10]),
            swallowed: *random.one_of(&[0, 0, 5]),
        }
    }
}

impl World {
    /// Puts a packet on its way: once, twice or not at all.
    pub(crate) fn send(&mut self, packet: Packet) {
        let copies = 1 + u64::from(self.random.percent(self.weather.doubling));
        for _ in 0..copies {
            let at = self.now + 1 + self.random.below(self.weather.max_delay);
            if self.random.percent(self.weather.loss) {
                self.see("lost packet", 1);
                // The sender may notice, or never hear.
                if self.random.percent(50)
                    && let Some(failure) = failure_of(&packet)
                {
                    self.schedule(at, Event::Arrive(failure));
                }
                continue;
            }
            self.schedule(at, Event::Arrive(packet.clone()));
        }
        self.see("doubled packet", copies - 1);
    }

    pub(crate) fn arrive(&mut self, packet: Packet) -> Checked {
        match packet {
            Packet::Fetch { .. } | Packet::Post { .. } => self.serve(packet),
            answer => self.hand_over(answer),
        }
    }

    /// A request reached the server, or where it should be.
    fn serve(&mut self, packet: Packet) -> Checked {
        match self.weather.outage {
            Outage::None => {}
            Outage::Silent => return Ok(()),
            Outage::Refused => {
                if let Some(failure) = failure_of(&packet) {
                    self.schedule(self.now + 1, Event::Arrive(failure));
                }
                return Ok(());
            }
        }
        match packet {
            Packet::Fetch { from, id, etag } => {
                let etag = etag.as_deref();
                let answer = if self.random.percent(self.weather.bad_statuses) {
                    self.see("bad status", 1);
                    self.server.bad_status(&mut self.random)
                } else if self.random.percent(self.weather.wrong_bodies) {
                    self.see("wrong body", 1);
                    self.server.wrong_answer(etag, &mut self.random)
                } else {
                    self.server.good_answer(etag)
                };
                self.send(Packet::Flags {
                    to: from,
                    id,
                    answer,
                });
                Ok(())
            }
            Packet::Post { from, batch } => {
                let status = self.collect(&batch)?;
                note!(self, "server answers {status} to batch {}", batch.id);
                let retry_after = match status {
                    200..=299 => None,
                    _ => retry_after(&mut self.random),
                };
                self.send(Packet::Receipt {
                    to: from,
                    id: batch.id,
                    status,
                    retry_after,
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What the collector answers. It never refuses what it has, and stores before it answers.
    fn collect(&mut self, batch: &Batch) -> Result<u16, crate::trace::Broken> {
        let good = *self.random.one_of(&[200, 201, 202, 204]);
        if self.store.knows(batch.id) {
            self.store.take(batch)?;
            return Ok(good);
        }
        if self.random.percent(self.weather.swallowed) {
            self.see("swallowed", 1);
            self.store.swallowed.insert(batch.id);
            return Ok(200);
        }
        if batch.body.len() > self.largest_body {
            return Ok(413);
        }
        if self.random.percent(self.weather.bad_statuses) {
            let status = match self.random.below(3) {
                0 => 300 + self.random.below(300) as u16,
                _ => *self
                    .random
                    .one_of(&[401, 403, 404, 408, 429, 500, 502, 503, 504]),
            };
            let refused = matches!(status, 400 | 413 | 415 | 422);
            return Ok(if refused { 418 } else { status });
        }
        if self.random.percent(self.weather.refusals) {
            return Ok(*self.random.one_of(&[400, 415, 422]));
        }
        if self.fault == Some(crate::faults::Fault::LosesWhatItAccepts) && self.random.percent(20) {
            return Ok(good);
        }
        self.store.take(batch)?;
        Ok(good)
    }
}

/// What the sender of a request hears when its connection breaks; of an answer nobody hears.
fn failure_of(packet: &Packet) -> Option<Packet> {
    match packet {
        Packet::Fetch { from, id, .. } => Some(Packet::Unfetched { to: *from, id: *id }),
        Packet::Post { from, batch } => Some(Packet::Unposted {
            to: *from,
            id: batch.id,
        }),
        Packet::Flags { to, id, .. } => Some(Packet::Unfetched { to: *to, id: *id }),
        Packet::Receipt { to, id, .. } => Some(Packet::Unposted { to: *to, id: *id }),
        Packet::Unfetched { .. } | Packet::Unposted { .. } => None,
    }
}
