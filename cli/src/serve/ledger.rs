//! What the collector remembers of what is stored: which numbers of which producer, and which exposures.

use std::collections::{BTreeMap, HashMap};

use bucketry_core::{EventId, ProducerId, UnixMillis};

use serde::Serialize;

use super::ranges::Ranges;
use super::record::{Heartbeat, Seen};

/// What may be remembered. The defaults come to 40 MiB at worst.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Producers, about 200 bytes each: 20 MB.
    pub(super) producers: usize,
    /// Ranges of all producers together, 16 bytes each. A producer without gaps has one: 8 MB.
    pub(super) ranges: usize,
    /// Event ids in each of two generations, about 28 bytes each: 13 MB.
    pub(super) events: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            producers: 100_000,
            ranges: 500_000,
            // What a hash table of 2^18 places takes before it grows.
            events: 229_376,
        }
    }
}

/// Numbers and exposures that are stored, or are about to be.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    bounds: Bounds,
    producers: HashMap<ProducerId, Producer>,
    ranges: usize,
    /// Counts uses, to tell which producer was heard of longest ago.
    clock: u64,
    recent: HashMap<EventId, i64>,
    older: HashMap<EventId, i64>,
    forgotten: u64,
}

/// What is known of a producer.
#[derive(Debug, Default)]
pub(super) struct Producer {
    pub(super) held: Ranges,
    pub(super) heard: Option<UnixMillis>,
    /// The heartbeat of the highest number.
    pub(super) heartbeat: Option<(u64, Heartbeat)>,
    used: u64,
}

impl Ledger {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            ..Self::default()
        }
    }

    /// Whether the record of this number is stored.
    pub(super) fn holds(&self, producer: ProducerId, seq: u64) -> bool {
        let producer = self.producers.get(&producer);
        producer.is_some_and(|producer| producer.held.contains(seq))
    }

    /// Whether this exposure is stored, with a time no later than this one.
    pub(super) fn has_seen(&self, seen: Seen) -> bool {
        let at = |map: &HashMap<EventId, i64>| map.get(&seen.event_id).copied();
        let earliest = at(&self.recent).or_else(|| at(&self.older));
        earliest.is_some_and(|ts| ts <= seen.ts)
    }

    /// Remembers an exposure that is stored. Of those remembered longest, half are forgotten when there are too many.
    pub(super) fn see(&mut self, seen: Seen) {
        if self.bounds.events == 0 {
            return;
        }
        if self.recent.len() >= self.bounds.events && !self.recent.contains_key(&seen.event_id) {
            self.older = std::mem::take(&mut self.recent);
        }
        let older = self.older.get(&seen.event_id).copied();
        let ts = self.recent.entry(seen.event_id).or_insert(seen.ts);
        *ts = (*ts).min(seen.ts).min(older.unwrap_or(i64::MAX));
    }

    /// Remembers that these numbers are stored.
    pub(super) fn hold(&mut self, id: ProducerId, numbers: &Ranges, heard: Option<UnixMillis>) {
        self.clock += 1;
        let producer = self.producers.entry(id).or_default();
        let before = producer.held.len();
        producer.held.extend(numbers);
        producer.used = self.clock;
        producer.heard = heard.max(producer.heard);
        self.ranges = self.ranges + producer.held.len() - before;
        self.forget();
    }

    /// Remembers what a producer's heartbeat of this number told.
    pub(super) fn beat(&mut self, id: ProducerId, seq: u64, heartbeat: Heartbeat) {
        let Some(producer) = self.producers.get_mut(&id) else {
            return;
        };
        if producer.heartbeat.as_ref().is_none_or(|(at, _)| *at < seq) {
            producer.heartbeat = Some((seq, heartbeat));
        }
    }

    /// Forgets the producers heard of longest ago: a sixteenth of them at once, so that it costs little each time.
    fn forget(&mut self) {
        while self.producers.len() > self.bounds.producers
            || (self.ranges > self.bounds.ranges && self.producers.len() > 1)
        {
            let mut uses: Vec<u64> = self.producers.values().map(|each| each.used).collect();
            let count = (uses.len() / 16).max(1);
            let (_, oldest, _) = uses.select_nth_unstable(count - 1);
            let oldest = *oldest;
            let before = self.producers.len();
            self.producers.retain(|_, each| each.used > oldest);
            self.forgotten += (before - self.producers.len()) as u64;
            self.ranges = self.producers.values().map(|each| each.held.len()).sum();
        }
        // One producer alone over the bound is somebody who sends every second number.
        if self.ranges > self.bounds.ranges {
            self.forgotten += self.producers.len() as u64;
            self.producers.clear();
            self.ranges = 0;
        }
    }

    /// The producers, in the order of their ids.
    pub(super) fn producers(&self) -> BTreeMap<ProducerId, &Producer> {
        self.producers
            .iter()
            .map(|(id, each)| (*id, each))
            .collect()
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals {
            producers: self.producers.len(),
            forgotten: self.forgotten,
            events: self.recent.len() + self.older.len(),
            ..Totals::default()
        };
        for producer in self.producers.values() {
            let missing: u64 = producer.held.missing().map(|(a, b)| b - a + 1).sum();
            totals.missing += missing;
            totals.with_gaps += usize::from(missing > 0);
        }
        totals
    }
}

