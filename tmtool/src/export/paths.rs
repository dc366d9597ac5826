//! Stacks of a tree as bytes, from the outermost frame inward: each goes on where it leaves the one before it, and what both have
//! is not written again.

use crate::tree::Tree;

/// The bytes of the last stack.
#[derive(Default)]
pub struct Paths {
    bytes: Vec<u8>,
    /// Its nodes from the outermost on, each with where its bytes end.
    nodes: Vec<(u32, usize)>,
    /// One more than the place of a node when it was last one of them, by the node.
    places: Vec<u32>,
    /// The nodes that the last one did not have, from the innermost on.
    inner: Vec<u32>,
}

impl Paths {
    /// The bytes of the stack that ends at `node`: those that `put` appends for each of its frames.
    pub fn of(&mut self, tree: &Tree, node: u32, mut put: impl FnMut(&mut Vec<u8>, u32)) -> &[u8] {
        let Paths { bytes, nodes, places, inner } = self;
        places.resize(tree.len(), 0);
        let (mut next, mut n_shared) = (node, 0);
        while next != Tree::ROOT
            && let Some((parent, _)) = tree.node(next)
        {
            let place = places[next as usize] as usize;
            if place > 0 && nodes.get(place - 1).is_some_and(|(known, _)| *known == next) {
                n_shared = place;
                break;
            }
            inner.push(next);
            next = parent;
        }
        nodes.truncate(n_shared);
        bytes.truncate(nodes.last().map_or(0, |(_, end)| *end));
        for node in inner.drain(..).rev() {
            if let Some((_, frame)) = tree.node(node) {
                put(bytes, frame);
            }
            nodes.push((node, bytes.len()));
            places[node as usize] = nodes.len() as u32;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_testing::Random;

    #[test]
    fn stacks_are_those_of_each_alone() {
        let (mut random, mut tree, mut paths) = (Random::new(5), Tree::default(), Paths::default());
        let mut n_put = 0;
        let mut n_bytes = 0;
        for _ in 0..2_000 {
            // A tree may grow meanwhile.
            let parent = random.below(tree.len() as u64) as u32;
            tree.child(parent, random.below(200) as u32);
            let node = random.below(tree.len() as u64) as u32;
            let mut expected: Vec<u8> = tree.outward(node).map(|frame| frame as u8).collect();
            expected.reverse();
            let found = paths.of(&tree, node, |bytes, frame| {
                n_put += 1;
                bytes.push(frame as u8);
            });
            assert_eq!(found, expected);
            n_bytes += found.len();
        }
        assert!(n_put < n_bytes, "{n_put} of {n_bytes}");
    }
}
