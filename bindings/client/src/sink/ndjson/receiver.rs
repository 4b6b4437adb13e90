//! The files in the hands of a receiver: whoever is given batches, and not an SDK that makes them.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use bucketry_core::BatchId;

use super::files::{Files, Settings};

/// The files of an [`NdjsonSink`](super::NdjsonSink) for a program that receives batches, as `bucketry serve` does: it decides
/// which records are new, and what is written together. Made by [`NdjsonSink::files`](super::NdjsonSink::files).
///
/// Every call blocks until the disk is done. Dropping it leaves the file that grows as a crash would, to be sealed by the next
/// who opens the folder; [`close`](Self::close) seals it.
pub struct ExposureFiles {
    files: Files,
    max_age: Duration,
    /// The number of the file that grows, and since when.
    growing: Option<(u64, Instant)>,
}

impl ExposureFiles {
    pub(super) fn open(settings: Settings) -> io::Result<Self> {
        let max_age = settings.max_file_age;
        let files = Files::new(settings);
        files.start()?;
        Ok(Self {
            files,
            max_age,
            growing: None,
        })
    }

    /// Appends whole lines, each ended by a line feed; `numbers` says which records are among them. When this returns, they
    /// are durable, unless the sink was made with [`Durability::File`](super::Durability::File).
    ///
    /// # Errors
    ///
    /// None of the lines is kept then.
    pub fn append(&mut self, lines: &[u8], numbers: &[BatchId]) -> io::Result<()> {
        if let Some(number) = self.files.append_lines(lines, numbers)? {
            self.growing = Some((number, Instant::now()));
        }
        Ok(())
    }

    /// How long the file that grows may still grow; `None` when there is none.
    #[must_use]
    pub fn until_due(&self) -> Option<Duration> {
        let (_, since) = self.growing?;
        Some(self.max_age.saturating_sub(since.elapsed()))
    }

    /// Seals the file that grows if it is old enough. (One that is large enough is sealed when it becomes so.)
    ///
    /// # Errors
    ///
    /// When it cannot be sealed now; its records are safe in it, and the next call tries again.
    pub fn seal_if_due(&mut self) -> io::Result<()> {
        let Some((number, since)) = self.growing else {
            return Ok(());
        };
        if since.elapsed() >= self.max_age {
            self.files.seal_number(number)?;
            self.growing = None;
        }
        Ok(())
    }

    /// Seals the file that grows.
    pub fn close(mut self) {
        self.files.close();
    }
}

impl fmt::Debug for ExposureFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExposureFiles")
            .field("max_age", &self.max_age)
            .field("growing", &self.growing)
            .finish_non_exhaustive()
    }
}
