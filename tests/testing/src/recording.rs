//! Recordings for tests, laid out with the format's own encoder.

use std::collections::BTreeMap;
use std::mem::offset_of;

use tempfile::NamedTempFile;
use tm_common::event::{Encoder, Event, MAX_BYTES};
use tm_common::header::{GRAIN_BYTES, MAGIC, MappedHeader};
use tm_common::ids::{Epoch, ProcessIndex, Space, StackId, Stamp, StreamIndex, ThreadIndex};
use tm_common::metadata::{CommandKind, MetadataKind, NameKind, TextKind, WORD_BYTES, word};
use tm_common::sampling::{LINE_BYTES, MappedTotals, SampleRate, Totals};
use tm_common::segment::{HEADER_BYTES, SegmentHeader, SegmentKind};
use tm_common::stack::{FrameKind, StackNode};
use tm_common::varint::Writer;

use crate::layout::{file_of, header_bytes, segment, words32, words64};

/// A recording in the making. The clock counts nanoseconds.
pub struct RecordingBuilder {
    /// The grains of each segment of events.
    pub grains: u16,
    /// The limit of frames in the header.
    pub n_frames_max: u32,
    /// The lost events in the header.
    pub lost: u64,
    /// The grains of the extent that were given back at the exit.
    pub trimmed_grains: u32,
    /// The grains behind the file's end that were claimed before the process was killed.
    pub ungrown_grains: u64,
    /// The format's.
    pub version: u8,
    /// The rate of the segments of events that begin from here on.
    pub sample_rate: SampleRate,
    metadata: Vec<u8>,
    nodes: Vec<u8>,
    streams: BTreeMap<(u32, u32), Stream>,
    /// Lines of totals by process.
    totals: BTreeMap<u32, Vec<u8>>,
    n_processes: u32,
}

struct Stream {
    encoder: Encoder,
    thread: u32,
    latest: u64,
    segments: Vec<EventSegment>,
}

/// A segment of events.
struct EventSegment {
    base: u64,
    thread: u32,
    sample_rate: SampleRate,
    bytes: Vec<u8>,
}

impl Default for RecordingBuilder {
    fn default() -> RecordingBuilder {
        RecordingBuilder::new()
    }
}

impl RecordingBuilder {
    /// An empty recording.
    pub fn new() -> RecordingBuilder {
        RecordingBuilder {
            grains: 16,
            n_frames_max: 16_384,
            lost: 0,
            trimmed_grains: 0,
            ungrown_grains: 0,
            version: 1,
            sample_rate: SampleRate::EVERY,
            metadata: Vec::new(),
            nodes: Vec::new(),
            streams: BTreeMap::new(),
            totals: BTreeMap::new(),
            n_processes: 0,
        }
    }

    /// A recording with process 0, which ended by `exit` at stamp 1,000,000.
    pub fn with_process() -> RecordingBuilder {
        let mut builder = RecordingBuilder::new();
        builder.process(None, 0, Some(1_000_000));
        builder
    }

    /// Adds a process that runs from `start` to `end`.
    pub fn process(&mut self, parent: Option<u32>, start: u64, end: Option<u64>) -> ProcessIndex {
        self.add_process(parent, 100 + self.n_processes, (start, 7), end)
    }

    fn add_process(
        &mut self,
        parent: Option<u32>,
        pid: u32,
        (start, process_start): (u64, u64),
        end: Option<u64>,
    ) -> ProcessIndex {
        let process = self.n_processes;
        self.n_processes += 1;
        let epochs = [process, parent.unwrap_or(0)];
        let mut body = words32(&[process, parent.unwrap_or(u32::MAX), pid, 99, epochs[0], epochs[1]]);
        body.extend(words64(&[start, process_start, end.unwrap_or(0)]));
        body.extend(words32(&[u32::from(end.is_some()), 0]));
        self.record(MetadataKind::Process, &body);
        ProcessIndex(process)
    }

