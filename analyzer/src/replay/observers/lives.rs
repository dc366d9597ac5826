//! Blocks by where they were allocated, and by the slices of time in which they came and went: what lives can be told of any
//! time from it, without a row for each event.

use std::hash::{Hash, Hasher};

use tm_common::ids::{ProcessIndex, Stamp};

use crate::events::{Block, MergedEvent};
use crate::model::{Amount, SumsBy};
use crate::replay::by_stack::ByStack;
use crate::replay::observer::Observer;
use crate::replay::selection::{Gate, Selection};
use crate::replay::site::Site;

/// Blocks of one site that came in one slice and went in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    /// Where they were allocated.
    pub site: Site,
    /// The slice in which they came.
    pub born: u32,
    /// The slice in which they went; `None` for those that live on.
    pub gone: Option<u32>,
}

impl Hash for Life {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.site.hash(state);
        state.write_u64(u64::from(self.born) << 32 | u64::from(self.gone.unwrap_or(u32::MAX)));
    }
}

/// Adds up lives; where there are too many different ones, slices are joined in pairs.
#[derive(Debug)]
pub struct Lives<'a> {
    selection: Gate<'a>,
    process: ProcessIndex,
    slices: TimeSlices,
    n_lives_max: usize,
    sums: SumsBy<Life>,
    /// The places in `sums` of the latest lives of stacks: blocks of one stack mostly come and go alike for a while.
    of_stack: ByStack,
}

/// A stretch of time in slices of equal length.
#[derive(Debug)]
struct TimeSlices {
    from: Stamp,
    span: u64,
    n: u32,
    /// Slices a stamp.
    per_stamp: f64,
}

impl TimeSlices {
    fn new((from, until): (Stamp, Stamp), n: u32) -> TimeSlices {
        let span = until.0.saturating_sub(from.0).max(1);
        TimeSlices { from, span, n, per_stamp: f64::from(n) / span as f64 }
    }

    /// The slice of a stamp, of which each block asks twice: it is guessed, and a division of 128 bits is for guesses that are
    /// near an end.
    #[inline]
    fn of(&self, stamp: Stamp) -> u32 {
        let passed = stamp.0.saturating_sub(self.from.0);
        let guess = passed as f64 * self.per_stamp;
        let slice = guess as u32;
        let within = guess - f64::from(slice);
        let slice = if (SURE..1.0 - SURE).contains(&within) { slice } else { self.divided(passed) };
        slice.min(self.n - 1)
    }

    /// Joins each with the next one.
    fn halve(&mut self) {
        self.n = self.n.div_ceil(2);
        self.per_stamp = f64::from(self.n) / self.span as f64;
    }

    #[cold]
    fn divided(&self, passed: u64) -> u32 {
        let slice = u128::from(passed) * u128::from(self.n) / u128::from(self.span);
        slice.min(u128::from(u32::MAX)) as u32
    }
}

/// A guess is nearer to the truth than this, in slices of which there are fewer than 2^20.
const SURE: f64 = 1e-6;

