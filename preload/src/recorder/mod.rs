//! Layer 6: what hooks tell. The event path.
//!
//! Contract: no allocation, no lock, no system call, no panic, `errno` untouched; what cannot be recorded is counted.
//! The order is what lets a reader put threads together (`docs/format.md`, "What the stamps mean"): an allocation is
//! stamped after the real function has returned, a free before it is called.

mod every;
mod lane;
mod operators;
mod python;
mod sampling;
mod self_check;
mod stack;

use core::ffi::c_void;
use core::sync::atomic::{Ordering, compiler_fence};

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, Space, Stamp};

use crate::real;
use crate::session::threads::{Lane, Thread};
use crate::session::{Mode, SESSION, Session};
use crate::sys::{arch, tls};
use crate::unwind::Caller;
use every::{allocated_by, freeing_one};
use lane::{is_covered, tag_next, with_heap_lane, with_lane};
use operators::is_freed;
use stack::stack_of;

pub use every::{calloc_returned, free_one, malloc_returned};
pub use operators::{deleting, inside_new};
pub use sampling::{Release, free as free_sampling, unsampled_returned};

/// Tells whether anything is recorded at all: hooks whose preparations take time ask before.
#[inline(always)]
pub fn is_on() -> bool {
    SESSION.is_on()
}

/// Returns the control word: 0 if every event is recorded, more than [`control::IDLE`](tm_common::metadata::control::IDLE) if samples are,
/// or there is something else to be done.
#[inline(always)]
pub fn word() -> u32 {
    SESSION.control.present()
}

/// Tells whether this is a forked child that has not noticed.
#[inline(always)]
pub fn is_child_unnoticed() -> bool {
    SESSION.control.own() == 0
}

/// Records that `function` has returned `block`, of `size` bytes. NULL is a failure, which is no event.
#[inline(always)]
pub fn allocated(function: Function, block: *mut c_void, size: usize, caller: Caller) {
    if block.is_null() {
        return;
    }
    match SESSION.mode_at(caller.pc) {
        Mode::Every => allocated_by(function, block, size, caller.pc, caller.sp, caller.fp),
        Mode::Samples(word) => sampling::allocated(word, function, block, size, caller),
        Mode::Off => {}
    }
}

/// Runs `call`, of an allocator that hands memory of the heap on as blocks of its own: events of the heap are left out
/// meanwhile, but that blocks of it end. Returns its result, and whether it is not itself inside of such a call, so that the
/// block it was about is to be recorded.
#[inline]
pub fn covering<T>(call: impl FnOnce() -> T) -> (T, bool) {
    let here = arch::stack_pointer();
    // SAFETY: the calling thread's own block; a signal handler that comes here meanwhile finds it covered, or restores it.
    let block = unsafe { tls::current().as_mut() };
    if is_covered(block, here) {
        return (call(), false);
    }
    let outer = core::mem::replace(&mut block.allocating, here);
    // A signal handler finds the stack pointer that belongs to the mark.
    compiler_fence(Ordering::SeqCst);
    block.depth |= tls::COVERED;
    let result = call();
    // SAFETY: as above.
    let block = unsafe { tls::current().as_mut() };
    block.depth &= !tls::COVERED;
    compiler_fence(Ordering::SeqCst);
    block.allocating = outer;
    (result, true)
}

/// Tells whether the calling thread is inside of a call that [`covering`] runs.
#[inline]
pub fn is_inside_covering() -> bool {
    // SAFETY: the calling thread's own block.
    is_covered(unsafe { tls::current().as_mut() }, arch::stack_pointer())
}

/// Records that `block` of the heap was given back in a covered call that began at `stamp`, if it is known: it may be from
/// before the calls were covered.
#[cold]
fn end_covered(block: *mut c_void, stamp: Stamp) {
    match SESSION.mode_at(0) {
        Mode::Samples(_) => sampling::end_covered(block, stamp),
        _ => {
            end_at(Space::HEAP, block as usize, stamp);
        }
    }
}

/// Records that `function` is about to free `block`. NULL is no event.
#[inline(always)]
pub fn freeing(function: Function, block: *mut c_void) {
    match SESSION.mode_at(0) {
        Mode::Every => freeing_one(function, block),
        Mode::Samples(word) if is_freed(block) => sampling::freeing(word, function, block),
        Mode::Samples(_) | Mode::Off => {}
    }
}

/// Frees `block` as `free`, where it has to be found out what is recorded.
#[cold]
#[inline(never)]
pub fn free_unusual(block: *mut c_void) {
    if !real::is_early(block) {
        freeing(Function::Free, block);
        real::free_late(block);
    }
}

