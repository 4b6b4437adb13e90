//! The document around the flags, obfuscation and the report.

use super::*;

#[test]
fn the_dialect_is_found_out() {
    let of = |text: &str| flags(text, &ImportOptions::new()).report.dialect;
    let sharded = allocation("a", &[split("on", &[shard("s", 10, &[(0, 5)])])]);
    assert_eq!(of(&flag(&sharded)), DATADOG, "shards count");
    assert_eq!(of(&flag("")), EPPO, "flags count");
    assert_eq!(
        of(&flag("").replace("\"totalShards\": 100,", "")),
        DATADOG,
        "nothing does"
    );
    assert_eq!(of(""), DATADOG);
    let error = import(Format::Ufc, b"1", &ImportOptions::new());
    assert!(error.is_err());
}

#[test]
fn the_frame_comes_over() {
    let document = r#"{"data": {"id": "1", "type": "universal-flag-configuration", "attributes":
        {"createdAt": "2026-01-31T12:00:00.5Z", "environment": {"name": "prod"}, "flags": {}}}}"#;
    let imported = import(Format::Ufc, document.as_bytes(), &ImportOptions::new()).unwrap();
    let set = FlagSet::from_json(imported.document.as_bytes()).unwrap();
    assert_eq!(
        (set.revision(), set.environment()),
        (1_769_860_800_500, Some("prod"))
    );
    assert_eq!(imported.report.warnings, []);

    let document = r#"{"environment": {"name": "a\u0000"}, "flags": {}, "more": 1}"#;
    let imported = import(Format::Ufc, document.as_bytes(), &ImportOptions::new()).unwrap();
    let pointers: Vec<&str> = imported
        .report
        .warnings
        .iter()
        .map(|each| &*each.pointer)
        .collect();
    assert_eq!(pointers, ["/more", "", "/environment/name"]);
    assert!(FlagSet::from_json_strict(imported.document.as_bytes()).is_ok());
}

#[test]
fn obfuscated_names_must_be_known() {
    // MD5 of f, g; country, plan; ONE_OF; DE.
    let text = r#"
        "8fa14cdd754f91cc6554c9e71929cce7": {
            "key": "8fa14cdd754f91cc6554c9e71929cce7", "enabled": true, "variationType": "NUMERIC", "totalShards": 10,
            "variations": {"b24=": {"key": "b24=", "value": "Mi41"}},
            "allocations": [{"key": "YQ==", "startAt": "MjAyMC0wMS0wMVQwMDowMDowMFo=",
                "rules": [{"conditions": [{"attribute": "e909c2d7067ea37437cf97fe11d91bd0",
                    "operator": "27457ce369f2a74203396a35ef537c0b", "value": ["3a52f3c22ed6fcde5bf696a6c02c9e73"]}]}],
                "splits": [{"variationKey": "b24=", "shards": [
                    {"salt": "cw==", "ranges": [{"start": 0, "end": 10}]}]}]}]
        },
        "b2f5ff47436671b6e533d8dc3614845d": {"key": "b2f5ff47436671b6e533d8dc3614845d"}"#;
    let document = format!(r#"{{"format": "CLIENT", "flags": {{{text}}}}}"#);
    let read = |options: ImportOptions| import(Format::Ufc, document.as_bytes(), &options).unwrap();

    let imported = read(
        ImportOptions::new()
            .known_flags(["f"])
            .known_attributes(["country"]),
    );
    assert!(imported.report.obfuscated);
    assert_eq!(imported.report.dialect, EPPO);
    let [left_out] = &imported.report.refusals[..] else {
        panic!("{}", imported.report);
    };
    assert_eq!(left_out.pointer, "/flags/b2f5ff47436671b6e533d8dc3614845d");
    assert_eq!(
        (&left_out.flag, left_out.answer),
        (&None, Answer::FlagNotFound)
    );
    for (country, now, want) in [
        ("DE", 1_600_000_000_000, "TARGETING_MATCH on"),
        ("FR", 1_600_000_000_000, "DEFAULT none"),
        ("DE", 1_500_000_000_000, "DEFAULT none"),
    ] {
        let context = format!(r#"{{"targetingKey": "u", "country": "{country}"}}"#);
        assert_eq!(
            answer(&imported, &context, now),
            want,
            "{country}\n{}",
            imported.document
        );
    }
    assert_eq!(imported.report.flags[0].attributes, ["country"]);
    assert_eq!(imported.report.flags[0].experiments, ["f-a"]);

    let imported = read(
        ImportOptions::new()
            .known_flags(["f"])
            .known_attributes(["plan"]),
    );
    let reasons: Vec<&str> = imported
        .report
        .refusals
        .iter()
        .map(|each| &*each.reason)
        .collect();
    assert_eq!(
        reasons,
        [
            "no known attribute has this hash",
            "no known flag key has this hash"
        ]
    );
}

#[test]
fn the_report_is_written_for_people_and_for_programs() {
    let text = format!(
        r#"{}, "g": {{"key": "g", "note": 1}}"#,
        flag(&allocation("a", &[split("on", &[])]))
    );
    let imported = flags(&text, &options(DATADOG));
    assert_eq!(
        imported.report.to_string(),
        "ufc (datadog): 1 flags imported, 1 refused\n\
         refused, answers PARSE_ERROR: /flags/g: lacks `enabled`\n\
         warning: /flags/g/note: unknown member, ignored"
    );
    assert_eq!(
        imported.report.to_json(),
        r#"{
  "format": "ufc",
  "dialect": "datadog",
  "obfuscated": false,
  "flags": [{ "key": "f", "pointer": "/flags/f", "rules": 1, "attributes": [], "experiments": ["f-a"] }],
  "refusals": [{ "flag": "g", "pointer": "/flags/g", "reason": "lacks `enabled`", "answer": "PARSE_ERROR" }],
  "warnings": [{ "flag": "g", "pointer": "/flags/g/note", "message": "unknown member, ignored" }],
  "omittedWarnings": 0
}
"#
    );
    let many: Vec<String> = (0..1_500)
        .map(|number| format!("\"x{number}\": 0"))
        .collect();
    let imported = flags(
        &format!(r#""g": {{{}}}"#, many.join(", ")),
        &options(DATADOG),
    );
    assert_eq!(
        (
            imported.report.warnings.len(),
            imported.report.omitted_warnings
        ),
        (1_000, 500)
    );
}

#[test]
fn the_example_of_the_documents_is_what_comes_out() {
    let document = include_str!("../../../../docs/import.md");
    let blocks: Vec<&str> = document
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let [before, after] = blocks[..] else {
        panic!("the document has two blocks of JSON");
    };
    let imported = flags(&format!(r#""banner": {before}"#), &ImportOptions::new());
    assert_eq!(imported.report.warnings, []);
    let got: serde_json::Value = serde_json::from_str(&imported.document).unwrap();
    let want: serde_json::Value = serde_json::from_str(after).unwrap();
    assert_eq!(got["flags"]["banner"], want, "{}", imported.document);
}
