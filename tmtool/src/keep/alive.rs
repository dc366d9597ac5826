//! Whether any process still has the file mapped, so that it may write: its pids as the file tells them may be those of another
//! namespace.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::Ordering;

use tm_analyzer::host::mapped_files;
use tm_analyzer::reader::file::{FileIdentity, identity};
use tm_common::header::MappedHeader;

/// Processes that had it mapped.
#[derive(Debug)]
pub(super) struct Alive {
    identity: FileIdentity,
    known: BTreeSet<u32>,
}

impl Alive {
    /// Knows nobody yet.
    pub fn new(identity: FileIdentity) -> Alive {
        Alive { identity, known: BTreeSet::new() }
    }

    /// Asks those that were found before, then those that the file names, then everybody.
    pub fn any(&mut self, header: &MappedHeader) -> bool {
        let known = std::mem::take(&mut self.known);
        // Relaxed: pids, with which nothing is published.
        let named = header.writers.iter().map(|pid| pid.load(Ordering::Relaxed)).filter(|&pid| pid > 0);
        let found = known.into_iter().chain(named).find(|&pid| self.has_it(pid));
        let found = found.or_else(|| everybody().find(|&pid| self.has_it(pid)));
        self.known.extend(found);
        found.is_some()
    }

    fn has_it(&self, pid: u32) -> bool {
        let is_it =
            |file: std::fs::File| file.metadata().is_ok_and(|status| identity(&status) == self.identity);
        mapped_files(pid).is_ok_and(|(files, _)| {
            files.iter().any(|mapped| mapped.open(pid).ok().flatten().is_some_and(is_it))
        })
    }
}

/// All processes but this one, which has the header mapped itself.
fn everybody() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| pid != std::process::id())
}
