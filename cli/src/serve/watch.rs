//! The flag set's file: looked at again and again, served when it changed and is right.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};
use tokio::time::{MissedTickBehavior, interval};

use super::published::{Origin, Published};
use super::site::Site;
use crate::failure::{note, warning};
use crate::style::count;

/// Two changes this close together may leave the same time and size behind, so the contents are compared.
const SAME_TIME: Duration = Duration::from_secs(3);
/// The contents are compared this often whatever time and size say: some network drives do not tell.
const LOOK_CLOSER: Duration = Duration::from_secs(30);

/// What a file system says of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    /// Editors replace a file by another of its name.
    #[cfg(unix)]
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            #[cfg(unix)]
            inode: metadata.ino(),
        })
    }

    fn is_recent(&self) -> bool {
        let age = self.modified.map(|time| time.elapsed());
        // A time to come is as good as now.
        age.is_none_or(|age| age.unwrap_or_default() < SAME_TIME)
    }
}

/// The file as it was last seen.
struct Watch {
    origin: Origin,
    stamps: [Option<Stamp>; 2],
    /// Of the last contents that were read, good or not.
    digest: [u8; 32],
    /// What is wrong with them, if that is not told yet: it is told when a second look finds the same, because at
    /// the first the file may be half written.
    untold: Option<String>,
    read_at: Instant,
}

/// What a look at the file found.
enum Look {
    Unchanged,
    Changed(Box<Published>),
    Broken(String),
}

/// Looks at the file for as long as the server runs. Does nothing where there is no file.
pub(super) async fn watch(site: Arc<Site>, origin: Origin, every: Duration) {
    if origin.file().is_none() {
        return;
    }
    let mut watch = Watch {
        origin,
        stamps: [None, None],
        digest: [0; 32],
        untold: None,
        read_at: Instant::now(),
    };
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Reading and compiling 64 MiB takes a while, and others are waiting for their answers.
        let looked = tokio::task::spawn_blocking(move || {
            let look = watch.look();
            (watch, look)
        });
        let Ok((back, look)) = looked.await else {
            return warning("the flag set's file is no longer watched: reading it failed");
        };
        watch = back;
        tell(&site, look);
    }
}

fn tell(site: &Site, look: Look) {
    match look {
        Look::Unchanged => {}
        Look::Broken(problem) => {
            warning(format_args!(
                "{problem}; revision {} is still served",
                site.flags().set.revision()
            ));
            site.set_problem(Some(problem));
        }
        Look::Changed(next) => {
            let before = site.flags();
            if before.etag == next.etag && before.signature == next.signature {
                if site.problem().is_some() {
                    note("the file holds again what is served");
                    site.set_problem(None);
                }
                return;
            }
            let (old, new) = (before.set.revision(), next.set.revision());
            for text in &next.warnings {
                warning(text);
            }
            note(format_args!(
                "serving revision {new}, {}",
                count(next.set.len(), "flag")
            ));
            if new < old {
                warning(format_args!(
                    "revision {new} is older than {old}: clients that have {old} keep it"
                ));
            }
            site.publish(*next);
        }
    }
}

impl Watch {
    fn look(&mut self) -> Look {
        let files = [
            self.origin.file().map(Path::to_owned),
            self.origin.signature_file(),
        ];
        let stamps = files.map(|file| file.as_deref().and_then(Stamp::of));
        let is_same = stamps == self.stamps && self.untold.is_none();
        let is_recent = stamps.iter().flatten().any(Stamp::is_recent);
        if is_same && !is_recent && self.read_at.elapsed() < LOOK_CLOSER {
            return Look::Unchanged;
        }
        self.read_at = Instant::now();
        self.stamps = stamps;
        let document = self.origin.read();
        let mut digest = Sha256::new();
        match &document {
            Ok(document) => digest.update(&document.bytes),
            Err(failure) => digest.update(failure.message()),
        }
        if let Some(path) = self.origin.signature_file() {
            digest.update(fs::read(path).unwrap_or_default());
        }
        let digest = digest.finalize().into();
        if digest == self.digest {
            return self.untold.take().map_or(Look::Unchanged, Look::Broken);
        }
        self.digest = digest;
        self.untold = None;
        match document.and_then(|document| self.origin.publish(&document)) {
            Ok(published) => Look::Changed(Box::new(published)),
            Err(failure) => {
                self.untold = Some(failure.message().to_owned());
                Look::Unchanged
            }
        }
    }
}
