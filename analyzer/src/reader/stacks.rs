//! The stack table: all stacks of a recording as one flat array of nodes, indexed by [`StackId`].

use tm_common::ids::{Epoch, StackId};
use tm_common::stack::{FrameKind, NODE_BYTES, StackNode};

/// A frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackFrame {
    /// The code address.
    pub pc: u64,
    /// How to take it; never [`FrameKind::Cut`].
    pub kind: FrameKind,
    /// When it was seen: which module it belongs to.
    pub epoch: Epoch,
}

/// The frames of one stack, innermost first, at most as many as `TM_NFRAME` asked for.
#[derive(Clone, Debug)]
pub struct Stack<'a> {
    table: &'a StackTable,
    next: StackId,
    remaining: u32,
    total_depth: Option<u32>,
}

impl Stack<'_> {
    /// How many frames the stack had, with those that are not in the recording; `None` if that was not counted
    /// (`TM_NFRAME=1`).
    pub fn total_depth(&self) -> Option<u32> {
        self.total_depth
    }
}

impl Iterator for Stack<'_> {
    type Item = StackFrame;

    fn next(&mut self) -> Option<StackFrame> {
        self.remaining = self.remaining.checked_sub(1)?;
        let node = self.table.node(self.next)?;
        self.next = node.parent;
        (node.kind != FrameKind::Cut).then_some(StackFrame {
            pc: node.pc,
            kind: node.kind,
            epoch: node.epoch,
        })
    }
}

/// All stacks.
#[derive(Clone, Debug, Default)]
pub struct StackTable {
    /// Of each stack segment: the place of its first node in `nodes`, and how many it has.
    segments: Vec<(u32, u32)>,
    nodes: Vec<PackedNode>,
    /// Of each node, the frames from it outwards, with those left out; 0 where there is no node.
    depths: Vec<u32>,
    n_stacks: u64,
    n_frames_max: u32,
}

/// A node as it stands in the file: 16 bytes. (parent, epoch:28 kind:4, pc)
#[derive(Clone, Copy, Debug)]
struct PackedNode([u64; 2]);

impl PackedNode {
    const NONE: PackedNode = PackedNode([0, 0]);

    fn node(self) -> Option<StackNode> {
        let [first, second] = self.0;
        let mut bytes = [0; NODE_BYTES];
        for (place, byte) in first.to_le_bytes().iter().chain(&second.to_le_bytes()).enumerate() {
            *bytes.get_mut(place)? = *byte;
        }
        StackNode::decode(&bytes).ok().flatten()
    }
}

/// The place of the first node in a segment: those before it are the header.
const FIRST_SLOT: u32 = 4;
/// The number of stack segments that ids can name: 20 bits.
const SEGMENTS_MAX: u32 = 1 << 20;

impl StackTable {
    /// An empty table that shows `n_frames_max` frames of a stack.
    pub(super) fn new(n_frames_max: u32) -> StackTable {
        let n_frames_max = if n_frames_max == 0 { u32::MAX } else { n_frames_max };
        StackTable { n_frames_max, ..StackTable::default() }
    }

    /// Adds stack segment number `segment` with `bytes` after its header. Returns the number of nodes that cannot be
    /// read, or `None` if there is a segment with this number or there can be none.
    pub(super) fn add_segment(&mut self, segment: u32, bytes: &[u8]) -> Option<u64> {
        if segment >= SEGMENTS_MAX {
            return None;
        }
        let place = segment as usize;
        if self.segments.len() <= place {
            self.segments.resize(place + 1, (0, 0));
        }
        let entry = self.segments.get_mut(place).filter(|(_, len)| *len == 0)?;
        let first = u32::try_from(self.nodes.len()).ok()?;
        *entry = (first, (bytes.len() / NODE_BYTES) as u32);
        let mut damaged = 0;
        for chunk in bytes.chunks_exact(NODE_BYTES) {
            let packed = match StackNode::decode(chunk) {
                Ok(Some(node)) => PackedNode(node.encode()),
                Ok(None) => PackedNode::NONE,
                Err(_) => {
                    damaged += 1;
                    PackedNode::NONE
                }
            };
            self.nodes.push(packed);
        }
        Some(damaged)
    }

