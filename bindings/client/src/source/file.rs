//! A flag set in a file, watched.
//!
//! Watching is looking at the file's metadata once a second. Notifications of the operating system are quicker and miss
//! what matters here: a Kubernetes config map replaces a symbolic link two levels up, an NFS server tells nobody, and an
//! editor writes another file and renames it. Looking sees all of them.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Changes, Fetched, Request, Source, SourceError, SourceFuture};

/// How often the metadata is looked at: a system call of a microsecond.
const LOOK: Duration = Duration::from_secs(1);

/// A file that changes while it is read is read again, so often.
const READS: usize = 3;

pub(crate) struct FileSource {
    path: PathBuf,
    name: String,
}

impl FileSource {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            name: path.display().to_string(),
        }
    }

    /// The content, of one moment as far as the metadata can tell.
    fn read(&self, max_bytes: usize) -> io::Result<Vec<u8>> {
        let mut last = Vec::new();
        for _ in 0..READS {
            let before = Look::at(&self.path)?;
            last.clear();
            // One byte more shows that it is too large.
            let limit = u64::try_from(max_bytes)
                .unwrap_or(u64::MAX)
                .saturating_add(1);
            fs::File::open(&self.path)?
                .take(limit)
                .read_to_end(&mut last)?;
            if Look::at(&self.path)? == before {
                break;
            }
        }
        Ok(last)
    }

    /// The signatures beside the document: the same name and `.sig`.
    fn signature(&self) -> io::Result<Option<String>> {
        let mut path = self.path.clone().into_os_string();
        path.push(".sig");
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch<'a>(&'a self, request: &'a Request) -> SourceFuture<'a, Result<Fetched, SourceError>> {
        Box::pin(async move {
            let signature = self.signature().map_err(SourceError::new)?;
            match self.read(request.max_bytes) {
                Ok(body) => {
                    let mut fetched = Fetched::document(body);
                    fetched.signature = signature;
                    Ok(fetched)
                }
                Err(error) => Err(SourceError::new(error)),
            }
        })
    }

    fn watch<'a>(&'a self, changes: Changes) -> SourceFuture<'a, ()> {
        Box::pin(async move {
            let mut seen = Look::at(&self.path).ok();
            loop {
                tokio::time::sleep(LOOK).await;
                let now = Look::at(&self.path).ok();
                if now != seen {
                    seen = now;
                    changes.notify();
                }
            }
        })
    }
}

/// What the metadata of a file says about its content.
#[derive(Debug, Eq, PartialEq)]
struct Look {
    length: u64,
    modified: Option<SystemTime>,
    /// Device and inode: another file of the same name.
    identity: (u64, u64),
}

impl Look {
    /// Symbolic links are followed, so that a link that points elsewhere is another file.
    fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            identity: identity(&metadata),
        })
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}
