//! What was live over time, now and then with the places where it had been allocated.

use tm_common::ids::Stamp;

use super::program_points::ProgramPoints;
use super::steps::Steps;
use crate::events::{Block, MergedEvent};
use crate::model::Amount;
use crate::replay::observer::Observer;

/// What was live at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lived {
    /// When.
    pub at: Stamp,
    /// How much.
    pub live: Amount,
    /// How much of it at each place that had anything, by number; `None` where nobody looked.
    pub places: Option<Vec<(u32, Amount)>>,
}

/// Notes one moment of each of many steps of equal length: of most of them that at which most was live, of some their start,
/// with all places.
#[derive(Debug)]
pub struct Moments<'a, P> {
    /// What lives.
    pub lives: ProgramPoints<'a, P>,
    steps: Steps,
    /// One of how many steps is noted with its places.
    detailed_every: u32,
    step: u32,
    /// The last stamp of the present step.
    step_end: Stamp,
    /// The most of the present step, if that is what is noted.
    most: Option<Lived>,
    noted: Vec<Lived>,
}

impl<'a, P: FnMut(&Block) -> u32> Moments<'a, P> {
    /// Notes moments from `from` to `until` in `n_steps`, of `detailed_every` one with its places.
    pub fn new(
        lives: ProgramPoints<'a, P>,
        (from, until): (Stamp, Stamp),
        n_steps: u32,
        detailed_every: u32,
    ) -> Moments<'a, P> {
        let (steps, noted) = (Steps { from, until, n: n_steps }, Vec::with_capacity(n_steps as usize));
        let mut moments =
            Moments { lives, steps, detailed_every, step: 0, step_end: from, most: None, noted };
        moments.begin_step();
        moments
    }

    /// Returns the moments in the order of time, and what lives.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Lived>, ProgramPoints<'a, P>) {
        while self.step < self.steps.n {
            self.end_step();
        }
        self.noted.extend(self.most);
        (self.noted, self.lives)
    }

    /// Goes on to the step of `stamp`. Repaired events may be older than the present step, and count there.
    #[inline]
    fn go_to(&mut self, stamp: Stamp) {
        while stamp > self.step_end && self.step < self.steps.n {
            self.end_step();
        }
    }

    fn end_step(&mut self) {
        self.noted.extend(self.most.take());
        self.step += 1;
        if self.step < self.steps.n {
            self.begin_step();
        }
    }

    fn begin_step(&mut self) {
        let at = self.steps.start_of(self.step);
        self.step_end = self.steps.start_of(self.step + 1);
        let lived = Lived { at, live: self.lives.live, places: None };
        if self.step.is_multiple_of(self.detailed_every.max(1)) {
            self.noted.push(Lived { places: Some(self.lives.live_by_place().collect()), ..lived });
        } else {
            self.most = Some(lived);
        }
    }
}

impl<P: FnMut(&Block) -> u32> Observer for Moments<'_, P> {
    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        self.go_to(block.birth);
        self.lives.on_alloc(block);
        if let Some(most) = &mut self.most
            && self.lives.live.bytes > most.live.bytes
        {
            (most.live, most.at) = (self.lives.live, block.birth.max(most.at));
        }
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        self.go_to(event.stamp);
        self.lives.on_free(block, event);
    }

    fn on_forget(&mut self, block: &Block, stamp: Stamp) {
        self.go_to(stamp);
        self.lives.on_forget(block, stamp);
    }

    #[inline]
    fn on_event(&mut self, event: &MergedEvent) {
        self.lives.on_event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Selection;

    #[test]
    fn steps_show_their_most_and_some_their_places() {
        let selection = Selection::default();
        let block = |size, birth| Block { size, birth: Stamp(birth), ..Block::default() };
        let lives = ProgramPoints::new(&selection, |_: &Block| 3, Stamp(10), [block(1, 0)].into_iter());
        let mut moments = Moments::new(lives, (Stamp(10), Stamp(50)), 4, 2);
        for (size, birth) in [(2, 12), (4, 25), (8, 26), (16, 45)] {
            moments.on_alloc(&block(size, birth));
            if size == 8 {
                moments.on_forget(&block(8, 26), Stamp(29));
            }
        }
        let lived = |at, bytes, count, is_detailed: bool| {
            let live = Amount { bytes, count };
            Lived { at: Stamp(at), live, places: is_detailed.then(|| vec![(3, live)]) }
        };
        let (noted, lives) = moments.finish();
        assert_eq!(
            noted,
            [lived(10, 1, 1, true), lived(26, 15, 4, false), lived(30, 7, 3, true), lived(45, 23, 4, false)]
        );
        assert_eq!(lives.live.bytes, 23);
    }
}
