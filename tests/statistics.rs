//! Whether positions are as good as drawn by lot: a battery of tests over fixed keys, so every run gives the
//! same numbers; and schemes known to be bad, which it has to reject.
//!
//! **Thresholds.** A test gives a p-value, which for a sound hash is uniform between 0 and 1. Each
//! test function makes `n` of them and allows none within `0.01 / n / 2` of 0 or 1 (Bonferroni), so a sound hash
//! fails a function for one choice of keys in a hundred. The keys are fixed: what passes once
//! passes always. Near 1 is a failure too: real chance is not that even.

use bucketry_core::{EvaluationContext, FlagSet, Formula, Hash, TextUnits, UnixMillis};
use bucketry_tests::random::Random;
use bucketry_tests::statistics::{goodness_of_fit, independence, uniformity};

/// Units in one table: 200 to each of 100 bins or cells, far above the 5 that the chi-square distribution
/// needs to be a good approximation.
const UNITS: usize = 20_000;

const SALTS: usize = 10;

/// A way to place units: a position below the modulus for salt and unit.
struct Scheme {
    name: &'static str,
    modulus: u64,
    position: fn(&str, &str) -> u64,
}

const MD5_MOD: Hash = Hash::Md5Mod { modulus: 10_000 };

/// The position under a formula of imported flags.
fn imported(formula: Formula, modulus: u64, salt: &str, unit: &str) -> u64 {
    Hash::Imported { formula, modulus }.position(salt, unit).arm
}

/// Every lane of the native profiles, and those of imported flags that are built on digests or on MurmurHash3 of salt
/// and unit.
const OURS: [Scheme; 11] = [
    Scheme {
        name: "xxh64 arm",
        modulus: 1 << 32,
        position: |salt, unit| Hash::Xxh64.position(salt, unit).arm,
    },
    Scheme {
        name: "xxh64 enrol",
        modulus: 1 << 32,
        position: |salt, unit| Hash::Xxh64.position(salt, unit).enrol,
    },
    Scheme {
        name: "xxh64-seed42 arm",
        modulus: 1 << 32,
        position: |salt, unit| Hash::Xxh64Seed42.position(salt, unit).arm,
    },
    Scheme {
        name: "xxh64-seed42 enrol",
        modulus: 1 << 32,
        position: |salt, unit| Hash::Xxh64Seed42.position(salt, unit).enrol,
    },
    Scheme {
        name: "sha256 arm",
        modulus: 1 << 32,
        position: |salt, unit| Hash::Sha256.position(salt, unit).arm,
    },
    Scheme {
        name: "sha256 enrol",
        modulus: 1 << 32,
        position: |salt, unit| Hash::Sha256.position(salt, unit).enrol,
    },
    Scheme {
        name: "md5-mod",
        modulus: 10_000,
        position: |salt, unit| MD5_MOD.position(salt, unit).arm,
    },
    Scheme {
        name: "sha1-60-mod",
        modulus: 1 << 60,
        position: |salt, unit| imported(Formula::Sha1First60, 1 << 60, salt, unit),
    },
    Scheme {
        name: "sha1-28-mod",
        modulus: 10_000,
        position: |salt, unit| imported(Formula::Sha1First28, 10_000, salt, unit),
    },
    Scheme {
        name: "sha256-le-suffix-mod",
        modulus: 1 << 32,
        position: |salt, unit| imported(Formula::Sha256LeSuffix, 1 << 32, salt, unit),
    },
    Scheme {
        name: "murmur3-32-mod",
        modulus: 10_000,
        position: |salt, unit| imported(Formula::Murmur3 { seed: 0 }, 10_000, salt, unit),
    },
];

/// GrowthBook's first version, whose documentation says that it "had a flaw that caused bias when running
/// experiments in parallel".
const GROWTHBOOK_V1: Scheme = Scheme {
    name: "fnv1a-32-suffix-mod",
    modulus: 1_000,
    position: |salt, unit| {
        let text = TextUnits::Utf8;
        imported(Formula::Fnv1aSuffix { text }, 1_000, salt, unit)
    },
};

