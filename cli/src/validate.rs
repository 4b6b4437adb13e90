//! `validate`: what is wrong in flag sets, and where.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use bucketry_core::{FlagSet, LoadError, Severity, SyntaxError, SyntaxProblem};
use clap::builder::ValueHint;
use serde::Serialize;

use crate::failure::{Result, exit};
use crate::locate::{Place, Places, locate};
use crate::output::write_line;
use crate::source::Document;
use crate::style::{BAD, DIM, GOOD, HEADING, STRONG, WARN, count, printable};

/// What is wrong in flag sets, and where
///
/// On a terminal each problem is shown with its line; elsewhere it is one line of text,
/// `FILE:LINE:COLUMN: SEVERITY: MESSAGE [POINTER]`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 nothing wrong, 1 errors (with --strict: or warnings), 2 trouble.

Examples:
  bucketry validate flags.json
  bucketry validate --strict flags/*.json
  bucketry validate --json - < flags.json")]
pub(crate) struct Args {
    /// Flag sets, `-` for standard input
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Count warnings as errors
    #[arg(long)]
    strict: bool,
    /// NDJSON, a line for each file
    #[arg(long)]
    json: bool,
}

/// What was found in one file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings {
    file: String,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<usize>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Problem {
    severity: &'static str,
    line: usize,
    column: usize,
    /// Absent for a text that is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<String>,
    #[serde(skip)]
    place: Option<Place>,
}

const ERROR: &str = "error";
const WARNING: &str = "warning";

pub(crate) fn run(args: Args) -> Result {
    let mut worst = exit::OK;
    let is_terminal = io::stdout().is_terminal();
    for file in &args.files {
        let document = match Document::read(file) {
            Ok(document) => document,
            Err(failure) => {
                failure.report();
                worst = exit::TROUBLE;
                continue;
            }
        };
        let findings = examine(&document, args.strict);
        if !findings.valid {
            worst = worst.max(exit::FOUND);
        }
        if args.json {
            write_line(&mut io::stdout().lock(), &findings)?;
            continue;
        }
        let mut out = anstream::stdout().lock();
        for problem in &findings.problems {
            match is_terminal {
                true => write_excerpt(&mut out, &findings.file, problem)?,
                false => write_plain(&mut out, &findings.file, problem)?,
            }
        }
        write_summary(&mut out, &findings)?;
    }
    Ok(ExitCode::from(worst))
}

fn examine(document: &Document, strict: bool) -> Findings {
    let (set, diagnostics) = match FlagSet::from_json(&document.bytes) {
        Ok(set) => {
            let diagnostics = set.diagnostics().to_vec();
            (Some(set), diagnostics)
        }
        Err(LoadError::Syntax(error)) => return not_json(document, &error),
        Err(LoadError::Document(diagnostic)) => (None, vec![diagnostic]),
        Err(LoadError::Refused(diagnostics)) => (None, diagnostics),
        Err(_) => (None, Vec::new()),
    };
    // The core accepts nothing but UTF-8.
    let text = str::from_utf8(&document.bytes).unwrap_or_default();
    let pointers: Vec<&str> = diagnostics
        .iter()
        .map(|each| each.pointer.as_str())
        .collect();
    let places = locate(text, &pointers);
    let mut problems: Vec<Problem> = diagnostics
        .iter()
        .zip(places)
        .map(|(diagnostic, place)| Problem {
            severity: match diagnostic.severity {
                Severity::Error => ERROR,
                Severity::Warning => WARNING,
            },
            line: place.line,
            column: place.column,
            pointer: Some(diagnostic.pointer.clone()),
            message: diagnostic.message.clone(),
            flag: diagnostic.flag.clone(),
            place: Some(place),
        })
        .collect();
    // As one goes through the file, whatever order they were found in.
    problems.sort_by_key(|problem| (problem.line, problem.column));
    let counts = |each: &Problem| strict || each.severity == ERROR;
    Findings {
        file: document.name.clone(),
        valid: set.is_some() && !problems.iter().any(counts),
        revision: set.as_ref().map(FlagSet::revision),
        flags: set.as_ref().map(FlagSet::len),
        problems,
    }
}

/// The findings in a text that is no JSON at all.
fn not_json(document: &Document, error: &SyntaxError) -> Findings {
    // The bytes up to the problem are UTF-8 whatever comes after.
    let text = String::from_utf8_lossy(&document.bytes);
    let place = match error.problem {
        SyntaxProblem::TooLarge(_) => None,
        _ => Some(Places::new(&text).at(error.line, error.column)),
    };
    Findings {
        file: document.name.clone(),
        valid: false,
        revision: None,
        flags: None,
        problems: vec![Problem {
            severity: ERROR,
            line: error.line,
            column: error.column,
            pointer: None,
            message: error.problem.to_string(),
            flag: None,
            place,
        }],
    }
}

fn write_plain(out: &mut impl Write, file: &str, problem: &Problem) -> Result<()> {
    let (line, column, severity) = (problem.line, problem.column, problem.severity);
    let message = printable(&problem.message);
    write!(out, "{file}:{line}:{column}: {severity}: {message}")?;
    match &problem.pointer {
        Some(pointer) if !pointer.is_empty() => writeln!(out, " [{}]", printable(pointer))?,
        _ => writeln!(out)?,
    }
    Ok(())
}

/// The problem with its line, as Rust's compiler shows it.
fn write_excerpt(out: &mut impl Write, file: &str, problem: &Problem) -> Result<()> {
    let (line, column, severity) = (problem.line, problem.column, problem.severity);
    let style = if severity == ERROR { BAD } else { WARN };
    let message = printable(&problem.message);
    writeln!(
        out,
        "{style}{severity}{style:#}{STRONG}: {message}{STRONG:#}"
    )?;
    let gutter = line.to_string().len();
    let bar = format!("{HEADING}{:gutter$} |{HEADING:#}", "");
    writeln!(
        out,
        "{HEADING}{:gutter$}-->{HEADING:#} {file}:{line}:{column}",
        ""
    )?;
    if let Some(place) = &problem.place {
        let before = place.marked.start;
        let marks = "^".repeat(place.marked.len());
        writeln!(out, "{bar}")?;
        // A tab would move the marks away from what they mark.
        let excerpt = place.excerpt.replace('\t', " ");
        writeln!(out, "{HEADING}{line} |{HEADING:#} {}", printable(&excerpt))?;
        writeln!(out, "{bar} {:before$}{style}{marks}{style:#}", "")?;
    }
    if let Some(pointer) = problem
        .pointer
        .as_deref()
        .filter(|pointer| !pointer.is_empty())
    {
        writeln!(
            out,
            "{:gutter$} {HEADING}={HEADING:#} at {}",
            "",
            printable(pointer)
        )?;
    }
    if let Some(flag) = problem.flag.as_deref().filter(|_| severity == ERROR) {
        let flag = printable(flag);
        writeln!(
            out,
            "{:gutter$} {HEADING}={HEADING:#} flag `{flag}` answers PARSE_ERROR",
            ""
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn write_summary(out: &mut impl Write, findings: &Findings) -> Result<()> {
    let problems = || findings.problems.iter();
    let mut parts = Vec::new();
    if let (Some(flags), Some(revision)) = (findings.flags, findings.revision) {
        parts.push(format!("{}, revision {revision}", count(flags, "flag")));
    }
    for severity in [ERROR, WARNING] {
        match problems().filter(|each| each.severity == severity).count() {
            0 => {}
            number => parts.push(count(number, severity)),
        }
    }
    let (style, word) = match findings.valid {
        true => (GOOD, "ok"),
        false => (BAD, "not ok"),
    };
    let (file, parts) = (&findings.file, parts.join(", "));
    writeln!(out, "{file}: {style}{word}{style:#} {DIM}({parts}){DIM:#}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_sees_the_line_and_what_in_it_is_meant() {
        let document = Document {
            name: "flags.json".into(),
            bytes: b"{\"format\":1,\"flags\":{\"f\":{\"type\":\"boolean\",\n\t\"default\": \"maybe\"}}}".into(),
        };
        let findings = examine(&document, false);
        let mut shown = Vec::new();
        for problem in &findings.problems {
            write_excerpt(&mut shown, &findings.file, problem).unwrap();
        }
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(
            anstream::adapter::strip_str(&shown).to_string(),
            r#"error: the flag has no variant `maybe`
 --> flags.json:2:2
  |
2 |  "default": "maybe"}}}
  |  ^^^^^^^^^^^^^^^^^^
  = at /flags/f/default
  = flag `f` answers PARSE_ERROR

"#
        );
    }
}
