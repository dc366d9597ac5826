//! Blocks as columns: addresses and births as differences, which are small.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tm_common::ids::{Address, Space, StackId, Stamp, TagIndex, ThreadIndex};

use super::live_blocks::MemoryKind;
use crate::events::Block;
use crate::reader::{ThreadTag, ThreadTags};

/// The makers of blocks, each a thread, its tag and the mean bytes between its samples: [`ThreadTag`]s are numbers of one
/// reading of a recording alone.
#[derive(Debug, Default)]
pub(in crate::replay) struct Owners {
    places: FxHashMap<ThreadTag, u32>,
    /// The makers.
    pub list: Vec<(u32, u32, u64)>,
}

impl Owners {
    /// The place of a maker in the list.
    pub fn place(&mut self, thread_tag: ThreadTag, thread_tags: &ThreadTags) -> u32 {
        *self.places.entry(thread_tag).or_insert_with(|| {
            let (thread, tag) = (thread_tags.thread(thread_tag), thread_tags.tag(thread_tag));
            self.list.push((thread.0, tag.0, thread_tags.sample_bytes(thread_tag)));
            (self.list.len() - 1) as u32
        })
    }

    /// The makers of a list, as this reading of the recording numbers them.
    pub fn numbered(list: &[(u32, u32, u64)], thread_tags: &ThreadTags) -> Vec<ThreadTag> {
        let of = |&(thread, tag, sample_bytes): &(u32, u32, u64)| {
            thread_tags.of_samples(ThreadIndex(thread), TagIndex(tag), sample_bytes)
        };
        list.iter().map(of).collect()
    }
}

/// Blocks, in the order in which they were put in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::replay) struct BlockTable {
    spaces: Vec<u8>,
    addresses: Vec<i64>,
    sizes: Vec<u64>,
    stacks: Vec<u32>,
    owners: Vec<u32>,
    births: Vec<i64>,
}

impl BlockTable {
    /// Makes a table of `blocks`, by space and address.
    pub fn new(
        blocks: impl Iterator<Item = Block>,
        owners: &mut Owners,
        thread_tags: &ThreadTags,
    ) -> BlockTable {
        let mut blocks: Vec<Block> = blocks.collect();
        blocks.sort_unstable_by_key(|block| (block.space, block.address));
        let (mut table, mut address, mut birth) = (BlockTable::default(), 0, 0);
        for block in &blocks {
            table.spaces.push(block.space.0);
            table.addresses.push(block.address.0.wrapping_sub(address) as i64);
            table.sizes.push(block.size);
            table.stacks.push(block.stack.0);
            table.owners.push(owners.place(block.thread_tag, thread_tags));
            table.births.push(block.birth.0.wrapping_sub(birth) as i64);
            (address, birth) = (block.address.0, block.birth.0);
        }
        table
    }

    /// Whether it is one: all columns are as long, each maker is one of `n_owners`, and each block may be in a table of such memory.
    pub fn is_sound(&self, n_owners: usize, memory_kind: MemoryKind) -> bool {
        let BlockTable { spaces, addresses, sizes, stacks, owners, births } = self;
        let len = spaces.len();
        let is_possible = |block: Block| {
            MemoryKind::of(block.space) == memory_kind
                && (memory_kind == MemoryKind::Mappings || block.is_possible())
        };
        [addresses.len(), sizes.len(), stacks.len(), owners.len(), births.len()].iter().all(|&it| it == len)
            && owners.iter().all(|&owner| (owner as usize) < n_owners)
            && self.iter(&[]).all(is_possible)
    }

    /// The number of blocks.
    pub fn len(&self) -> usize {
        self.spaces.len()
    }

    /// The blocks; `owners` are those that its makers' places lead to.
    pub fn iter<'a>(&'a self, owners: &'a [ThreadTag]) -> impl Iterator<Item = Block> + 'a {
        let (mut address, mut birth) = (0u64, 0u64);
        let keys = self.spaces.iter().zip(&self.addresses).zip(&self.sizes);
        let values = self.stacks.iter().zip(&self.owners).zip(&self.births);
        keys.zip(values).map(move |(((&space, &after), &size), ((&stack, &owner), &since))| {
            address = address.wrapping_add(after as u64);
            birth = birth.wrapping_add(since as u64);
            Block {
                address: Address(address),
                size,
                stack: StackId(stack),
                thread_tag: owners.get(owner as usize).copied().unwrap_or_default(),
                birth: Stamp(birth),
                space: Space(space),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::SIZE_MAX;
    use tm_testing::Random;

    /// A checkpoint may say anything: what no event could have made is refused.
    #[test]
    fn a_block_that_there_cannot_be_makes_no_table() {
        let good = Block { address: Address(16), ..Block::default() };
        let mapped = Block { space: Space::MAPPINGS, ..good };
        for (block, in_traced, in_mapped) in [
            (good, true, false),
            (mapped, false, true),
            (Block { address: Address(0), ..mapped }, false, true),
            (Block { address: Address(0), ..good }, false, false),
            (Block { address: Address(0), space: Space(3), ..good }, false, false),
            (Block { size: SIZE_MAX + 1, ..good }, false, false),
            (Block { size: SIZE_MAX + 1, ..mapped }, false, true),
        ] {
            let (mut owners, thread_tags) = (Owners::default(), ThreadTags::default());
            // The one before it is good, so that differences are looked at too.
            let before = if block.space == Space::MAPPINGS { mapped } else { good };
            let before = Block { space: block.space, ..before };
            let blocks = [before, Block { birth: Stamp(1), ..block }];
            let table = BlockTable::new(blocks.into_iter(), &mut owners, &thread_tags);
            let found = [MemoryKind::Traced, MemoryKind::Mappings].map(|kind| table.is_sound(1, kind));
            assert_eq!(found, [in_traced, in_mapped], "{block:?}");
        }
    }

    #[test]
    fn blocks_come_back_by_space_and_address() {
        let (mut random, thread_tags) = (Random::new(3), ThreadTags::default());
        let mut blocks: Vec<Block> = (0..1_000)
            .map(|_| Block {
                address: Address(1 + random.below(u64::MAX - 1)),
                size: random.below(SIZE_MAX),
                stack: StackId(random.below(1 << 32) as u32),
                thread_tag: thread_tags.of_samples(
                    ThreadIndex(random.below(5) as u32),
                    TagIndex(random.below(3) as u32),
                    random.below(2) * 4_096,
                ),
                birth: Stamp(random.below(1 << 56)),
                space: [Space::HEAP, Space(2), Space(9)][random.below(3) as usize],
            })
            .collect();
        let mut owners = Owners::default();
        let table = BlockTable::new(blocks.iter().copied(), &mut owners, &thread_tags);
        blocks.sort_by_key(|block| (block.space, block.address));
        let is_sound = |n_owners| table.is_sound(n_owners, MemoryKind::Traced);
        assert!(is_sound(owners.list.len()) && !is_sound(owners.list.len() - 1));
        let others = ThreadTags::default();
        let numbered = Owners::numbered(&owners.list, &others);
        let found: Vec<Block> = table.iter(&numbered).collect();
        assert_eq!(found.len(), blocks.len());
        for (found, block) in found.iter().zip(&blocks) {
            let maker = |tags: &ThreadTags, of| (tags.thread(of), tags.tag(of), tags.sample_bytes(of));
            assert_eq!(maker(&others, found.thread_tag), maker(&thread_tags, block.thread_tag));
            assert_eq!(Block { thread_tag: block.thread_tag, ..*found }, *block);
        }
    }
}
