//! Who made an event: its thread, and the label that the thread had put on what it does.

use std::sync::{PoisonError, RwLock};

use rustc_hash::FxHashMap;
use tm_common::ids::{TagIndex, ThreadIndex};

/// A thread, or a thread under a label: a number that events and blocks carry.
///
/// ```text
///  bit 31   0: no label, the rest is the thread's number
///           1: the rest is a place in the table of pairs
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(u32);

const IS_PAIR: u32 = 1 << 31;

impl Origin {
    /// `thread`, without a label.
    pub fn of_thread(thread: ThreadIndex) -> Origin {
        // Only damage has so many threads.
        Origin(thread.0 & !IS_PAIR)
    }

    /// As a number.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// Of [`Origin::number`].
    #[inline]
    pub(crate) fn of_number(number: u32) -> Origin {
        Origin(number)
    }
}

/// The pairs that occur, in the order in which they were met. Threads that decode add to it.
#[derive(Debug, Default)]
pub struct Origins(RwLock<Pairs>);

#[derive(Debug, Default)]
struct Pairs {
    list: Vec<(ThreadIndex, TagIndex)>,
    places: FxHashMap<(ThreadIndex, TagIndex), u32>,
}

impl Origins {
    /// The number of `thread` under `tag`. Called where the label changes, not for each event.
    pub fn of(&self, thread: ThreadIndex, tag: TagIndex) -> Origin {
        if tag == TagIndex::NONE {
            return Origin::of_thread(thread);
        }
        let mut pairs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Pairs { list, places } = &mut *pairs;
        let place = *places.entry((thread, tag)).or_insert_with(|| {
            list.push((thread, tag));
            (list.len() - 1) as u32
        });
        Origin(IS_PAIR | place)
    }

    /// The thread.
    #[inline]
    pub fn thread(&self, origin: Origin) -> ThreadIndex {
        self.pair(origin).0
    }

    /// The label; none for most.
    #[inline]
    pub fn tag(&self, origin: Origin) -> TagIndex {
        self.pair(origin).1
    }

    #[inline]
    fn pair(&self, origin: Origin) -> (ThreadIndex, TagIndex) {
        if origin.0 & IS_PAIR == 0 {
            return (ThreadIndex(origin.0), TagIndex::NONE);
        }
        let pairs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let pair = pairs.list.get((origin.0 & !IS_PAIR) as usize);
        debug_assert!(pair.is_some(), "{origin:?} is another recording's");
        pair.copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_itself_and_pairs_are_numbered() {
        let origins = Origins::default();
        let (thread, tag) = (ThreadIndex(7), TagIndex(3));
        let (plain, tagged) = (origins.of(thread, TagIndex::NONE), origins.of(thread, tag));
        assert_eq!(plain, Origin::of_thread(thread));
        assert_ne!(plain, tagged);
        assert_eq!(tagged, origins.of(thread, tag));
        assert_ne!(tagged, origins.of(ThreadIndex(8), tag));
        assert_eq!((origins.thread(plain), origins.tag(plain)), (thread, TagIndex::NONE));
        assert_eq!((origins.thread(tagged), origins.tag(tagged)), (thread, tag));
    }
}
