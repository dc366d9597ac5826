//! Finds segments' headers by looking at the starts of grains, and reads again what a header says now: in a file that is
//! whole, or that is being written. Does not know which segments there are, and does not look into them.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;

use tm_common::error::DecodeError;
use tm_common::header::GRAIN_BYTES;
use tm_common::segment::{HEADER_BYTES, SegmentHeader};
use tm_common::varint::Writer;

use super::Problem;
use super::file::{OpenFile, RecordingFile};

/// A segment and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundSegment {
    /// Its header.
    pub header: SegmentHeader,
    /// Where it starts, in bytes from the file's start.
    pub offset: u64,
}

impl FoundSegment {
    /// The bytes of it that are in use and in the file, after its header.
    pub fn used_bytes(&self, file_len: u64) -> usize {
        let in_file = usize::try_from(file_len.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let room = self.header.len_bytes().min(in_file).saturating_sub(HEADER_BYTES);
        room.min(self.header.used as usize)
    }

    /// Whether there is no room for another record of events: a writer goes on in the next segment.
    pub fn is_full(&self) -> bool {
        HEADER_BYTES + self.header.used as usize + Writer::CAPACITY >= self.header.len_bytes()
    }

    /// Reads them.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self, file: &RecordingFile, buffer: &mut Vec<u8>) -> io::Result<()> {
        file.read(self.offset + HEADER_BYTES as u64, self.used_bytes(file.len_bytes()), buffer)
    }
}

/// Looks for headers, and keeps what was wrong with those that were looked at.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    buffer: Vec<u8>,
    /// Where those are that do not fit their own check, in bytes from the file's start.
    pub damaged: BTreeSet<u64>,
    /// Where the system could not read, in bytes from the file's start, ...
    pub unreadable: BTreeSet<u64>,
    /// ... and what it said the first time.
    pub reason: String,
}

/// How much is read at once, at most, where there is no segment.
const STRETCH_GRAINS: u64 = 64;
/// The size of a grain in bytes.
pub(crate) const GRAIN: u64 = GRAIN_BYTES as u64;

impl Headers {
    /// The first segment that begins in a range of grains.
    pub fn first_in(&mut self, file: &OpenFile, grains: Range<u64>) -> Option<FoundSegment> {
        let (mut at, end) = (grains.start, grains.end);
        // Mostly there is one right here: a look at its header is enough.
        let mut stretch = 1;
        while at < end {
            let mut len = HEADER_BYTES;
            if stretch > 1 {
                at = file.next_data(at * GRAIN)? / GRAIN;
                stretch = stretch.min(end.saturating_sub(at));
                len = stretch as usize * GRAIN_BYTES;
            }
            if let Err(error) = file.read(at * GRAIN, len, &mut self.buffer) {
                // Of a stretch that is not readable as a whole, each grain is tried.
                if len == HEADER_BYTES {
                    self.note_unreadable(at * GRAIN, &error);
                    at += 1;
                }
                stretch = 1;
                continue;
            }
            if self.buffer.is_empty() {
                return None; // The file ends before.
            }
            if let Some(found) = self.first_in_buffer(at) {
                return Some(found);
            }
            at += stretch;
            // The rest of an extent is short, and more is read the longer nothing comes.
            stretch = (stretch * 2).min(STRETCH_GRAINS);
        }
        None
    }

    /// The first segment that begins in the buffer, which was read at grain `at`.
    fn first_in_buffer(&mut self, at: u64) -> Option<FoundSegment> {
        for (place, grain) in self.buffer.chunks(GRAIN_BYTES).enumerate() {
            let offset = (at + place as u64) * GRAIN;
            match SegmentHeader::parse(grain.get(..HEADER_BYTES)?) {
                Ok(Some(header)) if header.grains > 0 => return Some(FoundSegment { header, offset }),
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => {
                    self.damaged.insert(offset);
                }
            }
        }
        None
    }

    /// How much is in use in the segment at `offset` bytes, as its header says now; `None` if that cannot be known.
    pub fn used_now(&mut self, file: &OpenFile, offset: u64) -> Option<u32> {
        if let Err(error) = file.read(offset, HEADER_BYTES, &mut self.buffer) {
            self.note_unreadable(offset, &error);
            return None;
        }
        match SegmentHeader::parse(&self.buffer) {
            Ok(Some(header)) => Some(header.used),
            // There was one.
            Ok(None) | Err(DecodeError::Invalid { .. }) => {
                self.damaged.insert(offset);
                None
            }
            // The file has become shorter.
            Err(_) => None,
        }
    }

    /// Notes that the system could not read at `offset` bytes.
    pub fn note_unreadable(&mut self, offset: u64, error: &io::Error) {
        if self.unreadable.is_empty() {
            self.reason = error.to_string();
        }
        self.unreadable.insert(offset);
    }

    /// What is to be said of what could not be read.
    pub fn unreadable_problem(&self) -> Option<Problem> {
        let count = self.unreadable.len() as u64;
        (count > 0).then(|| Problem::Unreadable { count, reason: self.reason.clone() })
    }
}
