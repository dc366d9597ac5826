//! The block that holds an address is found by the starts of the live blocks, in order. The live table knows the blocks
//! themselves.
//!
//! ```text
//! small blocks (up to 1 KiB, at multiples of 8)   a bit each: the start is at most 1 KiB, or 128 bits, before the address
//! all others                                      a balanced tree of starts
//! ```

mod granules;
mod space_index;

pub use granules::Granules;
pub use space_index::SpaceIndex;

use tm_analyzer::events::Block;
use tm_analyzer::replay::{LiveBlocks, MemoryKind};
use tm_common::ids::{Address, Space};

/// The starts of all traced blocks, by space: spaces may overlap.
#[derive(Debug)]
pub struct Index {
    heap: SpaceIndex,
    /// The starts in the program's own domains, in the order of their first use.
    own: Vec<(Space, SpaceIndex)>,
}

impl Index {
    /// Builds the index of the live blocks in `tables`.
    pub fn of(tables: &LiveBlocks) -> Index {
        let mut index = Index { heap: SpaceIndex::default(), own: Vec::new() };
        tables.iter(MemoryKind::Traced).for_each(|block| index.insert(&block));
        index
    }

    /// Adds a block that is live from here on.
    #[inline]
    pub fn insert(&mut self, block: &Block) {
        match block.space {
            Space::HEAP => self.heap.insert(block.address.0, block.size),
            Space::MAPPINGS => {}
            space => self.own_index(space).insert(block.address.0, block.size),
        }
    }

    /// Removes a block that is no longer live.
    #[inline]
    pub fn remove(&mut self, block: &Block) {
        match block.space {
            Space::HEAP => self.heap.remove(block.address.0, block.size),
            Space::MAPPINGS => {}
            space => self.own_index(space).remove(block.address.0, block.size),
        }
    }

    /// Returns the index of one of the program's own domains, made at its first use.
    fn own_index(&mut self, space: Space) -> &mut SpaceIndex {
        let place = self.own.iter().position(|(own, _)| *own == space).unwrap_or_else(|| {
            self.own.push((space, SpaceIndex::default()));
            self.own.len() - 1
        });
        match self.own.get_mut(place) {
            Some((_, index)) => index,
            None => {
                debug_assert!(false, "{space:?} was found or added just now");
                &mut self.heap
            }
        }
    }

    /// Returns the index of the C allocator's blocks.
    #[inline]
    pub fn heap(&self) -> &SpaceIndex {
        &self.heap
    }

    /// Returns the indices of the program's own domains, in the order of their first use.
    #[inline]
    pub fn own(&self) -> &[(Space, SpaceIndex)] {
        &self.own
    }
}

/// Finds the block that holds `address` in `space`, whose index is `index`. A block of no bytes holds its start.
#[inline]
pub fn holding(tables: &LiveBlocks, space: Space, index: &SpaceIndex, address: u64) -> Option<Block> {
    let small = index.small_start(address).and_then(|start| holding_from(tables, space, start, address));
    small.or_else(|| holding_from(tables, space, index.other_start(address)?, address))
}

/// Finds the block of `space` that starts at `start`, if it holds `address`.
#[inline]
pub fn holding_from(tables: &LiveBlocks, space: Space, start: u64, address: u64) -> Option<Block> {
    tables.get(space, Address(start)).filter(|block| holds(block, address))
}

#[inline]
fn holds(block: &Block, address: u64) -> bool {
    let offset = address.wrapping_sub(block.address.0);
    offset < block.size || offset == 0
}
