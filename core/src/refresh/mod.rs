//! Keeping a flag set fresh: when to ask its source, and what to make of the answers.
//!
//! A sans-I/O machine. The host fetches, this decides; it never sends, waits or reads a clock.

mod config;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

pub use config::{Reading, RefreshConfig, Signing};

use crate::diagnostics::LoadError;
use crate::flag_set::FlagSet;
use crate::hash::key_hash;
use crate::schedule::{ConfigError, MonotonicMillis, Times, backoff, millis, pick};
use crate::time::UnixMillis;

/// What the host should do now.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum RefreshStep {
    /// Fetch the flag set, and tell the answer with [`Refresh::on_response`] or [`Refresh::on_failure`].
    Fetch(Request),
    /// Nothing before this time; `None`: before [`Refresh::resume`].
    Wait(Option<MonotonicMillis>),
}

/// A fetch to make.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// Goes back with the answer.
    pub id: RequestId,
    /// To send as `If-None-Match`, exactly as it is.
    pub etag: Option<String>,
    /// The revision that is held.
    pub revision: Option<u64>,
    /// 1, and one more for each failure just before.
    pub attempt: u32,
    /// Stop reading the body beyond this many bytes.
    pub max_bytes: usize,
}

/// Which request an answer is to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(pub u64);

/// The answer of a source: an HTTP response, or what a file or another store amounts to (200 and the
/// content, 304 if it is unchanged, 404 if it is not there).
#[derive(Clone, Copy, Debug, Default)]
pub struct Response<'a> {
    /// The HTTP status, after redirects were followed.
    pub status: u16,
    /// The `ETag` header, exactly as it is.
    pub etag: Option<&'a str>,
    /// The `Retry-After` header.
    pub retry_after: Option<Duration>,
    /// The flag set document.
    pub body: &'a [u8],
    /// What the host found when it checked the signature of `body`.
    pub signature: Signature<'a>,
}

/// What the check of a signature found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Signature<'a> {
    /// There is none.
    #[default]
    Absent,
    /// It is right under a key that the host trusts.
    Valid {
        /// Which key.
        key_id: &'a str,
    },
    /// It is wrong, or by a key that is not trusted.
    Invalid,
}

/// What became of an answer.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum Refreshed {
    /// A newer flag set, to hold from now on.
    Accepted(Box<FlagSet>),
    /// The flag set that is held is the newest.
    Unchanged,
    /// Nothing usable came; what is held stays.
    Failed(RefreshFailure),
    /// The request was given up or answered before.
    Ignored,
}

/// Why a fetch brought nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RefreshFailure {
    /// The host could not fetch.
    Unreachable,
    /// No answer came within the request timeout.
    TimedOut,
    /// The source answered with a status that is neither 200 nor 304.
    Status {
        /// The status.
        status: u16,
    },
    /// The source says that nothing changed, but there is no flag set that could be unchanged.
    NothingHeld,
    /// The document is over the limit.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A signature is required and there is none.
    Unsigned,
    /// The signature is wrong.
    WrongSignature,
    /// The document is no flag set, or in error where strict reading was asked for.
    Unreadable(Arc<LoadError>),
    /// The document is older than what is held.
    Older {
        /// The revision that is held.
        held: u64,
        /// The revision that came.
        received: u64,
    },
    /// The document has the revision that is held and other flags.
    RevisionReused {
        /// The revision.
        revision: u64,
    },
}

impl RefreshFailure {
    /// Whether a document came and was refused: the fault of whoever published it, not of the network.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Unreachable | Self::TimedOut | Self::Status { .. } | Self::NothingHeld => false,
            Self::TooLarge { .. }
            | Self::Unsigned
            | Self::WrongSignature
            | Self::Unreadable(_)
            | Self::Older { .. }
            | Self::RevisionReused { .. } => true,
        }
    }
}

impl fmt::Display for RefreshFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("the source could not be reached"),
            Self::TimedOut => f.write_str("the source did not answer in time"),
            Self::Status { status } => write!(f, "the source answered with status {status}"),
            Self::NothingHeld => {
                f.write_str("the source answered that nothing changed, but no flag set is held")
            }
            Self::TooLarge { limit } => write!(f, "the flag set is larger than {limit} bytes"),
            Self::Unsigned => f.write_str("the flag set is not signed"),
            Self::WrongSignature => f.write_str("the signature of the flag set is wrong"),
            Self::Unreadable(error) => error.fmt(f),
            Self::Older { held, received } => write!(
                f,
                "revision {received} is older than {held}, which is held; publish the old content as a new revision"
            ),
            Self::RevisionReused { revision } => write!(
                f,
                "revision {revision} was published before with other flags; raise the revision"
            ),
        }
    }
}

