//! An extent that one stream has for itself. Its owner alone touches it, so it can be unmapped: what a thread has filled
//! takes none of the program's memory and addresses.
//!
//! Where the file has a limit, a keeper may give the extent to somebody else as soon as the stream's chain goes on in another
//! one. So one that a stream has here holds the end of its chain, or nothing: it is let go before the chain goes on elsewhere.

use tm_common::header::GRAIN_BYTES;
use tm_common::ids::StreamIndex;
use tm_common::segment::{GRAINS_MAX, MappedSegment};

use super::Recording;
use super::extent::{AT_LIMIT, Room};
use crate::sys::memory::pages;
use crate::sys::syscall::Errno;

/// It has as many of the largest segments as the stream has filled before, up to this: half a MiB, some 120,000 events.
const SEGMENTS_MAX: u32 = 8;

/// The extent, null for none. In a forked child it is a mapping of the child's own, of what the parent goes on filling.
#[derive(Debug)]
pub struct OwnExtent {
    start: *mut MappedSegment,
    /// How long it is mapped: what stands in the file may be another's by the time it is unmapped.
    len: usize,
}

impl OwnExtent {
    /// Has no extent.
    pub const fn none() -> OwnExtent {
        OwnExtent { start: core::ptr::null_mut(), len: 0 }
    }

    fn of(extent: &'static MappedSegment, grains: u32) -> OwnExtent {
        OwnExtent { start: core::ptr::from_ref(extent).cast_mut(), len: grains as usize * GRAIN_BYTES }
    }

    /// Returns its header.
    pub fn get(&self) -> Option<&MappedSegment> {
        // SAFETY: null, or mapped until `unmap` is called.
        unsafe { self.start.as_ref() }
    }

    /// Unmaps it, and has none afterwards.
    ///
    /// # Safety
    /// Nobody touches a segment in it any more.
    pub unsafe fn unmap(&mut self) {
        let OwnExtent { start, len } = core::mem::replace(self, OwnExtent::none());
        if len > 0 {
            // SAFETY: it is mapped that long, and the caller's.
            unsafe { pages::unmap_part(start.cast(), len) };
        }
    }
}

impl Recording {
    /// Claims room for one of the largest segments of `stream`, which has filled `n_filled`: in its own extent, or in a new
    /// one if that is full. Where there can be none, any room at all, unless that is for want of extents that come back.
    ///
    /// # Safety
    /// The stream has left its segment: nobody touches one in `own` any more.
    #[cold]
    pub unsafe fn claim_own(&self, own: &mut OwnExtent, stream: StreamIndex, n_filled: u32) -> Option<Room> {
        self.claim_by(|| {
            if let Some(extent) = own.get()
                && let Some(room) = self.take(extent, GRAINS_MAX, GRAINS_MAX)?
            {
                return Ok(room);
            }
            let (grains, owner) = match self.file().extent_grains {
                0 => (1 + n_filled.clamp(1, SEGMENTS_MAX) * u32::from(GRAINS_MAX), 0),
                grains => (grains, stream.0 + 1),
            };
            let fresh = self.map_extent_of(owner, grains, own.get());
            // It is full, and the chain goes on elsewhere.
            // SAFETY: the caller's.
            unsafe { own.unmap() };
            match fresh {
                Ok(extent) => {
                    *own = OwnExtent::of(extent, grains);
                    self.take(extent, GRAINS_MAX, GRAINS_MAX)?.ok_or(Errno(libc::ENOSPC))
                }
                Err(AT_LIMIT) if owner > 0 => Err(AT_LIMIT),
                Err(_) => self.find_room(1, GRAINS_MAX),
            }
        })
    }
}
