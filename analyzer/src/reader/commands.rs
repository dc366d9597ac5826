//! What processes were told to do with their traces: recorded by themselves, or still waiting for them in the header.

use tm_common::header::Header;
use tm_common::ids::{ProcessIndex, Stamp, ThreadIndex};
use tm_common::metadata::CommandKind;

/// A command, which comes after all events up to and including its stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Command {
    /// Whose traces.
    pub process: ProcessIndex,
    /// When.
    pub stamp: Stamp,
    /// What.
    pub kind: CommandKind,
    /// Of a start, how many frames are kept from here on.
    pub argument: u32,
    /// Of a mark, its name.
    pub name: String,
    /// Who said so; `None` from outside of the process.
    pub thread: Option<ThreadIndex>,
}

/// Those that were recorded, and those that wait in the header; one that a process is just taking over may be in both.
pub(super) fn merge(mut commands: Vec<Command>, header: &Header) -> Vec<Command> {
    let waiting = header.requests.iter().flatten().map(|request| Command {
        process: request.process,
        stamp: request.stamp,
        kind: request.kind,
        argument: request.argument,
        name: name(&request.name),
        thread: None,
    });
    commands.extend(waiting);
    commands.sort();
    commands.dedup();
    commands
}

/// A name up to its NUL, if it has one.
pub(super) fn name(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned()
}
