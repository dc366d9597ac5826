//! What the formats of lives and events ask of a recording.

use tm_analyzer::events::Block;
use tm_analyzer::model::Traceback;
use tm_analyzer::reader::{Process, Recording};
use tm_analyzer::replay::{Engine, Processes, ProgramPoints, ended_at, forked_at, stamp_at};
use tm_analyzer::request::Recorded;
use tm_common::ids::{ProcessIndex, StackId, Stamp};

use super::Events;

/// What watches the lives of a process's blocks, at its start.
pub fn lives_of<'a, P: FnMut(&Block) -> u32>(
    recorded: &'a Recorded,
    engine: &Engine<'_>,
    place_of: P,
) -> ProgramPoints<'a, P> {
    let process = engine.process();
    let inherited = own_blocks(recorded, process, engine.live().iter(recorded.selection.memory_kind()));
    let start = recorded.recording.process(process).map_or(Stamp(0), |process| process.start);
    ProgramPoints::new(&recorded.selection, place_of, start, inherited)
}

/// Each of all processes has what it allocated itself; one alone also what it inherited.
pub fn own_blocks<'a>(
    recorded: &Recorded,
    process: ProcessIndex,
    blocks: impl Iterator<Item = Block> + 'a,
) -> impl Iterator<Item = Block> + 'a {
    let fork = forked_at(&recorded.recording, process).filter(|_| recorded.processes == Processes::All);
    blocks.filter(move |block| fork.is_none_or(|fork| block.birth > fork))
}

/// Names stacks as the reports show them.
pub fn namer<'a>(events: &Events<'a>) -> impl FnMut(StackId) -> Traceback + use<'a> {
    let recorded = events.recorded;
    let mut namer = recorded.namer_at(recorded.until.stamp);
    let mut blame = events.grouping.blame_of_stacks();
    move |stack| blame.cut(&namer.traceback(&recorded.recording, stack))
}

pub fn process(recorded: &Recorded) -> Option<&Process> {
    match recorded.processes {
        Processes::One(process) => recorded.recording.process(process),
        Processes::All => recorded.recording.first_process(),
    }
}

pub fn command_line(recorded: &Recorded) -> &[String] {
    process(recorded).map(|process| process.command_line.as_slice()).unwrap_or_default()
}

/// The last stamp of the time.
pub fn end_stamp(recorded: &Recorded) -> Stamp {
    let end = recorded.end();
    // The end of a recording is after its last event.
    if end.stamp == Stamp(u64::MAX) { stamp_at(&recorded.recording, end.ns) } else { end.stamp }
}

/// The last stamp of the time, or of a process that ended before.
pub fn own_end(recorded: &Recorded, process: ProcessIndex) -> Stamp {
    let end = ended_at(&recorded.recording, process);
    end_stamp(recorded).min(end.unwrap_or(Stamp(u64::MAX)))
}

/// Nanoseconds from one stamp to the next.
pub fn ns_per_stamp(recording: &Recording) -> f64 {
    let clock = &recording.header.clock;
    clock.ns_per_tick() * (1u64 << clock.shift) as f64
}
