//! The live blocks of a process at one moment, and its totals.

use tm_common::ids::{ProcessIndex, Stamp};

use super::engine::Engine;
use super::event::MergedEvent;
use super::live::{Block, LiveTable};
use super::totals::Totals;
use crate::error::{Error, Result};
use crate::model::Moment;
use crate::reader::{Problem, Recording};

/// The blocks of a process at one moment; stacks are those of the recording.
#[derive(Clone, Debug)]
pub struct RawSnapshot {
    /// The process.
    pub process: ProcessIndex,
    /// By address.
    pub blocks: Vec<Block>,
    /// Nanoseconds from the recording's start to the moment.
    pub moment_ns: u64,
    /// The sums over the whole process; of a moment other than the peak, over its events up to the moment.
    pub totals: Totals,
    /// What is missing or damaged, beside [`Recording::problems`].
    pub problems: Vec<Problem>,
}

/// The blocks of `process` at `moment`. Of a forked process these are its parent's at the fork with what it did since.
///
/// # Errors
/// There is no such process.
pub fn snapshot(recording: &Recording, process: ProcessIndex, moment: Moment) -> Result<RawSnapshot> {
    let inherited = inherited(recording, process)?;
    if moment == Moment::Peak {
        let mut first = Engine::new(recording, process, inherited.clone());
        first.run(Stamp(u64::MAX), &mut |_| {});
        let mut second = Engine::new(recording, process, inherited);
        second.run_events(first.peak_event());
        let moment_ns = recording.ns(first.totals().peak_stamp);
        return Ok(raw(recording, process, &second, moment_ns, *first.totals(), first.damage().problems()));
    }
    let (until, moment_ns) = match moment {
        Moment::TimeNs(ns) => (stamp_at(recording, ns), ns),
        Moment::Percent(percent) => {
            let ns = (recording.duration_ns() as f64 * (percent.clamp(0.0, 100.0) / 100.0)) as u64;
            (stamp_at(recording, ns), ns)
        }
        Moment::Peak | Moment::End => (Stamp(u64::MAX), recording.duration_ns()),
    };
    let mut engine = Engine::new(recording, process, inherited);
    engine.run(until, &mut |_| {});
    Ok(raw(recording, process, &engine, moment_ns, *engine.totals(), engine.damage().problems()))
}

/// Calls `observer` with each event of `process` in the order in which it takes effect. An event of which it shows
/// only later that it came before others of its address comes after them.
///
/// # Errors
/// There is no such process.
pub fn events(
    recording: &Recording,
    process: ProcessIndex,
    mut observer: impl FnMut(&MergedEvent),
) -> Result<()> {
    let mut engine = Engine::new(recording, process, inherited(recording, process)?);
    engine.run(Stamp(u64::MAX), &mut observer);
    Ok(())
}

/// The blocks that a process starts with: those that its parent had when it was forked.
fn inherited(recording: &Recording, process: ProcessIndex) -> Result<LiveTable> {
    // From the process out to the first one, then back.
    let mut ancestors = Vec::new();
    let mut next = Some(process);
    while let Some(index) = next {
        let Some(found) = recording.process(index) else { break };
        ancestors.push((index, found.start));
        next = found.parent;
    }
    if ancestors.is_empty() {
        let path = recording.file.path().display();
        let n = recording.processes.len();
        return Err(Error::Message(format!("{path} has no process {}; it has {n} of them", process.0)));
    }
    let mut live = LiveTable::default();
    for pair in ancestors.windows(2).rev() {
        if let [(_, fork), (parent, _)] = *pair {
            let mut engine = Engine::new(recording, parent, live);
            engine.run(fork, &mut |_| {});
            live = engine.live().clone();
        }
    }
    Ok(live)
}

/// The last stamp that is not later than `ns` since the start.
fn stamp_at(recording: &Recording, ns: u64) -> Stamp {
    // The clock's own rounding decides, so search instead of dividing.
    let clock = &recording.header.clock;
    let (mut low, mut high) = (0, u64::MAX >> clock.shift);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if clock.ns_since_start(Stamp(middle)) <= ns { low = middle } else { high = middle - 1 }
    }
    Stamp(low)
}

fn raw(
    recording: &Recording,
    process: ProcessIndex,
    engine: &Engine<'_>,
    moment_ns: u64,
    totals: Totals,
    mut problems: Vec<Problem>,
) -> RawSnapshot {
    let mut blocks: Vec<Block> = engine.live().iter().collect();
    blocks.sort_unstable_by_key(|block| block.address);
    problems.extend(unknown_stacks(recording, engine.live()));
    RawSnapshot { process, blocks, moment_ns, totals, problems }
}

/// Says how many blocks have a stack id that leads nowhere.
pub(super) fn unknown_stacks(recording: &Recording, live: &LiveTable) -> Option<Problem> {
    let unknown = |block: &Block| block.stack.0 != 0 && recording.stack(block.stack).is_none();
    let count = live.iter().filter(unknown).count() as u64;
    (count > 0).then_some(Problem::UnknownStacks { count })
}
