//! Why something could not be done: a variant a reason, for callers to match, and one sentence that names the file and what
//! was found. What to do about it, a caller's own commands know better: the sentences give no advice.

use std::io;
use std::path::{Path, PathBuf};

use tm_common::error::DecodeError;
use tm_common::ids::ProcessIndex;

mod refusal;
mod sentence;

pub use refusal::Refusal;

/// What can go wrong outside of the analysis itself.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read or written.
    Io {
        /// What was being done, an infinitive: "read", "create".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not a recording that this version reads: [`DecodeError::NotARecording`], [`DecodeError::NewerVersion`] ...
    Format {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        source: DecodeError,
    },
    /// What has the name is not a regular file.
    NotAFile {
        /// The name.
        path: PathBuf,
        /// What it is instead.
        kind: FileKind,
    },
    /// A file has to be unpacked first.
    Compressed {
        /// The file; [`STANDARD_INPUT`] for that.
        path: PathBuf,
        /// The program that unpacks it.
        program: &'static str,
    },
    /// A recording has no byte.
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Another file has the recording's name by now.
    Replaced {
        /// The name.
        path: PathBuf,
    },
    /// A file is not a snapshot.
    NotASnapshot {
        /// The file.
        path: PathBuf,
    },
    /// A snapshot is of a format that this version does not read.
    OtherSnapshotVersion {
        /// The file.
        path: PathBuf,
        /// The version that it gives.
        found: u32,
        /// The one that is read.
        known: u32,
    },
    /// A snapshot is cut, damaged, or contradicts itself.
    DamagedSnapshot {
        /// The file.
        path: PathBuf,
        /// What is wrong, a clause: "the snapshot is ...".
        what: String,
    },
    /// A snapshot has more different stacks than a file can hold.
    TooManyStacks,
    /// The recording has no such process.
    NoSuchProcess {
        /// The recording.
        path: PathBuf,
        /// The one that was asked for.
        process: ProcessIndex,
        /// How many it has.
        known: usize,
    },
    /// The process was forked after the moment that was asked for: all blocks were its parent's then.
    BeganLater {
        /// The recording.
        path: PathBuf,
        /// The process.
        pid: u32,
        /// When it was forked, in ns since the recording's start.
        began_ns: u64,
        /// The moment that was asked for.
        until_ns: u64,
    },
    /// What stands in place of a recording's first events is damaged, or written by another version.
    NewerCheckpoint {
        /// The recording.
        path: PathBuf,
    },
    /// A process had ended when its events were folded into sums.
    Closed {
        /// The recording.
        path: PathBuf,
        /// The process.
        pid: u32,
        /// Up to when it was folded, in ns since the recording's start.
        folded_ns: u64,
    },
    /// Events of a recording that is being followed were folded into sums.
    Folded {
        /// The recording.
        path: PathBuf,
    },
    /// The moment is one whose events are folded into sums.
    BeforeTheEvents {
        /// The recording.
        path: PathBuf,
        /// The moment, in ns since the recording's start.
        ns: u64,
        /// Up to when events are folded, likewise.
        folded_ns: u64,
    },
    /// The recording has no such mark.
    NoSuchMark {
        /// The recording.
        path: PathBuf,
        /// The one that was asked for.
        name: String,
        /// Those that it has, and when in ns since the recording's start, in their order.
        known: Vec<(String, u64)>,
    },
    /// The recording ends before the moment that was asked for.
    AfterTheEnd {
        /// The recording.
        path: PathBuf,
        /// The moment, in ns since the recording's start.
        ns: u64,
        /// How long the recording is.
        duration_ns: u64,
        /// Whether it is still being written, so that the moment is to come.
        is_unfinished: bool,
    },
    /// A file cannot answer a request.
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        why: Refusal,
    },
    /// A text is no window of time.
    NotAWindow {
        /// The text.
        text: String,
    },
    /// No process of this machine has the pid.
    NoSuchPid {
        /// The pid.
        pid: u32,
    },
    /// The process has ended, and only its parent has not asked yet how.
    HasEnded {
        /// The process.
        pid: u32,
    },
    /// The process is another user's.
    MayNotBeLookedAt {
        /// The process.
        pid: u32,
    },
    /// The kernel does not tell of the process.
    CannotBeLookedAt {
        /// The process.
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
    /// The recording's clock is none of this machine's.
    UnknownClock {
        /// The recording.
        path: PathBuf,
    },
    /// A text is none of the moments that there are.
    NotAMoment {
        /// The text.
        text: String,
    },
    /// A text is none of the keys that blocks are grouped by.
    UnknownKey {
        /// The text.
        text: String,
    },
    /// A text is no regular expression.
    NotAnExpression {
        /// The text.
        text: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// The key has no callers that could be summed up.
    NotCumulative {
        /// The key.
        key: &'static str,
    },
}

/// The name of standard input.
pub const STANDARD_INPUT: &str = "-";

/// What can have a name, besides regular files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A folder.
    Directory,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
}

/// The result of everything that touches files.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failed system call on `path`.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Io { action, path: path.to_owned(), source }
    }

    /// A file with the wrong content.
    pub fn format(path: &Path, source: DecodeError) -> Error {
        Error::Format { path: path.to_owned(), source }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } | Error::CannotBeLookedAt { source, .. } => Some(source),
            Error::Format { source, .. } => Some(source),
            _ => None,
        }
    }
}
