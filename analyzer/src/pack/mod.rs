//! Packs a recording, and unpacks it again. What it holds is not looked at: that of a damaged one is as damaged afterwards.

use std::io::{self, Write};

use tm_common::header::GRAIN_BYTES;
use tm_common::segment::SegmentKind;

use crate::bundle::Names;
use crate::error::{Error, Refusal};
use crate::packed::{BlockWriter, Codec, HEAD_BYTES, PIECES_MAX, Piece, file_header};
use crate::reader::file::RecordingFile;
use crate::reader::{FoundSegment, GRAIN, Headers, OpenFile, Recording};

#[cfg(test)]
mod tests;

/// Contents of one block in bytes, at most (a segment that is longer is alone), where there are few streams; ...
const BLOCK_BYTES_MAX: usize = 4 << 20;
/// ... a block of each, which a reader holds, takes no more than this together where there are many.
const ALL_STREAMS_BYTES: usize = 32 << 20;
/// The smallest such share: that of a long segment.
const BLOCK_BYTES_MIN: usize = 64 << 10;

/// What was packed, in bytes and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// The bytes of all segments.
    pub segment_bytes: u64,
    /// The bytes that were written.
    pub packed_bytes: u64,
    /// The bytes of these that are names.
    pub names_bytes: u64,
    /// Blocks.
    pub n_blocks: u64,
}

/// A part of the recording that is kept: a segment, or grains that are none.
#[derive(Clone, Copy)]
struct Part {
    offset: u64,
    /// Bytes after the head that are in use.
    len: usize,
    /// Bytes after the head up to the next part, mostly zeros from `len` on.
    room: usize,
    codec: Codec,
}

impl Part {
    fn end(&self) -> u64 {
        self.offset + (HEAD_BYTES + self.room) as u64
    }

    /// The same with `n` bytes more.
    fn with(self, n: usize) -> Part {
        Part { len: self.len + n, room: self.room + n, ..self }
    }

    /// The grain at `offset`, or what the file has of it, as it is.
    fn grain(offset: u64, file_len: u64) -> Part {
        let len = file_len.saturating_sub(offset).min(GRAIN) as usize;
        let len = len.saturating_sub(HEAD_BYTES);
        Part { offset, len, room: len, codec: Codec::Raw }
    }
}

/// Why nothing, or a part, was written.
#[derive(Debug)]
pub enum Failure {
    /// The recording cannot be read, or not be packed.
    Reading(Error),
    /// What the system says of the writing.
    Writing(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Writing(error)
    }
}

/// Writes `recording` packed to `out`, compressed by `level` as zstd counts them, 1 to 19. One that is packed already is packed anew,
/// with the names that it carries.
///
/// # Errors
/// It cannot be read, is still being written, or `out` cannot be written to.
pub fn pack(recording: &Recording, level: i32, out: &mut dyn Write) -> Result<Packed, Failure> {
    let names: Vec<&[u8]> = recording.bundle.contents().collect();
    pack_with(recording, &names, level, out)
}

/// As [`pack`], with `names`: so that it is read with them where nothing else is.
///
/// # Errors
/// As there.
pub fn bundle(
    recording: &Recording,
    names: &Names,
    level: i32,
    out: &mut dyn Write,
) -> Result<Packed, Failure> {
    let parts: Vec<&[u8]> = names.parts.iter().map(Vec::as_slice).collect();
    pack_with(recording, &parts, level, out)
}

fn pack_with(
    recording: &Recording,
    names: &[&[u8]],
    level: i32,
    out: &mut dyn Write,
) -> Result<Packed, Failure> {
    let file = &recording.file;
    if recording.as_of.is_some() {
        return Err(Failure::Reading(Refusal::StillWritten.of(file.path())));
    }
    check_is_whole(file)?;
    let open = file.opened().map_err(|source| unreadable(file, source))?;
    let (segments, others) = parts(file, open).map_err(|source| unreadable(file, source))?;
    let packed = Packed { segment_bytes: recording.segment_counts.bytes(), ..Packed::default() };
    let mut packing = Packing { file, out, writer: BlockWriter::new(level)?, packed };
    packing.all(&segments, &others, names, recording.streams.len())?;
    Ok(packing.packed)
}

