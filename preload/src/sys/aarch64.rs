//! What only aarch64 assembly can say: system calls, the thread-local block, the counter, where a jump leads.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use tm_common::header::ClockKind;

use super::process::InitialStack;

// The compiler's own library is built to be unwound, and names in its unwind tables the function that the language's run-time
// library has for that. An exception or a cancellation that passes through goes on: nothing here has anything to clean up.
#[cfg(panic = "abort")]
core::arch::global_asm!(
    ".text",
    ".hidden rust_eh_personality",
    ".globl rust_eh_personality",
    ".type rust_eh_personality, %function",
    "rust_eh_personality:",
    "bti c",
    "mov w0, 8", // _URC_CONTINUE_UNWIND
    "ret",
    ".size rust_eh_personality, . - rust_eh_personality",
);

/// Makes a system call; a result from -4095 to -1 is an error number.
///
/// # Safety
/// As the call demands.
#[inline]
pub unsafe fn syscall(number: usize, a: [usize; 6]) -> isize {
    let result;
    // SAFETY: the kernel's convention: number in x8, arguments in x0 to x5, result in x0.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a[0] => result, in("x1") a[1], in("x2") a[2], in("x3") a[3],
             in("x4") a[4], in("x5") a[5], options(nostack));
    }
    result
}

/// Returns the address of the calling thread's `tm_tls`.
#[inline]
pub fn thread_block() -> *mut u8 {
    let address;
    // SAFETY: reads the thread pointer and an offset that the loader has filled in.
    unsafe {
        asm!("adrp {1}, :gottprel:tm_tls", "ldr {1}, [{1}, :gottprel_lo12:tm_tls]", "mrs {0}, tpidr_el0",
             "add {0}, {0}, {1}", out(reg) address, out(reg) _, options(nostack, readonly, preserves_flags));
    }
    address
}

/// Returns the stack pointer.
#[inline(always)]
pub fn stack_pointer() -> usize {
    let address;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// Returns the virtual counter.
#[inline]
pub fn counter() -> u64 {
    let value;
    // SAFETY: Linux lets user space read CNTVCT_EL0.
    unsafe { asm!("mrs {}, cntvct_el0", out(reg) value, options(nostack, nomem, preserves_flags)) };
    value
}

/// Returns the counter's kind and the shift that makes a stamp of it: about 10 ns, nothing at 24 to 100 MHz.
pub fn counter_kind() -> Option<(ClockKind, u8)> {
    let frequency: u64;
    // SAFETY: Linux lets user space read CNTFRQ_EL0.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nostack, nomem, preserves_flags)) };
    Some((ClockKind::VirtualCounter, (frequency / 100_000_000).max(1).ilog2() as u8))
}

/// Adds to the number at byte `AT` of `start`, which the calling thread alone changes: at once, so that a signal handler of the thread
/// comes before or after it.
///
/// # Safety
/// There is such a number.
#[inline(always)]
pub unsafe fn add_alone<const AT: usize>(start: *const u8, addend: u64) {
    // SAFETY: the caller's.
    let number = unsafe { &*start.add(AT).cast::<AtomicU64>() };
    // Relaxed: the thread's own.
    number.fetch_add(addend, Ordering::Relaxed);
}

/// Adds 1 to one, as [`add_alone`].
///
/// # Safety
/// As there.
#[inline(always)]
pub unsafe fn count_alone<const AT: usize>(start: *const u8) {
    // SAFETY: the caller's.
    unsafe { add_alone::<AT>(start, 1) };
}

/// The kernel's own function in the process that tells the time.
pub const VDSO_CLOCK_GETTIME: &core::ffi::CStr = c"__kernel_clock_gettime";

/// The ELF machine number.
pub const MACHINE: u16 = 183;

/// Instructions begin at multiples of this.
pub const JUMP_ALIGNMENT: usize = 4;

/// Returns where the jump at `address` leads, if the bytes there are one: `b`, and `b.cond`, `cbz`, `tbz` and their opposites. The
/// distance is in words.
pub fn jump_target(address: usize, code: &[u8]) -> Option<usize> {
    let word = u32::from_le_bytes(*code.first_chunk()?);
    let (first_bit, n_bits) = match word {
        _ if word >> 26 == 0b00_0101 => (0, 26),
        _ if word >> 24 == 0b0101_0100 || word >> 25 & 0x3f == 0b01_1010 => (5, 19),
        _ if word >> 25 & 0x3f == 0b01_1011 => (5, 14),
        _ => return None,
    };
    let distance = (word << (32 - first_bit - n_bits)) as i32 >> (32 - n_bits);
    Some(address.wrapping_add_signed(4 * distance as isize))
}

/// Calls the resolver of an indirect function, as the loader does: with what the processor can do (`sys/ifunc.h`). Returns the
/// function's address.
///
/// # Safety
/// `address` is that of a resolver.
pub unsafe fn call_resolver(address: usize) -> usize {
    /// The second argument is there.
    const HAS_ARGUMENT: usize = 1 << 62;
    let stack = InitialStack::current();
    let value = |key| stack.auxiliary(key).unwrap_or(0);
    let (first, second) = (value(libc::AT_HWCAP), value(libc::AT_HWCAP2));
    let argument = [size_of::<[usize; 3]>(), first, second];
    // SAFETY: the caller's.
    let resolver: extern "C" fn(usize, &[usize; 3]) -> usize = unsafe { core::mem::transmute(address) };
    resolver(first | HAS_ARGUMENT, &argument)
}

/// Ends the process at once with an illegal instruction.
pub fn abort() -> ! {
    // SAFETY: nothing runs after it.
    unsafe { asm!("udf 0", options(noreturn, nomem, nostack)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_lead_where_the_processor_goes() {
        let target = |word: u32| jump_target(0x1000, &word.to_le_bytes());
        // As an assembler has them: b, b.eq, cbz, cbnz, tbz, tbnz; bl, ret, add.
        assert_eq!(target(0x1400_0400), Some(0x2000));
        assert_eq!(target(0x17ff_fc00), Some(0));
        assert_eq!(target(0x54ff_ffe0), Some(0x0ffc));
        assert_eq!(target(0xb400_0080), Some(0x1010));
        assert_eq!(target(0x35ff_ffc1), Some(0x0ff8));
        assert_eq!(target(0x3618_0040), Some(0x1008));
        assert_eq!(target(0xb747_ffc1), Some(0x0ff8));
        assert_eq!(target(0x9400_0400), None);
        assert_eq!(target(0xd65f_03c0), None);
        assert_eq!(target(0x8b01_0000), None);
        assert_eq!(jump_target(0x1000, &[0, 0, 0]), None);
    }
}
