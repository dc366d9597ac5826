//! The event path of a process that samples: every call is counted, and few are recorded.
//!
//! ```text
//!  allocation   count in the thread's line; past the next sample? -> record
//!  free         count; may the set of samples have it? -> record
//! ```
//!
//! The first part is for the thread itself, without its lane: it neither walks nor writes. For `malloc` and `calloc` the stubs see before
//! the call whether the block will be a sample. What is to be written, and all that is not as usual (another control word, a call inside of
//! a call), goes the long way, through [`with_heap_lane`].

#![allow(clippy::not_unsafe_ptr_arg_deref, reason = "blocks are handed on as the target gave them")]

mod tracked;
mod unsampled;

use core::ffi::c_void;

use tm_common::event::Event;
use tm_common::functions::{Function, Role};
use tm_common::header::Loss;
use tm_common::ids::{Address, Space, Stamp};

use super::free_unusual;
use super::lane::with_heap_lane;
use super::operators::is_of_operator;
use super::stack::stack_of;
use crate::lockfree::sampled::Sampled;
use crate::real::{self, check_held, held_before, held_bytes};
use crate::session::sampler::{Counting, Sampler};
use crate::session::threads::{Lane, Thread};
use crate::session::{SESSION, Session};
use crate::sys::tls;
use crate::unwind::Caller;

pub use unsampled::unsampled_returned;

use tracked::write_end;
pub(super) use tracked::{end_at, forget_all, moved, tracked};

/// What is sampled and lives. A forked child has a copy.
static SAMPLED: Sampled = Sampled::new();

/// What is known of a block before a call that may give it back.
#[derive(Clone, Copy, Debug)]
pub struct Release {
    /// The moment before.
    pub stamp: Stamp,
    /// 0 unless the process samples.
    pub(super) word: u32,
    held: usize,
    is_sample: bool,
}

impl Release {
    /// Makes that of a process which records every event.
    #[inline(always)]
    pub(super) fn at(stamp: Stamp) -> Release {
        Release { stamp, word: 0, held: 0, is_sample: false }
    }
}

/// An allocation that is to be counted, or was.
#[derive(Clone, Copy)]
struct Allocation {
    block: *mut c_void,
    size: usize,
    /// What it holds more than the block that went for it.
    held: i64,
    is_reallocation: bool,
}

/// How many bits of an address [`SAMPLED`] knows: the space stands above them.
const ADDRESS_BITS: u32 = 56;

/// Tells whether samples are drawn of what is at `address` of `space`: not of mappings, nor where the set cannot tell it from others.
#[inline(always)]
pub(super) fn is_drawn(space: Space, address: usize) -> bool {
    space != Space::MAPPINGS && address as u64 >> ADDRESS_BITS == 0
}

fn key(space: Space, address: usize) -> u64 {
    // A heap's pointer may have a tag above its address.
    let address = if cfg!(target_arch = "aarch64") { address & ((1 << ADDRESS_BITS) - 1) } else { address };
    address as u64 | u64::from(space.0) << ADDRESS_BITS
}

/// Returns what the calling thread samples by, by space, if no call of ours is under way.
#[inline(always)]
fn samplers() -> Option<&'static [Sampler; Space::COUNT_MAX]> {
    // SAFETY: the calling thread's own block, read at once.
    let block = unsafe { tls::current().as_ref() };
    if block.depth != 0 {
        return None;
    }
    // SAFETY: null, or one for each space, never unmapped.
    unsafe { block.samplers.cast::<[Sampler; Space::COUNT_MAX]>().as_ref() }
}

/// Returns the one in `space`, if it was begun for this control word.
#[inline(always)]
fn at_hand(word: u32, space: Space) -> Option<Counting> {
    samplers()?[usize::from(space.0)].of(word)
}

/// Does the work of [`super::allocated`].
#[inline(always)]
pub(super) fn allocated(word: u32, function: Function, block: *mut c_void, size: usize, caller: Caller) {
    let is_reallocation = function.role() == Role::Reallocate;
    let held = held_bytes(function, block) as i64;
    let is_counted = match at_hand(word, Space::HEAP) {
        Some(sampler) if !sampler.count_allocation(size, held, is_reallocation) => return,
        Some(_) => true,
        None if is_of_operator(size) => return,
        None => false,
    };
    let allocation = Allocation { block, size, held, is_reallocation };
    record_allocation(function, &allocation, is_counted, caller.pc, caller.sp, caller.fp);
}

