//! What each site did, all figures in one pass.

use tm_common::ids::ProcessIndex;

use super::latest::LatestBlocks;
use crate::events::{Block, MergedEvent};
use crate::model::{Activity, Amount, SumsBy};
use crate::replay::checkpoint::FoldedPart;
use crate::replay::live::prefetch;
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
    sums: SumsBy<Site, Activity>,
    /// One more than the place in `sums` of sites that nothing but their stack tells apart, by the stack; 0 for none.
    of_stack: Vec<u32>,
    /// What is to be added where, once the processor has fetched it.
    pending: Vec<(usize, Change)>,
}

/// What an event adds to the sums of its site.
#[derive(Clone, Copy, Debug)]
enum Change {
    Allocated(Amount),
    Freed(Amount),
    Temporary(Amount),
}

/// How many changes wait: as many as a fetch takes.
const PENDING_MAX: usize = 32;
/// Stacks have numbers in the order in which they come. One that is many times the last needs no room for those between: it is
/// damage.
const NUMBERS_AHEAD: usize = 1 << 16;

impl<'a> Activities<'a> {
    /// Counts those of `process` in `selection`.
    pub fn new(selection: &'a Selection, process: ProcessIndex) -> Activities<'a> {
        Activities {
            selection,
            process,
            latest: LatestBlocks::default(),
            sums: SumsBy::default(),
            of_stack: Vec::new(),
            pending: Vec::with_capacity(PENDING_MAX),
        }
    }

    /// What was counted.
    #[must_use]
    pub fn finish(mut self) -> SumsBy<Site, Activity> {
        self.settle();
        self.sums
    }

    #[inline]
    fn change(&mut self, block: &Block, change: Change) {
        let place = self.place(block);
        let (site, activity) = self.sums.at(place);
        prefetch(site);
        prefetch(&activity.at_end);
        self.pending.push((place, change));
        if self.pending.len() == PENDING_MAX {
            self.settle();
        }
    }

    /// Adds what waits.
    fn settle(&mut self) {
        for (place, change) in self.pending.drain(..) {
            let (_, activity) = self.sums.at(place);
            match change {
                Change::Allocated(amount) => activity.allocated += amount,
                Change::Freed(amount) => activity.freed += amount,
                Change::Temporary(amount) => {
                    activity.freed += amount;
                    activity.temporary += amount;
                }
            }
        }
    }

    /// The place of a block's site.
    #[inline]
    fn place(&mut self, block: &Block) -> usize {
        let site = Site::of(block, self.process, &self.selection.thread_tags);
        let stack = site.stack.0 as usize;
        match self.of_stack.get(stack) {
            Some(&known) if known > 0 && site.is_of_stack() => known as usize - 1,
            _ => self.new_place(site),
        }
    }

    #[cold]
    fn new_place(&mut self, site: Site) -> usize {
        let (place, stack) = (self.sums.place_or(site, Activity::default), site.stack.0 as usize);
        if site.is_of_stack() && stack < 2 * self.of_stack.len() + NUMBERS_AHEAD {
            if self.of_stack.len() <= stack {
                self.of_stack.resize(stack + 1, 0);
            }
            // There are fewer than 2^32 stacks.
            self.of_stack[stack] = place as u32 + 1;
        }
        place
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
        self.change(block, if is_temporary { Change::Temporary(amount) } else { Change::Freed(amount) });
    }

    #[inline]
    fn on_event(&mut self, event: &MergedEvent) {
        if let Some(block) = self.selection.brought_by(event) {
            let amount = block.amount(&self.selection.thread_tags);
            self.change(&block, Change::Allocated(amount));
        }
    }
}
