//! A client's disk: what outlives a process.

use std::rc::Rc;

/// Files are written whole or not at all, as by writing beside and renaming.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) full: bool,
    pub(crate) spool: Option<Rc<[u8]>>,
    pub(crate) cache: Option<Cache>,
}

/// The flag set that was good last.
#[derive(Clone)]
pub(crate) struct Cache {
    pub(crate) body: Rc<[u8]>,
    pub(crate) etag: Option<Rc<str>>,
    pub(crate) saved_at: i64,
}

impl Disk {
    /// Whether there was room.
    pub(crate) fn write_spool(&mut self, text: Vec<u8>) -> bool {
        if !self.full {
            self.spool = Some(text.into());
        }
        !self.full
    }

    /// Whether there was room.
    pub(crate) fn write_cache(&mut self, cache: Cache) -> bool {
        if !self.full {
            self.cache = Some(cache);
        }
        !self.full
    }
}
