//! How many blocks one stands for that was drawn by its size, and how far that may be wrong.
//!
//! ```text
//! points on the axis of allocated bytes, R apart in the mean (a Poisson process); a block is drawn if one falls into it
//!
//!   p = 1 - exp(-size / R)          the chance that a block is drawn
//!   1 / p, size / p                 the blocks and bytes that it stands for: in the mean those that there were
//!   size^2 (1 - p) / p^2            what it adds to the variance of a sum of bytes, as estimated from the samples
//! ```

use std::cell::Cell;

use serde::{Deserialize, Serialize};

use super::Amount;

/// A block's size, and how finely blocks were drawn when it was allocated. Blocks without a size are drawn as those of one
/// byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight {
    /// Requested bytes; nothing where all blocks are there.
    pub size: u64,
    /// The mean number of bytes from one sample to the next; 0 where all blocks are there.
    pub sample_bytes: u64,
}

impl Weight {
    /// Each block is there and stands for itself.
    pub const EXACT: Weight = Weight { size: 0, sample_bytes: 0 };

    /// The chance that such a block is drawn.
    #[must_use]
    #[inline]
    pub fn chance(&self) -> f64 {
        if self.sample_bytes == 0 {
            return 1.0;
        }
        RECENT.with(|recent| {
            let place = self.size.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - RECENT_LOG2);
            let known = &recent[place as usize];
            let (weight, chance) = known.get();
            if weight == *self {
                return chance;
            }
            let chance = -(-(self.size.max(1) as f64) / self.sample_bytes as f64).exp_m1();
            known.set((*self, chance));
            chance
        })
    }

    /// The bytes that one such block stands for.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes_by(self.chance())
    }

    fn bytes_by(&self, chance: f64) -> u64 {
        rounded(self.size as f64 / chance)
    }

    /// Returns what one such block stands for. A part of a block cannot be counted: it is rounded.
    #[must_use]
    pub fn amount(&self, rounds_up: bool) -> Amount {
        self.amount_by(self.chance(), rounds_up)
    }

    fn amount_by(&self, chance: f64, rounds_up: bool) -> Amount {
        Amount { bytes: self.bytes_by(chance), count: chance.recip() as u64 + u64::from(rounds_up) }
    }

    /// Returns what one such block stands for, and how far that is from certain; `draw` is that of [`Weight::rounds_up`].
    #[must_use]
    pub fn estimate(&self, draw: u64) -> (Amount, Uncertainty) {
        let chance = self.chance();
        let uncertainty = match self.sample_bytes {
            0 => Uncertainty::EXACT,
            _ => self.uncertainty_by(chance),
        };
        (self.amount_by(chance, rounds_up_by(chance, draw)), uncertainty)
    }

    /// Decides by `draw`, a number as good as random, whether the part of a block is rounded up, so that the mean is right.
    #[must_use]
    pub fn rounds_up(&self, draw: u64) -> bool {
        rounds_up_by(self.chance(), draw)
    }

    /// What one such block adds to the variance of a sum of bytes, and of a sum of blocks, its rounding with it.
    fn uncertainty_by(&self, chance: f64) -> Uncertainty {
        let (count, part) = ((1.0 - chance) / (chance * chance), part(chance.recip()));
        let size = self.size as f64;
        Uncertainty {
            n_samples: 1,
            of_bytes: Variance::of_one(size * size * count),
            of_count: Variance::of_one(count + part * (1.0 - part)),
        }
    }
}

fn rounds_up_by(chance: f64, draw: u64) -> bool {
    (draw >> 11) as f64 / (1_u64 << 53) as f64 + part(chance.recip()) >= 1.0
}

/// How many chances are remembered, as a power of two: sizes come again and again, and an exponential costs more than a sample.
const RECENT_LOG2: u32 = 8;

thread_local! {
    /// The chances that were asked for lately, each where its size says.
    static RECENT: [Cell<(Weight, f64)>; 1 << RECENT_LOG2] =
        const { [const { Cell::new((Weight::EXACT, 1.0)) }; 1 << RECENT_LOG2] };
}

/// Rounds what is not negative. The processor's own instruction for it is not to be had everywhere, and the function is slow.
#[inline]
fn rounded(number: f64) -> u64 {
    (number + 0.5) as u64
}

/// What is left of a number that is not negative without its whole part.
#[inline]
fn part(number: f64) -> f64 {
    number - (number as u64) as f64
}