/// Flipt's: a cyclic redundancy check is linear, so two salts of one length give every unit of one length
/// two values that differ by the same bits.
const FLIPT: Scheme = Scheme {
    name: "crc32(salt ++ unit) % 1000",
    modulus: 1_000,
    position: |salt, unit| {
        let bytes = salt.bytes().chain(unit.bytes());
        let register = bytes.fold(u32::MAX, |register, byte| {
            (0..8).fold(register ^ u32::from(byte), |register, _| {
                register >> 1 ^ if register & 1 == 1 { 0xEDB8_8320 } else { 0 }
            })
        });
        u64::from(!register % 1_000)
    },
};

/// The numbers of the units dealt out in turn.
const DEALT: Scheme = Scheme {
    name: "number % 1000",
    modulus: 1_000,
    position: |_, unit| unit.trim_start_matches("user-").parse::<u64>().unwrap_or(0) % 1_000,
};

const SHAPES: [&str; 5] = ["integer", "padded", "e-mail", "uuid", "unicode"];

fn units(shape: &str) -> Vec<String> {
    let mut random = Random::new(7);
    let names = ["anna", "björn", "chidi", "dalia", "eve", "farid", "grace"];
    let hosts = ["example.com", "mail.example.org", "example.net"];
    (0..UNITS)
        .map(|n| match shape {
            "integer" => n.to_string(),
            "padded" => format!("user-{n:07}"),
            "e-mail" => format!("{}.{n}@{}", names[n % 7], hosts[n % 3]),
            "uuid" => {
                let (a, b) = (random.bits(), random.bits());
                format!(
                    "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
                    a >> 32,
                    a >> 16 & 0xFFFF,
                    a & 0xFFF,
                    b >> 48 & 0x3FFF | 0x8000,
                    b & 0xFFFF_FFFF_FFFF
                )
            }
            _ => format!("ユーザー{}-🦊-{n}", ["é", "e\u{301}", "ß", "Ω"][n % 4]),
        })
        .collect()
}

/// Names as people choose them: alike but for a digit.
fn salts() -> Vec<String> {
    (0..SALTS).map(|n| format!("experiment-{n}/1")).collect()
}

/// What the battery found: p-values, each with what it is of.
#[derive(Default)]
struct Findings(Vec<(f64, String)>);

impl Findings {
    fn add(&mut self, p: f64, of: String) {
        self.0.push((p, of));
    }

    /// Those that are too near to 0 or 1.
    fn rejected(&self) -> Vec<String> {
        let margin = 0.01 / self.0.len() as f64 / 2.0;
        let is_bad = |p: f64| !(margin..=1.0 - margin).contains(&p);
        let bad = self.0.iter().filter(|(p, _)| is_bad(*p));
        bad.map(|(p, of)| format!("{of}: p = {p:e}")).collect()
    }

    fn assert_none_rejected(&self) {
        let rejected = self.rejected();
        assert!(rejected.is_empty(), "of {}: {rejected:#?}", self.0.len());
    }
}

/// Uniformity under every salt, and independence of every pair of salts.
fn battery(scheme: &Scheme, shape: &str) -> Findings {
    let units = units(shape);
    let bin = |salt: &str, unit: &str| {
        let position = u128::from((scheme.position)(salt, unit));
        (position * 100 / u128::from(scheme.modulus)) as u8
    };
    let binned: Vec<Vec<u8>> = salts()
        .iter()
        .map(|salt| units.iter().map(|unit| bin(salt, unit)).collect())
        .collect();
    let mut findings = Findings::default();
    for (a, first) in binned.iter().enumerate() {
        let mut counts = [0; 100];
        for bin in first {
            counts[usize::from(*bin)] += 1;
        }
        findings.add(
            uniformity(&counts),
            format!("{}, {shape} ids, salt {a}", scheme.name),
        );
        for (b, second) in binned.iter().enumerate().skip(a + 1) {
            let mut cells = [0; 100];
            for (x, y) in first.iter().zip(second) {
                cells[usize::from(*x / 10) * 10 + usize::from(*y / 10)] += 1;
            }
            let of = format!("{}, {shape} ids, salts {a} and {b}", scheme.name);
            // Two 50/50 experiments: this table's chi-square is its number of units times phi squared.
            let mut halves = [0; 4];
            for (cell, count) in cells.iter().enumerate() {
                halves[cell / 50 * 2 + cell % 10 / 5] += count;
            }
            findings.add(independence(&halves, 2), format!("{of}, halves"));
            findings.add(independence(&cells, 10), of);
        }
    }
    findings
}

