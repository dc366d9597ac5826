//! The stack table: all stacks of a recording as one flat array of nodes, indexed by [`StackId`].

mod frames;
mod marks;
mod measure;
mod repeats;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_common::ids::StackId;
use tm_common::stack::{FrameKind, NODE_BYTES, StackNode};

pub use frames::{PythonStack, RawDoubts, Stack, StackFrame};
pub use marks::StackMarks;
pub(crate) use repeats::{FirstIds, Repeats};

/// All stacks.
#[derive(Clone, Debug, Default)]
pub struct StackTable {
    /// For each stack segment: the place of its first node in `nodes`, and how many it has or may come to have.
    segments: Vec<(u32, u32)>,
    /// The numbers of the segments that there are, with the places of their first nodes, in the order of these.
    starts: Vec<(u32, u32)>,
    nodes: Vec<PackedNode>,
    /// For each node, the frames from it outwards, with those left out; 0 where there is no node.
    depths: Vec<u32>,
    n_stacks: u64,
    n_unknown: u64,
    /// The first id of each pair of a native stack and a Python stack that is joined.
    joined: FxHashMap<(StackId, StackId), StackId>,
    /// The other ids.
    pub(crate) repeats: Arc<Repeats>,
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

/// A node as it stands in the file: 16 bytes. (parent, epoch:28 kind:4, pc)
#[derive(Clone, Copy, Debug)]
struct PackedNode([u64; 2]);

impl PackedNode {
    const NONE: PackedNode = PackedNode([0, 0]);

    fn kind(self) -> FrameKind {
        FrameKind::in_low_bits((self.0[0] >> 32) as u32)
    }

    fn node(self) -> Option<StackNode> {
        StackNode::of_words(self.0)
    }
}

/// The place of the first node in a segment: those before it are the header.
const FIRST_SLOT: u32 = 4;
/// The number of stack segments that ids can name: 20 bits.
const SEGMENTS_MAX: u32 = 1 << 20;

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
        self.starts.push((segment, first));
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

    /// How many nodes there are: one for each different stack and each different outer part of one.
    pub fn n_nodes(&self) -> u64 {
        self.n_stacks
    }

    /// How many nodes are of kinds of later versions. They are passed over.
    pub fn n_unknown(&self) -> u64 {
        self.n_unknown
    }

    /// The id of the node at `place`.
    fn id_at(&self, place: usize) -> StackId {
        let n_before = self.starts.partition_point(|&(_, first)| first as usize <= place);
        let start = n_before.checked_sub(1).and_then(|before| self.starts.get(before));
        start.map_or(StackId::NONE, |&(segment, first)| {
            StackId::new(segment, place as u32 - first + FIRST_SLOT)
        })
    }

    /// Where the node `id` is.
    fn place(&self, id: StackId) -> Option<usize> {
        self.placed(id).map(|(place, _)| place)
    }

    /// The node `id`, and where it is.
    fn placed(&self, id: StackId) -> Option<(usize, StackNode)> {
        let &(first, len) = self.segments.get(id.segment() as usize)?;
        let slot = id.slot().checked_sub(FIRST_SLOT).filter(|&slot| slot < len)?;
        let place = (first + slot) as usize;
        Some((place, self.node_at(place)?))
    }

    fn node(&self, id: StackId) -> Option<StackNode> {
        self.placed(id).map(|(_, node)| node)
    }

    /// The kind of the node at `place`, if there is one.
    fn kind_at(&self, place: usize) -> FrameKind {
        self.nodes.get(place).map_or(FrameKind::Other, |node| node.kind())
    }

    /// The frames from a node outwards; 0 where there is none.
    fn depth(&self, id: StackId) -> u32 {
        self.place(id).and_then(|place| self.depths.get(place).copied()).unwrap_or(0)
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
