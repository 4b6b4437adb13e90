//! What happens to a client beside the weather.

use bucketry_core::Times;

use crate::client::Client;
use crate::faults::Fault;
use crate::laws::CHILD;
use crate::network::Address;
use crate::process::Process;
use crate::settings::span;
use crate::trace::{Checked, hold, note};
use crate::world::{Event, World};

/// A device that sleeps: nothing of it runs, and its wall clock goes on.
#[derive(Clone, Copy)]
pub(crate) struct Sleep {
    pub(crate) since: u64,
    /// Whether its monotonic clock stands still meanwhile.
    pub(crate) stands_still: bool,
    /// Its clocks when the host told the machine; none if it did not.
    told: Option<Times>,
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;

/// Most clients, forked ones included.
const MAX_CLIENTS: usize = 4;

impl World {
    /// Something happens to one of the clients.
    pub(crate) fn mishap(&mut self) -> Checked {
        let index = self.random.below(self.clients.len() as u64) as usize;
        if !self.is_running(index) {
            return Ok(());
        }
        let now = self.now;
        match self.random.below(100) {
            0..12 => return self.kill(index),
            12..20 => return self.stop(index),
            20..38 => self.sleep(index),
            38..50 => {
                let by = self.random.below(4 * DAY) as i64 - 2 * DAY as i64;
                let by = if self.random.percent(50) {
                    by
                } else {
                    by / 10_000
                };
                self.clients[index].wall_offset += by;
                self.see("wall clock set", 1);
                note!(self, "client {index}: its wall clock is set by {by} ms");
            }
            50..58 => return self.fork(index),
            58..68 => {
                let disk = &mut self.clients[index].disk;
                disk.full = !disk.full;
                let full = disk.full;
                self.see("disk full", u64::from(full));
                note!(self, "client {index}: its disk is full: {full}");
            }
            68..78 => self.force(index),
            78..84 => {
                let monotonic = self.times(index).monotonic;
                let age = span(self.random.below(MINUTE));
                let process = self.process(index);
                if process.refresh.refresh_if_older_than(age, monotonic) {
                    // Whether the machine takes it up is its affair; the rules then allow it.
                    process.fetches.force();
                }
                note!(
                    self,
                    "client {index} wants a flag set no older than {age:?}"
                );
            }
            84..96 => {
                let process = self.process(index);
                process.log.flush();
                process.posts.on_flush();
                note!(self, "client {index} flushes");
            }
            _ => {
                self.clients[index].disk.cache = None;
                note!(self, "client {index}: its cache is deleted");
            }
        }
        if self.is_running(index) {
            self.process(index).disturbed = now;
        }
        self.drive(index)
    }

    /// Somebody says that the flag set has changed.
    pub(crate) fn force(&mut self, index: usize) {
        let process = self.process(index);
        process.refresh.force_refresh();
        process.fetches.force();
        self.see("forced", 1);
        note!(self, "client {index} is told of a change");
    }

    fn kill(&mut self, index: usize) -> Checked {
        self.see("killed", 1);
        note!(self, "client {index} is killed");
        self.end(index)?;
        self.begin_later(index);
        Ok(())
    }

    /// The process is asked to end: it flushes, gives that a moment, and spools what is left.
    fn stop(&mut self, index: usize) -> Checked {
        self.see("stopped", 1);
        note!(self, "client {index} closes");
        let process = self.process(index);
        process.closing = true;
        process.log.flush();
        process.posts.on_flush();
        let event = Event::Exit {
            client: process.address,
        };
        self.schedule_within(3 * SECOND, event);
        self.drive(index)
    }

    pub(crate) fn exit(&mut self, index: usize) -> Checked {
        // A process that is being stopped may sleep, too.
        if self.clients[index].asleep.is_none() {
            self.write_spool(index);
        }
        self.end(index)?;
        self.begin_later(index);
        Ok(())
    }

    fn begin_later(&mut self, index: usize) {
        let pause = *self.random.one_of(&[10, 30 * SECOND]);
        self.schedule_within(pause, Event::Begin { client: index });
    }

