//! A cache from addresses to words, of which there are few different ones.
//!
//! Entries are single words, so there is nothing to tear; a full neighbourhood is overwritten, so nothing grows.

use super::atomic::{AtomicPtr, AtomicU64, Ordering};
use super::{FACTORS, const_fn, fresh};

/// Entries: 1 MiB of address space, of which only touched pages cost memory. Large programs use some 20,000.
const ENTRIES: usize = if cfg!(loom) { 2 } else { 128 * 1024 };
/// The farthest that an entry may stand from its place.
const PROBES_MAX: usize = if cfg!(loom) { 2 } else { 8 };
/// Different words: modules have 55 to 784 rules each, mostly the same ones.
const WORDS: usize = if cfg!(loom) { 2 } else { 8 * 1024 };
/// The farthest that a word may stand from its place.
const WORD_PROBES_MAX: u64 = if cfg!(loom) { 2 } else { 64 };
const ADDRESS_SHIFT: u32 = 16;

/// The cache. An entry is `address << 16 | place of the word in words`; 0 is none.
#[derive(Debug)]
pub struct Words {
    entries: AtomicPtr<AtomicU64>,
    words: AtomicPtr<AtomicU64>,
}

impl Words {
    const_fn! {
        /// Makes words without memory: nothing is found.
        pub fn new() -> Words {
            Words {
                entries: AtomicPtr::new(core::ptr::null_mut()),
                words: AtomicPtr::new(core::ptr::null_mut()),
            }
        }
    }

    /// Takes its memory. Called once, before other threads look.
    pub fn initialise(&self) -> bool {
        let (entries, words) = (fresh::<AtomicU64>(ENTRIES), fresh::<AtomicU64>(WORDS));
        if entries.is_null() || words.is_null() {
            return false;
        }
        // Release: fresh zeroed memory, for good measure.
        self.words.store(words, Ordering::Release);
        self.entries.store(entries, Ordering::Release);
        true
    }

    /// Returns the entry at the `probe`-th place of `address`. There must be memory.
    #[inline(always)]
    fn entry(&self, address: usize, probe: usize) -> &AtomicU64 {
        let place = ((address as u64).wrapping_mul(FACTORS[0]) >> 40) as usize + probe;
        // Relaxed: the memory was zeroed by the kernel; entries carry their own content.
        // SAFETY: masked to the table's size.
        unsafe { &*self.entries.load(Ordering::Relaxed).add(place & (ENTRIES - 1)) }
    }

    #[inline]
    fn word_at(&self, place: u64) -> &AtomicU64 {
        // Relaxed: as in `entry`.
        // SAFETY: masked to the table's size, and only called when the tables exist.
        unsafe { &*self.words.load(Ordering::Relaxed).add(place as usize & (WORDS - 1)) }
    }

    /// Returns the word of `address`.
    #[inline(always)]
    pub fn find(&self, address: usize) -> Option<u64> {
        // Relaxed: whether there is memory.
        if self.entries.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // Acquire: receives the word, which was stored before the entry.
        let mut entry = self.entry(address, 0).load(Ordering::Acquire);
        if entry >> ADDRESS_SHIFT != address as u64 {
            entry = self.find_further(address)?;
        }
        Some(self.word_at(entry & 0xffff).load(Ordering::Relaxed))
    }

    /// Returns the entry of `address`, which is not in its first place.
    #[inline(never)]
    fn find_further(&self, address: usize) -> Option<u64> {
        for probe in 1..PROBES_MAX {
            // Acquire: as in `find`.
            let entry = self.entry(address, probe).load(Ordering::Acquire);
            if entry >> ADDRESS_SHIFT == address as u64 {
                return Some(entry);
            }
            if entry == 0 {
                break;
            }
        }
        None
    }

    /// Remembers a word that is not 0. Addresses of more than 48 bits are not remembered.
    #[cold]
    pub fn insert(&self, address: usize, word: u64) {
        // Relaxed: whether there is memory.
        if self.entries.load(Ordering::Relaxed).is_null() || address as u64 >> (64 - ADDRESS_SHIFT) != 0 {
            return;
        }
        let Some(place) = self.place_of(word) else { return };
        let new = (address as u64) << ADDRESS_SHIFT | place;
        let free = (0..PROBES_MAX).map(|probe| self.entry(address, probe)).find(|entry| {
            // Relaxed: two threads that take the same place overwrite each other, which a cache may.
            let found = entry.load(Ordering::Relaxed);
            found == 0 || found >> ADDRESS_SHIFT == address as u64
        });
        // Release: publishes the word.
        free.unwrap_or_else(|| self.entry(address, 0)).store(new, Ordering::Release);
    }

    /// Returns the place of an equal word, or a fresh one. `None` if there are too many different words.
    fn place_of(&self, word: u64) -> Option<u64> {
        let start = word.wrapping_mul(FACTORS[0]) >> 48;
        (0..WORD_PROBES_MAX).map(|probe| (start + probe) & (WORDS as u64 - 1)).find(|&place| {
            // Relaxed: the word is its own content.
            let outcome = self.word_at(place).compare_exchange(0, word, Ordering::Relaxed, Ordering::Relaxed);
            outcome.is_ok() || outcome == Err(word)
        })
    }

    /// Removes all addresses: they mean something else now.
    #[cold]
    pub fn clear(&self) {
        let entries = self.entries.load(Ordering::Relaxed);
        if entries.is_null() {
            return;
        }
        for place in 0..ENTRIES {
            // SAFETY: inside the table.
            let entry = unsafe { &*entries.add(place) };
            // Relaxed: whoever still reads an old entry has a reason to. Untouched pages stay so.
            if entry.load(Ordering::Relaxed) != 0 {
                entry.store(0, Ordering::Relaxed);
            }
        }
    }
}

const _: () = assert!(WORDS <= 1 << ADDRESS_SHIFT);

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_what_was_inserted_however_crowded() {
        let table = Words::new();
        assert_eq!(table.find(0x1000), None);
        assert!(table.initialise());
        let word_of = |n: usize| 1 + (n % 600) as u64;
        let mut found = 0;
        for n in 0..2 * ENTRIES {
            table.insert(0x5555_0000_0000 + 3 * n, word_of(n));
        }
        for n in 0..2 * ENTRIES {
            if let Some(word) = table.find(0x5555_0000_0000 + 3 * n) {
                assert_eq!(word, word_of(n));
                found += 1;
            }
        }
        assert!(found > ENTRIES / 2, "{found}");
        table.clear();
        assert_eq!(table.find(0x5555_0000_0000), None);
    }
}
