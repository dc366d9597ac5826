//! The Python frames of an event, and the node that joins them with its stack.

use tm_common::ids::StackId;
use tm_common::stack::{EndReason, FrameKind, StackNode};

use super::self_check;
use super::stack::Nodes;
use crate::python::{Interpreter, Look, PYTHON, Reader, States, node_of};
use crate::session::SESSION;
use crate::session::threads::Lane;
use crate::unwind::stack_cache::StackCache;

/// Returns `stack`, joined with the Python frames that the calling thread has at this moment, if it has any. It was called from
/// `pc`.
#[inline(never)]
pub(super) fn join(interpreter: &'static Interpreter, lane: &mut Lane, stack: StackId, pc: usize) -> StackId {
    // The file cannot grow if there is no stack.
    if stack == StackId::NONE {
        return stack;
    }
    let session = &SESSION;
    let (look, is_at_home) = match interpreter.states {
        States::AtHand => (Look::Running, true),
        _ => look_behind_loader(interpreter, lane, pc),
    };
    let can_look = interpreter.is_enough(look);
    let innermost = if can_look { PYTHON.innermost(&session.recording, interpreter, look) } else { 0 };
    if innermost == 0 && (can_look || !is_at_home) {
        return stack;
    }
    let limit = session.n_frames_max();
    let python = if !can_look || limit > 1 && is_interrupted(&lane.cache) {
        // A signal may have come while the interpreter was changing its frames.
        enter_unread()
    } else {
        let recent = &lane.recent;
        let reader = || {
            let nodes = Nodes::of(session);
            let enter = move |parent, pc: u64, kind| match kind {
                FrameKind::Python => recent.node(parent, pc, || nodes.enter(parent, pc as usize, kind)),
                _ => nodes.enter(parent, pc as usize, kind),
            };
            Reader { interpreter, recording: &session.recording, enter }
        };
        let node = node_of(interpreter, innermost, &mut lane.python, limit, reader);
        if limit > 1 {
            self_check::python_now_and_then(session, lane, interpreter, innermost);
        }
        node
    };
    if python == StackId::NONE {
        return stack;
    }
    let pc = u64::from(python.0);
    let joined = lane.recent.node(stack, pc, || join_anew(stack, pc));
    if joined == StackId::NONE { stack } else { joined }
}

/// Enters the node that says that there are Python frames, which could not be read.
#[cold]
#[inline(never)]
fn enter_unread() -> StackId {
    Nodes::of(&SESSION).enter(StackId::NONE, EndReason::PythonFrame as usize, FrameKind::Incomplete)
}

/// Writes the node that joins a stack with the Python frames of the node `pc`.
#[cold]
#[inline(never)]
fn join_anew(stack: StackId, pc: u64) -> StackId {
    let session = &SESSION;
    let node = StackNode { parent: stack, epoch: session.recording.epoch(), kind: FrameKind::Joined, pc };
    session.stacks.join(&session.recording, node)
}

/// Returns how the states of an interpreter are looked at whose thread-local variables the loader may have to make first, and
/// whether it is known to run in the thread. What the loader allocates for variables comes here again: it is not made to begin anew
/// before it has done. And a thread must not wait for the loader's lock here, which another one may hold that waits for this one: so
/// only the interpreter's own code, which has just called, is known to look at them anyway.
#[inline(never)]
fn look_behind_loader(interpreter: &'static Interpreter, lane: &mut Lane, pc: usize) -> (Look, bool) {
    let address = core::ptr::from_ref(interpreter) as usize;
    if interpreter.has_code(pc) {
        lane.python.at_home = address;
    }
    let is_at_home = lane.python.at_home == address;
    let is_made = is_at_home || interpreter.states == States::InLibrary;
    let look = if is_made && !interpreter.is_loader(pc) { Look::Running } else { Look::NoVariable };
    (look, is_at_home)
}

/// Tells whether a signal has interrupted the program in one of the frames.
#[inline(always)]
fn is_interrupted(cache: &StackCache) -> bool {
    // The step outward of the kernel's frame is a barrier.
    cache.barrier_end != 0 && has_interrupted(cache)
}

#[cold]
fn has_interrupted(cache: &StackCache) -> bool {
    cache.live_frames().iter().any(|frame| frame.state().kind == FrameKind::Interrupted)
}
