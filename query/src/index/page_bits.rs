//! A set of addresses that are multiples of 8: by page, a bit for each. Where blocks are small that is about a byte a
//! block, and those of one page share a cache line or two.

use rustc_hash::FxHashMap;

/// Bits of an address below the number of its page. What a page is for the system does not matter.
const PAGE_BITS: u32 = 12;
const GRANULE_BITS: u32 = 3;
const WORDS: usize = 1 << (PAGE_BITS - GRANULE_BITS - WORD_BITS);
/// Bits of the number of a bit in a word.
const WORD_BITS: u32 = 6;

/// The set.
#[derive(Debug, Default)]
pub struct PageBits {
    /// None is empty.
    pages: FxHashMap<u64, [u64; WORDS]>,
}

/// The page, the word in it, and the bit in that.
#[inline]
fn place(address: u64) -> (u64, usize, u64) {
    let granule = address >> GRANULE_BITS;
    let word = (granule >> WORD_BITS) as usize % WORDS;
    (address >> PAGE_BITS, word, 1 << (granule % (1 << WORD_BITS)))
}

impl PageBits {
    /// Whether an address can be in such a set.
    #[inline]
    pub fn admits(address: u64) -> bool {
        address.is_multiple_of(1 << GRANULE_BITS)
    }

    /// Adds an address; `false` if it is there already.
    #[inline]
    pub fn insert(&mut self, address: u64) -> bool {
        let (page, word, bit) = place(address);
        let words = self.pages.entry(page).or_default();
        let Some(bits) = words.get_mut(word) else { return false };
        let is_new = *bits & bit == 0;
        *bits |= bit;
        is_new
    }

    /// Takes an address out.
    #[inline]
    pub fn remove(&mut self, address: u64) {
        let (page, word, bit) = place(address);
        let Some(words) = self.pages.get_mut(&page) else { return };
        words.get_mut(word).into_iter().for_each(|bits| *bits &= !bit);
        if words.iter().all(|&bits| bits == 0) {
            self.pages.remove(&page);
        }
    }

    /// Whether an address is there.
    #[inline]
    pub fn contains(&self, address: u64) -> bool {
        let (page, word, bit) = place(address);
        let words = self.pages.get(&page);
        words.and_then(|words| words.get(word)).is_some_and(|bits| bits & bit != 0)
    }

    /// The last address up to `address` that is there, in its page or the one before.
    #[inline]
    pub fn last_until(&self, address: u64) -> Option<u64> {
        let (page, word, bit) = place(address);
        let in_own = || {
            let words = self.pages.get(&page)?;
            // The bit itself and those below.
            let own = words.get(word)? & (bit | (bit - 1));
            last_bit(own, word).or_else(|| last_of(words.get(..word)?)).map(|granule| (page, granule))
        };
        let in_previous = || {
            let previous = page.checked_sub(1)?;
            last_of(self.pages.get(&previous)?).map(|granule| (previous, granule))
        };
        let (page, granule) = in_own().or_else(in_previous)?;
        Some((page << PAGE_BITS) + (granule << GRANULE_BITS))
    }
}

/// The last granule of a page that is in the set, of those in its first words.
#[inline]
fn last_of(words: &[u64]) -> Option<u64> {
    words.iter().enumerate().rev().find_map(|(word, &bits)| last_bit(bits, word))
}

#[inline]
fn last_bit(bits: u64, word: usize) -> Option<u64> {
    let bit = bits.checked_ilog2()?;
    Some(((word as u64) << WORD_BITS) + u64::from(bit))
}
