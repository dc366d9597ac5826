//! What only x86_64 assembly can say: system calls, the thread-local block, the counter, where a jump leads.

use core::arch::{asm, x86_64};

use tm_common::header::ClockKind;

/// Makes a system call; a result from -4095 to -1 is an error number.
///
/// # Safety
/// As the call demands.
#[inline]
pub unsafe fn syscall(number: usize, a: [usize; 6]) -> isize {
    let result;
    // SAFETY: the kernel's convention: number in rax, arguments in rdi, rsi, rdx, r10, r8, r9; rcx and r11 are lost.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
             in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _,
             options(nostack));
    }
    result
}

/// Returns the address of the calling thread's `tm_tls`.
#[inline]
pub fn thread_block() -> *mut u8 {
    let address;
    // SAFETY: reads the thread pointer and an offset that the loader has filled in.
    unsafe {
        asm!("mov {0}, qword ptr [rip + tm_tls@GOTTPOFF]", "add {0}, qword ptr fs:[0]", out(reg) address,
             options(nostack, readonly, preserves_flags));
    }
    address
}

/// Returns the stack pointer.
#[inline(always)]
pub fn stack_pointer() -> usize {
    let address;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// Returns the time stamp counter.
#[inline]
pub fn counter() -> u64 {
    // SAFETY: rdtsc has no preconditions; where the process forbids it, see `recording::clock::Withheld`.
    unsafe { x86_64::_rdtsc() }
}

/// Returns the counter's kind and the shift that makes a stamp of it: 32 ticks are 6 to 16 ns at 2 to 5 GHz. `None` if it
/// does not run at a constant rate.
pub fn counter_kind() -> Option<(ClockKind, u8)> {
    let highest = x86_64::__cpuid(0x8000_0000).eax;
    let invariant = highest >= 0x8000_0007 && x86_64::__cpuid(0x8000_0007).edx & 1 << 8 != 0;
    invariant.then_some((ClockKind::Tsc, 5))
}

/// Adds to the number at byte `AT` of `start`, which the calling thread alone changes, by one instruction, so that a signal handler of the
/// thread comes before or after it.
///
/// # Safety
/// There is such a number.
#[inline(always)]
pub unsafe fn add_alone<const AT: usize>(start: *const u8, addend: u64) {
    // SAFETY: the caller's.
    unsafe {
        asm!("add qword ptr [{0} + {at}], {1}", in(reg) start, in(reg) addend, at = const AT, options(nostack));
    }
}

/// Adds 1 to one, as [`add_alone`].
///
/// # Safety
/// As there.
#[inline(always)]
pub unsafe fn count_alone<const AT: usize>(start: *const u8) {
    // SAFETY: the caller's.
    unsafe { asm!("inc qword ptr [{0} + {at}]", in(reg) start, at = const AT, options(nostack)) };
}

/// The kernel's own function in the process that tells the time.
pub const VDSO_CLOCK_GETTIME: &core::ffi::CStr = c"__vdso_clock_gettime";

/// The ELF machine number.
pub const MACHINE: u16 = 62;

/// Instructions begin at multiples of this.
pub const JUMP_ALIGNMENT: usize = 1;

/// Returns where the jump at `address` leads, if the bytes there look like one to another function or part of one: `jmp` and `jcc`
/// with four bytes of distance.
pub fn jump_target(address: usize, code: &[u8]) -> Option<usize> {
    let (len, rest) = match code {
        [0xe9, rest @ ..] => (5, rest),
        [0x0f, 0x80..0x90, rest @ ..] => (6, rest),
        _ => return None,
    };
    let distance = i32::from_le_bytes(*rest.first_chunk()?);
    Some(address.wrapping_add(len).wrapping_add_signed(distance as isize))
}

/// Calls the resolver of an indirect function, as the loader does: with nothing. Returns the function's address.
///
/// # Safety
/// `address` is that of a resolver.
pub unsafe fn call_resolver(address: usize) -> usize {
    // SAFETY: the caller's.
    let resolver: extern "C" fn() -> usize = unsafe { core::mem::transmute(address) };
    resolver()
}

/// Ends the process at once with an illegal instruction.
pub fn abort() -> ! {
    // SAFETY: nothing runs after it.
    unsafe { asm!("ud2", options(noreturn, nomem, nostack)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_lead_where_the_processor_goes() {
        // As an assembler has them at 0x1000: jmp, je, jg; a call, a jump within a function, the first byte of a jump that is cut.
        assert_eq!(jump_target(0x1000, &[0xe9, 0xfb, 0x0f, 0, 0, 0x90]), Some(0x2000));
        assert_eq!(jump_target(0x1000, &[0x0f, 0x84, 0xfa, 0xef, 0xff, 0xff]), Some(0));
        assert_eq!(jump_target(0x1000, &[0x0f, 0x8f, 0, 0, 0, 0]), Some(0x1006));
        assert_eq!(jump_target(0x1000, &[0xe8, 0xfb, 0x0f, 0, 0]), None);
        assert_eq!(jump_target(0x1000, &[0x0f, 0x1f, 0, 0, 0, 0]), None);
        assert_eq!(jump_target(0x1000, &[0xeb, 0x10, 0, 0, 0, 0]), None);
        assert_eq!(jump_target(0x1000, &[0xe9, 0, 0, 0]), None);
        assert_eq!(jump_target(0x1000, &[]), None);
    }
}
