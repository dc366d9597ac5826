//! Sums by key: the table behind profiles, groups and the live view.

use std::hash::{BuildHasher, Hash};
use std::ops::AddAssign;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxBuildHasher;

use crate::model::Amount;

/// One sum a key, in the order in which the keys came: what is named after the first of several is the same from look to
/// look.
#[derive(Clone, Debug)]
pub struct SumsBy<K, V = Amount> {
    /// Places in `sums`, by key.
    places: HashTable<u32>,
    sums: Vec<(K, V)>,
}

impl<K, V> Default for SumsBy<K, V> {
    fn default() -> SumsBy<K, V> {
        SumsBy { places: HashTable::new(), sums: Vec::new() }
    }
}

impl<K: Eq + Hash, V> SumsBy<K, V> {
    /// None, with room for `n`.
    pub fn with_room(n: usize) -> SumsBy<K, V> {
        SumsBy { places: HashTable::with_capacity(n), sums: Vec::with_capacity(n) }
    }

    /// Returns the sum of `key`, which `new` makes if there is none.
    #[inline]
    pub fn of_or(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        let place = self.place_or(key, new);
        let (_, sum) = &mut self.sums[place];
        sum
    }

    /// Returns the place of the sum of `key`, which it keeps; `new` makes it if there is none.
    #[inline]
    pub fn place_or(&mut self, key: K, new: impl FnOnce() -> V) -> usize {
        let SumsBy { places, sums } = self;
        let hash = |key: &K| FxBuildHasher.hash_one(key);
        let is_it = |&place: &u32| sums.get(place as usize).is_some_and(|(known, _)| *known == key);
        let of_place = |&place: &u32| sums.get(place as usize).map_or(0, |(known, _)| hash(known));
        match places.entry(hash(&key), is_it, of_place) {
            Entry::Occupied(known) => *known.get() as usize,
            Entry::Vacant(free) => {
                let place = sums.len();
                // There are fewer than 2^32 stacks, and no other key is of more.
                free.insert(place as u32);
                sums.push((key, new()));
                place
            }
        }
    }

    /// Returns the key and the sum at a place.
    #[inline]
    pub fn at(&mut self, place: usize) -> &mut (K, V) {
        &mut self.sums[place]
    }

    /// Returns the sum of `key`, which begins at nothing.
    #[inline]
    pub fn of(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.of_or(key, V::default)
    }

    /// Returns the sum of `key`, if there is one.
    pub fn get(&self, key: &K) -> Option<&V> {
        let is_it = |&place: &u32| self.sums.get(place as usize).is_some_and(|(known, _)| known == key);
        let place = self.places.find(FxBuildHasher.hash_one(key), is_it)?;
        self.sums.get(*place as usize).map(|(_, sum)| sum)
    }

    /// Returns all keys and sums.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.sums.iter().map(|(key, sum)| (key, sum))
    }

    /// Returns all keys, with their sums to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut V)>
    where
        K: Copy,
    {
        self.sums.iter_mut().map(|(key, sum)| (*key, sum))
    }

    /// Returns all sums, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.sums.iter_mut().map(|(_, sum)| sum)
    }

    /// Returns the sums without their keys.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.sums.into_iter().map(|(_, sum)| sum)
    }

    /// Returns how many keys there are.
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }
}

impl<K: Copy + Eq + Hash, V: Copy + Default + AddAssign> SumsBy<K, V> {
    /// Adds to the sum of `key`.
    #[inline]
    pub fn add(&mut self, key: K, value: V) {
        *self.of(key) += value;
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &SumsBy<K, V>) {
        for &(key, sum) in &other.sums {
            self.add(key, sum);
        }
    }

    /// Adds all of `other`, which is not wanted otherwise.
    pub fn absorb(&mut self, other: SumsBy<K, V>) {
        if self.is_empty() {
            *self = other;
        } else {
            self.merge(&other);
        }
    }

    /// Returns the sums in the order of their keys.
    pub fn sorted(&self) -> Vec<(K, V)>
    where
        K: Ord,
    {
        let mut sums = self.sums.clone();
        sums.sort_unstable_by_key(|(key, _)| *key);
        sums
    }

    /// The same, of sums that are not wanted otherwise.
    pub fn into_sorted(mut self) -> Vec<(K, V)>
    where
        K: Ord,
    {
        self.sums.sort_unstable_by_key(|(key, _)| *key);
        self.sums
    }

    /// Adds all up.
    pub fn total(&self) -> V {
        let mut total = V::default();
        self.sums.iter().for_each(|(_, sum)| total += *sum);
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_merged_adds_up() {
        let amount = |bytes, count| Amount { bytes, count };
        let (mut one, mut other) = (SumsBy::default(), SumsBy::default());
        one.add('b', amount(1, 1));
        one.add('b', amount(2, 1));
        other.add('a', amount(4, 1));
        other.add('b', amount(u64::MAX, 1));
        one.merge(&other);
        assert_eq!(one.sorted(), [('a', amount(4, 1)), ('b', amount(u64::MAX, 3))]);
        assert_eq!((one.total(), one.len()), (amount(u64::MAX, 4), 2));
    }
}
