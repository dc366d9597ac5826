//! What a report says of where its figures come from.

use std::sync::Arc;

use super::Namer;
use crate::model::Origin;
use crate::reader::{Problem, Recording};
use crate::replay::{Findings, Processes};

impl Namer {
    /// What is to be said of `processes`, without a moment. `findings` are those of the replay; what is wrong with the names
    /// so far is added.
    pub fn origin(&self, recording: &Recording, processes: Processes, findings: &Findings) -> Origin {
        let first = recording.first_process();
        let process = match processes {
            Processes::One(index) => recording.process(index),
            Processes::All => first,
        };
        let described = process.filter(|process| process.executable.is_some()).or(first);
        let (mut unknown_frees, mut missed_frees, mut notes) = (0, 0, Vec::new());
        for problem in recording.problems.iter().chain(&findings.problems) {
            match problem {
                Problem::UnknownFrees { count } => unknown_frees += count,
                Problem::MissedFrees { count } => missed_frees += count,
                other => notes.push(other.to_string()),
            }
        }
        let symbol_problems = self.doubts.notes().into_iter().chain(self.problems());
        Origin {
            recording: recording.file.path().display().to_string(),
            program: described.and_then(|process| process.executable.clone()).unwrap_or_default(),
            command_line: described.map(|process| process.command_line.clone()).unwrap_or_default(),
            host: first.and_then(|process| process.host.clone()).unwrap_or_default(),
            pid: process.map_or(recording.header.pid, |process| process.pid),
            recorded_ns: recording.header.start_realtime_ns,
            duration_ns: recording.duration_ns(),
            still_running: match processes {
                Processes::One(process) => recording.is_running(process),
                Processes::All => recording.is_unfinished(),
            },
            lost_events: recording.header.lost_events(),
            unknown_frees,
            missed_frees,
            sampling: findings.sampling,
            source: Arc::clone(recording.bundle.source()),
            notes: notes
                .into_iter()
                .chain(recording.note_sentences())
                .chain(processes_note(recording, processes))
                .chain(symbol_problems)
                .collect(),
            ..Origin::default()
        }
    }
}

/// The note on which processes of several are shown.
fn processes_note(recording: &Recording, processes: Processes) -> Option<String> {
    let n = recording.processes.len();
    match processes {
        _ if n < 2 => None,
        Processes::All => Some(format!(
            "All {n} processes are added up; what a child inherited counts for its parent alone."
        )),
        Processes::One(shown) => {
            let is_first = recording.first_process().is_some_and(|first| first.index == shown);
            let which = if is_first { "the first is shown" } else { "one is shown, with what it inherited" };
            Some(format!("Of {n} processes {which}; --process takes another's PID, or all."))
        }
    }
}
