//! What each site did, all figures in one pass.

use tm_common::ids::{ProcessIndex, Space, StackId};

use super::latest::LatestBlocks;
use crate::events::{Block, MergedEvent};
use crate::model::{Activity, ActivityUncertainty, Amount, Counted, EstimatesBy};
use crate::reader::ThreadTag;
use crate::replay::by_stack::ByStack;
use crate::replay::checkpoint::FoldedPart;
use crate::replay::live::prefetch;
use crate::replay::observer::Observer;
use crate::replay::selection::{Gate, Selection};
use crate::replay::site::Site;

/// Counts what comes as [`super::Allocations`] does, what goes as [`super::Churn`], and what is temporary as
/// [`super::Lifetimes`]. What lives is not looked at before the end: memory is that of the sites.
#[derive(Debug)]
pub struct Activities<'a> {
    selection: Gate<'a>,
    process: ProcessIndex,
    counted: Counted,
    latest: LatestBlocks,
    sums: ActivitySums,
    /// The places in the amounts of sites that nothing but their stack tells apart.
    of_stack: ByStack,
    /// What is to be added where, once the processor has fetched it.
    pending: Vec<(usize, Change)>,
}

/// What sites did, and how far that is from certain.
pub type ActivitySums = EstimatesBy<Site, Activity, ActivityUncertainty>;

/// What an event adds to the sums of its site.
#[derive(Clone, Copy, Debug)]
enum Change {
    Allocated(Amount),
    Freed(Amount),
    Temporary(Amount),
}

/// How many changes wait: as many as a fetch takes.
const PENDING_MAX: usize = 32;

impl<'a> Activities<'a> {
    /// Counts those of `process` in `selection`, with the figures of `counted` of what goes.
    pub fn new(selection: &'a Selection, process: ProcessIndex, counted: Counted) -> Activities<'a> {
        Activities {
            selection: Gate::of(selection),
            process,
            counted,
            latest: LatestBlocks::default(),
            sums: ActivitySums::default(),
            of_stack: ByStack::default(),
            pending: Vec::with_capacity(PENDING_MAX),
        }
    }

    /// What was counted.
    #[must_use]
    pub fn finish(mut self) -> ActivitySums {
        self.settle();
        self.sums
    }

    /// Has something added to the sums at `place`.
    #[inline]
    fn change(&mut self, place: usize, change: Change) {
        let (site, activity) = self.sums.amounts.at(place);
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
            let (_, activity) = self.sums.amounts.at(place);
            match change {
                Change::Allocated(amount) => activity.allocated += amount,
                Change::Freed(amount) => activity.freed += amount,
                Change::Temporary(amount) => activity.temporary += amount,
            }
        }
    }

    /// The place of a site that is known by its stack, if it is one of those that nothing else tells apart.
    #[inline]
    fn known_place(&self, space: Space, thread_tag: ThreadTag, stack: StackId) -> Option<usize> {
        let known = self.of_stack.get(stack).filter(|_| space == Space::HEAP && thread_tag.is_plain());
        known.map(|place| place as usize)
    }

    /// The place of a block's site.
    #[inline]
    fn place(&mut self, block: &Block) -> usize {
        match self.known_place(block.space, block.thread_tag, block.stack) {
            Some(place) => place,
            None => self.found_place(Site::of(block, self.process, &self.selection.thread_tags)),
        }
    }

    #[cold]
    fn found_place(&mut self, site: Site) -> usize {
        let place = self.sums.amounts.place_or(site, Activity::default);
        if site.is_of_stack() {
            // There are fewer than 2^32 stacks.
            self.of_stack.insert(site.stack, place as u32);
        }
        place
    }

    /// Counts a block that comes.
    #[inline(never)]
    fn brought(&mut self, event: &MergedEvent) {
        if let Some(block) = self.selection.brought_by(event) {
            let (place, thread_tags) = (self.place(&block), &self.selection.thread_tags);
            let (amount, allocated) = block.estimate(thread_tags);
            if allocated.is_estimate() {
                let site = Site::of(&block, self.process, thread_tags);
                self.sums.uncertainties.of(site).allocated += allocated;
            }
            self.change(place, Change::Allocated(amount));
        }
    }
}

impl Observer for Activities<'_> {
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        part.latest().for_each(|latest| self.latest.put(latest));
        let Activities { selection, process, counted, sums, .. } = self;
        selection.take_in(part, |sum| {
            let thread_tags = &selection.thread_tags;
            let site = Site::of(&sum.like, *process, thread_tags);
            *sums.amounts.of(site) += counted.of(sum.activity);
            let (_, allocated) = sum.estimate(sum.activity.allocated, thread_tags);
            if allocated.is_estimate() {
                sums.uncertainties.of(site).allocated += allocated;
            }
        })
    }

    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        if self.counted.temporary {
            self.latest.came(block, &self.selection.thread_tags);
        }
    }

    fn on_total(&mut self, event: &MergedEvent) {
        self.latest.told(event, &self.selection.thread_tags);
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        let Counted { freed, temporary } = self.counted;
        let is_temporary = temporary && self.latest.went(block, event, &self.selection.thread_tags);
        if !(freed || is_temporary) || !self.selection.admits(block, event.stamp) {
            return;
        }
        let (place, amount) = (self.place(block), block.amount(&self.selection.thread_tags));
        if freed {
            self.change(place, Change::Freed(amount));
        }
        if is_temporary {
            self.change(place, Change::Temporary(amount));
        }
    }

    #[inline]
    fn on_event(&mut self, event: &MergedEvent) {
        if event.is_release() {
            return;
        }
        match self
            .known_place(event.space, event.thread_tag, event.stack)
            .filter(|_| self.selection.admits_heap())
        {
            Some(place) => self.change(place, Change::Allocated(Amount::of_block(event.size))),
            None => self.brought(event),
        }
    }
}
