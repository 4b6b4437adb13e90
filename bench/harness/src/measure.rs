//! CPU time, in many short samples of which the 10th percentile counts.
//!
//! CPU time of the thread leaves out what other programs take, short samples mostly miss the
//! moments after an interruption when caches are cold, and a low percentile leaves out the rest
//! without picking the one luckiest sample.

use rustix::time::{ClockId, clock_gettime};

/// How long and how often to look.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// CPU time of one sample, in nanoseconds, if a call is shorter than that.
    pub sample_ns: f64,
    /// CPU time of all samples of one measurement, if that makes 50 samples; up to ten times that
    /// otherwise.
    pub total_ns: f64,
}

impl Effort {
    /// About a third of a second a measurement.
    pub const FULL: Self = Self {
        sample_ns: 60_000.0,
        total_ns: 300e6,
    };
    /// Enough to see that everything works and roughly where it stands.
    pub const QUICK: Self = Self {
        sample_ns: 60_000.0,
        total_ns: 40e6,
    };
    /// A sample never takes longer than this, unless one call does.
    const LONGEST_SAMPLE_NS: f64 = 2e6;

    /// How many samples of that length to take.
    fn samples(self, sample_ns: f64) -> usize {
        let wanted = self.total_ns / sample_ns;
        let affordable = (10.0 * wanted).max(5.0);
        wanted.clamp(affordable.min(50.0), 10_000.0) as usize
    }
}

fn now(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Nanoseconds a call of `call`, which gets 0, 1, 2, … and is meant to go round `ring` inputs.
///
/// A sample covers whole rounds as far as it stays short, so that a sample of cheap inputs does
/// not pass for a fast one.
pub fn per_call(effort: Effort, ring: usize, mut call: impl FnMut(usize)) -> f64 {
    let mut next = 0;
    let mut sample = |calls: usize| {
        let start = now(ClockId::ThreadCPUTime);
        for i in next..next + calls {
            call(i);
        }
        next += calls;
        now(ClockId::ThreadCPUTime) - start
    };
    // Warm up, then estimate.
    let mut calls = 1;
    let mut estimate = sample(1);
    while calls < 1 << 20 && estimate < effort.sample_ns {
        calls *= 2;
        estimate = sample(calls);
    }
    let one = (sample(calls) / calls as f64).max(0.1);
    let rounds = (effort.sample_ns / (one * ring as f64)).ceil().max(1.0);
    let wanted = rounds * ring as f64;
    let most = (Effort::LONGEST_SAMPLE_NS / one).floor().max(1.0);
    let calls = if wanted <= most { wanted } else { most } as usize;
    let count = effort.samples(one * calls as f64);
    tenth_percentile((0..count).map(|_| sample(calls) / calls as f64))
}

/// Nanoseconds of CPU time of the whole process for `make`; dropping what it makes is left out.
pub fn making<T>(effort: Effort, mut make: impl FnMut() -> T) -> f64 {
    let mut sample = || {
        let start = now(ClockId::ProcessCPUTime);
        let made = make();
        let taken = now(ClockId::ProcessCPUTime) - start;
        drop(made);
        taken
    };
    sample();
    let count = effort.samples(sample());
    tenth_percentile((0..count).map(|_| sample()))
}

fn tenth_percentile(samples: impl Iterator<Item = f64>) -> f64 {
    let mut samples: Vec<f64> = samples.collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 10]
}
