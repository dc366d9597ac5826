//! Hooks of the functions that load objects and find their symbols. Each jumps on to the real one, which must see its caller:
//! whose library path counts, and what comes `RTLD_NEXT`, depends on that.

use core::ffi::{CStr, c_char, c_int};

use tm_common::functions::Function;
use tm_common::metadata::NoteReason;

use super::{opening, redirect};
use crate::hooks::stub::{Arguments, stub_before};
use crate::python::PYTHON;
use crate::real;
use crate::session::SESSION;

stub_before!(dlopen, Dlopen, before_dlopen);
stub_before!(dlmopen, Dlmopen, before_dlmopen);
stub_before!(dlsym, Dlsym, before_dlsym);
stub_before!(dlvsym, Dlvsym, before_dlvsym);

/// `RTLD_DEEPBIND`, `<dlfcn.h>`.
const DEEPBIND: usize = 8;
/// `RTLD_NEXT`, `<dlfcn.h>`.
const NEXT: usize = usize::MAX;

/// Prepares `dlopen(file, mode)`.
extern "C" fn before_dlopen(arguments: Arguments) -> usize {
    real::address(Function::Dlopen);
    redirect::look_at_new();
    opening::begin(arguments, arguments.get(1) & DEEPBIND != 0);
    0
}

/// Prepares `dlmopen(namespace, file, mode)`: in another namespace there is another C library, and we are not in it.
extern "C" fn before_dlmopen(arguments: Arguments) -> usize {
    real::address(Function::Dlmopen);
    redirect::look_at_new();
    let (namespace, file) = (arguments.get(0), arguments.get(1) as *const c_char);
    if namespace == 0 {
        opening::begin(arguments, arguments.get(2) & DEEPBIND != 0);
    } else if SESSION.is_process() && !file.is_null() {
        // SAFETY: the caller's, a C string.
        redirect::note(NoteReason::OwnNamespace, unsafe { CStr::from_ptr(file) }.to_bytes());
    }
    0
}

/// Prepares `dlsym(handle, name)`. Functions that we do not export are found here in place of the allocator's.
extern "C" fn before_dlsym(arguments: Arguments) -> usize {
    let dlsym = real::address(Function::Dlsym);
    redirect::look_at_new();
    let (handle, name) = (arguments.get(0), arguments.get(1) as *const c_char);
    if handle == NEXT || name.is_null() || dlsym.is_null() || !redirect::leads_some() {
        return 0;
    }
    // SAFETY: the caller's, a C string.
    let symbol = unsafe { CStr::from_ptr(name) };
    if !redirect::is_own(symbol) {
        return 0;
    }
    // SAFETY: the address is that function's.
    let dlsym: unsafe extern "C" fn(usize, *const c_char) -> usize = unsafe { core::mem::transmute(dlsym) };
    // SAFETY: the arguments are the caller's.
    let found = unsafe { dlsym(handle, name) };
    redirect::hook_of_found(symbol, found).unwrap_or(0)
}

/// Prepares `dlvsym(handle, name, version)`.
extern "C" fn before_dlvsym(_: Arguments) -> usize {
    real::address(Function::Dlvsym);
    redirect::look_at_new();
    0
}

/// Calls the real `dlclose`, between what has to be done before and after it.
pub(in crate::hooks) fn dlclose(handle: *mut core::ffi::c_void) -> c_int {
    redirect::look_at_new();
    PYTHON.keep();
    let result = real::dlclose(handle);
    if SESSION.is_process() {
        redirect::closed();
    }
    result
}
