//! aarch64: which registers unwinding needs, and how to see them.

use core::arch::{asm, naked_asm};

use super::tables::cfi::{Cfa, RegisterRule, Row, column};
use super::tables::linker_stubs::LinkerStub;
use crate::sys::syscall;

/// The registers that a callee preserves, the link register and the stack pointer, by their DWARF numbers (AADWARF64, table "Mapping
/// of DWARF register numbers"); before them those by which prologues that probe a large frame find it, which are known of
/// a frame that a signal interrupted alone; behind them the number of such a frame's pc, which is no register that code saves.
pub const TRACKED: [u16; 17] = [9, 12, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, PC];
/// `ELR_mode`, where an exception came from.
const PC: u16 = 33;
/// The place of what `capture` returns to among them: x30.
pub const CAPTURED_PC: usize = 14;
/// x29.
pub const FRAME_POINTER: u16 = 29;
/// sp.
pub const STACK_POINTER: u16 = 31;
/// Return addresses stand wherever the function saved x30.
pub const RETURN_ADDRESS_SLOT: Option<i8> = None;
/// Frame pointers lead from one pair of saved x29 and x30 to the next, which stands anywhere in its frame.
pub const GUESSES_FIND_STACK_POINTERS: bool = false;

/// Where a signal frame holds the interrupted registers, in bytes from the stack pointer that the handler returns to: `siginfo_t`
/// (128), then `ucontext_t` with `uc_mcontext` at 176, which has the fault address, and x0 to x30, sp and pc.
const FIRST_REGISTER: usize = 128 + 176 + 8;
/// See [`FIRST_REGISTER`].
pub const SIGNAL_PC: usize = FIRST_REGISTER + 8 * 32;
/// See [`FIRST_REGISTER`].
pub const SIGNAL_SP: usize = FIRST_REGISTER + 8 * 31;
/// See [`FIRST_REGISTER`].
pub const SIGNAL_FP: usize = FIRST_REGISTER + 8 * 29;
/// Where it holds each of [`TRACKED`].
pub const SIGNAL_REGISTERS: [usize; TRACKED.len()] = {
    let mut offsets = [0; TRACKED.len()];
    let mut at = 0;
    while at < offsets.len() {
        offsets[at] = if TRACKED[at] == PC { SIGNAL_PC } else { FIRST_REGISTER + 8 * TRACKED[at] as usize };
        at += 1;
    }
    offsets
};

/// Says whether a row of augmentation `S` is that of the kernel's frame. None is: [`signal_row`] knows that frame by its code, and what
/// kernels before Linux 5.8 said of it leaves out the function that was interrupted.
pub fn is_laid_out_by_the_kernel(_row: &Row) -> bool {
    false
}

/// Returns the row of the kernel's frame if a signal handler returns to `pc`: to the two instructions that leave it, which are
/// the same everywhere and have no unwind table. `pc` may be anything.
#[cold]
pub fn signal_row(pc: usize) -> Option<Row> {
    // SAFETY: the kernel has read the word, and code is not unmapped while it is on the stack.
    let instructions = (pc.is_multiple_of(4) && syscall::is_readable(pc))
        .then(|| unsafe { (pc as *const [u8; 8]).read_unaligned() });
    if instructions != Some(SIGNAL_RETURN) {
        return None;
    }
    Some(Row {
        cfa: Cfa::Register { register: STACK_POINTER, offset: 0 },
        registers: SIGNAL_REGISTERS.map(|offset| RegisterRule::AtCfa(offset as i64)),
        return_address_column: column(u64::from(PC))?,
        is_signal_frame: true,
    })
}

/// Returns the address in a return address, which may carry a pointer authentication code in the bits that addresses do not
/// use. How many those are, the processor knows: one that makes no codes does nothing.
#[inline]
pub fn strip(pc: usize) -> usize {
    let address;
    // SAFETY: `xpaclri` changes x30 alone.
    unsafe { asm!("hint 7", inlateout("x30") pc => address, options(pure, nomem, nostack, preserves_flags)) };
    address
}

/// What a signal handler returns to: `mov x8, 139; svc 0`.
pub const SIGNAL_RETURN: [u8; 8] = [0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4];
/// The most bytes behind a return address that tell what it belongs to.
pub const RECOGNISED_BYTES: usize = 8;

