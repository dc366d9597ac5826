//! What a recording that is kept within a limit knows of the events that were folded away: a checkpoint, in parts that are
//! segments of their own. How far each stream was folded is read here; what the events made of processes is
//! [`crate::replay`]'s.

use serde::{Deserialize, Serialize};
use tm_common::bytes::u32_at;
use tm_common::header::Header;
use tm_common::ids::{ProcessIndex, Stamp, StreamIndex, TagIndex};
use tm_common::segment::SegmentKind;

use super::file::RecordingFile;
use super::headers::{FoundSegment, GRAIN};

/// A checkpoint holds no more than this, whatever it says.
const BYTES_MAX: usize = 1 << 30;
/// Fast to write, and as small as the next levels make it within a tenth.
const LEVEL: i32 = 3;
const LEN_BYTES: usize = 4;

/// What stands in place of the events up to a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The moment: no event is folded that is later.
    pub until: Stamp,
    /// The mean number of bytes from one sample to the next in what is folded; 0 if every event was recorded.
    pub sample_bytes: u64,
    /// Segments that were missing in what is folded, and in how many streams, one perhaps more than once.
    pub missing: (u64, u64),
    /// How far each stream was folded.
    pub streams: Vec<FoldedStream>,
    /// What each process had then, and had done: see [`crate::replay`].
    pub body: Vec<u8>,
}

/// How far a stream was folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldedStream {
    /// Whose events these are.
    pub process: u32,
    /// Its number.
    pub stream: u32,
    /// The place in the chain of the first segment that is needed.
    pub sequence: u32,
    /// The bytes of records in it that are folded.
    pub bytes: u32,
    /// The tag in force at the start of that segment.
    pub tag: u32,
    /// Whether the record after those bytes is a reallocation whose beginning is folded.
    pub is_half: bool,
}

/// What stands before the body.
#[derive(Serialize, Deserialize)]
struct Head {
    until: u64,
    sample_bytes: u64,
    missing: (u64, u64),
    streams: Vec<FoldedStream>,
}

impl FoldedStream {
    /// Whose stream it is.
    pub(crate) fn key(&self) -> (ProcessIndex, StreamIndex) {
        (ProcessIndex(self.process), StreamIndex(self.stream))
    }

    /// What of it is passed over.
    pub(crate) fn passed(&self) -> Passed {
        Passed {
            sequence: self.sequence,
            bytes: self.bytes as usize,
            tag: TagIndex(self.tag),
            is_half: self.is_half,
        }
    }
}

/// The end of a body that is compressed already: what does not change any more is compressed once.
#[derive(Clone, Debug, Default)]
pub struct BodyEnd {
    /// Compressed one by one, one after the other.
    compressed: Vec<u8>,
    /// The size of what is in them.
    len: usize,
}

impl BodyEnd {
    /// Adds bytes.
    ///
    /// # Errors
    /// The system has no memory for them.
    pub fn push(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.compressed.extend(compressed(bytes)?);
        self.len += bytes.len();
        Ok(())
    }
}

fn compressed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.compress(bytes)
}

impl Checkpoint {
    /// Returns the bytes that its parts hold, one after the other; `end` comes behind its body.
    ///
    /// # Errors
    /// The system has no memory for them.
    pub fn encode(&self, end: &BodyEnd) -> std::io::Result<Vec<u8>> {
        let Checkpoint { until, sample_bytes, missing, .. } = *self;
        let head = Head { until: until.0, sample_bytes, missing, streams: self.streams.clone() };
        let head = rmp_serde::to_vec(&head).map_err(std::io::Error::other)?;
        let mut content = (head.len() as u32).to_le_bytes().to_vec();
        content.extend_from_slice(&head);
        content.extend_from_slice(&self.body);
        if content.len().saturating_add(end.len) > BYTES_MAX {
            return Err(std::io::ErrorKind::OutOfMemory.into());
        }
        let mut bytes = compressed(&content)?;
        bytes.extend_from_slice(&end.compressed);
        Ok(bytes)
    }

