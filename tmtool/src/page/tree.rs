//! Stacks as one tree, from the outermost frame inward: what they share is there once.

use rustc_hash::FxHashMap;

/// The frame that stands for stacks that are too small to be shown.
pub const SMALL_FRAME: u32 = 0;

/// The tree. A parent's number is below its children's; node 0 is the root, without a frame.
#[derive(Clone, Debug)]
pub struct Tree {
    /// (parent, frame) of each node but the root.
    nodes: Vec<(u32, u32)>,
    places: FxHashMap<(u32, u32), u32>,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree { nodes: vec![(0, u32::MAX)], places: FxHashMap::default() }
    }
}

impl Tree {
    /// The root.
    pub const ROOT: u32 = 0;

    /// The child of `parent` with this frame, which is made if there is none.
    pub fn child(&mut self, parent: u32, frame: u32) -> u32 {
        *self.places.entry((parent, frame)).or_insert_with(|| {
            self.nodes.push((parent, frame));
            (self.nodes.len() - 1) as u32
        })
    }

    /// How many nodes there are, the root among them.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// (parent, frame) of each node by number; of the root, whose place is first, nothing is meant.
    pub fn nodes(&self) -> &[(u32, u32)] {
        &self.nodes
    }

    /// Whether the node stands for stacks that are too small to be shown, or for what is blamed for them.
    pub fn is_within_small(&self, node: u32) -> bool {
        let is_small = |node: &(u32, u32)| node.1 == SMALL_FRAME;
        let of = |node: u32| self.nodes.get(node as usize);
        of(node).is_some_and(|node| is_small(node) || of(node.0).is_some_and(is_small))
    }
}