/// Returns where the code at a return address ends that calls a function with the value just returned as its argument, and
/// how far from there the function is: `bl`, from its own place.
pub fn hands_on(code: &[u8; RECOGNISED_BYTES]) -> Option<(usize, isize)> {
    // sxtw x0, w0
    const EXTEND: u32 = 0x9340_7c00;
    let [a, b, c, d, e, f, g, h] = *code;
    let words = [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])];
    let (at, word) = if words[0] == EXTEND { (4, words[1]) } else { (0, words[0]) };
    let distance = ((word << 6) as i32 >> 6) as isize * 4;
    (word >> 26 == 0b10_0101).then_some((at, distance))
}

/// What code is made of.
pub type CodeUnit = u32;

/// Returns the instruction of which everything is fixed.
const fn exactly(instruction: u32) -> (u32, u32) {
    (u32::MAX, instruction)
}
/// `adrp x16, page`
const ADRP: (u32, u32) = (0x9f00_001f, 0x9000_0010);
/// `ldr x17, [x16, offset]`
const LDR: (u32, u32) = (0xffc0_03ff, 0xf940_0211);
/// `add x16, x16, offset`
const ADD: (u32, u32) = (0xffc0_03ff, 0x9100_0210);
/// `br x17`
const BR: (u32, u32) = exactly(0xd61f_0220);
/// `bti c`
const BTI: (u32, u32) = exactly(0xd503_245f);
/// `stp x16, x30, [sp, -16]!`
const STP: (u32, u32) = exactly(0xa9bf_7bf0);

/// The stubs by which bfd, gold, lld and mold lead calls. The first of a section goes to the loader, which binds the call, and keeps x30
/// on the stack. Those with more instructions before are tried first. Not known are those with `-z pac-plt`, with which a
/// program ends at its first call if glibc has loaded it on a processor that checks; those that look up thread-local variables; and what
/// leads branches further than they reach, which may be branches within a function.
pub const LINKER_STUBS: &[LinkerStub] = &[
    LinkerStub {
        code: &[BTI, STP, ADRP, LDR, ADD, BR],
        instructions: &[(0, 0), (1, 0), (2, 16), (3, 16), (4, 16), (5, 16)],
    },
    LinkerStub {
        code: &[STP, ADRP, LDR, ADD, BR],
        instructions: &[(0, 0), (1, 16), (2, 16), (3, 16), (4, 16)],
    },
    LinkerStub { code: &[BTI, ADRP, LDR, ADD, BR], instructions: &[(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)] },
    LinkerStub { code: &[ADRP, LDR, ADD, BR], instructions: &[(0, 0), (1, 0), (2, 0), (3, 0)] },
    // mold's of what is bound at the start.
    LinkerStub { code: &[ADRP, LDR, BR], instructions: &[(0, 0), (1, 0), (2, 0)] },
];

/// Writes the registers that callees preserve into the order of [`TRACKED`], as they are right after this call returns.
/// Leaves the others.
///
/// # Safety
/// `registers` has room for them.
#[unsafe(naked)]
pub unsafe extern "C" fn capture(registers: *mut [usize; TRACKED.len()]) {
    naked_asm!(
        "bti c",
        "stp x19, x20, [x0, 24]",
        "stp x21, x22, [x0, 40]",
        "stp x23, x24, [x0, 56]",
        "stp x25, x26, [x0, 72]",
        "stp x27, x28, [x0, 88]",
        "stp x29, x30, [x0, 104]",
        "mov x9, sp",
        "str x9, [x0, 120]",
        "ret",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_taken_off_return_addresses() {
        let signed: usize;
        let plain = strip as fn(usize) -> usize as usize;
        // SAFETY: `paciasp` changes x30 alone.
        unsafe { asm!("hint 25", inlateout("x30") plain => signed, options(nomem, nostack)) };
        assert_eq!((strip(signed), strip(plain), strip(0)), (plain, plain, 0));
    }

    #[test]
    fn a_return_from_a_signal_is_known_by_its_instructions() {
        static CODE: [u32; 3] = [0xd503_201f, 0xd280_1168, 0xd400_0001];
        let code = CODE.as_ptr() as usize;
        let row = signal_row(code + 4).expect("it is one");
        assert!(row.is_signal_frame && row.return_address() == RegisterRule::AtCfa(568));
        assert!([code, code + 2, code + 8, 0, 8, usize::MAX - 7].iter().all(|&pc| signal_row(pc).is_none()));
    }
}
