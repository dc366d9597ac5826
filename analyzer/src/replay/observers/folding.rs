//! All that a checkpoint says of what a process did: its sums, and the course of what lived.

use std::hash::{Hash, Hasher};

use tm_common::ids::{Address, Space, StackId, Stamp};

use super::latest::LatestBlocks;
use crate::events::{Block, MergedEvent};
use crate::model::{Activity, Amount, SumsBy};
use crate::reader::{ThreadTag, ThreadTags};
use crate::replay::by_stack::ByStack;
use crate::replay::checkpoint::{Course, FoldedPart, FoldedSum};
use crate::replay::live::MemoryKind;
use crate::replay::observer::{Held, Observer};

/// Adds up what each site does, and notes what lives. What it hears of each event is inlined whatever it costs: the registers that a call
/// saves were a fifth of what it did.
#[derive(Debug)]
pub(in crate::replay) struct Folding<'a> {
    thread_tags: &'a ThreadTags,
    /// Blocks up to this are the parent's.
    inherited_until: Option<Stamp>,
    sums: SumsBy<Key, Activity>,
    /// The places of the sums that were asked for last, by their stacks.
    of_stack: ByStack,
    /// The latest blocks.
    pub latest: LatestBlocks,
    live: [Amount; 2],
    /// What all blocks hold, where that is known exactly.
    held: Option<u64>,
    /// What was live over time.
    pub courses: [Course; 2],
    /// The most that lived since the program last forgot what lived, and when; `None` if it never did.
    pub peaks_since_reset: Option<[(Amount, Stamp); 2]>,
}

/// What blocks of one site have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    stack: StackId,
    thread_tag: ThreadTag,
    space: Space,
    /// The size of samples; 0 where all events are there.
    size: u64,
    is_inherited: bool,
}

/// Hashes one number: each further one would take the hasher as long again.
impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let &Key { stack, thread_tag, space, size, is_inherited } = self;
        let rest = (size << 9 | u64::from(space.0) << 1 | u64::from(is_inherited))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        state.write_u64(u64::from(stack.0) ^ u64::from(thread_tag.number()) << 32 ^ rest);
    }
}

impl<'a> Folding<'a> {
    /// Begins at `start`, when the process has `live`: traced blocks, and mappings.
    pub fn new(
        thread_tags: &'a ThreadTags,
        start: Stamp,
        inherited_until: Option<Stamp>,
        live: [Amount; 2],
    ) -> Folding<'a> {
        let courses = live.map(|live| Course::new(start.0, (live.bytes, live.count)));
        Folding {
            thread_tags,
            inherited_until,
            sums: SumsBy::default(),
            of_stack: ByStack::default(),
            latest: LatestBlocks::default(),
            live,
            held: None,
            courses,
            peaks_since_reset: None,
        }
    }

    /// What each site did.
    pub fn sums(&self) -> Vec<FoldedSum> {
        let sum = |(key, activity): (&Key, &Activity)| {
            let &Key { stack, thread_tag, space, size, is_inherited } = key;
            let (address, birth) = (Address(0), Stamp(0));
            let like = Block { address, size, stack, thread_tag, birth, space };
            FoldedSum { like, is_inherited, activity: *activity }
        };
        let mut sums: Vec<FoldedSum> = self.sums.iter().map(sum).collect();
        sums.sort_unstable_by_key(|sum| {
            let Block { stack, thread_tag, space, size, .. } = sum.like;
            (stack, thread_tag, space, size, sum.is_inherited)
        });
        sums
    }

    #[inline(always)]
    fn of(&mut self, block: &Block, is_inherited: bool) -> &mut Activity {
        let &Block { stack, thread_tag, space, size, .. } = block;
        let size = if thread_tag.is_sampled() { size } else { 0 };
        let key = Key { stack, thread_tag, space, size, is_inherited };
        let Folding { sums, of_stack, .. } = self;
        of_stack.sum_in(stack, key, sums, Activity::default)
    }

    /// Notes what lives in the kind of memory of `space` from `stamp` on.
    #[inline(always)]
    fn change(&mut self, space: Space, stamp: Stamp, change: impl FnOnce(&mut Amount)) {
        let is_mapping = MemoryKind::of(space) == MemoryKind::Mappings;
        let [traced, mapped] = &mut self.live;
        let live = if is_mapping { mapped } else { traced };
        change(live);
        let bytes = self.held.filter(|_| !is_mapping).unwrap_or(live.bytes);
        let now = (bytes, live.count);
        note_peak(&mut self.peaks_since_reset, is_mapping, now, stamp);
        let [traced, mapped] = &mut self.courses;
        let course = if is_mapping { mapped } else { traced };
        course.note(stamp.0, now, now);
    }
}

