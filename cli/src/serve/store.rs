//! The one thread that stores batches: what waits is written together and made durable together, then answered.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::body::Bytes;
use bucketry_core::{BatchId, EventId, ProducerId};
use serde::Serialize;
use tokio::sync::oneshot;

use super::ledger::{Ledger, Totals};
use super::ranges::Ranges;
use super::record::{Batch, Heartbeat, Seen, write_repeat};
use super::shelf::Shelf;
use crate::clock;
use crate::failure::{note, warning};

/// Most bytes that are written and made durable at once.
const MAX_GROUP_BYTES: usize = 8 << 20;
/// How long the thread waits when there is no file to seal.
const IDLE: Duration = Duration::from_secs(3_600);
/// How long it waits before it tries again to seal a file.
const RETRY: Duration = Duration::from_secs(1);

/// What became of the records of a batch, as its sender is told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub(super) struct Stored {
    /// Stored now, repeats included.
    #[serde(rename = "stored")]
    pub(super) records: u64,
    /// Of these, exposures that are stored already and of which only the number was kept.
    pub(super) repeats: u64,
    /// Stored before.
    pub(super) known: u64,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    pub(super) batches: u64,
    /// Batches of which everything was stored before.
    pub(super) known_batches: u64,
    pub(super) records: u64,
    pub(super) repeats: u64,
    pub(super) bytes: u64,
    /// Times that what was written was made durable.
    pub(super) commits: u64,
    pub(super) failures: u64,
}

/// Why a batch was not stored.
#[derive(Debug, Clone)]
pub(super) enum NotStored {
    /// Too much waits already.
    Busy,
    /// The server is stopping.
    Stopping,
    /// The disk refused.
    Disk(String),
}

struct Job {
    body: Bytes,
    batch: Batch,
    answer: oneshot::Sender<Result<Stored, NotStored>>,
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Store {
    jobs: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

/// What requests for the report and the metrics read.
#[derive(Debug)]
struct Shared {
    ledger: Mutex<Ledger>,
    counts: Mutex<Counts>,
    /// Why the last write failed, until one succeeds.
    problem: Mutex<Option<String>>,
    folder: String,
}

impl Store {
    /// Starts the thread. At most `waiting` batches wait for it.
    pub(super) fn start(shelf: Shelf, ledger: Ledger, waiting: usize) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(waiting);
        let shared = Arc::new(Shared {
            ledger: Mutex::new(ledger),
            counts: Mutex::default(),
            problem: Mutex::default(),
            folder: shelf.path.display().to_string(),
        });
        let writer = Writer {
            shelf,
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new()
            .name("exposures".into())
            .spawn(move || writer.run(&queue))?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            shared,
        })
    }

    /// Stores a batch. When this gives `Ok`, it is durable; who stops waiting does not stop the storing.
    pub(super) async fn store(&self, body: Bytes, batch: Batch) -> Result<Stored, NotStored> {
        let (answer, told) = oneshot::channel();
        let job = Job {
            body,
            batch,
            answer,
        };
        self.send(job)?;
        told.await.unwrap_or(Err(NotStored::Stopping))
    }

    fn send(&self, job: Job) -> Result<(), NotStored> {
        let jobs = lock(&self.jobs);
        let sent = jobs.as_ref().ok_or(NotStored::Stopping)?.try_send(job);
        sent.map_err(|error| match error {
            TrySendError::Full(_) => NotStored::Busy,
            TrySendError::Disconnected(_) => NotStored::Stopping,
        })
    }

    /// Stores what waits, seals the file, and ends the thread.
    pub(super) fn stop(&self) {
        lock(&self.jobs).take();
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            warning("the thread that stores exposures had failed");
        }
    }

    pub(super) fn counts(&self) -> Counts {
        *lock(&self.shared.counts)
    }

    pub(super) fn totals(&self) -> Totals {
        lock(&self.shared.ledger).totals()
    }

    pub(super) fn problem(&self) -> Option<String> {
        lock(&self.shared.problem).clone()
    }

    pub(super) fn folder(&self) -> &str {
        &self.shared.folder
    }

    /// Reads what is remembered of the producers. What is stored waits meanwhile.
    pub(super) fn with_ledger<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        read(&lock(&self.shared.ledger))
    }
}

/// A thread that panicked had not yet changed what it would have changed last.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Writer {
    shelf: Shelf,
    shared: Arc<Shared>,
}

/// What is about to be stored together.
#[derive(Default)]
struct Group {
    lines: Vec<u8>,
    held: BTreeMap<ProducerId, Ranges>,
    seen: HashMap<EventId, i64>,
    heartbeats: Vec<(ProducerId, u64, Heartbeat)>,
    answers: Vec<Answer>,
}

