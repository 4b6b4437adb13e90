//! `position`: where units fall.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use bucketry_core::{Formula, Hash, NATIVE_MODULUS, TextUnits, schema};
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
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
  bucketry position --salt AB12A: --hash murmur3-32-mod --modulus 100 u-1
  cut -d, -f1 units.csv | bucketry position --salt button-test/2")]
pub(crate) struct Args {
    /// Units. Without any: the lines of standard input
    #[arg(value_name = "UNIT")]
    units: Vec<String>,
    /// The salt, as in a flag set; that of an experiment is by default KEY/PHASE
    #[arg(long, value_parser = parse_salt)]
    salt: String,
    /// The hash
    #[arg(long, default_value = "xxh64", value_parser = PossibleValuesParser::new(hash_names()))]
    hash: String,
    /// The modulus, of the hashes that have one
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    modulus: Option<u64>,
    /// The seed of murmur3-32-mod
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u32,
    /// What the FNV-1a hashes hash of a text
    #[arg(long, value_enum, default_value_t = Text::Utf8)]
    text_units: Text,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Text {
    Utf8,
    Utf16,
    #[value(name = "codePoints")]
    CodePoints,
}

fn hash_names() -> Vec<&'static str> {
    let native = schema::NATIVE_HASHES.map(|(name, _)| name);
    let others = schema::MODULUS_HASHES.map(|(name, _)| name);
    [&native[..], &others].concat()
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
        let name = self.hash.as_str();
        if self.seed != 0 && name != schema::SEED_HASH {
            return Err(Failure::new(format!("the hash `{name}` has no seed"))
                .help("leave --seed out, or add --hash murmur3-32-mod"));
        }
        if self.text_units != Text::Utf8 && !schema::TEXT_HASHES.contains(&name) {
            return Err(Failure::new(format!("the hash `{name}` has UTF-8 only"))
                .help("leave --text-units out"));
        }
        let native = schema::NATIVE_HASHES
            .iter()
            .find(|(known, _)| *known == name);
        if let Some((_, hash)) = native {
            return match self.modulus {
                None => Ok(*hash),
                Some(_) => Err(Failure::new(format!("the hash `{name}` has no modulus"))
                    .help("leave --modulus out, or choose a --hash whose name ends in `-mod`")),
            };
        }
        let Some(modulus) = self.modulus else {
            return Err(Failure::new(format!("the hash `{name}` has a modulus"))
                .help("add --modulus with the number of positions"));
        };
        let largest = schema::MODULUS_HASHES
            .iter()
            .find(|(known, _)| *known == name);
        if let Some((_, largest)) = largest
            && modulus > *largest
        {
            return Err(Failure::new(format!(
                "the modulus of `{name}` is 1 to {largest}"
            )));
        }
        let Some(mut formula) = Formula::named(name) else {
            return Ok(Hash::Md5Mod { modulus });
        };
        match &mut formula {
            Formula::Murmur3 { seed } => *seed = self.seed,
            Formula::Fnv1aSuffix { text } | Formula::Fnv1aTwice { text } => {
                *text = match self.text_units {
                    Text::Utf8 => TextUnits::Utf8,
                    Text::Utf16 => TextUnits::Utf16,
                    Text::CodePoints => TextUnits::CodePoints,
                };
            }
            _ => {}
        }
        let hash = Hash::Imported { formula, modulus };
        if hash.takes_salt(&self.salt) {
            Ok(hash)
        } else {
            Err(Failure::new(format!("the salt of `{name}` is its seed"))
                .help("give --salt an integer from -2147483648 to 4294967295"))
        }
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
