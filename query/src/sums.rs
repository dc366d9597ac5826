//! How much lives in each space, now and when the traced memory was at its peak, without a look at the blocks.

use tm_common::ids::Space;

/// The bytes of a space.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    live: u64,
    /// The live bytes at the peak number `peak`; at later ones they were what they are now.
    at_peak: u64,
    peak: u64,
}

/// The bytes of all spaces but that of the mappings.
#[derive(Debug)]
pub struct Sums {
    /// The sums by number.
    spaces: Box<[Sum]>,
    live: u64,
    peak_bytes: u64,
    /// The number of peaks so far.
    peak: u64,
}

impl Default for Sums {
    fn default() -> Sums {
        Sums { spaces: vec![Sum::default(); Space::COUNT_MAX].into(), live: 0, peak_bytes: 0, peak: 1 }
    }
}

impl Sums {
    /// Adds a block that comes.
    #[inline]
    pub fn add(&mut self, space: Space, size: u64) {
        self.change(space, size);
    }

    /// Makes what lives now the peak if it is the most so far.
    #[inline]
    pub fn note_peak(&mut self) {
        if self.live > self.peak_bytes {
            self.reset_peak();
        }
    }

    /// Subtracts a block that goes.
    #[inline]
    pub fn subtract(&mut self, space: Space, size: u64) {
        self.change(space, size.wrapping_neg());
    }

    #[inline]
    fn change(&mut self, space: Space, difference: u64) {
        let Some(sum) = self.spaces.get_mut(usize::from(space.0)) else {
            return debug_assert!(false, "there is a sum for every number of a space");
        };
        if sum.peak != self.peak {
            (sum.at_peak, sum.peak) = (sum.live, self.peak);
        }
        sum.live = sum.live.wrapping_add(difference);
        self.live = self.live.wrapping_add(difference);
    }

    /// Makes what lives now the peak.
    #[inline]
    pub fn reset_peak(&mut self) {
        self.peak_bytes = self.live;
        self.peak += 1;
    }

    /// Returns what lives in a space, and what lived there at the peak of all.
    pub fn of(&self, space: Space) -> (u64, u64) {
        let sum = self.spaces.get(usize::from(space.0)).copied().unwrap_or_default();
        (sum.live, if sum.peak == self.peak { sum.at_peak } else { sum.live })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_testing::Random;

    /// Against copies of all sums at each peak.
    #[test]
    fn sums_at_the_peak_are_those_of_a_copy() {
        let (mut random, mut sums) = (Random::new(21), Sums::default());
        let (mut live, mut at_peak) = ([0u64; 4], [0u64; 4]);
        for _ in 0..50_000 {
            let space = random.below(4) as usize;
            match random.below(1000) {
                0 => {
                    sums.reset_peak();
                    at_peak = live;
                }
                1..500 => {
                    let size = random.below(100);
                    sums.add(Space(space as u8), size);
                    sums.note_peak();
                    live[space] += size;
                }
                _ => {
                    let size = random.below(100).min(live[space]);
                    sums.subtract(Space(space as u8), size);
                    live[space] -= size;
                }
            }
            if live.iter().sum::<u64>() > at_peak.iter().sum() {
                at_peak = live;
            }
            for space in 0..4 {
                assert_eq!(sums.of(Space(space)), (live[usize::from(space)], at_peak[usize::from(space)]));
            }
        }
    }
}
