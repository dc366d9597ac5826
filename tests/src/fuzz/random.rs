//! Numbers that look random, the same for the same seed (splitmix64).

/// A source of numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of case `number` of `seed`.
    pub fn of_case(seed: u64, number: u64) -> Random {
        let mut random = Random(seed);
        let start = random.any();
        Random(start ^ number.wrapping_mul(0xbf58_476d_1ce4_e5b9))
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `n`; 0 if there is none.
    pub fn below(&mut self, n: usize) -> usize {
        (self.any() % (n as u64).max(1)) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of `items`.
    ///
    /// # Panics
    /// There are none.
    pub fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A number of the kind that breaks readers: limits, their neighbours, powers of two, small ones, any.
    pub fn awkward(&mut self) -> u64 {
        match self.below(6) {
            0 => self.below(16) as u64,
            1 => u64::MAX - self.below(3) as u64,
            2 => u64::from(u32::MAX) - self.below(3) as u64,
            3 => (1u64 << self.below(64)).wrapping_sub(self.below(2) as u64),
            4 => self.below(1 << 16) as u64,
            _ => self.any(),
        }
    }
}
