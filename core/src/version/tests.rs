use alloc::{format, string::String, vec::Vec};

use super::*;

fn order(left: &str, right: &str, loose: bool) -> Option<Ordering> {
    let left = Version::parse(left.as_bytes(), loose)?;
    Some(left.cmp_precedence(&Version::parse(right.as_bytes(), loose)?))
}

/// Each text before the next, and equal to itself, in both readings of the comparison.
fn check_ascending(texts: &[&str], loose: bool) {
    for (i, left) in texts.iter().enumerate() {
        for (j, right) in texts.iter().enumerate() {
            assert_eq!(
                order(left, right, loose),
                Some(i.cmp(&j)),
                "{left} and {right}"
            );
        }
    }
}

#[test]
fn strict_versions_are_those_of_the_specification() {
    // The list that semver.org publishes with its regular expression, and edges of our own.
    for text in [
        "0.0.4",
        "1.2.3",
        "10.20.30",
        "1.1.2-prerelease+meta",
        "1.1.2+meta",
        "1.1.2+meta-valid",
        "1.0.0-alpha",
        "1.0.0-beta",
        "1.0.0-alpha.beta",
        "1.0.0-alpha.beta.1",
        "1.0.0-alpha.1",
        "1.0.0-alpha0.valid",
        "1.0.0-alpha.0valid",
        "1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay",
        "1.0.0-rc.1+build.1",
        "2.0.0-rc.1+build.123",
        "1.2.3-beta",
        "10.2.3-DEV-SNAPSHOT",
        "1.2.3-SNAPSHOT-123",
        "1.0.0",
        "2.0.0",
        "1.1.7",
        "2.0.0+build.1848",
        "2.0.1-alpha.1227",
        "1.0.0-alpha+beta",
        "1.2.3----RC-SNAPSHOT.12.9.1--.12+788",
        "1.2.3----R-S.12.9.1--.12+meta",
        "1.2.3----RC-SNAPSHOT.12.9.1--.12",
        "1.0.0+0.build.1-rc.10000aaa-kk-0.1",
        "1.0.0-0A.is.legal",
        "18446744073709551615.0.0",
        "1.0.0-99999999999999999999999999999999999999",
        "1.0.0+001",
    ] {
        assert!(Version::parse(text.as_bytes(), false).is_some(), "{text}");
        assert!(
            Version::parse(text.as_bytes(), true).is_some(),
            "{text}, loose"
        );
    }
    for text in [
        "",
        "1",
        "1.2",
        "1.2.3-0123",
        "1.2.3-0123.0123",
        "1.1.2+.123",
        "+invalid",
        "-invalid",
        "-invalid+invalid",
        "alpha",
        "alpha.beta",
        "1.0.0-alpha_beta",
        "1.0.0-alpha..1",
        "1.0.0-alpha.",
        "1.0.0-",
        "1.0.0+",
        "1.0.0-+build",
        "01.1.1",
        "1.01.1",
        "1.1.01",
        "1.2.3.DEV",
        "1.2-SNAPSHOT",
        "1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788",
        "1.2-RC-SNAPSHOT",
        "-1.0.3-gamma+b7718",
        "+justmeta",
        "9.8.7+meta+meta",
        "9.8.7-whatever+meta+meta",
        "1.2.3.4",
        "v1.2.3",
        "1.2.3 ",
        " 1.2.3",
        "1.2.",
        "1..3",
        "1.2.3-ä",
        "18446744073709551616.0.0",
        "1.0.99999999999999999999",
    ] {
        assert!(Version::parse(text.as_bytes(), false).is_none(), "{text:?}");
    }
}

#[test]
fn loose_versions() {
    for text in [
        "1",
        "1.2",
        "v1",
        "V1.2.3",
        "01.002.0003",
        "1.2.3.4",
        "1.2.3.4.5.6.7.8",
        "1-alpha",
        "v2+build",
        "1.2-SNAPSHOT",
        "1.2.3-0123",
        "00000000000000000000000000001.0",
        "1.2.3.4-rc.1+b",
    ] {
        assert!(Version::parse(text.as_bytes(), true).is_some(), "{text}");
    }
    for text in [
        "",
        "v",
        "vv1",
        "1.",
        "1.2.",
        "1.2.3.",
        "1..2",
        ".1",
        "1.2.3.4.5.6.7.8.9",
        "1.x",
        "x",
        "1.2.3.x",
        "1.2.3.18446744073709551616",
        "18446744073709551616",
        "1.2.3-",
        "1.2.3+",
        "1.2.3-a..b",
        "1 ",
        "v 1",
        "-1",
    ] {
        assert!(Version::parse(text.as_bytes(), true).is_none(), "{text:?}");
    }
}

#[test]
fn precedence_is_that_of_section_11() {
    check_ascending(
        &[
            "0.9.9",
            "1.0.0-0",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-99999999999999999999",
            "1.0.0-100000000000000000000",
            "1.0.0--",
            "1.0.0-1a",
            "1.0.0-ALPHA",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.1.0",
            "1.0.0-alpha.beta",
            "1.0.0-alpha-1",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2.0",
            "1.10.0",
            "2.0.0",
            "10.0.0-a",
            "18446744073709551615.0.0",
        ],
        false,
    );
    assert_eq!(order("1.0.0+a", "1.0.0+b.1", false), Some(Ordering::Equal));
    assert_eq!(
        order("1.0.0-rc.1+a", "1.0.0-rc.1", false),
        Some(Ordering::Equal)
    );
}

