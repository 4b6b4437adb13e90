//! Checks the answers of an implementation, then measures it.

use std::hint::black_box;

use xxhash_rust::xxh64::xxh64;

use crate::heap;
use crate::implementation::{Arm, Implementation};
use crate::measure::{self, Effort};
use crate::work::{self, Flag, Kind, User};

/// Contexts that timed calls go round.
const CONTEXTS: usize = 256;
/// The same, with a flag set of 1,000 flags.
const CONTEXTS_OF_MANY: usize = 64;
/// Users whose answers are checked.
const CHECKED: usize = 1024;
/// The same, with every flag of a flag set of 1,000.
const CHECKED_WITH_MANY: usize = 16;

/// One run of a peer's program: its options, and where results go.
///
/// A result is one line: `measured`, the way, the measurement, its name and its value, separated by
/// tabs. Values are nanoseconds, or what the name says.
#[derive(Debug)]
pub struct Run {
    effort: Effort,
    scenarios: Vec<String>,
}

impl Run {
    /// Reads the program's arguments: `--quick`, and names of scenarios when only those are wanted
    /// (for a profiler).
    pub fn from_arguments() -> Self {
        let (options, scenarios): (Vec<String>, Vec<String>) = std::env::args()
            .skip(1)
            .partition(|argument| argument.starts_with('-'));
        let quick = options.iter().any(|option| option == "--quick");
        Self {
            effort: if quick { Effort::QUICK } else { Effort::FULL },
            scenarios,
        }
    }

    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|wanted| wanted == scenario)
    }

    pub(crate) fn effort(&self) -> Effort {
        self.effort
    }

    /// Prints one result.
    pub fn report(&self, way: &str, scenario: &str, name: &str, value: f64) {
        println!("measured\t{way}\t{scenario}\t{name}\t{value}");
    }

    /// Measures loading; must come first in a process, so that what is kept stands alone.
    pub fn load<I: Implementation>(&self, way: &str) {
        if !self.wants("S6") {
            return;
        }
        let document = I::document(&work::mixed());
        let (config, counts) = heap::count(|| I::load(black_box(&document)));
        self.report(way, "S6", "document", document.len() as f64);
        self.report(way, "S6", "kept bytes", counts.kept_bytes as f64);
        self.report(way, "S6", "kept blocks", counts.kept_blocks as f64);
        self.report(way, "S6", "allocations", counts.allocations as f64);
        drop(config);
        self.report(
            way,
            "S6",
            "ns",
            measure::making(self.effort, || I::load(&document)),
        );
        let value = || {
            let value: Result<serde_json::Value, _> = serde_json::from_slice(black_box(&document));
            value.expect("a document of the benchmark is JSON")
        };
        let (tree, counts) = heap::count(value);
        self.report(way, "S6 value", "kept bytes", counts.kept_bytes as f64);
        self.report(way, "S6 value", "kept blocks", counts.kept_blocks as f64);
        drop(tree);
        self.report(way, "S6 value", "ns", measure::making(self.effort, value));
    }

    /// Measures making a context.
    pub fn context<I: Implementation>(&self, way: &str) {
        let users = leak(work::users(CONTEXTS));
        self.calls(way, "C", CONTEXTS, |i| {
            black_box(&I::context(black_box(&users[i % CONTEXTS])));
        });
    }

    /// Checks the answers, then measures S1 to S5.
    ///
    /// # Panics
    ///
    /// When an answer is wrong: then no number of this implementation means anything.
    pub fn evaluate<I: Implementation>(&self, way: &str) {
        let on = Loaded::<I>::new(work::on());
        let split = Loaded::<I>::new(work::split());
        let targeted = Loaded::<I>::new(work::targeted());
        let splits = Loaded::<I>::new(work::splits());
        let mixed = Loaded::<I>::new(work::mixed());

        let users = leak(work::users(CHECKED));
        let contexts: Vec<I::Context> = users.iter().map(I::context).collect();
        check_one(way, &on, &split, &targeted, &contexts);
        check_many(way, &splits, &mixed, &contexts[..CHECKED_WITH_MANY]);
        // The timed contexts lie together in memory, as they would after being made in a row.
        drop(contexts);
        let contexts: Vec<I::Context> = users[..CONTEXTS].iter().map(I::context).collect();

        for (scenario, loaded) in [("S1", &on), ("S3", &targeted)] {
            let flag = loaded.flags[0].0;
            self.calls(way, scenario, CONTEXTS, |i| {
                let context = black_box(&contexts[i % CONTEXTS]);
                black_box(&I::boolean(loaded.config, black_box(flag), context));
            });
        }
        let flag = split.flags[0].0;
        self.calls(way, "S2", CONTEXTS, |i| {
            let context = black_box(&contexts[i % CONTEXTS]);
            black_box(&I::variant(split.config, black_box(flag), context));
        });
        let flags = random_order().map(|n| splits.flags[n].0);
        self.calls(way, "S4", flags.len(), |i| {
            let context = black_box(&contexts[i % CONTEXTS_OF_MANY]);
            let flag = black_box(flags[i % flags.len()]);
            black_box(&I::variant(splits.config, flag, context));
        });
        for (n, (flag, kind)) in mixed.flags.iter().enumerate() {
            let scenario = match (n, kind) {
                (work::MIXED_ON, _) => "S1 of 1,000",
                (work::MIXED_SPLIT, _) => "S2 of 1,000",
                (work::MIXED_RULES, _) => "S3 of 1,000",
                _ => continue,
            };
            self.calls(way, scenario, CONTEXTS, |i| {
                let context = black_box(&contexts[i % CONTEXTS]);
                let flag = black_box(*flag);
                match kind {
                    Kind::Split => _ = black_box(&I::variant(mixed.config, flag, context)),
                    _ => _ = black_box(&I::boolean(mixed.config, flag, context)),
                }
            });
        }
        for (scenario, loaded) in [("S5a", &splits), ("S5b", &mixed)] {
            self.calls(way, scenario, CONTEXTS_OF_MANY, |i| {
                let context = black_box(&contexts[i % CONTEXTS_OF_MANY]);
                black_box(I::all(loaded.config, &loaded.flags, context));
            });
        }
    }

    fn calls(&self, way: &str, scenario: &str, ring: usize, mut call: impl FnMut(usize)) {
        if !self.wants(scenario) {
            return;
        }
        let ns = measure::per_call(self.effort, ring, &mut call);
        // Once round, unless that takes more than half a second.
        let ring = ring.min((0.5e9 / ns) as usize + 1);
        let ((), counts) = heap::count(|| (0..ring).for_each(&mut call));
        self.report(way, scenario, "ns", ns);
        self.report(
            way,
            scenario,
            "allocations",
            counts.allocations as f64 / ring as f64,
        );
        self.report(way, scenario, "bytes", counts.bytes as f64 / ring as f64);
    }
}

