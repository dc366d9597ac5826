//! What was live over time, in steps of equal length.

use tm_common::ids::Stamp;

use super::steps::Steps;
use crate::events::{Block, MergedEvent};
use crate::model::Amount;
use crate::replay::checkpoint::FoldedPart;
use crate::replay::live::MemoryKind;
use crate::replay::observer::{Held, Observer};
use crate::replay::selection::{Gate, Selection};

/// A stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The most bytes that were live in it, and the blocks then.
    pub most: Amount,
    /// When that was first so, at the earliest the step's start.
    pub at: Stamp,
}

/// Watches the live bytes.
#[derive(Debug)]
pub struct Timeline<'a> {
    selection: Gate<'a>,
    time: Steps,
    now: Amount,
    steps: Vec<Step>,
    /// The last stamp of the latest step.
    step_end: Stamp,
    /// What all blocks hold, if that is known exactly and all are asked for: then it is what is shown.
    held: Option<u64>,
}

impl<'a> Timeline<'a> {
    /// From `from`, exclusive, to `until` in `n_steps`, of the blocks in `selection` (ages have no part), `inherited`
    /// being those at the start.
    pub fn new(
        selection: &'a Selection,
        (from, until): (Stamp, Stamp),
        n_steps: u32,
        inherited: impl Iterator<Item = Block>,
    ) -> Timeline<'a> {
        let (now, steps) = (Amount::default(), Vec::with_capacity(n_steps as usize));
        let time = Steps { from, until, n: n_steps };
        let selection = Gate::of(selection);
        let mut timeline = Timeline { selection, time, now, steps, step_end: from, held: None };
        for block in inherited.filter(|block| selection.admits_newborn(block)) {
            timeline.now += block.amount(&selection.thread_tags);
        }
        timeline
    }

    /// All steps.
    pub fn finish(mut self) -> Vec<Step> {
        while self.n_begun() < self.time.n {
            self.begin_step();
        }
        self.steps
    }

    /// Goes on to the step of `stamp`. Repaired events may be older than the latest step, and count there.
    #[inline]
    fn go_to(&mut self, stamp: Stamp) {
        while stamp > self.step_end && self.n_begun() < self.time.n {
            self.begin_step();
        }
    }

    fn begin_step(&mut self) {
        let at = self.time.start_of(self.n_begun());
        self.step_end = self.time.start_of(self.n_begun() + 1);
        self.steps.push(Step { most: self.shown(), at });
    }

    /// What lives now.
    #[inline]
    fn shown(&self) -> Amount {
        self.held.map_or(self.now, |bytes| Amount { bytes, ..self.now })
    }

    /// The number of steps so far.
    #[inline]
    fn n_begun(&self) -> u32 {
        self.steps.len() as u32
    }
}

impl Observer for Timeline<'_> {
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        if !self.selection.is_whole() {
            return part.until() <= self.time.from;
        }
        let live = std::mem::take(&mut self.now);
        for folded in part.course(self.selection.memory_kind()).steps() {
            self.go_to(Stamp(folded.at));
            let most = Amount { bytes: folded.most.0, count: folded.most.1 };
            if let Some(step) = self.steps.last_mut().filter(|step| step.most.bytes < most.bytes) {
                *step = Step { most, at: Stamp(folded.at).max(step.at) };
            }
            self.now = Amount { bytes: folded.last.0, count: folded.last.1 };
        }
        self.now = live;
        true
    }

    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        self.go_to(block.birth);
        if !self.selection.admits_newborn(block) {
            return;
        }
        self.now += block.amount(&self.selection.thread_tags);
        let is_estimated = self.held.is_none();
        if let Some(step) =
            self.steps.last_mut().filter(|step| is_estimated && step.most.bytes < self.now.bytes)
        {
            *step = Step { most: self.now, at: block.birth.max(step.at) };
        }
    }

    fn on_held(&mut self, held: Option<&Held>, stamp: Stamp) {
        self.go_to(stamp);
        if !self.selection.is_whole() || self.selection.memory_kind() != MemoryKind::Traced {
            return;
        }
        self.held = held.map(|held| held.bytes);
        let Some(held) = held else { return };
        if let Some(step) = self.steps.last_mut().filter(|step| step.most.bytes < held.highest) {
            let most = Amount { bytes: held.highest, ..self.now };
            *step = Step { most, at: stamp.max(step.at) };
        }
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        self.on_forget(block, event.stamp);
    }

    fn on_forget(&mut self, block: &Block, stamp: Stamp) {
        self.go_to(stamp);
        if self.selection.admits_newborn(block) {
            self.now -= block.amount(&self.selection.thread_tags);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(size: u64, birth: u64) -> Block {
        Block { size, birth: Stamp(birth), ..Block::default() }
    }

    #[test]
    fn a_step_shows_the_most_of_its_time() {
        let selection = Selection::default();
        let inherited = [block(1, 0)];
        let mut timeline = Timeline::new(&selection, (Stamp(10), Stamp(50)), 4, inherited.into_iter());
        for (size, birth) in [(2, 5), (4, 12), (8, 20), (16, 45)] {
            timeline.on_alloc(&block(size, birth));
        }
        let step = |bytes, count, at| Step { most: Amount { bytes, count }, at: Stamp(at) };
        let expected = [step(15, 4, 20), step(15, 4, 20), step(15, 4, 30), step(31, 5, 45)];
        assert_eq!(timeline.finish(), expected);
    }
}
