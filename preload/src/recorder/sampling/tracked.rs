//! What a process that samples does with blocks of the program's own domains.

use tm_common::event::Event;
use tm_common::ids::{Address, Space, Stamp};

use super::{ADDRESS_BITS, SAMPLED, at_hand, is_kept, key, prepare, record_totals, record_totals_at};
use crate::recorder::lane::with_lane;
use crate::recorder::stack::stack_of;
use crate::unwind::Caller;

/// Does the work of [`crate::recorder::tracked`] where samples are drawn.
#[inline]
pub(in crate::recorder) fn tracked(
    word: u32,
    space: Space,
    address: usize,
    size: usize,
    caller: Caller,
) -> bool {
    // What was tracked there has ended.
    let was_sample = SAMPLED.remove(key(space, address));
    let sampler = at_hand(word, space);
    let is_due = sampler.is_none_or(|sampler| sampler.count_allocation(size, 0, false));
    if !is_due && !was_sample && !is_heap_sample(address) {
        return true;
    }
    record_track(space, (address, size), was_sample, sampler.is_some(), caller.pc, caller.sp, caller.fp)
}

/// Tells whether the heap's block at `address` is a sample. Where the program tells of it in another space, samples of that one stand
/// for it: that is recorded although it is none itself, so that readers do not count the block in both.
#[inline]
fn is_heap_sample(address: usize) -> bool {
    SAMPLED.has(key(Space::HEAP, address))
}

#[cold]
#[inline(never)]
fn record_track(
    space: Space,
    (address, size): (usize, usize),
    was_sample: bool,
    is_counted: bool,
    pc: usize,
    sp: usize,
    fp: usize,
) -> bool {
    let is_recorded = with_lane(|session, thread, lane| {
        let Some(sampler) = thread.sampler(session, space) else { return false };
        if !is_counted {
            sampler.count_allocation(size, 0, false);
        }
        let is_sample = sampler.take_sample() && is_kept(session, space, address);
        if is_sample || was_sample {
            prepare(session, lane, sampler, None);
        }
        let mut is_written = true;
        if is_sample {
            let stack = stack_of(thread, lane, Caller { pc, sp, fp });
            let (address, size, stamp) = (Address(address as u64), size as u64, session.recording.now());
            let event = Event::Track { space, address, size, stack, stamp };
            is_written = lane.samples.write(&session.recording, event);
        } else if was_sample {
            let (address, size, stamp) = (Address(address as u64), 0, session.recording.now());
            let event = Event::Untrack { space, address, size, stamp };
            is_written = lane.samples.write(&session.recording, event);
        }
        if !is_sample && is_heap_sample(address) {
            lane.samples.sample_at(sampler.rate());
            let (address, size, stamp) = (Address(address as u64), size as u64, session.recording.now());
            is_written &=
                lane.samples.write(&session.recording, Event::Label { space, address, size, stamp });
        }
        record_totals(session, lane, sampler, space, is_sample);
        is_written
    });
    is_recorded.unwrap_or(false)
}

/// Records that what was tracked at `address` of `space` has ended, in a call that began at `stamp`.
#[inline]
pub(in crate::recorder) fn end_at(word: u32, space: Space, address: usize, stamp: Stamp) -> bool {
    let is_sample = SAMPLED.remove(key(space, address)) || space != Space::HEAP && is_heap_sample(address);
    if let Some(sampler) = at_hand(word, space) {
        // What it held is not known: nothing is due.
        sampler.count_free(0);
        return !is_sample || write_end(space, address, stamp);
    }
    let is_counted = with_lane(|session, thread, _| {
        thread.sampler(session, space).is_some_and(|sampler| {
            sampler.count_free(0);
            true
        })
    });
    is_counted.unwrap_or(false) && (!is_sample || write_end(space, address, stamp))
}

/// Does the work of [`crate::recorder::moved`].
pub(in crate::recorder) fn moved(space: Space, address: usize, caller: Caller) {
    if !SAMPLED.has(key(space, address)) {
        return;
    }
    with_lane(|session, thread, lane| {
        let Some(sampler) = thread.sampler(session, space) else { return };
        prepare(session, lane, sampler, None);
        let stack = stack_of(thread, lane, caller);
        let (address, stamp) = (Address(address as u64), session.recording.now());
        lane.samples.write(&session.recording, Event::Move { space, address, stack, stamp });
    });
}

/// Forgets all samples of a space, which have ended.
#[cold]
pub(in crate::recorder) fn forget_all(space: Space) {
    SAMPLED.remove_all(|key| key >> ADDRESS_BITS == u64::from(space.0));
}

/// Writes that a sample has ended.
#[cold]
#[inline(never)]
pub(super) fn write_end(space: Space, address: usize, stamp: Stamp) -> bool {
    let is_written = with_lane(|session, thread, lane| {
        let Some(sampler) = thread.sampler(session, space) else { return false };
        record_totals_at(session, lane, sampler, space, true, stamp);
        lane.samples.sample_at(sampler.rate());
        let (address, size) = (Address(address as u64), 0);
        lane.samples.write(&session.recording, Event::Untrack { space, address, size, stamp })
    });
    is_written.unwrap_or(false)
}
