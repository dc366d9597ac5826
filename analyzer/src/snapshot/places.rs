//! Native stacks as places in a tree: each outer part that stacks share is named once.

use std::sync::Arc;

use tm_common::ids::StackId;

use super::Namer;
use crate::analysis::Blame;
use crate::model::Frame;
use crate::reader::Recording;

/// The places of native stacks, and of their outer parts, in a tree of somebody's. It is of one recording, and one way to blame.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// One more than each, by the node's place in the stack table; 0 where it is not known.
    of_node: Vec<u32>,
    /// One more than how many of the innermost frames of an address are plumbing, by the number of its names; 0 where it is not known.
    n_plumbing: Vec<u32>,
}

impl Places {
    /// Forgets all places: the next ones are in another tree.
    pub fn forget(&mut self) {
        self.of_node.clear();
    }

    fn of(&self, node: usize) -> Option<u32> {
        self.of_node.get(node)?.checked_sub(1)
    }

    fn set(&mut self, node: usize, place: u32) {
        put(&mut self.of_node, node, place + 1);
    }

    /// How many of `frames`, those of the names of a number, the innermost first, are plumbing up to the first that is not.
    fn n_plumbing(&mut self, number: u32, frames: &[Arc<Frame>], blame: &mut Blame) -> usize {
        match self.n_plumbing.get(number as usize) {
            Some(&known) if known > 0 => known as usize - 1,
            _ => {
                let n = frames.iter().take_while(|frame| blame.is_plumbing(frame)).count();
                put(&mut self.n_plumbing, number as usize, n as u32 + 1);
                n
            }
        }
    }
}

/// Makes `value` the one at `place`.
fn put(values: &mut Vec<u32>, place: usize, value: u32) {
    if values.len() <= place {
        values.resize(place + 1, 0);
    }
    values.get_mut(place).into_iter().for_each(|known| *known = value);
}

/// Gives what is called at a place of a tree its own place there: the frames of one address, the innermost first, with the number
/// that stands for all of them wherever they are; `None` where they are not all that the address has, or it has no number.
pub type Called<'a> = dyn FnMut(u32, Option<u32>, &[Arc<Frame>]) -> u32 + 'a;

impl Namer {
    /// The place of a native stack in a tree of the caller's, whose root is `root`: `known` has those that it is given again.
    /// Each part that is new is made by `called`. `None` for a stack with Python frames, or of which not all frames are shown.
    pub fn place(
        &mut self,
        recording: &Recording,
        stack: StackId,
        (root, known): (u32, &mut Places),
        called: &mut Called<'_>,
    ) -> Option<u32> {
        let is_seen = self.is_seen_by_nodes(recording, stack);
        is_seen.then(|| self.place_of_nodes(recording, stack, (root, known), called))
    }

    /// The same of the part of a stack that `blame` leaves of it ([`Blame::cut`]). `None` also where frames are hidden.
    pub fn blamed_place(
        &mut self,
        recording: &Recording,
        stack: StackId,
        blame: &mut Blame,
        (root, known): (u32, &mut Places),
        called: &mut Called<'_>,
    ) -> Option<u32> {
        if blame.hides() || !self.is_seen_by_nodes(recording, stack) {
            return None;
        }
        let mut next = stack;
        while let Some(node) = recording.stacks.native_node(next) {
            if let Some(frame) = node.frame {
                let number = self.native.number((recording, &mut self.addresses), (node.place, frame));
                let frames = &self.addresses.named(number).frames;
                match known.n_plumbing(number, frames, blame) {
                    0 => return Some(self.place_of_nodes(recording, next, (root, known), called)),
                    n if n < frames.len() => {
                        let frames = Arc::clone(frames);
                        let caller = self.place_of_nodes(recording, node.caller, (root, known), called);
                        return Some(called(caller, None, frames.get(n..).unwrap_or_default()));
                    }
                    _ => {}
                }
            }
            next = node.caller;
        }
        // What has nothing else stays.
        Some(self.place_of_nodes(recording, stack, (root, known), called))
    }

    /// Whether the frames of a stack are those of its nodes, all of them.
    fn is_seen_by_nodes(&self, recording: &Recording, stack: StackId) -> bool {
        let (table, limit) = (&recording.stacks, self.limit(recording));
        let depth = table.stack(stack, limit).and_then(|stack| stack.total_depth());
        depth.is_some_and(|depth| depth <= limit) && !table.has_python(stack)
    }

    /// The place of what there is from the node `innermost` outward.
    fn place_of_nodes(
        &mut self,
        recording: &Recording,
        innermost: StackId,
        (root, known): (u32, &mut Places),
        called: &mut Called<'_>,
    ) -> u32 {
        let (mut inner, mut next, mut place) = (Vec::new(), innermost, root);
        while let Some(node) = recording.stacks.native_node(next) {
            if let Some(known) = known.of(node.place) {
                place = known;
                break;
            }
            next = node.caller;
            inner.push(node);
        }
        for node in inner.into_iter().rev() {
            if let Some(frame) = node.frame {
                let number = self.native.number((recording, &mut self.addresses), (node.place, frame));
                place = called(place, Some(number), &self.addresses.named(number).frames);
            }
            known.set(node.place, place);
        }
        place
    }
}
