//! Numbers for frames and stacks, in the order in which they come: stacks that look the same are one.

use std::sync::Arc;

use super::outer::Outer;
use rustc_hash::FxHashMap;
use tm_analyzer::model::{Frame, Traceback};
use tm_common::ids::StackId;

/// The frames that occur.
#[derive(Default)]
pub struct FrameNumbers {
    /// Frames by place: they are shared, and stay as long as they are here.
    known: FxHashMap<usize, (Arc<Frame>, u32)>,
    by_look: FxHashMap<Look, u32>,
    /// The frames, by number.
    pub frames: Vec<Arc<Frame>>,
}

/// All that is shown of a frame.
#[derive(PartialEq, Eq, Hash)]
struct Look {
    function: Option<Arc<str>>,
    filename: Arc<str>,
    lineno: u32,
    module: Option<Arc<str>>,
    address: Option<u64>,
}

impl FrameNumbers {
    /// The number of `frame`.
    pub fn of(&mut self, frame: &Arc<Frame>) -> u32 {
        let place = Arc::as_ptr(frame).addr();
        if let Some((_, known)) = self.known.get(&place) {
            return *known;
        }
        let look = Look {
            function: frame.function.clone(),
            filename: Arc::clone(&frame.filename),
            lineno: frame.lineno,
            module: frame.module.as_ref().map(|module| Arc::clone(&module.path)),
            address: frame.address,
        };
        let next = self.frames.len() as u32;
        let number = *self.by_look.entry(look).or_insert(next);
        if number == next {
            self.frames.push(Arc::clone(frame));
        }
        self.known.insert(place, (Arc::clone(frame), number));
        number
    }
}

/// The stacks that occur, as their frames' numbers, the innermost first.
pub struct Points<N> {
    name: N,
    of_stack: FxHashMap<StackId, u32>,
    of_frames: FxHashMap<Arc<[u32]>, u32>,
    /// The numbers of the frames of the last one.
    outer: Outer<u32>,
    /// The frames.
    pub numbers: FrameNumbers,
    /// The stacks, by number.
    pub stacks: Vec<Arc<[u32]>>,
    /// The stack that was asked for last, since events of one come in rows.
    latest: Option<(StackId, u32)>,
}

impl<N: FnMut(StackId) -> Traceback> Points<N> {
    /// None so far; `name` gives stacks.
    pub fn new(name: N) -> Points<N> {
        Points {
            name,
            of_stack: FxHashMap::default(),
            of_frames: FxHashMap::default(),
            outer: Outer::default(),
            numbers: FrameNumbers::default(),
            stacks: Vec::new(),
            latest: None,
        }
    }

    /// The number of a stack.
    #[inline]
    pub fn of(&mut self, stack: StackId) -> u32 {
        if let Some((_, number)) = self.latest.filter(|&(latest, _)| latest == stack) {
            return number;
        }
        let number = match self.of_stack.get(&stack) {
            Some(&number) => number,
            None => self.new_stack(stack),
        };
        self.latest = Some((stack, number));
        number
    }

    #[cold]
    fn new_stack(&mut self, stack: StackId) -> u32 {
        let traceback = (self.name)(stack);
        let frames: Arc<[u32]> =
            self.outer.of_frames(&traceback, |_, frame| self.numbers.of(frame)).rev().collect();
        let next = self.stacks.len() as u32;
        let number = *self.of_frames.entry(Arc::clone(&frames)).or_insert(next);
        if number == next {
            self.stacks.push(frames);
        }
        self.of_stack.insert(stack, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_that_look_the_same_are_one() {
        let name = |stack: StackId| {
            // The last two differ in what is not shown.
            let line = stack.0.min(2);
            Traceback::new(vec![Frame::new("a.c", line), Frame::new("main.c", 9)], Some(stack.0))
        };
        let mut points = Points::new(name);
        let numbers: Vec<u32> = [1, 2, 3, 1, 2].map(|stack| points.of(StackId(stack))).into();
        assert_eq!(numbers, [0, 1, 1, 0, 1]);
        assert_eq!(points.stacks.iter().map(|stack| stack.to_vec()).collect::<Vec<_>>(), [[1, 0], [2, 0]]);
        let files: Vec<String> = points.numbers.frames.iter().map(|frame| frame.to_string()).collect();
        assert_eq!(files, ["main.c:9", "a.c:1", "a.c:2"]);
    }
}
