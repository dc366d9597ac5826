//! What an event is recorded through: the calling thread's lane, taken for as long as the event is under way.

use core::ptr::NonNull;
use core::sync::atomic::{Ordering, compiler_fence};

use tm_common::header::Loss;
use tm_common::ids::Stamp;

use crate::session::threads::{Lane, Thread};
use crate::session::{SESSION, Session};
use crate::sys::memory::maps;
use crate::sys::tls::{self, ThreadBlock};
use crate::sys::{arch, syscall};

/// An event that is under way: nobody else has the lane until it [ends](UnderWay::end).
pub(super) struct UnderWay {
    block: NonNull<ThreadBlock>,
    /// The depth that the thread has afterwards.
    outer: u32,
    /// The thread's place.
    pub thread: &'static Thread,
    lane: NonNull<Lane>,
}

impl UnderWay {
    /// Begins an event of a thread that has a place, and nothing under way: nearly all are.
    #[inline(always)]
    pub fn begin() -> Option<UnderWay> {
        let mut place = tls::current();
        // SAFETY: the calling thread's own block. A signal handler that comes here meanwhile restores `depth`.
        let block = unsafe { place.as_mut() };
        if block.depth != 0 {
            return None;
        }
        block.entries[0] = arch::stack_pointer();
        block.depth = 1;
        // A signal handler of this thread sees the lane taken before it is used.
        compiler_fence(Ordering::SeqCst);
        match SESSION.threads.known(&SESSION, block) {
            Some(thread) => Some(UnderWay { block: place, outer: 0, thread, lane: thread.first_lane() }),
            None => {
                block.depth = 0;
                None
            }
        }
    }

    /// Returns the lane.
    #[inline(always)]
    pub fn lane(&mut self) -> &mut Lane {
        // SAFETY: the lane of this depth is nobody else's until `depth` is restored.
        unsafe { self.lane.as_mut() }
    }

    /// Ends the event.
    #[inline(always)]
    pub fn end(mut self) {
        compiler_fence(Ordering::SeqCst);
        // SAFETY: as in `begin`.
        unsafe { self.block.as_mut() }.depth = self.outer;
    }
}

/// Runs `record` with what the calling thread records through, if it has or gets a place and is not muted. Called while
/// [`super::is_on`]. Not for events of the heap.
#[inline(always)]
pub(super) fn with_lane<T>(record: impl FnOnce(&Session, &Thread, &mut Lane) -> T) -> Option<T> {
    let mut under_way = match UnderWay::begin() {
        Some(under_way) => under_way,
        None => begin_unusual(false).ok()?,
    };
    let recorded = record(&SESSION, under_way.thread, under_way.lane());
    under_way.end();
    Some(recorded)
}

/// Runs the same for an event of the heap, unless the call is covered by that of an allocator which has the block for its
/// own ([`super::covering`]): then `covered` runs.
#[inline(always)]
pub(super) fn with_heap_lane(record: impl FnOnce(&Session, &Thread, &mut Lane), covered: impl FnOnce()) {
    let mut under_way = match UnderWay::begin().map_or_else(|| begin_unusual(true), Ok) {
        Ok(under_way) => under_way,
        Err(Unrecorded::Covered) => return covered(),
        Err(Unrecorded::Left) => return,
    };
    record(&SESSION, under_way.thread, under_way.lane());
    under_way.end();
}

/// Why an event is not recorded.
enum Unrecorded {
    /// Another call has the block for its own.
    Covered,
    /// The thread is muted, or there is no lane left or no place for it: counted, if it is a loss.
    Left,
}

/// Begins an event inside of another call of ours, or of a thread that has no place yet.
#[cold]
#[inline(never)]
fn begin_unusual(is_of_heap: bool) -> Result<UnderWay, Unrecorded> {
    let session = &SESSION;
    let mut place = tls::current();
    // SAFETY: as in `UnderWay::begin`.
    let block = unsafe { place.as_mut() };
    let here = arch::stack_pointer();
    if block.depth & tls::MUTED != 0 {
        return Err(Unrecorded::Left);
    }
    if is_of_heap && is_covered(block, here) {
        return Err(Unrecorded::Covered);
    }
    recover(block, here);
    let outer = block.depth;
    let depth = (outer & !tls::CALLS) as usize;
    let Some(entry) = block.entries.get_mut(depth) else {
        session.recording.lose(Loss::Nested);
        return Err(Unrecorded::Left);
    };
    *entry = here;
    block.depth = outer + 1;
    // As in `UnderWay::begin`.
    compiler_fence(Ordering::SeqCst);
    let thread = session.threads.of_caller(session, block);
    match thread.and_then(|thread| Some((thread, NonNull::new(thread.lane(depth))?))) {
        Some((thread, lane)) => Ok(UnderWay { block: place, outer, thread, lane }),
        None => {
            block.depth = outer;
            Err(Unrecorded::Left)
        }
    }
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
    let calls = block.depth & tls::CALLS;
    while let Some(inner) = (block.depth & !calls).checked_sub(1) {
        let entry = block.entries.get(inner as usize).copied().unwrap_or(usize::MAX);
        if !is_left(entry, here) {
            return;
        }
        block.depth = inner | calls;
        // SAFETY: the call that used the lane is gone.
        if let Some(lane) = thread.and_then(|thread| unsafe { thread.lane(inner as usize).as_mut() }) {
            lane.recover();
        }
    }
}
