//! The time to within a tick of the kernel's, without the processor's counter and without a system call: what the kernel's
//! own code in the process (the vDSO) reads from a page that the kernel keeps up to date.

use core::sync::atomic::{AtomicPtr, Ordering};

use super::syscall;

type ClockGetTime = unsafe extern "C" fn(i32, *mut libc::timespec) -> i32;

/// The vDSO's `clock_gettime`; null where there is none.
static CLOCK_GETTIME: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());

/// Makes this function be called from now on, [`arch::VDSO_CLOCK_GETTIME`], if it is not 0. Called once, at the start.
pub fn initialise(clock_gettime: usize) {
    // Relaxed: the kernel's code is there as long as the process.
    CLOCK_GETTIME.store(clock_gettime as *mut u8, Ordering::Relaxed);
}

/// Reads `CLOCK_MONOTONIC_COARSE`, in ns.
pub fn monotonic_ns() -> u64 {
    // Relaxed: as in `initialise`.
    let function = CLOCK_GETTIME.load(Ordering::Relaxed);
    if function.is_null() {
        return syscall::clock_ns(libc::CLOCK_MONOTONIC_COARSE);
    }
    // SAFETY: nothing else is stored there.
    let function: ClockGetTime = unsafe { core::mem::transmute(function) };
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is the kernel's.
    unsafe { function(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_kernels_clock() {
        let [found] = crate::sys::objects::elf::first_of([crate::sys::arch::VDSO_CLOCK_GETTIME]);
        initialise(found);
        assert!(!CLOCK_GETTIME.load(Ordering::Relaxed).is_null());
        let before = syscall::clock_ns(libc::CLOCK_MONOTONIC_COARSE);
        let now = monotonic_ns();
        assert!((before..=syscall::clock_ns(libc::CLOCK_MONOTONIC_COARSE)).contains(&now));
    }
}
