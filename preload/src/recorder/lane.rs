//! What an event is recorded through: the calling thread's lane, taken for as long as the event is under way.

use core::sync::atomic::{Ordering, compiler_fence};

use tm_common::header::Loss;
use tm_common::ids::Stamp;

use crate::session::threads::{Lane, Thread};
use crate::session::{SESSION, Session};
use crate::sys::memory::maps;
use crate::sys::{arch, syscall, tls};

/// Runs `record` with what the calling thread records through, if it has or gets a place and is not muted. Called while
/// [`super::is_on`]. Not for events of the heap.
#[inline(always)]
pub(super) fn with_lane<T>(record: impl FnOnce(&Session, &Thread, &mut Lane) -> T) -> Option<T> {
    with_any_lane::<false, T>(record, || {})
}

/// Runs the same for an event of the heap, unless the call is covered by that of an allocator which has the block for its
/// own ([`super::covering`]): then `covered` runs.
#[inline(always)]
pub(super) fn with_heap_lane(record: impl FnOnce(&Session, &Thread, &mut Lane), covered: impl FnOnce()) {
    with_any_lane::<true, ()>(record, covered);
}

#[inline(always)]
fn with_any_lane<const IS_HEAP: bool, T>(
    record: impl FnOnce(&Session, &Thread, &mut Lane) -> T,
    covered: impl FnOnce(),
) -> Option<T> {
    let session = &SESSION;
    // SAFETY: the calling thread's own block. A signal handler that comes here meanwhile restores `depth`.
    let block = unsafe { tls::current().as_mut() };
    let here = arch::stack_pointer();
    if block.depth > 0 {
        if block.depth & tls::MUTED != 0 {
            return None;
        }
        if IS_HEAP && is_covered(block, here) {
            covered();
            return None;
        }
        recover(block, here);
    }
    // An event of the heap only comes here without.
    let cover = if IS_HEAP { 0 } else { block.depth & tls::COVERED };
    let depth = (block.depth & !cover) as usize;
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
    block.depth = depth as u32 | cover;
    recorded
}

/// Writes the tag of the event that comes next, if it is another one than that of the lane's latest. `stamp` is that of an
/// event that began earlier than now.
#[inline(always)]
pub(super) fn tag_next(session: &Session, lane: &mut Lane, stamp: Option<Stamp>) {
    // SAFETY: the calling thread's own block, read at once.
    let tag = unsafe { tls::current().as_ref() }.tag;
    if lane.tag != tag {
        lane.begin_tag(session, tag, stamp.unwrap_or_else(|| session.recording.now()));
    }
}

/// A handler's frames are at least this much inward of what it interrupted: the kernel puts the registers between.
const SIGNAL_FRAME_BYTES_MIN: usize = 512;

/// Tells whether the calling thread is inside of a call that covers those of the heap. Ends one that a signal handler has
/// left by `siglongjmp`: its frame is not outward of the present one.
#[inline]
pub(super) fn is_covered(block: &mut tls::ThreadBlock, here: usize) -> bool {
    if block.depth & tls::COVERED == 0 {
        return false;
    }
    let is_gone = here > block.allocating && is_left(block.allocating, here);
    if is_gone {
        (block.depth, block.allocating) = (block.depth & !tls::COVERED, 0);
    }
    !is_gone
}

/// Tells whether the call whose stack pointer was `entry` has been left: its frame is not outward of the present one, on the
/// same stack. On another stack nothing can be told; then it goes on.
#[cold]
fn is_left(entry: usize, here: usize) -> bool {
    let same_stack = || maps::mapping_of(entry).is_some_and(|stack| stack.contains(&here));
    here.saturating_add(SIGNAL_FRAME_BYTES_MIN) > entry && !syscall::is_on_signal_stack() && same_stack()
}

/// Ends recorder calls that a signal handler has left by `siglongjmp`.
///
/// Only a nested event comes here, so its system calls are not on the event path.
#[cold]
fn recover(block: &mut tls::ThreadBlock, here: usize) {
    // SAFETY: null, or the calling thread's place.
    let thread = unsafe { block.thread.cast::<Thread>().as_ref() };
    let cover = block.depth & tls::COVERED;
    while let Some(inner) = (block.depth & !cover).checked_sub(1) {
        let entry = block.entries.get(inner as usize).copied().unwrap_or(usize::MAX);
        if !is_left(entry, here) {
            return;
        }
        block.depth = inner | cover;
        // SAFETY: the call that used the lane is gone.
        if let Some(lane) = thread.and_then(|thread| unsafe { thread.lane(inner as usize).as_mut() }) {
            lane.recover();
        }
    }
}
