//! The pages that are being looked at, up to 1 MiB: collected first, then read together.

use rustc_hash::FxHashMap;

use super::{Forbidden, Memory, PAGE_WORDS, Page};

/// The pages that there is room for: 1 MiB, so that most of it stays in the processor's cache.
const PAGES_MAX: usize = 256;
/// The most pages that are read beyond the one that is wanted, where pages are wanted one after the other.
const AHEAD_MAX: u64 = 16;

/// Pages of a memory.
#[derive(Debug)]
pub struct Pages<M> {
    memory: M,
    pages: Vec<Page>,
    readable: Vec<bool>,
    /// The numbers of those that are there or wanted, by slot.
    numbers: Vec<u64>,
    slots: FxHashMap<u64, Slot>,
    /// The number of slots that have been read.
    n_read: usize,
    ahead: Ahead,
}

/// The place of a page, until the next [`Pages::begin`].
#[derive(Clone, Copy, Debug)]
pub struct Slot(u16);

/// Guesses which pages will be wanted: a list that was built in one go is a page after the other, upward or downward, and
/// each of its blocks is only known from the one before.
#[derive(Debug, Default)]
struct Ahead {
    /// The last page that was wanted alone.
    last: u64,
    /// The number of pages beyond it that were read.
    n_pages: u64,
}

impl Ahead {
    /// Returns the pages to read together with `number`, which is the only one that is wanted.
    fn beside(&mut self, number: u64) -> impl Iterator<Item = u64> + use<> {
        let is_next = |distance: u64| (1..=self.n_pages + 1).contains(&distance);
        let (up, down) = (number.wrapping_sub(self.last), self.last.wrapping_sub(number));
        let step = if is_next(down) { u64::MAX } else { 1 };
        let is_row = is_next(up) || is_next(down);
        self.n_pages = if is_row { (2 * self.n_pages).clamp(1, AHEAD_MAX) } else { 0 };
        self.last = number;
        (1..=self.n_pages).map(move |n| number.wrapping_add(step.wrapping_mul(n)))
    }
}

impl<M: Memory> Pages<M> {
    /// Makes an empty set of pages of `memory`.
    pub fn new(memory: M) -> Pages<M> {
        Pages {
            memory,
            pages: vec![[0; PAGE_WORDS]; PAGES_MAX],
            readable: vec![false; PAGES_MAX],
            numbers: Vec::with_capacity(PAGES_MAX),
            slots: FxHashMap::default(),
            n_read: 0,
            ahead: Ahead::default(),
        }
    }

    /// Makes room for many pages, before they are wanted.
    pub fn begin(&mut self) {
        if self.numbers.len() > PAGES_MAX / 2 {
            self.numbers.clear();
            self.slots.clear();
            self.n_read = 0;
        }
    }

    /// Returns the slot that the page with `number` will be in after [`Pages::load`]; `None` if there is no room.
    #[inline]
    pub fn want(&mut self, number: u64) -> Option<Slot> {
        if let Some(slot) = self.slots.get(&number) {
            return Some(*slot);
        }
        let slot = self.numbers.len();
        if slot >= PAGES_MAX {
            return None;
        }
        self.numbers.push(number);
        let slot = Slot(slot as u16);
        self.slots.insert(number, slot);
        Some(slot)
    }

    /// Reads what is wanted and not there.
    ///
    /// # Errors
    /// The system lets nobody read.
    pub fn load(&mut self) -> Result<(), Forbidden> {
        if self.numbers.len() == self.n_read {
            return Ok(());
        }
        if let Some([only]) = self.numbers.get(self.n_read..) {
            for number in self.ahead.beside(*only) {
                self.want(number);
            }
        }
        let new = self.n_read..self.numbers.len();
        debug_assert!(new.start <= new.end && new.end <= PAGES_MAX, "there is room for {new:?}");
        let numbers = self.numbers.get(new.clone()).unwrap_or_default();
        let pages = self.pages.get_mut(new.clone()).unwrap_or_default();
        let readable = self.readable.get_mut(new).unwrap_or_default();
        self.n_read = self.numbers.len();
        self.memory.read(numbers, pages, readable)
    }

    /// Returns the page in a slot; `None` if it cannot be read.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&Page> {
        let place = usize::from(slot.0);
        debug_assert!(place < self.n_read, "a page that was wanted and not loaded");
        let is_readable = self.readable.get(place).copied().unwrap_or_default();
        self.pages.get(place).filter(|_| is_readable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_testing::Random;

    /// Each page is full of its number; those that are multiples of 10 cannot be read.
    #[derive(Default)]
    struct Numbers {
        n_calls: usize,
    }

    impl Memory for Numbers {
        fn read(
            &mut self,
            numbers: &[u64],
            pages: &mut [Page],
            readable: &mut [bool],
        ) -> Result<(), Forbidden> {
            assert!(!numbers.is_empty() && numbers.len() == pages.len() && numbers.len() == readable.len());
            self.n_calls += 1;
            for ((number, page), readable) in numbers.iter().zip(pages).zip(readable) {
                *page = [*number; PAGE_WORDS];
                *readable = number % 10 != 0;
            }
            Ok(())
        }
    }

    #[test]
    fn every_page_is_what_the_memory_says() {
        let (mut random, mut pages) = (Random::new(9), Pages::new(Numbers::default()));
        for _ in 0..3000 {
            pages.begin();
            let wanted = (0..random.below(300)).map(|_| random.below(1000)).collect::<Vec<u64>>();
            let slots: Vec<_> = wanted.iter().map_while(|number| pages.want(*number)).collect();
            assert!(slots.len() >= wanted.len().min(PAGES_MAX / 2));
            pages.load().unwrap();
            for (number, slot) in wanted.iter().zip(slots) {
                assert_eq!(pages.get(slot).map(|page| page[5]), (number % 10 != 0).then_some(*number));
            }
        }
    }

    #[test]
    fn pages_in_a_row_are_read_together_in_both_directions() {
        for is_down in [false, true] {
            let mut pages = Pages::new(Numbers::default());
            for step in 0..1000 {
                let number = if is_down { 5000 - step } else { 5000 + step };
                pages.begin();
                let slot = pages.want(number).unwrap();
                pages.load().unwrap();
                assert_eq!(pages.get(slot).is_some(), number % 10 != 0);
            }
            assert!(pages.memory.n_calls < 1000 / AHEAD_MAX as usize + 20, "{}", pages.memory.n_calls);
        }
    }
}
