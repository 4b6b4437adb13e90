//! The last good flag set on disk, for a process that starts while no source answers.
//!
//! One file a client: a few lines of text that end with an empty one, then the document as its source gave it. Everything is
//! covered by a checksum; a file that was cut, changed or written by another version is not used. It is written beside and
//! renamed, so a reader sees the old or the new one, and a process that is killed leaves either.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bucketry_core::{UnixMillis, xxh64};

use crate::random;
use crate::source::Fetched;

/// What a file begins with: the kind, and the version of the form.
const HEAD: &str = "bucketry-flag-set 1";

/// The lines before the document are shorter: names, a tag, signatures.
const MAX_HEAD: usize = 64 << 10;

/// What is kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Entry {
    /// The name of the source.
    pub(crate) source: String,
    pub(crate) etag: Option<String>,
    /// The text of the signatures, to be checked again when it is read.
    pub(crate) signature: Option<String>,
    /// The format that the document is to be imported from; absent for a flag set.
    pub(crate) format: Option<String>,
    /// When the source last said that it is the newest.
    pub(crate) confirmed_at: UnixMillis,
    pub(crate) document: Vec<u8>,
}

impl Entry {
    /// As if the source had given it now.
    pub(crate) fn fetched(&self) -> Fetched {
        Fetched {
            signature: self.signature.clone(),
            ..Fetched::document(self.document.clone())
        }
    }
}

/// Why there is nothing to begin with.
#[derive(Debug)]
pub(crate) enum CacheError {
    Io(io::Error),
    /// Not a file of ours, or not of this version, or not whole.
    Damaged(&'static str),
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Damaged(how) => f.write_str(how),
        }
    }
}

impl From<io::Error> for CacheError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A file that holds the last good flag set.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    path: PathBuf,
}

impl Cache {
    /// Clients of other sources have other files in the same directory.
    pub(crate) fn new(directory: &Path, sources: &str) -> Self {
        let name = format!("flag-set-{:016x}.cache", xxh64(sources.as_bytes(), 0));
        Self {
            directory: directory.to_owned(),
            path: directory.join(name),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is there; none if there is no file.
    pub(crate) fn read(&self, max_bytes: usize) -> Result<Option<Entry>, CacheError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let limit = max_bytes.saturating_add(MAX_HEAD);
        let mut bytes = Vec::new();
        file.take(u64::try_from(limit).unwrap_or(u64::MAX))
            .read_to_end(&mut bytes)?;
        parse(&bytes).map(Some)
    }

    /// Replaces what is there, for good: what this returns for is on the disk.
    pub(crate) fn write(&self, entry: &Entry) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let unique = random::hex(&random::bytes::<8>());
        let beside = self.path.with_extension(format!("{unique}.tmp"));
        let written = self.write_beside(&beside, entry);
        if written.is_err() {
            // A full disk is not helped by half a file.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    fn write_beside(&self, beside: &Path, entry: &Entry) -> io::Result<()> {
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(beside)?;
        file.write_all(&render(entry))?;
        file.sync_all()?;
        drop(file);
        fs::rename(beside, &self.path)?;
        // The new name is on the disk when its directory is.
        #[cfg(unix)]
        File::open(&self.directory)?.sync_all()?;
        Ok(())
    }
}

fn render(entry: &Entry) -> Vec<u8> {
    // A line is a line: what a server put into a header must not begin another.
    let one_line = |text: &str| text.replace(['\n', '\r'], " ");
    let mut head = format!("{HEAD}\nsource: {}\n", one_line(&entry.source));
    let optional = [
        ("etag", &entry.etag),
        ("signature", &entry.signature),
        ("format", &entry.format),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            head.push_str(&format!("{name}: {}\n", one_line(value)));
        }
    }
    head.push_str(&format!("confirmed: {}\n", entry.confirmed_at.0));
    head.push_str(&format!("bytes: {}\n", entry.document.len()));
    let sum = checksum(head.as_bytes(), &entry.document);
    head.push_str(&format!("xxh64: {sum:016x}\n\n"));
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&entry.document);
    bytes
}

/// Of the lines before this one, and the document.
fn checksum(head: &[u8], document: &[u8]) -> u64 {
    xxh64(document, xxh64(head, 0))
}

fn parse(bytes: &[u8]) -> Result<Entry, CacheError> {
    const CUT: CacheError = CacheError::Damaged("it is not whole");
    let mut entry = Entry::default();
    let mut rest = bytes;
    let mut length = None;
    let mut confirmed = None;
    let mut first = true;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(CUT)?;
        let (line, after) = rest.split_at_checked(end).ok_or(CUT)?;
        let read = bytes.len() - rest.len();
        rest = after.get(1..).ok_or(CUT)?;
        let line = str::from_utf8(line).map_err(|_| CacheError::Damaged("it is no text"))?;
        if std::mem::take(&mut first) {
            if line != HEAD {
                return Err(CacheError::Damaged("another version wrote it"));
            }
            continue;
        }
        let (name, value) = line.split_once(": ").ok_or(CUT)?;
        match name {
            "source" => entry.source = value.to_owned(),
            "etag" => entry.etag = Some(value.to_owned()),
            "signature" => entry.signature = Some(value.to_owned()),
            "format" => entry.format = Some(value.to_owned()),
            "confirmed" => confirmed = value.parse().ok(),
            "bytes" => length = value.parse::<usize>().ok(),
            "xxh64" => {
                let document = rest.strip_prefix(b"\n").ok_or(CUT)?;
                let head = bytes.get(..read).ok_or(CUT)?;
                if length != Some(document.len()) {
                    return Err(CUT);
                }
                if u64::from_str_radix(value, 16) != Ok(checksum(head, document)) {
                    return Err(CacheError::Damaged("its checksum is wrong"));
                }
                entry.confirmed_at = UnixMillis(confirmed.ok_or(CUT)?);
                entry.document = document.to_vec();
                return Ok(entry);
            }
            _ => return Err(CacheError::Damaged("another version wrote it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            source: "https://h.example/flags.json".into(),
            etag: Some("\"7\"".into()),
            signature: None,
            format: None,
            confirmed_at: UnixMillis(1_795_464_000_000),
            document: br#"{ "format": 1, "flags": {} }"#.to_vec(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for entry in [
            entry(),
            Entry {
                signature: Some("keyId=a; ed25519=AA==".into()),
                format: Some("ufc".into()),
                document: b"\n\n".to_vec(),
                ..entry()
            },
            Entry::default(),
        ] {
            assert_eq!(parse(&render(&entry)).unwrap(), entry);
        }
    }

    #[test]
    fn a_header_of_a_server_cannot_begin_a_line() {
        let entry = Entry {
            etag: Some("x\nconfirmed: 0".into()),
            ..entry()
        };
        let read = parse(&render(&entry)).unwrap();
        assert_eq!(read.etag.as_deref(), Some("x confirmed: 0"));
        assert_eq!(read.confirmed_at, entry.confirmed_at);
    }

    #[test]
    fn a_file_cut_or_changed_anywhere_is_not_used() {
        let whole = render(&entry());
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut]).is_err(), "cut at {cut}");
            let mut changed = whole.clone();
            changed[cut] ^= 1;
            assert!(parse(&changed).is_err(), "changed at {cut}");
        }
        let mut longer = whole;
        longer.push(b' ');
        assert!(parse(&longer).is_err());
    }
}
