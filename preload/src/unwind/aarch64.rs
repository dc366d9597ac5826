//! aarch64: which registers unwinding needs, and how to see them.

use core::arch::naked_asm;

use super::tables::cfi::{Cfa, Row};

/// The registers that a callee preserves, the link register and the stack pointer, by their DWARF numbers
/// (AADWARF64, table "Mapping of DWARF register numbers").
pub const TRACKED: [u16; 13] = [19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];
/// The place of what `capture` returns to among them: x30.
pub const CAPTURED_PC: usize = 11;
/// x29.
pub const FRAME_POINTER: u16 = 29;
/// sp.
pub const STACK_POINTER: u16 = 31;
/// Return addresses stand wherever the function saved x30.
pub const RETURN_ADDRESS_SLOT: Option<i8> = None;

/// Where a signal frame holds the interrupted pc, sp and fp, in bytes from the stack pointer that the handler returns
/// to: `siginfo_t` (128), then `ucontext_t` with `uc_mcontext` at 176, which has the fault address and x0 to x30.
pub const SIGNAL_PC: usize = 128 + 176 + 8 + 8 * 32;
/// See [`SIGNAL_PC`].
pub const SIGNAL_SP: usize = 128 + 176 + 8 + 8 * 31;
/// See [`SIGNAL_PC`].
pub const SIGNAL_FP: usize = 128 + 176 + 8 + 8 * 29;

/// Says whether a row of augmentation `S` is that of the kernel's frame: its frame record is the interrupted one's.
pub fn is_laid_out_by_the_kernel(row: &Row) -> bool {
    matches!(row.cfa, Cfa::Register { register: FRAME_POINTER, offset: 0 })
}

/// Returns the address in a return address, which may carry a pointer authentication code above bit 47.
#[inline]
pub fn strip(pc: usize) -> usize {
    pc & ((1 << 48) - 1)
}

/// Where a signal frame holds each of [`TRACKED`], as [`SIGNAL_PC`], which stands in the place of x30.
pub const SIGNAL_REGISTERS: [usize; TRACKED.len()] = {
    let mut offsets = [0; TRACKED.len()];
    let mut at = 0;
    while at < offsets.len() {
        offsets[at] = if at == CAPTURED_PC { SIGNAL_PC } else { 128 + 176 + 8 + 8 * TRACKED[at] as usize };
        at += 1;
    }
    offsets
};
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

/// Writes the tracked registers, in the order of [`TRACKED`], as they are right after this call returns.
///
/// # Safety
/// `registers` has room for them.
#[unsafe(naked)]
pub unsafe extern "C" fn capture(registers: *mut [usize; TRACKED.len()]) {
    naked_asm!(
        "bti c",
        "stp x19, x20, [x0]",
        "stp x21, x22, [x0, 16]",
        "stp x23, x24, [x0, 32]",
        "stp x25, x26, [x0, 48]",
        "stp x27, x28, [x0, 64]",
        "stp x29, x30, [x0, 80]",
        "mov x9, sp",
        "str x9, [x0, 96]",
        "ret",
    )
}
