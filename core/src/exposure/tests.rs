use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::*;
use crate::bucketing::UnitText;
use crate::resolution::Reason;

fn assignment(unit: &str) -> Assignment<'_> {
    Assignment {
        flag: "button-colour",
        rule: Some("exp-42"),
        experiment: "exp-42",
        phase: 1,
        unit_type: "userId",
        unit: UnitText::new(unit),
        variant: Some("green"),
        reason: Reason::Split,
        arm: Some(3_000_000_000),
        enrol: Some(17),
        enrol_cut: Some(858_993_459),
        arm_range: Some((2_147_483_648, 4_294_967_296)),
        arm_share: Some(3_221_225_472),
        modulus: 4_294_967_296,
        layer: Some("checkout"),
        layer_position: Some(99),
        holdout: None,
        sticky: Sticky::None,
        environment: Some("production"),
        revision: 42,
    }
}

/// An assignment with as little in it as there can be: held out, the caller's default served.
fn sparse() -> Assignment<'static> {
    Assignment {
        rule: None,
        variant: None,
        reason: Reason::Default,
        arm: None,
        enrol: None,
        enrol_cut: None,
        arm_range: None,
        arm_share: None,
        layer: None,
        layer_position: None,
        holdout: Some("q4"),
        environment: None,
        ..assignment("user-1")
    }
}

fn line(exposure: &Exposure<'_>, origin: &Origin<'_>) -> String {
    let mut out = Vec::new();
    exposure.write_line(origin, &mut out);
    String::from_utf8(out).unwrap()
}

const DAY: Option<Duration> = Some(Duration::from_secs(86_400));

#[test]
fn event_id_is_the_documented_hash() {
    // Computed with Python: hashlib.sha256(b"\x1f".join(...)).hexdigest()[:32]
    let other_phase = Assignment {
        phase: 2,
        ..assignment("a\u{1f}bż")
    };
    let pseudonymous = ExposureDetails {
        pseudonym: Some("hmac:k1:00ff"),
        ..ExposureDetails::default()
    };
    let (user, sparse) = (assignment("user-1"), sparse());
    let at = UnixMillis(1_732_123_456_789);
    for (exposure, want) in [
        (
            Exposure::new(&user, at).with_window(dedupe_window(at, DAY)),
            "8a243afa78abeb81748effa7ffa95a06",
        ),
        (
            Exposure::new(&sparse, at), // absent environment and variant, a holdout, no window
            "873175d6f8f59d9a6c7dc26251a7fd84",
        ),
        (
            Exposure::new(&other_phase, at).with_window(-1), // before 1970, a unit with the separator in it
            "be61caa5cd13d1180f3929a890542e11",
        ),
        (
            Exposure::new(&user, at)
                .with_window(20_047)
                .with_details(pseudonymous), // the unit as recorded counts
            "42b8e8ffdddeb02f7020667559523f92",
        ),
    ] {
        assert_eq!(exposure.event_id().to_string(), want, "{exposure:?}");
    }
}

#[test]
fn whatever_identifies_an_exposure_changes_its_id_and_its_key() {
    let base = assignment("user-1");
    let others = [
        assignment("user-2"),
        Assignment {
            environment: None,
            ..assignment("user-1")
        },
        Assignment {
            experiment: "exp-43",
            ..assignment("user-1")
        },
        Assignment {
            phase: 2,
            ..assignment("user-1")
        },
        Assignment {
            unit_type: "tenant",
            ..assignment("user-1")
        },
        Assignment {
            variant: Some("control"),
            ..assignment("user-1")
        },
        Assignment {
            variant: None,
            ..assignment("user-1")
        },
        Assignment {
            holdout: Some("q4"),
            ..assignment("user-1")
        },
        // The same texts, cut elsewhere.
        Assignment {
            variant: Some("greenu"),
            ..assignment("ser-1")
        },
    ];
    let id = |assignment: &Assignment<'_>| Exposure::new(assignment, UnixMillis(0)).event_id();
    for other in &others {
        assert_ne!(id(&base), id(other), "{other:?}");
        assert_ne!(identity_key(&base, 7), identity_key(other, 7), "{other:?}");
    }
    let base_exposure = Exposure::new(&base, UnixMillis(0));
    assert_ne!(
        base_exposure.event_id(),
        base_exposure.with_window(1).event_id()
    );
    // Which flag and rule showed the variant, and how it was drawn, are no identity.
    let same = Assignment {
        flag: "other-flag",
        rule: None,
        arm: None,
        revision: 43,
        reason: Reason::TargetingMatch,
        sticky: Sticky::Hit,
        ..assignment("user-1")
    };
    assert_eq!(id(&base), id(&same));
    assert_eq!(identity_key(&base, 7), identity_key(&same, 7));
    // Another log, other keys.
    assert_ne!(identity_key(&base, 7), identity_key(&base, 8));
}

