//! How much: bytes in a number of blocks.

use std::ops::{AddAssign, SubAssign};

/// Bytes in a number of blocks. A block becomes an amount in one place, [`Amount::of_block`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Amount {
    /// Requested bytes; a sum past 2^64 stays there.
    pub bytes: u64,
    /// Number of blocks; a sum past 2^64 stays there.
    pub count: u64,
}

impl Amount {
    /// One block of `bytes` requested bytes.
    #[inline]
    pub const fn of_block(bytes: u64) -> Amount {
        Amount { bytes, count: 1 }
    }
}

impl AddAssign for Amount {
    #[inline]
    fn add_assign(&mut self, other: Amount) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.count = self.count.saturating_add(other.count);
    }
}

/// Takes away, down to nothing.
impl SubAssign for Amount {
    #[inline]
    fn sub_assign(&mut self, other: Amount) {
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.count = self.count.saturating_sub(other.count);
    }
}
