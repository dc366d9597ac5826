//! A process as it stands in a checkpoint.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tm_common::ids::{Address, ProcessIndex, Space, Stamp};

use super::course::Course;
use super::sums::{FoldedSum, SumTable};
use crate::events::Damage;
use crate::model::Amount;
use crate::reader::{ThreadTag, ThreadTags};
use crate::replay::live::{Ledger, MemoryKind, Owners, SavedLedger};
use crate::replay::observers::{Folding, LatestBlock};

/// What a process had and had done at the moment up to which its events are folded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldedProcess {
    /// Its number.
    pub(super) process: u32,
    /// The moment, a stamp.
    until: u64,
    /// The stamp of the latest event that is folded.
    latest: u64,
    /// When it was forked, of one that has ended and of which all is folded: what it had from its parent is not kept, nor its course.
    closed_since: Option<u64>,
    /// The makers of blocks: thread, tag, mean bytes between samples.
    owners: Vec<(u32, u32, u64)>,
    ledger: SavedLedger,
    /// Whether there are blocks that nothing is known of, because the program ended all of a space.
    has_forgotten: bool,
    /// Segments of events that stopped making sense, and the bytes passed over; segments that were missing, and in how many streams; whether its beginning
    /// is not known.
    damage: [u64; 5],
    sums: SumTable,
    /// What was live over time: traced blocks, and mappings.
    courses: [Course; 2],
    /// The latest block of each thread in each space.
    latest_blocks: Vec<SavedLatest>,
    /// The most bytes that lived since the program last forgot what lived, the blocks then, and when: traced blocks, and mappings.
    peaks_since_reset: Option<[(u64, u64, u64); 2]>,
    /// Segments that the system could not read, and what it said the last time.
    unreadable: (u64, String),
}

/// Thread, space, address, birth and calls: see [`LatestBlock`].
type SavedLatest = (u32, u8, Option<u64>, u64, [Option<u64>; 2]);

/// What is known of a process beside its sums.
pub(in crate::replay) struct State<'a> {
    pub until: Stamp,
    pub latest: Stamp,
    pub closed_since: Option<Stamp>,
    pub ledger: &'a Ledger,
    pub has_forgotten: bool,
    pub damage: Damage,
}

impl FoldedProcess {
    /// Folds what `state` says and `folding` added up.
    pub(in crate::replay) fn new(
        process: u32,
        state: &State<'_>,
        folding: Folding,
        thread_tags: &ThreadTags,
    ) -> FoldedProcess {
        let mut owners = Owners::default();
        let ledger = SavedLedger::new(state.ledger, &mut owners, thread_tags, state.closed_since);
        let mut sums = SumTable::default();
        let is_closed = state.closed_since.is_some();
        for sum in folding.sums().into_iter().filter(|sum| !(is_closed && sum.is_inherited)) {
            let owner = owners.place(sum.like.thread_tag, thread_tags);
            sums.push(&sum, owner);
        }
        let latest = folding
            .latest
            .all()
            .filter(|_| !is_closed)
            .map(|it| (it.thread, it.space.0, it.address.map(|address| address.0), it.birth.0, it.calls));
        let mut latest: Vec<_> = latest.collect();
        latest.sort_unstable();
        let Damage { segments, bytes, missing, unknown_beginnings, ref unreadable, .. } = state.damage;
        let peaks = folding.peaks_since_reset;
        let courses = if is_closed {
            [MemoryKind::Traced, MemoryKind::Mappings].map(|kind| {
                let live = state.ledger.totals.live(kind);
                Course::new(state.until.0, (live.bytes, live.count))
            })
        } else {
            folding.courses
        };
        FoldedProcess {
            process,
            until: state.until.0,
            latest: state.latest.0,
            closed_since: state.closed_since.map(|stamp| stamp.0),
            owners: owners.list,
            ledger,
            has_forgotten: state.has_forgotten,
            damage: [segments, bytes, missing.0, missing.1, unknown_beginnings],
            sums,
            courses,
            latest_blocks: latest,
            peaks_since_reset: peaks
                .map(|peaks| peaks.map(|(amount, stamp)| (amount.bytes, amount.count, stamp.0))),
            unreadable: unreadable.clone(),
        }
    }

    /// Whether it is one.
    pub(super) fn is_sound(&self) -> bool {
        let n_owners = self.owners.len();
        let FoldedProcess { ledger, sums, courses, .. } = self;
        ledger.is_sound(n_owners) && sums.is_sound(n_owners) && courses.iter().all(Course::is_sound)
    }

