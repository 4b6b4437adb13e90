//! The life of a client: its processes begin and end, its disk stays.

use std::rc::Rc;
use std::time::Duration;

use bucketry_core::{FlagSet, MonotonicMillis, ProducerId, Times, UnixMillis};

use crate::disk::Disk;
use crate::faults::Fault;
use crate::laws::READABLE;
use crate::mishaps::Sleep;
use crate::network::{Address, Packet};
use crate::process::{Held, Process};
use crate::settings::Settings;
use crate::trace::{Checked, note};
use crate::world::World;

/// The wall clock at the beginning of time, when it is right.
const EPOCH: i64 = 1_795_464_000_000;

pub(crate) struct Client {
    pub(crate) settings: Settings,
    pub(crate) disk: Disk,
    /// How wrong its wall clock is, in milliseconds.
    pub(crate) wall_offset: i64,
    pub(crate) process: Option<Process>,
    pub(crate) asleep: Option<Sleep>,
    /// What came while it slept.
    pub(crate) inbox: Vec<Packet>,
}

impl Client {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            disk: Disk::default(),
            wall_offset: 0,
            process: None,
            asleep: None,
            inbox: Vec::new(),
        }
    }

    pub(crate) const fn wall(&self, now: u64) -> i64 {
        EPOCH + now as i64 + self.wall_offset
    }
}

impl World {
    /// Both clocks of a client whose process runs.
    pub(crate) fn times(&self, index: usize) -> Times {
        let client = &self.clients[index];
        let wall = client.wall(self.now);
        let process = client.process.as_ref().expect("a running process");
        let mut monotonic = process.monotonic(self.now);
        if let Some(sleep) = &client.asleep
            && sleep.stands_still
        {
            monotonic -= self.now - sleep.since;
        }
        if self.fault == Some(Fault::WallClockAsSchedule) {
            monotonic = wall as u64;
        }
        Times {
            monotonic: MonotonicMillis(monotonic),
            wall: UnixMillis(wall),
        }
    }

    pub(crate) fn new_producer(&mut self) -> ProducerId {
        self.producers += 1;
        let mut id = [0xB0; 16];
        id[..8].copy_from_slice(&self.producers.to_be_bytes());
        ProducerId(id)
    }

    /// A process begins: with the flag set in its cache and the exposures in its spool.
    pub(crate) fn start(&mut self, index: usize) -> Checked {
        let producer = match self.fault {
            Some(Fault::ReusesProducer) => ProducerId([index as u8; 16]),
            _ => self.new_producer(),
        };
        self.processes += 1;
        let address = Address {
            client: index,
            process: self.processes,
        };
        note!(self, "client {index} starts as producer {producer}");
        // Somebody may have set it to hold less meanwhile.
        let shrinks = self.random.percent(5);
        let client = &mut self.clients[index];
        if shrinks {
            client.settings.max_pending = 5;
        }
        let process = Process::new(address, &client.settings, producer, self.now);
        client.process = Some(process);
        client.asleep = None;
        client.inbox.clear();
        self.books.book(producer);
        self.use_cache(index);
        self.use_spool(index)?;
        self.drive(index)
    }

    fn use_cache(&mut self, index: usize) {
        let Some(cache) = self.clients[index].disk.cache.clone() else {
            return;
        };
        let now = self.times(index);
        let age = u64::try_from(now.wall.0 - cache.saved_at).unwrap_or(0);
        let flag_set = FlagSet::from_json(&cache.body).expect("what was cached was good");
        let process = self.clients[index].process.as_mut().expect("it starts");
        let age = Duration::from_millis(age);
        process
            .refresh
            .bootstrap(&flag_set, cache.etag.as_deref(), age, now);
        process.held = Some(Held::new(flag_set));
        self.see("started from its cache", 1);
    }

    fn use_spool(&mut self, index: usize) -> Checked {
        if self.fault == Some(Fault::ForgetsToRestore) {
            return Ok(());
        }
        let client = &mut self.clients[index];
        if client.settings.spool_every.is_none() {
            return Ok(());
        }
        let Some(spool) = client.disk.spool.clone() else {
            return Ok(());
        };
        if self.fault == Some(Fault::DeletesSpoolOnRestore) {
            client.disk.spool = None;
        }
        let process = client.process.as_mut().expect("it starts");
        let restored = process.log.restore(spool);
        let restored = restored.map_err(|error| crate::trace::Broken {
            law: READABLE,
            detail: error.to_string(),
        })?;
        process.posts.occasions += restored.batches as u64;
        let found_no_room = process.log.machine.counters().restored.dropped;
        note!(self, "client {index} restores: {restored:?}");
        self.see("restored", restored.batches as u64);
        self.see("restored and dropped", found_no_room);
        self.found_no_room += found_no_room;
        Ok(())
    }

    /// Writes the spool, if there is one and room for it.
    pub(crate) fn write_spool(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.settings.spool_every.is_none() {
            return;
        }
        let process = client.process.as_mut().expect("a running process");
        let spool = process.log.export();
        process.posts.occasions += 1;
        self.books.read_spool(&spool);
        let counters = process.log.machine.counters();
        let written = if self.fault == Some(Fault::TearsSpool) && client.disk.full {
            client.disk.spool = Some(spool[..spool.len() / 2].into());
            true
        } else {
            client.disk.write_spool(spool)
        };
        if written {
            process.spooled = counters;
        }
        let how = if written {
            "writes its spool"
        } else {
            "finds no room for its spool"
        };
        note!(self, "client {index} {how}");
    }

    /// A process ends, and with it all that is not on the disk.
    pub(crate) fn end(&mut self, index: usize) -> Checked {
        let client = &mut self.clients[index];
        let Some(process) = client.process.take() else {
            return Ok(());
        };
        client.asleep = None;
        client.inbox.clear();
        self.check_post_count(index, &process)?;
        let counters = process.log.machine.counters();
        note!(self, "client {index} ends with {counters:?}");
        let book = self.books.book(process.log.producer());
        book.ended = Some(counters);
        let pending = counters.queued + counters.in_flight;
        self.see("held at the end of a process", pending);
        self.count(&counters);
        let spool = self.clients[index].disk.spool.clone();
        for id in self
            .books
            .read_spool(&spool.unwrap_or_else(|| Rc::from([])))
        {
            self.books
                .book(id.producer)
                .promised
                .extend(id.first..=id.last);
        }
        Ok(())
    }
}
