//! This process's memory through the kernel: `process_vm_readv` on ourselves, or `/proc/self/mem` where a filter of
//! system calls forbids that.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::{Forbidden, Memory, PAGE_BYTES, Page};

/// The most ranges that the system takes at once (`UIO_MAXIOV`).
const RANGES_MAX: usize = 1024;

/// Our own memory.
#[derive(Debug)]
pub struct OwnMemory {
    /// Our own number: to ask for it takes a system call.
    pid: libc::pid_t,
    /// Open while this lives, if it is needed.
    file: Option<File>,
}

impl OwnMemory {
    /// Reads by system calls.
    pub fn by_call() -> OwnMemory {
        OwnMemory { pid: std::process::id().cast_signed(), file: None }
    }

    /// Reads by the file alone, as where the call is forbidden.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn by_file() -> io::Result<OwnMemory> {
        Ok(OwnMemory { file: Some(File::open("/proc/self/mem")?), ..OwnMemory::by_call() })
    }
}

impl Memory for OwnMemory {
    fn read(&mut self, numbers: &[u64], pages: &mut [Page], readable: &mut [bool]) -> Result<(), Forbidden> {
        debug_assert!(
            numbers.len() == pages.len() && numbers.len() == readable.len(),
            "a place for each page"
        );
        if self.file.is_none() {
            let Err(error) = read_by_call(self.pid, numbers, pages, readable) else { return Ok(()) };
            *self = OwnMemory::by_file().map_err(|_| Forbidden(error))?;
        }
        let Some(file) = &self.file else {
            debug_assert!(false, "it is open, or was opened just now");
            readable.fill(false);
            return Ok(());
        };
        for ((number, page), is_readable) in numbers.iter().zip(pages).zip(readable) {
            // SAFETY: any bytes are words.
            let (_, bytes, _) = unsafe { page.align_to_mut::<u8>() };
            *is_readable = file.read_exact_at(bytes, number * PAGE_BYTES).is_ok();
        }
        Ok(())
    }
}

/// Reads all by system calls, as few as can be: one reads up to the first page that cannot be read.
fn read_by_call(
    pid: libc::pid_t,
    numbers: &[u64],
    pages: &mut [Page],
    readable: &mut [bool],
) -> io::Result<()> {
    // The kernel promises nothing of a range that is only readable in part, so each page is a range of its own.
    let range = |number: &u64| libc::iovec {
        iov_base: std::ptr::without_provenance_mut((number * PAGE_BYTES) as usize),
        iov_len: PAGE_BYTES as usize,
    };
    let ranges: Vec<libc::iovec> = numbers.iter().map(range).collect();
    let mut done = 0;
    while let Some(rest) = ranges.get(done..).filter(|rest| !rest.is_empty()) {
        let rest = rest.get(..RANGES_MAX).unwrap_or(rest);
        let into = pages.get_mut(done..).unwrap_or_default();
        let n_read = read_ranges(pid, rest, into)?;
        let upcoming = readable.get_mut(done..).unwrap_or_default();
        upcoming.iter_mut().take(n_read).for_each(|is_readable| *is_readable = true);
        done += n_read;
        if n_read < rest.len() {
            // The next one is what stopped it.
            readable.get_mut(done).into_iter().for_each(|is_readable| *is_readable = false);
            done += 1;
        }
    }
    Ok(())
}

/// Returns how many of the first `ranges`, a page each, were read into `pages`.
fn read_ranges(pid: libc::pid_t, ranges: &[libc::iovec], pages: &mut [Page]) -> io::Result<usize> {
    let len = ranges.len().min(pages.len()) * PAGE_BYTES as usize;
    let into = libc::iovec { iov_base: pages.as_mut_ptr().cast(), iov_len: len };
    // SAFETY: `into` is the room of `pages`, which nobody else uses; the ranges are only read, by the kernel, which checks
    // them.
    let n_bytes =
        unsafe { libc::process_vm_readv(pid, &into, 1, ranges.as_ptr(), ranges.len() as libc::c_ulong, 0) };
    match usize::try_from(n_bytes) {
        Ok(n_bytes) => Ok(n_bytes / PAGE_BYTES as usize),
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::EFAULT) => Ok(0),
            error => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::memory::PAGE_WORDS;

    const N_PAGES: usize = 3000;

    /// Anonymous pages that are unmapped at the end.
    struct Mapping(*mut u8);

    impl Mapping {
        fn new() -> Mapping {
            let (protection, flags) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let bytes = N_PAGES * PAGE_BYTES as usize;
            // SAFETY: a new mapping touches no other.
            let address = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
            assert_ne!(address, libc::MAP_FAILED);
            Mapping(address.cast())
        }

        fn page(&self, index: usize) -> *mut u8 {
            self.0.wrapping_add(index * PAGE_BYTES as usize)
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: nothing is left that points there.
            unsafe { libc::munmap(self.0.cast(), N_PAGES * PAGE_BYTES as usize) };
        }
    }

    /// Holes of all kinds: the first and last page, several in a row, more pages than ranges in a call.
    fn reads_around_holes(mut memory: OwnMemory) {
        let (mapping, empty) = (Mapping::new(), tempfile::tempfile().unwrap());
        let is_hole = |index: usize| index == 0 || index == N_PAGES - 1 || index % 700 < 3 || index == 1024;
        for index in 0..N_PAGES {
            let page = mapping.page(index);
            // SAFETY: the page is the mapping's, and aligned.
            unsafe { page.cast::<u64>().add(7).write(index as u64) };
            if is_hole(index) {
                // Behind a file's end: a load would be SIGBUS. What is unmapped another thread may map.
                let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
                let (bytes, file) = (PAGE_BYTES as usize, empty.as_raw_fd());
                // SAFETY: the page is the mapping's, and nothing points there.
                let hole = unsafe { libc::mmap(page.cast(), bytes, libc::PROT_READ, flags, file, 0) };
                assert_eq!(hole, page.cast());
            }
        }
        let numbers: Vec<u64> =
            (0..N_PAGES).map(|index| mapping.page(index).addr() as u64 / PAGE_BYTES).collect();
        let (mut pages, mut readable) = (vec![[1; PAGE_WORDS]; N_PAGES], vec![true; N_PAGES]);
        memory.read(&numbers, &mut pages, &mut readable).unwrap();
        for (index, (page, readable)) in pages.iter().zip(readable).enumerate() {
            assert_eq!(readable, !is_hole(index), "page {index}");
            assert!(!readable || page[7] == index as u64 && page[8] == 0, "page {index}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_and_all_else_is_read() {
        reads_around_holes(OwnMemory::by_call());
        reads_around_holes(OwnMemory::by_file().unwrap());
    }
}
