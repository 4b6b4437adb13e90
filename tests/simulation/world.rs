//! Everything there is, and what happens to it in which order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bucketry_core::{Counters, ProducerId};
use bucketry_tests::random::Random;

use crate::books::Books;
use crate::client::Client;
use crate::faults::Fault;
use crate::network::{Address, Packet, Weather};
use crate::seeds::Seen;
use crate::server::Server;
use crate::settings::Settings;
use crate::store::Store;
use crate::trace::{Checked, Trace, note};

const SECOND: u64 = 1_000;

pub(crate) struct World {
    pub(crate) trace: Trace,
    pub(crate) seen: Seen,
    pub(crate) fault: Option<Fault>,
    pub(crate) random: Random,
    /// Milliseconds since the beginning.
    pub(crate) now: u64,
    /// What is going to happen, by time and then by the order in which it was decided.
    agenda: BTreeMap<(u64, u64), Event>,
    decided: u64,
    pub(crate) weather: Weather,
    /// Whether the end has come: no more visits, mishaps, storms and publications.
    settling: bool,
    pub(crate) clients: Vec<Client>,
    pub(crate) server: Server,
    pub(crate) store: Store,
    /// The server's limit for the body of a post.
    pub(crate) largest_body: usize,
    pub(crate) books: Books,
    pub(crate) processes: u64,
    pub(crate) producers: u64,
    /// The highest revision that each process held.
    pub(crate) best: BTreeMap<u64, u64>,
    /// The producers that a forked process had before it had its own.
    pub(crate) forked: BTreeMap<u64, Vec<ProducerId>>,
    /// Restored exposures that the accounts of processes name as dropped.
    pub(crate) found_no_room: u64,
    pub(crate) seen_gaps: u64,
    /// Clients that stopped asking, which only a fault lets them do.
    pub(crate) given_up: BTreeSet<usize>,
}

pub(crate) enum Event {
    Arrive(Packet),
    Wake { client: Address, timer: u64 },
    Visit { client: usize },
    Begin { client: usize },
    Exit { client: Address },
    Rise { client: Address, since: u64 },
    Publish,
    Mishap,
    Weather,
}

impl World {
    pub(crate) fn new(seed: u64, fault: Option<Fault>, trace: Trace) -> Self {
        let mut random = Random::new(seed);
        let signs = random.percent(30);
        let server = Server::new(&mut random, signs);
        let clients = (0..=random.below(2))
            .map(|_| Client::new(Settings::draw(&mut random, signs)))
            .collect();
        Self {
            trace,
            seen: Seen::new(),
            fault,
            now: 0,
            agenda: BTreeMap::new(),
            decided: 0,
            weather: Weather::calm(0),
            settling: false,
            clients,
            server,
            store: Store::default(),
            largest_body: *random.one_of(&[usize::MAX, usize::MAX, 3_000]),
            books: Books::default(),
            processes: 0,
            producers: 0,
            best: BTreeMap::new(),
            forked: BTreeMap::new(),
            found_no_room: 0,
            seen_gaps: 0,
            given_up: BTreeSet::new(),
            random,
        }
    }

    pub(crate) fn schedule(&mut self, at: u64, event: Event) {
        self.decided += 1;
        self.agenda.insert((at, self.decided), event);
    }

    /// At some moment of the next `span` milliseconds.
    pub(crate) fn schedule_within(&mut self, span: u64, event: Event) {
        let at = self.now + 1 + self.random.below(span);
        self.schedule(at, event);
    }

    pub(crate) fn see(&mut self, happening: &'static str, count: u64) {
        if count > 0 {
            *self.seen.entry(happening).or_insert(0) += count;
        }
    }

    pub(crate) fn count(&mut self, counters: &Counters) {
        self.see("sent", counters.sent);
        self.see("deduplicated", counters.deduplicated);
        self.see("sampled out", counters.sampled_out);
        self.see("queue full", counters.dropped.queue_full);
        self.see("shed", counters.dropped.shed);
        self.see("rejected", counters.dropped.rejected);
    }

