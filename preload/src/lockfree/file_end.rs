//! The end of what is claimed of the file: moved outward by a thread that needs room, held still while the file is cut
//! there.

use tm_common::header::CUTTING;

use super::atomic::{AtomicU64, Ordering};

/// The number of attempts, with pauses of 100 µs: an `ftruncate` on a busy disk takes milliseconds, and the thread that
/// cuts may have lost its processor.
const CLAIM_ATTEMPTS: u32 = if cfg!(loom) { 3 } else { 1_000 };

/// Why nothing was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It would end behind the limit.
    AtLimit,
    /// The file is being cut for longer than all the pauses.
    Cutting,
}

/// Claims `grains`, none of them behind grain `max`: the first of them.
pub fn claim(end: &AtomicU64, grains: u32, max: u64, pause: impl Fn()) -> Result<u64, Refused> {
    let moved = |start: u64| Some(start + u64::from(grains)).filter(|&to| start < CUTTING && to <= max);
    for _ in 0..CLAIM_ATTEMPTS {
        // Acquire: receives the room as it was left by who gave it back, or has just cut it off.
        match end.fetch_update(Ordering::Acquire, Ordering::Relaxed, moved) {
            Ok(start) => return Ok(start),
            Err(start) if start < CUTTING => return Err(Refused::AtLimit),
            Err(_) => pause(),
        }
    }
    Err(Refused::Cutting)
}

/// Takes back what was claimed from `start` on and not used, unless others have claimed room behind it.
/// Returns whether it was taken back.
pub fn give_back(end: &AtomicU64, start: u64, grains: u64) -> bool {
    // Release: publishes that nothing of it is being touched any more.
    end.compare_exchange(start + grains, start, Ordering::Release, Ordering::Relaxed).is_ok()
}

/// Has the file cut where the claims end, with no claim meanwhile. `None` if another one is cutting, or claimed just now.
pub fn cut<T>(end: &AtomicU64, truncate: impl FnOnce(u64) -> T) -> Option<T> {
    // Acquire: as in `claim`.
    let at = end.load(Ordering::Relaxed);
    if at >= CUTTING || end.compare_exchange(at, CUTTING, Ordering::Acquire, Ordering::Relaxed).is_err() {
        return None;
    }
    let done = truncate(at);
    // Release: publishes the cut.
    end.store(at, Ordering::Release);
    Some(done)
}
