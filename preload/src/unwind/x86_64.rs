//! x86_64: which registers unwinding needs, and how to see them.

use core::arch::naked_asm;

use super::tables::cfi::{RegisterRule, Row};
use super::tables::linker_stubs::LinkerStub;

/// All general registers and the return address, by their DWARF numbers (System V ABI for AMD64, figure 3.36). Those
/// that a callee need not preserve are only known of a frame that a signal interrupted, and only needed there: a
/// function that aligns its stack finds its frame by r10 in its first and last instructions.
pub const TRACKED: [u16; 17] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
/// The place of what `capture` returns to among them.
pub const CAPTURED_PC: usize = 16;
/// rbp.
pub const FRAME_POINTER: u16 = 6;
/// rsp.
pub const STACK_POINTER: u16 = 7;
/// Return addresses always stand here, in words from the CFA.
pub const RETURN_ADDRESS_SLOT: Option<i8> = Some(-1);
/// A frame that rbp is kept for ends with what was saved of it and the return address.
pub const GUESSES_FIND_STACK_POINTERS: bool = true;

/// Where a signal frame holds the interrupted pc, sp and fp, in bytes from the stack pointer that the handler returns
/// to: `ucontext_t` with `uc_mcontext` at 40, REG_RIP 16, REG_RSP 15, REG_RBP 10.
pub const SIGNAL_PC: usize = 40 + 8 * 16;
/// See [`SIGNAL_PC`].
pub const SIGNAL_SP: usize = 40 + 8 * 15;
/// See [`SIGNAL_PC`].
pub const SIGNAL_FP: usize = 40 + 8 * 10;

/// Says whether a row of augmentation `S` is that of the kernel's frame: no call has left the return address below the CFA.
pub fn is_laid_out_by_the_kernel(row: &Row) -> bool {
    !matches!(row.return_address(), RegisterRule::AtCfa(_))
}

/// Returns the row of the kernel's frame if a signal handler returns to `pc` and no unwind table says so. The C library's does.
#[inline]
pub fn signal_row(_pc: usize) -> Option<Row> {
    None
}

/// Returns the address in a return address: nothing else is in it.
#[inline]
pub fn strip(pc: usize) -> usize {
    pc
}

/// Where a signal frame holds each of [`TRACKED`], as [`SIGNAL_PC`]: `uc_mcontext` has r8 to r15, rdi, rsi, rbp, rbx, rdx, rax,
/// rcx, rsp, rip.
pub const SIGNAL_REGISTERS: [usize; TRACKED.len()] = {
    let places = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7, 16];
    let mut offsets = [0; TRACKED.len()];
    let mut at = 0;
    while at < offsets.len() {
        offsets[at] = 40 + 8 * places[at];
        at += 1;
    }
    offsets
};
/// What a signal handler returns to: `mov rax, 15; syscall`.
pub const SIGNAL_RETURN: [u8; 9] = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
/// The most bytes behind a return address that tell what it belongs to.
pub const RECOGNISED_BYTES: usize = 10;

/// Returns where the code at a return address ends that calls a function with the value just returned as its argument, and
/// how far from there the function is.
pub fn hands_on(code: &[u8; RECOGNISED_BYTES]) -> Option<(usize, isize)> {
    const CALL: u8 = 0xe8;
    // mov edi, eax; mov rdi, rax; movsxd rdi, eax; cdqe, mov rdi, rax.
    const MOVES: [&[u8]; 4] =
        [&[0x89, 0xc7], &[0x48, 0x89, 0xc7], &[0x48, 0x63, 0xf8], &[0x48, 0x98, 0x48, 0x89, 0xc7]];
    MOVES.iter().find_map(|moves| match code.strip_prefix(*moves)? {
        [CALL, a, b, c, d, ..] => Some((moves.len() + 5, i32::from_le_bytes([*a, *b, *c, *d]) as isize)),
        _ => None,
    })
}

/// What code is made of.
pub type CodeUnit = u8;

/// The bytes of a stub; `_` is one of a distance or a number.
macro_rules! code {
    (@ _) => { (0, 0) };
    (@ $byte:literal) => { (u8::MAX, $byte) };
    ($($byte:tt)*) => { &[$(code!(@ $byte)),*] };
}

/// The stubs of lld and mold, whose unwind tables leave them out. The first of a section goes to the loader, which binds the call. Not
/// known are those of lld with `-z retpolineplt`, and mold's of two instructions or one (`.plt.got`), which could be anybody's.
pub const LINKER_STUBS: &[LinkerStub] = &[
    // lld: jmp *slot; push number; jmp first.
    LinkerStub {
        code: code!(0xff 0x25 _ _ _ _ 0x68 _ _ _ _ 0xe9 _ _ _ _),
        instructions: &[(0, 8), (6, 8), (11, 16)],
    },
    // Its first, entered with the number on the stack: push object; jmp *loader; nop.
    LinkerStub {
        code: code!(0xff 0x35 _ _ _ _ 0xff 0x25 _ _ _ _ 0x0f 0x1f 0x40 0x00),
        instructions: &[(0, 16), (6, 24)],
    },
    // With `-z force-ibt`: endbr64; push number; jmp first; nop.
    LinkerStub {
        code: code!(0xf3 0x0f 0x1e 0xfa 0x68 _ _ _ _ 0xe9 _ _ _ _ 0x66 0x90),
        instructions: &[(0, 8), (4, 8), (9, 16)],
    },
    // Before those, and mold's of what is bound at the start up to 2.2: endbr64; jmp *slot.
    LinkerStub { code: code!(0xf3 0x0f 0x1e 0xfa 0xff 0x25 _ _ _ _), instructions: &[(0, 8), (4, 8)] },
    // mold up to 2.2: endbr64; mov number, r11d; jmp *slot.
    LinkerStub {
        code: code!(0xf3 0x0f 0x1e 0xfa 0x41 0xbb _ _ _ _ 0xff 0x25 _ _ _ _),
        instructions: &[(0, 8), (4, 8), (10, 8)],
    },
    // From 2.3 on: mov number, r11d; jmp *slot; int3.
    LinkerStub {
        code: code!(0x41 0xbb _ _ _ _ 0xff 0x25 _ _ _ _ 0xcc 0xcc 0xcc 0xcc),
        instructions: &[(0, 8), (6, 8)],
    },
    // Its first: endbr64; push r11; push object; jmp *loader.
    LinkerStub {
        code: code!(0xf3 0x0f 0x1e 0xfa 0x41 0x53 0xff 0x35 _ _ _ _ 0xff 0x25 _ _ _ _),
        instructions: &[(0, 8), (4, 8), (6, 16), (12, 24)],
    },
];

/// Writes the registers that callees preserve into the order of [`TRACKED`], as they are right after this call returns.
/// Leaves the others.
///
/// # Safety
/// `registers` has room for them.
#[unsafe(naked)]
pub unsafe extern "C" fn capture(registers: *mut [usize; TRACKED.len()]) {
    naked_asm!(
        "endbr64",
        "mov [rdi + 8 * 3], rbx",
        "mov [rdi + 8 * 6], rbp",
        "lea rax, [rsp + 8]",
        "mov [rdi + 8 * 7], rax",
        "mov [rdi + 8 * 12], r12",
        "mov [rdi + 8 * 13], r13",
        "mov [rdi + 8 * 14], r14",
        "mov [rdi + 8 * 15], r15",
        "mov rax, [rsp]",
        "mov [rdi + 8 * 16], rax",
        "ret",
    )
}
