//! Questions: handed to the query library, with the calling thread's own events left out meanwhile.

use core::ffi::{c_char, c_int, c_uint, c_void};

use tm_common::api::{PythonTraces, TotalSizeOptions, TotalSizeResult, Traceback, Walk, result};
use tm_common::query::{QueryApi, QueryHost};

use super::library;
use crate::session::SESSION;
use crate::sys::objects::loader;
use crate::sys::syscall;
use crate::sys::tls::{self, MUTED, OPERATING};

unsafe extern "C" {
    /// Returns `errno`'s place, `<errno.h>`.
    fn __errno_location() -> *mut c_int;
}

/// A question of the calling thread that is under way: its events are left out, and so is all that could leave the
/// question in the middle: signals, whose handlers may jump away and whose events would be left out with the rest, and
/// cancellation. `errno` is what it was when it ends.
struct Asking {
    errno: c_int,
    cancel_state: c_int,
}

impl Asking {
    /// Begins a question. `None` if the thread is asking already, or is in the middle of an event, or of another
    /// command.
    fn begin() -> Option<Asking> {
        // SAFETY: the calling thread's own block.
        let block = unsafe { tls::current().as_mut() };
        if block.asking != 0 || block.depth & !OPERATING != 0 {
            return None;
        }
        block.asking = 1;
        mute();
        // SAFETY: the C library's own promise.
        let errno = unsafe { *__errno_location() };
        Some(Asking { errno, cancel_state: loader::disable_cancellation() })
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        loader::restore_cancellation(self.cancel_state);
        // SAFETY: the C library's own promise.
        unsafe { *__errno_location() = self.errno };
        unmute();
        // SAFETY: the calling thread's own block.
        unsafe { tls::current().as_mut() }.asking = 0;
    }
}

/// Has `question` answered.
fn ask(question: impl FnOnce(&QueryApi, &QueryHost) -> c_int) -> c_int {
    // A forked child becomes a process of its own first.
    if !SESSION.is_process() {
        return result::FAILED;
    }
    let Some(_asking) = Asking::begin() else { return result::BUSY };
    let Some(api) = library::api() else { return result::FAILED };
    let file = SESSION.recording.file();
    let host = QueryHost {
        size: size_of::<QueryHost>(),
        path: file.path.as_c_str().as_ptr(),
        device: file.identity.0,
        inode: file.identity.1,
        process: SESSION.recording.process().0,
        now,
        unmute,
        mute,
    };
    question(api, &host)
}

/// Has a question about what is traced answered, like [`ask`]; returns `otherwise` while nothing is traced.
fn ask_traced(otherwise: c_int, question: impl FnOnce(&QueryApi, &QueryHost) -> c_int) -> c_int {
    if SESSION.is_recording() { ask(question) } else { otherwise }
}

extern "C" fn now() -> u64 {
    SESSION.recording.now().0
}

/// The calling thread's events are recorded again, and its signals come.
extern "C" fn unmute() {
    // SAFETY: the calling thread's own block.
    let block = unsafe { tls::current().as_mut() };
    block.depth &= !MUTED;
    syscall::set_signal_mask(block.signal_mask);
}

/// Neither, until [`unmute`].
extern "C" fn mute() {
    let signal_mask = syscall::set_signal_mask(u64::MAX);
    // SAFETY: the calling thread's own block.
    let block = unsafe { tls::current().as_mut() };
    block.signal_mask = signal_mask;
    block.depth |= MUTED;
}

/// Puts 0 where figures are wanted.
///
/// # Safety
/// NULL, or places to write to.
unsafe fn clear(places: [*mut u64; 2]) {
    for place in places {
        // SAFETY: the caller's.
        if let Some(place) = unsafe { place.as_mut() } {
            *place = 0;
        }
    }
}

/// Implements `tm_get_traced_memory`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_get_traced_memory(current: *mut u64, peak: *mut u64) -> c_int {
    // SAFETY: the caller's places.
    unsafe { clear([current, peak]) };
    // SAFETY: as above.
    ask_traced(result::OK, |api, host| unsafe { (api.get_traced_memory)(host, current, peak) })
}

/// Implements `tm_get_domain_memory`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_get_domain_memory(domain: c_uint, current: *mut u64, peak: *mut u64) -> c_int {
    // SAFETY: the caller's places.
    unsafe { clear([current, peak]) };
    // SAFETY: as above.
    ask_traced(result::OK, |api, host| unsafe { (api.get_domain_memory)(host, domain, current, peak) })
}