/// Sums over what is remembered.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Totals {
    pub(super) producers: usize,
    #[serde(rename = "producersWithGaps")]
    pub(super) with_gaps: usize,
    /// Records that are missing between those stored.
    #[serde(rename = "recordsMissing")]
    pub(super) missing: u64,
    /// Producers that were forgotten for want of room.
    #[serde(rename = "producersForgotten")]
    pub(super) forgotten: u64,
    /// Event ids remembered.
    #[serde(rename = "exposuresRemembered")]
    pub(super) events: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producer(number: u32) -> ProducerId {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        ProducerId(id)
    }

    fn seen(number: u32, ts: i64) -> Seen {
        let ProducerId(event_id) = producer(number);
        Seen {
            event_id: EventId(event_id),
            ts,
        }
    }

    fn numbers(list: impl IntoIterator<Item = u64>) -> Ranges {
        let mut ranges = Ranges::default();
        list.into_iter()
            .for_each(|number| ranges.insert(number, number));
        ranges
    }

    #[test]
    fn of_too_many_producers_those_heard_of_longest_ago_are_forgotten() {
        let mut ledger = Ledger::new(Bounds {
            producers: 100,
            ..Bounds::default()
        });
        for number in 0..1_000 {
            ledger.hold(producer(number), &numbers(1..=3), None);
            // Who is heard of again and again stays.
            ledger.hold(producer(0), &numbers([u64::from(number) + 1]), None);
            assert!(ledger.producers.len() <= 100);
        }
        assert!(ledger.holds(producer(0), 999));
        assert!(ledger.holds(producer(999), 2));
        assert!(!ledger.holds(producer(1), 2));
        let totals = ledger.totals();
        assert_eq!(totals.producers as u64 + totals.forgotten, 1_000);
        assert_eq!(totals.missing, 0);
    }

    #[test]
    fn gaps_are_bounded_whoever_makes_them() {
        let bounds = Bounds {
            ranges: 1_000,
            ..Bounds::default()
        };
        // Many producers with gaps, and one that sends every second number.
        let mut ledger = Ledger::new(bounds);
        for number in 0..200 {
            ledger.hold(producer(number), &numbers((0..50).map(|n| n * 2 + 1)), None);
            let ranges: usize = ledger.producers.values().map(|each| each.held.len()).sum();
            assert!(ranges <= 1_000);
            assert_eq!(ranges, ledger.ranges);
        }
        let mut ledger = Ledger::new(bounds);
        for number in 0..5_000 {
            ledger.hold(producer(0), &numbers([number * 2 + 1]), None);
            assert!(ledger.ranges <= 1_000);
        }
        assert_eq!(ledger.totals().with_gaps, 1);
    }

    #[test]
    fn the_ids_seen_last_are_remembered() {
        let mut ledger = Ledger::new(Bounds {
            events: 100,
            ..Bounds::default()
        });
        for number in 0..1_000 {
            ledger.see(seen(number, 5));
            assert!(ledger.recent.len() <= 100 && ledger.older.len() <= 100);
        }
        assert!((900..1_000).all(|number| ledger.has_seen(seen(number, 5))));
        assert!(!(0..700).any(|number| ledger.has_seen(seen(number, 5))));
    }

    #[test]
    fn an_exposure_earlier_than_the_one_stored_is_no_repeat_of_it() {
        let mut ledger = Ledger::new(Bounds::default());
        ledger.see(seen(1, 5));
        assert!(ledger.has_seen(seen(1, 6)) && ledger.has_seen(seen(1, 5)));
        assert!(!ledger.has_seen(seen(1, 4)));
        ledger.see(seen(1, 4));
        ledger.see(seen(1, 9));
        assert!(ledger.has_seen(seen(1, 4)));
    }

    #[test]
    fn the_heartbeat_of_the_highest_number_speaks() {
        let mut ledger = Ledger::new(Bounds::default());
        ledger.hold(producer(1), &numbers(1..=9), None);
        for (seq, evaluated) in [(3, 30), (9, 90), (5, 50)] {
            let heartbeat = Heartbeat {
                evaluated,
                ..Heartbeat::default()
            };
            ledger.beat(producer(1), seq, heartbeat);
        }
        let producers = ledger.producers();
        let (_, heartbeat) = producers[&producer(1)].heartbeat.as_ref().unwrap();
        assert_eq!(heartbeat.evaluated, 90);
    }
}
