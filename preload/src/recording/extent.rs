//! Room in the file: extents are claimed, mapped and handed out as segments.
//!
//! A thread that needs room never waits: whoever finds another one growing the recording maps a small extent of its
//! own. The cursor of an extent stands in the file, so a forked child goes on in its parent's extent.

use core::sync::atomic::Ordering;

use tm_common::header::{GRAIN_BYTES, MappedHeader};
use tm_common::ids::{RingIndex, Stamp, ThreadIndex};
use tm_common::segment::{GRAINS_MAX, MappedSegment, SegmentHeader, SegmentKind};

use super::Recording;
use crate::sys::syscall::{self, Errno};

/// The first extent: 252 KiB, with the file's header 256. A process that does next to nothing needs no other.
pub const FIRST_GRAINS: u32 = 63;
/// A forked child's first own extent is twice this, 64 KiB.
pub const CHILD_GRAINS: u32 = 8;
/// Each extent is twice as large as the one before, up to 64 MiB: few calls, and never more than half unused.
const GRAINS_IN_EXTENT_MAX: u32 = 16 * 1024;
/// What a thread maps that finds another one at it: one segment of the largest size.
const SMALL_GRAINS: u32 = 1 + GRAINS_MAX as u32;

/// After the file could not grow, every so many claims another attempt is made.
const ATTEMPTS_APART: u32 = 1024;

/// Where a segment is and how large it came out.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The segment's header, not yet written.
    pub start: *mut MappedSegment,
    /// In grains; at least what was needed.
    pub grains: u16,
}

impl Recording {
    /// Room for a segment of `wanted` grains, of fewer if an extent ends and `needed` are still to be had there.
    /// `None` if the file cannot grow.
    #[cold]
    pub fn claim(&self, needed: u16, wanted: u16) -> Option<Room> {
        self.calibrate();
        // Acquire: receives the extent's header from whoever published it.
        let current = self.extent.load(Ordering::Acquire);
        // SAFETY: extents stay mapped.
        if let Some(room) = unsafe { current.as_ref() }.and_then(|extent| take(extent, needed, wanted)) {
            return Some(room);
        }
        if self.is_resting() {
            return None;
        }
        let room = match self.growing.take() {
            Some(_held) => self.replace_extent(current, needed, wanted),
            None => self.map_extent(SMALL_GRAINS).and_then(|extent| take(extent, needed, wanted)),
        };
        // Relaxed: decides how often it is tried.
        self.failed.store(room.is_none(), Ordering::Relaxed);
        room
    }

    /// Whether the file could not grow a moment ago: the system is asked again only now and then.
    fn is_resting(&self) -> bool {
        // Relaxed: a few attempts too many or too few are harmless.
        let failed = self.failed.load(Ordering::Relaxed);
        failed && !self.n_refused.fetch_add(1, Ordering::Relaxed).is_multiple_of(ATTEMPTS_APART)
    }

    fn replace_extent(&self, seen: *mut MappedSegment, needed: u16, wanted: u16) -> Option<Room> {
        // Another thread may have been here between our look and the lock. Acquire: as in `claim`.
        let current = self.extent.load(Ordering::Acquire);
        if current != seen {
            // SAFETY: extents stay mapped.
            if let Some(room) = unsafe { current.as_ref() }.and_then(|extent| take(extent, needed, wanted)) {
                return Some(room);
            }
        }
        // Relaxed: guarded by the lock.
        let grains = (self.extent_grains.load(Ordering::Relaxed) * 2).min(GRAINS_IN_EXTENT_MAX);
        let extent = self.map_extent(grains).or_else(|| self.map_extent(SMALL_GRAINS))?;
        self.extent_grains.store(grains, Ordering::Relaxed);
        let room = take(extent, needed, wanted);
        // Release: publishes the extent's header.
        self.extent.store(core::ptr::from_ref(extent).cast_mut(), Ordering::Release);
        room
    }

    /// Extends the file by `grains` and maps them. What went wrong is said once.
    fn map_extent(&self, grains: u32) -> Option<&'static MappedSegment> {
        match self.try_map_extent(grains) {
            Ok(extent) => Some(extent),
            Err(error) => {
                self.report_growth_failure(error);
                None
            }
        }
    }

    fn try_map_extent(&self, grains: u32) -> Result<&'static MappedSegment, Errno> {
        let header = self.header().ok_or(Errno(libc::ENOENT))?;
        let file = self.file();
        let fd = syscall::open(file.path.as_c_str(), libc::O_RDWR | libc::O_NOFOLLOW, 0)?;
        let result = (|| {
            if syscall::status(fd)?.identity != file.identity {
                return Err(Errno(libc::ENOENT));
            }
            let start = claim_grains(header, grains)?;
            let mapped = map_file(fd, start * GRAIN_BYTES as u64, grains as usize * GRAIN_BYTES);
            mapped.map(|address| (start, address)).inspect_err(|_| give_grains_back(header, start, grains))
        })();
        syscall::close(fd);
        let (start, address) = result?;
        Ok(begin_extent(address.cast(), start, grains, self))
    }

    /// Makes `start`, the grain behind the file's header, the first extent.
    pub fn adopt_first_extent(&self, start: *mut MappedSegment) {
        let extent = begin_extent(start, 1, FIRST_GRAINS, self);
        // Release: publishes the extent's header.
        self.extent.store(core::ptr::from_ref(extent).cast_mut(), Ordering::Release);
    }

    /// Gives the unused tail of the current extent back to the file system. Later events map extents anew.
    pub fn trim(&self) {
        let Some(header) = self.header() else { return };
        // SAFETY: extents stay mapped.
        let Some(extent) = (unsafe { self.extent.load(Ordering::Acquire).as_ref() }) else { return };
        // An extent that was inherited by fork is still the parent's to use.
        if extent.process != self.process().0 {
            return;
        }
        // Relaxed: nobody is given the rest after this, which is all that is needed.
        let used = extent.used.swap(extent.sequence, Ordering::Relaxed).min(extent.sequence);
        let unused = u64::from(extent.sequence - used);
        if unused == 0 {
            return;
        }
        let Some(_held) = self.growing.take() else { return };
        let file = self.file();
        if let Ok(fd) = syscall::open(file.path.as_c_str(), libc::O_RDWR | libc::O_NOFOLLOW, 0) {
            if syscall::status(fd).is_ok_and(|status| status.identity == file.identity) {
                give_back(fd, header, extent, used);
            }
            syscall::close(fd);
        }
    }
}

