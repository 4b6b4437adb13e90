//! The calls that are timed (`resolve.rs`) and counted (`instructions.rs`), and what they need.

use core::fmt::Write as _;

use bucketry_core::{
    EvaluationContext, ExposureLog, ExposureLogConfig, FlagSet, MonotonicMillis, ProducerId, Times,
    UnixMillis,
};

/// Within the validity of everything; no rule here looks at it.
pub(crate) const NOW: UnixMillis = UnixMillis(1_760_000_000_000);

pub(crate) const TIMES: Times = Times {
    monotonic: MonotonicMillis(0),
    wall: NOW,
};

/// A power of two, so that going round costs a mask.
const CONTEXTS: usize = 256;

/// A flag that is on for everyone.
fn on(out: &mut String, key: &str) {
    write!(out, r#""{key}":{{"type":"boolean","default":"on"}}"#).expect("a String takes all");
}

/// Two variants, half of the units each.
fn split(out: &mut String, key: &str) {
    write!(
        out,
        r#""{key}":{{"type":"string","variants":{{"control":"control","treatment":"treatment"}},"rules":[
            {{"experiment":{{"key":"{key}"}},"split":{{"control":1,"treatment":1}}}}]}}"#
    )
    .expect("a String takes all");
}

/// Five rules of two conditions: two fail on the country, two on the version, the fifth matches
/// and rolls out to a tenth of the units.
fn rules(out: &mut String, key: &str, n: usize) {
    let far = r#"["AR","AU","BR","CA","CN"]"#;
    let near = r#"["AT","DE","FR","BE","IT"]"#;
    let step = n % 10;
    write!(
        out,
        r#""{key}":{{"type":"boolean","default":"off","rules":["#
    )
    .expect("a String takes all");
    for (index, (countries, version, percent)) in [
        (far, format!("1.4.{step}"), 100),
        (far, format!("2.1.{step}"), 100),
        (near, format!("3.0.{step}"), 100),
        (near, format!("4.{step}.0"), 100),
        (near, format!("1.{step}.0"), 10),
    ]
    .into_iter()
    .enumerate()
    {
        let comma = if index == 0 { "" } else { "," };
        write!(
            out,
            r#"{comma}{{"id":"r{index}","if":{{"all":[{{"attribute":"country","in":{countries}}},
            {{"attribute":"appVersion","semver":">={version}"}}]}},"serve":"on","rollout":{percent}}}"#
        )
        .expect("a String takes all");
    }
    out.push_str("]}");
}

fn document(count: usize, mut flag: impl FnMut(&mut String, usize)) -> String {
    let mut out = r#"{"format":1,"revision":1,"flags":{"#.to_owned();
    for n in 0..count {
        if n > 0 {
            out.push(',');
        }
        flag(&mut out, n);
    }
    out.push_str("}}");
    out
}

fn key(n: usize) -> String {
    format!("team-{}.flag-{n:04}", n % 7)
}

/// 400 flags that are on, 300 splits and 300 with five rules, mixed.
pub(crate) fn mixed() -> String {
    document(1000, |out, n| match n % 10 {
        0..4 => on(out, &key(n)),
        4..7 => split(out, &key(n)),
        _ => rules(out, &key(n), n),
    })
}

/// Whoever gets through to the fifth rule, with a targeting key of 24 bytes and eight attributes.
pub(crate) fn context(n: usize) -> EvaluationContext<'static> {
    let country = ["DE", "FR", "IT"][n % 3];
    EvaluationContext::new(format!("user-{n:019}"))
        .with("email", format!("someone.{n:06}@example.com"))
        .with("plan", ["free", "pro"][n % 2])
        .with("platform", ["ios", "android", "web"][n % 3])
        .with("country", country)
        .with("language", "en-GB")
        .with("age", 18 + n as i64 % 60)
        .with("appVersion", format!("2.{}.{}", n / 3 % 10, n / 30 % 30))
        .with("beta", n.is_multiple_of(2))
}

/// Flag sets, keys and contexts, made before anything is measured.
pub(crate) struct Bench {
    pub(crate) ons: FlagSet,
    pub(crate) split: FlagSet,
    pub(crate) splits: FlagSet,
    pub(crate) rules: FlagSet,
    pub(crate) mixed: FlagSet,
    pub(crate) mixed_document: String,
    pub(crate) keys: Vec<String>,
    pub(crate) contexts: Vec<EvaluationContext<'static>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let load = |document: &str| {
            FlagSet::from_json_strict(document.as_bytes()).expect("a bench's own document")
        };
        let mixed_document = mixed();
        Self {
            ons: load(&document(1000, |out, n| on(out, &key(n)))),
            split: load(&document(1, |out, n| split(out, &key(n)))),
            splits: load(&document(1000, |out, n| split(out, &key(n)))),
            rules: load(&document(1, |out, n| rules(out, &key(n), n))),
            mixed: load(&mixed_document),
            mixed_document,
            keys: (0..1000).map(key).collect(),
            contexts: (0..CONTEXTS).map(context).collect(),
        }
    }

    pub(crate) fn context(&self, n: u64) -> &EvaluationContext<'static> {
        &self.contexts[n as usize % CONTEXTS]
    }

    /// A key in an order that no cache foresees: 769 is prime, so all 1,000 come.
    pub(crate) fn key(&self, n: u64) -> &str {
        &self.keys[(n as usize * 769) % self.keys.len()]
    }
}

pub(crate) fn log() -> ExposureLog {
    ExposureLog::new(ExposureLogConfig::new(ProducerId([1; 16])))
        .expect("the defaults are in range")
}
