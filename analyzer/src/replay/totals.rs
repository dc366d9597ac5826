//! The totals of all processes in one go.

use rustc_hash::FxHashMap;
use tm_common::ids::{ProcessIndex, Space, Stamp};

use super::live::MemoryKind;
use super::live::Totals;
use super::run::{Processes, run};
use super::snapshot::unknown_stacks;
use crate::events::Damage;
use crate::model::Amount;
use crate::reader::{Problem, Recording};

/// What all processes did.
#[derive(Clone, Debug, Default)]
pub struct AllTotals {
    /// The totals by process.
    pub processes: Vec<(ProcessIndex, Totals)>,
    /// What lives at the end in each process's own domains, by process and space.
    pub own_spaces: Vec<(ProcessIndex, Space, Amount)>,
    /// What is missing or damaged, beside [`Recording::problems`].
    pub problems: Vec<Problem>,
}

impl AllTotals {
    /// A figure summed over all processes.
    pub fn sum(&self, figure: fn(&Totals) -> u64) -> u64 {
        self.processes.iter().map(|(_, totals)| figure(totals)).fold(0, u64::saturating_add)
    }

    /// The totals of the first process.
    pub fn first(&self) -> Totals {
        self.processes.first().map(|(_, totals)| *totals).unwrap_or_default()
    }
}

/// Replays every process of the recording.
pub fn all_totals(recording: &Recording) -> AllTotals {
    let (mut processes, mut damage, mut unknown) = (Vec::new(), Damage::default(), 0);
    let mut own: FxHashMap<(ProcessIndex, Space), Amount> = FxHashMap::default();
    let all = run(
        recording,
        Processes::All,
        Stamp(u64::MAX),
        |_| (),
        |engine, ()| {
            processes.push((engine.process(), *engine.totals()));
            damage.add(&engine.damage());
            let live = |memory_kind| engine.live().iter(memory_kind);
            for block in live(MemoryKind::Traced).filter(|block| block.space >= Space::FIRST_OWN) {
                let amount = own.entry((engine.process(), block.space)).or_default();
                *amount += block.amount(&recording.thread_tags);
            }
            let blocks = live(MemoryKind::Traced).chain(live(MemoryKind::Mappings));
            let stacks = blocks.map(|block| (block.stack, 1));
            if let Some(Problem::UnknownStacks { count }) = unknown_stacks(recording, stacks) {
                unknown += count;
            }
        },
    );
    processes.sort_by_key(|(process, _)| *process);
    let mut problems = damage.problems();
    // There is no process that could be missing from all; what is folded may be.
    problems.extend(all.is_err().then_some(Problem::DamagedCheckpoint));
    problems.extend((unknown > 0).then_some(Problem::UnknownStacks { count: unknown }));
    let mut own_spaces: Vec<_> =
        own.into_iter().map(|((process, space), amount)| (process, space, amount)).collect();
    own_spaces.sort_by_key(|(process, space, _)| (*process, *space));
    AllTotals { processes, own_spaces, problems }
}
