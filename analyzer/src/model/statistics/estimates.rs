//! Sums of blocks some of which stand for others: how far each sum is from certain stands beside it.

use std::hash::Hash;
use std::ops::AddAssign;

use super::{Amount, SumsBy, Uncertainty};

/// One sum a key, and how far it may be wrong: kept only of keys that samples were added to, so that sums of blocks that are all
/// there cost no more for it.
#[derive(Clone, Debug)]
pub struct EstimatesBy<K, V = Amount, U = Uncertainty> {
    /// The sums.
    pub amounts: SumsBy<K, V>,
    /// How far they are from certain, those that are estimated.
    pub uncertainties: SumsBy<K, U>,
}

impl<K, V, U> Default for EstimatesBy<K, V, U> {
    fn default() -> EstimatesBy<K, V, U> {
        EstimatesBy { amounts: SumsBy::default(), uncertainties: SumsBy::default() }
    }
}

impl<K: Copy + Eq + Hash> EstimatesBy<K> {
    /// Adds to the sum of `key`.
    #[inline]
    pub fn add(&mut self, key: K, (amount, uncertainty): (Amount, Uncertainty)) {
        self.amounts.add(key, amount);
        self.add_uncertainty(key, uncertainty);
    }

    /// Adds to how far the sum of `key` is from certain.
    #[inline]
    pub fn add_uncertainty(&mut self, key: K, uncertainty: Uncertainty) {
        if uncertainty.is_estimate() {
            self.uncertainties.add(key, uncertainty);
        }
    }
}

impl<K, V, U> EstimatesBy<K, V, U>
where
    K: Copy + Eq + Hash,
    V: Copy + Default + AddAssign,
    U: Copy + Default + AddAssign,
{
    /// Adds all of `other`.
    pub fn merge(&mut self, other: &EstimatesBy<K, V, U>) {
        self.amounts.merge(&other.amounts);
        self.uncertainties.merge(&other.uncertainties);
    }

    /// Adds all of `other`, which is not wanted otherwise.
    pub fn absorb(&mut self, other: EstimatesBy<K, V, U>) {
        self.amounts.absorb(other.amounts);
        self.uncertainties.absorb(other.uncertainties);
    }

    /// Returns the sums in the order of their keys, with how far each is from certain if it is estimated.
    pub fn into_sorted(self) -> impl ExactSizeIterator<Item = (K, V, Option<U>)>
    where
        K: Ord,
    {
        let uncertainties = self.uncertainties;
        let amounts = self.amounts.into_sorted().into_iter();
        amounts.map(move |(key, amount)| (key, amount, uncertainties.get(&key).copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Weight;

    #[test]
    fn what_is_not_certain_adds_up_beside_what_is() {
        let weight = Weight { size: 16, sample_bytes: 1 << 10 };
        let one = weight.estimate(0);
        let (mut sums, mut others) = (EstimatesBy::default(), EstimatesBy::default());
        sums.add('b', (Amount::of_block(9), Uncertainty::EXACT));
        sums.add('c', one);
        others.add('a', (Amount::of_block(1), Uncertainty::EXACT));
        others.add('c', one);
        sums.merge(&others);
        sums.absorb(others);
        let n_samples = |it: Option<Uncertainty>| it.map(|it| it.n_samples);
        let found: Vec<_> =
            sums.into_sorted().map(|(key, sum, it)| (key, sum.bytes, n_samples(it))).collect();
        assert_eq!(found, [('a', 2, None), ('b', 9, None), ('c', 3 * one.0.bytes, Some(3))]);
    }
}
