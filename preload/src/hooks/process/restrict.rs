//! Hooks of functions by which a process restricts itself: what they take away is not used any more, and what they would
//! take for the recorder is given back. None of them is an event. One of them names threads, too.

use core::ffi::c_int;

use crate::real;
use crate::session::{SESSION, threads};
use crate::sys::memory::own_memory;
use crate::sys::process::restrictions;
use crate::sys::syscall::{self, Errno};

/// `PR_SET_SECCOMP` with it takes away all system calls, and the counter too.
const SECCOMP_MODE_STRICT: usize = 1;

/// Hooks the function of this name, which is variadic: what was not passed is whatever stands in its register, as
/// for the real one.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn prctl(option: c_int, first: usize, b: usize, c: usize, d: usize) -> c_int {
    let is_strict = option == libc::PR_SET_SECCOMP && first == SECCOMP_MODE_STRICT;
    let takes_counter = is_strict || option == libc::PR_SET_TSC && first == libc::PR_TSC_SIGSEGV as usize;
    if takes_counter && SESSION.is_process() {
        SESSION.recording.withhold_counter();
    }
    let result = real::prctl(option, [first, b, c, d]);
    if is_strict && result == 0 {
        restrictions::become_total();
    }
    if option == libc::PR_SET_NAME && result == 0 {
        threads::renamed(&SESSION);
    }
    result
}

/// Hooks the function of this name. What the process may lock is its own to use up.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn mlockall(flags: c_int) -> c_int {
    own_memory::before_locking();
    let is_refused = syscall::lock_all(flags) == Err(Errno(libc::ENOMEM));
    let result = if is_refused && own_memory::lock_all_but_ours(flags) { 0 } else { real::mlockall(flags) };
    if result == 0 {
        own_memory::unlock(flags & libc::MCL_FUTURE != 0);
    }
    result
}
