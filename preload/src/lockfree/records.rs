//! A table of records of `N` words that grows, and whose places are used again. Many read it, one at a time adds.
//!
//! ```text
//!  state   4k free | 4k + 1 being written | 4k + 2 present; one that goes is 4k + 4, free again
//! ```
//!
//! A reader has a record whole if the state was the same, and present, before and after it read the words.

use super::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
use super::{const_fn, fresh};

/// The first part of the table; each further part is as large as all before it.
const FIRST: usize = if cfg!(loom) { 1 } else { 64 };
/// The number of parts: more than there are addresses.
const PARTS: usize = if cfg!(loom) { 2 } else { 32 };

#[derive(Debug)]
struct Place<const N: usize> {
    state: AtomicU32,
    words: [AtomicUsize; N],
}

impl<const N: usize> Default for Place<N> {
    fn default() -> Self {
        Place { state: AtomicU32::new(0), words: core::array::from_fn(|_| AtomicUsize::new(0)) }
    }
}

/// The table.
#[derive(Debug)]
pub struct Records<const N: usize> {
    parts: [AtomicPtr<Place<N>>; PARTS],
    /// Places below it were used at some time.
    n_used: AtomicUsize,
    /// No place below it is free, but one that was given back while another was being looked for.
    first_free: AtomicUsize,
}

/// The name of a record, as it was read: it names nothing any more once the record has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    place: usize,
    state: u32,
}

impl<const N: usize> Records<N> {
    const_fn! {
        /// Makes a list without records or memory.
        pub fn new() -> Records<N> {
            Records { parts: no_parts(), n_used: AtomicUsize::new(0), first_free: AtomicUsize::new(0) }
        }
    }

    /// Returns the part that holds place `index`, and which of its places that is.
    fn part_of(index: usize) -> (usize, usize) {
        if index < FIRST {
            return (0, index);
        }
        let part = (index / FIRST).ilog2() as usize + 1;
        (part, index - (FIRST << (part - 1)))
    }

    fn place(&self, index: usize) -> Option<&Place<N>> {
        let (part, at) = Self::part_of(index);
        // Acquire: receives the memory.
        let places = self.parts.get(part)?.load(Ordering::Acquire);
        // SAFETY: inside the part, which is never unmapped and for which all zeros is a free place.
        (!places.is_null()).then(|| unsafe { &*places.add(at) })
    }

    /// Returns the record at `index`, if there is one.
    fn read(&self, index: usize) -> Option<(Key, [usize; N])> {
        let place = self.place(index)?;
        // Acquire: receives the words of a record that is present.
        let state = place.state.load(Ordering::Acquire);
        if state % 4 != 2 {
            return None;
        }
        // Relaxed: thrown away unless the state is still the same.
        let words = core::array::from_fn(|at| place.words[at].load(Ordering::Relaxed));
        // Acquire: if a word was one of a later record, its state is seen by the load that follows.
        fence(Ordering::Acquire);
        (place.state.load(Ordering::Relaxed) == state).then_some((Key { place: index, state }, words))
    }

    /// Returns the records that are there.
    pub fn all(&self) -> impl Iterator<Item = (Key, [usize; N])> {
        // Acquire: receives the parts up to there.
        let n_used = self.n_used.load(Ordering::Acquire);
        (0..n_used).filter_map(|index| self.read(index))
    }

    /// Whether a record that was read is still there, and was while what it names was read.
    pub fn has(&self, key: Key) -> bool {
        // Acquire: reads before this are not of a later record.
        fence(Ordering::Acquire);
        self.place(key.place).is_some_and(|place| place.state.load(Ordering::Relaxed) == key.state)
    }

