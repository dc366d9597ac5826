//! The blocks that are asked for: by thread, stack, size, age and birth.

use std::ops::RangeInclusive;
use std::sync::Arc;

use tm_common::ids::{Space, Stamp, TagIndex, ThreadIndex};

use super::checkpoint::{FoldedPart, FoldedSum};
use super::live::MemoryKind;
use super::stack_set::StackSet;
use crate::events::{Block, MergedEvent};
use crate::reader::{Recording, ThreadTags};

/// Properties that a block must have; by default any block has them.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The threads that allocated it; `None` for all.
    pub threads: Option<Vec<ThreadIndex>>,
    /// Requested bytes.
    pub sizes: RangeInclusive<u64>,
    /// How long it has lived at the moment, or lived in all, in stamps.
    pub ages: RangeInclusive<u64>,
    /// The tags that they were allocated under; `None` for all.
    pub tags: Option<Vec<TagIndex>>,
    /// The stacks that allocated it; `None` for all.
    pub stacks: Option<Arc<StackSet>>,
    /// The address spaces, either that of the mappings alone or any of the others; `None` for all of the others.
    pub spaces: Option<Vec<Space>>,
    /// What the threads and tags of blocks are: the recording's ([`Selection::in_recording`]).
    pub thread_tags: Arc<ThreadTags>,
    /// It was allocated later than this. Blocks that a process inherited are older than the process.
    pub born_after: Option<Stamp>,
}

impl Default for Selection {
    fn default() -> Selection {
        Selection {
            threads: None,
            tags: None,
            stacks: None,
            sizes: 0..=u64::MAX,
            ages: 0..=u64::MAX,
            spaces: None,
            thread_tags: Arc::default(),
            born_after: None,
        }
    }
}

impl Selection {
    /// All of a kind of memory.
    pub fn of_account(memory_kind: MemoryKind) -> Selection {
        let spaces = (memory_kind == MemoryKind::Mappings).then(|| vec![Space::MAPPINGS]);
        Selection { spaces, ..Selection::default() }
    }

    /// Takes the threads and tags of `recording`: a block has its own by a number that only its recording explains.
    /// Snapshots and profiles do this themselves; what observes a replay by [`super::run`] needs it.
    #[must_use]
    pub fn in_recording(self, recording: &Recording) -> Selection {
        Selection { thread_tags: Arc::clone(&recording.thread_tags), ..self }
    }

    /// Whether it is by what blocks of one site have in common: sums by site tell of nothing else.
    pub fn is_of_sites(&self) -> bool {
        let any_size = *self.sizes.start() == 0 && *self.sizes.end() == u64::MAX;
        let any_age = *self.ages.start() == 0 && *self.ages.end() == u64::MAX;
        any_size && any_age && self.born_after.is_none_or(|after| after == Stamp(0))
    }

    /// Passes on what of `part` is asked for: the sums of sites. Returns whether that is all that there is to say of it.
    pub(super) fn take_in(&self, part: &FoldedPart<'_>, mut take: impl FnMut(&FoldedSum)) -> bool {
        if self.born_after.is_some_and(|after| after >= part.until()) {
            return true;
        }
        if self.is_of_sites() {
            part.sums().filter(|sum| self.admits_newborn(&sum.like)).for_each(|sum| take(&sum));
        }
        self.is_of_sites()
    }

    /// Whether `block` is asked for at the moment `now`.
    #[inline]
    pub fn admits(&self, block: &Block, now: Stamp) -> bool {
        self.ages.contains(&now.0.saturating_sub(block.birth.0)) && self.admits_newborn(block)
    }

    /// Returns the block that `event` brings, if it does and that is asked for.
    #[inline]
    pub fn brought_by(&self, event: &MergedEvent) -> Option<Block> {
        if event.is_release() {
            return None;
        }
        Some(event.block()).filter(|block| self.admits_newborn(block))
    }

    /// Says whether all blocks of the kind of memory are asked for, so that a process's own peak is that of the selection.
    pub fn is_whole(&self) -> bool {
        let any_space = self.spaces.as_ref().is_none_or(|spaces| spaces[..] == [Space::MAPPINGS]);
        let any_owner = self.threads.is_none() && self.tags.is_none() && self.stacks.is_none();
        self.is_of_sites() && any_space && any_owner && self.born_after.is_none()
    }

    /// Where the blocks are.
    pub fn memory_kind(&self) -> MemoryKind {
        match &self.spaces {
            Some(spaces) if spaces.contains(&Space::MAPPINGS) => MemoryKind::Mappings,
            _ => MemoryKind::Traced,
        }
    }

    /// Whether `block` is asked for, whatever its age.
    #[inline]
    pub fn admits_newborn(&self, block: &Block) -> bool {
        self.sizes.contains(&block.size)
            && self.born_after.is_none_or(|after| block.birth > after)
            && match &self.spaces {
                None => block.space != Space::MAPPINGS,
                Some(spaces) => spaces.contains(&block.space),
            }
            && self
                .threads
                .as_ref()
                .is_none_or(|threads| threads.contains(&self.thread_tags.thread(block.thread_tag)))
            && self.tags.as_ref().is_none_or(|tags| tags.contains(&self.thread_tags.tag(block.thread_tag)))
            && self.stacks.as_ref().is_none_or(|stacks| stacks.has(block.stack))
    }
}

