//! The computed shares of units that move, against units that are resolved one by one.

use std::collections::BTreeMap;

use bucketry_core::{
    EvaluationContext, FlagSet, MovementCase, PhaseBreakKind, UnitComparison, UnixMillis,
};
use bucketry_tests::random::Random;
use serde_json::{Value as Json, json};

/// Pairs of flag sets, and units to count for each truth of three attributes: 48,000 a pair. That sees a share
/// that is off by three per cent; forty pairs of 200,000 were compared when this was written.
const PAIRS: u64 = 60;
const UNITS: u64 = 6_000;

/// Conditions on whether `x`, `y` and `z` are there, as a document and a movement write them.
fn condition(random: &mut Random) -> Json {
    let exists = |name: &str| json!({ "attribute": name, "exists": true });
    let name = *random.one_of(&["x", "y", "z"]);
    match random.below(8) {
        0..4 => exists(name),
        4 => json!({ "not": exists(name) }),
        5 => json!({ "all": [exists("x"), exists(name)] }),
        6 => json!({ "any": [exists("z"), { "not": exists(name) }] }),
        _ => json!({ "segment": random.one_of(&["s", "t"]) }),
    }
}

fn holds(text: &str, present: &[bool; 3]) -> bool {
    let exists = |name: &str| match name {
        "x exists" => present[0],
        "y exists" | "segment \"s\"" => present[1],
        "z exists" => present[2],
        _ => panic!("unknown premise {text}"),
    };
    let literal = |text: &str| match text.strip_prefix("not ") {
        Some(text) => !exists(text),
        None => exists(text),
    };
    let inner = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'));
    match inner {
        Some(inner) if inner.contains(" and ") => inner.split(" and ").all(literal),
        Some(inner) => inner.split(" or ").any(literal),
        None => literal(text),
    }
}

/// Salts, units and hashes are few, so that draws are shared between rules, layers, holdouts and positions.
fn draw(random: &mut Random, rule: &mut Json) {
    rule["salt"] = json!(random.one_of(&["s0", "s1", "s2"]));
    if random.percent(25) {
        rule["unit"] = json!("org");
    }
    if random.percent(25) {
        rule["hash"] = json!("sha256");
    }
}

fn percent(random: &mut Random) -> Json {
    json!(*random.one_of(&[0.0, 5.0, 12.5, 20.0, 33.3333, 50.0, 80.0, 100.0]))
}

fn position(random: &mut Random) -> Json {
    let start = random.below(6_000);
    let end = start + 1 + random.below(10_000 - start - 1);
    let salt = *random.one_of(&["m0-", "m1-"]);
    let hash = json!({ "name": "md5-mod", "modulus": 10_000 });
    json!({ "position": { "salt": salt, "hash": hash, "ranges": [[start, end]] } })
}

fn rule(random: &mut Random, place: usize, experiments: &mut Vec<&'static str>) -> Json {
    let mut rule = json!({ "id": format!("r{place}") });
    if random.percent(60) {
        rule["if"] = condition(random);
    }
    if random.percent(15) {
        let condition = rule["if"].take();
        rule["if"] = if condition.is_null() {
            position(random)
        } else {
            json!({ "all": [condition, position(random)] })
        };
    }
    if random.percent(20) {
        rule["if"] = json!({ "flag": "p", "is": "on" });
    }
    if random.percent(50) {
        rule["split"] =
            json!({ "a": random.below(4), "b": 1 + random.below(3), "c": random.below(4) });
        draw(random, &mut rule);
    } else {
        rule["serve"] = json!(random.one_of(&["a", "b", "c"]));
    }
    if random.percent(60) {
        rule["rollout"] = percent(random);
        draw(random, &mut rule);
    }
    if random.percent(20) {
        rule["otherwise"] = json!("stop");
    }
    if random.percent(40)
        && let Some(layer) = experiments.pop()
    {
        let start = random.below(5_000);
        let slots = json!([start, start + 1 + random.below(5_000)]);
        let mut experiment = json!({ "key": format!("e{place}"), "layer": layer, "slots": slots });
        if random.percent(50) {
            experiment["holdout"] = json!(random.one_of(&["h", "i"]));
        }
        rule["experiment"] = experiment;
        draw(random, &mut rule);
    }
    rule
}

