//! Stacks as one tree, from the outermost frame inward: what they share is there once.

mod address_frames;
mod outer;

use rustc_hash::FxHashMap;

pub use address_frames::AddressFrames;
pub use outer::Outer;

/// The tree; frames are numbers. A parent's number is below its children's; node 0 is the root, without a frame.
#[derive(Clone, Debug)]
pub struct Tree {
    /// (parent, frame) of each node but the root.
    nodes: Vec<(u32, u32)>,
    links: Vec<Links>,
    /// The children that are not listed, by (parent, frame).
    others: FxHashMap<(u32, u32), u32>,
}

/// The first children of a node, as a list, the latest one first: most nodes have few.
#[derive(Clone, Copy, Debug, Default)]
struct Links {
    /// Its latest one of them; the root stands for none.
    child: u32,
    /// The next one of its parent's.
    sibling: u32,
}

/// How many children of a node are listed.
const LISTED_MAX: usize = 8;

impl Default for Tree {
    fn default() -> Tree {
        Tree { nodes: vec![(0, u32::MAX)], links: vec![Links::default()], others: FxHashMap::default() }
    }
}

impl Tree {
    /// The root.
    pub const ROOT: u32 = 0;

    /// The child of `parent` with this frame, which is made if there is none.
    pub fn child(&mut self, parent: u32, frame: u32) -> u32 {
        let latest = self.links[parent as usize].child;
        let (mut next, mut n_listed) = (latest, 0);
        while next != Tree::ROOT {
            if self.nodes[next as usize].1 == frame {
                return next;
            }
            next = self.links[next as usize].sibling;
            n_listed += 1;
        }
        let new = self.nodes.len() as u32;
        let mut sibling = Tree::ROOT;
        if n_listed < LISTED_MAX {
            self.links[parent as usize].child = new;
            sibling = latest;
        } else {
            let known = *self.others.entry((parent, frame)).or_insert(new);
            if known != new {
                return known;
            }
        }
        self.nodes.push((parent, frame));
        self.links.push(Links { child: Tree::ROOT, sibling });
        new
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
    fn children_are_those_of_a_map() {
        let (mut random, mut tree) = (Random::new(7), Tree::default());
        let mut known: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        for _ in 0..5_000 {
            // The first nodes have many children.
            let parent = random.below(tree.len().min(40) as u64) as u32;
            let frame = random.below(60) as u32;
            let next = tree.len() as u32;
            let expected = *known.entry((parent, frame)).or_insert(next);
            assert_eq!(tree.child(parent, frame), expected);
            assert_eq!(tree.node(expected), Some((parent, frame)));
        }
        assert!(tree.others.len() > 500 && tree.len() == known.len() + 1, "{}", tree.others.len());
    }

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
