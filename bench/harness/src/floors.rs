//! The same decisions written by hand: what is left when an implementation costs nothing.
//!
//! Each peer's program measures them too. They are the same work everywhere, so how far they differ
//! between the programs is the noise of the run.

use std::hint::black_box;

use hashbrown::HashMap;
use xxhash_rust::xxh64::xxh64;

use crate::measure;
use crate::run::{Run, random_order};
use crate::work::{self, Kind, Rule, User};

type Map<V> = HashMap<String, V, foldhash::fast::FixedState>;
type Version = (u64, u64, u64);

const CONTEXTS: usize = 256;

/// What a flag of the benchmark compiles to by hand.
enum Entry {
    On,
    Split {
        seed: u64,
    },
    Rules {
        seed: u64,
        rules: Box<[HandRule; 5]>,
    },
}

struct HandRule {
    countries: [&'static str; 5],
    symbols: [u16; 5],
    min_version: Version,
    /// Positions below it are admitted.
    cut: u64,
}

/// Attributes as strings in a list, to be searched and parsed at each evaluation.
struct Texts {
    key: &'static str,
    attributes: [(&'static str, &'static str); 8],
}

/// Attributes of which somebody has prepared the ones that matter.
struct Typed {
    key: &'static str,
    country: u16,
    version: Version,
}

fn parse(version: &str) -> Option<Version> {
    let mut parts = version.split('.');
    let mut next = || parts.next()?.parse().ok();
    Some((next()?, next()?, next()?))
}

fn symbol(country: &str) -> u16 {
    country
        .bytes()
        .fold(0, |symbol, byte| symbol << 8 | u16::from(byte))
}

fn compile(n: usize, kind: &Kind) -> Entry {
    let seed = xxh64(&n.to_le_bytes(), 7);
    let rule = |rule: &Rule| HandRule {
        countries: rule.countries,
        symbols: rule.countries.map(symbol),
        min_version: parse(&rule.min_version).expect("three numbers"),
        cut: (u64::from(rule.percent) << 32) / 100,
    };
    match kind {
        Kind::On => Entry::On,
        Kind::Split => Entry::Split { seed },
        Kind::Rules(rules) => Entry::Rules {
            seed,
            rules: Box::new(std::array::from_fn(|i| rule(&rules[i]))),
        },
    }
}

fn control(seed: u64, key: &str) -> bool {
    xxh64(key.as_bytes(), seed) >> 32 < 1 << 31
}

fn admitted(rule: &HandRule, seed: u64, key: &str) -> bool {
    rule.cut == 1 << 32 || xxh64(key.as_bytes(), seed) & 0xFFFF_FFFF < rule.cut
}

fn split(map: &Map<Entry>, flag: &str, key: &str) -> bool {
    match map.get(flag) {
        Some(Entry::Split { seed }) => control(*seed, key),
        _ => false,
    }
}

fn rules_of_texts(map: &Map<Entry>, flag: &str, user: &Texts) -> bool {
    let Some(Entry::Rules { seed, rules }) = map.get(flag) else {
        return false;
    };
    let find = |name| {
        user.attributes
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| *text)
    };
    let (Some(country), Some(version)) = (find("country"), find("appVersion").and_then(parse))
    else {
        return false;
    };
    rules
        .iter()
        .find(|rule| rule.countries.contains(&country) && version >= rule.min_version)
        .is_some_and(|rule| admitted(rule, *seed, user.key))
}

fn rules_of_typed(map: &Map<Entry>, flag: &str, user: &Typed) -> bool {
    let Some(Entry::Rules { seed, rules }) = map.get(flag) else {
        return false;
    };
    rules
        .iter()
        .find(|rule| rule.symbols.contains(&user.country) && user.version >= rule.min_version)
        .is_some_and(|rule| admitted(rule, *seed, user.key))
}

