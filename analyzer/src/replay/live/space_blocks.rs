//! The table of live blocks: the blocks, 32 bytes each, and an [`index::Index`] of them by address.
//!
//! ```text
//!  word 0   address, 0 = free
//!       1   generation, low 16 bits          | size, 48 bits
//!       2   generation, high 7 bits, is kept | birth, 56 bits
//!       3   thread_tag, 32 bits                  | stack, 32 bits
//! ```
//!
//! The generation belongs to [`super::peak`]: the number of the first peak that the block was live at. A block that
//! was live at the latest peak keeps its place when it goes, until there is another peak.

use tm_common::ids::{Address, Space, StackId, Stamp};

use super::index::{Index, hash_of};
use super::prefetch::prefetch;

use crate::events::{Block, SIZE_BITS, SIZE_MAX};
use crate::reader::ThreadTag;

const BIRTH_BITS: u32 = 56;
const BIRTH_MAX: u64 = (1 << BIRTH_BITS) - 1;
/// The largest generation.
pub(in crate::replay) const GENERATION_MAX: u32 = (1 << 23) - 1;
const IS_KEPT: u64 = 1 << 63;
/// A table of this many blocks takes half a MiB with its index.
const CACHED_BLOCKS_MAX: usize = 1 << 13;

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
            u64::from(block.stack.0) | u64::from(block.thread_tag.number()) << 32,
        ])
    }

    #[inline]
    fn address(&self) -> u64 {
        self.0[0]
    }

    #[inline]
    fn block(&self, space: Space) -> Block {
        let [address, size, birth, thread_tag] = self.0;
        Block {
            address: Address(address),
            size: size & SIZE_MAX,
            stack: StackId(thread_tag as u32),
            thread_tag: ThreadTag::of_number((thread_tag >> 32) as u32),
            birth: Stamp(birth & BIRTH_MAX),
            space,
        }
    }

    #[inline]
    fn generation(&self) -> u32 {
        let [_, size, birth, _] = self.0;
        (size >> SIZE_BITS | (birth & !IS_KEPT) >> BIRTH_BITS << 16) as u32
    }

    #[inline]
    fn is_kept(&self) -> bool {
        self.0[2] & IS_KEPT != 0
    }
}

/// A block that went and keeps its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) struct Kept(u32);

/// The live blocks of one process in one space.
#[derive(Clone, Debug, Default)]
pub struct SpaceBlocks {
    space: Space,
    places: Vec<Place>,
    /// Places without a block; the latest is taken first, since it is still in the processor's cache.
    free: Vec<u32>,
    index: Index,
}

impl SpaceBlocks {
    /// An empty table of a space.
    pub(in crate::replay) fn of_space(space: Space) -> SpaceBlocks {
        SpaceBlocks { space, ..SpaceBlocks::default() }
    }

