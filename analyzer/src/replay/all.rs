//! The totals of all processes in one go.

use tm_common::ids::{ProcessIndex, Stamp};

use super::damage::Damage;
use super::run::{Processes, run};
use super::snapshot::unknown_stacks;
use super::tables::Account;
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
    let (mut processes, mut damage, mut unknown) = (Vec::new(), Damage::default(), 0);
    // There is no process that could be missing from all.
    let _ = run(
        recording,
        Processes::All,
        Stamp(u64::MAX),
        |_| (),
        |engine, ()| {
            processes.push((engine.process(), *engine.totals()));
            damage.add(&engine.damage());
            let live = |account| engine.live().iter(account);
            let blocks = live(Account::Traced).chain(live(Account::Mappings));
            let stacks = blocks.map(|block| (block.stack, 1));
            if let Some(Problem::UnknownStacks { count }) = unknown_stacks(recording, stacks) {
                unknown += count;
            }
        },
    );
    processes.sort_by_key(|(process, _)| *process);
    let mut problems = damage.problems();
    problems.extend((unknown > 0).then_some(Problem::UnknownStacks { count: unknown }));
    AllTotals { processes, problems }
}
