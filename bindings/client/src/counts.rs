//! Counting evaluations without slowing them down.
//!
//! A counter that all threads write would cost more than evaluating: its cache line would travel between the cores. So
//! each thread leases a place of its own, and only it writes there; who reads adds the places up.

use std::sync::atomic::{AtomicU64, Ordering};

use bucketry_core::ErrorCode;

/// Threads that count without sharing; further ones share the last place.
const PLACES: usize = 64;

/// What an evaluation came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub(crate) enum Outcome {
    /// The value of a variant, or an override.
    Value,
    /// The caller's default, as the flag set says.
    Default,
    NotReady,
    NotFound,
    Refused,
    Mismatch,
    UnitMissing,
    InvalidContext,
}

const OUTCOMES: usize = 8;

impl Outcome {
    #[cold]
    pub(crate) const fn of_error(code: ErrorCode) -> Self {
        match code {
            ErrorCode::ProviderNotReady => Self::NotReady,
            ErrorCode::FlagNotFound => Self::NotFound,
            ErrorCode::ParseError => Self::Refused,
            ErrorCode::TargetingKeyMissing => Self::UnitMissing,
            ErrorCode::InvalidContext => Self::InvalidContext,
            // An override that does not fit is a mismatch too.
            _ => Self::Mismatch,
        }
    }
}

/// What one thread counts. 128 bytes: processors fetch cache lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place([AtomicU64; OUTCOMES]);

/// The evaluations of one client.
#[derive(Debug)]
pub(crate) struct Counts(Box<[Place]>);

impl Counts {
    pub(crate) fn new() -> Self {
        Self((0..PLACES).map(|_| Place::default()).collect())
    }

    #[inline]
    pub(crate) fn add(&self, outcome: Outcome) {
        let place = LEASE.try_with(Lease::place).unwrap_or(PLACES - 1);
        let counter = self
            .0
            .get(place)
            .and_then(|place| place.0.get(outcome as usize));
        let Some(counter) = counter else {
            return;
        };
        if place == PLACES - 1 {
            counter.fetch_add(1, Ordering::Relaxed);
        } else {
            // Nobody else writes here, so this need not lock the line.
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    pub(crate) fn sum(&self, outcome: Outcome) -> u64 {
        self.0
            .iter()
            .filter_map(|place| place.0.get(outcome as usize))
            .map(|counter| counter.load(Ordering::Relaxed))
            .sum()
    }
}

/// Which places are leased: a bit each. No lock, because a forked child may not wait for one.
static LEASED: AtomicU64 = AtomicU64::new(1 << (PLACES - 1));

/// A thread's place, in every client.
struct Lease(usize);

impl Lease {
    fn new() -> Self {
        let mut leased = LEASED.load(Ordering::Relaxed);
        loop {
            let free = leased.trailing_ones();
            if free >= u64::BITS {
                return Self(PLACES - 1);
            }
            // What the thread before counted at this place must be seen before it is counted on.
            match LEASED.compare_exchange_weak(
                leased,
                leased | 1 << free,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Self(free as usize),
                Err(now) => leased = now,
            }
        }
    }

    #[inline]
    fn place(&self) -> usize {
        self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let place = self.place();
        if place < PLACES - 1 {
            LEASED.fetch_and(!(1 << place), Ordering::Release);
        }
    }
}

thread_local! {
    static LEASE: Lease = Lease::new();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn nothing_is_lost_with_more_threads_than_places() {
        let counts = Arc::new(Counts::new());
        let threads: Vec<_> = (0..PLACES * 3)
            .map(|_| {
                let counts = Arc::clone(&counts);
                std::thread::spawn(move || (0..1_000).for_each(|_| counts.add(Outcome::Value)))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(counts.sum(Outcome::Value), PLACES as u64 * 3_000);
        assert_eq!(counts.sum(Outcome::Default), 0);
    }
}