    /// Reads what [`Checkpoint::encode`] made; `None` if it is anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Checkpoint> {
        let len = zstd::bulk::Decompressor::upper_bound(bytes).filter(|&len| len <= BYTES_MAX)?;
        let mut content = zstd::bulk::decompress(bytes, len).ok()?;
        let head_len = u32_at(&content, 0).ok()? as usize;
        let body = content.split_off(LEN_BYTES.checked_add(head_len).filter(|&end| end <= content.len())?);
        let head = rmp_serde::from_slice(content.get(LEN_BYTES..)?).ok()?;
        let Head { until, sample_bytes, missing, streams } = head;
        Some(Checkpoint { until: Stamp(until), sample_bytes, missing, streams, body })
    }

    /// Loads the one that the header names, by its word: none if it names none.
    ///
    /// # Errors
    /// It is damaged, or not whole.
    pub(super) fn load(
        file: &RecordingFile,
        segments: &[FoundSegment],
        header: &Header,
    ) -> Result<Option<Checkpoint>, Unreadable> {
        let (number, n_parts) = ((header.checkpoint >> 32) as u32, header.checkpoint as u32);
        if number == 0 {
            return Ok(None);
        }
        let is_part = |found: &&FoundSegment| {
            found.header.kind == SegmentKind::Checkpoint && found.header.stream.0 == number
        };
        let mut parts: Vec<&FoundSegment> = segments.iter().filter(is_part).collect();
        parts.sort_by_key(|found| found.header.sequence);
        parts.dedup_by_key(|found| found.header.sequence);
        let (mut bytes, mut buffer) = (Vec::new(), Vec::new());
        if parts.len() != n_parts as usize {
            return Err(Unreadable);
        }
        for part in parts {
            part.read(file, &mut buffer).map_err(|_| Unreadable)?;
            bytes.extend_from_slice(&buffer);
        }
        Checkpoint::decode(&bytes).map(Some).ok_or(Unreadable)
    }

    /// How far a stream was folded; `None` for one of which nothing is.
    pub(crate) fn of_stream(&self, process: ProcessIndex, stream: StreamIndex) -> Option<Passed> {
        let key = |folded: &FoldedStream| (folded.process, folded.stream);
        let place = self.streams.binary_search_by_key(&(process.0, stream.0), key).ok()?;
        self.streams.get(place).map(FoldedStream::passed)
    }

    /// Where the segments of events begin that are folded, in grains from the file's start.
    pub(super) fn grains_in(&self, segments: &[FoundSegment]) -> Vec<u64> {
        let is_folded = |found: &&FoundSegment| {
            let passed = self.of_stream(found.header.process, found.header.stream);
            found.header.kind == SegmentKind::Events
                && passed.is_some_and(|passed| found.header.sequence < passed.sequence)
        };
        segments.iter().filter(is_folded).map(|found| found.offset / GRAIN).collect()
    }
}

/// The checkpoint cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// What is passed over at a stream's start, because it is folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// The place in the chain of the first segment that is read.
    pub sequence: u32,
    /// The bytes of records at its start.
    pub bytes: usize,
    /// The tag in force at its start.
    pub tag: TagIndex,
    /// Whether the record that follows is a reallocation whose beginning is folded.
    pub is_half: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_and_is_nothing_else() {
        let stream = FoldedStream { process: 1, stream: 2, sequence: 3, bytes: 4, tag: 5, is_half: true };
        let (until, missing, streams) = (Stamp(9), (3, 2), vec![stream]);
        let mut checkpoint = Checkpoint { until, sample_bytes: 512, missing, streams, body: vec![7; 5_000] };
        let mut end = BodyEnd::default();
        [8, 9].iter().for_each(|&byte| end.push(&[byte; 300]).expect("there is memory"));
        let bytes = checkpoint.encode(&end).expect("there is memory");
        checkpoint.body.extend([[8; 300], [9; 300]].concat());
        assert_eq!(Checkpoint::decode(&bytes), Some(checkpoint.clone()));
        let passed = Passed { sequence: 3, bytes: 4, tag: TagIndex(5), is_half: true };
        assert_eq!(checkpoint.of_stream(ProcessIndex(1), StreamIndex(2)), Some(passed));
        assert_eq!(checkpoint.of_stream(ProcessIndex(2), StreamIndex(2)), None);
        let whole = |len: usize| Checkpoint::decode(&bytes[..len]).map(|found| found.body.len());
        let found: Vec<usize> = (0..=bytes.len()).filter_map(whole).collect();
        assert_eq!(found, [5_000, 5_300, 5_600], "a body says how long it is, so that its end is missed");
        for place in 4..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x10;
            assert_ne!(Checkpoint::decode(&damaged).as_ref(), Some(&Checkpoint::default()), "byte {place}");
        }
    }
}
