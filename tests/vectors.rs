//! Runs every case of `tests/vectors` through the core and reports all that differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use bucketry_core::{EvaluationContext, FlagSet, Formula, Hash, Severity, TextUnits, UnixMillis};
use bucketry_tests::protocol::{self, Prior};
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    #[serde(rename = "description")]
    _description: String,
    flag_sets: BTreeMap<String, Box<RawValue>>,
    #[serde(default)]
    cases: Vec<Case>,
    #[serde(default)]
    documents: Vec<Document>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    id: String,
    #[serde(default)]
    note: String,
    flag_set: Option<String>,
    flag: String,
    context: Option<Box<RawValue>>,
    context_text: Option<String>,
    #[serde(default)]
    now: Now,
    random: Option<String>,
    #[serde(default)]
    prior: Vec<Prior>,
    expect: BTreeMap<String, Json>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Now {
    Number(i64),
    Text(String),
}

impl Default for Now {
    fn default() -> Self {
        Self::Number(0)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    id: String,
    #[serde(default)]
    note: String,
    #[serde(alias = "text")]
    document: Box<RawValue>,
    expect: Load,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Load {
    refused: bool,
    errors: Vec<String>,
    warnings: Vec<String>,
    parse_errors: Vec<String>,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"))
}

fn files() -> Vec<(String, File)> {
    let mut files: Vec<_> = fs::read_dir(folder())
        .expect("the folder of vectors is there")
        .map(|entry| entry.expect("its entries can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_digit()))
        .map(|(name, path)| {
            let file = serde_json::from_slice(&fs::read(path).unwrap());
            (
                name.clone(),
                file.unwrap_or_else(|error| panic!("{name}: {error}")),
            )
        })
        .collect();
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(files.len() > 20, "vectors are missing");
    files
}

/// The text of a document that is given as JSON, as its text, or as the lines of its text.
fn text(document: &RawValue) -> String {
    match serde_json::from_str(document.get()) {
        Ok(Json::String(text)) => text,
        Ok(Json::Array(lines)) => lines
            .iter()
            .map(|line| line.as_str().unwrap())
            .collect::<Vec<_>>()
            .join("\n"),
        _ => document.get().to_owned(),
    }
}

/// The answers to one case, as got in each of the ways there are.
fn answers(case: &Case, flag_set: &FlagSet) -> Vec<(&'static str, Json)> {
    let text = match (&case.context, &case.context_text) {
        (Some(context), None) => context.get(),
        (None, Some(text)) => text,
        _ => panic!("{} needs exactly one of context and contextText", case.id),
    };
    let Ok(context) = EvaluationContext::from_json(text.as_bytes()) else {
        return vec![("from_json", protocol::invalid_context())];
    };
    let random = case.random.as_ref().map(|random| random.parse().unwrap());
    let context = protocol::with_extras(context, random, &case.prior);
    let now = UnixMillis(match &case.now {
        Now::Number(now) => *now,
        Now::Text(now) => now.parse().unwrap(),
    });

    let mut answers = vec![(
        "resolve",
        protocol::answer(&flag_set.resolve(&case.flag, &context, now)),
    )];
    if let Some(handle) = flag_set.flag(&case.flag) {
        answers.push(("a handle", protocol::answer(&handle.resolve(&context, now))));
        let (_, resolution) = flag_set
            .resolve_all(&context, now)
            .find(|(handle, _)| handle.key() == case.flag)
            .expect("resolve_all yields every flag");
        answers.push(("resolve_all", protocol::answer(&resolution)));
    }
    answers
}

#[test]
fn every_case_resolves_as_expected() {
    let (mut count, mut failures) = (0, Vec::new());
    for (name, file) in files() {
        let flag_sets: BTreeMap<_, _> = file
            .flag_sets
            .iter()
            .map(|(set, document)| {
                let loaded = FlagSet::from_json(text(document).as_bytes());
                (
                    set.as_str(),
                    loaded.unwrap_or_else(|error| panic!("{name}, {set}: {error}")),
                )
            })
            .collect();
        for case in &file.cases {
            let set = match &case.flag_set {
                Some(set) => &flag_sets[set.as_str()],
                None => flag_sets.values().next().expect("a case needs a flag set"),
            };
            let mut expected = case.expect.clone();
            if let Some(text) = expected.remove("valueText") {
                let value = serde_json::from_str(text.as_str().unwrap()).unwrap();
                expected.insert("value".to_owned(), value);
            }
            let expected = Json::Object(expected.into_iter().collect());
            for (how, found) in answers(case, set) {
                count += 1;
                if !protocol::same(&found, &expected) {
                    failures.push(format!(
                        "{} {} ({name}, {}, by {how})\n  expected {expected}\n  found    {found}",
                        case.id, case.note, case.flag
                    ));
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{}\n{} of {count} differ",
        failures.join("\n"),
        failures.len()
    );
}

#[test]
fn every_document_loads_or_is_refused_as_expected() {
    let mut failures = Vec::new();
    for (name, file) in files() {
        for case in &file.documents {
            if let Err(difference) = check_document(case) {
                failures.push(format!("{} {} ({name}): {difference}", case.id, case.note));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{}\n{} differ",
        failures.join("\n"),
        failures.len()
    );
}

fn check_document(case: &Document) -> Result<(), String> {
    let text = text(&case.document);
    let strict = FlagSet::from_json_strict(text.as_bytes());
    let flag_set = match FlagSet::from_json(text.as_bytes()) {
        Ok(_) if case.expect.refused => return Err("not refused".to_owned()),
        Ok(flag_set) => flag_set,
        Err(_) if case.expect.refused && strict.is_err() => return Ok(()),
        Err(_) if case.expect.refused => return Err("not refused by strict loading".to_owned()),
        Err(error) => return Err(format!("refused: {error}")),
    };
    let pointers = |severity| {
        let diagnostics = flag_set
            .diagnostics()
            .iter()
            .filter(|d| d.severity == severity);
        sorted(diagnostics.map(|d| d.pointer.clone()).collect())
    };
    let context = EvaluationContext::new("u");
    let refused = flag_set
        .resolve_all(&context, UnixMillis(0))
        .filter_map(|(flag, resolution)| {
            let code = resolution.error_code().map(|code| code.as_str());
            (code == Some("PARSE_ERROR")).then(|| flag.key().to_owned())
        });
    for (what, found, expected) in [
        ("errors", pointers(Severity::Error), &case.expect.errors),
        (
            "warnings",
            pointers(Severity::Warning),
            &case.expect.warnings,
        ),
        (
            "flags that answer PARSE_ERROR",
            sorted(refused.collect()),
            &case.expect.parse_errors,
        ),
    ] {
        if found != sorted(expected.clone()) {
            return Err(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }
    if strict.is_ok() != case.expect.errors.is_empty() {
        return Err("strict loading must refuse exactly what has an error".to_owned());
    }
    Ok(())
}

/// A section or flag that stands twice may be reported twice.
fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list.dedup();
    list
}

/// A hash of one lane.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    name: String,
    modulus: u64,
    #[serde(default)]
    seed: u32,
    text: Option<String>,
}

impl Profile {
    fn hash(&self) -> Hash {
        let modulus = self.modulus;
        if self.name == "md5-mod" {
            return Hash::Md5Mod { modulus };
        }
        let units = match self.text.as_deref() {
            None | Some("utf8") => TextUnits::Utf8,
            Some("utf16") => TextUnits::Utf16,
            Some("codePoints") => TextUnits::CodePoints,
            Some(other) => panic!("no such text: {other}"),
        };
        let mut formula = Formula::named(&self.name).expect("a formula");
        match &mut formula {
            Formula::Murmur3 { seed } => *seed = self.seed,
            Formula::Fnv1aSuffix { text } | Formula::Fnv1aTwice { text } => *text = units,
            _ => assert!(self.seed == 0 && self.text.is_none(), "{self:?}"),
        }
        Hash::Imported { formula, modulus }
    }
}

#[test]
fn every_position_is_as_listed() {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Named {
        Native(String),
        Modulus(Profile),
    }

    /// As text where a reader with only doubles would change it.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Integer(u64),
        Text(String),
    }

    #[derive(Deserialize)]
    struct Row {
        hash: Named,
        salt: String,
        unit: String,
        arm: Option<u64>,
        enrol: Option<u64>,
        position: Option<Number>,
    }

    #[derive(Deserialize)]
    struct Positions {
        rows: Vec<Row>,
    }

    let text = fs::read(folder().join("positions.json")).unwrap();
    let Positions { rows } = serde_json::from_slice(&text).unwrap();
    assert!(rows.len() >= 200);
    for row in rows {
        let hash = match &row.hash {
            Named::Native(name) => [Hash::Xxh64, Hash::Xxh64Seed42, Hash::Sha256]
                .into_iter()
                .find(|hash| hash.name() == name)
                .expect("a native hash"),
            Named::Modulus(profile) => {
                let hash = profile.hash();
                assert_eq!(hash.name(), profile.name);
                hash
            }
        };
        let position = row.position.map(|position| match position {
            Number::Integer(position) => position,
            Number::Text(position) => position.parse().unwrap(),
        });
        let found = hash.position(&row.salt, &row.unit);
        let expected = (row.arm.or(position), row.enrol.unwrap_or(0));
        assert_eq!(hash.has_two_lanes(), row.enrol.is_some());
        assert_eq!(
            (Some(found.arm), found.enrol),
            expected,
            "{:?}, {:?}",
            row.salt,
            row.unit
        );
    }
}
