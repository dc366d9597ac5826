//! The recording's file from outside of its mappings: opened again by its path, recognised, made longer ahead of need,
//! cut at the end.
//!
//! ```text
//!  0                        end_grain                             file_grains
//!  | claimed, used in parts | a hole: takes no room on the disk   |
//! ```
//!
//! Room up to the file's length is mapped and allocated without its name and without a descriptor. So a process that
//! has given up its right to open the file goes on recording for as long as the hole lasts.

use core::sync::atomic::Ordering;

use tm_common::header::{GRAIN_BYTES, MappedHeader};

use super::{PATH_BYTES, Recording};
use crate::lockfree::file_end;
use crate::sys::memory::pages;
use crate::sys::process::signals::SignalsBlocked;
use crate::sys::syscall::{self, Errno};
use crate::sys::text::Text;

/// The file, to be opened again by path and recognised.
#[derive(Clone, Debug)]
pub struct FileIdentity {
    /// Absolute.
    pub path: Text<PATH_BYTES>,
    /// Device and inode number.
    pub identity: (u64, u64),
    /// The grains that its length goes ahead of what is claimed.
    pub ahead_grains: u64,
    /// The most grains that it may have.
    pub grains_max: u64,
    /// The size in grains of extents that one stream has for itself; 0 if they differ.
    pub extent_grains: u32,
}

impl FileIdentity {
    /// No file.
    pub const NONE: FileIdentity = FileIdentity {
        path: Text::EMPTY,
        identity: (0, 0),
        ahead_grains: 0,
        grains_max: u64::MAX,
        extent_grains: 0,
    };
}

const GRAIN: u64 = GRAIN_BYTES as u64;
/// 64 MiB, some 15 million events.
const AHEAD_GRAINS: u64 = 16 << 10;
/// 1 GiB, some 250 million events: a process of root's is the one that may give up being root.
const AHEAD_GRAINS_OF_ROOT: u64 = 256 << 10;
/// What is allocated at the start: the header, the extent's, and the first segments of metadata, stacks and events.
const BEGIN_GRAINS: usize = 8;

/// A fresh file.
pub struct Fresh {
    /// Where its first grains are mapped.
    pub start: *mut u8,
    /// The length.
    pub file_grains: u64,
    /// The grains that are to be kept ahead.
    pub ahead_grains: u64,
}

/// Makes an empty file as long as it is to be, and maps its first `grains`. So much of it is allocated that the recording
/// can begin.
pub fn map_fresh(fd: i32, grains: u64, grains_max: u64) -> Result<Fresh, Errno> {
    if grains * GRAIN > syscall::limit(libc::RLIMIT_FSIZE) {
        return Err(Errno(libc::EFBIG));
    }
    syscall::overwrite_in_place(fd);
    let (ahead_grains, file_grains) = go_ahead(fd, grains, grains_max)?;
    let start = map_by_descriptor(fd, 0, (grains * GRAIN) as usize)?;
    let len = BEGIN_GRAINS * GRAIN as usize;
    // SAFETY: a fresh mapping of a fresh file.
    if unsafe { pages::allocate(start, len) }.is_err() {
        // SAFETY: nobody has seen it.
        unsafe { syscall::munmap(start, (grains * GRAIN) as usize) };
        return Err(why_not_allocated(fd, 0, len));
    }
    Ok(Fresh { start, file_grains, ahead_grains })
}

/// Makes an empty file `grains` long, and longer if that takes no room on the disk: how far ahead, and its length now.
fn go_ahead(fd: i32, grains: u64, grains_max: u64) -> Result<(u64, u64), Errno> {
    syscall::ftruncate(fd, grains * GRAIN)?;
    if syscall::status(fd)?.disk_bytes > grains / 2 * GRAIN {
        return Ok((0, grains));
    }
    let ahead = if syscall::geteuid() == 0 { AHEAD_GRAINS_OF_ROOT } else { AHEAD_GRAINS };
    let target = (grains + ahead).min(syscall::limit(libc::RLIMIT_FSIZE) / GRAIN).min(grains_max);
    match syscall::ftruncate(fd, target * GRAIN) {
        Ok(_) => Ok((ahead, target)),
        // The file system has a limit of its own.
        Err(_) => Ok((0, grains)),
    }
}

