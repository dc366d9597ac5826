//! What threads that sample tell of themselves: the exact sums beside their samples, and the course of what is held.

use rustc_hash::FxHashMap;
use tm_common::ids::{Space, ThreadIndex};

use crate::events::Total;
use crate::model::Amount;

/// The totals of one process's threads so far.
#[derive(Clone, Debug, Default)]
pub(in crate::replay) struct Exact {
    of_thread: FxHashMap<(ThreadIndex, Space), Said>,
    /// What the allocator says all blocks of the heap hold.
    held: i64,
    /// The most of it at the latest peak.
    peak: i64,
}

/// What a thread has said so far of what it did in a space.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    allocated: Amount,
    freed: u64,
    reallocated: u64,
    held: i64,
}

/// What came since the thread's record before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) enum News {
    /// Calls that allocated, and the bytes that they asked for.
    Allocated(Amount),
    /// Calls that freed, and those of `realloc` among those that allocated.
    Freed { calls: u64, reallocations: u64 },
    /// Whether more is held than ever before, or was since the record before.
    Held { is_peak: bool },
}

impl Exact {
    /// Takes in a part of a record.
    pub fn add(&mut self, thread: ThreadIndex, space: Space, total: Total) -> News {
        let Exact { of_thread, held, peak } = self;
        let said = of_thread.entry((thread, space)).or_default();
        match total {
            Total::Allocated { calls, bytes } => {
                let now = Amount { bytes, count: calls };
                let mut since = now;
                since -= said.allocated;
                said.allocated = now;
                News::Allocated(since)
            }
            Total::Freed { calls, reallocations } => {
                let before = std::mem::replace(&mut said.freed, calls);
                let reallocated = std::mem::replace(&mut said.reallocated, reallocations);
                let (calls, reallocations) =
                    (calls.saturating_sub(before), reallocations.saturating_sub(reallocated));
                News::Freed { calls, reallocations }
            }
            Total::Held { bytes, high } => {
                let before = std::mem::replace(&mut said.held, bytes);
                let highest = held.saturating_add(high.max(bytes).saturating_sub(before));
                *held = held.saturating_add(bytes.saturating_sub(before));
                let is_peak = space == Space::HEAP && highest > *peak;
                if is_peak {
                    *peak = highest;
                }
                News::Held { is_peak }
            }
        }
    }

    /// Threads count from nothing again: recording was stopped.
    pub fn restart(&mut self) {
        self.of_thread.clear();
        self.held = 0;
    }

    /// What is held now is the peak.
    pub fn reset_peak(&mut self) {
        self.peak = self.held;
    }

    /// Those of a forked process: what its parent held, and no thread that has said anything.
    pub fn inherited(&self) -> Exact {
        Exact { of_thread: FxHashMap::default(), held: self.held, peak: self.held }
    }

    /// What the allocator says all blocks of the heap hold; 0 of a process that does not sample.
    pub fn held(&self) -> u64 {
        self.held.max(0) as u64
    }

    /// The most of it.
    pub fn peak(&self) -> u64 {
        self.peak.max(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_that_of_all_threads_and_may_be_between_two_records() {
        let mut exact = Exact::default();
        let mut held = |thread, bytes, high| {
            exact.add(ThreadIndex(thread), Space::HEAP, Total::Held { bytes, high })
        };
        assert_eq!(held(0, 100, 100), News::Held { is_peak: true });
        assert_eq!(held(1, 50, 70), News::Held { is_peak: true });
        assert_eq!(held(0, 110, 110), News::Held { is_peak: false }, "170 were there before");
        assert_eq!(held(0, 40, 125), News::Held { is_peak: true });
        assert_eq!((exact.held(), exact.peak()), (90, 175));
        let child = exact.inherited();
        assert_eq!((child.held(), child.peak()), (90, 90));
    }

    #[test]
    fn totals_are_said_as_a_whole_and_news_are_what_came_since() {
        let mut exact = Exact::default();
        let mut add = |total| exact.add(ThreadIndex(0), Space(2), total);
        let allocated = |calls, bytes| Total::Allocated { calls, bytes };
        assert_eq!(add(allocated(3, 30)), News::Allocated(Amount { bytes: 30, count: 3 }));
        assert_eq!(add(allocated(4, 35)), News::Allocated(Amount { bytes: 5, count: 1 }));
        let freed = |calls, reallocations| Total::Freed { calls, reallocations };
        assert_eq!(add(freed(2, 1)), News::Freed { calls: 2, reallocations: 1 });
        assert_eq!(add(freed(2, 2)), News::Freed { calls: 0, reallocations: 1 });
        // Only of the heap it is said what is held.
        assert_eq!(add(Total::Held { bytes: 9, high: 9 }), News::Held { is_peak: false });
    }
}
