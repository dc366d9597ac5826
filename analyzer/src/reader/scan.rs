//! Finds the segments of a file by looking at all of it. Does not look into segments.

use std::collections::BTreeSet;

use tm_common::ids::ProcessIndex;
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
    pub totals: u64,
    pub checkpoints: u64,
    /// The grains of all of them: what was handed out, without what was claimed beyond it.
    pub grains: u64,
}

impl SegmentCounts {
    /// The size of all of them and the file's header, in bytes: without holes and what was claimed ahead.
    pub fn bytes(&self) -> u64 {
        self.grains.saturating_add(1).saturating_mul(GRAIN)
    }
}

/// An extent that one stream has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnExtent {
    /// Whose it is.
    pub process: ProcessIndex,
    /// Its first grain.
    pub first: u64,
    /// The grains that it has, with its header's.
    pub grains: u64,
    /// Whether all of it was handed out.
    pub is_full: bool,
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Layout {
    /// Segments of all kinds but extents, by place.
    pub segments: Vec<FoundSegment>,
    /// How many there are.
    pub counts: SegmentCounts,
    /// See [`super::Recording::own_extents`].
    pub own_extents: Vec<OwnExtent>,
    /// Where headers do not fit their own check, in bytes from the file's start.
    damaged: BTreeSet<u64>,
    unreadable: Option<Problem>,
    /// The grain after the last extent, and the grain after what was handed out of it.
    last_extent: (u64, u64),
}

/// Looks at the whole file, from its start to its end.
pub fn scan(file: &RecordingFile) -> Layout {
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
    layout.unreadable = headers.unreadable_problem();
    layout.damaged = headers.damaged;
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
            SegmentKind::Totals => &mut self.counts.totals,
            SegmentKind::Checkpoint => &mut self.counts.checkpoints,
        };
        *count += 1;
        self.counts.grains += u64::from(found.header.grains);
        let first = found.offset / GRAIN;
        if found.header.kind == SegmentKind::Extent {
            let grains = u64::from(found.header.sequence);
            let handed_out = u64::from(found.header.used).clamp(1, grains.max(1));
            if found.header.stream.0 > 0 {
                let (process, is_full) = (found.header.process, handed_out >= grains);
                self.own_extents.push(OwnExtent { process, first, grains, is_full });
            }
            self.last_extent = (first + grains, first + handed_out);
            return first + 1;
        }
        self.segments.push(found);
        first + u64::from(found.header.grains)
    }

    /// The events of this look with all else of a `later` one, of a file that is being written: so what the events refer to
    /// is there. A header that is damaged may be one that was half written: it is if the later look finds it so too.
    pub fn with_later(self, later: Layout) -> Layout {
        let are_events = |found: &FoundSegment| found.header.kind == SegmentKind::Events;
        let events = self.segments.into_iter().filter(are_events);
        let others = later.segments.into_iter().filter(|found| !are_events(found));
        Layout {
            segments: events.chain(others).collect(),
            damaged: &self.damaged & &later.damaged,
            unreadable: self.unreadable.or(later.unreadable),
            ..later
        }
    }

    /// What is missing or damaged. `written` is how many grains a file had at least that nobody writes to any more, by its
    /// header; of another, `None`.
    pub fn problems(&self, file_len: u64, written: Option<u64>) -> Vec<Problem> {
        let mut problems = Vec::new();
        // A normal exit gives back the room of the last extent that was not handed out, and says so in the header.
        // Whoever died before that may have left it to a copy to drop it.
        let (extents_end, handed_out_end) = self.last_extent;
        let expected_grains = written.map_or(0, |written| {
            let untrimmed = extents_end == written;
            if untrimmed { handed_out_end.min(written) } else { written }
        });
        let expected = expected_grains.saturating_mul(GRAIN);
        if file_len < expected {
            problems.push(Problem::Cut { found: file_len, expected });
        }
        if let Some(&first) = self.damaged.first() {
            let count = self.damaged.len() as u64;
            problems.push(Problem::DamagedHeaders { count, first });
        }
        problems.extend(self.unreadable.clone());
        let cut = |found: &&FoundSegment| {
            let end = found.offset.saturating_add(found.header.len_bytes() as u64);
            let overlong = found.header.kind == SegmentKind::Events
                && found.header.used as usize > found.header.len_bytes() - HEADER_BYTES;
            overlong || (end > file_len && found.used_bytes(file_len) < found.header.used as usize)
        };
        let count = self.segments.iter().filter(cut).count() as u64;
        if count > 0 {
            problems.push(Problem::CutSegments { count });
        }
        problems
    }
}
