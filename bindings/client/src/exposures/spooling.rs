//! What the spool is given and what comes out of it.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bucketry_core::{BatchId, write_spool};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::Inner;
use crate::spool::{Spool, Stored};

/// How often it is looked for processes that ended.
const ADOPTION: Duration = Duration::from_secs(30);

/// How a line begins that is an exposure.
const EXPOSURE: &[u8] = br#"{"v":1,"rec":"exposure""#;

impl Inner {
    /// Keeps the spool up to date; never ends.
    pub(super) async fn keep_spool(self: &Arc<Self>) {
        let Some(options) = &self.config.spool else {
            return std::future::pending().await;
        };
        let mut until_adoption = Duration::ZERO;
        loop {
            let adopt = until_adoption.is_zero();
            if adopt {
                until_adoption = ADOPTION;
            }
            let inner = Arc::clone(self);
            let done = spawn_blocking(move || inner.spool_once(adopt)).await;
            match done {
                Ok(result) => self.note_spool(result.err()),
                // It panicked, or the runtime ends.
                Err(error) => self.note_spool(Some(io::Error::other(error))),
            }
            sleep(options.interval).await;
            until_adoption = until_adoption.saturating_sub(options.interval);
        }
    }

    /// Writes what is new, removes what is settled, takes over what ended processes left and restores what there is room for.
    fn spool_once(&self, adopt: bool) -> io::Result<()> {
        let mut spool = self.spool();
        let Some(options) = &self.config.spool else {
            return Ok(());
        };
        let spool = match &mut *spool {
            Some(spool) => spool,
            none => none.insert(Spool::open(options)?),
        };
        let (new, pending) = self.unspooled(spool);
        spool.save(&new, &pending)?;
        drop(new);
        if adopt {
            spool.adopt()?;
        }
        self.restore(spool)
    }

    /// Writes everything that is pending, and leaves it for the next process. How many exposures are not on disk.
    pub(super) fn spool_finally(&self) -> io::Result<u64> {
        let Some(options) = &self.config.spool else {
            return Ok(0);
        };
        let mut spool = match self.spool().take() {
            Some(spool) => spool,
            None => Spool::open(options)?,
        };
        let (new, pending) = self.unspooled(&spool);
        let left = spool.save(&new, &pending)?;
        if let Err(error) = spool.compact(&pending) {
            debug!(target: "bucketry", "the next process will deliver some exposures again: {error}");
        }
        let unsaved = new.iter().rev().take(left);
        let lines = unsaved.flat_map(|(_, body)| body.split(|byte| *byte == b'\n'));
        let lost = lines.filter(|line| line.starts_with(EXPOSURE)).count();
        spool.close();
        Ok(lost as u64)
    }

    /// The batches that are pending and not in the spool, and the ids of all that are pending.
    fn unspooled(&self, spool: &Spool) -> (Vec<Stored>, HashSet<BatchId>) {
        let held = spool.holds();
        let (mut new, mut pending) = (Vec::new(), HashSet::new());
        for shard in self.shards.iter() {
            let mut state = shard.lock();
            for (id, body) in state.log.pending_batches() {
                pending.insert(id);
                if !held.contains(&id) {
                    new.push((id, body.to_vec()));
                }
            }
        }
        // What was queued is in batches now, which need not wait.
        if !new.is_empty() {
            self.wake.notify_one();
        }
        (new, pending)
    }

    /// Restores what was taken over, as far as there is room.
    fn restore(&self, spool: &mut Spool) -> io::Result<()> {
        loop {
            let batches = match spool.waiting() {
                Ok(Some(batches)) => batches,
                Ok(None) => return Ok(()),
                Err(error) => {
                    spool.forget_waiting();
                    return Err(error);
                }
            };
            let mut restored = 0;
            for (id, body) in &batches {
                if !self.restore_batch(*id, body) {
                    break;
                }
                restored += 1;
            }
            spool.restored(restored);
            if restored > 0 {
                info!(target: "bucketry", "restored {restored} batches of exposures of processes that ended");
                self.wake.notify_one();
            }
            if restored < batches.len() {
                return Ok(());
            }
        }
    }

    /// Gives a batch to the log that holds least, if it would leave half of its room for what is recorded here.
    fn restore_batch(&self, id: BatchId, body: &[u8]) -> bool {
        let places = 0..self.shards.count();
        let loads = places.map(|place| (self.shards.at(place).lock().log.pending_bytes(), place));
        let Some((load, place)) = loads.min() else {
            return false;
        };
        let options = &self.config.options;
        let records = id.last - id.first + 1;
        if load > 0 && !options.has_room_to_restore(load, body.len(), records, self.shards.count())
        {
            return false;
        }
        let text = write_spool(&[(id, body)]);
        let mut state = self.shards.at(place).lock();
        match state.log.restore(&text) {
            Ok(_) => true,
            Err(error) => {
                warn!(target: "bucketry", batch = %id, "a batch of the spool is refused: {error}");
                true
            }
        }
    }

    fn note_spool(&self, error: Option<io::Error>) {
        let reason = error.map(|error| error.to_string());
        let mut failing = self.health.spool_failing();
        if let (Some(reason), None) = (&reason, &*failing) {
            warn!(target: "bucketry", "the spool cannot be written, so a crash would lose exposures: {reason}");
        } else if reason.is_none() && failing.is_some() {
            info!(target: "bucketry", "the spool can be written again");
        }
        *failing = reason;
    }

    fn spool(&self) -> MutexGuard<'_, Option<Spool>> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
