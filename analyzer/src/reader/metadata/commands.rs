//! What processes were told to do with their traces: recorded by themselves, or still waiting for them in the header.

use tm_common::header::Header;
use tm_common::ids::{ProcessIndex, Stamp, ThreadIndex};
use tm_common::metadata::{CommandKind, started_frames};

use crate::reader::Recording;

/// A command, which comes after all events up to and including its stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Command {
    /// Whose traces.
    pub process: ProcessIndex,
    /// When.
    pub stamp: Stamp,
    /// What.
    pub kind: CommandKind,
    /// For a start: the frames that are kept from here on.
    pub argument: u32,
    /// For a mark: its name.
    pub name: String,
    /// The thread that said so; `None` from outside of the process.
    pub thread: Option<ThreadIndex>,
}

/// Those that wait in the header. One that a process is just taking over may be recorded as well.
pub(crate) fn waiting(header: &Header) -> impl Iterator<Item = Command> + '_ {
    header.requests.iter().flatten().map(|request| Command {
        process: request.process,
        stamp: request.stamp,
        kind: request.kind,
        argument: argument(request.kind, request.argument),
        name: name(&request.name),
        thread: None,
    })
}

/// The argument without the rate of a start, which segments of events say.
pub(super) fn argument(kind: CommandKind, argument: u32) -> u32 {
    if kind == CommandKind::Start { started_frames(argument) } else { argument }
}

/// A name up to its NUL, if it has one.
pub(super) fn name(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned()
}

impl Recording {
    /// The most frames of a stack that were kept at any time.
    pub fn n_frames_max(&self) -> u32 {
        let started = self.commands.iter().filter(|command| command.kind == CommandKind::Start);
        let started = started.map(|command| command.argument).max().unwrap_or(0);
        without_limit(self.header.n_frames_max).max(started)
    }

    /// The most frames of a stack that `process` kept at a moment: of the blocks that were live then.
    pub fn n_frames_max_at(&self, process: ProcessIndex, stamp: Stamp) -> u32 {
        // A forked process goes on with what its parent had. Parents have smaller numbers, so the line ends.
        let mut line = vec![(process, stamp)];
        let mut next = self.process(process);
        while let Some((child, parent)) = next.and_then(|child| Some((child, child.parent?))) {
            line.push((parent, child.start));
            next = self.process(parent);
        }
        let first = without_limit(self.header.n_frames_max);
        line.iter().rev().fold(first, |n_frames_max, &(process, until)| {
            self.started_with(process, until).unwrap_or(n_frames_max)
        })
    }

    /// What `process` was told by the latest start up to `until` that was one; while it is tracing a start does nothing.
    fn started_with(&self, process: ProcessIndex, until: Stamp) -> Option<u32> {
        let (mut is_tracing, mut found) = (true, None);
        for command in self.commands_of(process).take_while(|command| command.stamp <= until) {
            match command.kind {
                CommandKind::Start if !is_tracing => (is_tracing, found) = (true, Some(command.argument)),
                CommandKind::Stop => is_tracing = false,
                CommandKind::Start | CommandKind::Clear | CommandKind::Mark => {}
            }
        }
        found.filter(|&n_frames_max| n_frames_max > 0)
    }
}

/// 0 stands for no limit.
fn without_limit(n_frames_max: u32) -> u32 {
    if n_frames_max == 0 { u32::MAX } else { n_frames_max }
}
