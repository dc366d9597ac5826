//! An extent that one stream has for itself. Its owner alone touches it, so it can be unmapped: what a thread has filled
//! takes none of the program's memory and addresses.

use tm_common::header::GRAIN_BYTES;
use tm_common::segment::{GRAINS_MAX, MappedSegment};

use super::Recording;
use super::extent::Room;
use crate::sys::syscall::{self, Errno};

/// It has as many of the largest segments as the stream has filled before, up to this: half a MiB, some 120,000 events.
const SEGMENTS_MAX: u32 = 8;

/// The extent, null for none. In a forked child it is a mapping of the child's own, of what the parent goes on filling.
#[derive(Debug)]
pub struct OwnExtent(*mut MappedSegment);

impl OwnExtent {
    /// Has no extent.
    pub const fn none() -> OwnExtent {
        OwnExtent(core::ptr::null_mut())
    }

    /// Returns its header.
    pub fn get(&self) -> Option<&MappedSegment> {
        // SAFETY: null, or mapped until `unmap` is called.
        unsafe { self.0.as_ref() }
    }

    /// Unmaps it, and has none afterwards.
    ///
    /// # Safety
    /// Nobody touches a segment in it any more.
    pub unsafe fn unmap(&mut self) {
        let len = self.get().map_or(0, |extent| extent.sequence as usize * GRAIN_BYTES);
        let start = core::mem::replace(&mut self.0, core::ptr::null_mut());
        if len > 0 {
            // SAFETY: it is mapped for so many grains, and the caller's.
            unsafe { syscall::munmap(start.cast(), len) };
        }
    }
}

impl Recording {
    /// Claims room for one of the largest segments of a stream that has filled `n_filled`: in its own extent, or in a new
    /// one if that is full. Where there can be none, any room at all. Returns also the extent that is full.
    #[cold]
    pub fn claim_own(&self, own: &mut OwnExtent, n_filled: u32) -> Option<(Room, OwnExtent)> {
        let mut full = OwnExtent::none();
        let room = self.claim_by(|| {
            if let Some(extent) = own.get()
                && let Some(room) = self.take(extent, GRAINS_MAX, GRAINS_MAX)?
            {
                return Ok(room);
            }
            let n_segments = n_filled.clamp(1, SEGMENTS_MAX);
            let Ok(extent) = self.map_extent(1 + n_segments * u32::from(GRAINS_MAX), own.get()) else {
                return self.find_room(1, GRAINS_MAX);
            };
            full = core::mem::replace(own, OwnExtent(core::ptr::from_ref(extent).cast_mut()));
            self.take(extent, GRAINS_MAX, GRAINS_MAX)?.ok_or(Errno(libc::ENOSPC))
        });
        room.map(|room| (room, full))
    }
}