impl core::error::Error for RefreshFailure {}

/// Something that the host may want to tell.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RefreshEvent {
    /// There is a flag set, for the first time.
    Ready {
        /// Its revision.
        revision: u64,
    },
    /// Another flag set is held from now on, and some flags may answer differently.
    Changed {
        /// Their keys; also those that were added or removed. A flag that is only written in another way, in other than
        /// white space, the order of members and what is for people, may be among them.
        flags: Vec<String>,
        /// The new revision.
        revision: u64,
    },
    /// There was no word from the source for longer than [`RefreshConfig::stale_after`].
    Stale,
    /// There is word again after [`RefreshEvent::Stale`].
    Recovered,
    /// A document came and was refused; what is held stays.
    Rejected(RefreshFailure),
}

/// How things stand.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RefreshStatus {
    /// Whether there is a flag set.
    pub ready: bool,
    /// Whether it is stale.
    pub stale: bool,
    /// Its revision.
    pub revision: Option<u64>,
    /// When the source last said that it is the newest.
    pub confirmed_at: Option<UnixMillis>,
    /// Failures since then.
    pub failures: u32,
    /// The latest of them.
    pub last_failure: Option<RefreshFailure>,
}

/// Decides when to fetch a flag set and what to do with what comes.
///
/// - The interval is jittered; failures back off, doubling to a cap; `Retry-After` is kept, to a
///   bound, and jittered beyond it. No status and no content ever stops it.
/// - The last good flag set stays whatever comes: what is too large, unreadable, wrongly signed, or
///   of an older revision is refused.
/// - A revision, once seen, stands for its content: flags written otherwise under the same number are refused too. Flag
///   sets without revision (0) are taken as they come.
/// - An answer to a request that was given up is ignored.
///
/// The host holds the flag set. After each call, and at the time that was named, it asks [`poll`](Self::poll) what to do
/// and takes what there is to tell from [`next_event`](Self::next_event).
///
/// ```
/// use bucketry_core::{
///     MonotonicMillis, Refresh, RefreshConfig, RefreshEvent, RefreshStep, Refreshed, Response, Times,
///     UnixMillis,
/// };
///
/// let mut refresh = Refresh::new(RefreshConfig::new())?;
/// let now = Times { monotonic: MonotonicMillis(0), wall: UnixMillis(1_795_464_000_000) };
/// let chance = 1 << 63; // a random number each time
///
/// let RefreshStep::Fetch(request) = refresh.poll(now.monotonic, chance) else { panic!("at once") };
/// // The host fetches, with `request.etag` as `If-None-Match`, and tells what came.
/// let response = Response {
///     status: 200,
///     body: br#"{ "format": 1, "revision": 7, "flags": {} }"#,
///     ..Response::default()
/// };
/// let answer = refresh.on_response(request.id, &response, None, now);
/// let Refreshed::Accepted(flag_set) = answer else { panic!("it is a flag set") };
/// assert_eq!(refresh.next_event(), Some(RefreshEvent::Ready { revision: 7 }));
///
/// // From now on every half minute, more or less: `on_response` gets the set that is held.
/// let next = MonotonicMillis(30_000);
/// assert_eq!(refresh.poll(now.monotonic, chance), RefreshStep::Wait(Some(next)));
/// assert_eq!(flag_set.revision(), 7);
/// # Ok::<(), bucketry_core::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Refresh {
    config: RefreshConfig,
    etag: Option<String>,
    revision: Option<u64>,
    /// Of the document that was accepted last, so that a source without `ETag` costs no parsing.
    digest: Option<u64>,
    /// When the source last said that what is held is the newest.
    confirmed: Option<Moment>,
    confirmed_at: Option<UnixMillis>,
    stale: bool,
    /// When to ask next, and before when not to.
    next: Moment,
    pause_until: Moment,
    /// Of the latest poll; what is drawn before the next comes out of it.
    chance: u64,
    in_flight: Option<(RequestId, Moment)>,
    last_id: u64,
    /// When the latest request began; none before the first.
    last_start: Option<Moment>,
    failures: u32,
    last_failure: Option<RefreshFailure>,
    forced: bool,
    suspended: Option<Times>,
    /// How much longer than the monotonic clock this machine has lived: clocks that stop while a device
    /// sleeps do not keep a flag set fresh.
    slept: u64,
    events: Vec<RefreshEvent>,
}

