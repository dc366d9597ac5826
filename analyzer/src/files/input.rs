//! Opens what the user names: a regular file, or with `-` what comes from standard input.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::{Error, FileKind, Result, STANDARD_INPUT};

/// What a compressed file begins with, and the program that unpacks it.
const COMPRESSED: [(&[u8], &str); 5] = [
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0x1f, 0x8b], "gzip"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz"),
    (b"BZh", "bzip2"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
];

/// Opens the file at `path`, at its start.
///
/// # Errors
/// It cannot be opened, is not a regular file, or is compressed. A pipe is never waited for.
pub fn open(path: &Path) -> Result<File> {
    let place = if path == Path::new(STANDARD_INPUT) { standard_input()? } else { path.to_owned() };
    let kind = fs::metadata(&place).map_err(|source| Error::io("open", path, source))?.file_type();
    let other = match () {
        () if kind.is_file() => None,
        () if kind.is_dir() => Some(FileKind::Directory),
        () if kind.is_fifo() => Some(FileKind::Pipe),
        () if kind.is_socket() => Some(FileKind::Socket),
        () => Some(FileKind::Device),
    };
    if let Some(kind) = other {
        return Err(Error::NotAFile { path: path.to_owned(), kind });
    }
    // Should it have become a pipe since, it is not waited for.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&place);
    let mut file = opened.map_err(|source| Error::io("open", path, source))?;
    let mut start = Vec::new();
    let read = file.by_ref().take(8).read_to_end(&mut start).and_then(|_| file.rewind());
    read.map_err(|source| Error::io("read", path, source))?;
    match COMPRESSED.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, program)) => Err(Error::Compressed { path: path.to_owned(), program }),
        None => Ok(file),
    }
}

/// Where what comes from standard input can be opened, as often as wanted. What is no file is copied to one without a name.
fn standard_input() -> Result<PathBuf> {
    static COPY: Mutex<Option<File>> = Mutex::new(None);
    let (input, failed) =
        (PathBuf::from("/proc/self/fd/0"), |source| Error::io("read", Path::new("standard input"), source));
    if fs::metadata(&input).is_ok_and(|status| status.is_file()) {
        return Ok(input);
    }
    let mut copy = COPY.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if copy.is_none() {
        let mut file = unnamed_file().map_err(failed)?;
        io::copy(&mut io::stdin().lock(), &mut file).map_err(failed)?;
        *copy = Some(file);
    }
    let fd = copy.as_ref().map_or(-1, AsRawFd::as_raw_fd);
    Ok(PathBuf::from(format!("/proc/self/fd/{fd}")))
}

/// A file in the folder for temporary ones that nobody else sees, and that goes with this process.
fn unnamed_file() -> io::Result<File> {
    let folder = std::env::temp_dir();
    OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(libc::O_TMPFILE).open(folder)
}
