//! Where a recording has what: its segments, and how a changed segment header is made to look right again.

use std::mem::offset_of;

use tm_common::header::GRAIN_BYTES;
use tm_common::ids::{ProcessIndex, Stamp, StreamIndex, ThreadIndex};
use tm_common::sampling::SampleRate;
use tm_common::segment::{HEADER_BYTES, MappedSegment, SegmentHeader, SegmentKind};

/// A segment of a file.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Where it starts.
    pub start: usize,
    /// Its size with its header, as far as it is in the file.
    pub len: usize,
    /// Its header.
    pub header: SegmentHeader,
}

impl Part {
    /// Where its content starts.
    pub fn content(&self) -> usize {
        self.start + HEADER_BYTES
    }

    /// How many bytes of content are in use.
    pub fn used(&self) -> usize {
        (self.header.used as usize).min(self.len - HEADER_BYTES)
    }
}

/// The segments of `file`, extents left out.
pub fn parts(file: &[u8]) -> Vec<Part> {
    let (mut parts, mut start) = (Vec::new(), GRAIN_BYTES);
    while let Some(bytes) = file.get(start..start + HEADER_BYTES) {
        match SegmentHeader::parse(bytes) {
            Ok(Some(header)) if header.kind != SegmentKind::Extent && header.grains > 0 => {
                let len = header.len_bytes().min(file.len() - start);
                parts.push(Part { start, len, header });
                start += header.len_bytes();
            }
            _ => start += GRAIN_BYTES,
        }
    }
    parts
}

/// The segments of `file` of one kind.
pub fn parts_of(file: &[u8], kind: SegmentKind) -> Vec<Part> {
    parts(file).into_iter().filter(|part| part.header.kind == kind).collect()
}

/// The fields of a segment header, as (offset, bytes).
pub const SEGMENT_FIELDS: [(usize, usize); 9] = [
    (offset_of!(MappedSegment, kind), 2),
    (offset_of!(MappedSegment, grains), 2),
    (offset_of!(MappedSegment, used), 4),
    (offset_of!(MappedSegment, process), 4),
    (offset_of!(MappedSegment, stream), 4),
    (offset_of!(MappedSegment, sequence), 4),
    (offset_of!(MappedSegment, thread), 4),
    (offset_of!(MappedSegment, base_stamp), 8),
    (offset_of!(MappedSegment, sample_bytes), 8),
];

/// Gives the segment header at `start` the check that its fields ask for, as one who forges a recording would.
pub fn seal(file: &mut [u8], start: usize) {
    let word = |at: usize| u32::from_le_bytes(file[start + at..][..4].try_into().expect("4 bytes"));
    let (kind, grains) = (word(offset_of!(MappedSegment, kind)) as u16, word(4) >> 16);
    let kinds = [
        SegmentKind::Events,
        SegmentKind::Stacks,
        SegmentKind::Metadata,
        SegmentKind::Extent,
        SegmentKind::Totals,
        SegmentKind::Checkpoint,
    ];
    let Some(kind) = kinds.into_iter().find(|known| *known as u16 == kind) else { return };
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    let sample_bytes = long(offset_of!(MappedSegment, sample_bytes));
    let Some(sample_rate) = SampleRate::of_bytes(sample_bytes) else { return };
    let header = SegmentHeader {
        kind,
        grains: grains as u16,
        used: 0,
        process: ProcessIndex(word(offset_of!(MappedSegment, process))),
        stream: StreamIndex(word(offset_of!(MappedSegment, stream))),
        sequence: word(offset_of!(MappedSegment, sequence)),
        thread: ThreadIndex(word(offset_of!(MappedSegment, thread))),
        base_stamp: Stamp(long(offset_of!(MappedSegment, base_stamp))),
        sample_rate,
    };
    let check = header.mapped().check;
    put(file, start + offset_of!(MappedSegment, check), 4, u64::from(check));
}

/// Writes the low `n_bytes` of `value` at `at`, as far as the file goes.
pub fn put(file: &mut [u8], at: usize, n_bytes: usize, value: u64) {
    for (byte, new) in file.iter_mut().skip(at).zip(value.to_le_bytes()).take(n_bytes) {
        *byte = new;
    }
}
