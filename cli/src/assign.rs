//! `bucketry assign`: many units at once, a row in for each, a row out.

mod assigner;
pub(crate) mod chi_square;
mod chunks;
mod output;
mod pipeline;
mod progress;
mod rows;
mod tally;
mod units;

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bucketry_core::limits::MAX_CONTEXT_BYTES;
use bucketry_core::{ErrorCode, EvaluationContext, FlagSet, ProducerId, UnixMillis};
use clap::builder::ValueHint;

use self::assigner::{OnError, Plan};
use self::chunks::{Chunks, Form, ReadError};
use self::output::{Numbering, Outputs, Target};
use self::pipeline::{Reading, Sizes, Stopped};
use self::progress::{Progress, rate};
use self::rows::{Cells, Columns, CsvRows, TARGETING_KEY};
use self::tally::Tally;
pub(crate) use self::units::UnitArgs;
use crate::failure::{Failure, Result, exit, warning};
use crate::source::{Document, ImportArgs, display_name, is_stdin};
use crate::style::{STRONG, count};

/// Assign many units at once: a row in for each, a row with the variants out
///
/// Reads CSV or NDJSON and writes the same, in the order of the input, in constant memory and on all cores. In CSV
/// each column that the flag set reads is an attribute of the context, and an empty cell is no attribute; in
/// NDJSON each line is an evaluation context.
///
/// A summary goes to standard error: units, counts and shares of the variants, and for each experiment whether the
/// arms got the shares that they should (a chi-square test of the sample ratio).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bucketry assign flags.json users.csv -o variants.csv --exposures exposures.ndjson
  (echo userId; seq 1000000) | bucketry assign flags.json --flag button > variants.csv")]
pub(crate) struct Args {
    /// The flag set, `-` for standard input
    #[arg(value_name = "FLAGS_FILE", value_hint = ValueHint::FilePath)]
    flags_file: PathBuf,
    /// The units. Without it, and for `-`, standard input
    #[arg(value_name = "UNITS_FILE", value_hint = ValueHint::FilePath)]
    units_file: Option<PathBuf>,
    /// A flag to assign, a column of the output; may be given more than once. Without any: each flag with an
    /// experiment
    #[arg(short, long = "flag", value_name = "KEY")]
    flags: Vec<String>,
    /// How the units are written [default: by the file's name, else csv]
    #[arg(long, value_name = "FORM")]
    format: Option<Form>,
    /// How the rows are written [default: by the name of the output file, else like the units]
    #[arg(long, value_name = "FORM")]
    output_format: Option<Form>,
    /// The column or attribute that is the targeting key [default: targetingKey, in CSV else the first]
    #[arg(long, value_name = "NAME")]
    unit_column: Option<String>,
    /// The CSV begins without a header line: the first column is the targeting key, the others are ignored, and the
    /// output gets no header line either
    #[arg(long, conflicts_with_all = ["unit_column", "typed"])]
    no_header: bool,
    /// Read CSV cells that are JSON numbers, true or false as such, not as text
    #[arg(long)]
    typed: bool,
    /// Write the rows to a file instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Write an exposure record for each assignment to an experiment, as NDJSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    exposures: Option<PathBuf>,
    /// The time to assign at: RFC 3339, or milliseconds since 1970 [default: now]
    #[arg(long, value_name = "TIME", value_parser = crate::clock::parse)]
    at: Option<UnixMillis>,
    /// Threads that assign [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// What a row does that cannot be read
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    on_error: OnError,
    #[command(flatten)]
    import: ImportArgs,
}

