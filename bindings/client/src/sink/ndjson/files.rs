//! The files themselves: one that grows, those that are sealed, and those that a crash left open.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bucketry_core::{BatchId, UnixMillis};
use fs4::{FileExt, TryLockError};
use tracing::{debug, info, warn};

use super::summary::{Summary, is_whole};
use crate::random;
use crate::spool::sync_folder;

/// When what is written is made durable, so that it outlives the machine's power.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Durability {
    /// Before a batch counts as delivered. The default.
    #[default]
    Batch,
    /// When a file is sealed. A process that is killed loses nothing by it; a machine that loses power can lose what was
    /// delivered since.
    File,
}

/// How a folder of record files is kept.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) folder: PathBuf,
    pub(super) max_file_bytes: u64,
    pub(super) max_file_age: Duration,
    pub(super) max_folder_bytes: Option<u64>,
    pub(super) durability: Durability,
}

/// How the name of every file begins.
const PREFIX: &str = "exposures-";
const SEALED: &str = ".ndjson";
/// Ends the name of a file that is written to, or that a crash left so.
const OPEN: &str = ".ndjson.open";
const MANIFEST: &str = ".manifest.json";

/// The files of one process in a folder that several may share.
pub(super) struct Files {
    settings: Settings,
    /// In the names, so that no two processes make the same.
    writer: String,
    /// Of the next file.
    number: u64,
    growing: Option<Growing>,
    /// Files that could not be written to any more.
    left: Vec<PathBuf>,
    /// Batches written last, so that one which comes again although it was written is not written twice.
    recent: Vec<BatchId>,
}

struct Growing {
    number: u64,
    /// The name that it will have.
    name: String,
    path: PathBuf,
    /// Locked as long as it is open: who gets the lock knows that its writer is gone.
    file: File,
    began: UnixMillis,
    summary: Summary,
}

/// How many batches are recognised when they come again.
const RECENT: usize = 64;