/// Whom to tell, and what if all goes well.
struct Answer {
    to: oneshot::Sender<Result<Stored, NotStored>>,
    stored: Stored,
    /// Whether it is true only if this group is stored.
    needs_disk: bool,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Job>) {
        let mut failing = false;
        loop {
            let due = self.shelf.files.until_due().unwrap_or(IDLE);
            let wait = if failing { due.max(RETRY) } else { due };
            match queue.recv_timeout(wait) {
                Ok(first) => {
                    let group = self.group(first, queue);
                    self.commit(group);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let rotated = self.shelf.files.seal_if_due();
            failing = rotated.is_err();
            self.tell_failure(rotated);
        }
        self.shelf.files.close();
    }

    /// What is stored together: the first that came and what waits behind it.
    fn group(&self, first: Job, queue: &Receiver<Job>) -> Group {
        let mut group = Group::default();
        let ledger = lock(&self.shared.ledger);
        group.add(first, &ledger);
        while group.lines.len() < MAX_GROUP_BYTES
            && let Ok(next) = queue.try_recv()
        {
            group.add(next, &ledger);
        }
        group
    }

    fn commit(&mut self, group: Group) {
        if group.lines.is_empty() {
            return self.answer(group.answers, None);
        }
        let numbers = group.numbers();
        let done = self.shelf.files.append(&group.lines, &numbers);
        if let Err(error) = done {
            let reason = error.to_string();
            self.tell_failure(Err(error));
            return self.answer(group.answers, Some(&reason));
        }
        if lock(&self.shared.problem).take().is_some() {
            let folder = &self.shared.folder;
            note(format_args!("exposures are stored in `{folder}` again"));
        }
        {
            let now = clock::now();
            let mut ledger = lock(&self.shared.ledger);
            for (producer, numbers) in &group.held {
                ledger.hold(*producer, numbers, Some(now));
            }
            for (event_id, ts) in group.seen {
                ledger.see(Seen { event_id, ts });
            }
            for (producer, seq, heartbeat) in group.heartbeats {
                ledger.beat(producer, seq, heartbeat);
            }
        }
        {
            let mut counts = lock(&self.shared.counts);
            counts.commits += 1;
            counts.bytes += group.lines.len() as u64;
        }
        self.answer(group.answers, None);
    }

    /// Answers the requests. If the disk refused, those that need nothing of it are still told that all is well.
    fn answer(&self, answers: Vec<Answer>, refused: Option<&str>) {
        let mut counts = lock(&self.shared.counts);
        for answer in answers {
            let stored = answer.stored;
            let result = match refused.filter(|_| answer.needs_disk) {
                Some(reason) => {
                    counts.failures += 1;
                    Err(NotStored::Disk(reason.into()))
                }
                None => {
                    counts.batches += 1;
                    counts.known_batches += u64::from(stored.records == 0);
                    counts.records += stored.records;
                    counts.repeats += stored.repeats;
                    Ok(stored)
                }
            };
            // Whoever asked may have gone: it asks again, and is told that the batch is known.
            let _ = answer.to.send(result);
        }
    }

    /// Says what fails, once for each reason.
    fn tell_failure(&self, done: io::Result<()>) {
        let Err(error) = done else {
            return;
        };
        let reason = error.to_string();
        let before = lock(&self.shared.problem).replace(reason.clone());
        if before.as_ref() != Some(&reason) {
            let folder = &self.shared.folder;
            warning(format_args!(
                "cannot store exposures in `{folder}`: {reason}; senders are asked to send again"
            ));
        }
    }
}

impl Group {
    /// Which records the lines are.
    fn numbers(&self) -> Vec<BatchId> {
        let of = |(producer, held): (&ProducerId, &Ranges)| {
            let producer = *producer;
            let batch = move |(first, last): &(u64, u64)| BatchId {
                producer,
                first: *first,
                last: *last,
            };
            held.as_slice().iter().map(batch).collect::<Vec<_>>()
        };
        self.held.iter().flat_map(of).collect()
    }

    /// Takes from a batch what is not stored yet.
    fn add(&mut self, job: Job, ledger: &Ledger) {
        let Job {
            body,
            batch,
            answer,
        } = job;
        let mut answer = Answer {
            to: answer,
            stored: Stored::default(),
            needs_disk: false,
        };
        for line in &batch.lines {
            let number = batch.id.map(|id| id.producer).zip(line.seq);
            if let Some((producer, seq)) = number {
                if ledger.holds(producer, seq) {
                    answer.stored.known += 1;
                    continue;
                }
                let held = self.held.entry(producer).or_default();
                answer.needs_disk = true;
                if held.contains(seq) {
                    // Another attempt of it is in this group.
                    answer.stored.known += 1;
                    continue;
                }
                held.insert(seq, seq);
            }
            answer.needs_disk = true;
            answer.stored.records += 1;
            let before = line.exposure.filter(|seen| self.has_seen(*seen, ledger));
            match (before, number) {
                (Some(seen), Some((producer, seq))) => {
                    answer.stored.repeats += 1;
                    write_repeat(producer, seq, seen, &mut self.lines);
                }
                // An exposure without a number that is stored already leaves nothing worth keeping.
                (Some(_), None) => {
                    answer.stored.records -= 1;
                    answer.stored.known += 1;
                }
                (None, _) => {
                    let text = body.get(line.bytes.clone()).unwrap_or_default();
                    self.lines.extend_from_slice(text);
                }
            }
            if let Some(seen) = line.exposure {
                let ts = self.seen.entry(seen.event_id).or_insert(seen.ts);
                *ts = (*ts).min(seen.ts);
            }
        }
        if let (Some(id), Some((seq, heartbeat))) = (batch.id, batch.heartbeat) {
            self.heartbeats.push((id.producer, seq, heartbeat));
        }
        self.answers.push(answer);
    }

    /// Whether an exposure of this id, no later than this one, is stored or about to be.
    fn has_seen(&self, seen: Seen, ledger: &Ledger) -> bool {
        let here = self.seen.get(&seen.event_id);
        here.is_some_and(|ts| *ts <= seen.ts) || ledger.has_seen(seen)
    }
}
