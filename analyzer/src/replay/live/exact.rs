//! What threads that sample tell of themselves: the exact sums beside their samples, and the course of what is held.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tm_common::ids::{Space, ThreadIndex};
use tm_common::sampling::{ThreadTotals, Totals};

use crate::events::Total;
use crate::model::Amount;
use crate::replay::observer::Held;

/// The totals of one process's threads so far.
#[derive(Clone, Debug, Default)]
pub(in crate::replay) struct Exact {
    of_thread: Said,
    /// All that was told of each space, few.
    of_space: Vec<(Space, Done)>,
    /// Whether the course of what is held is known.
    is_told: bool,
    /// Whether it is not that of all blocks, and will not be.
    is_lost: bool,
    /// What the allocator says all blocks of the heap hold.
    held: i64,
    /// The most of it at the latest peak.
    peak: i64,
}

/// What threads have said so far of what they did in a space.
#[derive(Clone, Debug, Default)]
struct Said {
    places: FxHashMap<(ThreadIndex, Space), u32>,
    list: Vec<SaidBy>,
    /// The place that was asked for last: a record has several parts, and those of one thread come in rows.
    last: usize,
}

/// What a thread has said so far of what it did in a space.
#[derive(Clone, Copy, Debug, Default)]
struct SaidBy {
    thread: ThreadIndex,
    space: Space,
    done: Done,
    held: i64,
}

impl Said {
    #[inline]
    fn of(&mut self, thread: ThreadIndex, space: Space) -> &mut SaidBy {
        let Said { places, list, last } = self;
        let is_it = |said: &SaidBy| said.thread == thread && said.space == space;
        if !list.get(*last).is_some_and(is_it) {
            *last = *places.entry((thread, space)).or_insert_with(|| {
                list.push(SaidBy { thread, space, ..SaidBy::default() });
                // There are fewer than 2^32 threads.
                (list.len() - 1) as u32
            }) as usize;
        }
        &mut list[*last]
    }
}

/// What was done in `space`.
fn done_in(of_space: &mut Vec<(Space, Done)>, space: Space) -> &mut Done {
    let place = of_space.iter().position(|(known, _)| *known == space).unwrap_or_else(|| {
        of_space.push((space, Done::default()));
        of_space.len() - 1
    });
    &mut of_space[place].1
}

/// What was done in a space.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    allocated: Amount,
    freed: u64,
    reallocated: u64,
}

impl Done {
    fn add(&mut self, other: &Done) {
        self.allocated += other.allocated;
        self.freed = self.freed.saturating_add(other.freed);
        self.reallocated = self.reallocated.saturating_add(other.reallocated);
    }
}

/// What came since the thread's record before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) enum News {
    /// Calls that allocated, and the bytes that they asked for.
    Allocated(Amount),
    /// Calls that freed, and those of `realloc` among those that allocated.
    Freed { calls: u64, reallocations: u64 },
    /// What all hold.
    Held(Held),
}

impl Exact {
    /// Takes in a part of a record.
    pub fn add(&mut self, thread: ThreadIndex, space: Space, total: Total) -> News {
        let Exact { of_thread, of_space, held, peak, is_told, is_lost } = self;
        let (said, all) = (of_thread.of(thread, space), done_in(of_space, space));
        match total {
            Total::Allocated { calls, bytes } => {
                let now = Amount { bytes, count: calls };
                let mut since = now;
                since -= said.done.allocated;
                said.done.allocated = now;
                all.allocated += since;
                News::Allocated(since)
            }
            Total::Freed { calls, reallocations } => {
                let before = std::mem::replace(&mut said.done.freed, calls);
                let reallocated = std::mem::replace(&mut said.done.reallocated, reallocations);
                let (calls, reallocations) =
                    (calls.saturating_sub(before), reallocations.saturating_sub(reallocated));
                all.add(&Done { allocated: Amount::default(), freed: calls, reallocated: reallocations });
                News::Freed { calls, reallocations }
            }
            Total::Held { bytes, high } => {
                let before = std::mem::replace(&mut said.held, bytes);
                let highest = held.saturating_add(high.max(bytes).saturating_sub(before));
                *held = held.saturating_add(bytes.saturating_sub(before));
                *is_told |= space == Space::HEAP && !*is_lost;
                let is_peak = space == Space::HEAP && highest > *peak;
                if is_peak {
                    *peak = highest;
                }
                let [bytes, highest] = [*held, highest].map(|bytes| bytes.max(0) as u64);
                News::Held(Held { bytes, highest, is_peak })
            }
        }
    }

    /// Whether the course of all that is held is known: threads have told of it, or did of the process that this was forked by.
    #[inline]
    pub fn is_told(&self) -> bool {
        self.is_told
    }

    /// What all blocks hold, if that is known.
    pub fn held(&self) -> Option<u64> {
        self.is_told.then_some(self.held.max(0) as u64)
    }

    /// Whether it cannot be known, since [`Exact::lose`].
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// What threads tell is no longer the course of all blocks; returns whether it was.
    #[inline]
    pub fn lose(&mut self) -> bool {
        self.is_lost = true;
        std::mem::take(&mut self.is_told)
    }

