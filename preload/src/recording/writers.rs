//! Which processes may still write: the last one that ends cuts the file.

use core::sync::atomic::Ordering;

use tm_common::header::MappedHeader;

use crate::sys::syscall;

/// Enters the calling process if it is not there: in a free place or in that of one that is gone. If there is none, it
/// may find the file shorter than it was, and makes it longer again.
pub fn enter(header: &MappedHeader) {
    let pid = syscall::getpid();
    // Relaxed, here and below: numbers that nothing hangs on.
    if header.writers.iter().any(|place| place.load(Ordering::Relaxed) == pid) {
        return;
    }
    for place in &header.writers {
        let other = place.load(Ordering::Relaxed);
        if (other == 0 || !syscall::process_exists(other))
            && place.compare_exchange(other, pid, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            return;
        }
    }
}

/// Takes the calling process out; whether none is left. One that was killed or has executed another program counts as
/// long as there is a process of its number.
pub fn leave(header: &MappedHeader) -> bool {
    let pid = syscall::getpid();
    let mut alone = true;
    for place in &header.writers {
        match place.load(Ordering::Relaxed) {
            0 => {}
            other if other == pid => place.store(0, Ordering::Relaxed),
            other => alone &= !syscall::process_exists(other),
        }
    }
    alone
}
