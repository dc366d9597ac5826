//! The file that is kept: its header, shared with the processes that write it, and its grains, read and written by their
//! numbers. Nothing else is mapped, so a file that somebody cuts gives an error, and no signal.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use crate::errors::{Error, Result};
use memmap2::{MmapOptions, MmapRaw};
use tm_analyzer::host::Lock;
use tm_analyzer::reader::file::{FileIdentity, RecordingFile, identity};
use tm_common::bytes::u64_at;
use tm_common::free_list::next_word;
use tm_common::header::{GRAIN_BYTES, Header, MappedHeader};
use tm_common::ids::{ProcessIndex, Stamp, StreamIndex};
use tm_common::segment::{HEADER_BYTES, MappedSegment, SegmentHeader, SegmentKind};

/// The size of a grain in bytes.
const GRAIN: u64 = GRAIN_BYTES as u64;

/// The file.
#[derive(Debug)]
pub(super) struct KeptFile {
    /// Its name, for sentences.
    pub path: PathBuf,
    /// The size of an extent that may be given back, in grains.
    pub extent_grains: u64,
    /// The most grains that it may have.
    pub limit_grains: u64,
    file: File,
    header: MmapRaw,
}

/// What stands at a grain, as far as a keeper looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The segment.
    pub header: SegmentHeader,
    /// See [`MappedSegment::next_free`].
    pub next_free: u64,
    /// See [`MappedSegment::pushed_as`].
    pub pushed_as: u64,
}

/// More grains no extent of a stream's own has: a part of a checkpoint counts them in 16 bits.
const EXTENT_GRAINS_MAX: u32 = u16::MAX as u32;
/// The largest limit that is taken, 1,024 TiB.
const LIMIT_GRAINS_MAX: u64 = 1 << 38;

impl KeptFile {
    /// Opens the recording at `path`, which sentences call `name`.
    ///
    /// # Errors
    /// It is no recording, may not be written to, or has no limit.
    pub fn open(path: &Path, name: &Path) -> Result<KeptFile> {
        // Says what it is if it is packed, or no file that could be one.
        let mut bytes = Vec::new();
        let failed = |error| Error::io("read", name, error);
        RecordingFile::open_growing(path)?.read(0, GRAIN_BYTES, &mut bytes).map_err(failed)?;
        let parsed = Header::parse(&bytes).map_err(|error| Error::format(name, error))?;
        let opened = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = opened.map_err(|error| {
            let is_forbidden = error.kind() == io::ErrorKind::PermissionDenied;
            let error = Error::io("write to", name, error);
            if is_forbidden {
                Error::Message(format!("{error}; run tmtool as the user whose recording it is"))
            } else {
                error
            }
        })?;
        if parsed.limit_grains == 0 || parsed.extent_grains < 2 {
            let what = "has no limit that it could be kept within";
            let next = "start its program with 'tmtool run --limit BYTES', or with TM_LIMIT set";
            return Err(Error::Message(format!("{} {what}; {next}", name.display())));
        }
        if parsed.extent_grains > EXTENT_GRAINS_MAX || parsed.limit_grains > LIMIT_GRAINS_MAX {
            let what = "says of itself what no recording says";
            return Err(Error::Message(format!(
                "{} {what}: it is damaged, and is left alone",
                name.display()
            )));
        }
        let header = MmapOptions::new().len(GRAIN_BYTES).map_raw(&file);
        let header = header.map_err(|error| Error::io("map", name, error))?;
        Ok(KeptFile {
            path: name.to_owned(),
            extent_grains: parsed.extent_grains.into(),
            limit_grains: parsed.limit_grains,
            file,
            header,
        })
    }

    /// The header.
    pub fn header(&self) -> &MappedHeader {
        // SAFETY: the mapping has a grain, which holds a header; what changes in it are atomics.
        unsafe { &*self.header.as_ptr().cast::<MappedHeader>() }
    }

