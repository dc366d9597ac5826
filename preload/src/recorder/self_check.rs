//! `TM_SELF_CHECK`: some stacks are walked a second time, slowly and without any cache, and differences are counted.

use core::sync::atomic::Ordering;

use crate::session::Session;
use crate::session::threads::Lane;
use crate::unwind::{Caller, arch, reference};

/// Checks one in `self_check_interval` stacks of the lane: the one of `caller`, which has just been walked.
#[inline]
pub(super) fn now_and_then(session: &Session, lane: &mut Lane, caller: Caller) {
    // Relaxed: constant since the start.
    let interval = session.self_check_interval.load(Ordering::Relaxed);
    if interval != 0 && lane.n_stacks.is_multiple_of(interval) {
        check(session, lane, caller);
    }
}

/// Walks again without caches, and counts a difference. The cached stack stays as it is.
#[cold]
fn check(session: &Session, lane: &mut Lane, caller: Caller) {
    let Some(header) = session.recording.header() else { return };
    let depth = lane.cache.frames().len();
    loop {
        reference::walk(&session.unwinder, &session.recording, caller, &mut lane.memory, &mut lane.frames);
        let complete = lane.frames.kept().len() == lane.frames.depth();
        if complete || !lane.frames.enlarge(lane.frames.depth().next_power_of_two()) {
            break;
        }
    }
    let cached = lane
        .cache
        .frames()
        .iter()
        .rev()
        .map(|frame| (arch::strip(frame.state().pc) as u64, frame.state().kind));
    let walked = lane.frames.kept().iter().map(|frame| (frame.pc(), frame.kind()));
    let same = lane.frames.depth() == depth && cached.eq(walked);
    // Relaxed: counters.
    header.self_checks.fetch_add(1, Ordering::Relaxed);
    header.self_check_differences.fetch_add(u64::from(!same), Ordering::Relaxed);
}
