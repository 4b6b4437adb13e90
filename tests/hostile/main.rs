//! Input that somebody made to break a program: each ends in an error that names the place and the bound, without
//! a panic, in bounded memory, and in time in proportion to its size. Nothing here looks at the clock:
//! what is quadratic in 100,000 takes minutes, and is noticed.

mod crowds;
mod flags;
mod text;

use std::fmt::Write;

use bucketry_core::{
    AttributeValue, EvaluationContext, FlagSet, LoadError, Reason, UnixMillis, encode_ids, limits,
};
use bucketry_tests::heap::{Counting, Heap, measure};

#[global_allocator]
static HEAP: Counting = Counting;

const NOW: UnixMillis = UnixMillis(0);

/// The error of a document that cannot be used at all.
fn refused(document: &[u8]) -> String {
    match FlagSet::from_json(document) {
        Err(error) => error.to_string(),
        Ok(set) => panic!("loaded with {} flags: {:?}", set.len(), set.diagnostics()),
    }
}

/// The diagnostics of a document that can be used.
fn diagnostics(document: &str) -> Vec<String> {
    let set = FlagSet::from_json(document.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    set.diagnostics().iter().map(ToString::to_string).collect()
}

/// A document with this boolean flag `f`, beside members of the set.
fn with_flag(rest: &str, members: &str) -> String {
    format!(
        r#"{{"format":1,{rest}"flags":{{"f":{{"type":"boolean",{members}}},"fine":{{"type":"boolean","default":"on"}}}}}}"#
    )
}

/// A condition in a rule of flag `f`.
fn with_condition(condition: &str) -> String {
    with_flag(
        "",
        &format!(r#""default":"off","rules":[{{"if":{condition},"serve":"on"}}]"#),
    )
}

/// Many entries with commas between them.
fn list(count: usize, entry: impl Fn(usize) -> String) -> String {
    let mut list = String::new();
    for n in 0..count {
        let comma = if n == 0 { "" } else { "," };
        write!(list, "{comma}{}", entry(n)).expect("a String takes all");
    }
    list
}

#[track_caller]
fn assert_only(got: &[String], want: &str) {
    assert_eq!(got, [want]);
}
