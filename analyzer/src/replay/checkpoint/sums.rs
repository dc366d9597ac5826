//! What each site did up to the moment of a checkpoint.

use serde::{Deserialize, Serialize};
use tm_common::ids::{Address, Space, StackId, Stamp};

use crate::events::Block;
use crate::model::{Activity, Amount, Uncertainty};
use crate::reader::{ThreadTag, ThreadTags};

/// What one site did: blocks of one stack, maker and space, of samples also of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldedSum {
    /// A block that is like those of the site. Its size is 0 where all events are there.
    pub like: Block,
    /// Whether the blocks were the parent's, from before a fork.
    pub is_inherited: bool,
    /// What was allocated, freed and temporary.
    pub activity: Activity,
}

impl FoldedSum {
    /// `amount`, one of its figures, with how far that is from certain, in a recording with `thread_tags`.
    pub(in crate::replay) fn estimate(
        &self,
        amount: Amount,
        thread_tags: &ThreadTags,
    ) -> (Amount, Uncertainty) {
        (amount, Uncertainty::of(amount, self.like.weight(thread_tags)))
    }
}

/// The sums as columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SumTable {
    stacks: Vec<u32>,
    owners: Vec<u32>,
    spaces: Vec<u8>,
    sizes: Vec<u64>,
    inherited: Vec<bool>,
    /// Bytes and blocks of what was allocated, freed and temporary.
    amounts: Vec<[u64; 6]>,
}

impl SumTable {
    /// Adds a site, whose maker has `owner` as its place.
    pub(in crate::replay) fn push(&mut self, sum: &FoldedSum, owner: u32) {
        let FoldedSum { like, is_inherited, activity } = sum;
        self.stacks.push(like.stack.0);
        self.owners.push(owner);
        self.spaces.push(like.space.0);
        self.sizes.push(like.size);
        self.inherited.push(*is_inherited);
        let Activity { allocated, freed, temporary, .. } = activity;
        let [allocated, freed, temporary] = [allocated, freed, temporary].map(|it| [it.bytes, it.count]);
        let [[a, b], [c, d], [e, f]] = [allocated, freed, temporary];
        self.amounts.push([a, b, c, d, e, f]);
    }

    /// Whether it is one: all columns are as long, and each maker is one of `n_owners`.
    pub(in crate::replay) fn is_sound(&self, n_owners: usize) -> bool {
        let SumTable { stacks, owners, spaces, sizes, inherited, amounts } = self;
        let lens = [owners.len(), spaces.len(), sizes.len(), inherited.len(), amounts.len()];
        lens.iter().all(|&len| len == stacks.len()) && owners.iter().all(|&it| (it as usize) < n_owners)
    }

    /// The sites; `owners` are those that their makers' places lead to.
    pub(in crate::replay) fn iter<'a>(
        &'a self,
        owners: &'a [ThreadTag],
    ) -> impl Iterator<Item = FoldedSum> + 'a {
        let sites = self.stacks.iter().zip(&self.owners).zip(&self.spaces);
        let rest = self.sizes.iter().zip(&self.inherited).zip(&self.amounts);
        sites.zip(rest).map(|(((&stack, &owner), &space), ((&size, &is_inherited), amounts))| {
            let &[a, b, c, d, e, f] = amounts;
            let [allocated, freed, temporary] =
                [(a, b), (c, d), (e, f)].map(|(bytes, count)| Amount { bytes, count });
            let like = Block {
                address: Address(0),
                size,
                stack: StackId(stack),
                thread_tag: owners.get(owner as usize).copied().unwrap_or_default(),
                birth: Stamp(0),
                space: Space(space),
            };
            let activity = Activity { allocated, freed, temporary, ..Activity::default() };
            FoldedSum { like, is_inherited, activity }
        })
    }
}
