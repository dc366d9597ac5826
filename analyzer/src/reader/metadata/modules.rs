//! The loaded file that a code address belonged to, by the epoch rules of `docs/format.md` section "Metadata".

use tm_common::ids::{Address, Epoch, ProcessIndex, Stamp};
use tm_common::metadata::{self, MappedProgramHeader};

use crate::text::raw_text;

/// A loaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Where it was loaded.
    pub process: ProcessIndex,
    /// The epoch in which it was first seen.
    pub epoch: Epoch,
    /// The first epoch without it, if it was unloaded.
    pub gone: Option<Epoch>,
    /// What is added to the file's virtual addresses.
    pub bias: u64,
    /// Its first address.
    pub start: Address,
    /// The first address after it.
    pub end: Address,
    /// When it was first seen.
    pub stamp: Stamp,
    /// Its loadable segments.
    pub program_headers: Vec<MappedProgramHeader>,
    /// Its build id; empty if it has none.
    pub build_id: Vec<u8>,
    /// Its path, as [`raw_text`] has it.
    pub path: String,
}

impl Module {
    /// A module as a metadata record gives it.
    pub(super) fn of_record(record: &metadata::Module<'_>) -> Module {
        Module {
            process: record.process,
            epoch: record.epoch,
            gone: None,
            bias: record.bias,
            start: record.start,
            end: record.end,
            stamp: record.stamp,
            program_headers: record.program_headers().collect(),
            build_id: record.build_id.to_vec(),
            path: raw_text::of_bytes(record.path),
        }
    }

    /// Whether `pc` belongs to it in `epoch`.
    fn holds(&self, epoch: Epoch, pc: u64) -> bool {
        (self.start.0..self.end.0).contains(&pc)
            && self.epoch <= epoch
            && self.gone.is_none_or(|gone| epoch < gone)
    }
}

/// The modules of all processes.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    /// The modules by process, then by the epoch in which they were first seen.
    list: Vec<Module>,
}

impl Modules {
    /// Sorts `list` and marks what `gone` (process, first epoch without it, start) says is gone.
    pub(super) fn new(mut list: Vec<Module>, gone: &[(ProcessIndex, Epoch, Address)]) -> Modules {
        list.sort_by_key(|module| (module.process, module.epoch));
        for &(process, epoch, start) in gone {
            // Those of the process that were seen before the epoch, the latest first.
            let end = list.partition_point(|module| (module.process, module.epoch) < (process, epoch));
            let before = list.get_mut(..end).unwrap_or_default().iter_mut().rev();
            let latest =
                before.take_while(|module| module.process == process).find(|module| module.start == start);
            if let Some(module) = latest.filter(|module| module.gone.is_none_or(|gone| gone > epoch)) {
                module.gone = Some(epoch);
            }
        }
        Modules { list }
    }

    /// All of them, by process and the epoch in which they were first seen.
    pub fn all(&self) -> &[Module] {
        &self.list
    }

    /// The module that `process` itself loaded at `pc` in `epoch`; the latest one if there are two.
    pub(in crate::reader) fn of_process(
        &self,
        process: ProcessIndex,
        epoch: Epoch,
        pc: u64,
    ) -> Option<&Module> {
        let first = self.list.partition_point(|module| module.process < process);
        let end = self.list.partition_point(|module| (module.process, module.epoch) <= (process, epoch));
        self.list.get(first..end)?.iter().rev().find(|module| module.holds(epoch, pc))
    }
}
