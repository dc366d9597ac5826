//! What is wrong with a recording that can be read all the same: one sentence each, with counts.

use std::fmt;

use super::file::RecordingFile;
use crate::bundle::Bundle;
use crate::text::words::{counted, verb};

/// Something that is missing or damaged. Everything else was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file ends before what its header says it holds.
    Cut {
        /// The file's size in bytes.
        found: u64,
        /// The size it would have to have in bytes, at least.
        expected: u64,
    },
    /// The packed file ends before its last block.
    PackedCut,
    /// Places in a packed file where a block should be and is none, or one that holds what another one holds.
    DamagedBlocks {
        /// How many, at least.
        count: u64,
    },
    /// Parts of the names that a packed file carries and that cannot be read.
    DamagedNames {
        /// How many.
        count: u64,
    },
    /// What stands in place of the first events cannot be read.
    DamagedCheckpoint,
    /// Segment headers that do not fit their own check.
    DamagedHeaders {
        /// How many.
        count: u64,
        /// Where the first one is, in bytes from the file's start.
        first: u64,
    },
    /// Places in streams' chains where no segment was found, and streams without any.
    MissingSegments {
        /// How many segments, at least.
        count: u64,
        /// In how many streams.
        streams: u64,
    },
    /// Segments of which there are two; the first is used.
    DuplicateSegments {
        /// How many are not used.
        count: u64,
    },
    /// Segments that the end of the file cuts short, or whose sizes lead beyond them.
    CutSegments {
        /// How many.
        count: u64,
    },
    /// Parts of the file that the system could not read.
    Unreadable {
        /// How many reads failed.
        count: u64,
        /// What the system said the first time.
        reason: String,
    },
    /// Segments whose events stop making sense.
    UndecodableEvents {
        /// How many segments.
        segments: u64,
        /// The bytes from there to their ends.
        bytes: u64,
    },
    /// Stack nodes that cannot be read, or whose callers lead nowhere or in circles. The stacks end there.
    DamagedStacks {
        /// How many nodes.
        count: u64,
    },
    /// Stack nodes of kinds that this reader does not know.
    NewerStacks {
        /// How many nodes.
        count: u64,
    },
    /// Blocks whose stack is not in the recording.
    UnknownStacks {
        /// How many blocks.
        count: u64,
    },
    /// Metadata records that cannot be read.
    DamagedMetadata {
        /// How many.
        count: u64,
    },
    /// Frees and reallocations of blocks whose allocation is not known.
    UnknownFrees {
        /// How many.
        count: u64,
    },
    /// Blocks that came where one was live: its free is not known.
    MissedFrees {
        /// How many.
        count: u64,
    },
    /// Processes that were forked before the moment up to which events are folded, and had written nothing by then.
    UnknownBeginnings {
        /// How many.
        count: u64,
    },
    /// Processes that have events and no record of their own.
    UnknownProcesses {
        /// How many.
        count: u64,
    },
}

impl Problem {
    /// What is wrong with the names that a packed file carries.
    pub(super) fn of_bundle(bundle: &Bundle) -> Option<Problem> {
        (bundle.n_damaged > 0).then_some(Problem::DamagedNames { count: bundle.n_damaged })
    }

    /// What is wrong with a file as a packed one.
    pub(super) fn of_packed(file: &RecordingFile) -> Vec<Problem> {
        let Some(packed) = file.packed() else { return Vec::new() };
        let damaged = Problem::DamagedBlocks { count: packed.n_damaged };
        let unreadable = packed.unreadable.clone().map(|reason| Problem::Unreadable { count: 1, reason });
        let cut = packed.is_cut.then_some(Problem::PackedCut);
        cut.into_iter().chain((packed.n_damaged > 0).then_some(damaged)).chain(unreadable).collect()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Problem::*;
        let are = |n: &u64| verb(*n, "is", "are");
        let were = |n: &u64| verb(*n, "was", "were");
        let some = |n: &u64, noun: &str| counted(*n, noun);
        match self {
            Cut { found, expected } => {
                write!(f, "The file is cut: it has {found} bytes and had at least {expected}.")
            }
            PackedCut => f.write_str("The packed file is cut; what its last blocks held is missing."),
            DamagedBlocks { count: n } => {
                write!(f, "{} of the packed file {} damaged.", some(n, "block"), are(n))
            }
            DamagedNames { count: n } => {
                let parts = some(n, "part");
                let looked = "what was in there is looked for in the files of this machine";
                write!(f, "{parts} of the names in the packed file {} damaged; {looked}.", are(n))
            }
            DamagedCheckpoint => f.write_str(
                "The checkpoint is damaged: all that happened before the events that are left is missing, what lived then with it.",
            ),
            DamagedHeaders { count: n, first } => {
                write!(f, "{} {} damaged, the first at byte {first}.", some(n, "segment header"), are(n))
            }
            MissingSegments { count: n, streams } => {
                let (segments, streams) = (some(n, "segment"), some(streams, "stream"));
                write!(f, "At least {segments} of events {} missing in {streams}.", are(n))
            }
            DuplicateSegments { count: n } => {
                write!(f, "{} {} there twice; the first is used.", some(n, "segment"), are(n))
            }
            CutSegments { count: n } => write!(f, "{} {} cut short.", some(n, "segment"), are(n)),
            Unreadable { count: n, reason } => {
                write!(f, "{} of the file could not be read: {reason}.", some(n, "part"))
            }
            UndecodableEvents { segments, bytes } => {
                let (segments, passed) = (some(segments, "segment"), some(bytes, "byte"));
                write!(f, "The events of {segments} are damaged, {passed} {} passed over.", were(bytes))
            }
            DamagedStacks { count: n } => {
                let end = verb(*n, "the stack ends", "the stacks end");
                write!(f, "{} of stacks {} damaged; {end} there.", some(n, "frame"), are(n))
            }
            NewerStacks { count: n } => {
                let left = verb(*n, "it is left out", "they are left out");
                let kinds = "of kinds that only a newer tmtool knows";
                write!(f, "{} of stacks {} {kinds}; {left}.", some(n, "entry"), are(n))
            }
            UnknownStacks { count: n } => {
                write!(f, "The stacks of {} are not in the recording.", some(n, "block"))
            }
            DamagedMetadata { count: n } => write!(f, "{} {} damaged.", some(n, "metadata record"), are(n)),
            UnknownFrees { count: n } => write!(
                f,
                "{} of memory whose allocation was not seen; that memory is not in the figures.",
                some(n, "free")
            ),
            MissedFrees { count: n } => {
                let address = verb(*n, "its address was", "their addresses were");
                let again = format!("{address} allocated again while still in use");
                let others = "Other memory that was freed unseen counts as live";
                write!(f, "{} {} not seen: {again}. {others}.", some(n, "free"), were(n))
            }
            UnknownBeginnings { count: n } => {
                let what = "inherited from the process that forked";
                let when = "events up to then had been folded before";
                write!(f, "What {} {what} {} is not known: {when}.", some(n, "process"), verb(*n, "it", "them"))
            }
            UnknownProcesses { count: n } => {
                write!(f, "{} {} events and no description.", some(n, "process"), verb(*n, "has", "have"))
            }
        }
    }
}