#[test]
fn a_full_record_has_every_member_in_its_place() {
    let details = ExposureDetails {
        pseudonym: None,
        value_digest: Some("sha256:aa"),
        config_digest: Some("sha256:bb"),
        config_age: Some(Duration::from_millis(1_500)),
        context_digest: Some("sha256:cc"),
        context: &[("country", "DE"), ("plan", "a\"b")],
        cluster_type: Some("tenant"),
        cluster: Some("acme"),
        stratum: Some("large"),
        pair: Some("7"),
        triggered: Some(true),
        forced: Some(false),
        traffic_class: Some("human"),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        span_id: Some("00f067aa0ba902b7"),
    };
    let user = assignment("user-1");
    let exposure = Exposure::new(&user, UnixMillis(1_732_123_456_789))
        .with_window(20_047)
        .with_first(Some(true))
        .with_sampling_rate(250_000)
        .with_details(details);
    let origin = Origin {
        sequence: Some((ProducerId([0xAB; 16]), 7)),
        sdk: Some("bucketry-rust/0.1.0"),
        platform: Some("linux-x86_64"),
    };
    let want = concat!(
        r#"{"v":1,"rec":"exposure","producer_id":"abababababababababababababababab","seq":7,"#,
        r#""event_id":"8a243afa78abeb81748effa7ffa95a06","ts":1732123456789000,"env":"production","#,
        r#""flag":"button-colour","experiment":"exp-42","phase":1,"unit_type":"userId","unit":"user-1","#,
        r#""variant":"green","value_digest":"sha256:aa","reason":"SPLIT","rule":"exp-42","w0":17,"#,
        r#""enrol_cut":858993459,"w1":3000000000,"cut_lo":2147483648,"cut_hi":4294967296,"#,
        r#""modulus":4294967296,"propensity":0.75,"layer":"checkout","layer_w":99,"config_version":42,"#,
        r#""config_digest":"sha256:bb","config_age_ms":1500,"context_digest":"sha256:cc","#,
        r#""context":{"country":"DE","plan":"a\"b"},"cluster_type":"tenant","cluster":"acme","#,
        r#""stratum":"large","pair":"7","triggered":true,"first":true,"dedupe_window":20047,"#,
        r#""sampling_rate":0.25,"forced":false,"traffic_class":"human","sticky":"none","#,
        r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","#,
        r#""sdk":"bucketry-rust/0.1.0","core":""#,
        env!("CARGO_PKG_VERSION"),
        r#"","platform":"linux-x86_64"}"#,
        "\n"
    );
    assert_eq!(line(&exposure, &origin), want);
}

#[test]
fn what_is_not_known_is_absent() {
    let sparse = sparse();
    let exposure = Exposure::new(&sparse, UnixMillis(-1));
    let want = format!(
        "{}{}{}\n",
        r#"{"v":1,"rec":"exposure","event_id":"873175d6f8f59d9a6c7dc26251a7fd84","ts":-1000,"#,
        r#""flag":"button-colour","experiment":"exp-42","phase":1,"unit_type":"userId","unit":"user-1","holdout":"q4","reason":"DEFAULT","#,
        r#""config_version":42,"dedupe_window":0,"sampling_rate":1,"sticky":"none","core":"0.1.0"}"#
            .replace("0.1.0", env!("CARGO_PKG_VERSION")),
    );
    assert_eq!(line(&exposure, &Origin::default()), want);
}

