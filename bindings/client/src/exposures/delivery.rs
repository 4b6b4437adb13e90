//! The loop that drives the logs: batches to the sink, answers back.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bucketry_core::{Batch, BatchId, Counters, Delivery, LogStep, MonotonicMillis};
use tokio::task::{Id, JoinError, JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::Inner;
use super::report::{self, FlushReport};
use crate::sink::Delivered;

/// How long the sink may take to finish its files when everything ends, beside the time for delivering.
const CLOSING: Duration = Duration::from_secs(5);

/// Batches that the sink has and did not answer yet.
#[derive(Default)]
struct Deliveries {
    tasks: JoinSet<Delivered>,
    /// Which batch of which shard each task delivers: a task that panics does not say.
    batches: HashMap<Id, Handed>,
}

struct Handed {
    shard: usize,
    id: BatchId,
    attempt: u32,
}

impl Inner {
    pub(super) async fn run(&self) {
        self.guarded("start", self.config.sink.start()).await;
        let mut deliveries = Deliveries::default();
        // Which shard is asked first, so that under a limit all get their turn.
        let mut turn = 0_usize;
        while !self.stopping.load(Ordering::Acquire) {
            turn = turn.wrapping_add(1);
            let next = self.hand_out(&mut deliveries, turn);
            let due = async {
                match next {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(answer) = deliveries.tasks.join_next_with_id() => {
                    self.settle(&mut deliveries, answer);
                }
                () = self.wake.notified() => {}
                () = due => {}
            }
        }
    }

    /// Gives the sink what is due. How long until something else is; `None`: not before an answer or an exposure.
    fn hand_out(&self, deliveries: &mut Deliveries, turn: usize) -> Option<Duration> {
        let count = self.shards.count();
        let mut next: Option<Duration> = None;
        for place in 0..count {
            let place = turn.wrapping_add(place) % count;
            loop {
                if deliveries.tasks.len() >= self.config.options.in_flight_limit() {
                    // The next answer brings the loop back here.
                    return None;
                }
                let now = (self.config.clock)();
                let pause = self.pause_left(now.monotonic);
                if !pause.is_zero() {
                    return Some(pause);
                }
                let step = self.shards.at(place).lock().poll(now);
                match step {
                    LogStep::Send(batch) => self.hand_over(deliveries, place, batch),
                    LogStep::Wait(at) => {
                        let wait = at.map(|at| at.since(now.monotonic));
                        next = [next, wait].into_iter().flatten().min();
                        break;
                    }
                }
            }
        }
        next
    }

    fn hand_over(&self, deliveries: &mut Deliveries, shard: usize, batch: Batch) {
        self.health.attempts.fetch_add(1, Ordering::Relaxed);
        let handed = Handed {
            shard,
            id: batch.id,
            attempt: batch.attempt,
        };
        let sink = Arc::clone(&self.config.sink);
        let limit = self.config.options.time_limit();
        let task = deliveries.tasks.spawn(async move {
            match timeout(limit, sink.deliver(&batch)).await {
                Ok(delivered) => delivered,
                Err(_) => Delivered::Failed(format!("no answer within {limit:?}")),
            }
        });
        deliveries.batches.insert(task.id(), handed);
    }

    /// Tells the log what became of a batch.
    fn settle(&self, deliveries: &mut Deliveries, answer: Result<(Id, Delivered), JoinError>) {
        let (task, delivered) = match answer {
            Ok((task, delivered)) => (task, delivered),
            Err(error) => {
                self.health.panics.fetch_add(1, Ordering::Relaxed);
                (error.id(), Delivered::Failed("the sink panicked".into()))
            }
        };
        let Some(Handed { shard, id, attempt }) = deliveries.batches.remove(&task) else {
            return;
        };
        let now = (self.config.clock)().monotonic;
        let (mut failure, mut pause) = (None, None);
        let fate = {
            let log = &mut self.shards.at(shard).lock().log;
            match delivered {
                Delivered::Accepted => {
                    log.acknowledge(id);
                    Delivery::Acknowledged
                }
                Delivered::Status {
                    status,
                    retry_after,
                } => {
                    let fate = log.on_response(id, status, retry_after, now);
                    if !(200..300).contains(&status) {
                        failure = Some(format!("answered with status {status}"));
                    }
                    if fate == Delivery::Retrying {
                        pause = retry_after;
                    }
                    fate
                }
                Delivered::Failed(reason) => {
                    log.retry(id, now, None);
                    failure = Some(reason);
                    Delivery::Retrying
                }
                Delivered::Rejected(reason) => {
                    log.reject(id);
                    failure = Some(reason);
                    Delivery::Rejected
                }
            }
        };
        if let Some(pause) = pause {
            self.pause(now, pause);
        }
        self.note(fate, failure, (id, attempt));
        self.progress.send_replace(());
    }

    /// Counts and logs what an attempt came to.
    fn note(&self, fate: Delivery, failure: Option<String>, (id, attempt): (BatchId, u32)) {
        let sink = self.config.sink.name();
        match (fate, &failure) {
            (Delivery::Rejected, Some(reason)) => warn!(
                target: "bucketry", sink, batch = %id, attempt,
                "exposures refused for good, and dropped: {reason}"
            ),
            (Delivery::Split, _) => debug!(
                target: "bucketry", sink, batch = %id, "batch too large, sent again in two halves"
            ),
            (_, Some(reason)) => warn!(
                target: "bucketry", sink, batch = %id, attempt,
                "exposures not delivered, kept, and sent again later: {reason}"
            ),
            (_, None) => {
                debug!(target: "bucketry", sink, batch = %id, attempt, "exposures delivered")
            }
        }
        if fate == Delivery::Retrying {
            self.health.failures.fetch_add(1, Ordering::Relaxed);
        }
        *self.health.failing() = failure;
    }

    /// Runs something of the sink's that is no delivery: a panic of it stays there.
    async fn guarded(&self, what: &str, work: impl Future<Output = ()> + Send) {
        // A task of its own would have to own the sink; unwinding is caught poll by poll instead.
        if catch(work).await.is_err() {
            self.health.panics.fetch_add(1, Ordering::Relaxed);
            let sink = self.config.sink.name();
            warn!(target: "bucketry", sink, "the sink panicked at its {what}");
        }
    }

    /// The receiver asked to be left alone, by whichever shard.
    fn pause(&self, now: MonotonicMillis, pause: Duration) {
        let until = now.after(pause.min(self.config.options.longest_pause()));
        self.pause_until.fetch_max(until.0, Ordering::Relaxed);
    }

    fn pause_left(&self, now: MonotonicMillis) -> Duration {
        MonotonicMillis(self.pause_until.load(Ordering::Relaxed)).since(now)
    }

    pub(super) async fn flush(&self, limit: Duration) -> FlushReport {
        let mut progress = self.progress.subscribe();
        let mut before = Counters::default();
        let mut targets = Vec::new();
        for shard in self.shards.iter() {
            let log = &mut shard.lock().log;
            log.flush();
            let counters = log.counters();
            targets.push(settled(&counters) + pending(&counters));
            report::add(&mut before, &counters);
        }
        self.pause_until.store(0, Ordering::Relaxed);
        self.wake.notify_one();
        let is_done = || {
            self.shards.iter().zip(&targets).all(|(shard, target)| {
                let counters = shard.lock().log.counters();
                pending(&counters) == 0 || settled(&counters) >= *target
            })
        };
        let all = async {
            while !is_done() {
                if progress.changed().await.is_err() {
                    return;
                }
            }
        };
        // What is not done by then is in the report.
        let _ = timeout(limit, all).await;
        self.report(&before)
    }

    pub(super) async fn shut_down(self: &Arc<Self>, limit: Duration) -> FlushReport {
        let before = self.counters();
        let _ = self.flush(limit).await;
        self.stopping.store(true, Ordering::Release);
        self.wake.notify_one();
        let mut ended = self.ended.subscribe();
        let closing = async {
            let _ = ended.wait_for(|ended| *ended).await;
            self.guarded("close", self.config.sink.close()).await;
        };
        if timeout(CLOSING, closing).await.is_err() {
            let sink = self.config.sink.name();
            warn!(target: "bucketry", sink, "the sink did not close within {CLOSING:?}");
        }
        let mut report = self.report(&before);
        self.leave(&mut report).await;
        if report.dropped.abandoned > 0 {
            warn!(
                target: "bucketry",
                "{} exposures were not delivered before the client was closed, and are lost",
                report.dropped.abandoned
            );
        }
        report
    }

    /// Leaves what is not delivered on disk, if there is a spool.
    async fn leave(self: &Arc<Self>, report: &mut FlushReport) {
        let kept = std::mem::take(&mut report.kept).total();
        report.dropped.abandoned = kept;
        if self.config.spool.is_none() {
            return;
        }
        let inner = Arc::clone(self);
        let spooled = spawn_blocking(move || inner.spool_finally());
        let failed = match timeout(CLOSING, spooled).await {
            Ok(Ok(Ok(lost))) => {
                report.kept.spooled = kept.saturating_sub(lost);
                report.dropped.abandoned = lost.min(kept);
                return;
            }
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {CLOSING:?}"),
        };
        warn!(target: "bucketry", "the spool could not be written: {failed}");
    }

    fn report(&self, before: &Counters) -> FlushReport {
        let mut report = FlushReport::between(before, self.counters());
        report.failure.clone_from(&self.health.failing());
        report
    }
}

/// Exposures that wait for the receiver.
const fn pending(counters: &Counters) -> u64 {
    counters.queued + counters.in_flight + counters.restored.in_flight
}

/// Exposures that waited for the receiver, or would have, and no longer do.
const fn settled(counters: &Counters) -> u64 {
    let restored = &counters.restored;
    counters.sent + counters.dropped.total() + restored.sent + restored.dropped
}

/// A future's result, or that it panicked.
async fn catch<T>(work: impl Future<Output = T>) -> Result<T, ()> {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let mut work = std::pin::pin!(work);
    std::future::poll_fn(move |context| {
        // After a panic it is not polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(_) => std::task::Poll::Ready(Err(())),
        }
    })
    .await
}
