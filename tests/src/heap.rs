//! The system's allocator, counting for each thread apart, because tests run side by side.
//!
//! A test program that measures declares it: `#[global_allocator] static HEAP: Counting = Counting;`.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe to write; this one hands everything to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// See the module.
#[derive(Debug)]
pub struct Counting;

/// What happened on the heap while a piece of work ran, by the thread that ran it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Heap {
    /// Calls that asked for memory: new blocks, and blocks that were resized.
    pub allocations: u64,
    /// Bytes allocated and not given back, as they were asked for.
    pub kept: i64,
    /// The most bytes that were allocated at one time, beyond those at the beginning.
    pub peak: i64,
}

thread_local! {
    static NOW: Cell<Heap> = const { Cell::new(Heap { allocations: 0, kept: 0, peak: 0 }) };
}

/// Runs some work and says what it did on the heap. The result is returned too, so that what it keeps
/// is still there.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Heap) {
    let outer = NOW.replace(Heap::default());
    let result = work();
    let heap = NOW.get();
    NOW.set(Heap {
        allocations: outer.allocations + heap.allocations,
        kept: outer.kept + heap.kept,
        peak: outer.peak.max(outer.kept + heap.peak),
    });
    (result, heap)
}

fn note(allocations: u64, bytes: i64) {
    // Nothing to count for a thread that is ending.
    let _ = NOW.try_with(|now| {
        let mut heap = now.get();
        heap.allocations += allocations;
        heap.kept += bytes;
        heap.peak = heap.peak.max(heap.kept);
        now.set(heap);
    });
}

// SAFETY: every call goes to the system's allocator with the same arguments; counting neither allocates
// nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(0, -(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks may be there for a moment.
        note(1, size as i64);
        note(0, -(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}
