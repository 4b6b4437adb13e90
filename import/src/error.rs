//! Why a document cannot be imported at all.

use alloc::string::String;
use core::fmt;

use bucketry_core::{LoadError, SyntaxError};

use crate::format::{Dialect, Format};
use crate::source::Problem;

/// Why a document cannot be imported at all.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ImportError {
    /// The text is no JSON, or over a limit of size or depth.
    Syntax(SyntaxError),
    /// The document is JSON, but not of the format.
    Structure {
        /// JSON pointer (RFC 6901) to the place; empty for the whole document.
        pointer: String,
        /// What is wrong there.
        reason: String,
    },
    /// The format has no such dialect.
    Dialect {
        /// The format asked for.
        format: Format,
        /// The dialect asked for.
        dialect: Dialect,
    },
    /// What it became is more than a flag set may hold.
    FlagSet(LoadError),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "document is not valid JSON: {error}"),
            Self::Structure { pointer, reason } if pointer.is_empty() => {
                write!(f, "document {reason}")
            }
            Self::Structure { pointer, reason } => write!(f, "document: {pointer} {reason}"),
            Self::Dialect { format, dialect } => {
                write!(f, "format `{format}` has no dialect `{dialect}`")
            }
            Self::FlagSet(error) => write!(f, "document does not fit into a flag set: {error}"),
        }
    }
}

impl core::error::Error for ImportError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Syntax(error) => Some(error),
            Self::FlagSet(error) => Some(error),
            Self::Structure { .. } | Self::Dialect { .. } => None,
        }
    }
}

/// A problem with the frame of the document rather than with one flag.
impl From<Problem> for ImportError {
    fn from(problem: Problem) -> Self {
        Self::Structure {
            pointer: problem.pointer,
            reason: problem.reason,
        }
    }
}
