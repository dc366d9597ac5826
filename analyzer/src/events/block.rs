//! A block of memory, as the event says it that it came by.

use tm_common::ids::{Address, Space, StackId, Stamp};

use super::event::ALL;
use crate::model::{Amount, Sample, Uncertainty, Weight};
use crate::reader::{ThreadTag, ThreadTags};

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
    /// Tells whether there can be such a block of the heap, or of a program's own domain.
    pub(crate) fn is_possible(&self) -> bool {
        self.address != ALL && self.size <= SIZE_MAX
    }

    /// Returns how much it adds to a sum: itself, or if it is a sample what it stands for. It is of a recording with `thread_tags`.
    #[inline]
    pub fn amount(&self, thread_tags: &ThreadTags) -> Amount {
        if !self.thread_tag.is_sampled() {
            return Amount::of_block(self.size);
        }
        let weight = self.weight(thread_tags);
        weight.amount(weight.rounds_up(self.draw()))
    }

    /// Returns how much it adds to a sum, and how far that is from certain.
    #[inline]
    pub fn estimate(&self, thread_tags: &ThreadTags) -> (Amount, Uncertainty) {
        if !self.thread_tag.is_sampled() {
            return (Amount::of_block(self.size), Uncertainty::EXACT);
        }
        self.weight(thread_tags).estimate(self.draw())
    }

    /// Returns how it was drawn, if it is a sample, for a trace of it.
    pub fn sample(&self, thread_tags: &ThreadTags) -> Option<Sample> {
        let weight = self.weight(thread_tags);
        let rate_log2 = weight.sample_bytes.checked_ilog2()? as u8;
        Some(Sample { rate_log2, rounds_up: weight.rounds_up(self.draw()) })
    }

    /// Returns how it was drawn.
    #[inline(never)]
    pub fn weight(&self, thread_tags: &ThreadTags) -> Weight {
        // Of mappings each is recorded.
        if self.space == Space::MAPPINGS || !self.thread_tag.is_sampled() {
            return Weight::EXACT;
        }
        Weight { size: self.size, sample_bytes: thread_tags.sample_bytes(self.thread_tag) }
    }

    /// A number as good as random, and as long as it lives the same.
    #[cold]
    fn draw(&self) -> u64 {
        let mixed = (self.address.0 ^ self.birth.0.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ mixed >> 32
    }
}

/// The largest block that there can be: more than the address space of a process.
pub const SIZE_MAX: u64 = (1 << SIZE_BITS) - 1;
pub(crate) const SIZE_BITS: u32 = 48;
