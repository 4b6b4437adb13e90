//! The logical work: flags and users, described once and written by each peer in its own format.

use xxhash_rust::xxh64::xxh64;

/// A flag, without a format.
#[derive(Clone, Debug)]
pub struct Flag {
    pub key: String,
    pub kind: Kind,
}

/// What a flag does.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A boolean flag that is on for everyone.
    On,
    /// A flag of two variants, `control` and `treatment`, half of the users each, by user key.
    Split,
    /// A boolean flag that is off, except where one of the rules serves `true`; the first that
    /// matches decides.
    Rules(Box<[Rule; 5]>),
}

/// `country` is one of five, and `appVersion` is at least a version.
#[derive(Clone, Debug)]
pub struct Rule {
    pub countries: [&'static str; 5],
    pub min_version: String,
    /// The share of matching users who get `true`, per cent, by user key.
    pub percent: u8,
}

/// Countries of the users that are timed.
const HOME: [&str; 3] = ["DE", "FR", "IT"];
const NEAR: [&str; 8] = ["AT", "BE", "CH", "CZ", "ES", "NL", "PL", "PT"];
const FAR: [&str; 12] = [
    "AR", "AU", "BR", "CA", "CN", "ID", "IN", "JP", "KR", "MX", "NZ", "US",
];

/// The rules of the `n`-th such flag. A user of [`users`] fails the first two on country, the next
/// two on version, and matches the fifth. Flags differ in patch versions and in the other
/// countries, as flags of one product would.
fn rules(n: usize) -> Box<[Rule; 5]> {
    let far = |from: usize| std::array::from_fn(|i| FAR[(from + i) % FAR.len()]);
    let near = |from: usize| {
        // Where in the list a home country stands changes with the rule and the flag.
        let mut list = [
            NEAR[from % 8],
            HOME[0],
            HOME[1],
            NEAR[(from + 3) % 8],
            HOME[2],
        ];
        list.rotate_left(from % 5);
        list
    };
    let step = n % 10;
    Box::new([
        Rule {
            countries: far(n),
            min_version: format!("1.4.{step}"),
            percent: 100,
        },
        Rule {
            countries: far(n + 5),
            min_version: format!("2.1.{step}"),
            percent: 100,
        },
        Rule {
            countries: near(n),
            min_version: format!("3.0.{step}"),
            percent: 100,
        },
        Rule {
            countries: near(n + 1),
            min_version: format!("4.{step}.0"),
            percent: 100,
        },
        Rule {
            countries: near(n + 2),
            min_version: format!("1.{step}.0"),
            percent: 10,
        },
    ])
}

fn flag(n: usize, kind: Kind) -> Flag {
    let name = match kind {
        Kind::On => "switch",
        Kind::Split => "experiment",
        Kind::Rules(_) => "rollout",
    };
    Flag {
        key: format!("{name}-{n:03}"),
        kind,
    }
}

/// The flag of S1: on for everyone.
pub fn on() -> Vec<Flag> {
    vec![flag(0, Kind::On)]
}

/// The flag of S2: a split.
pub fn split() -> Vec<Flag> {
    vec![flag(0, Kind::Split)]
}

/// The flag of S3: five rules of two conditions.
pub fn targeted() -> Vec<Flag> {
    vec![flag(0, Kind::Rules(rules(0)))]
}

/// The flags of S4 and S5a: 1,000 splits.
pub fn splits() -> Vec<Flag> {
    (0..1000).map(|n| flag(n, Kind::Split)).collect()
}

/// Where one of each kind stands in [`mixed`].
pub const MIXED_ON: usize = 0;
pub const MIXED_SPLIT: usize = 4;
pub const MIXED_RULES: usize = 7;

/// The flags of S5b and S6: 400 on, 300 splits, 300 with rules, mixed.
pub fn mixed() -> Vec<Flag> {
    (0..1000)
        .map(|n| match n % 10 {
            0..MIXED_SPLIT => flag(n, Kind::On),
            MIXED_SPLIT..MIXED_RULES => flag(n, Kind::Split),
            _ => flag(n, Kind::Rules(rules(n))),
        })
        .collect()
}

/// Somebody to decide for: a key of 24 bytes and eight attributes, in the order of the fields.
#[derive(Clone, Debug)]
pub struct User {
    pub key: String,
    pub email: String,
    pub plan: &'static str,
    pub platform: &'static str,
    pub country: &'static str,
    pub language: &'static str,
    pub age: i64,
    pub app_version: String,
    pub beta: bool,
}

fn user(n: usize, country: &'static str, app_version: String) -> User {
    let draw = xxh64(&n.to_le_bytes(), 0x5EED);
    let pick = |shift: u32, from: &[&'static str]| from[(draw >> shift) as usize % from.len()];
    User {
        key: format!("user-{:019}", draw % 10_000_000_000_000_000_000),
        email: format!("someone.{:06}@example.com", draw % 1_000_000),
        plan: pick(8, &["free", "pro", "enterprise"]),
        platform: pick(16, &["ios", "android", "web"]),
        country,
        language: pick(24, &["de-DE", "fr-FR", "it-IT", "en-GB"]),
        age: 18 + (draw >> 32) as i64 % 60,
        app_version,
        beta: draw & 1 == 1,
    }
}

/// `count` users who get through to the fifth rule of every flag of [`Kind::Rules`].
pub fn users(count: usize) -> Vec<User> {
    (0..count)
        .map(|n| user(n, HOME[n % 3], format!("2.{}.{}", n / 3 % 10, n / 30 % 30)))
        .collect()
}

/// Users for whom the answer of the flag of [`targeted`] does not depend on chance.
pub fn decided() -> Vec<(User, bool, &'static str)> {
    let user = |n: usize, country, version: &str| user(1_000_000 + n, country, version.to_owned());
    vec![
        (user(0, "ZA", "9.9.9"), false, "no rule has the country"),
        (
            user(1, "DE", "0.9.0"),
            false,
            "every rule wants a newer version",
        ),
        (
            user(2, FAR[5], "1.9.0"),
            false,
            "the second rule has the country, not the version",
        ),
        (
            user(3, FAR[0], "1.4.0"),
            true,
            "by the first rule, its exact version",
        ),
        (
            user(4, FAR[5], "2.10.0"),
            true,
            "by the second rule: 10 is more than 1",
        ),
        (user(5, "FR", "3.0.0"), true, "by the third rule"),
        (user(6, NEAR[1], "12.0.0"), true, "by the fourth rule"),
    ]
}
