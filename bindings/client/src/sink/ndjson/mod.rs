//! Records as NDJSON files: the sink that needs nothing but a folder.

mod files;
mod receiver;
mod summary;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tracing::warn;

pub use files::Durability;
use files::{Files, Settings};
pub use receiver::ExposureFiles;

use super::{Batch, Blocking, BlockingSink, Delivered, Sink, SinkFuture};

/// Writes exposures as NDJSON into a folder: `exposures-<time>-<writer>-<number>.ndjson`, each sealed, with a manifest
/// beside it. `docs/delivery.md` describes both.
///
/// A file is written to as `….ndjson.open`; when it is large or old enough, and when the client is closed, it is made durable
/// and gets its name, after its manifest: whoever reads `*.ndjson` reads nothing that still changes. What a crash left
/// open, the next sink on the folder seals, without the line that was torn. Several processes may share a folder.
///
/// When the disk is full or read-only, batches fail, so they are kept in memory, within its bound, and written later.
pub struct NdjsonSink {
    settings: Settings,
    work: OnceLock<Work>,
}

impl NdjsonSink {
    /// Files in `folder`, which is made when it is not there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            settings: Settings {
                folder: folder.into(),
                max_file_bytes: 64 << 20,
                max_file_age: Duration::from_secs(15 * 60),
                max_folder_bytes: None,
                durability: Durability::Batch,
            },
            work: OnceLock::new(),
        }
    }

    /// After how many bytes a file is sealed and another begun. Default: 64 MiB.
    #[must_use]
    pub const fn max_file_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_file_bytes = bytes;
        self
    }

    /// How long a file is written to before it is sealed. Default: 15 minutes.
    #[must_use]
    pub const fn max_file_age(mut self, age: Duration) -> Self {
        self.settings.max_file_age = age;
        self
    }

    /// Most bytes that sealed files may take together; beyond it the oldest are **removed**, delivered or not. Default: no
    /// bound, and nothing is ever removed.
    #[must_use]
    pub const fn max_folder_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_folder_bytes = Some(bytes);
        self
    }

    /// When records are made durable. Default: before they count as delivered.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.settings.folder
    }

    /// The same files, for a program that is given batches by others. The folder is made, and what crashes left open in it is
    /// sealed.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or read.
    pub fn files(&self) -> std::io::Result<ExposureFiles> {
        ExposureFiles::open(self.settings.clone())
    }

    /// The files, and what waits for a thread to write them; made at the first use.
    fn work(&self) -> &Work {
        self.work.get_or_init(|| {
            let shared = Shared {
                files: Arc::new(Mutex::new(Files::new(self.settings.clone()))),
                started: Arc::default(),
                begun: Arc::default(),
            };
            Work {
                blocking: Blocking::new(shared.clone()),
                shared,
            }
        })
    }

    /// Seals a file that was just begun when it is old.
    fn set_timer(&self) {
        let shared = &self.work().shared;
        let Some(number) = lock(&shared.begun).take() else {
            return;
        };
        let age = self.settings.max_file_age;
        let files = Arc::downgrade(&shared.files);
        tokio::spawn(async move {
            tokio::time::sleep(age).await;
            if let Some(files) = files.upgrade() {
                let seal = move || lock(&files).seal_if(number);
                let _ = tokio::task::spawn_blocking(seal).await;
            }
        });
    }
}

impl Sink for NdjsonSink {
    fn deliver<'a>(&'a self, batch: &'a Batch) -> SinkFuture<'a, Delivered> {
        Box::pin(async move {
            let delivered = self.work().blocking.deliver(batch).await;
            self.set_timer();
            delivered
        })
    }

    fn name(&self) -> &str {
        "ndjson"
    }

    fn start(&self) -> SinkFuture<'_, ()> {
        self.work().blocking.start()
    }

    fn close(&self) -> SinkFuture<'_, ()> {
        self.work().blocking.close()
    }

    /// Files of its own: two processes do not write to one.
    fn in_child(&self) -> Option<Arc<dyn Sink>> {
        Some(Arc::new(self.clone()))
    }
}

/// The files at work.
struct Work {
    shared: Shared,
    /// Writes where blocking is allowed.
    blocking: Blocking<Shared>,
}

#[derive(Clone)]
struct Shared {
    files: Arc<Mutex<Files>>,
    /// Whether the folder was made, and what crashes left in it sealed.
    started: Arc<AtomicBool>,
    /// The number of a file that was begun, for the timer to be set.
    begun: Arc<Mutex<Option<u64>>>,
}

impl Shared {
    fn start_once(&self) -> std::io::Result<()> {
        if !self.started.load(Ordering::Acquire) {
            lock(&self.files).start()?;
            self.started.store(true, Ordering::Release);
        }
        Ok(())
    }
}

impl BlockingSink for Shared {
    fn deliver(&self, batch: &Batch) -> Delivered {
        let written = self
            .start_once()
            .and_then(|()| lock(&self.files).append(batch.id, &batch.body));
        match written {
            Ok(begun) => {
                if begun.is_some() {
                    *lock(&self.begun) = begun;
                }
                Delivered::Accepted
            }
            Err(error) => Delivered::Failed(error.to_string()),
        }
    }

    fn start(&self) {
        if let Err(error) = self.start_once() {
            warn!(target: "bucketry", "exposures cannot be written yet, and are kept in memory: {error}");
        }
    }

    fn close(&self) {
        lock(&self.files).close();
    }
}

impl Clone for NdjsonSink {
    /// With the same settings, and files of its own.
    fn clone(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            work: OnceLock::new(),
        }
    }
}

impl fmt::Debug for NdjsonSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NdjsonSink").field(&self.settings).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
