//! What all requests share: the flag set of the moment, the store, the tokens, the counters.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::access::Access;
use super::metrics::Metrics;
use super::published::Published;
use super::store::Store;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Site {
    /// The flag set of the moment; who waits on it is told of the next.
    pub(super) published: watch::Sender<Arc<Published>>,
    /// Where it comes from, for people.
    pub(super) source: String,
    /// Why what is in the file now is not what is served.
    problem: Mutex<Option<String>>,
    /// Turns true when the server begins to stop.
    pub(super) stopping: watch::Sender<bool>,
    /// None where exposures are not collected.
    pub(super) store: Option<Arc<Store>>,
    pub(super) access: Access,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
}

/// What clients may use. Each is documented with its option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) body_bytes: usize,
    pub(super) subscribers: usize,
    pub(super) heartbeat: Duration,
    pub(super) read_time: Duration,
}

impl Site {
    pub(super) fn new(
        first: Published,
        source: String,
        store: Option<Arc<Store>>,
        access: Access,
        limits: Limits,
    ) -> Self {
        let metrics = Metrics::new(store.clone());
        metrics.published(&first);
        Self {
            published: watch::Sender::new(Arc::new(first)),
            source,
            problem: Mutex::default(),
            stopping: watch::Sender::new(false),
            store,
            access,
            limits,
            metrics,
        }
    }

    /// The flag set to answer a request from.
    pub(super) fn flags(&self) -> Arc<Published> {
        Arc::clone(&self.published.borrow())
    }

    /// Serves another flag set from now on.
    pub(super) fn publish(&self, next: Published) {
        self.metrics.published(&next);
        self.set_problem(None);
        self.published.send_replace(Arc::new(next));
    }

    /// Why what is in the file now is not what is served, if it is not.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says why what is in the file is not served; what was served before goes on being served.
    pub(super) fn set_problem(&self, problem: Option<String>) {
        self.metrics.set_broken(problem.is_some());
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}
