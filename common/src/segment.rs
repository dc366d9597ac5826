//! The 64 bytes that every segment starts with, `docs/format.md` section "Segments".

use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::error::DecodeError;
use crate::header::GRAIN_BYTES;
use crate::ids::{ProcessIndex, Stamp, StreamIndex, ThreadIndex};
use crate::sampling::SampleRate;

/// The first bytes of a segment: "TMSG".
pub const MAGIC: u32 = u32::from_le_bytes(*b"TMSG");
/// The size of the header.
pub const HEADER_BYTES: usize = 64;
/// The largest segment of a recorded process: 64 KiB, the steady size of a stream's and of the stack table's segments. A part
/// of a checkpoint is as large as an extent.
pub const GRAINS_MAX: u16 = 16;

/// Stands in [`MappedSegment::stream`] of an extent that a stream takes for itself before it has a number.
pub const UNNUMBERED: u32 = u32::MAX;

/// The kinds of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum SegmentKind {
    /// Events of one stream, see [`crate::event`].
    Events = 1,
    /// Nodes of the stack table, see [`crate::stack`].
    Stacks = 2,
    /// Processes, threads, modules and texts, see [`crate::metadata`].
    Metadata = 3,
    /// The first grain of an extent: nothing but the extent's own header.
    Extent = 4,
    /// What threads that sample did, a line each, see [`crate::sampling`].
    Totals = 5,
    /// A part of what stands in place of the events that a keeper has folded.
    Checkpoint = 6,
}

/// A segment's header as it stands in the mapped file.
///
/// ```text
///  byte 0         4       6         8            12         16
///       | magic   | kind  | grains  | used       | process  |
///    16 | stream  | sequence        | thread     | check    |
///    32 | base stamp                | sample bytes          | next free | pushed as
/// ```
#[repr(C)]
#[derive(Debug)]
pub struct MappedSegment {
    /// [`MAGIC`].
    pub magic: u32,
    /// A [`SegmentKind`].
    pub kind: u16,
    /// The segment's size in grains of 4,096 bytes, with this header.
    pub grains: u16,
    /// Bytes in use after the header. Events: committed by the stream's thread after each record. Stacks and metadata:
    /// claimed by each writer, so that the last ones may not be written yet; may exceed the segment; so are lines of
    /// totals. Extents: the grains that were taken from it, with this one.
    pub used: AtomicU32,
    /// The process that took the segment.
    pub process: u32,
    /// Events: the stream. Extents: one more than the stream that has it for itself, where there is a limit, or [`UNNUMBERED`];
    /// else 0.
    /// Checkpoints: the number. Stacks: 0.
    pub stream: u32,
    /// Events: the place in the stream's chain, from 0. Stacks: the segment's number in [`crate::ids::StackId`]s.
    /// Extents: its size in grains. Checkpoints: the number of the part, from 0.
    pub sequence: u32,
    /// Events: the thread of the first event.
    pub thread: u32,
    /// `check` of the fields above but `used`, and of `base_stamp` and `sample_bytes`.
    pub check: u32,
    /// Events: what the first time difference counts from. Extents: their first grain. Checkpoints: the moment up to which
    /// events are folded.
    pub base_stamp: u64,
    /// Events: the mean bytes from one sample to the next, a [`SampleRate`]; 0 if every event is here.
    pub sample_bytes: u64,
    /// Extents that a keeper has: a word of [`crate::free_list`]. 0 of all else. It changes, so the check is not of it, ...
    pub next_free: AtomicU64,
    /// ... nor of this: one more than the number that [`crate::free_list::Top::n_pushed`] was before it was put on the list;
    /// 0 before.
    pub pushed_as: AtomicU64,
}

const _: () = assert!(size_of::<MappedSegment>() == HEADER_BYTES);

impl MappedSegment {
    /// Returns it as it stands in a file.
    #[must_use]
    pub fn into_bytes(self) -> [u8; HEADER_BYTES] {
        // SAFETY: it is repr(C) without padding (its size is the sum of its fields').
        unsafe { core::mem::transmute::<MappedSegment, [u8; HEADER_BYTES]>(self) }
    }
}

/// A segment's header as read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of MappedSegment")]
pub struct SegmentHeader {
    pub kind: SegmentKind,
    pub grains: u16,
    pub used: u32,
    pub process: ProcessIndex,
    pub stream: StreamIndex,
    pub sequence: u32,
    pub thread: ThreadIndex,
    pub base_stamp: Stamp,
    pub sample_rate: SampleRate,
}

impl SegmentHeader {
    /// Returns the header of a segment of `process` that has nothing in it yet and is of no stream.
    #[must_use]
    pub const fn empty(kind: SegmentKind, grains: u16, process: ProcessIndex) -> SegmentHeader {
        SegmentHeader {
            kind,
            grains,
            used: 0,
            process,
            stream: StreamIndex(0),
            sequence: 0,
            thread: ThreadIndex(0),
            base_stamp: Stamp(0),
            sample_rate: SampleRate::EVERY,
        }
    }

