//! Exposures on disk until they are delivered, so that the next process has them when this one is killed.
//!
//! A spool is a folder that any number of processes may share. Each has a lock file there, held as long as it lives, and *segments*:
//! texts of core's spool format with the batches that were new at one moment. A segment is written once, under another name and then
//! renamed, and removed when all of its batches are settled. A process that finds a lock which nobody holds takes the segments over
//! by renaming them; who renames first has them.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bucketry_core::{BatchId, read_spool, write_spool};
use fs4::{FileExt, TryLockError};
use tracing::{debug, info, warn};

use crate::random;

const LOCK: &str = ".lock";
const SEGMENT: &str = ".spool";
/// Ends the name of a segment that cannot be read: it is kept, for a person to look at.
const DAMAGED: &str = "damaged";
/// Most bytes of a segment, but for one batch that is larger.
const SEGMENT_BYTES: usize = 4 << 20;

/// Where and how exposures are kept on disk until they are delivered.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    pub(crate) folder: PathBuf,
    pub(crate) interval: Duration,
    pub(crate) max_bytes: u64,
}

impl SpoolOptions {
    /// In `folder`, which is made when it is not there. Any number of processes may share it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            interval: Duration::from_secs(2),
            max_bytes: 256 << 20,
        }
    }

    /// How often what is new is written: a process that is killed loses what it recorded since. What was queued is put into batches
    /// for it, so batches leave at least as often. At least 10 ms; default: 2 s.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(10));
        self
    }

    /// Most bytes that this process keeps there; beyond it, newer exposures are kept in memory only. Default: 256 MiB.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }
}

impl<P: Into<PathBuf>> From<P> for SpoolOptions {
    fn from(folder: P) -> Self {
        Self::new(folder)
    }
}

/// A batch and its text.
pub(crate) type Stored = (BatchId, Vec<u8>);

/// The part of a spool's folder that is this process's.
pub(crate) struct Spool {
    folder: PathBuf,
    /// The beginning of the names of its files.
    name: String,
    /// Held locked: who gets the lock knows that the process is gone.
    _lock: File,
    next: u64,
    segments: Vec<Segment>,
    max_bytes: u64,
    /// Whether it was said that there is no room.
    full: bool,
}

/// A file of batches.
struct Segment {
    path: PathBuf,
    bytes: u64,
    batches: Vec<BatchId>,
    /// Taken over, and not restored into a log yet: how many of `batches`, from the end.
    waiting: usize,
}

impl Spool {
    /// Takes a place in the folder, which is made when it is not there.
    pub(crate) fn open(options: &SpoolOptions) -> io::Result<Self> {
        let folder = options.folder.as_path();
        fs::create_dir_all(folder)?;
        let (name, lock) = loop {
            let name = random::hex(&random::bytes::<8>());
            let path = folder.join(format!("{name}{LOCK}"));
            let lock = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)?;
            match FileExt::try_lock(&lock) {
                // Whoever takes over what is left may have locked and removed it between the two calls.
                Ok(()) if path.try_exists()? => break (name, lock),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        };
        Ok(Self {
            folder: folder.to_owned(),
            name,
            _lock: lock,
            next: 0,
            segments: Vec::new(),
            max_bytes: options.max_bytes,
            full: false,
        })
    }

    /// The batches that are in it.
    pub(crate) fn holds(&self) -> HashSet<BatchId> {
        let batches = self.segments.iter().flat_map(|segment| &segment.batches);
        batches.copied().collect()
    }

    /// Writes files anew of which a part is settled, so that they take less room, and the next process is not given what was
    /// delivered.
    pub(crate) fn compact(&mut self, pending: &HashSet<BatchId>) -> io::Result<()> {
        let mut failed = Ok(());
        for mut segment in std::mem::take(&mut self.segments) {
            if let Err(error) = self.compact_one(&mut segment, pending) {
                failed = Err(error);
            }
            if !segment.batches.is_empty() {
                self.segments.push(segment);
            }
        }
        failed
    }

    fn compact_one(&mut self, segment: &mut Segment, pending: &HashSet<BatchId>) -> io::Result<()> {
        let restored = segment.batches.len().saturating_sub(segment.waiting);
        let needed: Vec<bool> = segment
            .batches
            .iter()
            .enumerate()
            .map(|(place, id)| place >= restored || pending.contains(id))
            .collect();
        if needed.iter().all(|needed| *needed) {
            return Ok(());
        }
        let text = fs::read(&segment.path)?;
        let batches = read_spool(&text).map_err(io::Error::other)?;
        let kept: Vec<_> = batches
            .iter()
            .zip(needed)
            .filter(|(_, needed)| *needed)
            .map(|((id, body), _)| (*id, body.as_slice()))
            .collect();
        if !kept.is_empty() {
            self.write(&write_spool(&kept), &kept)?;
            if let Some(written) = self.segments.last_mut() {
                written.waiting = segment.waiting;
            }
        }
        segment.batches.clear();
        fs::remove_file(&segment.path)
    }

