//! A node of the stack table, `docs/format.md` section "Stack nodes".

use crate::bytes::{u32_at, u64_at};
use crate::error::DecodeError;
use crate::ids::{Epoch, StackId};

/// The bytes of a node in the file.
pub const NODE_BYTES: usize = 16;

/// How the reader is to take a node's code address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A return address: the call is the instruction before it, so look up `pc - 1`.
    Return,
    /// The address at which a signal interrupted the program: look up `pc` itself.
    Interrupted,
    /// A return address that was found by frame pointers because its callee has no unwind table: this frame and its
    /// callers may be wrong.
    Guessed,
    /// Not a frame: the stack was cut here, and `pc` is the number of outer frames left out.
    Cut,
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
    /// When the address was seen: which module it belongs to.
    pub epoch: Epoch,
    /// What `pc` is.
    pub kind: FrameKind,
    /// The code address.
    pub pc: u64,
}

impl StackNode {
    /// The two words of the node as the file holds them. The second is never 0.
    #[inline]
    #[must_use]
    pub const fn encode(self) -> [u64; 2] {
        let info = (self.epoch.0 << 4) | self.kind as u32;
        [self.parent.0 as u64 | (info as u64) << 32, self.pc]
    }

    /// Reads a node; `None` where none was written (a place that was taken when the process died).
    pub fn decode(bytes: &[u8]) -> Result<Option<StackNode>, DecodeError> {
        let (parent, info, pc) = (u32_at(bytes, 0)?, u32_at(bytes, 4)?, u64_at(bytes, 8)?);
        let kind = match info & 0xf {
            0 => FrameKind::Return,
            1 => FrameKind::Interrupted,
            2 => FrameKind::Guessed,
            3 => FrameKind::Cut,
            other => return Err(DecodeError::Invalid { field: "stack node kind", found: u64::from(other) }),
        };
        let node = StackNode { parent: StackId(parent), epoch: Epoch(info >> 4), kind, pc };
        Ok((pc != 0).then_some(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn nodes_come_back() {
        for kind in [FrameKind::Return, FrameKind::Interrupted, FrameKind::Guessed, FrameKind::Cut] {
            let node =
                StackNode { parent: StackId(0x1234_5678), epoch: Epoch(0x0abc_def0), kind, pc: 0x7fff_1234 };
            let bytes: Vec<u8> = node.encode().iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(bytes.len(), NODE_BYTES);
            assert_eq!(StackNode::decode(&bytes), Ok(Some(node)));
        }
        assert_eq!(StackNode::decode(&[0; NODE_BYTES]), Ok(None));
    }
}
