//! `evaluate`: what flags answer.

use std::io::{self, Write};
use std::process::ExitCode;

use bucketry_core::{FlagSet, Reason, Resolution, UnixMillis};

use crate::answer::{Answer, JsonValue};
use crate::context::{ContextArgs, NumberedContext};
use crate::failure::{Result, exit};
use crate::output::{OutputArgs, write_line};
use crate::source::Selection;
use crate::style::{BAD, DIM, GOOD, PLAIN, STRONG, WARN, printable};
use crate::table::{Cell, Table};

/// Longest value that the table shows whole, in characters.
const SHOWN_VALUE: usize = 28;

/// What flags answer for one context or for many
///
/// On a terminal the answers are a table; in a pipe they are NDJSON, a line for each context and flag.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 all answered, 1 some answered ERROR, 2 trouble.

Examples:
  bucketry evaluate
  bucketry evaluate flags.json --context '{\"targetingKey\":\"u-1\",\"country\":\"DE\"}'
  bucketry evaluate flags.json new-checkout --contexts users.ndjson --at 2026-12-24T18:00:00Z
  bucketry evaluate --from ufc ufc.json --json")]
pub(crate) struct Args {
    #[command(flatten)]
    contexts: ContextArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    selection: Selection,
}

pub(crate) fn run(args: Args) -> Result {
    args.contexts.check(&args.selection)?;
    let selected = args.selection.load()?;
    let now = args.contexts.now();
    let keys = selected.flag_keys();
    let contexts = args.contexts.contexts(&selected)?;
    let failed = if args.output.is_text() {
        let mut out = anstream::stdout().lock();
        let mut failed = false;
        for context in contexts {
            failed |= write_table(&mut out, &selected.set, &keys, &context?, now)?;
        }
        failed
    } else {
        // Not buffered further: who feeds contexts one by one gets answers one by one.
        let mut out = io::stdout().lock();
        let mut failed = false;
        for context in contexts {
            failed |= write_lines(&mut out, &selected.set, &keys, &context?, now)?;
        }
        failed
    };
    Ok(ExitCode::from(if failed { exit::FOUND } else { exit::OK }))
}

/// Writes a line for each flag. Whether some answered `ERROR`.
fn write_lines(
    out: &mut impl Write,
    set: &FlagSet,
    keys: &[&str],
    context: &NumberedContext,
    now: UnixMillis,
) -> Result<bool> {
    let mut failed = false;
    for key in keys {
        let resolution = set.resolve(key, &context.context, now);
        let targeting_key = context.context.targeting_key();
        let answer = Answer::new(key, &resolution, Some(context.number), targeting_key);
        failed |= answer.is_error();
        write_line(out, &answer)?;
    }
    Ok(failed)
}

fn write_table(
    out: &mut impl Write,
    set: &FlagSet,
    keys: &[&str],
    context: &NumberedContext,
    now: UnixMillis,
) -> Result<bool> {
    if context.number > 1 {
        writeln!(out)?;
    }
    let who = context.context.targeting_key();
    let who = who.map_or("(no targeting key)".into(), printable);
    let (revision, time) = (set.revision(), now.to_rfc3339());
    writeln!(
        out,
        "{STRONG}{who}{STRONG:#} {DIM}at {time}, revision {revision}{DIM:#}"
    )?;
    let mut failed = false;
    let mut table = Table::new(["flag", "variant", "value", "reason", "why"]);
    for key in keys {
        let resolution = set.resolve(key, &context.context, now);
        failed |= resolution.reason() == Reason::Error;
        table.row([
            Cell::new(STRONG, key),
            Cell::new(PLAIN, resolution.variant().unwrap_or("-")),
            Cell::new(PLAIN, &shown_value(&resolution)?),
            reason(&resolution),
            Cell::new(DIM, &why(&resolution)),
        ]);
    }
    table.write(out)?;
    Ok(failed)
}

fn shown_value(resolution: &Resolution<'_>) -> Result<String> {
    let Some(value) = resolution.value() else {
        return Ok("caller's default".into());
    };
    let mut json = serde_json::to_string(&JsonValue(value)).map_err(io::Error::from)?;
    if let Some((cut, _)) = json.char_indices().nth(SHOWN_VALUE) {
        json.truncate(cut);
        json.push('…');
    }
    Ok(json)
}

fn reason(resolution: &Resolution<'_>) -> Cell {
    let style = match resolution.reason() {
        Reason::TargetingMatch | Reason::Split => GOOD,
        Reason::Disabled => WARN,
        Reason::Error => BAD,
        _ => PLAIN,
    };
    let text = match resolution.error_code() {
        Some(code) => code.as_str(),
        None => resolution.reason().as_str(),
    };
    Cell::new(style, text)
}

/// The rule and the experiment, or what went wrong.
fn why(resolution: &Resolution<'_>) -> String {
    if let Some(message) = resolution.error_message() {
        return message.into();
    }
    let mut parts = Vec::new();
    match (resolution.rule_index(), resolution.rule_id()) {
        (Some(index), Some(id)) => parts.push(format!("rule {} {id}", index + 1)),
        (Some(index), None) => parts.push(format!("rule {}", index + 1)),
        (None, _) => {}
    }
    if let Some(assignment) = resolution.assignment() {
        let (experiment, phase) = (assignment.experiment, assignment.phase);
        parts.push(match assignment.holdout {
            Some(holdout) => format!("held out of {experiment}/{phase} by {holdout}"),
            None => format!("in {experiment}/{phase}"),
        });
    }
    if resolution.unit_missing() {
        parts.push("a rule lacks its unit".into());
    }
    parts.join(", ")
}
