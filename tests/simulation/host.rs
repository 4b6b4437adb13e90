//! What a wrapper does: asks both machines after everything that happens, carries out what they say, and tells them what
//! came of it.

use std::rc::Rc;
use std::time::Duration;

use bucketry_core::{
    BatchId, Delivery, DropReason, FlagSet, LogStep, Recorded, RefreshEvent, RefreshStep,
    Refreshed, RequestId, Response,
};

use crate::disk::Cache;
use crate::faults::Fault;
use crate::laws::{CHILD, WAITS};
use crate::network::Packet;
use crate::process::{Held, Process, Use};
use crate::server::Answer;
use crate::settings::millis;
use crate::trace::{Checked, hold, note};
use crate::world::{Event, World};

/// Different visitors.
const UNITS: u64 = 300;

impl World {
    pub(crate) fn process(&mut self, index: usize) -> &mut Process {
        self.clients[index]
            .process
            .as_mut()
            .expect("a running process")
    }

    pub(crate) fn is_running(&self, index: usize) -> bool {
        let client = &self.clients[index];
        client.process.is_some() && client.asleep.is_none()
    }

    /// Asks both machines until they want to wait, and sets a timer for when that is over.
    pub(crate) fn drive(&mut self, index: usize) -> Checked {
        if !self.is_running(index) {
            return Ok(());
        }
        let fetch = self.drive_refresh(index)?;
        let post = self.drive_log(index)?;
        let monotonic = self.times(index).monotonic.0;
        let process = self.process(index);
        process.timer += 1;
        let event = Event::Wake {
            client: process.address,
            timer: process.timer,
        };
        let spool_at = process.spool_at;
        let spools = self.clients[index].settings.spool_every.is_some();
        let wake = [fetch, post].into_iter().flatten().min().map(|until| {
            let wait = until - monotonic;
            let late = if self.fault == Some(Fault::SleepsThrough) {
                10
            } else {
                1
            };
            self.now + wait * late
        });
        let spool = spools.then(|| spool_at.max(self.now + 1));
        if let Some(at) = [wake, spool].into_iter().flatten().min() {
            self.schedule(at, event);
        }
        self.check_client(index)
    }

    fn drive_refresh(&mut self, index: usize) -> Result<Option<u64>, crate::trace::Broken> {
        let now = self.times(index).monotonic;
        if self.fault == Some(Fault::GivesUpOnNotFound) && self.given_up.contains(&index) {
            return Ok(None);
        }
        loop {
            let chance = self.random.bits();
            let process = self.process(index);
            process.fetches.on_poll(now.0);
            let step = process.refresh.poll(now, chance);
            self.take_events(index);
            match step {
                RefreshStep::Fetch(request) => {
                    self.process(index).fetches.on_fetch(now.0, request.id)?;
                    self.fetch(index, request.id, request.etag.as_deref());
                }
                RefreshStep::Wait(until) => {
                    let until = until.map(|until| until.0);
                    hold!(
                        WAITS,
                        until.is_some_and(|until| until > now.0),
                        "refresh at {now:?}: {until:?}"
                    );
                    return Ok(until);
                }
            }
        }
    }

    fn fetch(&mut self, index: usize, id: RequestId, etag: Option<&str>) {
        note!(
            self,
            "client {index} fetches #{}, If-None-Match {etag:?}",
            id.0
        );
        self.see("fetch", 1);
        let from = self.process(index).address;
        let etag = etag.map(Rc::from);
        self.send(Packet::Fetch { from, id, etag });
    }

    fn drive_log(&mut self, index: usize) -> Result<Option<u64>, crate::trace::Broken> {
        let now = self.times(index);
        loop {
            let chance = self.random.bits();
            let process = self.process(index);
            process.posts.on_poll(now.monotonic.0);
            match process.log.poll(now, chance) {
                LogStep::Send(batch) => {
                    process
                        .posts
                        .on_send(now.monotonic.0, batch.id, batch.attempt)?;
                    let from = process.address;
                    note!(
                        self,
                        "client {index} posts batch {}, attempt {}",
                        batch.id,
                        batch.attempt
                    );
                    self.see("post", 1);
                    self.books.read_batch(batch.id, &batch.body);
                    self.check_child(index, batch.id)?;
                    if self.fault == Some(Fault::AcknowledgesUnsent) && self.random.percent(5) {
                        self.acknowledge(index, batch.id, 200, None);
                        continue;
                    }
                    let batch = Rc::new(batch);
                    self.send(Packet::Post { from, batch });
                }
                LogStep::Wait(until) => {
                    let until = until.map(|until| until.0);
                    let now = now.monotonic.0;
                    hold!(
                        WAITS,
                        until.is_none_or(|until| until > now),
                        "log at {now}: {until:?}"
                    );
                    return Ok(until);
                }
            }
        }
    }

