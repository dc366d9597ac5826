//! Stacks in an order in which neighbours share most of their outer frames: each is kept as what is different from the one before.

use std::sync::Arc;

use crate::model::{Frame, StackView};

/// The stacks. Memory is that of the frames which each has beside those of the one before it.
#[derive(Clone, Debug, Default)]
pub struct StackList {
    parts: Vec<Part>,
    /// The frames of their own, one stack's behind the other's, the outermost first.
    own: Vec<Arc<Frame>>,
    /// The frames of the last one.
    last: Vec<Arc<Frame>>,
}

/// What is kept of a stack beside its frames.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// How many of the outermost frames it has of the one before it, ...
    n_shared: u32,
    /// ... and how many of its own.
    n_own: u32,
    total_nframe: Option<u32>,
    has_python: bool,
}

impl StackList {
    /// Adds a stack.
    pub fn push(&mut self, stack: StackView<'_>) {
        let StackView { frames, total_nframe, has_python } = stack;
        let n_shared = n_common(&self.last, frames);
        let own = frames.get(n_shared..).unwrap_or_default();
        // A stack has fewer frames than the table has nodes.
        let (n_own, n_frames) = (own.len() as u32, n_shared as u32);
        self.parts.push(Part { n_shared: n_frames, n_own, total_nframe, has_python });
        self.own.extend_from_slice(own);
        self.last.truncate(n_shared);
        self.last.extend_from_slice(own);
    }

    /// The frames of all stacks; those that stacks share with the one before are there once.
    pub fn frames(&self) -> &[Arc<Frame>] {
        &self.own
    }

    /// Goes through the stacks, from the first on.
    pub fn walk(&self) -> StackWalk<'_> {
        StackWalk { parts: &self.parts, own: &self.own, frames: Vec::new() }
    }
}

/// How many of the outermost frames two stacks share.
pub fn n_common(one: &[Arc<Frame>], other: &[Arc<Frame>]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| Arc::ptr_eq(one, other)).count()
}

/// A walk through the stacks of a list.
#[derive(Debug)]
pub struct StackWalk<'a> {
    parts: &'a [Part],
    own: &'a [Arc<Frame>],
    /// The frames of the last one.
    frames: Vec<Arc<Frame>>,
}

impl StackWalk<'_> {
    /// The next stack; one without frames after the last one.
    pub fn next_stack(&mut self) -> StackView<'_> {
        let part = self.parts.split_off_first().copied();
        let (n_shared, n_own) = part.map_or((0, 0), |part| (part.n_shared as usize, part.n_own as usize));
        let (own, rest) = self.own.split_at_checked(n_own).unwrap_or_default();
        self.own = rest;
        self.frames.truncate(n_shared);
        self.frames.extend_from_slice(own);
        let total_nframe = part.and_then(|part| part.total_nframe);
        StackView { frames: &self.frames, total_nframe, has_python: part.is_some_and(|part| part.has_python) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_testing::Random;

    #[test]
    fn stacks_come_back_as_they_were() {
        let mut random = Random::new(11);
        let frames: Vec<Arc<Frame>> = (0..6).map(|line| Arc::new(Frame::new("a.c", line))).collect();
        let (mut list, mut stacks, mut stack) = (StackList::default(), Vec::new(), Vec::new());
        for _ in 0..500 {
            stack.truncate(random.below(stack.len() as u64 + 1) as usize);
            stack.extend((0..random.below(4)).map(|_| Arc::clone(&frames[random.below(6) as usize])));
            let total_nframe = Some(stack.len() as u32 + 1);
            list.push(StackView { frames: &stack, total_nframe, has_python: stack.len() > 3 });
            stacks.push(stack.clone());
        }
        let mut walk = list.walk();
        for stack in &stacks {
            let StackView { frames, total_nframe, has_python } = walk.next_stack();
            assert!(frames.len() == stack.len() && n_common(frames, stack) == stack.len());
            assert_eq!((total_nframe, has_python), (Some(stack.len() as u32 + 1), stack.len() > 3));
        }
        assert!(walk.next_stack().frames.is_empty());
        let n_frames: usize = stacks.iter().map(Vec::len).sum();
        assert!(list.frames().len() * 3 < n_frames * 2, "{} of {n_frames}", list.frames().len());
    }
}
