//! What is wrong with a flag set document, and where.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::json::SyntaxError;

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Severity {
    /// Something answers `PARSE_ERROR`; strict loading refuses the document.
    Error,
    /// Likely a mistake, without effect.
    Warning,
}

/// One thing wrong in a document.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// JSON pointer (RFC 6901) to the place; empty for the whole document.
    pub pointer: String,
    /// The number of what is wrong, which stays the same however the message is worded: `docs/diagnostics.md` lists them.
    pub code: u8,
    /// What is wrong, for a person. A build without the feature `messages` says `problem`, the code, and no more.
    pub message: String,
    /// The flag that answers `PARSE_ERROR` because of it, if it is one flag.
    pub flag: Option<String>,
}

impl Diagnostic {
    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.pointer.capacity()
            + self.message.capacity()
            + self.flag.as_ref().map_or(0, String::capacity)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        write!(f, "{severity} at {place}: {}", self.message)
    }
}

/// Why a document cannot be used at all.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LoadError {
    /// The text is no JSON, or over a limit of size or depth.
    Syntax(SyntaxError),
    /// The document is JSON but no flag set.
    Document(Diagnostic),
    /// Strict loading found errors. Holds every diagnostic, warnings too.
    Refused(Vec<Diagnostic>),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "flag set is not valid JSON: {error}"),
            Self::Document(diagnostic) => write!(f, "not a flag set: {diagnostic}"),
            Self::Refused(diagnostics) => {
                f.write_str("flag set refused")?;
                for diagnostic in diagnostics {
                    write!(f, "\n{diagnostic}")?;
                }
                Ok(())
            }
        }
    }
}

impl core::error::Error for LoadError {}
