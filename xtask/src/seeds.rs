//! Where fuzzing begins: the documents and contexts that the tests hold, one flag at a time.

use crate::project::{Project, Stop, read};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Parts a flag set from a context in one input; no UTF-8 text has it.
const PART: u8 = 0xFF;

/// The members that a whole document has and that each seed of one flag repeats.
type Document = Map<String, Value>;

/// Writes the seeds of a target and gives their folder. A target that reads its own kind of bytes has none.
pub(crate) fn write(project: &Project, target: &str) -> Result<PathBuf, Stop> {
    let seeds = match target {
        "from_json" => flag_sets(project)?.iter().flat_map(texts).collect(),
        "import_ufc" => foreign(project)?.iter().flat_map(texts).collect(),
        "import_growthbook" => with_features(project, Value::is_object)?,
        "import_unleash" => with_features(project, Value::is_array)?,
        "context_json" => contexts(project)?,
        "resolve" => pairs(project)?,
        _ => BTreeSet::new(),
    };
    let folder = project.scratch(&format!("seeds/{target}"))?;
    std::fs::remove_dir_all(&folder)?;
    std::fs::create_dir(&folder)?;
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("{number:04}")), seed)?;
    }
    println!("{} seeds", seeds.len());
    Ok(folder)
}

/// Every JSON file of the examples and the tests, and of the public suites where they are at hand.
fn files(project: &Project) -> Result<Vec<Value>, Stop> {
    let mut files = project.files("examples", "json")?;
    files.extend(project.files("tests", "json")?);
    if let Some(suites) = project.conformance() {
        files.extend(project.files(&suites.to_string_lossy(), "json")?);
    }
    let mut values = Vec::new();
    for file in files {
        // Some files of the tests are broken on purpose.
        values.extend(serde_json::from_str(&read(&file)?).ok());
    }
    Ok(values)
}

/// Calls `take` with every object in `value`, itself included.
fn objects<'a>(value: &'a Value, take: &mut impl FnMut(&'a Document)) {
    match value {
        Value::Object(members) => {
            take(members);
            members.values().for_each(|value| objects(value, take));
        }
        Value::Array(elements) => elements.iter().for_each(|value| objects(value, take)),
        _ => {}
    }
}

/// Every object that has `features` of this kind, whole: what GrowthBook and Unleash give to their SDKs.
fn with_features(project: &Project, kind: fn(&Value) -> bool) -> Result<BTreeSet<Vec<u8>>, Stop> {
    let mut found = BTreeSet::new();
    for file in files(project)? {
        objects(&file, &mut |object| {
            if object.get("features").is_some_and(kind) {
                found.insert(Value::Object(object.clone()).to_string().into_bytes());
            }
        });
    }
    Ok(found)
}

fn documents(project: &Project, is_one: fn(&Document) -> bool) -> Result<Vec<Document>, Stop> {
    let mut found = Vec::new();
    for file in files(project)? {
        objects(&file, &mut |object| {
            if is_one(object) && object.get("flags").is_some_and(Value::is_object) {
                found.push(object.clone());
            }
        });
    }
    Ok(found)
}

fn flag_sets(project: &Project) -> Result<Vec<Document>, Stop> {
    documents(project, |object| object.contains_key("format"))
}

/// Documents of the Universal Flag Configuration: their flags have allocations.
fn foreign(project: &Project) -> Result<Vec<Document>, Stop> {
    documents(project, |object| {
        let flags = object.get("flags").and_then(Value::as_object);
        flags.is_some_and(|flags| flags.values().any(|flag| flag.get("allocations").is_some()))
    })
}

/// The document with each of its flags alone.
fn alone(set: &Document) -> impl Iterator<Item = (&String, Document)> {
    let flags = set.get("flags").and_then(Value::as_object);
    flags.into_iter().flatten().map(move |(key, flag)| {
        let flags = Map::from_iter([(key.clone(), flag.clone())]);
        let mut document = set.clone();
        document.insert("flags".to_owned(), Value::Object(flags));
        (key, document)
    })
}

fn text(document: Document) -> Vec<u8> {
    Value::Object(document).to_string().into_bytes()
}

fn texts(set: &Document) -> impl Iterator<Item = Vec<u8>> {
    alone(set).map(|(_, document)| text(document))
}

fn contexts(project: &Project) -> Result<BTreeSet<Vec<u8>>, Stop> {
    let mut found = BTreeSet::new();
    for file in files(project)? {
        objects(&file, &mut |object| {
            found.extend(
                object
                    .get("context")
                    .map(|context| context.to_string().into_bytes()),
            );
            let text = object.get("contextText").and_then(Value::as_str);
            found.extend(text.map(|text| text.as_bytes().to_vec()));
        });
    }
    Ok(found)
}

/// Each flag of the vectors with each context that they try on a flag of its key.
fn pairs(project: &Project) -> Result<BTreeSet<Vec<u8>>, Stop> {
    let mut found = BTreeSet::new();
    for file in files(project)? {
        let Some(sets) = file.get("flagSets").and_then(Value::as_object) else {
            continue;
        };
        let cases = file
            .get("cases")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let cases: Vec<&Value> = cases.collect();
        for set in sets.values().filter_map(Value::as_object) {
            for (key, document) in alone(set) {
                let named = |case: &&&Value| case.get("flag").and_then(Value::as_str) == Some(key);
                let tried = cases
                    .iter()
                    .filter(named)
                    .filter_map(|case| case.get("context"));
                let document = text(document);
                found.extend(tried.map(|context| {
                    [&document, &[PART][..], context.to_string().as_bytes()].concat()
                }));
            }
        }
    }
    Ok(found)
}
