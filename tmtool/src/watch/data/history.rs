//! The live bytes of the last minutes: the most of each step of time, so that no peak is left out.

use std::collections::VecDeque;

use tm_common::ids::Stamp;

/// How long a step is.
pub const STEP_NS: u64 = 500_000_000;
/// How many steps are kept: ten minutes.
const N_STEPS_MAX: usize = 1_200;

/// Follows the live bytes by the stamps of events, not by when anybody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Stamps in a step.
    step: u64,
    /// Where the step that is going on ends.
    end: Stamp,
    live: u64,
    /// The most in the step that is going on.
    most: u64,
    /// The steps that are over.
    past: VecDeque<u64>,
    /// How many there ever were.
    n_past: u64,
    /// When a block came or went last.
    latest: Stamp,
}

impl History {
    /// From `start` on, when nothing lives; `step` is in stamps.
    pub fn new(start: Stamp, step: u64) -> History {
        let step = step.max(1);
        let end = Stamp(start.0.saturating_add(step));
        History { step, end, live: 0, most: 0, past: VecDeque::new(), n_past: 0, latest: start }
    }

    /// Adds bytes that live from the start on.
    pub fn inherit(&mut self, size: u64) {
        self.live = self.live.saturating_add(size);
        self.most = self.most.max(self.live);
    }

    /// A block of `size` bytes has come.
    #[inline]
    pub fn on_alloc(&mut self, size: u64, stamp: Stamp) {
        self.happened(stamp);
        self.inherit(size);
    }

    /// A block of `size` bytes has gone.
    #[inline]
    pub fn on_free(&mut self, size: u64, stamp: Stamp) {
        self.happened(stamp);
        self.live = self.live.saturating_sub(size);
    }

    /// A block that is not asked for has come or gone.
    pub fn on_other(&mut self, stamp: Stamp) {
        self.happened(stamp);
    }

    #[inline]
    fn happened(&mut self, stamp: Stamp) {
        self.latest = self.latest.max(stamp);
        self.pass(stamp);
    }

    /// When a block came or went last; if none did, the start.
    pub fn latest(&self) -> Stamp {
        self.latest
    }

    /// It is `stamp`, whether anything happened or not.
    #[inline]
    pub fn pass(&mut self, stamp: Stamp) {
        if stamp >= self.end {
            self.end_steps(stamp);
        }
    }

    #[cold]
    fn end_steps(&mut self, stamp: Stamp) {
        let n_ended = (stamp.0 - self.end.0) / self.step + 1;
        self.push(self.most);
        // In the others nothing happened.
        let n_quiet = n_ended - 1;
        for _ in 0..n_quiet.min(N_STEPS_MAX as u64) {
            self.push(self.live);
        }
        self.n_past += n_quiet.saturating_sub(N_STEPS_MAX as u64);
        self.end = Stamp(self.end.0.saturating_add(n_ended.saturating_mul(self.step)));
        self.most = self.live;
    }

    fn push(&mut self, most: u64) {
        if self.past.len() == N_STEPS_MAX {
            self.past.pop_front();
        }
        self.past.push_back(most);
        self.n_past += 1;
    }

    /// How many steps a column stands for, if there are at most `n_max` of them.
    pub fn steps_a_column(&self, n_max: usize) -> usize {
        // With one to spare, since the first and the last are mostly parts.
        (self.past.len() + 1).div_ceil(n_max.saturating_sub(1).max(1))
    }

    /// The most in each of at most `n_max` columns of equal time, oldest first. As time goes on, steps stay with those
    /// that they share a column with.
    pub fn columns(&self, n_max: usize) -> Vec<u64> {
        let steps_a_column = self.steps_a_column(n_max) as u64;
        let first = self.n_past - self.past.len() as u64;
        let mut columns: Vec<(u64, u64)> = Vec::new();
        for (place, &most) in self.past.iter().chain([&self.most]).enumerate() {
            let number = (first + place as u64) / steps_a_column;
            match columns.last_mut() {
                Some((last, highest)) if *last == number => *highest = most.max(*highest),
                _ => columns.push((number, most)),
            }
        }
        let n_cut = columns.len().saturating_sub(n_max);
        columns.into_iter().skip(n_cut).map(|(_, most)| most).collect()
    }

    /// How long the time is that is known, in nanoseconds.
    pub fn length_ns(&self) -> u64 {
        (self.past.len() as u64 + 1) * STEP_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_the_most_that_lived_in_it() {
        let mut history = History::new(Stamp(100), 10);
        history.on_alloc(5, Stamp(101));
        history.on_alloc(7, Stamp(102));
        history.on_free(7, Stamp(103));
        // The steps from 110 and from 120 are quiet.
        history.on_alloc(1, Stamp(130));
        history.on_free(6, Stamp(139));
        history.pass(Stamp(140));
        assert_eq!(history.columns(10), [12, 5, 5, 6, 0]);
        assert_eq!(history.length_ns(), 5 * STEP_NS);
    }

    #[test]
    fn a_column_has_the_most_of_its_steps_and_keeps_them() {
        let mut history = History::new(Stamp(0), 10);
        for step in 0..100 {
            history.on_alloc(1, Stamp(step * 10));
            let columns = history.columns(12);
            let n_steps = history.steps_a_column(12);
            // Step `s` has `s + 1` live bytes; columns begin at multiples of their length.
            let expected: Vec<u64> =
                (0..=step).step_by(n_steps).map(|first| (first + n_steps as u64 - 1).min(step) + 1).collect();
            assert_eq!(columns, expected, "{step}");
            assert!(columns.len() <= 12);
        }
    }

    #[test]
    fn memory_and_time_are_bounded_however_long_nothing_happens() {
        let mut history = History::new(Stamp(0), 10);
        history.on_alloc(3, Stamp(1));
        history.pass(Stamp(u64::MAX - 1));
        assert_eq!(history.columns(1_000_000), vec![3; N_STEPS_MAX + 1]);
        let late = History::new(Stamp(u64::MAX), 10);
        assert_eq!(late.columns(3), [0]);
    }
}
