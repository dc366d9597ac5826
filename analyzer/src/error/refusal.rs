//! Why a file cannot answer a request: what it does not have, and what there is instead.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::text::words::listed;

/// A reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no process with this pid.
    NoProcess {
        /// What was asked for.
        pid: u32,
        /// Those that it has.
        known: Vec<u32>,
    },
    /// It has no thread of this number, name or pattern.
    NoThread {
        /// What was asked for.
        text: String,
        /// Those that it has: number and name.
        known: Vec<String>,
    },
    /// The thread is of a process that is not asked for.
    OtherProcess {
        /// What was asked for.
        text: String,
        /// The process.
        pid: u32,
    },
    /// It has no such tag.
    NoTag {
        /// What was asked for.
        name: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// It has no such domain.
    NoDomain {
        /// What was asked for.
        text: String,
        /// Those that it has.
        known: Vec<String>,
        /// Whether it knows names of a program's own domains.
        has_names: bool,
    },
    /// The window ends before it starts.
    EmptyWindow {
        /// Its moments.
        window: String,
    },
    /// Each of all processes has a peak of its own.
    NoCommonPeak,
    /// Each of all processes has this for itself.
    OneProcess {
        /// "a peak".
        what: &'static str,
    },
    /// The shortest age is above the longest.
    NoSuchAge,
    /// It is a snapshot, which knows nothing of this.
    NotInSnapshot {
        /// A plural: "threads".
        what: &'static str,
    },
    /// It is a snapshot, of one moment.
    OneMoment {
        /// The moment that was asked for.
        asked: String,
    },
    /// It is a snapshot, and all events are needed.
    NeedsEvents,
    /// It is packed, and only what is being written can be followed.
    Packed,
    /// It is not packed.
    NotPacked,
    /// It is packed, and its file is cut or damaged.
    PackedDamaged,
    /// Somebody still writes to it.
    StillWritten,
    /// It holds samples, and something is of every block.
    Samples {
        /// What.
        what: &'static str,
    },
}

impl Refusal {
    /// The error that the file at `path` gives this answer.
    pub fn of(self, path: &Path) -> Error {
        Error::Refused { path: PathBuf::from(path), why: self }
    }

    /// Whether the request makes no sense for any such file, and not only for this one.
    pub fn is_of_request(&self) -> bool {
        use Refusal::*;
        match self {
            NoProcess { .. } | NoThread { .. } | OtherProcess { .. } | NoTag { .. } | NoDomain { .. } => {
                false
            }
            Packed | NotPacked | PackedDamaged | StillWritten => false,
            EmptyWindow { .. } | NoCommonPeak | OneProcess { .. } | NoSuchAge => true,
            NotInSnapshot { .. } | OneMoment { .. } | NeedsEvents | Samples { .. } => true,
        }
    }
}

/// The sentence without the file's name, which stands before it.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Refusal::*;
        match self {
            NoProcess { pid, known } => {
                let known: Vec<String> = known.iter().map(u32::to_string).collect();
                write!(f, "has no process {pid}; {}", listed("process", &known))
            }
            NoThread { text, known } => write!(f, "has no thread '{text}'; {}", listed("thread", known)),
            OtherProcess { text, pid } => {
                write!(f, "has thread '{text}' in process {pid}, which is not asked for")
            }
            NoTag { name, known } => write!(f, "has no tag '{name}'; {}", listed("tag", known)),
            NoDomain { text, known, has_names } => {
                let names = if *has_names {
                    ""
                } else {
                    " (a snapshot stores a program's own domains by number only)"
                };
                write!(f, "has no domain '{text}'{names}; {}", listed("domain", known))
            }
            EmptyWindow { window } => write!(f, "has no time {window}: the first is not before the second"),
            NoCommonPeak => f.write_str("has a peak for each process; give a time instead"),
            OneProcess { what } => write!(f, "has {what} for each process; choose one"),
            NoSuchAge => f.write_str("has no block that is both as old and as young as is asked for"),
            NotInSnapshot { what } => write!(f, "is a snapshot, which knows no {what}; give the recording"),
            OneMoment { asked } => {
                let what = format!("is a snapshot of one moment, so '{asked}' cannot be taken from it");
                write!(f, "{what}; leave the moment out, or give the recording")
            }
            Packed => f.write_str("is a packed recording, to which nobody writes any more"),
            NotPacked => f.write_str("is a recording that is not packed"),
            PackedDamaged => f.write_str(
                "is a packed recording that is cut or damaged, which nobody would see of what is made of it",
            ),
            StillWritten => f.write_str("is still being written"),
            NeedsEvents => {
                f.write_str("is a snapshot of live blocks, and this needs all events; give the recording")
            }
            Samples { what } => {
                write!(
                    f,
                    "holds samples, and {what} has a row for every block; export sums, as pprof has them"
                )
            }
        }
    }
}
