//! What a stack id names: the frames of a thread's stack, those of its Python code, and what is not certain of both.

use tm_common::ids::{Epoch, StackId};
use tm_common::python::PythonFrame;
use tm_common::stack::{EndReason, FrameKind, StackNode};

use super::StackTable;

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

impl StackFrame {
    /// The frame of a node that is native.
    pub fn of_native(node: StackNode) -> Option<StackFrame> {
        is_native(node.kind).then(|| StackFrame::of(node))
    }

    fn of(node: StackNode) -> StackFrame {
        StackFrame { pc: node.pc, kind: node.kind, epoch: node.epoch }
    }
}

/// A node of a native stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NativeNode {
    /// Where it is in the table: a number below that of all nodes.
    pub place: usize,
    /// The caller's node.
    pub caller: StackId,
    /// Its frame, which nodes of other kinds do not have.
    pub frame: Option<StackFrame>,
}

/// The native frames of one stack, innermost first, at most as many as were asked for.
#[derive(Clone, Debug)]
pub struct Stack<'a> {
    chain: Chain<'a>,
}

/// The Python frames of one stack, innermost first, at most as many as were asked for.
#[derive(Clone, Debug)]
pub struct PythonStack<'a> {
    chain: Chain<'a>,
}

/// Nodes from an inner one outward.
#[derive(Clone, Debug)]
struct Chain<'a> {
    table: &'a StackTable,
    next: StackId,
    remaining: u32,
    total_depth: Option<u32>,
}

impl Chain<'_> {
    /// The next node of a kind that is `wanted`; others are passed over, up to a cut or an end.
    fn next(&mut self, wanted: impl Fn(FrameKind) -> bool) -> Option<StackNode> {
        self.remaining = self.remaining.checked_sub(1)?;
        loop {
            let node = self.table.node(self.next)?;
            self.next = node.parent;
            match node.kind {
                FrameKind::Cut | FrameKind::Incomplete => return None,
                kind if wanted(kind) => return Some(node),
                _ => {}
            }
        }
    }
}

impl Stack<'_> {
    /// How many frames the stack had, with those that are not in the recording; `None` if that was not counted
    /// (`TM_NFRAME=1`).
    pub fn total_depth(&self) -> Option<u32> {
        self.chain.total_depth
    }
}

impl Iterator for Stack<'_> {
    type Item = StackFrame;

    fn next(&mut self) -> Option<StackFrame> {
        self.chain.next(is_native).map(StackFrame::of)
    }
}

impl PythonStack<'_> {
    /// How many frames there were, with those that are not in the recording; `None` as of [`Stack::total_depth`].
    pub fn total_depth(&self) -> Option<u32> {
        self.chain.total_depth
    }
}

impl Iterator for PythonStack<'_> {
    type Item = PythonFrame;

    fn next(&mut self) -> Option<PythonFrame> {
        self.chain.next(|kind| kind == FrameKind::Python).map(|node| PythonFrame::decode(node.pc))
    }
}

/// Whether a node of `kind` is a frame with a code address.
pub(super) fn is_native(kind: FrameKind) -> bool {
    matches!(kind, FrameKind::Return | FrameKind::Interrupted | FrameKind::Guessed)
}

/// What of a stack was guessed and what is missing. Frames that were not kept are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawDoubts {
    /// The innermost frame whose caller is a guess.
    pub guessed_beyond: Option<StackFrame>,
    /// Why the stack is not followed up to the outermost frame, and the last one of it that is known.
    pub end: Option<(EndReason, Option<StackFrame>)>,
    /// Why the Python frames are not.
    pub python_end: Option<EndReason>,
}

