//! Events: what a program is told while a client runs, without ever holding it up.
//!
//! The worker puts an event into the bounded queue of each subscriber and goes on. A callback runs on a thread of its own
//! (`bucketry-events`): one that blocks delays only itself, one that panics is caught, and neither touches refreshing or
//! delivery.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use bucketry_core::ErrorCode;

use crate::status::Origin;
use crate::wait::block_on;

/// Something that happened to a client, in OpenFeature's terms.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// `PROVIDER_READY`: there is a flag set; the first, or one that a source confirmed after the client was stale.
    Ready {
        /// Its revision; 0 if it names none.
        revision: u64,
        /// Where it came from.
        origin: Origin,
    },
    /// `PROVIDER_CONFIGURATION_CHANGED`: another flag set is held from now on.
    ConfigurationChanged {
        /// The flags that may answer differently: changed, added, removed.
        flags: Arc<[String]>,
        /// The new revision; 0 if it names none.
        revision: u64,
        /// Where it came from.
        origin: Origin,
    },
    /// `PROVIDER_STALE`: for longer than allowed no source confirmed that what is held is the newest.
    Stale {
        /// What was kept and what happens next.
        message: String,
    },
    /// `PROVIDER_ERROR`: a source could not be reached, or what it gave was refused.
    Error {
        /// What went wrong, what was kept and what happens next.
        message: String,
        /// `PARSE_ERROR` when a document came and was refused, else `GENERAL`.
        error_code: ErrorCode,
    },
}

impl Event {
    /// The name as OpenFeature's specification spells it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "PROVIDER_READY",
            Self::ConfigurationChanged { .. } => "PROVIDER_CONFIGURATION_CHANGED",
            Self::Stale { .. } => "PROVIDER_STALE",
            Self::Error { .. } => "PROVIDER_ERROR",
        }
    }
}

/// A subscriber that does not fetch its events loses the oldest beyond this many, and is told how many.
const QUEUE: usize = 256;

#[derive(Debug, Default)]
struct Content {
    events: VecDeque<Event>,
    missed: u64,
    waker: Option<Waker>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Queue(Mutex<Content>);

impl Queue {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many events had to make room.
    fn push(&self, event: Event) -> u64 {
        let mut content = self.content();
        let full = content.events.len() >= QUEUE;
        if full {
            content.events.pop_front();
            content.missed += 1;
        }
        content.events.push_back(event);
        let waker = content.waker.take();
        drop(content);
        if let Some(waker) = waker {
            waker.wake();
        }
        u64::from(full)
    }

    fn close(&self) {
        let mut content = self.content();
        content.closed = true;
        let waker = content.waker.take();
        drop(content);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next event, or none for ever once the client is closed and all were fetched.
    async fn next(&self) -> Option<Event> {
        std::future::poll_fn(|context| {
            let mut content = self.content();
            match content.events.pop_front() {
                Some(event) => Poll::Ready(Some(event)),
                None if content.closed => Poll::Ready(None),
                None => {
                    content.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// The events of a client, from when this was made: [`Client::events`](crate::Client::events).
///
/// Up to 256 wait to be fetched; beyond that the oldest are forgotten and counted in [`missed`](Self::missed).
#[derive(Debug)]
pub struct Events(Arc<Queue>);

impl Events {
    /// The next event; none once the client is closed. In any async runtime.
    pub fn recv(&mut self) -> impl Future<Output = Option<Event>> + Send + '_ {
        self.0.next()
    }

    /// The next event, if one comes within `limit`.
    pub fn recv_timeout(&mut self, limit: Duration) -> Option<Event> {
        block_on(self.0.next(), limit).flatten()
    }

    /// The next event, if there is one already.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.0.content().events.pop_front()
    }

    /// How many events were forgotten because they were not fetched.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.0.content().missed
    }
}

/// What runs on the thread of the callbacks.
pub(crate) type Callback = Arc<dyn Fn(&Event) + Send + Sync>;

/// Those who want to be told, in one process.
#[derive(Default)]
pub(crate) struct Hub {
    listeners: Mutex<Vec<Weak<Queue>>>,
    lost: AtomicU64,
    panics: Arc<AtomicU64>,
}

impl Hub {
    /// Makes a change and tells everyone what it means. One who subscribes meanwhile does so before
    /// both or after both, and so is told once. The change
    /// is given whether anybody listens. Never waits for those who are told.
    pub(crate) fn announce<T: IntoIterator<Item = Event>>(&self, change: impl FnOnce(bool) -> T) {
        let mut listeners = self.listeners();
        let listening = !listeners.is_empty();
        for event in change(listening) {
            listeners.retain(|listener| match listener.upgrade() {
                Some(queue) => {
                    let lost = queue.push(event.clone());
                    self.lost.fetch_add(lost, Ordering::Relaxed);
                    true
                }
                None => false,
            });
        }
    }

    /// A queue of the events from now on, after the one that `current` gives.
    pub(crate) fn subscribe(&self, current: impl FnOnce() -> Option<Event>) -> Events {
        let queue = Arc::new(Queue::default());
        let mut listeners = self.listeners();
        if let Some(event) = current() {
            queue.push(event);
        }
        listeners.push(Arc::downgrade(&queue));
        Events(queue)
    }

    /// Runs `callback` with each event from now on, and first with `current`.
    pub(crate) fn call(
        &self,
        callback: Callback,
        current: impl FnOnce() -> Option<Event>,
    ) -> std::io::Result<()> {
        let events = self.subscribe(current);
        let panics = Arc::clone(&self.panics);
        std::thread::Builder::new()
            .name("bucketry-events".to_owned())
            .spawn(move || {
                while let Some(event) = block_on(events.0.next(), Duration::MAX).flatten() {
                    let call = AssertUnwindSafe(|| callback(&event));
                    if catch_unwind(call).is_err() {
                        panics.fetch_add(1, Ordering::Relaxed);
                        tracing::error!(
                            event = event.as_str(),
                            "a callback panicked; it will be called for the next event"
                        );
                    }
                }
            })?;
        Ok(())
    }

    /// Nothing comes any more: who waits is told so.
    pub(crate) fn close(&self) {
        for listener in self.listeners().drain(..) {
            if let Some(queue) = listener.upgrade() {
                queue.close();
            }
        }
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Weak<Queue>>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}
