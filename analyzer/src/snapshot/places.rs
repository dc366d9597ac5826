//! Native stacks as places in a tree: each outer part that stacks share is named once.

use std::sync::Arc;

use tm_common::ids::StackId;

use super::Namer;
use crate::model::Frame;
use crate::reader::Recording;

/// The places of native stacks, and of their outer parts, in a tree of somebody's. It is of one recording.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// One more than each, by the node's place in the stack table; 0 where it is not known.
    of_node: Vec<u32>,
}

impl Places {
    fn of(&self, node: usize) -> Option<u32> {
        self.of_node.get(node)?.checked_sub(1)
    }

    fn set(&mut self, node: usize, place: u32) {
        if self.of_node.len() <= node {
            self.of_node.resize(node + 1, 0);
        }
        self.of_node.get_mut(node).into_iter().for_each(|known| *known = place + 1);
    }
}

impl Namer {
    /// The place of a native stack in a tree of the caller's, whose root is `root`: `known` has those that it is given again.
    /// Each part that is new is a child that `child` makes, of the frames of one address, the innermost first, and of their number: those of the
    /// same number are the same. `None` for a stack with Python frames, or of which not all frames are shown.
    pub fn place(
        &mut self,
        recording: &Recording,
        stack: StackId,
        (root, known): (u32, &mut Places),
        mut child: impl FnMut(u32, u32, &[Arc<Frame>]) -> u32,
    ) -> Option<u32> {
        let (table, limit) = (&recording.stacks, self.limit(recording));
        let depth = table.stack(stack, limit)?.total_depth()?;
        if depth > limit || table.has_python(stack) {
            return None;
        }
        let (mut inner, mut next, mut place) = (Vec::new(), stack, root);
        while let Some(node) = table.native_node(next) {
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
                place = child(place, number, &self.addresses.named(number).frames);
            }
            known.set(node.place, place);
        }
        Some(place)
    }
}