    /// Counts the frames of every stack, and ends those that lead nowhere or in circles. Returns how many nodes do.
    pub(super) fn finish(&mut self) -> u64 {
        const VISITING: u32 = u32::MAX;
        let mut broken = 0;
        self.depths = vec![0; self.nodes.len()];
        let mut path: Vec<usize> = Vec::new();
        for start in 0..self.nodes.len() {
            let mut place = start;
            // Walk outwards to a node whose depth is known, then come back.
            let mut depth = loop {
                let Some(node) = self.node_at(place) else { break 0 };
                match self.depths.get(place).copied() {
                    Some(0) => {}
                    Some(VISITING) | None => {
                        broken += 1;
                        self.end_at(path.last().copied());
                        break 0;
                    }
                    Some(known) => break known,
                }
                if node.kind == FrameKind::Cut {
                    let left_out = u32::try_from(node.pc).unwrap_or(VISITING).min(VISITING - 1);
                    self.set_depth(place, left_out);
                    break left_out;
                }
                self.set_depth(place, VISITING);
                path.push(place);
                match self.place(node.parent) {
                    Some(parent) => place = parent,
                    None if node.parent == StackId::NONE => break 0,
                    None => {
                        broken += 1;
                        self.end_at(Some(place));
                        break 0;
                    }
                }
            };
            while let Some(inner) = path.pop() {
                depth = (depth + 1).min(VISITING - 1);
                self.set_depth(inner, depth);
            }
        }
        self.n_stacks = self.depths.iter().filter(|&&depth| depth > 0).count() as u64;
        broken
    }

    /// How many nodes there are: one for each different stack and each different outer part of one.
    pub fn n_nodes(&self) -> u64 {
        self.n_stacks
    }

    /// The stack `id`; `None` if there is none, or it is not in the recording.
    pub fn stack(&self, id: StackId) -> Option<Stack<'_>> {
        let depth = *self.depths.get(self.place(id)?)?;
        let total_depth = (self.n_frames_max > 1).then_some(depth);
        (depth > 0).then_some(Stack { table: self, next: id, remaining: self.n_frames_max, total_depth })
    }

    fn place(&self, id: StackId) -> Option<usize> {
        let &(first, len) = self.segments.get(id.segment() as usize)?;
        let slot = id.slot().checked_sub(FIRST_SLOT).filter(|&slot| slot < len)?;
        let place = (first + slot) as usize;
        self.node_at(place).map(|_| place)
    }

    fn node(&self, id: StackId) -> Option<StackNode> {
        self.node_at(self.place(id)?)
    }

    fn node_at(&self, place: usize) -> Option<StackNode> {
        self.nodes.get(place)?.node()
    }

    fn set_depth(&mut self, place: usize, depth: u32) {
        if let Some(entry) = self.depths.get_mut(place) {
            *entry = depth;
        }
    }

    /// Takes the caller away from the node at `place`.
    fn end_at(&mut self, place: Option<usize>) {
        let Some(place) = place else { return };
        if let (Some(node), Some(entry)) = (self.node_at(place), self.nodes.get_mut(place)) {
            *entry = PackedNode(StackNode { parent: StackId::NONE, ..node }.encode());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(n_frames_max: u32, nodes: &[(u32, FrameKind, u64)]) -> (StackTable, u64) {
        let mut bytes = Vec::new();
        for &(parent, kind, pc) in nodes {
            let node = StackNode { parent: StackId(parent), epoch: Epoch(0), kind, pc };
            bytes.extend(node.encode().iter().flat_map(|word| word.to_le_bytes()));
        }
        let mut table = StackTable::new(n_frames_max);
        assert_eq!(table.add_segment(0, &bytes), Some(0));
        let broken = table.finish();
        (table, broken)
    }

    fn pcs(table: &StackTable, id: u32) -> Vec<u64> {
        table.stack(StackId(id)).map(|stack| stack.map(|frame| frame.pc).collect()).unwrap_or_default()
    }

    #[test]
    fn stacks_are_cut_to_nframe_and_know_their_depth() {
        use FrameKind::{Cut, Return};
        let nodes = [(0, Cut, 40), (4, Return, 11), (5, Return, 12), (6, Return, 13)];
        let (table, broken) = table(2, &nodes);
        assert_eq!(broken, 0);
        assert_eq!(pcs(&table, 7), [13, 12]);
        assert_eq!(pcs(&table, 5), [11]);
        assert_eq!(table.stack(StackId(7)).and_then(|stack| stack.total_depth()), Some(43));
        assert!(table.stack(StackId::NONE).is_none());
        assert!(table.stack(StackId(8)).is_none());
    }

    #[test]
    fn circles_and_dangling_parents_end_the_stack() {
        let kind = FrameKind::Return;
        let (table, broken) =
            table(100, &[(5, kind, 1), (6, kind, 2), (4, kind, 3), (999_999, kind, 4), (6, kind, 5)]);
        assert_eq!(broken, 2);
        for id in 4..9 {
            let stack = table.stack(StackId(id));
            let depth = stack.as_ref().and_then(|stack| stack.total_depth()).unwrap_or(0);
            assert_eq!(stack.map(|stack| stack.count() as u32), Some(depth), "stack {id}");
        }
    }
}
