//! The program `bucketry`: what a person and a CI job need of flag sets. `docs/cli.md` is its manual.

mod answer;
mod assign;
mod clock;
mod completions;
mod context;
#[cfg(feature = "serve")]
mod demo;
mod diff;
mod evaluate;
mod explain;
mod failure;
mod hash_ids;
mod import;
mod lines;
mod locate;
mod output;
mod position;
mod schema;
#[cfg(feature = "serve")]
mod serve;
mod source;
mod style;
mod table;
#[cfg(feature = "serve")]
mod telling;
mod validate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Feature flags and experiments: check flag sets, ask them, and see why they answer as they do
#[derive(Debug, Parser)]
#[command(
    name = "bucketry",
    version,
    styles = style::HELP,
    after_help = "\
Exit code: 0 done and nothing found, 1 found something (problems, differences, errors), 2 trouble.
Without a file, evaluate, explain and import use an example that comes with the program."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Validate(validate::Args),
    Evaluate(evaluate::Args),
    Explain(explain::Args),
    Assign(Box<assign::Args>),
    Diff(diff::Args),
    Import(import::Args),
    #[cfg(feature = "serve")]
    Serve(Box<serve::Args>),
    #[cfg(feature = "serve")]
    Demo(demo::Args),
    Schema(schema::Args),
    Position(position::Args),
    HashIds(hash_ids::Args),
    Completions(completions::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Validate(args) => validate::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Assign(args) => assign::run(&args),
        Command::Diff(args) => diff::run(args),
        Command::Import(args) => import::run(args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(*args),
        #[cfg(feature = "serve")]
        Command::Demo(args) => demo::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Position(args) => position::run(args),
        Command::HashIds(args) => hash_ids::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    done.unwrap_or_else(failure::Failure::report)
}
