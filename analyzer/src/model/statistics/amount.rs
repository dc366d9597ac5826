//! How much: bytes in a number of blocks.

use std::ops::{AddAssign, SubAssign};

use serde::{Deserialize, Serialize};

/// Bytes in a number of blocks. A block becomes an amount in one place, [`Amount::of_block`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Amount {
    /// Requested bytes; a sum past 2^64 stays there.
    pub bytes: u64,
    /// Number of blocks; a sum past 2^64 stays there.
    pub count: u64,
}

impl Amount {
    /// The class of a block's size: class `n` has those of 2^(n-1) to 2^n - 1 bytes, class 0 those of none.
    #[inline]
    pub const fn size_class(bytes: u64) -> u8 {
        (u64::BITS - bytes.leading_zeros()) as u8
    }

    /// The class of the sizes of these blocks, where all have the same: that of their average.
    pub const fn common_class(&self) -> u8 {
        match self.bytes.checked_div(self.count) {
            Some(average) => Amount::size_class(average),
            None => 0,
        }
    }

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
