//! Why a command could not do its work, and the exit codes of all of them.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::style::{BAD, HEADING};

/// Exit codes, the same for every command. `docs/cli.md` lists what each command finds.
pub(crate) mod exit {
    /// The command did its work and found nothing.
    pub(crate) const OK: u8 = 0;
    /// The command did its work and found what it looks for: problems, differences, errors.
    pub(crate) const FOUND: u8 = 1;
    /// The command could not do its work: wrong arguments, an unreadable file, no flag set.
    pub(crate) const TROUBLE: u8 = 2;
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be told to the user: what went wrong, and what to do about it.
    Told {
        message: String,
        help: Option<String>,
    },
    /// Whoever reads the output has read enough, like `head`. Nothing to tell.
    OutputClosed,
}

/// What a command gives: an exit code, or why it stopped.
pub(crate) type Result<T = ExitCode> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Told {
            message: message.into(),
            help: None,
        }
    }

    /// With what the user can do about it.
    pub(crate) fn help(self, text: impl Into<String>) -> Self {
        match self {
            Self::Told { message, .. } => Self::Told {
                message,
                help: Some(text.into()),
            },
            Self::OutputClosed => self,
        }
    }

    /// A file that could not be read or written; `what` is "read" or "write".
    pub(crate) fn file(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(format!("cannot {what} `{}`: {error}", path.display()))
    }

    /// What went wrong.
    #[cfg_attr(
        not(feature = "serve"),
        allow(dead_code, reason = "only `serve` goes on after a failure")
    )]
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Told { message, .. } => message,
            Self::OutputClosed => "the output is closed",
        }
    }

    /// Tells the user, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let Self::Told { message, help } = self else {
            return ExitCode::from(exit::OK);
        };
        let mut stderr = anstream::stderr().lock();
        // Where stderr is closed too there is nobody left to tell.
        let _ = writeln!(stderr, "{BAD}error{BAD:#}: {message}");
        if let Some(help) = help {
            let _ = writeln!(stderr, "{HEADING}help{HEADING:#}: {help}");
        }
        ExitCode::from(exit::TROUBLE)
    }
}

impl From<io::Error> for Failure {
    /// Of writing standard output: whoever reads a file says which, see [`Failure::file`].
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::new(format!("cannot write the output: {error}")),
        }
    }
}

/// A line on stderr that is worth knowing and stops nothing.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(
        anstream::stderr().lock(),
        "{HEADING}note{HEADING:#}: {text}"
    );
}

/// A line on stderr that is likely a mistake and stops nothing.
pub(crate) fn warning(text: impl Display) {
    use crate::style::WARN;
    let _ = writeln!(anstream::stderr().lock(), "{WARN}warning{WARN:#}: {text}");
}
