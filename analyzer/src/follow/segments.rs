//! Finds segments as they are begun: looks at grains that were handed out since the last time, and again at those in which
//! there was nothing yet. Does not look into segments.
//!
//! ```text
//!          0        1                                end_grain
//!  file    | header | extent | seg | ? | seg |   ...  | ? ...
//!                     ^ used says how much of it was handed out; `?` was handed out, but no header stands there yet:
//!                       it is being written, or its writer has died, or the room was given back
//! ```
//!
//! Room that was given back at a process's end may come to belong to another extent, which then begins within the old one:
//! that is all one to whoever looks at each grain that was ever handed out.

use std::io;

use tm_common::header::{GRAIN_BYTES, Header};
use tm_common::segment::{HEADER_BYTES, SegmentHeader, SegmentKind};

use super::grains::GrainSet;
use crate::reader::{FoundSegment, OpenFile};

/// An extent that is not handed out wholly.
#[derive(Debug)]
struct Extent {
    first: u64,
    grains: u64,
    /// How many of them had been handed out when it was looked at, with its own header's.
    handed_out: u64,
}

/// What is known of where segments are.
#[derive(Debug)]
pub(super) struct Segments {
    extents: Vec<Extent>,
    /// Grains of which it is not known what is in them.
    unknown: GrainSet,
    /// The grain up to which all were looked at, or are unknown.
    end: u64,
    buffer: Vec<u8>,
    /// How many extents were found.
    pub n_extents: u64,
    /// How often the system could not read, and what it said.
    pub unreadable: (u64, String),
}

/// How much is read at once where there is no segment.
const STRETCH_GRAINS: u64 = 64;
const GRAIN: u64 = GRAIN_BYTES as u64;
/// Ends from here on are no ends: the file is being cut, or damaged.
const END_MAX: u64 = 1 << 50;

impl Segments {
    /// Nothing is known.
    pub fn new() -> Segments {
        Segments {
            extents: Vec::new(),
            unknown: GrainSet::default(),
            end: 1,
            buffer: Vec::new(),
            n_extents: 0,
            unreadable: Default::default(),
        }
    }

    /// Finds what was begun since the last time. `header` was just read.
    pub fn look(&mut self, file: &OpenFile, header: &Header) -> Vec<FoundSegment> {
        if (self.end..END_MAX).contains(&header.end_grain) {
            self.unknown.add(self.end..header.end_grain);
            self.end = header.end_grain;
        }
        self.look_at_extents(file);
        let (mut found, mut from) = (Vec::new(), 1);
        while let Some(range) = self.unknown.first_from(from) {
            from = match self.first_in(file, range.start, range.end) {
                Some(segment) => self.take(segment, &mut found),
                None => range.end,
            };
        }
        found
    }

    /// What was handed out of extents since the last time is unknown.
    fn look_at_extents(&mut self, file: &OpenFile) {
        let Segments { extents, unknown, buffer, .. } = self;
        extents.retain_mut(|extent| {
            // What cannot be read now is read the next time.
            let _ = file.read(extent.first * GRAIN, HEADER_BYTES, buffer);
            if let Ok(Some(header)) = SegmentHeader::parse(buffer) {
                let handed_out = u64::from(header.used).clamp(extent.handed_out, extent.grains);
                unknown.add(extent.first + extent.handed_out..extent.first + handed_out);
                extent.handed_out = handed_out;
            }
            extent.handed_out < extent.grains
        });
    }

    /// The first segment that begins in a range of grains.
    fn first_in(&mut self, file: &OpenFile, mut at: u64, end: u64) -> Option<FoundSegment> {
        // Mostly the room was taken for a segment that begins with it: a look at its header is enough.
        let mut stretch = 1;
        while at < end {
            let mut len = HEADER_BYTES;
            if stretch > 1 {
                at = file.next_data(at * GRAIN)? / GRAIN;
                stretch = STRETCH_GRAINS.min(end.saturating_sub(at));
                len = stretch as usize * GRAIN_BYTES;
            }
            if let Err(error) = file.read(at * GRAIN, len, &mut self.buffer) {
                self.note(&error);
                self.buffer.clear();
            } else if self.buffer.is_empty() {
                return None; // The file ends before.
            }
            for (place, grain) in self.buffer.chunks(GRAIN_BYTES).enumerate() {
                let header = SegmentHeader::parse(grain.get(..HEADER_BYTES)?);
                if let Ok(Some(header)) = header
                    && header.grains > 0
                {
                    return Some(FoundSegment { header, offset: (at + place as u64) * GRAIN });
                }
            }
            at += stretch;
            stretch = STRETCH_GRAINS;
        }
        None
    }