#[test]
fn positions_are_uniform_and_salts_draw_independently() {
    let mut findings = Findings::default();
    for scheme in &OURS {
        for shape in SHAPES {
            findings.0.append(&mut battery(scheme, shape).0);
        }
    }
    // Of 11 lanes, with 5 shapes of ids: 10 salts, and 45 pairs of them with two tables each.
    assert_eq!(findings.0.len(), 11 * 5 * (10 + 45 * 2));
    findings.assert_none_rejected();
}

/// Whether the battery rejects a scheme beyond doubt: some p-value is so low, or so high, that no sound hash
/// would have it for one choice of keys in a billion.
fn is_hopeless(findings: &Findings) -> bool {
    !findings.rejected().is_empty()
        && findings
            .0
            .iter()
            .any(|(p, _)| *p < 1e-12 || *p > 1.0 - 1e-12)
}

#[test]
fn the_battery_rejects_what_is_known_to_be_bad() {
    // Of one length, as it takes to see that a cyclic redundancy check is linear.
    let shape = "padded";
    for control in [GROWTHBOOK_V1, FLIPT, DEALT] {
        assert!(is_hopeless(&battery(&control, shape)), "{}", control.name);
    }
    // The dealt units fail by being too even, before any pair is looked at.
    let of_salts = |(p, of): &(f64, String)| !of.contains("salts") && *p > 1.0 - 1e-12;
    assert_eq!(
        battery(&DEALT, shape)
            .0
            .iter()
            .filter(|found| of_salts(found))
            .count(),
        SALTS
    );
}

#[test]
fn the_controls_are_what_they_say() {
    // Published check values: FNV-1a 32 of "foobar", and CRC-32 of "123456789".
    assert_eq!((GROWTHBOOK_V1.position)("bar", "foo"), 0xBF9C_F968 % 1_000);
    assert_eq!((FLIPT.position)("1234", "56789"), 0xCBF4_3926 % 1_000);
}

#[test]
fn both_lanes_of_a_hash_are_independent() {
    let mut findings = Findings::default();
    for hash in [Hash::Xxh64, Hash::Xxh64Seed42, Hash::Sha256] {
        for shape in SHAPES {
            let units = units(shape);
            for salt in salts() {
                let mut cells = [0; 100];
                for unit in &units {
                    let position = hash.position(&salt, unit);
                    let bin = |position: u64| ((position * 10) >> 32) as usize;
                    cells[bin(position.arm) * 10 + bin(position.enrol)] += 1;
                }
                let of = format!("{}, {shape} ids, salt {salt}", hash.name());
                findings.add(independence(&cells, 10), of);
            }
        }
    }
    findings.assert_none_rejected();
}

#[test]
fn one_bit_of_a_unit_or_salt_changes_half_of_the_position() {
    const SAMPLES: u64 = 1_000;
    // Flips are counted for every pair of an input bit and an output bit: each is a binomial of 1,000 with
    // one half. Of 15 bytes times 7 bits times 64 bits times 3 hashes = 20,160 z-scores a
    // sound hash keeps all below 5.1, but for one choice of keys in a hundred (0.01 / 20,160 two-sided).
    const LIMIT: f64 = 5.1;
    let bits = |hash: Hash, salt: &str, unit: &str| {
        let position = hash.position(salt, unit);
        position.arm << 32 | position.enrol
    };
    for hash in [Hash::Xxh64, Hash::Xxh64Seed42, Hash::Sha256] {
        let texts: Vec<String> = (0..SAMPLES)
            .map(|n| format!("salt-{n:03}user-{n:02}"))
            .collect();
        let (salt_bytes, all) = (8, texts[0].len());
        assert_eq!(all, 15);
        for byte in 0..all {
            for bit in 0..7 {
                let mut flips = [0_u64; 64];
                for text in &texts {
                    let mut other = text.clone().into_bytes();
                    other[byte] ^= 1 << bit;
                    let other = String::from_utf8(other).expect("still ASCII");
                    let (salt, unit) = text.split_at(salt_bytes);
                    let (other_salt, other_unit) = other.split_at(salt_bytes);
                    let changed = bits(hash, salt, unit) ^ bits(hash, other_salt, other_unit);
                    for (at, flips) in flips.iter_mut().enumerate() {
                        *flips += changed >> at & 1;
                    }
                }
                for (at, flips) in flips.iter().enumerate() {
                    let half = SAMPLES as f64 / 2.0;
                    let z = (*flips as f64 - half) / (half / 2.0).sqrt();
                    assert!(
                        z.abs() < LIMIT,
                        "{}: byte {byte}, bit {bit} on {at}: {z}",
                        hash.name()
                    );
                }
            }
        }
    }
}

