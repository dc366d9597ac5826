//! Stubs by which linkers lead calls to other objects (the procedure linkage table, PLT): on aarch64 none has an unwind table, on
//! x86_64 those of lld and mold have none. They are recognised by their instructions.
//!
//! Nothing returns into a stub. So one is on a stack only where a signal has interrupted it.

use core::ops::Range;

use super::cfi::{Cfa, N_TRACKED, RegisterRule, Row};
use crate::sys::syscall;
use crate::unwind::arch;

/// A stub, of less than a page.
#[derive(Debug)]
pub struct LinkerStub {
    /// Its code: of each unit which bits are the same everywhere, and what they are.
    pub code: &'static [(arch::CodeUnit, arch::CodeUnit)],
    /// Where its instructions begin, in units of code, and how many bytes the CFA is above the stack pointer there. The return
    /// address stands below the CFA; where there is no room for it, it is in its register.
    pub instructions: &'static [(usize, i64)],
}

const UNIT_BYTES: usize = size_of::<arch::CodeUnit>();

/// Returns the row of the instruction at `pc`, which was interrupted, if it is one of a stub. `module` is the range of the loaded object
/// that holds it, which has no unwind table for it.
#[cold]
#[inline(never)]
pub fn row_at(pc: usize, module: &Range<usize>) -> Option<Row> {
    // It may be what could not be executed.
    if !pc.is_multiple_of(UNIT_BYTES) || !is_readable(pc) {
        return None;
    }
    let cfa_offset = arch::LINKER_STUBS.iter().find_map(|stub| stub.cfa_offset(pc, module))?;
    let mut registers = [RegisterRule::Same; N_TRACKED];
    if cfa_offset != 0 {
        *registers.get_mut(arch::CAPTURED_PC)? = RegisterRule::AtCfa(-8);
    }
    Some(Row {
        cfa: Cfa::Register { register: arch::STACK_POINTER, offset: cfa_offset },
        registers,
        return_address_column: arch::CAPTURED_PC,
        is_signal_frame: false,
    })
}

impl LinkerStub {
    /// Returns how far the CFA is above the stack pointer, if the readable `pc` is at one of its instructions.
    fn cfa_offset(&self, pc: usize, module: &Range<usize>) -> Option<i64> {
        let is_at = |&&(at, _): &&(usize, i64)| self.is_at(pc.wrapping_sub(at * UNIT_BYTES), at, module);
        self.instructions.iter().find(is_at).map(|&(_, cfa_offset)| cfa_offset)
    }

    /// Tells whether it begins at `start`, of which what is `known` units behind can be read.
    fn is_at(&self, start: usize, known: usize, module: &Range<usize>) -> bool {
        let is_unit = |n: usize| {
            let place = (start as *const arch::CodeUnit).wrapping_add(n);
            self.code.get(n).is_some_and(|&(fixed, value)| {
                // SAFETY: it can be read: first the one that is known, then those between two ends that can be. They are of the
                // object, which stays, for this code of it is on the stack.
                let unit = unsafe { place.read_unaligned() };
                unit & fixed == value
            })
        };
        let last = start.wrapping_add((self.code.len() - 1) * UNIT_BYTES);
        is_unit(known)
            && [start, last].iter().all(|&end| module.contains(&end) && is_readable(end))
            && (0..self.code.len()).all(is_unit)
    }
}

/// Tells whether the kernel can read the unit of code at an address.
fn is_readable(address: usize) -> bool {
    // The word that holds it, which ends in the same page.
    syscall::is_readable(address & !(size_of::<usize>() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PADDING: usize = 8;

    /// The rows of all units of a code, with something else before and behind it.
    fn cfa_offsets(code: &[arch::CodeUnit]) -> Vec<Option<i64>> {
        let padded = [&[0; PADDING][..], code, &[0; PADDING]].concat();
        let places = padded.as_ptr_range();
        let module = places.start as usize..places.end as usize;
        let offset = |row: Row| match row.cfa {
            Cfa::Register { register: arch::STACK_POINTER, offset } => offset,
            cfa => panic!("{cfa:?}"),
        };
        (0..padded.len()).map(|n| row_at(module.start + n * UNIT_BYTES, &module).map(offset)).collect()
    }

    #[test]
    fn every_instruction_of_a_stub_is_known_and_nothing_else() {
        for stub in arch::LINKER_STUBS {
            // Whatever is not fixed may be anything.
            for rest in [arch::CodeUnit::MIN, arch::CodeUnit::MAX, arch::CodeUnit::MAX / 3] {
                let code: Vec<arch::CodeUnit> =
                    stub.code.iter().map(|&(fixed, value)| value | rest & !fixed).collect();
                for (n, offset) in cfa_offsets(&code).into_iter().enumerate() {
                    let instruction = stub.instructions.iter().find(|&&(at, _)| at + PADDING == n);
                    assert_eq!(offset, instruction.map(|&(_, offset)| offset), "{stub:x?} {n}");
                }
            }
        }
    }

    #[test]
    fn code_that_differs_in_one_bit_is_no_stub() {
        for stub in arch::LINKER_STUBS {
            let code: Vec<arch::CodeUnit> = stub.code.iter().map(|&(_, value)| value).collect();
            for (n, &(fixed, _)) in stub.code.iter().enumerate() {
                for bit in (0..arch::CodeUnit::BITS).filter(|bit| fixed >> bit & 1 != 0) {
                    let mut other = code.clone();
                    other[n] ^= 1 << bit;
                    assert_eq!(cfa_offsets(&other)[PADDING], None, "{stub:x?} {n} {bit}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_read_or_is_of_another_object_is_none() {
        let everywhere = 0..usize::MAX;
        assert!([0, 8, usize::MAX - 7].iter().all(|&pc| row_at(pc, &everywhere).is_none()));
        let stub = &arch::LINKER_STUBS[0];
        let code: Vec<arch::CodeUnit> = stub.code.iter().map(|&(_, value)| value).collect();
        let start = code.as_ptr() as usize;
        let end = start + code.len() * UNIT_BYTES;
        assert!(row_at(start, &(start..end)).is_some());
        assert!([start..end - UNIT_BYTES, start + 1..end].iter().all(|part| row_at(start, part).is_none()));
    }
}
