//! Nodes that stand for stacks which are too small to be shown.

use crate::tree::Tree;

/// The frame that stands for stacks that are too small to be shown.
pub const SMALL_FRAME: u32 = 0;

/// Whether the node of `tree` stands for stacks that are too small to be shown, or for what is blamed for them.
pub fn is_within_small(tree: &Tree, node: u32) -> bool {
    let is_small = |node: &(u32, u32)| node.1 == SMALL_FRAME;
    let of = |node: u32| tree.nodes().get(node as usize);
    of(node).is_some_and(|node| is_small(node) || of(node.0).is_some_and(is_small))
}
