//! The books of one process: what lives, what it adds up to, and what it was at the peak. Knows no order of events; its
//! caller enters them one by one.
//!
//! What the event path calls is inlined whatever it costs: left to itself the compiler makes calls of it, since there are
//! callers off the path too, and a replay takes 8 % longer.

use std::sync::Arc;

use tm_common::ids::{Space, Stamp};
use tm_common::sampling::ThreadTotals;

use super::exact::News;
use super::live_blocks::{LiveBlocks, MemoryKind};
use super::peak::Peak;
use super::ranges::{Change, Ranges};
use super::totals::Totals;
use crate::events::{Action, Block, MergedEvent};
use crate::model::Amount;
use crate::reader::ThreadTags;
use crate::replay::observer::Observer;

/// What a process has, and what it did.
#[derive(Debug)]
pub(in crate::replay) struct Ledger {
    pub(super) live: LiveBlocks,
    /// The sums so far.
    pub totals: Totals,
    pub(super) peak: Peak,
    /// The mappings at their latest peak, if they have changed since.
    pub(super) mapped_at_peak: Option<Ranges>,
    /// What samples stand for.
    pub(super) thread_tags: Arc<ThreadTags>,
}

impl Ledger {
    /// At the start of a process at the moment `start`, with the blocks that it has inherited.
    pub fn new(mut live: LiveBlocks, start: Stamp, thread_tags: Arc<ThreadTags>) -> Ledger {
        live.reset_generations();
        live.exact = live.exact.inherited();
        let [traced, mapped] = [MemoryKind::Traced, MemoryKind::Mappings].map(|memory_kind| {
            let mut all = Amount::default();
            live.iter(memory_kind).for_each(|block| all += block.amount(&thread_tags));
            all
        });
        let totals = Totals {
            live: traced,
            peak: traced,
            peak_stamp: start,
            mapped,
            mapped_peak: mapped,
            mapped_peak_stamp: start,
            ..Totals::default()
        };
        Ledger { live, totals, peak: Peak::default(), mapped_at_peak: None, thread_tags }
    }

    /// What samples stand for.
    pub fn thread_tags(&self) -> &Arc<ThreadTags> {
        &self.thread_tags
    }

    /// The blocks that are live now.
    #[inline]
    pub fn live(&self) -> &LiveBlocks {
        &self.live
    }

    /// The blocks that are live now, of a ledger that is not gone on with.
    pub fn into_live(self) -> LiveBlocks {
        self.live
    }

