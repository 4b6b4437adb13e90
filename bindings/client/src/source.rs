//! Where flag sets come from.

pub(crate) mod file;
#[cfg(feature = "http")]
pub(crate) mod http;
pub(crate) mod inline;
#[cfg(feature = "http")]
pub(crate) mod sse;
#[cfg(feature = "http")]
pub(crate) mod url;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;

pub use bucketry_core::Request;

use crate::shared::Command;

/// The future of a source's method.
pub type SourceFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where flag sets come from: an object store, a database, a message bus.
///
/// The client decides when to ask (interval, back-off, `Retry-After`) and judges what comes (size, signature, age, whether it
/// is a flag set at all). A source only fetches. It runs on the client's thread, so it must not block there; a source that
/// panics is asked again later.
///
/// ```
/// use bucketry::source::{Fetched, Request, Source, SourceError, SourceFuture};
///
/// /// A flag set that is kept in a database row.
/// struct Row;
///
/// impl Source for Row {
///     fn name(&self) -> &str {
///         "flags table"
///     }
///
///     fn fetch<'a>(&'a self, request: &'a Request) -> SourceFuture<'a, Result<Fetched, SourceError>> {
///         Box::pin(async move {
///             let (version, document) = ("7", r#"{ "format": 1, "flags": {} }"#); // select ...
///             if request.etag.as_deref() == Some(version) {
///                 return Ok(Fetched::not_modified());
///             }
///             Ok(Fetched::document(document).with_etag(version))
///         })
///     }
/// }
/// ```
pub trait Source: Send + Sync + 'static {
    /// What messages call it. Without secrets: it is logged.
    fn name(&self) -> &str;

    /// Fetches the flag set. `request.etag` is what the last [`Fetched::with_etag`] said: if that still is the newest,
    /// [`Fetched::not_modified`] saves work. Dropped when the time limit for a request is over.
    fn fetch<'a>(&'a self, request: &'a Request) -> SourceFuture<'a, Result<Fetched, SourceError>>;

    /// Runs beside the fetching for as long as the source is in use, and says through `changes` that there is something to fetch. A
    /// source that cannot know ends at once, and is asked at intervals only.
    fn watch<'a>(&'a self, changes: Changes) -> SourceFuture<'a, ()> {
        let _ = changes;
        Box::pin(std::future::ready(()))
    }

    /// The source for a forked child, where connections and threads of the parent must not be used. None: this one.
    fn in_child(&self) -> Option<std::sync::Arc<dyn Source>> {
        None
    }
}

/// What a source gave.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fetched {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
    pub(crate) signature: Option<String>,
    /// It is part of the program, which needs no signature.
    pub(crate) trusted: bool,
}

impl Fetched {
    /// A flag set document.
    #[must_use]
    pub fn document(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            body: body.into(),
            ..Self::default()
        }
    }

    /// The document of the entity tag in the request is still the newest.
    #[must_use]
    pub fn not_modified() -> Self {
        Self::status(304)
    }

    /// No document, and an HTTP status that says why: 404 when there is none, 503 when it cannot be had now.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// With a tag that stands for this version of the document, to come back in the next request.
    #[must_use]
    pub fn with_etag(mut self, etag: impl Into<String>) -> Self {
        self.etag = Some(etag.into());
        self
    }

    /// With the wait that the source asks for.
    #[must_use]
    pub const fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// With signatures: the text of a `Bucketry-Signature` header.
    #[must_use]
    pub fn with_signature(mut self, signature: impl Into<String>) -> Self {
        self.signature = Some(signature.into());
        self
    }
}

/// Why a source gave nothing, in words for whoever reads the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceError {
    message: String,
}

impl SourceError {
    /// What went wrong; without secrets.
    pub fn new(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SourceError {}

/// How a source says that there is something to fetch.
#[derive(Clone, Debug)]
pub struct Changes {
    pub(crate) source: usize,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
}

impl Changes {
    /// Something has changed: the source is asked soon, at most once a second however often this is called.
    pub fn notify(&self) {
        let _ = self.commands.send(Command::Changed {
            source: self.source,
        });
    }
}
