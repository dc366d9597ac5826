//! Start, stop, clear, marks, and what is in force.

use core::ffi::{c_char, c_int, c_uint};

use tm_common::api::result;
use tm_common::sampling::SampleRate;

use super::{code, library, name};
use crate::session::{SESSION, commands};
use crate::sys::syscall;

/// Implements `tm_start`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_start(nframe: c_uint) -> c_int {
    code(commands::start(&SESSION, nframe, None))
}

/// Implements `tm_start_sampled`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_start_sampled(nframe: c_uint, mean_bytes: u64) -> c_int {
    let Some(rate) = SampleRate::nearest(mean_bytes) else { return result::INVALID };
    code(commands::start(&SESSION, nframe, Some(rate)))
}

/// Implements `tm_stop`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_stop() -> c_int {
    code(commands::stop(&SESSION))
}

/// Implements `tm_is_tracing`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_is_tracing() -> c_int {
    c_int::from(SESSION.is_recording())
}

/// Implements `tm_get_traceback_limit`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_get_traceback_limit() -> c_uint {
    // Also reads the settings, should this be the first call of all.
    SESSION.is_process();
    SESSION.n_frames_max() as u32
}

/// Implements `tm_clear_traces`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_clear_traces() -> c_int {
    code(commands::clear(&SESSION))
}

/// Implements `tm_take_snapshot`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_take_snapshot(text: *const c_char) -> c_int {
    // SAFETY: the caller's.
    let name = unsafe { name(text) };
    if name.is_empty() {
        return result::INVALID;
    }
    code(commands::mark(&SESSION, name))
}

/// Implements `tm_get_tracemalloc_memory`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_get_tracemalloc_memory() -> usize {
    syscall::mapped_bytes() + library::memory_bytes()
}
