//! What is kept of the live blocks beside the table of them, up to date with every event.

use tm_analyzer::events::{Block, MergedEvent};
use tm_analyzer::replay::{LiveBlocks, MemoryKind, Observer};
use tm_common::ids::{Space, Stamp};

use crate::index::Index;
use crate::sums::Sums;

/// The sums by space, and the index from its first use on.
#[derive(Debug, Default)]
pub struct Books {
    /// Bytes by space.
    pub sums: Sums,
    index: Option<Index>,
}

impl Books {
    /// Of blocks that were inherited.
    pub fn of(tables: &LiveBlocks) -> Books {
        let mut books = Books::default();
        tables.iter(MemoryKind::Traced).for_each(|block| books.sums.add(block.space, block.size));
        books
    }

    /// The index of what lives, which is `tables`.
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

impl Observer for Books {
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
