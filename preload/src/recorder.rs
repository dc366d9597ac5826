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
use tm_common::ids::{Address, Space, StackId, Stamp};
use tm_common::stack::{FrameKind, StackNode};

use crate::session::threads::{Lane, Thread};
use crate::session::{SESSION, Session};
use crate::sys::{maps, syscall, tls};
use crate::unwind::cached_frame::CachedFrame;
use crate::unwind::stack_cache::StackCache;
use crate::unwind::step::State;
use crate::unwind::{Caller, Frame, arch, reference};

/// Whether anything is recorded at all: hooks whose preparations take time ask before.
#[inline(always)]
pub fn is_on() -> bool {
    SESSION.is_on()
}

/// `function` has returned `block`, of `size` bytes. NULL is a failure, which is no event.
#[inline(always)]
pub fn allocated(function: Function, block: *mut c_void, size: usize, caller: Caller) {
    // SAFETY: the calling thread's own block, read at once.
    let is_inside = || unsafe { tls::current().as_ref() }.allocating == size.wrapping_add(1);
    if block.is_null() || is_inside() || !SESSION.is_on_at(caller.pc) {
        return;
    }
    with_lane(|session, thread, lane| {
        label(session, lane, None);
        let stack = stack_of(thread, lane, caller.pc, caller.sp, caller.fp);
        let (address, size) = (Address(block as u64), size as u64);
        let stamp = session.recording.now();
        lane.ring.write(&session.recording, Event::Allocate { function, address, size, stack, stamp });
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

/// `function` is about to free `block`. NULL is no event.
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
            lane.ring.write(&session.recording, Event::Free { function, address, stamp });
        });
    }
}

/// `function`, an operator of the allocator's, is about to free `block` in `free_it`. The operator may do so by calling
/// `free` or another operator by its symbol, which is the same free and no event.
#[inline]
pub fn deleting(function: Function, block: *mut c_void, free_it: impl FnOnce()) {
    freeing(function, block);
    // SAFETY: the calling thread's own block; a signal handler that deletes meanwhile puts back what it found.
    let outer = core::mem::replace(unsafe { &mut tls::current().as_mut().deleting }, block.cast());
    free_it();
    // SAFETY: as above. The address may belong to another block from here on.
    unsafe { tls::current().as_mut() }.deleting = outer;
}

/// `function` has freed `block`, and was called at `stamp`.
#[inline]
pub fn freed_at(function: Function, block: *mut c_void, stamp: Stamp) {
    if !is_on() {
        return;
    }
    with_lane(|session, _, lane| {
        let address = Address(block as u64);
        lane.ring.write(&session.recording, Event::Free { function, address, stamp });
    });
}

/// The moment before an address is given up in a call whose record is written afterwards. Called while [`is_on`].
#[inline]
pub fn begin_release() -> Stamp {
    SESSION.recording.now()
}

/// A reallocation that began at `begin` has turned `old` into `new`, of `size` bytes.
#[inline]
pub fn reallocated(old: *mut c_void, new: *mut c_void, size: usize, begin: Stamp, caller: Caller) {
    if !is_on() {
        return;
    }
    with_lane(|session, thread, lane| {
        label(session, lane, Some(begin));
        let stack = stack_of(thread, lane, caller.pc, caller.sp, caller.fp);
        let (old, new) = (Address(old as u64), Address(new as u64));
        let (size, end) = (size as u64, session.recording.now());
        lane.ring.write(&session.recording, Event::Reallocate { old, new, size, stack, begin, end });
    });
}

/// The program tells of a block of `size` bytes at `address` of `space`. Returns whether that is recorded.
#[inline]
pub fn tracked(space: Space, address: usize, size: usize, caller: Caller) -> bool {
    if !is_on() {
        return false;
    }
    let is_recorded = with_lane(|session, thread, lane| {
        label(session, lane, None);
        let stack = stack_of(thread, lane, caller.pc, caller.sp, caller.fp);
        let (address, size) = (Address(address as u64), size as u64);
        let stamp = session.recording.now();
        lane.ring.write(&session.recording, Event::Track { space, address, size, stack, stamp })
    });
    is_recorded.unwrap_or(false)
}

