//! The table of what was recorded already: bounded, and forgetting what was longest unused.

use alloc::vec::Vec;
use core::mem;

/// Identities in a set; a new one takes the place of the least recently used of its set.
const WAYS: usize = 8;

/// What is remembered of one identity (unit, experiment, phase, variant, holdout): 32 bytes.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Never `[0, 0]`, which marks an empty place.
    pub(super) key: [u64; 2],
    /// The dedupe window in which its exposure was decided last; [`NO_WINDOW`] when that decision came to nothing.
    pub(super) window: i64,
    /// Its place among the counted arms.
    pub(super) arm: u16,
    /// Whether it was recorded before, so that a further record is a repeat.
    pub(super) exposed: bool,
}

/// No dedupe window has this index: the windows are at least a second long.
pub(super) const NO_WINDOW: i64 = i64::MIN;

const EMPTY: Entry = Entry {
    key: [0; 2],
    window: NO_WINDOW,
    arm: 0,
    exposed: false,
};

/// Sets of eight entries, each from the most to the least recently used.
///
/// Nothing is swept, rotated or cleared as a whole: a look-up and an insertion touch one set. A set
/// can be full before the table is; what it then forgets is recorded once more, and the receiver
/// drops it by its event id.
pub(super) struct Dedupe {
    /// None before the first entry.
    sets: Vec<[Entry; WAYS]>,
    /// A power of two, or 0.
    size: usize,
}

impl Dedupe {
    pub(super) fn new(entries: usize) -> Self {
        let size = match entries {
            0 => 0,
            entries => entries.div_ceil(WAYS).next_power_of_two(),
        };
        let sets = Vec::new();
        Self { sets, size }
    }

    pub(super) const fn is_off(&self) -> bool {
        self.size == 0
    }

    pub(super) fn find(&mut self, key: [u64; 2]) -> Option<&mut Entry> {
        let set = self.set(key)?;
        set.iter_mut().find(|entry| entry.key == key)
    }

    /// Puts `entry` at the front of its set, in place of an older entry of its key if there is one, or of the least
    /// recently used one.
    pub(super) fn remember(&mut self, entry: Entry) {
        if self.sets.is_empty() {
            self.sets.resize(self.size, [EMPTY; WAYS]);
        }
        let key = entry.key;
        let Some(set) = self.set(key) else {
            return;
        };
        let mut moved = entry;
        for place in set {
            mem::swap(place, &mut moved);
            if moved.key == key || moved.key == EMPTY.key {
                break;
            }
        }
    }

    fn set(&mut self, key: [u64; 2]) -> Option<&mut [Entry; WAYS]> {
        let [_, high] = key;
        let mask = self.size.wrapping_sub(1);
        self.sets.get_mut(high as usize & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> Entry {
        let key = [
            number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            number.wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(29),
        ];
        Entry {
            key,
            window: number as i64,
            arm: 7,
            exposed: true,
        }
    }

    fn known(table: &mut Dedupe, number: u64) -> bool {
        table
            .find(entry(number).key)
            .is_some_and(|found| found.window == number as i64 && found.arm == 7)
    }

    fn bytes(table: &Dedupe) -> usize {
        table.sets.capacity() * size_of::<[Entry; WAYS]>()
    }

    #[test]
    fn remembers_what_it_was_given_until_it_is_nearly_full() {
        let mut table = Dedupe::new(4_096);
        for number in 0..1_024 {
            table.remember(entry(number));
        }
        let kept = (0..1_024).filter(|n| known(&mut table, *n)).count();
        // A set gets 2 entries on average (Poisson); more than 8 has probability 0.0002 a set, 512 sets.
        assert!(kept >= 1_020, "{kept} of 1024");
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let mut table = Dedupe::new(1_000);
        let bound = 1_024 * size_of::<Entry>();
        assert_eq!(size_of::<Entry>(), 32);
        for number in 0..100_000 {
            table.remember(entry(number));
            assert_eq!(bytes(&table), bound);
            assert!(known(&mut table, number));
        }
        // The last 128 fall on 128 sets: one each on average.
        let kept = (99_872..100_000).filter(|n| known(&mut table, *n)).count();
        assert_eq!(kept, 128);
    }

    #[test]
    fn what_is_used_outlives_what_is_not() {
        let mut table = Dedupe::new(8);
        for number in 0..8 {
            table.remember(entry(number));
        }
        table.remember(entry(0)); // used again
        for number in 8..15 {
            table.remember(entry(number));
        }
        assert!(known(&mut table, 0));
        assert!((1..8).all(|n| !known(&mut table, n)));
    }

    #[test]
    fn an_entry_replaces_the_older_one_of_its_key() {
        let mut table = Dedupe::new(8);
        for window in 0..100 {
            table.remember(Entry { window, ..entry(5) });
        }
        for number in 10..17 {
            table.remember(entry(number));
        }
        assert_eq!(table.find(entry(5).key).map(|e| e.window), Some(99));
        assert!(known(&mut table, 16), "eight keys fill the set");
    }

    #[test]
    fn switched_off_it_holds_nothing() {
        let mut table = Dedupe::new(0);
        table.remember(entry(1));
        assert!(table.is_off() && !known(&mut table, 1) && bytes(&table) == 0);
    }
}
