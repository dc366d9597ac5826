//! Comparing the live stack with the cached one.

use super::cached_frame::CachedFrame;
use super::stack_cache::{StackCache, WORDS_AT_ONCE, WORDS_START};
use super::stack_memory::Readable;

impl StackCache {
    /// Compares the words that the cached steps read, from frame `place` outward. `None` if all are as they were; else
    /// the innermost frame whose step has changed or has to be taken again.
    ///
    /// The live state equals that of frame `place`, so the walk itself would read these words now.
    #[inline(always)]
    pub fn validate(&self, place: usize, stack: Readable) -> Option<usize> {
        // SAFETY: so many words were written. All lie between the live stack pointer and `top`, which is in its mapping.
        let is_same = |end| unsafe { self.same_down_to(WORDS_START, end) <= WORDS_START };
        if self.barrier_end == 0
            && stack.ends_at_or_above(self.top)
            && is_same(self.frame(place).marks.words_end())
        {
            return None;
        }
        self.change(place, stack)
    }

    /// Passes over words that are as they were, eight at a time, from those in front of `end` down to `start`. Returns the end of
    /// the eight that are not; at most `start` if there are none. The last eight may reach into those in front of `start`.
    ///
    /// # Safety
    /// The words were written, and what they are of can be read.
    #[inline(always)]
    unsafe fn same_down_to(&self, start: usize, mut end: usize) -> usize {
        // SAFETY: the caller's.
        let is_same = |place: usize| unsafe { self.is_same(place) };
        while end > start && (1..=WORDS_AT_ONCE).all(|n| is_same(end - n)) {
            end -= WORDS_AT_ONCE;
        }
        end
    }

    /// Tells whether a word is as it was.
    ///
    /// # Safety
    /// It was written, and what it is of can be read.
    #[inline(always)]
    unsafe fn is_same(&self, place: usize) -> bool {
        // SAFETY: the caller's.
        unsafe {
            let word = &*self.words.add(place);
            (word.at as *const usize).read() == word.held
        }
    }

    /// Does the work of [`StackCache::validate`] where something has changed, or there are barriers.
    #[inline(never)]
    fn change(&self, place: usize, stack: Readable) -> Option<usize> {
        let run = self.run_start(place);
        if run > place {
            return Some(place);
        }
        let (bound, first) = match run.checked_sub(1) {
            None => (self.top, WORDS_START),
            Some(barrier) => (self.frame(barrier).sp, self.frame(barrier).marks.words_end()),
        };
        if !stack.ends_at_or_above(bound) {
            return Some(place);
        }
        let end = self.frame(place).marks.words_end();
        // The last eight must not reach into those of a barrier's other stack.
        let start = if first == WORDS_START { first } else { first + WORDS_AT_ONCE - 1 };
        // SAFETY: so many words were written. All lie between the live stack pointer and `bound`, which is in its mapping.
        let change = unsafe {
            let end = self.same_down_to(start, end);
            (first..end).rev().find(|&word| !self.is_same(word))
        };
        match change {
            Some(word) => Some(self.frame_of_word(word, place)),
            None => run.checked_sub(1),
        }
    }

    /// Returns the first of the frames up to `place` that have no barrier among them; `place + 1` if it is one itself.
    #[inline]
    fn run_start(&self, place: usize) -> usize {
        if self.barrier_end <= place + 1 { self.barrier_end } else { self.barrier_end_before(place + 1) }
    }

    #[cold]
    pub(super) fn barrier_end_before(&self, end: usize) -> usize {
        self.frames().iter().take(end).rposition(CachedFrame::is_barrier).map_or(0, |place| place + 1)
    }

    fn frame_of_word(&self, word: usize, place: usize) -> usize {
        let outer = self.frames().get(..place).unwrap_or(&[]);
        outer.partition_point(|frame| frame.marks.words_end() <= word)
    }
}
