//! What evaluating threads and the worker share.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use bucketry_core::{Assignment, ExposureDetails, FlagSet, MonotonicMillis, Recorded, Times};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::config::Config;
use crate::counts::Counts;
use crate::events::{Callback, Event, Hub};
use crate::exposures::{Exposures, FlushReport};
use crate::fork;
use crate::metrics::{Meters, bump};
use crate::overrides::Overrides;
use crate::status::{Origin, State, Status};
use crate::testing::Memory;
use crate::worker;

/// What an evaluation reads: replaced as a whole, never changed, so that all of it is of one moment.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) flag_set: Option<Arc<FlagSet>>,
    pub(crate) origin: Option<Origin>,
    /// None where there is no override: the usual case is one comparison.
    pub(crate) overrides: Option<Arc<Overrides>>,
    pub(crate) recorder: Recorder,
}

/// Where exposures go.
#[derive(Clone)]
pub(crate) enum Recorder {
    /// Nowhere: no sink was named.
    Off,
    /// To the sink.
    Log(Arc<Exposures>),
    /// Into a list that a test looks at.
    Memory(Arc<Memory>),
}

impl Recorder {
    #[inline]
    pub(crate) const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    pub(crate) fn record(
        &self,
        assignment: &Assignment<'_>,
        details: &ExposureDetails<'_>,
        now: Times,
    ) -> Recorded {
        match self {
            Self::Off => Recorded::SampledOut,
            Self::Log(exposures) => exposures.record(assignment, details, now),
            Self::Memory(memory) => memory.record(assignment, details, now),
        }
    }

    pub(crate) fn count_unit_missing(&self) {
        if let Self::Log(exposures) = self {
            exposures.count_unit_missing();
        }
    }

    pub(crate) const fn log(&self) -> Option<&Arc<Exposures>> {
        match self {
            Self::Log(exposures) => Some(exposures),
            Self::Off | Self::Memory(_) => None,
        }
    }
}

/// What is asked of the worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Ask the sources that are in use, if their last word is older than this, and say when they have answered.
    Refresh {
        older_than: Duration,
        reply: oneshot::Sender<()>,
    },
    /// A source says that something has changed.
    Changed { source: usize },
    /// Answer after this long.
    Sleep {
        limit: Duration,
        reply: oneshot::Sender<()>,
    },
    /// Deliver what is pending.
    Flush {
        limit: Duration,
        reply: oneshot::Sender<FlushReport>,
    },
    /// Deliver what is pending, and end.
    Close { limit: Duration },
}

/// What belongs to one process: channels, locks, the thread. A forked child gets another one and never touches its
/// parent's, whose locks may be held by threads that it does not have.
pub(crate) struct Arm {
    pub(crate) commands: Option<mpsc::UnboundedSender<Command>>,
    pub(crate) state: watch::Sender<State>,
    pub(crate) hub: Hub,
    pub(crate) thread: OnceLock<std::thread::ThreadId>,
    /// What became of the exposures, once the worker has ended.
    pub(crate) ended: watch::Sender<Option<FlushReport>>,
}

impl Arm {
    pub(crate) fn new(commands: Option<mpsc::UnboundedSender<Command>>, state: State) -> Self {
        Self {
            commands,
            state: watch::Sender::new(state),
            hub: Hub::default(),
            thread: OnceLock::new(),
            ended: watch::Sender::new(None),
        }
    }

    /// Whether the worker will see it.
    pub(crate) fn send(&self, command: Command) -> bool {
        self.commands
            .as_ref()
            .is_some_and(|commands| commands.send(command).is_ok())
    }

    /// Ends after `limit`, by the worker's clock; at once when there is no worker.
    pub(crate) async fn sleep(&self, limit: Duration) {
        let (reply, done) = oneshot::channel();
        if self.send(Command::Sleep { limit, reply }) {
            let _ = done.await;
        }
    }

    /// What somebody who begins to listen now has missed, in OpenFeature's words.
    pub(crate) fn current_event(&self) -> Option<Event> {
        let state = self.state.borrow();
        Some(match state.status {
            Status::Ready => Event::Ready {
                revision: state.revision.unwrap_or_default(),
                origin: state.origin.clone()?,
            },
            Status::Stale => Event::Stale {
                message: state.last_failure.clone().unwrap_or_default(),
            },
            Status::Error => Event::Error {
                message: state.last_failure.clone().unwrap_or_default(),
                error_code: bucketry_core::ErrorCode::General,
            },
            Status::NotReady | Status::Closed => return None,
        })
    }
}

/// A client, without its handles.
pub(crate) struct Shared {
    this: Weak<Self>,
    held: ArcSwap<Held>,
    arm: ArcSwap<Arm>,
    /// Which process, counted by forks, `arm` is of; and which one has begun to make its own.
    generation: AtomicU64,
    claimed: AtomicU64,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) counts: Counts,
    pub(crate) meters: Meters,
    /// Milliseconds on the monotonic clock at which a source last confirmed what is held; `i64::MIN`: never.
    confirmed: AtomicI64,
    callbacks: ArcSwap<Vec<Callback>>,
}