/// Maps a part of the file. Where it is touched, only that page is made: the kernel would make all that lies near it in
/// the hole, for a file that is read is mostly read on.
pub fn map_by_descriptor(fd: i32, offset: u64, len: usize) -> Result<*mut u8, Errno> {
    let before = pages::into_page(offset as usize);
    let start = syscall::mmap(before + len, Some((fd, offset - before as u64)))?;
    let _ = syscall::madvise(start, before + len, libc::MADV_RANDOM);
    Ok(start.wrapping_add(before))
}

/// Returns what the system says to allocating a part of the file by its descriptor, after it failed through the mapping.
pub fn why_not_allocated(fd: i32, offset: u64, len: usize) -> Errno {
    match syscall::fallocate(fd, offset, len as u64) {
        Ok(_) | Err(Errno(libc::EOPNOTSUPP | libc::ENOSYS)) => Errno(libc::ENOSPC),
        Err(error) => error,
    }
}

impl Recording {
    /// Opens the file again, if it is still at its path, for `work`.
    pub fn with_file<T>(&self, work: impl FnOnce(i32) -> Result<T, Errno>) -> Result<T, Errno> {
        let file = self.file();
        // A handler that left by siglongjmp would leave the descriptor open.
        let _blocked = SignalsBlocked::now();
        let fd = syscall::open(file.path.as_c_str(), libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK, 0)?;
        let result = match syscall::status(fd) {
            Ok(status) if status.identity == file.identity => work(fd),
            Ok(_) => Err(Errno(libc::ENOENT)),
            Err(error) => Err(error),
        };
        syscall::close(fd);
        result
    }

    /// Makes the file reach to `end_grain` and as far ahead as it is to be. An error only if it does not reach there.
    pub fn reach(&self, header: &MappedHeader, end_grain: u64) -> Result<(), Errno> {
        // Relaxed: a hint; `pages::allocate` finds the truth.
        let length = header.file_grains.load(Ordering::Relaxed);
        // Ahead of what is used by the distance or by as much again, whichever is more, and renewed at half of it.
        let ahead = if self.file().ahead_grains == 0 { 0 } else { self.file().ahead_grains.max(end_grain) };
        let max = self.file().grains_max;
        if (end_grain + ahead / 2).min(max) <= length {
            return Ok(());
        }
        let wanted = (end_grain + ahead).min(max);
        let lengthened = self.with_file(|fd| {
            lengthen(fd, wanted).map(|()| wanted).or_else(|error| {
                if end_grain <= length { Err(error) } else { lengthen(fd, end_grain).map(|()| end_grain) }
            })
        });
        match lengthened {
            Ok(grains) => {
                // Relaxed: as above.
                header.file_grains.fetch_max(grains, Ordering::Relaxed);
                Ok(())
            }
            Err(_) if end_grain <= length => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Cuts the file behind the room that was claimed, where other processes cannot be writing.
    pub fn cut(&self, header: &MappedHeader) -> Result<(), Errno> {
        self.with_file(|fd| {
            let cut = file_end::cut(&header.end_grain, |end| {
                // Noted first: if the process is killed in between, a reader must not miss what was cut off. Relaxed: as
                // in `reach`.
                let before = header.file_grains.swap(end, Ordering::Relaxed);
                syscall::ftruncate(fd, end * GRAIN).map(drop).inspect_err(|_| {
                    header.file_grains.fetch_max(before, Ordering::Relaxed);
                })
            });
            cut.unwrap_or(Err(Errno(libc::EBUSY)))
        })
    }
}

/// Makes the file at least `grains` long. A byte is written at its end, because that never makes a file shorter that
/// another process has made longer meanwhile; within the file size limit, because beyond it is SIGXFSZ.
fn lengthen(fd: i32, grains: u64) -> Result<(), Errno> {
    if grains * GRAIN > syscall::limit(libc::RLIMIT_FSIZE) {
        return Err(Errno(libc::EFBIG));
    }
    match syscall::pwrite(fd, &[0], grains * GRAIN - 1) {
        Ok(0) => Err(Errno(libc::ENOSPC)),
        other => other.map(drop),
    }
}
