//! Room that the processes of a recording share where it has a limit: common extents, and segments of stacks and metadata,
//! which are never given back. Without it each forked process would begin its own as soon as the ones that it has inherited are full,
//! and leave most of them unused.
//!
//! ```text
//!  header   latest | latest | latest      <- who begins one stores it
//!             ^        ^        ^         who has no room left maps it, if it is not the one that it has
//! ```
//!
//! Nothing that the file says is trusted: what is no such room is not used.

#[cfg(test)]
mod tests;

use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use tm_common::header::{GRAIN_BYTES, SharedRoom};
use tm_common::segment::{HEADER_BYTES, MappedSegment, SegmentHeader, SegmentKind};

use super::{Recording, extent};
use crate::sys::memory::pages;
use crate::sys::syscall;

/// Where the number of grains begins in a word; below it is the first one.
const GRAINS_SHIFT: u32 = 48;
const WORDS: usize = HEADER_BYTES / size_of::<u64>();

impl Recording {
    /// Maps what a process has begun since this one looked; `None` if none has, or there is no limit. It stays mapped.
    #[cold]
    pub(super) fn join(&self, room: SharedRoom) -> Option<*mut MappedSegment> {
        let (latest, joined) = self.shared_word(room)?;
        // Acquire: receives the header of what was begun.
        let word = latest.load(Ordering::Acquire);
        // Relaxed: only the process itself looks at it.
        if word == 0 || word == joined.swap(word, Ordering::Relaxed) {
            return None;
        }
        let (first, grains) = (word & ((1 << GRAINS_SHIFT) - 1), (word >> GRAINS_SHIFT) as u16);
        let header = self.header()?;
        if !self.is_inside(header, first, grains.into()) {
            return None;
        }
        let len = usize::from(grains) * GRAIN_BYTES;
        let start = self.map(first, len, None).ok()?;
        // SAFETY: mapped; where it is readable, it is in the file, which is not cut before what was claimed.
        if syscall::is_readable(start as usize) && is_room(unsafe { &*start.cast() }, room, first, grains) {
            return Some(start.cast());
        }
        // SAFETY: nobody has seen it.
        unsafe { pages::unmap_part(start, len) };
        None
    }

    /// Makes such a segment the one that `latest` leads to, unless another thread was faster; `false` if there is none.
    #[cold]
    pub(super) fn join_as(
        &self,
        room: SharedRoom,
        latest: &AtomicPtr<MappedSegment>,
        current: *mut MappedSegment,
    ) -> bool {
        let Some(segment) = self.join(room) else { return false };
        // Release: passes its header on. Where another thread was faster, this mapping is left unused.
        if latest.compare_exchange(current, segment, Ordering::Release, Ordering::Relaxed).is_ok() {
            // SAFETY: null, or in a common extent.
            unsafe { extent::let_go(current) };
        }
        true
    }

    /// Lets other processes join what this one has begun.
    #[cold]
    pub(super) fn share(&self, room: SharedRoom, first: u64, grains: u16) {
        let Some((latest, joined)) = self.shared_word(room) else { return };
        let word = u64::from(grains) << GRAINS_SHIFT | first;
        // Relaxed: as above.
        joined.store(word, Ordering::Relaxed);
        // Release: publishes the header of what was begun.
        latest.store(word, Ordering::Release);
    }

    /// Whether this process was forked by another one of the recording.
    pub fn is_forked(&self) -> bool {
        self.process().0 > 0
    }

    /// The header's word, and what this process knows of it; `None` where nothing is shared.
    fn shared_word(&self, room: SharedRoom) -> Option<(&AtomicU64, &AtomicU64)> {
        let header = self.header().filter(|_| self.file().extent_grains > 0)?;
        Some((header.shared.get(room as usize)?, self.joined.get(room as usize)?))
    }
}

/// Tells whether what stands at grain `first` is such room of this size.
fn is_room(start: &[AtomicU64; WORDS], room: SharedRoom, first: u64, grains: u16) -> bool {
    let mut bytes = [0; HEADER_BYTES];
    // Relaxed: received with the word. What other processes change in it is the cursor.
    let words = start.each_ref().map(|word| word.load(Ordering::Relaxed));
    for (bytes, word) in bytes.chunks_exact_mut(size_of::<u64>()).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let Ok(Some(found)) = SegmentHeader::parse(&bytes) else { return false };
    match room {
        SharedRoom::Extent => {
            let is_common = found.kind == SegmentKind::Extent && found.stream.0 == 0;
            is_common && found.sequence == u32::from(grains) && found.base_stamp.0 == first
        }
        SharedRoom::Stacks => found.kind == SegmentKind::Stacks && found.grains == grains,
        SharedRoom::Metadata => found.kind == SegmentKind::Metadata && found.grains == grains,
    }
}
