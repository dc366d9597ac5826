//! What opens files by their paths, looks at them and renames them.

use core::ffi::CStr;

use super::super::arch;
use super::{Errno, Result, check, getegid, geteuid};
use crate::sys::process::restrictions;

/// Calls `openat(AT_FDCWD, path, flags | O_CLOEXEC, mode)`. Not tried, and refused with EPERM, once the process has restricted
/// itself.
pub fn open(path: &CStr, flags: i32, mode: u32) -> Result<i32> {
    unless_restricted()?;
    // SAFETY: the path is a C string.
    unsafe { call!(SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, mode) }
        .map(|fd| fd as i32)
}

/// Returns the same of a file that is there, in `folder`.
pub fn open_at(folder: i32, path: &CStr, flags: i32) -> Result<i32> {
    unless_restricted()?;
    // SAFETY: the path is a C string.
    unsafe { call!(SYS_openat, folder, path.as_ptr(), flags | libc::O_CLOEXEC, 0) }.map(|fd| fd as i32)
}

/// Tells whether the file at `path` may be executed, by its permissions and those of its file system: `faccessat2` (Linux 5.8),
/// before that `faccessat`, which asks for the real user and not the effective one. Refused as in [`open`].
pub fn may_execute_at(folder: i32, path: &CStr) -> Result<()> {
    unless_restricted()?;
    let (mode, as_effective) = (libc::X_OK, libc::AT_EACCESS);
    // SAFETY: the path is a C string.
    let mut result = unsafe { call!(SYS_faccessat2, folder, path.as_ptr(), mode, as_effective) };
    if result == Err(Errno(libc::ENOSYS)) {
        // SAFETY: as above.
        result = unsafe { call!(SYS_faccessat, folder, path.as_ptr(), mode) };
    }
    result.map(|_| ())
}

fn unless_restricted() -> Result<()> {
    if restrictions::have_come() { Err(Errno(libc::EPERM)) } else { Ok(()) }
}

/// Calls `renameat2(from, to, RENAME_NOREPLACE)`: fails with EEXIST if `to` exists.
pub fn rename_new(from: &CStr, to: &CStr) -> Result<usize> {
    let (here, flags) = (libc::AT_FDCWD, libc::RENAME_NOREPLACE);
    // SAFETY: the paths are C strings.
    unsafe { call!(SYS_renameat2, here, from.as_ptr(), here, to.as_ptr(), flags) }
}

/// Calls `linkat`: a second name, which must not exist.
pub fn link(from: &CStr, to: &CStr) -> Result<usize> {
    let here = libc::AT_FDCWD;
    // SAFETY: the paths are C strings.
    unsafe { call!(SYS_linkat, here, from.as_ptr(), here, to.as_ptr(), 0) }
}

/// What an open file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// `st_dev` and `st_ino`: which file.
    pub identity: (u64, u64),
    /// Tells whether it is a regular one.
    pub is_regular: bool,
    /// What it takes on the disk.
    pub disk_bytes: u64,
    /// Tells whether a user who executes it becomes another user or group.
    pub gains_rights: bool,
}

impl FileStatus {
    fn of(stat: &libc::stat) -> FileStatus {
        let is_regular = stat.st_mode & libc::S_IFMT == libc::S_IFREG;
        let disk_bytes = stat.st_blocks as u64 * 512;
        let is_set = |bits| stat.st_mode & bits == bits;
        let gains_rights = is_set(libc::S_ISUID) && stat.st_uid != geteuid()
            || is_set(libc::S_ISGID | libc::S_IXGRP) && stat.st_gid != getegid();
        FileStatus { identity: (stat.st_dev, stat.st_ino), is_regular, disk_bytes, gains_rights }
    }
}

/// Calls `fstat`.
pub fn status(fd: i32) -> Result<FileStatus> {
    // SAFETY: stat is plain data, all zeros is a value of it.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: the structure is the kernel's.
    unsafe { call!(SYS_fstat, fd, &raw mut stat) }?;
    Ok(FileStatus::of(&stat))
}

/// Returns the same of the file at `path` in `folder`.
pub fn status_at(folder: i32, path: &CStr) -> Result<FileStatus> {
    // SAFETY: as in `status`.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: the structure is the kernel's, the path is a C string.
    unsafe { call!(SYS_newfstatat, folder, path.as_ptr(), &raw mut stat, 0) }?;
    Ok(FileStatus::of(&stat))
}

/// Calls `unlinkat(AT_FDCWD, path, 0)`.
pub fn unlink(path: &CStr) -> Result<usize> {
    // SAFETY: the path is a C string.
    unsafe { call!(SYS_unlinkat, libc::AT_FDCWD, path.as_ptr(), 0) }
}

/// Calls `readlinkat`, the length of what was written to `buffer`.
pub fn readlink(path: &CStr, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the path is a C string, the buffer writable for its length.
    unsafe { call!(SYS_readlinkat, libc::AT_FDCWD, path.as_ptr(), buffer.as_mut_ptr(), buffer.len()) }
}

/// Calls `getcwd`, the length without the NUL.
pub fn getcwd(buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the buffer is writable for its length.
    unsafe { call!(SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) }.map(|len| len.saturating_sub(1))
}