    /// Makes a segment with nothing in it yet.
    #[must_use]
    pub fn mapped(self) -> MappedSegment {
        let kind = self.kind as u16;
        MappedSegment {
            magic: MAGIC,
            kind,
            grains: self.grains,
            used: AtomicU32::new(self.used),
            process: self.process.0,
            stream: self.stream.0,
            sequence: self.sequence,
            thread: self.thread.0,
            check: check(&self),
            base_stamp: self.base_stamp.0,
            sample_bytes: self.sample_rate.mean_bytes(),
            next_free: AtomicU64::new(0),
            pushed_as: AtomicU64::new(0),
        }
    }

    /// Reads the header at the start of a grain; `None` if no segment starts there.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] if the magic is there but the rest does not fit its check: the header is damaged.
    pub fn parse(bytes: &[u8]) -> Result<Option<SegmentHeader>, DecodeError> {
        if u32_at(bytes, offset_of!(MappedSegment, magic))? != MAGIC {
            return Ok(None);
        }
        let kind = match u16_at(bytes, offset_of!(MappedSegment, kind))? {
            1 => SegmentKind::Events,
            2 => SegmentKind::Stacks,
            3 => SegmentKind::Metadata,
            4 => SegmentKind::Extent,
            5 => SegmentKind::Totals,
            6 => SegmentKind::Checkpoint,
            other => return Err(DecodeError::Invalid { field: "segment kind", found: u64::from(other) }),
        };
        let sample_bytes = u64_at(bytes, offset_of!(MappedSegment, sample_bytes))?;
        let sample_rate = SampleRate::of_bytes(sample_bytes)
            .ok_or(DecodeError::Invalid { field: "sample bytes", found: sample_bytes })?;
        let header = SegmentHeader {
            kind,
            grains: u16_at(bytes, offset_of!(MappedSegment, grains))?,
            used: u32_at(bytes, offset_of!(MappedSegment, used))?,
            process: ProcessIndex(u32_at(bytes, offset_of!(MappedSegment, process))?),
            stream: StreamIndex(u32_at(bytes, offset_of!(MappedSegment, stream))?),
            sequence: u32_at(bytes, offset_of!(MappedSegment, sequence))?,
            thread: ThreadIndex(u32_at(bytes, offset_of!(MappedSegment, thread))?),
            base_stamp: Stamp(u64_at(bytes, offset_of!(MappedSegment, base_stamp))?),
            sample_rate,
        };
        let found = u32_at(bytes, offset_of!(MappedSegment, check))?;
        if found != check(&header) {
            return Err(DecodeError::Invalid { field: "segment check", found: u64::from(found) });
        }
        Ok(Some(header))
    }

    /// Returns the segment's size in bytes, with its header.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        usize::from(self.grains) * GRAIN_BYTES
    }
}

/// Computes FNV-1a, 32 bits, over the fields that never change: it tells a header from bytes that look like one.
fn check(header: &SegmentHeader) -> u32 {
    let words = [
        u64::from(MAGIC),
        header.kind as u64 | u64::from(header.grains) << 16 | u64::from(header.process.0) << 32,
        u64::from(header.stream.0) | u64::from(header.sequence) << 32,
        u64::from(header.thread.0),
        header.base_stamp.0,
        header.sample_rate.mean_bytes(),
    ];
    // A rate of 0 is left out, as it was before there were any.
    let n_words = words.len() - usize::from(header.sample_rate.is_every());
    let bytes = words.iter().take(n_words).flat_map(|word| word.to_le_bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> SegmentHeader {
        SegmentHeader {
            kind: SegmentKind::Events,
            grains: 16,
            used: 0,
            process: ProcessIndex(1),
            stream: StreamIndex(2),
            sequence: 3,
            thread: ThreadIndex(4),
            base_stamp: Stamp(5),
            sample_rate: SampleRate::from_code(20).expect("it is one"),
        }
    }

    #[test]
    fn headers_come_back() {
        assert_eq!(SegmentHeader::parse(&example().mapped().into_bytes()), Ok(Some(example())));
        assert_eq!(SegmentHeader::parse(&[0; HEADER_BYTES]), Ok(None));
    }

    #[test]
    fn a_changed_bit_is_seen_unless_it_is_in_used_or_of_the_free_list() {
        let bytes = example().mapped().into_bytes();
        for bit in 0..HEADER_BYTES * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            let unchecked = (8..12).contains(&(bit / 8)) || bit / 8 >= 48;
            let same = SegmentHeader::parse(&damaged).is_ok_and(|header| header.is_some());
            assert_eq!(same, unchecked, "bit {bit}");
        }
    }
}
