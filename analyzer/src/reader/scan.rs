//! Finds the segments of a file by looking at its grains. Does not look into segments.

use tm_common::header::{GRAIN_BYTES, Header};
use tm_common::segment::{HEADER_BYTES, SegmentHeader, SegmentKind};

use super::file::RecordingFile;
use super::problem::Problem;

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
}

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
    damaged: u64,
    first_damaged: u64,
    read_errors: u64,
    read_error: String,
}

/// How much is read at once where there is no segment.
const STRETCH_BYTES: usize = 64 * GRAIN_BYTES;
const GRAIN: u64 = GRAIN_BYTES as u64;

/// Looks at the whole file.
pub fn scan(file: &RecordingFile, header: &Header) -> Layout {
    let mut layout = Layout::default();
    let mut buffer = Vec::new();
    let mut offset = GRAIN;
    // After a segment mostly another one follows: a look at its header is enough.
    let mut stretch = HEADER_BYTES;
    while offset < file.len_bytes() {
        if stretch > HEADER_BYTES {
            match file.next_data(offset) {
                Some(data) => offset = data / GRAIN * GRAIN,
                None => break,
            }
        }
        if let Err(error) = file.read(offset, stretch, &mut buffer) {
            layout.read_failed(&error);
            offset += GRAIN;
            continue;
        }
        match layout.first_in(&buffer, offset) {
            Some(found) => {
                offset = layout.take(found);
                stretch = HEADER_BYTES;
            }
            None => {
                offset += (stretch as u64).next_multiple_of(GRAIN);
                stretch = STRETCH_BYTES;
            }
        }
    }
    layout.finish(file.len_bytes(), header.end_grain);
    layout
}

impl Layout {
    /// The first segment that starts in `buffer`, which was read at `offset`.
    fn first_in(&mut self, buffer: &[u8], offset: u64) -> Option<FoundSegment> {
        for (place, grain) in buffer.chunks(GRAIN_BYTES).enumerate() {
            let offset = offset + place as u64 * GRAIN;
            match SegmentHeader::parse(grain.get(..HEADER_BYTES)?) {
                Ok(Some(header)) if header.grains > 0 => return Some(FoundSegment { header, offset }),
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => self.damaged_header(offset),
            }
        }
        None
    }

    /// Notes a segment and returns where the next one may start.
    fn take(&mut self, found: FoundSegment) -> u64 {
        let count = match found.header.kind {
            SegmentKind::Events => &mut self.counts.events,
            SegmentKind::Stacks => &mut self.counts.stacks,
            SegmentKind::Metadata => &mut self.counts.metadata,
            SegmentKind::Extent => &mut self.counts.extents,
        };
        *count += 1;
        if found.header.kind == SegmentKind::Extent {
            let (first, grains) = (found.offset / GRAIN, u64::from(found.header.sequence));
            let handed_out = u64::from(found.header.used).clamp(1, grains.max(1));
            self.last_extent = (first + grains, first + handed_out);
            return found.offset + GRAIN;
        }
        self.segments.push(found);
        found.offset + found.header.len_bytes() as u64
    }

    fn damaged_header(&mut self, offset: u64) {
        if self.damaged == 0 {
            self.first_damaged = offset;
        }
        self.damaged += 1;
    }

    fn read_failed(&mut self, error: &std::io::Error) {
        if self.read_errors == 0 {
            self.read_error = error.to_string();
        }
        self.read_errors += 1;
    }

    fn finish(&mut self, file_len: u64, end_grain: u64) {
        // A normal exit gives back the room of the last extent that was not handed out, and says so in `end_grain`.
        // Whoever died before that may have left it to a copy to drop it.
        let (extents_end, handed_out_end) = self.last_extent;
        let untrimmed = extents_end == end_grain;
        let expected_grains = if untrimmed { handed_out_end.min(end_grain) } else { end_grain };
        let expected = expected_grains.saturating_mul(GRAIN);
        if file_len < expected {
            self.problems.push(Problem::Cut { found: file_len, expected });
        }
        if self.damaged > 0 {
            self.problems.push(Problem::DamagedHeaders { count: self.damaged, first: self.first_damaged });
        }
        if self.read_errors > 0 {
            let reason = std::mem::take(&mut self.read_error);
            self.problems.push(Problem::Unreadable { count: self.read_errors, reason });
        }
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
