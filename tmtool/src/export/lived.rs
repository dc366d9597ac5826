//! What the formats of lives and events ask of a recording.

use tm_analyzer::events::{Block, MergedEvent};
use tm_analyzer::reader::{Process, Recording};
use tm_analyzer::replay::{
    Engine, Gate, LatestBlocks, Observer, Processes, ProgramPoints, Selection, ended_at, forked_at, stamp_at,
};
use tm_analyzer::request::Recorded;
use tm_common::ids::{ProcessIndex, Stamp};

/// Hears of each block that comes and goes.
pub trait ByLife {
    /// A block is there from here on.
    fn came(&mut self, block: &Block);

    /// A block went, or is no longer looked at; `is_temporary` if it was freed before its thread allocated the next one.
    fn went(&mut self, block: &Block, stamp: Stamp, is_temporary: bool);
}

/// Tells of the blocks in a selection.
pub struct Watched<'a, L> {
    selection: Gate<'a>,
    latest: LatestBlocks,
    /// The one that hears of them.
    pub lives: L,
}

impl<'a, L: ByLife> Watched<'a, L> {
    /// Tells `lives` of the blocks in `selection`, of those that live at the start, `inherited`, at once.
    pub fn new(selection: &'a Selection, mut lives: L, inherited: impl Iterator<Item = Block>) -> Self {
        let selection = Gate::of(selection);
        inherited.filter(|block| selection.admits_newborn(block)).for_each(|block| lives.came(&block));
        Watched { selection, latest: LatestBlocks::default(), lives }
    }
}

impl<L: ByLife> Observer for Watched<'_, L> {
    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        self.latest.came(block, &self.selection.thread_tags);
        if self.selection.admits_newborn(block) {
            self.lives.came(block);
        }
    }

    fn on_total(&mut self, event: &MergedEvent) {
        self.latest.told(event, &self.selection.thread_tags);
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        let is_temporary = self.latest.went(block, event, &self.selection.thread_tags);
        if self.selection.admits_newborn(block) {
            self.lives.went(block, event.stamp, is_temporary);
        }
    }

    fn on_forget(&mut self, block: &Block, stamp: Stamp) {
        if self.selection.admits_newborn(block) {
            self.lives.went(block, stamp, false);
        }
    }
}

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
