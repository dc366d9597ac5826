//! Private memory straight from the kernel: zeroed pages, never given back, never the target's heap.

use super::syscall;

/// Room for `count` values of `T`, all bytes zero; null if the process has no memory left.
///
/// The pages cost nothing until they are touched.
pub fn zeroed<T>(count: usize) -> *mut T {
    let Some(bytes) = size_of::<T>().checked_mul(count) else { return core::ptr::null_mut() };
    syscall::mmap(bytes.max(1), None).map_or(core::ptr::null_mut(), |pages| pages.cast())
}
