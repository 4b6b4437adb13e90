//! Drives the sources: asks them when core's `Refresh` says so, holds what it accepts, and tells what happened.

use std::sync::Arc;
use std::time::Duration;

use bucketry_core::{
    ErrorCode, FlagSet, MonotonicMillis, Reading, Refresh, RefreshFailure, Refreshed, RequestId,
    Response, Signature, Times,
};
use tokio::sync::{mpsc, oneshot};

use super::feed::{Feed, News};
use crate::cache::{Cache, Entry};
use crate::events::Event;
use crate::exposures::FlushReport;
use crate::metrics::bump;
use crate::random::Generator;
use crate::shared::{Arm, Command, Shared};
use crate::source::{Changes, Fetched, Source, SourceError};
use crate::status::{Origin, State, Status};

/// The longest sleep: then the clocks are compared, whatever is due.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A wall clock that gained so much on the monotonic one: the machine slept, or the process was frozen.
const SLEPT: Duration = Duration::from_secs(5);

/// Flags that could not be read are named in the log up to so many.
const NAMED: usize = 5;

pub(super) struct Driver {
    shared: Arc<Shared>,
    arm: Arc<Arm>,
    feeds: Vec<Feed>,
    random: Generator,
    /// The time of the last look at the clocks.
    last: Times,
    /// The place of the source that gave what is held; past all of them for the copy on disk.
    held_by: usize,
    keeper: Option<Keeper>,
    /// Those who wait until no source is being asked.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, arm: Arc<Arm>, sources: Vec<Arc<dyn Source>>) -> Self {
        let now = shared.clock.times();
        let mut driver = Self {
            feeds: sources
                .into_iter()
                .filter_map(|source| {
                    // The settings were checked when the client was built.
                    let refresh = Refresh::new(shared.config.refresh.clone()).ok()?;
                    Some(Feed::new(source, refresh))
                })
                .collect(),
            shared,
            arm,
            random: Generator::new(),
            last: now,
            held_by: usize::MAX,
            keeper: None,
            waiting: Vec::new(),
        };
        driver.keeper = driver.shared.config.cache_dir.as_deref().map(|directory| {
            let names = driver.feeds.iter().map(|feed| feed.source.name());
            Keeper::new(Cache::new(directory, &names.collect::<Vec<_>>().join("\n")))
        });
        driver.take_over(now);
        driver
    }

    /// Begins with what is held already: an inline document that was read when the client was built, or what the parent
    /// of a fork held.
    fn take_over(&mut self, now: Times) {
        let held = self.shared.held_for_long();
        let Some(flag_set) = &held.flag_set else {
            self.begin_from_disk(now);
            return;
        };
        let age = self.shared.age(now.monotonic).unwrap_or_default();
        if let Some(Origin::Source(name)) = &held.origin {
            let place = self
                .feeds
                .iter()
                .position(|feed| feed.source.name() == &**name);
            self.held_by = place.unwrap_or(usize::MAX);
        }
        for feed in &mut self.feeds {
            feed.refresh.bootstrap(flag_set, None, age, now);
        }
    }

    /// Begins with what an earlier process left, until a source answers.
    fn begin_from_disk(&mut self, now: Times) {
        let Some(keeper) = &self.keeper else {
            return;
        };
        let path = keeper.cache.path().display().to_string();
        let max_bytes = self.shared.config.max_bytes;
        let entry = match keeper.cache.read(max_bytes) {
            Ok(Some(entry)) => entry,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(
                    path,
                    "the copy of an earlier process is not used: {error}; it will be replaced"
                );
                return;
            }
        };
        let read = match self.shared.config.reading {
            Reading::Strict => FlagSet::from_json_strict,
            Reading::Lenient => FlagSet::from_json,
        };
        let documents = &self.shared.config.documents;
        let fetched = entry.fetched();
        let understood = documents.understand(&fetched);
        // A key that is trusted no more does not vouch for what an earlier process took.
        let signed = match understood.signature {
            Signature::Valid { .. } => true,
            Signature::Absent => !self.shared.config.signed,
            Signature::Invalid => false,
        };
        if !signed || understood.refused.is_some() || entry.format != documents.format() {
            tracing::warn!(
                path,
                "the copy of an earlier process is not used: it is not signed by a key that is trusted now, or of another format; it will be replaced"
            );
            return;
        }
        let flag_set = match read(&understood.document) {
            Ok(flag_set) => Arc::new(flag_set),
            Err(error) => {
                tracing::warn!(
                    path,
                    "the copy of an earlier process is not used: {error}; it will be replaced"
                );
                return;
            }
        };
        // A wall clock that was set back makes it look younger, never younger than now.
        let age = now.wall.0.saturating_sub(entry.confirmed_at.0);
        let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
        let by = self
            .feeds
            .iter()
            .position(|feed| feed.source.name() == entry.source);
        for (place, feed) in self.feeds.iter_mut().enumerate() {
            let etag = entry.etag.as_deref().filter(|_| Some(place) == by);
            feed.refresh.bootstrap(&flag_set, etag, age, now);
            let _ = feed.changed_flags();
        }
        let revision = flag_set.revision();
        self.shared.confirm(now.monotonic, age);
        self.shared.change_held(|held| {
            held.flag_set = Some(Arc::clone(&flag_set));
            held.origin = Some(Origin::Cache);
        });
        tracing::info!(
            path,
            revision,
            "began with the copy of an earlier process, {} old",
            seconds(age)
        );
        if let Some(keeper) = &mut self.keeper {
            keeper.entry = Some(entry);
        }
    }

    /// Until the client is closed; for how long to deliver what is pending.
    pub(super) async fn run(mut self, commands: &mut mpsc::UnboundedReceiver<Command>) -> Duration {
        loop {
            let wake = self.poll();
            let pause = self.shared.clock.until(wake).min(LONGEST_PAUSE);
            tokio::select! {
                command = commands.recv() => match command {
                    None => return Duration::ZERO,
                    Some(Command::Close { limit }) => {
                        self.closed();
                        return limit;
                    }
                    Some(command) => self.take(command),
                },
                (place, news) = next_news(&mut self.feeds) => self.hear(place, news),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Refresh { older_than, reply } => {
                let now = self.notice_sleep();
                for feed in self.feeds.iter_mut().filter(|feed| feed.is_wanted()) {
                    if older_than.is_zero() {
                        feed.refresh.force_refresh();
                    } else {
                        feed.refresh
                            .refresh_if_older_than(older_than, now.monotonic);
                    }
                }
                self.waiting.push(reply);
            }
            Command::Changed { source } => {
                if let Some(feed) = self.feeds.get_mut(source) {
                    feed.refresh.force_refresh();
                }
            }
            Command::Sleep { limit, reply } => {
                tokio::spawn(async move {
                    tokio::time::sleep(limit).await;
                    let _ = reply.send(());
                });
            }
            Command::Flush { limit, reply } => {
                let held = self.shared.held_for_long();
                let Some(exposures) = held.recorder.log().cloned() else {
                    let _ = reply.send(FlushReport::default());
                    return;
                };
                tokio::spawn(async move {
                    let _ = reply.send(exposures.flush(limit).await);
                });
            }
            Command::Close { .. } => {}
        }
    }

    /// Tells the machines of time that passed while this process did not run and its monotonic clock stood still.
    fn notice_sleep(&mut self) -> Times {
        let now = self.shared.clock.times();
        let ran = now.monotonic.since(self.last.monotonic);
        let passed = now.wall.0.saturating_sub(self.last.wall.0);
        let passed = Duration::from_millis(u64::try_from(passed).unwrap_or(0));
        if passed > ran + SLEPT {
            let slept = passed.checked_sub(ran).unwrap_or_default();
            tracing::debug!("the process did not run for {slept:.0?}");
            for feed in self.feeds.iter_mut().filter(|feed| feed.is_wanted()) {
                feed.refresh.suspend(self.last);
                feed.refresh.resume(now);
            }
            self.shared.slept(slept);
        }
        self.last = now;
        now
    }

    /// Asks whom it is time to ask; when to look again.
    fn poll(&mut self) -> MonotonicMillis {
        let now = self.notice_sleep();
        let mut wake = now.monotonic.after(LONGEST_PAUSE);
        let mut wanted = true;
        let mut late = Vec::new();
        for (place, feed) in self.feeds.iter_mut().enumerate() {
            let Some(commands) = self.arm.commands.clone() else {
                break;
            };
            let changes = Changes {
                source: place,
                commands,
            };
            feed.want(wanted, now, changes);
            if wanted {
                let (until, timed_out) = feed.poll(now.monotonic, self.random.next());
                wake = until.map_or(wake, |until| wake.min(until));
                if timed_out {
                    feed.failing = true;
                    late.push(place);
                }
                wanted = feed.failing;
            }
        }
        for place in late {
            let limit = self.shared.config.request_timeout;
            self.failed(
                place,
                &format!("no answer within {limit:.1?}"),
                ErrorCode::General,
            );
        }
        self.publish(now);
        // Nobody is being asked: whoever waits for an answer has it, or would wait for a source that is given time to recover.
        if !self.feeds.iter().any(Feed::is_asking) {
            for waiting in self.waiting.drain(..) {
                let _ = waiting.send(());
            }
        }
        wake
    }

    fn hear(&mut self, place: usize, news: News) {
        let now = self.notice_sleep();
        match news {
            News::Answer(id, Ok(fetched)) => self.judge(place, id, fetched, now),
            News::Answer(id, Err(error)) => self.unreachable(place, id, &error, now),
            News::Panicked(id) => {
                bump(&self.shared.meters.source_panics);
                let error = SourceError::new("the source panicked");
                self.unreachable(place, id, &error, now);
            }
            News::WatchPanicked => {
                bump(&self.shared.meters.source_panics);
                if let Some(feed) = self.feeds.get(place) {
                    tracing::error!(
                        source = feed.source.name(),
                        "the source panicked while it watched for changes; it is asked at intervals only from now on"
                    );
                }
            }
        }
        self.publish(now);
    }

    fn unreachable(&mut self, place: usize, id: RequestId, error: &SourceError, now: Times) {
        bump(&self.shared.meters.fetches);
        if let Some(feed) = self.feeds.get_mut(place)
            && feed.refresh.on_failure(id, now.monotonic)
        {
            feed.failing = true;
            self.failed(place, &error.to_string(), ErrorCode::General);
        }
    }

    fn judge(&mut self, place: usize, id: RequestId, fetched: Fetched, now: Times) {
        let meters = &self.shared.meters;
        bump(&meters.fetches);
        let bytes = fetched.body.len() as u64;
        meters
            .fetched_bytes
            .fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        let held = self.shared.held_for_long();
        let Some(feed) = self.feeds.get_mut(place) else {
            return;
        };
        let understood = self.shared.config.documents.understand(&fetched);
        let response = Response {
            status: fetched.status,
            etag: fetched.etag.as_deref(),
            retry_after: fetched.retry_after,
            body: &understood.document,
            signature: understood.signature,
        };
        let judged = feed
            .refresh
            .on_response(id, &response, held.flag_set.as_deref(), now);
        match judged {
            Refreshed::Accepted(flag_set) => {
                feed.failing = false;
                feed.answered = true;
                let changed = feed.changed_flags();
                let entry = Entry {
                    source: feed.source.name().to_owned(),
                    etag: fetched.etag,
                    signature: fetched.signature,
                    format: self.shared.config.documents.format(),
                    confirmed_at: now.wall,
                    document: fetched.body,
                };
                self.accept(place, *flag_set, changed, entry, now);
            }
            Refreshed::Unchanged => {
                bump(&meters.unchanged);
                feed.failing = false;
                feed.answered = true;
                self.confirmed(place, now);
            }
            Refreshed::Failed(failure) => {
                feed.failing = true;
                let code = if failure.is_refusal() {
                    bump(&meters.refused);
                    ErrorCode::ParseError
                } else {
                    ErrorCode::General
                };
                let text = understood.refused.unwrap_or_else(|| refusal(&failure));
                self.failed(place, &text, code);
            }
            // An answer to a request that was given up, or one that this version does not know.
            _ => {}
        }
    }

    /// Holds a newer flag set from now on, unless it is of a source that only stands in.
    fn accept(
        &mut self,
        place: usize,
        flag_set: FlagSet,
        changed: Option<Vec<String>>,
        entry: Entry,
        now: Times,
    ) {
        let held = self.shared.held_for_long().flag_set.clone();
        let stands_in = held
            .as_ref()
            .is_some_and(|held| place > self.held_by && flag_set.revision() <= held.revision());
        if stands_in {
            // Without a higher revision there is no telling that it is newer than what a preferred source gave.
            if changed.is_none() {
                self.confirmed(place, now);
            } else if let (Some(held), Some(feed)) = (&held, self.feeds.get_mut(place)) {
                tracing::debug!(
                    source = feed.source.name(),
                    "what a less preferred source has is not known to be newer, and is not used"
                );
                let age = self.shared.age(now.monotonic).unwrap_or_default();
                feed.refresh.bootstrap(held, None, age, now);
            }
            return;
        }
        let Some(feed) = self.feeds.get(place) else {
            return;
        };
        bump(&self.shared.meters.accepted);
        let name: Arc<str> = feed.source.name().into();
        let origin = Origin::Source(Arc::clone(&name));
        let revision = flag_set.revision();
        describe(&flag_set, &name);
        let flag_set = Arc::new(flag_set);
        self.shared.change_held(|held| {
            held.flag_set = Some(Arc::clone(&flag_set));
            held.origin = Some(origin.clone());
        });
        self.held_by = place;
        self.confirm(place, now);
        self.publish(now);
        if let (Some(flags), Some(_)) = (changed, held) {
            let changed = Event::ConfigurationChanged {
                flags: flags.into(),
                revision,
                origin,
            };
            self.arm.hub.announce(|_| Some(changed));
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.entry = Some(entry);
            keeper.keep(&self.shared, now);
        }
    }

    /// A source said that what is held is the newest.
    fn confirmed(&mut self, by: usize, now: Times) {
        self.confirm(by, now);
        if let Some(keeper) = &mut self.keeper {
            keeper.confirmed(&self.shared, now);
        }
    }

    /// What is held is the newest. The other machines learn it too: what is held is not older for having
    /// been confirmed by another.
    fn confirm(&mut self, by: usize, now: Times) {
        self.shared.confirm(now.monotonic, Duration::ZERO);
        let Some(held) = self.shared.held_for_long().flag_set.clone() else {
            return;
        };
        for (place, feed) in self.feeds.iter_mut().enumerate() {
            if place != by {
                feed.refresh.bootstrap(&held, None, Duration::ZERO, now);
            }
            let _ = feed.changed_flags();
        }
        let state = |state: &mut State| {
            state.confirmed_at = Some(now.wall);
            if by == 0 {
                state.last_failure = None;
                state.failures = 0;
            }
        };
        self.arm.state.send_modify(state);
    }

    /// Says what happened, what was kept and what happens next.
    fn failed(&mut self, place: usize, what: &str, error_code: ErrorCode) {
        bump(&self.shared.meters.failed);
        let Some(feed) = self.feeds.get(place) else {
            return;
        };
        let kept = match &self.shared.held_for_long().flag_set {
            None => "there is no flag set, evaluations give their defaults".to_owned(),
            Some(held) => {
                let age = self.shared.age(self.shared.clock.monotonic());
                let age = age.map_or_else(String::new, |age| {
                    format!(", confirmed {} ago", seconds(age))
                });
                format!("revision {}{age}, stays in use", held.revision())
            }
        };
        let next = feed
            .refresh
            .next_fetch()
            .map(|at| self.shared.clock.until(at));
        let next = format!("asked again in {}", seconds(next.unwrap_or_default()));
        let instead = match self.feeds.get(place + 1) {
            Some(other) => format!(", meanwhile {} is asked", other.source.name()),
            None => String::new(),
        };
        let failures = feed.refresh.status().failures;
        let message = format!("{}: {what}; {kept}; {next}{instead}", feed.source.name());
        tracing::warn!(source = feed.source.name(), failures, "{message}");
        let now = self.last;
        let event = Event::Error {
            message: message.clone(),
            error_code,
        };
        self.announce(now, Some(event), |state| {
            if place == 0 {
                state.failures = failures;
                state.last_failure = Some(message);
            } else {
                state.last_failure.get_or_insert(message);
            }
        });
    }

    /// Brings the state up to date, and tells what that means.
    fn publish(&self, now: Times) {
        self.announce(now, None, |_| {});
    }

    /// Brings the state up to date with a change of its own, and tells of the event or of what the state has become. First the
    /// state, then the event, so that who hears it sees it.
    fn announce(&self, now: Times, event: Option<Event>, change: impl FnOnce(&mut State)) {
        let held = self.shared.held_for_long();
        let age = self.shared.age(now.monotonic);
        let stale = match (self.shared.config.stale_after, age) {
            (Some(limit), Some(age)) => age >= limit,
            _ => false,
        };
        let settled = self.is_settled();
        let status = match (&held.flag_set, stale) {
            (Some(_), true) => Status::Stale,
            (Some(_), false) => Status::Ready,
            (None, _) if settled => Status::Error,
            (None, _) => Status::NotReady,
        };
        let revision = held.flag_set.as_ref().map(|set| set.revision());
        let mut became = None;
        self.arm.hub.announce(|_| {
            self.arm.state.send_if_modified(|state| {
                let before = state.clone();
                change(state);
                state.status = status;
                state.revision = revision;
                state.origin.clone_from(&held.origin);
                state.settled |= settled;
                if before.status != status {
                    became = transition(status, revision, held.origin.clone(), age);
                }
                *state != before
            });
            became.clone().into_iter().chain(event)
        });
        match became {
            Some(Event::Ready { revision, origin }) => {
                tracing::info!(revision, origin = %origin, "ready");
            }
            Some(Event::Stale { message }) => tracing::warn!("{message}"),
            _ => {}
        }
    }

    /// Whether nothing better can be had at once: a source answered, or all that there are failed.
    fn is_settled(&self) -> bool {
        for feed in &self.feeds {
            if feed.failing {
                continue;
            }
            return feed.answered;
        }
        true
    }

    fn closed(&self) {
        tracing::debug!("closed");
        self.arm.state.send_modify(|state| {
            state.status = Status::Closed;
            state.settled = true;
        });
    }
}

