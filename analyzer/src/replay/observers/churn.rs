//! All that went, added up by site.

use tm_common::ids::ProcessIndex;

use crate::events::{Block, MergedEvent};
use crate::model::EstimatesBy;
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
    pub sums: EstimatesBy<Site>,
}

impl<'a> Churn<'a> {
    /// Counts those of `process` in `selection`.
    pub fn new(selection: &'a Selection, process: ProcessIndex) -> Churn<'a> {
        Churn { selection, process, sums: EstimatesBy::default() }
    }
}

impl Observer for Churn<'_> {
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        let Churn { selection, process, sums } = self;
        selection.take_in(part, |sum| {
            if sum.activity.freed.count > 0 {
                let site = Site::of(&sum.like, *process, &selection.thread_tags);
                sums.add(site, sum.estimate(sum.activity.freed, &selection.thread_tags));
            }
        })
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        if self.selection.admits(block, event.stamp) {
            let thread_tags = &self.selection.thread_tags;
            let site = Site::of(block, self.process, thread_tags);
            self.sums.add(site, block.estimate(thread_tags));
        }
    }
}
