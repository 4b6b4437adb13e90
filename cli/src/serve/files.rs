//! The folder of NDJSON files: one grows, the others are sealed, each with a manifest beside it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bucketry_core::{ProducerId, UnixMillis};
use fs4::{FileExt, TryLockError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ledger::Ledger;
use super::ranges::Ranges;
use super::record::reread;
use crate::clock;
use crate::failure::{Failure, Result, note, warning};
use crate::style::count;

/// Longest line that a restart reads: no body may be longer.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// When a file is sealed and another begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    pub(super) bytes: u64,
    pub(super) age: Duration,
}

/// A folder that this process alone writes to, and the file in it that grows.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    rotation: Rotation,
    open: Option<Open>,
    /// Held locked as long as the process lives.
    _lock: File,
}

#[derive(Debug)]
struct Open {
    name: String,
    file: File,
    since: Instant,
    hash: Sha256,
    contents: Contents,
}

/// What is in a file, durably.
#[derive(Clone, Debug, Default)]
struct Contents {
    bytes: u64,
    records: u64,
    began: UnixMillis,
    held: BTreeMap<ProducerId, Ranges>,
}

/// What stands beside a sealed file. Its members are documented in `docs/serve.md`.
#[derive(Deserialize, Serialize)]
struct Manifest {
    manifest: u32,
    file: String,
    bytes: u64,
    sha256: String,
    records: u64,
    began: String,
    sealed: String,
    producers: BTreeMap<String, Vec<(u64, u64)>>,
}

impl Folder {
    /// Makes the folder if there is none, takes it for this process, and tells `ledger` what is stored in it. Files
    /// that a process left open are sealed.
    pub(super) fn open(path: &Path, rotation: Rotation, ledger: &mut Ledger) -> Result<Self> {
        let failed = |error: io::Error| Failure::file("write to", path, &error);
        fs::create_dir_all(path).map_err(failed)?;
        let lock = path.join("exposures.lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(lock);
        let lock = lock.map_err(failed)?;
        match FileExt::try_lock(&lock) {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let path = path.display();
                let busy = format!("another process collects exposures in `{path}`");
                let help = "stop it, or name another folder with --exposures";
                return Err(Failure::new(busy).help(help));
            }
        }
        let folder = Self {
            path: path.to_owned(),
            rotation,
            open: None,
            _lock: lock,
        };
        folder.recover(ledger).map_err(failed)?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends lines and makes them durable. `held` are the numbers of their records.
    ///
    /// # Errors
    ///
    /// Nothing of `lines` counts as stored then, and the next call begins where this one did.
    pub(super) fn append(
        &mut self,
        lines: &[u8],
        records: u64,
        held: &BTreeMap<ProducerId, Ranges>,
    ) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        if let Err(error) = open.file.write_all(lines) {
            // What was written of it goes; where that fails too, the file is left as it is, and a restart mends it.
            // (The file is in append mode, so its end is where the next write goes.)
            if open.file.set_len(open.contents.bytes).is_ok() {
                self.open = Some(open);
            }
            return Err(error);
        }
        // After a failed fsync nobody knows what is on the disk, so the file is not used again.
        open.file.sync_data()?;
        open.hash.update(lines);
        let contents = &mut open.contents;
        contents.bytes += lines.len() as u64;
        contents.records += records;
        for (producer, numbers) in held {
            contents.held.entry(*producer).or_default().extend(numbers);
        }
        self.open = Some(open);
        Ok(())
    }

    /// How long until the open file is old enough to be sealed.
    pub(super) fn until_due(&self) -> Option<Duration> {
        let open = self.open.as_ref()?;
        Some(self.rotation.age.saturating_sub(open.since.elapsed()))
    }

