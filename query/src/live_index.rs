//! What is kept beside the table of live blocks, up to date with every event: sums, and the index of starts.

use std::sync::Arc;

use tm_analyzer::events::{Block, MergedEvent};
use tm_analyzer::reader::ThreadTags;
use tm_analyzer::replay::{Held, LiveBlocks, MemoryKind, Observer};
use tm_common::ids::{Space, Stamp};

use crate::index::Index;
use crate::sums::Sums;

/// The sums by space from the start, and the index of starts from its first use.
#[derive(Debug)]
pub struct LiveIndex {
    /// Bytes by space; samples count as what they stand for.
    pub sums: Sums,
    index: Option<Index>,
    thread_tags: Arc<ThreadTags>,
    /// Whether the peak is that of the exact course, of a process that samples.
    is_told: bool,
}

impl LiveIndex {
    /// Adds up the blocks in `tables`, which were inherited from the parent process.
    pub fn of(tables: &LiveBlocks, thread_tags: Arc<ThreadTags>) -> LiveIndex {
        let mut sums = Sums::default();
        let blocks = tables.iter(MemoryKind::Traced);
        blocks.for_each(|block| sums.add(block.space, block.amount(&thread_tags).bytes));
        sums.note_peak();
        LiveIndex { sums, index: None, thread_tags, is_told: false }
    }

    /// Returns the index of the live blocks, which are those in `tables`.
    pub fn index(&mut self, tables: &LiveBlocks) -> &Index {
        self.index.get_or_insert_with(|| Index::of(tables))
    }

    #[inline]
    fn remove(&mut self, block: &Block) {
        if block.space != Space::MAPPINGS {
            self.sums.subtract(block.space, block.amount(&self.thread_tags).bytes);
            self.index.as_mut().into_iter().for_each(|index| index.remove(block));
        }
    }
}

impl Observer for LiveIndex {
    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        if block.space != Space::MAPPINGS {
            self.sums.add(block.space, block.amount(&self.thread_tags).bytes);
            if !self.is_told {
                self.sums.note_peak();
            }
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

    fn on_held(&mut self, held: Option<&Held>, _stamp: Stamp) {
        self.is_told = held.is_some();
        if held.is_some_and(|held| held.is_peak) {
            self.sums.reset_peak();
        }
    }

    fn on_peak_reset(&mut self, _stamp: Stamp) {
        self.sums.reset_peak();
    }
}
