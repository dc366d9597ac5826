//! The validated stack cache: a thread's last stack, and how much of it still stands.
//!
//! A step of the walk is a function of the state (pc, sp, fp) and of the words that it reads. So where the live state
//! equals a cached one, and the words that the cached steps read from there outward still hold what they held, the
//! rest of the walk would come out as the cache has it. Nothing is assumed about who wrote the words, when or why:
//! longjmp, exceptions, fibers and tail calls only make it miss. Every word is compared; stopping at the first frame
//! that looks old is wrong in a tenth to a third of the events of real programs.
//!
//! ```text
//!  frames   0 outermost ............ join ......... innermost of the last stack
//!  words    | those that frame 0's step read | frame 1's | ... | frame join's | ...
//!           \__ compared, not walked ________________________/
//!  now      0 outermost ............ join | walked anew, innermost first, then put here
//! ```
//!
//! A saved frame pointer is only compared where a step further out needs it: code without frame pointers saves the
//! register because it uses it for something else. Where it is not compared, [`CachedFrame::fp`] may be old.

use tm_common::ids::{Epoch, StackId};
use tm_common::stack::FrameKind;

use super::Caller;
use super::cached_frame::{CachedFrame, Marks, Walked};
use super::memo::{Hints, Remembered};
use super::stack_memory::Readable;
use super::step::{NotCached, State};
use crate::sys::memory::pages;
use crate::sys::process::signals::SignalsBlocked;
use crate::sys::syscall;

/// Frames that fit without asking for more: 56 KiB, of which only touched pages cost memory.
const CAPACITY_MIN: usize = 512;
/// Deeper stacks are walked in full at each event: 14 MiB.
pub const DEPTH_MAX: usize = 128 * 1024;
/// The most words that a step reads, see [`super::step::Step`].
const WORDS_MAX: usize = 2;
const _: () =
    assert!(WORDS_START + WORDS_MAX * DEPTH_MAX <= Marks::WORDS_END_MAX, "marks hold the end of all words");
/// The number of words that are compared at a time, ...
pub(super) const WORDS_AT_ONCE: usize = 8;
/// ... so there are as many in front that never change.
pub(super) const WORDS_START: usize = WORDS_AT_ONCE;

/// A word of the stack that a step has read.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// Where it is.
    pub at: usize,
    /// What it held.
    pub held: usize,
}

/// A thread's last stack. All zeros is an empty one.
#[derive(Debug)]
pub struct StackCache {
    /// The outermost frame, in front of which stands [`CachedFrame::outside`]. Null before the first walk.
    frames: *mut CachedFrame,
    /// Null before the first walk.
    hints: *mut Hints,
    /// The frames of the walk under way, innermost first.
    walked: *mut Walked,
    pub(super) words: *mut Word,
    /// The number of frames that there is room for, for as many walked ones, and for [`WORDS_MAX`] times as many words.
    capacity: usize,
    len: usize,
    /// The number of frames, outermost first, that the latest stack has as well: all, unless it has come by a path.
    n_live: usize,
    n_walked: usize,
    /// One more than the place of the innermost barrier, 0 for none.
    pub barrier_end: usize,
    /// The address at or above which no step reads, if it is no barrier.
    pub(super) top: usize,
    /// Outer frames that were cut from the stack that the nodes are of.
    pub n_cut: usize,
    /// What [`super::walk::Unwinder::generation`] was.
    generation: u32,
    epoch: Epoch,
}

/// Where a walk stands beside the cached stack. In registers.
#[derive(Debug)]
pub struct Cursor {
    /// The place that ends the cached frames that are looked at.
    pub end: usize,
    next: *mut Walked,
    limit: *mut Walked,
}

/// Bytes of room for `capacity` frames.
const fn room_bytes(capacity: usize) -> usize {
    let frame_bytes = size_of::<CachedFrame>() + size_of::<Walked>() + WORDS_MAX * size_of::<Word>();
    let fixed_bytes = size_of::<CachedFrame>() + WORDS_START * size_of::<Word>();
    fixed_bytes + capacity * frame_bytes
}