    /// Notes a segment; the grain from which on to look for the next one.
    fn take(&mut self, segment: FoundSegment, found: &mut Vec<FoundSegment>) -> u64 {
        let first = segment.offset / GRAIN;
        if segment.header.kind != SegmentKind::Extent {
            let end = first + u64::from(segment.header.grains);
            self.unknown.remove(first..end);
            found.push(segment);
            return end;
        }
        let grains = u64::from(segment.header.sequence).max(1);
        let handed_out = u64::from(segment.header.used).clamp(1, grains);
        self.unknown.remove(first..first + grains);
        self.unknown.add(first + 1..first + handed_out);
        self.end = self.end.max(first + grains);
        self.n_extents += 1;
        self.extents.push(Extent { first, grains, handed_out });
        first + 1
    }

    fn note(&mut self, error: &io::Error) {
        self.unreadable = (self.unreadable.0 + 1, error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;
    use std::os::unix::fs::FileExt;

    use tempfile::NamedTempFile;
    use tm_common::header::MappedHeader;
    use tm_common::ids::{ProcessIndex, RingIndex, Stamp, ThreadIndex};

    use super::*;
    use crate::reader::file::RecordingFile;
    use crate::reader::testing::{RecordingBuilder, header_bytes};

    /// A file of nothing but headers.
    struct Headers {
        file: NamedTempFile,
        open: OpenFile,
        segments: Segments,
        end_grain: u64,
    }

    impl Headers {
        fn new() -> Headers {
            let file = NamedTempFile::new().expect("a temporary file");
            file.as_file().set_len(1 << 20).expect("it takes no room");
            let open =
                RecordingFile::open(file.path()).and_then(|mut file| file.reopen()).expect("it is there");
            Headers { file, open, segments: Segments::new(), end_grain: 1 }
        }

        fn put(&self, grain: u64, kind: SegmentKind, grains: u16, sequence: u32, used: u32) {
            let (process, ring, thread) = (ProcessIndex(0), RingIndex(0), ThreadIndex(0));
            let base_stamp = Stamp(grain);
            let header = SegmentHeader { kind, grains, used, process, ring, sequence, thread, base_stamp };
            self.file.as_file().write_all_at(&header_bytes(&header), grain * GRAIN).expect("room for it");
        }

        fn extent(&self, grain: u64, size: u32, used: u32) {
            self.put(grain, SegmentKind::Extent, 1, size, used);
        }

        fn events(&self, grain: u64, grains: u16) {
            self.put(grain, SegmentKind::Events, grains, 0, 0);
        }

        /// The grains of what is found.
        fn look(&mut self) -> Vec<u64> {
            let mut bytes = RecordingBuilder::new().header(self.end_grain);
            let at = offset_of!(MappedHeader, end_grain);
            bytes[at..at + 8].copy_from_slice(&self.end_grain.to_le_bytes());
            let header = Header::parse(&bytes).expect("it is one");
            self.segments.look(&self.open, &header).iter().map(|found| found.offset / GRAIN).collect()
        }
    }

    #[test]
    fn a_header_that_is_written_late_is_found_late_and_those_behind_it_are_not_missed() {
        let mut headers = Headers::new();
        headers.end_grain = 40;
        assert_eq!(headers.look(), [0u64; 0], "the extent's own header is not there yet");
        headers.extent(1, 39, 7);
        headers.events(6, 2);
        assert_eq!(headers.look(), [6]);
        headers.extent(1, 39, 8);
        headers.events(4, 2);
        assert_eq!(headers.look(), [4]);
        headers.events(2, 2);
        headers.events(8, 1);
        assert_eq!(headers.look(), [2, 8]);
        assert_eq!(headers.look(), [0u64; 0]);
        assert_eq!((headers.segments.n_extents, headers.segments.unreadable.0), (1, 0));
    }

    /// A process that ends gives back what it has not used, and the next extent begins there.
    #[test]
    fn an_extent_within_what_was_given_back_is_found() {
        let mut headers = Headers::new();
        headers.end_grain = 21;
        headers.extent(1, 20, 4);
        headers.events(2, 3);
        assert_eq!(headers.look(), [2]);
        headers.extent(1, 20, 20);
        headers.end_grain = 5;
        assert_eq!(headers.look(), [0u64; 0]);
        headers.end_grain = 15;
        headers.extent(5, 10, 3);
        headers.events(6, 2);
        assert_eq!(headers.look(), [6]);
        // Claimed beyond the old end.
        headers.end_grain = 55;
        headers.extent(15, 40, 31);
        headers.events(40, 6);
        assert_eq!(headers.look(), [40]);
        headers.extent(5, 10, 4);
        headers.events(8, 1);
        assert_eq!(headers.look(), [8]);
    }

    #[test]
    fn ends_that_make_no_sense_are_passed_over() {
        let mut headers = Headers::new();
        for end_grain in [u64::MAX, 1 << 62, 0, 1 << 49] {
            headers.end_grain = end_grain;
            headers.extent(1, u32::MAX, u32::MAX);
            headers.look();
        }
        headers.events(100, u16::MAX);
        assert_eq!(headers.look(), [100]);
    }
}
