//! Where a block was allocated, as numbers of the recording: the key of the sums that become a profile.

use std::hash::{Hash, Hasher};

use tm_common::ids::{ProcessIndex, Space, StackId, TagIndex};

use crate::events::Block;
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
}

impl Site {
    /// The site of a block of `process`, in a recording with `thread_tags`.
    #[inline]
    pub fn of(block: &Block, process: ProcessIndex, thread_tags: &ThreadTags) -> Site {
        Site { stack: block.stack, tag: thread_tags.tag(block.thread_tag), space: block.space, process }
    }

    /// Whether of one process nothing but the stack tells it from others: most are so.
    #[inline]
    pub(super) fn is_of_stack(&self) -> bool {
        self.tag == TagIndex::NONE && self.space == Space::HEAP
    }
}

/// Hashes one number: each further one would take the hasher as long again.
impl Hash for Site {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Site { stack, tag, space, process } = *self;
        let [stack, tag, process] = [stack.0, tag.0, process.0].map(u64::from);
        state.write_u64(stack ^ tag << 32 ^ process << 48 ^ u64::from(space.0) << 56);
    }
}
