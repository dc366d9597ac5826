//! Which processes may still write: the last one that ends cuts the file.
//!
//! A place holds a pid, or 0. That of a process that was killed is free as soon as the kernel does not know the pid.

use super::atomic::{AtomicU32, Ordering};

/// Enters process `pid` if it is not there: in a free place or in that of one that is gone. If there is none, it may find
/// the file shorter than it was, and makes it longer again.
pub fn enter(places: &[AtomicU32], pid: u32, exists: impl Fn(u32) -> bool) {
    // Relaxed, here and below: numbers that nothing hangs on.
    if places.iter().any(|place| place.load(Ordering::Relaxed) == pid) {
        return;
    }
    for place in places {
        let other = place.load(Ordering::Relaxed);
        if (other == 0 || !exists(other))
            && place.compare_exchange(other, pid, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            return;
        }
    }
}

/// Takes process `pid` out; whether none is left. One that was killed or has executed another program counts as long as
/// there is a process of its number.
pub fn leave(places: &[AtomicU32], pid: u32, exists: impl Fn(u32) -> bool) -> bool {
    let mut alone = true;
    for place in places {
        match place.load(Ordering::Relaxed) {
            0 => {}
            other if other == pid => place.store(0, Ordering::Relaxed),
            other => alone &= !exists(other),
        }
    }
    alone
}
