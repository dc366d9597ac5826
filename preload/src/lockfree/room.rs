//! Room that is taken piece by piece: a cursor that only grows divides it, and what was written is published.
//!
//! ```text
//!  0              cursor          size
//!  | taken        | free           |      a cursor may stand behind the size: then nothing is free
//! ```

use super::atomic::{AtomicU32, Ordering};

/// Takes `len` bytes of a segment: where, or `None` if it has no room for them.
#[inline]
pub fn take_bytes(cursor: &AtomicU32, len: usize, size: usize) -> Option<usize> {
    // Relaxed: it only divides the segment. The look before keeps the cursor from running away.
    if cursor.load(Ordering::Relaxed) as usize + len > size {
        return None;
    }
    let at = cursor.fetch_add(len as u32, Ordering::Relaxed) as usize;
    (at + len <= size).then_some(at)
}

/// Takes up to `wanted` grains of an extent: where, and how many. `None` if fewer than `needed` are left.
pub fn take_grains(cursor: &AtomicU32, size: u32, needed: u16, wanted: u16) -> Option<(u32, u16)> {
    // Relaxed: the look keeps the cursor from running away, nothing else.
    if cursor.load(Ordering::Relaxed) >= size {
        return None;
    }
    // Acquire: receives the room as it was left by who gave it back.
    let at = cursor.fetch_add(u32::from(wanted), Ordering::Acquire);
    let grains = size.saturating_sub(at).min(u32::from(wanted)) as u16;
    (grains >= needed).then_some((at, grains))
}

/// Takes back what [`take_grains`] gave, with the same `wanted`, and nobody has used. If others have taken room behind it,
/// it stays a hole.
pub fn give_grains_back(cursor: &AtomicU32, at: u32, wanted: u16) {
    // Release: publishes that nothing of it is being touched any more.
    let _ = cursor.compare_exchange(at + u32::from(wanted), at, Ordering::Release, Ordering::Relaxed);
}

/// Takes all that is left of an extent: where that begins.
pub fn take_rest(cursor: &AtomicU32, size: u32) -> u32 {
    // Acquire: as in `take_grains`.
    cursor.swap(size, Ordering::Acquire).min(size)
}

/// Publishes the first `len` bytes of a segment that one thread writes alone.
#[inline(always)]
pub fn commit(used: &AtomicU32, len: u32) {
    // Release: publishes the bytes.
    used.store(len, Ordering::Release);
}
