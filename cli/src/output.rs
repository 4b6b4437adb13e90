//! How answers are written.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Result;

/// For a person or for a program.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// NDJSON, also on a terminal
    #[arg(long, conflicts_with = "text")]
    json: bool,
    /// A table, also in a pipe
    #[arg(long)]
    text: bool,
}

impl OutputArgs {
    /// Whether a person reads.
    pub(crate) fn is_text(self) -> bool {
        self.text || !self.json && io::stdout().is_terminal()
    }
}

/// Writes a value as JSON on a line of its own.
pub(crate) fn write_line(out: &mut impl Write, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}
