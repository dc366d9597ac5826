//! The nodes that a thread has entered lately: a program that runs in a loop enters the same ones again and again.
//!
//! A node has its number for good, so nothing here becomes wrong. One cache line, where the stack table, which is large and
//! well filled, takes several.

use tm_common::ids::StackId;

use crate::lockfree::sum_of_products;
use crate::sys::memory::pages;

/// 64 KiB, of which only touched pages cost memory.
const SLOTS: usize = 4096;

/// A node of a Python frame or of a joined stack; the parents of the two are different ones.
#[derive(Clone, Copy, Debug)]
struct Entry {
    pc: u64,
    parent: StackId,
    node: StackId,
}

/// A direct-mapped table of them. All zeros is an empty one without memory.
#[derive(Clone, Copy, Debug)]
pub struct Recent(*mut [Entry; SLOTS]);

impl Recent {
    /// Empties it: an entry may have been half written when a signal handler left by `siglongjmp`.
    #[cold]
    pub fn clear(&mut self) {
        if !self.0.is_null() {
            pages::discard(self.0, 1);
        }
    }

    /// Returns a table with memory, which it takes if it has none; one without if there is none left.
    #[inline(always)]
    pub fn ready(&mut self) -> Recent {
        if self.0.is_null() {
            self.take_memory();
        }
        *self
    }

    #[cold]
    #[inline(never)]
    fn take_memory(&mut self) {
        self.0 = pages::zeroed(1);
    }

    /// Returns the node of `pc` under `parent`, which `enter` enters if it was not entered lately.
    #[inline(always)]
    pub fn node(self, parent: StackId, pc: u64, enter: impl FnOnce() -> StackId) -> StackId {
        let sum = sum_of_products(pc, u64::from(parent.0));
        // SAFETY: null, or a table that the calling thread alone uses.
        let Some(table) = (unsafe { self.0.as_mut() }) else { return enter() };
        let entry = &mut table[(sum >> 40) as usize % SLOTS];
        if entry.pc == pc && entry.parent == parent && entry.node != StackId::NONE {
            return entry.node;
        }
        let node = enter();
        *entry = Entry { pc, parent, node };
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_node_is_the_one_that_was_entered() {
        let (mut recent, mut entered) = (Recent(core::ptr::null_mut()), HashMap::new());
        let (mut random, mut n_entered) = (1u64, 0);
        for _ in 0..200_000 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let (parent, pc) = (StackId((random >> 60) as u32), random >> 30 & 0x3ff);
            let next = StackId(entered.len() as u32 + 1);
            let expected = *entered.entry((parent, pc)).or_insert(next);
            let node = recent.ready().node(parent, pc, || {
                n_entered += 1;
                expected
            });
            assert_eq!(node, expected);
        }
        assert!(entered.len() > SLOTS && n_entered > entered.len() && n_entered < 199_000, "{n_entered}");
    }

    #[test]
    fn nothing_is_left_of_what_was_cleared() {
        let mut recent = Recent(core::ptr::null_mut());
        recent.clear();
        assert_eq!(recent.ready().node(StackId(1), 2, || StackId(3)), StackId(3));
        recent.clear();
        assert_eq!(recent.ready().node(StackId(1), 2, || StackId(4)), StackId(4));
        assert_eq!(recent.ready().node(StackId(1), 2, || StackId(5)), StackId(4));
    }

    #[test]
    fn what_could_not_be_entered_is_tried_again() {
        let mut recent = Recent(core::ptr::null_mut());
        assert_eq!(recent.ready().node(StackId(1), 2, || StackId::NONE), StackId::NONE);
        assert_eq!(recent.ready().node(StackId(1), 2, || StackId(3)), StackId(3));
        assert_eq!(recent.ready().node(StackId(1), 2, || StackId(4)), StackId(3));
    }
}
