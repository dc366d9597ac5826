//! What is missing: what could not be decoded of streams, and what the events then do not explain.

use crate::reader::Problem;

/// What is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Segments whose events stop making sense, and segments that could not be read.
    pub segments: u64,
    /// Bytes passed over in the former.
    pub bytes: u64,
    /// Segments that the system could not read, and what it said the last time.
    pub unreadable: (u64, String),
    /// Segments that were missing when their turn came, and in how many streams. `reader` says that of a whole recording.
    pub missing: (u64, u64),
    /// Processes of which it is not known what they inherited.
    pub unknown_beginnings: u64,
    /// Frees of blocks that were never allocated.
    pub unknown_frees: u64,
    /// Allocations where a block was live.
    pub missed_frees: u64,
}

impl Damage {
    /// Notes a segment of which `bytes` bytes were passed over.
    pub(crate) fn add_segment(&mut self, bytes: usize) {
        self.segments += 1;
        self.bytes += bytes as u64;
    }

    /// Notes a segment that the system could not read.
    pub(crate) fn add_unreadable(&mut self, error: &std::io::Error) {
        self.unreadable = (self.unreadable.0 + 1, error.to_string());
    }

    /// Notes that `n_segments` of a stream were missing in one place.
    pub(crate) fn add_gap(&mut self, n_segments: u32) {
        self.missing.0 += u64::from(n_segments);
        self.missing.1 = u64::from(self.missing.0 > 0);
    }

    /// Adds another stream's.
    pub fn add(&mut self, other: &Damage) {
        let Damage { segments, bytes, missing, unreadable, unknown_frees, missed_frees, unknown_beginnings } =
            self;
        // What stands in a checkpoint may be any number.
        for (sum, more) in [
            (segments, other.segments),
            (bytes, other.bytes),
            (unknown_frees, other.unknown_frees),
            (missed_frees, other.missed_frees),
            (unknown_beginnings, other.unknown_beginnings),
            (&mut missing.0, other.missing.0),
            (&mut missing.1, other.missing.1),
            (&mut unreadable.0, other.unreadable.0),
        ] {
            *sum = sum.saturating_add(more);
        }
        if other.unreadable.0 > 0 {
            unreadable.1.clone_from(&other.unreadable.1);
        }
    }

    /// The same as sentences.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (count, streams) = self.missing;
        if count > 0 {
            problems.push(Problem::MissingSegments { count, streams });
        }
        if self.segments > 0 {
            problems.push(Problem::UndecodableEvents { segments: self.segments, bytes: self.bytes });
        }
        if self.unreadable.0 > 0 {
            let (count, reason) = self.unreadable.clone();
            problems.push(Problem::Unreadable { count, reason });
        }
        if self.unknown_beginnings > 0 {
            problems.push(Problem::UnknownBeginnings { count: self.unknown_beginnings });
        }
        if self.unknown_frees > 0 {
            problems.push(Problem::UnknownFrees { count: self.unknown_frees });
        }
        if self.missed_frees > 0 {
            problems.push(Problem::MissedFrees { count: self.missed_frees });
        }
        problems
    }
}