#[test]
fn an_empty_unit_is_a_unit() {
    // One unit under many salts is spread like many units under one salt.
    let mut findings = Findings::default();
    for unit in ["", "user-1"] {
        for hash in [Hash::Xxh64, Hash::Xxh64Seed42, Hash::Sha256] {
            let mut counts = [[0; 100]; 2];
            for n in 0..UNITS {
                let position = hash.position(&format!("experiment-{n}/1"), unit);
                for (counts, position) in counts.iter_mut().zip([position.arm, position.enrol]) {
                    counts[((position * 100) >> 32) as usize] += 1;
                }
            }
            for (lane, counts) in counts.iter().enumerate() {
                let of = format!("{}, unit {unit:?}, lane {lane}", hash.name());
                findings.add(uniformity(counts), of);
            }
        }
    }
    findings.assert_none_rejected();
}

#[test]
fn no_part_of_a_salt_can_stand_in_for_a_part_of_a_unit() {
    let text = "checkout/1user-1/2 é=.:-_";
    for hash in [Hash::Xxh64, Hash::Xxh64Seed42, Hash::Sha256] {
        let cuts = text.char_indices().map(|(at, _)| text.split_at(at));
        let mut seen: Vec<u64> = cuts
            .map(|(salt, unit)| {
                let position = hash.position(salt, unit);
                position.arm << 32 | position.enrol
            })
            .collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "{}", hash.name());
    }
    // The foreign formula joins with nothing: the peer's salts end in a separator of their own.
    assert_eq!(MD5_MOD.position("a-", "b"), MD5_MOD.position("a", "-b"));
}

fn load(document: &str) -> FlagSet {
    FlagSet::from_json_strict(document.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

const EXPERIMENTS: &str = r#"{
    "format": 1,
    "layers": { "page": {}, "search": { "unit": "userId" } },
    "holdouts": { "q": { "percent": 10 }, "r": { "percent": 50, "salt": "another" } },
    "flags": {
        "half": { "type": "boolean", "rules": [
            { "experiment": { "key": "half" }, "split": { "off": 1, "on": 1 } } ] },
        "uneven": { "type": "string", "variants": { "a": "", "b": "", "c": "" }, "rules": [
            { "experiment": { "key": "uneven" }, "rollout": 70, "split": { "a": 1, "b": 2, "c": 7 } } ] },
        "left": { "type": "boolean", "rules": [
            { "experiment": { "key": "left", "layer": "page", "slots": [0, 4000] }, "split": { "off": 1, "on": 1 } } ] },
        "right": { "type": "boolean", "rules": [
            { "experiment": { "key": "right", "layer": "page", "slots": [[4000, 6000], [7000, 9000]] },
              "split": { "off": 3, "on": 1 } } ] },
        "held": { "type": "boolean", "rules": [
            { "experiment": { "key": "held", "holdout": ["q", "r"] }, "split": { "off": 1, "on": 1 } } ] },
        "sha": { "type": "boolean", "hash": "sha256", "rules": [
            { "experiment": { "key": "sha" }, "rollout": 33.3333, "split": { "off": 1, "on": 2 } } ] },
        "again": { "type": "boolean", "rules": [
            { "experiment": { "key": "half", "phase": 1 }, "split": { "off": 1, "on": 1 } } ] },
        "restarted": { "type": "boolean", "rules": [
            { "experiment": { "key": "restarted", "phase": 2 }, "split": { "off": 1, "on": 1 } } ] }
    }
}"#;

/// For each unit, the variant of each of these flags; none where the unit is not in its experiment.
fn assignments<'a>(
    flag_set: &'a FlagSet,
    flags: &[&str],
    units: usize,
) -> Vec<Vec<Option<&'a str>>> {
    (0..units)
        .map(|n| {
            let context = EvaluationContext::new(format!("user-{n:07}"));
            flags
                .iter()
                .map(|flag| {
                    let resolution = flag_set.resolve(flag, &context, UnixMillis(0));
                    let assignment = resolution.assignment().filter(|a| a.holdout.is_none());
                    let variant = assignment.and_then(|assignment| assignment.variant)?;
                    let handle = flag_set.flag(flag)?;
                    handle
                        .variants()
                        .map(|(name, _)| name)
                        .find(|name| *name == variant)
                })
                .collect()
        })
        .collect()
}

