//! Layer 6: what hooks tell. The event path.
//!
//! Contract: no allocation, no lock, no system call, no panic, `errno` untouched; what cannot be recorded is counted.
//! The order is what lets a reader put threads together (`docs/format.md`, "What the stamps mean"): an allocation is
//! stamped after the real function has returned, a free before it is called.

mod lane;
mod python;
mod self_check;
mod stack;

use core::ffi::c_void;

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, Space, Stamp};

use crate::session::SESSION;
use crate::sys::tls;
use crate::unwind::Caller;
use lane::{tag_next, with_lane};
use stack::stack_of;

/// Tells whether anything is recorded at all: hooks whose preparations take time ask before.
#[inline(always)]
pub fn is_on() -> bool {
    SESSION.is_on()
}

/// Records that `function` has returned `block`, of `size` bytes. NULL is a failure, which is no event.
#[inline(always)]
pub fn allocated(function: Function, block: *mut c_void, size: usize, caller: Caller) {
    // SAFETY: the calling thread's own block, read at once.
    let is_inside = || unsafe { tls::current().as_ref() }.allocating == size.wrapping_add(1);
    if block.is_null() || is_inside() || !SESSION.is_on_at(caller.pc) {
        return;
    }
    with_lane(|session, thread, lane| {
        tag_next(session, lane, None);
        let stack = stack_of(thread, lane, caller);
        let (address, size) = (Address(block as u64), size as u64);
        let stamp = session.recording.now();
        lane.stream.write(&session.recording, Event::Allocate { function, address, size, stack, stamp });
    });
}

/// Runs `allocate`, an operator of the allocator's that makes a block of `size` bytes. It may do so by calling another
/// function by its symbol, which is the same allocation and no event; [`allocated`] is called afterwards.
///
/// `size + 1` is 0, which is nothing, only for a size that no allocator has.
#[inline]
pub fn inside_new(size: usize, allocate: impl FnOnce() -> *mut c_void) -> *mut c_void {
    let inside = size.wrapping_add(1);
    // SAFETY: the calling thread's own block; a signal handler that comes here meanwhile puts back what it found.
    let outer = core::mem::replace(unsafe { &mut tls::current().as_mut().allocating }, inside);
    let block = allocate();
    // SAFETY: as above.
    unsafe { tls::current().as_mut() }.allocating = outer;
    block
}

/// Records that `function` is about to free `block`. NULL is no event.
#[inline(always)]
pub fn freeing(function: Function, block: *mut c_void) {
    // First, for the sake of processes that record nothing.
    if !is_on() {
        return;
    }
    // SAFETY: the calling thread's own block, read at once.
    if !block.is_null() && unsafe { tls::current().as_ref() }.deleting != block.cast() {
        with_lane(|session, _, lane| {
            let (address, stamp) = (Address(block as u64), session.recording.now());
            lane.stream.write(&session.recording, Event::Free { function, address, stamp });
        });
    }
}

/// Records that `function`, an operator of the allocator's, is about to free `block`, and runs `free_it`. The operator
/// may call `free` or another operator by its symbol, which is the same free and no event.
#[inline]
pub fn deleting(function: Function, block: *mut c_void, free_it: impl FnOnce()) {
    freeing(function, block);
    // SAFETY: the calling thread's own block; a signal handler that deletes meanwhile puts back what it found.
    let outer = core::mem::replace(unsafe { &mut tls::current().as_mut().deleting }, block.cast());
    free_it();
    // SAFETY: as above. The address may belong to another block from here on.
    unsafe { tls::current().as_mut() }.deleting = outer;
}

/// Records that `function` has freed `block`, and was called at `stamp`.
#[inline]
pub fn freed_at(function: Function, block: *mut c_void, stamp: Stamp) {
    if !is_on() {
        return;
    }
    with_lane(|session, _, lane| {
        let address = Address(block as u64);
        lane.stream.write(&session.recording, Event::Free { function, address, stamp });
    });
}

/// Returns the moment before an address is given up in a call whose record is written afterwards. Called while [`is_on`].
#[inline]
pub fn begin_release() -> Stamp {
    SESSION.recording.now()
}

/// Records that a reallocation which began at `begin` has turned `old` into `new`, of `size` bytes.
#[inline]
pub fn reallocated(old: *mut c_void, new: *mut c_void, size: usize, begin: Stamp, caller: Caller) {
    if !is_on() {
        return;
    }
    with_lane(|session, thread, lane| {
        tag_next(session, lane, Some(begin));
        let stack = stack_of(thread, lane, caller);
        let (old, new) = (Address(old as u64), Address(new as u64));
        let (size, end) = (size as u64, session.recording.now());
        lane.stream.write(&session.recording, Event::Reallocate { old, new, size, stack, begin, end });
    });
}

/// Records that the program tells of a block of `size` bytes at `address` of `space`. Returns whether that is recorded.
#[inline]
pub fn tracked(space: Space, address: usize, size: usize, caller: Caller) -> bool {
    if !is_on() {
        return false;
    }
    let is_recorded = with_lane(|session, thread, lane| {
        tag_next(session, lane, None);
        let stack = stack_of(thread, lane, caller);
        let (address, size) = (Address(address as u64), size as u64);
        let stamp = session.recording.now();
        lane.stream.write(&session.recording, Event::Track { space, address, size, stack, stamp })
    });
    is_recorded.unwrap_or(false)
}

/// Records that the program tells of the end of the block at `address` of `space`. Returns whether that is recorded.
#[inline]
pub fn untracked(space: Space, address: usize) -> bool {
    if !is_on() {
        return false;
    }
    let is_recorded = with_lane(|session, _, lane| {
        let (address, size) = (Address(address as u64), 0);
        let stamp = session.recording.now();
        lane.stream.write(&session.recording, Event::Untrack { space, address, size, stamp })
    });
    is_recorded.unwrap_or(false)
}

/// Records that `size` bytes at `address` have been mapped, in place of whatever was there.
#[inline]
pub fn mapped(address: usize, size: usize, caller: Caller) {
    tracked(Space::MAPPINGS, address, size, caller);
}

/// Records that what was mapped in `size` bytes at `address` has been unmapped, some time after `begin`.
#[inline]
pub fn unmapped(address: usize, size: usize, begin: Stamp) {
    if !is_on() {
        return;
    }
    with_lane(|session, _, lane| {
        let (space, address, size) = (Space::MAPPINGS, Address(address as u64), size as u64);
        lane.stream.write(&session.recording, Event::Untrack { space, address, size, stamp: begin });
    });
}
