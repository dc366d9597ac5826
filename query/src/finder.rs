//! From an address to the live block that holds it.

use tm_analyzer::replay::{Block, Tables};
use tm_common::ids::{Address, Space};

use crate::index::{Index, SpaceIndex, holding};
use crate::walk::{Heap, Visited};

/// The live blocks, and their index.
#[derive(Clone, Copy)]
pub struct Finder<'a> {
    tables: &'a Tables,
    index: &'a Index,
}

impl<'a> Finder<'a> {
    /// `index` is that of `tables`.
    pub fn new(tables: &'a Tables, index: &'a Index) -> Finder<'a> {
        Finder { tables, index }
    }

    /// The first of all spaces: the heap's block, else that of a domain, else the mapping.
    pub fn first(&self, address: u64) -> Option<Block> {
        let traced = self.spaces().find_map(|(space, index)| {
            self.exact(space, address).or_else(|| holding(self.tables, space, index, address))
        });
        traced.or_else(|| self.tables.get(Space::MAPPINGS, Address(address)))
    }

    /// The smallest, not counting mappings: of a pool that is itself a block of the heap, the part.
    #[inline]
    pub fn smallest(&self, address: u64) -> Option<Block> {
        let in_heap = holding(self.tables, Space::HEAP, self.index.heap(), address);
        if self.index.own().is_empty() {
            return in_heap;
        }
        let own = self.index.own().iter();
        let in_own = own.filter_map(|(space, index)| holding(self.tables, *space, index, address));
        in_heap.into_iter().chain(in_own).min_by_key(|block| block.size)
    }

    fn exact(&self, space: Space, address: u64) -> Option<Block> {
        self.tables.get(space, Address(address))
    }

    fn spaces(&self) -> impl Iterator<Item = (Space, &SpaceIndex)> {
        let own = self.index.own().iter().map(|(space, index)| (*space, index));
        std::iter::once((Space::HEAP, self.index.heap())).chain(own)
    }
}

impl Heap for Finder<'_> {
    #[inline]
    fn new_block(&self, word: u64, visited: &Visited) -> Option<Block> {
        // Many pointers are to the start of a block where we have been: then the table need not be asked.
        if self.index.own().is_empty() && visited.contains(Space::HEAP, word) {
            return None;
        }
        self.smallest(word).filter(|block| !visited.contains(block.space, block.address.0))
    }
}
