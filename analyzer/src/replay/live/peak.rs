//! The blocks of the peak, known in one pass: those that are live, less what came since, with what went since.
//!
//! ```text
//!  generation <= number of the latest peak    the block was live at it
//!  generation  = that + 1                     it came since
//! ```
//!
//! A new peak is a step of one number: all that is live belongs to it, and what went before it is forgotten. So a
//! block costs a comparison when it goes, and memory is that of the blocks at the peak and of those now.

use tm_common::ids::{Address, Space, Stamp};

use super::live_blocks::LiveBlocks;
use super::space_blocks::{GENERATION_MAX, Kept, SpaceBlocks};
use crate::events::Block;

/// What the latest peak was made of. The first, number 0, is that of the blocks that a process starts with.
#[derive(Debug, Default)]
pub(in crate::replay) struct Peak {
    /// The number of the latest peak.
    number: u32,
    /// Blocks that were live at it and have gone since.
    gone: Vec<(Space, Kept)>,
}

impl Peak {
    /// The generation of a block that comes now.
    #[inline]
    pub fn next_generation(&self) -> u32 {
        self.number + 1
    }

    /// Takes the block at `address` out of `live`, but remembers it if it was live at the peak.
    #[inline(always)]
    pub fn take_out(&mut self, live: &mut SpaceBlocks, address: Address) -> Option<Block> {
        let (block, kept) = live.remove(address, self.number)?;
        if let Some(kept) = kept {
            self.gone.push((live.space(), kept));
        }
        Some(block)
    }

    /// Takes all blocks out of `live` that were born up to `birth`, as [`Peak::take_out`] does, and tells `gone` of each.
    pub fn take_out_until(&mut self, live: &mut SpaceBlocks, birth: Stamp, gone: &mut impl FnMut(Block)) {
        let space = live.space();
        live.remove_until(birth, self.number, &mut |block, kept| {
            self.gone.extend(kept.map(|kept| (space, kept)));
            gone(block);
        });
    }

    /// This moment is the peak.
    #[inline]
    pub fn reached(&mut self, live: &mut LiveBlocks) {
        for (space, kept) in self.gone.drain(..) {
            live.of(space).forget(kept);
        }
        self.number += 1;
        if self.number == GENERATION_MAX {
            // Once in 2^23 peaks.
            live.reset_generations();
            self.number = 0;
        }
    }

    /// Tells whether a live block with its generation was there.
    fn has(&self, generation: u32) -> bool {
        generation <= self.number
    }

    /// The blocks that are live now: those that were at the peak, and those that came since.
    pub fn split(&self, live: &LiveBlocks) -> [Vec<Block>; 2] {
        let (old, new): (Vec<_>, Vec<_>) =
            live.with_generations().partition(|(_, generation)| self.has(*generation));
        [old, new].map(|blocks| blocks.into_iter().map(|(block, _)| block).collect())
    }

    /// The blocks that were live at the peak and went since.
    pub fn gone(&self, live: &LiveBlocks) -> Vec<Block> {
        live.kept_generations(self.number).collect()
    }

    /// Puts blocks into `live`, which is empty: `gone` was live at the peak, `old` still is, and `new` came since. The first
    /// counts of several at one address.
    pub fn restore(live: &mut LiveBlocks, [gone, old, new]: [impl Iterator<Item = Block>; 3]) -> Peak {
        let mut peak = Peak::default();
        for block in gone {
            let table = live.of(block.space);
            if table.insert(&block, 0) {
                peak.take_out(table, block.address);
            }
        }
        for block in old {
            live.of(block.space).insert(&block, 0);
        }
        for block in new {
            live.of(block.space).insert(&block, 1);
        }
        peak
    }

    /// The blocks of the latest peak, in no order.
    pub fn blocks<'a>(&self, live: &'a LiveBlocks) -> impl Iterator<Item = Block> + 'a {
        live.iter_generations(self.number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use tm_testing::Random;

    /// Against copies of all that is live.
    fn compare_with_copies(first_number: u32) {
        let mut random = Random::new(11);
        let (mut live, mut peak) = (LiveBlocks::default(), Peak { number: first_number, gone: Vec::new() });
        let mut oracle: BTreeMap<u64, Block> = BTreeMap::new();
        let (mut at_peak, mut n_peaks) = (oracle.clone(), 0);
        for round in 0..20_000 {
            let address = 16 * (1 + random.below(300));
            // A third of the addresses are in another space.
            let space = Space(if address.is_multiple_of(3) { 9 } else { 0 });
            if peak.take_out(live.of(space), Address(address)).is_some() {
                oracle.remove(&address);
            } else {
                let block = Block { address: Address(address), size: round, space, ..Block::default() };
                live.of(space).insert(&block, peak.next_generation());
                oracle.insert(address, block);
            }
            if random.below(20) == 0 {
                peak.reached(&mut live);
                (at_peak, n_peaks) = (oracle.clone(), n_peaks + 1);
            }
            if n_peaks > 0 && random.below(10) == 0 {
                let mut found: Vec<Block> = peak.blocks(&live).collect();
                found.sort_by_key(|block| block.address);
                assert_eq!(found, at_peak.values().copied().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn it_is_what_was_live_at_the_latest_peak() {
        compare_with_copies(0);
    }

    #[test]
    fn numbers_start_again_when_they_are_used_up() {
        compare_with_copies(GENERATION_MAX - 300);
    }
}
