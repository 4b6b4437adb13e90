use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{PhaseBreakKind, Share, Subject};
use crate::{FlagSet, UnixMillis};

/// A flag set with these flags, and whatever else `rest` says.
fn set(flags: &str, rest: &str) -> FlagSet {
    let document = format!(r#"{{"format":1,"flags":{{{flags}}}{rest}}}"#);
    FlagSet::from_json_strict(document.as_bytes())
        .unwrap_or_else(|error| panic!("{error}: {document}"))
}

fn changed<'a>(old: &'a FlagSet, new: &'a FlagSet) -> Vec<&'a str> {
    old.changed_flags(new)
}

/// A boolean flag with one rule, which has these members.
fn rule(members: &str) -> String {
    format!(r#""f":{{"type":"boolean","rules":[{{{members}}}]}}"#)
}

#[test]
fn what_says_the_same_is_no_change() {
    let others = r#""a":{"type":"string","variants":{"x":"1","y":"2"}},"#;
    for (old, new) in [
        // The same text, with other symbols before it.
        (rule(r#""serve":"on""#), rule(r#""serve":"on""#)),
        // One operand by either operator; an array in another order, and with a double.
        (
            rule(r#""if":{"attribute":"a","equals":"x"},"serve":"on""#),
            rule(r#""if":{"attribute":"a","in":["x"]},"serve":"on""#),
        ),
        (
            rule(r#""if":{"attribute":"a","in":["x",1,"y",true]},"serve":"on""#),
            rule(r#""if":{"attribute":"a","in":[true,"y",1.0,"x","x"]},"serve":"on""#),
        ),
        (
            rule(r#""if":{"attribute":"a","in":["X"],"ignoreCase":true},"serve":"on""#),
            rule(r#""if":{"ignoreCase":true,"attribute":"a","in":["x"]},"serve":"on""#),
        ),
        (
            rule(r#""if":{"attribute":"a","cidr":"10.1.2.3/8"},"serve":"on""#),
            rule(r#""if":{"attribute":"a","cidr":["10.0.0.0/8"]},"serve":"on""#),
        ),
        // Defaults written out.
        (
            rule(r#""id":"r","serve":"on","rollout":50"#),
            rule(
                r#""id":"r","serve":"on","rollout":50.0,"unit":"targetingKey","salt":"f/r","otherwise":"next""#,
            ),
        ),
    ] {
        let old = set(&old, "");
        let new = set(&format!("{others}{new}"), "");
        assert_eq!(changed(&old, &new), ["a"], "{:?}", new.flag("f"));
        assert_eq!(changed(&new, &old), ["a"], "{:?}", new.flag("f"));
    }
}

#[test]
fn every_part_counts() {
    let base = r#""id":"r","if":{"attribute":"a","in":["x"]},"serve":"on","rollout":50"#;
    let old = set(&rule(base), "");
    for (from, to) in [
        (r#""id":"r""#, r#""id":"s""#),
        (r#""a""#, r#""b""#),
        (r#"["x"]"#, r#"["x","y"]"#),
        (r#"["x"]"#, r#"["y"]"#),
        (r#""in":["x"]"#, r#""startsWith":["x"]"#),
        (r#""in":["x"]"#, r#""in":["x"],"ignoreCase":true"#),
        ("50", "50.0001"),
        (r#""serve":"on""#, r#""serve":"off""#),
        (r#""serve":"on""#, r#""serve":"on","unit":"u""#),
        (r#""serve":"on""#, r#""serve":"on","salt":"s""#),
        (r#""serve":"on""#, r#""serve":"on","hash":"sha256""#),
        (r#""serve":"on""#, r#""serve":"on","from":5"#),
        (r#""serve":"on""#, r#""serve":"on","reason":"DEFAULT""#),
        (r#""serve":"on""#, r#""serve":"on","otherwise":"stop""#),
        (r#""serve":"on""#, r#""serve":"on","missingUnit":"error""#),
        (
            r#""serve":"on""#,
            r#""serve":"on","experiment":{"key":"e"}"#,
        ),
        (r#""serve":"on""#, r#""split":{"on":1}"#),
    ] {
        let changed_rule = base.replace(from, to);
        assert_ne!(changed_rule, base, "{from}");
        let new = set(&rule(&changed_rule), "");
        assert_eq!(changed(&old, &new), ["f"], "{from} -> {to}");
        assert!(changed(&new, &new).is_empty());
    }
}

#[test]
fn every_condition_counts() {
    let mut conditions: Vec<String> = [
        r#""equals":"x""#,
        r#""equals":"y""#,
        r#""equals":1"#,
        r#""equals":1.5"#,
        r#""equals":true"#,
        r#""equals":false"#,
        r#""in":["x","y"]"#,
        r#""in":["x","y"],"ignoreCase":true"#,
        r#""in":[]"#,
        r#""contains":"x""#,
        r#""contains":"y""#,
        r#""startsWith":"x""#,
        r#""endsWith":"x""#,
        r#""lessThan":1"#,
        r#""lessThan":2"#,
        r#""lessThan":1,"loose":true"#,
        #[cfg(feature = "imported")]
        r#""lessThan":1,"lenient":true"#,
        r#""lessOrEqual":1"#,
        r#""greaterThan":1"#,
        r#""greaterOrEqual":1"#,
        r#""before":1"#,
        r#""before":2"#,
        r#""before":1,"epoch":"seconds""#,
        r#""notAfter":1"#,
        r#""after":1"#,
        r#""notBefore":1"#,
        r#""semver":"1.0.0""#,
        r#""semver":"1.0.1""#,
        r#""semver":">=1.0.0""#,
        r#""semver":"1.0.0-a""#,
        r#""semver":"1.0.0-b""#,
        r#""semver":"1.0.0","loose":true"#,
        #[cfg(feature = "imported")]
        r#""semver":"1.0.0","lenient":true"#,
        r#""semver":"1.0.0 1.0.0""#,
        r#""cidr":"10.0.0.0/8""#,
        r#""cidr":"10.0.0.0/9""#,
        r#""cidr":"::/8""#,
        r#""containsAny":["x"]"#,
        r#""containsAll":["x"]"#,
        r#""anyElement":{"equals":"x"}"#,
        r#""anyElement":{"equals":"y"}"#,
        r#""everyElement":{"equals":"x"}"#,
        r#""exists":true"#,
        r#""exists":false"#,
        r#""hasType":"string""#,
        r#""hasType":"number""#,
        #[cfg(feature = "imported")]
        r#""inHashed":{"hash":"md5","digests":[]}"#,
        #[cfg(feature = "imported")]
        r#""inHashed":{"hash":"sha256","digests":["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]}"#,
        #[cfg(feature = "imported")]
        r#""inHashed":{"hash":"md5","digests":["900150983cd24fb0d6963f7d28e17f72"]}"#,
        #[cfg(feature = "imported")]
        r#""inHashed":{"hash":"md5","digests":["900150983cd24fb0d6963f7d28e17f73"]}"#,
        #[cfg(feature = "imported")]
        r#""inHashed":{"hash":"md5","digests":[],"prefix":"x"}"#,
        #[cfg(feature = "imported")]
        r#""inHashed":{"hash":"md5","digests":[],"suffix":"x"}"#,
        #[cfg(feature = "imported")]
        r#""inHashed":{"hash":"md5","digests":[],"first":5}"#,
        #[cfg(feature = "imported")]
        r#""inHashed":{"hash":"md5","digests":[],"last":5}"#,
        #[cfg(feature = "regex")]
        r#""matches":"x""#,
        #[cfg(feature = "regex")]
        r#""matches":"y""#,
    ]
    .iter()
    .flat_map(|test| ["a", "b"].map(|name| format!(r#"{{"attribute":"{name}",{test}}}"#)))
    .collect();
    let ids = |ids: &[u64]| crate::encode_ids(&mut ids.to_vec());
    for (salt, unit, list) in [
        ("s", "u", ids(&[1, 2])),
        ("s", "u", ids(&[1, 3])),
        ("s", "u", ids(&[1])),
        ("t", "u", ids(&[1])),
        ("s", "v", ids(&[1])),
    ] {
        conditions.push(format!(
            r#"{{"hashedIds":"{list}","salt":"{salt}","unit":"{unit}"}}"#
        ));
    }
    for members in [
        r#""salt":"s","ranges":[[0,1]]"#,
        r#""salt":"s","ranges":[[0,2]]"#,
        r#""salt":"t","ranges":[[0,1]]"#,
        r#""salt":"s","unit":"u","ranges":[[0,1]]"#,
        r#""salt":"s","unit":["u","v"],"ranges":[[0,1]]"#,
        r#""salt":"s","hash":"sha256","ranges":[[0,1]]"#,
        #[cfg(feature = "imported")]
        r#""salt":"s","hash":{"name":"md5-mod","modulus":9},"ranges":[[0,1]]"#,
        #[cfg(feature = "imported")]
        r#""salt":"s","hash":{"name":"md5-mod","modulus":8},"ranges":[[0,1]]"#,
        r#""salt":"s","lane":"enrol","ranges":[[0,1]]"#,
        r#""salt":"s","missing":"zero","ranges":[[0,1]]"#,
        r#""salt":"s","missing":"error","ranges":[[0,1]]"#,
    ] {
        conditions.push(format!(r#"{{"position":{{{members}}}}}"#));
    }
    let leaf = r#"{"attribute":"a","exists":true}"#;
    for condition in [
        format!(r#"{{"all":[{leaf},{leaf}]}}"#),
        format!(r#"{{"any":[{leaf},{leaf}]}}"#),
        format!(r#"{{"all":[{leaf}]}}"#),
        format!(r#"{{"all":[{{"all":[{leaf}]}}]}}"#),
        format!(r#"{{"all":[{leaf},{{"all":[]}}]}}"#),
        format!(r#"{{"all":[{{"all":[{leaf}]}},{leaf}]}}"#),
        format!(r#"{{"not":{leaf}}}"#),
        r#"{"all":[]}"#.into(),
        r#"{"any":[]}"#.into(),
        r#"{"always":true}"#.into(),
        r#"{"always":false}"#.into(),
        r#"{"flag":"p","is":"on"}"#.into(),
        r#"{"flag":"p","is":["on","off"]}"#.into(),
        r#"{"flag":"q","is":"on"}"#.into(),
        r#"{"flag":"p","enabled":true}"#.into(),
        r#"{"flag":"p","enabled":false}"#.into(),
        r#"{"segment":"s"}"#.into(),
        r#"{"segment":"t"}"#.into(),
    ] {
        conditions.push(condition);
    }
    let sets: Vec<FlagSet> = conditions
        .iter()
        .map(|condition| {
            let flag = rule(&format!(r#""if":{condition},"serve":"on""#));
            let others = r#""p":{"type":"boolean","rules":[{"serve":"on"}]},"q":{"type":"boolean"},"#;
            let segments = r#","segments":{"s":{"attribute":"seg","exists":true},"t":{"attribute":"seg","exists":false}}"#;
            set(&format!("{others}{flag}"), segments)
        })
        .collect();
    for (at, old) in sets.iter().enumerate() {
        for (other, new) in sets.iter().enumerate().skip(at) {
            let wants: &[&str] = if at == other { &[] } else { &["f"] };
            let texts = (&conditions[at], &conditions[other]);
            assert_eq!(changed(old, new), wants, "{texts:?}");
            if other <= at + 1 {
                assert_eq!(old.diff(new).len(), wants.len(), "{texts:?}");
            }
        }
    }
}

#[test]
fn what_is_used_counts_through_all_that_uses_it() {
    let flags = r#"
        "direct":{"type":"boolean","rules":[{"if":{"segment":"s"},"serve":"on"}]},
        "behind":{"type":"boolean","rules":[{"if":{"flag":"direct","is":"on"},"serve":"on"}]},
        "other":{"type":"boolean","rules":[{"serve":"on","rollout":5}]},
        "layered":{"type":"boolean","rules":[{"serve":"on",
            "experiment":{"key":"e","layer":"l","slots":[0,10],"holdout":["h"]}}]}"#;
    let shared = |country: &str, salt: &str, percent: u32| {
        let shared = format!(
            r#","segments":{{"unused":{{"always":true}},"s":{{"segment":"t"}},"t":{{"attribute":"country","equals":"{country}"}}}},
            "layers":{{"l":{{"salt":"{salt}"}}}},"holdouts":{{"h":{{"percent":{percent}}}}}"#
        );
        set(flags, &shared)
    };
    let old = shared("DE", "s", 5);
    assert_eq!(changed(&old, &shared("FR", "s", 5)), ["direct", "behind"]);
    assert_eq!(changed(&old, &shared("DE", "t", 5)), ["layered"]);
    assert_eq!(changed(&old, &shared("DE", "s", 6)), ["layered"]);
    assert!(changed(&old, &shared("DE", "s", 5)).is_empty());
}

#[test]
fn a_prerequisite_counts_by_what_it_serves() {
    let flags = |metadata: &str, rollout: u32| {
        let flags = format!(
            r#""a":{{"type":"boolean","metadata":{{"owner":"{metadata}"}},
                "rules":[{{"id":"r","serve":"on","rollout":{rollout}}}]}},
            "b":{{"type":"boolean","rules":[{{"if":{{"flag":"a","is":["on"]}},"serve":"on"}}]}}"#
        );
        set(&flags, "")
    };
    assert_eq!(changed(&flags("x", 5), &flags("y", 5)), ["a"]);
    assert_eq!(changed(&flags("x", 5), &flags("x", 6)), ["a", "b"]);
}

fn lines(old: &FlagSet, new: &FlagSet) -> Vec<String> {
    old.diff(new).iter().map(ToString::to_string).collect()
}

#[test]
fn changes_read_like_sentences() {
    let old = set(
        r#""gone":{"type":"boolean"},
        "f":{"type":"string","variants":{"a":"1","b":"2"},"default":"a","off":"b","metadata":{"owner":"x"},
            "rules":[
                {"id":"staff","if":{"attribute":"email","endsWith":"@example.com"},"serve":"b"},
                {"id":"ramp","serve":"b","rollout":10},
                {"if":{"segment":"eu"},"split":{"a":1,"b":1}},
                {"id":"exp","if":{"all":[{"attribute":"x","exists":true},{"not":{"segment":"eu"}}]},
                    "experiment":{"key":"e","layer":"l","slots":[0,5000],"holdout":"h"},"split":{"a":1,"b":1}}
            ]}"#,
        r#","environment":"test","segments":{"eu":{"attribute":"country","in":["DE","FR"]}},
            "layers":{"l":{}},"holdouts":{"h":{"percent":5}}"#,
    );
    let new = set(
        r#""new":{"type":"boolean"},
        "f":{"type":"string","variants":{"a":"1","b":"3","c":"4"},"default":null,"off":"b","enabled":false,
            "metadata":{"owner":"y","since":4},
            "rules":[
                {"id":"ramp","serve":"b","rollout":12.5,"unit":["userId","targetingKey"]},
                {"id":"staff","if":{"attribute":"email","endsWith":"@example.org"},"serve":"a","otherwise":"stop"},
                {"if":{"segment":"eu"},"split":[{"variant":"b","weight":1},{"variant":"a","ranges":[]}]},
                {"id":"exp","if":{"segment":"eu"},"until":0,
                    "experiment":{"key":"e","phase":2,"layer":"l","slots":[[0,2500],[7500,10000]]},
                    "split":{"a":3,"b":1}}
            ]}"#
        .replace(r#"{"variant":"a","ranges":[]}"#, r#"{"variant":"a","weight":3}"#)
        .as_str(),
        r#","environment":"live","segments":{"eu":{"attribute":"country","in":["DE","IT"]},"us":{"always":false}},
            "layers":{"l":{"unit":"userId"}},"holdouts":{"h":{"percent":2.5}}"#,
    );
    assert_eq!(
        lines(&old, &new),
        [
            "environment: test -> live",
            r#"segments/eu: country in ["DE", "FR"] -> country in ["DE", "IT"]"#,
            "segments/us: added never",
            "layers/l/unit: targetingKey -> userId",
            "holdouts/h/percent: 5 % -> 2.5 %",
            "flag `new`: added",
            "flag `f`: enabled true -> false",
            r#"flag `f`: default "a" -> the caller's default"#,
            r#"flag `f`: variant `b` "2" -> "3""#,
            r#"flag `f`: variant `c` added "4""#,
            r#"flag `f`: metadata `owner` "x" -> "y""#,
            "flag `f`: metadata `since` added 4",
            "flag `f`, rule `ramp`: moved 1 to 0",
            "flag `f`, rule `ramp`: rollout 10 % -> 12.5 %",
            "flag `f`, rule `ramp`: unit targetingKey -> userId, else targetingKey",
            r#"flag `f`, rule `staff`: if email endsWith ["@example.com"] -> email endsWith ["@example.org"]"#,
            r#"flag `f`, rule `staff`: serve "b" -> "a""#,
            "flag `f`, rule `staff`: otherwise next -> stop",
            r#"flag `f`, rule 2: split "a" 50 %, "b" 50 % -> "b" 25 %, "a" 75 %"#,
            r#"flag `f`, rule `exp`: if (x exists and not segment "eu") -> segment "eu""#,
            "flag `f`, rule `exp`: from and until none -> until 1970-01-01T00:00:00Z",
            r#"flag `f`, rule `exp`: salt "e/1" -> "e/2""#,
            r#"flag `f`, rule `exp`: split "a" 50 %, "b" 50 % -> "a" 75 %, "b" 25 %"#,
            "flag `f`, rule `exp`: phase 1 -> 2",
            "flag `f`, rule `exp`: slots 0..5000 -> 0..2500, 7500..10000",
            r#"flag `f`, rule `exp`: holdout "h" -> none"#,
            "flag `gone`: removed",
        ]
    );
    assert!(old.diff(&old).is_empty());
    assert_eq!(
        old.diff(&new)
            .iter()
            .find(|change| change.subject == Subject::Slots)
            .unwrap()
            .place,
        "/flags/f/rules/3/experiment/slots"
    );
}

/// The moves of the only case.
fn moves(old: &FlagSet, new: &FlagSet) -> Vec<(String, u128, u128, bool)> {
    let movements = old.movements(new, UnixMillis(0));
    let [movement] = movements.as_slice() else {
        panic!("{movements:?}");
    };
    assert_eq!(movement.gap, None);
    let [case] = movement.cases.as_slice() else {
        panic!("{movement:?}");
    };
    assert!(case.premises.is_empty(), "{case:?}");
    let name = |variant: &Option<String>| variant.clone().unwrap_or_else(|| "-".into());
    let moves = case.moves.iter();
    moves
        .map(|entry| {
            let names = format!("{}>{}", name(&entry.from), name(&entry.to));
            (
                names,
                entry.share.numerator(),
                entry.share.denominator(),
                entry.exact,
            )
        })
        .collect()
}

/// A flag of three variants, `a` by default, with these rules.
fn three(rules: &str, rest: &str) -> FlagSet {
    let flag = format!(
        r#""f":{{"type":"string","variants":{{"a":"","b":"","c":""}},"default":"a","rules":[{rules}]}}"#
    );
    set(&flag, rest)
}

#[test]
fn shares_are_exact() {
    let rollout = |percent| {
        three(
            &format!(r#"{{"id":"r","serve":"b","rollout":{percent}}}"#),
            "",
        )
    };
    assert_eq!(
        moves(&rollout("12.5"), &rollout("50")),
        [("a>b".into(), 3, 8, true)]
    );
    assert_eq!(
        moves(&rollout("50"), &rollout("12.5")),
        [("b>a".into(), 3, 8, true)]
    );
    // A fifth of 2^32 is cut down to a whole position.
    let left = (1 << 30) - 858_993_459;
    assert_eq!(
        moves(&rollout("20"), &rollout("25")),
        [("a>b".into(), left, 1 << 32, true)]
    );
    // Appending an arm takes from the last alone.
    let split = |arms| three(&format!(r#"{{"id":"r","split":{arms}}}"#), "");
    let two = split(r#"[{"variant":"a","weight":2},{"variant":"b","weight":2}]"#);
    let more = split(
        r#"[{"variant":"a","weight":2},{"variant":"b","weight":1},{"variant":"c","weight":1}]"#,
    );
    assert_eq!(moves(&two, &more), [("b>c".into(), 1, 4, true)]);
    // Both lanes of one hash: a quarter of half of all.
    let enrolled = |rollout, weights: [u32; 2]| {
        let [a, b] = weights;
        let rule = format!(r#"{{"id":"r","rollout":{rollout},"split":{{"b":{a},"c":{b}}}}}"#);
        three(&rule, "")
    };
    assert_eq!(
        moves(&enrolled(50, [1, 1]), &enrolled(50, [1, 3])),
        [("b>c".into(), 1, 8, true)]
    );
    assert_eq!(
        moves(&enrolled(50, [1, 1]), &enrolled(75, [1, 1])),
        [("a>b".into(), 1, 8, true), ("a>c".into(), 1, 8, true)]
    );
}

#[test]
fn another_salt_draws_anew() {
    let salted = |salt: &str| {
        three(
            &format!(r#"{{"salt":"{salt}","split":{{"a":1,"b":1}}}}"#),
            "",
        )
    };
    assert_eq!(
        moves(&salted("x"), &salted("y")),
        [("a>b".into(), 1, 4, false), ("b>a".into(), 1, 4, false)]
    );
    // Another unit or hash too.
    let of = |members: &str| {
        three(
            &format!(r#"{{"salt":"x","split":{{"a":1,"b":1}},{members}}}"#),
            "",
        )
    };
    for members in [r#""unit":"userId""#, r#""hash":"sha256""#] {
        assert_eq!(
            moves(&salted("x"), &of(members)),
            [("a>b".into(), 1, 4, false), ("b>a".into(), 1, 4, false)]
        );
    }
}

#[test]
fn layers_and_holdouts_are_dimensions() {
    let rest = r#","layers":{"l":{}},"holdouts":{"h":{"percent":25}}"#;
    let flag = |slots: &str, holdout: &str| {
        three(
            &format!(
                r#"{{"experiment":{{"key":"e","layer":"l","slots":{slots}{holdout}}},"split":{{"b":1,"c":1}}}}"#
            ),
            rest,
        )
    };
    assert_eq!(
        moves(&flag("[0,5000]", ""), &flag("[2500,7500]", "")),
        [
            ("a>b".into(), 1, 8, false),
            ("a>c".into(), 1, 8, false),
            ("b>a".into(), 1, 8, false),
            ("c>a".into(), 1, 8, false)
        ]
    );
    assert_eq!(
        moves(
            &flag("[0,10000]", ""),
            &flag("[0,10000]", r#","holdout":"h""#)
        ),
        [("b>a".into(), 1, 8, false), ("c>a".into(), 1, 8, false)]
    );
}

#[cfg(feature = "imported")]
#[test]
fn foreign_positions_count_too() {
    // As importers write shards: conditions on positions of a hash of one lane.
    let shards = |end: u32| {
        three(
            &format!(
                r#"{{"if":{{"all":[
                    {{"position":{{"salt":"t-","hash":{{"name":"md5-mod","modulus":10000}},"ranges":[[0,{end}]]}}}},
                    {{"position":{{"salt":"s-","hash":{{"name":"md5-mod","modulus":10000}},"ranges":[[0,5000]]}}}}]}},
                    "serve":"b"}}"#
            ),
            "",
        )
    };
    assert_eq!(
        moves(&shards(1000), &shards(1500)),
        [("a>b".into(), 1, 40, false)]
    );
}

#[test]
fn cases_are_what_conditions_say() {
    let rules = |country: &str, rollout: u32| {
        three(
            &format!(
                r#"{{"if":{{"attribute":"email","endsWith":"@example.com"}},"serve":"c"}},
                {{"id":"r","if":{{"attribute":"country","in":[{country}]}},"serve":"b","rollout":{rollout}}}"#
            ),
            "",
        )
    };
    let shown = |old: &FlagSet, new: &FlagSet| -> Vec<String> {
        let movements = old.movements(new, UnixMillis(0));
        let cases = movements.iter().flat_map(|movement| &movement.cases);
        cases.map(ToString::to_string).collect()
    };
    assert_eq!(
        shown(&rules(r#""DE""#, 10), &rules(r#""DE""#, 35)),
        [r#"when not email endsWith ["@example.com"] and country in ["DE"]: 25 % from `a` to `b`"#]
    );
    assert_eq!(
        shown(&rules(r#""DE""#, 50), &rules(r#""FR""#, 50)),
        [
            r#"when not email endsWith ["@example.com"] and country in ["DE"] and not country in ["FR"]: 50 % from `b` to `a`"#,
            r#"when not email endsWith ["@example.com"] and not country in ["DE"] and country in ["FR"]: 50 % from `a` to `b`"#,
        ]
    );
    // Written in place or as a segment, a condition is the same one.
    let inline = three(
        r#"{"id":"r","if":{"attribute":"x","exists":true},"serve":"b","rollout":10}"#,
        "",
    );
    let segment = three(
        r#"{"id":"r","if":{"segment":"s"},"serve":"b","rollout":60}"#,
        r#","segments":{"s":{"attribute":"x","exists":true}}"#,
    );
    assert_eq!(
        shown(&inline, &segment),
        ["when x exists: 50 % from `a` to `b`"]
    );
    assert!(shown(&inline, &inline).is_empty());
}

#[test]
fn prerequisites_are_followed() {
    let flags = |rollout: u32, country: &str| {
        let flags = format!(
            r#""a":{{"type":"boolean","default":"off","rules":[
                {{"id":"r","if":{{"attribute":"country","equals":"{country}"}},"serve":"on","rollout":{rollout}}}]}},
            "b":{{"type":"boolean","default":"off","rules":[
                {{"id":"r","if":{{"flag":"a","is":"on"}},"serve":"on","rollout":50}}]}}"#
        );
        set(&flags, "")
    };
    let movements = flags(25, "DE").movements(&flags(75, "DE"), UnixMillis(0));
    let shown: Vec<String> = movements
        .iter()
        .map(|movement| format!("{}: {}", movement.flag, movement.cases[0]))
        .collect();
    assert_eq!(
        shown,
        [
            r#"a: when country in ["DE"]: 50 % from `off` to `on`"#,
            r#"b: when country in ["DE"]: 25 % from `off` to `on`"#
        ]
    );
}

#[test]
fn what_does_not_move_is_not_told() {
    let old = three(
        r#"{"id":"r","serve":"b","rollout":50},{"id":"dead","serve":"b"},{"serve":"c"}"#,
        "",
    );
    let new = three(
        r#"{"id":"r","serve":"b","rollout":60},{"id":"dead","serve":"b"},{"serve":"a"}"#,
        "",
    );
    assert_eq!(changed(&old, &new), ["f"]);
    assert!(old.movements(&new, UnixMillis(0)).is_empty());
    // Nor what is not yet in force.
    let later = three(r#"{"from":1000,"serve":"b"}"#, "");
    let never = three("", "");
    assert!(never.movements(&later, UnixMillis(999)).is_empty());
    assert_eq!(never.movements(&later, UnixMillis(1000)).len(), 1);
}

#[test]
fn added_removed_disabled_and_refused_flags_move_everybody() {
    let on = three(r#"{"serve":"b"}"#, "");
    let none = set("", "");
    assert_eq!(moves(&on, &none), [("b>-".into(), 1, 1, true)]);
    assert_eq!(moves(&none, &on), [("->b".into(), 1, 1, true)]);
    let broken = FlagSet::from_json(br#"{"format":1,"flags":{"f":{"type":"string"}}}"#).unwrap();
    assert_eq!(moves(&on, &broken), [("b>-".into(), 1, 1, true)]);
    let disabled = set(
        r#""f":{"type":"string","variants":{"a":"","c":""},"default":"a","off":"c","enabled":false}"#,
        "",
    );
    assert_eq!(moves(&on, &disabled), [("b>c".into(), 1, 1, true)]);
}

#[test]
fn too_many_conditions_are_taken_one_by_one() {
    let rules = |percent: u32| {
        let rules: Vec<String> = (0..20)
            .map(|n| {
                format!(r#"{{"id":"r{n}","if":{{"attribute":"x{n}","exists":true}},"serve":"b","rollout":{percent}}}"#)
            })
            .collect();
        three(&rules.join(","), "")
    };
    let movements = rules(10).movements(&rules(20), UnixMillis(0));
    assert_eq!(movements.len(), 1);
    assert!(movements[0].gap.is_some(), "{movements:#?}");
    assert_eq!(movements[0].cases.len(), 20);
    assert_eq!(
        movements[0].cases[0].to_string(),
        "when x0 exists: 10 % from `a` to `b`"
    );
}

fn breaks(old: &FlagSet, new: &FlagSet) -> Vec<String> {
    old.phase_breaks(new)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn phases_break_when_assigned_units_move() {
    let rest = r#","layers":{"l":{}},"holdouts":{"h":{"percent":10}}"#;
    let flag = |phase: u32, slots: &str, members: &str| {
        three(
            &format!(
                r#"{{"id":"x","experiment":{{"key":"e","phase":{phase},"layer":"l","slots":{slots}}},{members}}}"#
            ),
            rest,
        )
    };
    let base = flag(1, "[0,5000]", r#""rollout":50,"split":{"b":1,"c":1}"#);
    let none: [&str; 0] = [];
    // What only adds units, and a new phase, break nothing.
    for new in [
        flag(1, "[0,6000]", r#""rollout":50,"split":{"b":1,"c":1}"#),
        flag(1, "[0,5000]", r#""rollout":60,"split":{"b":1,"c":1}"#),
        flag(2, "[0,5000]", r#""rollout":50,"split":{"b":1,"c":3}"#),
        three("", rest),
    ] {
        assert_eq!(breaks(&base, &new), none);
    }
    let prefix = "flag `f`, rule `x`: experiment `e` stays in phase 1, but ";
    for (slots, members, wants) in [
        (
            "[0,5000]",
            r#""rollout":50,"split":{"b":1,"c":3}"#,
            &["25 % of its units switch from `b` to `c`"][..],
        ),
        (
            "[0,5000]",
            r#""rollout":50,"split":{"b":1,"c":1},"salt":"new""#,
            &[
                "25 % of its units, which had `b`, leave it",
                "12.5 % of its units switch from `b` to `c`",
                "25 % of its units, which had `c`, leave it",
                "12.5 % of its units switch from `c` to `b`",
            ],
        ),
        (
            "[0,2500]",
            r#""rollout":50,"split":{"b":1,"c":1}"#,
            &[
                "25 % of its units, which had `b`, leave it",
                "25 % of its units, which had `c`, leave it",
            ],
        ),
        (
            "[0,5000]",
            r#""rollout":25,"split":{"b":1,"c":1}"#,
            &[
                "25 % of its units, which had `b`, leave it",
                "25 % of its units, which had `c`, leave it",
            ],
        ),
        (
            "[0,5000]",
            r#""rollout":50,"split":{"b":1,"c":1},"if":{"attribute":"x","exists":true}"#,
            &["its condition changed"],
        ),
    ] {
        let got = breaks(&base, &flag(1, slots, members));
        let wants: Vec<String> = wants.iter().map(|want| format!("{prefix}{want}")).collect();
        assert_eq!(got, wants, "{slots} {members}");
    }
    // The share of all units that the rule matches.
    let kinds: Vec<PhaseBreakKind> = base
        .phase_breaks(&flag(
            1,
            "[0,5000]",
            r#""rollout":50,"split":{"b":1,"c":3}"#,
        ))
        .into_iter()
        .map(|found| found.kind)
        .collect();
    let [PhaseBreakKind::Switched { share, .. }] = kinds.as_slice() else {
        panic!("{kinds:?}");
    };
    assert_eq!((share.numerator(), share.denominator()), (1, 16));
}

#[test]
fn shares_are_shown_in_per_cent() {
    for (numerator, denominator, want) in [
        (0, 1, "0 %"),
        (1, 1, "100 %"),
        (1, 8, "12.5 %"),
        (858_993_459, 1 << 32, "20 %"),
        (1, 3, "33.333333 %"),
        (2, 3, "66.666667 %"),
        (1, 100_000_000, "0.000001 %"),
        (1, 300_000_000, "less than 0.000001 %"),
    ] {
        assert_eq!(Share::new(numerator, denominator).to_string(), want);
    }
    assert_eq!(Share::new(1, 8).parts_per_billion(), 125_000_000);
}

#[test]
fn the_fewest_rules_are_called_moved() {
    for (order, want) in [
        (&[0, 1, 2, 3][..], &[][..]),
        (&[3, 0, 1, 2], &[3]),
        (&[1, 2, 3, 0], &[0]),
        (&[2, 3, 0, 1], &[2, 3]),
        (&[3, 2, 1, 0], &[3, 2, 1]),
    ] {
        let pairs: Vec<(u16, u16)> = order
            .iter()
            .zip(0..)
            .map(|(old, new)| (*old, new))
            .collect();
        let moved: Vec<u16> = super::rules::moved(&pairs)
            .iter()
            .map(|pair| pair.0)
            .collect();
        assert_eq!(moved, want, "{order:?}");
    }
}