impl StackCache {
    /// Returns the frames, outermost first.
    #[inline]
    pub fn frames(&self) -> &[CachedFrame] {
        if self.frames.is_null() {
            return &[];
        }
        // SAFETY: `len` frames were written.
        unsafe { core::slice::from_raw_parts(self.frames, self.len) }
    }

    /// Returns the frames, outermost first, to enter nodes.
    pub fn frames_mut(&mut self) -> &mut [CachedFrame] {
        if self.frames.is_null() {
            return &mut [];
        }
        // SAFETY: `len` frames were written, and the cache is borrowed.
        unsafe { core::slice::from_raw_parts_mut(self.frames, self.len) }
    }

    /// Returns the frames that the latest stack has as well, outermost first: all, unless it has come by a path.
    #[inline]
    pub fn live_frames(&self) -> &[CachedFrame] {
        self.frames().get(..self.n_live).unwrap_or(&[])
    }

    /// Returns the frame at `place`, which must be less than the number of frames.
    #[inline(always)]
    pub fn frame(&self, place: usize) -> &CachedFrame {
        debug_assert!(place < self.len);
        // SAFETY: `len` frames were written.
        unsafe { &*self.frames.add(place) }
    }

    /// Returns how deep the stack will be when the walk under way is finished with `n_kept`.
    #[inline(always)]
    pub fn depth(&self, n_kept: usize) -> usize {
        n_kept + self.n_walked
    }

    /// Empties the cache.
    pub fn clear(&mut self) {
        (self.len, self.n_cut, self.barrier_end) = (0, 0, 0);
    }

    /// Empties the cache, and forgets what is remembered beside it.
    #[cold]
    pub fn clear_all(&mut self) {
        self.clear();
        // SAFETY: null, or the cache's own.
        if let Some(hints) = unsafe { self.hints.as_mut() } {
            hints.clear();
        }
    }

    /// Makes it fit for the rules of `generation`: empties it if it was walked by others, or in another epoch.
    #[inline(always)]
    pub fn renew(&mut self, generation: u32, epoch: Epoch) {
        if self.generation != generation || self.epoch != epoch {
            self.clear_all();
            (self.generation, self.epoch) = (generation, epoch);
        }
    }

    /// Finds a path from `caller`, in `stack`, to a cached frame: the place of that one, and what the stack is if all is as it was
    /// from there outward. It is the thread's stack number `n_stacks`.
    #[inline(always)]
    pub fn find_path(&mut self, caller: Caller, stack: Readable, n_stacks: u32) -> Option<(usize, StackId)> {
        // SAFETY: null, or the cache's own; frames are elsewhere.
        let paths = unsafe { &mut self.hints.as_mut()?.paths };
        paths.find(caller, stack, n_stacks, |path| {
            path.place() < self.len && path.joins(self.frame(path.place()))
        })
    }

    /// Takes note that the latest stack has come by a path to the frame at `place`.
    #[inline(always)]
    pub fn come_by_path(&mut self, place: usize) {
        self.n_live = place + 1;
    }

    /// Returns the frames inward of the cached ones that the latest stack has, if it has come by a path: return addresses, innermost first.
    #[cold]
    pub fn path_frames(&self, caller: Caller, stack: Readable) -> impl Iterator<Item = usize> {
        // SAFETY: null, or the cache's own.
        let hints = unsafe { self.hints.as_ref() };
        hints.into_iter().flat_map(move |hints| hints.paths.frames(caller, stack))
    }

    /// Remembers the path of the stack that has just been finished with `n_kept`, of which all nodes are there. Each stack that comes by it has
    /// as many frames.
    #[inline(always)]
    pub fn remember_path(&mut self, n_kept: usize) {
        if n_kept > 0 && self.barrier_end <= n_kept {
            // SAFETY: there are hints, since `begin`; the frames and words of the finished stack were written.
            unsafe { (*self.hints).paths.remember(self.frames, self.words, (n_kept - 1, self.len - 1)) };
        }
    }

