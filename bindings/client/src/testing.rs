//! A client for tests: no thread, no network, no waiting.
//!
//! ```
//! use bucketry::EvaluationContext;
//! use bucketry::testing::TestClient;
//!
//! let client = TestClient::from_json(r#"{
//!     "format": 1,
//!     "flags": {
//!         "button": {
//!             "type": "string", "variants": { "blue": "blue", "green": "green" },
//!             "rules": [{ "experiment": { "key": "exp-42" }, "split": { "blue": 1, "green": 1 } }]
//!         }
//!     }
//! }"#)?;
//! let user = EvaluationContext::new("user-1");
//!
//! // The code under test takes a `&Client`, which a `TestClient` is too.
//! client.set_override("button", bucketry::Override::variant("green"));
//! assert_eq!(client.string_value("button", &user, "blue"), "green");
//!
//! // What it would have told the warehouse.
//! let exposures = client.exposures();
//! assert_eq!(exposures[0].experiment, "exp-42");
//! assert_eq!(exposures[0].variant.as_deref(), Some("green"));
//! assert!(exposures[0].forced);
//! # Ok::<(), bucketry::LoadError>(())
//! ```

use std::ops::Deref;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bucketry_core::{Assignment, ExposureDetails, FlagSet, LoadError, Recorded, Times, UnixMillis};

use crate::client::Client;
use crate::clock::Clock;
use crate::config::Config;
use crate::events::Event;
use crate::shared::{Arm, Held, Recorder, Shared};
use crate::status::{Origin, State, Status};

/// Exposures that a test client remembers; of more, it forgets the oldest.
const MOST: usize = 100_000;

/// An exposure that a test client recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TestExposure {
    /// The flag that was evaluated.
    pub flag: String,
    /// The experiment.
    pub experiment: String,
    /// Its phase.
    pub phase: u32,
    /// Who was exposed.
    pub unit: String,
    /// What was served; none is the caller's default.
    pub variant: Option<String>,
    /// The holdout that kept the unit out.
    pub holdout: Option<String>,
    /// Whether an override chose.
    pub forced: bool,
    /// When.
    pub at: UnixMillis,
}

/// The exposures of a test client: every one, repeats too.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<std::collections::VecDeque<TestExposure>>);

impl Memory {
    pub(crate) fn record(
        &self,
        assignment: &Assignment<'_>,
        details: &ExposureDetails<'_>,
        now: Times,
    ) -> Recorded {
        let mut exposures = self.exposures();
        if exposures.len() >= MOST {
            exposures.pop_front();
        }
        exposures.push_back(TestExposure {
            flag: assignment.flag.into(),
            experiment: assignment.experiment.into(),
            phase: assignment.phase,
            unit: assignment.unit.to_string(),
            variant: assignment.variant.map(Into::into),
            holdout: assignment.holdout.map(Into::into),
            forced: details.forced == Some(true),
            at: now.wall,
        });
        Recorded::Queued
    }

    fn exposures(&self) -> MutexGuard<'_, std::collections::VecDeque<TestExposure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A [`Client`] over a flag set that the test gives: ready at once, without thread, network and disk. It remembers its
/// exposures, and its wall clock stands where the test puts it.
#[derive(Clone, Debug)]
pub struct TestClient {
    client: Client,
    memory: Arc<Memory>,
    now: Arc<AtomicI64>,
}

impl TestClient {
    /// A client over this flag set, read strictly: a test should not pass by a flag that could not be read.
    ///
    /// # Errors
    ///
    /// When the document is no flag set, or anything in it is in error.
    pub fn from_json(document: impl AsRef<[u8]>) -> Result<Self, LoadError> {
        let flag_set = FlagSet::from_json_strict(document.as_ref())?;
        Ok(Self::new(Some(flag_set)))
    }

    /// A client without flags: what is set by [`set_override`](Client::set_override) answers, everything else gives
    /// `PROVIDER_NOT_READY` and the default.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(None)
    }

    fn new(flag_set: Option<FlagSet>) -> Self {
        let memory = Arc::new(Memory::default());
        // 2026-01-01: a test that forgets to say when should fail today as in ten years.
        let now = Arc::new(AtomicI64::new(1_767_225_600_000));
        let held = Held {
            flag_set: None,
            origin: None,
            overrides: None,
            recorder: Recorder::Memory(Arc::clone(&memory)),
        };
        let clock = Clock::fixed(Arc::clone(&now));
        let arm = Arm::new(None, State::default());
        let shared = Shared::new(Config::for_tests(), clock, held, arm);
        let test = Self {
            client: Client::new(shared),
            memory,
            now,
        };
        if let Some(flag_set) = flag_set {
            test.hold(flag_set);
        }
        test
    }

    /// Replaces the flag set, as a publication would: subscribers are told.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json); the client then holds what it held.
    pub fn replace(&self, document: impl AsRef<[u8]>) -> Result<(), LoadError> {
        self.hold(FlagSet::from_json_strict(document.as_ref())?);
        Ok(())
    }

    /// [`replace`](Self::replace) by a flag set that was read already.
    pub fn hold(&self, flag_set: impl Into<Arc<FlagSet>>) {
        let flag_set = flag_set.into();
        let shared = self.client.shared();
        let arm = shared.arm();
        let revision = flag_set.revision();
        let origin = Origin::Source("test".into());
        let old = shared.held_for_long().flag_set.clone();
        shared.change_held(|held| {
            held.flag_set = Some(Arc::clone(&flag_set));
            held.origin = Some(origin.clone());
        });
        shared.confirm(shared.clock.monotonic(), std::time::Duration::ZERO);
        arm.hub.announce(|listening| {
            arm.state.send_modify(|state| {
                state.status = Status::Ready;
                state.revision = Some(revision);
                state.origin = Some(origin.clone());
                state.confirmed_at = Some(shared.clock.wall());
                state.settled = true;
            });
            let Some(old) = old else {
                return Some(Event::Ready { revision, origin });
            };
            // Comparing two sets costs more than swapping them.
            if !listening {
                return None;
            }
            let flags = old
                .changed_flags(&flag_set)
                .into_iter()
                .map(Into::into)
                .collect();
            Some(Event::ConfigurationChanged {
                flags,
                revision,
                origin,
            })
        });
    }

    /// Every exposure so far, the oldest first, repeats too.
    #[must_use]
    pub fn exposures(&self) -> Vec<TestExposure> {
        self.memory.exposures().iter().cloned().collect()
    }

    /// The exposures so far, which are then forgotten.
    #[must_use]
    pub fn take_exposures(&self) -> Vec<TestExposure> {
        self.memory.exposures().drain(..).collect()
    }

    /// Puts the wall clock, which rules with `from` and `until` are held against. It stands there; at first it stands at
    /// 2026-01-01 00:00 UTC.
    pub fn set_now(&self, now: UnixMillis) {
        self.now.store(now.0, Ordering::Relaxed);
    }
}

impl Deref for TestClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
