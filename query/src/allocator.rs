//! The allocator of this library: the program's own and mappings of ours, counting what we hold.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tm_analyzer::allocator::{HugePages, bytes_taken};

/// Bytes that were taken and not given back. Relaxed throughout: it is a number and publishes nothing.
static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this library holds.
pub fn held_bytes() -> usize {
    HELD_BYTES.load(Relaxed)
}

// SAFETY: all is that allocator's, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        count(unsafe { HugePages.alloc(layout) }, bytes_taken(layout), 0)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        count(unsafe { HugePages.alloc_zeroed(layout) }, bytes_taken(layout), 0)
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is valid for the old alignment, and keeps the contract.
        let (new, moved) = unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            (new, HugePages.realloc(pointer, layout, size))
        };
        count(moved, bytes_taken(new), bytes_taken(layout))
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD_BYTES.fetch_sub(bytes_taken(layout), Relaxed);
        // SAFETY: as above.
        unsafe { HugePages.dealloc(pointer, layout) }
    }
}

/// Counts `came` bytes in the place of `went`, if there is a block.
fn count(pointer: *mut u8, came: usize, went: usize) -> *mut u8 {
    if !pointer.is_null() {
        HELD_BYTES.fetch_add(came.wrapping_sub(went), Relaxed);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted() {
        const BYTES: usize = 100 << 20;
        let before = held_bytes();
        let mut block = Vec::<u8>::with_capacity(BYTES);
        let with_block = held_bytes();
        block.reserve_exact(2 * BYTES);
        let with_larger = held_bytes();
        drop(block);
        // Other tests allocate meanwhile, but not so much.
        let near = |bytes: usize, expected: usize| bytes.abs_diff(before + expected) < BYTES / 2;
        assert!(near(with_block, BYTES) && near(with_larger, 2 * BYTES) && near(held_bytes(), 0));
    }
}
