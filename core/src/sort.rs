//! Sorting, once: the standard library's sort is compiled anew for every type, at 3 to 8 kilobytes each in a
//! browser, which for a dozen types was a third of the module. There, and only there, a slower one serves all.

use core::cmp::Ordering;

/// What heap sort asks of a list.
trait List {
    fn is_less(&self, a: usize, b: usize) -> bool;
    fn swap(&mut self, a: usize, b: usize);
}

struct By<'a, T, F> {
    items: &'a mut [T],
    compare: F,
}

impl<T, F: Fn(&T, &T) -> Ordering> List for By<'_, T, F> {
    fn is_less(&self, a: usize, b: usize) -> bool {
        match (self.items.get(a), self.items.get(b)) {
            (Some(a), Some(b)) => (self.compare)(a, b).is_lt(),
            _ => false,
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        // What is beyond the end would be a panic.
        if a.max(b) < self.items.len() {
            self.items.swap(a, b);
        }
    }
}

/// Sorts by an order; equal items end up in any order.
pub(crate) fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    if cfg!(target_family = "wasm") {
        heap_sort_by(items, compare);
    } else {
        items.sort_unstable_by(compare);
    }
}

fn heap_sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let len = items.len();
    heap_sort(len, &mut By { items, compare });
}

/// Sorts; equal items end up in any order.
pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

fn heap_sort(len: usize, list: &mut dyn List) {
    // The first half of the steps makes a heap, the second takes its largest off one by one.
    for step in (0..len + len / 2).rev() {
        let (mut node, end) = if step >= len {
            (step - len, len)
        } else {
            list.swap(0, step);
            (0, step)
        };
        loop {
            let mut child = 2 * node + 1;
            if child >= end {
                break;
            }
            if child + 1 < end && list.is_less(child, child + 1) {
                child += 1;
            }
            if !list.is_less(node, child) {
                break;
            }
            list.swap(node, child);
            node = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn sorts_as_the_standard_library_does() {
        let mut state = 1u64;
        for len in (0..70).chain([1_000, 4_097]) {
            for range in [3, 50, u64::MAX] {
                let mut items: Vec<u64> = (0..len)
                    .map(|_| {
                        state = state
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1);
                        (state >> 20) % range
                    })
                    .collect();
                let mut want = items.clone();
                want.sort_unstable();
                heap_sort_by(&mut items, u64::cmp);
                assert_eq!(items, want);
                want.reverse();
                heap_sort_by(&mut items, |a, b| b.cmp(a));
                assert_eq!(items, want);
            }
        }
    }
}
