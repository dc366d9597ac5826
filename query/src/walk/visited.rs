//! The set of blocks that a walk has reached.

use rustc_hash::FxHashSet;
use tm_analyzer::events::Block;
use tm_common::ids::Space;

use crate::index::Granules;

/// A set of blocks, about a byte for a small one.
#[derive(Debug, Default)]
pub struct Visited {
    /// The starts of blocks of the heap, ...
    heap: Granules,
    /// ... and of all others, with their space.
    others: FxHashSet<(Space, u64)>,
}

impl Visited {
    /// Adds a block.
    #[inline]
    pub fn insert(&mut self, block: &Block) {
        if is_bit(block.space, block.address.0) {
            self.heap.insert(block.address.0);
        } else {
            self.others.insert((block.space, block.address.0));
        }
    }

    /// Asks the processor for whether a block of the heap at `start` is there, some time before it is wanted.
    #[inline]
    pub fn prefetch(&self, start: u64) {
        self.heap.prefetch(start);
    }

    /// Tells whether the block of `space` that starts at `start` is there.
    #[inline]
    pub fn contains(&self, space: Space, start: u64) -> bool {
        if is_bit(space, start) { self.heap.contains(start) } else { self.others.contains(&(space, start)) }
    }
}

#[inline]
fn is_bit(space: Space, start: u64) -> bool {
    space == Space::HEAP && Granules::admits(start)
}