    /// Its number.
    #[must_use]
    pub fn index(&self) -> ProcessIndex {
        ProcessIndex(self.process)
    }

    /// The moment up to which its events are folded.
    #[must_use]
    pub fn until(&self) -> Stamp {
        Stamp(self.until)
    }

    /// The stamp of the latest event that is folded.
    pub(in crate::replay) fn latest(&self) -> Stamp {
        Stamp(self.latest)
    }

    /// Whether it has ended and nothing of it is left but what it did and left itself.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed_since.is_some()
    }

    /// The most that lived since the program last forgot what lived, and when, of traced blocks and of mappings.
    pub(in crate::replay) fn peaks_since_reset(&self) -> Option<[(Amount, Stamp); 2]> {
        let peak = |(bytes, count, stamp)| (Amount { bytes, count }, Stamp(stamp));
        self.peaks_since_reset.map(|peaks| peaks.map(peak))
    }

    /// When it was forked, if it is closed.
    pub(in crate::replay) fn closed_since(&self) -> Option<Stamp> {
        self.closed_since.map(Stamp)
    }

    /// Whether there are blocks that nothing is known of.
    pub(in crate::replay) fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    /// What was missing of the events.
    pub(in crate::replay) fn damage(&self) -> Damage {
        let [segments, bytes, missing, streams, unknown_beginnings] = self.damage;
        let missing = (missing, streams);
        let unreadable = self.unreadable.clone();
        Damage { segments, bytes, missing, unreadable, unknown_beginnings, ..Damage::default() }
    }

    /// The makers as this reading of the recording numbers them.
    pub(in crate::replay) fn owners(&self, thread_tags: &ThreadTags) -> Vec<ThreadTag> {
        Owners::numbered(&self.owners, thread_tags)
    }

    /// Its books; with the peak since the program last forgot what lived, if `resets_peak`.
    pub(in crate::replay) fn ledger(&self, thread_tags: &Arc<ThreadTags>, resets_peak: bool) -> Ledger {
        let mut ledger = self.ledger.restored(&self.owners(thread_tags), Arc::clone(thread_tags));
        if let Some(peaks) = self.peaks_since_reset().filter(|_| resets_peak) {
            ledger.take_peaks(peaks);
        }
        ledger
    }
}

/// What an observer is given in place of the events that are folded.
#[derive(Clone, Copy, Debug)]
pub struct FoldedPart<'a> {
    pub(in crate::replay) process: &'a FoldedProcess,
    pub(in crate::replay) owners: &'a [ThreadTag],
    /// Whether what was freed of the parent's blocks is looked at.
    pub(in crate::replay) with_inherited: bool,
}

impl FoldedPart<'_> {
    /// The moment up to which events are folded.
    #[must_use]
    pub fn until(&self) -> Stamp {
        self.process.until()
    }

    /// What each site did.
    pub fn sums(&self) -> impl Iterator<Item = FoldedSum> + '_ {
        self.all_sums().filter(|sum| self.with_inherited || !sum.is_inherited)
    }

    /// What each site did, what was freed of the parent's blocks with it.
    pub(in crate::replay) fn all_sums(&self) -> impl Iterator<Item = FoldedSum> + '_ {
        self.process.sums.iter(self.owners)
    }

    /// The latest blocks.
    pub(in crate::replay) fn latest(&self) -> impl Iterator<Item = LatestBlock> + '_ {
        self.process.latest_blocks.iter().map(|&(thread, space, address, birth, calls)| LatestBlock {
            thread,
            space: Space(space),
            address: address.map(Address),
            birth: Stamp(birth),
            calls,
        })
    }

    /// See [`FoldedProcess::peaks_since_reset`].
    pub(in crate::replay) fn peaks_since_reset(&self) -> Option<[(Amount, Stamp); 2]> {
        self.process.peaks_since_reset()
    }

    /// What was live over time.
    pub(in crate::replay) fn course(&self, memory_kind: MemoryKind) -> &Course {
        let [traced, mapped] = &self.process.courses;
        match memory_kind {
            MemoryKind::Traced => traced,
            MemoryKind::Mappings => mapped,
        }
    }

    /// What was live at the moment.
    #[must_use]
    pub fn live(&self, memory_kind: MemoryKind) -> Amount {
        self.process.ledger.totals.live(memory_kind)
    }
}
