//! A node of the stack table, `docs/format.md` section "Stack nodes".

use crate::bytes::u64_at;
use crate::error::DecodeError;
use crate::ids::{Epoch, StackId};

/// The bytes of a node in the file.
pub const NODE_BYTES: usize = 16;

/// The kinds of nodes: how a reader is to take a node's code address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A return address: the call is the instruction before it, so look up `pc - 1`.
    Return,
    /// The address at which a signal interrupted the program: look up `pc` itself.
    Interrupted,
    /// A return address that was found by frame pointers because its callee has no unwind table: this frame and its
    /// callers may be wrong.
    Guessed,
    /// No frame: the stack was cut here, and `pc` is the number of outer frames left out.
    Cut,
    /// No frame: the stack goes on and could not be followed further, and `pc` is why, an [`EndReason`].
    Incomplete,
    /// A frame of a Python interpreter: `pc` is a [`crate::python::PythonFrame`], the parent the Python frame that called it.
    /// The outermost has none.
    Python,
    /// No frame: a thread's stack and its Python frames at that moment. The parent is the innermost frame of the former, and
    /// `pc` the [`StackId`] of the innermost of the latter.
    Joined,
    /// A kind of a later version, which is passed over.
    Other = 15,
}

impl FrameKind {
    /// The bits that a kind takes, here and wherever it is packed.
    pub const BITS: u32 = 4;
    /// The kinds by their numbers.
    const BY_NUMBER: [FrameKind; 1 << Self::BITS] = {
        let mut kinds = [FrameKind::Other; 1 << Self::BITS];
        let known = [
            Self::Return,
            Self::Interrupted,
            Self::Guessed,
            Self::Cut,
            Self::Incomplete,
            Self::Python,
            Self::Joined,
        ];
        let mut place = 0;
        while place < known.len() {
            kinds[known[place] as usize] = known[place];
            place += 1;
        }
        kinds
    };

    /// Returns the kind whose number is in the lowest bits of `packed`.
    #[inline(always)]
    #[must_use]
    pub const fn in_low_bits(packed: u32) -> FrameKind {
        Self::BY_NUMBER[packed as usize % (1 << Self::BITS)]
    }
}

/// Why a stack could not be followed up to its outermost frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndReason {
    /// The file that the last frame's code is in has no unwind table, and the frame pointer leads nowhere.
    NoTable = 1,
    /// It has one that does not tell of this code.
    NoEntry = 2,
    /// The code is in no file: it was generated at run time.
    NoModule = 3,
    /// The caller would be in memory that cannot be read.
    Unreadable = 4,
    /// The frames lead in a circle, or there are too many of them.
    Endless = 5,
    /// Frame pointers alone are followed (`TM_UNWIND=fp`), and that of the last frame leads nowhere.
    FramePointer = 6,
    /// The next Python frame could not be read.
    PythonFrame = 7,
    /// A reason of a later version.
    Other = 15,
}

impl EndReason {
    /// Returns the reason of this number.
    #[must_use]
    pub const fn of_number(number: u64) -> EndReason {
        match number {
            1 => EndReason::NoTable,
            2 => EndReason::NoEntry,
            3 => EndReason::NoModule,
            4 => EndReason::Unreadable,
            5 => EndReason::Endless,
            6 => EndReason::FramePointer,
            7 => EndReason::PythonFrame,
            _ => EndReason::Other,
        }
    }
}

/// One frame and its callers.
///
/// ```text
///  byte 0            4                 8                              16
///       | parent u32 | epoch:28 kind:4 | pc u64                       |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackNode {
    /// The caller's node, [`StackId::NONE`] at the outermost frame.
    pub parent: StackId,
    /// The epoch when the address was seen: it says which module it belongs to.
    pub epoch: Epoch,
    /// The meaning of `pc`.
    pub kind: FrameKind,
    /// The code address.
    pub pc: u64,
}

impl StackNode {
    /// Returns the two words of the node as the file holds them. The second is never 0.
    #[inline]
    #[must_use]
    pub const fn encode(self) -> [u64; 2] {
        let info = (self.epoch.0 << FrameKind::BITS) | self.kind as u32;
        [self.parent.0 as u64 | (info as u64) << 32, self.pc]
    }

    /// Reads the two words of a node; `None` where none was written (a place that was taken when the process died).
    #[inline]
    #[must_use]
    pub const fn of_words([first, pc]: [u64; 2]) -> Option<StackNode> {
        let (parent, info) = (StackId(first as u32), (first >> 32) as u32);
        let (epoch, kind) = (Epoch(info >> FrameKind::BITS), FrameKind::in_low_bits(info));
        if pc == 0 { None } else { Some(StackNode { parent, epoch, kind, pc }) }
    }

    /// Reads a node from its bytes, as [`StackNode::of_words`] does.
    pub fn decode(bytes: &[u8]) -> Result<Option<StackNode>, DecodeError> {
        Ok(StackNode::of_words([u64_at(bytes, 0)?, u64_at(bytes, 8)?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn nodes_come_back() {
        use FrameKind::{Cut, Guessed, Incomplete, Interrupted, Joined, Other, Python, Return};
        for kind in [Return, Interrupted, Guessed, Cut, Incomplete, Python, Joined, Other] {
            let node =
                StackNode { parent: StackId(0x1234_5678), epoch: Epoch(0x0abc_def0), kind, pc: 0x7fff_1234 };
            let bytes: Vec<u8> = node.encode().iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(bytes.len(), NODE_BYTES);
            assert_eq!(StackNode::decode(&bytes), Ok(Some(node)));
        }
        assert_eq!(StackNode::decode(&[0; NODE_BYTES]), Ok(None));
    }

    #[test]
    fn kinds_and_reasons_of_later_versions_are_no_errors() {
        let mut bytes = [1; NODE_BYTES];
        bytes[4] = 9;
        let kind = StackNode::decode(&bytes).map(|node| node.map(|node| node.kind));
        assert_eq!(kind, Ok(Some(FrameKind::Other)));
        for number in 1..8 {
            assert_eq!(EndReason::of_number(number) as u64, number);
        }
        assert_eq!(EndReason::of_number(0), EndReason::Other);
    }
}