/// How far a sum of samples is from certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Uncertainty {
    /// How many samples it is estimated from; 0 where all blocks are there.
    pub n_samples: u64,
    /// The variance of the bytes.
    pub of_bytes: Variance,
    /// The variance of the number of blocks.
    pub of_count: Variance,
}

/// The variance of a sum of samples, as these tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "SavedVariance", into = "SavedVariance")]
pub struct Variance {
    sum: f64,
    /// The most that one sample has added.
    of_one: f64,
}

/// The standard deviations to either side that hold 95 % of all estimates.
pub(in crate::model) const SIGMAS_95: f64 = 1.96;
/// So many samples are added to those that were drawn.
const MORE: f64 = 3.0;

impl Variance {
    /// Nothing is uncertain.
    pub const ZERO: Variance = Variance { sum: 0.0, of_one: 0.0 };

    /// Returns the variance itself, that of the samples alone.
    #[must_use]
    pub fn of_samples(&self) -> f64 {
        self.sum
    }

    /// Returns that of one sample.
    fn of_one(variance: f64) -> Variance {
        Variance { sum: variance, of_one: variance }
    }

    /// Returns that of `n` samples which are alike, of which this is one.
    fn times(self, n: u64) -> Variance {
        if n == 0 { Variance::ZERO } else { Variance { sum: self.sum * n as f64, ..self } }
    }

    /// Returns how far the sum may be off to either side: in 95 of 100 cases it is off by less.
    ///
    /// Where too few samples were drawn their variance is too small as well, and so seldom does the interval reach what is right. So it is that
    /// of a few more, as large as the largest: of 3 to 30 small blocks the samples alone hold 80 to 94 %, these 94 to 98 %.
    #[must_use]
    pub fn error(&self) -> u64 {
        rounded(SIGMAS_95 * (self.sum + MORE * self.of_one).sqrt())
    }
}

impl std::ops::AddAssign for Variance {
    fn add_assign(&mut self, other: Variance) {
        self.sum += other.sum;
        self.of_one = self.of_one.max(other.of_one);
    }
}

/// A variance as it is saved: with the most of one sample, without which it was before.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SavedVariance {
    Sum(f64),
    Both(f64, f64),
}

impl From<Variance> for SavedVariance {
    fn from(variance: Variance) -> SavedVariance {
        SavedVariance::Both(variance.sum, variance.of_one)
    }
}

impl From<SavedVariance> for Variance {
    fn from(saved: SavedVariance) -> Variance {
        let (sum, of_one) = match saved {
            SavedVariance::Sum(sum) => (sum, 0.0),
            SavedVariance::Both(sum, of_one) => (sum, of_one),
        };
        Variance { sum, of_one }
    }
}

impl Uncertainty {
    /// All blocks are there.
    pub const EXACT: Uncertainty =
        Uncertainty { n_samples: 0, of_bytes: Variance::ZERO, of_count: Variance::ZERO };

    /// Returns the uncertainty of one sample; of a block that is drawn by no rate there is none.
    #[must_use]
    pub fn of_sample(weight: Weight) -> Uncertainty {
        match weight.sample_bytes {
            0 => Uncertainty::EXACT,
            _ => weight.uncertainty_by(weight.chance()),
        }
    }

    /// Returns the uncertainty of samples of one weight that stand for `amount`.
    #[must_use]
    pub fn of(amount: Amount, weight: Weight) -> Uncertainty {
        let Uncertainty { of_bytes, of_count, .. } = Uncertainty::of_sample(weight);
        // Each adds the same number of bytes; those without a size add about as many blocks.
        let n_samples = match weight.bytes() {
            _ if weight.sample_bytes == 0 => 0,
            0 => rounded(amount.count as f64 * weight.chance()),
            each => amount.bytes / each,
        };
        Uncertainty { n_samples, of_bytes: of_bytes.times(n_samples), of_count: of_count.times(n_samples) }
    }

    /// Whether it is estimated at all.
    #[must_use]
    pub fn is_estimate(&self) -> bool {
        self.n_samples > 0
    }

    /// Returns how many bytes the sum may be off to either side: in 95 of 100 cases it is off by less.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.of_bytes.error()
    }

    /// Returns how many blocks the sum may be off, likewise.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.of_count.error()
    }
}

