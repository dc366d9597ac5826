//! A cache from addresses of objects to their numbers. An entry goes when its object does; a full neighbourhood is
//! overwritten, so nothing grows.
//!
//! ```text
//!  bit 0         26                        56
//!      | number  | rest of the address     |      0 is none: objects are numbered from 1
//! ```
//!
//! An entry is one word, so there is nothing to tear. The addresses that it may stand for follow from the bucket that it is in and
//! the rest that it holds.
//!
//! An object goes after everybody who has met it has let go of it, which the program sees to. So nobody inserts an address
//! while it is removed; others may do anything meanwhile.

use super::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use super::{const_fn, fresh};

/// Buckets: 1 MiB of address space in all, of which only touched pages cost memory. Large programs have some 50,000 code objects.
const BUCKETS_LOG2: u32 = if cfg!(loom) { 0 } else { 14 };
/// The entries of a bucket.
const WAYS: usize = if cfg!(loom) { 2 } else { 8 };
/// The bits of a number.
pub const NUMBER_BITS: u32 = 26;
/// Objects have words in them.
const ALIGN_LOG2: u32 = 3;
const ADDRESS_BITS: u32 = 48;
const _: () = assert!(NUMBER_BITS + ADDRESS_BITS - ALIGN_LOG2 - BUCKETS_LOG2 <= u64::BITS || cfg!(loom));

/// The cache.
#[derive(Debug)]
pub struct Addresses {
    entries: AtomicPtr<AtomicU64>,
    has_evicted: AtomicBool,
}

/// Returns the bucket of an address, and the rest that tells it from the others there.
#[inline(always)]
fn split(address: usize) -> (usize, u64) {
    let units = address as u64 >> ALIGN_LOG2;
    let rest = units >> BUCKETS_LOG2;
    // Neighbouring pages would all begin in the same buckets. The rest takes it out again, so nothing is lost.
    let bucket = (units ^ rest ^ rest >> BUCKETS_LOG2) & ((1 << BUCKETS_LOG2) - 1);
    (bucket as usize, rest)
}

impl Addresses {
    const_fn! {
        /// Makes a cache without memory: nothing is found.
        pub fn new() -> Addresses {
            Addresses { entries: AtomicPtr::new(core::ptr::null_mut()), has_evicted: AtomicBool::new(false) }
        }
    }

    /// Returns the entries of a bucket; none if there is no memory.
    #[inline(always)]
    fn bucket(&self, bucket: usize) -> &[AtomicU64] {
        // Acquire: receives the memory, which another thread may have just taken.
        let entries = self.entries.load(Ordering::Acquire);
        if entries.is_null() {
            return &[];
        }
        // SAFETY: `split` makes no other buckets, and the memory is never unmapped.
        unsafe { core::slice::from_raw_parts(entries.add(bucket * WAYS), WAYS) }
    }

    /// Returns the number of the object at `address`; `None` if it is not known, or not any more.
    #[inline]
    pub fn find(&self, address: usize) -> Option<u32> {
        let (bucket, rest) = split(address);
        // Relaxed: the word is its own content. Whoever looks has the object, so it has not gone.
        let mut words = self.bucket(bucket).iter().map(|entry| entry.load(Ordering::Relaxed));
        words
            .find(|&word| word >> NUMBER_BITS == rest && word != 0)
            .map(|word| word as u32 & ((1 << NUMBER_BITS) - 1))
    }

    /// Remembers the number of the object at `address`, which is not 0 and has no more than [`NUMBER_BITS`] bits.
    #[cold]
    pub fn insert(&self, address: usize, number: u32) {
        self.initialise();
        let (bucket, rest) = split(address);
        let word = rest << NUMBER_BITS | u64::from(number);
        let entries = self.bucket(bucket);
        // Relaxed, all: see `find`.
        let free = entries
            .iter()
            .find(|entry| entry.compare_exchange(0, word, Ordering::Relaxed, Ordering::Relaxed).is_ok());
        if free.is_none() {
            // Before it is gone: whoever removes it then knows that he may not find it.
            self.has_evicted.store(true, Ordering::Release);
            if let Some(entry) = entries.get(number as usize % WAYS) {
                entry.store(word, Ordering::Relaxed);
            }
        }
    }

    /// Forgets the object at `address`, which is about to go. Returns whether somebody may have seen its number.
    pub fn remove(&self, address: usize) -> bool {
        let (bucket, rest) = split(address);
        let mut was_known = false;
        // Two threads may have inserted it at once: all entries are looked at.
        for entry in self.bucket(bucket) {
            // Relaxed: see `find`.
            let word = entry.load(Ordering::Relaxed);
            if word != 0 && word >> NUMBER_BITS == rest {
                // Whoever has overwritten it meanwhile has put another there, which stays.
                let _ = entry.compare_exchange(word, 0, Ordering::Relaxed, Ordering::Relaxed);
                was_known = true;
            }
        }
        // Acquire: with the program's own order, see the module's text.
        was_known || self.has_evicted.load(Ordering::Acquire)
    }

    /// Takes the memory if there is none yet. Two threads may do so at once: one's stays unused.
    fn initialise(&self) {
        // Acquire: as in `bucket`.
        if self.entries.load(Ordering::Acquire).is_null() {
            let entries = fresh::<AtomicU64>(WAYS << BUCKETS_LOG2);
            let none = core::ptr::null_mut();
            // Release: fresh zeroed memory.
            let _ = (!entries.is_null())
                .then(|| self.entries.compare_exchange(none, entries, Ordering::Release, Ordering::Relaxed));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn what_is_found_is_what_was_inserted_and_has_not_gone() {
        let (cache, mut oracle) = (Addresses::new(), HashMap::new());
        assert_eq!((cache.find(0x7000), cache.remove(0x7000)), (None, false));
        let mut state = 1u64;
        let mut n_found = 0;
        for number in 1..400_000u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let address = 0x7f00_0000_0000 + ((state >> 33) as usize % 60_000) * 208 / 8 * 8;
            match oracle.get(&address) {
                Some(_) if state.is_multiple_of(3) => {
                    assert!(cache.remove(address));
                    oracle.remove(&address);
                    assert_eq!(cache.find(address), None, "it has gone");
                }
                Some(&known) => {
                    let found = cache.find(address);
                    assert!(found.is_none() || found == Some(known));
                    n_found += u32::from(found.is_some());
                }
                None => {
                    cache.insert(address, number);
                    oracle.insert(address, number);
                    assert_eq!(cache.find(address), Some(number));
                }
            }
        }
        assert!(n_found > 50_000, "{n_found}");
    }

    #[test]
    fn objects_that_had_to_make_room_may_have_been_seen() {
        let cache = Addresses::new();
        // All in one bucket: the rest that it is mixed with is the same for none of them.
        let of_one = |n: usize| (0..).map(|at| at * 8).filter(|&at| split(at).0 == 5).nth(n).expect("no end");
        for n in 0..WAYS {
            cache.insert(of_one(n), 1 + n as u32);
        }
        assert!(!cache.remove(of_one(WAYS + 3)), "it was never seen");
        cache.insert(of_one(WAYS), 100);
        assert!(cache.remove(of_one(WAYS + 3)), "it may have been");
    }
}
