//! What is kept of the blocks of a moment: each of them, or their sums by stack, which take no memory by block.

use tm_common::ids::StackId;

use super::tally::StackSums;
use crate::events::Block;
use crate::reader::Origins;

/// Takes the blocks of one process after the other.
pub trait Collect: Default {
    /// Adds those of a process, of a recording with `origins`.
    fn add_process(&mut self, blocks: impl Iterator<Item = Block>, origins: &Origins);

    /// The stacks, some perhaps more than once, and how many blocks each has.
    fn stacks(&self) -> impl Iterator<Item = (StackId, u64)>;
}

/// By process and address.
impl Collect for Vec<Block> {
    fn add_process(&mut self, blocks: impl Iterator<Item = Block>, _origins: &Origins) {
        let n_before = self.len();
        self.extend(blocks);
        if let Some(added) = self.get_mut(n_before..) {
            added.sort_unstable_by_key(|block| block.address);
        }
    }

    fn stacks(&self) -> impl Iterator<Item = (StackId, u64)> {
        self.iter().map(|block| (block.stack, 1))
    }
}

impl Collect for StackSums {
    fn add_process(&mut self, blocks: impl Iterator<Item = Block>, origins: &Origins) {
        blocks.for_each(|block| self.add(block.stack, origins.tag(block.origin), block.size));
    }

    fn stacks(&self) -> impl Iterator<Item = (StackId, u64)> {
        self.counts()
    }
}