#[test]
fn a_pseudonym_takes_the_unit_and_what_betrays_it_out_of_the_record() {
    let user = assignment("anna@example.com");
    let details = ExposureDetails {
        pseudonym: Some("hmac:k1:00ff"),
        ..ExposureDetails::default()
    };
    let exposure = Exposure::new(&user, UnixMillis(0)).with_details(details);
    let line = line(&exposure, &Origin::default());
    assert!(line.contains(r#""unit":"hmac:k1:00ff""#));
    for member in ["anna", "\"w0\"", "\"w1\"", "\"layer_w\""] {
        assert!(!line.contains(member), "{member} in {line}");
    }
    assert!(
        line.contains(r#""cut_lo":2147483648"#),
        "the propensity stays"
    );
}

#[test]
fn windows_are_counted_from_1970_in_both_directions() {
    for (at, length, want) in [
        (0, DAY, 0),
        (86_399_999, DAY, 0),
        (86_400_000, DAY, 1),
        (-1, DAY, -1),
        (-86_400_001, DAY, -2),
        (i64::MAX, DAY, 106_751_991_167),
        (
            i64::MIN,
            Some(Duration::from_secs(1)),
            -9_223_372_036_854_776,
        ),
        (1_732_123_456_789, None, 0),
        (5, Some(Duration::ZERO), 0),
        (5, Some(Duration::MAX), 0),
    ] {
        assert_eq!(dedupe_window(UnixMillis(at), length), want, "{at}");
    }
}

#[test]
fn extreme_times_and_texts_still_make_one_line() {
    let user = assignment("a\nb\r\u{0}\"\\");
    for at in [i64::MIN, i64::MAX] {
        let line = line(&Exposure::new(&user, UnixMillis(at)), &Origin::default());
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.ends_with("}\n"));
    }
}

#[test]
fn the_propensity_is_the_share_of_the_variant_that_was_drawn() {
    let document = br#"{
        "format": 1,
        "holdouts": { "all": { "percent": 100 } },
        "flags": {
            "split": { "type": "string", "variants": { "a": "a", "b": "b" }, "rules": [
                { "experiment": { "key": "split" }, "split": [
                    { "variant": "a", "weight": 1 }, { "variant": "b", "weight": 1 }, { "variant": "a", "weight": 2 }
                ] } ] },
            "held": { "type": "string", "variants": { "a": "a" }, "default": "a", "rules": [
                { "experiment": { "key": "held", "holdout": "all" }, "split": { "a": 1 } } ] },
            "served": { "type": "boolean", "rules": [
                { "experiment": { "key": "served" }, "serve": "on", "rollout": 100 } ] }
        }
    }"#;
    let set = crate::FlagSet::from_json_strict(document).unwrap();
    let written = |flag: &str, unit: &str| {
        let context = crate::EvaluationContext::new(unit.to_string());
        let resolution = set.resolve(flag, &context, UnixMillis(0));
        let assignment = resolution.assignment().unwrap();
        line(
            &Exposure::new(&assignment, UnixMillis(0)),
            &Origin::default(),
        )
    };
    let mut quarters = [0; 4];
    for number in 0..100 {
        let line = written("split", &number.to_string());
        let (variant, propensity) = [("a", "0.75,"), ("b", "0.25,")]
            .into_iter()
            .find(|(variant, _)| line.contains(&format!("\"variant\":\"{variant}\"")))
            .unwrap();
        assert!(
            line.contains(&format!("\"propensity\":{propensity}")),
            "{line}"
        );
        let ranges = ["0,", "1073741824,", "2147483648,"];
        let range = ranges
            .iter()
            .position(|low| line.contains(&format!("\"cut_lo\":{low}")))
            .unwrap();
        assert_eq!(variant == "b", range == 1);
        quarters[range] += 1;
    }
    assert!(quarters[0] > 0 && quarters[1] > 0 && quarters[2] > 0);
    // Held out: what the arm position says was not served. Without a split nothing was drawn between.
    let held = written("held", "u");
    assert!(held.contains("\"holdout\":\"all\"") && !held.contains("propensity"));
    assert!(!written("served", "u").contains("propensity"));
}