fn document(random: &mut Random) -> Json {
    let mut experiments = vec!["l", "m"];
    let count = 1 + random.below(4) as usize;
    let rules: Vec<Json> = (0..count)
        .map(|place| rule(random, place, &mut experiments))
        .collect();
    let mut gate = json!({ "id": "gate", "serve": "on", "rollout": percent(random) });
    draw(random, &mut gate);
    if random.percent(50) {
        gate["if"] = condition(random);
    }
    json!({
        "format": 1,
        "segments": {
            "s": { "attribute": "y", "exists": true },
            "t": { "any": [{ "attribute": "x", "exists": true }, { "segment": "s" }] }
        },
        "layers": { "l": {}, "m": { "salt": "s1" } },
        "holdouts": { "h": { "percent": 30 }, "i": { "percent": 50, "salt": "s2", "hash": "sha256" } },
        "flags": {
            "p": { "type": "boolean", "default": "off", "rules": [gate] },
            "f": {
                "type": "string",
                "variants": { "a": "", "b": "", "c": "" },
                "default": random.one_of(&["a", "c"]),
                "rules": rules
            }
        }
    })
}

/// What somebody may do to a flag set.
fn edited(random: &mut Random, document: &Json) -> Json {
    let mut document = document.clone();
    if random.percent(15) {
        document["holdouts"]["h"]["percent"] = percent(random);
    }
    if random.percent(15) {
        document["layers"]["l"]["salt"] = json!(random.one_of(&["s0", "fresh"]));
    }
    if random.percent(20) {
        document["flags"]["p"]["rules"][0]["rollout"] = percent(random);
    }
    if random.percent(10) {
        document["flags"]["f"]["default"] = json!("b");
    }
    let Some(rules) = document["flags"]["f"]["rules"].as_array_mut() else {
        panic!("rules are an array");
    };
    match random.below(8) {
        0 => rules.rotate_left(1),
        1 => drop(rules.pop()),
        2 => rules.push(json!({ "id": "new", "serve": "a" })),
        _ => {}
    }
    for rule in rules {
        match random.below(6) {
            0 if rule.get("rollout").is_some() => rule["rollout"] = percent(random),
            1 if rule.get("split").is_some() => rule["split"] = json!({ "a": 1, "b": 1 }),
            2 if rule.get("salt").is_some() => rule["salt"] = json!("s1"),
            3 if rule.get("experiment").is_some() => {
                rule["experiment"]["slots"] = json!([1_000, 6_000])
            }
            4 if rule.get("if").is_some() => rule["if"] = condition(random),
            5 if rule.get("split").is_some() => rule["unit"] = json!("org"),
            _ => {}
        }
    }
    document
}

