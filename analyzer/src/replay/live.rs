//! The table of live blocks: open addressing with linear probing, 24 bytes a place.
//!
//! ```text
//!  address u64 (0 = empty) | size u64 | stack u32 | -
//! ```

use tm_common::ids::{Address, StackId};

/// A live block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Where it is; never 0 in a table.
    pub address: Address,
    /// Requested bytes.
    pub size: u64,
    /// Who allocated it.
    pub stack: StackId,
}

const _: () = assert!(size_of::<Block>() == 24);

/// The live blocks of one process.
#[derive(Clone, Debug)]
pub struct LiveTable {
    /// A power of two of places, at most three quarters of them taken.
    places: Vec<Block>,
    len: usize,
    shift: u32,
}

const PLACES_MIN_LOG2: u32 = 10;

impl Default for LiveTable {
    fn default() -> LiveTable {
        LiveTable {
            places: vec![Block::default(); 1 << PLACES_MIN_LOG2],
            len: 0,
            shift: 64 - PLACES_MIN_LOG2,
        }
    }
}

impl LiveTable {
    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds `block`, whose address is not 0; `false`, and nothing is changed, if there is one at its address.
    #[inline]
    pub fn insert(&mut self, block: Block) -> bool {
        if self.len >= self.places.len() / 4 * 3 {
            self.grow();
        }
        match self.find(block.address) {
            Err(place) => {
                if let Some(entry) = self.places.get_mut(place) {
                    *entry = block;
                    self.len += 1;
                }
                true
            }
            Ok(_) => false,
        }
    }

    /// Takes the block at `address` out.
    #[inline]
    pub fn remove(&mut self, address: Address) -> Option<Block> {
        let place = self.find(address).ok()?;
        let block = self.places.get(place).copied()?;
        self.len -= 1;
        self.close_gap(place);
        Some(block)
    }

    /// The block at `address`.
    pub fn get(&self, address: Address) -> Option<Block> {
        self.places.get(self.find(address).ok()?).copied()
    }

    /// All blocks, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Block> + '_ {
        self.places.iter().copied().filter(|block| block.address.0 != 0)
    }

    /// Where an address would stand if its place were free: the top bits of a product, which all bits reach.
    #[inline]
    fn home(&self, address: Address) -> usize {
        (address.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// The place of `address`, or the empty place where it would be put.
    #[inline]
    fn find(&self, address: Address) -> Result<usize, usize> {
        let mask = self.places.len() - 1;
        let mut place = self.home(address);
        loop {
            match self.places.get(place & mask) {
                Some(block) if block.address == address => return Ok(place & mask),
                Some(block) if block.address.0 != 0 => place += 1,
                _ => return Err(place & mask),
            }
        }
    }

    /// Moves later blocks of the run into the gap at `gap`, so that no search ends at it too early.
    #[inline]
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.places.len() - 1;
        let mut place = gap;
        loop {
            place = (place + 1) & mask;
            let Some(&block) = self.places.get(place) else { return };
            if block.address.0 == 0 {
                break;
            }
            // It may move if its home is not between the gap and where it stands.
            let from_home = place.wrapping_sub(self.home(block.address)) & mask;
            let from_gap = place.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                if let Some(entry) = self.places.get_mut(gap) {
                    *entry = block;
                }
                gap = place;
            }
        }
        if let Some(entry) = self.places.get_mut(gap) {
            *entry = Block::default();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let doubled = vec![Block::default(); self.places.len() * 2];
        let old = std::mem::replace(&mut self.places, doubled);
        self.shift -= 1;
        for block in old.into_iter().filter(|block| block.address.0 != 0) {
            if let Err(place) = self.find(block.address)
                && let Some(entry) = self.places.get_mut(place)
            {
                *entry = block;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::testing::Random;
    use std::collections::BTreeMap;

    #[test]
    fn it_is_a_map() {
        let mut random = Random::new(7);
        let mut table = LiveTable::default();
        let mut oracle = BTreeMap::new();
        for round in 0..300_000u64 {
            // Few addresses first, then many: collisions, growth and long runs.
            let address = Address(16 * (1 + random.below(200 + round / 8)));
            if random.below(100) < 55 {
                let block = Block { address, size: round, stack: StackId(round as u32) };
                let new = !oracle.contains_key(&address);
                oracle.entry(address).or_insert(block);
                assert_eq!(table.insert(block), new);
            } else {
                assert_eq!(table.remove(address), oracle.remove(&address));
            }
            assert_eq!(table.len(), oracle.len());
        }
        let mut blocks: Vec<Block> = table.iter().collect();
        blocks.sort_by_key(|block| block.address);
        assert_eq!(blocks, oracle.into_values().collect::<Vec<_>>());
    }
}
