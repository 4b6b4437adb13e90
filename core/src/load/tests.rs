use alloc::format;
use alloc::string::{String, ToString};
#[cfg(feature = "messages")]
use alloc::vec;
use alloc::vec::Vec;

#[cfg(feature = "messages")]
use crate::ErrorCode;
use crate::{EvaluationContext, FlagSet, Reason, Severity, UnixMillis, Value};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// A flag set of one string flag `f` with variants `a` and `b`, default `a`, and these rules.
fn with_rules(rules: &str) -> String {
    format!(
        r#"{{"format":1,"flags":{{"f":{{"type":"string","variants":{{"a":"A","b":"B"}},"default":"a","rules":[{rules}]}}}}}}"#
    )
}

fn load(document: &str) -> FlagSet {
    FlagSet::from_json(document.as_bytes()).unwrap()
}

fn errors(set: &FlagSet) -> Vec<String> {
    set.diagnostics()
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_document_of_the_format_page_loads_and_resolves() {
    let page = include_str!("../../../docs/flag-set.md");
    let start = page.find("```json").unwrap() + 7;
    let end = start + page[start..].find("```").unwrap();
    let set = FlagSet::from_json_strict(&page.as_bytes()[start..end]).unwrap();
    assert_eq!(set.diagnostics(), []);
    assert_eq!(set.revision(), 42);
    assert_eq!(set.environment(), Some("production"));
    let context = EvaluationContext::new("u").with("email", "x@example.com");
    let resolution = set.resolve("button-colour", &context, NOW);
    assert_eq!(resolution.value(), Some(Value::String("green")));
    assert_eq!(resolution.reason(), Reason::TargetingMatch);
    assert_eq!(resolution.rule_id(), Some("staff"));
    assert_eq!(
        set.attributes().collect::<Vec<_>>(),
        ["userId", "country", "email", "appVersion"]
    );
}

#[cfg(feature = "messages")]
#[test]
fn a_broken_flag_says_where_and_leaves_the_others_alone() {
    for (rules, want) in [
        (
            r#"{"serve":"c"}"#,
            "/flags/f/rules/0/serve: the flag has no variant `c`",
        ),
        (
            r#"{"serve":"a","if":{}}"#,
            "/flags/f/rules/0/if: expected exactly one of: all, any",
        ),
        (
            r#"{"serve":"a","colour":1}"#,
            "/flags/f/rules/0/colour: unknown member `colour`",
        ),
        (
            r#"{"serve":"a","serve":"b"}"#,
            "/flags/f/rules/0/serve: duplicate member `serve`",
        ),
        (
            r#"{"serve":"a","rollout":12.34567}"#,
            "/flags/f/rules/0/rollout: expected a number from 0 to 100",
        ),
        (
            r#"{"if":{"segment":"s"},"serve":"a"}"#,
            "/flags/f/rules/0/if/segment: there is no segment `s`",
        ),
        (
            r#"{"if":{"flag":"f","is":"a"},"serve":"a"}"#,
            "/flags/f/rules/0/if/flag: this refers back to itself",
        ),
        (
            r#"{"serve":"a","rollout":1},{"serve":"b","rollout":1}"#,
            "/flags/f/rules/1: a second rule without `id` draws",
        ),
        (
            r#"{"split":{"a":0}}"#,
            "/flags/f/rules/0/split: weights sum to 1",
        ),
        (
            r#"{"split":[{"variant":"a","ranges":[[0,5]]},{"variant":"b","ranges":[[4,6]]}]}"#,
            "/flags/f/rules/0/split: ranges of arms overlap",
        ),
        (
            r#"{"if":{"attribute":"x","in":["a"],"equals":"b"},"serve":"a"}"#,
            "/flags/f/rules/0/if/equals: a second operator `equals`",
        ),
        (
            r#"{"if":{"attribute":"x","semver":"1.2"},"serve":"a"}"#,
            "/flags/f/rules/0/if/semver: expected comparators",
        ),
    ] {
        let document = with_rules(rules).replace(
            r#""flags":{"#,
            r#""flags":{"other":{"type":"boolean","default":"on"},"#,
        );
        let set = load(&document);
        let found = errors(&set);
        assert!(
            found.len() == 1 && found[0].contains(want),
            "{rules}: {found:?}"
        );
        let context = EvaluationContext::new("u");
        let resolution = set.resolve("f", &context, NOW);
        assert_eq!(
            resolution.error_code(),
            Some(ErrorCode::ParseError),
            "{rules}"
        );
        assert_eq!(resolution.value(), None);
        assert!(resolution.error_message().unwrap().contains(want));
        let other = set.resolve("other", &context, NOW);
        assert_eq!(other.value(), Some(Value::Boolean(true)));
        assert!(FlagSet::from_json_strict(document.as_bytes()).is_err());
    }
}

#[test]
fn what_depends_on_something_refused_is_refused_and_nothing_else() {
    let set = load(
        r#"{"format":1,
        "segments":{"x":{"segment":"y"},"y":{"segment":"x"},"z":{"segment":"x"},"fine":{"always":true}},
        "flags":{
            "uses-z":{"type":"boolean","rules":[{"if":{"segment":"z"},"serve":"on"}]},
            "uses-fine":{"type":"boolean","rules":[{"if":{"segment":"fine"},"serve":"on"}]},
            "needs-broken":{"type":"boolean","rules":[{"if":{"flag":"broken","is":"on"},"serve":"on"}]},
            "broken":{"type":"colour"},
            "p":{"type":"boolean","rules":[{"if":{"flag":"q","is":"on"},"serve":"on"}]},
            "q":{"type":"boolean","rules":[{"if":{"flag":"p","is":"on"},"serve":"on"}]}
        }}"#,
    );
    let context = EvaluationContext::new("u");
    for (flag, works) in [
        ("uses-z", false),
        ("uses-fine", true),
        ("needs-broken", false),
        ("broken", false),
        ("p", false),
        ("q", false),
    ] {
        let error = set.resolve(flag, &context, NOW).error_code();
        assert_eq!(error.is_none(), works, "{flag}");
    }
}