impl Files {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            writer: random::hex(&random::bytes::<6>()),
            number: 0,
            growing: None,
            left: Vec::new(),
            recent: Vec::new(),
        }
    }

    /// Makes the folder, and seals what crashes left open in it.
    pub(super) fn start(&self) -> io::Result<()> {
        fs::create_dir_all(&self.settings.folder)?;
        for entry in fs::read_dir(&self.settings.folder)? {
            let path = entry?.path();
            if name(&path, OPEN).is_some()
                && let Err(error) = recover(&self.settings.folder, &path)
            {
                warn!(target: "bucketry", "`{}` was left open and cannot be sealed: {error}", path.display());
            }
        }
        Ok(())
    }

    /// Appends a batch. The number of the file that it made for it, if it did.
    ///
    /// # Errors
    ///
    /// Nothing of the batch counts as written then.
    pub(super) fn append(&mut self, id: BatchId, body: &[u8]) -> io::Result<Option<u64>> {
        if self.recent.contains(&id) {
            return Ok(None);
        }
        let begun = self.append_lines(body, &[id])?;
        if self.recent.len() >= RECENT {
            self.recent.remove(0);
        }
        self.recent.push(id);
        Ok(begun)
    }

    /// Appends whole lines, of which `numbers` says which records they are. The number of the file that it made for them,
    /// if it did.
    ///
    /// # Errors
    ///
    /// None of the lines counts as written then.
    pub(super) fn append_lines(
        &mut self,
        lines: &[u8],
        numbers: &[BatchId],
    ) -> io::Result<Option<u64>> {
        if self.growing.as_ref().is_some_and(Growing::is_gone) {
            warn!(target: "bucketry", "the file that exposures were written to was removed; another is begun");
            self.growing = None;
        }
        let (mut growing, is_new) = match self.growing.take() {
            Some(growing) => (growing, false),
            None => (self.begin()?, true),
        };
        if let Err(error) = growing.file.write_all(lines) {
            // What was written of it goes. A file for which that fails is cut when it is sealed.
            let kept = growing.summary.bytes;
            let cut = growing.file.set_len(kept);
            if cut
                .and_then(|()| growing.file.seek(SeekFrom::Start(kept)))
                .is_ok()
            {
                self.growing = Some(growing);
            } else {
                self.leave(growing);
            }
            return Err(error);
        }
        if self.settings.durability == Durability::Batch
            && let Err(error) = growing.file.sync_data()
        {
            // Nobody knows now what is on the disk, so nothing is added to the file.
            let _ = growing.file.set_len(growing.summary.bytes);
            self.leave(growing);
            return Err(error);
        }
        growing.summary.add_lines(lines, numbers);
        let number = growing.number;
        let is_full = growing.summary.bytes >= self.settings.max_file_bytes;
        self.growing = Some(growing);
        if is_full {
            self.seal_or_say();
        }
        Ok(is_new.then_some(number))
    }

    /// Gives up writing to a file: what it holds is sealed later.
    fn leave(&mut self, growing: Growing) {
        if growing.summary.records == 0 {
            let _ = fs::remove_file(&growing.path);
        } else {
            self.left.push(growing.path);
        }
    }

    /// Seals everything.
    pub(super) fn close(&mut self) {
        self.seal_or_say();
        for path in std::mem::take(&mut self.left) {
            if let Err(error) = recover(&self.settings.folder, &path) {
                say_unsealed(&path, &error);
            }
        }
    }

    /// Seals the file of this number, if it is the one that grows.
    pub(super) fn seal_if(&mut self, number: u64) {
        if self
            .growing
            .as_ref()
            .is_some_and(|growing| growing.number == number)
        {
            self.seal_or_say();
        }
    }

    /// Seals the file of this number, if it is the one that grows, and gives the failure to the caller.
    pub(super) fn seal_number(&mut self, number: u64) -> io::Result<()> {
        match &self.growing {
            Some(growing) if growing.number == number => self.seal(),
            _ => Ok(()),
        }
    }

    /// Seals what grows. A failure is only told: the records are written, and the next start seals the file.
    pub(super) fn seal_or_say(&mut self) {
        let path = self.growing.as_ref().map(|growing| growing.path.clone());
        if let (Err(error), Some(path)) = (self.seal(), path) {
            say_unsealed(&path, &error);
        }
    }

    /// Writes to another file from now on, as if the disk became that.
    #[cfg(test)]
    pub(super) fn swap_file(&mut self, file: File) -> Option<File> {
        let growing = self.growing.as_mut()?;
        Some(std::mem::replace(&mut growing.file, file))
    }

    fn seal(&mut self) -> io::Result<()> {
        let Some(growing) = &self.growing else {
            return Ok(());
        };
        if growing.summary.records == 0 {
            fs::remove_file(&growing.path)?;
            self.growing = None;
            return Ok(());
        }
        growing.file.sync_all()?;
        let folder = &self.settings.folder;
        let manifest = growing
            .summary
            .manifest(&growing.name, growing.began, now(), None);
        finish(folder, &growing.path, &growing.name, &manifest)?;
        debug!(target: "bucketry", "sealed `{}` with {} records", growing.name, growing.summary.records);
        self.growing = None;
        if let Some(most) = self.settings.max_folder_bytes
            && let Err(error) = remove_oldest(folder, most)
        {
            warn!(target: "bucketry", "`{}` cannot be kept below its bound: {error}", folder.display());
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<Growing> {
        let folder = &self.settings.folder;
        // Also when somebody removed it meanwhile.
        fs::create_dir_all(folder)?;
        let began = now();
        let time = began.to_rfc3339();
        let time: String = time
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == 'T')
            .take(15)
            .collect();
        loop {
            let number = self.number;
            self.number += 1;
            let writer = &self.writer;
            let stem = format!("{PREFIX}{time}Z-{writer}-{number:06}");
            let path = folder.join(format!("{stem}{OPEN}"));
            let file = match OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)
            {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            match FileExt::try_lock(&file) {
                Ok(()) => {}
                // Another process takes it for a left one: it finds it empty and removes it.
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
            }
            sync_folder(folder)?;
            return Ok(Growing {
                number,
                name: format!("{stem}{SEALED}"),
                path,
                file,
                began,
                summary: Summary::default(),
            });
        }
    }
}

