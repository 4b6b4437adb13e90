//! Evaluating: resolving in the core, and what a client adds: the caller's default, overrides, exposures, counts.

mod details;
pub(crate) mod getters;

use bucketry_core::{
    Assignment, ErrorCode, EvaluationContext, Explanation, ExposureDetails, FlagSet, Metadata,
    Reason, Recorded, Resolution, UnixMillis, Value,
};

pub use details::{EvaluationDetails, FlagMetadata, MetadataValue};
pub(crate) use getters::typed_getters;

use crate::counts::Outcome;
use crate::overrides::Override;
use crate::shared::{Held, Shared};

/// What an evaluation reads, pinned.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) held: &'a Held,
    /// The time of a snapshot.
    pub(crate) now: Option<UnixMillis>,
    /// Whether the value is used, so that an exposure is due.
    pub(crate) used: bool,
}

/// Why the value of a variant is not what was asked for.
pub(crate) enum Mismatch {
    /// It is of another type.
    Type,
    /// It is an object that does not fit the type that was asked for.
    #[cfg_attr(
        not(feature = "json"),
        allow(dead_code, reason = "without JSON nobody asks for a type")
    )]
    Content(String),
}

/// Everything about one evaluation, borrowed.
pub(crate) struct Answer<'a> {
    pub(crate) value: Option<Value<'a>>,
    pub(crate) variant: Option<&'a str>,
    pub(crate) reason: Reason,
    pub(crate) error_code: Option<ErrorCode>,
    pub(crate) error_message: Option<String>,
    pub(crate) resolution: Option<Resolution<'a>>,
    pub(crate) forced: bool,
    pub(crate) recorded: Option<Recorded>,
}