/// Records that `function` has freed `block`, of which `release` was noted before.
#[inline]
pub fn freed_at(function: Function, block: *mut c_void, release: &Release) {
    if release.word != 0 {
        return sampling::freed_at(function, block, release);
    }
    if !is_on() {
        return;
    }
    let stamp = release.stamp;
    let record = move |session: &Session, _: &Thread, lane: &mut Lane| {
        let address = Address(block as u64);
        lane.stream.write(&session.recording, Event::Free { function, address, stamp });
    };
    with_heap_lane(record, || end_covered(block, stamp));
}

/// Returns the moment before an address is given up in a call whose record is written afterwards. Called while [`is_on`].
#[inline]
pub fn begin_release() -> Stamp {
    SESSION.recording.now()
}

/// Notes what is to be known of a block before `function` may give it up, in a call whose record is written afterwards: by
/// [`reallocated`], [`freed_at`] or [`kept`]. Called while [`is_on`].
#[inline]
pub fn releasing(function: Function, old: *mut c_void) -> Release {
    match SESSION.mode_at(0) {
        Mode::Samples(word) if !old.is_null() => sampling::releasing(word, function, old),
        _ => Release::at(begin_release()),
    }
}

/// Takes note that the block of `release` was not given up.
#[inline]
pub fn kept(old: *mut c_void, release: &Release) {
    if release.word != 0 {
        sampling::kept(old, release);
    }
}

/// Records that a reallocation by `function` has turned `old`, of which `release` was noted before, into `new`, of `size` bytes.
#[inline]
pub fn reallocated(
    function: Function,
    old: *mut c_void,
    new: *mut c_void,
    size: usize,
    release: &Release,
    caller: Caller,
) {
    if release.word != 0 {
        return sampling::reallocated(function, old, new, size, release, caller);
    }
    if !is_on() {
        return;
    }
    let begin = release.stamp;
    let record = move |session: &Session, thread: &Thread, lane: &mut Lane| {
        tag_next(session, lane, Some(begin));
        let stack = stack_of(thread, lane, caller);
        let (old, new) = (Address(old as u64), Address(new as u64));
        let (size, end) = (size as u64, session.recording.now());
        lane.stream.write(&session.recording, Event::Reallocate { old, new, size, stack, begin, end });
    };
    with_heap_lane(record, || end_covered(old, begin));
}

/// Records that the program tells of a block of `size` bytes at `address` of `space`. Returns whether that is recorded.
#[inline]
pub fn tracked(space: Space, address: usize, size: usize, caller: Caller) -> bool {
    match SESSION.mode_at(0) {
        Mode::Samples(word) if sampling::is_drawn(space, address) => {
            return sampling::tracked(word, space, address, size, caller);
        }
        Mode::Every | Mode::Samples(_) => {}
        Mode::Off => return false,
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
    is_on() && end_at(space, address, begin_release())
}

/// Records that what was tracked at `address` of `space` has ended, in a call that began at `stamp`, as [`untracked`] does.
/// Called while [`is_on`].
#[inline]
pub fn end_at(space: Space, address: usize, stamp: Stamp) -> bool {
    if let Mode::Samples(word) = SESSION.mode_at(0)
        && sampling::is_drawn(space, address)
    {
        return sampling::end_at(word, space, address, stamp);
    }
    let is_recorded = with_lane(|session, _, lane| {
        let (address, size) = (Address(address as u64), 0);
        lane.stream.write(&session.recording, Event::Untrack { space, address, size, stamp })
    });
    is_recorded.unwrap_or(false)
}

/// Records that what is tracked at `address` of `space`, if anything is, belongs to this caller from here on.
#[inline(never)]
pub fn moved(space: Space, address: usize, caller: Caller) {
    match SESSION.mode_at(0) {
        Mode::Samples(_) if sampling::is_drawn(space, address) => {
            return sampling::moved(space, address, caller);
        }
        Mode::Every | Mode::Samples(_) => {}
        Mode::Off => return,
    }
    with_lane(|session, thread, lane| {
        tag_next(session, lane, None);
        let stack = stack_of(thread, lane, caller);
        let (address, stamp) = (Address(address as u64), session.recording.now());
        lane.stream.write(&session.recording, Event::Move { space, address, stack, stamp });
    });
}

/// Records that all that was tracked in `space` has ended.
#[cold]
pub fn all_untracked(space: Space) {
    sampling::forget_all(space);
    if is_on() {
        with_lane(|session, _, lane| {
            let stamp = session.recording.now();
            lane.stream.write(&session.recording, Event::UntrackAll { space, stamp });
        });
    }
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
