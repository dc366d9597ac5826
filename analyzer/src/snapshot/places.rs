//! Native stacks as places in a tree: each outer part that stacks share is named once.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_common::ids::StackId;

use super::Namer;
use crate::model::Frame;
use crate::reader::Recording;

impl Namer {
    /// The place of a native stack in a tree of the caller's, whose root is `root`: `known` has the places of stacks and of their outer parts.
    /// Each part that is new is a child that `child` makes, of the frames of one address, the innermost first. `None` for a stack with Python
    /// frames, or of which not all frames are shown.
    pub fn place<N: Copy>(
        &mut self,
        recording: &Recording,
        stack: StackId,
        (root, known): (N, &mut FxHashMap<StackId, N>),
        mut child: impl FnMut(N, &[Arc<Frame>]) -> N,
    ) -> Option<N> {
        let (table, limit) = (&recording.stacks, self.limit(recording));
        let depth = table.stack(stack, limit)?.total_depth()?;
        if depth > limit || table.has_python(stack) {
            return None;
        }
        let (mut inner, mut next, mut place) = (Vec::new(), stack, root);
        while let Some(node) = table.native_node(next) {
            if let Some(known) = known.get(&next) {
                place = *known;
                break;
            }
            inner.push((next, node));
            next = node.caller;
        }
        for (stack, node) in inner.into_iter().rev() {
            if let Some(frame) = node.frame {
                let named = self.native.named((recording, &mut self.addresses), (node.place, frame));
                place = child(place, &named.frames);
            }
            known.insert(stack, place);
        }
        Some(place)
    }
}