/// A flag set that lives as long as the process, so that handles into it can.
struct Loaded<I: Implementation> {
    config: &'static I::Config,
    flags: Vec<(I::Flag, Kind)>,
}

impl<I: Implementation> Loaded<I> {
    fn new(flags: Vec<Flag>) -> Self {
        let document = I::document(&flags);
        let config: &'static I::Config = Box::leak(Box::new(I::load(&document)));
        let flags = leak(flags)
            .iter()
            .map(|flag| (I::flag(config, &flag.key), flag.kind.clone()))
            .collect();
        Self { config, flags }
    }

    fn is_on(&self, n: usize, context: &I::Context) -> bool {
        I::is_on(&I::boolean(self.config, self.flags[n].0, context))
    }

    fn arm(&self, n: usize, context: &I::Context) -> Arm {
        I::arm(&I::variant(self.config, self.flags[n].0, context))
    }
}

fn leak<T>(list: Vec<T>) -> &'static [T] {
    Box::leak(list.into_boxed_slice())
}

/// Draws from 0..1000 in an order without pattern; a power of two of them, so that going round is
/// cheap.
pub(crate) fn random_order() -> [usize; 1024] {
    std::array::from_fn(|n| (xxh64(&n.to_le_bytes(), 1) % 1000) as usize)
}

