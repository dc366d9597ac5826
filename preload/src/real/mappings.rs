//! The functions that get memory from the kernel. Where the process has none of a name, the system call does it, and
//! `errno` is set as the C library would.

use core::ffi::{c_int, c_void};

use tm_common::functions::Function;

use super::address;
use crate::sys::objects::elf;
use crate::sys::syscall::{self, Errno, Result};

/// What these functions return where they fail: `MAP_FAILED`, `(void *)-1`.
pub const FAILED: *mut c_void = libc::MAP_FAILED;

/// The arguments of `mmap`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of mmap(2)")]
pub struct Wanted {
    pub address: *mut c_void,
    pub size: usize,
    pub protection: c_int,
    pub flags: c_int,
    pub fd: c_int,
    pub offset: i64,
}

/// Calls `mmap` or `mmap64`, which are the same where offsets have 64 bits.
#[inline]
pub fn mmap(function: Function, wanted: Wanted) -> *mut c_void {
    type Mmap = unsafe extern "C" fn(*mut c_void, usize, c_int, c_int, c_int, i64) -> *mut c_void;
    let Wanted { address: at, size, protection, flags, fd, offset } = wanted;
    let real = address(function);
    if real.is_null() {
        let arguments =
            [at as usize, size, protection as usize, flags as usize, fd as usize, offset as usize];
        // SAFETY: the target's own call.
        return block(unsafe { syscall::mmap_for_target(arguments) });
    }
    // SAFETY: the address is that function's, whose C signature this is.
    let real: Mmap = unsafe { core::mem::transmute(real) };
    // SAFETY: the arguments are the caller's.
    unsafe { real(at, size, protection, flags, fd, offset) }
}

/// Calls `munmap`.
#[inline]
pub fn munmap(start: *mut c_void, size: usize) -> c_int {
    let real = address(Function::Munmap);
    if real.is_null() {
        // SAFETY: the target's own call.
        return status(unsafe { syscall::munmap_for_target(start as usize, size) });
    }
    // SAFETY: the address is that function's, whose C signature this is.
    let real: unsafe extern "C" fn(*mut c_void, usize) -> c_int = unsafe { core::mem::transmute(real) };
    // SAFETY: the arguments are the caller's.
    unsafe { real(start, size) }
}

/// Calls `mremap`. `new` counts only if `flags` say so; otherwise it is whatever stands in the register of a fifth argument.
#[inline]
pub fn mremap(
    old: *mut c_void,
    old_size: usize,
    new_size: usize,
    flags: c_int,
    new: *mut c_void,
) -> *mut c_void {
    type Mremap = unsafe extern "C" fn(*mut c_void, usize, usize, c_int, ...) -> *mut c_void;
    let real = address(Function::Mremap);
    if real.is_null() {
        let has_new = flags & (libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP) != 0;
        let new = if has_new { new as usize } else { 0 };
        // SAFETY: the target's own call.
        return block(unsafe {
            syscall::mremap_for_target([old as usize, old_size, new_size, flags as usize, new])
        });
    }
    // SAFETY: the address is that function's, whose C signature this is.
    let real: Mremap = unsafe { core::mem::transmute(real) };
    // SAFETY: the arguments are the caller's.
    unsafe { real(old, old_size, new_size, flags, new) }
}

/// Calls `brk`.
#[inline]
pub fn brk(wanted: *mut c_void) -> c_int {
    let real = address(Function::Brk);
    if real.is_null() {
        return status(move_break(wanted as usize));
    }
    // SAFETY: the address is that function's, whose C signature this is.
    let real: unsafe extern "C" fn(*mut c_void) -> c_int = unsafe { core::mem::transmute(real) };
    // SAFETY: the argument is the caller's.
    unsafe { real(wanted) }
}

/// Calls `sbrk`.
#[inline]
pub fn sbrk(increment: isize) -> *mut c_void {
    let real = address(Function::Sbrk);
    if real.is_null() {
        return block(move_break_by(increment));
    }
    // SAFETY: the address is that function's, whose C signature this is.
    let real: unsafe extern "C" fn(isize) -> *mut c_void = unsafe { core::mem::transmute(real) };
    // SAFETY: the argument is the caller's.
    unsafe { real(increment) }
}

#[cold]
fn move_break(wanted: usize) -> Result<usize> {
    // SAFETY: the target's own call.
    let granted = unsafe { syscall::brk(wanted) };
    if granted < wanted { Err(Errno(libc::ENOMEM)) } else { Ok(0) }
}

/// Returns the break before.
#[cold]
fn move_break_by(increment: isize) -> Result<usize> {
    // SAFETY: there is no break at 0, so this one only asks.
    let before = unsafe { syscall::brk(0) };
    if increment != 0 {
        let wanted = before.checked_add_signed(increment).ok_or(Errno(libc::ENOMEM))?;
        move_break(wanted)?;
    }
    Ok(before)
}

fn block(result: Result<usize>) -> *mut c_void {
    result.map_or_else(|error| failed(error, FAILED), |address| address as *mut c_void)
}

fn status(result: Result<usize>) -> c_int {
    result.map_or_else(|error| failed(error, -1), |_| 0)
}

/// Sets `errno`, of whichever C library there is.
#[cold]
fn failed<T>(error: Errno, result: T) -> T {
    let [place] = elf::first_of([c"__errno_location"]);
    if place != 0 {
        // SAFETY: the address is that function's, whose C signature this is.
        let place: extern "C" fn() -> *mut c_int = unsafe { core::mem::transmute(place) };
        // SAFETY: the calling thread's `errno`.
        unsafe { place().write(error.0) };
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errno() -> i32 {
        std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
    }

    /// What is done where the C library has no such function, against what its functions say.
    #[test]
    fn the_system_calls_do_what_the_c_library_does() {
        let size = 3 * crate::sys::process::page_bytes();
        let arguments = [
            0,
            size,
            libc::PROT_READ as usize,
            (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize,
            usize::MAX,
            0,
        ];
        // SAFETY: a mapping of this test's own, made, moved and unmapped.
        unsafe {
            let made = block(syscall::mmap_for_target(arguments));
            assert_ne!(made, FAILED);
            let moved = block(syscall::mremap_for_target([
                made as usize,
                size,
                2 * size,
                libc::MREMAP_MAYMOVE as usize,
                0,
            ]));
            assert_ne!(moved, FAILED);
            assert_eq!(*moved.cast::<u8>(), 0);
            assert_eq!(status(syscall::munmap_for_target(moved as usize, 2 * size)), 0);
            assert_eq!(block(syscall::mmap_for_target([0; 6])), FAILED);
            let ours = errno();
            assert_eq!(libc::mmap(core::ptr::null_mut(), 0, 0, 0, 0, 0), FAILED);
            assert_eq!(ours, errno());
            assert_eq!((status(syscall::munmap_for_target(1, size)), errno()), (-1, libc::EINVAL));
        }
        assert_ne!(block(move_break_by(0)), FAILED);
        assert_eq!((block(move_break_by(isize::MAX)), errno()), (FAILED, libc::ENOMEM));
        assert_eq!((status(move_break(usize::MAX / 2)), errno()), (-1, libc::ENOMEM));
    }
}
