//! Layer 4: who called. Exact, by the unwind tables that compilers write for exceptions.
//!
//! A walk goes from frame to frame by a [`tables::rule::Rule`], one per return address, found once and cached. A rule knows
//! the stack pointer and the frame pointer, which is all that ordinary code needs; the rare frame that needs other
//! registers sends the walk through [`reference`], which tracks all of them and caches nothing.
//!
//! Contract of [`walk`]: no allocation, lock, system call or panic; memory is read only inside the mappings of the stacks
//! that the frames are on. Finding a rule or a mapping is `#[cold]`, and so is going over to another stack.

pub mod cached_frame;
pub mod comparison;
pub mod memo;
#[cfg(test)]
mod oracle;
pub mod paths;
pub mod reference;
pub mod stack_cache;
pub mod stack_memory;
pub mod step;
pub mod turns;
pub mod walk;

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
pub mod arch;
pub mod tables;

use tm_common::stack::{EndReason, FrameKind};

/// Where the hook was called: the caller's state right after the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The return address.
    pub pc: usize,
    /// The stack pointer after the return.
    pub sp: usize,
    /// The frame pointer register, whatever the caller uses it for.
    pub fp: usize,
}

/// One frame of a walked stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Frame(u64);

impl Frame {
    const KIND_SHIFT: u32 = u64::BITS - FrameKind::BITS;

    /// Makes a frame at `pc`, an address below 2^60.
    #[inline]
    pub fn new(pc: usize, kind: FrameKind) -> Frame {
        Frame(pc as u64 & ((1 << Self::KIND_SHIFT) - 1) | (kind as u64) << Self::KIND_SHIFT)
    }

    /// Returns the code address.
    #[inline]
    pub fn pc(self) -> u64 {
        self.0 & ((1 << Self::KIND_SHIFT) - 1)
    }

    /// Makes what is no frame: the end of a stack that could not be followed further, and why.
    #[inline]
    pub fn incomplete(reason: EndReason) -> Frame {
        Frame::new(reason as usize, FrameKind::Incomplete)
    }

    /// Returns the frame's kind.
    #[inline]
    pub fn kind(self) -> FrameKind {
        FrameKind::in_low_bits((self.0 >> Self::KIND_SHIFT) as u32)
    }
}

/// The frames of one walk, innermost first. It keeps as many as it has room for and counts the rest.
#[derive(Debug)]
pub struct Frames {
    first: *mut Frame,
    capacity: usize,
    depth: usize,
}

impl Frames {
    /// Frames that fit without asking for memory: 16 KiB, enough for all but recursions.
    pub const CAPACITY_MIN: usize = 2048;

    /// Removes the frames of the last walk.
    #[inline]
    pub fn clear(&mut self) {
        self.depth = 0;
    }

    /// Appends a frame; beyond the room only counts it.
    #[inline]
    pub fn push(&mut self, frame: Frame) {
        if self.depth < self.capacity {
            // SAFETY: `first` has room for `capacity` frames.
            unsafe { self.first.add(self.depth).write(frame) };
        }
        self.depth += 1;
    }

    /// Returns how many frames the stack has.
    #[inline]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Returns the innermost frames, as many as were kept.
    #[inline]
    pub fn kept(&self) -> &[Frame] {
        if self.first.is_null() {
            return &[];
        }
        // SAFETY: so many were written.
        unsafe { core::slice::from_raw_parts(self.first, self.depth.min(self.capacity)) }
    }

    /// Makes room for the whole of a stack that did not fit, up to `limit` frames. False if there is no more memory or
    /// nothing to gain.
    #[cold]
    pub fn enlarge(&mut self, limit: usize) -> bool {
        let wanted = self.depth.max(Self::CAPACITY_MIN).next_power_of_two().min(limit);
        if wanted <= self.capacity {
            return false;
        }
        // As in `StackCache::grow`.
        let _blocked = crate::sys::process::signals::SignalsBlocked::now();
        let fresh: *mut Frame = crate::sys::memory::pages::zeroed(wanted);
        if fresh.is_null() {
            return false;
        }
        let (old, old_len) = (self.first, self.capacity * size_of::<Frame>());
        (self.first, self.capacity) = (fresh, wanted);
        if !old.is_null() {
            // SAFETY: nobody else has the old room, which came from `pages::zeroed`.
            unsafe { crate::sys::syscall::munmap(old.cast(), old_len) };
        }
        true
    }
}
