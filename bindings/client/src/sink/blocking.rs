//! Sinks of code that blocks, and callbacks.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::{Batch, Delivered, Sink, SinkFuture};

/// Where batches of exposures are delivered to, for code that blocks: a file, a database, a client that is not `async`.
///
/// It gets one batch at a time, on a thread that may wait. What is said of [`Sink`] holds.
pub trait BlockingSink: Send + Sync + 'static {
    /// Takes a batch.
    fn deliver(&self, batch: &Batch) -> Delivered;

    /// What log lines and metrics call it.
    fn name(&self) -> &str {
        "custom"
    }

    /// Called once, before the first batch.
    fn start(&self) {}

    /// Called once, after the last batch.
    fn close(&self) {}

    /// See [`Sink::in_child`].
    fn in_child(&self) -> Option<Arc<dyn Sink>> {
        None
    }
}

/// A [`BlockingSink`] as a [`Sink`].
pub struct Blocking<S> {
    sink: Arc<S>,
    /// One call at a time: a call that hangs costs one thread, not one an attempt.
    turn: Arc<Mutex<()>>,
}

impl<S: BlockingSink> Blocking<S> {
    /// Runs `sink` where it may block.
    pub fn new(sink: S) -> Self {
        Self {
            sink: Arc::new(sink),
            turn: Arc::default(),
        }
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&S) -> T + Send + 'static) -> T {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let sink = Arc::clone(&self.sink);
        let done = spawn_blocking(move || {
            // Until the work is done, even when nobody waits for it any more.
            let _turn = turn;
            work(&sink)
        });
        match done.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime is going away: whoever waits is too.
            Err(_) => std::future::pending().await,
        }
    }
}

impl<S: BlockingSink> Sink for Blocking<S> {
    fn deliver<'a>(&'a self, batch: &'a Batch) -> SinkFuture<'a, Delivered> {
        let batch = batch.clone();
        Box::pin(self.run(move |sink| sink.deliver(&batch)))
    }

    fn name(&self) -> &str {
        self.sink.name()
    }

    fn start(&self) -> SinkFuture<'_, ()> {
        Box::pin(self.run(S::start))
    }

    fn close(&self) -> SinkFuture<'_, ()> {
        Box::pin(self.run(S::close))
    }

    fn in_child(&self) -> Option<Arc<dyn Sink>> {
        // The turn may be that of a thread which the child does not have.
        let with_another_turn = || {
            Arc::new(Self {
                sink: Arc::clone(&self.sink),
                turn: Arc::default(),
            }) as Arc<dyn Sink>
        };
        Some(self.sink.in_child().unwrap_or_else(with_another_turn))
    }
}

impl<S: BlockingSink> fmt::Debug for Blocking<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking")
            .field("sink", &self.sink.name())
            .finish_non_exhaustive()
    }
}

/// A sink that calls a function with each batch, on a thread that may wait. What it returns is [`Delivered`], or
/// becomes it: `()` accepts, an error is a failure.
///
/// ```
/// use bucketry::{Batch, callback};
///
/// let sink = callback(|batch: &Batch| -> Result<(), std::io::Error> {
///     // One record a line.
///     for record in batch.body.split_inclusive(|byte| *byte == b'\n') {
///         std::io::Write::write_all(&mut std::io::stdout(), record)?;
///     }
///     Ok(())
/// });
/// # let _ = sink;
/// ```
pub fn callback<F, R>(function: F) -> impl Sink
where
    F: Fn(&Batch) -> R + Send + Sync + 'static,
    R: Into<Delivered>,
{
    Blocking::new(Callback(move |batch: &Batch| function(batch).into()))
}

struct Callback<F>(F);

impl<F: Fn(&Batch) -> Delivered + Send + Sync + 'static> BlockingSink for Callback<F> {
    fn deliver(&self, batch: &Batch) -> Delivered {
        (self.0)(batch)
    }

    fn name(&self) -> &str {
        "callback"
    }
}
