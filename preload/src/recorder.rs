//! Layer 6: what hooks tell. The event path.
//!
//! Contract: no allocation, no lock, no system call, no panic, `errno` untouched; what cannot be recorded is counted.
//! The order is what lets a reader put threads together (`docs/format.md`, "What the stamps mean"): an allocation is
//! stamped after the real function has returned, a free before it is called.

use core::ffi::c_void;
use core::sync::atomic::{Ordering, compiler_fence};

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::header::Loss;
use tm_common::ids::{Address, StackId, Stamp};
use tm_common::stack::{FrameKind, StackNode};

use crate::session::threads::{LANES, Lane, Thread};
use crate::session::{SESSION, Session};
use crate::sys::tls;
use crate::unwind::walk::walk_frame_pointers;
use crate::unwind::{Caller, Frame, Frames, reference};

/// `function` has returned `block`, of `size` bytes. NULL is a failure, which is no event.
#[inline]
pub fn allocated(function: Function, block: *mut c_void, size: usize, caller: Caller) {
    if block.is_null() {
        return;
    }
    with_lane(|session, thread, lane| {
        let stack = stack_of(session, thread, lane, caller);
        let (address, size) = (Address(block as u64), size as u64);
        let stamp = session.recording.now();
        lane.ring.write(&session.recording, &Event::Allocate { function, address, size, stack, stamp });
    });
}

/// `function` is about to free `block`. NULL is no event.
#[inline]
pub fn freeing(function: Function, block: *mut c_void) {
    if !block.is_null() {
        freed_at(function, block, None);
    }
}

/// `function` has freed `block`, and was called at `begin`.
#[inline]
pub fn freed_at(function: Function, block: *mut c_void, begin: Option<Stamp>) {
    with_lane(|session, _, lane| {
        let address = Address(block as u64);
        let stamp = begin.unwrap_or_else(|| session.recording.now());
        lane.ring.write(&session.recording, &Event::Free { function, address, stamp });
    });
}

/// The moment before a reallocation.
#[inline]
pub fn begin_reallocation() -> Stamp {
    SESSION.recording.now()
}

/// A reallocation that began at `begin` has turned `old` into `new`, of `size` bytes.
#[inline]
pub fn reallocated(old: *mut c_void, new: *mut c_void, size: usize, begin: Stamp, caller: Caller) {
    with_lane(|session, thread, lane| {
        let stack = stack_of(session, thread, lane, caller);
        let (old, new) = (Address(old as u64), Address(new as u64));
        let (size, end) = (size as u64, session.recording.now());
        lane.ring.write(&session.recording, &Event::Reallocate { old, new, size, stack, begin, end });
    });
}

/// Runs `record` with what the calling thread records through, if it records.
#[inline]
fn with_lane(record: impl FnOnce(&Session, &Thread, &mut Lane)) {
    let session = &SESSION;
    if !session.is_recording() {
        return;
    }
    // SAFETY: the calling thread's own block. A signal handler that comes here meanwhile restores `depth`.
    let block = unsafe { tls::current().as_mut() };
    let depth = block.depth as usize;
    if depth >= LANES {
        return session.recording.lose(Loss::Nested);
    }
    block.depth += 1;
    // A signal handler of this thread sees the lane taken before it is used.
    compiler_fence(Ordering::SeqCst);
    let mut thread = block.thread.cast::<Thread>().cast_const();
    if thread.is_null() {
        match session.threads.register(session, block) {
            Some(registered) => thread = registered,
            None => session.recording.lose(Loss::NoMemory),
        }
    }
    // SAFETY: null, or the calling thread's place.
    if let Some(thread) = unsafe { thread.as_ref() } {
        // SAFETY: the lane of this depth is nobody else's until `depth` is restored.
        if let Some(lane) = unsafe { thread.lane(depth).as_mut() } {
            record(session, thread, lane);
        }
    }
    compiler_fence(Ordering::SeqCst);
    block.depth = depth as u32;
}

/// The id of the caller's stack.
#[inline]
fn stack_of(session: &Session, thread: &Thread, lane: &mut Lane, caller: Caller) -> StackId {
    // Relaxed: constant since the start.
    let limit = session.n_frames_max.load(Ordering::Relaxed) as usize;
    lane.n_stacks = lane.n_stacks.wrapping_add(1);
    thread.look_at_name(session, lane.n_stacks);
    if limit == 1 {
        return intern(session, StackId::NONE, Frame::new(caller.pc, FrameKind::Return));
    }
    walk(session, lane, caller);
    while lane.frames.kept().len() < lane.frames.depth() && lane.frames.enlarge(2 * limit) {
        walk(session, lane, caller);
    }
    let interval = session.self_check_interval.load(Ordering::Relaxed);
    if interval != 0 && lane.n_stacks.is_multiple_of(interval) {
        check(session, lane, caller);
    }
    intern_all(session, &lane.frames, limit)
}

#[inline]
fn walk(session: &Session, lane: &mut Lane, caller: Caller) {
    // Relaxed: constant since the start.
    if session.frame_pointers_only.load(Ordering::Relaxed) != 0 {
        walk_frame_pointers(caller, &mut lane.memory, &mut lane.frames);
    } else {
        session.unwinder.walk(&session.recording, caller, &mut lane.memory, &mut lane.frames);
    }
}

/// Enters a stack from the outermost frame. A stack of 2 `limit` frames or more is cut to between `limit` and twice
/// that, at a multiple of `limit` from its outer end: so a recursion does not bring a new root at every depth.
#[inline]
fn intern_all(session: &Session, frames: &Frames, limit: usize) -> StackId {
    let depth = frames.depth();
    let aligned = if depth >= 2 * limit { (depth / limit - 1) * limit } else { 0 };
    let kept = frames.kept();
    let n_cut = aligned.max(depth - kept.len());
    let mut stack = StackId::NONE;
    if n_cut > 0 {
        stack = intern(session, stack, Frame::new(n_cut, FrameKind::Cut));
    }
    for &frame in kept.iter().take(depth - n_cut).rev() {
        stack = intern(session, stack, frame);
    }
    stack
}

#[inline]
fn intern(session: &Session, parent: StackId, frame: Frame) -> StackId {
    let node = StackNode { parent, epoch: session.recording.epoch(), kind: frame.kind(), pc: frame.pc() };
    session.stacks.intern(&session.recording, node)
}

/// `TM_SELF_CHECK`: walks again without caches, and counts a difference. The first walk's frames stay.
#[cold]
fn check(session: &Session, lane: &mut Lane, caller: Caller) {
    let Some(header) = session.recording.header() else { return };
    // SAFETY: all zeros is a `Frames` without room.
    let mut again: Frames = unsafe { core::mem::zeroed() };
    reference::walk(&session.unwinder, &session.recording, caller, &mut lane.memory, &mut again);
    if again.enlarge(again.depth().max(Frames::CAPACITY_MIN).next_power_of_two()) {
        reference::walk(&session.unwinder, &session.recording, caller, &mut lane.memory, &mut again);
    }
    let len = lane.frames.kept().len();
    let same = again.depth() == lane.frames.depth() && again.kept().get(..len) == Some(lane.frames.kept());
    // Relaxed: counters.
    header.self_checks.fetch_add(1, Ordering::Relaxed);
    header.self_check_differences.fetch_add(u64::from(!same), Ordering::Relaxed);
    again.release();
}
