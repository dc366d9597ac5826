//! The set of what is sampled and lives, and a filter before it: nearly all that goes is no sample, and one load says so.
//!
//! ```text
//!  key -> counts[its 256 bytes, folded]   0: not in the set
//!      -> tables[0], tables[1], ...       one bucket of 8 words in each; the next table where those before it have no room
//! ```
//!
//! A key is an address with its space. The owner of what lives there inserts it before anybody else gets it, and removes it
//! before it goes: so one key is never inserted and removed at once, and what orders the two is the program's own. Others may do
//! anything meanwhile.

use super::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
use super::{FACTORS, fresh};

/// The counts: a page of the processor's cache has those of 16 KiB of addresses, so that what is given out again finds them at hand.
const COUNTS_LOG2: u32 = if cfg!(loom) { 0 } else { 16 };
/// The addresses of one count.
const GRANULE_LOG2: u32 = 8;
/// The buckets of the first table; each further one has twice as many. 64 KiB, for the samples of 4 GiB at a mean of 512 KiB.
const BUCKETS_LOG2: u32 = if cfg!(loom) { 0 } else { 10 };
const WAYS: usize = if cfg!(loom) { 1 } else { 8 };
/// More than an address space has room for.
const TABLES: usize = if cfg!(loom) { 2 } else { 20 };
/// A count that came here stays, for it may have been more.
const COUNT_MAX: u8 = u8::MAX;

/// The set.
#[derive(Debug)]
pub struct Sampled {
    counts: [AtomicU8; 1 << COUNTS_LOG2],
    tables: [AtomicPtr<AtomicU64>; TABLES],
}

impl Sampled {
    /// Makes an empty set: all zeros.
    #[cfg(not(loom))]
    pub const fn new() -> Sampled {
        Sampled {
            counts: [const { AtomicU8::new(0) }; 1 << COUNTS_LOG2],
            tables: [const { AtomicPtr::new(core::ptr::null_mut()) }; TABLES],
        }
    }

    /// Makes an empty set.
    #[cfg(loom)]
    pub fn new() -> Sampled {
        Sampled {
            counts: core::array::from_fn(|_| AtomicU8::new(0)),
            tables: core::array::from_fn(|_| AtomicPtr::new(core::ptr::null_mut())),
        }
    }

    #[inline(always)]
    fn count(&self, key: u64) -> &AtomicU8 {
        let granule = key >> GRANULE_LOG2;
        // What is near stays near; what is far apart begins elsewhere.
        let folded = granule ^ granule >> COUNTS_LOG2.max(1);
        &self.counts[folded as usize & ((1 << COUNTS_LOG2) - 1)]
    }

    /// Tells whether the set may have `key`: mostly it has not.
    #[inline(always)]
    pub fn may_have(&self, key: u64) -> bool {
        // Relaxed: whoever has inserted the key has handed on what it stands for.
        self.count(key).load(Ordering::Relaxed) != 0
    }

    /// Returns the bucket of `key` in a table; none if there is no such table.
    fn bucket(&self, table: usize, key: u64) -> &[AtomicU64] {
        // Acquire: receives the memory, which another thread may have just taken.
        let words =
            self.tables.get(table).map_or(core::ptr::null_mut(), |table| table.load(Ordering::Acquire));
        if words.is_null() {
            return &[];
        }
        let n_bits = BUCKETS_LOG2 + table as u32;
        let bucket = if n_bits == 0 { 0 } else { key.wrapping_mul(FACTORS[table % 2]) >> (64 - n_bits) };
        // SAFETY: the table has 2^n_bits buckets, and is never unmapped.
        unsafe { core::slice::from_raw_parts(words.add(bucket as usize * WAYS), WAYS) }
    }

    fn find(&self, key: u64) -> Option<&AtomicU64> {
        // Relaxed: the word is its own content.
        let is_it = |word: &&AtomicU64| word.load(Ordering::Relaxed) == key;
        let buckets =
            (0..TABLES).map(|table| self.bucket(table, key)).take_while(|bucket| !bucket.is_empty());
        buckets.flatten().find(is_it)
    }

    /// Tells whether the set has `key`.
    pub fn has(&self, key: u64) -> bool {
        self.may_have(key) && self.find(key).is_some()
    }

