//! From the caller's registers to a stack id: a walk, and a node of the stack table for each of its frames.

use tm_common::ids::StackId;
use tm_common::stack::{FrameKind, StackNode};

use super::{python, self_check};
use crate::lockfree::slots::Reader;
use crate::python::PYTHON;
use crate::session::threads::{Lane, Thread};
use crate::session::{SESSION, Session};
use crate::unwind::cached_frame::CachedFrame;
use crate::unwind::stack_cache::StackCache;
use crate::unwind::step::State;
use crate::unwind::{Caller, Frame, arch};

/// Returns the id of the caller's stack, with the Python frames that the thread has, if any.
#[inline(always)]
pub(super) fn stack_of(thread: &Thread, lane: &mut Lane, caller: Caller) -> StackId {
    let stack = native_stack_of(thread, lane, caller.pc, caller.sp, caller.fp);
    match PYTHON.interpreter() {
        None => stack,
        Some(interpreter) => python::join(interpreter, lane, stack, caller.pc),
    }
}

/// Returns the id of the stack of return addresses. Not of a [`Caller`], which would be passed in memory.
#[inline(always)]
fn native_stack_of(thread: &Thread, lane: &mut Lane, pc: usize, sp: usize, fp: usize) -> StackId {
    match SESSION.n_frames_max() {
        1 => first_frame_of(thread, lane, pc),
        _ => deep_stack_of(thread, lane, pc, sp, fp),
    }
}

/// Does its work where stacks are of more than one frame.
#[inline(never)]
fn deep_stack_of(thread: &Thread, lane: &mut Lane, pc: usize, sp: usize, fp: usize) -> StackId {
    let (session, caller) = (&SESSION, Caller { pc, sp, fp });
    let limit = session.n_frames_max();
    note_stack(thread, lane);
    let Lane { n_stacks, memory, cache, .. } = lane;
    let known = session.unwinder.known_stack(&session.recording, caller, *n_stacks, memory, cache);
    let Some(stack) = known else { return walked_stack_of(lane, pc, sp, fp, limit) };
    self_check::now_and_then(session, lane, caller, true);
    stack
}

/// Does its work where they are of one: it needs few registers.
#[inline(never)]
fn first_frame_of(thread: &Thread, lane: &mut Lane, pc: usize) -> StackId {
    note_stack(thread, lane);
    Nodes::of(&SESSION).enter(StackId::NONE, arch::strip(pc), FrameKind::Return)
}

/// Counts a stack.
#[inline(always)]
fn note_stack(thread: &Thread, lane: &mut Lane) {
    lane.n_stacks = lane.n_stacks.wrapping_add(1);
    thread.look_at_name(&SESSION, lane.n_stacks);
}

/// Walks the stack, and returns its id.
#[inline(never)]
fn walked_stack_of(lane: &mut Lane, pc: usize, sp: usize, fp: usize, limit: usize) -> StackId {
    let (session, caller) = (&SESSION, Caller { pc, sp, fp });
    let walked =
        session.unwinder.walk_to_cache(&session.recording, caller, &mut lane.memory, &mut lane.cache);
    let Ok(n_kept) = walked else { return walk_in_full(session, lane, caller, limit) };
    let stack = if lane.cache.depth(n_kept) < 2 * limit && lane.cache.n_cut == 0 {
        let nodes = Nodes::of(session);
        let stack = lane.cache.finish(n_kept, |caller, pc, kind| nodes.enter(caller, arch::strip(pc), kind));
        // Paths are good for stacks below the limit: if it is another one now, they are forgotten after this one was remembered.
        if stack != StackId::NONE && limit == session.n_frames_max() {
            lane.cache.remember_path(n_kept);
        }
        stack
    } else {
        enter_with_cut(session, &mut lane.cache, n_kept, limit).unwrap_or(StackId::NONE)
    };
    if stack == StackId::NONE {
        // The file cannot grow. Frames without nodes must not be taken for entered ones.
        lane.cache.clear();
    }
    self_check::now_and_then(session, lane, caller, false);
    stack
}

/// The nodes of walked stacks.
///
/// Every frame of every walk gets its node here, after its caller has: this is where nodes come between two frames that
/// are no return addresses. The cache remembers a frame's node under its caller's ([`crate::unwind::memo`]), and keeps
/// those of frames that were not walked again ([`crate::unwind::stack_cache`]): what depends on more than the caller's
/// node, the address and the kind has to be a barrier there, and not to be remembered.
#[derive(Clone, Copy)]
pub(super) struct Nodes(Reader);

impl Nodes {
    /// Makes those of the present epoch.
    #[inline(always)]
    pub(super) fn of(session: &Session) -> Nodes {
        Nodes(session.stacks.reader(session.recording.epoch()))
    }

