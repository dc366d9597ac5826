//! An extent that one stream has for itself. Its owner alone touches it, so it can be unmapped: what a thread has filled
//! takes none of the program's memory and addresses.
//!
//! Where the file has a limit, a keeper may give the extent to somebody else as soon as all of it is handed out and written: the
//! last segment too. So what stands in one that is full is not looked at any more, and what has to be known of it stands here.

use tm_common::header::GRAIN_BYTES;
use tm_common::ids::StreamIndex;
use tm_common::segment::{GRAINS_MAX, MappedSegment, UNNUMBERED};

use super::Recording;
use super::extent::{AT_LIMIT, Mapped, Room};
use crate::sys::memory::pages;
use crate::sys::syscall::Errno;

/// It has as many of the largest segments as the stream has filled before, up to this: half a MiB, some 120,000 events.
const SEGMENTS_MAX: u32 = 8;

/// The extent, null for none. In a forked child it is a mapping of the child's own, of what the parent goes on filling.
#[derive(Debug)]
pub struct OwnExtent {
    start: *mut MappedSegment,
    /// How long it is mapped.
    len: usize,
    /// Where it begins in the file.
    first_grain: u64,
    /// The grains of it that are not handed out: where there are none, the file's own cursor may be another's.
    n_left: u32,
}

impl OwnExtent {
    /// Has no extent.
    pub const fn none() -> OwnExtent {
        OwnExtent { start: core::ptr::null_mut(), len: 0, first_grain: 0, n_left: 0 }
    }

    fn of(extent: &'static MappedSegment, grains: u32) -> OwnExtent {
        OwnExtent {
            start: core::ptr::from_ref(extent).cast_mut(),
            len: grains as usize * GRAIN_BYTES,
            first_grain: extent.base_stamp,
            n_left: grains - 1,
        }
    }

    /// Returns its header; `None` if there is none, or all of it is handed out.
    pub fn get(&self) -> Option<&MappedSegment> {
        // SAFETY: null, or mapped until `unmap` is called.
        unsafe { self.start.as_ref() }.filter(|_| self.n_left > 0)
    }

    /// Returns where it is mapped.
    fn mapped(&self) -> Option<Mapped> {
        (self.len > 0).then_some((self.start.cast_const().cast(), self.first_grain))
    }

    /// Unmaps it, and has none afterwards.
    ///
    /// # Safety
    /// Nobody touches a segment in it any more.
    pub unsafe fn unmap(&mut self) {
        let OwnExtent { start, len, .. } = core::mem::replace(self, OwnExtent::none());
        if len > 0 {
            // SAFETY: it is mapped that long, and the caller's.
            unsafe { pages::unmap_part(start.cast(), len) };
        }
    }
}

impl Recording {
    /// Claims room for a segment of `stream`, of up to `wanted` grains: in its own extent, or in a new one if that is full. Where
    /// there can be none, any room at all, unless that is for want of extents that come back. The stream, which has filled `n_filled`
    /// of the largest segments, has no number before its first one.
    ///
    /// # Safety
    /// The stream has left its segment: nobody touches one in `own` any more.
    #[cold]
    pub unsafe fn claim_own(
        &self,
        own: &mut OwnExtent,
        stream: Option<StreamIndex>,
        n_filled: u32,
        wanted: u16,
    ) -> Option<Room> {
        self.claim_by(|| {
            if let Some(room) = self.take_own(own, wanted)? {
                return Ok(room);
            }
            let (grains, owner) = match self.file().extent_grains {
                0 => (1 + n_filled.clamp(1, SEGMENTS_MAX) * u32::from(GRAINS_MAX), 0),
                grains => (grains, stream.map_or(UNNUMBERED, |stream| stream.0 + 1)),
            };
            let fresh = self.map_extent_of(owner, grains, own.mapped());
            // It is full, and the chain goes on elsewhere.
            // SAFETY: the caller's.
            unsafe { own.unmap() };
            match fresh {
                Ok(extent) => {
                    *own = OwnExtent::of(extent, grains);
                    self.take_own(own, wanted)?.ok_or(Errno(libc::ENOSPC))
                }
                // A stream's first segments are small, and find room in what is left of common extents.
                Err(AT_LIMIT) if owner > 0 && wanted == GRAINS_MAX => Err(AT_LIMIT),
                Err(_) => self.find_room(1, wanted),
            }
        })
    }

    /// Takes a segment of up to `wanted` grains of a stream's own extent; `None` if all of it is handed out.
    fn take_own(&self, own: &mut OwnExtent, wanted: u16) -> Result<Option<Room>, Errno> {
        let n_left = own.n_left;
        let Some(extent) = own.get() else { return Ok(None) };
        // The count comes first, for a signal handler may leave in between by siglongjmp.
        let extent = core::ptr::from_ref(extent);
        own.n_left = n_left.saturating_sub(wanted.into());
        // SAFETY: it was not full, so it is the stream's, and mapped.
        let taken = self.take(unsafe { &*extent }, 1, wanted);
        if taken.is_err() {
            own.n_left = n_left;
        }
        taken
    }
}
