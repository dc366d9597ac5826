//! A block of memory, as the event says it that it came by.

use tm_common::ids::{Address, Space, StackId, Stamp};

use crate::model::Amount;
use crate::reader::ThreadTag;

/// A block, live from its birth on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Where it is; never 0 in a table.
    pub address: Address,
    /// Requested bytes, at most [`SIZE_MAX`].
    pub size: u64,
    /// The stack that allocated it.
    pub stack: StackId,
    /// The thread that did, and its tag.
    pub thread_tag: ThreadTag,
    /// When it was allocated or, if later, last reallocated. Stamps from 2^56 on (years of uptime) are that.
    pub birth: Stamp,
    /// The address space that it is in.
    pub space: Space,
}

impl Block {
    /// Returns how much it adds to a sum.
    #[inline]
    pub const fn amount(&self) -> Amount {
        Amount::of_block(self.size)
    }
}

/// The largest block that there can be: more than the address space of a process.
pub const SIZE_MAX: u64 = (1 << SIZE_BITS) - 1;
pub(crate) const SIZE_BITS: u32 = 48;
