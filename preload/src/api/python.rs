//! Blocks of CPython's own allocators, by the program's wish.

use core::ffi::c_int;

use tm_common::api::result;

use crate::hooks::python::allocators::{self, Refused};

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
