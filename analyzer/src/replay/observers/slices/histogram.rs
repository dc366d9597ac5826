//! How often something came, by bucket: few of them have anything.

use crate::model::Amount;

/// Amounts by the number of a bucket, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram(Vec<(u8, Amount)>);

impl Histogram {
    /// Adds to a bucket.
    #[inline]
    pub fn add(&mut self, bucket: u8, amount: Amount) {
        match self.0.iter_mut().find(|(known, _)| *known >= bucket) {
            Some((known, sum)) if *known == bucket => *sum += amount,
            _ => self.insert(bucket, amount),
        }
    }

    #[cold]
    fn insert(&mut self, bucket: u8, amount: Amount) {
        if self.0.is_empty() {
            // Most have one bucket and stay so, and there are a hundred thousand sites.
            self.0.reserve_exact(1);
        }
        let place = self.0.partition_point(|(known, _)| *known < bucket);
        self.0.insert(place, (bucket, amount));
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Histogram) {
        other.iter().for_each(|(bucket, amount)| self.add(bucket, amount));
    }

    /// Returns the buckets with something in them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u8, Amount)> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order() {
        let classes = [0, 1, 2, 3, 4, 7, 8, u64::MAX].map(Amount::size_class);
        assert_eq!(classes, [0, 1, 2, 2, 3, 3, 4, 64]);
        let mut histogram = Histogram::default();
        for bucket in [5, 2, 5, 0] {
            histogram.add(bucket, Amount::of_block(1));
        }
        let amount = |count| Amount { bytes: count, count };
        assert_eq!(histogram.iter().collect::<Vec<_>>(), [(0, amount(1)), (2, amount(1)), (5, amount(2))]);
    }
}