#[test]
fn no_sample_ratio_is_off() {
    let flag_set = load(EXPERIMENTS);
    /// The flag, the share that is enrolled, and the weights of the arms.
    type Expected<'a> = (&'a str, f64, &'a [(&'a str, f64)]);
    let experiments: [Expected<'_>; 6] = [
        ("half", 1.0, &[("off", 1.0), ("on", 1.0)]),
        ("uneven", 0.7, &[("a", 1.0), ("b", 2.0), ("c", 7.0)]),
        ("left", 0.4, &[("off", 1.0), ("on", 1.0)]),
        ("right", 0.4, &[("off", 3.0), ("on", 1.0)]),
        ("held", 0.45, &[("off", 1.0), ("on", 1.0)]),
        ("sha", 0.333_333, &[("off", 1.0), ("on", 2.0)]),
    ];
    let flags: Vec<&str> = experiments.iter().map(|(flag, ..)| *flag).collect();
    let assigned = assignments(&flag_set, &flags, UNITS);
    let mut findings = Findings::default();
    for (at, (flag, enrolled, arms)) in experiments.iter().enumerate() {
        let count = |variant: Option<&str>| {
            assigned
                .iter()
                .filter(|variants| variants[at] == variant)
                .count() as u64
        };
        let counts: Vec<u64> = arms.iter().map(|(name, _)| count(Some(name))).collect();
        let weights: Vec<f64> = arms.iter().map(|(_, weight)| *weight).collect();
        findings.add(
            goodness_of_fit(&counts, &weights),
            format!("arms of {flag}"),
        );
        if *enrolled < 1.0 {
            let inside = counts.iter().sum();
            let p = goodness_of_fit(&[inside, count(None)], &[*enrolled, 1.0 - enrolled]);
            findings.add(p, format!("enrolment in {flag}"));
        }
    }
    assert_eq!(findings.0.len(), 11);
    findings.assert_none_rejected();
}

#[test]
fn experiments_of_one_layer_exclude_each_other_and_others_do_not() {
    let flag_set = load(EXPERIMENTS);
    let assigned = assignments(&flag_set, &["left", "right", "half", "uneven"], UNITS);
    let both = |a: usize, b: usize| {
        assigned
            .iter()
            .filter(|variants| variants[a].is_some() && variants[b].is_some())
            .count()
    };
    assert_eq!(both(0, 1), 0);
    assert!(both(0, 2) > 0 && both(1, 3) > 0);
    // Being in one, and in which arm, says nothing about the arm of another.
    let mut findings = Findings::default();
    for (a, b) in [(0, 2), (1, 2), (0, 3), (2, 3)] {
        let columns = [
            None,
            Some("off"),
            Some("on"),
            Some("a"),
            Some("b"),
            Some("c"),
        ];
        let mut table = vec![0; 36];
        for variants in &assigned {
            let place = |at: usize| {
                columns
                    .iter()
                    .position(|name| *name == variants[at])
                    .unwrap_or(0)
            };
            table[place(a) * 6 + place(b)] += 1;
        }
        // Rows and columns that cannot occur have no expectation.
        let used = |at: usize, row: bool| {
            (0..6).any(|other| table[if row { at * 6 + other } else { other * 6 + at }] > 0)
        };
        let rows: Vec<usize> = (0..6).filter(|at| used(*at, true)).collect();
        let columns: Vec<usize> = (0..6).filter(|at| used(*at, false)).collect();
        let dense: Vec<u64> = rows
            .iter()
            .flat_map(|row| {
                columns
                    .iter()
                    .map(|column| table[row * 6 + column])
                    .collect::<Vec<_>>()
            })
            .collect();
        findings.add(
            independence(&dense, columns.len()),
            format!("experiments {a} and {b}"),
        );
    }
    findings.assert_none_rejected();
}

