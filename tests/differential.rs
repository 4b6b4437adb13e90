//! The core against the reference evaluator in Python, on generated flag sets and contexts: 1,000 flag sets of 100
//! contexts each, every flag, every field of the answer.
//!
//! `BUCKETRY_SEED` chooses other cases than the usual ones, `BUCKETRY_FLAG_SETS` more or fewer of them; `PYTHON` names the
//! interpreter (default `python3`).

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use bucketry_core::{EvaluationContext, FlagSet, Severity, UnixMillis};
use bucketry_tests::protocol::{self, Prior};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

const CONTEXTS: u64 = 100;
/// Parts of the work, each with a generator and an evaluator of its own.
const PARTS: u64 = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Request {
    id: String,
    #[serde(rename = "flagSetId")]
    _flag_set_id: String,
    flag_set_text: Option<String>,
    context_text: Option<String>,
    #[serde(default)]
    now: i64,
    random: Option<u64>,
    #[serde(default)]
    prior: Vec<Prior>,
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn python(module: &str, arguments: &[String]) -> Command {
    let mut command = Command::new(env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    command
        .current_dir(root)
        .args(["-m", module])
        .args(arguments);
    command
        .env("PYTHONIOENCODING", "utf-8")
        .stdout(Stdio::piped());
    command
}

/// Runs to the end and gives the lines written.
fn lines(mut command: Command, input: String) -> Vec<String> {
    let child = command.stdin(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("the reference needs Python: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?} failed");
    writer.join().unwrap().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// The core's answer to a request, in the form of the reference.
fn answer(request: &Request, flag_set: &mut Option<FlagSet>) -> Json {
    if let Some(text) = &request.flag_set_text {
        *flag_set = FlagSet::from_json(text.as_bytes()).ok();
    }
    let Some(flag_set) = flag_set else {
        return json!({ "documentError": true });
    };
    let Some(text) = &request.context_text else {
        return loaded(flag_set);
    };
    let now = UnixMillis(request.now);
    let mut flags = Map::new();
    match EvaluationContext::from_json(text.as_bytes()) {
        Ok(context) => {
            let context = protocol::with_extras(context, request.random, &request.prior);
            for (handle, resolution) in flag_set.resolve_all(&context, now) {
                let found = protocol::answer(&resolution);
                let by_key = protocol::answer(&flag_set.resolve(handle.key(), &context, now));
                assert_eq!(
                    found, by_key,
                    "one at a time and all at once, {}",
                    request.id
                );
                flags.insert(handle.key().to_owned(), found);
            }
        }
        Err(_) => {
            for key in flag_set.flag_keys() {
                flags.insert(key.to_owned(), protocol::invalid_context());
            }
        }
    }
    json!({ "flags": flags })
}

/// Which flags were refused, and what has errors or warnings.
fn loaded(flag_set: &FlagSet) -> Json {
    let pointers = |severity| {
        let of_severity = flag_set
            .diagnostics()
            .iter()
            .filter(|d| d.severity == severity);
        places(of_severity.map(|d| d.pointer.as_str()))
    };
    // Not by asking them: one that was taken can end in an `error` condition, which is a PARSE_ERROR too.
    let is_refused = |key: &&str| {
        flag_set
            .flag(key)
            .is_some_and(|flag| flag.value_type().is_none())
    };
    let refused: Vec<_> = flag_set.flag_keys().filter(is_refused).collect();
    json!({
        "refused": refused,
        "errors": pointers(Severity::Error),
        "warnings": pointers(Severity::Warning),
    })
}

/// The flags, segments, layers and holdouts that pointers lead into. Of several errors in one of them any
/// may be reported.
fn places<'p>(pointers: impl Iterator<Item = &'p str>) -> Json {
    let mut places: Vec<String> = pointers
        .map(|pointer| pointer.split('/').take(3).collect::<Vec<_>>().join("/"))
        .collect();
    places.sort_unstable();
    places.dedup();
    json!(places)
}

/// The reference's answer without what differs in form: nulls, and the words of messages.
fn normal(mut answer: Json) -> Json {
    let members = answer.as_object_mut().unwrap();
    members.remove("id");
    if members.contains_key("documentError") {
        return json!({ "documentError": true });
    }
    if let Some(diagnostics) = members.remove("diagnostics") {
        for (name, severity) in [("errors", "error"), ("warnings", "warning")] {
            let all = diagnostics.as_array().unwrap().iter();
            let pointers = all.filter(|d| d["severity"] == severity);
            let places = places(pointers.map(|d| d["pointer"].as_str().unwrap()));
            members.insert(name.to_owned(), places);
        }
    }
    if let Some(Json::Object(flags)) = members.get_mut("flags") {
        for answer in flags.values_mut() {
            answer
                .as_object_mut()
                .unwrap()
                .retain(|_, value| !value.is_null());
        }
    }
    answer
}

struct Difference {
    /// Seed and number.
    flag_set: (u64, usize),
    message: String,
}

/// What differs in one part, and how many answers were compared.
fn compare(seed: u64, flag_sets: u64) -> (u64, Vec<Difference>) {
    let arguments = ["--seed", "--sets", "--contexts"]
        .map(str::to_owned)
        .into_iter();
    let values = [seed, flag_sets, CONTEXTS].map(|value| value.to_string());
    let arguments: Vec<_> = arguments
        .zip(values)
        .flat_map(|(name, value)| [name, value])
        .collect();
    let requests = lines(
        python("tests.reference.generate", &arguments),
        String::new(),
    );
    let expected = lines(python("tests.reference", &[]), requests.join("\n") + "\n");
    assert_eq!(requests.len(), expected.len(), "an answer for each request");

    let (mut pairs, mut differences) = (0, Vec::new());
    let (mut flag_set, mut text, mut number) = (None, String::new(), 0);
    for (line, expected) in requests.iter().zip(&expected) {
        let request: Request = serde_json::from_str(line).unwrap();
        let expected = normal(serde_json::from_str(expected).unwrap());
        if let Some(own) = &request.flag_set_text {
            text.clone_from(own);
            number += 1;
        } else {
            pairs += 1;
        }
        let found = answer(&request, &mut flag_set);
        if !protocol::same(&found, &expected) {
            let message = describe(seed, &request, line, &text, &found, &expected);
            differences.push(Difference {
                flag_set: (seed, number),
                message,
            });
        }
    }
    (pairs, differences)
}

fn describe(
    seed: u64,
    request: &Request,
    line: &str,
    text: &str,
    found: &Json,
    expected: &Json,
) -> String {
    let mut message = format!(
        "seed {seed}, {}\n  flag set  {text}\n  request   {line}\n",
        request.id
    );
    let pairs = match (&expected["flags"], &found["flags"]) {
        (Json::Object(expected), Json::Object(found)) => {
            let differ = |key: &&String| {
                !found
                    .get(*key)
                    .is_some_and(|f| protocol::same(f, &expected[*key]))
            };
            let keys = expected.keys().filter(differ);
            keys.map(|key| (key.as_str(), &expected[key], found.get(key)))
                .collect()
        }
        _ => vec![("", expected, Some(found))],
    };
    for (key, expected, found) in pairs {
        message += &format!("  {key} reference {expected}\n  {key} core      {found:?}\n");
    }
    message
}

#[test]
fn the_core_agrees_with_the_reference() {
    let seed = setting("BUCKETRY_SEED", 1);
    let flag_sets = setting("BUCKETRY_FLAG_SETS", 1_000);
    println!("seed {seed}, {flag_sets} flag sets of {CONTEXTS} contexts");
    let parts: Vec<_> = (0..PARTS)
        .map(|part| {
            let share = (flag_sets + part) / PARTS;
            thread::spawn(move || compare(seed.wrapping_mul(PARTS).wrapping_add(part), share))
        })
        .collect();
    let (mut pairs, mut differences) = (0, Vec::new());
    for part in parts {
        let (compared, differing) = part.join().expect("a part ran to its end");
        pairs += compared;
        differences.extend(differing);
    }
    assert_eq!(pairs, flag_sets * CONTEXTS);
    // One of each flag set says enough.
    let mut shown: Vec<_> = differences.iter().collect();
    shown.dedup_by_key(|difference| difference.flag_set);
    let shown: Vec<_> = shown
        .iter()
        .take(10)
        .map(|difference| difference.message.as_str())
        .collect();
    let shown = shown.join("\n");
    assert!(
        differences.is_empty(),
        "{shown}\n{} of {pairs} pairs differ, seed {seed}",
        differences.len()
    );
}
