//! `position`: where units fall.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use bucketry_core::{Hash, NATIVE_MODULUS};
use clap::ValueEnum;
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::lines::{self, parse_salt};
use crate::output::{OutputArgs, write_line};
use crate::style::{DIM, PLAIN, STRONG, percent};
use crate::table::{Cell, Table};

/// Where units fall under a salt
///
/// The formulas, and the SQL that computes the same in a warehouse, stand in docs/bucketing.md.
/// On a terminal the positions are a table; in a pipe they are NDJSON.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bucketry position --salt button-test/2 visitor-17 visitor-18
  bucketry position --salt exp-1- --hash md5-mod --modulus 10000 u-1
  cut -d, -f1 units.csv | bucketry position --salt button-test/2")]
pub(crate) struct Args {
    /// Units. Without any: the lines of standard input
    #[arg(value_name = "UNIT")]
    units: Vec<String>,
    /// The salt, as in a flag set; that of an experiment is by default KEY/PHASE
    #[arg(long, value_parser = parse_salt)]
    salt: String,
    /// The hash
    #[arg(long, value_enum, default_value_t = HashName::Xxh64)]
    hash: HashName,
    /// The modulus of md5-mod
    #[arg(long, value_name = "NUMBER", required_if_eq("hash", "md5-mod"),
          value_parser = clap::value_parser!(u64).range(1..=NATIVE_MODULUS))]
    modulus: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HashName {
    Xxh64,
    #[value(name = "xxh64-seed42")]
    Xxh64Seed42,
    Sha256,
    Md5Mod,
}

#[derive(Serialize)]
struct Line<'a> {
    unit: &'a str,
    arm: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrol: Option<u64>,
    modulus: u64,
}

impl Args {
    fn hash(&self) -> Result<Hash> {
        Ok(match (self.hash, self.modulus) {
            (HashName::Md5Mod, modulus) => Hash::Md5Mod {
                modulus: modulus.unwrap_or(NATIVE_MODULUS),
            },
            (_, Some(_)) => {
                return Err(Failure::new("only the hash `md5-mod` has a modulus")
                    .help("leave --modulus out, or add --hash md5-mod"));
            }
            (HashName::Xxh64, None) => Hash::Xxh64,
            (HashName::Xxh64Seed42, None) => Hash::Xxh64Seed42,
            (HashName::Sha256, None) => Hash::Sha256,
        })
    }
}

pub(crate) fn run(args: Args) -> Result {
    let hash = args.hash()?;
    let units: Box<dyn Iterator<Item = Result<String>>> = if args.units.is_empty() {
        Box::new(lines::of_stdin("units"))
    } else {
        Box::new(args.units.into_iter().map(Ok))
    };
    if args.output.is_text() {
        write_table(units, hash, &args.salt)?;
    } else {
        let mut out = BufWriter::new(io::stdout().lock());
        for unit in units {
            let unit = unit?;
            let position = hash.position(&args.salt, &unit);
            let line = Line {
                unit: &unit,
                arm: position.arm,
                enrol: hash.has_two_lanes().then_some(position.enrol),
                modulus: hash.modulus(),
            };
            write_line(&mut out, &line)?;
        }
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_table(units: impl Iterator<Item = Result<String>>, hash: Hash, salt: &str) -> Result<()> {
    let mut table = Table::new(["unit", "arm", "%", "enrol", "%"]);
    for unit in units {
        let unit = unit?;
        let position = hash.position(salt, &unit);
        let (enrol, enrol_percent) = match hash.has_two_lanes() {
            true => (
                position.enrol.to_string(),
                percent(position.enrol, NATIVE_MODULUS),
            ),
            false => ("-".into(), String::new()),
        };
        table.row([
            Cell::new(STRONG, &unit),
            Cell::right(PLAIN, &position.arm.to_string()),
            Cell::right(DIM, &percent(position.arm, hash.modulus())),
            Cell::right(PLAIN, &enrol),
            Cell::right(DIM, &enrol_percent),
        ]);
    }
    table.write(&mut anstream::stdout().lock())?;
    Ok(())
}
