//! What must hold, whatever happens.

use std::collections::BTreeSet;

use bucketry_core::{Counters, FlagSet, ProducerId};

use crate::network::CALM_DELAY;
use crate::process::Process;
use crate::rules::POST_STORM;
use crate::server::{FORGERY, IMPOSTOR};
use crate::trace::{Checked, hold};
use crate::world::World;

const BALANCE: &str = "every exposure is in the account";
const BACKWARDS: &str = "the revision never goes back";
const CONTENT: &str = "only what was published and signed is held";
const CONVERGENCE: &str = "the flag set converges";
const DRAIN: &str = "all that is pending drains";
const STORED: &str = "an acknowledged exposure is stored";
const PROMISED: &str = "what was spooled is not lost";
const FATE: &str = "an exposure is delivered once or counted";
const INVENTED: &str = "nothing is stored that was not recorded";
const GAPS: &str = "gaps are what was lost";
pub(crate) const READABLE: &str = "a spool can be read";
pub(crate) const CHILD: &str = "a child sends nothing of its parent's";
pub(crate) const WAITS: &str = "a wait ends later than it begins";

/// There and back in fair weather.
const ROUND_TRIP: u64 = 2 * CALM_DELAY;

impl World {
    /// After everything that happens to a client.
    pub(crate) fn check_client(&mut self, index: usize) -> Checked {
        let process = self.clients[index].process.as_ref().expect("it runs");
        let counters = process.log.machine.counters();
        let producer = process.log.producer();
        hold!(
            BALANCE,
            counters.is_balanced(),
            "client {index}: {counters:?}"
        );
        let book = self.books.book(producer);
        let told = [
            (counters.evaluated, book.told.evaluated),
            (counters.deduplicated, book.told.deduplicated),
            (counters.sampled_out, book.told.sampled_out),
            (counters.dropped.queue_full, book.told.dropped.queue_full),
            (counters.dropped.too_large, book.told.dropped.too_large),
            (counters.left_to_parent, book.told.left_to_parent),
        ];
        for (counted, told) in told {
            hold!(
                BALANCE,
                counted == told || self.fault.is_some(),
                "client {index}: {counters:?}"
            );
        }
        let accepted = counters.queued + counters.in_flight + counters.sent;
        let lost = counters.dropped.shed + counters.dropped.rejected;
        let account = accepted + lost == book.accepted.len() as u64;
        hold!(
            BALANCE,
            account || self.fault.is_some(),
            "client {index}: {counters:?}"
        );
        self.check_freshness(index)
    }

    /// Before a flag set that was accepted is held.
    pub(crate) fn check_accepted(&mut self, index: usize, news: &FlagSet) -> Checked {
        let held = self.clients[index]
            .process
            .as_ref()
            .expect("it runs")
            .held
            .as_ref();
        let old = held.map_or(0, |held| held.flag_set.revision());
        hold!(
            BACKWARDS,
            news.revision() > old,
            "client {index}: {old} to {}",
            news.revision()
        );
        Ok(())
    }

    /// What is held was published as it is, and in fair weather is as new as the interval allows.
    fn check_freshness(&mut self, index: usize) -> Checked {
        let client = &self.clients[index];
        let process = client.process.as_ref().expect("it runs");
        let revision = process
            .held
            .as_ref()
            .map_or(0, |held| held.flag_set.revision());
        let best = self.best.entry(process.address.process).or_default();
        hold!(
            BACKWARDS,
            revision >= *best,
            "client {index}: {best} to {revision}"
        );
        *best = revision;
        if let Some(held) = &process.held {
            hold!(
                CONTENT,
                held.marker < FORGERY,
                "client {index} holds a forgery"
            );
            let genuine =
                |(_, document): &&(u64, crate::server::Document)| document.revision == revision;
            let genuine = self.server.published.iter().find(genuine);
            let genuine = genuine.is_some_and(|(_, document)| document.marker == held.marker);
            hold!(
                CONTENT,
                genuine || held.marker >= IMPOSTOR,
                "client {index}: {}",
                held.marker
            );
        }
        let calm = self
            .weather
            .calm
            .then_some(self.weather.since.max(process.disturbed));
        if let Some(since) = calm
            && self.now > since + self.convergence(index)
        {
            let news_takes = client.settings.intervals().1 + ROUND_TRIP;
            let known = self.server.newest_at(self.now - news_takes).revision;
            hold!(
                CONVERGENCE,
                revision >= known,
                "client {index} holds {revision}, and {known} was published more than {news_takes} ms ago; calm since {since}"
            );
        }
        Ok(())
    }