    /// Starts a walk.
    #[inline(always)]
    pub fn begin(&mut self) -> Result<Cursor, NotCached> {
        if self.frames.is_null() && !self.grow(0) {
            return Err(NotCached);
        }
        // Frames that are kept and walked ones together must fit behind each other in the end.
        let limit = self.walked.wrapping_add(self.capacity - self.len);
        Ok(Cursor { end: self.len, next: self.walked, limit })
    }

    /// Returns what is remembered of the frame in `state`.
    #[inline(always)]
    pub fn remembered(&mut self, state: State) -> &mut Remembered {
        // SAFETY: there are hints, since `begin`.
        unsafe { (*self.hints).memo.of(state.pc, state.sp) }
    }

    /// Tells whether the frame at `place` is in `state`.
    #[inline(always)]
    pub fn is_at(&self, place: usize, state: State, cursor: &Cursor) -> bool {
        // SAFETY: places in front of `end` have frames.
        place < cursor.end && unsafe { (*self.frames.add(place)).is_at(state) }
    }

    /// Notes the next frame of the walk. Fails if there is no memory or the stack is too deep to be cached.
    #[inline(always)]
    pub fn push(&mut self, cursor: &mut Cursor, frame: Walked) -> Result<(), NotCached> {
        if cursor.next == cursor.limit {
            self.make_room(cursor)?;
        }
        // SAFETY: there is room up to `limit`.
        unsafe { cursor.next.write(frame) };
        cursor.next = cursor.next.wrapping_add(1);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, cursor: &mut Cursor) -> Result<(), NotCached> {
        // SAFETY: in or right behind the same room.
        let n_walked = unsafe { cursor.next.offset_from_unsigned(self.walked) };
        if self.is_circle(n_walked) || !self.grow(n_walked) {
            return Err(NotCached);
        }
        cursor.next = self.walked.wrapping_add(n_walked);
        cursor.limit = self.walked.wrapping_add(self.capacity - self.len);
        Ok(())
    }

    /// Tells whether the frame that was walked last has been walked before: damaged frames lead in a circle.
    #[cold]
    fn is_circle(&self, n_walked: usize) -> bool {
        // SAFETY: so many were pushed.
        let walked = unsafe { core::slice::from_raw_parts(self.walked, n_walked) };
        let place = |frame: &Walked| (frame.pc, frame.sp);
        let Some((last, before)) = walked.split_last() else { return false };
        before.iter().any(|frame| place(frame) == place(last))
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, n_walked: usize) -> bool {
        let capacity = (2 * self.capacity).max(CAPACITY_MIN);
        if capacity > DEPTH_MAX {
            return false;
        }
        // A handler that left by siglongjmp would leave the pointers to a room that is gone.
        let _blocked = SignalsBlocked::now();
        if self.hints.is_null() {
            self.hints = pages::zeroed(1);
        }
        let fresh: *mut u8 = pages::zeroed(room_bytes(capacity));
        if fresh.is_null() || self.hints.is_null() {
            return false;
        }
        // SAFETY: the room is long enough for all; the old room came from here and is nobody else's.
        unsafe {
            fresh.cast::<CachedFrame>().write(CachedFrame::outside(WORDS_START));
            let frames = fresh.cast::<CachedFrame>().add(1);
            let walked = frames.add(capacity).cast::<Walked>();
            let words = walked.add(capacity).cast::<Word>();
            for place in 0..WORDS_START {
                let held = &raw const (*words.add(place)).held;
                words.add(place).write(Word { at: held as usize, held: 0 });
            }
            if !self.frames.is_null() {
                core::ptr::copy_nonoverlapping(self.frames, frames, self.len);
                core::ptr::copy_nonoverlapping(self.walked, walked, n_walked);
                let (from, to) = (self.words.add(WORDS_START), words.add(WORDS_START));
                core::ptr::copy_nonoverlapping(from, to, WORDS_MAX * self.len);
                syscall::munmap(self.frames.sub(1).cast(), room_bytes(self.capacity));
            }
            (self.frames, self.walked, self.words) = (frames, walked, words);
            self.capacity = capacity;
        }
        true
    }

