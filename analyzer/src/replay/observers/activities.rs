//! What each site did, all figures in one pass.

use tm_common::ids::ProcessIndex;

use super::latest::LatestBlocks;
use crate::events::{Block, MergedEvent};
use crate::model::{Activity, SumsBy};
use crate::replay::checkpoint::FoldedPart;
use crate::replay::observer::Observer;
use crate::replay::selection::Selection;
use crate::replay::site::Site;

/// Counts what comes as [`super::Allocations`] does, what goes as [`super::Churn`], and what is temporary as
/// [`super::Lifetimes`]. What lives is not looked at before the end: memory is that of the sites.
#[derive(Debug)]
pub struct Activities<'a> {
    selection: &'a Selection,
    process: ProcessIndex,
    latest: LatestBlocks,
    /// What was counted.
    pub sums: SumsBy<Site, Activity>,
}

impl<'a> Activities<'a> {
    /// Counts those of `process` in `selection`.
    pub fn new(selection: &'a Selection, process: ProcessIndex) -> Activities<'a> {
        Activities { selection, process, latest: LatestBlocks::default(), sums: SumsBy::default() }
    }

    #[inline]
    fn of(&mut self, block: &Block) -> &mut Activity {
        self.sums.of(Site::of(block, self.process, &self.selection.thread_tags))
    }
}

impl Observer for Activities<'_> {
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        part.latest().for_each(|latest| self.latest.put(latest));
        let Activities { selection, process, sums, .. } = self;
        selection.take_in(part, |sum| {
            *sums.of(Site::of(&sum.like, *process, &selection.thread_tags)) += sum.activity;
        })
    }

    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        self.latest.came(block, &self.selection.thread_tags);
    }

    fn on_total(&mut self, event: &MergedEvent) {
        self.latest.told(event, &self.selection.thread_tags);
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        let is_temporary = self.latest.went(block, event, &self.selection.thread_tags);
        if !self.selection.admits(block, event.stamp) {
            return;
        }
        let amount = block.amount(&self.selection.thread_tags);
        let activity = self.of(block);
        activity.freed += amount;
        if is_temporary {
            activity.temporary += amount;
        }
    }

    #[inline]
    fn on_event(&mut self, event: &MergedEvent) {
        if let Some(block) = self.selection.brought_by(event) {
            let amount = block.amount(&self.selection.thread_tags);
            self.of(&block).allocated += amount;
        }
    }
}