    /// A forked child sends what it recorded itself and nothing of its parent's.
    fn check_child(&self, index: usize, id: BatchId) -> Checked {
        let process = self.clients[index].process.as_ref().expect("it sends");
        let parents = self.forked.get(&process.address.process);
        let of_parent = parents.is_some_and(|parents| parents.contains(&id.producer));
        hold!(CHILD, !of_parent, "client {index} sends batch {id}");
        Ok(())
    }

    /// The timer rang.
    pub(crate) fn wake(&mut self, index: usize) -> Checked {
        let now = self.now;
        let process = self.process(index);
        if process.spool_at <= now && !process.closing {
            self.spool_is_due(index);
        }
        if self.fault == Some(Fault::FetchesWhenWoken) {
            let chance = self.random.bits();
            let now = self.times(index).monotonic;
            let process = self.process(index);
            process.fetches.on_poll(now.0);
            drop(process.refresh.poll(now, chance));
            process.fetches.on_fetch(now.0, RequestId(0))?;
        }
        if self.fault == Some(Fault::ResendsWhenWoken) {
            let now = self.times(index).monotonic.0;
            let process = self.process(index);
            let spool = process.log.export();
            let batches = self.books.read_spool(&spool);
            if let Some(id) = batches.first() {
                self.process(index).posts.on_send(now, *id, 2)?;
            }
        }
        self.drive(index)
    }

    /// Writes the spool if anything happened since it was written.
    fn spool_is_due(&mut self, index: usize) {
        let Some(every) = self.clients[index].settings.spool_every else {
            return;
        };
        let now = self.now;
        let process = self.process(index);
        process.spool_at = now + every;
        if process.log.machine.counters() != process.spooled {
            self.write_spool(index);
        }
    }

    /// An answer reached a client, or the news that there will be none.
    pub(crate) fn hand_over(&mut self, packet: Packet) -> Checked {
        let to = match &packet {
            Packet::Flags { to, .. }
            | Packet::Unfetched { to, .. }
            | Packet::Receipt { to, .. }
            | Packet::Unposted { to, .. } => *to,
            Packet::Fetch { .. } | Packet::Post { .. } => return Ok(()),
        };
        let index = to.client;
        let client = &mut self.clients[index];
        if client
            .process
            .as_ref()
            .is_none_or(|process| process.address != to)
        {
            return Ok(()); // its process ended
        }
        if client.asleep.is_some() {
            client.inbox.push(packet);
            return Ok(());
        }
        let now = self.times(index).monotonic;
        match packet {
            Packet::Flags { id, answer, .. } => self.refreshed(index, id, &answer)?,
            Packet::Unfetched { id, .. } => {
                note!(self, "client {index} could not fetch #{}", id.0);
                let process = self.process(index);
                process.fetches.on_failure(now.0, id);
                process.refresh.on_failure(id, now);
            }
            Packet::Receipt {
                id,
                status,
                retry_after,
                ..
            } => {
                self.acknowledge(index, id, status, retry_after);
            }
            Packet::Unposted { id, .. } => {
                note!(self, "client {index} could not post batch {id}");
                let process = self.process(index);
                process.posts.on_retry(now.0, id, None);
                process.log.fail(id, now);
            }
            Packet::Fetch { .. } | Packet::Post { .. } => {}
        }
        self.drive(index)
    }

