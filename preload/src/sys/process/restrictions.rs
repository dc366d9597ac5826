//! Whether the process has restricted itself since the start: a seccomp filter may end it for opening a file.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::sys::syscall;

/// What was in force at the start, as [`in_force`] says it.
static AT_START: AtomicU32 = AtomicU32::new(UNKNOWN);
const UNKNOWN: u32 = u32::MAX;

/// A thread is in strict mode, which leaves it `read`, `write` and `exit`.
static TOTAL: AtomicBool = AtomicBool::new(false);

/// The calling thread has entered strict mode. Other threads have not, but nobody asks who it is: that is a system call.
pub fn become_total() {
    // Relaxed: the thread itself sees it.
    TOTAL.store(true, Ordering::Relaxed);
}

/// Tells whether no system call may be made.
#[inline]
pub fn are_total() -> bool {
    // Relaxed: as above.
    TOTAL.load(Ordering::Relaxed)
}

/// Notes what is in force: what the program was started under is not its own doing, and has let us open files.
pub fn remember() {
    // Relaxed: the process has one thread yet.
    AT_START.store(in_force(), Ordering::Relaxed);
}

/// Tells whether more is in force than at the start.
pub fn have_come() -> bool {
    // Relaxed: constant since the start.
    let at_start = AT_START.load(Ordering::Relaxed);
    at_start != UNKNOWN && ![0, at_start].contains(&in_force())
}

/// Returns what is in force; 0 without a filter. A process without privileges must give up gaining any before it may
/// set one; a container, which has a filter from the start, seldom has: so its own differs from that.
fn in_force() -> u32 {
    match syscall::restrictions() {
        (0, _) => 0,
        (_, no_new_privileges) => 1 + (no_new_privileges as u32 & 1),
    }
}