    /// The space.
    #[inline]
    pub fn space(&self) -> Space {
        self.space
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds `block`, whose address is not 0, with its generation; `false`, and nothing is changed, if there is one at
    /// its address (or there are 2^32).
    #[inline(always)]
    pub(in crate::replay) fn insert(&mut self, block: &Block, generation: u32) -> bool {
        self.index.reserve();
        let hash = hash_of(block.address.0);
        let Err(slot) = self.find(hash, block.address) else { return false };
        let place = Place::new(block, generation);
        let number = match self.free.pop() {
            Some(number) => {
                self.set(number, place);
                number
            }
            None => {
                let Ok(number) = u32::try_from(self.places.len()) else { return false };
                self.places.push(place);
                number
            }
        };
        self.index.fill(slot, hash, number);
        true
    }

    /// Takes the block at `address` out. One of a generation up to `kept_until` keeps its place.
    #[inline(always)]
    pub(in crate::replay) fn remove(
        &mut self,
        address: Address,
        kept_until: u32,
    ) -> Option<(Block, Option<Kept>)> {
        let (slot, number) = self.find(hash_of(address.0), address).ok()?;
        self.index.empty(slot);
        debug_assert!((number as usize) < self.places.len(), "no block has number {number}");
        let place = self.places.get_mut(number as usize)?;
        let block = place.block(self.space);
        if place.generation() <= kept_until {
            place.0[2] |= IS_KEPT;
            return Some((block, Some(Kept(number))));
        }
        *place = Place::default();
        self.free.push(number);
        Some((block, None))
    }

    /// Takes out all blocks that were born up to `birth`, as [`SpaceBlocks::remove`] does, and tells `gone` of each.
    pub(in crate::replay) fn remove_until(
        &mut self,
        birth: Stamp,
        kept_until: u32,
        gone: &mut impl FnMut(Block, Option<Kept>),
    ) {
        for number in 0..self.places.len() {
            let place = self.places.get(number).filter(|place| place.address() != 0 && !place.is_kept());
            let old = place.map(|place| place.block(self.space)).filter(|block| block.birth <= birth);
            if let Some((block, kept)) = old.and_then(|block| self.remove(block.address, kept_until)) {
                gone(block, kept);
            }
        }
    }

    /// Gives the place of a block up that kept it.
    pub(in crate::replay) fn forget(&mut self, Kept(number): Kept) {
        self.set(number, Place::default());
        self.free.push(number);
    }

    /// Makes the generation of each block 0, and gives up the places of all that keep theirs.
    pub(in crate::replay) fn reset_generations(&mut self) {
        for (number, place) in self.places.iter_mut().enumerate() {
            if place.is_kept() {
                *place = Place::default();
                self.free.push(number as u32);
            } else {
                *place = Place::new(&place.block(self.space), 0);
            }
        }
    }

    /// The block at `address`.
    pub fn get(&self, address: Address) -> Option<Block> {
        let (_, number) = self.find(hash_of(address.0), address).ok()?;
        self.places.get(number as usize).map(|place| place.block(self.space))
    }

    /// All blocks, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Block> + '_ {
        self.taken().filter(|place| !place.is_kept()).map(|place| place.block(self.space))
    }