/// Milliseconds on the monotonic clock with sleep counted in. Signed: a flag set may have been confirmed
/// before the clock began.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
struct Moment(i64);

impl Moment {
    const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add_unsigned(millis))
    }

    const fn before(self, millis: u64) -> Self {
        Self(self.0.saturating_sub_unsigned(millis))
    }

    /// Milliseconds since `earlier`; 0 if that is not earlier.
    fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// Events that the host does not fetch are forgotten, the oldest first.
const MAX_EVENTS: usize = 64;

/// Longer entity tags are not sent back. Servers limit all headers together to some 8 KiB.
const MAX_ETAG_BYTES: usize = 1_024;

/// The least time between two fetches, whatever forces them: a burst of "something changed" messages is
/// one change.
const MIN_GAP: u64 = 1_000;

/// No sleep is longer; a wall clock that was set by more says nothing about it.
const LONGEST_SLEEP: u64 = 366 * 86_400_000;

impl Refresh {
    /// A machine that holds nothing and asks at once.
    ///
    /// # Errors
    ///
    /// When a setting is outside its range.
    pub fn new(config: RefreshConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            etag: None,
            revision: None,
            digest: None,
            confirmed: None,
            confirmed_at: None,
            stale: false,
            next: Moment(0),
            pause_until: Moment(0),
            chance: 0,
            in_flight: None,
            last_id: 0,
            last_start: None,
            failures: 0,
            last_failure: None,
            forced: false,
            suspended: None,
            slept: 0,
            events: Vec::new(),
        })
    }

    /// Says that the host holds `flag_set` already, from a cache or from the program itself: confirmed by its source `age`
    /// ago (zero if that is not known), with the entity tag that the source gave. Fetching goes on as before.
    pub fn bootstrap(&mut self, flag_set: &FlagSet, etag: Option<&str>, age: Duration, now: Times) {
        let was_ready = self.confirmed.is_some();
        let age = millis(age);
        self.confirmed = Some(self.moment(now.monotonic).before(age));
        let wall = now.wall.0.saturating_sub_unsigned(age);
        self.confirmed_at = Some(UnixMillis(wall));
        self.revision = Some(flag_set.revision());
        self.digest = None;
        self.keep_etag(etag);
        if !was_ready {
            self.tell(RefreshEvent::Ready {
                revision: flag_set.revision(),
            });
        }
    }

    /// What to do at `now`. `chance` is uniform over all 64 bits, another one each time; the wait after the answer is drawn
    /// with it.
    pub fn poll(&mut self, now: MonotonicMillis, chance: u64) -> RefreshStep {
        if self.suspended.is_some() {
            return RefreshStep::Wait(None);
        }
        self.chance = chance;
        let now = self.moment(now);
        if let Some((_, sent)) = self.in_flight
            && now.since(sent) >= self.config.request_timeout
        {
            self.fail(RefreshFailure::TimedOut, now);
        }
        let stale_at = self.stale_at();
        if !self.stale && stale_at.is_some_and(|at| at <= now) {
            self.stale = true;
            self.tell(RefreshEvent::Stale);
        }
        let wake = match self.in_flight {
            Some((_, sent)) => sent.after(self.config.request_timeout),
            None => {
                let due = self.due();
                if due <= now {
                    return RefreshStep::Fetch(self.request(now));
                }
                due
            }
        };
        let stale_at = stale_at.filter(|_| !self.stale);
        let wake = stale_at.map_or(wake, |at| wake.min(at));
        let wake = u64::try_from(wake.0)
            .unwrap_or(0)
            .saturating_sub(self.slept);
        RefreshStep::Wait(Some(MonotonicMillis(wake)))
    }

    /// Takes the answer to a request. `held` is the flag set that the host holds, if it holds one.
    pub fn on_response(
        &mut self,
        id: RequestId,
        response: &Response<'_>,
        held: Option<&FlagSet>,
        now: Times,
    ) -> Refreshed {
        let at = self.moment(now.monotonic);
        if self.in_flight.is_none_or(|(awaited, _)| awaited != id) {
            return Refreshed::Ignored;
        }
        match self.judge(response, held) {
            Ok(news) => {
                self.confirm(at, now.wall);
                if response.status == 200 {
                    self.keep_etag(response.etag);
                    self.digest = Some(digest(response.body));
                }
                let Some(flag_set) = news else {
                    return Refreshed::Unchanged;
                };
                self.announce(&flag_set, held);
                Refreshed::Accepted(flag_set)
            }
            Err(failure) => {
                if let Some(asked) = response.retry_after {
                    let pause = millis(asked).min(self.config.max_retry_after);
                    // Who were told the same moment do not all come back at it.
                    let spread = if pause > 0 {
                        pick(2 * self.jitter(), self.chance)
                    } else {
                        0
                    };
                    self.pause_until = at.after(pause).after(spread);
                }
                if matches!(failure, RefreshFailure::NothingHeld) {
                    self.etag = None;
                }
                if failure.is_refusal() {
                    self.tell(RefreshEvent::Rejected(failure.clone()));
                }
                self.fail(failure.clone(), at);
                Refreshed::Failed(failure)
            }
        }
    }

    /// The host could not fetch: no route, no name, a broken connection, a refused certificate. Whether the request was
    /// awaited.
    pub fn on_failure(&mut self, id: RequestId, now: MonotonicMillis) -> bool {
        let awaited = self.in_flight.is_some_and(|(awaited, _)| awaited == id);
        if awaited {
            self.fail(RefreshFailure::Unreachable, self.moment(now));
        }
        awaited
    }

    /// Asks the source as soon as `Retry-After` allows and at most once a second: something is known to have changed. If
    /// a request is on its way, which may have missed the change, another follows it.
    pub const fn force_refresh(&mut self) {
        self.forced = true;
    }

    /// Asks the source soon if its last word is older than `age`: what a function that is frozen between invocations does
    /// at the start of each. After a failure the usual wait stands. Whether it is older.
    pub fn refresh_if_older_than(&mut self, age: Duration, now: MonotonicMillis) -> bool {
        let older = self.age(now).is_none_or(|held| held > age);
        if older && self.failures == 0 && self.in_flight.is_none() {
            self.forced = true;
        }
        older
    }

    /// Stops asking: the device sleeps or the program is in the background.
    pub const fn suspend(&mut self, now: Times) {
        self.suspended = Some(now);
    }

    /// Goes on after [`suspend`](Self::suspend). All that would have been due in between is due now: by the wall clock, where the
    /// monotonic one stood still. (A wall clock that was set forward in between makes the flag set look older than it is,
    /// until the next answer.)
    pub fn resume(&mut self, now: Times) {
        let Some(then) = self.suspended.take() else {
            return;
        };
        let lived = millis(now.monotonic.since(then.monotonic));
        let passed = now.wall.0.saturating_sub(then.wall.0);
        let passed = u64::try_from(passed).unwrap_or(0).min(LONGEST_SLEEP);
        self.slept = self.slept.saturating_add(passed.saturating_sub(lived));
    }

    /// The next thing to tell.
    pub fn next_event(&mut self) -> Option<RefreshEvent> {
        (!self.events.is_empty()).then(|| self.events.remove(0))
    }

    /// How long ago the source last said that what is held is the newest; none if it never did.
    #[must_use]
    pub fn age(&self, now: MonotonicMillis) -> Option<Duration> {
        let age = self.moment(now).since(self.confirmed?);
        Some(Duration::from_millis(age))
    }

    /// When the next fetch is due, unless something forces one earlier; none while one is on its way. For messages: the
    /// host waits for what [`poll`](Self::poll) says.
    #[must_use]
    pub fn next_fetch(&self) -> Option<MonotonicMillis> {
        if self.in_flight.is_some() {
            return None;
        }
        let due = u64::try_from(self.due().0).unwrap_or(0);
        Some(MonotonicMillis(due.saturating_sub(self.slept)))
    }

    /// How things stand.
    #[must_use]
    pub fn status(&self) -> RefreshStatus {
        RefreshStatus {
            ready: self.confirmed.is_some(),
            stale: self.stale,
            revision: self.revision,
            confirmed_at: self.confirmed_at,
            failures: self.failures,
            last_failure: self.last_failure.clone(),
        }
    }

    /// A newer flag set, nothing if the one that is held is the newest, or why neither can be said.
    fn judge(
        &self,
        response: &Response<'_>,
        held: Option<&FlagSet>,
    ) -> Result<Option<Box<FlagSet>>, RefreshFailure> {
        match response.status {
            200 => {}
            304 if held.is_some() => return Ok(None),
            304 => return Err(RefreshFailure::NothingHeld),
            status => return Err(RefreshFailure::Status { status }),
        }
        let limit = self.config.max_bytes;
        if response.body.len() > limit {
            return Err(RefreshFailure::TooLarge { limit });
        }
        match (response.signature, self.config.signing) {
            (Signature::Invalid, _) => return Err(RefreshFailure::WrongSignature),
            (Signature::Absent, Signing::Required) => return Err(RefreshFailure::Unsigned),
            _ => {}
        }
        if held.is_some() && self.digest == Some(digest(response.body)) {
            return Ok(None);
        }
        let read = match self.config.reading {
            Reading::Lenient => FlagSet::from_json,
            Reading::Strict => FlagSet::from_json_strict,
        };
        let news =
            read(response.body).map_err(|error| RefreshFailure::Unreadable(Arc::new(error)))?;
        if let Some(held) = held {
            let (old, new) = (held.revision(), news.revision());
            if new < old {
                return Err(RefreshFailure::Older {
                    held: old,
                    received: new,
                });
            }
            if new == old && new != 0 {
                // Another rendering of the same flags is the same revision.
                if rewritten(held, &news).is_empty() {
                    return Ok(None);
                }
                return Err(RefreshFailure::RevisionReused { revision: new });
            }
        }
        Ok(Some(Box::new(news)))
    }

    fn announce(&mut self, news: &FlagSet, held: Option<&FlagSet>) {
        let revision = news.revision();
        let was_ready = self.revision.replace(revision).is_some();
        if !was_ready {
            self.tell(RefreshEvent::Ready { revision });
        }
        if let Some(held) = held {
            let flags = rewritten(held, news);
            if !flags.is_empty() {
                self.tell(RefreshEvent::Changed { flags, revision });
            }
        }
    }

    /// The source gave its word.
    fn confirm(&mut self, at: Moment, wall: UnixMillis) {
        self.in_flight = None;
        self.confirmed = Some(at);
        self.confirmed_at = Some(wall);
        self.failures = 0;
        self.last_failure = None;
        self.pause_until = Moment(0);
        self.next = at.after(self.draw_interval());
        if self.stale {
            self.stale = false;
            self.tell(RefreshEvent::Recovered);
        }
    }

    fn fail(&mut self, failure: RefreshFailure, at: Moment) {
        self.in_flight = None;
        self.failures = self.failures.saturating_add(1);
        let config = &self.config;
        let wait = backoff(
            config.backoff,
            config.max_backoff,
            self.failures,
            self.chance,
        );
        // What was refused is refused again until someone publishes something else.
        let least = if failure.is_refusal() {
            self.draw_interval()
        } else {
            0
        };
        self.next = at.after(wait.max(least));
        self.last_failure = Some(failure);
    }

    fn keep_etag(&mut self, etag: Option<&str>) {
        let etag = etag.filter(|etag| etag.len() <= MAX_ETAG_BYTES);
        self.etag = etag.map(Into::into);
    }

    fn tell(&mut self, event: RefreshEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.remove(0);
        }
        self.events.push(event);
    }

    fn moment(&self, now: MonotonicMillis) -> Moment {
        let now = now.0.saturating_add(self.slept);
        Moment(i64::try_from(now).unwrap_or(i64::MAX))
    }

    fn stale_at(&self) -> Option<Moment> {
        Some(self.confirmed?.after(self.config.stale_after?))
    }

    fn draw_interval(&self) -> u64 {
        let jitter = self.jitter();
        self.config.interval - jitter + pick(2 * jitter, self.chance)
    }

    const fn jitter(&self) -> u64 {
        self.config.interval * self.config.jitter_percent as u64 / 100
    }

    fn due(&self) -> Moment {
        let due = match self.last_start {
            _ if !self.forced => self.next,
            // Being told of a change does not put off a retry that comes sooner.
            Some(start) => start.after(MIN_GAP).min(self.next),
            None => Moment(0),
        };
        due.max(self.pause_until)
    }

    fn request(&mut self, now: Moment) -> Request {
        self.forced = false;
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.in_flight = Some((id, now));
        self.last_start = Some(now);
        Request {
            id,
            etag: self.etag.clone(),
            revision: self.revision,
            attempt: self.failures.saturating_add(1),
            max_bytes: self.config.max_bytes,
        }
    }
}

/// The keys of the flags that are not written as before: in the order of the new flag set, then those that it no longer
/// has. What [`FlagSet::changed_flags`] finds is among them; it compares meanings, which costs a browser
/// more than all the rest of a refresh.
fn rewritten(old: &FlagSet, new: &FlagSet) -> Vec<String> {
    let mut keys = Vec::new();
    for key in new.flag_keys() {
        if old.fingerprint(key) != new.fingerprint(key) {
            keys.push(key.into());
        }
    }
    for key in old.flag_keys() {
        if new.fingerprint(key).is_none() {
            keys.push(key.into());
        }
    }
    keys
}

/// Of a document, to recognise it when it comes again in the same process.
#[inline(never)]
fn digest(document: &[u8]) -> u64 {
    key_hash(document, 0)
}
