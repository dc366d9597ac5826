//! How long a recording is. Only its last event may say so, which has to be decoded to be known.

use tm_common::ids::Stamp;
use tm_common::metadata::Ending;

use super::stream::last_stamp;
use crate::reader::Recording;

impl Recording {
    /// Nanoseconds from the recording's start to the last moment that it knows of: an ending, a command, or the last event;
    /// if a process still runs, the moment as of which it was read. The last event is looked for once.
    pub fn duration_ns(&self) -> u64 {
        if let Some(moment) = self.as_of.filter(|_| self.is_unfinished()) {
            return self.ns(moment);
        }
        let ended = self.processes.iter().filter(|process| process.ending != Ending::Unknown);
        let ends = ended.map(|process| process.end);
        let starts = self.processes.iter().map(|process| process.start);
        let commands = self.commands.iter().map(|command| command.stamp);
        let latest = self.latest.or_else(|| *self.last_event.get_or_init(|| last_event(self)));
        let last = ends.chain(starts).chain(commands).chain(latest).max().unwrap_or_default();
        self.ns(last.min(self.last_stamp()))
    }
}

/// The stamp of the last event of all streams.
fn last_event(recording: &Recording) -> Option<Stamp> {
    recording.streams.iter().filter_map(|stream| last_stamp(recording, stream)).max()
}
