//! The live blocks of processes at one moment, and their totals.

use tm_common::ids::{ProcessIndex, Stamp};

use super::engine::Engine;
use super::live::Block;
use super::moment::{FixedMoment, fixed};
use super::run::{Processes, ended_at, own_since, run};
use super::selection::Selection;
use super::stream::Damage;
use super::totals::Totals;
use crate::error::Result;
use crate::model::Moment;
use crate::reader::{Problem, Recording};

/// Blocks at one moment; stacks are those of the recording.
#[derive(Clone, Debug)]
pub struct RawSnapshot {
    /// The selected ones, by process and address.
    pub blocks: Vec<Block>,
    /// Bytes of all live blocks, selected or not.
    pub live_bytes: u64,
    /// Number of all live blocks, selected or not.
    pub live_blocks: u64,
    /// Nanoseconds from the recording's start to the moment; of all processes' peaks, to the latest.
    pub moment_ns: u64,
    /// The sums of each process; of a moment other than the peak, over its events up to the moment.
    pub totals: Vec<(ProcessIndex, Totals)>,
    /// What is missing or damaged, beside [`Recording::problems`].
    pub problems: Vec<Problem>,
}

/// The blocks of `processes` at `moment` that are in `selection`. Of a forked process these are its parent's at the
/// fork with what it did since. Of all processes, peak and end are each process's own.
///
/// # Errors
/// There is no such process or no such moment.
pub fn snapshot(
    recording: &Recording,
    processes: Processes,
    moment: &Moment,
    selection: &Selection,
) -> Result<RawSnapshot> {
    take(recording, processes, fixed(recording, moment)?, selection)
}

/// The same at a moment that is found already.
///
/// # Errors
/// There is no such process.
pub fn snapshot_at(
    recording: &Recording,
    processes: Processes,
    at: FixedMoment,
    selection: &Selection,
) -> Result<RawSnapshot> {
    take(recording, processes, Some(at), selection)
}

fn take(
    recording: &Recording,
    processes: Processes,
    at: Option<FixedMoment>,
    selection: &Selection,
) -> Result<RawSnapshot> {
    let mut raw = RawSnapshot {
        blocks: Vec::new(),
        live_bytes: 0,
        live_blocks: 0,
        moment_ns: at.map_or(0, |at| at.ns),
        totals: Vec::new(),
        problems: Vec::new(),
    };
    let mut damage = Damage::default();
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
                    raw.add(recording, processes, engine, engine.live().iter(), now, selection);
                }
                None => {
                    let peak = engine.totals().peak_stamp;
                    raw.moment_ns = raw.moment_ns.max(recording.ns(peak));
                    raw.add(recording, processes, engine, engine.peak_blocks(), peak, selection);
                }
            }
        },
    )?;
    raw.problems.extend(damage.problems());
    raw.problems.extend(unknown_stacks(recording, raw.blocks.iter().copied()));
    Ok(raw)
}

impl RawSnapshot {
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
        let n_before = self.blocks.len();
        let own_since = own_since(recording, processes, engine.process());
        for block in blocks.filter(|block| own_since.is_none_or(|fork| block.birth > fork)) {
            self.live_bytes = self.live_bytes.wrapping_add(block.size);
            self.live_blocks += 1;
            self.blocks.extend(selection.admits(&block, now).then_some(block));
        }
        if let Some(added) = self.blocks.get_mut(n_before..) {
            added.sort_unstable_by_key(|block| block.address);
        }
        self.totals.push((engine.process(), *engine.totals()));
    }
}

/// Whether a process was gone at `until`; at the end of the recording each is at its own end.
fn has_ended(recording: &Recording, process: ProcessIndex, until: Stamp) -> bool {
    until.0 < u64::MAX && ended_at(recording, process).is_some_and(|end| end < until)
}

/// Says how many blocks have a stack id that leads nowhere.
pub(super) fn unknown_stacks(recording: &Recording, blocks: impl Iterator<Item = Block>) -> Option<Problem> {
    let unknown = |block: &Block| block.stack.0 != 0 && recording.stack(block.stack).is_none();
    let count = blocks.filter(unknown).count() as u64;
    (count > 0).then_some(Problem::UnknownStacks { count })
}
