//! System calls by name. Each returns the kernel's result; `errno` is never touched.

use super::arch;
use super::process::restrictions;

/// An error number of the kernel, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

/// The result of a system call.
pub type Result<T> = core::result::Result<T, Errno>;

macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {{
        let arguments = [$($argument as usize),*];
        let mut all = [0usize; 6];
        for (slot, argument) in all.iter_mut().zip(arguments) {
            *slot = argument;
        }
        // A thread that may make no system call at all would be killed for it.
        if restrictions::are_total() {
            Err(Errno(libc::EPERM))
        } else {
            check(arch::syscall(libc::$number as usize, all))
        }
    }};
}

fn check(result: isize) -> Result<usize> {
    if (-4095..0).contains(&result) { Err(Errno(-result as i32)) } else { Ok(result as usize) }
}

// Behind the macro, which it uses.
mod memory;
mod paths;
pub use memory::*;
pub use paths::*;

/// Calls `close`. Errors mean nothing to us.
pub fn close(fd: i32) {
    // SAFETY: the descriptor is the caller's own.
    let _ = unsafe { call!(SYS_close, fd) };
}

/// Calls `read`, at most `buffer.len()` bytes.
pub fn read(fd: i32, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the buffer is writable for its length.
    unsafe { call!(SYS_read, fd, buffer.as_mut_ptr(), buffer.len()) }
}

/// Calls `write`.
pub fn write(fd: i32, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the bytes are readable.
    unsafe { call!(SYS_write, fd, bytes.as_ptr(), bytes.len()) }
}

/// Calls `write` of a message, which must not raise SIGPIPE where nobody reads: the signal is held back meanwhile, and taken
/// off the thread if it came.
pub fn write_quietly(fd: i32, bytes: &[u8]) {
    let pipe_signal = 1u64 << (libc::SIGPIPE - 1);
    let mut before = 0u64;
    let now: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: signal sets of the kernel's size, on the stack.
    let _ = unsafe { call!(SYS_rt_sigprocmask, libc::SIG_BLOCK, &raw const pipe_signal, &raw mut before, 8) };
    if write(fd, bytes) == Err(Errno(libc::EPIPE)) && before & pipe_signal == 0 {
        // SAFETY: as above.
        let _ = unsafe { call!(SYS_rt_sigtimedwait, &raw const pipe_signal, 0, &raw const now, 8) };
    }
    // SAFETY: as above.
    let _ = unsafe { call!(SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const before, 0, 8) };
}

/// Blocks the signals of `mask` in the calling thread and no others; what was blocked before. Signal n is bit n - 1.
pub fn set_signal_mask(mask: u64) -> u64 {
    let mut before = 0u64;
    // SAFETY: the kernel's signal sets have 8 bytes.
    let _ = unsafe { call!(SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut before, 8) };
    before
}

/// Calls `rt_sigprocmask` that changes nothing and writes the thread's 8 bytes of signal mask to `place`: the kernel's own
/// store, which fails with EFAULT where the thread's would raise SIGBUS.
///
/// # Safety
/// The 8 bytes are mapped for writing and nobody else's.
pub unsafe fn signal_mask_to(place: *mut u64) -> Result<usize> {
    // SAFETY: the caller's.
    unsafe { call!(SYS_rt_sigprocmask, libc::SIG_BLOCK, 0, place, 8) }
}

/// Calls `getrandom`, which writes 8 bytes to `place` as [`signal_mask_to`] does: also under qemu, which stores signal masks itself.
///
/// # Safety
/// As for [`signal_mask_to`].
pub unsafe fn random_to(place: *mut u64) -> Result<usize> {
    // SAFETY: the caller's.
    unsafe { call!(SYS_getrandom, place, 8, libc::GRND_NONBLOCK) }
}

