//! The frames of the stack cache, packed: a walk writes and reads a few of them at each event.

use tm_common::ids::StackId;
use tm_common::stack::FrameKind;

use super::step::{State, Step};

/// What is known of a frame and its step, in a word.
///
/// ```text
///  bit 0      3          4         5              32
///      | kind | needs_fp | barrier | end of words |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks(u32);

impl Marks {
    /// Room for kinds up to 6; 7 is one of a later version. The format's fourth bit costs three instructions an event.
    const KIND: u32 = 0b111;
    /// A step from the frame outward uses the frame pointer that the frame has.
    pub const NEEDS_FP: u32 = 1 << 3;
    /// The step has to be taken again at each event.
    pub const BARRIER: u32 = 1 << 4;
    const WORDS_SHIFT: u32 = 5;
    /// The largest [`Marks::words_end`].
    pub const WORDS_END_MAX: usize = (u32::MAX >> Self::WORDS_SHIFT) as usize;

    /// Makes the marks of a frame that `step` leaves, without words.
    #[inline(always)]
    pub fn of(kind: FrameKind, step: Step) -> Marks {
        let flag = |is_set: bool, mark: u32| u32::from(is_set) * mark;
        Marks(kind as u32 | flag(step.uses_fp, Self::NEEDS_FP) | flag(step.barrier, Self::BARRIER))
    }

    /// Returns how the frame was found.
    #[inline(always)]
    pub fn kind(self) -> FrameKind {
        FrameKind::in_low_bits(self.0 & Self::KIND)
    }

    /// Tells whether `mark` is set.
    #[inline(always)]
    pub fn has(self, mark: u32) -> bool {
        self.0 & mark != 0
    }

    /// Returns these marks and `mark`.
    #[inline(always)]
    pub fn with(self, mark: u32) -> Marks {
        Marks(self.0 | mark)
    }

    /// Returns the end of the words that the steps from the frame outward read.
    #[inline(always)]
    pub fn words_end(self) -> usize {
        (self.0 >> Self::WORDS_SHIFT) as usize
    }

    /// Returns these marks, which had no words so far, with the end of the words at `end`.
    #[inline(always)]
    pub fn with_words(self, end: usize) -> Marks {
        Marks(self.0 | (end as u32) << Self::WORDS_SHIFT)
    }
}

/// A frame of the cached stack.
#[derive(Clone, Copy, Debug)]
pub struct CachedFrame {
    /// Like [`State::pc`].
    pub pc: usize,
    /// Like [`State::sp`].
    pub sp: usize,
    /// Like [`State::fp`]; may be old if no step from here outward uses it.
    pub fp: usize,
    /// The node in the stack table.
    pub node: StackId,
    /// The rest.
    pub marks: Marks,
}

impl CachedFrame {
    /// Makes what stands outward of the outermost frame: no state is there, and none is further out.
    pub const fn outside(words_start: usize) -> CachedFrame {
        let marks = Marks((words_start as u32) << Marks::WORDS_SHIFT);
        CachedFrame { pc: 0, sp: usize::MAX, fp: 0, node: StackId::NONE, marks }
    }

    /// Returns the state in it.
    #[inline(always)]
    pub fn state(&self) -> State {
        State { pc: self.pc, sp: self.sp, fp: self.fp, kind: self.marks.kind() }
    }

    /// Tells whether its step has to be taken again at each event.
    #[inline(always)]
    pub fn is_barrier(&self) -> bool {
        self.marks.has(Marks::BARRIER)
    }

    /// Tells whether a walk from `state` goes on as one from here.
    #[inline(always)]
    pub fn is_at(&self, state: State) -> bool {
        self.sp == state.sp
            && self.pc == state.pc
            && (self.marks.0 ^ state.kind as u32) & Marks::KIND == 0
            && (self.fp == state.fp || !self.marks.has(Marks::NEEDS_FP))
    }
}

/// A frame of the walk under way.
#[derive(Clone, Copy, Debug)]
pub struct Walked {
    /// Like [`State::pc`].
    pub pc: usize,
    /// Like [`State::sp`].
    pub sp: usize,
    /// Like [`State::fp`].
    pub fp: usize,
    /// Like [`Step::ra_at`].
    pub ra_at: usize,
    /// Like [`Step::fp_at`].
    pub fp_at: usize,
    /// The rest.
    pub marks: Marks,
}

impl Walked {
    /// Makes a frame in `state` that is left by `step`.
    #[inline(always)]
    pub fn of(state: State, step: Step) -> Walked {
        let (State { pc, sp, fp, kind }, Step { ra_at, fp_at, .. }) = (state, step);
        Walked { pc, sp, fp, ra_at, fp_at, marks: Marks::of(kind, step) }
    }

    /// Copies a frame, field by field: a wide load of what narrow stores have written a moment ago has to wait for them, which
    /// costs as much as the rest of a walk.
    ///
    /// # Safety
    /// It was written.
    #[inline(always)]
    pub unsafe fn copy(this: *const Walked) -> Walked {
        macro_rules! fields {
            ($($field:ident),*) => {
                // SAFETY: the caller's.
                Walked { $($field: unsafe { (&raw const (*this).$field).read_volatile() }),* }
            };
        }
        fields!(pc, sp, fp, ra_at, fp_at, marks)
    }
}
