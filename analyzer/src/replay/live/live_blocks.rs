//! What lives in a process: a table for the C allocator's blocks and one for each domain that the program tracks, and
//! the ranges of its memory mappings, which are apart: blocks of the others lie in them.

use tm_common::ids::{Address, Space, Stamp};

use super::exact::Exact;
use super::labels::Labels;
use super::peak::Peak;
use super::ranges::Ranges;
use super::space_blocks::SpaceBlocks;
use crate::events::Block;

/// What is added up: never both, since the heap lies in mappings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryKind {
    /// Blocks of the C allocator and of the domains that the program tracks: tracemalloc's traced memory.
    #[default]
    Traced,
    /// Memory mappings.
    Mappings,
}

impl MemoryKind {
    /// The kind of what is in `space`.
    #[inline]
    pub fn of(space: Space) -> MemoryKind {
        if space == Space::MAPPINGS { MemoryKind::Mappings } else { MemoryKind::Traced }
    }
}

/// All that lives.
#[derive(Clone, Debug, Default)]
pub struct LiveBlocks {
    heap: SpaceBlocks,
    /// Those of the program's own domains, in the order of their first use: mostly none, seldom more than a few.
    own: Vec<SpaceBlocks>,
    /// What of the heap is counted among those.
    pub(in crate::replay) labels: Labels,
    /// The mappings.
    pub mappings: Ranges,
    /// What threads that sample have told.
    pub(in crate::replay) exact: Exact,
}

impl LiveBlocks {
    /// The C allocator's blocks.
    #[inline]
    pub(in crate::replay) fn heap(&self) -> &SpaceBlocks {
        &self.heap
    }

    /// The C allocator's blocks.
    #[inline]
    pub(in crate::replay) fn heap_mut(&mut self) -> &mut SpaceBlocks {
        &mut self.heap
    }

    /// The blocks of a space that is not that of the mappings.
    pub(in crate::replay) fn of(&mut self, space: Space) -> &mut SpaceBlocks {
        if space == Space::HEAP {
            return &mut self.heap;
        }
        let place = self.own.iter().position(|table| table.space() == space).unwrap_or_else(|| {
            self.own.push(SpaceBlocks::of_space(space));
            self.own.len() - 1
        });
        debug_assert!(place < self.own.len(), "a block of {space:?} would be counted in the heap");
        self.own.get_mut(place).unwrap_or(&mut self.heap)
    }

    fn traced_tables(&self) -> impl Iterator<Item = &SpaceBlocks> {
        std::iter::once(&self.heap).chain(&self.own)
    }

    /// The block of `space` at `address`; of the mappings, the piece that holds it.
    pub fn get(&self, space: Space, address: Address) -> Option<Block> {
        if space == Space::MAPPINGS {
            return self.mappings.holding(address);
        }
        self.traced_tables().find(|table| table.space() == space)?.get(address)
    }

    /// Asks the processor for what the C allocator's block at `address` is found by, some time before it is wanted.
    #[inline]
    pub fn prefetch_index(&self, address: Address) {
        self.heap.prefetch_index(address);
    }

    /// Asks the processor for the C allocator's block at `address`, some time after what it is found by.
    #[inline]
    pub fn prefetch_block(&self, address: Address) {
        self.heap.prefetch_block(address);
    }

    /// How many blocks are traced.
    pub fn n_traced(&self) -> usize {
        self.traced_tables().map(SpaceBlocks::len).sum()
    }

    /// All of a kind of memory, in no order.
    pub fn iter(&self, memory_kind: MemoryKind) -> impl Iterator<Item = Block> + '_ {
        let traced = self.traced_tables().filter(move |_| memory_kind == MemoryKind::Traced);
        let mappings = self.mappings.iter().filter(move |_| memory_kind == MemoryKind::Mappings);
        traced.flat_map(SpaceBlocks::iter).chain(mappings)
    }

    /// The traced blocks of generations up to `until`, in no order.
    pub(in crate::replay) fn iter_generations(&self, until: u32) -> impl Iterator<Item = Block> + '_ {
        self.traced_tables().flat_map(move |table| table.iter_generations(until))
    }

    /// The traced blocks with their generations, in no order.
    pub(in crate::replay) fn with_generations(&self) -> impl Iterator<Item = (Block, u32)> + '_ {
        self.traced_tables().flat_map(SpaceBlocks::with_generations)
    }

    /// The traced blocks of generations up to `until` that went and kept their places, in no order.
    pub(in crate::replay) fn kept_generations(&self, until: u32) -> impl Iterator<Item = Block> + '_ {
        self.traced_tables().flat_map(move |table| table.kept_generations(until))
    }

    /// Makes the generation of each block 0.
    pub(in crate::replay) fn reset_generations(&mut self) {
        self.heap.reset_generations();
        self.own.iter_mut().for_each(SpaceBlocks::reset_generations);
    }

    /// Takes out all traced blocks up to a birth, and tells `gone` of each; they stay known as those of the peak.
    pub(in crate::replay) fn take_out_until(
        &mut self,
        birth: Stamp,
        peak: &mut Peak,
        gone: &mut impl FnMut(Block),
    ) {
        for table in std::iter::once(&mut self.heap).chain(&mut self.own) {
            peak.take_out_until(table, birth, gone);
        }
    }
}
