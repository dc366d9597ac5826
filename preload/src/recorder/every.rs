//! Blocks of the heap in a process that records every event: what nearly all events are.

use core::ffi::c_void;

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::Address;

use super::lane::{UnderWay, tag_next, with_heap_lane};
use super::operators::{is_freed, is_of_operator};
use super::stack::stack_of;
use super::{begin_release, end_covered};
use crate::real;
use crate::session::threads::{Lane, Thread};
use crate::session::{SESSION, Session};
use crate::unwind::Caller;

/// Records that `malloc` has returned `block`, which is not NULL, in a process that recorded every event when it was called: a command that
/// came meanwhile has its stamp. Returns the block. Each of these on its own, so that it knows the function.
pub extern "C" fn malloc_returned(
    block: *mut c_void,
    size: usize,
    pc: usize,
    sp: usize,
    fp: usize,
) -> *mut c_void {
    allocated_one(Function::Malloc, block, size, Caller { pc, sp, fp });
    block
}

/// Does the same for `calloc`.
pub extern "C" fn calloc_returned(
    block: *mut c_void,
    size: usize,
    pc: usize,
    sp: usize,
    fp: usize,
) -> *mut c_void {
    allocated_one(Function::Calloc, block, size, Caller { pc, sp, fp });
    block
}

/// Does the same for any function.
#[inline(never)]
pub(super) fn allocated_by(
    function: Function,
    block: *mut c_void,
    size: usize,
    pc: usize,
    sp: usize,
    fp: usize,
) {
    allocated_one(function, block, size, Caller { pc, sp, fp });
}

#[inline(always)]
fn allocated_one(function: Function, block: *mut c_void, size: usize, caller: Caller) {
    match UnderWay::begin() {
        Some(mut under_way) => {
            write_allocated(function, block, size, caller, under_way.thread, under_way.lane());
            under_way.end();
        }
        None => allocated_unusually(function, block, size, caller.pc, caller.sp, caller.fp),
    }
}

#[cold]
#[inline(never)]
fn allocated_unusually(function: Function, block: *mut c_void, size: usize, pc: usize, sp: usize, fp: usize) {
    if !is_of_operator(size) {
        let caller = Caller { pc, sp, fp };
        with_heap_lane(|_, thread, lane| write_allocated(function, block, size, caller, thread, lane), || {});
    }
}

#[inline(always)]
fn write_allocated(
    function: Function,
    block: *mut c_void,
    size: usize,
    caller: Caller,
    thread: &Thread,
    lane: &mut Lane,
) {
    let session = &SESSION;
    tag_next(session, lane, None);
    let stack = stack_of(thread, lane, caller);
    let (address, size) = (Address(block as u64), size as u64);
    let stamp = session.recording.now();
    lane.stream.write(&session.recording, Event::Allocate { function, address, size, stack, stamp });
}

/// Frees `block` as `free`, in a process that records every event.
#[inline(never)]
pub fn free_one(block: *mut c_void) {
    if real::is_early(block) {
        return;
    }
    if freeing_at_hand(Function::Free, block) {
        return real::free_late(block);
    }
    free_unusually(block);
}

#[cold]
#[inline(never)]
fn free_unusually(block: *mut c_void) {
    freeing_unusually(Function::Free, block);
    real::free_late(block);
}

/// Does the work of [`super::freeing`] in a process that records every event.
#[inline(always)]
pub(super) fn freeing_one(function: Function, block: *mut c_void) {
    if !freeing_at_hand(function, block) {
        freeing_unusually(function, block);
    }
}

/// Records that `function` is about to free `block`, if the thread has what that takes at hand, as nearly always. Returns whether that is
/// done. It calls nothing: so no register is saved for it.
#[inline(always)]
fn freeing_at_hand(function: Function, block: *mut c_void) -> bool {
    if block.is_null() {
        return false;
    }
    let Some(mut under_way) = UnderWay::begin() else { return false };
    let address = Address(block as u64);
    let event = |stamp| Event::Free { function, address, stamp };
    let is_written = under_way.lane().stream.write_at_hand(&SESSION.recording, event);
    under_way.end();
    is_written
}

#[cold]
#[inline(never)]
fn freeing_unusually(function: Function, block: *mut c_void) {
    if is_freed(block) {
        let record = move |session: &Session, _: &Thread, lane: &mut Lane| {
            let (address, stamp) = (Address(block as u64), session.recording.now());
            lane.stream.write(&session.recording, Event::Free { function, address, stamp });
        };
        with_heap_lane(record, || end_covered(block, begin_release()));
    }
}
