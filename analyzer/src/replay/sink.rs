//! What is kept of the blocks of a moment: each of them, or their sums, which take no memory by block.

use tm_common::ids::{ProcessIndex, StackId, Stamp};

use super::site::Site;
use crate::events::Block;
use crate::model::{Amount, EstimatesBy};
use crate::reader::ThreadTags;

/// Takes the blocks of one process after the other.
pub trait BlockSink {
    /// Adds those of `process`, of a recording with `thread_tags`.
    fn add_process(
        &mut self,
        process: ProcessIndex,
        blocks: impl Iterator<Item = Block>,
        thread_tags: &ThreadTags,
    );

    /// The stacks, some perhaps more than once, and how many blocks each has.
    fn stacks(&self) -> impl Iterator<Item = (StackId, u64)>;
}

/// Blocks by process and address.
impl BlockSink for Vec<Block> {
    fn add_process(
        &mut self,
        _process: ProcessIndex,
        blocks: impl Iterator<Item = Block>,
        _origins: &ThreadTags,
    ) {
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

impl BlockSink for EstimatesBy<Site> {
    fn add_process(
        &mut self,
        process: ProcessIndex,
        blocks: impl Iterator<Item = Block>,
        thread_tags: &ThreadTags,
    ) {
        blocks.for_each(|block| {
            let site = Site::of(&block, process, thread_tags);
            self.add(site, block.estimate(thread_tags));
        });
    }

    fn stacks(&self) -> impl Iterator<Item = (StackId, u64)> {
        self.amounts.iter().map(|(site, amount)| (site.stack, amount.count))
    }
}

/// Sums by site and [`Amount::size_class`].
impl BlockSink for EstimatesBy<(Site, u8)> {
    fn add_process(
        &mut self,
        process: ProcessIndex,
        blocks: impl Iterator<Item = Block>,
        thread_tags: &ThreadTags,
    ) {
        blocks.for_each(|block| {
            let key = (Site::of(&block, process, thread_tags), Amount::size_class(block.size));
            self.add(key, block.estimate(thread_tags));
        });
    }

    fn stacks(&self) -> impl Iterator<Item = (StackId, u64)> {
        self.amounts.iter().map(|((site, _), amount)| (site.stack, amount.count))
    }
}

/// Sums of the blocks up to a birth, and of those that came after it.
#[derive(Clone, Debug)]
pub struct ByBirth {
    /// The last birth of the old ones.
    pub limit: Stamp,
    /// What came up to it.
    pub old: EstimatesBy<Site>,
    /// What came after it.
    pub young: EstimatesBy<Site>,
}

impl ByBirth {
    /// Nothing so far.
    pub fn new(limit: Stamp) -> ByBirth {
        ByBirth { limit, old: EstimatesBy::default(), young: EstimatesBy::default() }
    }
}

impl BlockSink for ByBirth {
    fn add_process(
        &mut self,
        process: ProcessIndex,
        blocks: impl Iterator<Item = Block>,
        thread_tags: &ThreadTags,
    ) {
        for block in blocks {
            let sums = if block.birth > self.limit { &mut self.young } else { &mut self.old };
            let site = Site::of(&block, process, thread_tags);
            sums.add(site, block.estimate(thread_tags));
        }
    }

    fn stacks(&self) -> impl Iterator<Item = (StackId, u64)> {
        self.old.stacks().chain(self.young.stacks())
    }
}
