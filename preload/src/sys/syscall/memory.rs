//! What maps and unmaps memory of this library's own.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::super::arch;
use super::{Errno, Result, check};
use crate::sys::memory::own_memory;
use crate::sys::process::restrictions;

/// Bytes that [`mmap`] and [`map_again`] have mapped and [`munmap`] has not given back. Relaxed: a counter.
static MAPPED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes of address space that this library has for itself: its tables, of which only touched pages take memory, and
/// the mapped part of the recording.
pub fn mapped_bytes() -> usize {
    MAPPED_BYTES.load(Ordering::Relaxed)
}

/// Calls `mmap` of `len` bytes at any address: of a file (`MAP_SHARED`, read and write) or of fresh private memory. Not locked,
/// whatever the process does with its own.
pub fn mmap(len: usize, file: Option<(i32, u64)>) -> Result<*mut u8> {
    let locks = own_memory::is_locked_when_new();
    let unlocked = (locks && file.is_none()).then(|| own_memory::from_seed(len).ok()).flatten();
    let start = match unlocked {
        Some(start) => start,
        None => map(len, file)?,
    };
    if locks && unlocked.is_none() {
        munlock(start as usize, len);
    }
    listed(start, len)
}

/// Calls `mmap` of private memory that is not to be found in the list of [`own_memory`].
pub fn mmap_unlisted(len: usize) -> Result<*mut u8> {
    map(len, None)
}

fn map(len: usize, file: Option<(i32, u64)>) -> Result<*mut u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let (flags, fd, offset) = match file {
        Some((fd, offset)) => (libc::MAP_SHARED, fd, offset),
        None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE, -1, 0),
    };
    // SAFETY: without MAP_FIXED nothing that is mapped is replaced.
    let start = unsafe { call!(SYS_mmap, 0, len, protection, flags, fd, offset) }?;
    Ok(start as *mut u8)
}

fn listed(start: *mut u8, len: usize) -> Result<*mut u8> {
    MAPPED_BYTES.fetch_add(len, Ordering::Relaxed);
    own_memory::add(start, len);
    Ok(start)
}

/// Calls `mremap` of size 0: `len` bytes of the file behind a shared mapping, from where the mapping begins and beyond its
/// end, mapped once more. Needs neither the file's name nor a descriptor.
pub fn map_again(mapping: *const u8, len: usize) -> Result<*mut u8> {
    // SAFETY: an old size of 0 leaves the old mapping as it is, and without MREMAP_FIXED nothing is replaced.
    let start = unsafe { call!(SYS_mremap, mapping, 0, len, libc::MREMAP_MAYMOVE) }?;
    listed(start as *mut u8, len)
}

/// Calls `mremap`: a private mapping of ours made larger, wherever there is room. It is as much locked as it was.
pub fn enlarge(start: usize, len: usize, new_len: usize) -> Result<*mut u8> {
    // SAFETY: the mapping is its owner's, who uses it by the new address.
    unsafe { call!(SYS_mremap, start, len, new_len, libc::MREMAP_MAYMOVE) }.map(|start| start as *mut u8)
}

/// Calls `mlockall` for the target.
pub fn lock_all(flags: i32) -> Result<usize> {
    // SAFETY: changes no content.
    unsafe { call!(SYS_mlockall, flags) }
}

/// Calls `munlockall` for the target.
pub fn unlock_all() {
    // SAFETY: as above.
    let _ = unsafe { call!(SYS_munlockall) };
}

/// Calls `mlock` of a mapping of the target's, or `mlock2` with these flags. It is locked even if not all of it could be brought
/// into memory, which is an error that `mlockall` does not know.
pub fn lock(start: usize, len: usize, flags: u32) {
    let _ = match flags {
        // SAFETY: as above.
        0 => unsafe { call!(SYS_mlock, start, len) },
        // SAFETY: as above.
        flags => unsafe { call!(SYS_mlock2, start, len, flags) },
    };
}

/// Calls `munlock`. What is not mapped any more is an error that means nothing.
pub fn munlock(start: usize, len: usize) {
    // SAFETY: changes no content.
    let _ = unsafe { call!(SYS_munlock, start, len) };
}

/// Calls `munmap`.
///
/// # Safety
/// Nobody uses the range any more.
pub unsafe fn munmap(address: *mut u8, len: usize) {
    // First, since the address may be somebody else's afterwards.
    own_memory::remove(address, len);
    // SAFETY: the caller's.
    if unsafe { call!(SYS_munmap, address, len) }.is_ok() {
        MAPPED_BYTES.fetch_sub(len, Ordering::Relaxed);
    }
}

/// Calls `munmap` of what [`mmap_unlisted`] has mapped.
///
/// # Safety
/// As for [`munmap`].
pub unsafe fn munmap_unlisted(address: *mut u8, len: usize) {
    // SAFETY: the caller's.
    let _ = unsafe { call!(SYS_munmap, address, len) };
}
