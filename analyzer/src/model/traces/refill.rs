//! Frames of one stack written over those of the one before it.

use std::sync::Arc;

use crate::model::Frame;

/// A list that is filled anew. Stacks come in an order in which neighbours share most of their outer frames: a frame that stands in
/// its place already is left there, and its count of holders, which threads share, is not touched.
pub struct Refill<'a> {
    frames: &'a mut Vec<Arc<Frame>>,
    n: usize,
}

impl<'a> Refill<'a> {
    /// Begins to fill `frames`.
    pub fn new(frames: &'a mut Vec<Arc<Frame>>) -> Refill<'a> {
        Refill { frames, n: 0 }
    }

    /// Adds a frame.
    #[inline]
    pub fn push(&mut self, frame: &Arc<Frame>) {
        match self.frames.get_mut(self.n) {
            Some(known) if Arc::ptr_eq(known, frame) => {}
            Some(known) => *known = Arc::clone(frame),
            None => self.frames.push(Arc::clone(frame)),
        }
        self.n += 1;
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// What was added.
    pub fn finish(self) -> &'a [Arc<Frame>] {
        self.frames.truncate(self.n);
        self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_what_was_added_last() {
        let frames: Vec<Arc<Frame>> = (0..4).map(|line| Arc::new(Frame::new("a.c", line))).collect();
        let mut list = Vec::new();
        for stack in [&[0, 1, 2][..], &[0, 3], &[], &[2, 2, 0, 1], &[2, 2, 0]] {
            let mut refill = Refill::new(&mut list);
            stack.iter().for_each(|&place: &usize| refill.push(&frames[place]));
            let lines: Vec<usize> = refill.finish().iter().map(|frame| frame.lineno as usize).collect();
            assert_eq!(lines, stack);
        }
        drop(list);
        assert!(frames.iter().all(|frame| Arc::strong_count(frame) == 1));
    }
}
