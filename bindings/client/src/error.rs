//! Why a client could not be built.

use bucketry_core::{ConfigError, LoadError};

/// Why a client could not be built. What the network or a disk does later is no error of building: see
/// [`Client::state`](crate::Client::state).
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// No source was named.
    NoSource,
    /// A setting is outside its range.
    Setting(ConfigError),
    /// An address is none that this build can ask.
    Url {
        /// The address as it was given, without what may be secret in it.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header cannot be sent.
    Header {
        /// Its name.
        name: String,
    },
    /// A key or a certificate cannot be read.
    Key {
        /// Its id, or what it is.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client could not be made.
    Http(String),
    /// The inline document is no flag set.
    Inline(LoadError),
    /// The inline document is none of the format to import.
    Import(String),
    /// An override is of an object that is no JSON.
    Override {
        /// The flag.
        flag: String,
    },
    /// The thread could not be started.
    Thread(std::io::Error),
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSource => f.write_str(
                "a client needs a source: name one with `url`, `file`, `inline` or `source`",
            ),
            Self::Setting(error) => error.fmt(f),
            Self::Url { url, reason } => write!(f, "`{url}` cannot be asked: {reason}"),
            Self::Header { name } => write!(f, "header `{name}` holds bytes that no header may"),
            Self::Key { id, reason } => write!(f, "`{id}` cannot be used: {reason}"),
            Self::Http(reason) => write!(f, "the HTTP client could not be made: {reason}"),
            Self::Inline(error) => write!(f, "the inline document: {error}"),
            Self::Import(reason) => write!(f, "the inline document cannot be imported: {reason}"),
            Self::Override { flag } => {
                write!(f, "the override of `{flag}` is an object that is no JSON")
            }
            Self::Thread(error) => write!(f, "the thread `bucketry` could not be started: {error}"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Setting(error) => Some(error),
            Self::Inline(error) => Some(error),
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        Self::Setting(error)
    }
}