/// Writes `recording`, which is packed, to `out` as it was. Returns how many bytes that are.
///
/// # Errors
/// It is not packed or cannot be read, or `out` cannot be written to.
pub fn unpack(recording: &Recording, out: &mut dyn Write) -> Result<u64, Failure> {
    let file = &recording.file;
    if file.packed_bytes().is_none() {
        return Err(Failure::Reading(Refusal::NotPacked.of(file.path())));
    }
    check_is_whole(file)?;
    let (mut at, mut buffer) = (0, Vec::new());
    while at < file.len_bytes() {
        file.read(at, BLOCK_BYTES_MAX, &mut buffer).map_err(|source| unreadable(file, source))?;
        out.write_all(&buffer)?;
        at += buffer.len() as u64;
        file.note_events_read(buffer.len());
    }
    Ok(at)
}

/// Asks whether a packed file has all its blocks: the recording that is made of another one would look whole.
fn check_is_whole(file: &RecordingFile) -> Result<(), Failure> {
    match file.packed().is_some_and(|packed| !packed.is_whole()) {
        true => Err(Failure::Reading(Refusal::PackedDamaged.of(file.path()))),
        false => Ok(()),
    }
}

fn unreadable(file: &RecordingFile, source: io::Error) -> Failure {
    Failure::Reading(Error::io("read", file.path(), source))
}

/// All segments of a file, and runs of grains that are none and hold something, both in their order.
fn parts(file: &RecordingFile, open: &OpenFile) -> io::Result<(Vec<FoundSegment>, Vec<Part>)> {
    let (mut segments, mut others, mut headers) = (Vec::new(), Vec::new(), Headers::default());
    let (mut at, end) = (1, file.len_bytes().div_ceil(GRAIN));
    while at < end {
        let found = headers.first_in(open, at..end);
        let start = found.map_or(end, |found| found.offset / GRAIN);
        add_others(open, at..start, &mut others)?;
        let Some(found) = found else { break };
        at =
            start + if found.header.kind == SegmentKind::Extent { 1 } else { u64::from(found.header.grains) };
        segments.push(found);
    }
    match headers.unreadable_problem() {
        Some(problem) => Err(io::Error::other(problem.to_string())),
        None => Ok((segments, others)),
    }
}

/// Adds the grains of a range that are not zeros.
fn add_others(open: &OpenFile, grains: std::ops::Range<u64>, others: &mut Vec<Part>) -> io::Result<()> {
    let (mut at, mut buffer) = (grains.start, Vec::new());
    while at < grains.end {
        let Some(data) = open.next_data(at * GRAIN) else { return Ok(()) };
        at = (data / GRAIN).max(at);
        if at >= grains.end {
            return Ok(());
        }
        open.read(at * GRAIN, GRAIN_BYTES, &mut buffer)?;
        if buffer.iter().any(|byte| *byte != 0) {
            let len = buffer.len().saturating_sub(HEAD_BYTES);
            match others.last_mut().filter(|last| last.end() == at * GRAIN && last.len < BLOCK_BYTES_MIN) {
                Some(last) => *last = last.with(buffer.len()),
                None => others.push(Part { offset: at * GRAIN, len, room: len, codec: Codec::Raw }),
            }
        }
        at += 1;
    }
    Ok(())
}

struct Packing<'a> {
    file: &'a RecordingFile,
    out: &'a mut dyn Write,
    writer: BlockWriter,
    packed: Packed,
}

