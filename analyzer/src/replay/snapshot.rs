//! The live blocks of processes at one moment, and their totals.

use tm_common::ids::{ProcessIndex, StackId, Stamp};

use super::Engine;
use super::findings::{Finder, Findings};
use super::live::Totals;
use super::moment::{ResolvedMoment, resolve};
use super::run::{Processes, ended_at, own_since, run};
use super::selection::Selection;
use super::sink::BlockSink;
use crate::error::Result;
use crate::events::Block;
use crate::model::{Amount, Moment};
use crate::reader::{Problem, Recording};

/// Blocks at one moment; stacks are those of the recording.
#[derive(Clone, Debug)]
pub struct RawSnapshot<B = Vec<Block>> {
    /// The selected ones.
    pub blocks: B,
    /// All live blocks, selected or not.
    pub live: Amount,
    /// Nanoseconds from the recording's start to the moment; of all processes' peaks, to the latest.
    pub moment_ns: u64,
    /// The most frames of a stack that were kept then; of several processes the largest number.
    pub n_frames_max: u32,
    /// The sums of each process; of a moment other than the peak, over its events up to the moment.
    pub totals: Vec<(ProcessIndex, Totals)>,
    /// What else was met.
    pub findings: Findings,
}

/// The blocks of `processes` at `moment` that are in `selection`. A forked process has its parent's at the
/// fork with what it did since. With all processes, peak and end are each process's own.
///
/// # Errors
/// There is no such process or no such moment.
pub fn snapshot<B: BlockSink + Default>(
    recording: &Recording,
    processes: Processes,
    moment: &Moment,
    selection: &Selection,
) -> Result<RawSnapshot<B>> {
    take(recording, processes, resolve(recording, processes, moment)?, selection, B::default())
}

/// The same at a moment that is found already, added to `blocks`.
///
/// # Errors
/// There is no such process.
pub fn snapshot_at<B: BlockSink>(
    recording: &Recording,
    processes: Processes,
    at: ResolvedMoment,
    selection: &Selection,
    blocks: B,
) -> Result<RawSnapshot<B>> {
    take(recording, processes, Some(at), selection, blocks)
}

fn take<B: BlockSink>(
    recording: &Recording,
    processes: Processes,
    at: Option<ResolvedMoment>,
    selection: &Selection,
    blocks: B,
) -> Result<RawSnapshot<B>> {
    let mut taker = Taker::new(recording, processes, at, selection, blocks);
    run(recording, processes, taker.until(), |_| (), |engine, ()| taker.add(engine))?;
    Ok(taker.finish())
}

/// Takes what is live at a moment from processes that have been replayed up to it, one after the other.
#[derive(Debug)]
pub struct Taker<'a, B> {
    recording: &'a Recording,
    processes: Processes,
    /// `None` for the peak of each.
    at: Option<ResolvedMoment>,
    selection: Selection,
    /// The end of the recording.
    end: Stamp,
    finder: Finder,
    raw: RawSnapshot<B>,
}

impl<'a, B: BlockSink> Taker<'a, B> {
    /// Begins with nothing; without a moment `at` the peak is taken.
    pub fn new(
        recording: &'a Recording,
        processes: Processes,
        at: Option<ResolvedMoment>,
        selection: &Selection,
        blocks: B,
    ) -> Taker<'a, B> {
        let raw = RawSnapshot {
            blocks,
            live: Amount::default(),
            moment_ns: at.map_or(0, |at| at.ns),
            n_frames_max: 0,
            totals: Vec::new(),
            findings: Findings::default(),
        };
        // One that the caller made from the default knows no thread and no tag.
        let selection = selection.clone().in_recording(recording);
        let (end, finder) = (super::stamp_at(recording, recording.duration_ns()), Finder::default());
        Taker { recording, processes, at, selection, end, finder, raw }
    }

    /// The stamp up to which processes have to be replayed.
    pub fn until(&self) -> Stamp {
        self.at.map_or(Stamp(u64::MAX), |at| at.stamp)
    }

    /// Adds what a process has.
    pub fn add(&mut self, engine: &Engine<'_>) {
        let Taker { recording, processes, at, .. } = *self;
        if processes == Processes::All && has_ended(recording, engine.process(), self.until()) {
            return;
        }
        self.finder.add(engine);
        let memory_kind = self.selection.memory_kind();
        match at {
            Some(at) => {
                let own_end = ended_at(recording, engine.process()).unwrap_or(self.end);
                let now = at.stamp.min(own_end).min(self.end);
                self.add_blocks(engine, engine.live().iter(memory_kind), now);
            }
            None => {
                let (_, peak) = engine.totals().peak(memory_kind);
                self.raw.moment_ns = self.raw.moment_ns.max(recording.ns(peak));
                self.add_blocks(engine, engine.peak_blocks(memory_kind), peak);
            }
        }
    }

    /// Adds what a process has at the moment `now`.
    fn add_blocks(&mut self, engine: &Engine<'_>, blocks: impl Iterator<Item = Block>, now: Stamp) {
        let Taker { recording, processes, selection, raw, .. } = self;
        raw.n_frames_max = raw.n_frames_max.max(recording.n_frames_max_at(engine.process(), now));
        let own_since = own_since(recording, *processes, engine.process());
        let own = blocks.filter(|block| own_since.is_none_or(|fork| block.birth > fork));
        let counted = own.inspect(|block| raw.live += block.amount(&recording.thread_tags));
        let selected = counted.filter(|block| selection.admits(block, now));
        raw.blocks.add_process(engine.process(), selected, &recording.thread_tags);
        raw.totals.push((engine.process(), *engine.totals()));
    }

    /// What was taken.
    pub fn finish(self) -> RawSnapshot<B> {
        let Taker { recording, finder, mut raw, .. } = self;
        if raw.n_frames_max == 0 {
            // No process was there.
            raw.n_frames_max = recording.n_frames_max();
        }
        raw.findings = finder.finish();
        raw.findings.problems.extend(unknown_stacks(recording, raw.blocks.stacks()));
        raw
    }
}

/// Whether a process was gone at `until`; at the end of the recording each is at its own end.
fn has_ended(recording: &Recording, process: ProcessIndex, until: Stamp) -> bool {
    until.0 < u64::MAX && ended_at(recording, process).is_some_and(|end| end < until)
}

/// Says how many blocks have a stack id that leads nowhere.
pub(super) fn unknown_stacks(
    recording: &Recording,
    stacks: impl Iterator<Item = (StackId, u64)>,
) -> Option<Problem> {
    let unknown = |stack: StackId| stack != StackId::NONE && !recording.stacks.has(stack);
    let count = stacks.filter(|&(stack, _)| unknown(stack)).map(|(_, count)| count).sum();
    (count > 0).then_some(Problem::UnknownStacks { count })
}
