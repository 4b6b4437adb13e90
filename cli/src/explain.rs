//! `explain`: why flags answer what they answer.

mod bar;
mod draw;
mod json;
mod mark;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;

use bucketry_core::{Explanation, Reason};

use crate::context::ContextArgs;
use crate::failure::{Result, exit, note};
use crate::output::write_line;
use crate::source::Selection;

/// The flag of the example that shows most.
const SHOWCASE: &str = "buy-button";

/// Why flags answer what they answer: every rule, condition, position and range
///
/// The explanation holds what the conditions saw of the context: treat it as personal data.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 all answered, 1 some answered ERROR, 2 trouble.

Examples:
  bucketry explain
  bucketry explain flags.json buy-button --context '{\"targetingKey\":\"u-1\",\"country\":\"DE\"}'
  bucketry explain flags.json --contexts - --json < users.ndjson
  bucketry explain --from ufc ufc.json delivery-promise --context '{\"targetingKey\":\"u-1\"}'")]
pub(crate) struct Args {
    #[command(flatten)]
    contexts: ContextArgs,
    /// NDJSON, a line for each context and flag
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    selection: Selection,
}

pub(crate) fn run(args: Args) -> Result {
    args.contexts.check(&args.selection)?;
    let selected = args.selection.load()?;
    let now = args.contexts.now();
    let set = &selected.set;
    let mut keys = selected.flag_keys();
    if !selected.is_named && selected.flags.is_empty() && set.flag(SHOWCASE).is_some() {
        let others = keys.iter().filter(|key| **key != SHOWCASE);
        let others: Vec<&str> = others.copied().collect();
        note(format_args!(
            "explaining {SHOWCASE}; there are also {}",
            others.join(", ")
        ));
        keys = vec![SHOWCASE];
    }
    let mut failed = false;
    let mut first = true;
    for context in args.contexts.contexts(&selected)? {
        let context = context?;
        for key in &keys {
            let explanation = set.explain(key, &context.context, now);
            failed |= explanation.reason == Reason::Error;
            let asked = Asked {
                explanation: &explanation,
                number: context.number,
                targeting_key: context.context.targeting_key(),
                at: now.to_rfc3339(),
                revision: set.revision(),
            };
            if args.json {
                write_line(&mut io::stdout().lock(), &json::line(&asked))?;
            } else {
                let mut out = anstream::stdout().lock();
                if !first {
                    writeln!(out)?;
                }
                text::write(&mut out, &asked)?;
            }
            first = false;
        }
    }
    Ok(ExitCode::from(if failed { exit::FOUND } else { exit::OK }))
}

/// An explanation, and what was asked.
struct Asked<'a> {
    explanation: &'a Explanation,
    /// The context's place in the input, from 1.
    number: u64,
    targeting_key: Option<&'a str>,
    at: String,
    revision: u64,
}
