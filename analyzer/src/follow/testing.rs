//! Recordings that are written step by step, as a program's threads write them: room is claimed, headers and records stand
//! there half-written, counts lag. Not part of the tool.

use std::collections::BTreeMap;
use std::mem::offset_of;
use std::os::unix::fs::FileExt;

use tempfile::NamedTempFile;
use tm_common::event::{Encoder, Event, MAX_BYTES};
use tm_common::header::{GRAIN_BYTES, MappedHeader};
use tm_common::ids::{Epoch, ProcessIndex, StackId, Stamp, StreamIndex, ThreadIndex};
use tm_common::metadata::{PENDING, WORD_BYTES};
use tm_common::segment::{HEADER_BYTES, SegmentHeader, SegmentKind};
use tm_common::stack::{FrameKind, NODE_BYTES, StackNode};
use tm_common::varint::Writer;

use tm_testing::{Random, RecordingBuilder, header_bytes, words64};

/// Bytes that come to be in the file at a moment, in ns.
struct Write {
    at: u64,
    offset: u64,
    bytes: Vec<u8>,
}

/// Where the next bytes of a segment go.
struct Open {
    offset: u64,
    capacity: usize,
    used: usize,
    number: u32,
}

struct Stream {
    segment: Open,
    sequence: u32,
    encoder: Encoder,
    /// When its latest record was there.
    written: u64,
}

/// What will be written, and when.
pub(super) struct Script {
    random: Random,
    pub builder: RecordingBuilder,
    writes: Vec<Write>,
    n_played: usize,
    end_grain: u64,
    /// (first grain, size, handed out)
    extent: (u64, u64, u64),
    /// When room was claimed last.
    claimed: u64,
    metadata: Option<Open>,
    nodes: Option<Open>,
    n_stack_segments: u32,
    streams: BTreeMap<(u32, u32), Stream>,
    /// How long the steps of a writer may take, in ns each.
    pub step_ns: u64,
}

impl Script {
    pub fn new(seed: u64) -> Script {
        let builder = RecordingBuilder::new();
        let header = Write { at: 0, offset: 0, bytes: builder.header(1) };
        Script {
            random: Random::new(seed),
            builder,
            writes: vec![header],
            n_played: 0,
            end_grain: 1,
            extent: (1, 0, 0),
            claimed: 0,
            metadata: None,
            nodes: None,
            n_stack_segments: 0,
            streams: BTreeMap::new(),
            step_ns: 100,
        }
    }

    fn step(&mut self) -> u64 {
        self.random.below(self.step_ns.max(1))
    }

    fn write(&mut self, at: u64, offset: u64, bytes: &[u8]) {
        self.writes.push(Write { at, offset, bytes: bytes.to_vec() });
    }

    /// Takes room at `at` or somewhat later: the offset, and when.
    fn claim(&mut self, at: u64, grains: u64) -> (u64, u64) {
        let mut at = at.max(self.claimed);
        let (first, size, handed_out) = self.extent;
        if handed_out + grains > size {
            let (first, size) = (self.end_grain, (size * 2).clamp(8, 128));
            self.end_grain += size;
            self.write(at, offset_of!(MappedHeader, end_grain) as u64, &self.end_grain.to_le_bytes());
            at += self.step();
            let header = segment(SegmentKind::Extent, 1, size as u32, first);
            self.write(at, first * GRAIN_BYTES as u64, &header_bytes(&SegmentHeader { used: 1, ..header }));
            self.extent = (first, size, 1);
            return self.claim_again(at, grains);
        }
        self.extent.2 += grains;
        let used = (self.extent.2 as u32).to_le_bytes();
        self.write(at, first * GRAIN_BYTES as u64 + 8, &used);
        self.claimed = at;
        ((first + handed_out) * GRAIN_BYTES as u64, at + self.step())
    }

    fn claim_again(&mut self, at: u64, grains: u64) -> (u64, u64) {
        self.claimed = at;
        self.claim(at, grains)
    }

    /// A segment's header comes to be in two parts, the first of which has its magic.
    fn begin(&mut self, at: u64, header: &SegmentHeader) -> (Open, u64) {
        let (offset, at) = self.claim(at, u64::from(header.grains));
        let bytes = header_bytes(header);
        self.write(at, offset, &bytes[..20]);
        let at = at + self.step();
        self.write(at, offset + 20, &bytes[20..]);
        let capacity = header.len_bytes() - HEADER_BYTES;
        (Open { offset, capacity, used: 0, number: header.sequence }, at)
    }

    /// Writes what was put into the builder's metadata, one record after the other; the moment when the last is there.
    pub fn metadata(&mut self, at: u64) -> u64 {
        let bytes = self.builder.take_metadata();
        let (mut rest, mut at) = (bytes.as_slice(), at);
        while let Some(word) = rest.first_chunk::<WORD_BYTES>() {
            let len = u64::from_le_bytes(*word) as u32 as usize;
            let (record, others) = rest.split_at(len);
            rest = others;
            let segment = self.metadata.take().filter(|segment| segment.used + len <= segment.capacity);
            let mut segment = segment.unwrap_or_else(|| {
                let (segment, then) = self.begin(at, &segment_of(SegmentKind::Metadata, 1));
                at = then;
                segment
            });
            let place = segment.offset + (HEADER_BYTES + segment.used) as u64;
            segment.used += len;
            self.write(at, segment.offset + 8, &(segment.used as u32).to_le_bytes());
            at += self.step();
            self.write(at, place, &(len as u64 | u64::from(PENDING) << 32).to_le_bytes());
            at += self.step();
            self.write(at, place + 8, &record[8..]);
            at += self.step();
            self.write(at, place, &record[..8]);
            self.metadata = Some(segment);
        }
        at
    }

