//! The block that came last, of each thread: what is freed while it is that one, was freed at once.

use rustc_hash::FxHashMap;
use tm_common::ids::{Space, Stamp};

use crate::events::{Action, Block, MergedEvent};
use crate::reader::ThreadTags;

/// The latest block of each thread and space. Mappings and the program's own domains have no part in what is temporary on
/// the heap.
#[derive(Debug, Default)]
pub struct LatestBlocks {
    /// Those that are live.
    of_place: FxHashMap<(u32, Space), Latest>,
}

/// Where the latest block is, and since when.
#[derive(Debug)]
struct Latest {
    address: u64,
    birth: Stamp,
}

impl LatestBlocks {
    /// A block came.
    #[inline]
    pub fn came(&mut self, block: &Block, thread_tags: &ThreadTags) {
        let new = Latest { address: block.address.0, birth: block.birth };
        let latest =
            self.of_place.entry(place(block, thread_tags)).or_insert(Latest { address: 0, birth: Stamp(0) });
        // The parts of a mapping that is cut are as old as it was.
        if new.birth >= latest.birth {
            *latest = new;
        }
    }

    /// A block goes with `event`; returns whether it is temporary: freed before the next allocation of its thread.
    #[inline]
    pub fn went(&mut self, block: &Block, event: &MergedEvent, thread_tags: &ThreadTags) -> bool {
        let place = place(block, thread_tags);
        let is_latest = self.of_place.get(&place).is_some_and(|latest| latest.address == block.address.0);
        if is_latest {
            self.of_place.remove(&place);
        }
        // A block that grows by realloc goes on to be used.
        is_latest && matches!(event.action, Action::Free | Action::Untrack)
    }
}

#[inline]
fn place(block: &Block, thread_tags: &ThreadTags) -> (u32, Space) {
    (thread_tags.thread(block.thread_tag).0, block.space)
}
