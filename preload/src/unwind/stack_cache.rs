//! The validated stack cache: a thread's last stack, and how much of it still stands.
//!
//! A step of the walk is a function of the state (pc, sp, fp) and of the words that it reads. So where the live state
//! equals a cached one, and the words that the cached steps read from there outward still hold what they held, the
//! rest of the walk would come out as the cache has it. Nothing is assumed about who wrote the words, when or why:
//! longjmp, exceptions, fibers and tail calls only make it miss. Every word is compared; stopping at the first frame
//! that looks old is wrong in a tenth to a third of the events of real programs.
//!
//! ```text
//!  cached   0 outermost ............ join ......... len - 1 innermost of the last stack
//!           \__ compared, not walked __/
//!  now      0 outermost ............ join | walked anew, innermost first, then appended
//! ```

use tm_common::ids::{Epoch, StackId};
use tm_common::stack::FrameKind;

use super::stack_memory::Readable;
use crate::sys::{pages, syscall};

/// Frames that fit without asking for more: 72 KiB, of which only touched pages cost memory.
const CAPACITY_MIN: usize = 512;
/// Deeper stacks are walked in full at each event: 4.6 MiB.
pub const DEPTH_MAX: usize = 32 * 1024;

/// Where a walk stands: the frame that `pc` returns into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The return address as it stands on the stack.
    pub pc: usize,
    /// The stack pointer after the return.
    pub sp: usize,
    /// The frame pointer register then.
    pub fp: usize,
    /// How the frame was found.
    pub kind: FrameKind,
}

/// A frame of the cached stack.
#[derive(Clone, Copy, Debug)]
pub struct CachedFrame {
    /// The state in it.
    pub state: State,
    /// Where its caller's return address was read.
    pub ra_at: usize,
    /// Where its caller's frame pointer was read; 0 if the register kept it.
    pub fp_at: usize,
    /// The step to its caller read something else: it is taken again at each event.
    pub barrier: bool,
    /// Its node, if that has been entered in the stack table.
    pub node: StackId,
}

impl CachedFrame {
    /// A frame whose step has yet to be taken.
    #[inline]
    pub fn at(state: State) -> CachedFrame {
        CachedFrame { state, ra_at: 0, fp_at: 0, barrier: true, node: StackId::NONE }
    }
}

/// The words that the step from a frame to its caller read, and what they held. A register that was not read from
/// memory has the return address's word here once more.
#[derive(Clone, Copy, Debug)]
struct Check {
    ra_at: usize,
    ra: usize,
    fp_at: usize,
    fp: usize,
}

impl Check {
    /// Never in a stack's mapping: a step that has to be taken again.
    const BARRIER: Check = Check { ra_at: 0, ra: 0, fp_at: 0, fp: 0 };

    fn of(inner: &CachedFrame, outer: &State) -> Check {
        if inner.barrier {
            return Check::BARRIER;
        }
        let (ra_at, ra) = (inner.ra_at, outer.pc);
        match inner.fp_at {
            0 => Check { ra_at, ra, fp_at: ra_at, fp: ra },
            fp_at => Check { ra_at, ra, fp_at, fp: outer.fp },
        }
    }

    /// 0 if the words are as they were.
    ///
    /// # Safety
    /// They can be read.
    #[inline]
    unsafe fn difference(&self) -> usize {
        // SAFETY: the caller's.
        unsafe {
            ((self.ra_at as *const usize).read() ^ self.ra) | ((self.fp_at as *const usize).read() ^ self.fp)
        }
    }
}

/// Bytes of room for `capacity` frames, inner frames and checks.
const fn room_bytes(capacity: usize) -> usize {
    capacity * (2 * size_of::<CachedFrame>() + size_of::<Check>())
}

/// A thread's last stack, outermost frame first. All zeros is an empty one.
#[derive(Debug)]
pub struct StackCache {
    first: *mut CachedFrame,
    /// Behind these frames is room for as many inner frames of the walk under way, innermost first, and for as many
    /// [`Check`]s.
    capacity: usize,
    len: usize,
    n_inner: usize,
    /// Outer frames that were cut from the stack that the nodes are of.
    pub n_cut: usize,
    /// What [`super::walk::Unwinder::generation`] was.
    generation: u32,
    epoch: Epoch,
}

impl StackCache {
    /// The frames, outermost first.
    #[inline]
    pub fn frames(&self) -> &[CachedFrame] {
        if self.first.is_null() {
            return &[];
        }
        // SAFETY: `len` frames were written.
        unsafe { core::slice::from_raw_parts(self.first, self.len) }
    }

    /// The same, to enter nodes.
    #[inline]
    pub fn frames_mut(&mut self) -> &mut [CachedFrame] {
        if self.first.is_null() {
            return &mut [];
        }
        // SAFETY: `len` frames were written, and the cache is borrowed.
        unsafe { core::slice::from_raw_parts_mut(self.first, self.len) }
    }

    /// Forgets the stack.
    pub fn clear(&mut self) {
        self.len = 0;
        self.n_cut = 0;
    }