/// The program tells that it is gone. Returns whether that is recorded.
#[inline]
pub fn untracked(space: Space, address: usize) -> bool {
    if !is_on() {
        return false;
    }
    let is_recorded = with_lane(|session, _, lane| {
        let (address, size) = (Address(address as u64), 0);
        let stamp = session.recording.now();
        lane.ring.write(&session.recording, Event::Untrack { space, address, size, stamp })
    });
    is_recorded.unwrap_or(false)
}

/// `size` bytes at `address` have been mapped, in place of whatever was there.
#[inline]
pub fn mapped(address: usize, size: usize, caller: Caller) {
    tracked(Space::MAPPINGS, address, size, caller);
}

/// What was mapped in `size` bytes at `address` has been unmapped, some time after `begin`.
#[inline]
pub fn unmapped(address: usize, size: usize, begin: Stamp) {
    if !is_on() {
        return;
    }
    with_lane(|session, _, lane| {
        let (space, address, size) = (Space::MAPPINGS, Address(address as u64), size as u64);
        lane.ring.write(&session.recording, Event::Untrack { space, address, size, stamp: begin });
    });
}

/// Before what comes to be: its label, if it is another one than that of the lane's latest. `stamp` is that of an event
/// that began earlier than now.
#[inline(always)]
fn label(session: &Session, lane: &mut Lane, stamp: Option<Stamp>) {
    // SAFETY: the calling thread's own block, read at once.
    let tag = unsafe { tls::current().as_ref() }.tag;
    if lane.tag != tag {
        lane.begin_tag(session, tag, stamp.unwrap_or_else(|| session.recording.now()));
    }
}

/// Runs `record` with what the calling thread records through, if it has or gets a place and is not muted. Called while
/// [`is_on`].
#[inline(always)]
fn with_lane<T>(record: impl FnOnce(&Session, &Thread, &mut Lane) -> T) -> Option<T> {
    let session = &SESSION;
    // SAFETY: the calling thread's own block. A signal handler that comes here meanwhile restores `depth`.
    let block = unsafe { tls::current().as_mut() };
    let here = crate::sys::arch::stack_pointer();
    if block.depth > 0 {
        if block.depth & tls::MUTED != 0 {
            return None;
        }
        recover(block, here);
    }
    let depth = block.depth as usize;
    let Some(entry) = block.entries.get_mut(depth) else {
        session.recording.lose(Loss::Nested);
        return None;
    };
    *entry = here;
    block.depth += 1;
    // A signal handler of this thread sees the lane taken before it is used.
    compiler_fence(Ordering::SeqCst);
    let recorded = session.threads.of_caller(session, block).and_then(|thread| {
        // SAFETY: the lane of this depth is nobody else's until `depth` is restored.
        let lane = unsafe { thread.lane(depth).as_mut() };
        lane.map(|lane| record(session, thread, lane))
    });
    compiler_fence(Ordering::SeqCst);
    block.depth = depth as u32;
    recorded
}

/// A handler's frames are at least this much inward of what it interrupted: the kernel puts the registers between.
const SIGNAL_FRAME_BYTES_MIN: usize = 512;

