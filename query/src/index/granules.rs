//! A set of addresses that are multiples of 8: a bit for each, by region of 128 KiB. Where blocks are small that is
//! about a byte a block; it is never more than a 64th of the memory that they lie in. A look at a bit costs one cache
//! miss.

use rustc_hash::FxHashMap;
use tm_analyzer::replay::prefetch;

const REGION_BITS: u32 = 17;
const GRANULE_BITS: u32 = 3;
/// Bits of the number of a bit in a word.
const WORD_BITS: u32 = 6;
const WORDS: usize = 1 << (REGION_BITS - GRANULE_BITS - WORD_BITS);

/// The set.
#[derive(Debug, Default)]
pub struct Granules {
    /// The regions by number; none is empty.
    regions: FxHashMap<u64, Box<Region>>,
}

#[derive(Debug)]
struct Region {
    n: u32,
    words: [u64; WORDS],
}

/// Finds the region of an address, the word in it, and the bit in that.
#[inline]
fn place(address: u64) -> (u64, usize, u64) {
    let granule = address >> GRANULE_BITS;
    let word = (granule >> WORD_BITS) as usize % WORDS;
    (address >> REGION_BITS, word, 1 << (granule % (1 << WORD_BITS)))
}

impl Granules {
    /// Tells whether an address can be in such a set.
    #[inline]
    pub fn admits(address: u64) -> bool {
        address.is_multiple_of(1 << GRANULE_BITS)
    }

    /// Adds an address.
    #[inline]
    pub fn insert(&mut self, address: u64) {
        let (region, word, bit) = place(address);
        let region = self.regions.entry(region).or_insert_with(|| Region { n: 0, words: [0; WORDS] }.into());
        if let Some(bits) = region.words.get_mut(word) {
            region.n += u32::from(*bits & bit == 0);
            *bits |= bit;
        }
    }

    /// Removes an address, which is there.
    #[inline]
    pub fn remove(&mut self, address: u64) {
        let (number, word, bit) = place(address);
        let Some(region) = self.regions.get_mut(&number) else {
            return debug_assert!(false, "{address:#x} is taken out of a region without any");
        };
        let Some(bits) = region.words.get_mut(word).filter(|bits| **bits & bit != 0) else {
            return debug_assert!(false, "{address:#x} is taken out and not there");
        };
        *bits &= !bit;
        region.n -= 1;
        if region.n == 0 {
            self.regions.remove(&number);
        }
    }

    /// Tells whether an address is there.
    #[inline]
    pub fn contains(&self, address: u64) -> bool {
        let (region, word, bit) = place(address);
        self.word(region, word) & bit != 0
    }

    /// Finds the last address up to `address` that is there, if it is at most `WINDOW_WORDS` words of bits away.
    #[inline]
    pub fn last_until<const WINDOW_WORDS: usize>(&self, address: u64) -> Option<u64> {
        let (mut region, mut word, bit) = place(address);
        // The bit itself and those below.
        let mut mask = bit | (bit - 1);
        for _ in 0..=WINDOW_WORDS {
            if let Some(last) = (self.word(region, word) & mask).checked_ilog2() {
                let granule = ((word as u64) << WORD_BITS) + u64::from(last);
                return Some((region << REGION_BITS) + (granule << GRANULE_BITS));
            }
            mask = u64::MAX;
            (region, word) = if word > 0 { (region, word - 1) } else { (region.checked_sub(1)?, WORDS - 1) };
        }
        None
    }

    /// Asks the processor for the bit of an address, some time before it is wanted.
    #[inline]
    pub fn prefetch(&self, address: u64) {
        let (region, word, _) = place(address);
        let words = self.regions.get(&region).map(|region| &region.words);
        words.and_then(|words| words.get(word)).into_iter().for_each(prefetch);
    }

    #[inline]
    fn word(&self, region: u64, word: usize) -> u64 {
        let words = self.regions.get(&region).map(|region| &region.words);
        words.and_then(|words| words.get(word)).copied().unwrap_or_default()
    }
}
