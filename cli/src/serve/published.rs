//! The flag set that is served, and where it came from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use axum::http::HeaderValue;
use bucketry_core::{FlagSet, UnixMillis};
use sha2::{Digest, Sha256};

use crate::clock;
use crate::failure::{Failure, Result};
use crate::source::{Document, ImportArgs, is_stdin};

/// Longest signature header that is passed on, in bytes: several keys' signatures, each below 200.
const MAX_SIGNATURE_BYTES: u64 = 4 << 10;

/// A flag set and what a client is told about it.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) set: FlagSet,
    /// The document as clients get it: ours, translated if it was another service's.
    pub(super) bytes: Bytes,
    /// A digest of `bytes`, in quotes.
    pub(super) etag: HeaderValue,
    /// What stands in the file beside the flag set, for the header `Bucketry-Signature`.
    pub(super) signature: Option<HeaderValue>,
    /// What is worth telling about the document.
    pub(super) warnings: Vec<String>,
    pub(super) loaded_at: UnixMillis,
}

/// Where flag sets come from, and how they are read.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// None for the example.
    pub(super) path: Option<PathBuf>,
    pub(super) import: ImportArgs,
    /// Whether a set that has flags in error is refused as a whole.
    pub(super) strict: bool,
}

impl Origin {
    /// The file that may change, if there is one.
    pub(super) fn file(&self) -> Option<&Path> {
        self.path.as_deref().filter(|path| !is_stdin(path))
    }

    /// The file beside the flag set that holds its signatures.
    pub(super) fn signature_file(&self) -> Option<PathBuf> {
        let mut name = self.file()?.as_os_str().to_owned();
        name.push(".sig");
        Some(name.into())
    }

    /// Reads the document.
    pub(super) fn read(&self) -> Result<Document> {
        self.import.document(self.path.as_deref())
    }

    /// What clients would be given.
    pub(super) fn publish(&self, document: &Document) -> Result<Published> {
        let compiled = self.import.compile(document)?;
        if let Some(warning) = compiled.warnings.first().filter(|_| self.strict) {
            return Err(Failure::new(warning.clone()).help("leave out --strict to serve the rest"));
        }
        let bytes = match compiled.translated {
            Some(text) => Bytes::from(text),
            None => Bytes::copy_from_slice(&document.bytes),
        };
        Ok(Published {
            set: compiled.set,
            etag: etag(&bytes),
            bytes,
            signature: self.signature()?,
            warnings: compiled.warnings,
            loaded_at: clock::now(),
        })
    }

    fn signature(&self) -> Result<Option<HeaderValue>> {
        use std::io::Read;
        let Some(path) = self.signature_file() else {
            return Ok(None);
        };
        let mut text = String::new();
        let read = fs::File::open(&path)
            .and_then(|file| file.take(MAX_SIGNATURE_BYTES).read_to_string(&mut text));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file("read", &path, &error)),
            Ok(_) => {}
        }
        // Signatures on lines of their own are one list in the header.
        let lines = text.lines().map(|line| line.trim().trim_end_matches(','));
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        let value = HeaderValue::from_str(&lines.join(", "));
        value.map(Some).map_err(|_| {
            Failure::new(format!(
                "`{}` has characters that no header may have",
                path.display()
            ))
        })
    }
}

/// A strong validator: the first 128 bits of the SHA-256 of what it stands for.
pub(super) fn etag(bytes: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(bytes);
    let hex: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    HeaderValue::try_from(format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}
