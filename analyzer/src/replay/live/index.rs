//! From an address to the number of its block: open addressing with linear probing, 8 bytes a slot.
//!
//! ```text
//!  bit 0                     32                    63
//!     | number of block + 1  | upper half of hash   |      0 = empty
//! ```
//!
//! The slot that an address would have by itself is the top bits of its hash, so a growing index does not look at the
//! blocks, and keeps their order. It does not know addresses: that of the block decides whether a slot is meant.

use super::prefetch::prefetch;

/// Numbers of blocks by hash.
#[derive(Clone, Debug)]
pub(in crate::replay) struct Index {
    /// A power of two of slots: a quarter of few is taken at most, four fifths of many.
    slots: Vec<u64>,
    len: usize,
    shift: u32,
}

const SLOTS_MIN_LOG2: u32 = 10;
/// Up to here, half a MiB, room is worth less than searches that end where they begin.
const SPARSE_SLOTS_MAX: usize = 1 << 16;
const HASH_SHIFT: u32 = 32;

impl Default for Index {
    fn default() -> Index {
        Index { slots: vec![0; 1 << SLOTS_MIN_LOG2], len: 0, shift: HASH_SHIFT - SLOTS_MIN_LOG2 }
    }
}

/// The number of the block in a taken slot.
#[inline]
fn number(slot: u64) -> u32 {
    (slot as u32).wrapping_sub(1)
}

#[inline]
fn hash(slot: u64) -> u32 {
    (slot >> HASH_SHIFT) as u32
}

/// The upper half of a product, which all bits reach.
#[inline]
pub(in crate::replay) fn hash_of(address: u64) -> u32 {
    (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

impl Index {
    /// How many slots are taken.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The slot of the block with `hash` that `is_it`, and its number; else the slot where it would be put.
    #[inline]
    pub fn find(&self, wanted: u32, is_it: impl Fn(u32) -> bool) -> Result<(usize, u32), usize> {
        let mask = self.slots.len() - 1;
        let mut place = self.home(wanted);
        loop {
            match self.slots.get(place) {
                Some(&slot) if slot != 0 => {
                    if hash(slot) == wanted && is_it(number(slot)) {
                        return Ok((place, number(slot)));
                    }
                }
                _ => return Err(place),
            }
            place = (place + 1) & mask;
        }
    }

    /// Makes room for one more, before it is looked for.
    #[inline]
    pub fn reserve(&mut self) {
        let n_slots = self.slots.len();
        let is_full =
            if n_slots < SPARSE_SLOTS_MAX { self.len * 4 >= n_slots } else { self.len * 5 >= n_slots * 4 };
        if is_full {
            self.grow();
        }
    }

    /// Takes the empty slot at `place`, which [`Index::find`] said.
    #[inline]
    pub fn fill(&mut self, place: usize, hash: u32, number: u32) {
        debug_assert!(self.slots.get(place) == Some(&0), "slot {place} is taken or none");
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = (u64::from(number) + 1) | u64::from(hash) << HASH_SHIFT;
            self.len += 1;
        }
    }

    /// Empties the slot at `gap`: moves later ones of the run into it, so that no search ends there too early.
    #[inline]
    pub fn empty(&mut self, mut gap: usize) {
        self.len -= 1;
        let mask = self.slots.len() - 1;
        let mut place = gap;
        loop {
            place = (place + 1) & mask;
            let Some(&moved) = self.slots.get(place).filter(|&&slot| slot != 0) else { break };
            // It may move if its home is not between the gap and where it stands.
            let from_home = place.wrapping_sub(self.home(hash(moved))) & mask;
            let from_gap = place.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                self.set(gap, moved);
                gap = place;
            }
        }
        self.set(gap, 0);
    }

    /// Asks the processor for the slots of `hash`.
    #[inline]
    pub fn prefetch(&self, hash: u32) {
        self.slots.get(self.home(hash)).inspect(|slot| prefetch(*slot));
    }

    #[inline]
    fn set(&mut self, place: usize, value: u64) {
        debug_assert!(place < self.slots.len(), "there is no slot {place}");
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = value;
        }
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        (hash >> self.shift) as usize
    }

    #[cold]
    fn grow(&mut self) {
        let doubled = vec![0; self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, doubled);
        self.shift = self.shift.saturating_sub(1);
        for slot in old.into_iter().filter(|&slot| slot != 0) {
            if let Err(place) = self.find(hash(slot), |_| false) {
                self.set(place, slot);
            }
        }
    }
}