    /// Seals the open file if it is large or old enough.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        let is_due = self.open.as_ref().is_some_and(|open| {
            open.contents.bytes >= self.rotation.bytes || open.since.elapsed() >= self.rotation.age
        });
        if is_due { self.seal() } else { Ok(()) }
    }

    /// Seals the open file: nothing is written to it again, and the manifest says what is in it.
    pub(super) fn seal(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let hash = open.hash.clone().finalize();
        let sealed = write_manifest(&self.path, &open.name, &open.contents, &hash);
        if sealed.is_err() {
            // Tried again at the next turn.
            self.open = Some(open);
        }
        sealed
    }

    fn begin(&self) -> io::Result<Open> {
        let began = clock::now();
        let time: String = began
            .to_rfc3339()
            .chars()
            .filter(|c| !"-:".contains(*c))
            .collect();
        let time = time.get(..15).unwrap_or(&time);
        let mut number = 0_u32;
        let (name, file) = loop {
            let name = format!("exposures-{time}Z-{number:04}.ndjson");
            let path = self.path.join(&name);
            let made = OpenOptions::new().append(true).create_new(true).open(&path);
            match made {
                Ok(file) => break (name, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 9_999 => {
                    number += 1;
                }
                Err(error) => return Err(error),
            }
        };
        sync_folder(&self.path)?;
        Ok(Open {
            name,
            file,
            since: Instant::now(),
            hash: Sha256::new(),
            contents: Contents {
                began,
                ..Contents::default()
            },
        })
    }

    /// Reads the manifests, and the files that have none.
    fn recover(&self, ledger: &mut Ledger) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        // By age, so that what is forgotten for want of room is the oldest.
        names.sort();
        for name in &names {
            if let Some(data) = name
                .strip_suffix(".manifest.json")
                .filter(|name| is_data(name))
            {
                self.read_manifest(name, data, ledger)?;
            } else if is_data(name) && !names.contains(&manifest_name(name)) {
                self.recover_file(name, ledger)?;
            }
        }
        Ok(())
    }

    fn read_manifest(&self, name: &str, data: &str, ledger: &mut Ledger) -> io::Result<()> {
        let text = fs::read(self.path.join(name))?;
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else {
            warning(format_args!(
                "`{name}` is no manifest, so `{data}` is read instead"
            ));
            return match self.path.join(data).exists() {
                true => self.recover_file(data, ledger),
                false => Ok(()),
            };
        };
        for (producer, numbers) in &manifest.producers {
            let Ok(producer) = producer.parse() else {
                continue;
            };
            let mut held = Ranges::default();
            for (first, last) in numbers {
                held.insert(*first, *last);
            }
            ledger.hold(producer, &held, UnixMillis::from_rfc3339(&manifest.sealed));
        }
        Ok(())
    }

    /// Reads a file that a process left open, cuts off what it was writing, and seals the file.
    fn recover_file(&self, name: &str, ledger: &mut Ledger) -> io::Result<()> {
        let path = self.path.join(name);
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let modified = file.metadata()?.modified().ok().map(clock::unix_millis);
        let mut reader = BufReader::new(&file);
        let mut contents = Contents {
            began: modified.unwrap_or_default(),
            ..Contents::default()
        };
        let mut hash = Sha256::new();
        let (mut pending, mut line, mut damaged) = (Sha256::new(), Vec::new(), 0_usize);
        let mut read = 0;
        loop {
            line.clear();
            read += (&mut reader)
                .take(MAX_LINE_BYTES)
                .read_until(b'\n', &mut line)? as u64;
            if line.is_empty() {
                break;
            }
            pending.update(&line);
            let Some(record) = line.strip_suffix(b"\n").and_then(reread) else {
                damaged += 1;
                continue;
            };
            // What stands before a good line stays, good or not.
            hash.clone_from(&pending);
            (contents.bytes, contents.records) = (read, contents.records + 1);
            if let Some((producer, seq)) = record.number {
                contents.held.entry(producer).or_default().insert(seq, seq);
                if let Some(heartbeat) = record.heartbeat {
                    ledger.hold(producer, &Ranges::default(), modified);
                    ledger.beat(producer, seq, heartbeat);
                }
            }
            record.seen.into_iter().for_each(|seen| ledger.see(seen));
        }
        if contents.bytes == 0 {
            drop(file);
            return fs::remove_file(&path);
        }
        if read > contents.bytes {
            damaged = damaged.saturating_sub(1);
            file.set_len(contents.bytes)?;
        }
        if damaged > 0 {
            warning(format_args!(
                "`{name}` has {} that are no records",
                count(damaged, "line")
            ));
        }
        // What a killed process wrote may be in the machine's memory only.
        file.sync_all()?;
        for (producer, numbers) in &contents.held {
            ledger.hold(*producer, numbers, modified);
        }
        note(format_args!(
            "`{name}` was left open; it is sealed with {}",
            count(contents.records as usize, "record")
        ));
        write_manifest(&self.path, name, &contents, &hash.finalize())
    }
}

/// Whether a name is one that this collector gives to files.
fn is_data(name: &str) -> bool {
    let middle = name
        .strip_prefix("exposures-")
        .and_then(|name| name.strip_suffix(".ndjson"));
    middle.is_some_and(|middle| {
        middle.len() == "20261123T120000Z-0000".len()
            && middle
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b"TZ-".contains(&byte))
    })
}

fn manifest_name(data: &str) -> String {
    format!("{data}.manifest.json")
}

/// Writes a manifest so that it is whole or not there.
fn write_manifest(folder: &Path, name: &str, contents: &Contents, hash: &[u8]) -> io::Result<()> {
    let producers = contents.held.iter();
    let manifest = Manifest {
        manifest: 1,
        file: name.into(),
        bytes: contents.bytes,
        sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        records: contents.records,
        began: contents.began.to_rfc3339(),
        sealed: clock::now().to_rfc3339(),
        producers: producers
            .map(|(producer, held)| (producer.to_string(), held.as_slice().to_vec()))
            .collect(),
    };
    let mut text = serde_json::to_vec(&manifest)?;
    text.push(b'\n');
    let path = folder.join(manifest_name(name));
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    sync_folder(folder)
}

/// Makes names durable that were given or changed in a folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows has no such thing, and needs none.
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}
