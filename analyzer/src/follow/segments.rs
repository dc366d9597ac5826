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