impl<'a> View<'a> {
    /// The value of a flag, or none where the caller's default is to be served.
    #[inline]
    pub(crate) fn value<T>(
        self,
        key: &'a str,
        context: &'a EvaluationContext<'a>,
        read: impl FnOnce(Value<'a>) -> Result<T, Mismatch>,
    ) -> Option<T> {
        let (Some(flag_set), None) = (&self.held.flag_set, &self.held.overrides) else {
            return self.unusual_value(key, context, read);
        };
        let resolution = flag_set.resolve(key, context, self.now(flag_set));
        let outcome = match resolution.value().map(read) {
            Some(Ok(value)) => {
                self.shared.counts.add(Outcome::Value);
                self.expose(&resolution, None);
                return Some(value);
            }
            Some(Err(_)) => Outcome::Mismatch,
            None => match resolution.error_code() {
                Some(code) => Outcome::of_error(code),
                None => {
                    self.expose(&resolution, None);
                    Outcome::Default
                }
            },
        };
        self.shared.counts.add(outcome);
        None
    }

    #[cold]
    fn unusual_value<T>(
        self,
        key: &'a str,
        context: &'a EvaluationContext<'a>,
        read: impl FnOnce(Value<'a>) -> Result<T, Mismatch>,
    ) -> Option<T> {
        self.answer(key, context, read).0
    }

    /// The value of a flag and all that is known about it.
    pub(crate) fn answer<T>(
        self,
        key: &'a str,
        context: &'a EvaluationContext<'a>,
        read: impl FnOnce(Value<'a>) -> Result<T, Mismatch>,
    ) -> (Option<T>, Answer<'a>) {
        let mut answer = self.resolve(key, context);
        let mut value = None;
        let mut outcome = Outcome::Default;
        match answer.value.map(read) {
            Some(Ok(read)) => {
                value = Some(read);
                outcome = Outcome::Value;
            }
            Some(Err(mismatch)) => {
                let found = answer.value.map_or("", |value| value.value_type().as_str());
                answer.fail(
                    ErrorCode::TypeMismatch,
                    match mismatch {
                        Mismatch::Type => format!(
                            "flag `{key}` has values of type {found}: ask for that, or change the flag"
                        ),
                        Mismatch::Content(why) => format!("the value of flag `{key}` does not fit: {why}"),
                    },
                );
            }
            None => {}
        }
        if let Some(code) = answer.error_code {
            outcome = Outcome::of_error(code);
        } else if let Some(resolution) = &answer.resolution {
            let forced = answer.forced.then_some(answer.variant);
            answer.recorded = self.expose(resolution, forced);
        }
        self.shared.counts.add(outcome);
        (value, answer)
    }

    fn resolve(self, key: &'a str, context: &'a EvaluationContext<'a>) -> Answer<'a> {
        let resolution = self
            .held
            .flag_set
            .as_ref()
            .map(|flag_set| flag_set.resolve(key, context, self.now(flag_set)));
        let mut answer = match resolution {
            Some(resolution) => Answer {
                value: resolution.value(),
                variant: resolution.variant(),
                reason: resolution.reason(),
                error_code: resolution.error_code(),
                error_message: resolution.error_message().map(Into::into),
                resolution: Some(resolution),
                forced: false,
                recorded: None,
            },
            None => Answer {
                value: None,
                variant: None,
                reason: Reason::Error,
                error_code: Some(ErrorCode::ProviderNotReady),
                error_message: Some(
                    "there is no flag set yet; see `Client::state` for why".to_owned(),
                ),
                resolution: None,
                forced: false,
                recorded: None,
            },
        };
        let overrides = self.held.overrides.as_deref();
        if let Some(to) = overrides.and_then(|all| all.find(key, context.targeting_key())) {
            self.force(key, to, &mut answer);
        }
        answer
    }

    fn force(self, key: &str, to: &'a Override, answer: &mut Answer<'a>) {
        answer.forced = true;
        let (value, variant) = match to {
            Override::Variant(name) => {
                let flag = self.held.flag_set.as_ref().and_then(|set| set.flag(key));
                let found = flag.and_then(|flag| flag.variants().find(|(each, _)| each == name));
                let Some((variant, value)) = found else {
                    let message = format!(
                        "the override wants variant `{name}` of flag `{key}`, which there is none of"
                    );
                    answer.fail(ErrorCode::General, message);
                    return;
                };
                (Some(value), Some(variant))
            }
            to => (to.value(), None),
        };
        answer.value = value;
        answer.variant = variant;
        answer.reason = Reason::Static;
        answer.error_code = None;
        answer.error_message = None;
    }

    /// Records the exposure that using this resolution is. `forced`: by an override, to this variant.
    #[inline]
    fn expose(self, resolution: &Resolution<'_>, forced: Option<Option<&str>>) -> Option<Recorded> {
        if !self.used || self.held.recorder.is_off() {
            return None;
        }
        if resolution.unit_missing() {
            self.held.recorder.count_unit_missing();
        }
        let assignment = resolution.assignment()?;
        Some(self.record(assignment, forced))
    }

    fn record(self, assignment: Assignment<'_>, forced: Option<Option<&str>>) -> Recorded {
        let times = self.shared.clock.times();
        let details = ExposureDetails {
            config_age: self.shared.age(times.monotonic),
            forced: forced.is_some().then_some(true),
            ..ExposureDetails::default()
        };
        let Some(variant) = forced else {
            return self.held.recorder.record(&assignment, &details, times);
        };
        // Range and share are of the arm that the unit would have had.
        let forced = Assignment {
            variant,
            reason: Reason::Static,
            arm_range: None,
            arm_share: None,
            holdout: None,
            ..assignment
        };
        self.held.recorder.record(&forced, &details, times)
    }

    pub(crate) fn explain(self, key: &str, context: &EvaluationContext<'_>) -> Option<Explanation> {
        let flag_set = self.held.flag_set.as_ref()?;
        Some(flag_set.explain(key, context, self.now(flag_set)))
    }

    /// The time that rules are held against. Asking the clock costs as much as resolving, and most flag sets do not look.
    #[inline]
    fn now(self, flag_set: &FlagSet) -> UnixMillis {
        match self.now {
            Some(now) => now,
            None if flag_set.reads_time() => self.shared.clock.wall(),
            None => UnixMillis(0),
        }
    }
}

impl<'a> Answer<'a> {
    fn fail(&mut self, code: ErrorCode, message: String) {
        self.value = None;
        self.variant = None;
        self.reason = Reason::Error;
        self.error_code = Some(code);
        self.error_message = Some(message);
    }

    pub(crate) fn metadata(&self) -> Option<Metadata<'a>> {
        self.resolution.as_ref().map(Resolution::metadata)
    }
}
