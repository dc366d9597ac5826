//! Operators of the allocator's own: they may call other functions for the same block, which is no event then.

use core::ffi::c_void;
use core::sync::atomic::{Ordering, compiler_fence};

use tm_common::functions::Function;

use super::freeing;
use crate::sys::tls::{self, ThreadBlock};

/// Runs `allocate`, an operator of the allocator's that makes a block of `size` bytes. It may do so by calling another
/// function by its symbol, which is the same allocation and no event; [`super::allocated`] is called afterwards.
///
/// `size + 1` is 0, which is nothing, only for a size that no allocator has.
#[inline]
pub fn inside_new(size: usize, allocate: impl FnOnce() -> *mut c_void) -> *mut c_void {
    let inside = size.wrapping_add(1);
    operating(|block| (block.deleting, core::mem::replace(&mut block.allocating, inside)), allocate)
}

/// Records that `function`, an operator of the allocator's, is about to free `block`, and runs `free_it`. The operator
/// may call `free` or another operator by its symbol, which is the same free and no event.
#[inline]
pub fn deleting(function: Function, block: *mut c_void, free_it: impl FnOnce()) {
    freeing(function, block);
    // The address may belong to another block afterwards.
    operating(|it| (core::mem::replace(&mut it.deleting, block.cast()), it.allocating), free_it);
}

/// Tells whether a block of `size` bytes is that of an operator which the thread is inside of: [`inside_new`].
pub(super) fn is_of_operator(size: usize) -> bool {
    // SAFETY: the calling thread's own block, read at once.
    let block = unsafe { tls::current().as_ref() };
    block.depth & tls::OPERATING != 0 && block.allocating == size.wrapping_add(1)
}

/// Tells whether a call that is about to give `block` back is one of its own: not for NULL, and not inside of an operator's.
pub(super) fn is_freed(block: *mut c_void) -> bool {
    // SAFETY: the calling thread's own block, read at once.
    !block.is_null() && unsafe { tls::current().as_ref() }.deleting != block.cast()
}

/// Runs `operate`, an operator of the allocator's, with what `change` notes of it in the thread's block. Returns its result.
#[inline]
fn operating<T>(change: impl FnOnce(&mut ThreadBlock) -> (*mut u8, usize), operate: impl FnOnce() -> T) -> T {
    // SAFETY: the calling thread's own block; a signal handler that comes here meanwhile puts back what it found.
    let block = unsafe { tls::current().as_mut() };
    let was_operating = block.depth & tls::OPERATING;
    let (deleting, allocating) = change(block);
    // Whoever finds the mark finds what it is about.
    compiler_fence(Ordering::SeqCst);
    block.depth |= tls::OPERATING;
    let result = operate();
    // SAFETY: as above.
    let block = unsafe { tls::current().as_mut() };
    (block.deleting, block.allocating) = (deleting, allocating);
    block.depth = block.depth & !tls::OPERATING | was_operating;
    result
}
