//! Layer 8: what programs call, `api/include/tm.h`: exported under the plain names, for `dlsym` and other languages, and
//! as the table [`tm_api`], which the header's functions go through.
//!
//! Commands are done here. Questions are the query library's, which is loaded for the first one ([`library`]).

#![allow(
    clippy::missing_safety_doc,
    reason = "whoever calls these keeps the contract of the header's function of the name"
)]

mod commands;
mod library;
mod python;
mod questions;
mod tags;
mod tracking;

pub use commands::*;
pub use python::*;
pub use questions::*;
pub use tags::*;
pub use tracking::*;

use core::ffi::{c_char, c_int};

use tm_common::api::{Api, Track, result};

use crate::session::commands::Refused;

/// The table of the functions that programs call.
#[allow(non_upper_case_globals, reason = "the name is the symbol")]
#[cfg_attr(not(test), unsafe(no_mangle))]
pub static tm_api: Api = Api {
    size: size_of::<Api>(),
    start: tm_start,
    stop: tm_stop,
    is_tracing: tm_is_tracing,
    get_traceback_limit: tm_get_traceback_limit,
    clear_traces: tm_clear_traces,
    get_traced_memory: tm_get_traced_memory,
    reset_peak: tm_reset_peak,
    get_tracemalloc_memory: tm_get_tracemalloc_memory,
    take_snapshot: tm_take_snapshot,
    dump_snapshot: tm_dump_snapshot,
    get_object_traceback: tm_get_object_traceback,
    traceback_format: tm_traceback_format,
    traceback_free: tm_traceback_free,
    // SAFETY: the stub is a function of these arguments, which jumps to one of them and three more.
    track: unsafe { core::mem::transmute::<unsafe extern "C" fn(), Track>(tm_track) },
    untrack: tm_untrack,
    name_domain: tm_name_domain,
    get_domain_memory: tm_get_domain_memory,
    total_size: tm_total_size,
    follow: tm_follow,
    total_size_free: tm_total_size_free,
    tag: tm_tag,
    restore_tag: tm_restore_tag,
    python_objects: tm_python_objects,
    python_hide: tm_python_hide,
    get_python_traces: tm_get_python_traces,
    python_traces_free: tm_python_traces_free,
    start_sampled: tm_start_sampled,
};

/// Returns the result of a command, as the header says it.
fn code(outcome: Result<(), Refused>) -> c_int {
    match outcome {
        Ok(()) => result::OK,
        Err(Refused::NoRecording) => result::FAILED,
        Err(Refused::NoSpace) => result::NO_MEMORY,
        Err(Refused::BadNumber) => result::INVALID,
        Err(Refused::Busy) => result::BUSY,
        Err(Refused::NotTracing) => result::NOT_TRACING,
    }
}

/// Returns the bytes of a name; empty for NULL.
///
/// # Safety
/// NULL, or a C string that lives as long as the call.
unsafe fn name<'a>(text: *const c_char) -> &'a [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { core::ffi::CStr::from_ptr(text) }.to_bytes()
}
