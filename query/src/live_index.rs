//! What is kept beside the table of live blocks, up to date with every event: sums, and the index of starts.

use tm_analyzer::events::{Block, MergedEvent};
use tm_analyzer::replay::{LiveBlocks, MemoryKind, Observer};
use tm_common::ids::{Space, Stamp};

use crate::index::Index;
use crate::sums::Sums;

/// The sums by space from the start, and the index of starts from its first use.
#[derive(Debug, Default)]
pub struct LiveIndex {
    /// Bytes by space.
    pub sums: Sums,
    index: Option<Index>,
}

impl LiveIndex {
    /// Adds up the blocks in `tables`, which were inherited from the parent process.
    pub fn of(tables: &LiveBlocks) -> LiveIndex {
        let mut made = LiveIndex::default();
        tables.iter(MemoryKind::Traced).for_each(|block| made.sums.add(block.space, block.size));
        made
    }

    /// Returns the index of the live blocks, which are those in `tables`.
    pub fn index(&mut self, tables: &LiveBlocks) -> &Index {
        self.index.get_or_insert_with(|| Index::of(tables))
    }

    #[inline]
    fn remove(&mut self, block: &Block) {
        if block.space != Space::MAPPINGS {
            self.sums.subtract(block.space, block.size);
            self.index.as_mut().into_iter().for_each(|index| index.remove(block));
        }
    }
}

impl Observer for LiveIndex {
    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        if block.space != Space::MAPPINGS {
            self.sums.add(block.space, block.size);
            self.index.as_mut().into_iter().for_each(|index| index.insert(block));
        }
    }

    #[inline]
    fn on_free(&mut self, block: &Block, _event: &MergedEvent) {
        self.remove(block);
    }

    #[inline]
    fn on_forget(&mut self, block: &Block, _stamp: Stamp) {
        self.remove(block);
    }

    fn on_peak_reset(&mut self, _stamp: Stamp) {
        self.sums.reset_peak();
    }
}
