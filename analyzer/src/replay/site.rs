//! Where a block was allocated, as numbers of the recording: the key of the sums that become a profile.

use std::hash::{Hash, Hasher};

use tm_common::ids::{ProcessIndex, Space, StackId, TagIndex};

use crate::events::{Block, SIZE_BITS, SIZE_MAX};
use crate::model::Weight;
use crate::reader::ThreadTags;

/// All that a profile tells of a block but its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The stack that allocated it.
    pub stack: StackId,
    /// The tag that it was allocated under.
    pub tag: TagIndex,
    /// The address space that it is in.
    pub space: Space,
    /// The process that has it.
    pub process: ProcessIndex,
    /// How it was drawn.
    pub drawn: Drawn,
}

/// How a block was drawn that is a sample: of one site there are those of one size and rate alone, so that their number tells how far
/// what they stand for is from certain.
///
/// ```text
///  bit 0           48                63
///     | size        | 1 + log2 (rate) |      0 = each block is there
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Drawn(u64);

impl Drawn {
    /// How `block` was, of a recording with `thread_tags`.
    #[inline]
    pub fn of(block: &Block, thread_tags: &ThreadTags) -> Drawn {
        if block.thread_tag.is_sampled() { Drawn::of_sample(block, thread_tags) } else { Drawn::default() }
    }

    #[inline(never)]
    fn of_sample(block: &Block, thread_tags: &ThreadTags) -> Drawn {
        let Weight { size, sample_bytes } = block.weight(thread_tags);
        // Rates are powers of two.
        sample_bytes
            .checked_ilog2()
            .map_or(Drawn::default(), |log2| Drawn(size & SIZE_MAX | u64::from(log2 + 1) << SIZE_BITS))
    }

    /// The weight of a block of the site.
    #[must_use]
    pub fn weight(self) -> Weight {
        match (self.0 >> SIZE_BITS) as u32 {
            0 => Weight::EXACT,
            log2 => Weight { size: self.0 & SIZE_MAX, sample_bytes: 1 << (log2 - 1) },
        }
    }
}

impl Site {
    /// The site of a block of `process`, in a recording with `thread_tags`.
    #[inline]
    pub fn of(block: &Block, process: ProcessIndex, thread_tags: &ThreadTags) -> Site {
        let (tag, drawn) = (thread_tags.tag(block.thread_tag), Drawn::of(block, thread_tags));
        Site { stack: block.stack, tag, space: block.space, process, drawn }
    }
}

impl Site {
    /// Whether of one process nothing but the stack tells it from others: most are so.
    #[inline]
    pub(super) fn is_of_stack(&self) -> bool {
        self.tag == TagIndex::NONE && self.space == Space::HEAP && self.drawn == Drawn::default()
    }
}

/// Hashes one number: each further one would take the hasher as long again.
impl Hash for Site {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Site { stack, tag, space, process, drawn } = *self;
        let [stack, tag, process] = [stack.0, tag.0, process.0].map(u64::from);
        let drawn = drawn.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        state.write_u64(stack ^ tag << 32 ^ process << 48 ^ u64::from(space.0) << 56 ^ drawn);
    }
}