#[test]
fn loose_precedence() {
    check_ascending(
        &[
            "v0",
            "1-1",
            "1-alpha",
            "1",
            "1.0.0.0.1",
            "1.0.0.1-rc",
            "1.0.0.1",
            "1.0.0.1.0.0.0.1",
            "1.0.0.2",
            "1.0.0.010",
            "1.0.1",
            "v1.2",
            "1.10",
            "2",
        ],
        true,
    );
    for (left, right) in [
        ("2", "2.0.0"),
        ("2", "2.0.0.0.0"),
        ("2.0.0.0", "2.0.0.0.0.0"),
        ("v1.2.3", "1.2.3"),
        ("01.02.03", "1.2.3"),
        ("1.2.3-007", "1.2.3-7"),
        ("1.2.3-000", "1.2.3-0"),
        ("1.2.3.04", "1.2.3.4"),
    ] {
        assert_eq!(
            order(left, right, true),
            Some(Ordering::Equal),
            "{left} and {right}"
        );
        assert_eq!(
            order(right, left, true),
            Some(Ordering::Equal),
            "{right} and {left}"
        );
    }
}

#[test]
fn comparators_are_separated_by_single_spaces() {
    let read = |text: &str, loose| -> Option<Vec<Comparison>> {
        comparators(text.as_bytes(), loose)
            .map(|pair| Some(pair?.0))
            .collect()
    };
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    for (text, want) in [
        ("1.0.0", &[Equal][..]),
        ("=1.0.0", &[Equal]),
        ("!=1.0.0", &[NotEqual]),
        (">=2.1.0 <3.0.0", &[GreaterOrEqual, Less]),
        ("<=2.1.0 >3.0.0-rc.1 2.0.0", &[LessOrEqual, Greater, Equal]),
    ] {
        assert_eq!(read(text, false).as_deref(), Some(want), "{text}");
    }
    for text in [
        "",
        " ",
        "1.0.0 ",
        " 1.0.0",
        "1.0.0  2.0.0",
        "> 1.0.0",
        "=>1.0.0",
        "==1.0.0",
        ">",
        "^1.0.0",
        "~1.0.0",
        "!1.0.0",
        "<>1.0.0",
        "1.0.0\t2.0.0",
        ">=2",
        ">=1.0.0,<2.0.0",
        "1.0.0 || 2.0.0",
    ] {
        assert_eq!(read(text, false), None, "{text:?}");
    }
    assert_eq!(
        read(">=2 <v3.1", true),
        Some([GreaterOrEqual, Less].to_vec())
    );
}

#[test]
fn comparisons_hold_as_their_signs_say() {
    for (sign, below, equal, above) in [
        ("=", false, true, false),
        ("!=", true, false, true),
        ("<", true, false, false),
        ("<=", true, true, false),
        (">", false, false, true),
        (">=", false, true, true),
    ] {
        let text: String = format!("{sign}2.0.0");
        for (version, want) in [
            ("2.0.0-rc.1", below),
            ("2.0.0+build", equal),
            ("2.0.1", above),
        ] {
            let (comparison, operand) =
                comparators(text.as_bytes(), false).next().unwrap().unwrap();
            let version = Version::parse(version.as_bytes(), false).unwrap();
            let got = comparison.holds(version.cmp_precedence(&operand));
            assert_eq!(got, want, "{version:?} {text}");
        }
    }
}

#[test]
fn the_quick_reading_of_a_version_is_the_thorough_one() {
    let numbers = [
        "0",
        "1",
        "00",
        "01",
        "9",
        "10",
        "262143",
        "262144",
        "1048575",
        "1048576",
        "67108863",
        "67108864",
        "20260131",
        "18446744073709551615",
        "",
        "a",
        "-1",
    ];
    let mut packed = 0;
    for major in numbers {
        for minor in numbers {
            for patch in numbers {
                for tail in ["", ".", ".1", "-a", "+b", " "] {
                    let text = format!("{major}.{minor}.{patch}{tail}");
                    let version = Version::parse(text.as_bytes(), false);
                    let Some(quick) = Packed::parse(text.as_bytes()) else {
                        // Longer than any that fits, or not plain.
                        let plain = version.map_or(Packed::NONE, |version| version.packed());
                        assert!(
                            plain == Packed::NONE || !tail.is_empty() || text.len() > 18,
                            "{text}"
                        );
                        continue;
                    };
                    packed += 1;
                    let thorough = version.expect("what reads quickly reads");
                    assert_eq!(quick.numbers(), thorough.core, "{text}");
                    assert_eq!(thorough.packed(), quick, "{text}");
                    let loose = Version::parse(text.as_bytes(), true).expect("also loosely");
                    assert_eq!(loose.packed(), quick, "{text}");
                }
            }
        }
    }
    assert!(packed > 300, "{packed}");
}

#[test]
fn packed_versions_order_as_versions_do() {
    let numbers = [0, 1, 2, 262_143, 1_000_000, 67_108_863];
    let mut versions = Vec::new();
    for major in numbers {
        for minor in numbers {
            for patch in numbers {
                let text = format!("{major}.{minor}.{patch}");
                versions.extend(Packed::parse(text.as_bytes()));
            }
        }
    }
    assert!(versions.len() > 80, "{}", versions.len());
    for one in &versions {
        for other in &versions {
            let order = one.version().cmp_precedence(&other.version());
            assert_eq!(one.cmp(other), order, "{one:?} {other:?}");
        }
    }
}