impl Growing {
    /// Whether somebody removed the file while it was written to.
    fn is_gone(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            self.file
                .metadata()
                .is_ok_and(|metadata| metadata.nlink() == 0)
        }
        #[cfg(not(unix))]
        {
            // An open file cannot be removed there.
            false
        }
    }
}

fn say_unsealed(path: &Path, error: &io::Error) {
    let path = path.display();
    warn!(
        target: "bucketry",
        "`{path}` cannot be sealed now; its records are safe in it, and the next start seals it: {error}"
    );
}

/// Seals a file that its writer left open: what is not whole at its end is cut off.
fn recover(folder: &Path, path: &Path) -> io::Result<()> {
    let Some(stem) = name(path, OPEN) else {
        return Ok(());
    };
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    match FileExt::try_lock(&file) {
        Ok(()) => {}
        // Its writer lives.
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Sealed between being found and being locked.
    if !path.try_exists()? {
        return Ok(());
    }
    let mut summary = Summary::default();
    let mut reader = BufReader::new(&mut file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 && is_whole(&line) {
        summary.add_line(&line);
        line.clear();
    }
    if summary.records == 0 {
        drop(file);
        return fs::remove_file(path);
    }
    let metadata = file.metadata()?;
    let cut = metadata.len().saturating_sub(summary.bytes);
    if cut > 0 {
        file.set_len(summary.bytes)?;
    }
    // What a killed process wrote may be in the machine's memory only.
    file.sync_all()?;
    let began = metadata.created().or_else(|_| metadata.modified());
    let began = began.map_or_else(|_| now(), unix_millis);
    let sealed = format!("{stem}{SEALED}");
    let manifest = summary.manifest(&sealed, began, now(), Some(cut));
    finish(folder, path, &sealed, &manifest)?;
    info!(
        target: "bucketry",
        "`{sealed}` was left open by a process that ended; sealed with {} records, {cut} bytes of a torn line cut off",
        summary.records
    );
    Ok(())
}

/// Gives a file its final name, and a manifest first: no file of that name is ever without one.
fn finish(folder: &Path, open: &Path, sealed: &str, manifest: &str) -> io::Result<()> {
    let beside = folder.join(format!("{sealed}{MANIFEST}"));
    let new = folder.join(format!("{sealed}{MANIFEST}.new"));
    let mut file = File::create(&new)?;
    file.write_all(manifest.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, &beside)?;
    fs::rename(open, folder.join(sealed))?;
    sync_folder(folder)
}

/// Removes sealed files, the oldest first, until the others take no more than `most` bytes.
fn remove_oldest(folder: &Path, most: u64) -> io::Result<()> {
    let mut sealed = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(stem) = name(&entry.path(), SEALED) {
            sealed.push((stem.to_owned(), entry.metadata()?.len()));
        }
    }
    // The names begin with the time.
    sealed.sort_unstable();
    let mut total: u64 = sealed.iter().map(|(_, bytes)| bytes).sum();
    for (stem, bytes) in sealed {
        if total <= most {
            break;
        }
        fs::remove_file(folder.join(format!("{stem}{SEALED}")))?;
        let _ = fs::remove_file(folder.join(format!("{stem}{SEALED}{MANIFEST}")));
        warn!(target: "bucketry", "removed `{stem}{SEALED}`: the folder is over its bound of {most} bytes");
        total -= bytes;
    }
    Ok(())
}

/// The name of one of our files without its end, if it has that end.
fn name<'a>(path: &'a Path, end: &str) -> Option<&'a str> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    name.strip_suffix(end)
        .filter(|stem| stem.starts_with(PREFIX))
}

/// The time by the wall clock, for names and manifests.
fn now() -> UnixMillis {
    unix_millis(SystemTime::now())
}

fn unix_millis(time: SystemTime) -> UnixMillis {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
