use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::FlagSet;

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