impl<'a> Lives<'a> {
    /// Counts those of `process` in `selection` (ages have no part), of `time` in at most `n_slices`, and with about
    /// `n_lives_max` different lives at most.
    pub fn new(
        selection: &'a Selection,
        process: ProcessIndex,
        time: (Stamp, Stamp),
        n_slices: u32,
        n_lives_max: usize,
    ) -> Lives<'a> {
        let slices = TimeSlices::new(time, n_slices);
        let (sums, of_stack) = (SumsBy::default(), ByStack::default());
        Lives { selection: Gate::of(selection), process, slices, n_lives_max, sums, of_stack }
    }

    /// All lives with `live`, those that live on; and how many slices there are.
    pub fn finish(mut self, live: impl Iterator<Item = Block>) -> (SumsBy<Life>, u32) {
        let selection = self.selection;
        for block in live.filter(|block| selection.admits_newborn(block)) {
            self.add(&block, None);
        }
        (self.sums, self.slices.n)
    }

    fn add(&mut self, block: &Block, gone: Option<Stamp>) {
        let site = Site::of(block, self.process, &self.selection.thread_tags);
        let life =
            Life { site, born: self.slices.of(block.birth), gone: gone.map(|gone| self.slices.of(gone)) };
        let sum = self.of_stack.sum_in(block.stack, life, &mut self.sums, Amount::default);
        *sum += block.amount(&self.selection.thread_tags);
        if self.sums.len() > self.n_lives_max && self.slices.n > 1 {
            self.join();
        }
    }

    /// Joins each slice with the next one.
    #[cold]
    fn join(&mut self) {
        // There will soon be as many again.
        let mut joined: SumsBy<Life> = SumsBy::with_room(self.sums.len());
        for (&Life { site, born, gone }, &amount) in self.sums.iter() {
            let amount: Amount = amount;
            joined.add(Life { site, born: born / 2, gone: gone.map(|gone| gone / 2) }, amount);
        }
        (self.sums, self.of_stack) = (joined, ByStack::default());
        self.slices.halve();
    }
}

impl Observer for Lives<'_> {
    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        self.on_forget(block, event.stamp);
    }

    fn on_forget(&mut self, block: &Block, stamp: Stamp) {
        if self.selection.admits_newborn(block) {
            self.add(block, Some(stamp));
        }
    }
}

#[cfg(test)]
mod tests {
    use tm_common::ids::StackId;
    use tm_testing::Random;

    use super::*;

    #[test]
    fn slices_are_those_of_whole_numbers() {
        let mut random = Random::new(3);
        for n in [1, 2, 3, 255, 256] {
            for span in [1, 7, 256, 1_000_003, u64::MAX >> 1] {
                let from = 1_000;
                let slices = TimeSlices::new((Stamp(from), Stamp(from + span)), n);
                let near = |slice: u32| (u128::from(slice) * u128::from(span) / u128::from(n)) as u64;
                let edges =
                    (0..=n).flat_map(|slice| (0..3).map(move |more| (near(slice) + more).saturating_sub(1)));
                let others = (0..1_000).map(|_| random.below(span.saturating_mul(2)));
                for passed in edges.chain(others) {
                    let expected = u128::from(passed) * u128::from(n) / u128::from(span);
                    let found = slices.of(Stamp(from.saturating_add(passed)));
                    assert_eq!(
                        u128::from(found),
                        expected.min(u128::from(n - 1)),
                        "{passed} of {span} in {n}"
                    );
                }
            }
        }
    }

    #[test]
    fn slices_are_joined_when_there_are_too_many_lives() {
        let selection = Selection::default();
        let block =
            |stack, birth| Block { size: 10, stack: StackId(stack), birth: Stamp(birth), ..Block::default() };
        let found = |n_lives_max| {
            let mut lives = Lives::new(&selection, ProcessIndex(0), (Stamp(0), Stamp(80)), 8, n_lives_max);
            lives.on_forget(&block(1, 5), Stamp(15));
            lives.on_forget(&block(1, 15), Stamp(79));
            lives.on_forget(&block(1, 19), Stamp(72));
            let (sums, n_slices) = lives.finish([block(1, 45), block(2, 0)].into_iter());
            let lives: Vec<_> = sums
                .sorted()
                .iter()
                .map(|(life, sum)| (life.site.stack.0, life.born, life.gone, sum.count))
                .collect();
            (lives, n_slices)
        };
        let whole = vec![(1, 0, Some(1), 1), (1, 1, Some(7), 2), (1, 4, None, 1), (2, 0, None, 1)];
        assert_eq!(found(9), (whole, 8));
        assert_eq!(
            found(3),
            (vec![(1, 0, Some(0), 1), (1, 0, Some(3), 2), (1, 2, None, 1), (2, 0, None, 1)], 4)
        );
    }
}
