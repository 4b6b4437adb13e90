//! What holds for every flag set and every context, over made-up ones.
//!
//! A failure names its seed; `PROPERTIES_SEED=<seed>` runs that one alone, `PROPERTIES_RUNS` says how many to run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bucketry_core::{
    Assignment, AttributeValue, EvaluationContext, FlagSet, Hash, Resolution, UnixMillis, enrol_cut,
};
use bucketry_tests::generate;
use bucketry_tests::random::Random;
use serde_json::{Value as Json, json};

/// Made-up flag sets that each property is tried on, with [`CONTEXTS`] contexts each.
const RUNS: u64 = 300;
const CONTEXTS: usize = 40;

fn each_seed(property: impl Fn(&mut Random) + std::panic::RefUnwindSafe) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("PROPERTIES_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PROPERTIES_RUNS").unwrap_or(RUNS),
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| property(&mut Random::new(seed)));
        if let Err(panic) = run {
            eprintln!("failed: PROPERTIES_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn load(document: &Json) -> FlagSet {
    let text = document.to_string();
    FlagSet::from_json_strict(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn contexts(random: &mut Random) -> Vec<EvaluationContext<'static>> {
    (0..CONTEXTS)
        .map(|_| {
            let context = generate::context(random);
            let names: Vec<&str> = member_names(&context);
            let context = generate::built(&context, &names);
            generate::extras(random, context)
        })
        .collect()
}

fn member_names(json: &Json) -> Vec<&str> {
    let members = json.as_object().expect("an object");
    members.keys().map(String::as_str).collect()
}

/// Times before, in and after the windows that are made up.
fn now(random: &mut Random) -> UnixMillis {
    UnixMillis(*random.one_of(&[0, 1_999, 2_000, 10_000]))
}

/// Everything that a resolution says, so that two can be compared.
fn said(resolution: &Resolution<'_>) -> String {
    let mut metadata: Vec<_> = resolution.metadata().iter().collect();
    metadata.sort_by_key(|(name, _)| *name);
    format!("{resolution:?} {:?} {metadata:?}", resolution.rule_id())
}

/// What all flags say, ascending by key.
fn all_said(
    set: &FlagSet,
    context: &EvaluationContext<'_>,
    now: UnixMillis,
) -> Vec<(String, String)> {
    let mut said: Vec<(String, String)> = set
        .flag_keys()
        .map(|key| (key.to_owned(), said(&set.resolve(key, context, now))))
        .collect();
    said.sort_unstable();
    said
}

/// Who was assigned by an experiment, not held out of it.
fn assigned<'a>(resolution: &Resolution<'a>) -> Option<Assignment<'a>> {
    resolution
        .assignment()
        .filter(|assignment| assignment.holdout.is_none())
}

#[test]
fn what_is_made_up_comes_to_every_end() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..RUNS {
        let random = &mut Random::new(seed);
        let set = load(&generate::flag_set(random));
        let now = now(random);
        for context in contexts(random) {
            for (_, resolution) in set.resolve_all(&context, now) {
                let mut note = |what: String| *seen.entry(what).or_default() += 1;
                note(resolution.reason().to_string());
                if resolution.unit_missing() {
                    note("unit missing".into());
                }
                if let Some(found) = resolution.assignment() {
                    let held = found.holdout.is_some();
                    let layered = found.layer_position.is_some();
                    note(format!(
                        "held {held}, layered {layered}, sticky {:?}",
                        found.sticky
                    ));
                }
            }
        }
    }
    for what in [
        "STATIC",
        "DEFAULT",
        "TARGETING_MATCH",
        "SPLIT",
        "DISABLED",
        "ERROR",
        "unit missing",
        "held false, layered true, sticky None",
        "held false, layered true, sticky Write",
        "held false, layered false, sticky None",
        "held false, layered false, sticky Hit",
        "held true, layered true, sticky None",
        "held true, layered false, sticky None",
    ] {
        assert!(
            seen.get(what).is_some_and(|count| *count >= 5),
            "{what}: {seen:#?}"
        );
    }
}

