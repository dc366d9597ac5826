//! All that went, added up by site.

use tm_common::ids::ProcessIndex;

use crate::events::{Block, MergedEvent};
use crate::model::SumsBy;
use crate::replay::checkpoint::FoldedPart;
use crate::replay::observer::Observer;
use crate::replay::selection::Selection;
use crate::replay::site::Site;

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
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        let Churn { selection, process, sums } = self;
        selection.take_in(part, |sum| {
            if sum.activity.freed.count > 0 {
                sums.add(Site::of(&sum.like, *process, &selection.thread_tags), sum.activity.freed);
            }
        })
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        if self.selection.admits(block, event.stamp) {
            self.sums.add(
                Site::of(block, self.process, &self.selection.thread_tags),
                block.amount(&self.selection.thread_tags),
            );
        }
    }
}