    fn sleep(&mut self, index: usize) {
        let times = self.times(index);
        let told = self.random.percent(50);
        let stands_still = self.random.percent(50);
        let longest = *self.random.one_of(&[SECOND, MINUTE, 10 * MINUTE]);
        let length = 1 + self.random.below(longest);
        let client = &mut self.clients[index];
        let sleep = Sleep {
            since: self.now,
            stands_still,
            told: told.then_some(times),
        };
        client.asleep = Some(sleep);
        let process = client.process.as_mut().expect("it runs");
        if told {
            process.refresh.suspend(times);
        }
        let event = Event::Rise {
            client: process.address,
            since: sleep.since,
        };
        self.see("slept", 1);
        self.see("suspended", u64::from(told));
        note!(
            self,
            "client {index} sleeps, told: {told}, clock stands still: {stands_still}"
        );
        self.schedule(self.now + length, event);
    }

    pub(crate) fn rise(&mut self, index: usize) -> Checked {
        let now = self.now;
        let client = &mut self.clients[index];
        let Some(sleep) = client.asleep.take() else {
            return Ok(());
        };
        let inbox = std::mem::take(&mut client.inbox);
        let process = client.process.as_mut().expect("it slept");
        if sleep.stands_still {
            process.frozen += now - sleep.since;
        }
        process.disturbed = now;
        note!(
            self,
            "client {index} wakes up after {} ms",
            now - sleep.since
        );
        if let Some(then) = sleep.told {
            let times = self.times(index);
            let process = self.process(index);
            process.refresh.resume(times);
            // By the wall clock where the monotonic one stood still, and no more than a leap year.
            let passed = u64::try_from(times.wall.0 - then.wall.0).unwrap_or(0);
            let lived = times.monotonic.0 - then.monotonic.0;
            process.fetches.slept += passed.min(366 * DAY).saturating_sub(lived);
        }
        for packet in inbox {
            self.hand_over(packet)?;
        }
        self.drive(index)
    }

    /// The process forks: a client more, whose log is a copy of its parent's until it is made its own.
    fn fork(&mut self, index: usize) -> Checked {
        if self.clients.len() >= MAX_CLIENTS {
            return Ok(());
        }
        self.see("forked", 1);
        let producer = self.new_producer();
        let child = self.clients.len();
        let times = self.times(index);
        self.processes += 1;
        let address = Address {
            client: child,
            process: self.processes,
        };
        let parent = self.process(index);
        let before = parent.log.machine.counters();
        let pending = before.queued + before.in_flight + before.restored.in_flight;
        let mut log = parent.log.copy();
        // The copy is one: the machine is a function of what it was given.
        let same = (log.machine.counters(), log.machine.pending_bytes());
        hold!(
            CHILD,
            same == (before, parent.log.machine.pending_bytes()),
            "the copy differs"
        );
        let age = parent.refresh.age(times.monotonic);
        let (held, started, frozen) = (parent.held.clone(), parent.started, parent.frozen);
        let parent = (parent.address.process, parent.log.producer());
        let mut parents = self.forked.get(&parent.0).cloned().unwrap_or_default();
        parents.push(parent.1);

        let settings = self.clients[index].settings.clone();
        let mut process = Process::new(address, &settings, producer, self.now);
        (process.started, process.frozen) = (started, frozen);
        if self.fault == Some(Fault::ForkedAsItsParent) {
            process.log = log;
        } else {
            log.reset_for_child(producer);
            let after = log.machine.counters();
            hold!(
                CHILD,
                after.left_to_parent == pending,
                "left {pending}, counted {after:?}"
            );
            hold!(
                CHILD,
                log.machine.pending_bytes() == 0,
                "the child holds something"
            );
            process.log = log;
            let book = self.books.book(producer);
            book.told.left_to_parent = pending;
            self.forked.insert(address.process, parents);
        }
        // The machine of its parent waits for an answer that the child will not get; the child makes its own.
        if let (Some(held), Some(age)) = (&held, age) {
            process.refresh.bootstrap(&held.flag_set, None, age, times);
        }
        process.held = held;
        self.see("left to the parent", pending);
        let mut client = Client::new(settings);
        client.wall_offset = self.clients[index].wall_offset;
        client.process = Some(process);
        self.clients.push(client);
        self.schedule_within(SECOND, Event::Visit { client: child });
        note!(
            self,
            "client {index} forks client {child}, producer {producer}"
        );
        self.drive(child)
    }
}
