//! Program headers of an object, copied out of memory or a file.

use super::{FileHeader, PAGE_BYTES_MIN, ProgramHeader};
use crate::sys::memory::pages;
use crate::sys::syscall;

/// Program headers, copied: where they stood may be writable, or nowhere at all. The memory goes with them.
#[derive(Debug)]
pub(super) struct Headers {
    first: *mut ProgramHeader,
    pub(super) len: usize,
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: `Headers::new` has mapped it, and nobody else has it.
        unsafe { syscall::munmap(self.first.cast(), self.len * size_of::<ProgramHeader>()) };
    }
}

impl Headers {
    /// Makes `len` headers of zeros; none of them is of a known type.
    pub(super) fn new(len: usize) -> Option<Headers> {
        let first: *mut ProgramHeader = pages::zeroed(len);
        (len > 0 && !first.is_null()).then_some(Headers { first, len })
    }

    /// Copies the headers that stand at `address`, if all of them can be read.
    pub(super) fn copied(address: usize, len: usize) -> Option<Headers> {
        let size = len.checked_mul(size_of::<ProgramHeader>())?;
        if !can_be_read(address, size) {
            return None;
        }
        let headers = Headers::new(len)?;
        // SAFETY: both ranges have so many bytes; the kernel could read the one, the other is ours.
        unsafe { core::ptr::copy_nonoverlapping(address as *const u8, headers.first.cast(), size) };
        Some(headers)
    }

    /// Reads the headers at `offset` of a file.
    pub(super) fn read(fd: i32, offset: u64, len: usize) -> Option<Headers> {
        let mut headers = Headers::new(len)?;
        let bytes = size_of_val(headers.all());
        // SAFETY: headers are plain data without padding, and this memory is ours.
        let buffer =
            unsafe { core::slice::from_raw_parts_mut(headers.all_mut().as_mut_ptr().cast::<u8>(), bytes) };
        (syscall::pread(fd, buffer, offset) == Ok(bytes)).then_some(headers)
    }

    pub(super) fn all(&self) -> &[ProgramHeader] {
        // SAFETY: so many were mapped, and zeros are a header.
        unsafe { core::slice::from_raw_parts(self.first, self.len) }
    }

    pub(super) fn all_mut(&mut self) -> &mut [ProgramHeader] {
        // SAFETY: as above, and nobody else has them.
        unsafe { core::slice::from_raw_parts_mut(self.first, self.len) }
    }
}

/// Tells whether the kernel could read `size` bytes at `address`.
fn can_be_read(address: usize, size: usize) -> bool {
    let Some(end) = address.checked_add(size) else { return false };
    let first_page = address / PAGE_BYTES_MIN * PAGE_BYTES_MIN;
    size > 0 && (first_page..end).step_by(PAGE_BYTES_MIN).all(page_can_be_read)
}

pub(super) fn page_can_be_read(page: usize) -> bool {
    syscall::is_readable(page)
}

/// Returns the file header at `address`, if one stands there.
pub(super) fn file_header_at(address: usize) -> Option<FileHeader> {
    if !can_be_read(address, size_of::<FileHeader>()) {
        return None;
    }
    // SAFETY: the kernel could read so many bytes.
    checked(unsafe { (address as *const FileHeader).read_unaligned() })
}

pub(super) fn checked(header: FileHeader) -> Option<FileHeader> {
    let is_elf = header.e_ident.get(..4)? == b"\x7fELF";
    (is_elf && usize::from(header.e_phentsize) == size_of::<ProgramHeader>()).then_some(header)
}