    /// Forgets the stack if it was walked by other rules or in another epoch.
    #[inline]
    pub fn keep_only(&mut self, generation: u32, epoch: Epoch) {
        if self.generation != generation || self.epoch != epoch {
            self.clear();
            (self.generation, self.epoch) = (generation, epoch);
        }
    }

    /// The place of the frame in state `state` among the first `end`, and how many of those are not inner to it.
    ///
    /// Stacks grow downward, so inner frames have lower stack pointers; where a signal switched stacks they may not,
    /// and then nothing is found.
    #[inline]
    pub fn find(&self, state: &State, mut end: usize) -> (Option<usize>, usize) {
        let frames = self.frames();
        while let Some(frame) = end.checked_sub(1).and_then(|place| frames.get(place)) {
            if frame.state.sp >= state.sp {
                return ((frame.state == *state).then_some(end - 1), end);
            }
            end -= 1;
        }
        (None, 0)
    }

    /// Compares the words that the cached steps read, from frame `place` outward: the outermost frame that is as it
    /// was. Its own step has to be taken again, unless it is frame 0 and no barrier.
    ///
    /// The live state equals that of frame `place`, so the walk itself would read these words now. They are compared
    /// four frames at a time, without branches, where all of them lie in the mapping that the walk is in.
    #[inline]
    pub fn validate(&self, mut place: usize, stack: Readable) -> usize {
        debug_assert!(place < self.len);
        while place >= 4 {
            // SAFETY: places up to `len` have checks.
            let four: [&Check; 4] = core::array::from_fn(|n| unsafe { &*self.checks().add(place - n) });
            if !four.iter().fold(true, |all, check| all & stack.holds_inner(check.ra_at)) {
                break;
            }
            // SAFETY: ordinary steps read between the live stack pointer and the return address, which is in the mapping.
            let difference = four.iter().fold(0, |any, check| any | unsafe { check.difference() });
            if difference != 0 {
                break;
            }
            place -= 4;
        }
        while place > 0 {
            // SAFETY: as above.
            let check = unsafe { &*self.checks().add(place) };
            // SAFETY: as above.
            if !stack.holds_inner(check.ra_at) || unsafe { check.difference() } != 0 {
                break;
            }
            place -= 1;
        }
        place
    }

    /// What each frame's step read; place 0 has none.
    #[inline]
    fn checks(&self) -> *mut Check {
        self.first.wrapping_add(2 * self.capacity).cast()
    }

    /// Starts a walk: no inner frames yet.
    #[inline]
    pub fn begin(&mut self) {
        self.n_inner = 0;
    }

    /// Notes the next inner frame of the walk. False if there is no memory or the stack is too deep to be cached.
    #[inline]
    pub fn push(&mut self, frame: CachedFrame) -> bool {
        // Frames that are kept and inner ones together must fit behind each other in the end.
        if self.len + self.n_inner >= self.capacity && !self.grow() {
            return false;
        }
        // SAFETY: there is room for `capacity` inner frames.
        unsafe { self.first.add(self.capacity + self.n_inner).write(frame) };
        self.n_inner += 1;
        true
    }

    #[cold]
    fn grow(&mut self) -> bool {
        let capacity = (2 * self.capacity).max(CAPACITY_MIN);
        if capacity > DEPTH_MAX {
            return false;
        }
        let fresh: *mut CachedFrame = pages::zeroed::<u8>(room_bytes(capacity)).cast();
        if fresh.is_null() {
            return false;
        }
        let (old, old_checks, old_bytes) = (self.first, self.checks(), room_bytes(self.capacity));
        let old_inner = old.wrapping_add(self.capacity);
        (self.first, self.capacity) = (fresh, capacity);
        if !old.is_null() {
            // SAFETY: both have room for the frames; the old room is nobody else's and came from `pages::zeroed`.
            unsafe {
                core::ptr::copy_nonoverlapping(old, fresh, self.len);
                core::ptr::copy_nonoverlapping(old_inner, fresh.add(capacity), self.n_inner);
                core::ptr::copy_nonoverlapping(old_checks, self.checks(), self.len);
                syscall::munmap(old.cast(), old_bytes);
            }
        }
        true
    }

    /// Ends a walk: the outermost `n_kept` frames stay, and the inner ones are put inside of them.
    #[inline]
    pub fn finish(&mut self, n_kept: usize) {
        for place in n_kept..n_kept + self.n_inner {
            // SAFETY: `push` made sure that kept and inner frames fit in front of the inner ones' own room, and checks
            // beside them; frame `place - 1` is a kept one or was written just now.
            unsafe {
                let frame = self.first.add(self.capacity + self.n_inner - 1 - (place - n_kept)).read();
                self.first.add(place).write(frame);
                if place > 0 {
                    let outer = &(*self.first.add(place - 1)).state;
                    self.checks().add(place).write(Check::of(&frame, outer));
                }
            }
        }
        self.len = n_kept + self.n_inner;
    }
}
