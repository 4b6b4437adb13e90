//! The folder that batches are stored in: taken for this process, and read at the start for what is in it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bucketry::{ExposureFiles, NdjsonSink};
use bucketry_core::UnixMillis;
use fs4::{FileExt, TryLockError};
use serde::Deserialize;

use super::ledger::Ledger;
use super::ranges::Ranges;
use crate::failure::{Failure, Result, warning};

/// When a file is sealed and another begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    pub(super) bytes: u64,
    pub(super) age: Duration,
}

/// A folder of files that only this process collects into.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) files: ExposureFiles,
    pub(super) path: PathBuf,
    /// Held locked as long as the process lives. The files would bear two writers, but what one has stored the other
    /// would not know.
    _lock: File,
}

/// What a manifest says that a collector must know.
#[derive(Deserialize)]
struct Manifest {
    sealed: String,
    producers: BTreeMap<String, Vec<(u64, u64)>>,
}

impl Shelf {
    /// Makes the folder if there is none, takes it for this process, seals what a crash left open in it, and tells `ledger`
    /// what is stored.
    pub(super) fn open(path: &Path, rotation: Rotation, ledger: &mut Ledger) -> Result<Self> {
        let failed = |error: io::Error| Failure::file("write to", path, &error);
        fs::create_dir_all(path).map_err(failed)?;
        let lock = take(path)?;
        let sink = NdjsonSink::new(path)
            .max_file_bytes(rotation.bytes)
            .max_file_age(rotation.age);
        let files = sink.files().map_err(failed)?;
        read_manifests(path, ledger).map_err(|error| Failure::file("read", path, &error))?;
        Ok(Self {
            files,
            path: path.to_owned(),
            _lock: lock,
        })
    }
}

fn take(path: &Path) -> Result<File> {
    let file = path.join("collector.lock");
    let failed = |error: io::Error| Failure::file("write", &file, &error);
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true);
    let lock = options.open(&file).map_err(failed)?;
    match FileExt::try_lock(&lock) {
        Ok(()) => Ok(lock),
        Err(TryLockError::Error(error)) => Err(failed(error)),
        Err(TryLockError::WouldBlock) => {
            let path = path.display();
            let busy = format!("another process collects exposures in `{path}`");
            let help = "stop it, or name another folder with --exposures";
            Err(Failure::new(busy).help(help))
        }
    }
}

/// Reads which records are in the sealed files. The files themselves may have been taken away.
fn read_manifests(folder: &Path, ledger: &mut Ledger) -> io::Result<()> {
    let mut manifests = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str);
        if name.is_some_and(|name| {
            name.starts_with("exposures-") && name.ends_with(".ndjson.manifest.json")
        }) {
            manifests.push(path);
        }
    }
    // The names begin with the time: what is forgotten for want of room is the oldest.
    manifests.sort_unstable();
    for path in manifests {
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&fs::read(&path)?) else {
            let path = path.display();
            warning(format_args!(
                "`{path}` is no manifest: what is sent again of its records is stored again"
            ));
            continue;
        };
        let sealed = UnixMillis::from_rfc3339(&manifest.sealed);
        for (producer, numbers) in &manifest.producers {
            let Ok(producer) = producer.parse() else {
                continue;
            };
            let mut held = Ranges::default();
            for (first, last) in numbers {
                held.insert(*first, *last);
            }
            ledger.hold(producer, &held, sealed);
        }
    }
    Ok(())
}
