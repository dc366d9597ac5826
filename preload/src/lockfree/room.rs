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
    // Relaxed: it only divides the extent. The look before keeps the cursor from running away.
    if cursor.load(Ordering::Relaxed) >= size {
        return None;
    }
    let at = cursor.fetch_add(u32::from(wanted), Ordering::Relaxed);
    let grains = size.saturating_sub(at).min(u32::from(wanted)) as u16;
    (grains >= needed).then_some((at, grains))
}

/// Takes back what [`take_grains`] gave, with the same `wanted`, and nobody has used. If others have taken room behind it,
/// it stays a hole.
pub fn give_grains_back(cursor: &AtomicU32, at: u32, wanted: u16) {
    // Relaxed: it only divides the extent.
    let _ = cursor.compare_exchange(at + u32::from(wanted), at, Ordering::Relaxed, Ordering::Relaxed);
}

/// Takes all that is left of an extent: where that begins.
pub fn take_rest(cursor: &AtomicU32, size: u32) -> u32 {
    // Relaxed: nobody is given the rest after this, which is all that is needed.
    cursor.swap(size, Ordering::Relaxed).min(size)
}

/// Publishes the first `len` bytes of a segment that one thread writes alone.
#[inline(always)]
pub fn commit(used: &AtomicU32, len: u32) {
    // Release: publishes the bytes.
    used.store(len, Ordering::Release);
}
