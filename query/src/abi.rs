//! The functions that `libtm.so` calls: each checks what it is given, asks, and writes the answer where it is wanted.

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use tm_common::api::{TotalSizeOptions, TotalSizeResult, Traceback, Walk, result};
use tm_common::ids::Domain;
use tm_common::query::{QueryApi, QueryHost};

use crate::allocator::held_bytes;
use crate::answer::{self, dump, format, memory, total_size, traceback};
use crate::failure::Answer;
use crate::host::Host;
use crate::state::State;
use crate::states::with_present;

/// What [`tm_common::query::SYMBOL`] names.
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
    memory_bytes: held_bytes_of_library,
};

/// How a walk goes unless the program says more.
const NO_OPTIONS: TotalSizeOptions = TotalSizeOptions {
    depth_max: 0,
    blocks_max: 0,
    handler: None,
    visit: None,
    context: ptr::null_mut(),
    verbose: 0,
};

/// Asks the present state; returns a result code.
///
/// # Safety
/// As [`Host::new`].
unsafe fn ask(host: *const QueryHost, ask: impl FnOnce(&Host<'_>, &mut State) -> Answer<()>) -> c_int {
    // SAFETY: the caller's.
    let host = unsafe { Host::new(host) };
    match host.and_then(|host| with_present(&host, |state| ask(&host, state))) {
        Ok(()) => result::OK,
        Err(failure) => failure.code(),
    }
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

unsafe extern "C" fn get_traced_memory(host: *const QueryHost, current: *mut u64, peak: *mut u64) -> c_int {
    // SAFETY: the host is the caller's.
    unsafe {
        ask(host, |_, state| {
            let (now, most) = memory::traced(state);
            put(now, current);
            put(most, peak);
            Ok(())
        })
    }
}

unsafe extern "C" fn get_domain_memory(
    host: *const QueryHost,
    domain: c_uint,
    current: *mut u64,
    peak: *mut u64,
) -> c_int {
    // SAFETY: the host and the places are the caller's.
    unsafe {
        ask(host, |_, state| {
            let (now, most) = memory::of_domain(state, Domain(domain));
            put(now, current);
            put(most, peak);
            Ok(())
        })
    }
}

unsafe extern "C" fn reset_peak(host: *const QueryHost) -> c_int {
    // SAFETY: the host is the caller's.
    unsafe {
        ask(host, |host, state| {
            memory::reset_peak(state, host.now());
            Ok(())
        })
    }
}

unsafe extern "C" fn dump_snapshot(host: *const QueryHost, path: *const c_char) -> c_int {
    if path.is_null() {
        return result::INVALID;
    }
    // SAFETY: the path is the caller's.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    let dump = |host: &Host<'_>, state: &mut State| dump::dump(state, host.now(), path);
    // SAFETY: the host is the caller's.
    unsafe { ask(host, dump) }
}

unsafe extern "C" fn get_object_traceback(
    host: *const QueryHost,
    ptr: *const c_void,
    traceback: *mut *mut Traceback,
) -> c_int {
    // SAFETY: the host and the place are the caller's.
    unsafe {
        put(ptr::null_mut(), traceback);
        ask(host, |_, state| {
            let found = traceback::of_object(state, ptr.addr() as u64)?;
            put(found.into_raw(), traceback);
            Ok(())
        })
    }
}

unsafe extern "C" fn traceback_format(
    traceback: *const Traceback,
    limit: c_int,
    most_recent_first: c_int,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: the traceback and the buffer are the caller's.
    unsafe {
        let Some(traceback) = traceback.as_ref() else { return result::INVALID };
        format::put(&format::text(traceback, limit, most_recent_first != 0), buffer, size)
    }
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
    // SAFETY: the host, the options and the place are the caller's.
    unsafe {
        put(ptr::null_mut(), result);
        let options = options.as_ref().copied().unwrap_or(NO_OPTIONS);
        ask(host, |host, state| {
            let found = total_size::of_pointer(state, host, ptr.addr() as u64, &options)?;
            put(found.into_raw(), result);
            Ok(())
        })
    }
}

unsafe extern "C" fn follow(walk: *mut Walk, ptr: *const c_void) -> c_int {
    // SAFETY: the walk is what the handler was given.
    unsafe { answer::follow(walk, ptr) }
}

unsafe extern "C" fn total_size_free(result: *mut TotalSizeResult) {
    // SAFETY: the caller's, who has it from here.
    unsafe { total_size::OwnedResult::free(result) };
}

extern "C" fn held_bytes_of_library() -> usize {
    held_bytes()
}
