//! Room in the file: extents are claimed, mapped and handed out as segments.
//!
//! ```text
//!  common  for all threads: stacks, metadata, the small first segments of streams.   Mapped as long as the process lives
//!  own     one stream's, which fills many segments: no other thread touches it.      Unmapped when it is full
//! ```
//!
//! Where the file has a limit, own extents are given back by a keeper once their events are folded ([`super::free_extents`]).
//! Common ones never are.
//!
//! A thread that needs room never waits: if it finds another one growing the recording, it maps a small extent of its
//! own. The cursor of an extent stands in the file, so a forked child goes on in its parent's common extent.
//!
//! An extent is addresses, not room: the blocks on the disk are allocated segment by segment, through the mapping, by
//! the thread that takes one. A full disk is seen there, and never as SIGBUS later.

use core::ops::Range;
use core::sync::atomic::{AtomicPtr, Ordering};

use tm_common::header::{GRAIN_BYTES, SharedRoom};
use tm_common::ids::{ProcessIndex, Stamp, StreamIndex};
use tm_common::segment::{GRAINS_MAX, MappedSegment, SegmentHeader, SegmentKind};

use super::Recording;
use super::file::{FileIdentity, map_by_descriptor, why_not_allocated};
use super::own_extent::OwnExtent;
use crate::lockfree::file_end::{self, Refused};
use crate::lockfree::{room, writers};
use crate::sys::memory::pages;
use crate::sys::process::restrictions;
use crate::sys::syscall::{self, Errno};

/// The first extent: 252 KiB, with the file's header 256. A process that does next to nothing needs no other.
pub const FIRST_GRAINS: u32 = 63;
/// A forked child's first own extent is twice this, 64 KiB.
pub const CHILD_GRAINS: u32 = 8;
/// Each common extent is twice as large as the one before, up to 4 MiB: few calls, and never more than half of the
/// addresses unused.
const GRAINS_IN_EXTENT_MAX: u32 = 1024;
/// Where there is a limit, a common extent is no larger than this part of it.
const COMMON_SHARE: u64 = 64;
/// What a thread maps that finds another one at it: one segment of the largest size.
const SMALL_GRAINS: u32 = 1 + GRAINS_MAX as u32;

/// The number of claims that are refused after the file could not grow, before another attempt is made: each is an
/// event that is lost. Twice as many after each failure, up to the second number, because file systems that are full
/// take long to say so.
const ATTEMPTS_APART: (u32, u32) = (1 << 10, 1 << 16);

/// Says that the file is as large as it may become: no error of the system's.
pub const AT_LIMIT: Errno = Errno(0);

/// Where a segment is and how large it came out.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The segment's header, not yet written.
    pub start: *mut MappedSegment,
    /// The size in grains; at least what was needed.
    pub grains: u16,
    /// Where it is in the file.
    pub first_grain: u64,
}

/// A mapping of a part of the file, and the grain where that begins.
pub type Mapped = (*const u8, u64);

impl Recording {
    /// Claims room for a segment of `wanted` grains, of fewer if an extent ends and `needed` are still to be had there.
    /// `None` if the file cannot grow.
    #[cold]
    pub fn claim(&self, needed: u16, wanted: u16) -> Option<Room> {
        self.claim_by(|| self.find_room(needed, wanted))
    }

    /// Claims what `find` finds, unless nothing can be had now.
    pub(super) fn claim_by(&self, find: impl FnOnce() -> Result<Room, Errno>) -> Option<Room> {
        self.calibrate();
        if restrictions::are_total() || self.is_resting() {
            return None;
        }
        let free = self.free_extents_now();
        let room = find();
        // Relaxed: decides how often it is tried.
        self.is_at_limit.store(room.is_err_and(|error| error == AT_LIMIT), Ordering::Relaxed);
        match room {
            Ok(_) => self.n_failures.store(0, Ordering::Relaxed),
            Err(error) => {
                // Relaxed: as above.
                self.free_at_failure.store(free, Ordering::Relaxed);
                self.n_refused.store(0, Ordering::Relaxed);
                self.n_failures.fetch_add(1, Ordering::Relaxed);
                self.report_growth_failure(error);
            }
        }
        room.ok()
    }

    /// Tells whether the file could not grow a moment ago: the system is asked again only now and then, and at once where an
    /// extent was given back.
    fn is_resting(&self) -> bool {
        // Relaxed: a few attempts too many or too few are harmless.
        let n_failures = self.n_failures.load(Ordering::Relaxed);
        if n_failures == 0 || self.has_free_since_failure() {
            return false;
        }
        let (first, max) = ATTEMPTS_APART;
        let apart = (first << (n_failures - 1).min(16)).min(max);
        self.n_refused.fetch_add(1, Ordering::Relaxed) < apart
    }

