//! Finds the segments of a file that is whole. Does not look into segments.

use tm_common::header::Header;
use tm_common::segment::{HEADER_BYTES, SegmentKind};

use super::file::RecordingFile;
use super::headers::{FoundSegment, GRAIN, Headers};
use super::problem::Problem;

/// How many segments of each kind a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the kinds of segments")]
pub struct SegmentCounts {
    pub events: u64,
    pub stacks: u64,
    pub metadata: u64,
    pub extents: u64,
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Layout {
    /// Segments of all kinds but extents, by place.
    pub segments: Vec<FoundSegment>,
    /// How many there are.
    pub counts: SegmentCounts,
    /// What is missing or damaged.
    pub problems: Vec<Problem>,
    /// The grain after the last extent, and the grain after what was handed out of it.
    last_extent: (u64, u64),
}

/// Looks at the whole file.
pub fn scan(file: &RecordingFile, header: &Header) -> Layout {
    let (mut layout, mut headers) = (Layout::default(), Headers::default());
    let (mut at, end) = (1, file.len_bytes().div_ceil(GRAIN));
    match file.opened() {
        Ok(open) => {
            while let Some(found) = headers.first_in(open, at..end) {
                at = layout.take(found);
            }
        }
        Err(error) => headers.note_unreadable(0, &error),
    }
    layout.finish(headers, file.len_bytes(), header.end_grain);
    layout
}

impl Layout {
    /// Notes a segment and returns the grain where the next one may start.
    fn take(&mut self, found: FoundSegment) -> u64 {
        let count = match found.header.kind {
            SegmentKind::Events => &mut self.counts.events,
            SegmentKind::Stacks => &mut self.counts.stacks,
            SegmentKind::Metadata => &mut self.counts.metadata,
            SegmentKind::Extent => &mut self.counts.extents,
        };
        *count += 1;
        let first = found.offset / GRAIN;
        if found.header.kind == SegmentKind::Extent {
            let grains = u64::from(found.header.sequence);
            let handed_out = u64::from(found.header.used).clamp(1, grains.max(1));
            self.last_extent = (first + grains, first + handed_out);
            return first + 1;
        }
        self.segments.push(found);
        first + u64::from(found.header.grains)
    }

    fn finish(&mut self, headers: Headers, file_len: u64, end_grain: u64) {
        // A normal exit gives back the room of the last extent that was not handed out, and says so in `end_grain`.
        // Whoever died before that may have left it to a copy to drop it.
        let (extents_end, handed_out_end) = self.last_extent;
        let untrimmed = extents_end == end_grain;
        let expected_grains = if untrimmed { handed_out_end.min(end_grain) } else { end_grain };
        let expected = expected_grains.saturating_mul(GRAIN);
        if file_len < expected {
            self.problems.push(Problem::Cut { found: file_len, expected });
        }
        if let Some(&first) = headers.damaged.first() {
            let count = headers.damaged.len() as u64;
            self.problems.push(Problem::DamagedHeaders { count, first });
        }
        self.problems.extend(headers.unreadable_problem());
        let cut = |found: &&FoundSegment| {
            let end = found.offset.saturating_add(found.header.len_bytes() as u64);
            let overlong = found.header.kind == SegmentKind::Events
                && found.header.used as usize > found.header.len_bytes() - HEADER_BYTES;
            overlong || (end > file_len && found.used_bytes(file_len) < found.header.used as usize)
        };
        let count = self.segments.iter().filter(cut).count() as u64;
        if count > 0 {
            self.problems.push(Problem::CutSegments { count });
        }
    }
}