    /// The blocks that were live at the latest peak of a kind of memory, in no order.
    pub fn peak_blocks(&self, memory_kind: MemoryKind) -> impl Iterator<Item = Block> + '_ {
        let traced = (memory_kind == MemoryKind::Traced).then(|| self.peak.blocks(&self.live));
        let mapped = self.mapped_at_peak.as_ref().unwrap_or(&self.live.mappings);
        let mapped = (memory_kind == MemoryKind::Mappings).then(|| mapped.iter());
        traced.into_iter().flatten().chain(mapped.into_iter().flatten())
    }

    /// Changes the table; `false`, and nothing is changed, if the event does not fit.
    #[inline(always)]
    pub fn apply(&mut self, event: &MergedEvent, observer: &mut impl Observer) -> bool {
        if event.is_release() {
            return self.take_out(event, observer);
        }
        self.put(&event.block(), observer)
    }

    /// As [`Ledger::apply`], off the event path.
    #[inline(never)]
    pub fn apply_cold(&mut self, event: &MergedEvent, observer: &mut impl Observer) -> bool {
        self.apply(event, observer)
    }

    /// Puts a block into the table of its space; `false`, and nothing is changed, if there is one at its address.
    #[inline(always)]
    fn put(&mut self, block: &Block, observer: &mut impl Observer) -> bool {
        if block.space == Space::HEAP && self.live.labels.has(block.address) {
            return false;
        }
        let table = match block.space {
            Space::HEAP => self.live.heap_mut(),
            space => self.live.of(space),
        };
        if !table.insert(block, self.peak.next_generation()) {
            return false;
        }
        self.totals.live += block.amount(&self.thread_tags);
        self.note_peak(block.birth);
        observer.on_alloc(block);
        true
    }

    /// What the program tells of its own domains, and mappings. Where an address is tracked already the new one counts;
    /// what was not tracked may go (`PyTraceMalloc_Track`, `PyTraceMalloc_Untrack`).
    #[cold]
    pub fn track(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        if event.space == Space::MAPPINGS {
            self.map(event, observer);
        } else if event.action == Action::Move {
            return self.change_owner(event, observer);
        } else if event.action == Action::Label {
            self.give_back(event, observer);
            return self.label(event, observer);
        } else if event.ends_all() {
            self.end_all(event, observer);
        } else {
            if event.space != Space::HEAP {
                // Threads tell what the heap holds, and no other space.
                self.lose_course(event.stamp, observer);
            }
            self.take_out(event, observer);
            if event.space != Space::HEAP {
                self.give_back(event, observer);
            }
            if event.action == Action::Track {
                self.label(event, observer);
                // The place is free now.
                self.put(&event.block(), observer);
            }
            // Those of samples are among the exact ones, which come with totals.
            let is_counted = !event.thread_tag.is_sampled();
            self.totals.tracks += u64::from(is_counted && event.action == Action::Track);
            self.totals.untracks += u64::from(is_counted && event.action == Action::Untrack);
        }
        observer.on_event(event);
    }

    /// Has the block at the event's address, if there is one, belong to the event's stack. It is as old as that, and neither comes nor
    /// goes.
    fn change_owner(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        let Ledger { live, peak, .. } = self;
        let table = live.of(event.space);
        let Some(block) = peak.take_out(table, event.address) else { return };
        let moved = Block { size: block.size, ..event.block() };
        table.insert(&moved, peak.next_generation());
        observer.on_move(&block, &moved);
    }

    /// Ends what is tracked in the event's space.
    fn end_all(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        let Ledger { live, totals, peak, thread_tags, .. } = self;
        peak.take_out_until(live.of(event.space), event.stamp, &mut |block| {
            totals.live -= block.amount(thread_tags);
            observer.on_forget(&block, event.stamp);
        });
        for block in self.live.labels.take_all_of(event.space) {
            self.put_back(&block, event.stamp, observer);
        }
    }

    /// Counts a block of the heap where the event tells of it, if it tells of the whole block.
    fn label(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        let Ledger { live, totals, peak, thread_tags, .. } = self;
        let known = live.heap().get(event.address).filter(|block| block.size == event.size);
        if event.space == Space::HEAP || known.is_none() {
            return;
        }
        if let Some(block) = peak.take_out(live.heap_mut(), event.address) {
            totals.live -= block.amount(thread_tags);
            observer.on_forget(&block, event.stamp);
            live.labels.put(block, event.space);
        }
    }

    /// Counts a block in the heap again that was counted in the event's space.
    fn give_back(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        if let Some(block) = self.live.labels.take_of(event.address, event.space) {
            self.put_back(&block, event.stamp, observer);
        }
    }

    fn put_back(&mut self, block: &Block, stamp: Stamp, observer: &mut impl Observer) {
        // The place is free: as long as the block was counted elsewhere, nothing came there.
        if self.live.heap_mut().insert(block, self.peak.next_generation()) {
            self.totals.live += block.amount(&self.thread_tags);
            self.note_peak(stamp);
            observer.on_alloc(&Block { birth: stamp, ..*block });
        }
    }

    /// Ends a block of the heap that is counted in another space, there; `false` if there is none at the event's address.
    #[cold]
    fn take_out_label(&mut self, event: &MergedEvent, observer: &mut impl Observer) -> bool {
        let Some((_, space)) = self.live.labels.take(event.address) else { return false };
        if let Some(block) = self.peak.take_out(self.live.of(space), event.address) {
            self.totals.live -= block.amount(&self.thread_tags);
            observer.on_free(&block, event);
        }
        true
    }

    fn map(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        let Ledger { live, totals, mapped_at_peak, thread_tags, .. } = self;
        // A peak that is passed is kept; one that goes on rising is not copied. What replaces others may add nothing.
        let takes_away = event.action == Action::Untrack || live.mappings.overlap(event.address, event.size);
        if mapped_at_peak.is_none() && takes_away {
            *mapped_at_peak = Some(live.mappings.clone());
        }
        let mut changed = |change| match change {
            Change::Came(block) => {
                totals.mapped += block.amount(thread_tags);
                observer.on_alloc(&block);
            }
            Change::Went(block) | Change::Cut(block) => {
                totals.mapped -= block.amount(thread_tags);
                if matches!(change, Change::Went(_)) {
                    observer.on_free(&block, event);
                } else {
                    observer.on_forget(&block, event.stamp);
                }
            }
        };
        if event.action == Action::Track {
            live.mappings.insert(event.block(), &mut changed);
            totals.maps += 1;
        } else {
            live.mappings.remove(event.address, event.size, &mut changed);
            totals.unmaps += 1;
        }
        if totals.mapped.bytes > totals.mapped_peak.bytes {
            (totals.mapped_peak, totals.mapped_peak_stamp) = (totals.mapped, event.stamp);
            *mapped_at_peak = None;
        }
    }

    /// Takes the block at the event's address out of the table; `false` if there is none.
    #[inline(always)]
    fn take_out(&mut self, event: &MergedEvent, observer: &mut impl Observer) -> bool {
        let table = match event.space {
            Space::HEAP => self.live.heap_mut(),
            space => self.live.of(space),
        };
        let Some(block) = self.peak.take_out(table, event.address) else {
            let is_labelled = event.space == Space::HEAP && self.live.labels.has(event.address);
            return is_labelled && self.take_out_label(event, observer);
        };
        self.totals.live -= block.amount(&self.thread_tags);
        observer.on_free(&block, event);
        true
    }

    /// Adds an event that has taken effect to the sums.
    #[inline(always)]
    pub fn count(&mut self, event: &MergedEvent) {
        if event.thread_tag.is_sampled() {
            return self.count_sample(event);
        }
        if event.is_release() {
            self.totals.frees += u64::from(event.action == Action::Free);
            return;
        }
        if event.is_reallocation() {
            self.totals.reallocations += 1;
        } else {
            self.totals.allocations += 1;
        }
        self.totals.bytes_allocated = self.totals.bytes_allocated.wrapping_add(event.size);
    }

    /// Adds a sample that has taken effect to the sums of samples: the others come with exact totals.
    #[cold]
    fn count_sample(&mut self, event: &MergedEvent) {
        if !event.is_release() {
            let (block, thread_tags) = (event.block(), &self.thread_tags);
            let sample_bytes = block.weight(thread_tags).sample_bytes;
            self.totals.samples.add(sample_bytes, block.estimate(thread_tags));
        }
    }

    /// A block came: perhaps this is the peak. A repair that brings a block back counts as well. Where threads sample, their exact course says it.
    #[inline]
    fn note_peak(&mut self, stamp: Stamp) {
        if self.totals.live.bytes > self.totals.peak.bytes && !self.live.exact.is_told() {
            self.reach_peak(stamp);
        }
    }

    #[inline]
    fn reach_peak(&mut self, stamp: Stamp) {
        self.totals.peak = self.totals.live;
        self.totals.peak_stamp = stamp;
        self.peak.reached(&mut self.live);
    }

    /// Takes in what a thread tells of itself.
    pub fn total(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        let Some(total) = event.total() else { return };
        if event.space != Space::HEAP {
            self.lose_course(event.stamp, observer);
        }
        let thread = self.thread_tags.thread(event.thread_tag);
        let samples = &mut self.totals.samples;
        samples.sample_bytes = samples.sample_bytes.max(self.thread_tags.sample_bytes(event.thread_tag));
        samples.is_peak_estimated |= self.live.exact.is_lost();
        match self.live.exact.add(thread, event.space, total) {
            News::Held(held) if self.live.exact.is_told() => {
                if held.is_peak {
                    self.reach_peak(event.stamp);
                }
                observer.on_held(Some(&held), event.stamp);
            }
            news => self.totals.add_exact(event.space, news),
        }
    }

    /// What threads tell of what they hold is not the course of all blocks from `stamp` on.
    pub fn lose_course(&mut self, stamp: Stamp, observer: &mut impl Observer) {
        let samples = &mut self.totals.samples;
        samples.is_peak_estimated |= samples.sample_bytes > 0;
        if self.live.exact.lose() {
            observer.on_held(None, stamp);
        }
    }

    /// Adds what threads did after their last records: `lines` are those of the process.
    pub fn finish_totals(&mut self, lines: &[ThreadTotals]) {
        for news in self.live.exact.rest_of(lines) {
            self.totals.add_exact(news.0, news.1);
        }
    }

    /// Threads will tell of themselves from nothing on: the process was told to stop.
    pub fn restart_exact(&mut self) {
        self.live.exact.restart();
    }

    /// Makes the table say what `event` left of its address.
    #[cold]
    pub fn settle(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        self.take_out(event, observer);
        if !event.is_release() {
            self.apply_cold(event, observer);
        }
    }

    /// Makes what lives now the peak, of all kinds of memory: tracemalloc's `reset_peak`.
    pub fn reset_peak(&mut self, stamp: Stamp) {
        let Totals { live, mapped, .. } = self.totals;
        self.totals.peak = live;
        (self.totals.peak_stamp, self.totals.mapped_peak_stamp) = (stamp, stamp);
        self.totals.mapped_peak = mapped;
        self.mapped_at_peak = None;
        self.live.exact.reset_peak();
        self.peak.reached(&mut self.live);
    }

    /// Takes peaks of the same process, of traced blocks and of mappings, that are known otherwise; their blocks are not.
    pub fn take_peaks(&mut self, [traced, mapped]: [(Amount, Stamp); 2]) {
        (self.totals.peak, self.totals.peak_stamp) = traced;
        (self.totals.mapped_peak, self.totals.mapped_peak_stamp) = mapped;
    }

    /// What all blocks hold, if threads tell of it.
    pub fn held(&self) -> Option<u64> {
        self.live.exact.held()
    }

    /// Forgets what lives and is not younger than `stamp`. The peak's blocks are still known.
    pub fn forget(&mut self, stamp: Stamp, observer: &mut impl Observer) {
        self.live.labels.forget_until(stamp);
        self.live.take_out_until(stamp, &mut self.peak, &mut |block| {
            self.totals.live -= block.amount(&self.thread_tags);
            observer.on_forget(&block, stamp);
        });
        if self.mapped_at_peak.is_none() {
            self.mapped_at_peak = Some(self.live.mappings.clone());
        }
        for block in self.live.mappings.take_out_all(|block| block.birth <= stamp) {
            self.totals.mapped -= block.amount(&self.thread_tags);
            observer.on_forget(&block, stamp);
        }
    }
}