    /// How long after the end of a storm, or of what befell the client itself, it holds what the server has.
    ///
    /// A fetch that was under way may hang until its timeout. Then comes one wait: after a failure the longest back-off,
    /// after a refusal an interval, after `Retry-After` what was asked up to the bound and the spread, after a wrong "not modified" an interval.
    /// Then a fetch that succeeds.
    pub(crate) fn convergence(&self, index: usize) -> u64 {
        let settings = &self.clients[index].settings;
        let (least, most) = settings.intervals();
        let asked = settings.max_retry_after + (most - least);
        settings.request_timeout + settings.max_backoff.max(most).max(asked) + ROUND_TRIP
    }

    /// How long after the end of everything nothing is pending any more.
    ///
    /// Attempts under way may hang until their timeout; then the longest back-off or pause; then what was recorded
    /// last waits its flush interval and the counters theirs, and each batch takes a round trip or, if it is
    /// too large for the receiver and sent in halves, two for each record.
    pub(crate) fn drain(&self, index: usize) -> u64 {
        let client = &self.clients[index];
        let posts = &client.settings.posts;
        let asked = posts.max_retry_after + posts.flush_interval;
        let waits = posts.send_timeout + posts.max_backoff.max(asked);
        let counters = client
            .process
            .as_ref()
            .expect("it runs")
            .log
            .machine
            .counters();
        let pending = counters.queued + counters.in_flight + counters.restored.in_flight;
        let transfers = 2 * (pending + 20) * ROUND_TRIP;
        waits + posts.flush_interval + posts.heartbeat_interval + transfers
    }

    /// No more batches than their occasions: a flush interval, a heartbeat interval, a batch's worth of exposures, a flush, an
    /// export, the halves of one that was too large, one that was taken over.
    pub(crate) fn check_post_count(&self, index: usize, process: &Process) -> Checked {
        let settings = &self.clients[index].settings;
        let lived = self.now - process.started;
        let every = |interval: u64, events: u64| match interval {
            0 => events,
            // Half of it is drawn.
            interval => (1 + 2 * lived / interval).min(events),
        };
        // An exposure takes less than 1,200 bytes; once a batch was too large, batches may be of one record.
        let full = match process.posts.split {
            true => process.recorded,
            false => {
                process.recorded / settings.batch_records as u64
                    + process.recorded * 1_200 / settings.batch_bytes as u64
            }
        };
        let most = every(settings.posts.flush_interval, process.recorded)
            + match settings.posts.heartbeat_interval {
                0 => 0,
                interval => 1 + 2 * lived / interval,
            }
            + full
            + process.posts.occasions
            + 2;
        hold!(
            POST_STORM,
            process.posts.firsts <= most,
            "client {index}: {} batches, {most} allowed",
            process.posts.firsts
        );
        Ok(())
    }

    /// When all is quiet.
    pub(crate) fn check_end(&mut self) -> Checked {
        for index in 0..self.clients.len() {
            self.check_client(index)?;
            let client = &self.clients[index];
            let process = client.process.as_ref().expect("it runs");
            self.check_post_count(index, process)?;
            let held = process.held.as_ref().map(|held| held.marker);
            let newest = self.server.newest().marker;
            hold!(
                CONVERGENCE,
                held == Some(newest),
                "client {index} holds {held:?}, not {newest}"
            );
            let counters = process.log.machine.counters();
            let pending = counters.queued + counters.in_flight + counters.restored.in_flight;
            hold!(DRAIN, pending == 0, "client {index}: {counters:?}");
            self.count(&counters);
        }
        let producers: Vec<ProducerId> = self.books.of.keys().copied().collect();
        for producer in producers {
            self.check_producer(producer)?;
        }
        self.see("doubled batch", self.store.duplicates);
        Ok(())
    }