impl StackTable {
    /// At most `n_frames_max` native frames of the stack `id`; `None` if it has none, or is not in the recording.
    pub fn stack(&self, id: StackId, n_frames_max: u32) -> Option<Stack<'_>> {
        let (native, _) = self.parts(id);
        self.chain(native, n_frames_max).map(|chain| Stack { chain })
    }

    /// At most `n_frames_max` Python frames of the stack `id`; `None` if it has none, or is not in the recording.
    pub fn python(&self, id: StackId, n_frames_max: u32) -> Option<PythonStack<'_>> {
        let (_, python) = self.parts(id);
        self.chain(python, n_frames_max).map(|chain| PythonStack { chain })
    }

    /// A node of a native stack. `None` where the stack ends.
    pub(crate) fn native_node(&self, id: StackId) -> Option<NativeNode> {
        let (place, node) = self.placed(id)?;
        let is_end = matches!(node.kind, FrameKind::Cut | FrameKind::Incomplete);
        (!is_end).then(|| NativeNode { place, caller: node.parent, frame: StackFrame::of_native(node) })
    }

    /// How many native frames a whole stack has from the node at `place` outwards, with those left out.
    pub(crate) fn native_depth(&self, place: usize) -> u32 {
        self.depths.get(place).copied().unwrap_or(0)
    }

    /// Whether a stack is not followed beyond the node `id`.
    pub(crate) fn is_incomplete(&self, id: StackId) -> bool {
        self.node(id).is_some_and(|node| node.kind == FrameKind::Incomplete)
    }

    /// Whether the stack `id` has frames of any kind.
    pub fn has(&self, id: StackId) -> bool {
        self.depth(id) > 0
    }

    /// Whether the stack `id` is one of a thread that ran Python code.
    pub fn has_python(&self, id: StackId) -> bool {
        self.depth(self.parts(id).1) > 0
    }

    /// The native part of the stack `id`, and the Python part.
    pub fn parts(&self, id: StackId) -> (StackId, StackId) {
        match self.node(id) {
            Some(StackNode { kind: FrameKind::Joined, parent, pc, .. }) => (parent, python_id(pc)),
            _ => (id, StackId::NONE),
        }
    }

    fn chain(&self, id: StackId, n_frames_max: u32) -> Option<Chain<'_>> {
        let depth = self.depth(id);
        let total_depth = (n_frames_max > 1).then_some(depth);
        (depth > 0).then_some(Chain { table: self, next: id, remaining: n_frames_max, total_depth })
    }

    /// What is not certain of the stack `id`, beyond all limits.
    pub fn doubts(&self, id: StackId) -> RawDoubts {
        let (native, python) = self.parts(id);
        let (mut doubts, mut inner) = (RawDoubts::default(), None);
        for node in self.outward(native) {
            match node.kind {
                FrameKind::Incomplete => {
                    doubts.end = Some((EndReason::of_number(node.pc), inner));
                    break;
                }
                FrameKind::Guessed if doubts.guessed_beyond.is_none() => doubts.guessed_beyond = inner,
                FrameKind::Cut => {}
                kind if !is_native(kind) => continue,
                _ => {}
            }
            inner = (node.kind != FrameKind::Cut).then_some(StackFrame::of(node));
        }
        doubts.python_end = self.end_of(python);
        doubts
    }

    /// Why the frames of the node `id` are not followed up to the outermost one, if they are not.
    pub(crate) fn end_of(&self, id: StackId) -> Option<EndReason> {
        let end = self.outward(id).find(|node| node.kind == FrameKind::Incomplete);
        end.map(|node| EndReason::of_number(node.pc))
    }

    /// Whether there is a node `id`, of whatever kind.
    pub(crate) fn is_known(&self, id: StackId) -> bool {
        self.node(id).is_some()
    }

    /// The nodes of a chain. Circles were ended when the frames were counted, or are still to be.
    fn outward(&self, from: StackId) -> impl Iterator<Item = StackNode> + '_ {
        std::iter::successors(self.node(from), |node| self.node(node.parent)).take(self.nodes.len())
    }
}

/// The stack id in `pc` of a node of kind [`FrameKind::Joined`].
pub(super) fn python_id(pc: u64) -> StackId {
    u32::try_from(pc).map_or(StackId::NONE, StackId)
}