/// What it means that the state has become this.
fn transition(
    status: Status,
    revision: Option<u64>,
    origin: Option<Origin>,
    age: Option<Duration>,
) -> Option<Event> {
    match status {
        Status::Ready => Some(Event::Ready {
            revision: revision?,
            origin: origin?,
        }),
        Status::Stale => Some(Event::Stale {
            message: format!(
                "no source confirmed revision {} for {}; it stays in use, and the sources are asked again as before",
                revision.unwrap_or_default(),
                seconds(age.unwrap_or_default()),
            ),
        }),
        _ => None,
    }
}

/// How old the time in the copy on disk may get while sources confirm what it holds: a process that starts later takes the
/// flag set to be so much older than it is.
const CONFIRM_EVERY: Duration = Duration::from_secs(300);

/// Keeps the copy on disk up to date.
struct Keeper {
    cache: Cache,
    /// What is, or ought to be, on the disk.
    entry: Option<Entry>,
    written: Option<MonotonicMillis>,
    /// Said once; a full disk is full every time.
    failing: bool,
}

impl Keeper {
    const fn new(cache: Cache) -> Self {
        Self {
            cache,
            entry: None,
            written: None,
            failing: false,
        }
    }

    /// Writes when the time in the copy is old.
    fn confirmed(&mut self, shared: &Shared, now: Times) {
        let due = self
            .written
            .is_none_or(|at| now.monotonic.since(at) >= CONFIRM_EVERY);
        if due {
            self.keep(shared, now);
        }
    }