/// Added to the header's `end_grain` while the file is being cut: who then claims room takes it back and tries again.
const CUTTING: u64 = 1 << 62;
/// How often it is tried, with pauses of 100 µs: an `ftruncate` on a busy disk takes milliseconds, and who cuts may have
/// lost its processor.
const CLAIM_ATTEMPTS: u32 = 1_000;

fn claim_grains(header: &MappedHeader, grains: u32) -> Result<u64, Errno> {
    for _ in 0..CLAIM_ATTEMPTS {
        // Relaxed: it only divides the file.
        let start = header.end_grain.fetch_add(u64::from(grains), Ordering::Relaxed);
        if start < CUTTING {
            return Ok(start);
        }
        syscall::pause_ns(100_000);
    }
    Err(Errno(libc::EBUSY))
}

/// Takes a claim back that came to nothing, unless others have claimed room behind it: else a full disk would leave a file
/// that consists of attempts.
fn give_grains_back(header: &MappedHeader, start: u64, grains: u32) {
    // Relaxed: it only divides the file.
    let end = start + u64::from(grains);
    let _ = header.end_grain.compare_exchange(end, start, Ordering::Relaxed, Ordering::Relaxed);
}

/// Cuts the file if `extent` is its end and no other process can be extending it; else leaves a hole.
fn give_back(fd: i32, header: &MappedHeader, extent: &MappedSegment, used: u32) {
    let start = extent.base_stamp + u64::from(used);
    let end = extent.base_stamp + u64::from(extent.sequence);
    // Relaxed: the first process of a recording starts alone, forked ones are counted before they write.
    let alone = header.n_processes.load(Ordering::Relaxed) == 1;
    // Acquire and release: no other thread of this process extends the file between the two stores.
    let end_grain = &header.end_grain;
    if alone && end_grain.compare_exchange(end, CUTTING, Ordering::Acquire, Ordering::Relaxed).is_ok() {
        let cut = syscall::ftruncate(fd, start * GRAIN_BYTES as u64).is_ok();
        end_grain.store(if cut { start } else { end }, Ordering::Release);
        return;
    }
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    let _ = syscall::fallocate(fd, mode, start * GRAIN_BYTES as u64, (end - start) * GRAIN_BYTES as u64);
}

/// Takes a segment from an extent.
fn take(extent: &MappedSegment, needed: u16, wanted: u16) -> Option<Room> {
    let size = extent.sequence;
    // Relaxed: it only divides the extent. The look before keeps the cursor from running away.
    if extent.used.load(Ordering::Relaxed) >= size {
        return None;
    }
    let at = extent.used.fetch_add(u32::from(wanted), Ordering::Relaxed);
    let grains = size.saturating_sub(at).min(u32::from(wanted)) as u16;
    if grains < needed {
        return None;
    }
    let offset = at as usize * GRAIN_BYTES;
    // SAFETY: the extent is mapped for `size` grains from its header, and `at + grains <= size`.
    let start = unsafe { core::ptr::from_ref(extent).cast_mut().byte_add(offset) };
    Some(Room { start, grains })
}

/// Writes the header of an extent that was just mapped.
fn begin_extent(
    start: *mut MappedSegment,
    first_grain: u64,
    grains: u32,
    recording: &Recording,
) -> &'static MappedSegment {
    let header = SegmentHeader {
        kind: SegmentKind::Extent,
        grains: 1,
        used: 1,
        process: recording.process(),
        ring: RingIndex(0),
        sequence: grains,
        thread: ThreadIndex(0),
        base_stamp: Stamp(first_grain),
    };
    // SAFETY: fresh pages of this process's own, mapped as long as it lives.
    unsafe {
        start.write(header.mapped());
        &*start
    }
}

/// Allocates `len` bytes of the file at `offset` on the disk, and maps them.
///
/// A full disk is seen here and never as SIGBUS later; a file size limit is seen here and never as SIGXFSZ.
pub fn map_file(fd: i32, offset: u64, len: usize) -> Result<*mut u8, Errno> {
    if offset + len as u64 > syscall::file_size_limit() {
        return Err(Errno(libc::EFBIG));
    }
    match syscall::fallocate(fd, 0, offset, len as u64) {
        Err(Errno(libc::EOPNOTSUPP | libc::ENOSYS)) => write_zeros(fd, offset, len)?,
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    syscall::mmap(len, Some((fd, offset)))
}

fn write_zeros(fd: i32, offset: u64, len: usize) -> Result<(), Errno> {
    const ZEROS: [u8; GRAIN_BYTES] = [0; GRAIN_BYTES];
    let mut done = 0;
    while done < len {
        let rest = ZEROS.get(..len - done).unwrap_or(&ZEROS);
        match syscall::pwrite(fd, rest, offset + done as u64) {
            Ok(0) => return Err(Errno(libc::ENOSPC)),
            Ok(n) => done += n,
            Err(Errno(libc::EINTR)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
