//! Whether a recording's process runs here and has it mapped, so that it may write to it.

use std::fs::{self, Metadata};

use super::{Liveness, Stat, Target, mapped_files};

/// A look at the processes of this machine, as of when it is made.
#[derive(Debug)]
pub(crate) struct Writers<'a> {
    recording: &'a Metadata,
    /// All processes that are seen from here, once that is needed.
    all: Option<Vec<(u32, Stat)>>,
}

impl<'a> Writers<'a> {
    /// The writers of the file with this status.
    pub fn of(recording: &'a Metadata) -> Writers<'a> {
        Writers { recording, all: None }
    }

    /// Whether `process` runs and may write to it now.
    pub fn has(&mut self, mut process: Liveness) -> bool {
        if process.pid() == 0 {
            return false;
        }
        if !process.runs() {
            // In a pid namespace of its own it has another pid for itself than here.
            let Some(target) = self.namesake(&process) else { return false };
            process.set_target(target);
        }
        process.runs() && self.is_mapped_by(process.pid())
    }

    /// Whether the processes of others are seen from here.
    pub fn are_seen() -> bool {
        Stat::of(1).is_some()
    }

    /// Whether `process` writes to it no more for certain: it was there and is gone, or is another program by now.
    pub fn is_without(&mut self, process: Liveness) -> bool {
        let Some(start) = process.start_ticks().filter(|_| process.pid() > 0) else { return false };
        let pid = match Stat::of(process.pid()) {
            Some(stat) if stat.start_ticks == start => process.pid(),
            // In a time namespace of its own it started at another time than it has noted.
            Some(_) if self.is_seen_in(process.pid()) == Some(true) => return false,
            _ => match self.namesake(&process) {
                Some(target) => target.pid,
                None => return true,
            },
        };
        // One whose first thread has ended may have others.
        let has_ended = Stat::of(pid).is_none_or(|stat| stat.has_ended() && has_no_other_thread(pid));
        has_ended || !self.is_mapped_by(pid)
    }

    /// The process that calls itself what `process` does, and started when it did.
    fn namesake(&mut self, process: &Liveness) -> Option<Target> {
        let start = process.start_ticks()?;
        let all = self.all.get_or_insert_with(all_processes).iter();
        let mut started_then = all.filter(|(_, stat)| stat.start_ticks == start);
        started_then
            .find_map(|&(pid, _)| Target::of(pid).ok().filter(|target| target.own_pid == process.pid()))
    }

    /// Whether it has the recording mapped; a copy is mapped by nobody. Where that may not be known, pid and start decide.
    fn is_mapped_by(&self, pid: u32) -> bool {
        self.is_seen_in(pid).unwrap_or(true)
    }

    /// Whether it is among what process `pid` has mapped; `None` where that may not be known.
    fn is_seen_in(&self, pid: u32) -> Option<bool> {
        let (files, _) = mapped_files(pid).ok()?;
        Some(files.iter().any(|file| file.is(self.recording)))
    }
}

fn has_no_other_thread(pid: u32) -> bool {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(true, |tasks| tasks.count() <= 1)
}

fn all_processes() -> Vec<(u32, Stat)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, Stat::of(pid)?))).collect()
}