#[test]
fn holdouts_are_independent_of_experiments_and_of_each_other() {
    let flag_set = load(EXPERIMENTS);
    let mut findings = Findings::default();
    // Held out by q, by r alone, by none; and the arm of the experiment that both are of, which the record names
    // for those held out, too, by its position.
    let mut by_arm = [0; 6];
    let mut by_other = [0; 6];
    for n in 0..UNITS {
        let context = EvaluationContext::new(format!("user-{n:07}"));
        let resolution = flag_set.resolve("held", &context, UnixMillis(0));
        let assignment = resolution
            .assignment()
            .expect("in the experiment or held out of it");
        let held = match assignment.holdout {
            Some("q") => 0,
            Some(_) => 1,
            None => 2,
        };
        let arm = usize::from(assignment.arm.expect("a position") >= 1 << 31);
        by_arm[held * 2 + arm] += 1;
        let other = flag_set.resolve("half", &context, UnixMillis(0));
        by_other[held * 2 + usize::from(other.variant() == Some("on"))] += 1;
    }
    findings.add(independence(&by_arm, 2), "holdouts and the arm".into());
    findings.add(
        independence(&by_other, 2),
        "holdouts and another experiment".into(),
    );
    let held: Vec<u64> = by_arm.chunks(2).map(|arms| arms.iter().sum()).collect();
    // A tenth; of the others a half, as the two are independent; the rest.
    findings.add(
        goodness_of_fit(&held, &[0.1, 0.45, 0.45]),
        "shares of holdouts".into(),
    );
    findings.assert_none_rejected();
}

#[test]
fn a_new_phase_forgets_and_a_reused_salt_does_not() {
    // The first experiment lifted its treated units by a tenth of a standard deviation for good. The z-score of
    // an A/A test on the same units afterwards: with the same assignment 0.1 * sqrt(20,000) / 2 = 7 is
    // expected, with a fresh one 0, give or take 1.
    let flag_set = load(EXPERIMENTS);
    let assigned = assignments(&flag_set, &["half", "again", "restarted"], UNITS);
    let mut random = Random::new(1);
    let outcomes: Vec<f64> = assigned
        .iter()
        .map(|variants| {
            // The sum of twelve uniforms has variance 1.
            let noise: f64 = (0..12)
                .map(|_| random.bits() as f64 / 2.0_f64.powi(64))
                .sum();
            noise + if variants[0] == Some("on") { 0.1 } else { 0.0 }
        })
        .collect();
    let z = |at: usize| {
        let of = |name: &str| -> (f64, f64) {
            let chosen = assigned
                .iter()
                .zip(&outcomes)
                .filter(|(variants, _)| variants[at] == Some(name));
            let values: Vec<f64> = chosen.map(|(_, outcome)| *outcome).collect();
            (
                values.iter().sum::<f64>() / values.len() as f64,
                values.len() as f64,
            )
        };
        let ((a, n), (b, m)) = (of("off"), of("on"));
        (b - a) / (1.0 / n + 1.0 / m).sqrt()
    };
    let (reused, fresh) = (z(1), z(2));
    // Half a per mille of standard normals lie beyond 3.5.
    assert!(reused > 3.5, "{reused}");
    assert!(fresh.abs() < 3.5, "{fresh}");
}