/// Assigns the units.
pub(crate) fn run(args: &Args) -> Result {
    let units = args.units_file.as_deref().unwrap_or(Path::new("-"));
    if is_stdin(units) && is_stdin(&args.flags_file) {
        return Err(Failure::new(
            "the flag set and the units cannot both come from standard input",
        )
        .help("name a file for one of them"));
    }
    let document = Document::read(&args.flags_file)?;
    let set = args.import.flag_set(&document)?;
    let flags = chosen_flags(&set, &args.flags, &document.name)?;

    let form = args.format.or_else(|| form_of(units)).unwrap_or(Form::Csv);
    let output_form = args.output_format;
    let output_form = output_form.or_else(|| args.output.as_deref().and_then(form_of));
    let (input, input_bytes) = open(units)?;
    let cannot_read = |error| read_failure(units, error);
    let mut chunks = Chunks::new(input, form, FIRST_CHUNK).map_err(cannot_read)?;
    let reading = match form {
        Form::Csv => Reading::Csv(args.columns(&mut chunks, units, &set)?),
        Form::Ndjson => Reading::Ndjson {
            unit_attribute: args.unit_column.clone(),
        },
    };
    let plan = Plan {
        unit_name: match &reading {
            Reading::Csv(columns) => columns.unit_name().into(),
            Reading::Ndjson { unit_attribute } => unit_attribute
                .clone()
                .unwrap_or_else(|| TARGETING_KEY.into()),
        },
        set,
        flags,
        form: output_form.unwrap_or(form),
        at: args.at.unwrap_or_else(crate::clock::now),
        producer: args.exposures.as_ref().map(|_| random_producer()),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        on_error: args.on_error,
    };

    let mut outputs = args.outputs(units, &plan, input_bytes)?;
    if !args.no_header {
        outputs.rows.write(&plan.header())?;
    }
    let threads = args.threads.map_or_else(cores, NonZeroUsize::get);
    let sizes = Sizes::new(threads, &plan);
    chunks.set_size(sizes.chunk);
    let tally = pipeline::run(&Arc::new(plan), &reading, chunks, sizes, &mut outputs);
    outputs.progress.clear();
    match tally {
        Ok(tally) => {
            // Where stderr is closed there is nobody to tell.
            let _ = summarise(&tally, &outputs);
            Ok(ExitCode::from(exit::OK))
        }
        Err(stopped) => Err(failure(units, stopped, outputs.progress.units())),
    }
}

/// Enough for a header; the size of the other chunks depends on what it says.
const FIRST_CHUNK: usize = 64 << 10;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The form that a file's name says it has.
fn form_of(path: &Path) -> Option<Form> {
    let extension = path.extension()?.to_str()?;
    match extension.to_ascii_lowercase().as_str() {
        "csv" => Some(Form::Csv),
        "ndjson" | "jsonl" => Some(Form::Ndjson),
        _ => None,
    }
}

/// The keys asked for, or those of all flags with experiments. None of them is in error.
fn chosen_flags(set: &FlagSet, asked: &[String], name: &str) -> Result<Vec<String>> {
    // A refused flag answers so before anything in the context matters.
    let nobody = EvaluationContext::anonymous();
    let refusal = |key: &str| {
        let resolution = set.resolve(key, &nobody, UnixMillis(0));
        match resolution.error_code() {
            Some(ErrorCode::ParseError) => {
                Some(resolution.error_message().unwrap_or_default().to_owned())
            }
            _ => None,
        }
    };
    let in_error =
        |key: &str, why: &str| Failure::new(format!("flag `{key}` of `{name}` is in error: {why}"));
    if asked.is_empty() {
        if let Some((key, why)) = set.flag_keys().find_map(|key| Some((key, refusal(key)?))) {
            // It may have an experiment, and then leaving it out in silence would be wrong.
            return Err(in_error(key, &why).help("name the flags to assign with --flag"));
        }
        let with_experiment = |key: &&str| {
            let flag = set.flag(key);
            flag.is_some_and(|flag| flag.experiment_rules().next().is_some())
        };
        let flags: Vec<String> = set
            .flag_keys()
            .filter(with_experiment)
            .map(Into::into)
            .collect();
        return match flags.is_empty() {
            true => Err(
                Failure::new(format!("no flag of `{name}` has an experiment"))
                    .help("name the flags to assign with --flag"),
            ),
            false => Ok(flags),
        };
    }
    for (at, key) in asked.iter().enumerate() {
        if set.flag(key).is_none() {
            return Err(Failure::new(format!("`{name}` has no flag `{key}`")));
        }
        if let Some(why) = refusal(key) {
            return Err(in_error(key, &why));
        }
        if asked.iter().take(at).any(|other| other == key) {
            return Err(Failure::new(format!("flag `{key}` is named twice")));
        }
    }
    Ok(asked.into())
}

/// The units, and how many bytes they are if that is known.
fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>)> {
    if is_stdin(path) {
        return Ok((Box::new(io::stdin()), None));
    }
    let cannot_read = |error: io::Error| Failure::file("read", path, &error);
    let file = File::open(path).map_err(cannot_read)?;
    let metadata = file.metadata().map_err(cannot_read)?;
    let bytes = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(file), bytes))
}

