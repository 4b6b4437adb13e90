//! `diff`: what changed between two flag sets, and who moves.

mod json;
mod text;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use bucketry_core::{Change, FlagSet, Movement, PhaseBreak, UnitComparison, UnitMove, UnixMillis};
use clap::builder::ValueHint;

use crate::assign::UnitArgs;
use crate::clock;
use crate::failure::{Failure, Result, exit};
use crate::output::write_line;
use crate::source::{Document, ImportArgs, is_stdin};

/// What changed between two flag sets, and which share of the units moves between which variants
///
/// The shares are computed from the ranges of positions, case by case where conditions decide; how many units a case
/// has, only a list of them can tell: see --units.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 the same, 1 different, 2 trouble.
With --fail-on-move: 0 no running experiment moves units, 1 one does, 2 trouble.

Examples:
  bucketry diff flags.json flags.new.json
  bucketry diff flags.json flags.new.json --units users.csv
  git show main:flags.json | bucketry diff - flags.json --fail-on-move")]
pub(crate) struct Args {
    /// The flag set as it was, `-` for standard input
    #[arg(value_name = "OLD", value_hint = ValueHint::FilePath)]
    old: PathBuf,
    /// The flag set as it is
    #[arg(value_name = "NEW", value_hint = ValueHint::FilePath)]
    new: PathBuf,
    /// The time that the rules' `from` and `until` see [default: now]
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    at: Option<UnixMillis>,
    /// Only a running experiment that would move units it has assigned counts for the exit code
    #[arg(long)]
    fail_on_move: bool,
    /// One line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    units: UnitArgs,
    #[command(flatten)]
    import: ImportArgs,
}

/// All that differs.
struct Differences {
    old: Side,
    new: Side,
    changes: Vec<Change>,
    movements: Vec<Movement>,
    phase_breaks: Vec<PhaseBreak>,
    counted: Option<Counted>,
}

/// What is compared.
struct Side {
    name: String,
    revision: u64,
}

/// Who moves, of a list of units.
struct Counted {
    units: u64,
    moves: Vec<UnitMove>,
}

pub(crate) fn run(args: Args) -> Result {
    let inputs = [Some(&args.old), Some(&args.new), args.units.units.as_ref()];
    let from_stdin = inputs.iter().flatten().filter(|path| is_stdin(path));
    if from_stdin.count() > 1 {
        return Err(Failure::new("only one file can come from standard input"));
    }
    let load = |path| -> Result<(Side, FlagSet)> {
        let document = Document::read(path)?;
        let set = args.import.flag_set(&document)?;
        let side = Side {
            name: document.name,
            revision: set.revision(),
        };
        Ok((side, set))
    };
    let ((old, before), (new, after)) = (load(&args.old)?, load(&args.new)?);
    let now = args.at.unwrap_or_else(clock::now);
    let differences = Differences {
        old,
        new,
        changes: before.diff(&after),
        movements: before.movements(&after, now),
        phase_breaks: before.phase_breaks(&after),
        counted: match args.units.units {
            Some(_) => Some(count(&args.units, &before, &after, now)?),
            None => None,
        },
    };
    if args.json {
        write_line(&mut io::stdout().lock(), &json::differences(&differences))?;
    } else {
        text::write(&mut anstream::stdout().lock(), &differences)?;
    }
    let found = match args.fail_on_move {
        true => !differences.phase_breaks.is_empty(),
        false => !differences.is_empty(),
    };
    Ok(ExitCode::from(if found { exit::FOUND } else { exit::OK }))
}

fn count(args: &UnitArgs, old: &FlagSet, new: &FlagSet, now: UnixMillis) -> Result<Counted> {
    let mut comparison = UnitComparison::new(old, new, now);
    args.read(&[old, new], |context| comparison.add(context))?;
    Ok(Counted {
        units: comparison.units(),
        moves: comparison.moves(),
    })
}

impl Differences {
    fn is_empty(&self) -> bool {
        // A flag may be changed by what it uses alone: nothing of its own differs then, but somebody moves.
        self.changes.is_empty() && self.movements.is_empty()
    }
}
