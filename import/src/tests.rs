//! What every importer owes: a clear error for what is no document, and no panic for anything.

mod configcat;
mod ufc;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bucketry_core::{ErrorCode, EvaluationContext, FlagSet, UnixMillis};
use serde_json::Value;

use crate::{Dialect, Format, ImportOptions, Malformed, import};

/// A small generator of numbers (xorshift64*), so that a failing run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

/// A document with something of everything.
const SAMPLE: &str = include_str!("tests/sample.json");

#[test]
fn what_is_no_document_is_an_error_that_names_the_place() {
    let deep = "[".repeat(100);
    let nested = ["{\"flags\": ".repeat(70), "1".into(), "}".repeat(70)].concat();
    for (text, want) in [
        (
            "",
            "document is not valid JSON: the text ends in the middle of a value at line 1 column 1",
        ),
        (
            "{\"flags\": {",
            "document is not valid JSON: the text ends in the middle of a value at line 1 column 12",
        ),
        (
            "nul",
            "document is not valid JSON: expected a value at line 1 column 1",
        ),
        (
            &*deep,
            "document is not valid JSON: values nest deeper than 64 levels at line 1 column 65",
        ),
        (
            &*nested,
            "document is not valid JSON: values nest deeper than 64 levels at line 1 column 641",
        ),
        (
            "{}{}",
            "document is not valid JSON: unexpected text after the value at line 1 column 3",
        ),
        ("[]", "document is no object"),
        ("\"flags\"", "document is no object"),
        ("{}", "document lacks `flags`"),
        (r#"{"flags": []}"#, "document: /flags is no object"),
        (r#"{"flags": null}"#, "document: /flags is no object"),
        (
            r#"{"flags": {}, "flags": {}}"#,
            "document has the member `flags` twice",
        ),
        (
            r#"{"flags": {}, "createdAt": 1}"#,
            "document: /createdAt is no string",
        ),
        (
            r#"{"flags": {}, "createdAt": "today"}"#,
            "document: /createdAt is no RFC 3339 time",
        ),
        (
            r#"{"flags": {}, "environment": "test"}"#,
            "document: /environment is no object",
        ),
        (
            r#"{"flags": {}, "environment": {"name": 1}}"#,
            "document: /environment/name is no string",
        ),
        (
            r#"{"flags": {}, "format": 1}"#,
            "document: /format is no string",
        ),
        (
            r#"{"flags": {}, "format": "PRECOMPUTED"}"#,
            "document: /format holds assignments of one subject instead of flags, which cannot be imported",
        ),
        (
            r#"{"data": {"attributes": {}}}"#,
            "document: /data/attributes lacks `flags`",
        ),
        (
            r#"{"data": {"attributes": []}}"#,
            "document: /data/attributes is no object",
        ),
    ] {
        let got = import(Format::Ufc, text.as_bytes(), &ImportOptions::new());
        let got = got.map_err(|error| error.to_string());
        assert_eq!(got, Err(want.to_string()), "{text:.60}");
    }
    let not_utf8 = import(
        Format::Ufc,
        b"{\"flags\": {\"\xFF\": 1}}",
        &ImportOptions::new(),
    );
    let message = not_utf8.map_err(|error| error.to_string()).unwrap_err();
    assert_eq!(
        message,
        "document is not valid JSON: the bytes are not UTF-8 at line 1 column 13"
    );
}

#[test]
fn too_large_a_document_is_refused_before_it_is_read() {
    let text = " ".repeat(bucketry_core::limits::MAX_DOCUMENT_BYTES + 1);
    let error = import(Format::Ufc, text.as_bytes(), &ImportOptions::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "document is not valid JSON: the text is longer than 67108864 bytes"
    );
}

#[test]
fn more_flags_than_a_set_holds_are_an_error() {
    let flags: Vec<String> = (0..100_001)
        .map(|number| format!("\"{number}\":0"))
        .collect();
    let text = format!("{{\"flags\":{{{}}}}}", flags.join(","));
    let error = import(Format::Ufc, text.as_bytes(), &ImportOptions::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "document: /flags has more than 100,000 flags"
    );
}

#[test]
fn names_read_back_and_others_are_refused() {
    for format in Format::ALL {
        assert_eq!(format.as_str().parse(), Ok(*format));
        for dialect in format.dialects() {
            assert!(Dialect::ALL.contains(dialect), "{format} {dialect}");
        }
    }
    for dialect in Dialect::ALL {
        assert_eq!(dialect.as_str().parse(), Ok(*dialect));
    }
    for malformed in Malformed::ALL {
        assert_eq!(malformed.as_str().parse(), Ok(*malformed));
    }
    let error = "UFC".parse::<Format>().map_err(|error| error.to_string());
    assert_eq!(error, Err("unknown format `UFC`".into()));
}

#[test]
fn every_flag_is_either_imported_or_refused() {
    check(SAMPLE.as_bytes(), &ImportOptions::new());
    let imported = import(Format::Ufc, SAMPLE.as_bytes(), &ImportOptions::new()).unwrap();
    let refused: Vec<&str> = imported
        .report
        .refusals
        .iter()
        .filter_map(|refusal| refusal.flag.as_deref())
        .collect();
    assert_eq!(refused, ["unknown-operator", "broken", "invalid-regex"]);
    assert!(imported.report.flags.len() >= 5, "{}", imported.report);
}

const PIECES: [&str; 12] = [
    "null",
    "-1",
    "1e999",
    "\"\"",
    "[]",
    "{}",
    "\"\\u0000\"",
    "18446744073709551616",
    "true",
    "\"on\"",
    "[[1]]",
    "{\"key\": \"on\", \"key\": 0}",
];

/// A change to the bytes of a document, such as a broken connection or a bug makes.
fn mutate_bytes(text: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(text.len() + 1);
    let end = (at + random.below(20)).min(text.len());
    match random.below(5) {
        0 => text.truncate(at),
        1 => {
            let piece = PIECES[random.below(PIECES.len())];
            drop(text.splice(at..end, piece.bytes()));
        }
        2 => drop(text.drain(at..end)),
        3 if at < text.len() => text[at] = random.below(256) as u8,
        _ => {
            let copy = text[at..end].to_vec();
            drop(text.splice(at..at, copy));
        }
    }
}

/// Another value for some value, so that the document stays JSON.
fn mutate_value(text: &mut Vec<u8>, random: &mut Random) {
    let Ok(mut document) = serde_json::from_slice::<Value>(text) else {
        return;
    };
    let mut at = &mut document;
    if random.below(16) > 0 && at.get("flags").is_some() {
        at = &mut at["flags"];
    }
    loop {
        let children = match &at {
            Value::Array(elements) => elements.len(),
            Value::Object(members) => members.len(),
            _ => 0,
        };
        // Most of the way down: what matters is far from the root.
        if children == 0 || random.below(10) == 0 {
            break;
        }
        let child = random.below(children);
        at = match at {
            Value::Array(elements) => &mut elements[child],
            Value::Object(members) => members.values_mut().nth(child).unwrap(),
            _ => panic!("only containers have children"),
        };
    }
    let mark = "the value to replace";
    *at = mark.into();
    let piece = PIECES[random.below(PIECES.len())];
    *text = document
        .to_string()
        .replace(&format!("\"{mark}\""), piece)
        .into_bytes();
}

#[test]
fn mutated_documents_never_panic_and_leave_nothing_unsaid() {
    let options = [
        ImportOptions::new(),
        ImportOptions::new().dialect(Dialect::Eppo),
        ImportOptions::new().malformed(Malformed::Default),
        ImportOptions::new()
            .obfuscated(true)
            .known_flags(["flag"])
            .known_attributes(["country"]),
    ];
    let mut random = Random(0x5EED);
    let mut readable = 0;
    for _ in 0..1_000 {
        let mut text = SAMPLE.as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            if random.below(8) == 0 {
                mutate_bytes(&mut text, &mut random);
            } else {
                mutate_value(&mut text, &mut random);
            }
        }
        readable += usize::from(check(&text, &options[random.below(options.len())]));
    }
    // The mutations must leave enough of the document to get past the JSON reader.
    assert!(readable > 500, "only {readable} of 1,000 could be read");
}

/// Imports, and checks what holds for every import; whether the document could be read.
fn check(text: &[u8], options: &ImportOptions) -> bool {
    let Ok(imported) = import(Format::Ufc, text, options) else {
        return false;
    };
    let shown = String::from_utf8_lossy(text);
    let set = FlagSet::from_json(imported.document.as_bytes())
        .unwrap_or_else(|error| panic!("{error}\n{shown}"));
    let report = &imported.report;
    let context = EvaluationContext::anonymous();
    for flag in &report.flags {
        let resolution = set.resolve(&flag.key, &context, UnixMillis(0));
        let message = resolution.error_message();
        let code = resolution.error_code();
        assert!(
            matches!(code, None | Some(ErrorCode::TargetingKeyMissing)),
            "{}: {message:?}\n{shown}",
            flag.key
        );
    }
    for refusal in &report.refusals {
        let Some(key) = &refusal.flag else { continue };
        let resolution = set.resolve(key, &context, UnixMillis(0));
        let code = resolution.error_code().map_or("DEFAULT", ErrorCode::as_str);
        assert_eq!(code, refusal.answer.as_str(), "{key}\n{shown}");
    }
    let named = report.refusals.iter().filter(|refusal| {
        set.flag(refusal.flag.as_deref().unwrap_or_default())
            .is_some()
    });
    assert_eq!(set.len(), report.flags.len() + named.count(), "{shown}");
    true
}
