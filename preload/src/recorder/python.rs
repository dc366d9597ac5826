//! The Python frames of an event, and the node that joins them with its stack.

use core::sync::atomic::Ordering;

use tm_common::ids::StackId;
use tm_common::stack::{EndReason, FrameKind};

use super::self_check;
use super::stack::Nodes;
use crate::python::{Interpreter, PYTHON, Reader};
use crate::session::SESSION;
use crate::session::threads::Lane;
use crate::sys::tls;
use crate::unwind::stack_cache::StackCache;

/// Returns `stack`, joined with the Python frames that the calling thread has at this moment, if it has any.
#[inline(never)]
pub(super) fn join(interpreter: &'static Interpreter, lane: &mut Lane, stack: StackId) -> StackId {
    // SAFETY: the calling thread's own block, read at once.
    let is_nested = unsafe { tls::current().as_ref() }.depth & !tls::COVERED > 1;
    // The look at the thread's state may be what allocates, so it is not taken inside of itself. The file cannot grow if there
    // is no stack.
    if is_nested || stack == StackId::NONE {
        return stack;
    }
    let session = &SESSION;
    let innermost = PYTHON.innermost(&session.recording, interpreter);
    if innermost == 0 {
        return stack;
    }
    let nodes = Nodes::of(session);
    // Relaxed: a number on its own.
    let limit = session.n_frames_max.load(Ordering::Relaxed) as usize;
    let python = if limit > 1 && is_interrupted(&lane.cache) {
        // A signal may have come while the interpreter was changing its frames.
        nodes.enter(StackId::NONE, EndReason::PythonFrame as usize, FrameKind::Incomplete)
    } else {
        let enter = |parent, pc: u64, kind| nodes.enter(parent, pc as usize, kind);
        let reader = Reader { interpreter, recording: &session.recording, enter };
        let node = reader.node_of(innermost, &mut lane.python, limit);
        if limit > 1 {
            self_check::python_now_and_then(session, lane, interpreter, innermost);
        }
        node
    };
    if python == StackId::NONE {
        return stack;
    }
    let (known_stack, known_python, known) = lane.python.joined;
    if (known_stack, known_python) == (stack, python) {
        return known;
    }
    let joined = nodes.enter(stack, python.0 as usize, FrameKind::Joined);
    if joined == StackId::NONE {
        return stack;
    }
    lane.python.joined = (stack, python, joined);
    joined
}

/// Tells whether a signal has interrupted the program in one of the frames.
#[inline(always)]
fn is_interrupted(cache: &StackCache) -> bool {
    // The step outward of the kernel's frame is a barrier.
    cache.barrier_end != 0 && has_interrupted(cache)
}

#[cold]
fn has_interrupted(cache: &StackCache) -> bool {
    cache.frames().iter().any(|frame| frame.state().kind == FrameKind::Interrupted)
}
