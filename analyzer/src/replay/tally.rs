//! Sums by stack and label over events, for what is too much to be kept block by block: memory is that of the stacks,
//! times that of the labels under which each was seen.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHashMap;
use tm_common::ids::{StackId, TagIndex};

use super::observer::Observer;
use super::selection::Selection;
use crate::events::{Block, MergedEvent};

/// Bytes and number of blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Requested bytes; a sum past 2^64 stays there.
    pub size: u64,
    /// Number of blocks.
    pub count: u64,
}

impl Sum {
    /// Adds `other`.
    #[inline]
    pub fn add(&mut self, other: Sum) {
        self.size = self.size.saturating_add(other.size);
        self.count = self.count.saturating_add(other.count);
    }
}

/// Where blocks were allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// By which stack.
    pub stack: StackId,
    /// Under which label.
    pub tag: TagIndex,
}

/// As one number: two would take the hasher twice as long.
impl Hash for Site {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.tag.0) << 32 | u64::from(self.stack.0));
    }
}

/// Sums by where blocks were allocated.
#[derive(Clone, Debug, Default)]
pub struct StackSums(FxHashMap<Site, Sum>);

impl StackSums {
    /// Adds a block.
    #[inline]
    pub fn add(&mut self, stack: StackId, tag: TagIndex, size: u64) {
        self.0.entry(Site { stack, tag }).or_default().add(Sum { size, count: 1 });
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &StackSums) {
        for (&site, &sum) in &other.0 {
            self.0.entry(site).or_default().add(sum);
        }
    }

    /// How many blocks each site has.
    pub(super) fn counts(&self) -> impl Iterator<Item = (StackId, u64)> {
        self.0.iter().map(|(site, sum)| (site.stack, sum.count))
    }

    /// The sums, by stack id and label.
    pub fn sorted(&self) -> Vec<(Site, Sum)> {
        let mut sums: Vec<_> = self.0.iter().map(|(&site, &sum)| (site, sum)).collect();
        sums.sort_unstable_by_key(|(site, _)| *site);
        sums
    }

    /// All together.
    pub fn total(&self) -> Sum {
        let mut total = Sum::default();
        self.0.values().for_each(|&sum| total.add(sum));
        total
    }
}

/// Counts every allocation later than the selection's birth; reallocations with their new size. Ages have no part.
#[derive(Debug)]
pub struct Allocations<'a> {
    selection: &'a Selection,
    /// What was counted.
    pub sums: StackSums,
}

impl<'a> Allocations<'a> {
    /// Counts those in `selection`.
    pub fn new(selection: &'a Selection) -> Allocations<'a> {
        Allocations { selection, sums: StackSums::default() }
    }
}

impl Observer for Allocations<'_> {
    #[inline]
    fn event(&mut self, event: &MergedEvent) {
        if event.is_release() {
            return;
        }
        if self.selection.admits_newborn(&event.block()) {
            let tag = self.selection.origins.tag(event.origin);
            self.sums.add(event.stack, tag, event.size);
        }
    }
}

/// Counts blocks as they go: those of the selection, whose ages are lifetimes here.
#[derive(Debug)]
pub struct Churn<'a> {
    selection: &'a Selection,
    /// What was counted.
    pub sums: StackSums,
}

impl<'a> Churn<'a> {
    /// Counts those in `selection`.
    pub fn new(selection: &'a Selection) -> Churn<'a> {
        Churn { selection, sums: StackSums::default() }
    }
}

impl Observer for Churn<'_> {
    #[inline]
    fn went(&mut self, block: &Block, event: &MergedEvent) {
        if self.selection.admits(block, event.stamp) {
            let tag = self.selection.origins.tag(block.origin);
            self.sums.add(block.stack, tag, block.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_by_stack_and_label() {
        let (mut first, mut second) = (StackSums::default(), StackSums::default());
        first.add(StackId(7), TagIndex::NONE, 10);
        first.add(StackId(4), TagIndex::NONE, 1);
        first.add(StackId(7), TagIndex(2), 5);
        second.add(StackId(7), TagIndex::NONE, u64::MAX);
        first.merge(&second);
        let row = |stack, tag, size, count| {
            (Site { stack: StackId(stack), tag: TagIndex(tag) }, Sum { size, count })
        };
        assert_eq!(first.sorted(), [row(4, 0, 1, 1), row(7, 0, u64::MAX, 2), row(7, 2, 5, 1)]);
        assert_eq!(first.total(), Sum { size: u64::MAX, count: 4 });
    }
}
