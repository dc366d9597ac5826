//! Blocks of `malloc` and `calloc` that are no samples, as nearly all are: the stubs have asked before the call.

#![allow(clippy::not_unsafe_ptr_arg_deref, reason = "blocks are handed on as the target gave them")]

use core::ffi::c_void;

use tm_common::functions::Function;
use tm_common::ids::Space;

use super::record_totals;
use crate::real::{held_before, held_bytes};
use crate::recorder::lane::with_heap_lane;
use crate::session::Session;
use crate::session::sampler::Sampler;
use crate::session::threads::{Lane, Thread};

const _: () = assert!(Space::HEAP.0 == 0, "the stubs take the first sampler");

/// Counts a block of `malloc` or `calloc` that is no sample, if it was made: the stub has asked `sampler` before the call. Returns it.
pub extern "C" fn unsampled_returned(
    block: *mut c_void,
    size: usize,
    sampler: &'static Sampler,
) -> *mut c_void {
    if block.is_null() {
        return block;
    }
    // SAFETY: the sampler is quick.
    let Some(held) = (unsafe { held_before(block) }) else { return count_asking(block, size, sampler) };
    if sampler.count_unsampled(size, held) { record_move(block) } else { block }
}

#[cold]
#[inline(never)]
fn count_asking(block: *mut c_void, size: usize, sampler: &'static Sampler) -> *mut c_void {
    let is_due = sampler.count_unsampled(size, held_bytes(Function::Malloc, block));
    if is_due { record_move(block) } else { block }
}

/// Records the totals, because what the thread holds has moved far. Returns `block`.
#[cold]
#[inline(never)]
fn record_move(block: *mut c_void) -> *mut c_void {
    let record = |session: &Session, thread: &Thread, lane: &mut Lane| {
        if let Some(sampler) = thread.sampler(session, Space::HEAP) {
            record_totals(session, lane, sampler, Space::HEAP, false);
        }
    };
    with_heap_lane(record, || {});
    // A caller that knows what comes back would keep it over the call itself, in a register that it saves each time.
    core::hint::black_box(block)
}
