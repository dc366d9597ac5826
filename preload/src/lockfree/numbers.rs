//! Small numbers for keys that are met again and again: tags, domains. Entries are only added.
//!
//! ```text
//!  index    | place + 1 | 0 | place + 1 | ...     by the key's hash, the next free one if that is taken
//!  entries  | key, number | key, number | ...     in the order in which they were claimed
//! ```
//!
//! An entry is written before its place stands in the index, so a thread that finds a place finds the entry whole.

use super::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use super::{FACTORS, const_fn, fresh};

/// A key and its number.
#[derive(Debug, Default)]
struct Entry {
    key: AtomicU64,
    number: AtomicU32,
}

/// The table, for up to `N` keys. It takes its memory, which is not touched before it is used, with the first key.
#[derive(Debug)]
pub struct Numbers<const N: usize> {
    index: AtomicPtr<AtomicU32>,
    entries: AtomicPtr<Entry>,
    n_claimed: AtomicU32,
}

impl<const N: usize> Numbers<N> {
    /// Never full, so that every search ends.
    const SLOTS: usize = (2 * N).next_power_of_two();

    const_fn! {
        /// Makes numbers without memory: nothing is found.
        pub fn new() -> Numbers<N> {
            Numbers {
                index: AtomicPtr::new(core::ptr::null_mut()),
                entries: AtomicPtr::new(core::ptr::null_mut()),
                n_claimed: AtomicU32::new(0),
            }
        }
    }

    /// Returns the number of `key`.
    pub fn find(&self, key: u64) -> Option<u32> {
        // Acquire: receives the memory, which another thread may have just taken.
        let index = self.index.load(Ordering::Acquire);
        if index.is_null() {
            return None;
        }
        self.look(key).ok()
    }

    /// Gives `key` the number that `make` makes, unless it has one or gets one meanwhile: the number in force. `None` if
    /// there is no memory, the table is full, or `make` fails.
    #[cold]
    pub fn insert(&self, key: u64, make: impl FnOnce() -> Option<u32>) -> Option<u32> {
        self.initialise()?;
        let mut place = match self.look(key) {
            Ok(number) => return Some(number),
            Err(free) => free,
        };
        // Relaxed: it only divides the entries; the look before keeps it from running away.
        if self.n_claimed.load(Ordering::Relaxed) as usize >= N {
            return None;
        }
        let number = make()?;
        let claimed = self.n_claimed.fetch_add(1, Ordering::Relaxed);
        if claimed as usize >= N {
            return None;
        }
        let entry = self.entry(claimed);
        // Relaxed: nobody knows the entry before the index says its place.
        entry.key.store(key, Ordering::Relaxed);
        entry.number.store(number, Ordering::Relaxed);
        loop {
            // Release: publishes the entry. Acquire: receives that of whoever was faster.
            let outcome =
                self.slot(place).compare_exchange(0, claimed + 1, Ordering::Release, Ordering::Acquire);
            match outcome {
                Ok(_) => return Some(number),
                Err(other) if self.entry(other - 1).key.load(Ordering::Relaxed) == key => {
                    return Some(self.entry(other - 1).number.load(Ordering::Relaxed));
                }
                Err(_) => place = (place + 1) & (Self::SLOTS - 1),
            }
        }
    }

    /// Returns the number of `key`, or the slot where its search ended.
    fn look(&self, key: u64) -> Result<u32, usize> {
        let mut place = (key.wrapping_mul(FACTORS[0]) >> 32) as usize & (Self::SLOTS - 1);
        loop {
            // Acquire: receives the entry.
            match self.slot(place).load(Ordering::Acquire) {
                0 => return Err(place),
                taken => {
                    let entry = self.entry(taken - 1);
                    // Relaxed: written before its place was published.
                    if entry.key.load(Ordering::Relaxed) == key {
                        return Ok(entry.number.load(Ordering::Relaxed));
                    }
                }
            }
            place = (place + 1) & (Self::SLOTS - 1);
        }
    }

    /// Takes the memory if there is none yet. Two threads may do so at once: one's stays unused.
    fn initialise(&self) -> Option<()> {
        // Acquire: receives the memory.
        if self.entries.load(Ordering::Acquire).is_null() {
            let entries = fresh::<Entry>(N);
            // Release: fresh zeroed memory.
            let _ = (!entries.is_null()).then(|| {
                self.entries.compare_exchange(
                    core::ptr::null_mut(),
                    entries,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                )
            });
        }
        if self.index.load(Ordering::Acquire).is_null() {
            let index = fresh::<AtomicU32>(Self::SLOTS);
            // Release: the same, and the entries' memory, which whoever sees the index relies on.
            let _ = (!index.is_null()).then(|| {
                self.index.compare_exchange(core::ptr::null_mut(), index, Ordering::AcqRel, Ordering::Acquire)
            });
        }
        let exists = !self.entries.load(Ordering::Acquire).is_null();
        (exists && !self.index.load(Ordering::Acquire).is_null()).then_some(())
    }

    fn slot(&self, place: usize) -> &AtomicU32 {
        // Relaxed: the callers have seen that it is there.
        // SAFETY: masked to the index's size.
        unsafe { &*self.index.load(Ordering::Relaxed).add(place & (Self::SLOTS - 1)) }
    }

    fn entry(&self, place: u32) -> &Entry {
        // Acquire: receives the memory, for a thread that has only seen the index.
        // SAFETY: claimed places are below N.
        unsafe { &*self.entries.load(Ordering::Acquire).add(place as usize) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn it_is_a_map_until_it_is_full() {
        let (numbers, mut oracle) = (Numbers::<500>::new(), HashMap::new());
        assert_eq!(numbers.find(7), None);
        for round in 0..5_000u64 {
            let key = round.wrapping_mul(0x2545_f491_4f6c_dd1d) % 700;
            let is_full = oracle.len() == 500 && !oracle.contains_key(&key);
            let found = numbers.insert(key, || Some(round as u32));
            if is_full {
                assert_eq!(found, None);
            } else {
                assert_eq!(found, Some(*oracle.entry(key).or_insert(round as u32)));
            }
            assert_eq!(numbers.find(key), oracle.get(&key).copied());
        }
        assert_eq!(oracle.len(), 500);
    }

    #[test]
    fn a_number_that_cannot_be_made_is_none() {
        let numbers = Numbers::<4>::new();
        assert_eq!(numbers.insert(1, || None), None);
        assert_eq!(numbers.find(1), None);
        assert_eq!(numbers.insert(1, || Some(3)), Some(3));
    }
}