impl Packing<'_> {
    /// Writes everything: what a reader needs first comes first, and events in the order of their time, so that of a file
    /// that is cut a beginning can be read.
    fn all(
        &mut self,
        segments: &[FoundSegment],
        others: &[Part],
        names: &[&[u8]],
        n_streams: usize,
    ) -> Result<(), Failure> {
        let len = self.file.len_bytes();
        let start = file_header(len, !names.is_empty());
        self.out.write_all(&start)?;
        self.packed.packed_bytes += start.len() as u64;
        self.block(&[Part::grain(0, len)])?;
        use SegmentKind::{Checkpoint, Extent, Metadata, Stacks, Totals};
        for kind in [Extent, Metadata, Totals, Checkpoint, Stacks] {
            let of_kind = segments.iter().filter(|found| found.header.kind == kind);
            let parts: Vec<Part> = of_kind.map(|found| part(found, len)).collect();
            for parts in groups(&parts, BLOCK_BYTES_MAX) {
                self.block(parts)?;
            }
        }
        for parts in groups(others, BLOCK_BYTES_MAX) {
            self.block(parts)?;
        }
        for part in names {
            let n = self.writer.write(self.out, Codec::Names, &[], part)?;
            self.packed.packed_bytes += n;
            self.packed.names_bytes += n;
            self.packed.n_blocks += 1;
        }
        let block_bytes = (ALL_STREAMS_BYTES / n_streams.max(1)).clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
        for parts in events(segments, len, block_bytes) {
            self.block(&parts)?;
        }
        self.packed.packed_bytes += self.writer.write(self.out, Codec::End, &[], &[])?;
        Ok(())
    }

    /// Writes `parts` as one block; those that hold anything beyond what they use, of a process that was killed perhaps, as one
    /// more, as they are.
    fn block(&mut self, parts: &[Part]) -> Result<(), Failure> {
        let Some(codec) = parts.first().map(|part| part.codec) else { return Ok(()) };
        let (mut usual, mut others, mut buffer) = (Contents::default(), Contents::default(), Vec::new());
        for part in parts {
            let read = self.file.read(part.offset, HEAD_BYTES + part.room, &mut buffer);
            read.map_err(|source| unreadable(self.file, source))?;
            if part.codec == Codec::Events {
                self.file.note_events_read(part.len);
            }
            buffer.resize(HEAD_BYTES + part.room, 0);
            let Some((head, content)) = buffer.split_first_chunk() else { continue };
            let (used, behind) = content.split_at(part.len);
            match behind.iter().all(|byte| *byte == 0) {
                true => usual.add(part.offset, head, used),
                false => others.add(part.offset, head, content),
            }
        }
        for (codec, Contents { pieces, bytes }) in [(codec, usual), (Codec::Raw, others)] {
            if !pieces.is_empty() {
                self.packed.packed_bytes += self.writer.write(self.out, codec, &pieces, &bytes)?;
                self.packed.n_blocks += 1;
            }
        }
        Ok(())
    }
}

/// Pieces, and their contents one after the other.
#[derive(Default)]
struct Contents {
    pieces: Vec<Piece>,
    bytes: Vec<u8>,
}

impl Contents {
    fn add(&mut self, offset: u64, head: &[u8; HEAD_BYTES], content: &[u8]) {
        self.pieces.push(Piece { offset, len: content.len() as u32, head: *head });
        self.bytes.extend_from_slice(content);
    }
}

fn part(found: &FoundSegment, file_len: u64) -> Part {
    let used = found.used_bytes(file_len);
    let (codec, len) = match found.header.kind {
        // What follows the grain of an extent are the segments in it.
        SegmentKind::Extent => return Part { len: 0, ..Part::grain(found.offset, file_len) },
        SegmentKind::Metadata | SegmentKind::Totals | SegmentKind::Checkpoint => (Codec::Raw, used),
        SegmentKind::Stacks => (Codec::Nodes, used),
        SegmentKind::Events => (Codec::Events, used),
    };
    let in_file = file_len.saturating_sub(found.offset).min(found.header.len_bytes() as u64) as usize;
    Part { offset: found.offset, len, room: in_file.saturating_sub(HEAD_BYTES), codec }
}

/// Parts that follow each other, as many as have room for `bytes_max` together.
fn groups(parts: &[Part], bytes_max: usize) -> impl Iterator<Item = &[Part]> {
    let (mut bytes, mut n) = (0, 0);
    parts.chunk_by(move |a, b| {
        (bytes, n) = (bytes + a.room + HEAD_BYTES, n + 1);
        let goes_on = bytes + b.room + HEAD_BYTES <= bytes_max && n < PIECES_MAX;
        if !goes_on {
            (bytes, n) = (0, 0);
        }
        goes_on
    })
}

/// The segments of events in blocks, each of one stream, by the time when they begin.
fn events(segments: &[FoundSegment], file_len: u64, block_bytes: usize) -> Vec<Vec<Part>> {
    let mut events: Vec<&FoundSegment> =
        segments.iter().filter(|found| found.header.kind == SegmentKind::Events).collect();
    let stream = |found: &FoundSegment| (found.header.process, found.header.stream);
    events.sort_by_key(|found| (stream(found), found.header.sequence));
    let mut blocks = Vec::new();
    for chain in events.chunk_by(|a, b| stream(a) == stream(b)) {
        let parts: Vec<Part> = chain.iter().map(|found| part(found, file_len)).collect();
        let mut begins = chain.iter();
        for group in groups(&parts, block_bytes) {
            let begin = begins.next().map(|found| found.header.base_stamp);
            begins = begins.as_slice().get(group.len() - 1..).unwrap_or_default().iter();
            blocks.push((begin, group.to_vec()));
        }
    }
    blocks.sort_by_key(|(begin, _)| *begin);
    blocks.into_iter().map(|(_, parts)| parts).collect()
}