fn texts(user: &'static User) -> Texts {
    let age: &'static str = Box::leak(user.age.to_string().into_boxed_str());
    Texts {
        key: &user.key,
        attributes: [
            ("email", &user.email),
            ("plan", user.plan),
            ("platform", user.platform),
            ("country", user.country),
            ("language", user.language),
            ("age", age),
            ("appVersion", &user.app_version),
            ("beta", if user.beta { "true" } else { "false" }),
        ],
    }
}

fn typed(user: &'static User) -> Typed {
    Typed {
        key: &user.key,
        country: symbol(user.country),
        version: parse(&user.app_version).expect("three numbers"),
    }
}

/// Measures all floors.
pub fn measure(run: &Run) {
    let mixed = work::mixed();
    let mut map = Map::default();
    for (n, flag) in mixed.iter().enumerate() {
        map.insert(flag.key.clone(), compile(n, &flag.kind));
    }
    let [on_key, split_key, rules_key] =
        [work::MIXED_ON, work::MIXED_SPLIT, work::MIXED_RULES].map(|n| mixed[n].key.as_str());
    let mut splits = Map::default();
    let keys: Vec<String> = work::splits().into_iter().map(|flag| flag.key).collect();
    for (n, key) in keys.iter().enumerate() {
        splits.insert(key.clone(), compile(n, &Kind::Split));
    }
    let drawn = random_order().map(|n| keys[n].as_str());
    let users: &'static [User] = Box::leak(work::users(CONTEXTS).into_boxed_slice());
    let texts: Vec<Texts> = users.iter().map(texts).collect();
    let typed: Vec<Typed> = users.iter().map(typed).collect();
    let agree = texts.iter().zip(&typed).all(|(texts, typed)| {
        rules_of_texts(&map, rules_key, texts) == rules_of_typed(&map, rules_key, typed)
    });
    assert!(agree, "the two floors of S3 disagree");

    let user = |i: usize| black_box(&users[i % CONTEXTS]).key.as_str();
    floor(run, "lookup", CONTEXTS, |_| {
        black_box(map.get(black_box(on_key)));
    });
    floor(run, "lookup of a random key", drawn.len(), |i| {
        black_box(splits.get(black_box(drawn[i % drawn.len()])));
    });
    floor(run, "xxh64", CONTEXTS, |i| {
        black_box(xxh64(user(i).as_bytes(), 0));
    });
    // Independent calls overlap in the processor. Here each waits for the one before, as it would
    // where the answer is needed at once.
    let mut last = 0;
    floor(run, "xxh64 in a row", CONTEXTS, |_| {
        last = black_box(xxh64(user(last as usize).as_bytes(), 0));
    });
    // As bucketry joins them; the other floors hash the key alone.
    let joined: Vec<String> = users
        .iter()
        .map(|user| format!("experiment-004/halves\u{1F}{}", user.key))
        .collect();
    floor(run, "xxh64 of salt and key", CONTEXTS, |i| {
        black_box(xxh64(black_box(&joined[i % CONTEXTS]).as_bytes(), 0));
    });
    floor(run, "S2", CONTEXTS, |i| {
        black_box(split(&map, black_box(split_key), user(i)));
    });
    floor(run, "S3", CONTEXTS, |i| {
        black_box(rules_of_texts(
            &map,
            black_box(rules_key),
            black_box(&texts[i % CONTEXTS]),
        ));
    });
    floor(run, "S3 typed", CONTEXTS, |i| {
        black_box(rules_of_typed(
            &map,
            black_box(rules_key),
            black_box(&typed[i % CONTEXTS]),
        ));
    });
    floor(run, "S4", drawn.len(), |i| {
        let flag = black_box(drawn[i % drawn.len()]);
        black_box(split(&splits, flag, user(i)));
    });
}

fn floor(run: &Run, name: &str, ring: usize, call: impl FnMut(usize)) {
    if run.wants(name) {
        run.report(
            "by hand",
            name,
            "ns",
            measure::per_call(run.effort(), ring, call),
        );
    }
}
