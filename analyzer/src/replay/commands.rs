//! What a process was told to do with its traces, in the order of its time, and what that makes of the events.

use tm_common::ids::{ProcessIndex, Stamp};
use tm_common::metadata::CommandKind;

use crate::reader::{Command, Recording};

/// The commands of one process.
#[derive(Debug)]
pub(super) struct Commands {
    /// The commands by stamp; marks are not among them.
    list: Vec<Command>,
    /// The first that is still to come.
    next: usize,
    /// After which events that one takes effect; later than all if there is none.
    pub next_stamp: Stamp,
    /// Whether events count.
    pub is_tracing: bool,
    /// The stamp of the latest start so far: a stop from before it that becomes known late changes nothing now.
    latest_start: Stamp,
    /// Whether there are blocks that nothing is known of, because their time was not recorded or was cleared.
    pub has_forgotten: bool,
    /// What happened up to here is forgotten.
    pub forgotten_until: Option<Stamp>,
    /// Whether a clearing makes the peak 0 too, as the program sees it. Reports of a whole run want the run's peak.
    pub resets_peak: bool,
}

impl Commands {
    /// Those that are in the recording.
    pub fn new(recording: &Recording, process: ProcessIndex, resets_peak: bool) -> Commands {
        let mut commands = Commands {
            list: Vec::new(),
            next: 0,
            next_stamp: Stamp(u64::MAX),
            is_tracing: true,
            latest_start: Stamp(0),
            has_forgotten: false,
            forgotten_until: None,
            resets_peak,
        };
        recording.commands_of(process).for_each(|command| commands.add(command.clone()));
        commands
    }

    /// Passes over those up to `until`, whose effects are known. `has_forgotten` is what else was forgotten.
    pub fn pass(&mut self, until: Stamp, has_forgotten: bool) {
        while self.take_due(Stamp(until.0.saturating_add(1))).is_some() {}
        self.has_forgotten |= has_forgotten;
    }

    /// Adds one, which is not there yet. If its time has passed it is the next.
    pub fn add(&mut self, command: Command) {
        if command.kind != CommandKind::Mark {
            let to_come = self.list.get(self.next..).unwrap_or_default();
            let place = self.next + to_come.partition_point(|it| it.stamp <= command.stamp);
            self.list.insert(place, command);
            self.look_at_next();
        }
    }

    /// The next one, which is due before the event of `stamp`, with what it makes of the events.
    pub fn take_due(&mut self, stamp: Stamp) -> Option<Command> {
        let due = self.list.get(self.next).filter(|command| command.stamp < stamp)?.clone();
        self.next += 1;
        self.look_at_next();
        // Asked from outside to start while it did already, a process goes on as it was.
        self.has_forgotten |= due.kind != CommandKind::Start || !self.is_tracing;
        match due.kind {
            CommandKind::Start => {
                self.is_tracing = true;
                self.latest_start = self.latest_start.max(due.stamp);
            }
            CommandKind::Stop => self.is_tracing &= due.stamp < self.latest_start,
            CommandKind::Clear | CommandKind::Mark => {}
        }
        if due.kind != CommandKind::Start {
            self.forgotten_until = self.forgotten_until.max(Some(due.stamp));
        }
        Some(due)
    }

    fn look_at_next(&mut self) {
        self.next_stamp = self.list.get(self.next).map_or(Stamp(u64::MAX), |command| command.stamp);
    }
}
