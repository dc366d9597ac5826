//! From an address to the live block that holds it.

use tm_analyzer::events::Block;
use tm_analyzer::replay::LiveBlocks;
use tm_common::ids::{Address, Space};

use crate::index::{Index, SpaceIndex, holding, holding_from};
use crate::walk::{Heap, Pointer, Visited};

/// The live blocks, and their index.
#[derive(Clone, Copy)]
pub struct Finder<'a> {
    tables: &'a LiveBlocks,
    index: &'a Index,
}

impl<'a> Finder<'a> {
    /// Makes the finder of the blocks in `tables`, whose index is `index`.
    pub fn new(tables: &'a LiveBlocks, index: &'a Index) -> Finder<'a> {
        Finder { tables, index }
    }

    /// Finds the first of all spaces: the heap's block, else that of a domain, else the mapping.
    pub fn first(&self, address: u64) -> Option<Block> {
        let traced = self.spaces().find_map(|(space, index)| {
            self.exact(space, address).or_else(|| holding(self.tables, space, index, address))
        });
        traced.or_else(|| self.tables.get(Space::MAPPINGS, Address(address)))
    }

    /// Finds the smallest, not counting mappings: of a pool that is itself a block of the heap, the part.
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
    fn is_near(&self, word: u64) -> bool {
        self.index.heap().is_near(word) || self.index.own().iter().any(|(_, index)| index.is_near(word))
    }

    fn find(&self, pointers: &mut [Pointer], visited: &Visited, found: &mut Vec<Block>) {
        let is_new = |block: &Block| !visited.contains(block.space, block.address.0);
        if !self.index.own().is_empty() {
            let blocks = pointers.iter().filter_map(|pointer| self.smallest(pointer.word));
            found.extend(blocks.filter(is_new));
            return;
        }
        // A loop for each step: the processor waits for many a cache line at a time, not for one after the other.
        for pointer in &*pointers {
            self.index.heap().prefetch(pointer.word);
            visited.prefetch(pointer.word);
            // Most pointers are to the start of a block.
            self.tables.prefetch_index(Address(pointer.word));
        }
        for pointer in &mut *pointers {
            pointer.start = self.index.heap().small_start(pointer.word).unwrap_or(0);
        }
        // Many pointers are to the start of a block that is known.
        for pointer in &mut *pointers {
            pointer.is_known = pointer.start == pointer.word && visited.contains(Space::HEAP, pointer.start);
        }
        let new = || pointers.iter().filter(|pointer| !pointer.is_known);
        new().for_each(|pointer| self.tables.prefetch_index(Address(pointer.start)));
        new().for_each(|pointer| self.tables.prefetch_block(Address(pointer.start)));
        let block = |pointer: &Pointer| {
            let small = holding_from(self.tables, Space::HEAP, pointer.start, pointer.word);
            small.or_else(|| {
                let start = self.index.heap().other_start(pointer.word)?;
                holding_from(self.tables, Space::HEAP, start, pointer.word)
            })
        };
        found.extend(new().filter_map(block).filter(is_new));
    }
}
