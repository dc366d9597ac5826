//! The stack table: all stacks of a recording as one flat array of nodes, indexed by [`StackId`].

use tm_common::ids::{Epoch, StackId};
use tm_common::stack::{EndReason, FrameKind, NODE_BYTES, StackNode};

/// A frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackFrame {
    /// The code address.
    pub pc: u64,
    /// How to take it: as what it is called by, what was interrupted or what was guessed.
    pub kind: FrameKind,
    /// When it was seen: which module it belongs to.
    pub epoch: Epoch,
}

/// The frames of one stack, innermost first, at most as many as were asked for.
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
        loop {
            let node = self.table.node(self.next)?;
            self.next = node.parent;
            match node.kind {
                FrameKind::Other | FrameKind::Python | FrameKind::Joined => {}
                FrameKind::Cut | FrameKind::Incomplete => return None,
                _ => return Some(StackFrame::of(node)),
            }
        }
    }
}

impl StackFrame {
    fn of(node: StackNode) -> StackFrame {
        StackFrame { pc: node.pc, kind: node.kind, epoch: node.epoch }
    }
}

/// What of a stack was guessed and what is missing. Frames that were not kept are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawDoubts {
    /// The innermost frame whose caller is a guess.
    pub guessed_beyond: Option<StackFrame>,
    /// Why the stack is not followed up to the outermost frame, and the last one of it that is known.
    pub end: Option<(EndReason, Option<StackFrame>)>,
}

/// All stacks.
#[derive(Clone, Debug, Default)]
pub struct StackTable {
    /// For each stack segment: the place of its first node in `nodes`, and how many it has or may come to have.
    segments: Vec<(u32, u32)>,
    nodes: Vec<PackedNode>,
    /// For each node, the frames from it outwards, with those left out; 0 where there is no node.
    depths: Vec<u32>,
    n_stacks: u64,
    n_unknown: u64,
}

/// Where a node is in a [`StackTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodePlace(u32);

impl NodePlace {
    /// The first of a table.
    pub const FIRST: NodePlace = NodePlace(0);

    /// The `n`th place after it.
    pub fn plus(self, n: u32) -> NodePlace {
        NodePlace(self.0 + n)
    }
}

/// What reading nodes came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodesRead {
    /// Nodes that cannot be read.
    pub n_damaged: u64,
    /// Those that have no content, or not all of it: by number in the segment. Their writers are at them, or have died.
    pub unfinished: Vec<u32>,
    /// Whether one that was there has changed.
    pub has_changed: bool,
}

/// What counting frames came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Nodes whose callers lead nowhere, or in circles.
    pub n_broken: u64,
    /// Nodes whose callers are not there yet.
    pub unresolved: Vec<NodePlace>,
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
/// The depth of a node on the way outward from another.
const VISITING: u32 = u32::MAX;

impl StackTable {
    /// Makes room for stack segment number `segment` of `capacity` nodes; the place of its first node. `None` if there is
    /// a segment with this number or there can be none.
    pub(crate) fn begin_segment(&mut self, segment: u32, capacity: u32) -> Option<NodePlace> {
        if segment >= SEGMENTS_MAX {
            return None;
        }
        let place = segment as usize;
        if self.segments.len() <= place {
            self.segments.resize(place + 1, (0, 0));
        }
        let entry = self.segments.get_mut(place).filter(|(_, len)| *len == 0)?;
        let first = u32::try_from(self.nodes.len()).ok()?;
        let end = first.checked_add(capacity)? as usize;
        *entry = (first, capacity);
        self.nodes.resize(end, PackedNode::NONE);
        self.depths.resize(end, 0);
        Some(NodePlace(first))
    }

    /// Reads nodes from `number` on of the segment that begins at `first` and has room for all of `bytes`.
    pub(crate) fn set_nodes(&mut self, first: NodePlace, number: u32, bytes: &[u8]) -> NodesRead {
        let mut read = NodesRead::default();
        for (place, chunk) in bytes.chunks_exact(NODE_BYTES).enumerate() {
            let number = number + place as u32;
            let packed = match StackNode::decode(chunk) {
                Ok(Some(node)) => {
                    self.n_unknown += u64::from(node.kind == FrameKind::Other);
                    PackedNode(node.encode())
                }
                Ok(None) => PackedNode::NONE,
                Err(_) => {
                    read.n_damaged += 1;
                    continue;
                }
            };
            let [parent_and_epoch, pc] = packed.0;
            if pc == 0 || parent_and_epoch == 0 {
                read.unfinished.push(number);
            }
            let Some(entry) = self.nodes.get_mut((first.0 + number) as usize) else { break };
            read.has_changed |= entry.0 != PackedNode::NONE.0 && entry.0 != packed.0;
            *entry = packed;
        }
        read
    }

    /// Adds stack segment number `segment` with `bytes` after its header. Returns the number of nodes that cannot be
    /// read, or `None` if there is a segment with this number or there can be none.
    pub(super) fn add_segment(&mut self, segment: u32, bytes: &[u8]) -> Option<u64> {
        let first = self.begin_segment(segment, (bytes.len() / NODE_BYTES) as u32)?;
        Some(self.set_nodes(first, 0, bytes).n_damaged)
    }

