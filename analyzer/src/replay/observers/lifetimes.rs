//! How long blocks live, and which are temporary.

use tm_common::ids::ProcessIndex;

use super::latest::LatestBlocks;
use crate::events::{Block, MergedEvent};
use crate::model::EstimatesBy;
use crate::replay::checkpoint::FoldedPart;
use crate::replay::observer::Observer;
use crate::replay::selection::Selection;
use crate::replay::site::Site;

/// Sorts blocks by how long they lived, and finds those that were freed before the next allocation of their thread.
#[derive(Debug)]
pub struct Lifetimes<'a> {
    selection: &'a Selection,
    process: ProcessIndex,
    latest: LatestBlocks,
    /// The first stamps of all decades but the first.
    limits: Vec<u64>,
    /// Blocks that were freed before the next allocation of their thread.
    pub temporary: EstimatesBy<Site>,
    /// All blocks that went, by decade; one more than there are limits.
    pub decades: Vec<EstimatesBy<Site>>,
}

impl<'a> Lifetimes<'a> {
    /// Counts those of `process` in `selection`. Blocks that lived less than the first of `limits` (ascending, in stamps) are in the
    /// first decade.
    pub fn new(selection: &'a Selection, process: ProcessIndex, limits: Vec<u64>) -> Lifetimes<'a> {
        let decades = vec![EstimatesBy::default(); limits.len() + 1];
        let (latest, temporary) = (LatestBlocks::default(), EstimatesBy::default());
        Lifetimes { selection, process, latest, limits, temporary, decades }
    }
}

impl Observer for Lifetimes<'_> {
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        part.latest().for_each(|latest| self.latest.put(latest));
        let Lifetimes { selection, process, temporary, .. } = self;
        selection.take_in(part, |sum| {
            if sum.activity.temporary.count > 0 {
                let site = Site::of(&sum.like, *process, &selection.thread_tags);
                temporary.add(site, sum.estimate(sum.activity.temporary, &selection.thread_tags));
            }
        });
        // How long the blocks lived that are folded is not known.
        selection.born_after.is_some_and(|after| after >= part.until())
    }

    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        self.latest.came(block, &self.selection.thread_tags);
    }

    fn on_total(&mut self, event: &MergedEvent) {
        self.latest.told(event, &self.selection.thread_tags);
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        let is_temporary = self.latest.went(block, event, &self.selection.thread_tags);
        if !self.selection.admits(block, event.stamp) {
            return;
        }
        let thread_tags = &self.selection.thread_tags;
        let site = Site::of(block, self.process, thread_tags);
        let estimate = block.estimate(thread_tags);
        if is_temporary {
            self.temporary.add(site, estimate);
        }
        let lifetime = event.stamp.0.saturating_sub(block.birth.0);
        let decade = self.limits.partition_point(|&limit| limit <= lifetime);
        if let Some(sums) = self.decades.get_mut(decade) {
            sums.add(site, estimate);
        }
    }
}

#[cfg(test)]
mod tests {
    use tm_common::functions::Function;
    use tm_common::ids::{Address, Space, StackId, Stamp, StreamIndex, ThreadIndex};

    use super::*;
    use crate::events::{Action, State};
    use crate::reader::ThreadTag;

    fn block(address: u64, thread: u32, birth: u64) -> Block {
        let (thread_tag, birth) = (ThreadTag::of_thread(ThreadIndex(thread)), Stamp(birth));
        let (stack, size) = (StackId(address as u32), address);
        Block { address: Address(address), size, stack, thread_tag, birth, space: Space::HEAP }
    }

    fn release(block: &Block, stamp: u64, action: Action) -> MergedEvent {
        let Block { address, thread_tag, space, .. } = *block;
        let (stamp, function, state) = (Stamp(stamp), Function::Free, State::Pending);
        let (size, stack, stream) = (0, StackId::NONE, StreamIndex(0));
        MergedEvent { stamp, address, size, stack, thread_tag, stream, action, function, space, state }
    }

    /// A domain of the program's own may number its blocks from 0.
    #[test]
    fn a_block_at_0_is_one_as_any_other() {
        let selection = Selection::default();
        let mut lifetimes = Lifetimes::new(&selection, ProcessIndex(0), vec![]);
        let [zero, one] = [0, 1].map(|address| Block { space: Space(2), ..block(address, 0, address) });
        lifetimes.on_alloc(&zero);
        lifetimes.on_alloc(&one);
        lifetimes.on_free(&one, &release(&one, 5, Action::Untrack));
        lifetimes.on_free(&zero, &release(&zero, 6, Action::Untrack));
        let found: Vec<u32> =
            lifetimes.temporary.amounts.sorted().iter().map(|(site, _)| site.stack.0).collect();
        assert_eq!(found, [1], "another came before it went");
    }

    #[test]
    fn temporary_is_what_goes_before_the_next_comes() {
        let selection = Selection::default();
        let mut lifetimes = Lifetimes::new(&selection, ProcessIndex(0), vec![10, 100]);
        let (a, b, c, d) = (block(1, 0, 0), block(2, 0, 5), block(3, 1, 7), block(4, 0, 20));
        for block in [&a, &b, &c] {
            lifetimes.on_alloc(block);
        }
        lifetimes.on_free(&b, &release(&b, 14, Action::Free)); // temporary, 9
        lifetimes.on_free(&a, &release(&a, 14, Action::Free)); // 14
        lifetimes.on_alloc(&d);
        lifetimes.on_free(&c, &release(&c, 207, Action::Free)); // temporary for its own thread, 200
        lifetimes.on_free(&d, &release(&d, 30, Action::ReallocateBegin)); // grows, 10
        let stacks = |sums: &EstimatesBy<Site>| {
            sums.amounts.sorted().iter().map(|(site, _)| site.stack.0).collect::<Vec<_>>()
        };
        assert_eq!(stacks(&lifetimes.temporary), [2, 3]);
        assert_eq!(lifetimes.decades.iter().map(stacks).collect::<Vec<_>>(), [vec![2], vec![1, 4], vec![3]]);
    }
}
