//! A set of grains as ranges: those of which it is not known what is in them.

use std::collections::BTreeMap;
use std::ops::Range;

/// Grains of a file.
#[derive(Debug, Default)]
pub(super) struct GrainSet {
    /// End by start. None is empty, and none reaches into the next.
    ends: BTreeMap<u64, u64>,
}

impl GrainSet {
    /// Adds a range.
    pub fn add(&mut self, range: Range<u64>) {
        self.remove(range.clone());
        if !range.is_empty() {
            self.ends.insert(range.start, range.end);
        }
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: Range<u64>) {
        let first = self.ends.range(..range.start).next_back().map_or(range.start, |(&start, _)| start);
        let touched: Vec<(u64, u64)> =
            self.ends.range(first..range.end.max(first)).map(|(&start, &end)| (start, end)).collect();
        for (start, end) in touched.into_iter().filter(|&(_, end)| end > range.start) {
            self.ends.remove(&start);
            for rest in [start..range.start.min(end), range.end.max(start)..end] {
                if !rest.is_empty() {
                    self.ends.insert(rest.start, rest.end);
                }
            }
        }
    }

    /// The first range that is not wholly before `grain`, without what is.
    pub fn first_from(&self, grain: u64) -> Option<Range<u64>> {
        let holding = self.ends.range(..=grain).next_back().filter(|&(_, &end)| end > grain);
        if let Some((_, &end)) = holding {
            return Some(grain..end);
        }
        self.ends.range(grain..).next().map(|(&start, &end)| start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_testing::Random;

    /// Against an array with an entry for each grain.
    #[test]
    fn it_is_what_grains_say() {
        const N: u64 = 50;
        let (mut random, mut set) = (Random::new(4), GrainSet::default());
        let mut oracle = vec![false; N as usize];
        for _ in 0..20_000 {
            let start = random.below(N);
            let range = start..start + random.below(N - start + 1).min(12);
            let adds = random.below(2) == 0;
            if adds {
                set.add(range.clone())
            } else {
                set.remove(range.clone())
            }
            oracle[range.start as usize..range.end as usize].fill(adds);
            let (mut found, mut from) = (vec![false; N as usize], 0);
            while let Some(range) = set.first_from(from) {
                assert!(range.start >= from && !range.is_empty());
                found[range.start as usize..range.end as usize].fill(true);
                from = range.end;
            }
            assert_eq!(found, oracle);
            let middle = random.below(N);
            let next = (middle..N).find(|&grain| oracle[grain as usize]);
            assert_eq!(set.first_from(middle).map(|range| range.start), next);
        }
    }
}
