//! Universal Flag Configuration: what each member becomes, seen from the answers.

mod allocations;
mod conditions;
mod flags;
mod frame;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use bucketry_core::internal::md5;
use bucketry_core::{EvaluationContext, FlagSet, UnixMillis};

use super::Random;
use crate::{Answer, Dialect, Format, Import, ImportOptions, Malformed, import};

const DATADOG: Dialect = Dialect::Datadog;
const EPPO: Dialect = Dialect::Eppo;

/// Imports a document with these flags (the members of the object `flags`).
fn flags(text: &str, options: &ImportOptions) -> Import {
    let document = format!(r#"{{"createdAt": "2026-01-01T00:00:00Z", "flags": {{{text}}}}}"#);
    import(Format::Ufc, document.as_bytes(), options)
        .unwrap_or_else(|error| panic!("{error}: {document}"))
}

/// A boolean flag `f` with these allocations, and `totalShards` as Eppo has it.
fn flag(allocations: &str) -> String {
    format!(
        r#""f": {{"key": "f", "enabled": true, "variationType": "BOOLEAN", "totalShards": 100,
            "variations": {{"on": {{"key": "on", "value": true}}, "off": {{"key": "off", "value": false}}}},
            "allocations": [{allocations}]}}"#
    )
}

/// An allocation `a` that serves `on` to whom this one condition matches.
fn condition(attribute: &str, operator: &str, value: &str) -> String {
    flag(&format!(
        r#"{{"key": "a", "splits": [{{"variationKey": "on", "shards": []}}], "rules": [{{"conditions":
            [{{"attribute": "{attribute}", "operator": "{operator}", "value": {value}}}]}}]}}"#
    ))
}

/// "reason variant" or "ERROR code" of the flag `f`.
fn answer(imported: &Import, context: &str, now: i64) -> String {
    let set = FlagSet::from_json(imported.document.as_bytes()).unwrap();
    let context = EvaluationContext::from_json(context.as_bytes()).unwrap();
    let resolution = set.resolve("f", &context, UnixMillis(now));
    match resolution.error_code() {
        Some(code) => format!("ERROR {code}"),
        None => format!(
            "{} {}",
            resolution.reason(),
            resolution.variant().unwrap_or("none")
        ),
    }
}

fn options(dialect: Dialect) -> ImportOptions {
    ImportOptions::new().dialect(dialect)
}

/// `{"salt": …, "totalShards": …, "ranges": […]}`
fn shard(salt: &str, total: u32, ranges: &[(u32, u32)]) -> String {
    let ranges: Vec<String> = ranges
        .iter()
        .map(|(start, end)| format!(r#"{{"start": {start}, "end": {end}}}"#))
        .collect();
    format!(
        r#"{{"salt": "{salt}", "totalShards": {total}, "ranges": [{}]}}"#,
        ranges.join(", ")
    )
}

fn split(variation: &str, shards: &[String]) -> String {
    format!(
        r#"{{"variationKey": "{variation}", "shards": [{}]}}"#,
        shards.join(", ")
    )
}

fn allocation(key: &str, splits: &[String]) -> String {
    format!(r#"{{"key": "{key}", "splits": [{}]}}"#, splits.join(", "))
}

/// The variation of the first split whose shards all hold the unit, by the formula of the source.
fn first_split<'s>(splits: &[Split<'s>], unit: &str) -> Option<&'s str> {
    let holds = |(salt, total, ranges): &(&str, u32, Vec<(u32, u32)>)| {
        let digest = md5(&[salt.as_bytes(), b"-", unit.as_bytes()]);
        let shard = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % total;
        ranges
            .iter()
            .any(|(start, end)| (*start..*end).contains(&shard))
    };
    let found = splits.iter().find(|(_, shards)| shards.iter().all(holds));
    found.map(|(variation, _)| *variation)
}

type Split<'s> = (&'s str, Vec<(&'s str, u32, Vec<(u32, u32)>)>);
