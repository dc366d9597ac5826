//! What is remembered of frames that were walked lately: the rule, the node, and where in the cached stack it was.
//!
//! Hints, all of which are checked when used, or hold as long as rules and epochs do. One cache line at most where the
//! tables that are shared by all threads would miss the processor's cache two or three times.

use tm_common::ids::StackId;
use tm_common::stack::FrameKind;

use super::paths::Paths;
use super::tables::rule::Rule;

/// 8 KiB: most frames that change often.
const SLOTS: usize = 256;

/// What is remembered about one frame.
#[derive(Debug)]
pub struct Remembered {
    /// The return address; 0 for none.
    pc: usize,
    /// The rule there.
    rule: Rule,
    /// A node of its caller's, ...
    parent: StackId,
    /// ... and its own under that; [`StackId::NONE`] if that is not known.
    node: StackId,
    /// The place where it was in the cached stack.
    pub place: u32,
}

impl Remembered {
    /// Returns the rule of `pc`, which `find` finds if it is not remembered.
    #[inline(always)]
    pub fn rule(&mut self, pc: usize, find: impl FnOnce() -> Rule) -> Rule {
        if self.pc != pc {
            *self =
                Remembered { pc, rule: find(), parent: StackId::NONE, node: StackId::NONE, place: u32::MAX };
        }
        self.rule
    }

    /// Returns the node of return address `pc` under `parent`.
    #[inline(always)]
    pub fn node(&self, pc: usize, parent: StackId, kind: FrameKind) -> Option<StackId> {
        let same = self.pc == pc && self.parent == parent && self.node != StackId::NONE;
        (same && matches!(kind, FrameKind::Return)).then_some(self.node)
    }

    /// Remembers the node of `pc` under `parent`, which it returns.
    #[inline(always)]
    pub fn remember(&mut self, pc: usize, parent: StackId, kind: FrameKind, node: StackId) -> StackId {
        if self.pc == pc && matches!(kind, FrameKind::Return) {
            (self.parent, self.node) = (parent, node);
        }
        node
    }
}

/// A direct-mapped table of them.
#[derive(Debug)]
pub struct Memo([Remembered; SLOTS]);

impl Memo {
    /// Returns where a frame is remembered: the same return address at another depth of a recursion is elsewhere.
    #[inline(always)]
    pub fn of(&mut self, pc: usize, sp: usize) -> &mut Remembered {
        &mut self.0[(pc ^ pc >> 9 ^ sp >> 4) % SLOTS]
    }

    /// Empties the table.
    pub fn clear(&mut self) {
        for remembered in &mut self.0 {
            remembered.pc = 0;
        }
    }
}

/// All that a thread remembers beside its last stack. All zeros is nothing.
#[derive(Debug)]
pub struct Hints {
    /// Frames.
    pub memo: Memo,
    /// Whole stacks.
    pub paths: Paths,
}

impl Hints {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.memo.clear();
        self.paths.clear();
    }
}
