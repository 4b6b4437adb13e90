//! Runs seeds, on all processors, and says how to have a failure again.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::faults::{FAULTS, Fault};
use crate::trace::{Broken, Trace};
use crate::world::World;

const SEEDS: u64 = 10_000;

/// How often each kind of thing happened.
pub(crate) type Seen = BTreeMap<&'static str, u64>;

/// What must have happened often over all seeds: a test that nothing happens in proves nothing.
const HAPPENINGS: [&str; 34] = [
    "accepted flag set",
    "not modified",
    "refused flag set",
    "late answer",
    "stale",
    "recovered",
    "bad status",
    "wrong body",
    "impostor held",
    "lost packet",
    "doubled packet",
    "started from its cache",
    "forced",
    "killed",
    "stopped",
    "restored",
    "restored and dropped",
    "forked",
    "disk full",
    "slept",
    "suspended",
    "wall clock set",
    "sent",
    "deduplicated",
    "sampled out",
    "queue full",
    "shed",
    "rejected",
    "split",
    "swallowed",
    "doubled batch",
    "gap",
    "lost with a process",
    "left to the parent",
];

#[test]
fn the_laws_hold_for_every_seed() {
    let variable = |name| std::env::var(name).ok();
    let number = |name| variable(name).map(|text: String| text.parse().expect(name));
    let fault = variable("SIMULATION_FAULT").map(|name| Fault::named(&name));
    if let Some(seed) = number("SIMULATION_SEED") {
        let mut world = World::new(seed, fault, Trace::on());
        let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
        for line in world.trace.lines() {
            println!("{line}");
        }
        println!("{world:#?}");
        match outcome {
            Ok(Ok(())) => println!("seed {seed}: all laws hold"),
            Ok(Err(broken)) => panic!("broken: {}: {}", broken.law, broken.detail),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        return;
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let seen = run_all(seeds, fault);
    println!("{seeds} seeds: {seen:?}");
    if seeds >= SEEDS {
        for happening in HAPPENINGS {
            let count = seen.get(happening).copied().unwrap_or(0);
            assert!(count >= 100, "{happening}: only {count} times");
        }
    }
}

/// Runs a seed without a trace. A panic counts as a broken law.
pub(crate) fn run(seed: u64, fault: Option<Fault>) -> Result<Seen, Broken> {
    let outcome = catch_unwind(|| {
        let mut world = World::new(seed, fault, Trace::default());
        world.run().map(|()| world.seen)
    });
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Broken {
            law: "nothing panics",
            detail: text.unwrap_or_default(),
        })
    })
}

fn run_all(seeds: u64, fault: Option<Fault>) -> Seen {
    let next = AtomicU64::new(1);
    let total = Mutex::new(Seen::new());
    let failure = Mutex::new(None::<(u64, Broken)>);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return;
            }
            match run(seed, fault) {
                Ok(seen) => {
                    let mut total = total.lock().expect("no holder panics");
                    for (happening, count) in seen {
                        *total.entry(happening).or_insert(0) += count;
                    }
                }
                Err(broken) => {
                    next.store(seeds + 1, Ordering::Relaxed);
                    let mut failure = failure.lock().expect("no holder panics");
                    // The least of those that were running, so that it is the same one each time more often than not.
                    if failure.as_ref().is_none_or(|(known, _)| seed < *known) {
                        *failure = Some((seed, broken));
                    }
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    if let Some((seed, broken)) = failure.into_inner().expect("no holder panics") {
        report(seed, fault, &broken);
    }
    total.into_inner().expect("no holder panics")
}

/// How many lines of the trace a failure shows.
const SHOWN: usize = 60;

/// Runs the seed once more with a trace, shows its end, and fails.
fn report(seed: u64, fault: Option<Fault>, broken: &Broken) -> ! {
    let mut world = World::new(seed, fault, Trace::on());
    // The same as before; what a panic says was printed then.
    drop(catch_unwind(AssertUnwindSafe(|| world.run())));
    let lines = world.trace.lines();
    let shown = &lines[lines.len().saturating_sub(SHOWN)..];
    let name = FAULTS.iter().find(|(known, _, _)| Some(*known) == fault);
    let fault = name.map_or(String::new(), |(_, name, _)| {
        format!("SIMULATION_FAULT={name} ")
    });
    panic!(
        "seed {seed} breaks the law `{}`: {}\n\nThe last of {} lines of its trace:\n{}\n\nThe whole of it:\n\
         {fault}SIMULATION_SEED={seed} cargo test -p bucketry-tests --test simulation -- --nocapture the_laws_hold\n",
        broken.law,
        broken.detail,
        lines.len(),
        shown.join("\n"),
    );
}
