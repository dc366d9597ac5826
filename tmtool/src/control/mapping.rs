//! The two places of a recording that a process and tmtool share: its header, and the process's record.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use crate::errors::{Error, Result};
use tm_common::header::{GRAIN_BYTES, MappedHeader};
use tm_common::metadata::MappedProcess;

use super::find::Found;
use super::lock::Lock;

/// Both places.
#[derive(Debug)]
pub struct Shared {
    path: PathBuf,
    file: File,
    header: Mapping,
    record: Mapping,
}

impl Shared {
    /// Maps them, to be read and written.
    ///
    /// # Errors
    /// The recording may not be written to, or is no longer what it was.
    pub fn of(found: &Found) -> Result<Shared> {
        let file = found.open_to_write()?;
        let failed = |error| Error::io("map", found.path.as_ref(), error);
        let len = file.metadata().map_err(failed)?.len();
        if len < found.record_at + size_of::<MappedProcess>() as u64 {
            let what = format!("{} has been cut, so process {} sees nothing", found.path, found.target.pid);
            return Err(Error::Message(format!("{what} that is written to it; start it anew")));
        }
        let header = Mapping::new(&file, 0, GRAIN_BYTES).map_err(failed)?;
        let record = Mapping::new(&file, found.record_at, size_of::<MappedProcess>()).map_err(failed)?;
        Ok(Shared { path: PathBuf::from(&found.path), file, header, record })
    }

    /// The recording's path, as the process sees it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps others from making requests as long as it is held.
    ///
    /// # Errors
    /// See [`Lock::take`].
    pub fn lock(&self) -> Result<Lock<'_>> {
        Lock::take(&self.file, &self.path)
    }

    /// The header.
    pub fn header(&self) -> &MappedHeader {
        // SAFETY: the mapping has a grain, which holds a header; what changes in it are atomics.
        unsafe { self.header.start.cast::<MappedHeader>().as_ref() }
    }

    /// The process's control word.
    pub fn control(&self) -> &AtomicU32 {
        // SAFETY: the mapping has a record of this size at a multiple of 8 bytes; what changes in it are atomics.
        unsafe { &self.record.start.cast::<MappedProcess>().as_ref().control }
    }
}

/// A part of a file in memory, shared with every other process that maps it.
#[derive(Debug)]
struct Mapping {
    /// Where the part starts.
    start: NonNull<u8>,
    /// Where its first page starts, and how much is mapped from there.
    page: (NonNull<u8>, usize),
}

impl Mapping {
    fn new(file: &File, offset: u64, len: usize) -> io::Result<Mapping> {
        // SAFETY: asks for a number.
        let page_bytes = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096).max(1);
        let before = (offset % page_bytes) as usize;
        let first = i64::try_from(offset - before as u64).map_err(|_| io::ErrorKind::InvalidInput)?;
        let (access, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a mapping at an address that the kernel chooses; the descriptor is open.
        let page = unsafe {
            libc::mmap(std::ptr::null_mut(), before + len, access, shared, file.as_raw_fd(), first)
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let page = NonNull::new(page.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: within the mapping.
        Ok(Mapping { start: unsafe { page.add(before) }, page: (page, before + len) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let (page, len) = self.page;
        // SAFETY: what was mapped, and nobody has a reference into it: those are bound to `Shared`.
        unsafe { libc::munmap(page.as_ptr().cast(), len) };
    }
}