#[test]
fn a_larger_rollout_removes_nobody_and_changes_no_arm() {
    each_seed(|random| {
        let mut document = generate::flag_set(random);
        let mut rules = Vec::new();
        for (key, flag) in document["flags"].as_object().expect("flags") {
            let flag_rules = flag["rules"].as_array().expect("rules");
            for (place, rule) in flag_rules.iter().enumerate() {
                if rule.get("rollout").is_some() {
                    rules.push((key.clone(), place));
                }
            }
        }
        if rules.is_empty() {
            return;
        }
        let (key, place) = random.one_of(&rules).clone();
        let mut cuts: Vec<u64> = (0..3).map(|_| random.below(1_000_001)).collect();
        cuts.sort_unstable();
        let sets: Vec<FlagSet> = cuts
            .iter()
            .map(|parts| {
                let percent = format!("{}.{:04}", parts / 10_000, parts % 10_000);
                document["flags"][&key]["rules"][place]["rollout"] =
                    serde_json::from_str(&percent).expect("a number");
                load(&document)
            })
            .collect();
        let now = now(random);
        for context in contexts(random) {
            for pair in sets.windows(2) {
                let [less, more] = [&pair[0], &pair[1]].map(|set| set.resolve(&key, &context, now));
                if less.rule_index() == Some(place) {
                    assert_eq!(more.rule_index(), Some(place), "{context:?}");
                    assert_eq!(more.variant(), less.variant(), "{context:?}");
                }
            }
        }
    });
}

#[test]
fn an_arm_appended_from_the_last_moves_only_that_share() {
    each_seed(|random| {
        let weights: Vec<u64> = (0..1 + random.below(5))
            .map(|_| random.below(1_000))
            .collect();
        let last = 2 + random.below(1_000);
        let given = 1 + random.below(last - 1);
        let set = |end: &[u64]| {
            let arms: Vec<Json> = weights
                .iter()
                .chain(end)
                .enumerate()
                .map(|(arm, weight)| json!({ "variant": format!("v{arm}"), "weight": weight }))
                .collect();
            let variants: serde_json::Map<String, Json> =
                (0..8).map(|arm| (format!("v{arm}"), json!(arm))).collect();
            load(&json!({ "format": 1, "flags": { "f": {
                "type": "integer", "variants": variants, "rules": [{ "id": "x", "split": arms }]
            } } }))
        };
        let (old, new) = (set(&[last]), set(&[last - given, given]));
        let (donor, appended) = (
            format!("v{}", weights.len()),
            format!("v{}", weights.len() + 1),
        );
        for n in 0..50 {
            let context = EvaluationContext::new(format!("user-{n}-{}", random.bits()));
            let [from, to] = [&old, &new].map(|set| set.resolve("f", &context, UnixMillis(0)));
            if from.variant() != to.variant() {
                assert_eq!(from.variant(), Some(&*donor));
                assert_eq!(to.variant(), Some(&*appended));
            }
        }
        // And it is that share to the position.
        let total: u64 = weights.iter().sum::<u64>() + last;
        let moves = &old.movements(&new, UnixMillis(0))[0].cases[0].moves;
        let want = (1_u128 << 32) - (u128::from(total - given) << 32) / u128::from(total);
        assert_eq!(moves.len(), 1);
        assert_eq!(
            moves[0].share.numerator() * (1 << 32),
            want * moves[0].share.denominator()
        );
    });
}

/// The flags that a flag depends on, itself included.
fn reach(document: &Json, key: &str, found: &mut BTreeSet<String>) {
    fn flags_in(value: &Json, keys: &mut Vec<String>, document: &Json) {
        match value {
            Json::Array(elements) => elements.iter().for_each(|e| flags_in(e, keys, document)),
            Json::Object(members) => {
                if let Some(Json::String(key)) = members.get("flag") {
                    keys.push(key.clone());
                }
                if let Some(Json::String(segment)) = members.get("segment") {
                    flags_in(&document["segments"][segment], keys, document);
                }
                members
                    .values()
                    .for_each(|member| flags_in(member, keys, document));
            }
            _ => {}
        }
    }
    if !found.insert(key.to_owned()) {
        return;
    }
    let mut keys = Vec::new();
    flags_in(&document["flags"][key]["rules"], &mut keys, document);
    for key in keys {
        reach(document, &key, found);
    }
}

#[test]
fn a_change_to_one_flag_moves_no_unit_of_another() {
    each_seed(|random| {
        let before = generate::flag_set(random);
        let keys: Vec<String> = member_names(&before["flags"])
            .into_iter()
            .map(Into::into)
            .collect();
        let number = random.below(keys.len() as u64) as usize;
        let changed = format!("flag-{number}");
        let segments = member_names(&before["segments"]).len() as u64;
        let mut after = before.clone();
        after["flags"][&changed] = generate::flag(random, number, segments);
        let (old, new) = (load(&before), load(&after));
        let independent: Vec<&String> = keys
            .iter()
            .filter(|key| {
                let mut found = BTreeSet::new();
                reach(&after, key, &mut found);
                !found.contains(&changed)
            })
            .collect();
        let told = old.changed_flags(&new);
        assert!(
            independent.iter().all(|key| !told.contains(&key.as_str())),
            "{told:?}"
        );
        let now = now(random);
        for context in contexts(random) {
            for key in &independent {
                let [from, to] = [&old, &new].map(|set| said(&set.resolve(key, &context, now)));
                assert_eq!(from, to, "{context:?}");
            }
            // What is not told as changed did not change.
            for key in keys.iter().filter(|key| !told.contains(&key.as_str())) {
                let [from, to] = [&old, &new].map(|set| said(&set.resolve(key, &context, now)));
                assert_eq!(from, to, "{context:?}");
            }
        }
    });
}

