//! Sums by stack over events, for what is too much to be kept block by block: memory is that of the stacks.

use rustc_hash::FxHashMap;
use tm_common::ids::StackId;

use super::event::MergedEvent;
use super::live::Block;
use super::observer::Observer;
use super::selection::Selection;

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

/// Sums by the stack that allocated.
#[derive(Clone, Debug, Default)]
pub struct StackSums(FxHashMap<StackId, Sum>);

impl StackSums {
    /// Adds a block.
    #[inline]
    pub fn add(&mut self, stack: StackId, size: u64) {
        self.0.entry(stack).or_default().add(Sum { size, count: 1 });
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &StackSums) {
        for (&stack, &sum) in &other.0 {
            self.0.entry(stack).or_default().add(sum);
        }
    }

    /// How many blocks each stack has.
    pub(super) fn counts(&self) -> impl Iterator<Item = (StackId, u64)> {
        self.0.iter().map(|(&stack, sum)| (stack, sum.count))
    }

    /// The sums, by stack id.
    pub fn sorted(&self) -> Vec<(StackId, Sum)> {
        let mut sums: Vec<_> = self.0.iter().map(|(&stack, &sum)| (stack, sum)).collect();
        sums.sort_unstable_by_key(|(stack, _)| *stack);
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
            self.sums.add(event.stack, event.size);
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
            self.sums.add(block.stack, block.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_by_stack() {
        let (mut first, mut second) = (StackSums::default(), StackSums::default());
        first.add(StackId(7), 10);
        first.add(StackId(4), 1);
        second.add(StackId(7), u64::MAX);
        first.merge(&second);
        let sum = |size, count| Sum { size, count };
        assert_eq!(first.sorted(), [(StackId(4), sum(1, 1)), (StackId(7), sum(u64::MAX, 2))]);
        assert_eq!(first.total(), sum(u64::MAX, 3));
    }
}
