//! The table of live blocks: open addressing with linear probing, 32 bytes a place.
//!
//! ```text
//!  word 0   address, 0 = empty
//!       1   generation, low 16 bits | size, 48 bits
//!       2   generation, high 8 bits | birth, 56 bits
//!       3   thread, 32 bits         | stack, 32 bits
//! ```
//!
//! The generation belongs to [`super::peak`]: the number of the first peak that the block was live at.

use tm_common::ids::{Address, StackId, Stamp, ThreadIndex};

/// A live block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Where it is; never 0 in a table.
    pub address: Address,
    /// Requested bytes, at most [`SIZE_MAX`].
    pub size: u64,
    /// Who allocated it.
    pub stack: StackId,
    /// The thread that did.
    pub thread: ThreadIndex,
    /// When it was allocated or, if later, last reallocated. Stamps from 2^56 on (years of uptime) are that.
    pub birth: Stamp,
}

/// The largest block that there can be: more than the address space of a process.
pub const SIZE_MAX: u64 = (1 << SIZE_BITS) - 1;
const SIZE_BITS: u32 = 48;
const BIRTH_BITS: u32 = 56;
const BIRTH_MAX: u64 = (1 << BIRTH_BITS) - 1;
/// The largest generation.
pub(super) const GENERATION_MAX: u32 = (1 << 24) - 1;

/// A block and its generation as they are kept.
#[derive(Clone, Copy, Debug, Default)]
struct Place([u64; 4]);

const _: () = assert!(size_of::<Place>() == 32);

impl Place {
    #[inline]
    fn new(block: &Block, generation: u32) -> Place {
        let generation = u64::from(generation);
        Place([
            block.address.0,
            block.size & SIZE_MAX | generation << SIZE_BITS,
            block.birth.0.min(BIRTH_MAX) | generation >> 16 << BIRTH_BITS,
            u64::from(block.stack.0) | u64::from(block.thread.0) << 32,
        ])
    }

    #[inline]
    fn address(&self) -> u64 {
        self.0[0]
    }

    #[inline]
    fn block(&self) -> Block {
        let [address, size, birth, origin] = self.0;
        Block {
            address: Address(address),
            size: size & SIZE_MAX,
            stack: StackId(origin as u32),
            thread: ThreadIndex((origin >> 32) as u32),
            birth: Stamp(birth & BIRTH_MAX),
        }
    }

    #[inline]
    fn generation(&self) -> u32 {
        let [_, size, birth, _] = self.0;
        (size >> SIZE_BITS | birth >> BIRTH_BITS << 16) as u32
    }
}

/// The live blocks of one process.
#[derive(Clone, Debug)]
pub struct LiveTable {
    /// A power of two of places, at most three quarters of them taken.
    places: Vec<Place>,
    len: usize,
    shift: u32,
}

const PLACES_MIN_LOG2: u32 = 10;

impl Default for LiveTable {
    fn default() -> LiveTable {
        LiveTable {
            places: vec![Place::default(); 1 << PLACES_MIN_LOG2],
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

    /// Asks the processor for what is there of `address`, some events before it is wanted.
    #[inline]
    pub(super) fn prefetch(&self, address: Address) {
        if let Some(place) = self.places.get(self.home(address.0)) {
            prefetch(place);
        }
    }

    /// Adds `block`, whose address is not 0, with its generation; `false`, and nothing is changed, if there is one at
    /// its address.
    #[inline]
    pub(super) fn insert(&mut self, block: &Block, generation: u32) -> bool {
        if self.len >= self.places.len() / 4 * 3 {
            self.grow();
        }
        match self.find(block.address) {
            Err(place) => {
                if let Some(entry) = self.places.get_mut(place) {
                    *entry = Place::new(block, generation);
                    self.len += 1;
                }
                true
            }
            Ok(_) => false,
        }
    }

    /// Takes the block at `address` out, and says its generation.
    #[inline]
    pub(super) fn remove(&mut self, address: Address) -> Option<(Block, u32)> {
        let place = self.find(address).ok()?;
        let found = *self.places.get(place)?;
        self.len -= 1;
        self.close_gap(place);
        Some((found.block(), found.generation()))
    }

    /// Makes the generation of each block 0.
    pub(super) fn reset_generations(&mut self) {
        for place in &mut self.places {
            *place = Place::new(&place.block(), 0);
        }
    }

    /// The block at `address`.
    pub fn get(&self, address: Address) -> Option<Block> {
        self.places.get(self.find(address).ok()?).map(Place::block)
    }

    /// All blocks, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Block> + '_ {
        self.iter_with_generations().map(|(block, _)| block)
    }

    /// All blocks with their generations, in no order.
    pub(super) fn iter_with_generations(&self) -> impl Iterator<Item = (Block, u32)> + '_ {
        let taken = self.places.iter().filter(|place| place.address() != 0);
        taken.map(|place| (place.block(), place.generation()))
    }

    /// Where an address would stand if its place were free: the top bits of a product, which all bits reach.
    #[inline]
    fn home(&self, address: u64) -> usize {
        (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// The place of `address`, or the empty place where it would be put.
    #[inline]
    fn find(&self, address: Address) -> Result<usize, usize> {
        let mask = self.places.len() - 1;
        let mut place = self.home(address.0);
        loop {
            match self.places.get(place & mask) {
                Some(found) if found.address() == address.0 => return Ok(place & mask),
                Some(found) if found.address() != 0 => place += 1,
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
            let Some(&moved) = self.places.get(place) else { return };
            if moved.address() == 0 {
                break;
            }
            // It may move if its home is not between the gap and where it stands.
            let from_home = place.wrapping_sub(self.home(moved.address())) & mask;
            let from_gap = place.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                if let Some(entry) = self.places.get_mut(gap) {
                    *entry = moved;
                }
                gap = place;
            }
        }
        if let Some(entry) = self.places.get_mut(gap) {
            *entry = Place::default();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let doubled = vec![Place::default(); self.places.len() * 2];
        let old = std::mem::replace(&mut self.places, doubled);
        self.shift -= 1;
        for moved in old.into_iter().filter(|place| place.address() != 0) {
            if let Err(place) = self.find(Address(moved.address()))
                && let Some(entry) = self.places.get_mut(place)
            {
                *entry = moved;
            }
        }
    }
}

/// Starts to fetch `place` into the caches; on some architectures nothing.
#[inline]
fn prefetch(place: &Place) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch changes nothing and never faults; the pointer is that of a reference besides.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
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
                let (size, birth) = (SIZE_MAX - round, Stamp(BIRTH_MAX - 3 * round));
                let (stack, thread) = (StackId(round as u32), ThreadIndex(u32::MAX - round as u32));
                let block = Block { address, size, stack, thread, birth };
                let generation = GENERATION_MAX - 7 * round as u32;
                let new = !oracle.contains_key(&address);
                oracle.entry(address).or_insert((block, generation));
                assert_eq!(table.insert(&block, generation), new);
            } else {
                assert_eq!(table.remove(address), oracle.remove(&address));
            }
            assert_eq!(table.len(), oracle.len());
        }
        let mut blocks: Vec<(Block, u32)> = table.iter_with_generations().collect();
        blocks.sort_by_key(|(block, _)| block.address);
        assert_eq!(blocks, oracle.into_values().collect::<Vec<_>>());
        table.reset_generations();
        assert!(table.iter_with_generations().all(|(_, generation)| generation == 0));
        assert_eq!(table.iter().count(), blocks.len());
    }
}
