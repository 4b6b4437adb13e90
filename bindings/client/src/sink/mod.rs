//! Where exposures go.

mod blocking;
#[cfg(feature = "http")]
mod http;
mod ndjson;
#[cfg(feature = "opentelemetry")]
mod otel;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use blocking::{Blocking, BlockingSink, callback};
pub use bucketry_core::Batch;
#[cfg(feature = "http")]
pub use http::HttpSink;
pub use ndjson::{Durability, ExposureFiles, NdjsonSink};
#[cfg(feature = "opentelemetry")]
pub use otel::OpenTelemetrySink;

/// What a sink's methods return: a future that a thread of the client can run.
pub type SinkFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where batches of exposures are delivered to.
///
/// A batch is kept until the answer is [`Delivered::Accepted`] (or a 2xx status), so a sink answers that only when the
/// records are safe. After a failure the same batch, with the same id and the same bytes, comes again later. Batches may come
/// side by side and in any order; a receiver that has the same id twice has the same records twice.
///
/// A sink that panics is counted, and asked again as after any other failure. A sink that does not answer
/// within [`ExposureOptions::send_timeout`] is cancelled (its future is dropped) and asked again.
///
/// Implement [`BlockingSink`] instead for code that blocks.
///
/// [`ExposureOptions::send_timeout`]: crate::ExposureOptions::send_timeout
pub trait Sink: Send + Sync + 'static {
    /// Takes a batch.
    fn deliver<'a>(&'a self, batch: &'a Batch) -> SinkFuture<'a, Delivered>;

    /// What log lines and metrics call it.
    fn name(&self) -> &str {
        "custom"
    }

    /// Called once, before the first batch.
    fn start(&self) -> SinkFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Called once, after the last batch: the place to finish files.
    fn close(&self) -> SinkFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// The sink that a forked child uses instead, because it cannot share this one's files or connections. `None`, the
    /// default: it uses this one.
    fn in_child(&self) -> Option<Arc<dyn Sink>> {
        None
    }
}

/// What became of a batch that was given to a sink.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Delivered {
    /// It is safe. The client forgets it.
    Accepted,
    /// An HTTP status, read as `docs/exposures.md` section 7 says: 2xx accepts, 413 halves the batch, 400, 415 and 422 reject,
    /// everything else is sent again.
    Status {
        /// The status.
        status: u16,
        /// How long the receiver asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// It did not work this time, and why: the batch is kept, and sent again.
    Failed(String),
    /// It will never be taken, and why: its exposures are dropped and counted.
    Rejected(String),
}

impl From<()> for Delivered {
    fn from((): ()) -> Self {
        Self::Accepted
    }
}

impl<T, E: fmt::Display> From<Result<T, E>> for Delivered {
    /// An error is a failure: the batch is sent again.
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Accepted,
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

impl<S: Sink + ?Sized> Sink for Arc<S> {
    fn deliver<'a>(&'a self, batch: &'a Batch) -> SinkFuture<'a, Delivered> {
        (**self).deliver(batch)
    }

    fn name(&self) -> &str {
        (**self).name()
    }

    fn start(&self) -> SinkFuture<'_, ()> {
        (**self).start()
    }

    fn close(&self) -> SinkFuture<'_, ()> {
        (**self).close()
    }

    fn in_child(&self) -> Option<Arc<dyn Sink>> {
        (**self).in_child()
    }
}
