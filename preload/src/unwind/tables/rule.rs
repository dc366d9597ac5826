//! An unwind rule: how to get from one frame to its caller, in 8 bytes.

use tm_common::stack::EndReason;

use super::cfi::{Cfa, RegisterRule, Row};
use crate::unwind::arch;

/// The ways the caller's stack pointer (the CFA, canonical frame address, DWARF section 6.4) is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `cfa = sp + offset`.
    FromStackPointer = 1,
    /// `cfa = fp + offset`.
    FromFramePointer = 2,
    /// `cfa = *(fp + offset)`: a function that aligns its stack. `fp_slot` counts from `fp`, not from the CFA.
    Dereference = 3,
    /// A signal handler's return: the state is in the signal frame at `sp`.
    Signal = 4,
    /// The outermost frame.
    End = 5,
    /// Needs more registers than this walk knows.
    Complex = 6,
    /// Guess by frame pointer, without unwind table: `(fp, pc, sp) = (*fp, *(fp + 8), fp + 16)`, as far as that makes
    /// sense.
    Guess = 7,
}

/// One rule.
///
/// ```text
///  bit 0      8           16              32                  64
///      | kind | ra_slot:8 | fp_slot:16    | cfa_offset:32     |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule(u64);

impl Rule {
    /// See [`Rule::fp_slot`].
    pub const FP_SAME: i16 = i16::MIN;

    /// Makes a rule of these parts.
    pub const fn new(kind: Kind, ra_slot: i8, fp_slot: i16, cfa_offset: i32) -> Rule {
        let (ra_slot, fp_slot, cfa_offset) =
            (ra_slot as u8 as u64, fp_slot as u16 as u64, cfa_offset as u32 as u64);
        Rule(kind as u64 | ra_slot << 8 | fp_slot << 16 | cfa_offset << 32)
    }

    /// Makes a rule that is nothing but its kind.
    pub const fn of_kind(kind: Kind) -> Rule {
        Rule::new(kind, -1, Self::FP_SAME, 0)
    }

    /// Makes the rule of code without unwind table. Where the guess leads nowhere, the stack ends for `reason`.
    pub const fn guess(reason: EndReason) -> Rule {
        Rule::new(Kind::Guess, -1, Self::FP_SAME, reason as i32)
    }

    /// Returns what [`Rule::guess`] was given.
    #[inline]
    pub fn reason(self) -> EndReason {
        EndReason::of_number(self.cfa_offset() as u64)
    }

    /// Returns the rule as a word; never 0.
    #[inline(always)]
    pub fn word(self) -> u64 {
        self.0
    }

    /// Makes the rule of a word that [`Rule::word`] gave.
    #[inline(always)]
    pub fn of_word(word: u64) -> Rule {
        Rule(word)
    }

    /// Returns where the CFA is.
    #[inline(always)]
    pub fn kind(self) -> Kind {
        match self.0 as u8 {
            1 => Kind::FromStackPointer,
            2 => Kind::FromFramePointer,
            3 => Kind::Dereference,
            4 => Kind::Signal,
            5 => Kind::End,
            6 => Kind::Complex,
            _ => Kind::Guess,
        }
    }

    /// Returns the slot of the return address, which stands at `cfa + 8 * ra_slot`.
    #[inline(always)]
    pub fn ra_slot(self) -> i8 {
        (self.0 >> 8) as i8
    }

    /// Returns the slot of the caller's frame pointer, which stands at `cfa + 8 * fp_slot`; [`Rule::FP_SAME`] if the register still has it.
    #[inline(always)]
    pub fn fp_slot(self) -> i16 {
        (self.0 >> 16) as i16
    }

    /// Returns the CFA's distance from the base, in bytes.
    #[inline(always)]
    pub fn cfa_offset(self) -> isize {
        ((self.0 as i64) >> 32) as isize
    }

    /// Makes the rule of a row of an unwind table; [`Kind::Complex`] if it does not fit.
    pub fn of_row(row: &Row) -> Rule {
        if row.is_signal_frame {
            return Rule::of_kind(Kind::Signal);
        }
        if row.return_address() == RegisterRule::Undefined {
            return Rule::of_kind(Kind::End);
        }
        Rule::of_plain_row(row).unwrap_or(Rule::of_kind(Kind::Complex))
    }

    fn of_plain_row(row: &Row) -> Option<Rule> {
        let (kind, cfa_offset) = match row.cfa {
            Cfa::Register { register: arch::STACK_POINTER, offset } => (Kind::FromStackPointer, offset),
            Cfa::Register { register: arch::FRAME_POINTER, offset } => (Kind::FromFramePointer, offset),
            Cfa::Expression(expression) => (Kind::Dereference, expression.dereferenced_frame_pointer()?),
            Cfa::Register { .. } => return None,
        };
        let fp_slot = match (row.frame_pointer(), kind) {
            (RegisterRule::Same | RegisterRule::Undefined, _) => Rule::FP_SAME,
            (RegisterRule::AtCfa(offset), Kind::FromStackPointer | Kind::FromFramePointer) => {
                to_slot(offset)?
            }
            (RegisterRule::Expression(expression), Kind::Dereference) => {
                to_slot(expression.frame_pointer_offset()?)?
            }
            _ => return None,
        };
        let RegisterRule::AtCfa(ra_offset) = row.return_address() else { return None };
        let ra_slot = i8::try_from(to_slot(ra_offset)?).ok()?;
        if arch::RETURN_ADDRESS_SLOT.is_some_and(|slot| slot != ra_slot) {
            return None;
        }
        Some(Rule::new(kind, ra_slot, fp_slot, i32::try_from(cfa_offset).ok()?))
    }
}

/// Returns a byte offset in words, if it is whole and fits.
fn to_slot(offset: i64) -> Option<i16> {
    if offset % 8 != 0 {
        return None;
    }
    i16::try_from(offset / 8).ok().filter(|&slot| slot != Rule::FP_SAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_come_back_from_their_words() {
        for kind in
            [Kind::FromStackPointer, Kind::FromFramePointer, Kind::Dereference, Kind::Complex, Kind::End]
        {
            for (ra_slot, fp_slot, cfa_offset) in [(-1, -2, 16), (-1, Rule::FP_SAME, 1 << 20), (3, 0, -8)] {
                let rule = Rule::of_word(Rule::new(kind, ra_slot, fp_slot, cfa_offset).word());
                assert_eq!((rule.kind(), rule.ra_slot(), rule.fp_slot()), (kind, ra_slot, fp_slot));
                assert_eq!(rule.cfa_offset(), cfa_offset as isize);
            }
        }
        let guess = Rule::of_word(Rule::guess(EndReason::NoModule).word());
        assert_eq!((guess.kind(), guess.reason()), (Kind::Guess, EndReason::NoModule));
    }
}
