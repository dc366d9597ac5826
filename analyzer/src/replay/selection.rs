//! Which blocks are asked for: by thread, size, age and birth.

use std::ops::RangeInclusive;

use tm_common::ids::{Stamp, ThreadIndex};

use super::live::Block;

/// Properties that a block must have; by default any block has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The threads that allocated it; `None` for all.
    pub threads: Option<Vec<ThreadIndex>>,
    /// Requested bytes.
    pub sizes: RangeInclusive<u64>,
    /// How long it has lived at the moment, or lived in all, in stamps.
    pub ages: RangeInclusive<u64>,
    /// The address space; recordings have only that of the C allocator, 0. `None` for all.
    pub domain: Option<u32>,
    /// It was allocated later than this. Blocks that a process inherited are older than the process.
    pub born_after: Option<Stamp>,
}

impl Default for Selection {
    fn default() -> Selection {
        Selection { threads: None, sizes: 0..=u64::MAX, ages: 0..=u64::MAX, domain: None, born_after: None }
    }
}

impl Selection {
    /// Whether `block` is asked for at the moment `now`.
    #[inline]
    pub fn admits(&self, block: &Block, now: Stamp) -> bool {
        self.ages.contains(&now.0.saturating_sub(block.birth.0)) && self.admits_newborn(block)
    }

    /// Whether `block` is asked for, whatever its age.
    #[inline]
    pub fn admits_newborn(&self, block: &Block) -> bool {
        self.sizes.contains(&block.size)
            && self.born_after.is_none_or(|after| block.birth > after)
            && self.domain.is_none_or(|domain| domain == 0)
            && self.threads.as_ref().is_none_or(|threads| threads.contains(&block.thread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_property_is_looked_at() {
        let block = Block { size: 10, birth: Stamp(100), thread: ThreadIndex(3), ..Block::default() };
        let all = Selection::default();
        assert!(all.admits(&block, Stamp(50)) && all.admits(&block, Stamp(5_000)));
        let admits = |selection: Selection| selection.admits(&block, Stamp(150));
        assert!(admits(Selection { sizes: 10..=10, ..all.clone() }));
        assert!(!admits(Selection { sizes: 11..=20, ..all.clone() }));
        assert!(admits(Selection { ages: 50..=50, ..all.clone() }));
        assert!(!admits(Selection { ages: 51..=u64::MAX, ..all.clone() }));
        assert!(!admits(Selection { ages: 0..=49, ..all.clone() }));
        assert!(admits(Selection { threads: Some(vec![ThreadIndex(1), ThreadIndex(3)]), ..all.clone() }));
        assert!(!admits(Selection { threads: Some(vec![]), ..all.clone() }));
        assert!(admits(Selection { born_after: Some(Stamp(99)), ..all.clone() }));
        assert!(!admits(Selection { born_after: Some(Stamp(100)), ..all.clone() }));
        assert!(admits(Selection { domain: Some(0), ..all.clone() }));
        assert!(!admits(Selection { domain: Some(1), ..all }));
    }
}
