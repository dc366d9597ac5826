//! Blocks of CPython's own allocators, by the program's wish.

use core::ffi::c_int;

use tm_common::api::result;

use crate::hooks::python::allocators::{self, Refused};
use crate::sys::tls;

/// Implements `tm_python_objects`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_python_objects(on: c_int) -> c_int {
    let outcome = if on != 0 { allocators::begin() } else { allocators::end() };
    match outcome {
        Ok(()) => result::OK,
        Err(Refused::NoRecording) => result::FAILED,
        Err(Refused::NoInterpreter) => result::NOT_FOUND,
        Err(Refused::NoSpace) => result::NO_MEMORY,
        Err(Refused::Busy) => result::BUSY,
    }
}

/// Implements `tm_python_hide`: whether it was so before.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_python_hide(hide: c_int) -> c_int {
    // SAFETY: the calling thread's own block.
    let block = unsafe { tls::current().as_mut() };
    core::mem::replace(&mut block.is_hiding, u16::from(hide != 0)).into()
}
