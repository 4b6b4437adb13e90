//! Noticing that this process is the child of a fork.
//!
//! A forked child has the memory of its parent and none of its threads but the one that forked: no worker, locks that
//! were held by threads that are gone, sockets that the parent goes on using. So a client makes itself anew in the child
//! (`Shared::rearm`); this module only tells it when.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many forks lie between the first process and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// How many forks lie between the first process that asked and this one: one load, so that every evaluation can ask.
#[inline]
pub(crate) fn generation() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// From now on [`generation`] counts. Called before a client starts its thread.
#[cfg(unix)]
pub(crate) fn watch() {
    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    static REGISTERED: std::sync::Once = std::sync::Once::new();
    REGISTERED.call_once(|| {
        #[expect(
            unsafe_code,
            reason = "the only other way to notice a fork is to ask for the process id, a system call for each evaluation"
        )]
        // SAFETY: `in_child` is a function of this program, never unloaded while the handler is registered because
        // nothing unloads the crate that registered it, and what it does, one atomic addition, is safe at any time
        // after a fork. The call fails only for want of memory; forks then go unnoticed, as they would without it.
        unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        }
    });
}

/// There is no fork here.
#[cfg(not(unix))]
pub(crate) fn watch() {}