#[cold]
#[inline(never)]
fn record_allocation(
    function: Function,
    allocation: &Allocation,
    is_counted: bool,
    pc: usize,
    sp: usize,
    fp: usize,
) {
    let record = |session: &Session, thread: &Thread, lane: &mut Lane| {
        let Some(sampler) = counted(session, thread, allocation, is_counted) else { return };
        let is_sample = sampler.take_sample() && is_kept(session, Space::HEAP, allocation.block as usize);
        if is_sample {
            prepare(session, lane, sampler, None);
            let stack = stack_of(thread, lane, Caller { pc, sp, fp });
            let (address, size) = (Address(allocation.block as u64), allocation.size as u64);
            let stamp = session.recording.now();
            lane.samples.write(&session.recording, Event::Allocate { function, address, size, stack, stamp });
        }
        record_totals(session, lane, sampler, Space::HEAP, is_sample);
    };
    with_heap_lane(record, || {});
}

/// Returns what the thread samples by in the heap, with the allocation counted; `None` if nothing is sampled any more, or it cannot be
/// counted.
fn counted(
    session: &Session,
    thread: &Thread,
    allocation: &Allocation,
    is_counted: bool,
) -> Option<Counting> {
    if !is_counted {
        check_held(allocation.block);
    }
    let sampler = thread.sampler(session, Space::HEAP)?;
    if !is_counted {
        sampler.count_allocation(allocation.size, allocation.held, allocation.is_reallocation);
    }
    Some(sampler)
}

/// Tells whether a block that is a sample can be kept as one; else it is an event that is lost.
fn is_kept(session: &Session, space: Space, address: usize) -> bool {
    let is_kept = SAMPLED.insert(key(space, address));
    if !is_kept {
        session.recording.lose(Loss::NoMemory);
    }
    is_kept
}

/// Makes the lane's samples ones at the rate of `sampler`, with the thread's tag. `stamp` is that of an event that began earlier than
/// now.
fn prepare(session: &Session, lane: &mut Lane, sampler: Counting, stamp: Option<Stamp>) {
    lane.samples.sample_at(sampler.rate());
    // SAFETY: the calling thread's own block, read at once.
    let tag = unsafe { tls::current().as_ref() }.tag;
    if lane.samples_tag != tag {
        lane.begin_samples_tag(session, tag, stamp.unwrap_or_else(|| session.recording.now()));
    }
}

/// Writes the thread's totals if they are due.
fn record_totals(session: &Session, lane: &mut Lane, sampler: Counting, space: Space, is_sample: bool) {
    record_totals_at(session, lane, sampler, space, is_sample, session.recording.now());
}

/// Does the same with the stamp of what is recorded next.
fn record_totals_at(
    session: &Session,
    lane: &mut Lane,
    sampler: Counting,
    space: Space,
    is_sample: bool,
    stamp: Stamp,
) {
    let Some(totals) = sampler.due_totals(is_sample) else { return };
    lane.samples.sample_at(sampler.rate());
    sampler.go_on_for(lane.samples.writer(&session.recording, stamp));
    let event = Event::Totals { space, totals: sampler.of_thread(&totals), stamp };
    let is_written = lane.samples.try_write(&session.recording, event);
    sampler.recorded(&totals, is_written);
}

/// Frees a block as `free`, in a process that samples.
#[inline(never)]
pub fn free(block: *mut c_void, word: u32) {
    if block.is_null() {
        return;
    }
    let Some([of_heap, ..]) = samplers() else { return free_unusual(block) };
    let Some(line) = of_heap.quick_line(word) else { return free_unusual(block) };
    // SAFETY: the sampler is quick.
    let Some(held) = (unsafe { held_before(block) }) else { return free_unusual(block) };
    let is_due = of_heap.count_free(line, held);
    if is_due || SAMPLED.may_have(key(Space::HEAP, block as usize)) {
        return free_recorded(block, held, is_due);
    }
    // SAFETY: the sampler is quick.
    unsafe { real::known_free(block) }
}

#[cold]
#[inline(never)]
fn free_recorded(block: *mut c_void, held: usize, is_due: bool) {
    record_counted_free(Function::Free, block, held, is_due);
    real::free_late(block);
}

/// Does the work of [`super::freeing`].
#[inline(always)]
pub(super) fn freeing(word: u32, function: Function, block: *mut c_void) {
    let held = held_bytes(function, block);
    let sampler = at_hand(word, Space::HEAP);
    let Some(sampler) = sampler else {
        return record_free(function, block, false, &releasing(word, function, block));
    };
    let is_due = sampler.count_free(held);
    if is_due || SAMPLED.may_have(key(Space::HEAP, block as usize)) {
        record_counted_free(function, block, held, is_due);
    }
}