    pub(super) fn find_room(&self, needed: u16, wanted: u16) -> Result<Room, Errno> {
        // Acquire: receives the extent's header from whoever published it.
        let current = self.extent.load(Ordering::Acquire);
        // SAFETY: common extents stay mapped.
        if let Some(extent) = unsafe { current.as_ref() }
            && let Some(room) = self.take(extent, needed, wanted)?
        {
            return Ok(room);
        }
        match self.growing.take() {
            Some(_held) => self.replace_extent(current, needed, wanted),
            None => {
                let extent = self.map_small_extent()?;
                self.take(extent, needed, wanted)?.ok_or(Errno(libc::ENOSPC))
            }
        }
    }

    fn replace_extent(&self, seen: *mut MappedSegment, needed: u16, wanted: u16) -> Result<Room, Errno> {
        // Another thread may have been here between our look and the lock. Acquire: as in `find_room`.
        let current = self.extent.load(Ordering::Acquire);
        // SAFETY: common extents stay mapped.
        if let Some(extent) = unsafe { current.as_ref() }.filter(|_| current != seen)
            && let Some(room) = self.take(extent, needed, wanted)?
        {
            return Ok(room);
        }
        if let Some(extent) = self.join(SharedRoom::Extent) {
            // Release: publishes the extent's header.
            self.extent.store(extent, Ordering::Release);
            // SAFETY: it stays mapped.
            if let Some(room) = self.take(unsafe { &*extent }, needed, wanted)? {
                return Ok(room);
            }
        }
        // Relaxed: guarded by the lock.
        let grains = (self.extent_grains.load(Ordering::Relaxed) * 2).min(self.common_grains_max());
        let extent = self.map_extent(grains).or_else(|_| self.map_small_extent())?;
        self.extent_grains.store(grains, Ordering::Relaxed);
        let room = self.take(extent, needed, wanted);
        // Release: publishes the extent's header.
        self.extent.store(core::ptr::from_ref(extent).cast_mut(), Ordering::Release);
        self.share(SharedRoom::Extent, extent.base_stamp, extent.sequence as u16);
        room?.ok_or(Errno(libc::ENOSPC))
    }

    /// Returns the largest size of a common extent: a small part of what the file may have, for it is never given back.
    fn common_grains_max(&self) -> u32 {
        let FileIdentity { grains_max, extent_grains, .. } = *self.file();
        let max = (grains_max / COMMON_SHARE).clamp(1, u64::from(GRAINS_IN_EXTENT_MAX)) as u32;
        max.max(extent_grains)
    }

