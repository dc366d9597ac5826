//! Whole small files of `/proc`, read in one piece into a caller's buffer.

use core::ffi::CStr;

use super::syscall;

/// Reads `path` from its beginning into `buffer`; the part that fits, empty if it cannot be read.
pub fn read_start<'a>(path: &CStr, buffer: &'a mut [u8]) -> &'a [u8] {
    read_start_at(libc::AT_FDCWD, path, buffer)
}

/// Reads the same of a `path` in `folder`.
pub fn read_start_at<'a>(folder: i32, path: &CStr, buffer: &'a mut [u8]) -> &'a [u8] {
    let Ok(fd) = syscall::open_at(folder, path, libc::O_RDONLY) else { return &[] };
    let mut len = 0;
    while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match syscall::read(fd, rest) {
            Ok(0) | Err(_) => break,
            Ok(n) => len += n,
        }
    }
    syscall::close(fd);
    buffer.get(..len).unwrap_or(&[])
}
