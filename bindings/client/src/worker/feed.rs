//! One source, and the machine that says when to ask it.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bucketry_core::{
    MonotonicMillis, Refresh, RefreshEvent, RefreshStep, Request, RequestId, Times,
};
use futures_util::FutureExt;

use crate::source::{Changes, Fetched, Source, SourceError};

type Running<T> = Pin<Box<dyn Future<Output = std::thread::Result<T>> + Send>>;

/// A request on its way.
struct InFlight {
    id: RequestId,
    answer: Running<Result<Fetched, SourceError>>,
}

pub(super) struct Feed {
    pub(super) source: Arc<dyn Source>,
    pub(super) refresh: Refresh,
    in_flight: Option<InFlight>,
    watch: Option<Running<()>>,
    /// Whether it is to be asked: the first, and one after another those that stand in for sources that fail.
    wanted: bool,
    /// Whether its last answer was a failure, and whether it ever gave a good one.
    pub(super) failing: bool,
    pub(super) answered: bool,
}

/// What came of a source.
pub(super) enum News {
    Answer(RequestId, Result<Fetched, SourceError>),
    /// It panicked while it was asked.
    Panicked(RequestId),
    /// It panicked while it watched, and does so no more.
    WatchPanicked,
}

impl Feed {
    pub(super) fn new(source: Arc<dyn Source>, refresh: Refresh) -> Self {
        Self {
            source,
            refresh,
            in_flight: None,
            watch: None,
            wanted: true,
            failing: false,
            answered: false,
        }
    }

    /// Whether a request is on its way.
    pub(super) const fn is_asking(&self) -> bool {
        self.in_flight.is_some()
    }

    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Whether to ask it from now on.
    pub(super) fn want(&mut self, wanted: bool, now: Times, changes: Changes) {
        if wanted && self.watch.is_none() && !self.answered {
            self.watch = Some(self.watching(changes));
        }
        if wanted == self.wanted {
            return;
        }
        self.wanted = wanted;
        if wanted {
            self.refresh.resume(now);
        } else {
            // A request that is on its way will be told as failed when it is asked again.
            self.give_up(now.monotonic);
            self.refresh.suspend(now);
            self.failing = false;
        }
    }

    fn watching(&self, changes: Changes) -> Running<()> {
        let source = Arc::clone(&self.source);
        let watch = async move { source.watch(changes).await };
        Box::pin(AssertUnwindSafe(watch).catch_unwind())
    }

    /// Asks if it is time. Until when to wait, and whether the request that was on its way took too long.
    pub(super) fn poll(
        &mut self,
        now: MonotonicMillis,
        chance: u64,
    ) -> (Option<MonotonicMillis>, bool) {
        let failures = self.refresh.status().failures;
        match self.refresh.poll(now, chance) {
            RefreshStep::Fetch(request) => {
                self.ask(request);
                match self.refresh.poll(now, chance) {
                    RefreshStep::Wait(until) => (until, false),
                    // There is one request at a time.
                    RefreshStep::Fetch(_) => (Some(now), false),
                }
            }
            RefreshStep::Wait(until) => {
                let late = self.in_flight.is_some() && self.refresh.status().failures > failures;
                if late {
                    self.in_flight = None;
                }
                (until, late)
            }
        }
    }

    fn ask(&mut self, request: Request) {
        let source = Arc::clone(&self.source);
        let id = request.id;
        // A source that panics before its future is made is caught too.
        let answer = async move { source.fetch(&request).await };
        self.in_flight = Some(InFlight {
            id,
            answer: Box::pin(AssertUnwindSafe(answer).catch_unwind()),
        });
    }

    /// Forgets the request that is on its way.
    fn give_up(&mut self, now: MonotonicMillis) {
        if let Some(in_flight) = self.in_flight.take() {
            self.refresh.on_failure(in_flight.id, now);
        }
    }

    /// The answer to the request, when it comes.
    pub(super) fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<News> {
        if let Some(watch) = &mut self.watch
            && let Poll::Ready(ended) = watch.as_mut().poll(context)
        {
            // One that ends is not begun again: the source cannot watch.
            self.watch = Some(Box::pin(std::future::pending()));
            if ended.is_err() {
                return Poll::Ready(News::WatchPanicked);
            }
        }
        let Some(in_flight) = &mut self.in_flight else {
            return Poll::Pending;
        };
        let Poll::Ready(answer) = in_flight.answer.as_mut().poll(context) else {
            return Poll::Pending;
        };
        let id = in_flight.id;
        self.in_flight = None;
        Poll::Ready(match answer {
            Ok(answer) => News::Answer(id, answer),
            Err(_) => News::Panicked(id),
        })
    }

    /// The flags that the last answer changed, if it changed any. Everything else that the machine has to tell is seen
    /// from the client as a whole, which may have several sources.
    pub(super) fn changed_flags(&mut self) -> Option<Vec<String>> {
        let mut changed = None;
        while let Some(event) = self.refresh.next_event() {
            if let RefreshEvent::Changed { flags, .. } = event {
                changed = Some(flags);
            }
        }
        changed
    }
}