    /// Maps a small extent; at the limit one that was given back, whatever its size.
    fn map_small_extent(&self) -> Result<&'static MappedSegment, Errno> {
        self.map_extent(SMALL_GRAINS).or_else(|error| match self.file().extent_grains {
            grains if error == AT_LIMIT && grains > 0 => self.map_extent(grains),
            _ => Err(error),
        })
    }

    /// Maps an extent for all threads.
    fn map_extent(&self, grains: u32) -> Result<&'static MappedSegment, Errno> {
        self.map_extent_of(0, grains, None)
    }

    /// Claims `grains` of the file for the stream with the number `owner - 1`, or for all threads with 0, and maps them; of
    /// the size that is given back, an extent that was. `near` may stand not far before them.
    pub(super) fn map_extent_of(
        &self,
        owner: u32,
        grains: u32,
        near: Option<Mapped>,
    ) -> Result<&'static MappedSegment, Errno> {
        let header = self.header().ok_or(Errno(libc::ENOENT))?;
        writers::enter(&header.writers, syscall::getpid(), syscall::process_exists);
        if grains == self.file().extent_grains
            && let Some((first, start)) = self.pop_extent(header, near)
        {
            return self.begin_extent(start.cast(), first, grains, owner);
        }
        let max = self.file().grains_max;
        let claimed = file_end::claim(&header.end_grain, grains, max, || syscall::pause_ns(100_000));
        let first = claimed.map_err(|refused| match refused {
            Refused::AtLimit => AT_LIMIT,
            Refused::Cutting => Errno(libc::EBUSY),
        })?;
        let (len, end) = (grains as usize * GRAIN_BYTES, first + u64::from(grains));
        let begun = self.reach(header, end).and_then(|()| {
            let start = self.map(first, len, near)?;
            self.begin_extent(start.cast(), first, grains, owner)
        });
        begun.inspect_err(|_| _ = file_end::give_back(&header.end_grain, first, u64::from(grains)))
    }

    /// Writes the header of an extent that was just mapped and is this claim's alone; unmaps it if the disk has no room for
    /// that.
    fn begin_extent(
        &self,
        start: *mut MappedSegment,
        first: u64,
        grains: u32,
        owner: u32,
    ) -> Result<&'static MappedSegment, Errno> {
        // SAFETY: a fresh mapping, in which nobody else uses anything.
        unsafe { self.allocate(start.cast(), first * GRAIN_BYTES as u64, GRAIN_BYTES) }.inspect_err(
            |_| {
                // SAFETY: nobody has seen it.
                unsafe { pages::unmap_part(start.cast(), grains as usize * GRAIN_BYTES) };
            },
        )?;
        // SAFETY: as above, and allocated.
        Ok(unsafe { write_extent(start, first, grains, owner, self.process()) })
    }

    /// Maps `len` bytes of the file from grain `first` on: by way of a mapping of what stands before them, or by its path
    /// where the kernel does not know that. The nearer that mapping, the fewer addresses it takes meanwhile.
    pub(super) fn map(&self, first: u64, len: usize, near: Option<Mapped>) -> Result<*mut u8, Errno> {
        // Acquire: as in `find_room`. SAFETY: common extents stay mapped.
        let common = unsafe { self.extent.load(Ordering::Acquire).as_ref() };
        let common = common.map(|extent| (core::ptr::from_ref(extent).cast(), extent.base_stamp));
        let header = self.header().map_or(core::ptr::null(), core::ptr::from_ref).cast::<u8>();
        let before = common.into_iter().chain(near).filter(|&(_, from)| from <= first);
        let (mapping, from) = before.max_by_key(|&(_, from)| from).unwrap_or((header, 0));
        // What is mapped begins with a page, and so does what is not needed of it.
        let into_page = pages::into_page(mapping as usize);
        let before = into_page + (first - from) as usize * GRAIN_BYTES;
        match syscall::map_again(mapping.wrapping_sub(into_page), before + len) {
            Ok(start) => {
                let unneeded = before - pages::into_page(before);
                if unneeded > 0 {
                    // SAFETY: the beginning of the new mapping, which nobody has seen.
                    unsafe { syscall::munmap(start, unneeded) };
                }
                Ok(start.wrapping_add(before))
            }
            Err(error) => {
                let by_path = self.with_file(|fd| map_by_descriptor(fd, first * GRAIN_BYTES as u64, len));
                // Of a kernel that cannot map again the path's error counts, of a limit the first one.
                let is_limit = matches!(error, Errno(libc::EAGAIN | libc::ENOMEM));
                by_path.map_err(|other| if is_limit { error } else { other })
            }
        }
    }

    /// Allocates a part of the file that is mapped at `start`; by its path if that fails, which may make the file longer,
    /// and else knows why.
    ///
    /// # Safety
    /// As for [`pages::allocate`].
    unsafe fn allocate(&self, start: *mut u8, offset: u64, len: usize) -> Result<(), Errno> {
        // SAFETY: the caller's.
        if unsafe { pages::allocate(start, len) }.is_ok() {
            return Ok(());
        }
        let said = self.with_file(|fd| {
            let too_long = offset + len as u64 > syscall::limit(libc::RLIMIT_FSIZE);
            Ok(if too_long { Errno(libc::EFBIG) } else { why_not_allocated(fd, offset, len) })
        })?;
        // SAFETY: the caller's.
        unsafe { pages::allocate(start, len) }.map_err(|_| said)
    }

    /// Takes a segment from an extent, allocated; `None` if the extent has no room.
    pub(super) fn take(
        &self,
        extent: &MappedSegment,
        needed: u16,
        wanted: u16,
    ) -> Result<Option<Room>, Errno> {
        let taken = room::take_grains(&extent.used, extent.sequence, needed, wanted);
        let Some((at, grains)) = taken else { return Ok(None) };
        let offset = at as usize * GRAIN_BYTES;
        // SAFETY: the extent is mapped for `sequence` grains from its header, and `at + grains` are not more.
        let start = unsafe { core::ptr::from_ref(extent).cast_mut().byte_add(offset) };
        let in_file = extent.base_stamp * GRAIN_BYTES as u64 + offset as u64;
        // SAFETY: the room is ours alone, and was nobody's before.
        let allocated = unsafe { self.allocate(start.cast(), in_file, usize::from(grains) * GRAIN_BYTES) };
        allocated.inspect_err(|_| {
            room::give_grains_back(&extent.used, at, wanted);
        })?;
        Ok(Some(Room { start, grains, first_grain: extent.base_stamp + u64::from(at) }))
    }

    /// Makes `start`, the grain behind the file's header, the first extent.
    ///
    /// # Safety
    /// It is mapped for as long as the process lives, its first grain is allocated, and nobody else uses it.
    pub unsafe fn adopt_first_extent(&self, start: *mut MappedSegment) {
        // SAFETY: the caller's.
        let extent = unsafe { write_extent(start, 1, FIRST_GRAINS, 0, self.process()) };
        // Release: publishes the extent's header.
        self.extent.store(core::ptr::from_ref(extent).cast_mut(), Ordering::Release);
    }

    /// Gives back what is not used: of the current extent and of the calling thread's `own`, and the file behind the last
    /// one. Later events map extents anew. Where there is a limit own extents keep their size, by which they are given back, and
    /// what a forked process has begun for all stays theirs.
    pub fn trim<const N: usize>(&self, own: [Option<&OwnExtent>; N]) {
        let Some(header) = self.header() else { return };
        let Some(_held) = self.growing.take() else { return };
        // SAFETY: common extents stay mapped. Acquire: as in `find_room`.
        let common = unsafe { self.extent.load(Ordering::Acquire).as_ref() };
        let may_be_cut = self.file().extent_grains == 0;
        let is_left = may_be_cut || !self.is_forked();
        let mut rest_of_common = common.filter(|_| is_left).and_then(|extent| self.leave_extent(extent));
        let mut rests = own.map(|own| {
            let own = own.filter(|_| may_be_cut).and_then(OwnExtent::get);
            own.and_then(|extent| self.leave_extent(extent))
        });
        // One that is given back may make another one the end. Not twice: what is claimed there since is somebody's.
        let give_back = |rest: &mut Option<Range<u64>>| {
            let is_given = rest.as_ref().is_some_and(|rest| {
                file_end::give_back(&header.end_grain, rest.start, rest.end - rest.start)
            });
            is_given.then(|| *rest = None).is_some()
        };
        while rests.iter_mut().chain([&mut rest_of_common]).any(give_back) {}
        if writers::leave(&header.writers, syscall::getpid(), syscall::process_exists) {
            let _ = self.cut(header);
        }
    }

    /// Lets nobody take more of an extent, and returns the grains that nobody has; `None` if it was inherited by fork: then
    /// it is still the parent's to use.
    fn leave_extent(&self, extent: &MappedSegment) -> Option<Range<u64>> {
        (extent.process == self.process().0).then(|| {
            let used = room::take_rest(&extent.used, extent.sequence);
            extent.base_stamp + u64::from(used)..extent.base_stamp + u64::from(extent.sequence)
        })
    }
}