/// A selection as it is asked at each event: mostly it has all blocks of its kind of memory, which is then found out once.
#[derive(Clone, Copy, Debug)]
pub struct Gate<'a> {
    selection: &'a Selection,
    /// Whether all blocks but mappings are admitted, whatever else they are.
    admits_all: bool,
}

impl<'a> Gate<'a> {
    /// Admits the blocks in `selection`.
    pub fn of(selection: &'a Selection) -> Gate<'a> {
        let admits_all = selection.is_whole() && selection.spaces.is_none();
        Gate { selection, admits_all }
    }

    /// As [`Selection::admits_newborn`].
    #[inline]
    pub fn admits_newborn(&self, block: &Block) -> bool {
        match self.admits_all {
            true => block.space != Space::MAPPINGS,
            false => self.selection.admits_newborn(block),
        }
    }

    /// As [`Selection::admits`].
    #[inline]
    pub fn admits(&self, block: &Block, now: Stamp) -> bool {
        match self.admits_all {
            true => block.space != Space::MAPPINGS,
            false => self.selection.admits(block, now),
        }
    }

    /// As [`Selection::brought_by`].
    #[inline]
    pub fn brought_by(&self, event: &MergedEvent) -> Option<Block> {
        if event.is_release() {
            return None;
        }
        Some(event.block()).filter(|block| self.admits_newborn(block))
    }

    /// Whether all blocks of the heap are admitted.
    #[inline]
    pub(super) fn admits_heap(&self) -> bool {
        self.admits_all
    }
}

impl<'a> std::ops::Deref for Gate<'a> {
    type Target = Selection;

    fn deref(&self) -> &Selection {
        self.selection
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_testing::Random;

    #[test]
    fn a_gate_admits_what_its_selection_does() {
        let mut random = Random::new(9);
        let all = Selection::default();
        let selections = [
            all.clone(),
            Selection { spaces: Some(vec![Space::MAPPINGS]), ..all.clone() },
            Selection { spaces: Some(vec![Space::HEAP]), ..all.clone() },
            Selection { sizes: 3..=7, ..all.clone() },
            Selection { ages: 5..=9, ..all.clone() },
            Selection { born_after: Some(Stamp(4)), ..all.clone() },
            Selection { threads: Some(vec![ThreadIndex(0)]), ..all },
        ];
        for selection in &selections {
            let gate = Gate::of(selection);
            for _ in 0..200 {
                let spaces = [Space::HEAP, Space::MAPPINGS, Space(5)];
                let (size, birth) = (random.below(10), Stamp(random.below(10)));
                let block =
                    Block { size, birth, space: spaces[random.below(3) as usize], ..Block::default() };
                let now = Stamp(birth.0 + random.below(20));
                assert_eq!(gate.admits_newborn(&block), selection.admits_newborn(&block));
                assert_eq!(gate.admits(&block, now), selection.admits(&block, now));
            }
        }
    }

    #[test]
    fn each_property_is_looked_at() {
        let thread_tags = Arc::new(ThreadTags::default());
        let thread_tag = thread_tags.of(ThreadIndex(3), TagIndex(2));
        let block = Block { size: 10, birth: Stamp(100), thread_tag, ..Block::default() };
        let all = Selection { thread_tags, ..Selection::default() };
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
        assert!(admits(Selection { tags: Some(vec![TagIndex(2)]), ..all.clone() }));
        assert!(!admits(Selection { tags: Some(vec![TagIndex::NONE]), ..all.clone() }));
        let mut stacks = StackSet::new(false);
        assert!(!admits(Selection { stacks: Some(Arc::new(stacks.clone())), ..all.clone() }));
        stacks.set(block.stack, true);
        assert!(admits(Selection { stacks: Some(Arc::new(stacks)), ..all.clone() }));
        assert!(admits(Selection { spaces: Some(vec![Space::HEAP]), ..all.clone() }));
        let mappings = Selection { spaces: Some(vec![Space::MAPPINGS]), ..all.clone() };
        assert_eq!((all.memory_kind(), mappings.memory_kind()), (MemoryKind::Traced, MemoryKind::Mappings));
        let mapping = Block { space: Space::MAPPINGS, ..block };
        assert!(!all.admits_newborn(&mapping) && mappings.admits_newborn(&mapping));
        assert!(all.is_whole() && mappings.is_whole());
        let parts = [
            Selection { sizes: 1..=u64::MAX, ..all.clone() },
            Selection { ages: 0..=49, ..all.clone() },
            Selection { threads: Some(vec![ThreadIndex(1)]), ..all.clone() },
            Selection { tags: Some(vec![TagIndex(2)]), ..all.clone() },
            Selection { spaces: Some(vec![Space::HEAP]), ..all.clone() },
            Selection { born_after: Some(Stamp(0)), ..all.clone() },
            Selection { stacks: Some(Arc::new(StackSet::new(true))), ..all },
        ];
        assert!(parts.iter().all(|part| !part.is_whole()));
        assert!(!admits(mappings));
    }
}