    /// Counts the frames of every stack, and ends those that lead nowhere or in circles. Returns how many nodes do.
    /// Those that lead nowhere are left out, and do not count, if what they lead to `may_come`.
    pub(super) fn finish(&mut self, may_come: bool) -> u64 {
        self.measure(NodePlace::FIRST, self.end(), may_come).n_broken
    }

    /// Where the next segment's nodes would be.
    pub(crate) fn end(&self) -> NodePlace {
        NodePlace(self.nodes.len() as u32)
    }

    /// Counts all frames again.
    pub(crate) fn forget_depths(&mut self) {
        self.depths.fill(0);
        self.n_stacks = 0;
    }

    /// Counts the frames of the stacks whose innermost frame lies in a range of places, and ends those that lead in
    /// circles. Those that lead nowhere are ended too, unless that `may_come`.
    pub(crate) fn measure(&mut self, from: NodePlace, to: NodePlace, may_come: bool) -> Measured {
        let (mut measured, mut path) = (Measured::default(), Vec::new());
        for start in from.0..to.0 {
            self.measure_one(NodePlace(start), may_come, &mut path, &mut measured);
        }
        measured
    }

    /// As [`StackTable::measure`], for places one by one.
    pub(crate) fn measure_all(&mut self, places: &[NodePlace], may_come: bool) -> Measured {
        let (mut measured, mut path) = (Measured::default(), Vec::new());
        for &place in places {
            self.measure_one(place, may_come, &mut path, &mut measured);
        }
        measured
    }

    /// `path` is empty before and afterwards.
    fn measure_one(
        &mut self,
        start: NodePlace,
        may_come: bool,
        path: &mut Vec<usize>,
        measured: &mut Measured,
    ) {
        let mut place = start.0 as usize;
        // Walk outwards to a node whose depth is known, then come back.
        let mut depth = loop {
            let Some(node) = self.node_at(place) else { break 0 };
            match self.depths.get(place).copied() {
                Some(0) => {}
                Some(VISITING) | None => {
                    measured.n_broken += 1;
                    self.end_at(path.last().copied());
                    break 0;
                }
                Some(known) => break known,
            }
            if node.kind == FrameKind::Incomplete {
                break 0;
            }
            if node.kind == FrameKind::Cut {
                let left_out = u32::try_from(node.pc).unwrap_or(VISITING).min(VISITING - 1);
                self.set_depth(place, left_out);
                self.n_stacks += u64::from(left_out > 0);
                break left_out;
            }
            self.set_depth(place, VISITING);
            path.push(place);
            match self.place(node.parent) {
                Some(parent) => place = parent,
                None if node.parent == StackId::NONE => break 0,
                None if may_come => {
                    path.drain(..).for_each(|inner| self.set_depth(inner, 0));
                    measured.unresolved.push(start);
                    return;
                }
                None => {
                    measured.n_broken += 1;
                    self.end_at(Some(place));
                    break 0;
                }
            }
        };
        while let Some(inner) = path.pop() {
            let is_frame = self
                .node_at(inner)
                .is_some_and(|node| !matches!(node.kind, FrameKind::Other | FrameKind::Joined));
            depth = (depth + u32::from(is_frame)).min(VISITING - 1);
            self.set_depth(inner, depth);
            self.n_stacks += 1;
        }
    }

    /// How many nodes there are: one for each different stack and each different outer part of one.
    pub fn n_nodes(&self) -> u64 {
        self.n_stacks
    }

    /// At most `n_frames_max` frames of the stack `id`; `None` if there is none, or it is not in the recording.
    pub fn stack(&self, id: StackId, n_frames_max: u32) -> Option<Stack<'_>> {
        let depth = *self.depths.get(self.place(id)?)?;
        let total_depth = (n_frames_max > 1).then_some(depth);
        (depth > 0).then_some(Stack { table: self, next: id, remaining: n_frames_max, total_depth })
    }

    /// How many nodes are of kinds of later versions. They are passed over.
    pub fn n_unknown(&self) -> u64 {
        self.n_unknown
    }

    /// What is not certain of the stack `id`, beyond all limits.
    pub fn doubts(&self, id: StackId) -> RawDoubts {
        let (mut doubts, mut inner, mut next) = (RawDoubts::default(), None, id);
        // Circles were ended when the frames were counted, or are still to be.
        for _ in 0..self.nodes.len() {
            let Some(node) = self.node(next) else { break };
            next = node.parent;
            match node.kind {
                FrameKind::Other | FrameKind::Python | FrameKind::Joined => continue,
                FrameKind::Incomplete => {
                    doubts.end = Some((EndReason::of_number(node.pc), inner));
                    break;
                }
                FrameKind::Guessed if doubts.guessed_beyond.is_none() => doubts.guessed_beyond = inner,
                _ => {}
            }
            inner = (node.kind != FrameKind::Cut).then_some(StackFrame::of(node));
        }
        doubts
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
mod tests;
