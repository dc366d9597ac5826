//! Extents that a keeper has given back: where the file has a limit, streams' own extents have one size, and one that was
//! given back serves as well as a new one. The file stays small by it.
//!
//! Nothing that the file says is trusted: what is no free extent of the right size ends the list.

#[cfg(test)]
mod tests;

use core::sync::atomic::{AtomicU64, Ordering};

use tm_common::free_list::{Top, next_of};
use tm_common::header::{GRAIN_BYTES, MappedHeader};
use tm_common::segment::{GRAINS_MAX, HEADER_BYTES, MappedSegment, SegmentHeader, SegmentKind};

use super::Recording;
use super::extent::Mapped;
use crate::lockfree::free_list;
use crate::sys::memory::pages;
use crate::sys::syscall;

/// Files with limits below this have extents of one segment each, the others of four: many threads are to find room in a
/// small one, and in a large one a thread needs one less often.
const SMALL_BYTES: u64 = 256 << 20;

/// Above it there would be more extents of that size than the list counts.
const LARGE_BYTES: u64 = 8 << 30;
/// 64 segments, 4 MiB.
const LARGE_EXTENT_GRAINS: u32 = 1 + 64 * GRAINS_MAX as u32;

/// Returns the size in grains of streams' own extents in a file of at most `limit_bytes`; 0 without a limit.
pub const fn size_within(limit_bytes: u64) -> u32 {
    match limit_bytes {
        0 => 0,
        1..SMALL_BYTES => 1 + GRAINS_MAX as u32,
        SMALL_BYTES..LARGE_BYTES => 1 + 4 * GRAINS_MAX as u32,
        // The list counts to 2^16.
        _ => LARGE_EXTENT_GRAINS,
    }
}

/// The part of the limit up to which forked processes take what never comes back.
const SMALL_SHARE: u64 = 4;

const WORDS: usize = HEADER_BYTES / size_of::<u64>();
/// The place of [`MappedSegment::next_free`] among the words.
const NEXT: usize = core::mem::offset_of!(MappedSegment, next_free) / size_of::<u64>();

impl Recording {
    /// Takes an extent off the list, and maps it: its first grain and where it is. `None` if there is none.
    pub(super) fn pop_extent(&self, header: &MappedHeader, near: Option<Mapped>) -> Option<(u64, *mut u8)> {
        let grains = self.file().extent_grains;
        let len = grains as usize * GRAIN_BYTES;
        let leave = |start: *mut u8| {
            // SAFETY: mapped by `look`, and nobody has seen it.
            unsafe { pages::unmap_part(start, len) };
        };
        let look = |first: u32| {
            let is_inside = |grain: u32| {
                grain > super::extent::FIRST_GRAINS && self.is_inside(header, grain.into(), grains)
            };
            let start = Some(first).filter(|&first| is_inside(first))?;
            let start = self.map(u64::from(start), len, near).ok()?;
            // Behind the end of the file, wherever its header says that is, nothing is readable.
            let is_there = syscall::is_readable(start as usize);
            // SAFETY: mapped, and there; a file in use is not cut before what was claimed.
            let next = is_there.then(|| next_of_free(unsafe { &*start.cast() }, first, grains)).flatten();
            // One that leads to itself would be handed out again and again.
            let next = next.filter(|&next| next == 0 || next != first && is_inside(next));
            next.map(|next| (start, next)).or_else(|| {
                leave(start);
                None
            })
        };
        let popped = free_list::pop(&header.free_extents, look, leave);
        popped.map(|(first, start)| (u64::from(first), start))
    }

    /// Tells whether that is in what was claimed.
    pub(super) fn is_inside(&self, header: &MappedHeader, first: u64, grains: u32) -> bool {
        // Relaxed: a bound, and what is behind the file's end is not touched.
        let end = header.end_grain.load(Ordering::Relaxed).min(self.file().grains_max);
        first > 0 && grains > 0 && first.saturating_add(grains.into()) <= end
    }

    /// Tells whether a forked process is to have its small first segments too in an extent that comes back once it has ended: where
    /// somebody gives extents back, and [`SMALL_SHARE`] of the limit is used. Such an extent is tens of times as large as what most
    /// children write, so until then they take less of common ones.
    pub(super) fn prefers_what_comes_back(&self) -> bool {
        let (limit, header) = (self.file().grains_max, self.header());
        // Relaxed, both: they decide where room is taken, which all readers find.
        header.is_some_and(|header| {
            header.keeper.load(Ordering::Relaxed) != 0
                && header.end_grain.load(Ordering::Relaxed) >= limit / SMALL_SHARE
        })
    }

    /// Tells whether an extent was given back, or taken, since the file could not grow.
    pub(super) fn has_free_since_failure(&self) -> bool {
        let free = self.free_extents_now();
        // Relaxed: decides whether it is tried again.
        Top::of(free).first != 0 && free != self.free_at_failure.load(Ordering::Relaxed)
    }

    /// Returns the beginning of the list.
    pub(super) fn free_extents_now(&self) -> u64 {
        // Relaxed: as above.
        self.header().map_or(0, |header| header.free_extents.load(Ordering::Relaxed))
    }
}

/// Returns the grain of the next one if a free extent of this size begins at grain `first`. Another process may take it and
/// write to it meanwhile: then what is read makes no sense, or the list has changed.
fn next_of_free(start: &[AtomicU64; WORDS], first: u32, grains: u32) -> Option<u32> {
    let mut bytes = [0; HEADER_BYTES];
    // Relaxed: received with the list's beginning.
    let words = start.each_ref().map(|word| word.load(Ordering::Relaxed));
    for (bytes, word) in bytes.chunks_exact_mut(size_of::<u64>()).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let extent = SegmentHeader::parse(&bytes).ok()??;
    let is_right = extent.kind == SegmentKind::Extent
        && (extent.sequence, extent.used) == (grains, grains)
        && extent.base_stamp.0 == u64::from(first);
    next_of(*words.get(NEXT)?).filter(|_| is_right)
}
