//! The nodes that a thread has entered lately: a program that runs in a loop enters the same ones again and again.
//!
//! A node has its number for good, so nothing here becomes wrong. One cache line, where the stack table, which is large and
//! well filled, takes several; and for stacks joined with Python frames, which are not in the table, all that keeps a node
//! from being written again ([`crate::recording::stack_table::StackTable::join`]). So the table grows with the misses.

use core::cell::Cell;

use tm_common::ids::StackId;

use crate::lockfree::sum_of_products;
use crate::sys::memory::pages;
use crate::sys::process::signals::SignalsBlocked;
use crate::sys::syscall;

/// Sets of the first table, 64 KiB, of which only touched pages cost memory; ...
const SETS_MIN: usize = 2048;
/// ... each table is larger than the one before by this factor, ...
const GROWTH: usize = 4;
/// ... up to 1 MiB, 65,536 nodes: sympy, of 780,000 pairs of stacks, has 0.9 % written again.
const SETS_MAX: usize = SETS_MIN * GROWTH * GROWTH;
/// A table is too small after this many misses for each of its sets.
const MISSES_IN_SET: usize = 2;

/// A node of a Python frame or of a joined stack; the parents of the two are different ones. Its `pc` is never 0.
#[derive(Clone, Copy, Debug)]
struct Entry {
    pc: u64,
    parent: StackId,
    node: StackId,
}

/// Where a node may be, the later one of the two first.
#[derive(Clone, Copy, Debug)]
struct Set([Entry; 2]);

impl Set {
    #[inline(always)]
    fn push(&mut self, entry: Entry) {
        self.0 = [entry, self.0[0]];
    }
}

/// A table of sets. All zeros is an empty one without memory.
#[derive(Debug)]
pub struct Recent {
    sets: Cell<*mut Set>,
    n_sets: Cell<usize>,
    /// How many misses the table has before it grows.
    n_left: Cell<usize>,
}

impl Recent {
    /// Empties it: an entry may have been half written when a signal handler left by `siglongjmp`.
    #[cold]
    pub fn clear(&self) {
        if !self.sets.get().is_null() {
            pages::discard(self.sets.get(), self.n_sets.get());
        }
    }

    /// Returns the node of `pc` under `parent`, which `enter` enters if it was not entered lately.
    #[inline(always)]
    pub fn node(&self, parent: StackId, pc: u64, enter: impl FnOnce() -> StackId) -> StackId {
        let sum = hash(pc, parent);
        let sets = self.sets.get();
        if !sets.is_null() {
            // SAFETY: inside of the table, which the calling thread alone uses.
            let set = unsafe { &*sets.add(sum & (self.n_sets.get() - 1)) };
            for entry in &set.0 {
                if entry.pc == pc && entry.parent == parent {
                    return entry.node;
                }
            }
        }
        let node = enter();
        if node != StackId::NONE {
            self.note(sum, Entry { pc, parent, node });
        }
        node
    }

    /// Puts a node in its set.
    #[inline(never)]
    fn note(&self, hash: usize, entry: Entry) {
        match self.n_left.get().checked_sub(1) {
            Some(n_left) => self.n_left.set(n_left),
            None => self.grow(),
        }
        let sets = self.sets.get();
        if !sets.is_null() {
            // SAFETY: inside of the table, which the calling thread alone uses.
            unsafe { (*sets.add(hash & (self.n_sets.get() - 1))).push(entry) };
        }
    }

    /// Makes the table larger, if there is memory, and it is not as large as it may be.
    #[cold]
    fn grow(&self) {
        let (old, n_old) = (self.sets.get(), self.n_sets.get());
        let n_sets = (n_old * GROWTH).clamp(SETS_MIN, SETS_MAX);
        self.n_left.set(n_sets * MISSES_IN_SET);
        if n_sets == n_old {
            return;
        }
        // A handler that left by siglongjmp would leave the pointer to a room that is gone.
        let _blocked = SignalsBlocked::now();
        let sets: *mut Set = pages::zeroed(n_sets);
        if sets.is_null() {
            return;
        }
        for place in 0..n_old {
            // SAFETY: inside of the old table.
            let [later, earlier] = unsafe { (*old.add(place)).0 };
            for entry in [earlier, later].into_iter().filter(|entry| entry.node != StackId::NONE) {
                // SAFETY: inside of the new one.
                unsafe { (*sets.add(hash(entry.pc, entry.parent) & (n_sets - 1))).push(entry) };
            }
        }
        self.sets.set(sets);
        self.n_sets.set(n_sets);
        if !old.is_null() {
            // SAFETY: pages of the table's own, which nothing points to any more.
            unsafe { syscall::munmap(old.cast(), n_old * size_of::<Set>()) };
        }
    }
}

/// Returns a number whose lower bits choose a set.
#[inline(always)]
fn hash(pc: u64, parent: StackId) -> usize {
    (sum_of_products(pc, u64::from(parent.0)) >> 40) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::vec::Vec;

    fn empty() -> Recent {
        Recent { sets: Cell::new(core::ptr::null_mut()), n_sets: Cell::new(0), n_left: Cell::new(0) }
    }

    #[test]
    fn a_node_is_the_one_that_was_entered() {
        let (recent, mut entered) = (empty(), HashMap::new());
        let (mut random, mut n_entered) = (1u64, 0);
        for _ in 0..400_000 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let (parent, pc) = (StackId((random >> 60) as u32), 1 + (random >> 30 & 0x1fff));
            let next = StackId(entered.len() as u32 + 1);
            let expected = *entered.entry((parent, pc)).or_insert(next);
            let node = recent.node(parent, pc, || {
                n_entered += 1;
                expected
            });
            assert_eq!(node, expected);
        }
        assert_eq!(recent.n_sets.get(), SETS_MAX);
        assert!(entered.len() > 100_000 && n_entered > entered.len() && n_entered < 330_000, "{n_entered}");
    }

    #[test]
    fn what_is_in_it_stays_when_it_grows() {
        let recent = empty();
        let known_to = |recent: &Recent| {
            let known = |pc: &u64| recent.node(StackId(7), *pc, || StackId::NONE) == StackId(*pc as u32);
            (1..=3000).filter(known).collect::<Vec<u64>>()
        };
        for pc in 1..=3000 {
            recent.node(StackId(7), pc, || StackId(pc as u32));
        }
        let before = known_to(&recent);
        assert!(before.len() > 2000 && before.contains(&3000));
        for n_sets in [SETS_MIN * GROWTH, SETS_MAX, SETS_MAX] {
            recent.grow();
            assert_eq!((recent.n_sets.get(), known_to(&recent)), (n_sets, before.clone()));
        }
    }

    #[test]
    fn nothing_is_left_of_what_was_cleared() {
        let recent = empty();
        recent.clear();
        assert_eq!(recent.node(StackId(1), 2, || StackId(3)), StackId(3));
        recent.clear();
        assert_eq!(recent.node(StackId(1), 2, || StackId(4)), StackId(4));
        assert_eq!(recent.node(StackId(1), 2, || StackId(5)), StackId(4));
    }

    #[test]
    fn what_could_not_be_entered_is_tried_again() {
        let recent = empty();
        assert_eq!(recent.node(StackId(1), 2, || StackId::NONE), StackId::NONE);
        assert_eq!(recent.node(StackId(1), 2, || StackId(3)), StackId(3));
        assert_eq!(recent.node(StackId(1), 2, || StackId(4)), StackId(3));
    }
}