#[test]
fn experiments_of_a_layer_never_overlap() {
    each_seed(|random| {
        let set = load(&generate::flag_set(random));
        let now = now(random);
        for context in contexts(random) {
            for layer in ["layer-0", "layer-1"] {
                let experiments: BTreeSet<String> = set
                    .flag_keys()
                    .filter_map(|key| assigned(&set.resolve(key, &context, now)))
                    // A sticky assignment is from before, and has no position in the layer.
                    .filter(|assigned| {
                        assigned.layer == Some(layer) && assigned.layer_position.is_some()
                    })
                    .map(|assigned| assigned.experiment.to_owned())
                    .collect();
                assert!(experiments.len() <= 1, "{experiments:?}: {context:?}");
            }
        }
    });
}

#[test]
fn a_layer_that_is_given_away_puts_each_unit_into_one_experiment() {
    each_seed(|random| {
        let mut cuts: Vec<u64> = (0..1 + random.below(6))
            .map(|_| 1 + random.below(9_999))
            .collect();
        cuts.extend([0, 10_000]);
        cuts.sort_unstable();
        cuts.dedup();
        let flags: serde_json::Map<String, Json> = cuts
            .windows(2)
            .enumerate()
            .map(|(n, slots)| {
                let experiment = json!({ "key": format!("e{n}"), "layer": "l", "slots": slots });
                let rule = json!({ "experiment": experiment, "split": { "on": 1, "off": 1 } });
                (
                    format!("f{n}"),
                    json!({ "type": "boolean", "rules": [rule] }),
                )
            })
            .collect();
        let set = load(&json!({ "format": 1, "layers": { "l": {} }, "flags": flags }));
        for n in 0..50 {
            let context = EvaluationContext::new(format!("user-{n}-{}", random.bits()));
            let resolved = set.resolve_all(&context, UnixMillis(0));
            assert_eq!(
                resolved
                    .filter(|(_, found)| assigned(found).is_some())
                    .count(),
                1
            );
        }
    });
}

#[test]
fn who_is_held_out_is_in_no_experiment_of_the_holdout() {
    each_seed(|random| {
        let document = generate::flag_set(random);
        let set = load(&document);
        let now = now(random);
        for context in contexts(random) {
            let units = [
                context.targeting_key().map(Into::into),
                context.attribute("org").and_then(|unit| match unit {
                    AttributeValue::String(text) => Some(text.to_string()),
                    AttributeValue::Integer(number) => Some(number.to_string()),
                    _ => None,
                }),
            ];
            let held = |holdout: &str| {
                let [key, org]: [Option<&String>; 2] = [units[0].as_ref(), units[1].as_ref()];
                let (unit, percent) = match holdout {
                    "holdout-0" => (key, 20),
                    _ => (org.or(key), 40),
                };
                unit.is_some_and(|unit| {
                    let position = Hash::Xxh64.position(&format!("holdout:{holdout}"), unit);
                    position.enrol < enrol_cut(percent * 10_000)
                })
            };
            for key in set.flag_keys() {
                let resolution = set.resolve(key, &context, now);
                let Some(assignment) = resolution.assignment() else {
                    continue;
                };
                let rules = document["flags"][key]["rules"].as_array().expect("rules");
                let rule = rules
                    .iter()
                    .find(|rule| rule["id"].as_str() == assignment.rule);
                let holdouts = match &rule.expect("the rule")["experiment"]["holdout"] {
                    Json::String(one) => vec![one.as_str()],
                    Json::Array(list) => list.iter().filter_map(Json::as_str).collect(),
                    _ => vec![],
                };
                match assignment.holdout {
                    Some(holdout) => {
                        assert!(
                            holdouts.contains(&holdout) && held(holdout),
                            "{assignment:?}"
                        );
                    }
                    // Who was assigned before keeps that.
                    None if assignment.arm.is_none() && assignment.enrol.is_none() => {}
                    None => assert!(
                        !holdouts.iter().any(|holdout| held(holdout)),
                        "{assignment:?}"
                    ),
                }
            }
        }
    });
}

