//! Windows, reasons, splits and experiments.

use super::*;

#[test]
fn a_window_includes_both_ends_to_the_last_digit() {
    const MS: i64 = 1_036_054_800_594; // 2002-10-31T09:00:00.594Z
    let window = |members: &str| {
        flag(&format!(
            r#"{{"key": "a", {members}, "splits": [{{"variationKey": "on", "shards": []}}]}}"#
        ))
    };
    for (members, first, last) in [
        (r#""startAt": "2002-10-31T09:00:00.594Z""#, Some(MS), None),
        (
            r#""startAt": "2002-10-31T09:00:00.594001Z""#,
            Some(MS + 1),
            None,
        ),
        (r#""endAt": "2002-10-31T09:00:00.594Z""#, None, Some(MS)),
        (r#""endAt": "2002-10-31T09:00:00.594999Z""#, None, Some(MS)),
        (
            r#""startAt": "2002-10-31T09:00:00.594Z", "endAt": "2002-10-31T11:00:00.594+02:00""#,
            Some(MS),
            Some(MS),
        ),
        (
            r#""startAt": null, "endAt": "2002-10-31T09:00:00.594Z""#,
            None,
            Some(MS),
        ),
    ] {
        let imported = flags(&window(members), &options(DATADOG));
        let at = |now| answer(&imported, "{}", now) == "DEFAULT on";
        if let Some(first) = first {
            assert!(
                at(first) && !at(first - 1),
                "{members}\n{}",
                imported.document
            );
        }
        if let Some(last) = last {
            assert!(
                at(last) && !at(last + 1),
                "{members}\n{}",
                imported.document
            );
        }
    }
    let never =
        window(r#""startAt": "2020-01-01T00:00:00.0001Z", "endAt": "2020-01-01T00:00:00.0002Z""#);
    let imported = flags(&never, &options(DATADOG));
    assert_eq!(
        imported.report.warnings[0].message,
        "is never in force, left out"
    );
    assert_eq!(answer(&imported, "{}", 1_577_836_800_000), "DEFAULT none");
}

#[test]
fn reasons_follow_the_shape_of_the_allocation() {
    let full = shard("s", 10, &[(0, 10)]);
    let unsharded = split("on", &[]);
    let sharded = split("on", &[full]);
    let bounds = r#""startAt": "2000-01-01T00:00:00Z""#;
    for (members, splits, want) in [
        ("", vec![unsharded.clone()], "STATIC on"),
        ("", vec![unsharded.clone(), sharded.clone()], "SPLIT on"),
        ("", vec![sharded.clone()], "SPLIT on"),
        (bounds, vec![unsharded.clone()], "DEFAULT on"),
        (bounds, vec![sharded.clone()], "SPLIT on"),
        (
            r#""rules": [{"conditions": []}]"#,
            vec![unsharded],
            "TARGETING_MATCH on",
        ),
        (
            r#""rules": [{"conditions": []}]"#,
            vec![sharded],
            "TARGETING_MATCH on",
        ),
    ] {
        let allocation = allocation("a", &splits);
        let allocation = match members {
            "" => allocation,
            _ => allocation.replacen('{', &format!("{{{members}, "), 1),
        };
        let imported = flags(&flag(&allocation), &options(DATADOG));
        let got = answer(&imported, r#"{"targetingKey": "u"}"#, 1_700_000_000_000);
        assert_eq!(got, want, "{allocation}");
    }
}

#[test]
fn a_missing_targeting_key_matters_only_where_a_shard_is_reached() {
    let half = split("on", &[shard("s", 10, &[(0, 5)])]);
    let none = split("on", &[shard("s", 10, &[(5, 5)])]);
    let all = split("on", &[shard("s", 10, &[(0, 10)])]);
    let plain = split("off", &[]);
    for (splits, want) in [
        (vec![half.clone()], "ERROR TARGETING_KEY_MISSING"),
        (vec![all], "ERROR TARGETING_KEY_MISSING"),
        (vec![none], "ERROR TARGETING_KEY_MISSING"),
        (
            vec![half.clone(), plain.clone()],
            "ERROR TARGETING_KEY_MISSING",
        ),
        (vec![plain, half], "SPLIT off"),
        (vec![], "DEFAULT none"),
    ] {
        let imported = flags(&flag(&allocation("a", &splits)), &options(DATADOG));
        assert_eq!(answer(&imported, "{}", 0), want, "{splits:?}");
    }
}

#[test]
fn splits_of_every_shape_answer_by_the_formula() {
    let mut random = Random(42);
    let mut drawn = 0;
    for round in 0..300 {
        // Few salts and moduli, so that splits share some and differ in others.
        let total = if round % 3 == 0 { 7 } else { 20 };
        let mut splits: Vec<Split<'_>> = Vec::new();
        let common = (round % 2 == 0).then(|| ("traffic", 10, vec![(0, 6)]));
        for _ in 0..=random.below(4) {
            let mut shards = Vec::new();
            shards.extend(common.clone());
            for _ in 0..random.below(3) {
                let salt = ["one", "two", "one"][random.below(3)];
                let ranges = (0..random.below(4)).map(|_| {
                    let start = random.below(22) as u32;
                    (start, start + random.below(12) as u32)
                });
                shards.push((salt, total, ranges.collect()));
            }
            splits.push((["on", "off"][random.below(2)], shards));
        }
        let texts: Vec<String> = splits
            .iter()
            .map(|(variation, shards)| {
                let shards: Vec<String> = shards
                    .iter()
                    .map(|(salt, total, ranges)| shard(salt, *total, ranges))
                    .collect();
                split(variation, &shards)
            })
            .collect();
        let imported = flags(&flag(&allocation("a", &texts)), &options(DATADOG));
        assert_eq!(imported.report.refusals, [], "{texts:?}");
        drawn += usize::from(imported.document.contains("\"split\""));
        let set = FlagSet::from_json(imported.document.as_bytes()).unwrap();
        for unit in 0..60 {
            let unit = format!("unit-{unit}");
            let context = EvaluationContext::new(unit.as_str());
            let resolution = set.resolve("f", &context, UnixMillis(0));
            let want = first_split(&splits, &unit);
            assert_eq!(
                resolution.variant(),
                want,
                "{unit}: {texts:?}\n{}",
                imported.document
            );
            // Whoever gets something is in the experiment.
            let experiment = resolution
                .assignment()
                .map(|assignment| assignment.experiment);
            assert_eq!(
                experiment,
                want.map(|_| "f-a"),
                "{unit}: {texts:?}\n{}",
                imported.document
            );
        }
    }
    // Both ways to write an allocation must have been taken.
    assert!((50..250).contains(&drawn), "{drawn} of 300 became one draw");
}

#[test]
fn experiments_of_one_name_live_together() {
    // `f` has the allocation `a` twice, and `f-a-b` is an allocation of `f` and one of `f-a`: each time with
    // another salt and modulus.
    let own = [
        ("a", "on", ("one", 10, vec![(0, 3)])),
        ("a", "off", ("two", 20, vec![(0, 10)])),
        ("a-b", "on", ("three", 30, vec![(0, 15)])),
    ];
    let other = [("b", "off", ("four", 40, vec![(0, 20)]))];
    type Draw<'s> = (&'s str, &'s str, (&'s str, u32, Vec<(u32, u32)>));
    let allocations = |draws: &[Draw<'_>]| {
        let texts = draws.iter().map(|(key, variation, (salt, total, ranges))| {
            allocation(key, &[split(variation, &[shard(salt, *total, ranges)])])
        });
        texts.collect::<Vec<_>>().join(", ")
    };
    let text = format!(
        "{}, {}",
        flag(&allocations(&own)),
        flag(&allocations(&other)).replace("\"f\"", "\"f-a\"")
    );
    let imported = flags(&text, &options(DATADOG));
    assert_eq!(imported.report.refusals, [], "{}", imported.document);
    let set = FlagSet::from_json(imported.document.as_bytes()).unwrap();
    for unit in 0..100 {
        let unit = format!("u{unit}");
        let context = EvaluationContext::new(unit.as_str());
        for (key, draws) in [("f", &own[..]), ("f-a", &other[..])] {
            let drawn = draws.iter().find(|(_, variation, shard)| {
                first_split(&[(variation, vec![shard.clone()])], &unit).is_some()
            });
            let resolution = set.resolve(key, &context, UnixMillis(0));
            let want = drawn.map(|(_, variation, _)| *variation);
            assert_eq!(
                resolution.variant(),
                want,
                "{key} {unit}\n{}",
                imported.document
            );
            let experiment = resolution
                .assignment()
                .map(|each| each.experiment.to_string());
            let want = drawn.map(|(allocation, _, _)| format!("{key}-{allocation}"));
            assert_eq!(experiment, want, "{key} {unit}");
        }
    }
}

#[test]
fn what_is_not_logged_is_no_experiment() {
    for (member, want) in [
        ("", Some("f-a")),
        (r#", "doLog": true"#, Some("f-a")),
        (r#", "doLog": false"#, None),
    ] {
        let text = format!(
            r#"{{"key": "a", "splits": [{{"variationKey": "on", "shards": []}}]{member}}}"#
        );
        let imported = flags(&flag(&text), &options(DATADOG));
        let set = FlagSet::from_json(imported.document.as_bytes()).unwrap();
        let context = EvaluationContext::new("u");
        let assignment = set.resolve("f", &context, UnixMillis(0)).assignment();
        assert_eq!(
            assignment.map(|assignment| assignment.experiment),
            want,
            "{member}"
        );
        let named: Vec<&str> = imported.report.flags[0]
            .experiments
            .iter()
            .map(String::as_str)
            .collect();
        assert_eq!(named, want.into_iter().collect::<Vec<_>>());
    }
    let long = format!(
        r#"{{"key": "{}", "splits": [{{"variationKey": "on", "shards": []}}]}}"#,
        "x".repeat(256)
    );
    let imported = flags(&flag(&long), &options(DATADOG));
    assert_eq!(answer(&imported, "{}", 0), "STATIC on");
    assert!(
        imported.report.warnings[0]
            .message
            .ends_with("exposures are not recorded")
    );
}

#[test]
fn what_would_grow_or_stall_is_refused() {
    // Each of these would cost a quadratic algorithm minutes, or the flag set gigabytes.
    let refused = |allocations: &str, want: &str| {
        let imported = flags(&flag(allocations), &options(DATADOG));
        let reason = imported
            .report
            .refusals
            .first()
            .map(|refusal| &*refusal.reason);
        assert_eq!(reason, Some(want));
    };
    let shards: Vec<String> = (0..30_000)
        .map(|number| shard(&format!("s{number}"), 100, &[(0, 1)]))
        .collect();
    refused(
        &allocation("a", &[split("on", &shards)]),
        "has shards under more than 16 different salts",
    );

    let splits: Vec<String> = shards
        .iter()
        .map(|shard| split("on", core::slice::from_ref(shard)))
        .collect();
    refused(&allocation("a", &splits), "has more than 1,000 splits");

    let alike: Vec<String> = (0..30_000)
        .map(|_| allocation("a", &[split("on", &[])]))
        .collect();
    refused(&alike.join(", "), "is beyond what 1,000 rules hold");

    let operands: Vec<String> = (0..10_000)
        .map(|number| format!("\"{number:020}\""))
        .collect();
    let targeted = format!(
        r#"{{"key": "a", "splits": [{}], "rules": [{{"conditions":
            [{{"attribute": "x", "operator": "ONE_OF", "value": [{}]}}]}}]}}"#,
        splits[..200].join(", "),
        operands.join(", ")
    );
    refused(
        &targeted,
        "the targeting would have to be repeated for each of its splits, which is too much",
    );

    let ranges: Vec<(u32, u32)> = (0..50_000)
        .map(|number| (2 * number, 2 * number + 1))
        .collect();
    let pieces = split("on", &[shard("s", u32::MAX, &ranges)]);
    let imported = flags(&flag(&allocation("a", &[pieces])), &options(DATADOG));
    assert_eq!(
        imported.report.refusals.len(),
        1,
        "over the flag set's own bound"
    );
}
