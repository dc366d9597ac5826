//! Stacks as one tree, from the outermost frame inward: what they share is there once.

mod outer;

use rustc_hash::FxHashMap;

pub use outer::Outer;

/// The tree; frames are numbers. A parent's number is below its children's; node 0 is the root, without a frame.
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

    /// (parent, frame) of a node; `None` of the root.
    pub fn node(&self, node: u32) -> Option<(u32, u32)> {
        self.nodes.get(node as usize).copied().filter(|_| node != Tree::ROOT)
    }

    /// All nodes, each before those below it; siblings by their frames.
    pub fn in_order(&self) -> Vec<u32> {
        let mut firsts = vec![0_usize; self.len() + 1];
        self.nodes.iter().skip(1).for_each(|(parent, _)| firsts[*parent as usize + 1] += 1);
        (0..self.len()).for_each(|node| firsts[node + 1] += firsts[node]);
        let (mut next, mut children) = (firsts.clone(), vec![Tree::ROOT; self.len() - 1]);
        for (node, (parent, _)) in (0..).zip(&self.nodes).skip(1) {
            let place = &mut next[*parent as usize];
            children[*place] = node;
            *place += 1;
        }
        let (mut order, mut open) = (Vec::with_capacity(self.len()), vec![Tree::ROOT]);
        while let Some(node) = open.pop() {
            order.push(node);
            let children = &mut children[firsts[node as usize]..firsts[node as usize + 1]];
            children.sort_unstable_by_key(|child| self.nodes[*child as usize].1);
            open.extend(children.iter().rev());
        }
        order
    }

    /// The frames from those of a node outward.
    pub fn outward(&self, node: u32) -> impl Iterator<Item = u32> + Clone + '_ {
        let mut next = node;
        std::iter::from_fn(move || {
            let (parent, frame) = self.node(next)?;
            next = parent;
            Some(frame)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_testing::Random;

    #[test]
    fn the_order_is_that_of_the_stacks() {
        let (mut random, mut tree) = (Random::new(3), Tree::default());
        for _ in 0..300 {
            let parent = random.below(tree.len() as u64) as u32;
            tree.child(parent, random.below(9) as u32);
        }
        let stack = |node: u32| {
            let mut stack: Vec<u32> = tree.outward(node).collect();
            stack.reverse();
            stack
        };
        let stacks: Vec<Vec<u32>> = tree.in_order().into_iter().map(stack).collect();
        assert!(stacks.len() == tree.len() && stacks.is_sorted() && stacks.len() > 200, "{stacks:?}");
    }
}