    /// Adds a record. Only one thread at a time does. False if there is no memory.
    pub fn add(&self, words: [usize; N]) -> bool {
        // Relaxed: changed by whoever adds alone.
        let n_used = self.n_used.load(Ordering::Relaxed);
        let is_free = |index: &usize| {
            // Relaxed: who made it free does nothing more to it.
            self.place(*index).is_some_and(|place| place.state.load(Ordering::Relaxed).is_multiple_of(4))
        };
        // Relaxed, here and below: a place to begin at.
        let first = self.first_free.load(Ordering::Relaxed);
        let index = (first..n_used).find(is_free).unwrap_or(n_used);
        let Some(place) = self.place(index).or_else(|| self.enlarge(index)) else { return false };
        let state = place.state.load(Ordering::Relaxed);
        place.state.store(state.wrapping_add(1), Ordering::Relaxed);
        // Release: whoever sees a new word sees that it is being written.
        fence(Ordering::Release);
        for (slot, word) in place.words.iter().zip(words) {
            slot.store(word, Ordering::Relaxed);
        }
        // Release: publishes the words.
        place.state.store(state.wrapping_add(2), Ordering::Release);
        if index == n_used {
            // Release: publishes the part.
            self.n_used.store(n_used + 1, Ordering::Release);
        }
        // Unless one before it has become free meanwhile.
        let _ = self.first_free.compare_exchange(first, index + 1, Ordering::Relaxed, Ordering::Relaxed);
        true
    }

    /// Takes the memory of the part that holds `index`.
    fn enlarge(&self, index: usize) -> Option<&Place<N>> {
        let (part, _) = Self::part_of(index);
        let places = fresh::<Place<N>>(FIRST << part.saturating_sub(1));
        // Release: fresh zeroed memory.
        self.parts.get(part)?.store(places, Ordering::Release);
        self.place(index)
    }

    /// Takes a record away. False if somebody else has.
    pub fn remove(&self, key: Key) -> bool {
        let Some(place) = self.place(key.place) else { return false };
        let free = key.state.wrapping_add(2);
        // Release: whoever sees the place free sees what was done before.
        let is_removed =
            place.state.compare_exchange(key.state, free, Ordering::Release, Ordering::Relaxed).is_ok();
        if is_removed {
            self.first_free.fetch_min(key.place, Ordering::Relaxed);
        }
        is_removed
    }
}

#[cfg(not(loom))]
const fn no_parts<const N: usize>() -> [AtomicPtr<Place<N>>; PARTS] {
    [const { AtomicPtr::new(core::ptr::null_mut()) }; PARTS]
}

#[cfg(loom)]
fn no_parts<const N: usize>() -> [AtomicPtr<Place<N>>; PARTS] {
    core::array::from_fn(|_| AtomicPtr::new(core::ptr::null_mut()))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::vec::Vec;

    #[test]
    fn it_is_a_set_of_any_size() {
        let (table, mut oracle) = (Records::<2>::new(), HashMap::new());
        let mut random = 1u64;
        for round in 0..20_000usize {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            if round < 6_000 || random >> 63 == 0 {
                assert!(table.add([round, round ^ 0xff]));
                oracle.insert(round, round ^ 0xff);
            } else if let Some((key, [name, _])) = table.all().nth((random >> 40) as usize % oracle.len()) {
                assert!(table.remove(key) && !table.remove(key));
                oracle.remove(&name);
            }
        }
        assert!(oracle.len() > 5_000);
        let found: HashMap<usize, usize> = table.all().map(|(_, [name, value])| (name, value)).collect();
        assert_eq!(found, oracle);
        // Places are used again.
        assert!(table.n_used.load(Ordering::Relaxed) < oracle.len() + 200);
    }

    #[test]
    fn a_reader_never_has_a_half_of_a_record() {
        let table = Records::<4>::new();
        std::thread::scope(|scope| {
            let table = &table;
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(move || {
                        for _ in 0..20_000 {
                            for (_, words) in table.all() {
                                assert!(words.iter().all(|&word| word == words[0]), "{words:?}");
                            }
                        }
                    })
                })
                .collect();
            let mut round = 0;
            while !readers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                round += 1;
                table.add([round; 4]);
                if let Some((key, _)) = table.all().next().filter(|_| round % 4 != 0 || round > 100) {
                    table.remove(key);
                }
            }
        });
    }
}
