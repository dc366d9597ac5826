//! Observers that add blocks up as they come or go, for what is too much to be kept block by block: memory is that of the
//! sites.

use tm_common::ids::ProcessIndex;

use super::event::MergedEvent;
use super::live::Block;
use super::observer::Observer;
use super::selection::Selection;
use super::site::Site;
use crate::model::SumsBy;

/// Counts every allocation later than the selection's birth; reallocations with their new size. Ages have no part.
#[derive(Debug)]
pub struct Allocations<'a> {
    selection: &'a Selection,
    process: ProcessIndex,
    /// What was counted.
    pub sums: SumsBy<Site>,
}

impl<'a> Allocations<'a> {
    /// Counts those of `process` in `selection`.
    pub fn new(selection: &'a Selection, process: ProcessIndex) -> Allocations<'a> {
        Allocations { selection, process, sums: SumsBy::default() }
    }
}

impl Observer for Allocations<'_> {
    #[inline]
    fn event(&mut self, event: &MergedEvent) {
        if event.is_release() {
            return;
        }
        let block = event.block();
        if self.selection.admits_newborn(&block) {
            self.sums.add(Site::of(&block, self.process, &self.selection.origins), block.amount());
        }
    }
}

/// Counts blocks as they go: those of the selection, whose ages are lifetimes here.
#[derive(Debug)]
pub struct Churn<'a> {
    selection: &'a Selection,
    process: ProcessIndex,
    /// What was counted.
    pub sums: SumsBy<Site>,
}

impl<'a> Churn<'a> {
    /// Counts those of `process` in `selection`.
    pub fn new(selection: &'a Selection, process: ProcessIndex) -> Churn<'a> {
        Churn { selection, process, sums: SumsBy::default() }
    }
}

impl Observer for Churn<'_> {
    #[inline]
    fn went(&mut self, block: &Block, event: &MergedEvent) {
        if self.selection.admits(block, event.stamp) {
            self.sums.add(Site::of(block, self.process, &self.selection.origins), block.amount());
        }
    }
}
