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
mod questions;
mod tags;
mod tracking;

pub use commands::*;
pub use questions::*;
pub use tags::*;
pub use tracking::*;

use core::ffi::{c_char, c_int, c_uint, c_void};

use tm_common::api::{TotalSizeOptions, TotalSizeResult, Traceback, Walk, result};

use crate::session::commands::Refused;

/// `struct tm_api`.
#[repr(C)]
#[allow(missing_docs, reason = "the fields are the header's functions")]
#[derive(Debug)]
pub struct Api {
    pub size: usize,
    pub start: unsafe extern "C" fn(c_uint) -> c_int,
    pub stop: unsafe extern "C" fn() -> c_int,
    pub is_tracing: unsafe extern "C" fn() -> c_int,
    pub get_traceback_limit: unsafe extern "C" fn() -> c_uint,
    pub clear_traces: unsafe extern "C" fn() -> c_int,
    pub get_traced_memory: unsafe extern "C" fn(*mut u64, *mut u64) -> c_int,
    pub reset_peak: unsafe extern "C" fn() -> c_int,
    pub get_tracemalloc_memory: unsafe extern "C" fn() -> usize,
    pub take_snapshot: unsafe extern "C" fn(*const c_char) -> c_int,
    pub dump_snapshot: unsafe extern "C" fn(*const c_char) -> c_int,
    pub get_object_traceback: unsafe extern "C" fn(*const c_void, *mut *mut Traceback) -> c_int,
    pub traceback_format: unsafe extern "C" fn(*const Traceback, c_int, c_int, *mut c_char, usize) -> c_int,
    pub traceback_free: unsafe extern "C" fn(*mut Traceback),
    /// A stub: it takes (domain, ptr, size) and returns an int.
    pub track: unsafe extern "C" fn(),
    pub untrack: unsafe extern "C" fn(c_uint, usize) -> c_int,
    pub name_domain: unsafe extern "C" fn(c_uint, *const c_char) -> c_int,
    pub get_domain_memory: unsafe extern "C" fn(c_uint, *mut u64, *mut u64) -> c_int,
    pub total_size:
        unsafe extern "C" fn(*const c_void, *const TotalSizeOptions, *mut *mut TotalSizeResult) -> c_int,
    pub follow: unsafe extern "C" fn(*mut Walk, *const c_void) -> c_int,
    pub total_size_free: unsafe extern "C" fn(*mut TotalSizeResult),
    pub tag: unsafe extern "C" fn(*const c_char) -> u32,
    pub restore_tag: unsafe extern "C" fn(u32) -> u32,
}

/// The table.
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
    track: tm_track,
    untrack: tm_untrack,
    name_domain: tm_name_domain,
    get_domain_memory: tm_get_domain_memory,
    total_size: tm_total_size,
    follow: tm_follow,
    total_size_free: tm_total_size_free,
    tag: tm_tag,
    restore_tag: tm_restore_tag,
};

/// The result of a command, as the header says it.
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

/// The bytes of a name; empty for NULL.
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