    /// Every exposure of a producer is delivered once, or its fate has a name and a count.
    fn check_producer(&mut self, producer: ProducerId) -> Checked {
        let mut swallowed = BTreeSet::new();
        for id in self
            .store
            .swallowed
            .iter()
            .filter(|id| id.producer == producer)
        {
            swallowed.extend(id.first..=id.last);
        }
        let book = &self.books.of[&producer];
        let stored = |number: &u64| self.store.has(producer, *number);
        let excused = |number: &u64| swallowed.contains(number) || book.refused.contains(number);

        let lost: Vec<u64> = book
            .acknowledged
            .iter()
            .copied()
            .filter(|n| !stored(n) && !swallowed.contains(n))
            .collect();
        hold!(STORED, lost.is_empty(), "{producer}: {lost:?}");

        let is_exposure = |number: &&u64| matches!(book.sealed.get(number), Some(Some(_)));
        let promised = book.promised.iter().filter(is_exposure);
        let kept = |n: &&u64| stored(n) || excused(n) || book.acknowledged.contains(n);
        let lost = promised.filter(|number| !kept(number)).count() as u64;
        hold!(
            PROMISED,
            lost <= self.found_no_room,
            "{producer}: {lost} exposures, {} of all found no room",
            self.found_no_room
        );

        // The numbers tell which records are missing before the last that came: of a producer that lived to the end those
        // that were refused or swallowed, of one that did not also those that it held.
        let gaps = self.store.gaps(producer);
        let highest = self
            .store
            .lines
            .get(&producer)
            .and_then(|lines| lines.keys().next_back());
        let highest = highest.copied().unwrap_or(0);
        if book.ended.is_none() {
            let all = book.refused.union(&swallowed).copied();
            let known: Vec<u64> = all.filter(|n| *n < highest && !stored(n)).collect();
            hold!(GAPS, gaps == known, "{producer}: {gaps:?}, not {known:?}");
        }
        self.seen_gaps += gaps.len() as u64;

        // What came was recorded, and each exposure once.
        let mut exposures = 0;
        for (number, line) in self.store.lines.get(&producer).into_iter().flatten() {
            let sealed = book.sealed.get(number);
            hold!(
                INVENTED,
                sealed == Some(&line.exposure),
                "record {number} of {producer}"
            );
            exposures += u64::from(line.exposure.is_some());
        }
        let mut recorded = book.accepted.clone();
        recorded.sort_unstable();
        let mut sealed: Vec<_> = book.sealed.values().flatten().copied().collect();
        sealed.sort_unstable();
        let mut rest = recorded.iter();
        let invented = sealed.iter().find(|id| !rest.any(|known| known == *id));
        hold!(
            INVENTED,
            invented.is_none() || self.fault.is_some(),
            "{producer}: {invented:?}"
        );

        let of_exposures = |numbers: &BTreeSet<u64>| -> u64 {
            let missing = numbers.iter().filter(|n| !stored(n));
            missing
                .filter(|n| matches!(book.sealed.get(n), Some(Some(_))))
                .count() as u64
        };
        let refused = of_exposures(&book.refused);
        let only_swallowed: BTreeSet<u64> = swallowed.difference(&book.refused).copied().collect();
        let swallowed = of_exposures(&only_swallowed);
        let counters = match book.ended {
            Some(counters) => counters,
            None => self.counters_of(producer).unwrap_or_default(),
        };
        let named = exposures + refused + swallowed + counters.dropped.shed;
        let accepted = book.accepted.len() as u64;
        let held_at_the_end = match book.ended {
            Some(counters) => counters.queued + counters.in_flight,
            None => 0,
        };
        let with_process = accepted.checked_sub(named);
        hold!(
            FATE,
            with_process.is_some_and(|lost| lost <= held_at_the_end),
            "{producer}: {accepted} recorded; {exposures} stored, {refused} refused, {swallowed} swallowed, {} shed, {held_at_the_end} held when it ended",
            counters.dropped.shed
        );
        self.see("lost with a process", with_process.unwrap_or(0));
        Ok(())
    }

    fn counters_of(&self, producer: ProducerId) -> Option<Counters> {
        let running = self
            .clients
            .iter()
            .filter_map(|client| client.process.as_ref());
        let mut of_producer = running.filter(|process| process.log.producer() == producer);
        of_producer
            .next()
            .map(|process| process.log.machine.counters())
    }
}