    /// Ends a walk that has reached the cached stack or its own end: notes how many frames were pushed.
    #[inline(always)]
    pub fn end_walk(&mut self, cursor: &Cursor) {
        // SAFETY: in or right behind the same room.
        self.n_walked = unsafe { cursor.next.offset_from_unsigned(self.walked) };
    }

    /// Ends a walk: the outermost `n_kept` frames stay, and the walked ones are put inside of them. Each is given the
    /// node that `enter` makes of its caller's, its pc and its kind. Returns the innermost one's; [`StackId::NONE`] if
    /// `enter` failed.
    #[inline(always)]
    pub fn finish(
        &mut self,
        n_kept: usize,
        mut enter: impl FnMut(StackId, usize, FrameKind) -> StackId,
    ) -> StackId {
        if self.barrier_end > n_kept {
            self.barrier_end = self.barrier_end_before(n_kept);
        }
        if n_kept == 0 {
            self.note_top();
        }
        let mut place = n_kept;
        let mut walked = self.walked.wrapping_add(self.n_walked);
        // SAFETY: in front of the outermost frame is what is outside of it.
        let mut outer = unsafe { *self.frames.add(place).sub(1) };
        while walked != self.walked {
            walked = walked.wrapping_sub(1);
            // SAFETY: so many were pushed.
            let frame = unsafe { Walked::copy(walked) };
            // SAFETY: `push` made sure that kept and walked frames fit behind each other; each has at most `WORDS_MAX` words.
            let marks = unsafe { self.note_words(&frame, &outer) };
            // Without its caller's node a frame would look like an outermost one.
            let orphan = outer.node == StackId::NONE && place > 0;
            // SAFETY: there are hints, since `begin`.
            let memo = unsafe { (*self.hints).memo.of(frame.pc, frame.sp) };
            let node = match memo.node(frame.pc, outer.node, marks.kind()) {
                Some(node) => node,
                None if orphan => StackId::NONE,
                None => {
                    let node = enter(outer.node, frame.pc, marks.kind());
                    memo.remember(frame.pc, outer.node, marks.kind(), node)
                }
            };
            memo.place = place as u32;
            outer = CachedFrame { pc: frame.pc, sp: frame.sp, fp: frame.fp, node, marks };
            // SAFETY: as above.
            unsafe { self.frames.add(place).write(outer) };
            place += 1;
            if outer.is_barrier() {
                self.barrier_end = place;
            }
        }
        self.len = n_kept + self.n_walked;
        self.n_live = self.len;
        outer.node
    }

    #[cold]
    fn note_top(&mut self) {
        self.top = match self.n_walked.checked_sub(1) {
            // SAFETY: so many were pushed.
            Some(last) => unsafe {
                let Walked { sp, ra_at, fp_at, .. } = *self.walked.add(last);
                sp.max(ra_at + size_of::<usize>()).max(fp_at + size_of::<usize>())
            },
            None => 0,
        };
    }

    /// Appends the words of the step that led to `outer`. The marks of its frame.
    ///
    /// # Safety
    /// There is room for two more than `outer` has.
    #[inline(always)]
    unsafe fn note_words(&mut self, walked: &Walked, outer: &CachedFrame) -> Marks {
        let (mut end, mut marks) = (outer.marks.words_end(), walked.marks);
        let mut note = |at: usize, held: usize| {
            // SAFETY: the caller's.
            unsafe { self.words.add(end).write(Word { at, held }) };
            end += 1;
        };
        if marks.has(Marks::BARRIER) {
            marks = marks.with(Marks::NEEDS_FP);
        } else {
            if walked.ra_at != 0 {
                note(walked.ra_at, outer.pc);
            }
            if outer.marks.has(Marks::NEEDS_FP) {
                match walked.fp_at {
                    0 => marks = marks.with(Marks::NEEDS_FP),
                    fp_at => note(fp_at, outer.fp),
                }
            }
        }
        marks.with_words(end)
    }
}
