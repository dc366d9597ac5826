//! Counts the frames of stacks, and ends those that lead nowhere, in circles, or from one kind of frames to another.

use tm_common::ids::StackId;
use tm_common::stack::{FrameKind, StackNode};

use super::frames::{is_native, python_id};
use super::{NodePlace, PackedNode, StackTable};

/// The depth of a node on the way outward from another.
const VISITING: u32 = u32::MAX;

/// What counting frames came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Nodes whose callers lead nowhere, or in circles.
    pub n_broken: u64,
    /// Nodes whose callers are not there yet.
    pub unresolved: Vec<NodePlace>,
}

/// A count of nodes in the making.
#[derive(Default)]
struct Measuring {
    /// Whether nodes that are missing may come.
    may_come: bool,
    /// The nodes on the way outward; empty between stacks.
    path: Vec<usize>,
    measured: Measured,
}

/// A node that this one leads to is not there yet.
struct Missing;

impl StackTable {
    /// Counts the frames of every stack, and ends those that lead nowhere or in circles. Returns how many nodes do.
    /// Those that lead nowhere are left out, and do not count, if what they lead to `may_come`.
    pub(in crate::reader) fn finish(&mut self, may_come: bool) -> u64 {
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
        self.joined.clear();
        self.repeats.clear();
    }

    /// Counts the frames of the stacks whose innermost frame lies in a range of places, and ends those that lead in
    /// circles. Those that lead nowhere are ended too, unless that `may_come`.
    pub(crate) fn measure(&mut self, from: NodePlace, to: NodePlace, may_come: bool) -> Measured {
        let mut measuring = Measuring { may_come, ..Measuring::default() };
        for start in from.0..to.0 {
            self.measure_one(NodePlace(start), &mut measuring);
        }
        measuring.measured
    }

    /// As [`StackTable::measure`], for places one by one.
    pub(crate) fn measure_all(&mut self, places: &[NodePlace], may_come: bool) -> Measured {
        let mut measuring = Measuring { may_come, ..Measuring::default() };
        for &place in places {
            self.measure_one(place, &mut measuring);
        }
        measuring.measured
    }

    fn measure_one(&mut self, start: NodePlace, measuring: &mut Measuring) {
        let place = start.0 as usize;
        let joined = Some(place).filter(|&place| self.kind_at(place) == FrameKind::Joined);
        let counted = match joined.and_then(|place| self.node_at(place)) {
            Some(node) => self.measure_joined(place, node, measuring),
            None => self.measure_chain(place, measuring).map(drop),
        };
        if let Err(Missing) = counted {
            measuring.measured.unresolved.push(start);
        }
    }

    /// The two parts of a joined stack are chains of their own, which may be shared.
    fn measure_joined(
        &mut self,
        place: usize,
        node: StackNode,
        measuring: &mut Measuring,
    ) -> Result<(), Missing> {
        if self.depths.get(place).is_none_or(|&depth| depth != 0) {
            return Ok(());
        }
        let native = self.measure_part(node.parent, |kind| kind != FrameKind::Python, measuring)?;
        let python = self.measure_part(python_id(node.pc), |kind| !is_native(kind), measuring)?;
        if native.is_none() {
            measuring.measured.n_broken += 1;
            self.end_at(Some(place));
        }
        // Without them it is the native stack alone.
        if python.is_none_or(|depth| depth == 0 && python_id(node.pc) == StackId::NONE) {
            measuring.measured.n_broken += 1;
            let alone = self.node_at(place).map(|node| StackNode { kind: FrameKind::Other, ..node });
            if let (Some(node), Some(entry)) = (alone, self.nodes.get_mut(place)) {
                *entry = PackedNode(node.encode());
            }
        }
        let depth = native.unwrap_or(0).saturating_add(python.unwrap_or(0)).min(VISITING - 1);
        self.set_depth(place, depth);
        self.n_stacks += u64::from(depth > 0 && self.is_first(place));
        Ok(())
    }

    /// Whether no stack before the one at `place` is the same two joined; else it is noted as a repeat.
    fn is_first(&mut self, place: usize) -> bool {
        let Some(StackNode { kind: FrameKind::Joined, parent, pc, .. }) = self.node_at(place) else {
            return true;
        };
        let id = self.id_at(place);
        let first = *self.joined.entry((parent, python_id(pc))).or_insert(id);
        if first != id {
            self.repeats.add(id, first);
        }
        first == id
    }

    /// The depth of a part of a joined stack, 0 if there is none; `None` if it leads nowhere or begins with a node that is not
    /// of a kind that `belongs` there.
    fn measure_part(
        &mut self,
        id: StackId,
        belongs: impl Fn(FrameKind) -> bool,
        measuring: &mut Measuring,
    ) -> Result<Option<u32>, Missing> {
        if id == StackId::NONE {
            return Ok(Some(0));
        }
        match self.placed(id) {
            Some((place, node)) if node.kind != FrameKind::Joined && belongs(node.kind) => {
                self.measure_chain(place, measuring).map(Some)
            }
            None if measuring.may_come => Err(Missing),
            _ => Ok(None),
        }
    }

    /// The depth of the chain that begins at `start`.
    fn measure_chain(&mut self, start: usize, measuring: &mut Measuring) -> Result<u32, Missing> {
        let Measuring { may_come, path, measured } = measuring;
        let (mut place, mut found) = (start, self.node_at(start));
        // Walk outwards to a node whose depth is known, then come back.
        let mut depth = loop {
            let Some(node) = found else { break 0 };
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
            match self.placed(node.parent) {
                Some((parent, caller)) if may_call(caller.kind, node.kind) => {
                    (place, found) = (parent, Some(caller));
                }
                None if node.parent == StackId::NONE => break 0,
                None if *may_come => {
                    path.drain(..).for_each(|inner| self.set_depth(inner, 0));
                    return Err(Missing);
                }
                _ => {
                    measured.n_broken += 1;
                    self.end_at(Some(place));
                    break 0;
                }
            }
        };
        while let Some(inner) = path.pop() {
            let is_frame = self.kind_at(inner) != FrameKind::Other;
            depth = (depth + u32::from(is_frame)).min(VISITING - 1);
            self.set_depth(inner, depth);
            self.n_stacks += 1;
        }
        Ok(depth)
    }
}

/// Whether a node of kind `caller` may stand outward of one of kind `called`: in a chain all frames are native, or all Python,
/// and none joins two.
fn may_call(caller: FrameKind, called: FrameKind) -> bool {
    match caller {
        FrameKind::Joined => false,
        FrameKind::Python => !is_native(called),
        kind if is_native(kind) => called != FrameKind::Python,
        _ => true,
    }
}
