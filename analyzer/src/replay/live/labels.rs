//! Blocks of the heap that a program's own domain tells of as well: the same address, the same size. They are counted there,
//! and in the heap no more, until the domain tells of their end or the heap does.
//!
//! numpy tells tracemalloc of each array's memory, which it has from malloc. A part of a block (of a pool, of an arena) is
//! something else, and counts beside what it lies in.

use rustc_hash::FxHashMap;
use tm_common::ids::{Address, Space, Stamp};

use crate::events::Block;

/// The labels by their addresses: the heap's block, and the space that has it.
#[derive(Clone, Debug, Default)]
pub(in crate::replay) struct Labels(FxHashMap<u64, (Block, Space)>);

impl Labels {
    /// Tells whether the heap's block at `address` is counted elsewhere.
    #[inline(always)]
    pub fn has(&self, address: Address) -> bool {
        !self.0.is_empty() && self.0.contains_key(&address.0)
    }

    /// Counts `block` of the heap in `space` from here on.
    pub fn put(&mut self, block: Block, space: Space) {
        self.0.insert(block.address.0, (block, space));
    }

    /// Takes out the heap's block at `address`, and where it was counted.
    #[inline(always)]
    pub fn take(&mut self, address: Address) -> Option<(Block, Space)> {
        if self.0.is_empty() { None } else { self.0.remove(&address.0) }
    }

    /// Takes out the heap's block at `address`, if it was counted in `space`.
    pub fn take_of(&mut self, address: Address, space: Space) -> Option<Block> {
        self.0.get(&address.0).filter(|label| label.1 == space)?;
        self.0.remove(&address.0).map(|(block, _)| block)
    }

    /// Takes out all of `space`.
    pub fn take_all_of(&mut self, space: Space) -> Vec<Block> {
        self.0.extract_if(|_, label| label.1 == space).map(|(_, (block, _))| block).collect()
    }

    /// All of them: the heap's block, and the space that has it.
    pub fn iter(&self) -> impl Iterator<Item = (Block, Space)> + '_ {
        self.0.values().copied()
    }

    /// Forgets those up to a birth.
    pub fn forget_until(&mut self, birth: Stamp) {
        self.0.retain(|_, (block, _)| block.birth > birth);
    }
}
