//! Sums by key: the table behind profiles, groups and the live view.

use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::ops::AddAssign;

use rustc_hash::FxHashMap;

use super::Amount;

/// One sum a key, in no particular order.
#[derive(Clone, Debug)]
pub struct SumsBy<K, V = Amount>(FxHashMap<K, V>);

impl<K, V> Default for SumsBy<K, V> {
    fn default() -> SumsBy<K, V> {
        SumsBy(FxHashMap::default())
    }
}

impl<K: Eq + Hash, V> SumsBy<K, V> {
    /// The sum of `key`, which `new` makes if there is none.
    #[inline]
    pub fn of_or(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        match self.0.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(new()),
        }
    }

    /// The sum of `key`, which begins at nothing.
    #[inline]
    pub fn of(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.0.entry(key).or_default()
    }

    /// All keys and sums.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter()
    }

    /// All sums, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.values_mut()
    }

    /// The sums without their keys.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.0.into_values()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
        for (&key, &sum) in &other.0 {
            self.add(key, sum);
        }
    }

    /// The sums in the order of their keys.
    pub fn sorted(&self) -> Vec<(K, V)>
    where
        K: Ord,
    {
        let mut sums: Vec<_> = self.0.iter().map(|(&key, &sum)| (key, sum)).collect();
        sums.sort_unstable_by_key(|(key, _)| *key);
        sums
    }

    /// All together.
    pub fn total(&self) -> V {
        let mut total = V::default();
        self.0.values().for_each(|&sum| total += sum);
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
