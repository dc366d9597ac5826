//! What was live over the whole run, in steps whose length doubles as it goes on.

use serde::{Deserialize, Serialize};

/// The most steps; when there are as many, each two become one.
const STEPS_MAX: usize = 2_048;

/// What was live in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::replay) struct CourseStep {
    /// When most was live, ...
    pub at: u64,
    /// ... bytes and blocks then, ...
    pub most: (u64, u64),
    /// ... and at the end of the step.
    pub last: (u64, u64),
}

/// The course of what was live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::replay) struct Course {
    /// The stamp at which it begins.
    from: u64,
    /// The length of a step in stamps, as a power of two.
    step_log2: u32,
    steps: Vec<CourseStep>,
}

impl Course {
    /// Begins at `from`, with `live` bytes and blocks.
    pub fn new(from: u64, live: (u64, u64)) -> Course {
        Course { from, step_log2: 10, steps: vec![CourseStep { at: from, most: live, last: live }] }
    }

    /// Notes what is live at `stamp`; `most` is the most since the time before.
    #[inline(always)]
    pub fn note(&mut self, stamp: u64, most: (u64, u64), now: (u64, u64)) {
        if self.place(stamp) >= self.steps.len() as u64 {
            self.go_on_to(stamp);
        }
        // What comes late counts in the present step.
        let Some(step) = self.steps.last_mut() else { return };
        if most.0 > step.most.0 {
            (step.at, step.most) = (stamp.max(step.at), most);
        }
        step.last = now;
    }

    /// The step that `stamp` is in.
    #[inline(always)]
    fn place(&self, stamp: u64) -> u64 {
        stamp.saturating_sub(self.from) >> self.step_log2
    }

    /// Adds the steps up to that of `stamp`.
    #[cold]
    fn go_on_to(&mut self, stamp: u64) {
        while self.place(stamp) >= STEPS_MAX as u64 {
            self.double();
        }
        while self.steps.len() as u64 <= self.place(stamp) {
            let at = self.from.saturating_add((self.steps.len() as u64) << self.step_log2);
            let last = self.steps.last().map_or((0, 0), |step| step.last);
            self.steps.push(CourseStep { at, most: last, last });
        }
    }

    fn double(&mut self) {
        self.step_log2 += 1;
        let pairs = self.steps.chunks(2).filter_map(|pair| {
            let (first, last) = (pair.first()?, pair.last()?);
            let higher = if last.most.0 > first.most.0 { last } else { first };
            Some(CourseStep { at: higher.at, most: higher.most, last: last.last })
        });
        self.steps = pairs.collect();
    }

    /// The steps, in the order of time.
    pub fn steps(&self) -> &[CourseStep] {
        &self.steps
    }

    /// Whether it is one.
    pub fn is_sound(&self) -> bool {
        self.step_log2 < u64::BITS - STEPS_MAX.ilog2() && (1..=STEPS_MAX).contains(&self.steps.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_testing::Random;

    /// Against all that was noted.
    #[test]
    fn no_high_is_lost_and_steps_stay_few() {
        let (mut random, mut noted) = (Random::new(4), vec![(100, 5)]);
        let mut course = Course::new(100, (5, 1));
        let (mut stamp, mut n_doublings) = (100, 0);
        for round in 0..20_000u64 {
            stamp += random.below(1 + round / 4);
            let bytes = random.below(1 << 40);
            let before = course.step_log2;
            course.note(stamp, (bytes, 1), (bytes, 1));
            n_doublings += u64::from(course.step_log2 != before);
            noted.push((stamp, bytes));
            assert!(course.is_sound());
        }
        assert!(n_doublings > 3);
        for (place, step) in course.steps().iter().enumerate() {
            let step_len = 1 << course.step_log2;
            let begin = 100 + place as u64 * step_len;
            let inside = noted.iter().filter(|(at, _)| (begin..begin + step_len).contains(at));
            let before = noted.iter().rev().find(|(at, _)| *at < begin).map(|(_, bytes)| *bytes);
            let most = inside.map(|(_, bytes)| *bytes).chain(before).max();
            assert_eq!(Some(step.most.0), most, "step {place}");
        }
    }
}