    /// Inserts `key`, which is not 0; `false` if there is no memory. One that is there, since nobody saw it go, stays.
    #[cold]
    pub fn insert(&self, key: u64) -> bool {
        if self.has(key) {
            return true;
        }
        self.change_count(key, |count| count.saturating_add(1));
        for table in 0..TABLES {
            if !self.make(table) {
                break;
            }
            // Relaxed: see `find`.
            let free = self
                .bucket(table, key)
                .iter()
                .find(|word| word.compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed).is_ok());
            if free.is_some() {
                return true;
            }
        }
        self.change_count(key, |count| if count == COUNT_MAX { count } else { count.saturating_sub(1) });
        false
    }

    /// Removes `key`; whether it was there.
    #[inline(always)]
    pub fn remove(&self, key: u64) -> bool {
        self.may_have(key) && self.remove_known(key)
    }

    #[cold]
    fn remove_known(&self, key: u64) -> bool {
        let Some(word) = self.find(key) else { return false };
        self.take_out(word, key)
    }

    fn take_out(&self, word: &AtomicU64, key: u64) -> bool {
        // Relaxed: see `find`. A program that frees a block twice at once gets one of the two recorded.
        let was_there = word.compare_exchange(key, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if was_there {
            self.change_count(key, |count| if count == COUNT_MAX { count } else { count.saturating_sub(1) });
        }
        was_there
    }

    /// Removes all keys of which `is_gone` says so.
    #[cold]
    pub fn remove_all(&self, is_gone: impl Fn(u64) -> bool) {
        for (place, table) in self.tables.iter().enumerate() {
            // Acquire: as in `bucket`.
            let words = table.load(Ordering::Acquire);
            for number in 0..if words.is_null() { 0 } else { WAYS << (BUCKETS_LOG2 + place as u32) } {
                // SAFETY: inside the table, which is never unmapped.
                let word = unsafe { &*words.add(number) };
                // Relaxed: see `find`.
                let key = word.load(Ordering::Relaxed);
                if key != 0 && is_gone(key) {
                    self.take_out(word, key);
                }
            }
        }
    }

    fn change_count(&self, key: u64, change: impl Fn(u8) -> u8) {
        // Relaxed, both: a number on its own; what it says of a key was said before the key's owner handed it on.
        let _ =
            self.count(key).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| Some(change(count)));
    }

    /// Takes memory for a table if it has none; `false` if there is none. Two threads may do so at once: one's stays unused.
    fn make(&self, table: usize) -> bool {
        let Some(place) = self.tables.get(table) else { return false };
        // Acquire: as in `bucket`.
        if place.load(Ordering::Acquire).is_null() {
            let words = fresh::<AtomicU64>(WAYS << (BUCKETS_LOG2 + table as u32));
            let none = core::ptr::null_mut();
            // Release: fresh zeroed memory.
            let _ = (!words.is_null())
                .then(|| place.compare_exchange(none, words, Ordering::Release, Ordering::Relaxed));
        }
        // Acquire: as in `bucket`.
        !place.load(Ordering::Acquire).is_null()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::collections::HashSet;
    use std::vec::Vec;

    fn empty() -> Box<Sampled> {
        Box::new(Sampled::new())
    }

    #[test]
    fn the_set_has_what_was_inserted_and_not_removed() {
        let (set, mut oracle) = (empty(), HashSet::new());
        let mut state = 1u64;
        for step in 0..400_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = 0x5555_0000_0000 + (state >> 33) % 40_000 * 48 + (((state >> 20) % 3) << 56);
            match state % 5 {
                0 | 1 => {
                    assert!(set.insert(key));
                    oracle.insert(key);
                }
                2 => assert_eq!(set.has(key), oracle.contains(&key)),
                _ => assert_eq!(set.remove(key), oracle.remove(&key), "step {step}"),
            }
        }
        assert!(oracle.len() > 20_000, "several tables: {}", oracle.len());
        set.remove_all(|key| key >> 56 == 1);
        oracle.retain(|key| key >> 56 != 1);
        for number in 0..40_000 {
            for space in 0..3 {
                let key = 0x5555_0000_0000 + number * 48 + (space << 56);
                assert_eq!(set.remove(key), oracle.contains(&key));
            }
        }
        assert!(!(0..40_000).any(|number| set.may_have(0x5555_0000_0000 + number * 48)), "all counts are 0");
    }

    #[test]
    fn a_count_that_overflowed_stays() {
        let set = empty();
        let near: Vec<u64> =
            (0..256).map(|n| 0x7000 + n).chain((1..5).map(|n| 0x7000 + (n << 40 | n << 56))).collect();
        let with_same: Vec<u64> =
            near.into_iter().filter(|&key| core::ptr::eq(set.count(key), set.count(0x7000))).collect();
        assert!(with_same.len() >= 256);
        with_same.iter().for_each(|&key| assert!(set.insert(key)));
        with_same.iter().for_each(|&key| assert!(set.remove(key)));
        assert!(set.may_have(0x7000) && !set.has(0x7000));
    }
}
