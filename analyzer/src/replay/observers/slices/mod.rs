//! All that came and went by site and slice of time, in one pass.
//!
//! What lives at a boundary is what was there at the first one and came since, less what went. The peak is a boundary too,
//! though it is known only later which one it was: each site keeps what it did up to the latest peak apart from what it
//! did since, in the one slice that the peak is in.
//!
//! Memory is bounded: where there are too many cells, slices are joined in pairs.

mod course;
mod flow;
mod grid;
mod histogram;
mod peak;
mod pieces;
mod site;
mod sums;

#[cfg(test)]
mod tests;

use tm_common::ids::{Space, Stamp};

use super::latest::LatestBlocks;
use crate::events::{Block, MergedEvent};
use crate::model::Amount;
use crate::replay::live::MemoryKind;
use crate::replay::observer::{Held, Observer};
use crate::replay::selection::{Gate, Selection};
use course::Course;
use peak::Peak;
use pieces::Pieces;
use site::Sites;

pub use course::CourseStep;
pub use flow::{Cell, Flow};
pub use grid::Grid;
pub use histogram::Histogram;
pub use site::Place;
pub use sums::{SiteSlices, SliceSums};

/// How many pieces of cells there are before slices are joined: some 60 MB.
const PIECES_MAX: usize = 1 << 20;

/// The time that is looked at.
#[derive(Clone, Debug)]
pub struct SliceTime {
    /// The boundaries.
    pub grid: Grid,
    /// The last stamps of the steps of the course.
    pub steps: Vec<Stamp>,
    /// The first stamps of lifetimes of all decades but the first.
    pub limits: Vec<u64>,
    /// Whether the peak, that of all blocks of the kind of memory, becomes a boundary: in a replay of one process.
    pub has_peak: bool,
}

/// Watches one process.
#[derive(Debug)]
pub struct Slices<'a> {
    selection: Gate<'a>,
    time: SliceTime,
    /// How many boundaries have been passed.
    stage: u32,
    /// The next boundary, or end of a step of the course.
    next_stop: Stamp,
    sites: Sites,
    pieces: Pieces,
    pieces_max: usize,
    memory_kind: MemoryKind,
    /// Bytes of all blocks of the kind of memory, selected or not.
    total: u64,
    peak: Peak,
    /// Whether the peak is that of the exact course, of a process that samples.
    is_told: bool,
    course: Course,
    latest: LatestBlocks,
}

