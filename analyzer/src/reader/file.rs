//! Positional reads of the recording's file, be it packed or not. No memory map: a file that shrinks while it is read must
//! give an error, not SIGBUS.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use tm_common::header::MAGIC;

use crate::bundle::Bundle;
use crate::error::{Error, Refusal, Result};
use crate::files::input;
use crate::host::Lock;
use crate::packed::{Opening, PackedFile, PackedState};

/// The identity of a file, whatever its name: device and inode number.
pub type FileIdentity = (u64, u64);

/// A recording file, open unless it was closed for a while.
#[derive(Debug)]
pub struct RecordingFile {
    path: PathBuf,
    file: Option<OpenFile>,
    identity: FileIdentity,
    len: u64,
    packed: Option<PackedState>,
    event_bytes_read: AtomicU64,
}

/// An open file, which several readers may share.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile(Arc<Contents>);

#[derive(Debug)]
enum Contents {
    Plain(File),
    Packed(PackedFile),
}

impl RecordingFile {
    /// Opens `path`, be it packed or not.
    ///
    /// # Errors
    /// It cannot be opened, is not a regular file, is empty, or packed by a later version.
    pub fn open(path: &Path) -> Result<RecordingFile> {
        let (file, status) = open(path)?;
        if !is_packed(&file) {
            return RecordingFile::of(path, file, &status);
        }
        let Opening { packed, found } = PackedFile::open(file, path)?;
        Ok(RecordingFile {
            path: path.to_owned(),
            identity: identity(&status),
            len: packed.len(),
            file: Some(OpenFile(Arc::new(Contents::Packed(packed)))),
            packed: Some(found),
            event_bytes_read: AtomicU64::new(0),
        })
    }

    /// Opens `path` as a recording that somebody may be writing to: so it is not packed.
    ///
    /// # Errors
    /// It cannot be opened, is not a regular file, is empty, or is packed.
    pub fn open_growing(path: &Path) -> Result<RecordingFile> {
        let (file, status) = open(path)?;
        if is_packed(&file) {
            return Err(Error::Refused { path: path.to_owned(), why: Refusal::Packed });
        }
        RecordingFile::of(path, file, &status)
    }

    fn of(path: &Path, file: File, status: &Metadata) -> Result<RecordingFile> {
        if status.len() == 0 {
            return Err(Error::Empty { path: path.to_owned() });
        }
        Ok(RecordingFile {
            path: path.to_owned(),
            file: Some(OpenFile(Arc::new(Contents::Plain(file)))),
            identity: identity(status),
            len: status.len(),
            packed: None,
            event_bytes_read: AtomicU64::new(0),
        })
    }

    /// What was found of the file itself, if it is packed.
    pub(crate) fn packed(&self) -> Option<&PackedState> {
        self.packed.as_ref()
    }

    /// The names that it carries; the recording's own file has none.
    pub(crate) fn bundle(&self) -> Bundle {
        match self.file.as_ref().map(|file| &*file.0) {
            Some(Contents::Packed(packed)) => Bundle::read(self.path.clone(), packed.names()),
            _ => Bundle::default(),
        }
    }

    /// The file's size in bytes, if it is packed: then [`RecordingFile::len_bytes`] is that of what is in it.
    pub fn packed_bytes(&self) -> Option<u64> {
        self.packed.as_ref().map(|packed| packed.bytes)
    }

    /// Its name, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes when it was opened or measured, the latest time.
    pub fn len_bytes(&self) -> u64 {
        self.len
    }

    /// Sees how long it is now, if it is open: somebody may be writing to it.
    pub(crate) fn measure(&mut self) {
        if let (None, Some(Ok(status))) = (&self.packed, self.file.as_ref().map(OpenFile::status)) {
            self.len = status.len();
        }
    }

    /// What the system says of it.
    pub(crate) fn status(&self) -> io::Result<Metadata> {
        self.opened()?.status()
    }

    /// The identity of the file.
    pub fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Gives the descriptor back, once nobody else has it. Reading fails until [`RecordingFile::reopen`].
    pub(crate) fn close(&mut self) {
        self.file = None;
    }

