//! A wrapper of a program's own allocator, whose blocks tm does not see by itself.

use std::alloc::{GlobalAlloc, Layout};

use crate::table::function;
use crate::tracking::Domain;

/// An allocator that tells tm of its blocks: for a `#[global_allocator]` that is built into the program (jemalloc, mimalloc, one of
/// its own) and so allocates without the C library. Where `libtm.so` is not in the process, a call costs a load and a branch more.
///
/// ```
/// # use std::alloc::System as Jemalloc;
/// #[global_allocator]
/// static ALLOCATOR: tm::TmAlloc<Jemalloc> = tm::TmAlloc(Jemalloc);
/// # fn main() {}
/// ```
///
/// Not for [`std::alloc::System`], which calls the C library's functions: tm sees these itself, and would count each block twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct TmAlloc<A>(pub A);

// SAFETY: all is done by the allocator inside, and nothing here allocates or unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for TmAlloc<A> {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let block = unsafe { self.0.alloc(layout) };
        came(block, layout.size());
        block
    }

    #[inline(always)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let block = unsafe { self.0.alloc_zeroed(layout) };
        came(block, layout.size());
        block
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // Before: another thread may get the address at once.
        goes(block);
        // SAFETY: the caller's.
        unsafe { self.0.dealloc(block, layout) };
    }

    #[inline(always)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        goes(block);
        // SAFETY: the caller's.
        let new = unsafe { self.0.realloc(block, layout, new_size) };
        if new.is_null() {
            came(block, layout.size())
        } else {
            came(new, new_size)
        }
        new
    }
}

/// Tells of a block that has come. The frame that is recorded is that of the function that this is inlined into.
#[inline(always)]
fn came(block: *mut u8, size: usize) {
    if let Some(track) = function!(track)
        && !block.is_null()
    {
        // SAFETY: takes any numbers.
        unsafe { track(Domain::HEAP.0, block as usize, size) };
    }
}

/// Tells that a block goes.
#[inline(always)]
fn goes(block: *mut u8) {
    if let Some(untrack) = function!(untrack) {
        // SAFETY: takes any numbers.
        unsafe { untrack(Domain::HEAP.0, block as usize) };
    }
}
