//! The functions that `libtm.so` calls: each checks what it is given, asks, and writes the answer where it is wanted.
//!
//! Every host, pointer and place is the caller's, which keeps the contract of the function in `tm.h`.

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use tm_common::api::{PythonTraces, TotalSizeOptions, TotalSizeResult, Traceback, Walk, result};
use tm_common::ids::Domain;
use tm_common::query::{QueryApi, QueryHost};

use crate::allocator::held_bytes;
use crate::answer::{self, dump, format, memory, python_traces, total_size, traceback};
use crate::failure::{Answer, code};
use crate::host::Host;
use crate::process::Process;
use crate::processes::with_present;

/// The table that [`tm_common::query::SYMBOL`] names.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static tm_query_api: QueryApi = QueryApi {
    size: size_of::<QueryApi>(),
    get_traced_memory,
    get_domain_memory,
    reset_peak,
    dump_snapshot,
    get_object_traceback,
    traceback_format,
    traceback_free,
    total_size: get_total_size,
    follow,
    total_size_free,
    get_python_traces,
    python_traces_free,
    memory_bytes: held_bytes_of_library,
};

/// The options of a walk that the program gives none for.
const NO_OPTIONS: TotalSizeOptions = TotalSizeOptions {
    depth_max: 0,
    blocks_max: 0,
    handler: None,
    visit: None,
    context: ptr::null_mut(),
    verbose: 0,
};

/// Asks the process that `host` speaks for, as it is now.
fn ask<T>(host: Answer<Host<'_>>, question: impl FnOnce(&Host<'_>, &mut Process) -> Answer<T>) -> Answer<T> {
    let host = host?;
    with_present(&host, |process| question(&host, process))
}

/// Writes a value where it is wanted, if it is.
///
/// # Safety
/// `place` is NULL, or can be written to.
unsafe fn put<T>(value: T, place: *mut T) {
    if !place.is_null() {
        // SAFETY: the caller's.
        unsafe { place.write(value) };
    }
}

/// Writes bytes now and at most where they are wanted.
///
/// # Safety
/// `current` and `peak` are as in [`put`].
unsafe fn put_figures((now, most): (u64, u64), current: *mut u64, peak: *mut u64) {
    // SAFETY: the caller's.
    unsafe { put(now, current) };
    // SAFETY: the caller's.
    unsafe { put(most, peak) };
}

unsafe extern "C" fn get_traced_memory(host: *const QueryHost, current: *mut u64, peak: *mut u64) -> c_int {
    // SAFETY: the host is the caller's.
    let host = unsafe { Host::new(host) };
    let figures = ask(host, |_, process| Ok(memory::traced(process)));
    // SAFETY: the places are the caller's.
    code(figures.map(|figures| unsafe { put_figures(figures, current, peak) }))
}

unsafe extern "C" fn get_domain_memory(
    host: *const QueryHost,
    domain: c_uint,
    current: *mut u64,
    peak: *mut u64,
) -> c_int {
    // SAFETY: the host is the caller's.
    let host = unsafe { Host::new(host) };
    let figures = ask(host, |_, process| Ok(memory::of_domain(process, Domain(domain))));
    // SAFETY: the places are the caller's.
    code(figures.map(|figures| unsafe { put_figures(figures, current, peak) }))
}

unsafe extern "C" fn reset_peak(host: *const QueryHost) -> c_int {
    // SAFETY: the host is the caller's.
    let host = unsafe { Host::new(host) };
    code(ask(host, |host, process| {
        memory::reset_peak(process, host.now());
        Ok(())
    }))
}

unsafe extern "C" fn dump_snapshot(host: *const QueryHost, path: *const c_char) -> c_int {
    if path.is_null() {
        return result::INVALID;
    }
    // SAFETY: the host is the caller's.
    let host = unsafe { Host::new(host) };
    // SAFETY: the path is the caller's, a C string.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    code(ask(host, |host, process| dump::dump(process, host.now(), path)))
}

unsafe extern "C" fn get_object_traceback(
    host: *const QueryHost,
    ptr: *const c_void,
    traceback: *mut *mut Traceback,
) -> c_int {
    // SAFETY: the place is the caller's.
    unsafe { put(ptr::null_mut(), traceback) };
    // SAFETY: the host is the caller's.
    let host = unsafe { Host::new(host) };
    let found = ask(host, |_, process| traceback::of_object(process, ptr.addr() as u64));
    // SAFETY: the place is the caller's.
    code(found.map(|found| unsafe { put(found.into_raw(), traceback) }))
}

unsafe extern "C" fn traceback_format(
    traceback: *const Traceback,
    limit: c_int,
    most_recent_first: c_int,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: the traceback is the caller's, NULL or one that was handed out.
    let Some(traceback) = (unsafe { traceback.as_ref() }) else { return result::INVALID };
    // SAFETY: as above.
    let text = unsafe { format::text(traceback, limit, most_recent_first != 0) };
    // SAFETY: the buffer is the caller's.
    unsafe { format::put(&text, buffer, size) }
}

unsafe extern "C" fn traceback_free(traceback: *mut Traceback) {
    // SAFETY: the caller's, who has it from here.
    unsafe { traceback::OwnedTraceback::free(traceback) };
}

unsafe extern "C" fn get_total_size(
    host: *const QueryHost,
    ptr: *const c_void,
    options: *const TotalSizeOptions,
    result: *mut *mut TotalSizeResult,
) -> c_int {
    // SAFETY: the place is the caller's.
    unsafe { put(ptr::null_mut(), result) };
    // SAFETY: the host is the caller's.
    let host = unsafe { Host::new(host) };
    // SAFETY: the options are the caller's, or NULL.
    let options = unsafe { options.as_ref() }.copied().unwrap_or(NO_OPTIONS);
    let found = ask(host, |host, process| total_size::of_pointer(process, host, ptr.addr() as u64, &options));
    // SAFETY: the place is the caller's.
    code(found.map(|found| unsafe { put(found.into_raw(), result) }))
}

unsafe extern "C" fn follow(walk: *mut Walk, ptr: *const c_void) -> c_int {
    // SAFETY: the walk is what the handler was given.
    unsafe { answer::follow(walk, ptr) }
}

unsafe extern "C" fn total_size_free(result: *mut TotalSizeResult) {
    // SAFETY: the caller's, who has it from here.
    unsafe { total_size::OwnedResult::free(result) };
}

unsafe extern "C" fn get_python_traces(
    host: *const QueryHost,
    ptr: *const c_void,
    nframe: c_uint,
    traces: *mut *mut PythonTraces,
) -> c_int {
    // SAFETY: the place is the caller's.
    unsafe { put(ptr::null_mut(), traces) };
    // SAFETY: the host is the caller's.
    let host = unsafe { Host::new(host) };
    let found = ask(host, |_, process| match ptr.addr() as u64 {
        0 => python_traces::all(process, nframe),
        address => python_traces::of_object(process, address, nframe),
    });
    // SAFETY: the place is the caller's.
    code(found.map(|found| unsafe { put(found.into_raw(), traces) }))
}

unsafe extern "C" fn python_traces_free(traces: *mut PythonTraces) {
    // SAFETY: the caller's, who has it from here.
    unsafe { python_traces::OwnedTraces::free(traces) };
}

extern "C" fn held_bytes_of_library() -> usize {
    held_bytes()
}