/// Makes `room` a segment, the one that `latest` leads to. If another thread was faster than `current`, its segment serves and
/// this one stays empty. Returns the one that was replaced, or null.
pub fn replace(
    latest: &AtomicPtr<MappedSegment>,
    current: *mut MappedSegment,
    room: Room,
    header: SegmentHeader,
) -> *mut MappedSegment {
    // SAFETY: who has a room has it alone.
    unsafe { room.start.write(header.mapped()) };
    // Release: publishes the header.
    let replaced = latest.compare_exchange(current, room.start, Ordering::Release, Ordering::Relaxed);
    replaced.unwrap_or(core::ptr::null_mut())
}

/// Lets the pages of a common segment go that is not written any more: they are the file's alone from now on. Where one is
/// touched again after all, it comes back.
///
/// # Safety
/// `segment` is null, or in a common extent.
pub unsafe fn let_go(segment: *mut MappedSegment) {
    // SAFETY: the caller's; common extents stay mapped.
    if let Some(header) = unsafe { segment.as_ref() } {
        pages::let_go(segment.cast(), usize::from(header.grains) * GRAIN_BYTES);
    }
}

/// Writes the header of an extent of which nothing is taken yet.
///
/// # Safety
/// It is mapped as long as it is used, its first grain is allocated, and nobody else uses it.
unsafe fn write_extent<'a>(
    start: *mut MappedSegment,
    first_grain: u64,
    grains: u32,
    owner: u32,
    process: ProcessIndex,
) -> &'a MappedSegment {
    let header = SegmentHeader {
        used: 1,
        stream: StreamIndex(owner),
        sequence: grains,
        base_stamp: Stamp(first_grain),
        ..SegmentHeader::empty(SegmentKind::Extent, 1, process)
    };
    // SAFETY: the caller's.
    unsafe {
        start.write(header.mapped());
        &*start
    }
}