/// Implements `tm_reset_peak`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_reset_peak() -> c_int {
    // SAFETY: the library's function.
    ask_traced(result::OK, |api, host| unsafe { (api.reset_peak)(host) })
}

/// Implements `tm_dump_snapshot`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_dump_snapshot(path: *const c_char) -> c_int {
    if path.is_null() {
        return result::INVALID;
    }
    // SAFETY: the caller's path.
    ask_traced(result::NOT_TRACING, |api, host| unsafe { (api.dump_snapshot)(host, path) })
}

/// Implements `tm_get_object_traceback`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_get_object_traceback(
    ptr: *const c_void,
    traceback: *mut *mut Traceback,
) -> c_int {
    // SAFETY: the caller's place.
    let Some(place) = (unsafe { traceback.as_mut() }) else { return result::INVALID };
    *place = core::ptr::null_mut();
    // SAFETY: as above.
    ask_traced(result::NOT_TRACING, |api, host| unsafe { (api.get_object_traceback)(host, ptr, traceback) })
}

/// Implements `tm_traceback_format`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_traceback_format(
    traceback: *const Traceback,
    limit: c_int,
    most_recent_first: c_int,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    if traceback.is_null() || buffer.is_null() && size > 0 {
        return result::INVALID;
    }
    // SAFETY: the caller's traceback and buffer.
    ask(|api, _| unsafe { (api.traceback_format)(traceback, limit, most_recent_first, buffer, size) })
}

/// Implements `tm_traceback_free`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_traceback_free(traceback: *mut Traceback) {
    if !traceback.is_null() {
        // SAFETY: the caller's, who has it from here.
        give_back(|api| unsafe { (api.traceback_free)(traceback) });
    }
}

/// Implements `tm_total_size`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_total_size(
    ptr: *const c_void,
    options: *const TotalSizeOptions,
    size: *mut *mut TotalSizeResult,
) -> c_int {
    // SAFETY: the caller's place.
    let Some(place) = (unsafe { size.as_mut() }) else { return result::INVALID };
    *place = core::ptr::null_mut();
    // SAFETY: as above.
    ask_traced(result::NOT_TRACING, |api, host| unsafe { (api.total_size)(host, ptr, options, size) })
}

/// Implements `tm_follow`: part of a question that is under way.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_follow(walk: *mut Walk, ptr: *const c_void) -> c_int {
    // SAFETY: the calling thread's own block, read at once.
    let is_asking = unsafe { tls::current().as_ref() }.asking != 0;
    let Some(api) = library::api().filter(|_| is_asking && !walk.is_null()) else { return result::INVALID };
    mute();
    // SAFETY: the walk that the handler was given.
    let outcome = unsafe { (api.follow)(walk, ptr) };
    unmute();
    outcome
}

/// Implements `tm_total_size_free`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_total_size_free(size: *mut TotalSizeResult) {
    if !size.is_null() {
        // SAFETY: the caller's, who has it from here.
        give_back(|api| unsafe { (api.total_size_free)(size) });
    }
}

/// Implements `tm_get_python_traces`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_get_python_traces(
    ptr: *const c_void,
    nframe: c_uint,
    traces: *mut *mut PythonTraces,
) -> c_int {
    // SAFETY: the caller's place.
    let Some(place) = (unsafe { traces.as_mut() }) else { return result::INVALID };
    *place = core::ptr::null_mut();
    if nframe == 0 {
        return result::INVALID;
    }
    // SAFETY: as above.
    ask_traced(result::NOT_TRACING, |api, host| unsafe { (api.get_python_traces)(host, ptr, nframe, traces) })
}

/// Implements `tm_python_traces_free`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_python_traces_free(traces: *mut PythonTraces) {
    if !traces.is_null() {
        // SAFETY: the caller's, who has it from here.
        give_back(|api| unsafe { (api.python_traces_free)(traces) });
    }
}

/// Runs `free_it` muted: what a question has allocated is no event when it goes either, in a callback too.
fn give_back(free_it: impl FnOnce(&QueryApi)) {
    // SAFETY: the C library's own promise.
    let errno = unsafe { *__errno_location() };
    mute();
    if let Some(api) = library::api() {
        free_it(api);
    }
    unmute();
    // SAFETY: as above.
    unsafe { *__errno_location() = errno };
}