impl Shared {
    pub(crate) fn new(config: Config, clock: Clock, held: Held, arm: Arm) -> Arc<Self> {
        fork::watch();
        let generation = fork::generation();
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            held: ArcSwap::from_pointee(held),
            arm: ArcSwap::from_pointee(arm),
            generation: AtomicU64::new(generation),
            claimed: AtomicU64::new(generation),
            config,
            clock,
            counts: Counts::new(),
            meters: Meters::default(),
            confirmed: AtomicI64::new(i64::MIN),
            callbacks: ArcSwap::default(),
        })
    }

    /// What evaluations read now. Never waits, but in the first call after a fork.
    #[inline]
    pub(crate) fn held(&self) -> Guard<Arc<Held>> {
        self.notice_fork();
        self.held.load()
    }

    /// The same, to keep.
    pub(crate) fn held_for_long(&self) -> Arc<Held> {
        self.notice_fork();
        self.held.load_full()
    }

    pub(crate) fn arm(&self) -> Arc<Arm> {
        self.notice_fork();
        self.arm.load_full()
    }

    /// Whether this process is the child of the one that this client lives in, and has not used it yet.
    pub(crate) fn is_foreign(&self) -> bool {
        fork::generation() != self.generation.load(Ordering::Acquire)
    }

    #[inline]
    fn notice_fork(&self) {
        if fork::generation() != self.generation.load(Ordering::Relaxed) {
            self.rearm();
        }
    }

    /// Makes this client one of the forked child: a thread of its own, and nothing of the parent's to send. The flag set
    /// that was held stays, so evaluating goes on.
    #[cold]
    fn rearm(&self) {
        let generation = fork::generation();
        if self.claimed.fetch_max(generation, Ordering::AcqRel) >= generation {
            // Another thread of the child is at it; it takes as long as starting a thread.
            while self.generation.load(Ordering::Acquire) < generation {
                std::thread::yield_now();
            }
            return;
        }
        // The parent's is never dropped here: dropping takes locks.
        let parents = self.arm.load_full();
        let had_worker = parents.commands.is_some();
        std::mem::forget(parents);
        bump(&self.meters.forks);
        if let Some(exposures) = self.held.load().recorder.log() {
            exposures.after_fork_in_child();
        }
        let (sender, commands) = mpsc::unbounded_channel();
        let arm = Arc::new(Arm::new(
            had_worker.then_some(sender),
            self.state_in_child(),
        ));
        self.arm.store(Arc::clone(&arm));
        for callback in self.callbacks.load().iter() {
            // Without its thread a callback is not called; there is nobody to tell but the log.
            if let Err(error) = arm.hub.call(Arc::clone(callback), || None) {
                tracing::error!("a callback cannot be called in the forked child: {error}");
            }
        }
        if had_worker && let Err(reason) = self.start_in_child(&arm, commands) {
            let message = format!(
                "the forked child could not start its thread: {reason}; what is held goes on to answer, and is not refreshed"
            );
            tracing::error!("{message}");
            arm.state
                .send_modify(|state| state.last_failure = Some(message));
        }
        self.generation.store(generation, Ordering::Release);
    }

    fn start_in_child(
        &self,
        arm: &Arc<Arm>,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Result<(), String> {
        let Some(this) = self.this.upgrade() else {
            return Ok(());
        };
        let sources = self
            .config
            .make_sources()
            .map_err(|error| error.to_string())?;
        worker::start(&this, arm, commands, sources).map_err(|error| error.to_string())
    }

    /// How things stand before the child's worker has said anything.
    fn state_in_child(&self) -> State {
        let held = self.held.load();
        let revision = held.flag_set.as_ref().map(|set| set.revision());
        State {
            status: revision.map_or(Status::NotReady, |_| Status::Ready),
            revision,
            origin: held.origin.clone(),
            settled: revision.is_some(),
            ..State::default()
        }
    }

    /// Changes what evaluations read, from any thread.
    pub(crate) fn change_held(&self, change: impl Fn(&mut Held)) {
        self.held.rcu(|held| {
            let mut held = Held::clone(held);
            change(&mut held);
            held
        });
    }

    /// A source confirmed what is held, at this time, `age` ago.
    pub(crate) fn confirm(&self, at: MonotonicMillis, age: Duration) {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let at = i64::try_from(at.0).unwrap_or(i64::MAX);
        self.confirmed
            .store(at.saturating_sub(age).max(i64::MIN + 1), Ordering::Relaxed);
    }

    /// Time passed that the monotonic clock did not count.
    pub(crate) fn slept(&self, span: Duration) {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let confirmed = self.confirmed.load(Ordering::Relaxed);
        if confirmed != i64::MIN {
            let earlier = confirmed.saturating_sub(span).max(i64::MIN + 1);
            self.confirmed.store(earlier, Ordering::Relaxed);
        }
    }

    /// How long ago a source confirmed what is held.
    pub(crate) fn age(&self, now: MonotonicMillis) -> Option<Duration> {
        let confirmed = self.confirmed.load(Ordering::Relaxed);
        if confirmed == i64::MIN {
            return None;
        }
        let now = i64::try_from(now.0).unwrap_or(i64::MAX);
        let age = u64::try_from(now.saturating_sub(confirmed)).unwrap_or(0);
        Some(Duration::from_millis(age))
    }

    pub(crate) fn add_callback(&self, callback: Callback) -> std::io::Result<()> {
        let arm = self.arm();
        self.callbacks.rcu(|callbacks| {
            let mut callbacks = Vec::clone(callbacks);
            callbacks.push(Arc::clone(&callback));
            callbacks
        });
        arm.hub.call(callback, || arm.current_event())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
