//! Ranges of memory that do not overlap, and whose parts come and go: what `mmap` and `munmap` make.

use std::collections::BTreeMap;

use tm_common::ids::{Address, Space};

use crate::events::Block;

/// The ranges of one process, by address. A block here is a range or what is left of one.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    /// The pieces by start. None is empty, and none reaches into the next.
    by_start: BTreeMap<u64, Block>,
}

/// What changes. Only the unmapped part of a piece goes: first it is cut, and its parts come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) enum Change {
    Went(Block),
    Came(Block),
    Cut(Block),
}

impl Ranges {
    /// How many pieces there are.
    pub fn len(&self) -> usize {
        self.by_start.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_start.is_empty()
    }

    /// All pieces, by address.
    pub fn iter(&self) -> impl Iterator<Item = Block> + '_ {
        self.by_start.values().copied()
    }

    /// The piece that holds `address`.
    pub fn holding(&self, address: Address) -> Option<Block> {
        let (_, block) = self.by_start.range(..=address.0).next_back()?;
        (address.0 - block.address.0 < block.size).then_some(*block)
    }

    /// Whether any piece has a part in `size` bytes from `address`.
    pub(in crate::replay) fn overlap(&self, address: Address, size: u64) -> bool {
        let end = address.0.saturating_add(size);
        let last = self.by_start.range(..end).next_back();
        last.is_some_and(|(_, block)| block.address.0 + block.size > address.0) && size > 0
    }

    /// Puts `block` in the place of whatever parts of others lie in it, and tells `changed` what goes and comes.
    pub(in crate::replay) fn insert(&mut self, block: Block, changed: &mut impl FnMut(Change)) {
        self.remove(block.address, block.size, changed);
        let size = block.size.min(u64::MAX - block.address.0);
        if size > 0 {
            let block = Block { size, space: Space::MAPPINGS, ..block };
            self.by_start.insert(block.address.0, block);
            changed(Change::Came(block));
        }
    }

    /// Takes out what lies in `size` bytes from `address`. A range that reaches beyond keeps its other parts.
    pub(in crate::replay) fn remove(
        &mut self,
        address: Address,
        size: u64,
        changed: &mut impl FnMut(Change),
    ) {
        let (start, end) = (address.0, address.0.saturating_add(size));
        if start == end {
            return;
        }
        let first = self.by_start.range(..start).next_back().map_or(start, |(&first, _)| first);
        let touched: Vec<Block> = self
            .by_start
            .range(first..end)
            .map(|(_, block)| *block)
            .filter(|block| block.address.0 + block.size > start)
            .collect();
        for block in touched {
            self.by_start.remove(&block.address.0);
            let block_end = block.address.0 + block.size;
            let before = Block { size: start.saturating_sub(block.address.0), ..block };
            let after = Block { address: Address(end), size: block_end.saturating_sub(end), ..block };
            let size = block.size - before.size - after.size;
            let part = Block { address: Address(start.max(block.address.0)), size, ..block };
            if part != block {
                changed(Change::Cut(block));
                changed(Change::Came(part));
            }
            for rest in [before, after].into_iter().filter(|rest| rest.size > 0) {
                self.by_start.insert(rest.address.0, rest);
                changed(Change::Came(rest));
            }
            changed(Change::Went(part));
        }
    }

    /// Makes ranges of `pieces`. The last counts of those that overlap.
    pub(in crate::replay) fn of(pieces: impl Iterator<Item = Block>) -> Ranges {
        let mut ranges = Ranges::default();
        pieces.for_each(|piece| ranges.insert(piece, &mut |_| {}));
        ranges
    }

    /// Takes out all that `is_meant`.
    pub(in crate::replay) fn take_out_all(&mut self, is_meant: impl Fn(&Block) -> bool) -> Vec<Block> {
        let gone: Vec<Block> = self.iter().filter(is_meant).collect();
        for block in &gone {
            self.by_start.remove(&block.address.0);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use tm_common::ids::Stamp;

    use super::*;
    use tm_testing::Random;

    /// How many pages of the range are mapped and so will be unmapped or replaced.
    fn unmapped_pages(owner: &[u64], start: u64, len: u64) -> i64 {
        owner.iter().skip(start as usize).take(len as usize).filter(|&&page| page != 0).count() as i64
    }

    /// Against an array with an entry for each page.
    #[test]
    fn it_is_what_pages_say() {
        const PAGES: u64 = 64;
        let (mut random, mut ranges) = (Random::new(5), Ranges::default());
        let mut owner = vec![0u64; PAGES as usize];
        let (mut live_bytes, mut live_blocks, mut unmapped_bytes) = (0i64, 0i64, 0i64);
        for round in 1..20_000u64 {
            let start = random.below(PAGES);
            let len = random.below(PAGES - start + 1).min(1 + random.below(20));
            let mut changed = |change| match change {
                Change::Came(block) => {
                    (live_bytes, live_blocks) = (live_bytes + block.size as i64, live_blocks + 1)
                }
                Change::Went(block) | Change::Cut(block) => {
                    let went = matches!(change, Change::Went(_));
                    unmapped_bytes += i64::from(went) * block.size as i64;
                    (live_bytes, live_blocks) = (live_bytes - block.size as i64, live_blocks - 1)
                }
            };
            let before = unmapped_pages(&owner, start, len);
            assert_eq!(ranges.overlap(Address(start), len), before > 0);
            let maps = random.below(2) == 0;
            if maps {
                let block =
                    Block { address: Address(start), size: len, birth: Stamp(round), ..Block::default() };
                ranges.insert(block, &mut changed);
            } else {
                ranges.remove(Address(start), len, &mut changed);
            }
            assert_eq!(unmapped_bytes, before, "round {round}");
            unmapped_bytes = 0;
            owner
                .iter_mut()
                .skip(start as usize)
                .take(len as usize)
                .for_each(|page| *page = u64::from(maps) * round);
            for (page, &round) in owner.iter().enumerate() {
                let found = ranges.holding(Address(page as u64)).map_or(0, |block| block.birth.0);
                assert_eq!(found, round, "page {page}");
            }
            assert_eq!(live_bytes, owner.iter().filter(|&&page| page != 0).count() as i64);
            assert_eq!(live_blocks, ranges.len() as i64);
        }
        let odd = ranges.take_out_all(|block| block.birth.0 % 2 == 1);
        assert!(
            ranges.iter().all(|block| block.birth.0 % 2 == 0)
                && odd.iter().all(|block| block.birth.0 % 2 == 1)
        );
    }

    #[test]
    fn the_end_of_the_address_space_is_no_trap() {
        let mut ranges = Ranges::default();
        let block = Block { address: Address(u64::MAX - 10), size: 100, ..Block::default() };
        ranges.insert(block, &mut |_| {});
        assert_eq!(ranges.holding(Address(u64::MAX - 1)).map(|found| found.size), Some(10));
        ranges.remove(Address(0), u64::MAX, &mut |_| {});
        assert!(ranges.is_empty());
    }
}