/// Ends recorder calls that a signal handler has left by `siglongjmp`: those whose frame is not outward of the present
/// one, on the same stack. On another stack nothing can be told; then the lane stays taken.
///
/// Only a nested event comes here, so its system calls are not on the event path.
#[cold]
fn recover(block: &mut tls::ThreadBlock, here: usize) {
    // SAFETY: null, or the calling thread's place.
    let thread = unsafe { block.thread.cast::<Thread>().as_ref() };
    while let Some(inner) = block.depth.checked_sub(1) {
        let entry = block.entries.get(inner as usize).copied().unwrap_or(usize::MAX);
        let same_stack = || maps::mapping_of(entry).is_some_and(|stack| stack.contains(&here));
        if here.saturating_add(SIGNAL_FRAME_BYTES_MIN) <= entry
            || syscall::is_on_signal_stack()
            || !same_stack()
        {
            return;
        }
        block.depth = inner;
        // SAFETY: the call that used the lane is gone.
        if let Some(lane) = thread.and_then(|thread| unsafe { thread.lane(inner as usize).as_mut() }) {
            lane.recover();
        }
    }
}

/// The id of the caller's stack. Not a [`Caller`], which would be passed in memory.
#[inline(never)]
fn stack_of(thread: &Thread, lane: &mut Lane, pc: usize, sp: usize, fp: usize) -> StackId {
    let (session, caller) = (&SESSION, Caller { pc, sp, fp });
    // Relaxed: a number on its own.
    let limit = session.n_frames_max.load(Ordering::Relaxed) as usize;
    lane.n_stacks = lane.n_stacks.wrapping_add(1);
    thread.look_at_name(session, lane.n_stacks);
    if limit == 1 {
        let (pc, kind) = (arch::strip(pc), FrameKind::Return);
        let node = session.stacks.reader(session.recording.epoch()).find(StackId::NONE, pc as u64, kind);
        return node.unwrap_or_else(|| intern(session, StackId::NONE, Frame::new(pc, kind)));
    }
    let walked =
        session.unwinder.walk_to_cache(&session.recording, caller, &mut lane.memory, &mut lane.cache);
    let Ok(n_kept) = walked else { return walk_in_full(session, lane, caller, limit) };
    let stack = if lane.cache.depth(n_kept) < 2 * limit && lane.cache.n_cut == 0 {
        let nodes = session.stacks.reader(session.recording.epoch());
        lane.cache.finish(n_kept, |parent, pc, kind| {
            let pc = arch::strip(pc);
            nodes
                .find(parent, pc as u64, kind)
                .unwrap_or_else(|| intern(session, parent, Frame::new(pc, kind)))
        })
    } else {
        enter_with_cut(session, &mut lane.cache, n_kept, limit)
    };
    if stack == StackId::NONE {
        // The file cannot grow. Frames without nodes must not be taken for entered ones.
        lane.cache.clear();
    }
    check_now_and_then(session, lane, caller);
    stack
}

/// Makes the cache the walked stack, which is or was too deep for the limit, and enters the frames inside of the cut.
#[cold]
fn enter_with_cut(session: &Session, cache: &mut StackCache, n_kept: usize, limit: usize) -> StackId {
    cache.finish(n_kept, |_, _, _| StackId::NONE);
    // What stands outward of all frames of a stack that could not be followed is none.
    let end = cache.frames().first().map(CachedFrame::state).filter(State::is_incomplete);
    let end = end.map(|end| Frame::new(end.pc, end.kind));
    let n_cut = n_nodes_cut(cache.frames().len(), limit, end);
    // Nodes are chains from the cut: another cut makes other nodes.
    let first = if n_cut == cache.n_cut { n_kept.max(n_cut) } else { n_cut };
    cache.n_cut = n_cut;
    let mut stack = match first.checked_sub(1).and_then(|outer| cache.frames().get(outer)) {
        Some(outer) if first > n_cut => outer.node,
        _ => enter_cut(session, end, n_cut),
    };
    for frame in cache.frames_mut().iter_mut().skip(first) {
        let state = frame.state();
        stack = intern(session, stack, Frame::new(arch::strip(state.pc), state.kind));
        frame.node = stack;
        if stack == StackId::NONE {
            break;
        }
    }
    stack
}