    /// The open file; opens it again if it was closed, which none is that is packed.
    ///
    /// # Errors
    /// It cannot be opened, or another file has its name now.
    pub(crate) fn reopen(&mut self) -> Result<OpenFile> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let (file, status) = open(&self.path)?;
        if identity(&status) != self.identity {
            return Err(Error::Replaced { path: self.path.clone() });
        }
        self.len = status.len();
        let file = OpenFile(Arc::new(Contents::Plain(file)));
        self.file = Some(file.clone());
        Ok(file)
    }

    /// Notes that a segment of events of `n_bytes` is being decoded.
    pub fn note_events_read(&self, n_bytes: usize) {
        self.event_bytes_read.fetch_add(n_bytes as u64, Relaxed);
    }

    /// How many bytes of events were decoded so far, again and again if they were; for displays of progress.
    pub fn event_bytes_read(&self) -> u64 {
        self.event_bytes_read.load(Relaxed)
    }

    /// Reads up to `len` bytes at `offset` into `buffer`, which afterwards holds what was there: less at the end of
    /// the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self, offset: u64, len: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.opened()?.read(offset, len, buffer)
    }

    /// Lets a keeper give back room of events, until [`RecordingFile::hold`].
    pub(crate) fn let_go(&self) {
        if let Some(Contents::Plain(file)) = self.file.as_ref().map(|open| &*open.0) {
            Lock::Reader.give_back(file);
        }
    }

    /// Has a keeper leave events alone again.
    pub(crate) fn hold(&self) {
        if let Some(Contents::Plain(file)) = self.file.as_ref().map(|open| &*open.0) {
            hold(file);
        }
    }

    /// The open file.
    ///
    /// # Errors
    /// It is closed for a while.
    pub(crate) fn opened(&self) -> io::Result<&OpenFile> {
        self.file.as_ref().ok_or_else(|| io::Error::other("the file is not open"))
    }
}

fn open(path: &Path) -> Result<(File, Metadata)> {
    let file = input::open(path)?;
    let status = file.metadata().map_err(|source| Error::io("read", path, source))?;
    hold(&file);
    Ok((file, status))
}

/// Has a keeper leave the room of events alone that are being read: it waits a while for who holds the file. Where locks are not to be
/// had, each segment is looked at again when it was read.
fn hold(file: &File) {
    for _ in 0..HOLD_ATTEMPTS {
        if !matches!(Lock::Reader.take(file), Ok(false)) {
            return;
        }
        thread::sleep(HOLD_PAUSE);
    }
}

/// A keeper gives room back in milliseconds.
const HOLD_ATTEMPTS: u32 = 100;
const HOLD_PAUSE: Duration = Duration::from_millis(10);

fn is_packed(file: &File) -> bool {
    let mut start = [0; START_BYTES];
    file.read_exact_at(&mut start, 0).is_ok() && PackedFile::is_one(&start)
}

/// The bytes that tell what a file is: [`is_recording`].
pub const START_BYTES: usize = MAGIC.len();

/// Tells whether a file that starts with these bytes is a recording, packed or not.
pub fn is_recording(start: &[u8]) -> bool {
    start.starts_with(&MAGIC) || PackedFile::is_one(start)
}

/// The identity of the file with this status.
pub fn identity(status: &Metadata) -> FileIdentity {
    (status.dev(), status.ino())
}

impl OpenFile {
    /// As [`RecordingFile::read`].
    pub fn read(&self, offset: u64, len: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.resize(len, 0);
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        buffer.truncate(filled);
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &*self.0 {
            Contents::Plain(file) => file.read_at(buffer, offset),
            Contents::Packed(file) => file.read_at(buffer, offset),
        }
    }

    fn status(&self) -> io::Result<Metadata> {
        match &*self.0 {
            Contents::Plain(file) => file.metadata(),
            Contents::Packed(file) => file.status(),
        }
    }

    /// The first offset from `offset` on that is not in a hole; `None` if only a hole follows. Where the file system
    /// does not know holes, `offset` itself.
    pub fn next_data(&self, offset: u64) -> Option<u64> {
        let file = match &*self.0 {
            Contents::Plain(file) => file,
            Contents::Packed(file) => return file.next_data(offset),
        };
        let at = i64::try_from(offset).ok()?;
        // SAFETY: lseek takes no pointers, and the descriptor is open as long as the file is.
        let found = unsafe { libc::lseek(file.as_raw_fd(), at, libc::SEEK_DATA) };
        match u64::try_from(found) {
            Ok(found) => Some(found.max(offset)),
            Err(_) if io::Error::last_os_error().raw_os_error() == Some(libc::ENXIO) => None,
            Err(_) => Some(offset),
        }
    }
}
