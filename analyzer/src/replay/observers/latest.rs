//! The latest block of each thread: one that goes while it is that was temporary.

use rustc_hash::FxHashMap;
use tm_common::ids::{Address, Space, Stamp};

use crate::events::{Action, Block, MergedEvent, Total};
use crate::reader::{ThreadTag, ThreadTags};

/// The block that came last to each thread and space, if that is live. Mappings and the program's own domains have no part in
/// what is temporary on the heap.
#[derive(Debug, Default)]
pub struct LatestBlocks {
    places: FxHashMap<(u32, Space), u32>,
    list: Vec<((u32, Space), Latest)>,
    /// The maker and space that were asked for last, and their place: events of one thread come in rows.
    last: Option<(ThreadTag, Space, usize)>,
}

/// The latest block of a thread in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) struct LatestBlock {
    /// The thread.
    pub thread: u32,
    /// The space.
    pub space: Space,
    /// Where it is; `None` once it went.
    pub address: Option<Address>,
    /// Since when.
    pub birth: Stamp,
    /// The calls of the thread that allocated, by its first record of totals since and by its latest one after that.
    pub calls: [Option<u64>; 2],
}

/// Where the latest block is, and since when.
#[derive(Debug, Default)]
struct Latest {
    /// `None` once it went: any number may be an address in a program's own domain.
    address: Option<u64>,
    birth: Stamp,
    /// The calls of the thread that allocated, by its first record of totals since and by its latest one after that.
    calls: [Option<u64>; 2],
}

impl Latest {
    /// Forgets what calls there were, if a thread that samples has told of them.
    #[inline(always)]
    fn forget_calls(&mut self) {
        if self.calls[0].is_some() {
            self.calls = [None; 2];
        }
    }
}

impl LatestBlocks {
    /// `block`, of a recording with `thread_tags`, came.
    #[inline(always)]
    pub fn came(&mut self, block: &Block, thread_tags: &ThreadTags) {
        let (address, birth) = (Some(block.address.0), block.birth);
        match self.of(block.thread_tag, block.space, thread_tags) {
            // The parts of a mapping that is cut are as old as it was.
            Some(latest) if birth >= latest.birth => {
                (latest.address, latest.birth) = (address, birth);
                latest.forget_calls();
            }
            Some(_) => {}
            None => {
                let new = Latest { address, birth, calls: [None; 2] };
                self.add((thread_tags.thread(block.thread_tag).0, block.space), new);
            }
        }
    }

    /// The latest of a thread, under whatever tag, in a space.
    #[inline(always)]
    fn of(&mut self, maker: ThreadTag, space: Space, thread_tags: &ThreadTags) -> Option<&mut Latest> {
        let place = match self.last {
            Some((last, of_space, place)) if last == maker && of_space == space => place,
            _ => self.look_up(maker, space, thread_tags)?,
        };
        self.list.get_mut(place).map(|(_, latest)| latest)
    }

    #[inline(never)]
    fn look_up(&mut self, maker: ThreadTag, space: Space, thread_tags: &ThreadTags) -> Option<usize> {
        let place = *self.places.get(&(thread_tags.thread(maker).0, space))? as usize;
        self.last = Some((maker, space, place));
        Some(place)
    }

    #[cold]
    fn add(&mut self, place: (u32, Space), latest: Latest) {
        self.places.insert(place, self.list.len() as u32);
        self.list.push((place, latest));
    }

    /// `event` is a part of a record of totals, which a thread that samples writes after each sample and before it frees one.
    pub fn told(&mut self, event: &MergedEvent, thread_tags: &ThreadTags) {
        let Some(Total::Allocated { calls, .. }) = event.total() else { return };
        if let Some(latest) = self.of(event.thread_tag, event.space, thread_tags) {
            let place = usize::from(latest.calls[0].is_some());
            latest.calls[place] = Some(calls);
        }
    }

    /// All that are known.
    pub(in crate::replay) fn all(&self) -> impl Iterator<Item = LatestBlock> + '_ {
        self.list.iter().map(|&((thread, space), ref latest)| {
            let &Latest { address, birth, calls } = latest;
            LatestBlock { thread, space, address: address.map(Address), birth, calls }
        })
    }

    /// Puts in what was known earlier.
    pub(in crate::replay) fn put(&mut self, latest: LatestBlock) {
        let LatestBlock { thread, space, address, birth, calls } = latest;
        let known = Latest { address: address.map(|address| address.0), birth, calls };
        match self.places.get(&(thread, space)).and_then(|&place| self.list.get_mut(place as usize)) {
            Some((_, latest)) => *latest = known,
            None => self.add((thread, space), known),
        }
    }

    /// `block` goes by `event`. Returns whether it was temporary: freed before its thread allocated the next one. A block that
    /// grows by realloc goes on to be used. A sample's thread itself has to free it: then its totals say whether it has allocated.
    #[inline(always)]
    pub fn went(&mut self, block: &Block, event: &MergedEvent, thread_tags: &ThreadTags) -> bool {
        // It stays in its place with no address, so that nothing is put in and taken out for each block.
        let latest = self.of(block.thread_tag, block.space, thread_tags);
        let latest = latest.filter(|latest| latest.address == Some(block.address.0));
        let Some(latest) = latest else { return false };
        let calls = latest.calls;
        (latest.address, latest.birth) = (None, Stamp(0));
        latest.forget_calls();
        let is_last = match calls {
            _ if !block.thread_tag.is_sampled() => true,
            [Some(first), Some(latest)] => {
                first == latest
                    && thread_tags.thread(event.thread_tag) == thread_tags.thread(block.thread_tag)
            }
            _ => false,
        };
        is_last && matches!(event.action, Action::Free | Action::Untrack)
    }
}