    /// A process that runs here.
    pub fn process_of(&mut self, pid: u32) -> ProcessIndex {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
        let start = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19));
        let start = start.and_then(|start| start.parse().ok()).expect("a number");
        self.process_started(pid, start, None)
    }

    /// A process that was forked by none, with its pid, its start in clock ticks and its end.
    pub fn process_started(&mut self, pid: u32, process_start: u64, end: Option<u64>) -> ProcessIndex {
        self.add_process(None, pid, (0, process_start), end)
    }

    /// Adds a text of a process.
    pub fn text(&mut self, process: u32, kind: TextKind, text: &str) {
        let mut body = words32(&[process, kind as u32, text.len() as u32, 0]);
        body.extend_from_slice(text.as_bytes());
        self.record(MetadataKind::Text, &body);
    }

    /// Adds a thread with its name.
    pub fn thread(&mut self, process: u32, thread: u32, name: &str) {
        let mut body = words32(&[process, thread, 100 + thread, 0, 0, 0]);
        body.extend(name.bytes().chain(std::iter::repeat(0)).take(16));
        self.record(MetadataKind::Thread, &body);
    }

    /// Adds a module that is mapped from `start` to `end`.
    pub fn module(&mut self, process: u32, epoch: u32, (start, end): (u64, u64), path: &str) {
        let mut body = words32(&[process, epoch]);
        body.extend(words64(&[start, start, end, 0]));
        body.extend(words32(&[path.len() as u32, 4]));
        body.extend_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
        body.extend_from_slice(path.as_bytes());
        self.record(MetadataKind::Module, &body);
    }

    /// Ends the module at `start`.
    pub fn module_gone(&mut self, process: u32, epoch: u32, start: u64) {
        let mut body = words32(&[process, epoch]);
        body.extend(words64(&[start, 0]));
        self.record(MetadataKind::ModuleGone, &body);
    }

    /// Adds the start of an epoch.
    pub fn epoch(&mut self, process: u32, epoch: u32) {
        self.record(MetadataKind::Epoch, &words32(&[process, epoch, 0, 0, 0, 0]));
    }

    /// What the process was told at `stamp`.
    pub fn command(&mut self, process: u32, kind: CommandKind, argument: u32, stamp: u64, name: &str) {
        let mut body = words32(&[process, 0, kind as u32, argument]);
        body.extend(words64(&[stamp]));
        body.extend(words32(&[name.len() as u32, 0]));
        body.extend_from_slice(name.as_bytes());
        self.record(MetadataKind::Command, &body);
    }

    /// The name of a tag or a space, of which `value` is the domain.
    pub fn name(&mut self, kind: NameKind, number: u32, value: u32, name: &str) {
        let mut body = words32(&[0, kind as u32, number, value, name.len() as u32, 0]);
        body.extend_from_slice(name.as_bytes());
        self.record(MetadataKind::Name, &body);
    }

    /// Something that the recorder noticed.
    pub fn note(&mut self, process: u32, reason: u32, text: &str) {
        let mut body = words32(&[process, reason, text.len() as u32, 0]);
        body.extend_from_slice(text.as_bytes());
        self.record(MetadataKind::Note, &body);
    }

    /// The bytes of all metadata so far, which are taken out.
    pub fn take_metadata(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.metadata)
    }

    /// Adds a metadata record of any kind.
    pub fn record(&mut self, kind: MetadataKind, body: &[u8]) {
        let len = (WORD_BYTES + body.len()).next_multiple_of(WORD_BYTES);
        let end = self.metadata.len() + len;
        self.metadata.extend(words64(&[word(len, kind as u16)]));
        self.metadata.extend_from_slice(body);
        self.metadata.resize(end, 0);
    }

    /// Adds a Python interpreter that was found in an epoch, whose module begins at `start`, with the ranges of its evaluation function.
    pub fn interpreter(
        &mut self,
        (process, epoch): (u32, u32),
        start: u64,
        (version, state): (u32, u32),
        ranges: &[(u64, u64)],
    ) {
        let mut body = words32(&[process, epoch]);
        body.extend(words64(&[start]));
        body.extend(words32(&[version, state, ranges.len() as u32, 0]));
        ranges.iter().for_each(|&(start, end)| body.extend(words64(&[start, end])));
        self.record(MetadataKind::Interpreter, &body);
    }

    /// Adds a Python code object with its line table, of `kind`.
    pub fn code(
        &mut self,
        code: u32,
        (file, name): (&str, &str),
        first_line: u32,
        (kind, table): (u32, &[u8]),
    ) {
        let lens = [table.len(), file.len(), name.len()].map(|len| len as u32);
        let mut body = words32(&[0, code, first_line, kind, lens[0], lens[1], lens[2], 0]);
        body.extend_from_slice(file.as_bytes());
        body.extend_from_slice(name.as_bytes());
        self.record(MetadataKind::Code, &body);
        let mut body = words32(&[code, 0, lens[0], 0]);
        body.extend_from_slice(table);
        self.record(MetadataKind::LineTable, &body);
    }

    /// A node of the stack table, which has one segment.
    pub fn node(&mut self, parent: StackId, pc: u64) -> StackId {
        self.node_of(FrameKind::Return, parent, pc)
    }

    /// A node of any kind.
    pub fn node_of(&mut self, kind: FrameKind, parent: StackId, pc: u64) -> StackId {
        let node = StackNode { parent, epoch: Epoch(0), kind, pc };
        self.nodes.extend(words64(&node.encode()));
        StackId::new(0, 3 + (self.nodes.len() / 16) as u32)
    }

    /// Appends an event to a stream.
    pub fn event(&mut self, process: ProcessIndex, stream: u32, event: &Event) {
        let room = usize::from(self.grains) * GRAIN_BYTES - HEADER_BYTES;
        let stream = self.streams.entry((process.0, stream)).or_insert_with(|| Stream {
            encoder: Encoder::NEW,
            thread: stream,
            latest: 0,
            segments: Vec::new(),
        });
        let sample_rate = self.sample_rate;
        let is_over = |segment: &EventSegment| {
            segment.bytes.len() + MAX_BYTES > room || segment.sample_rate != sample_rate
        };
        if stream.segments.last().is_none_or(is_over) {
            stream.encoder.reset(Stamp(stream.latest));
            let (base, thread, bytes) = (stream.latest, stream.thread, Vec::new());
            stream.segments.push(EventSegment { base, thread, sample_rate, bytes });
        }
        let mut buffer = [0; Writer::CAPACITY];
        let len = stream.encoder.encode(*event, &mut buffer);
        let segment = stream.segments.last_mut().expect("there is one");
        segment.bytes.extend_from_slice(&buffer[..len]);
        stream.latest = match *event {
            Event::Reallocate { end, .. } => end.0,
            Event::Allocate { stamp, .. }
            | Event::Free { stamp, .. }
            | Event::Track { stamp, .. }
            | Event::Untrack { stamp, .. }
            | Event::UntrackAll { stamp, .. }
            | Event::Move { stamp, .. }
            | Event::Label { stamp, .. }
            | Event::Totals { stamp, .. }
            | Event::Tag { stamp, .. } => stamp.0,
            Event::ThreadStart { thread, stamp } => {
                stream.thread = thread.0;
                stamp.0
            }
        };
    }

    /// Adds the line of what a thread did in a space.
    pub fn totals(&mut self, process: ProcessIndex, thread: ThreadIndex, space: Space, totals: &Totals) {
        let &Totals { bytes, n_allocated, n_reallocated, n_freed, held_bytes, held_high } = totals;
        let owner = MappedTotals::owner_of(thread, space);
        let held = [held_bytes as u64, held_high as u64];
        let words = [owner, bytes, 0, n_allocated, n_reallocated, n_freed, held[0], held[1]];
        let lines = self.totals.entry(process.0).or_default();
        lines.extend(words64(&words));
        debug_assert!(lines.len().is_multiple_of(LINE_BYTES), "whole lines");
    }

    /// Bytes that no encoder writes, behind the events of a stream.
    pub fn garbage(&mut self, process: ProcessIndex, stream: u32, bytes: &[u8]) {
        if let Some(segment) =
            self.streams.get_mut(&(process.0, stream)).and_then(|stream| stream.segments.last_mut())
        {
            segment.bytes.extend_from_slice(bytes);
        }
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut segments = Vec::new();
        for (kind, bytes) in [(SegmentKind::Metadata, &self.metadata), (SegmentKind::Stacks, &self.nodes)] {
            let grains = (HEADER_BYTES + bytes.len()).div_ceil(GRAIN_BYTES) as u16;
            segments.push((segment(kind, grains, bytes.len()), bytes.clone()));
        }
        for (&(process, stream), chain) in &self.streams {
            for (place, EventSegment { base, thread, sample_rate, bytes }) in
                chain.segments.iter().enumerate()
            {
                let header = SegmentHeader {
                    sample_rate: *sample_rate,
                    process: ProcessIndex(process),
                    stream: StreamIndex(stream),
                    sequence: place as u32,
                    thread: ThreadIndex(*thread),
                    base_stamp: Stamp(*base),
                    ..segment(SegmentKind::Events, self.grains, bytes.len())
                };
                segments.push((header, bytes.clone()));
            }
        }
        for (&process, lines) in &self.totals {
            let grains = (HEADER_BYTES + lines.len()).div_ceil(GRAIN_BYTES) as u16;
            let header = segment(SegmentKind::Totals, grains, lines.len());
            segments.push((SegmentHeader { process: ProcessIndex(process), ..header }, lines.clone()));
        }
        let n_grains = 1 + segments.iter().map(|(header, _)| u32::from(header.grains)).sum::<u32>();
        let extent_grains = n_grains + self.trimmed_grains;
        let extent = SegmentHeader {
            sequence: extent_grains,
            ..segment(SegmentKind::Extent, 1, extent_grains as usize)
        };
        let mut file = self.header(1 + u64::from(n_grains));
        for (header, bytes) in std::iter::once((extent, Vec::new())).chain(segments) {
            let end = file.len() + header.len_bytes();
            file.extend(header_bytes(&header));
            file.extend(bytes);
            file.resize(end, 0);
        }
        file
    }

    /// The same in a file, which is deleted when it is dropped.
    pub fn file(&self) -> NamedTempFile {
        file_of(&self.build())
    }

    /// The bytes of the header of a file of this number of grains.
    pub fn header(&self, file_grains: u64) -> Vec<u8> {
        let mut file = vec![0; GRAIN_BYTES];
        let mut put = |offset: usize, bytes: &[u8]| file[offset..offset + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        let is_sampled =
            self.streams.values().flat_map(|stream| &stream.segments).any(|it| !it.sample_rate.is_every());
        put(offset_of!(MappedHeader, version), &[if is_sampled { 4 } else { self.version }]);
        put(offset_of!(MappedHeader, machine), &[62]);
        put(offset_of!(MappedHeader, clock_kind), &[3]);
        put(offset_of!(MappedHeader, pid), &100u32.to_le_bytes());
        put(offset_of!(MappedHeader, process_start), &7u64.to_le_bytes());
        put(offset_of!(MappedHeader, n_frames_max), &self.n_frames_max.to_le_bytes());
        put(offset_of!(MappedHeader, end_grain), &(file_grains + self.ungrown_grains).to_le_bytes());
        put(offset_of!(MappedHeader, file_grains), &file_grains.to_le_bytes());
        put(offset_of!(MappedHeader, n_processes), &self.n_processes.to_le_bytes());
        put(offset_of!(MappedHeader, lost), &self.lost.to_le_bytes());
        file
    }
}
