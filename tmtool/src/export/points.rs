//! Numbers for frames and stacks, in the order in which they come: stacks that look the same are one.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::tree::{AddressFrames, Tree};
use tm_analyzer::model::Frame;
use tm_analyzer::replay::ByStack;
use tm_analyzer::snapshot::Called;
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

/// The stacks that occur, as their frames' numbers.
pub struct Points<N> {
    place_of: N,
    of_stack: ByStack,
    /// One more than the numbers of stacks, by node; 0 for none.
    of_node: Vec<u32>,
    addresses: AddressFrames,
    /// The frames.
    pub numbers: FrameNumbers,
    /// The stacks and their outer parts.
    pub tree: Tree,
    /// The nodes of the stacks, by number.
    pub stacks: Vec<u32>,
}

impl<N: FnMut(StackId, &mut Called<'_>) -> u32> Points<N> {
    /// None so far; `place_of` gives stacks their places ([`super::shown::ShownStacks::place`]).
    pub fn new(place_of: N) -> Points<N> {
        Points {
            place_of,
            of_stack: ByStack::default(),
            of_node: Vec::new(),
            addresses: AddressFrames::default(),
            numbers: FrameNumbers::default(),
            tree: Tree::default(),
            stacks: Vec::new(),
        }
    }

    /// The number of a stack.
    #[inline]
    pub fn of(&mut self, stack: StackId) -> u32 {
        match self.of_stack.get(stack) {
            Some(number) => number,
            None => self.new_stack(stack),
        }
    }

    /// The node of a stack.
    pub fn node(&mut self, stack: StackId) -> u32 {
        let number = self.of(stack);
        self.stacks.get(number as usize).copied().unwrap_or(Tree::ROOT)
    }

    #[cold]
    fn new_stack(&mut self, stack: StackId) -> u32 {
        let Points { place_of, of_node, addresses, numbers, tree, stacks, .. } = self;
        let node = place_of(stack, &mut |caller, address, frames| {
            addresses.called(tree, caller, (address, frames), |frames| {
                frames.iter().rev().map(|frame| numbers.of(frame)).collect()
            })
        });
        if of_node.len() <= node as usize {
            of_node.resize(tree.len(), 0);
        }
        let number = match &mut of_node[node as usize] {
            0 => {
                stacks.push(node);
                of_node[node as usize] = stacks.len() as u32;
                (stacks.len() - 1) as u32
            }
            known => *known - 1,
        };
        self.of_stack.insert(stack, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_that_look_the_same_are_one() {
        let frame = |file: &str, line| Arc::new(Frame::new(file, line));
        let place_of = |stack: StackId, called: &mut Called<'_>| {
            // The last two differ in what is not shown.
            [frame("main.c", 9), frame("a.c", stack.0.min(2))]
                .into_iter()
                .fold(Tree::ROOT, |caller, frame| called(caller, None, &[frame]))
        };
        let mut points = Points::new(place_of);
        let numbers: Vec<u32> = [1, 2, 3, 1, 2].map(|stack| points.of(StackId(stack))).into();
        assert_eq!(numbers, [0, 1, 1, 0, 1]);
        let stack = |&node: &u32| points.tree.outward(node).collect::<Vec<_>>();
        assert_eq!(points.stacks.iter().map(stack).collect::<Vec<_>>(), [[1, 0], [2, 0]]);
        let files: Vec<String> = points.numbers.frames.iter().map(|frame| frame.to_string()).collect();
        assert_eq!(files, ["main.c:9", "a.c:1", "a.c:2"]);
    }
}
