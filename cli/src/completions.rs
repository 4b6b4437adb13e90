//! `completions`: completion scripts for shells.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::failure::Result;

/// A completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bucketry completions bash > ~/.local/share/bash-completion/completions/bucketry
  bucketry completions zsh > ~/.zfunc/_bucketry
  bucketry completions fish > ~/.config/fish/completions/bucketry.fish")]
pub(crate) struct Args {
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result {
    // Into memory first: the generator panics when its output is closed.
    let mut script = Vec::new();
    let mut command = crate::Cli::command();
    clap_complete::generate(args.shell, &mut command, "bucketry", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