impl Observer for Folding<'_> {
    /// Goes on from an earlier checkpoint.
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        for sum in part.all_sums() {
            *self.of(&sum.like, sum.is_inherited) += sum.activity;
        }
        part.latest().for_each(|latest| self.latest.put(latest));
        self.courses = [MemoryKind::Traced, MemoryKind::Mappings].map(|kind| part.course(kind).clone());
        self.live = [MemoryKind::Traced, MemoryKind::Mappings].map(|kind| part.live(kind));
        self.peaks_since_reset = part.peaks_since_reset();
        true
    }

    fn on_peak_reset(&mut self, stamp: Stamp) {
        let [mut traced, mapped] = self.live;
        traced.bytes = self.held.unwrap_or(traced.bytes);
        self.peaks_since_reset = Some([(traced, stamp), (mapped, stamp)]);
    }

    #[inline(always)]
    fn on_alloc(&mut self, block: &Block) {
        self.latest.came(block, self.thread_tags);
        let amount = block.amount(self.thread_tags);
        self.change(block.space, block.birth, |live| *live += amount);
    }

    fn on_total(&mut self, event: &MergedEvent) {
        self.latest.told(event, self.thread_tags);
    }

    #[inline(always)]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        let is_temporary = self.latest.went(block, event, self.thread_tags);
        let amount = block.amount(self.thread_tags);
        let is_inherited = self.inherited_until.is_some_and(|fork| block.birth <= fork);
        let activity = self.of(block, is_inherited);
        activity.freed += amount;
        if is_temporary {
            activity.temporary += amount;
        }
        self.change(block.space, event.stamp, |live| *live -= amount);
    }

    fn on_forget(&mut self, block: &Block, stamp: Stamp) {
        let amount = block.amount(self.thread_tags);
        self.change(block.space, stamp, |live| *live -= amount);
    }

    #[inline(always)]
    fn on_event(&mut self, event: &MergedEvent) {
        if !event.is_release() {
            let block = event.block();
            let amount = block.amount(self.thread_tags);
            self.of(&block, false).allocated += amount;
        }
    }

    fn on_held(&mut self, held: Option<&Held>, stamp: Stamp) {
        self.held = held.map(|held| held.bytes);
        let (Some(held), [live, _], [course, _]) = (held, &self.live, &mut self.courses) else { return };
        note_peak(&mut self.peaks_since_reset, false, (held.highest, live.count), stamp);
        course.note(stamp.0, (held.highest, live.count), (held.bytes, live.count));
    }
}

/// Notes bytes and blocks that live at `stamp`, if they are more than since the last reset.
#[inline]
fn note_peak(
    peaks: &mut Option<[(Amount, Stamp); 2]>,
    is_mapping: bool,
    (bytes, count): (u64, u64),
    stamp: Stamp,
) {
    if let Some([traced, mapped]) = peaks {
        let peak = if is_mapping { mapped } else { traced };
        if bytes > peak.0.bytes {
            *peak = (Amount { bytes, count }, stamp);
        }
    }
}
