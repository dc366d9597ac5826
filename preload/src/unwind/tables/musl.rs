//! musl's code, which has no unwind tables, as far as stacks lead there: recognised by its instructions.
//!
//! ```text
//!  the first thread   exit(main(argc, argv, envp))      call main; mov edi, eax; call exit
//!  other threads      pthread_exit(start(argument))     call start; mov rdi, rax; call pthread_exit
//!  signal handlers    return to rt_sigreturn            mov rax, 15; syscall
//! ```
//!
//! What makes the first two calls is the outermost frame of its thread. A function of musl that calls back, such as `qsort`, is not
//! known: a stack through it ends there, and is marked.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::cfi::{Cfa, N_TRACKED, RegisterRule, Row};
use crate::sys::objects::elf::Symbols;
use crate::sys::objects::link_map::LinkMap;
use crate::unwind::arch;

/// The functions that never return, and where the code is; zeros in a process of another C library.
static EXITS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
static CODE: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Notes where the C library's code is, which is musl's. Called once, at the start.
#[cold]
pub fn remember_code() {
    let is_c_library = |symbols: &Symbols| symbols.find(c"__libc_start_main").is_some();
    let Some(symbols) = LinkMap::all().filter_map(Symbols::of).find(is_c_library) else { return };
    let exits = [c"exit", c"pthread_exit"].map(|name| symbols.function(name).unwrap_or(0));
    let code = symbols.image().readable_around(exits[0]);
    for (place, number) in EXITS.iter().chain(&CODE).zip(exits.into_iter().chain([code.start, code.end])) {
        // Relaxed: published with the session.
        place.store(number, Ordering::Relaxed);
    }
}

/// Returns the row of the frame that `pc` returns into, if it is one of those.
#[cold]
#[inline(never)]
pub fn row_at(pc: usize) -> Option<Row> {
    // Relaxed, both: see `remember_code`.
    let [start, end] = CODE.each_ref().map(|place| place.load(Ordering::Relaxed));
    let exits = EXITS.each_ref().map(|place| place.load(Ordering::Relaxed));
    row_of(pc, start..end, exits)
}

/// The same of readable code.
fn row_of(pc: usize, code: Range<usize>, exits: [usize; 2]) -> Option<Row> {
    if !code.contains(&pc) || code.end - pc < arch::RECOGNISED_BYTES {
        return None;
    }
    // SAFETY: in the C library's code, which stays.
    let bytes = unsafe { (pc as *const [u8; arch::RECOGNISED_BYTES]).read_unaligned() };
    if bytes.starts_with(&arch::SIGNAL_RETURN) {
        return Some(Row {
            cfa: Cfa::Register { register: arch::STACK_POINTER, offset: 0 },
            registers: arch::SIGNAL_REGISTERS.map(|offset| RegisterRule::AtCfa(offset as i64)),
            return_address_column: arch::CAPTURED_PC,
            is_signal_frame: true,
        });
    }
    let (at, distance) = arch::hands_on(&bytes)?;
    let target = pc.wrapping_add(at).wrapping_add_signed(distance);
    (target != 0 && exits.contains(&target)).then_some(Row {
        cfa: Cfa::UNDEFINED,
        registers: [RegisterRule::Undefined; N_TRACKED],
        return_address_column: arch::CAPTURED_PC,
        is_signal_frame: false,
    })
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_that_hands_the_value_on_to_exit_is_outermost() {
        let outermost: [&[u8]; 4] = [
            &[0x89, 0xc7, 0xe8],                   // mov edi, eax; call
            &[0x48, 0x89, 0xc7, 0xe8],             // mov rdi, rax; call
            &[0x48, 0x63, 0xf8, 0xe8],             // movsxd rdi, eax; call
            &[0x48, 0x98, 0x48, 0x89, 0xc7, 0xe8], // cdqe; mov rdi, rax; call
        ];
        // mov edi, 1; call
        let other: &[u8] = &[0xbf, 1, 0, 0, 0, 0xe8];
        for (code, is_it) in outermost.into_iter().map(|code| (code, true)).chain([(other, false)]) {
            let mut bytes = [0x90u8; 64];
            bytes[..code.len()].copy_from_slice(code);
            bytes[code.len()..code.len() + 4].copy_from_slice(&(-32i32).to_le_bytes());
            let pc = bytes.as_ptr() as usize;
            let (range, exit) = (pc..pc + bytes.len(), (pc + code.len() + 4).wrapping_sub(32));
            let is_outermost = |pc, range, exits| {
                row_of(pc, range, exits).is_some_and(|row| row.return_address() == RegisterRule::Undefined)
            };
            assert_eq!(is_outermost(pc, range.clone(), [0, exit]), is_it, "{code:x?}");
            assert!(!is_outermost(pc, range.clone(), [exit + 1, 0]), "it calls something else");
            assert!(!is_outermost(pc, pc..pc + 8, [0, exit]), "the code ends");
            assert!(!is_outermost(pc + 64, range, [0, exit]), "another module");
        }
    }
}
