//! Hosts that are wrong on purpose: the test of the laws. A law that no fault breaks proves nothing.

use crate::seeds;

/// What a host does wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    AcknowledgesUnsent,
    ForgetsToRestore,
    DeletesSpoolOnRestore,
    TearsSpool,
    ReusesProducer,
    ForkedAsItsParent,
    AppliesWhatCame,
    IgnoresRetryAfter,
    FetchesWhenWoken,
    ResendsWhenWoken,
    SleepsThrough,
    WallClockAsSchedule,
    GivesUpOnNotFound,
    LosesWhatItAccepts,
}

/// Each with its name and what is expected to notice: the beginning of a law's name.
pub(crate) const FAULTS: [(Fault, &str, &[&str]); 14] = [
    (
        Fault::AcknowledgesUnsent,
        "acknowledges-unsent",
        &["an acknowledged exposure is stored"],
    ),
    (
        Fault::ForgetsToRestore,
        "forgets-to-restore",
        &["what was spooled is not lost"],
    ),
    (
        Fault::DeletesSpoolOnRestore,
        "deletes-spool-on-restore",
        &["what was spooled is not lost"],
    ),
    (
        Fault::TearsSpool,
        "tears-spool",
        &["what was spooled is not lost", "a spool can be read"],
    ),
    (
        Fault::ReusesProducer,
        "reuses-producer",
        &["one record a number", "a spool can be read"],
    ),
    (
        Fault::ForkedAsItsParent,
        "forked-as-its-parent",
        &["one record a number", "a child sends nothing"],
    ),
    (
        Fault::AppliesWhatCame,
        "applies-what-came",
        &["the revision never goes back", "only what was published"],
    ),
    (
        Fault::IgnoresRetryAfter,
        "ignores-retry-after",
        &["no storm of fetches", "no storm of posts"],
    ),
    (
        Fault::FetchesWhenWoken,
        "fetches-when-woken",
        &["no storm of fetches"],
    ),
    (
        Fault::ResendsWhenWoken,
        "resends-when-woken",
        &["no storm of posts"],
    ),
    (
        Fault::SleepsThrough,
        "sleeps-through",
        &["the flag set converges", "all that is pending drains"],
    ),
    (
        Fault::WallClockAsSchedule,
        "wall-clock-as-schedule",
        &[
            "the flag set converges",
            "no storm",
            "all that is pending drains",
        ],
    ),
    (
        Fault::GivesUpOnNotFound,
        "gives-up-on-not-found",
        &["the flag set converges"],
    ),
    (
        Fault::LosesWhatItAccepts,
        "loses-what-it-accepts",
        &["an acknowledged exposure is stored"],
    ),
];

impl Fault {
    pub(crate) fn named(name: &str) -> Self {
        let known = FAULTS.iter().find(|(_, known, _)| *known == name);
        known.unwrap_or_else(|| panic!("no fault `{name}`")).0
    }
}

/// So many seeds are tried for each; most faults show within ten.
const SEEDS: u64 = 400;

#[test]
fn the_laws_catch_every_fault() {
    for (fault, name, laws) in FAULTS {
        let caught = (1..=SEEDS).find_map(|seed| {
            let broken = seeds::run(seed, Some(fault)).err()?;
            Some((seed, broken))
        });
        let Some((seed, broken)) = caught else {
            panic!("{name}: not noticed in {SEEDS} seeds");
        };
        println!("{name}: seed {seed}, {}: {}", broken.law, broken.detail);
        let expected = laws.iter().any(|law| broken.law.starts_with(law));
        assert!(expected, "{name}: noticed by {}", broken.law);
    }
}