    /// Enters a frame at `pc` under the node of its caller, [`StackId::NONE`] for the outermost frame. Returns its node,
    /// or [`StackId::NONE`] if the file cannot grow.
    #[inline(always)]
    pub(super) fn enter(self, caller: StackId, pc: usize, kind: FrameKind) -> StackId {
        self.0.find(caller, pc as u64, kind).unwrap_or_else(|| intern(caller, Frame::new(pc, kind)))
    }

    /// Enters a frame like [`Nodes::enter`], for callers that must not go on without its node: what is entered under
    /// none is an outermost frame.
    fn try_enter(self, caller: StackId, frame: Frame) -> Option<StackId> {
        let node = self.enter(caller, frame.pc() as usize, frame.kind());
        (node != StackId::NONE).then_some(node)
    }

    /// Enters what stands outward of a cut that leaves `n_cut` frames out, the outermost of which may be the `end` of a
    /// stack that could not be followed: that stays. Returns the node that the frames inward of the cut are under.
    fn enter_cut(self, end: Option<Frame>, n_cut: usize) -> Option<StackId> {
        let outside = StackId::NONE;
        match (n_cut, end) {
            (0, _) => Some(outside),
            (1, Some(end)) => self.try_enter(outside, end),
            (_, Some(end)) => {
                self.try_enter(self.try_enter(outside, end)?, Frame::new(n_cut - 1, FrameKind::Cut))
            }
            (_, None) => self.try_enter(outside, Frame::new(n_cut, FrameKind::Cut)),
        }
    }
}

#[cold]
#[inline(never)]
fn intern(parent: StackId, frame: Frame) -> StackId {
    let session = &SESSION;
    let node = StackNode { parent, epoch: session.recording.epoch(), kind: frame.kind(), pc: frame.pc() };
    session.stacks.intern(&session.recording, node)
}

/// Makes the cache the walked stack, which is or was too deep for the limit, and enters the frames inside of the cut.
/// `None` if the file cannot grow.
#[cold]
fn enter_with_cut(session: &Session, cache: &mut StackCache, n_kept: usize, limit: usize) -> Option<StackId> {
    cache.finish(n_kept, |_, _, _| StackId::NONE);
    // What stands outward of all frames of a stack that could not be followed is none.
    let end = cache.frames().first().map(CachedFrame::state).filter(State::is_incomplete);
    let end = end.map(|end| Frame::new(end.pc, end.kind));
    let n_cut = n_nodes_cut(cache.frames().len(), limit, end);
    // Nodes are chains from the cut: another cut makes other nodes.
    let first = if n_cut == cache.n_cut { n_kept.max(n_cut) } else { n_cut };
    cache.n_cut = n_cut;
    let nodes = Nodes::of(session);
    let mut stack = match first.checked_sub(1).and_then(|outer| cache.frames().get(outer)) {
        Some(outer) if first > n_cut => outer.node,
        _ => nodes.enter_cut(end, n_cut)?,
    };
    for frame in cache.frames_mut().iter_mut().skip(first) {
        let state = frame.state();
        stack = nodes.try_enter(stack, Frame::new(arch::strip(state.pc), state.kind))?;
        frame.node = stack;
    }
    Some(stack)
}

/// Returns how many outer frames of a stack of `depth` are cut. A stack of 2 `limit` frames or more keeps between
/// `limit` and twice that, and the cut is at a multiple of `limit` from the outer end: so a recursion does not bring a
/// new root at every depth.
#[inline]
fn n_frames_cut(depth: usize, limit: usize) -> usize {
    if depth >= 2 * limit { (depth / limit - 1) * limit } else { 0 }
}

/// Like [`n_frames_cut`], for a stack of `depth` with its `end`, if it has one, which is cut before any frame is.
#[inline]
fn n_nodes_cut(depth: usize, limit: usize, end: Option<Frame>) -> usize {
    let n_ends = usize::from(end.is_some());
    match n_frames_cut(depth - n_ends, limit) {
        0 => 0,
        n_cut => n_cut + n_ends,
    }
}

/// Walks and enters a stack that the cache cannot hold. [`StackId::NONE`] if the file cannot grow.
#[cold]
fn walk_in_full(session: &Session, lane: &mut Lane, caller: Caller, limit: usize) -> StackId {
    lane.cache.clear();
    loop {
        session.unwinder.walk(&session.recording, caller, &mut lane.memory, &mut lane.frames);
        let complete = lane.frames.kept().len() == lane.frames.depth();
        if complete || !lane.frames.enlarge(2 * limit) {
            break;
        }
    }
    let (depth, kept) = (lane.frames.depth(), lane.frames.kept());
    let end = kept.last().copied().filter(|end| end.kind() == FrameKind::Incomplete);
    let n_cut = n_nodes_cut(depth, limit, end).max(depth - kept.len());
    let nodes = Nodes::of(session);
    let mut inward = kept.iter().take(depth - n_cut).rev();
    let stack = nodes
        .enter_cut(end, n_cut)
        .and_then(|outside| inward.try_fold(outside, |stack, &frame| nodes.try_enter(stack, frame)));
    stack.unwrap_or(StackId::NONE)
}
