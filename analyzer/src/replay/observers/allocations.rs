//! All that was allocated, freed or not, added up by site.

use tm_common::ids::ProcessIndex;

use crate::events::MergedEvent;
use crate::model::{Amount, EstimatesBy};
use crate::replay::by_stack::ByStack;
use crate::replay::checkpoint::FoldedPart;
use crate::replay::observer::Observer;
use crate::replay::selection::{Gate, Selection};
use crate::replay::site::Site;

/// Counts every allocation later than the selection's birth; reallocations with their new size. Ages have no part.
#[derive(Debug)]
pub struct Allocations<'a> {
    selection: Gate<'a>,
    process: ProcessIndex,
    /// What was counted.
    pub sums: EstimatesBy<Site>,
    /// The places in the amounts of the latest sites of stacks: most have one.
    of_stack: ByStack,
}

impl<'a> Allocations<'a> {
    /// Counts those of `process` in `selection`.
    pub fn new(selection: &'a Selection, process: ProcessIndex) -> Allocations<'a> {
        let (selection, of_stack) = (Gate::of(selection), ByStack::default());
        Allocations { selection, process, sums: EstimatesBy::default(), of_stack }
    }
}

impl Observer for Allocations<'_> {
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        let Allocations { selection, process, sums, .. } = self;
        selection.take_in(part, |sum| {
            if sum.activity.allocated.count > 0 {
                let site = Site::of(&sum.like, *process, &selection.thread_tags);
                sums.add(site, sum.estimate(sum.activity.allocated, &selection.thread_tags));
            }
        })
    }

    #[inline]
    fn on_event(&mut self, event: &MergedEvent) {
        let Allocations { selection, process, sums, of_stack } = self;
        if let Some(block) = selection.brought_by(event) {
            let thread_tags = &selection.thread_tags;
            let site = Site::of(&block, *process, thread_tags);
            let (amount, uncertainty) = block.estimate(thread_tags);
            *of_stack.sum_in(block.stack, site, &mut sums.amounts, Amount::default) += amount;
            sums.add_uncertainty(site, uncertainty);
        }
    }
}
