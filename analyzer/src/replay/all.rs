//! The totals of all processes in one go: each process is replayed once, however many it forks.

use tm_common::ids::{ProcessIndex, Stamp};

use super::engine::Engine;
use super::live::LiveTable;
use super::snapshot::unknown_stacks;
use super::stream::Damage;
use super::totals::Totals;
use crate::reader::{Problem, Recording};

/// What all processes did.
#[derive(Clone, Debug, Default)]
pub struct AllTotals {
    /// By process.
    pub processes: Vec<(ProcessIndex, Totals)>,
    /// What is missing or damaged, beside [`Recording::problems`].
    pub problems: Vec<Problem>,
}

/// Replays every process of the recording.
pub fn all_totals(recording: &Recording) -> AllTotals {
    let mut run = Run { recording, totals: Vec::new(), damage: Damage::default(), unknown_stacks: 0 };
    // A process whose parent left no trace starts with nothing.
    let roots = recording
        .processes
        .iter()
        .filter(|process| process.parent.is_none_or(|parent| recording.process(parent).is_none()));
    for root in roots {
        run.family(root.index);
    }
    run.totals.sort_by_key(|(process, _)| *process);
    let mut problems = run.damage.problems();
    if run.unknown_stacks > 0 {
        problems.push(Problem::UnknownStacks { count: run.unknown_stacks });
    }
    AllTotals { processes: run.totals, problems }
}

struct Run<'a> {
    recording: &'a Recording,
    totals: Vec<(ProcessIndex, Totals)>,
    damage: Damage,
    unknown_stacks: u64,
}

/// A process on the way, and its forks that are still to come.
struct Parent<'a> {
    index: ProcessIndex,
    engine: Engine<'a>,
    /// (when, child), latest first.
    forks: Vec<(Stamp, ProcessIndex)>,
}

impl<'a> Run<'a> {
    /// A process and all that descend from it; memory is that of one line of descent.
    fn family(&mut self, root: ProcessIndex) {
        let mut line = vec![self.start(root, LiveTable::default())];
        while let Some(parent) = line.last_mut() {
            if let Some((fork, child)) = parent.forks.pop() {
                parent.engine.run(fork, &mut |_| {});
                let live = parent.engine.live().clone();
                let child = self.start(child, live);
                line.push(child);
            } else {
                parent.engine.run(Stamp(u64::MAX), &mut |_| {});
                self.totals.push((parent.index, *parent.engine.totals()));
                self.damage.add(&parent.engine.damage());
                if let Some(Problem::UnknownStacks { count }) =
                    unknown_stacks(self.recording, parent.engine.live())
                {
                    self.unknown_stacks += count;
                }
                line.pop();
            }
        }
    }

    fn start(&self, index: ProcessIndex, live: LiveTable) -> Parent<'a> {
        let children = self.recording.processes.iter().filter(|process| process.parent == Some(index));
        let mut forks: Vec<_> = children.map(|child| (child.start, child.index)).collect();
        forks.sort_unstable_by(|a, b| b.cmp(a));
        Parent { index, engine: Engine::new(self.recording, index, live), forks }
    }
}
