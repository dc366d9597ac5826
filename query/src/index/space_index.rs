//! The starts of the live blocks of one space.

use std::collections::BTreeSet;

use super::PageBits;

/// The largest block whose start is a bit: small enough that it reaches at most into the next page, and large enough that
/// a page of such blocks has several.
const SMALL_BYTES_MAX: u64 = 1024;

/// The starts.
#[derive(Debug)]
pub struct SpaceIndex {
    small: PageBits,
    others: BTreeSet<u64>,
    /// All blocks that ever were lie from here ...
    lowest: u64,
    /// ... to here, inclusive: most words of memory are no pointers.
    highest: u64,
}

impl Default for SpaceIndex {
    fn default() -> SpaceIndex {
        SpaceIndex { small: PageBits::default(), others: BTreeSet::new(), lowest: u64::MAX, highest: 0 }
    }
}

#[inline]
fn is_small(start: u64, size: u64) -> bool {
    size <= SMALL_BYTES_MAX && PageBits::admits(start)
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

    /// Takes a block out, of the size that it came with.
    #[inline]
    pub fn remove(&mut self, start: u64, size: u64) {
        if is_small(start, size) {
            self.small.remove(start);
        } else {
            self.others.remove(&start);
        }
    }

    /// Where the block that holds `address` starts, if there is one and blocks do not overlap: at the first of the two
    /// starts if that block reaches so far, else at the second.
    #[inline]
    pub fn candidates(&self, address: u64) -> (Option<u64>, impl FnOnce() -> Option<u64>) {
        let is_inside = (self.lowest..=self.highest).contains(&address);
        let small = if is_inside { self.small.last_until(address) } else { None };
        let other = move || {
            let others = is_inside.then(|| self.others.range(..=address).next_back())?;
            others.copied()
        };
        (small, other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::recordings::Random;

    /// Against a map of blocks that are looked through one by one.
    #[test]
    fn it_finds_what_a_naive_search_finds() {
        let (mut random, mut index) = (Random::new(3), SpaceIndex::default());
        let mut blocks: BTreeMap<u64, u64> = BTreeMap::new();
        let mut n_found = 0;
        for round in 0..20_000 {
            // Sizes of all kinds, starts at multiples of 16, of 8 and odd ones, in few pages.
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
            let (small, other) = index.candidates(address);
            let found = small.filter(holds).or_else(|| other().filter(holds));
            assert_eq!(found, naive, "{address} in round {round}");
            n_found += u32::from(found.is_some());
        }
        assert!(n_found > 1000, "{n_found}");
    }

    #[test]
    fn the_ends_of_the_address_space_are_no_trap() {
        let mut index = SpaceIndex::default();
        assert_eq!(index.candidates(0).0, None);
        for (start, size) in [(0, 8), (u64::MAX - 7, 100), (1, 1 << 40)] {
            index.insert(start, size);
        }
        assert_eq!(index.candidates(7).0, Some(0));
        assert_eq!(index.candidates(u64::MAX).0, Some(u64::MAX - 7));
        assert_eq!(index.candidates(1 << 30).1(), Some(1));
    }
}
