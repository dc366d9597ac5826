//! The two places of a recording that a process and tmtool share: its header, and the process's record.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;

use crate::errors::{Error, Result};
use memmap2::{MmapOptions, MmapRaw};
use tm_common::header::{GRAIN_BYTES, MappedHeader};
use tm_common::metadata::MappedProcess;

use super::find::Found;
use super::lock::Lock;

/// Both places.
#[derive(Debug)]
pub struct Shared {
    path: PathBuf,
    file: File,
    header: MmapRaw,
    record: MmapRaw,
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
        let map = |offset, len| MmapOptions::new().offset(offset).len(len).map_raw(&file).map_err(failed);
        let header = map(0, GRAIN_BYTES)?;
        let record = map(found.record_at, size_of::<MappedProcess>())?;
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
        unsafe { &*self.header.as_ptr().cast::<MappedHeader>() }
    }

    /// The process's control word.
    pub fn control(&self) -> &AtomicU32 {
        // SAFETY: the mapping has a record of this size at a multiple of 8 bytes; what changes in it are atomics.
        unsafe { &(*self.record.as_ptr().cast::<MappedProcess>()).control }
    }
}
