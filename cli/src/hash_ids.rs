//! `hash-ids`: a list of ids for a segment, without the ids.

use std::io::Write;
use std::process::ExitCode;

use bucketry_core::limits::MAX_HASHED_IDS;
use bucketry_core::{encode_ids, xxh64_salted};
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::lines::{self, parse_salt};

/// A list of ids as a segment holds it: salted 64-bit hashes instead of ids
///
/// Reads one id a line from standard input; what comes twice counts once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bucketry hash-ids --salt pilot-2026 < ids.txt
  bucketry hash-ids --salt pilot-2026 --condition --unit customerId < ids.txt")]
pub(crate) struct Args {
    /// The salt; the condition in the flag set must name the same
    #[arg(long, value_parser = parse_salt)]
    salt: String,
    /// Print the whole condition, ready to paste
    #[arg(long)]
    condition: bool,
    /// The attribute that the ids are of [default: targetingKey]
    #[arg(long, value_name = "NAME", requires = "condition")]
    unit: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Condition<'a> {
    hashed_ids: &'a str,
    salt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
}

pub(crate) fn run(args: &Args) -> Result {
    let mut hashes = Vec::new();
    for id in lines::of_stdin("ids") {
        if hashes.len() == MAX_HASHED_IDS {
            return Err(
                Failure::new(format!("there are more than {MAX_HASHED_IDS} ids"))
                    .help("make several lists, and join them with `any`"),
            );
        }
        hashes.push(xxh64_salted(args.salt.as_bytes(), id?.as_bytes(), 0));
    }
    let list = encode_ids(&mut hashes);
    let mut out = std::io::stdout().lock();
    if args.condition {
        let condition = Condition {
            hashed_ids: &list,
            salt: &args.salt,
            unit: args.unit.as_deref(),
        };
        crate::output::write_line(&mut out, &condition)?;
    } else {
        writeln!(out, "{list}")?;
    }
    Ok(ExitCode::SUCCESS)
}
