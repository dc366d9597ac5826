//! What a stack has in common with the one before it. Sites come in the order of their stacks, so that neighbours differ in a few
//! inner frames: what is known of the others is not looked up again.

use std::sync::Arc;

use tm_analyzer::model::{Frame, Traceback};

/// A value for each frame of the last stack, or for each address.
pub struct Outer<T> {
    /// It is kept so that no other frame has the place of one of its.
    last: Option<Traceback>,
    /// The values, the outermost first, each with how many frames there are up to it.
    steps: Vec<(usize, T)>,
}

impl<T> Default for Outer<T> {
    fn default() -> Outer<T> {
        Outer { last: None, steps: Vec::new() }
    }
}

impl<T: Copy> Outer<T> {
    /// The values of the frames of `traceback`, the outermost first. `value` makes those that are new, from that of the caller, which the
    /// outermost does not have.
    pub fn of_frames(
        &mut self,
        traceback: &Traceback,
        value: impl FnMut(Option<T>, &Arc<Frame>) -> T,
    ) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + '_ {
        self.of_some(traceback, traceback.frames(), value)
    }

    /// The same of all frames but the innermost.
    pub fn of_callers(
        &mut self,
        traceback: &Traceback,
        value: impl FnMut(Option<T>, &Arc<Frame>) -> T,
    ) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + '_ {
        let callers = traceback.frames().split_last().map_or(&[][..], |(_, callers)| callers);
        self.of_some(traceback, callers, value)
    }

    /// The values of the outermost frames of `traceback`, which are `frames`.
    fn of_some(
        &mut self,
        traceback: &Traceback,
        frames: &[Arc<Frame>],
        mut value: impl FnMut(Option<T>, &Arc<Frame>) -> T,
    ) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + '_ {
        let n_known = self.n_common(frames).min(self.steps.len());
        self.steps.truncate(n_known);
        for (place, frame) in frames.iter().enumerate().skip(n_known) {
            let made = value(self.last_value(), frame);
            self.steps.push((place + 1, made));
        }
        self.end(traceback)
    }

    /// The same of the addresses of `traceback` ([`Traceback::by_address`]).
    pub fn of_addresses(
        &mut self,
        traceback: &Traceback,
        mut value: impl FnMut(Option<T>, &[Arc<Frame>]) -> T,
    ) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + '_ {
        let n_common = self.n_common(traceback.frames());
        // The next frame may be inlined at the address that ends here.
        while self.steps.last().is_some_and(|(n_frames, _)| *n_frames >= n_common) {
            self.steps.pop();
        }
        let mut n_frames = self.steps.last().map_or(0, |(n_frames, _)| *n_frames);
        for frames in traceback.by_address_after(n_frames) {
            n_frames += frames.len();
            let made = value(self.last_value(), frames);
            self.steps.push((n_frames, made));
        }
        self.end(traceback)
    }

    fn n_common(&self, frames: &[Arc<Frame>]) -> usize {
        let last = self.last.as_ref().map_or(&[][..], |last| last.frames());
        last.iter().zip(frames).take_while(|(one, other)| Arc::ptr_eq(one, other)).count()
    }

    fn last_value(&self) -> Option<T> {
        self.steps.last().map(|(_, value)| *value)
    }

    fn end(&mut self, traceback: &Traceback) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + '_ {
        self.last = Some(traceback.clone());
        self.steps.iter().map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_testing::Random;

    /// Frames of a few addresses, two of each.
    fn frames() -> Vec<Arc<Frame>> {
        let frame = |n: u64| Frame { address: Some(n / 2), ..Frame::new("a.c", n as u32) };
        (0..12).map(|n| Arc::new(frame(n))).collect()
    }

    #[test]
    fn values_are_those_of_each_stack_alone() {
        let (mut random, frames) = (Random::new(5), frames());
        let (mut by_frame, mut by_caller, mut by_address) =
            (Outer::default(), Outer::default(), Outer::default());
        let (mut stack, mut n_asked, mut n_values) = (Vec::new(), 0, 0);
        for _ in 0..2_000 {
            stack.truncate(random.below(stack.len() as u64 + 1) as usize);
            stack.extend((0..random.below(4)).map(|_| Arc::clone(&frames[random.below(12) as usize])));
            let traceback = Traceback::from_oldest_first(stack.clone(), None);
            // The lines from the outermost on, as one number.
            let with = |outer: Option<u64>, line: u32| outer.unwrap_or(7).wrapping_mul(31) + u64::from(line);
            let mut expected = Vec::new();
            for frame in &stack {
                expected.push(with(expected.last().copied(), frame.lineno));
            }
            let found = by_frame.of_frames(&traceback, |outer, frame| {
                n_asked += 1;
                with(outer, frame.lineno)
            });
            assert_eq!(found.collect::<Vec<u64>>(), expected);
            n_values += expected.len();
            let callers = by_caller.of_callers(&traceback, |outer, frame| with(outer, frame.lineno));
            let n_callers = expected.len().saturating_sub(1);
            assert_eq!(callers.collect::<Vec<u64>>(), expected[..n_callers]);
            let of_address = |outer: Option<u64>, frames: &[Arc<Frame>]| {
                frames.iter().fold(with(outer, 99), |value, frame| with(Some(value), frame.lineno))
            };
            let mut expected = Vec::new();
            for frames in traceback.by_address() {
                expected.push(of_address(expected.last().copied(), frames));
            }
            assert_eq!(by_address.of_addresses(&traceback, of_address).collect::<Vec<u64>>(), expected);
        }
        assert!(n_asked * 3 < n_values * 2, "{n_asked} of {n_values}");
    }
}
