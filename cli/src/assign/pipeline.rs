//! A reader, threads that assign, and a writer that puts their work back in order.
//!
//! A fixed number of jobs goes round: the reader fills one with a chunk of the input, a thread adds the output
//! rows, the writer writes them and hands the job back. That bounds the memory, and in a steady state nothing is
//! allocated. Output that is out of proportion to its chunk is written in parts by the thread whose turn it is.

use std::collections::BTreeMap;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::assigner::{Assigner, Output, Plan};
use super::chunks::{Chunks, Place, ReadError};
use super::rows::{BadRow, Columns, CsvRows, Stop, read_ndjson};
use super::tally::Tally;

/// What all jobs together may hold, in and out: half of the 64 MiB that a run is to stay under, as vectors grow to
/// twice what they hold.
const JOBS_BYTES: usize = 32 << 20;

/// A chunk large enough that handing it over costs nothing beside working on it.
const MAX_CHUNK: usize = 256 << 10;

/// A chunk may be this small when each unit makes much output.
const MIN_CHUNK: usize = 512;

/// About what a unit takes in the input, in a row of output, and in an exposure record, for choosing the size of
/// chunks. A wrong guess costs time, no memory.
const UNIT_BYTES: usize = 8;
const CELL_BYTES: usize = 16;
const EXPOSURE_BYTES: usize = 640;

/// How records are read.
#[derive(Clone, Debug)]
pub(super) enum Reading {
    Csv(Columns),
    Ndjson { unit_attribute: Option<String> },
}

/// How many threads work on how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    threads: usize,
    jobs: usize,
    pub(super) chunk: usize,
    /// Output that a job may hold.
    output: usize,
}

impl Sizes {
    pub(super) fn new(threads: usize, plan: &Plan) -> Self {
        // One in the hands of each thread and one ready for it, and two with reader and writer.
        let jobs = 2 * threads + 2;
        let output = JOBS_BYTES / jobs / 2;
        let exposure = plan.producer.map_or(0, |_| EXPOSURE_BYTES);
        let row = UNIT_BYTES + plan.flags.len() * (CELL_BYTES + exposure);
        let chunk = output / 2 / row * UNIT_BYTES;
        Self {
            threads,
            jobs,
            chunk: chunk.clamp(MIN_CHUNK, MAX_CHUNK),
            output,
        }
    }
}

/// What takes the output, in the order of the input.
pub(super) trait Writer {
    /// Why it could not.
    type Error;

    /// Takes rows and records. `done` is the number of bytes of the input that are through with.
    fn write(&mut self, output: &Output, done: Option<u64>) -> Result<(), Self::Error>;
}

/// Why a run stopped.
#[derive(Debug)]
pub(super) enum Stopped<E> {
    Read(ReadError),
    BadRow {
        line: u64,
        problem: BadRow,
    },
    Write(E),
    /// A thread panicked, and has said so on stderr.
    Panicked,
}

#[derive(Debug, Default)]
struct Job {
    index: u64,
    place: Place,
    chunk: Vec<u8>,
    output: Output,
    /// Whether more output of this chunk will come.
    is_part: bool,
}

#[derive(Debug)]
enum Message {
    Done(Job),
    /// In place of the chunk of this index.
    Unreadable(u64, ReadError),
    Panicked,
}

/// Assigns everything that `chunks` holds.
pub(super) fn run<R, W>(
    plan: &Arc<Plan>,
    reading: &Reading,
    chunks: Chunks<R>,
    sizes: Sizes,
    writer: &mut W,
) -> Result<Tally, Stopped<W::Error>>
where
    R: Read + Send + 'static,
    W: Writer,
{
    let (free_in, free_out) = channel();
    for _ in 0..sizes.jobs {
        // Cannot fail: the other end is in scope.
        let _ = free_in.send(Job::default());
    }
    let (full_in, full_out) = sync_channel(sizes.jobs);
    let (done_in, done_out) = sync_channel(sizes.jobs);
    let full_out = Arc::new(Mutex::new(full_out));
    let turn = Arc::new(Turn::default());

    // None of these threads is waited for after a failure: the reader may hang in a read for as long as
    // whoever feeds it likes.
    let workers: Vec<JoinHandle<Option<Tally>>> = (0..sizes.threads)
        .map(|_| {
            let worker = Worker {
                plan: Arc::clone(plan),
                reading: reading.clone(),
                full: Arc::clone(&full_out),
                done: done_in.clone(),
                turn: Arc::clone(&turn),
                max_output: sizes.output,
            };
            std::thread::spawn(move || worker.run_or_tell())
        })
        .collect();
    let reader = std::thread::spawn(move || read(chunks, &free_out, &full_in, &done_in));

    let written = write(&done_out, &free_in, &turn, writer);
    turn.close();
    written?;
    reader.join().map_err(|_| Stopped::Panicked)?;
    let mut tallies = Vec::new();
    for worker in workers {
        tallies.push(worker.join().ok().flatten().ok_or(Stopped::Panicked)?);
    }
    let mut tally = Tally::new(&plan.handles(), &plan.unit_name);
    for other in &tallies {
        tally.add(other);
    }
    Ok(tally)
}

