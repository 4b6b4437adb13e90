//! The client: the handle that a program holds.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bucketry_core::{EvaluationContext, Explanation, FlagSet};
use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use crate::builder::Builder;
use crate::evaluate::getters::{details, read};
use crate::evaluate::{EvaluationDetails, View, typed_getters};
use crate::events::{Event, Events};
use crate::exposures::FlushReport;
use crate::metrics::Metrics;
use crate::overrides::{Override, Overrides};
use crate::shared::{Arm, Command, Shared};
use crate::snapshot::{Of, Peek, Snapshot};
use crate::status::{NotReady, State, Status};
use crate::wait::block_on;

/// Evaluates flags from a flag set that a background thread keeps fresh.
///
/// Cheap to clone; all clones are one client. Evaluating never waits: not for the network, not for a lock, not for a flag
/// set that is being replaced. When the last clone is dropped without [`close`](Self::close), what is pending is flushed
/// for a bounded time ([`Builder::drop_limit`]).
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    /// Of all clones; dropped with the last.
    _handle: Arc<Handle>,
}

/// Ends the worker when nobody holds the client any more.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        // In a forked child that never used the client there is nothing to end, and nothing of the parent's to touch.
        if !self.0.is_foreign() {
            let _ = close(&self.0, self.0.config.drop_limit);
        }
    }
}

impl Client {
    /// What a client is made of.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            _handle: Arc::new(Handle(Arc::clone(&shared))),
            shared,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    #[inline]
    pub(crate) fn look<R>(&self, used: bool, ask: impl FnOnce(View<'_>) -> R) -> R {
        let held = self.shared.held();
        ask(View {
            shared: &self.shared,
            held: &held,
            now: None,
            used,
        })
    }

    #[inline]
    fn with<R>(&self, ask: impl FnOnce(View<'_>) -> R) -> R {
        self.look(true, ask)
    }

    typed_getters!();

    /// One flag set for a whole request: the same getters, pinned.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(&self.shared)
    }

    /// The same getters, for looking: nothing is recorded.
    #[must_use]
    pub const fn peek(&self) -> Peek<'_> {
        Peek(Of::Client(self))
    }

    /// The flag set that is held now; none while there is none.
    #[must_use]
    pub fn flag_set(&self) -> Option<Arc<FlagSet>> {
        self.shared.held().flag_set.clone()
    }

    /// Waits until there is a flag set, at most `limit`.
    ///
    /// A flag set that the first answer of a source brought ends the wait at once. Where there is only the copy on disk of
    /// an earlier process, it waits for the source's first answer or failure, and is content with the copy then or when
    /// `limit` is over.
    ///
    /// Blocks this thread, which may be one of an async runtime: the client has a thread of its own. In async code
    /// [`ready_async`](Self::ready_async) is kinder to others.
    ///
    /// # Errors
    ///
    /// [`NotReady`] when there is no flag set by then. The client goes on trying; evaluations give their defaults.
    pub fn ready(&self, limit: Duration) -> Result<State, NotReady> {
        let arm = self.shared.arm();
        let mut states = arm.state.subscribe();
        let settled = async {
            let _ = states.wait_for(is_settled).await;
        };
        block_on(settled, limit);
        outcome(self.state())
    }