/// Tells whether the calling thread runs on its alternate signal stack, sigaltstack(2).
pub fn is_on_signal_stack() -> bool {
    let mut stack = libc::stack_t { ss_sp: core::ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: the structure is the kernel's; no new stack is set.
    let _ = unsafe { call!(SYS_sigaltstack, 0, &raw mut stack) };
    stack.ss_flags & libc::SS_ONSTACK != 0
}

/// Calls `pwrite64`.
pub fn pwrite(fd: i32, bytes: &[u8], offset: u64) -> Result<usize> {
    // SAFETY: the bytes are readable.
    unsafe { call!(SYS_pwrite64, fd, bytes.as_ptr(), bytes.len(), offset) }
}

/// Calls `pread64`, at most `buffer.len()` bytes.
pub fn pread(fd: i32, buffer: &mut [u8], offset: u64) -> Result<usize> {
    // SAFETY: the buffer is writable for its length.
    unsafe { call!(SYS_pread64, fd, buffer.as_mut_ptr(), buffer.len(), offset) }
}

/// Calls `fallocate` of mode 0: allocates the range's blocks and makes the file at least that long.
pub fn fallocate(fd: i32, offset: u64, len: u64) -> Result<usize> {
    // SAFETY: no memory is involved.
    unsafe { call!(SYS_fallocate, fd, 0, offset, len) }
}

/// Calls `ftruncate`.
pub fn ftruncate(fd: i32, len: u64) -> Result<usize> {
    // SAFETY: whoever maps the part that goes must not touch it any more; see `Recording::cut`.
    unsafe { call!(SYS_ftruncate, fd, len) }
}

/// Asks that blocks of an empty file be overwritten in place (`FS_NOCOW_FL`, btrfs): written elsewhere, a page that has a
/// block needs another one each time, and a full disk is SIGBUS. Other file systems refuse, and do so anyway.
pub fn overwrite_in_place(fd: i32) {
    const FS_IOC_GETFLAGS: usize = 2 << 30 | 8 << 16 | (b'f' as usize) << 8 | 1;
    const FS_IOC_SETFLAGS: usize = 1 << 30 | 8 << 16 | (b'f' as usize) << 8 | 2;
    const FS_NOCOW_FL: u32 = 0x80_0000;
    let mut flags = 0u32;
    if ioctl(fd, FS_IOC_GETFLAGS, &mut flags).is_ok() {
        flags |= FS_NOCOW_FL;
        ioctl(fd, FS_IOC_SETFLAGS, &mut flags).ok();
    }
}

/// Calls `mmap` for the target, with its arguments.
///
/// # Safety
/// As the target's call: MAP_FIXED replaces what is there.
pub unsafe fn mmap_for_target(arguments: [usize; 6]) -> Result<usize> {
    let [address, size, protection, flags, fd, offset] = arguments;
    // SAFETY: the caller's.
    unsafe { call!(SYS_mmap, address, size, protection, flags, fd, offset) }
}

/// Calls `munmap` for the target.
///
/// # Safety
/// As the target's call.
pub unsafe fn munmap_for_target(address: usize, size: usize) -> Result<usize> {
    // SAFETY: the caller's.
    unsafe { call!(SYS_munmap, address, size) }
}

/// Calls `mremap` for the target.
///
/// # Safety
/// As the target's call.
pub unsafe fn mremap_for_target(arguments: [usize; 5]) -> Result<usize> {
    let [old, old_size, new_size, flags, new] = arguments;
    // SAFETY: the caller's.
    unsafe { call!(SYS_mremap, old, old_size, new_size, flags, new) }
}

/// Calls `brk`: the break, which is `wanted` if the kernel has granted it.
///
/// # Safety
/// As the target's call: what lies behind a lower break is gone.
pub unsafe fn brk(wanted: usize) -> usize {
    // SAFETY: the caller's.
    unsafe { call!(SYS_brk, wanted) }.unwrap_or(0)
}

/// Calls `madvise`.
pub fn madvise(address: *mut u8, len: usize, advice: i32) -> Result<usize> {
    // SAFETY: only used on pages of this library, whose content may go where the advice says so.
    unsafe { call!(SYS_madvise, address, len, advice) }
}

/// Calls `mprotect`.
pub fn mprotect(address: usize, len: usize, protection: i32) -> Result<usize> {
    // SAFETY: only used on pages of this library.
    unsafe { call!(SYS_mprotect, address, len, protection) }
}

/// Tells whether the word at `address` can be read, by a call of `rt_sigprocmask` that must fail: for another reason if
/// the kernel could read its signal set there.
pub fn is_readable(address: usize) -> bool {
    const NO_SUCH_WAY: usize = usize::MAX;
    // SAFETY: the kernel reads 8 bytes or refuses, and changes nothing for a way that does not exist.
    let result = unsafe { call!(SYS_rt_sigprocmask, NO_SUCH_WAY, address, 0, 8) };
    result == Err(Errno(libc::EINVAL))
}

/// Calls `ioctl` with a structure.
pub fn ioctl<T>(fd: i32, request: usize, argument: &mut T) -> Result<usize> {
    // SAFETY: the structure is the one that the request takes, which the callers ensure.
    unsafe { call!(SYS_ioctl, fd, request, core::ptr::from_mut(argument)) }
}

/// Calls `getpid`, not cached.
pub fn getpid() -> u32 {
    // SAFETY: no preconditions, always succeeds.
    unsafe { call!(SYS_getpid) }.unwrap_or(0) as u32
}

/// Calls `getppid`.
pub fn getppid() -> u32 {
    // SAFETY: no preconditions, always succeeds.
    unsafe { call!(SYS_getppid) }.unwrap_or(0) as u32
}

/// Calls `geteuid`.
pub fn geteuid() -> u32 {
    // SAFETY: no preconditions, always succeeds.
    unsafe { call!(SYS_geteuid) }.unwrap_or(0) as u32
}

/// Calls `getegid`.
pub fn getegid() -> u32 {
    // SAFETY: no preconditions, always succeeds.
    unsafe { call!(SYS_getegid) }.unwrap_or(0) as u32
}

/// Calls `gettid`.
pub fn gettid() -> u32 {
    // SAFETY: no preconditions, always succeeds.
    unsafe { call!(SYS_gettid) }.unwrap_or(0) as u32
}

/// Tells whether thread `tid` of process `pid` exists (`tgkill` with signal 0).
pub fn thread_exists(pid: u32, tid: u32) -> bool {
    // SAFETY: signal 0 is not delivered.
    let result = unsafe { call!(SYS_tgkill, pid, tid, 0) };
    result != Err(Errno(libc::ESRCH))
}

/// Tells whether process `pid` exists, as far as we may know (`kill` with signal 0).
pub fn process_exists(pid: u32) -> bool {
    // SAFETY: signal 0 is not delivered.
    let result = unsafe { call!(SYS_kill, pid, 0) };
    result != Err(Errno(libc::ESRCH))
}

/// The name of a thread, ended by a NUL (`TASK_COMM_LEN`).
pub type ThreadName = [u8; 16];

/// Returns the calling thread's name, `PR_GET_NAME`.
pub fn thread_name() -> ThreadName {
    let mut name = ThreadName::default();
    // SAFETY: the kernel writes as many bytes.
    let _ = unsafe { call!(SYS_prctl, libc::PR_GET_NAME, name.as_mut_ptr()) };
    name
}

/// Returns (`PR_GET_SECCOMP`, `PR_GET_NO_NEW_PRIVS`): what a process has put on to give up rights by.
pub fn restrictions() -> (usize, usize) {
    // SAFETY: no memory is involved.
    let get = |option| unsafe { call!(SYS_prctl, option, 0, 0, 0, 0) }.unwrap_or(0);
    (get(libc::PR_GET_SECCOMP), get(libc::PR_GET_NO_NEW_PRIVS))
}

/// Tells whether the calling thread gets SIGSEGV for reading the processor's counter (`PR_GET_TSC`): it may have been born so.
pub fn counter_is_withheld() -> bool {
    let mut state = 0i32;
    // SAFETY: the kernel writes a number, or knows no such option.
    let result = unsafe { call!(SYS_prctl, libc::PR_GET_TSC, &raw mut state, 0, 0, 0) };
    result.is_ok() && state == libc::PR_TSC_SIGSEGV
}

/// Returns a clock in nanoseconds, 0 if it does not exist.
pub fn clock_ns(clock: i32) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is the kernel's.
    let _ = unsafe { call!(SYS_clock_gettime, clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Calls `nanosleep`, which a signal may cut short.
pub fn pause_ns(ns: i64) {
    let time = libc::timespec { tv_sec: 0, tv_nsec: ns };
    // SAFETY: the structure is the kernel's; the rest is not asked for.
    let _ = unsafe { call!(SYS_nanosleep, &raw const time, 0) };
}

/// Returns the host's name, ended by a NUL.
pub fn host_name() -> [u8; 65] {
    // SAFETY: utsname is plain data, all zeros is a value of it.
    let mut names: libc::utsname = unsafe { core::mem::zeroed() };
    // SAFETY: the structure is the kernel's.
    let _ = unsafe { call!(SYS_uname, &raw mut names) };
    names.nodename.map(|c| c as u8)
}

/// Returns the process's present limit of a resource, `RLIMIT_...`. A file that grows beyond its one raises SIGXFSZ.
pub fn limit(resource: u32) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: u64::MAX, rlim_max: u64::MAX };
    // SAFETY: the structure is the kernel's, no new limit is set.
    let _ = unsafe { call!(SYS_prlimit64, 0, resource, 0, &raw mut limit) };
    limit.rlim_cur
}

/// Calls `exit_group`.
pub fn exit_group(status: i32) -> ! {
    loop {
        // SAFETY: ends the process, also one that is killed for the call.
        unsafe { arch::syscall(libc::SYS_exit_group as usize, [status as usize, 0, 0, 0, 0, 0]) };
    }
}