/// Sends chunks until the input ends or nobody wants more.
fn read<R: Read>(
    mut chunks: Chunks<R>,
    free: &Receiver<Job>,
    full: &SyncSender<Job>,
    done: &SyncSender<Message>,
) {
    for (index, mut job) in (0..).zip(free) {
        job.index = index;
        match chunks.next(&mut job.chunk) {
            Ok(Some(place)) => job.place = place,
            Ok(None) => return,
            Err(error) => {
                // If the writer is gone, it has a failure of its own.
                let _ = done.send(Message::Unreadable(index, error));
                return;
            }
        }
        if full.send(job).is_err() {
            return;
        }
    }
}

struct Worker {
    plan: Arc<Plan>,
    reading: Reading,
    full: Arc<Mutex<Receiver<Job>>>,
    done: SyncSender<Message>,
    turn: Arc<Turn>,
    max_output: usize,
}

impl Worker {
    /// What was counted; `None` after a panic, which the writer is told of, or it would wait for ever.
    fn run_or_tell(self) -> Option<Tally> {
        let tally = catch_unwind(AssertUnwindSafe(|| self.run()));
        if tally.is_err() {
            let _ = self.done.send(Message::Panicked);
        }
        tally.ok()
    }

    fn run(&self) -> Tally {
        let mut assigner = Assigner::new(&self.plan);
        let mut csv = CsvRows::new();
        while let Some(mut job) = self.next() {
            job.output.clear();
            job.is_part = false;
            let index = job.index;
            let mut sink = assigner.sink(&mut job.output, |output| {
                if output.len() < self.max_output {
                    return Ok(());
                }
                // Only the writer's next chunk may be sent in parts: others would have to be kept.
                self.turn.wait_for(index)?;
                let part = Job {
                    index,
                    output: std::mem::take(output),
                    is_part: true,
                    ..Job::default()
                };
                self.done.send(Message::Done(part)).map_err(|_| Stop)
            });
            let read = match &self.reading {
                Reading::Csv(columns) => csv.read(&job.chunk, columns, &mut sink),
                Reading::Ndjson { unit_attribute } => {
                    read_ndjson(&job.chunk, unit_attribute.as_deref(), &mut sink)
                }
            };
            let stopped = read.is_err();
            if self.done.send(Message::Done(job)).is_err() || stopped {
                break;
            }
        }
        assigner.tally
    }

    fn next(&self) -> Option<Job> {
        let full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        full.recv().ok()
    }
}

/// Writes in the order of the input.
fn write<W: Writer>(
    done: &Receiver<Message>,
    free: &Sender<Job>,
    turn: &Turn,
    writer: &mut W,
) -> Result<(), Stopped<W::Error>> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for message in done {
        let index = match &message {
            Message::Done(job) => job.index,
            Message::Unreadable(index, _) => *index,
            Message::Panicked => return Err(Stopped::Panicked),
        };
        waiting.insert(index, message);
        while let Some(message) = waiting.remove(&next) {
            let job = match message {
                Message::Done(job) => job,
                Message::Unreadable(_, error) => return Err(Stopped::Read(error)),
                Message::Panicked => return Err(Stopped::Panicked),
            };
            let end = (!job.is_part).then_some(job.place.end);
            writer.write(&job.output, end).map_err(Stopped::Write)?;
            if job.is_part {
                continue;
            }
            if let Some((line, problem)) = job.output.failure {
                let line = job.place.line + line;
                return Err(Stopped::BadRow { line, problem });
            }
            next += 1;
            turn.set(next);
            // The reader may have ended.
            let _ = free.send(job);
        }
    }
    Ok(())
}

/// Which chunk the writer is at.
#[derive(Debug, Default)]
struct Turn {
    next: Mutex<u64>,
    changed: Condvar,
}

impl Turn {
    const CLOSED: u64 = u64::MAX;

    fn set(&self, next: u64) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.changed.notify_all();
    }

    /// Nothing will be written any more.
    fn close(&self) {
        self.set(Self::CLOSED);
    }

    fn wait_for(&self, index: u64) -> Result<(), Stop> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.changed.wait_while(next, |next| *next < index);
        match *next.unwrap_or_else(PoisonError::into_inner) {
            Self::CLOSED => Err(Stop),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