#[test]
fn what_no_rule_reads_does_not_matter() {
    each_seed(|random| {
        let set = load(&generate::flag_set(random));
        let read: BTreeSet<&str> = set.attributes().collect();
        let now = now(random);
        for context in contexts(random) {
            let mut more = context.clone();
            for _ in 0..1 + random.below(5) {
                let name = format!("unread-{}", random.below(100));
                more.set(name, random.bits() as i64);
            }
            // Also under names that other flag sets read.
            for name in [
                "country", "plan", "age", "when", "version", "ip", "tags", "beta", "org",
            ] {
                if !read.contains(name) && random.percent(50) {
                    more.set(name, "changed");
                }
            }
            assert_eq!(
                all_said(&set, &context, now),
                all_said(&set, &more, now),
                "{more:?}"
            );
        }
    });
}

#[test]
fn order_does_not_matter() {
    each_seed(|random| {
        let document = generate::flag_set(random);
        let set = load(&document);
        let text = generate::shuffled(random, &document);
        let other = FlagSet::from_json_strict(text.as_bytes()).expect("the same document");
        assert!(set.changed_flags(&other).is_empty(), "{text}");
        assert!(set.diff(&other).is_empty(), "{text}");
        let now = now(random);
        for _ in 0..CONTEXTS {
            let context = generate::context(random);
            let mut names = member_names(&context);
            let first = generate::built(&context, &names);
            random.shuffle(&mut names);
            let second = generate::built(&context, &names);
            assert_eq!(
                all_said(&set, &first, now),
                all_said(&other, &second, now),
                "{context}"
            );
        }
    });
}

#[test]
fn all_ways_to_resolve_agree() {
    each_seed(|random| {
        let set = load(&generate::flag_set(random));
        let now = now(random);
        for context in contexts(random) {
            let all: Vec<(&str, String)> = set
                .resolve_all(&context, now)
                .map(|(flag, resolution)| (flag.key(), said(&resolution)))
                .collect();
            assert!(all.iter().map(|(key, _)| *key).eq(set.flag_keys()));
            for (key, by_all) in all {
                let by_key = set.resolve(key, &context, now);
                assert_eq!(said(&by_key), by_all, "{context:?}");
                let handle = set.flag(key).expect("a flag");
                assert_eq!(said(&handle.resolve(&context, now)), by_all, "{context:?}");
                let explained = set.explain(key, &context, now);
                assert_eq!(explained.flag, key);
                assert_eq!(
                    explained.variant.as_deref(),
                    by_key.variant(),
                    "{context:?}"
                );
                assert_eq!(
                    explained.value.is_some(),
                    by_key.value().is_some(),
                    "{context:?}"
                );
                assert_eq!(explained.reason, by_key.reason(), "{context:?}");
                assert_eq!(explained.error_code, by_key.error_code(), "{context:?}");
                assert_eq!(explained.rule_index, by_key.rule_index(), "{context:?}");
            }
        }
    });
}

#[test]
fn a_context_is_the_same_as_json_and_by_calls() {
    each_seed(|random| {
        let set = load(&generate::flag_set(random));
        let now = now(random);
        for _ in 0..CONTEXTS {
            let context = generate::context(random);
            let names = member_names(&context);
            let built = generate::built(&context, &names);
            let read =
                EvaluationContext::from_json(context.to_string().as_bytes()).expect("a context");
            assert_eq!(
                all_said(&set, &built, now),
                all_said(&set, &read, now),
                "{context}"
            );
            assert_eq!(built.targeting_key(), read.targeting_key());
            for name in names {
                assert_eq!(built.attribute(name), read.attribute(name), "{context}");
            }
            let owned = read.clone().into_owned();
            assert_eq!(owned, read);
        }
    });
}

/// Documents that others wrote: the sets of the vectors and of the examples.
fn written() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = Vec::new();
    for folder in [root.join("vectors"), root.join("../examples")] {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let bytes = fs::read(&path).expect("a file");
                let json: Json = serde_json::from_slice(&bytes).expect("JSON");
                if json.get("format").is_some() {
                    documents.push(bytes);
                }
                for set in json["flagSets"]
                    .as_object()
                    .into_iter()
                    .flat_map(|sets| sets.values())
                {
                    documents.push(set.to_string().into_bytes());
                }
            }
        }
    }
    assert!(documents.len() > 20, "{} documents", documents.len());
    documents
}