    /// Writes batches that it does not hold, and removes what is settled: everything but `pending` and what waits to be restored.
    /// How many batches found no room.
    pub(crate) fn save(&mut self, new: &[Stored], pending: &HashSet<BatchId>) -> io::Result<usize> {
        if self.bytes() > self.max_bytes / 2 {
            self.compact(pending)?;
        }
        let mut from = 0;
        let mut written = Ok(0);
        while let Some(rest) = new.get(from..).filter(|rest| !rest.is_empty()) {
            let mut bytes = 0;
            let fits = |(_, body): &&Stored| {
                bytes += body.len();
                bytes <= SEGMENT_BYTES
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let Some(part) = rest.get(..count) else { break };
            let part: Vec<_> = part
                .iter()
                .map(|(id, body)| (*id, body.as_slice()))
                .collect();
            let text = write_spool(&part);
            if self.bytes() + text.len() as u64 > self.max_bytes {
                written = Ok(rest.len());
                break;
            }
            if let Err(error) = self.write(&text, &part) {
                written = Err(error);
                break;
            }
            from += count;
        }
        // What is settled goes in any case: it makes room.
        let settled = self.remove_settled(pending);
        let left = written?;
        settled?;
        if left > 0 && !self.full {
            let folder = self.folder.display();
            warn!(target: "bucketry", "the spool `{folder}` is full: newer exposures are kept in memory only");
        }
        self.full = left > 0;
        Ok(left)
    }

    fn write(&mut self, text: &[u8], batches: &[(BatchId, &[u8])]) -> io::Result<()> {
        let path = self.segment_path();
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        let written = file.write_all(text).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| fs::rename(&new, &path)) {
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        sync_folder(&self.folder)?;
        self.segments.push(Segment {
            path,
            bytes: text.len() as u64,
            batches: batches.iter().map(|(id, _)| *id).collect(),
            waiting: 0,
        });
        Ok(())
    }

    fn segment_path(&mut self) -> PathBuf {
        let number = self.next;
        self.next += 1;
        let name = format!("{}-{number:08}{SEGMENT}", self.name);
        self.folder.join(name)
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn remove_settled(&mut self, pending: &HashSet<BatchId>) -> io::Result<()> {
        let is_needed = |segment: &Segment| {
            segment.waiting > 0 || segment.batches.iter().any(|id| pending.contains(id))
        };
        let mut removed = Ok(());
        self.segments.retain(|segment| {
            if is_needed(segment) {
                return true;
            }
            match fs::remove_file(&segment.path) {
                Ok(()) => false,
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                // Tried again with the next.
                Err(error) => {
                    removed = Err(error);
                    true
                }
            }
        });
        removed
    }

    /// Takes over the segments of processes that are gone. How many.
    pub(crate) fn adopt(&mut self) -> io::Result<usize> {
        let mut adopted = 0;
        for path in self.files(LOCK)? {
            let Some(name) = stem(&path, LOCK).filter(|name| *name != self.name) else {
                continue;
            };
            let lock = match OpenOptions::new().write(true).open(&path) {
                Ok(lock) => lock,
                // Another process was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match FileExt::try_lock(&lock) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let begin = format!("{name}-");
            for segment in self.files(SEGMENT)? {
                if stem(&segment, SEGMENT).is_some_and(|stem| stem.starts_with(&begin)) {
                    adopted += usize::from(self.take_over(&segment)?);
                }
            }
            remove_unfinished(&self.folder, &begin);
            fs::remove_file(&path)?;
        }
        if adopted > 0 {
            info!(target: "bucketry", "took over {adopted} spool files of processes that ended");
        }
        Ok(adopted)
    }

    fn take_over(&mut self, segment: &Path) -> io::Result<bool> {
        let path = self.segment_path();
        match fs::rename(segment, &path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        let text = fs::read(&path)?;
        match read_spool(&text) {
            Ok(batches) => self.segments.push(Segment {
                path,
                bytes: text.len() as u64,
                waiting: batches.len(),
                batches: batches.into_iter().map(|(id, _)| id).collect(),
            }),
            Err(error) => {
                let kept = path.with_extension(DAMAGED);
                fs::rename(&path, &kept)?;
                let kept = kept.display();
                warn!(target: "bucketry", "a spool file cannot be read, and is kept as `{kept}`: {error}");
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The batches of the next segment that was taken over and is not restored as a whole, those that are not.
    pub(crate) fn waiting(&self) -> io::Result<Option<Vec<Stored>>> {
        let Some(segment) = self.segments.iter().find(|segment| segment.waiting > 0) else {
            return Ok(None);
        };
        let text = fs::read(&segment.path)?;
        let batches = read_spool(&text).map_err(io::Error::other)?;
        let done = batches.len().saturating_sub(segment.waiting);
        Ok(Some(batches.into_iter().skip(done).collect()))
    }

    /// Notes that the first so many of [`waiting`](Self::waiting) are in a log.
    pub(crate) fn restored(&mut self, batches: usize) {
        let mut segments = self.segments.iter_mut();
        if let Some(segment) = segments.find(|segment| segment.waiting > 0) {
            segment.waiting = segment.waiting.saturating_sub(batches);
        }
    }

    /// Gives up a segment that cannot be read any more.
    pub(crate) fn forget_waiting(&mut self) {
        self.restored(usize::MAX);
    }

    /// Ends this process's part. What it holds is for others to take over; when that is nothing, nothing stays.
    pub(crate) fn close(self) {
        if self.segments.is_empty() {
            let path = self.folder.join(format!("{}{LOCK}", self.name));
            if let Err(error) = fs::remove_file(path) {
                debug!(target: "bucketry", "the lock of an empty spool stays: {error}");
            }
        }
    }

    fn files(&self, end: &str) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if stem(&path, end).is_some() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Removes what a process that is gone did not finish writing.
fn remove_unfinished(folder: &Path, begin: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if stem(&entry.path(), ".new").is_some_and(|stem| stem.starts_with(begin)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The name of a file without its end, if it has that end.
fn stem<'a>(path: &'a Path, end: &str) -> Option<&'a str> {
    path.file_name().and_then(OsStr::to_str)?.strip_suffix(end)
}

/// Makes names durable that were given or changed in a folder.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows has no such thing, and needs none.
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}
