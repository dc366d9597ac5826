//! The starts of the live blocks of one space.

use std::collections::BTreeSet;

use super::Granules;

/// The largest block whose start is a bit: small enough that few bits are to be looked at, and large enough that most blocks
/// are.
const SMALL_BYTES_MAX: u64 = 1024;
/// The number of words of bits before that of an address that can have the start of the small block that holds it.
const WINDOW_WORDS: usize = (SMALL_BYTES_MAX as usize / 8).div_ceil(64);

/// The starts.
#[derive(Debug)]
pub struct SpaceIndex {
    small: Granules,
    others: BTreeSet<u64>,
    /// All blocks that ever were lie from here ...
    lowest: u64,
    /// ... to here, inclusive: most words of memory are no pointers.
    highest: u64,
}

impl Default for SpaceIndex {
    fn default() -> SpaceIndex {
        SpaceIndex { small: Granules::default(), others: BTreeSet::new(), lowest: u64::MAX, highest: 0 }
    }
}

#[inline]
fn is_small(start: u64, size: u64) -> bool {
    size <= SMALL_BYTES_MAX && Granules::admits(start)
}

impl SpaceIndex {
    /// Adds a block.
    #[inline]
    pub fn insert(&mut self, start: u64, size: u64) {
        self.lowest = self.lowest.min(start);
        self.highest = self.highest.max(start.saturating_add(size));
        if is_small(start, size) {
            self.small.insert(start);
        } else {
            self.others.insert(start);
        }
    }

    /// Removes a block, of the size that it came with.
    #[inline]
    pub fn remove(&mut self, start: u64, size: u64) {
        if is_small(start, size) {
            self.small.remove(start);
        } else {
            let was_there = self.others.remove(&start);
            debug_assert!(was_there, "{start:#x} is taken out and not there");
        }
    }

    /// Tells whether there was ever a block near `address`. For most words of memory there was none.
    #[inline]
    pub fn is_near(&self, address: u64) -> bool {
        (self.lowest..=self.highest).contains(&address)
    }

    /// Asks the processor for what [`SpaceIndex::small_start`] looks at first, some time before it is wanted.
    #[inline]
    pub fn prefetch(&self, address: u64) {
        self.small.prefetch(address);
    }

    /// Finds where the small block starts that holds `address`, if there is one and blocks do not overlap.
    #[inline]
    pub fn small_start(&self, address: u64) -> Option<u64> {
        if self.is_near(address) { self.small.last_until::<WINDOW_WORDS>(address) } else { None }
    }

    /// Like [`SpaceIndex::small_start`], for other blocks.
    #[inline]
    pub fn other_start(&self, address: u64) -> Option<u64> {
        let is_near = !self.others.is_empty() && self.is_near(address);
        is_near.then(|| self.others.range(..=address).next_back())?.copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use tm_testing::Random;

    /// Against a map of blocks that are looked through one by one.
    #[test]
    fn it_finds_what_a_naive_search_finds() {
        let (mut random, mut index) = (Random::new(3), SpaceIndex::default());
        let mut blocks: BTreeMap<u64, u64> = BTreeMap::new();
        let mut n_found = 0;
        for round in 0..20_000 {
            // Sizes of all kinds, starts at multiples of 16, of 8 and odd ones, in few regions.
            let size = match random.below(4) {
                0 => 0,
                1 => random.below(100),
                2 => 1000 + random.below(50),
                _ => random.below(20_000),
            };
            let start = 4090 + random.below(60 * 4096) / [16, 8, 1][round % 3] * [16, 8, 1][round % 3] + 6;
            let is_free =
                blocks.range(..start + size.max(1)).next_back().is_none_or(|(s, n)| s + n.max(&1) <= start);
            if is_free && random.below(3) > 0 {
                blocks.insert(start, size);
                index.insert(start, size);
            } else if let Some((&start, &size)) = blocks.range(start..).next() {
                blocks.remove(&start);
                index.remove(start, size);
            }
            let address = random.below(62 * 4096);
            let holds = |start: &u64| {
                blocks.get(start).is_some_and(|size| address - start < *size || address == *start)
            };
            let naive = blocks.keys().copied().find(|start| *start <= address && holds(start));
            let small = index.small_start(address).filter(holds);
            let found = small.or_else(|| index.other_start(address).filter(holds));
            assert_eq!(found, naive, "{address} in round {round}");
            n_found += u32::from(found.is_some());
        }
        assert!(n_found > 1000, "{n_found}");
    }

    #[test]
    fn the_ends_of_the_address_space_are_no_trap() {
        let mut index = SpaceIndex::default();
        assert_eq!(index.small_start(0), None);
        for (start, size) in [(0, 8), (u64::MAX - 7, 100), (1, 1 << 40)] {
            index.insert(start, size);
        }
        assert_eq!(index.small_start(7), Some(0));
        assert_eq!(index.small_start(u64::MAX), Some(u64::MAX - 7));
        assert_eq!(index.other_start(1 << 30), Some(1));
    }
}