    pub(crate) fn run(&mut self) -> Checked {
        let end = self.random.below(400 * SECOND) + 100 * SECOND;
        for client in 0..self.clients.len() {
            let settings = &self.clients[client].settings;
            note!(self, "client {client}: {settings:?}");
            self.start(client)?;
            self.schedule_within(5 * SECOND, Event::Visit { client });
        }
        self.schedule_within(60 * SECOND, Event::Weather);
        self.schedule(30 * SECOND, Event::Publish);
        self.schedule(20 * SECOND, Event::Mishap);
        self.run_until(end)?;
        self.settle()
    }

    fn run_until(&mut self, end: u64) -> Checked {
        while let Some(entry) = self.agenda.first_entry() {
            let (at, _) = *entry.key();
            if at > end {
                break;
            }
            self.now = at;
            let event = entry.remove();
            self.happen(event)?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Checked {
        match event {
            Event::Arrive(packet) => self.arrive(packet),
            Event::Wake { client, timer } => {
                let index = client.client;
                let process = self.running(client);
                match process.is_some_and(|process| process.timer == timer) {
                    true => self.wake(index),
                    false => Ok(()),
                }
            }
            Event::Begin { client } => match self.clients[client].process {
                None => self.start(client),
                Some(_) => Ok(()),
            },
            Event::Exit { client } => match self.is_of(client) {
                true => self.exit(client.client),
                false => Ok(()),
            },
            Event::Rise { client, since } => {
                let sleep = self.clients[client.client].asleep;
                let sleeps = sleep.is_some_and(|sleep| sleep.since == since);
                match sleeps && self.is_of(client) {
                    true => self.rise(client.client),
                    false => Ok(()),
                }
            }
            _ if self.settling => Ok(()),
            Event::Visit { client } => {
                self.schedule_within(6 * SECOND, Event::Visit { client });
                self.visit(client)
            }
            Event::Publish => {
                self.schedule_within(60 * SECOND, Event::Publish);
                self.publish()
            }
            Event::Mishap => {
                self.schedule_within(25 * SECOND, Event::Mishap);
                self.mishap()
            }
            Event::Weather => {
                self.schedule_within(150 * SECOND, Event::Weather);
                self.weather = match self.weather.calm {
                    true => Weather::storm(self.now, &mut self.random),
                    false => Weather::calm(self.now),
                };
                let weather = &self.weather;
                note!(self, "{weather:?}");
                Ok(())
            }
        }
    }

    fn publish(&mut self) -> Checked {
        self.server.publish(self.now, &mut self.random);
        let newest = self.server.newest();
        note!(self, "server publishes revision {}", newest.revision);
        for client in 0..self.clients.len() {
            if self.clients[client].settings.pushed && self.is_running(client) {
                self.force(client);
                self.drive(client)?;
            }
        }
        Ok(())
    }

    fn is_of(&self, address: Address) -> bool {
        let process = self.clients[address.client].process.as_ref();
        process.is_some_and(|process| process.address == address)
    }

    fn running(&self, address: Address) -> Option<&crate::process::Process> {
        let client = &self.clients[address.client];
        let process = client.process.as_ref()?;
        (process.address == address && client.asleep.is_none()).then_some(process)
    }

    /// All gets well: nothing new befalls anybody, and what was begun comes to its end.
    fn settle(&mut self) -> Checked {
        note!(self, "the end begins");
        self.settling = true;
        self.weather = Weather::calm(self.now);
        let now = self.now;
        for client in 0..self.clients.len() {
            self.clients[client].disk.full = false;
            if self.clients[client]
                .process
                .as_ref()
                .is_some_and(|process| process.closing)
            {
                self.end(client)?;
            }
            if self.clients[client].process.is_none() {
                self.start(client)?;
            }
            self.rise(client)?;
            self.process(client).disturbed = now;
        }
        // Whoever published two flag sets under one number publishes a third under a new one.
        self.publish()?;
        let spans = (0..self.clients.len()).map(|client| {
            let news = self.clients[client].settings.intervals().1 + SECOND;
            self.drain(client).max(self.convergence(client) + news)
        });
        let end = self.now + spans.max().unwrap_or(0);
        self.run_until(end)?;
        self.check_end()?;
        self.see("gap", self.seen_gaps);
        Ok(())
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.seen).finish()
    }
}