    /// All blocks of a generation up to `until`, live or kept, in no order.
    pub(in crate::replay) fn iter_generations(&self, until: u32) -> impl Iterator<Item = Block> + '_ {
        self.taken().filter(move |place| place.generation() <= until).map(|place| place.block(self.space))
    }

    /// All blocks with their generations, in no order.
    pub(in crate::replay) fn with_generations(&self) -> impl Iterator<Item = (Block, u32)> + '_ {
        let live = self.taken().filter(|place| !place.is_kept());
        live.map(|place| (place.block(self.space), place.generation()))
    }

    /// The blocks of a generation up to `until` that went and keep their places, in no order.
    pub(in crate::replay) fn kept_generations(&self, until: u32) -> impl Iterator<Item = Block> + '_ {
        let kept = self.taken().filter(move |place| place.is_kept() && place.generation() <= until);
        kept.map(|place| place.block(self.space))
    }

    /// Tells whether the table is larger than what a processor's nearest caches hold beside other things.
    #[inline]
    pub(in crate::replay) fn is_worth_prefetching(&self) -> bool {
        self.places.len() > CACHED_BLOCKS_MAX
    }

    /// Asks the processor for what `address` is found by, some events before it is wanted.
    #[inline]
    pub(in crate::replay) fn prefetch_index(&self, address: Address) {
        self.index.prefetch(hash_of(address.0));
    }

    /// Asks the processor for the block at `address`, some events before it is wanted.
    #[inline]
    pub(in crate::replay) fn prefetch_block(&self, address: Address) {
        let Ok((_, number)) = self.index.find(hash_of(address.0), |_| true) else { return };
        self.places.get(number as usize).inspect(|place| prefetch(*place));
    }

    fn taken(&self) -> impl Iterator<Item = &Place> + '_ {
        self.places.iter().filter(|place| place.address() != 0)
    }

    /// The slot and number of the block at `address`, or the slot where its number would be put.
    #[inline]
    fn find(&self, hash: u32, address: Address) -> Result<(usize, u32), usize> {
        let is_it =
            |number| self.places.get(number as usize).is_some_and(|place| place.address() == address.0);
        self.index.find(hash, is_it)
    }

    #[inline]
    fn set(&mut self, number: u32, place: Place) {
        debug_assert!((number as usize) < self.places.len(), "no block has number {number}");
        if let Some(entry) = self.places.get_mut(number as usize) {
            *entry = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tm_testing::Random;

    #[test]
    fn it_is_a_map() {
        let mut random = Random::new(7);
        let mut table = SpaceBlocks::default();
        let (mut oracle, mut kept) = (BTreeMap::new(), Vec::new());
        for round in 0..300_000u64 {
            // Few addresses first, then many: collisions, growth and long runs.
            let address = Address(16 * (1 + random.below(200 + round / 8)));
            if random.below(100) < 55 {
                let (size, birth) = (SIZE_MAX - round, Stamp(BIRTH_MAX - 3 * round));
                let (stack, thread_tag) =
                    (StackId(round as u32), ThreadTag::of_number(u32::MAX - round as u32));
                let block = Block { address, size, stack, thread_tag, birth, space: Space::HEAP };
                let generation = GENERATION_MAX - 7 * round as u32;
                let new = !oracle.contains_key(&address);
                oracle.entry(address).or_insert((block, generation));
                assert_eq!(table.insert(&block, generation), new);
            } else {
                let kept_until = GENERATION_MAX - 7 * random.below(round + 1) as u32;
                let removed = table.remove(address, kept_until);
                let expected = oracle.remove(&address);
                assert_eq!(removed.map(|(block, _)| block), expected.map(|(block, _)| block));
                let is_kept = removed.is_some_and(|(_, kept)| kept.is_some());
                assert_eq!(is_kept, expected.is_some_and(|(_, generation)| generation <= kept_until));
                kept.extend(removed.and_then(|(_, kept)| kept));
            }
            if random.below(5_000) == 0 {
                kept.drain(..).for_each(|kept| table.forget(kept));
            }
            assert_eq!(table.len(), oracle.len());
        }
        let mut blocks: Vec<Block> = table.iter().collect();
        blocks.sort_by_key(|block| block.address);
        assert_eq!(blocks, oracle.values().map(|(block, _)| *block).collect::<Vec<_>>());
        assert!(!kept.is_empty());
        assert_eq!(table.iter_generations(GENERATION_MAX).count(), blocks.len() + kept.len());
        assert!(
            oracle.keys().all(|&address| table.get(address) == oracle.get(&address).map(|found| found.0))
        );
        table.reset_generations();
        assert_eq!(table.iter_generations(0).count(), blocks.len());
    }

    /// Against each removed by its address.
    #[test]
    fn what_is_old_goes_at_once_as_it_would_one_by_one() {
        let mut random = Random::new(8);
        let mut table = SpaceBlocks::default();
        for round in 0..2_000 {
            let address = Address(16 * (1 + random.below(1_500)));
            let (birth, generation) = (Stamp(random.below(100)), random.below(10) as u32);
            table.insert(&Block { address, birth, size: round, ..Block::default() }, generation);
            if random.below(3) == 0 {
                table.remove(Address(16 * (1 + random.below(1_500))), 5);
            }
        }
        for (birth, kept_until) in [(0, 9), (30, 0), (60, 5), (60, 5), (99, 3)] {
            let mut one_by_one = table.clone();
            let old = table.iter().filter(|block| block.birth.0 <= birth);
            let expected: Vec<_> =
                old.filter_map(|block| one_by_one.remove(block.address, kept_until)).collect();
            let mut gone = Vec::new();
            table.remove_until(Stamp(birth), kept_until, &mut |block, kept| gone.push((block, kept)));
            assert_eq!(gone, expected);
            assert!(table.iter().eq(one_by_one.iter()) && table.len() == one_by_one.len());
            assert!(table.iter_generations(9).eq(one_by_one.iter_generations(9)));
        }
        assert!(table.is_empty());
    }
}
