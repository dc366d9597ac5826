//! `TM_SELF_CHECK`: some stacks are walked a second time, slowly and without any cache, and differences are counted.

use core::sync::atomic::Ordering;

use tm_common::stack::FrameKind;

use crate::python::{self, Interpreter};
use crate::session::Session;
use crate::session::threads::Lane;
use crate::unwind::{Caller, arch, reference};

/// Checks one in `self_check_interval` stacks of the lane: the one of `caller`, which has just been walked, or has come `by_path`.
#[inline]
pub(super) fn now_and_then(session: &Session, lane: &mut Lane, caller: Caller, by_path: bool) {
    if is_now(session, lane) {
        check(session, lane, caller, by_path);
    }
}

#[inline]
fn is_now(session: &Session, lane: &Lane) -> bool {
    // Relaxed: constant since the start.
    let interval = session.self_check_interval.load(Ordering::Relaxed);
    interval != 0 && lane.n_stacks.is_multiple_of(interval)
}

/// Checks the same stacks' Python frames, which have just been read from `innermost` on.
#[inline]
pub(super) fn python_now_and_then(
    session: &Session,
    lane: &Lane,
    interpreter: &Interpreter,
    innermost: usize,
) {
    if is_now(session, lane) {
        count(session, python::is_chain_of(interpreter, &lane.python, innermost));
    }
}

/// Walks again without caches, and counts a difference. The cached stack stays as it is.
#[cold]
fn check(session: &Session, lane: &mut Lane, caller: Caller, by_path: bool) {
    loop {
        reference::walk(&session.unwinder, &session.recording, caller, &mut lane.memory, &mut lane.frames);
        let complete = lane.frames.kept().len() == lane.frames.depth();
        if complete || !lane.frames.enlarge(lane.frames.depth().next_power_of_two()) {
            break;
        }
    }
    count(session, is_as_walked(lane, caller, by_path));
}

/// Tells whether the lane knows the stack as its frames have it. Not inlined: what it needs of a small stack is not needed while the stack
/// is walked.
#[inline(never)]
fn is_as_walked(lane: &mut Lane, caller: Caller, by_path: bool) -> bool {
    let stack = if by_path { lane.memory.around(caller.sp) } else { None };
    let path = stack.into_iter().flat_map(|stack| lane.cache.path_frames(caller, stack));
    let path = path.map(|pc| (pc, FrameKind::Return));
    let cached = lane.cache.live_frames().iter().rev().map(|frame| (frame.state().pc, frame.state().kind));
    let known = path.chain(cached).map(|(pc, kind)| (arch::strip(pc) as u64, kind));
    known.eq(lane.frames.kept().iter().map(|frame| (frame.pc(), frame.kind())))
}

/// Counts a check, and a difference if it is not the `same`.
#[cold]
fn count(session: &Session, same: bool) {
    let Some(header) = session.recording.header() else { return };
    // Relaxed: counters.
    header.self_checks.fetch_add(1, Ordering::Relaxed);
    header.self_check_differences.fetch_add(u64::from(!same), Ordering::Relaxed);
}