    /// [`ready`](Self::ready) in any async runtime.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub async fn ready_async(&self, limit: Duration) -> Result<State, NotReady> {
        let arm = self.shared.arm();
        let mut states = arm.state.subscribe();
        let settled = pin!(states.wait_for(is_settled));
        match select(settled, pin!(arm.sleep(limit))).await {
            Either::Left(_) | Either::Right(_) => {}
        }
        outcome(self.state())
    }

    /// The state in OpenFeature's words.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.arm().state.borrow().status
    }

    /// How things stand, with what led to it.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.arm().state.borrow().clone()
    }

    /// The events from now on, beginning with the one that the present state amounts to, if it does.
    #[must_use]
    pub fn events(&self) -> Events {
        let arm = self.shared.arm();
        arm.hub.subscribe(|| arm.current_event())
    }

    /// Calls `callback` with every event from now on, beginning with the one that the present state amounts to, if it does. It
    /// runs on a thread of its own: it may block and panic without holding anything up.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn on_event(
        &self,
        callback: impl Fn(&Event) + Send + Sync + 'static,
    ) -> std::io::Result<()> {
        self.shared.add_callback(Arc::new(callback))
    }

    /// What this client counted.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::of(&self.shared)
    }

    /// How long ago a source last said that the flag set is the newest; none if none ever did.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.shared.age(self.shared.clock.monotonic())
    }

    /// Asks the sources soon, without waiting for the answer. At most once a second, and not before a `Retry-After` of
    /// theirs.
    pub fn refresh(&self) {
        let (reply, _) = oneshot::channel();
        let older_than = Duration::ZERO;
        let command = Command::Refresh { older_than, reply };
        self.shared.arm().send(command);
    }

    /// Asks the sources if their last word is older than `age`, and waits for the answer, at most `limit`. For functions that
    /// are frozen between invocations, at the start of each: no thread ran meanwhile, so nothing was refreshed.
    ///
    /// Returns at once when the flag set is young enough, and while sources that failed are given time to recover. How things
    /// stand afterwards.
    pub fn refresh_if_older_than(&self, age: Duration, limit: Duration) -> State {
        let (reply, done) = oneshot::channel();
        let older_than = age;
        if self
            .shared
            .arm()
            .send(Command::Refresh { older_than, reply })
        {
            block_on(done, limit);
        }
        self.state()
    }

    /// [`refresh_if_older_than`](Self::refresh_if_older_than) in any async runtime.
    pub async fn refresh_if_older_than_async(&self, age: Duration, limit: Duration) -> State {
        let (reply, done) = oneshot::channel();
        let arm = self.shared.arm();
        let older_than = age;
        if arm.send(Command::Refresh { older_than, reply }) {
            select(done, pin!(arm.sleep(limit))).await;
        }
        self.state()
    }

    /// Delivers the exposures that are pending, and waits until they are, at most `limit`. What was delivered, what is kept
    /// for later, what was lost.
    ///
    /// Blocks this thread; see [`flush_async`](Self::flush_async).
    pub fn flush(&self, limit: Duration) -> FlushReport {
        let (reply, done) = oneshot::channel();
        if !self.shared.arm().send(Command::Flush { limit, reply }) {
            return FlushReport::default();
        }
        match block_on(done, limit.saturating_add(GRACE)) {
            Some(Ok(report)) => report,
            Some(Err(_)) | None => late(&self.shared),
        }
    }

    /// [`flush`](Self::flush) in any async runtime.
    pub async fn flush_async(&self, limit: Duration) -> FlushReport {
        let (reply, done) = oneshot::channel();
        if !self.shared.arm().send(Command::Flush { limit, reply }) {
            return FlushReport::default();
        }
        done.await.unwrap_or_else(|_| late(&self.shared))
    }

    /// Makes this flag answer so for everyone, or for whoever has no override of their own.
    pub fn set_override(&self, flag_key: impl Into<String>, to: impl Into<Override>) {
        let (flag_key, to) = (flag_key.into(), to.into());
        self.change_overrides(|all| all.set(flag_key.clone(), None, to.clone()));
    }

    /// Makes this flag answer so for one targeting key.
    pub fn set_override_for(
        &self,
        targeting_key: impl Into<String>,
        flag_key: impl Into<String>,
        to: impl Into<Override>,
    ) {
        let (key, flag_key, to) = (targeting_key.into(), flag_key.into(), to.into());
        self.change_overrides(|all| all.set(flag_key.clone(), Some(key.clone()), to.clone()));
    }

    /// Takes the override of one targeting key back.
    pub fn clear_override_for(&self, targeting_key: &str, flag_key: &str) {
        self.change_overrides(|all| all.remove_for(flag_key, targeting_key));
    }

    /// Takes all overrides of this flag back.
    pub fn clear_override(&self, flag_key: &str) {
        self.change_overrides(|all| all.remove(flag_key));
    }

    /// Takes all overrides back.
    pub fn clear_overrides(&self) {
        self.shared.change_held(|held| held.overrides = None);
    }

    fn change_overrides(&self, change: impl Fn(&mut Overrides)) {
        self.shared.change_held(|held| {
            let mut overrides = held.overrides.as_deref().cloned().unwrap_or_default();
            change(&mut overrides);
            held.overrides = (!overrides.is_empty()).then(|| Arc::new(overrides));
        });
    }

    /// Ends the client: what is pending is delivered, at most for `limit`, and the background thread ends. What was delivered,
    /// what is kept on disk, what was lost. Evaluations go on to answer from what is held; exposures are recorded no more.
    /// Closing again gives the same report.
    ///
    /// Blocks this thread; see [`close_async`](Self::close_async).
    pub fn close(&self, limit: Duration) -> FlushReport {
        close(&self.shared, limit)
    }

    /// [`close`](Self::close) in any async runtime.
    pub async fn close_async(&self, limit: Duration) -> FlushReport {
        let arm = self.shared.arm();
        if arm.commands.is_none() {
            return FlushReport::default();
        }
        arm.send(Command::Close { limit });
        ended(&arm).await.unwrap_or_else(|| late(&self.shared))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// Whether there is nothing to wait for any more.
fn is_settled(state: &State) -> bool {
    let answered = state.revision.is_some() && state.settled;
    answered || state.status == Status::Closed
}

fn outcome(state: State) -> Result<State, NotReady> {
    if state.revision.is_some() {
        Ok(state)
    } else {
        Err(NotReady { state })
    }
}

/// What the worker may take beyond a limit before it is given up: it may be in the middle of something.
const GRACE: Duration = Duration::from_secs(1);

fn close(shared: &Shared, limit: Duration) -> FlushReport {
    let arm = shared.arm();
    if arm.commands.is_none() {
        return FlushReport::default();
    }
    arm.send(Command::Close { limit });
    // The worker itself may be what drops the last client: it cannot wait for itself.
    if arm.thread.get() == Some(&std::thread::current().id()) {
        return late(shared);
    }
    let report = block_on(ended(&arm), limit.saturating_add(GRACE));
    report.flatten().unwrap_or_else(|| late(shared))
}

/// The report of the worker that has ended.
async fn ended(arm: &Arm) -> Option<FlushReport> {
    let mut reports = arm.ended.subscribe();
    let report = reports.wait_for(Option::is_some).await;
    report.ok().and_then(|report| report.clone())
}

/// What is known when the worker does not answer in time: the account so far.
fn late(shared: &Shared) -> FlushReport {
    let exposures = shared.held_for_long();
    let totals = exposures.recorder.log().map(|log| log.counters());
    FlushReport::unanswered(totals.unwrap_or_default())
}
