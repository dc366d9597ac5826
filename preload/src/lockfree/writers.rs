//! The processes that may still write: the last one that ends cuts the file.
//!
//! A place holds a pid, or 0. The place of a process that was killed is free as soon as the kernel does not know the
//! pid.

use super::atomic::{AtomicU32, Ordering, fence};

/// Enters process `pid` if it is not there: in a free place or in that of one that is gone. If there is none, it may find
/// the file shorter than it was, and makes it longer again.
pub fn enter(places: &[AtomicU32], pid: u32, exists: impl Fn(u32) -> bool) {
    // Relaxed, here and below: pids, with which nothing is published.
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
    for place in places.iter().filter(|place| place.load(Ordering::Relaxed) == pid) {
        place.store(0, Ordering::Relaxed);
    }
    // First out, then look: of two that leave at once, the one whose fence comes later sees the other one out.
    fence(Ordering::SeqCst);
    places.iter().map(|place| place.load(Ordering::Relaxed)).all(|other| other == 0 || !exists(other))
}