/// Records a free to come that was counted, if it is a sample's or the totals are due: the filter lets others through.
#[cold]
#[inline(never)]
fn record_counted_free(function: Function, block: *mut c_void, held: usize, is_due: bool) {
    let is_sample = SAMPLED.remove(key(Space::HEAP, block as usize));
    if is_sample || is_due {
        let release = Release { stamp: SESSION.recording.now(), word: 0, held, is_sample };
        record_free(function, block, true, &release);
    }
}

/// Does the work of [`super::freed_at`].
pub(super) fn freed_at(function: Function, block: *mut c_void, release: &Release) {
    record_free(function, block, false, release);
}

/// Records a free of which `release` was noted before.
#[cold]
#[inline(never)]
fn record_free(function: Function, block: *mut c_void, is_counted: bool, release: &Release) {
    let &Release { stamp, held, is_sample, .. } = release;
    let record = |session: &Session, thread: &Thread, lane: &mut Lane| {
        let Some(sampler) = thread.sampler(session, Space::HEAP) else { return };
        if !is_counted {
            sampler.count_free(held);
        }
        // Before the end of a sample: they tell whether its thread has allocated since.
        record_totals_at(session, lane, sampler, Space::HEAP, is_sample, stamp);
        if is_sample {
            lane.samples.sample_at(sampler.rate());
            let address = Address(block as u64);
            lane.samples.write(&session.recording, Event::Free { function, address, stamp });
        }
    };
    with_heap_lane(record, || {
        if is_sample {
            write_end(Space::HEAP, block as usize, stamp);
        }
    });
}

/// Does the work of [`super::releasing`].
#[inline(always)]
pub(super) fn releasing(word: u32, function: Function, old: *mut c_void) -> Release {
    let is_sample = SAMPLED.remove(key(Space::HEAP, old as usize));
    Release { stamp: SESSION.recording.now(), word, held: held_bytes(function, old), is_sample }
}

/// Takes note that the block of `release` was not given back after all.
pub(super) fn kept(old: *mut c_void, release: &Release) {
    if release.is_sample {
        is_kept(&SESSION, Space::HEAP, old as usize);
    }
}

/// Does the work of [`super::reallocated`].
#[inline(always)]
pub(super) fn reallocated(
    function: Function,
    old: *mut c_void,
    new: *mut c_void,
    size: usize,
    release: &Release,
    caller: Caller,
) {
    let held = held_bytes(function, new) as i64 - release.held as i64;
    let sampler = at_hand(release.word, Space::HEAP);
    let is_due = sampler.is_none_or(|sampler| sampler.count_allocation(size, held, true));
    if is_due || release.is_sample {
        let allocation = Allocation { block: new, size, held, is_reallocation: true };
        record_reallocation(old, &allocation, release, sampler.is_some(), caller.pc, caller.sp, caller.fp);
    }
}

#[cold]
#[inline(never)]
fn record_reallocation(
    old: *mut c_void,
    allocation: &Allocation,
    release: &Release,
    is_counted: bool,
    pc: usize,
    sp: usize,
    fp: usize,
) {
    let begin = release.stamp;
    let record = |session: &Session, thread: &Thread, lane: &mut Lane| {
        let Some(sampler) = counted(session, thread, allocation, is_counted) else { return };
        let new = allocation.block;
        let is_sample = sampler.take_sample() && is_kept(session, Space::HEAP, new as usize);
        if is_sample || release.is_sample {
            prepare(session, lane, sampler, Some(begin));
        }
        let (old, new, size) = (Address(old as u64), Address(new as u64), allocation.size as u64);
        let function = Function::Realloc;
        if is_sample {
            let stack = stack_of(thread, lane, Caller { pc, sp, fp });
            let end = session.recording.now();
            let event = if release.is_sample {
                Event::Reallocate { old, new, size, stack, begin, end }
            } else {
                Event::Allocate { function, address: new, size, stack, stamp: end }
            };
            lane.samples.write(&session.recording, event);
        } else if release.is_sample {
            lane.samples.write(&session.recording, Event::Free { function, address: old, stamp: begin });
        }
        record_totals(session, lane, sampler, Space::HEAP, is_sample);
    };
    with_heap_lane(record, || {
        if release.is_sample {
            write_end(Space::HEAP, old as usize, begin);
        }
    });
}

/// Records the same where it is covered by another call, which is counted: if it is a sample.
#[cold]
pub(super) fn end_covered(block: *mut c_void, stamp: Stamp) {
    if SAMPLED.remove(key(Space::HEAP, block as usize)) {
        write_end(Space::HEAP, block as usize, stamp);
    }
}
