//! The latest block of each thread, which is temporary if it goes before the next one comes.

use rustc_hash::FxHashMap;
use tm_common::ids::{Space, Stamp, ThreadIndex};

use crate::events::{Action, Block, MergedEvent};
use crate::reader::ThreadTags;

/// For each thread and space: the block that came last, if that is live. Mappings and the program's own domains have no
/// part in what is temporary on the heap.
#[derive(Debug, Default)]
pub(super) struct Latest(FxHashMap<(ThreadIndex, Space), Came>);

/// Where a block is, and since when.
#[derive(Debug)]
struct Came {
    address: u64,
    birth: Stamp,
}

impl Latest {
    /// `block` has come.
    #[inline]
    pub fn came(&mut self, block: &Block, thread_tags: &ThreadTags) {
        let new = Came { address: block.address.0, birth: block.birth };
        let place = (thread_tags.thread(block.thread_tag), block.space);
        let latest = self.0.entry(place).or_insert(Came { address: 0, birth: Stamp(0) });
        // The parts of a mapping that is cut are as old as it was.
        if new.birth >= latest.birth {
            *latest = new;
        }
    }

    /// `block` goes by `event`: whether it is temporary. One that grows by `realloc` goes on to be used.
    #[inline]
    pub fn went(&mut self, block: &Block, event: &MergedEvent, thread_tags: &ThreadTags) -> bool {
        let place = (thread_tags.thread(block.thread_tag), block.space);
        // It stays in its place with no address, so that nothing is put in and taken out for each block.
        let latest = self.0.get_mut(&place).filter(|latest| latest.address == block.address.0);
        let Some(latest) = latest else { return false };
        *latest = Came { address: 0, birth: Stamp(0) };
        matches!(event.action, Action::Free | Action::Untrack)
    }
}
