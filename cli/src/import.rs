//! `import`: another service's flags as a flag set.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use bucketry_import::Report;
use clap::ValueEnum;
use clap::builder::ValueHint;

use crate::failure::{Failure, Result, exit, note};
use crate::source::ImportArgs;
use crate::style::{BAD, DIM, GOOD, WARN, count, printable};

/// Another service's flags as a flag set, with their own hash formula: nobody changes variant
///
/// The flag set goes to standard output, the report to standard error. What cannot be said exactly is refused,
/// with the place and the reason; such a flag answers PARSE_ERROR.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("from", |argument| argument.required(true)),
    after_help = "\
Exit code: 0 all flags came over, 1 some were refused, 2 trouble.

Examples:
  bucketry import --from ufc
  bucketry import --from ufc ufc.json -o flags.json
  bucketry import --from ufc ufc.json --report json 2> report.json > flags.json"
)]
pub(crate) struct Args {
    /// The document, `-` for standard input. Without it the example that comes with the program
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Where the flag set goes instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// The report's form
    #[arg(long, value_enum, default_value_t = ReportForm::Text)]
    report: ReportForm,
    /// Exit with 0 even if flags were refused
    #[arg(long)]
    allow_refusals: bool,
    #[command(flatten)]
    import: ImportArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReportForm {
    Text,
    Json,
}

pub(crate) fn run(args: Args) -> Result {
    let Some(format) = args.import.from else {
        return Err(Failure::new("no format is named").help("add --from ufc"));
    };
    let document = args.import.document(args.file.as_deref())?;
    if args.file.is_none() {
        note(format_args!("importing the example, `{}`", document.name));
    }
    let translated = args.import.translate(format, &document)?;
    match &args.output {
        Some(path) => fs::write(path, &translated.document)
            .map_err(|error| Failure::file("write", path, &error))?,
        None => io::stdout().write_all(translated.document.as_bytes())?,
    }
    let report = &translated.report;
    let mut stderr = anstream::stderr().lock();
    match args.report {
        ReportForm::Json => writeln!(stderr, "{}", report.to_json())?,
        ReportForm::Text => write_report(&mut stderr, &document.name, report)?,
    }
    let refused = !report.refusals.is_empty() && !args.allow_refusals;
    Ok(ExitCode::from(if refused { exit::FOUND } else { exit::OK }))
}

fn write_report(out: &mut impl Write, name: &str, report: &Report) -> Result<()> {
    for refusal in &report.refusals {
        let (answer, pointer) = (refusal.answer.as_str(), &refusal.pointer);
        let reason = printable(&refusal.reason);
        writeln!(
            out,
            "{BAD}refused{BAD:#} {}: {reason} {DIM}(answers {answer}){DIM:#}",
            printable(pointer)
        )?;
    }
    for each in &report.warnings {
        let (pointer, message) = (printable(&each.pointer), printable(&each.message));
        writeln!(out, "{WARN}warning{WARN:#} {pointer}: {message}")?;
    }
    if report.omitted_warnings > 0 {
        writeln!(
            out,
            "and {}",
            count(report.omitted_warnings, "more warning")
        )?;
    }
    let imported = count(report.flags.len(), "flag");
    let obfuscated = if report.obfuscated {
        ", obfuscated"
    } else {
        ""
    };
    let style = if report.refusals.is_empty() {
        GOOD
    } else {
        WARN
    };
    writeln!(
        out,
        "{style}{name}{style:#} ({}, {}{obfuscated}): {imported} imported, {} refused",
        report.format,
        report.dialect,
        report.refusals.len()
    )?;
    Ok(())
}
