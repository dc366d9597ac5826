//! A number for each stack of a recording: asked for at each event.

use std::hash::Hash;

use rustc_hash::FxHashMap;
use tm_common::ids::StackId;

use crate::model::SumsBy;

/// Stacks have numbers of their own, in the order in which they come. One that is many times the last needs no room for those
/// between: it is damage.
const AHEAD: usize = 1 << 16;

/// The numbers that are known.
#[derive(Debug, Default)]
pub struct ByStack {
    /// One more than each, by the stack; 0 for none.
    numbers: Vec<u32>,
    /// Those of stacks that are far away.
    others: FxHashMap<StackId, u32>,
}

impl ByStack {
    /// The number of `stack`, if it is known.
    #[inline]
    pub fn get(&self, stack: StackId) -> Option<u32> {
        match self.numbers.get(stack.0 as usize) {
            Some(&number) => number.checked_sub(1),
            None => self.others.get(&stack).copied(),
        }
    }

    /// Makes `number` that of `stack`.
    pub fn insert(&mut self, stack: StackId, number: u32) {
        let place = stack.0 as usize;
        if place >= 2 * self.numbers.len() + AHEAD {
            self.others.insert(stack, number);
            return;
        }
        if self.numbers.len() <= place {
            self.numbers.resize(place + 1, 0);
            // What was far away may be near now.
            for (stack, number) in std::mem::take(&mut self.others) {
                self.insert(stack, number);
            }
        }
        self.numbers[place] = number + 1;
    }

    /// The sum in `sums` of `key`, a key of `stack`, which `new` makes if there is none; the numbers are those of the places that were
    /// asked for last.
    #[inline(always)]
    pub(super) fn sum_in<'a, K: Eq + Hash, V>(
        &mut self,
        stack: StackId,
        key: K,
        sums: &'a mut SumsBy<K, V>,
        new: impl FnOnce() -> V,
    ) -> &'a mut V {
        let place = match self.get(stack) {
            Some(place) if sums.at(place as usize).0 == key => place as usize,
            _ => self.place_anew(stack, sums, |sums| sums.place_or(key, new)),
        };
        &mut sums.at(place).1
    }

    #[inline(never)]
    fn place_anew<S>(
        &mut self,
        stack: StackId,
        sums: &mut S,
        place_in: impl FnOnce(&mut S) -> usize,
    ) -> usize {
        let place = place_in(sums);
        // There are fewer than 2^32 sums: `SumsBy` numbers them so.
        self.insert(stack, place as u32);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_known_wherever_the_stack_is() {
        let mut numbers = ByStack::default();
        let stacks = [7, 0, u32::MAX, 100_000, 200_000, 90, 4_000_000, 260_000].map(StackId);
        for (stack, number) in stacks.into_iter().zip(0..) {
            assert_eq!(numbers.get(stack), None);
            numbers.insert(stack, number);
            let known = stacks.into_iter().zip(0..=number);
            assert!(known.into_iter().all(|(stack, number)| numbers.get(stack) == Some(number)));
        }
        assert!(numbers.numbers.len() < 1_000_000);
    }
}