    fn keep(&mut self, shared: &Shared, now: Times) {
        let Some(entry) = &mut self.entry else {
            return;
        };
        entry.confirmed_at = now.wall;
        self.written = Some(now.monotonic);
        let path = self.cache.path().display();
        match self.cache.write(entry) {
            Ok(()) => {
                bump(&shared.meters.cache_writes);
                if std::mem::take(&mut self.failing) {
                    tracing::info!(%path, "the copy of the flag set could be written again");
                }
            }
            Err(error) => {
                bump(&shared.meters.cache_failures);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(
                        %path,
                        "the copy of the flag set could not be written: {error}; the flag set in memory is used as before, and writing is tried again with the next one"
                    );
                }
            }
        }
    }
}

/// Waits for the next answer of any source.
async fn next_news(feeds: &mut [Feed]) -> (usize, News) {
    std::future::poll_fn(|context| {
        for (place, feed) in feeds.iter_mut().enumerate() {
            if let std::task::Poll::Ready(news) = feed.poll_news(context) {
                return std::task::Poll::Ready((place, news));
            }
        }
        std::task::Poll::Pending
    })
    .await
}

fn refusal(failure: &RefreshFailure) -> String {
    match failure {
        RefreshFailure::Status { status: 401 | 403 } => {
            format!("{failure}: check the token or header that the client was given")
        }
        RefreshFailure::Status { status: 404 } => format!("{failure}: check the address"),
        failure => failure.to_string(),
    }
}

/// Says what is wrong in a flag set that was taken all the same.
fn describe(flag_set: &FlagSet, source: &str) {
    let wrong = flag_set.diagnostics();
    for diagnostic in wrong.iter().take(NAMED) {
        tracing::warn!(source, revision = flag_set.revision(), "{diagnostic}");
    }
    if let Some(more) = wrong.len().checked_sub(NAMED).filter(|more| *more > 0) {
        tracing::warn!(source, "and {more} more; `bucketry validate` lists them");
    }
}

/// For a person: tenths up to ten seconds, then whole ones.
fn seconds(span: Duration) -> String {
    if span < Duration::from_secs(10) {
        format!("{:.1} s", span.as_secs_f64())
    } else {
        format!("{} s", span.as_secs())
    }
}
