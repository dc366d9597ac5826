//! The system's allocator for small blocks, and mappings of huge pages for large ones: tables of live blocks are looked up
//! at random, and each look at a page of 4 KiB would miss the processor's translations too. What is freed goes back to
//! the system at once; in a program that asks about itself, no large block of ours lies in its heap.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{copy_nonoverlapping, null_mut};

/// A huge page on x86_64, and with the usual page size on aarch64.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Smaller blocks are not large: rounded up to huge pages, they would take noticeably more memory.
const LARGE_BYTES: usize = 4 * HUGE_PAGE_BYTES;
/// What every mapping is aligned to, at least.
const PAGE_BYTES: usize = 4096;

/// The allocator.
#[derive(Debug)]
pub struct HugePages;

// SAFETY: blocks are System's or mappings of their own, which never overlap; a block's layout says which, so it is given
// back to where it came from.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return map(layout.size());
        }
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return map(layout.size());
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is valid for the old alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_large(layout), is_large(new)) {
            // SAFETY: the caller keeps the contract.
            (false, false) => unsafe { System.realloc(block, layout, size) },
            (is_large_now, will_be_large) => {
                if is_large_now && will_be_large {
                    // SAFETY: a mapping of ours, by the old layout.
                    let mapping = unsafe { map_again(block, layout.size(), size) };
                    if !mapping.is_null() {
                        return mapping;
                    }
                }
                // SAFETY: the old block has the smaller size at least, as has the new one, if there is one.
                unsafe {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        copy_nonoverlapping(block, moved, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_large(layout) {
            // SAFETY: a mapping of ours, by the layout, that nobody uses any more. Where the system has no number left for
            // the mapping behind it, it stays.
            unsafe { libc::munmap(block.cast(), mapped_bytes(layout.size())) };
        } else {
            // SAFETY: the caller keeps the contract.
            unsafe { System.dealloc(block, layout) }
        }
    }
}

/// The bytes that a block takes: those of its mapping, or those that were asked for.
#[inline]
pub fn bytes_taken(layout: Layout) -> usize {
    if is_large(layout) { mapped_bytes(layout.size()) } else { layout.size() }
}

#[inline]
fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE_BYTES && layout.align() <= PAGE_BYTES
}

/// The bytes of the mapping of a block of `size`, which is less than half of the address space.
fn mapped_bytes(size: usize) -> usize {
    size.next_multiple_of(HUGE_PAGE_BYTES)
}

/// A mapping for `size` bytes, all 0; null if there is no room.
#[cold]
fn map(size: usize) -> *mut u8 {
    let len = mapped_bytes(size);
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping touches no other.
    advised(unsafe { libc::mmap(null_mut(), len, protection, flags, -1, 0) }, len)
}

/// The mapping for a block of `old` bytes, made one for `size`; null, and it is as it was, if there is no room.
///
/// # Safety
/// `block` is a mapping for `old` bytes.
#[cold]
unsafe fn map_again(block: *mut u8, old: usize, size: usize) -> *mut u8 {
    let (old, len) = (mapped_bytes(old), mapped_bytes(size));
    // SAFETY: the caller's.
    advised(unsafe { libc::mremap(block.cast(), old, len, libc::MREMAP_MAYMOVE) }, len)
}

/// Wants huge pages for a mapping; null if it is none.
fn advised(mapping: *mut libc::c_void, len: usize) -> *mut u8 {
    if mapping == libc::MAP_FAILED {
        return null_mut();
    }
    // SAFETY: the advice changes no contents. Where it is refused, pages stay small.
    unsafe { libc::madvise(mapping, len, libc::MADV_HUGEPAGE) };
    mapping.cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grown and shrunk over the border in all ways, a block keeps what is in it, and what is new of a zeroed one is 0.
    #[test]
    fn a_block_keeps_its_contents_at_every_size() {
        let sizes =
            [100, LARGE_BYTES, LARGE_BYTES - 1, 3 * LARGE_BYTES + 5, LARGE_BYTES + 1, 8, 0x1234567, 64];
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        // SAFETY: each layout is that of the block's latest size, and only bytes of the block are touched.
        unsafe {
            let mut size = LARGE_BYTES + 77;
            let mut block = HugePages.alloc_zeroed(layout(size));
            assert!((0..size).all(|at| *block.add(at) == 0));
            (0..size).for_each(|at| *block.add(at) = (at / 3) as u8);
            let mut kept = size;
            for new in sizes {
                block = HugePages.realloc(block, layout(size), new);
                kept = kept.min(new);
                assert!((0..kept).all(|at| *block.add(at) == (at / 3) as u8), "{size} -> {new}");
                size = new;
            }
            HugePages.dealloc(block, layout(size));
        }
    }
}
