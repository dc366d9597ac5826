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
//! that makes no difference to a reader that looks at each grain that was ever handed out.

use tm_common::header::Header;
use tm_common::segment::SegmentKind;

use super::grains::GrainSet;
use crate::reader::{FoundSegment, GRAIN, Headers, OpenFile};

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
    /// How many extents were found.
    pub n_extents: u64,
}

/// Ends from here on are no ends: the file is being cut, or damaged.
const END_MAX: u64 = 1 << 50;

impl Segments {
    /// Nothing is known.
    pub fn new() -> Segments {
        Segments { extents: Vec::new(), unknown: GrainSet::default(), end: 1, n_extents: 0 }
    }

    /// Finds what was begun since the last time. `header` was just read.
    pub fn look(&mut self, file: &OpenFile, header: &Header, headers: &mut Headers) -> Vec<FoundSegment> {
        if (self.end..END_MAX).contains(&header.end_grain) {
            self.unknown.add(self.end..header.end_grain);
            self.end = header.end_grain;
        }
        self.look_at_extents(file, headers);
        let (mut found, mut from) = (Vec::new(), 1);
        while let Some(range) = self.unknown.first_from(from) {
            from = match headers.first_in(file, range.clone()) {
                Some(segment) => self.take(segment, &mut found),
                None => range.end,
            };
        }
        found
    }

    /// What was handed out of extents since the last time is unknown.
    fn look_at_extents(&mut self, file: &OpenFile, headers: &mut Headers) {
        self.extents.retain_mut(|extent| {
            // What cannot be read now is read the next time.
            if let Some(used) = headers.used_now(file, extent.first * GRAIN) {
                let handed_out = u64::from(used).clamp(extent.handed_out, extent.grains);
                self.unknown.add(extent.first + extent.handed_out..extent.first + handed_out);
                extent.handed_out = handed_out;
            }
            extent.handed_out < extent.grains
        });
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
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;
    use std::os::unix::fs::FileExt;

    use tempfile::NamedTempFile;
    use tm_common::header::MappedHeader;
    use tm_common::ids::{ProcessIndex, Stamp};
    use tm_common::segment::SegmentHeader;

    use super::*;
    use crate::reader::file::RecordingFile;
    use tm_testing::{RecordingBuilder, header_bytes};

    /// A file of nothing but headers.
    struct HeadersAlone {
        file: NamedTempFile,
        open: OpenFile,
        segments: Segments,
        headers: Headers,
        end_grain: u64,
    }

    impl HeadersAlone {
        fn new() -> HeadersAlone {
            let file = NamedTempFile::new().expect("a temporary file");
            file.as_file().set_len(1 << 20).expect("it takes no room");
            let open =
                RecordingFile::open(file.path()).and_then(|mut file| file.reopen()).expect("it is there");
            HeadersAlone { file, open, segments: Segments::new(), headers: Headers::default(), end_grain: 1 }
        }

        fn put(&self, grain: u64, kind: SegmentKind, grains: u16, sequence: u32, used: u32) {
            let header = SegmentHeader {
                used,
                sequence,
                base_stamp: Stamp(grain),
                ..SegmentHeader::empty(kind, grains, ProcessIndex(0))
            };
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
            let found = self.segments.look(&self.open, &header, &mut self.headers);
            found.iter().map(|found| found.offset / GRAIN).collect()
        }
    }

    #[test]
    fn a_header_that_is_written_late_is_found_late_and_those_behind_it_are_not_missed() {
        let mut headers = HeadersAlone::new();
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
        assert_eq!((headers.segments.n_extents, headers.headers.unreadable.len()), (1, 0));
    }

    /// A process that ends gives back what it has not used, and the next extent begins there.
    #[test]
    fn an_extent_within_what_was_given_back_is_found() {
        let mut headers = HeadersAlone::new();
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
        let mut headers = HeadersAlone::new();
        for end_grain in [u64::MAX, 1 << 62, 0, 1 << 49] {
            headers.end_grain = end_grain;
            headers.extent(1, u32::MAX, u32::MAX);
            headers.look();
        }
        headers.events(100, u16::MAX);
        assert_eq!(headers.look(), [100]);
    }
}