    /// What the process's threads did, by their lines, since their last records. Before a stop a thread had another line: all of its
    /// lines together are what it did.
    pub fn rest_of(&mut self, lines: &[ThreadTotals]) -> Vec<(Space, News)> {
        let mut sums: FxHashMap<Space, Done> = FxHashMap::default();
        for line in lines {
            let Totals { bytes, n_allocated, n_freed, n_reallocated, .. } = line.totals;
            sums.entry(line.space).or_default().add(&Done {
                allocated: Amount { bytes, count: n_allocated },
                freed: n_freed,
                reallocated: n_reallocated,
            });
        }
        let mut rest = Vec::new();
        for (space, whole) in sums {
            let done = done_in(&mut self.of_space, space);
            let mut allocated = whole.allocated;
            allocated -= done.allocated;
            let calls = whole.freed.saturating_sub(done.freed);
            let reallocations = whole.reallocated.saturating_sub(done.reallocated);
            *done = whole;
            rest.extend(
                [News::Allocated(allocated), News::Freed { calls, reallocations }].map(|news| (space, news)),
            );
        }
        rest
    }

    /// Threads count from nothing again: recording was stopped.
    pub fn restart(&mut self) {
        self.of_thread = Said::default();
        self.held = 0;
    }

    /// What is held now is the peak.
    pub fn reset_peak(&mut self) {
        self.peak = self.held;
    }

    /// Those of a forked process: what its parent held, and no thread that has said anything.
    pub fn inherited(&self) -> Exact {
        Exact {
            held: self.held,
            peak: self.held,
            is_told: self.is_told,
            is_lost: self.is_lost,
            ..Exact::default()
        }
    }
}

/// The same as it stands in a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::replay) struct SavedExact {
    /// Thread, space, what it did and what it held.
    of_thread: Vec<(u32, u8, [u64; 4], i64)>,
    /// Space, and what was done in it.
    of_space: Vec<(u8, [u64; 4])>,
    is_told: bool,
    is_lost: bool,
    held: i64,
    peak: i64,
}

impl Done {
    fn saved(&self) -> [u64; 4] {
        [self.allocated.bytes, self.allocated.count, self.freed, self.reallocated]
    }

    fn of(&[bytes, count, freed, reallocated]: &[u64; 4]) -> Done {
        Done { allocated: Amount { bytes, count }, freed, reallocated }
    }
}

impl SavedExact {
    /// Saves `exact`; of a process that has ended not what each thread did.
    pub fn new(exact: &Exact, is_closed: bool) -> SavedExact {
        let Exact { of_thread, of_space, is_told, is_lost, held, peak } = exact;
        let thread = |said: &SaidBy| (said.thread.0, said.space.0, said.done.saved(), said.held);
        let (mut of_thread, mut of_space): (Vec<_>, Vec<_>) = (
            of_thread.list.iter().filter(|_| !is_closed).map(thread).collect(),
            of_space.iter().map(|(space, done)| (space.0, done.saved())).collect(),
        );
        of_thread.sort_unstable();
        of_space.sort_unstable();
        SavedExact { of_thread, of_space, is_told: *is_told, is_lost: *is_lost, held: *held, peak: *peak }
    }

    /// The totals as they were saved.
    pub fn restored(&self) -> Exact {
        let SavedExact { of_thread, of_space, is_told, is_lost, held, peak } = self;
        let mut said = Said::default();
        for &(thread, space, ref done, held) in of_thread {
            let by = said.of(ThreadIndex(thread), Space(space));
            (by.done, by.held) = (Done::of(done), held);
        }
        let mut spaces = Vec::new();
        for (space, done) in of_space {
            *done_in(&mut spaces, Space(*space)) = Done::of(done);
        }
        Exact {
            of_thread: said,
            of_space: spaces,
            is_told: *is_told,
            is_lost: *is_lost,
            held: *held,
            peak: *peak,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_that_of_all_threads_and_may_be_between_two_records() {
        let mut exact = Exact::default();
        let mut held = |thread, bytes, high| match exact.add(
            ThreadIndex(thread),
            Space::HEAP,
            Total::Held { bytes, high },
        ) {
            News::Held(held) => held.is_peak,
            news => panic!("{news:?}"),
        };
        assert!(held(0, 100, 100));
        assert!(held(1, 50, 70));
        assert!(!held(0, 110, 110), "170 were there before");
        assert!(held(0, 40, 125));
        assert_eq!((exact.held, exact.peak), (90, 175));
        let child = exact.inherited();
        assert_eq!((child.held, child.peak, child.is_told(), child.is_lost()), (90, 90, true, false));
        assert!(exact.lose() && !exact.lose());
        exact.add(ThreadIndex(0), Space::HEAP, Total::Held { bytes: 999, high: 999 });
        assert!(!exact.is_told() && !exact.inherited().is_told() && exact.inherited().is_lost());
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
        assert_eq!(
            add(Total::Held { bytes: 9, high: 9 }),
            News::Held(Held { bytes: 9, highest: 9, is_peak: false })
        );
    }
}