    /// A path that leads to it, whatever its name is by now.
    pub fn path_to_open(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// The grains that it has.
    pub fn len_grains(&self) -> io::Result<u64> {
        self.file.metadata().map(|status| status.len() / GRAIN_BYTES as u64)
    }

    /// The identity of the file.
    pub fn identity(&self) -> io::Result<FileIdentity> {
        self.file.metadata().map(|status| identity(&status))
    }

    /// Takes a lock on it, or gives it back.
    pub fn lock(&self, lock: Lock) -> io::Result<bool> {
        lock.take(&self.file)
    }

    /// As [`Lock::give_back`].
    pub fn unlock(&self, lock: Lock) {
        lock.give_back(&self.file);
    }

    /// The segment that begins at a grain; `None` if none does, or its header is not whole.
    pub fn at(&self, grain: u64) -> Option<Found> {
        let mut bytes = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut bytes, grain * GRAIN).ok()?;
        let header = SegmentHeader::parse(&bytes).ok()??;
        let word = |at| u64_at(&bytes, at).ok();
        let next_free = word(std::mem::offset_of!(MappedSegment, next_free))?;
        let pushed_as = word(std::mem::offset_of!(MappedSegment, pushed_as))?;
        Some(Found { header, next_free, pushed_as })
    }

    /// Makes room for an extent a free one that is not on the list, with nothing in it.
    pub fn write_free(&self, first: u64) -> io::Result<()> {
        let mut grain = [0; GRAIN_BYTES];
        let head =
            MappedSegment { next_free: AtomicU64::new(next_word(0)), ..free(first, self.extent_grains) };
        grain[..HEADER_BYTES].copy_from_slice(&head.into_bytes());
        // First that it is free: what is in it else would be looked for.
        self.file.write_all_at(&grain, first * GRAIN)?;
        self.empty(first + 1..first + self.extent_grains)
    }

    /// Notes in a free extent which one follows it on the list, and the number of it there.
    pub fn write_next(&self, first: u64, next: u32, pushed_as: u64) -> io::Result<()> {
        let words = [next_word(next).to_le_bytes(), pushed_as.to_le_bytes()].concat();
        self.file.write_all_at(&words, first * GRAIN + std::mem::offset_of!(MappedSegment, next_free) as u64)
    }

    /// Makes grains zeros, which take no room on the disk where that can be had.
    fn empty(&self, grains: std::ops::Range<u64>) -> io::Result<()> {
        let (at, len) = (grains.start * GRAIN, (grains.end - grains.start) * GRAIN);
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let (offset, size) = (at.cast_signed(), len.cast_signed());
        // SAFETY: takes no pointers, and the descriptor is open.
        if unsafe { libc::fallocate(self.file.as_raw_fd(), mode, offset, size) } == 0 {
            return Ok(());
        }
        self.file.write_all_at(&vec![0; len as usize], at)
    }

    /// Makes the file reach to a grain, at least.
    pub fn reach(&self, end: u64) -> io::Result<()> {
        // A byte at its end, which never makes a file shorter that a process has made longer meanwhile.
        if self.file.metadata()?.size() < end * GRAIN {
            self.file.write_all_at(&[0], end * GRAIN - 1)?;
        }
        // Relaxed: as with the processes, a hint.
        self.header().file_grains.fetch_max(end, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    /// The bytes of a checkpoint that fit into an extent's room.
    pub fn part_bytes(&self) -> usize {
        self.extent_grains as usize * GRAIN_BYTES - HEADER_BYTES
    }

    /// Writes the part at `place` of checkpoint `number` over a free extent.
    pub fn write_part(
        &self,
        first: u64,
        number: u32,
        place: u32,
        until: Stamp,
        bytes: &[u8],
    ) -> io::Result<()> {
        let head = SegmentHeader {
            used: bytes.len() as u32,
            stream: StreamIndex(number),
            sequence: place,
            base_stamp: until,
            ..SegmentHeader::empty(SegmentKind::Checkpoint, self.extent_grains as u16, ProcessIndex(0))
        };
        self.file.write_all_at(bytes, first * GRAIN + HEADER_BYTES as u64)?;
        // Last: until then it is a free extent.
        self.file.write_all_at(&head.mapped().into_bytes(), first * GRAIN)
    }
}

/// The header of a free extent.
fn free(first: u64, grains: u64) -> MappedSegment {
    SegmentHeader {
        used: grains as u32,
        sequence: grains as u32,
        base_stamp: Stamp(first),
        ..SegmentHeader::empty(SegmentKind::Extent, 1, ProcessIndex(0))
    }
    .mapped()
}
