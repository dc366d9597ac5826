//! What `libtm.so` and `libtm_query.so` call of each other inside of a recorded process.
//!
//! ```text
//! libtm.so:       dlopen("libtm_query.so"), dlsym(SYMBOL) -> &QueryApi
//!                 each question: mutes the calling thread, calls (api.question)(&host, ..)
//! libtm_query.so: (host.now)() for the moment that is asked about, (host.unmute)() and (host.mute)() around callbacks
//! ```
//!
//! Both are built from one source tree and installed side by side, but may be mixed up: each checks the other's `size`.

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};

use crate::api::{PythonTraces, TotalSizeOptions, TotalSizeResult, Traceback, TracebackFormat, Walk};

/// The file name of the query library, which stands beside `libtm.so`.
pub const FILE_NAME: &str = "libtm_query.so";
/// The symbol of its [`QueryApi`].
pub const SYMBOL: &CStr = c"tm_query_api";

/// The host of a question: what `libtm.so` tells of itself; it need not outlive the question.
#[repr(C)]
#[derive(Debug)]
pub struct QueryHost {
    /// The bytes of this structure.
    pub size: usize,
    /// The recording's absolute path.
    pub path: *const c_char,
    /// The recording's file, to know that it is still the one at `path`: its device, ...
    pub device: u64,
    /// ... and its inode.
    pub inode: u64,
    /// The number of this process in the recording.
    pub process: u32,
    /// The present moment as a stamp of the recording's clock. All that this thread did, and all that it knows of other
    /// threads to have been done, has no later stamp.
    pub now: extern "C" fn() -> u64,
    /// Makes the calling thread's events be recorded again: called before a callback of the program.
    pub unmute: extern "C" fn(),
    /// Makes the calling thread's events be left out again: called after a callback.
    pub mute: extern "C" fn(),
}

/// The answers of the query library: functions of `tm.h` with the host before their arguments. All but `memory_bytes`
/// are to be called muted, and none twice at a time on one thread, `follow` excepted.
#[repr(C)]
#[derive(Debug)]
pub struct QueryApi {
    /// The bytes of this structure.
    pub size: usize,
    /// `tm_get_traced_memory`: bytes now and at most.
    pub get_traced_memory:
        unsafe extern "C" fn(host: *const QueryHost, current: *mut u64, peak: *mut u64) -> c_int,
    /// `tm_get_domain_memory`.
    pub get_domain_memory: unsafe extern "C" fn(
        host: *const QueryHost,
        domain: c_uint,
        current: *mut u64,
        peak: *mut u64,
    ) -> c_int,
    /// `tm_reset_peak`.
    pub reset_peak: unsafe extern "C" fn(host: *const QueryHost) -> c_int,
    /// `tm_dump_snapshot`.
    pub dump_snapshot: unsafe extern "C" fn(host: *const QueryHost, path: *const c_char) -> c_int,
    /// `tm_get_object_traceback`.
    pub get_object_traceback: unsafe extern "C" fn(
        host: *const QueryHost,
        ptr: *const c_void,
        traceback: *mut *mut Traceback,
    ) -> c_int,
    /// `tm_traceback_format`.
    pub traceback_format: TracebackFormat,
    /// `tm_traceback_free`.
    pub traceback_free: unsafe extern "C" fn(traceback: *mut Traceback),
    /// `tm_total_size`.
    pub total_size: unsafe extern "C" fn(
        host: *const QueryHost,
        ptr: *const c_void,
        options: *const TotalSizeOptions,
        result: *mut *mut TotalSizeResult,
    ) -> c_int,
    /// `tm_follow`; called by a handler, so not muted.
    pub follow: unsafe extern "C" fn(walk: *mut Walk, ptr: *const c_void) -> c_int,
    /// `tm_total_size_free`.
    pub total_size_free: unsafe extern "C" fn(result: *mut TotalSizeResult),
    /// `tm_get_python_traces`.
    pub get_python_traces: unsafe extern "C" fn(
        host: *const QueryHost,
        ptr: *const c_void,
        nframe: c_uint,
        traces: *mut *mut PythonTraces,
    ) -> c_int,
    /// `tm_python_traces_free`.
    pub python_traces_free: unsafe extern "C" fn(traces: *mut PythonTraces),
    /// Bytes that the query library has allocated and not freed. [signal-safe]
    pub memory_bytes: extern "C" fn() -> usize,
}
