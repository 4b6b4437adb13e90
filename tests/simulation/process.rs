//! One process of a client: the two machines, and what a host keeps beside them.

use std::rc::Rc;
use std::time::Duration;

use bucketry_core::{
    Assignment, BatchId, Counters, Delivery, EvaluationContext, Exposure, ExposureDetails,
    ExposureLog, FlagSet, LogStep, MonotonicMillis, ProducerId, Recorded, Refresh, RestoreError,
    Restored, Times, Value, dedupe_window,
};

use crate::network::Address;
use crate::rules::{FetchRules, PostRules};
use crate::settings::{Settings, span};
use crate::store::Id;

pub(crate) struct Process {
    pub(crate) address: Address,
    pub(crate) refresh: Refresh,
    pub(crate) log: Log,
    pub(crate) held: Option<Held>,
    /// When its monotonic clock began, and for how long that stood still.
    pub(crate) started: u64,
    pub(crate) frozen: u64,
    /// Which of the timers that were set is in force.
    pub(crate) timer: u64,
    /// When its spool is written next.
    pub(crate) spool_at: u64,
    /// The account of its log when its spool was written last.
    pub(crate) spooled: Counters,
    /// The last thing that happened to it beside the weather.
    pub(crate) disturbed: u64,
    pub(crate) closing: bool,
    pub(crate) fetches: FetchRules,
    pub(crate) posts: PostRules,
    /// Exposures given to the log, and bytes of those that it accepted.
    pub(crate) recorded: u64,
}

/// A flag set that a process evaluates with.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) flag_set: Rc<FlagSet>,
    /// What the flag `marker` says: which publication it is.
    pub(crate) marker: i64,
}

impl Held {
    pub(crate) fn new(flag_set: FlagSet) -> Self {
        let nobody = EvaluationContext::new("");
        let marker = match flag_set
            .resolve("marker", &nobody, bucketry_core::UnixMillis(0))
            .value()
        {
            Some(Value::Integer(marker)) => marker,
            _ => 0,
        };
        Self {
            flag_set: Rc::new(flag_set),
            marker,
        }
    }
}

impl Process {
    pub(crate) fn new(
        address: Address,
        settings: &Settings,
        producer: ProducerId,
        now: u64,
    ) -> Self {
        Self {
            address,
            refresh: Refresh::new(settings.refresh()).expect("settings in range"),
            log: Log::new(settings, producer),
            held: None,
            started: now,
            frozen: 0,
            timer: 0,
            spool_at: now + settings.spool_every.unwrap_or(0),
            spooled: Counters::default(),
            disturbed: now,
            closing: false,
            fetches: FetchRules::new(settings),
            posts: PostRules::new(settings.posts),
            recorded: 0,
        }
    }

    pub(crate) const fn monotonic(&self, now: u64) -> u64 {
        now - self.started - self.frozen
    }
}

/// An exposure log and all that was ever done to it, so that a fork can have a copy: the machine is a function of its
/// inputs, and what was done to it again makes it again.
pub(crate) struct Log {
    settings: Settings,
    producer: ProducerId,
    pub(crate) machine: ExposureLog,
    inputs: Vec<Input>,
}

enum Input {
    Record(Use),
    Poll(Times, u64),
    Flush,
    Export,
    Restore(Rc<[u8]>),
    Answer(BatchId, u16, Option<Duration>, MonotonicMillis),
    Failure(BatchId, MonotonicMillis),
    ResetForChild(ProducerId),
}

/// A use of an experiment's flag: what is evaluated and recorded.
#[derive(Clone)]
pub(crate) struct Use {
    pub(crate) flag_set: Rc<FlagSet>,
    pub(crate) flag: &'static str,
    pub(crate) unit: u64,
    pub(crate) now: Times,
    pub(crate) chance: u64,
}

impl Use {
    /// Evaluates, and does `with` the assignment if there is one.
    fn assigned<T>(&self, with: impl FnOnce(&Assignment<'_>) -> T) -> Option<T> {
        let context = EvaluationContext::new(format!("visitor-{}", self.unit));
        let resolution = self.flag_set.resolve(self.flag, &context, self.now.wall);
        resolution.assignment().as_ref().map(with)
    }
}

impl Log {
    fn new(settings: &Settings, producer: ProducerId) -> Self {
        Self {
            settings: settings.clone(),
            producer,
            machine: ExposureLog::new(settings.log(producer)).expect("settings in range"),
            inputs: Vec::new(),
        }
    }

    /// Another log in the same state.
    pub(crate) fn copy(&mut self) -> Self {
        let mut copy = Self::new(&self.settings, self.producer);
        for input in std::mem::take(&mut self.inputs) {
            match &input {
                Input::Record(used) => drop(copy.record(used.clone())),
                Input::Poll(now, chance) => drop(copy.poll(*now, *chance)),
                Input::Flush => copy.flush(),
                Input::Export => drop(copy.export()),
                Input::Restore(spool) => drop(copy.restore(spool.clone())),
                Input::Answer(id, status, retry_after, now) => {
                    copy.on_response(*id, *status, *retry_after, *now);
                }
                Input::Failure(id, now) => drop(copy.fail(*id, *now)),
                Input::ResetForChild(producer) => copy.reset_for_child(*producer),
            }
            self.inputs.push(input);
        }
        copy
    }

    pub(crate) fn producer(&self) -> ProducerId {
        self.machine.producer()
    }

    /// What `record` said and the exposure's id; none if nobody was exposed.
    pub(crate) fn record(&mut self, used: Use) -> Option<(Recorded, Id)> {
        let window = self.settings.dedupe_window.map(span);
        let window = dedupe_window(used.now.wall, window);
        let outcome = used.assigned(|assignment| {
            let details = ExposureDetails::default();
            let recorded = self
                .machine
                .record(assignment, &details, used.now, used.chance);
            let exposure = Exposure::new(assignment, used.now.wall).with_window(window);
            let id = match recorded {
                Recorded::Queued => exposure.event_id().0,
                _ => Id::default(),
            };
            (recorded, id)
        });
        self.inputs.push(Input::Record(used));
        outcome
    }

    pub(crate) fn poll(&mut self, now: Times, chance: u64) -> LogStep {
        self.inputs.push(Input::Poll(now, chance));
        self.machine.poll(now, chance)
    }

    pub(crate) fn flush(&mut self) {
        self.inputs.push(Input::Flush);
        self.machine.flush();
    }

    pub(crate) fn export(&mut self) -> Vec<u8> {
        self.inputs.push(Input::Export);
        self.machine.export()
    }

    pub(crate) fn restore(&mut self, spool: Rc<[u8]>) -> Result<Restored, RestoreError> {
        let outcome = self.machine.restore(&spool);
        self.inputs.push(Input::Restore(spool));
        outcome
    }

    pub(crate) fn on_response(
        &mut self,
        id: BatchId,
        status: u16,
        retry_after: Option<Duration>,
        now: MonotonicMillis,
    ) -> Delivery {
        self.inputs
            .push(Input::Answer(id, status, retry_after, now));
        self.machine.on_response(id, status, retry_after, now)
    }

    pub(crate) fn fail(&mut self, id: BatchId, now: MonotonicMillis) -> bool {
        self.inputs.push(Input::Failure(id, now));
        self.machine.retry(id, now, None)
    }

    pub(crate) fn reset_for_child(&mut self, producer: ProducerId) {
        self.inputs.push(Input::ResetForChild(producer));
        self.machine.reset_for_child(producer);
    }
}
