//! Whole small files of `/proc`, read in one piece into a caller's buffer.

use core::ffi::CStr;

use super::syscall;

/// Reads `path` from its beginning into `buffer`; the part that fits, empty if it cannot be read.
pub fn read_start<'a>(path: &CStr, buffer: &'a mut [u8]) -> &'a [u8] {
    let Ok(fd) = syscall::open(path, libc::O_RDONLY, 0) else { return &[] };
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
