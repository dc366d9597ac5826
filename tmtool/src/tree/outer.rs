//! What a stack has in common with the one before it. Sites come in the order of their stacks, so that neighbours differ in a few
//! inner frames: what is known of the others is not looked up again.

use std::sync::Arc;

use tm_analyzer::model::{Frame, by_address, n_common};

/// A value for each frame of the last stack, or for each address.
pub struct Outer<T> {
    /// Its frames: they are kept so that no other one has the place of one of them.
    last: Vec<Arc<Frame>>,
    /// The values, the outermost first, each with how many frames there are up to it.
    steps: Vec<(usize, T)>,
}

impl<T> Default for Outer<T> {
    fn default() -> Outer<T> {
        Outer { last: Vec::new(), steps: Vec::new() }
    }
}

impl<T: Copy> Outer<T> {
    /// The values of the frames of a stack, the outermost first. `value` makes those that are new, from that of the caller, which the
    /// outermost does not have.
    pub fn of_frames(
        &mut self,
        oldest_first: &[Arc<Frame>],
        mut value: impl FnMut(Option<T>, &Arc<Frame>) -> T,
    ) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + '_ {
        let n_common = n_common(&self.last, oldest_first);
        self.steps.truncate(n_common);
        for (place, frame) in oldest_first.iter().enumerate().skip(n_common) {
            let made = value(self.last_value(), frame);
            self.steps.push((place + 1, made));
        }
        self.end(n_common, oldest_first)
    }

    /// The same of all frames but the innermost.
    pub fn of_callers(
        &mut self,
        oldest_first: &[Arc<Frame>],
        value: impl FnMut(Option<T>, &Arc<Frame>) -> T,
    ) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + '_ {
        self.of_frames(oldest_first.split_last().map_or(&[][..], |(_, callers)| callers), value)
    }

    /// The same of the addresses of a stack ([`by_address`]).
    pub fn of_addresses(
        &mut self,
        oldest_first: &[Arc<Frame>],
        mut value: impl FnMut(Option<T>, &[Arc<Frame>]) -> T,
    ) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + '_ {
        let n_common = n_common(&self.last, oldest_first);
        // The next frame may be inlined at the address that ends here.
        while self.steps.last().is_some_and(|(n_frames, _)| *n_frames >= n_common) {
            self.steps.pop();
        }
        let mut n_frames = self.steps.last().map_or(0, |(n_frames, _)| *n_frames);
        for frames in by_address(oldest_first.get(n_frames..).unwrap_or_default()) {
            n_frames += frames.len();
            let made = value(self.last_value(), frames);
            self.steps.push((n_frames, made));
        }
        self.end(n_common, oldest_first)
    }

    fn last_value(&self) -> Option<T> {
        self.steps.last().map(|(_, value)| *value)
    }

    /// Keeps a stack, which has `n_common` frames of the last one. Returns its values.
    fn end(
        &mut self,
        n_common: usize,
        oldest_first: &[Arc<Frame>],
    ) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + '_ {
        self.last.truncate(n_common);
        self.last.extend_from_slice(oldest_first.get(n_common..).unwrap_or_default());
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
        let (mut by_frame, mut by_caller, mut addresses) =
            (Outer::default(), Outer::default(), Outer::default());
        let (mut stack, mut n_asked, mut n_values) = (Vec::new(), 0, 0);
        for _ in 0..2_000 {
            stack.truncate(random.below(stack.len() as u64 + 1) as usize);
            stack.extend((0..random.below(4)).map(|_| Arc::clone(&frames[random.below(12) as usize])));
            // The lines from the outermost on, as one number.
            let with = |outer: Option<u64>, line: u32| outer.unwrap_or(7).wrapping_mul(31) + u64::from(line);
            let mut expected = Vec::new();
            for frame in &stack {
                expected.push(with(expected.last().copied(), frame.lineno));
            }
            let found = by_frame.of_frames(&stack, |outer, frame| {
                n_asked += 1;
                with(outer, frame.lineno)
            });
            assert_eq!(found.collect::<Vec<u64>>(), expected);
            n_values += expected.len();
            let callers = by_caller.of_callers(&stack, |outer, frame| with(outer, frame.lineno));
            let n_callers = expected.len().saturating_sub(1);
            assert_eq!(callers.collect::<Vec<u64>>(), expected[..n_callers]);
            let of_address = |outer: Option<u64>, frames: &[Arc<Frame>]| {
                frames.iter().fold(with(outer, 99), |value, frame| with(Some(value), frame.lineno))
            };
            let mut expected = Vec::new();
            for frames in by_address(&stack) {
                expected.push(of_address(expected.last().copied(), frames));
            }
            assert_eq!(addresses.of_addresses(&stack, of_address).collect::<Vec<u64>>(), expected);
        }
        assert!(n_asked * 3 < n_values * 2, "{n_asked} of {n_values}");
    }
}
