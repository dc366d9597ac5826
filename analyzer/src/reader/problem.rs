//! What is wrong with a recording that can be read all the same: one sentence each, with counts.

use std::fmt;

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
    /// Processes that have events and no record of their own.
    UnknownProcesses {
        /// How many.
        count: u64,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Problem::*;
        match self {
            Cut { found, expected } => {
                write!(f, "The file is cut: it has {found} bytes and had at least {expected}.")
            }
            DamagedHeaders { count, first } => {
                write!(f, "{count} segment headers are damaged, the first at byte {first}.")
            }
            MissingSegments { count, streams } => {
                write!(f, "At least {count} segments of events are missing in {streams} streams.")
            }
            DuplicateSegments { count } => write!(f, "{count} segments are there twice; the first is used."),
            CutSegments { count } => write!(f, "{count} segments are cut short."),
            Unreadable { count, reason } => {
                write!(f, "{count} parts of the file could not be read: {reason}.")
            }
            UndecodableEvents { segments, bytes } => {
                write!(f, "The events of {segments} segments are damaged, {bytes} bytes were passed over.")
            }
            DamagedStacks { count } => {
                write!(f, "{count} frames of stacks are damaged; the stacks end there.")
            }
            NewerStacks { count } => {
                write!(
                    f,
                    "{count} entries of stacks are of kinds that only a newer tmtool knows; they are left out."
                )
            }
            UnknownStacks { count } => write!(f, "The stacks of {count} blocks are not in the recording."),
            DamagedMetadata { count } => write!(f, "{count} metadata records are damaged."),
            UnknownFrees { count } => write!(f, "{count} frees of memory whose allocation was not seen."),
            MissedFrees { count } => write!(f, "{count} frees were not seen."),
            UnknownProcesses { count } => write!(f, "{count} processes have events and no description."),
        }
    }
}