fn load(document: &Json) -> FlagSet {
    let text = document.to_string();
    FlagSet::from_json_strict(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

type Counts = BTreeMap<(Option<String>, Option<String>), u64>;

fn compare(seed: u64, cases: &[MovementCase], counted: &Counts, present: &[bool; 3]) -> usize {
    let here = |case: &&MovementCase| {
        case.premises
            .iter()
            .all(|premise| holds(&premise.condition, present) == premise.holds)
    };
    let matching: Vec<&MovementCase> = cases.iter().filter(here).collect();
    assert!(matching.len() <= 1, "seed {seed}: {matching:#?}");
    let moves = matching.first().map_or(&[][..], |case| &case.moves);
    for entry in moves {
        let share = entry.share.numerator() as f64 / entry.share.denominator() as f64;
        let count = counted
            .get(&(entry.from.clone(), entry.to.clone()))
            .copied()
            .unwrap_or(0);
        let n = UNITS as f64;
        // Five standard errors of a binomial, which of about 1,000 shares one exceeds for one choice of keys in
        // two thousand, and five units for shares so small that their counts are no bell curve. All is all.
        let spread = n * share * (1.0 - share);
        let limit = if spread > 0.0 {
            5.0 * spread.sqrt() + 5.0
        } else {
            0.0
        };
        let error = count as f64 - n * share;
        assert!(
            error.abs() <= limit,
            "seed {seed}, {present:?}: {count} for {entry:?}"
        );
    }
    for (from, to) in counted.keys() {
        let told = moves
            .iter()
            .any(|entry| (&entry.from, &entry.to) == (from, to));
        assert!(
            told,
            "seed {seed}, {present:?}: nobody should move from {from:?} to {to:?}: {moves:?}"
        );
    }
    moves.len()
}

#[test]
fn computed_shares_are_those_that_are_counted() {
    let now = UnixMillis(0);
    let mut shares = 0;
    let mut exact = 0;
    for seed in 0..PAIRS {
        let mut random = Random::new(seed);
        let before = document(&mut random);
        let (old, new) = (load(&before), load(&edited(&mut random, &before)));
        let movements = old.movements(&new, now);
        for present in 0..8_u64 {
            let present = [0, 1, 2].map(|bit| present >> bit & 1 == 1);
            let mut comparison = UnitComparison::new(&old, &new, now);
            for n in 0..UNITS {
                let mut context = EvaluationContext::new(format!("user-{n}"))
                    .with("org", format!("org-{}", n * 7_919));
                for (name, there) in ["x", "y", "z"].into_iter().zip(present) {
                    if there {
                        context.set(name, "1");
                    }
                }
                comparison.add(&context);
            }
            let mut counted: BTreeMap<String, Counts> = BTreeMap::new();
            for found in comparison.moves() {
                let flag = counted.entry(found.flag).or_default();
                flag.insert((found.from, found.to), found.units);
            }
            for flag in ["f", "p"] {
                let movement = movements.iter().find(|movement| movement.flag == flag);
                assert!(
                    movement.is_none_or(|movement| movement.gap.is_none()),
                    "seed {seed}"
                );
                let cases = movement.map_or(&[][..], |movement| &movement.cases);
                let counted = counted.remove(flag).unwrap_or_default();
                shares += compare(seed, cases, &counted, &present);
            }
        }
        let moves = movements
            .iter()
            .flat_map(|m| &m.cases)
            .flat_map(|case| &case.moves);
        exact += moves.filter(|entry| entry.exact).count();
    }
    // A comparison of nothing proves nothing.
    assert!(shares > 800 && exact > 25, "{shares} shares, {exact} exact");
}

#[test]
fn phase_breaks_are_what_assigned_units_see() {
    let set = |split: &str, rollout: &str, salt: &str, slots: &str, holdout: &str| {
        let text = format!(
            r#"{{"format":1,"layers":{{"l":{{}}}},"holdouts":{{"h":{{"percent":20}}}},"flags":{{"f":{{
                "type":"string","variants":{{"a":"","b":"","c":""}},"rules":[{{"id":"x","salt":"{salt}",
                "experiment":{{"key":"e","layer":"l","slots":{slots}{holdout}}},"rollout":{rollout},"split":{split}}}]}}}}}}"#
        );
        FlagSet::from_json_strict(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    };
    let (even, uneven) = (r#"{"a":1,"b":1,"c":1}"#, r#"{"a":1,"b":3,"c":2}"#);
    let base = set(even, "60", "s", "[0,8000]", "");
    for (name, new) in [
        ("weights", set(uneven, "60", "s", "[0,8000]", "")),
        ("rollout", set(even, "45", "s", "[0,8000]", "")),
        ("salt", set(even, "60", "t", "[0,8000]", "")),
        ("slots", set(even, "60", "s", "[3000,9000]", "")),
        (
            "holdout",
            set(even, "60", "s", "[0,8000]", r#","holdout":"h""#),
        ),
        (
            "all",
            set(uneven, "20", "t", "[5000,9000]", r#","holdout":"h""#),
        ),
    ] {
        let breaks = base.phase_breaks(&new);
        assert!(!breaks.is_empty(), "{name}");
        let mut assigned = 0_u64;
        let mut counted: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
        for n in 0..200_000 {
            let context = EvaluationContext::new(format!("user-{n}"));
            let variant = |set: &FlagSet| {
                let resolution = set.resolve("f", &context, UnixMillis(0));
                let assignment = resolution
                    .assignment()
                    .filter(|found| found.holdout.is_none());
                assignment.and_then(|found| found.variant).map(String::from)
            };
            let Some(from) = variant(&base) else { continue };
            assigned += 1;
            let to = variant(&new);
            if to.as_ref() != Some(&from) {
                *counted.entry((from, to)).or_default() += 1;
            }
        }
        for found in &breaks {
            let (key, share) = match &found.kind {
                PhaseBreakKind::Switched {
                    from,
                    to,
                    of_assigned,
                    ..
                } => ((from.clone(), Some(to.clone())), of_assigned),
                PhaseBreakKind::Left {
                    from, of_assigned, ..
                } => ((from.clone(), None), of_assigned),
                other => panic!("{name}: {other:?}"),
            };
            let share = share.numerator() as f64 / share.denominator() as f64;
            let count = counted.remove(&key).unwrap_or(0) as f64;
            let n = assigned as f64;
            let limit = 5.0 * (n * share * (1.0 - share)).sqrt();
            assert!(
                (count - n * share).abs() <= limit,
                "{name}: {count} of {n}: {found:?}"
            );
        }
        assert!(counted.is_empty(), "{name}: {counted:?}");
    }
}