    /// Writes a stack node of a return address; its id, and when it is there.
    pub fn node(&mut self, at: u64, parent: StackId, pc: u64) -> (StackId, u64) {
        self.node_of(at, FrameKind::Return, parent, pc)
    }

    /// Writes a stack node of any kind; its id, and when it is there.
    pub fn node_of(&mut self, at: u64, kind: FrameKind, parent: StackId, pc: u64) -> (StackId, u64) {
        let node = StackNode { parent, epoch: Epoch(0), kind, pc };
        let segment = self.nodes.take().filter(|segment| segment.used < segment.capacity);
        let mut at = at;
        let mut segment = segment.unwrap_or_else(|| {
            let number = self.n_stack_segments;
            self.n_stack_segments += 1;
            let header = SegmentHeader { sequence: number, ..segment_of(SegmentKind::Stacks, 1) };
            let (segment, then) = self.begin(at, &header);
            at = then;
            segment
        });
        let place = segment.offset + (HEADER_BYTES + segment.used) as u64;
        let id = StackId::new(segment.number, ((HEADER_BYTES + segment.used) / NODE_BYTES) as u32);
        segment.used += NODE_BYTES;
        let words = words64(&node.encode());
        self.write(at, segment.offset + 8, &(segment.used as u32).to_le_bytes());
        at += self.step();
        // The words may be seen in any order.
        let (first, second) = if self.random.below(2) == 0 { (0, 8) } else { (8, 0) };
        self.write(at, place + first as u64, &words[first..first + 8]);
        at += self.step();
        self.write(at, place + second as u64, &words[second..second + 8]);
        self.nodes = Some(segment);
        (id, at)
    }

    /// Writes an event of a stream at `at` or, if the stream's writer is not so far, later; when it is there.
    pub fn event(&mut self, at: u64, process: ProcessIndex, stream: u32, event: &Event) -> u64 {
        let found = self.streams.remove(&(process.0, stream));
        let mut at = found.as_ref().map_or(at, |stream| at.max(stream.written));
        let grains = if self.random.below(4) == 0 { 4 } else { 1 };
        let full = |stream: &Stream| stream.segment.used + MAX_BYTES > stream.segment.capacity;
        let mut state = match found {
            Some(state) if !full(&state) => state,
            found => {
                let sequence = found.as_ref().map_or(0, |state| state.sequence + 1);
                let mut encoder = found.map_or(Encoder::NEW, |state| state.encoder);
                let base = Stamp(if sequence == 0 { 0 } else { encoder.stamp().0 });
                encoder.reset(base);
                let header = SegmentHeader {
                    process,
                    stream: StreamIndex(stream),
                    sequence,
                    thread: ThreadIndex(stream),
                    base_stamp: base,
                    ..segment_of(SegmentKind::Events, grains)
                };
                let (segment, then) = self.begin(at, &header);
                at = then;
                Stream { segment, sequence, encoder, written: at }
            }
        };
        let mut buffer = [0; Writer::CAPACITY];
        let len = state.encoder.encode(*event, &mut buffer);
        at += self.step();
        let place = state.segment.offset + (HEADER_BYTES + state.segment.used) as u64;
        self.write(at, place, &buffer[..len]);
        state.segment.used += len;
        at += self.step();
        self.write(at, state.segment.offset + 8, &(state.segment.used as u32).to_le_bytes());
        state.written = at;
        self.streams.insert((process.0, stream), state);
        at
    }

    /// Puts the writes in the order of time. Nothing may be added afterwards.
    pub fn finish(&mut self) {
        self.writes.sort_by_key(|write| write.at);
    }

    /// Does all writes up to `at` that were not done.
    pub fn play(&mut self, file: &NamedTempFile, at: u64) {
        while let Some(write) = self.writes.get(self.n_played).filter(|write| write.at <= at) {
            file.as_file().write_all_at(&write.bytes, write.offset).expect("room for it");
            self.n_played += 1;
        }
    }

    /// Where the file ends in the end.
    pub fn end_bytes(&self) -> u64 {
        self.end_grain * GRAIN_BYTES as u64
    }

    /// Writes a byte that nobody meant.
    pub fn damage(&self, file: &NamedTempFile, offset: u64, byte: u8) {
        file.as_file().write_all_at(&[byte], offset).expect("room for it");
    }

    /// When the last write is done.
    pub fn end(&self) -> u64 {
        self.writes.last().map_or(0, |write| write.at)
    }
}

fn segment(kind: SegmentKind, grains: u16, sequence: u32, base: u64) -> SegmentHeader {
    SegmentHeader { sequence, base_stamp: Stamp(base), ..SegmentHeader::empty(kind, grains, ProcessIndex(0)) }
}

fn segment_of(kind: SegmentKind, grains: u16) -> SegmentHeader {
    segment(kind, grains, 0, 0)
}
