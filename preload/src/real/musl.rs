//! Functions of musl that call others by their symbols, which would come back to us and be recorded a second time: what stands
//! in their place does the same by the real functions.
//!
//! | function | calls, in musl | here |
//! |---|---|---|
//! | `calloc` | `malloc` | the real one, and clears what is not clear |
//! | `memalign` | `aligned_alloc` | is that |
//! | `posix_memalign`, `valloc` | `aligned_alloc`, `memalign` | the real `aligned_alloc` |

use core::ffi::{c_int, c_void};

use tm_common::functions::Function;

use super::allocate_by;
use crate::sys::objects::elf::Symbols;
use crate::sys::{c_library, process};

/// What is cleared only if it is not clear already, as musl has it: fresh pages are not touched.
const CLEARED_BYTES: usize = 4096;

/// Tells whether these are the symbols of musl.
pub(super) fn is_musl(symbols: &Symbols) -> bool {
    !c_library::is_glibc() && symbols.find(c"__libc_start_main").is_some()
}

/// Returns what is to be called for musl's `function` at `address`.
pub(super) fn instead_of(symbols: &Symbols, function: Function, address: usize) -> usize {
    match function {
        Function::Calloc => calloc as *const () as usize,
        Function::Memalign => symbols.function(c"aligned_alloc").unwrap_or(address),
        Function::PosixMemalign => posix_memalign as *const () as usize,
        Function::Valloc => valloc as *const () as usize,
        _ => address,
    }
}

extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    // musl's `malloc` refuses such a size, and says why.
    let bytes = count.saturating_mul(size);
    let block = allocate_by(Function::Malloc, bytes, 0, 0);
    if !block.is_null() {
        // SAFETY: a block of so many bytes, which nobody else has.
        unsafe { clear(block.cast(), bytes) };
    }
    block
}

/// Clears a block from its end: of whole pages only those that are not clear.
///
/// # Safety
/// The block is of that size.
unsafe fn clear(block: *mut u8, bytes: usize) {
    let start = block as usize;
    let mut end = start + bytes;
    while end - start >= CLEARED_BYTES {
        let page =
            if end.is_multiple_of(CLEARED_BYTES) { end - CLEARED_BYTES } else { end & !(CLEARED_BYTES - 1) };
        if page < start {
            break;
        }
        // SAFETY: inside the block, aligned, and all values are numbers.
        let words = unsafe { core::slice::from_raw_parts_mut(page as *mut u64, (end - page) / 8) };
        if words.iter().any(|&word| word != 0) || !end.is_multiple_of(8) {
            // SAFETY: inside the block.
            unsafe { core::ptr::write_bytes(page as *mut u8, 0, end - page) };
        }
        end = page;
    }
    // SAFETY: inside the block.
    unsafe { core::ptr::write_bytes(block, 0, end - start) };
}

extern "C" fn posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    if alignment < size_of::<*mut c_void>() {
        return libc::EINVAL;
    }
    let block = allocate_by(Function::AlignedAlloc, alignment, size, 0);
    if block.is_null() {
        // SAFETY: the calling thread's `errno`, which musl's `aligned_alloc` has set and `posix_memalign` leaves so too.
        return unsafe { *libc::__errno_location() };
    }
    // SAFETY: the caller's.
    unsafe { *place = block };
    0
}

extern "C" fn valloc(size: usize) -> *mut c_void {
    allocate_by(Function::AlignedAlloc, process::page_bytes(), size, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn blocks_are_cleared_whatever_their_ends() {
        for (from, bytes) in [(0, 0), (0, 1), (3, 4096), (8, 8192), (5, 20_000), (4096, 4096), (1, 4095)] {
            let mut room = vec![7u8; 40_000];
            // SAFETY: inside of the room.
            unsafe { clear(room.as_mut_ptr().add(from), bytes) };
            let is_clear = |&byte: &u8| byte == 0;
            assert!(room[from..from + bytes].iter().all(is_clear), "{from} {bytes}");
            assert_eq!(room.iter().filter(|byte| is_clear(byte)).count(), bytes, "{from} {bytes}");
        }
    }
}
