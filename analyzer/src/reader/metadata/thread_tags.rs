//! The maker of an event: its thread, and the tag that the thread had put on what it does.

use std::sync::{PoisonError, RwLock};

use rustc_hash::FxHashMap;
use tm_common::ids::{TagIndex, ThreadIndex};

/// A thread, or a thread under a tag: a number that events and blocks carry.
///
/// ```text
///  bit 31   0: no tag, the rest is the thread's number
///           1: the rest is a place in the table of pairs
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadTag(u32);

const IS_PAIR: u32 = 1 << 31;

impl ThreadTag {
    /// `thread`, without a tag.
    pub fn of_thread(thread: ThreadIndex) -> ThreadTag {
        // Only damage has so many threads.
        ThreadTag(thread.0 & !IS_PAIR)
    }

    /// As a number.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The thread, under a tag or not, with this [`ThreadTag::number`].
    #[inline]
    pub(crate) fn of_number(number: u32) -> ThreadTag {
        ThreadTag(number)
    }
}

/// The pairs that occur, in the order in which they were met. Threads that decode add to it.
#[derive(Debug, Default)]
pub struct ThreadTags(RwLock<Pairs>);

#[derive(Debug, Default)]
struct Pairs {
    list: Vec<(ThreadIndex, TagIndex)>,
    places: FxHashMap<(ThreadIndex, TagIndex), u32>,
}

impl ThreadTags {
    /// The number of `thread` under `tag`. Called where the tag changes, not for each event.
    pub fn of(&self, thread: ThreadIndex, tag: TagIndex) -> ThreadTag {
        if tag == TagIndex::NONE {
            return ThreadTag::of_thread(thread);
        }
        let mut pairs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Pairs { list, places } = &mut *pairs;
        let place = *places.entry((thread, tag)).or_insert_with(|| {
            list.push((thread, tag));
            (list.len() - 1) as u32
        });
        ThreadTag(IS_PAIR | place)
    }

    /// The thread.
    #[inline]
    pub fn thread(&self, thread_tag: ThreadTag) -> ThreadIndex {
        self.pair(thread_tag).0
    }

    /// The tag; none for most.
    #[inline]
    pub fn tag(&self, thread_tag: ThreadTag) -> TagIndex {
        self.pair(thread_tag).1
    }

    #[inline]
    fn pair(&self, thread_tag: ThreadTag) -> (ThreadIndex, TagIndex) {
        if thread_tag.0 & IS_PAIR == 0 {
            return (ThreadIndex(thread_tag.0), TagIndex::NONE);
        }
        let pairs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let pair = pairs.list.get((thread_tag.0 & !IS_PAIR) as usize);
        debug_assert!(pair.is_some(), "{thread_tag:?} is another recording's");
        pair.copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_itself_and_pairs_are_numbered() {
        let thread_tags = ThreadTags::default();
        let (thread, tag) = (ThreadIndex(7), TagIndex(3));
        let (plain, tagged) = (thread_tags.of(thread, TagIndex::NONE), thread_tags.of(thread, tag));
        assert_eq!(plain, ThreadTag::of_thread(thread));
        assert_ne!(plain, tagged);
        assert_eq!(tagged, thread_tags.of(thread, tag));
        assert_ne!(tagged, thread_tags.of(ThreadIndex(8), tag));
        assert_eq!((thread_tags.thread(plain), thread_tags.tag(plain)), (thread, TagIndex::NONE));
        assert_eq!((thread_tags.thread(tagged), thread_tags.tag(tagged)), (thread, tag));
    }
}