#[cfg(feature = "messages")]
#[test]
fn chains_and_fan_out_are_bounded() {
    let chain = |length: usize| {
        let mut flags = vec![r#""f0":{"type":"boolean","default":"on"}"#.to_string()];
        for number in 1..length {
            let before = number - 1;
            flags.push(format!(
                r#""f{number}":{{"type":"boolean","rules":[{{"if":{{"flag":"f{before}","is":"on"}},"serve":"on"}}]}}"#
            ));
        }
        load(&format!(
            r#"{{"format":1,"flags":{{{}}}}}"#,
            flags.join(",")
        ))
    };
    let context = EvaluationContext::new("u");
    assert!(errors(&chain(32)).is_empty());
    let long = chain(50_000);
    assert_eq!(long.resolve("f31", &context, NOW).variant(), Some("on"));
    let error = long.resolve("f32", &context, NOW).error_code();
    assert_eq!(error, Some(ErrorCode::ParseError));

    let mut segments = vec![r#""s0":{"attribute":"x","exists":true}"#.to_string()];
    for number in 1..20 {
        let uses = vec![format!(r#"{{"segment":"s{}"}}"#, number - 1); 10].join(",");
        segments.push(format!(r#""s{number}":{{"all":[{uses}]}}"#));
    }
    let wide = load(&format!(
        r#"{{"format":1,"segments":{{{}}},"flags":{{}}}}"#,
        segments.join(",")
    ));
    assert!(errors(&wide)[0].contains("more than 100,000 conditions"));
}

#[cfg(feature = "messages")]
#[test]
fn whole_documents_are_refused_with_the_place() {
    for (document, want) in [
        (
            "",
            "the text ends in the middle of a value at line 1 column 1",
        ),
        (
            "{\n  \"format\": 01}",
            "expected a number as JSON writes it at line 2 column 13",
        ),
        ("[]", "error at /: expected an object"),
        ("{}", "member `format` is missing"),
        (r#"{"format":2}"#, "error at /format: expected format 1"),
        (
            r#"{"format":1,"flags":[]}"#,
            "error at /flags: expected an object",
        ),
        (r#"{"format":1,"format":1}"#, "duplicate member `format`"),
        (r#"{"format":1,"revision":-1}"#, "error at /revision"),
        ("{\"format\":1}\u{0}", "unexpected text after the value"),
        (
            r#"{"format":1,"flags":{"\ud800":1}}"#,
            "invalid escape sequence",
        ),
    ] {
        let error = FlagSet::from_json(document.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(want), "{document}: {error}");
    }
    let deep = "[".repeat(100_000);
    let error = FlagSet::from_json(deep.as_bytes()).unwrap_err().to_string();
    assert!(
        error.contains("values nest deeper than 64 levels"),
        "{error}"
    );
    let error = FlagSet::from_json(b"{\"format\":\"\xFF\"}").unwrap_err();
    assert!(
        error.to_string().contains("not UTF-8 at line 1 column 12"),
        "{error}"
    );
    let large = vec![b' '; crate::limits::MAX_DOCUMENT_BYTES + 1];
    let error = FlagSet::from_json(&large).unwrap_err().to_string();
    assert!(error.contains("longer than 67108864 bytes"), "{error}");
}

#[test]
fn of_two_clashing_experiments_the_later_is_refused() {
    let set = load(
        r#"{"format":1,"layers":{"l":{}},"flags":{
        "first":{"type":"boolean","rules":[{"experiment":{"key":"x","layer":"l","slots":[0,5000]},"split":{"on":1,"off":1}}]},
        "second":{"type":"boolean","rules":[{"experiment":{"key":"y","layer":"l","slots":[4999,6000]},"split":{"on":1,"off":1}}]},
        "third":{"type":"boolean","rules":[{"experiment":{"key":"z","layer":"l","slots":[[5000,5001],[6000,7000]]},"split":{"on":1,"off":1}}]},
        "fourth":{"type":"boolean","rules":[{"experiment":{"key":"x","phase":2,"layer":"l","slots":[0,5000]},"split":{"on":1,"off":1}}]}
        }}"#,
    );
    let refused: Vec<_> = set
        .diagnostics()
        .iter()
        .map(|diagnostic| {
            (
                diagnostic.flag.as_deref().unwrap(),
                diagnostic.pointer.as_str(),
            )
        })
        .collect();
    assert_eq!(
        refused,
        [
            ("second", "/flags/second/rules/0/experiment"),
            ("fourth", "/flags/fourth/rules/0/experiment")
        ]
    );
}

#[cfg(not(feature = "messages"))]
#[test]
fn without_words_a_diagnostic_has_place_and_code() {
    let set = load(&with_rules(r#"{"serve":"c"}"#));
    assert_eq!(
        errors(&set),
        ["error at /flags/f/rules/0/serve: problem 47"]
    );
    assert_eq!(set.diagnostics()[0].code, 47);
    let set = load(r#"{"format":1,"flags":{"f":{"error":"the importer said why"}}}"#);
    assert_eq!(
        errors(&set),
        ["error at /flags/f/error: the importer said why"]
    );
}