/// The share of `true`, checked to lie within `tolerance` of `expected`.
fn check_share(
    way: &str,
    what: &str,
    answers: impl Iterator<Item = bool>,
    expected: f64,
    tolerance: f64,
) {
    let answers: Vec<bool> = answers.collect();
    let share = answers.iter().filter(|answer| **answer).count() as f64 / answers.len() as f64;
    assert!(
        (share - expected).abs() <= tolerance,
        "{way}: {what} has a share of {share:.3} instead of {expected} ± {tolerance}"
    );
}

fn check_one<I: Implementation>(
    way: &str,
    on: &Loaded<I>,
    split: &Loaded<I>,
    targeted: &Loaded<I>,
    contexts: &[I::Context],
) {
    assert!(
        contexts.iter().all(|user| on.is_on(0, user)),
        "{way}: S1 is not on for everyone"
    );
    // Tolerances are four standard deviations of a fair draw of this many users: a right
    // implementation fails one check in 16,000, and as keys are fixed it fails always or never.
    let deviation = |p: f64| 4.0 * (p * (1.0 - p) / contexts.len() as f64).sqrt();
    for arm in [Arm::Control, Arm::Treatment] {
        let share = contexts.iter().map(|user| split.arm(0, user) == arm);
        check_share(way, &format!("{arm:?} in S2"), share, 0.5, deviation(0.5));
    }
    let share = contexts.iter().map(|user| targeted.is_on(0, user));
    check_share(way, "true in S3", share, 0.1, deviation(0.1));
    for (user, expected, reason) in leak(work::decided()) {
        let answer = targeted.is_on(0, &I::context(user));
        assert_eq!(answer, *expected, "{way}: S3 for {user:?}: {reason}");
    }
    for user in contexts {
        assert_eq!(
            split.arm(0, user),
            split.arm(0, user),
            "{way}: S2 changes from call to call"
        );
    }
}

fn check_many<I: Implementation>(
    way: &str,
    splits: &Loaded<I>,
    mixed: &Loaded<I>,
    contexts: &[I::Context],
) {
    for loaded in [splits, mixed] {
        assert_eq!(
            I::all(loaded.config, &loaded.flags, &contexts[0]),
            1000,
            "{way}: S5"
        );
    }
    // Flags draw for themselves: one user is in either arm of about half of them.
    for user in contexts {
        let share = (0..1000).map(|n| splits.arm(n, user) == Arm::Control);
        check_share(way, "control over the flags of S4", share, 0.5, 0.064);
    }
    for (n, (_, kind)) in mixed.flags.iter().enumerate() {
        match kind {
            Kind::On => assert!(
                mixed.is_on(n, &contexts[0]),
                "{way}: flag {n} of S5b is off"
            ),
            Kind::Split => assert!(
                mixed.arm(n, &contexts[0]) != Arm::Other,
                "{way}: flag {n} of S5b"
            ),
            Kind::Rules(_) => {}
        }
    }
    let rules = || {
        mixed
            .flags
            .iter()
            .enumerate()
            .filter(|(_, (_, kind))| matches!(kind, Kind::Rules(_)))
    };
    let share = contexts
        .iter()
        .flat_map(|user| rules().map(|(n, _)| mixed.is_on(n, user)));
    check_share(way, "true over the flags of S5b", share, 0.1, 0.0175);
}

/// A user of the benchmark, for peers that need one outside of a run.
pub fn some_user() -> &'static User {
    &leak(work::users(1))[0]
}
