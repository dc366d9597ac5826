//! The maker of an event: its thread, the tag that the thread had put on what it does, and how finely it drew its samples.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tm_common::ids::{TagIndex, ThreadIndex};

/// A thread, or a thread under a tag or that recorded samples alone: a number that events and blocks carry.
///
/// ```text
///  bit 31   0: no tag, and all events are there; the rest is the thread's number
///           1: the rest is a place in the table of makers, and
///  bit 30   1: which recorded samples
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadTag(u32);

const IS_PLACE: u32 = 1 << 31;
const IS_SAMPLED: u32 = 1 << 30;
const PLACE: u32 = !(IS_PLACE | IS_SAMPLED);

impl ThreadTag {
    /// `thread`, without a tag.
    pub fn of_thread(thread: ThreadIndex) -> ThreadTag {
        // Only damage has so many threads.
        ThreadTag(thread.0 & PLACE)
    }

    /// Whether samples alone were recorded, each of which stands for others.
    #[inline]
    pub fn is_sampled(self) -> bool {
        self.0 & IS_SAMPLED != 0
    }

    /// Whether it is a thread without a tag, of which all events were recorded: most are.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.0 & IS_PLACE == 0
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

/// The makers that occur and are more than a thread, in the order in which they were met. Threads that decode add to it.
#[derive(Debug, Default)]
pub struct ThreadTags {
    /// The makers, each at its place. Every sample asks for its own, so it is read without a lock.
    makers: boxcar::Vec<Maker>,
    places: Mutex<FxHashMap<Maker, u32>>,
}

/// A thread, its tag, and the mean number of bytes between its samples, a power of two; 0 for all events.
type Maker = (ThreadIndex, TagIndex, u64);

impl ThreadTags {
    /// The number of `thread` under `tag`, of which all events are there. Called where the tag changes, not for each event.
    pub fn of(&self, thread: ThreadIndex, tag: TagIndex) -> ThreadTag {
        self.of_samples(thread, tag, 0)
    }

    /// The same where samples alone are there, `sample_bytes` apart in the mean; 0 for all events.
    pub fn of_samples(&self, thread: ThreadIndex, tag: TagIndex, sample_bytes: u64) -> ThreadTag {
        if tag == TagIndex::NONE && sample_bytes == 0 {
            return ThreadTag::of_thread(thread);
        }
        let maker = (thread, tag, sample_bytes);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = *places.entry(maker).or_insert_with(|| self.makers.push(maker) as u32);
        ThreadTag(IS_PLACE | if sample_bytes > 0 { IS_SAMPLED } else { 0 } | place & PLACE)
    }

    /// The thread.
    #[inline]
    pub fn thread(&self, thread_tag: ThreadTag) -> ThreadIndex {
        self.maker(thread_tag).0
    }

    /// The tag; none for most.
    #[inline]
    pub fn tag(&self, thread_tag: ThreadTag) -> TagIndex {
        self.maker(thread_tag).1
    }

    /// The mean number of bytes from one sample to the next; 0 where all events are there.
    #[inline]
    pub fn sample_bytes(&self, thread_tag: ThreadTag) -> u64 {
        if thread_tag.is_sampled() { self.maker(thread_tag).2 } else { 0 }
    }

    #[inline]
    fn maker(&self, thread_tag: ThreadTag) -> Maker {
        if thread_tag.0 & IS_PLACE == 0 {
            return (ThreadIndex(thread_tag.0), TagIndex::NONE, 0);
        }
        let maker = self.makers.get((thread_tag.0 & PLACE) as usize);
        debug_assert!(maker.is_some(), "{thread_tag:?} is another recording's");
        maker.copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_itself_and_the_others_are_numbered() {
        let thread_tags = ThreadTags::default();
        let (thread, tag) = (ThreadIndex(7), TagIndex(3));
        let (plain, tagged) = (thread_tags.of(thread, TagIndex::NONE), thread_tags.of(thread, tag));
        assert_eq!(plain, ThreadTag::of_thread(thread));
        assert_ne!(plain, tagged);
        assert_eq!(tagged, thread_tags.of(thread, tag));
        assert_ne!(tagged, thread_tags.of(ThreadIndex(8), tag));
        assert_eq!((thread_tags.thread(plain), thread_tags.tag(plain)), (thread, TagIndex::NONE));
        assert_eq!((thread_tags.thread(tagged), thread_tags.tag(tagged)), (thread, tag));
        let sampled = thread_tags.of_samples(thread, TagIndex::NONE, 4096);
        assert_eq!((thread_tags.thread(sampled), thread_tags.sample_bytes(sampled)), (thread, 4096));
        assert!(sampled.is_sampled() && [plain, tagged].iter().all(|whole| !whole.is_sampled()));
        assert_eq!((thread_tags.sample_bytes(tagged), thread_tags.sample_bytes(plain)), (0, 0));
    }
}
