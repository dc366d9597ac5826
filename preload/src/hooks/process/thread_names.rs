//! The hook of the function that names threads: a thread is known by the name that it has in the end, and it may have been
//! recorded before it got one.

use core::ffi::{CStr, c_char, c_int};

use crate::real;
use crate::session::SESSION;
use crate::session::threads;
use crate::sys::syscall::ThreadName;

unsafe extern "C" {
    safe fn pthread_self() -> libc::pthread_t;
}

/// Hooks the function of this name.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn pthread_setname_np(thread: libc::pthread_t, name: *const c_char) -> c_int {
    let result = real::pthread_setname_np(thread, name);
    if result == 0 {
        if thread == pthread_self() {
            threads::renamed(&SESSION);
        } else {
            // SAFETY: the real function has found it to be a string of 15 bytes at most.
            let text = unsafe { CStr::from_ptr(name) }.to_bytes();
            let mut name = ThreadName::default();
            name.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
            threads::other_renamed(&SESSION, thread, name);
        }
    }
    result
}