impl std::ops::AddAssign for Uncertainty {
    fn add_assign(&mut self, other: Uncertainty) {
        self.n_samples = self.n_samples.saturating_add(other.n_samples);
        self.of_bytes += other.of_bytes;
        self.of_count += other.of_count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_stands_for_those_that_were_not_drawn() {
        let weight = |size| Weight { size, sample_bytes: 1 << 19 };
        assert_eq!(weight(8).amount(false), Amount { bytes: 524_292, count: 65_536 });
        assert_eq!(weight(8).amount(true), Amount { bytes: 524_292, count: 65_537 });
        assert!(!weight(1 << 26).rounds_up(u64::MAX));
        assert_eq!(weight(1 << 26).amount(false), Amount { bytes: 1 << 26, count: 1 });
        assert_eq!(weight(0).amount(false), Amount { bytes: 0, count: 524_288 });
        assert_eq!((Weight::EXACT.chance(), Weight { size: 7, sample_bytes: 0 }.bytes()), (1.0, 7));
    }

    #[test]
    fn samples_are_counted_from_what_they_stand_for() {
        for size in [0, 1, 8, 100, 1 << 19, 1 << 20, 1 << 26] {
            let weight = Weight { size, sample_bytes: 1 << 19 };
            let mut amount = Amount::default();
            for draw in 0..1_000_u64 {
                amount += weight.amount(weight.rounds_up(draw.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            }
            let uncertainty = Uncertainty::of(amount, weight);
            assert_eq!(uncertainty.n_samples, 1_000, "{size}");
            let count = 1_000.0 / weight.chance();
            assert!((amount.count as f64 - count).abs() <= 0.05 * count + 1.0, "{size}: {amount:?}");
        }
        assert!(!Uncertainty::of(Amount::of_block(9), Weight::EXACT).is_estimate());
    }

    /// Poisson: the variance of n samples of small blocks is about n R^2.
    #[test]
    fn small_blocks_are_off_by_the_root_of_their_samples() {
        let weight = Weight { size: 16, sample_bytes: 1 << 19 };
        let amount = Amount { bytes: weight.bytes() * 100, count: 100 * (1 << 15) };
        let uncertainty = Uncertainty::of(amount, weight);
        assert!((uncertainty.bytes() as f64 / amount.bytes as f64 - 0.199).abs() < 0.001);
        assert!((uncertainty.count() as f64 / amount.count as f64 - 0.199).abs() < 0.001);
    }

    /// Samples of small blocks are a number by Poisson: summed up over all numbers, by its probability.
    #[test]
    fn of_few_samples_too_95_of_100_are_off_by_less() {
        let weight = Weight { size: 16, sample_bytes: 1 << 19 };
        for mean in 3..=60 {
            let (mut probability, mut held) = ((-f64::from(mean)).exp(), 0.0);
            for n in 0..300_u32 {
                let amount = Amount { bytes: weight.bytes() * u64::from(n), count: u64::from(n) * (1 << 15) };
                let off = weight.bytes() as f64 * f64::from(n.abs_diff(mean));
                held += if off <= Uncertainty::of(amount, weight).bytes() as f64 { probability } else { 0.0 };
                probability *= f64::from(mean) / f64::from(n + 1);
            }
            assert!((0.94..0.99).contains(&held), "{mean} samples: {held}");
        }
    }

    #[test]
    fn a_variance_is_saved_as_it_is_and_read_as_it_was_saved_before() {
        let variance = Variance { sum: 2.5, of_one: 1.5 };
        let bytes = rmp_serde::to_vec(&variance).expect("there is memory");
        assert_eq!(rmp_serde::from_slice::<Variance>(&bytes).expect("it is one"), variance);
        let before = rmp_serde::to_vec(&2.5).expect("there is memory");
        let read = rmp_serde::from_slice::<Variance>(&before).expect("it is one");
        assert_eq!(read, Variance { sum: 2.5, of_one: 0.0 });
    }

    /// Blocks that are drawn for certain make few others no more certain.
    #[test]
    fn what_is_certain_leaves_the_rest_as_uncertain_as_it_is() {
        let (small, large) =
            (Weight { size: 16, sample_bytes: 1 << 12 }, Weight { size: 1 << 20, sample_bytes: 1 << 12 });
        let few = Uncertainty::of(Amount { bytes: 3 * small.bytes(), count: 768 }, small);
        let mut sum = Uncertainty::of(Amount { bytes: 1 << 30, count: 1 << 10 }, large);
        assert_eq!((sum.n_samples, sum.bytes()), (1 << 10, 0));
        sum += few;
        assert_eq!(sum.bytes(), few.bytes());
    }
}