impl<'a> Slices<'a> {
    /// Begins with `inherited`, all that a process has at its start, of which the blocks in `selection` count (ages have no part).
    pub fn new(
        selection: &'a Selection,
        time: SliceTime,
        inherited: impl Iterator<Item = Block>,
    ) -> Slices<'a> {
        let selection = Gate::of(selection);
        let mut slices = Slices {
            selection,
            stage: 0,
            next_stop: time.grid.stamp(0),
            sites: Sites::default(),
            pieces: Pieces::default(),
            pieces_max: PIECES_MAX,
            memory_kind: selection.memory_kind(),
            total: 0,
            peak: Peak::default(),
            is_told: false,
            course: Course::new(time.steps.clone()),
            latest: LatestBlocks::default(),
            time,
        };
        for block in inherited {
            slices.total = slices.total.saturating_add(slices.counted(&block));
            if selection.admits_newborn(&block) {
                slices.sites.of(&block).start += block.amount(&selection.thread_tags);
                slices.course.put(block.space, block.amount(&selection.thread_tags).bytes);
            }
        }
        slices
    }

    /// The stage of the last boundary, which the replay ends with.
    fn last_stage(&self) -> u32 {
        self.time.grid.len().saturating_sub(1) as u32
    }

    /// Goes on to the stage of `stamp`, and to its step.
    #[cold]
    fn go_to(&mut self, stamp: Stamp) {
        while self.stage < self.last_stage() && stamp > self.time.grid.stamp(self.stage as usize) {
            if self.stage == 0 {
                self.peak = Peak { bytes: self.total, stamp: self.time.grid.stamp(0), ..Peak::default() };
                self.course.restart();
            }
            self.stage += 1;
            while self.pieces.len() > self.pieces_max {
                self.join();
            }
        }
        while self.stage > 0 && stamp > self.course.end() {
            self.course.next_step();
        }
        let step_end = if self.stage > 0 { self.course.end() } else { Stamp(u64::MAX) };
        let is_last = self.stage >= self.last_stage();
        let boundary = if is_last { Stamp(u64::MAX) } else { self.time.grid.stamp(self.stage as usize) };
        self.next_stop = boundary.min(step_end);
    }

    /// Joins slices in pairs, and if there are none left to join, allows more.
    fn join(&mut self) {
        // What the present slice began with is still needed, to tell it from what came before.
        let Some(stages) = self.time.grid.halve((self.stage as usize).checked_sub(1)) else {
            self.pieces_max *= 2;
            return;
        };
        for (_, site) in self.sites.iter_mut() {
            site.renumber(&stages, self.stage, &self.peak, &mut self.pieces);
        }
        self.pieces.renumber(&stages, self.peak.stage);
        let new = |stage: u32| stages.get(stage as usize).copied().unwrap_or(stage);
        (self.stage, self.peak.stage) = (new(self.stage), new(self.peak.stage));
        // Half of the room is free again, or the sites are that many.
        self.pieces_max = self.pieces_max.max(self.pieces.len() * 2);
    }

    /// What `block` adds to the kind of memory: a replay tells of both kinds, each of which has a peak of its own.
    #[inline]
    fn counted(&self, block: &Block) -> u64 {
        let is_counted = MemoryKind::of(block.space) == self.memory_kind;
        if is_counted { block.amount(&self.selection.thread_tags).bytes } else { 0 }
    }

    /// What lives now may be the most so far.
    #[inline]
    fn note_peak(&mut self, stamp: Stamp) {
        if self.total > self.peak.bytes && self.stage > 0 && !self.is_told {
            self.reach_peak(stamp);
        }
    }

    #[inline]
    fn reach_peak(&mut self, stamp: Stamp) {
        let number = self.peak.number.wrapping_add(1);
        self.peak = Peak { bytes: self.total, number, stage: self.stage, stamp };
    }

    /// Ends what still lives, of a process that ended at `stamp`.
    pub fn end_all(&mut self, stamp: Stamp) {
        let after = Stamp(stamp.0.saturating_add(1));
        if self.time.grid.stamps().last().is_none_or(|last| after > last) {
            return;
        }
        self.on_turn(after);
        let past = self.pieces.sums();
        for (place, site) in self.sites.iter_mut() {
            let left = site.live(past.get(site.number as usize).copied().unwrap_or_default());
            self.course.take(place.space, left.bytes);
            if self.stage == 0 {
                site.start -= left;
            } else {
                site.flow(self.stage, &self.peak, &mut self.pieces).freed += left;
            }
        }
    }

    /// A block goes; the selection may not have it.
    #[inline]
    fn went(&mut self, block: &Block, is_temporary: bool, ended: Option<Stamp>) {
        self.total = self.total.saturating_sub(self.counted(block));
        if !self.selection.admits_newborn(block) {
            return;
        }
        self.course.went(block.space, block.amount(&self.selection.thread_tags).bytes);
        let site = self.sites.of(block);
        if self.stage == 0 {
            site.start -= block.amount(&self.selection.thread_tags);
            return;
        }
        let flow = site.flow(self.stage, &self.peak, &mut self.pieces);
        flow.freed += block.amount(&self.selection.thread_tags);
        if is_temporary {
            flow.temporary += block.amount(&self.selection.thread_tags);
        }
        if let Some(stamp) = ended {
            let lifetime = stamp.0.saturating_sub(block.birth.0);
            let decade = self.time.limits.partition_point(|&limit| limit <= lifetime);
            site.lifetimes.add(decade as u8, block.amount(&self.selection.thread_tags));
        }
    }
}

impl Observer for Slices<'_> {
    #[inline]
    fn on_turn(&mut self, stamp: Stamp) {
        if stamp > self.next_stop {
            self.go_to(stamp);
        }
    }

    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        self.latest.came(block, &self.selection.thread_tags);
        self.total = self.total.saturating_add(self.counted(block));
        if self.selection.admits_newborn(block) {
            self.course.came(block.space, block.amount(&self.selection.thread_tags).bytes);
            let site = self.sites.of(block);
            if self.stage == 0 {
                site.start += block.amount(&self.selection.thread_tags);
            } else {
                site.flow(self.stage, &self.peak, &mut self.pieces).allocated +=
                    block.amount(&self.selection.thread_tags);
                site.sizes.add(Amount::size_class(block.size), block.amount(&self.selection.thread_tags));
            }
        }
        // A mapping may replace others, which go in the same event.
        if block.space != Space::MAPPINGS {
            self.note_peak(block.birth);
        }
    }

    fn on_held(&mut self, held: Option<&Held>, stamp: Stamp) {
        self.is_told = held.is_some() && self.memory_kind == MemoryKind::Traced;
        if self.is_told && held.is_some_and(|held| held.is_peak) && self.stage > 0 {
            self.reach_peak(stamp);
        }
    }

    fn on_total(&mut self, event: &MergedEvent) {
        self.latest.told(event, &self.selection.thread_tags);
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        let is_temporary = self.latest.went(block, event, &self.selection.thread_tags);
        self.went(block, is_temporary, Some(event.stamp));
    }

    fn on_forget(&mut self, block: &Block, _stamp: Stamp) {
        self.went(block, false, None);
    }

    #[inline]
    fn on_event(&mut self, event: &MergedEvent) {
        self.course.settle();
        if event.space == Space::MAPPINGS {
            self.note_peak(event.stamp);
        }
    }
}