/// Of a stack of 2 `limit` frames or more, between `limit` and twice that are kept, and the cut is at a multiple of
/// `limit` from the outer end: so a recursion does not bring a new root at every depth.
#[inline]
fn n_frames_cut(depth: usize, limit: usize) -> usize {
    if depth >= 2 * limit { (depth / limit - 1) * limit } else { 0 }
}

/// The same for a stack of `depth` with its `end`, if it has one, which is cut before any frame is.
#[inline]
fn n_nodes_cut(depth: usize, limit: usize, end: Option<Frame>) -> usize {
    let n_ends = usize::from(end.is_some());
    match n_frames_cut(depth - n_ends, limit) {
        0 => 0,
        n_cut => n_cut + n_ends,
    }
}

/// The node of a cut that leaves `n_cut` nodes out, the outermost of which may be `end`, which stays.
#[inline]
fn enter_cut(session: &Session, end: Option<Frame>, n_cut: usize) -> StackId {
    if n_cut == 0 {
        return StackId::NONE;
    }
    let outside = end.map_or(StackId::NONE, |end| intern(session, StackId::NONE, end));
    match n_cut - usize::from(end.is_some()) {
        0 => outside,
        n_frames => intern(session, outside, Frame::new(n_frames, FrameKind::Cut)),
    }
}

/// A stack that the cache cannot hold.
#[cold]
fn walk_in_full(session: &Session, lane: &mut Lane, caller: Caller, limit: usize) -> StackId {
    lane.cache.clear();
    loop {
        session.unwinder.walk(&session.recording, caller, &mut lane.memory, &mut lane.frames);
        let complete = lane.frames.kept().len() == lane.frames.depth();
        if complete || !lane.frames.enlarge(2 * limit) {
            break;
        }
    }
    let (depth, kept) = (lane.frames.depth(), lane.frames.kept());
    let end = kept.last().copied().filter(|end| end.kind() == FrameKind::Incomplete);
    let n_cut = n_nodes_cut(depth, limit, end).max(depth - kept.len());
    let mut stack = enter_cut(session, end, n_cut);
    for &frame in kept.iter().take(depth - n_cut).rev() {
        stack = intern(session, stack, frame);
    }
    stack
}

#[cold]
fn intern(session: &Session, parent: StackId, frame: Frame) -> StackId {
    let node = StackNode { parent, epoch: session.recording.epoch(), kind: frame.kind(), pc: frame.pc() };
    session.stacks.intern(&session.recording, node)
}

/// `TM_SELF_CHECK`.
#[inline]
fn check_now_and_then(session: &Session, lane: &mut Lane, caller: Caller) {
    // Relaxed: constant since the start.
    let interval = session.self_check_interval.load(Ordering::Relaxed);
    if interval != 0 && lane.n_stacks.is_multiple_of(interval) {
        check(session, lane, caller);
    }
}

/// Walks again without caches, and counts a difference. The cached stack stays.
#[cold]
fn check(session: &Session, lane: &mut Lane, caller: Caller) {
    let Some(header) = session.recording.header() else { return };
    let depth = lane.cache.frames().len();
    loop {
        reference::walk(&session.unwinder, &session.recording, caller, &mut lane.memory, &mut lane.frames);
        let complete = lane.frames.kept().len() == lane.frames.depth();
        if complete || !lane.frames.enlarge(lane.frames.depth().next_power_of_two()) {
            break;
        }
    }
    let cached = lane
        .cache
        .frames()
        .iter()
        .rev()
        .map(|frame| (arch::strip(frame.state().pc) as u64, frame.state().kind));
    let walked = lane.frames.kept().iter().map(|frame| (frame.pc(), frame.kind()));
    let same = lane.frames.depth() == depth && cached.eq(walked);
    // Relaxed: counters.
    header.self_checks.fetch_add(1, Ordering::Relaxed);
    header.self_check_differences.fetch_add(u64::from(!same), Ordering::Relaxed);
}
