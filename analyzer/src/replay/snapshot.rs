//! The live blocks of processes at one moment, and their totals.

use tm_common::ids::{ProcessIndex, StackId, Stamp};

use super::Engine;
use super::live::Totals;
use super::moment::{ResolvedMoment, resolve};
use super::run::{Processes, ended_at, own_since, run};
use super::selection::Selection;
use super::sink::BlockSink;
use crate::error::Result;
use crate::events::{Block, Damage};
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
    /// What is missing or damaged, beside [`Recording::problems`].
    pub problems: Vec<Problem>,
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
    let mut raw = RawSnapshot {
        blocks,
        live: Amount::default(),
        moment_ns: at.map_or(0, |at| at.ns),
        n_frames_max: 0,
        totals: Vec::new(),
        problems: Vec::new(),
    };
    // One that the caller made from the default knows no thread and no tag.
    let selection = &selection.clone().in_recording(recording);
    let (mut damage, memory_kind) = (Damage::default(), selection.memory_kind());
    let end = super::stamp_at(recording, recording.duration_ns());
    let until = at.map_or(Stamp(u64::MAX), |at| at.stamp);
    run(
        recording,
        processes,
        until,
        |_| (),
        |engine, ()| {
            if processes == Processes::All && has_ended(recording, engine.process(), until) {
                return;
            }
            damage.add(&engine.damage());
            match at {
                Some(at) => {
                    let own_end = ended_at(recording, engine.process()).unwrap_or(end);
                    let now = at.stamp.min(own_end).min(end);
                    raw.add(recording, processes, engine, engine.live().iter(memory_kind), now, selection);
                }
                None => {
                    let (_, peak) = engine.totals().peak(memory_kind);
                    raw.moment_ns = raw.moment_ns.max(recording.ns(peak));
                    raw.add(recording, processes, engine, engine.peak_blocks(memory_kind), peak, selection);
                }
            }
        },
    )?;
    if raw.n_frames_max == 0 {
        // No process was there.
        raw.n_frames_max = recording.n_frames_max();
    }
    raw.problems.extend(damage.problems());
    raw.problems.extend(unknown_stacks(recording, raw.blocks.stacks()));
    Ok(raw)
}

impl<B: BlockSink> RawSnapshot<B> {
    /// Adds what a process has at the moment `now`.
    fn add(
        &mut self,
        recording: &Recording,
        processes: Processes,
        engine: &Engine<'_>,
        blocks: impl Iterator<Item = Block>,
        now: Stamp,
        selection: &Selection,
    ) {
        self.n_frames_max = self.n_frames_max.max(recording.n_frames_max_at(engine.process(), now));
        let own_since = own_since(recording, processes, engine.process());
        let own = blocks.filter(|block| own_since.is_none_or(|fork| block.birth > fork));
        let counted = own.inspect(|block| self.live += block.amount());
        let selected = counted.filter(|block| selection.admits(block, now));
        self.blocks.add_process(engine.process(), selected, &recording.thread_tags);
        self.totals.push((engine.process(), *engine.totals()));
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
