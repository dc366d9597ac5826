//! Which of a recording's processes run here and have it mapped, so that they may write to it.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};

use tm_common::ids::ProcessIndex;

use super::{Liveness, Stat, Target, mapped_files};
use crate::reader::Process;

/// A look at the processes of this machine, as of when it is made.
#[derive(Debug)]
pub(crate) struct Writers<'a> {
    recording: &'a Metadata,
    /// All processes that are seen from here, once that is needed.
    all: Option<Vec<(u32, Stat)>>,
}

impl<'a> Writers<'a> {
    /// Of the file with this status.
    pub fn of(recording: &'a Metadata) -> Writers<'a> {
        Writers { recording, all: None }
    }

    /// Those of `processes` that may write now.
    pub fn among(&mut self, processes: &[Process]) -> BTreeSet<ProcessIndex> {
        let running = processes.iter().filter(|process| self.runs(process));
        running.map(|process| process.index).collect()
    }

    fn runs(&mut self, process: &Process) -> bool {
        if process.pid == 0 {
            return false;
        }
        let mut liveness = Liveness::of(Some(process));
        if !liveness.runs() {
            // In a pid namespace of its own it has another pid for itself than here.
            let Some(target) = self.namesake(process) else { return false };
            liveness.set_target(target);
        }
        liveness.runs() && self.is_mapped_by(liveness.pid())
    }

    /// The process that calls itself what `process` does, and started when it did.
    fn namesake(&mut self, process: &Process) -> Option<Target> {
        let start = Some(process.process_start).filter(|&start| start != 0)?;
        let all = self.all.get_or_insert_with(all_processes).iter();
        let mut started_then = all.filter(|(_, stat)| stat.start_ticks == start);
        started_then.find_map(|&(pid, _)| Target::of(pid).ok().filter(|target| target.own_pid == process.pid))
    }

    /// Whether it has the recording mapped; a copy is mapped by nobody. Where that may not be known, pid and start decide.
    fn is_mapped_by(&self, pid: u32) -> bool {
        let Ok((files, _)) = mapped_files(pid) else { return true };
        files.iter().any(|file| file.is(self.recording))
    }
}

fn all_processes() -> Vec<(u32, Stat)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, Stat::of(pid)?))).collect()
}
