//! What one site does, on the way.

use std::hash::{Hash, Hasher};

use tm_common::ids::{Space, StackId};

use super::flow::Flow;
use super::histogram::Histogram;
use super::peak::Peak;
use super::pieces::{Part, Pieces};
use crate::events::Block;
use crate::model::{Amount, SumsBy};
use crate::reader::ThreadTag;
use crate::replay::by_stack::ByStack;

/// Where a block of a process was allocated, and who did: [`crate::replay::Site`] with the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The stack that allocated it.
    pub stack: StackId,
    /// The thread that did, and the tag that it was allocated under.
    pub thread_tag: ThreadTag,
    /// The address space that it is in.
    pub space: Space,
}

impl Place {
    /// The place of a block.
    #[inline]
    pub fn of(block: &Block) -> Place {
        Place { stack: block.stack, thread_tag: block.thread_tag, space: block.space }
    }
}

/// Hashes one number: each further one would take the hasher as long again.
impl Hash for Place {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [stack, thread_tag] = [self.stack.0, self.thread_tag.number()].map(u64::from);
        state.write_u64(stack ^ thread_tag << 32 ^ u64::from(self.space.0) << 56);
    }
}

/// All sites, numbered in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Sites {
    sums: SumsBy<Place, SiteState>,
    /// The places of the sites that were asked for last, by their stacks.
    of_stack: ByStack,
}

impl Sites {
    /// The site of a block.
    #[inline]
    pub fn of(&mut self, block: &Block) -> &mut SiteState {
        let Sites { sums, of_stack } = self;
        let number = sums.len() as u32;
        let new = || SiteState { number, ..SiteState::default() };
        of_stack.sum_in(block.stack, Place::of(block), sums, new)
    }

    /// Returns all, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Place, &mut SiteState)> {
        self.sums.iter_mut()
    }
}

/// A site's sums.
#[derive(Debug, Default)]
pub(super) struct SiteState {
    /// Its number.
    pub number: u32,
    /// The stage that `before` and `since` are of.
    stage: u32,
    /// What it has at the first boundary.
    pub start: Amount,
    /// What came and went up to the latest peak.
    before: Flow,
    /// What came and went since the peak number `peak`.
    since: Flow,
    peak: u32,
    /// How often sizes came.
    pub sizes: Histogram,
    /// How long blocks lived.
    pub lifetimes: Histogram,
}

impl SiteState {
    /// The flow that what happens now is added to.
    #[inline]
    pub fn flow(&mut self, stage: u32, peak: &Peak, pieces: &mut Pieces) -> &mut Flow {
        if self.stage != stage {
            self.flush(peak, pieces);
            self.stage = stage;
        } else if self.peak != peak.number {
            self.before += self.since;
            self.since = Flow::default();
        }
        self.peak = peak.number;
        &mut self.since
    }

    /// Hands over what it did in a stage that is over.
    pub fn flush(&mut self, peak: &Peak, pieces: &mut Pieces) {
        let is_since = self.peak == peak.number && self.stage == peak.stage;
        let part = if is_since { Part::Since } else { Part::Before };
        pieces.add(self.number, self.stage, Part::Before, self.before);
        pieces.add(self.number, self.stage, part, self.since);
        (self.before, self.since) = (Flow::default(), Flow::default());
    }

    /// Gives its stage another number; what it did there is handed over unless that is the present one, `stage`.
    pub fn renumber(&mut self, stages: &[u32], stage: u32, peak: &Peak, pieces: &mut Pieces) {
        if self.stage != stage {
            self.flush(peak, pieces);
        }
        self.stage = stages.get(self.stage as usize).copied().unwrap_or(self.stage);
    }

    /// What it has now, after what it did in stages that were handed over.
    pub fn live(&self, past: Flow) -> Amount {
        let mut live = self.start;
        for flow in [past, self.before, self.since] {
            live += flow.allocated;
        }
        for flow in [past, self.before, self.since] {
            live -= flow.freed;
        }
        live
    }
}