/// Loads it, and if that works uses all of it.
fn survive(bytes: &[u8], context: &EvaluationContext<'_>) {
    let Ok(set) = FlagSet::from_json(bytes) else {
        return;
    };
    for key in set.flag_keys() {
        let resolution = set.resolve(key, context, UnixMillis(0));
        let _ = (said(&resolution), set.explain(key, context, UnixMillis(0)));
    }
    assert_eq!(set.resolve_all(context, UnixMillis(0)).count(), set.len());
    let _ = set
        .diagnostics()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
}

fn mutate_bytes(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len() as u64) as usize;
    match random.below(5) {
        0 => bytes[at] = random.bits() as u8,
        1 => drop(bytes.remove(at)),
        2 => bytes.insert(at, *random.one_of(br#"{}[]",:0-9e.\"#)),
        3 => bytes.truncate(at),
        _ => {
            let end = (at + random.below(40) as usize).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            let to = random.below(bytes.len() as u64) as usize;
            bytes.splice(to..to, piece);
        }
    }
}

/// Puts something of the document, or something odd, where something else was.
fn mutate_json(random: &mut Random, json: &mut Json) {
    fn pick<'j>(random: &mut Random, json: &'j mut Json, depth: u64) -> &'j mut Json {
        let stop = match json {
            Json::Array(elements) => elements.is_empty(),
            Json::Object(members) => members.is_empty(),
            _ => true,
        };
        if stop || depth == 0 {
            return json;
        }
        match json {
            Json::Array(elements) => {
                let at = random.below(elements.len() as u64) as usize;
                pick(random, &mut elements[at], depth - 1)
            }
            Json::Object(members) => {
                let at = random.below(members.len() as u64) as usize;
                let member = members.iter_mut().nth(at).expect("a member").1;
                pick(random, member, depth - 1)
            }
            scalar => scalar,
        }
    }
    let donor = {
        let depth = random.below(8);
        pick(random, json, depth).clone()
    };
    let depth = random.below(8);
    let odd = [
        Json::Null,
        json!(true),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!("\u{0}"),
        json!(""),
        json!([]),
        json!({}),
        json!({ "segment": "segment-0" }),
        json!({ "flag": "flag-0", "is": "on" }),
    ];
    let place = pick(random, json, depth);
    match random.below(4) {
        0 => *place = donor,
        1 => *place = random.one_of(&odd).clone(),
        2 => match place {
            Json::Object(members) => {
                let name =
                    *random.one_of(&["if", "all", "not", "segment", "flag", "rules", "split", "x"]);
                members.insert(name.into(), donor);
            }
            Json::Array(elements) => elements.push(donor),
            _ => {}
        },
        _ => match place {
            Json::Object(members) => {
                let at = random.below(members.len() as u64 + 1) as usize;
                let name = members.keys().nth(at).cloned();
                if let Some(name) = name {
                    members.remove(&name);
                }
            }
            Json::Array(elements) => drop(elements.pop()),
            _ => {}
        },
    }
}

#[test]
fn no_document_makes_it_panic() {
    let written = written();
    each_seed(|random| {
        let mut documents = vec![generate::flag_set(random).to_string().into_bytes()];
        documents.extend((0..3).map(|_| random.one_of(&written).clone()));
        let context = contexts(random).remove(0);
        for document in documents {
            let mut json: Json = serde_json::from_slice(&document).expect("JSON");
            for _ in 0..1 + random.below(4) {
                mutate_json(random, &mut json);
            }
            survive(json.to_string().as_bytes(), &context);
            let mut bytes = document;
            for _ in 0..1 + random.below(4) {
                mutate_bytes(random, &mut bytes);
            }
            survive(&bytes, &context);
        }
    });
}

#[test]
fn what_is_compared_is_compared_without_panic() {
    each_seed(|random| {
        let document = generate::flag_set(random);
        let mut other = document.clone();
        for _ in 0..1 + random.below(4) {
            mutate_json(random, &mut other);
        }
        let old = load(&document);
        let Ok(new) = FlagSet::from_json(other.to_string().as_bytes()) else {
            return;
        };
        let changed = old.changed_flags(&new);
        for (a, b) in [(&old, &new), (&new, &old)] {
            let changes = a.diff(b);
            assert!(changes.iter().all(|change| !change.to_string().is_empty()));
            // Every change of a flag's own is among the changed flags.
            for flag in changes.iter().filter_map(|change| change.flag.as_deref()) {
                assert!(changed.contains(&flag), "{changes:#?}");
            }
            for movement in a.movements(b, UnixMillis(0)) {
                assert!(changed.contains(&movement.flag.as_str()));
                assert!(
                    movement
                        .cases
                        .iter()
                        .all(|case| !case.to_string().is_empty())
                );
            }
            for found in a.phase_breaks(b) {
                assert!(changed.contains(&found.flag.as_str()), "{found}");
            }
        }
    });
}
