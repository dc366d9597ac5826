//! A frame of a Python interpreter, as the `pc` of a node holds it. `docs/format.md` section "Python frames".

use crate::ids::CodeIndex;

/// A frame of Python code.
///
/// ```text
///  bit 0                20           46           47      48
///      | instruction:20 | code:26    | incomplete | entry |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PythonFrame {
    /// What it runs.
    pub code: CodeIndex,
    /// The latest instruction, in code units of 2 bytes from the start of the code; `None` if it has not begun, or stands beyond what can be
    /// said.
    pub instruction: Option<u32>,
    /// It has not begun to run its own code: CPython shows no such frame, in tracebacks or to tracemalloc.
    pub is_incomplete: bool,
    /// The evaluation function was called for it by C code: its callers are those of another call of that.
    pub is_entry: bool,
}

impl PythonFrame {
    const INSTRUCTION_BITS: u32 = 20;
    const CODE_BITS: u32 = 26;
    const INSTRUCTION_NONE: u64 = (1 << Self::INSTRUCTION_BITS) - 1;
    const INCOMPLETE: u64 = 1 << (Self::INSTRUCTION_BITS + Self::CODE_BITS);
    const ENTRY: u64 = Self::INCOMPLETE << 1;
    /// The largest number of a code object that a frame has room for.
    pub const CODE_MAX: u32 = (1 << Self::CODE_BITS) - 1;

    /// Returns the frame as a word of 48 bits, which is not 0: codes are numbered from 1.
    #[inline]
    #[must_use]
    pub const fn encode(self) -> u64 {
        let instruction = match self.instruction {
            Some(instruction) if (instruction as u64) < Self::INSTRUCTION_NONE => instruction as u64,
            _ => Self::INSTRUCTION_NONE,
        };
        let code = ((self.code.0 & Self::CODE_MAX) as u64) << Self::INSTRUCTION_BITS;
        let marks = self.is_incomplete as u64 * Self::INCOMPLETE + self.is_entry as u64 * Self::ENTRY;
        instruction | code | marks
    }

    /// Reads a frame.
    #[must_use]
    pub const fn decode(word: u64) -> PythonFrame {
        let instruction = word & Self::INSTRUCTION_NONE;
        PythonFrame {
            code: CodeIndex((word >> Self::INSTRUCTION_BITS) as u32 & Self::CODE_MAX),
            instruction: if instruction < Self::INSTRUCTION_NONE { Some(instruction as u32) } else { None },
            is_incomplete: word & Self::INCOMPLETE != 0,
            is_entry: word & Self::ENTRY != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back() {
        for (number, instruction) in [(1, Some(0)), (PythonFrame::CODE_MAX, Some(0xf_fffe)), (7, None)] {
            for marks in 0..4 {
                let frame = PythonFrame {
                    code: CodeIndex(number),
                    instruction,
                    is_incomplete: marks & 1 != 0,
                    is_entry: marks & 2 != 0,
                };
                assert!(frame.encode() != 0 && frame.encode() >> 48 == 0);
                assert_eq!(PythonFrame::decode(frame.encode()), frame);
            }
        }
        let beyond = PythonFrame {
            code: CodeIndex(1),
            instruction: Some(1 << 20),
            is_incomplete: false,
            is_entry: false,
        };
        assert_eq!(PythonFrame::decode(beyond.encode()).instruction, None);
    }
}
