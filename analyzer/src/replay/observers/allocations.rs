//! All that was allocated, freed or not, added up by site.

use tm_common::ids::ProcessIndex;

use crate::events::MergedEvent;
use crate::model::SumsBy;
use crate::replay::checkpoint::FoldedPart;
use crate::replay::observer::Observer;
use crate::replay::selection::Selection;
use crate::replay::site::Site;

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
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        let Allocations { selection, process, sums } = self;
        selection.take_in(part, |sum| {
            if sum.activity.allocated.count > 0 {
                sums.add(Site::of(&sum.like, *process, &selection.thread_tags), sum.activity.allocated);
            }
        })
    }

    #[inline]
    fn on_event(&mut self, event: &MergedEvent) {
        if let Some(block) = self.selection.brought_by(event) {
            self.sums.add(
                Site::of(&block, self.process, &self.selection.thread_tags),
                block.amount(&self.selection.thread_tags),
            );
        }
    }
}