    fn refreshed(&mut self, index: usize, id: RequestId, answer: &Answer) -> Checked {
        let now = self.times(index);
        let fault = self.fault;
        let process = self.process(index);
        let mut response = Response {
            status: answer.status,
            etag: answer.etag.as_deref(),
            retry_after: answer.retry_after,
            body: &answer.body,
            signature: answer.seal.signature(),
        };
        if fault == Some(Fault::IgnoresRetryAfter) {
            response.retry_after = None;
        }
        let held = process.held.as_ref().map(|held| held.flag_set.clone());
        let verdict = process
            .refresh
            .on_response(id, &response, held.as_deref(), now);
        let asked = answer.retry_after.map(millis);
        process.fetches.on_answer(now.monotonic.0, asked, &verdict);
        if fault == Some(Fault::AppliesWhatCame)
            && let Ok(flag_set) = FlagSet::from_json(&answer.body)
        {
            process.held = Some(Held::new(flag_set));
        }
        if fault == Some(Fault::GivesUpOnNotFound) && answer.status == 404 {
            self.given_up.insert(index);
        }
        note!(
            self,
            "client {index} gets #{}, {} {}: {}",
            id.0,
            answer.status,
            answer.what,
            told(&verdict)
        );
        self.see(
            match &verdict {
                Refreshed::Accepted(_) => "accepted flag set",
                Refreshed::Unchanged => "not modified",
                Refreshed::Failed(failure) if failure.is_refusal() => "refused flag set",
                Refreshed::Failed(_) => "failed fetch",
                _ => "late answer",
            },
            1,
        );
        self.take_events(index);
        let Refreshed::Accepted(flag_set) = verdict else {
            return Ok(());
        };
        self.check_accepted(index, &flag_set)?;
        let held = Held::new(*flag_set);
        if held.marker >= crate::server::IMPOSTOR {
            self.see("impostor held", 1);
        }
        let client = &mut self.clients[index];
        let cache = Cache {
            body: answer.body.clone(),
            etag: answer.etag.clone(),
            saved_at: client.wall(self.now),
        };
        client.process.as_mut().expect("it runs").held = Some(held);
        if client.settings.cache {
            client.disk.write_cache(cache);
        }
        Ok(())
    }

    /// The events say what happened, once each time.
    fn take_events(&mut self, index: usize) {
        while let Some(event) = self.process(index).refresh.next_event() {
            note!(self, "client {index}: {event:?}");
            match event {
                RefreshEvent::Stale => self.see("stale", 1),
                RefreshEvent::Recovered => self.see("recovered", 1),
                _ => {}
            }
        }
    }

    fn acknowledge(
        &mut self,
        index: usize,
        id: BatchId,
        status: u16,
        retry_after: Option<Duration>,
    ) {
        let now = self.times(index).monotonic;
        let fault = self.fault;
        let process = self.process(index);
        let heard = retry_after.filter(|_| fault != Some(Fault::IgnoresRetryAfter));
        let meant = process.log.on_response(id, status, heard, now);
        match meant {
            Delivery::Acknowledged | Delivery::Rejected => process.posts.on_settled(id),
            Delivery::Split => process.posts.on_split(id),
            Delivery::Retrying => process.posts.on_retry(now.0, id, retry_after.map(millis)),
            _ => {}
        }
        note!(
            self,
            "client {index} hears {status} for batch {id}: {meant:?}"
        );
        let book = self.books.book(id.producer);
        let numbers = id.first..=id.last;
        match meant {
            Delivery::Acknowledged => book.acknowledged.extend(numbers),
            Delivery::Rejected => book.refused.extend(numbers),
            Delivery::Split => self.see("split", 1),
            _ => {}
        }
    }

    /// Visitors come, and see what the flag set says.
    pub(crate) fn visit(&mut self, index: usize) -> Checked {
        if !self.is_running(index) {
            return Ok(());
        }
        let visitors = match self.random.below(12) {
            0 => 5 + self.random.below(30),
            _ => 1,
        };
        for _ in 0..visitors {
            let now = self.times(index);
            let (unit, chance) = (self.random.below(UNITS), self.random.bits());
            let flag = *self.random.one_of(&["button", "banner"]);
            let process = self.process(index);
            let Some(held) = &process.held else {
                break; // the callers' defaults
            };
            let flag_set = held.flag_set.clone();
            let used = Use {
                flag_set,
                flag,
                unit,
                now,
                chance,
            };
            let Some((recorded, id)) = process.log.record(used) else {
                continue;
            };
            process.recorded += 1;
            let producer = process.log.producer();
            let book = self.books.book(producer);
            book.told.evaluated += 1;
            match recorded {
                Recorded::Queued => book.accepted.push(id),
                Recorded::Deduplicated => book.told.deduplicated += 1,
                Recorded::SampledOut => book.told.sampled_out += 1,
                Recorded::Dropped(DropReason::QueueFull) => book.told.dropped.queue_full += 1,
                Recorded::Dropped(DropReason::TooLarge) => book.told.dropped.too_large += 1,
                Recorded::Dropped(reason) => panic!("{reason:?} at the door"),
            }
        }
        self.drive(index)
    }
}

fn told(verdict: &Refreshed) -> String {
    match verdict {
        Refreshed::Accepted(flag_set) => format!("accepted revision {}", flag_set.revision()),
        Refreshed::Unchanged => "unchanged".to_owned(),
        Refreshed::Failed(failure) => failure.to_string(),
        _ => "ignored".to_owned(),
    }
}
