//! Memory straight from the kernel: private zeroed pages, never the target's heap; and the pages of a
//! shared file mapping, allocated before they are touched.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::sys::process::page_bytes;
use crate::sys::syscall::{self, Errno, Result};

/// Maps room for `count` values of `T`, all bytes zero; null if the process has no memory left.
///
/// The pages cost nothing until they are touched.
pub fn zeroed<T>(count: usize) -> *mut T {
    let Some(bytes) = size_of::<T>().checked_mul(count) else { return core::ptr::null_mut() };
    syscall::mmap(bytes.max(1), None).map_or(core::ptr::null_mut(), |pages| pages.cast())
}

/// Has the kernel make pages of [`zeroed`] all zeros again in a forked child. An error of one older than 4.14, and of an emulator: it may
/// do it (qemu since 8), and may not.
pub fn wipe_on_fork(start: *mut u8, len: usize) -> Result<usize> {
    syscall::madvise(start, len, libc::MADV_WIPEONFORK)?;
    if advice_is_taken() { Ok(0) } else { Err(Errno(libc::ENOSYS)) }
}

/// Tells whether it is a kernel that answers advice on memory, and no emulator that agrees to whatever it is asked for. It is asked
/// once, before the program can have forbidden it.
fn advice_is_taken() -> bool {
    /// Nothing that a kernel knows.
    const NO_ADVICE: i32 = i32::MAX;
    const UNKNOWN: u8 = 0;
    const TAKEN: u8 = 1;
    const IGNORED: u8 = 2;
    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);
    // Relaxed: who asks anew is told the same.
    let mut answer = ANSWER.load(Ordering::Relaxed);
    if answer == UNKNOWN {
        // No page, so that nothing can happen to any.
        answer = match syscall::madvise(core::ptr::null_mut(), 0, NO_ADVICE) {
            Ok(_) => IGNORED,
            Err(_) => TAKEN,
        };
        ANSWER.store(answer, Ordering::Relaxed);
    }
    answer == TAKEN
}

/// Maps room for `count` values of `T` as [`zeroed`] does, which is all zeros again in a forked child; null too where the kernel does
/// not do that, unless somebody else does.
pub fn wiped_on_fork<T>(count: usize, is_wiped_otherwise: bool) -> *mut T {
    let pages = zeroed::<T>(count);
    let bytes = size_of::<T>() * count;
    if !pages.is_null() && wipe_on_fork(pages.cast(), bytes).is_err() && !is_wiped_otherwise {
        // SAFETY: nobody has seen it.
        unsafe { syscall::munmap(pages.cast(), bytes) };
        return core::ptr::null_mut();
    }
    pages
}

/// Gives the memory of `count` values back, which [`zeroed`] made: they read as zeros from now on, and stay usable.
pub fn discard<T>(start: *mut T, count: usize) {
    let _ = syscall::madvise(start.cast(), count * size_of::<T>(), libc::MADV_DONTNEED);
}

/// Returns how far into its page `address` is: parts of a recording begin at multiples of what is the smallest page, and not the
/// page of each kernel.
pub fn into_page(address: usize) -> usize {
    address & (page_bytes() - 1)
}

/// Has the kernel do something with all pages that a part of a shared file mapping touches.
fn advise(start: *mut u8, len: usize, advice: i32) -> Result<usize> {
    let before = into_page(start as usize);
    syscall::madvise(start.wrapping_sub(before), before + len, advice)
}

/// Takes the pages of a shared file mapping out of the process: its content is the file's, and comes back where it is touched.
pub fn let_go(start: *mut u8, len: usize) {
    let _ = advise(start, len, libc::MADV_DONTNEED);
}

/// Unmaps a part of a file that was mapped for itself.
///
/// # Safety
/// Nobody uses it any more.
pub unsafe fn unmap_part(start: *mut u8, len: usize) {
    let before = into_page(start as usize);
    // SAFETY: the caller's; what stands before it in its first page was mapped with it, for nobody.
    unsafe { syscall::munmap(start.wrapping_sub(before), before + len) };
}

/// The unit in which the file behind a shared mapping is allocated here; pages are as large or larger.
const PAGE_BYTES: usize = 4096;

/// Has the file system allocate the part of a file that is mapped at `start`. A full disk, a quota or the end of the
/// file is EFAULT here, and would be SIGBUS for a thread that touched the pages.
///
/// # Safety
/// The range is mapped for writing, holds zeros and is nobody else's.
pub unsafe fn allocate(start: *mut u8, len: usize) -> Result<()> {
    match advise(start, len, libc::MADV_POPULATE_WRITE) {
        Ok(_) if advice_is_taken() => Ok(()),
        Err(Errno(libc::EFAULT)) => Err(Errno(libc::EFAULT)),
        // A kernel older than 5.14, somebody who forbids it, or an emulator.
        // SAFETY: the caller's.
        _ => unsafe { allocate_singly(start, len) },
    }
}

/// Does the work of [`allocate`] page by page.
///
/// # Safety
/// As for [`allocate`].
unsafe fn allocate_singly(start: *mut u8, len: usize) -> Result<()> {
    for at in (0..len).step_by(PAGE_BYTES) {
        // SAFETY: inside the range, and aligned.
        let word = unsafe { start.add(at).cast::<u64>() };
        // SAFETY: the word is the caller's.
        unsafe { if advice_is_taken() { syscall::signal_mask_to(word) } else { syscall::random_to(word) } }?;
        // SAFETY: as above; the page is allocated now.
        unsafe { word.write(0) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    /// A file that is 5 pages long is mapped 8 pages wide: both ways allocate what is there, and fail beyond it.
    #[test]
    fn pages_are_allocated_up_to_the_end_of_the_file_and_not_touched_beyond() {
        for allocate in [allocate, allocate_singly] {
            let path = std::env::temp_dir().join(std::format!("tm-pages-{}", std::process::id()));
            let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path);
            let file = file.expect("the temporary folder can be written");
            std::fs::remove_file(&path).expect("it is ours");
            file.set_len(5 * PAGE_BYTES as u64).expect("as above");
            let start = syscall::mmap(8 * PAGE_BYTES, Some((file.as_raw_fd(), 0))).expect("it can be mapped");
            let disk_bytes = || syscall::status(file.as_raw_fd()).expect("it is open").disk_bytes;
            let before = disk_bytes();
            // SAFETY: a mapping of this test's own.
            let allocated = |pages: core::ops::Range<usize>| unsafe {
                allocate(start.add(pages.start * PAGE_BYTES), pages.len() * PAGE_BYTES)
            };
            assert_eq!(allocated(1..5), Ok(()));
            assert_eq!(allocated(4..6), Err(Errno(libc::EFAULT)));
            assert_eq!(allocated(7..8), Err(Errno(libc::EFAULT)));
            file.sync_all().expect("it can be written");
            assert_eq!(disk_bytes() - before, 4 * PAGE_BYTES as u64);
            // SAFETY: as above, and allocated.
            assert!((PAGE_BYTES..5 * PAGE_BYTES).all(|at| unsafe { start.add(at).read() } == 0));
            // SAFETY: as above.
            unsafe { syscall::munmap(start, 8 * PAGE_BYTES) };
        }
    }
}