impl Args {
    /// Reads the header of a CSV file.
    fn columns(
        &self,
        chunks: &mut Chunks<Box<dyn Read + Send>>,
        units: &Path,
        set: &FlagSet,
    ) -> Result<Columns> {
        let mut chunk = Vec::new();
        let name = display_name(units);
        let read = chunks.next(&mut chunk);
        if read.map_err(|error| read_failure(units, error))?.is_none() {
            return match self.no_header {
                true => Ok(Columns::unnamed(1)),
                false => Err(Failure::new(format!(
                    "`{name}` is empty, without even a header line"
                ))),
            };
        }
        let mut rows = CsvRows::new();
        let (header, len) = rows
            .header(&chunk)
            .map_err(|problem| Failure::new(format!("`{name}`, header: {problem}")))?;
        let taken = if self.no_header { 0 } else { len };
        let columns = match self.no_header {
            true => Columns::unnamed(header.len()),
            false => {
                let cells = if self.typed {
                    Cells::Typed
                } else {
                    Cells::Text
                };
                Columns::from_header(&header, self.unit_column.as_deref(), cells, &[set])?
            }
        };
        chunks.put_back(&mut chunk, taken);
        Ok(columns)
    }

    /// Opens what is written to, after everything that can go wrong before it.
    fn outputs(&self, units: &Path, plan: &Plan, input_bytes: Option<u64>) -> Result<Outputs> {
        let read = [Some(self.flags_file.as_path()), Some(units)];
        let written = [self.output.as_deref(), self.exposures.as_deref()];
        for (at, path) in written.iter().enumerate() {
            let others = read.iter().chain(written.iter().take(at));
            if let Some(path) =
                path.filter(|path| others.flatten().any(|other| same_file(path, other)))
            {
                return Err(Failure::new(format!(
                    "writing `{}` would overwrite what is read from or written to it as well",
                    path.display()
                )));
            }
        }
        let rows = match &self.output {
            Some(path) => Target::create(path)?,
            None => Target::STDOUT,
        };
        let exposures = match &self.exposures {
            Some(path) => Some((Target::create(path)?, Numbering::new(plan))),
            None => None,
        };
        Ok(Outputs {
            progress: Progress::new(rows.is_stdout(), input_bytes),
            rows,
            exposures,
        })
    }
}

/// Whether two paths lead to one file, as far as both exist.
fn same_file(a: &Path, b: &Path) -> bool {
    let (a, b) = (a.canonicalize(), b.canonicalize());
    matches!((a, b), (Ok(a), Ok(b)) if a == b)
}

/// Who numbers the exposure records of this run. The keys of a [`RandomState`] come from the system's source of
/// randomness.
fn random_producer() -> ProducerId {
    let half = |number: u64| RandomState::new().hash_one(number).to_be_bytes();
    let mut id = [0; 16];
    for (byte, random) in id.iter_mut().zip(half(0).into_iter().chain(half(1))) {
        *byte = random;
    }
    ProducerId(id)
}

fn read_failure(units: &Path, error: ReadError) -> Failure {
    let name = display_name(units);
    match error {
        ReadError::Io(error) => Failure::new(format!("cannot read `{name}`: {error}")),
        ReadError::TooLong { line } => Failure::new(format!(
            "`{name}`, line {line}: the record that begins here is longer than {MAX_CONTEXT_BYTES} bytes; is a quote not closed?"
        )),
        ReadError::OpenQuote { line } => Failure::new(format!(
            "`{name}`, line {line}: the record that begins here has a quote that is not closed"
        )),
    }
}

fn failure(units: &Path, stopped: Stopped<Failure>, written: u64) -> Failure {
    let written = format!("{} written, all in whole rows", count_units(written));
    match stopped {
        Stopped::Write(failure) => failure,
        Stopped::Panicked => Failure::new("a thread failed; this is a bug of bucketry"),
        Stopped::Read(error) => read_failure(units, error).help(written),
        Stopped::BadRow { line, problem } => {
            let name = display_name(units);
            Failure::new(format!("`{name}`, line {line}: {problem}")).help(format!(
                "{written}. To leave such rows out: --on-error skip"
            ))
        }
    }
}

fn count_units(units: u64) -> String {
    count(usize::try_from(units).unwrap_or(usize::MAX), "unit")
}

fn summarise(tally: &Tally, outputs: &Outputs) -> io::Result<()> {
    let mut stderr = io::BufWriter::new(anstream::stderr().lock());
    let elapsed = outputs.progress.elapsed();
    write!(
        stderr,
        "{STRONG}{}{STRONG:#} in {:.2} s, {} units/s",
        count_units(tally.units),
        elapsed.as_secs_f64(),
        rate(tally.units, elapsed)
    )?;
    if let Some(exposures) = outputs.exposure_count() {
        write!(stderr, ", {exposures} exposures")?;
    }
    writeln!(stderr)?;
    tally.write(&mut stderr)?;
    stderr.flush()?;
    drop(stderr);
    if tally.bad_rows > 0 {
        warning(format_args!(
            "{} left out: they could not be read",
            tally.bad_rows
        ));
    }
    Ok(())
}
