//! The Python frames of an event, and the node that joins them with its stack.

use core::sync::atomic::Ordering;

use tm_common::ids::StackId;
use tm_common::stack::{EndReason, FrameKind};

use super::self_check;
use super::stack::Nodes;
use crate::python::{Interpreter, PYTHON, Reader, States};
use crate::session::SESSION;
use crate::session::threads::Lane;
use crate::sys::tls;
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
    let innermost = match interpreter.states {
        States::AtHand => PYTHON.innermost(&session.recording, interpreter),
        _ => innermost_behind_loader(interpreter, lane, pc),
    };
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
        let recent = lane.recent.ready();
        let enter = |parent, pc: u64, kind| match kind {
            FrameKind::Python => recent.node(parent, pc, || nodes.enter(parent, pc as usize, kind)),
            _ => nodes.enter(parent, pc as usize, kind),
        };
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
    let pc = u64::from(python.0);
    let joined = lane.recent.ready().node(stack, pc, || nodes.enter(stack, pc as usize, FrameKind::Joined));
    if joined == StackId::NONE { stack } else { joined }
}

/// Returns the innermost frame of an interpreter whose thread-local variables the loader may have to make first. What it allocates for
/// them is not recorded, or there would be no end to it; and a thread must not wait for the loader's lock here, which another
/// one may hold that waits for this one: so only the interpreter's own code, which has just called, is known to look at them anyway.
#[cold]
fn innermost_behind_loader(interpreter: &'static Interpreter, lane: &mut Lane, pc: usize) -> usize {
    let address = core::ptr::from_ref(interpreter) as usize;
    if interpreter.states == States::InLateLibrary && lane.python.at_home != address {
        if !interpreter.has_code(pc) {
            return 0;
        }
        lane.python.at_home = address;
    }
    // SAFETY: the calling thread's own block, used at once; a signal handler that comes meanwhile puts back what it found.
    unsafe { tls::current().as_mut() }.depth |= tls::MUTED;
    let innermost = PYTHON.innermost(&SESSION.recording, interpreter);
    // SAFETY: as above.
    unsafe { tls::current().as_mut() }.depth &= !tls::MUTED;
    innermost
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
