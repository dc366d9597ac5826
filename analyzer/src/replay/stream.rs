//! Decodes one stream, segment by segment and in batches.

use tm_common::event::{Decoder, Event};
use tm_common::functions::Function;
use tm_common::ids::{Address, RingIndex, Space, StackId, Stamp, TagIndex, ThreadIndex};
use tm_common::varint::Reader;

use super::event::{Action, MergedEvent, State};
use super::live::SIZE_MAX;
use crate::reader::file::RecordingFile;
use crate::reader::streams::Stream;
use crate::reader::{Origin, Origins, Problem, Recording};

/// What could not be decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Segments whose events stop making sense, and segments that could not be read.
    pub segments: u64,
    /// Bytes passed over in the former.
    pub bytes: u64,
    /// Segments that the system could not read, and what it said the last time.
    pub unreadable: (u64, String),
}

impl Damage {
    /// Adds another stream's.
    pub fn add(&mut self, other: &Damage) {
        self.segments += other.segments;
        self.bytes += other.bytes;
        self.unreadable.0 += other.unreadable.0;
        if other.unreadable.0 > 0 {
            self.unreadable.1.clone_from(&other.unreadable.1);
        }
    }

    /// The same as sentences.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.segments > 0 {
            problems.push(Problem::UndecodableEvents { segments: self.segments, bytes: self.bytes });
        }
        if self.unreadable.0 > 0 {
            let (count, reason) = self.unreadable.clone();
            problems.push(Problem::Unreadable { count, reason });
        }
        problems
    }
}

/// Decodes one stream, batch by batch.
#[derive(Debug)]
pub(super) struct StreamDecoder<'a> {
    file: &'a RecordingFile,
    origins: &'a Origins,
    stream: &'a Stream,
    next_segment: usize,
    buffer: Vec<u8>,
    position: usize,
    decoder: Decoder,
    thread: ThreadIndex,
    tag: TagIndex,
    latest: Stamp,
    limit: Stamp,
    batch_records: usize,
    /// The latest batch.
    pub batch: Vec<MergedEvent>,
    /// What could not be decoded so far.
    pub damage: Damage,
}

impl<'a> StreamDecoder<'a> {
    /// At the stream's start, in batches of `batch_records`.
    pub fn new(recording: &'a Recording, stream: &'a Stream, batch_records: usize) -> Box<StreamDecoder<'a>> {
        Box::new(StreamDecoder {
            file: &recording.file,
            origins: &recording.origins,
            stream,
            next_segment: 0,
            buffer: Vec::new(),
            position: 0,
            decoder: Decoder::new(Stamp(0)),
            thread: ThreadIndex(0),
            tag: TagIndex::NONE,
            latest: Stamp(0),
            limit: Stamp(0),
            batch_records,
            batch: Vec::new(),
            damage: Damage::default(),
        })
    }

    /// Replaces the batch by the next one, which is empty at the stream's end alone.
    pub fn decode_batch(&mut self) {
        self.batch.clear();
        while self.batch.len() < self.batch_records {
            if self.position >= self.buffer.len() && !self.open_segment() {
                return;
            }
            self.decode_records();
        }
    }

    /// Whether nothing follows the batch.
    pub fn is_at_end(&self) -> bool {
        self.position >= self.buffer.len() && self.next_segment >= self.stream.segments.len()
    }

    /// Reads the next segment; `false` at the end of the stream.
    fn open_segment(&mut self) -> bool {
        let Some(segment) = self.stream.segments.get(self.next_segment) else { return false };
        self.next_segment += 1;
        self.position = 0;
        self.decoder.reset(segment.base);
        self.file.note_events_read(segment.len);
        self.thread = segment.thread;
        self.limit = segment.limit;
        if let Err(error) = self.file.read(segment.offset, segment.len, &mut self.buffer) {
            self.buffer.clear();
            self.damage.unreadable = (self.damage.unreadable.0 + 1, error.to_string());
        }
        true
    }

    /// Goes on in the segment, to its end or until the batch is full.
    fn decode_records(&mut self) {
        let bytes = self.buffer.get(self.position..).unwrap_or_default();
        let mut reader = Reader::new(bytes);
        let (latest, limit, ring) = (self.latest, self.limit, self.stream.ring);
        let origin = self.origins.of(self.thread, self.tag);
        let mut out = Out { batch: &mut self.batch, latest, limit, ring, origin };
        let mut damaged = false;
        let mut good = 0;
        while out.batch.len() < self.batch_records && !reader.is_at_end() {
            match self.decoder.decode(&mut reader) {
                Ok(Some(Event::ThreadStart { thread, .. })) => {
                    (self.thread, self.tag) = (thread, TagIndex::NONE);
                    out.origin = Origin::of_thread(thread);
                }
                Ok(Some(Event::Tag { tag, .. })) => {
                    self.tag = tag;
                    out.origin = self.origins.of(self.thread, tag);
                }
                Ok(Some(event)) if out.push(event) => {}
                // No later version writes zeros: a page is lost here.
                Ok(None) if bytes.get(good) != Some(&0) => {}
                Ok(_) | Err(_) => {
                    damaged = true;
                    break;
                }
            }
            good = reader.position();
        }
        self.latest = out.latest;
        if damaged {
            self.damage.segments += 1;
            self.damage.bytes += (bytes.len() - good) as u64;
            self.position = self.buffer.len();
        } else {
            self.position += reader.position();
        }
    }
}

struct Out<'a> {
    batch: &'a mut Vec<MergedEvent>,
    latest: Stamp,
    limit: Stamp,
    ring: RingIndex,
    origin: Origin,
}

impl Out<'_> {
    /// Splits an event into moments; `false`, and nothing is changed, if there can be no such event: address 0, more
    /// bytes than there are, or later than what follows.
    #[inline]
    fn push(&mut self, event: Event) -> bool {
        match event {
            Event::Allocate { function, address, size, stack, stamp } => {
                let is_possible = address.0 != 0 && size <= SIZE_MAX && stamp <= self.limit;
                if is_possible {
                    self.moment(Action::Allocate, function, address, (size, stack), stamp);
                }
                is_possible
            }
            Event::Free { function, address, stamp } => {
                let is_possible = address.0 != 0 && stamp <= self.limit;
                if is_possible {
                    self.moment(Action::Free, function, address, (0, StackId::NONE), stamp);
                }
                is_possible
            }
            Event::Reallocate { old, new, size, stack, begin, end } => {
                let is_possible = old.0 != 0 && new.0 != 0 && size <= SIZE_MAX && end <= self.limit;
                if is_possible {
                    let (function, nothing) = (Function::Realloc, (0, StackId::NONE));
                    self.moment(Action::ReallocateBegin, function, old, nothing, begin);
                    self.moment(Action::ReallocateEnd, function, new, (size, stack), end);
                }
                is_possible
            }
            Event::Track { space, address, size, stack, stamp } => {
                // A reservation may have any size: ranges are kept elsewhere than blocks.
                let has_room = size <= SIZE_MAX || space == Space::MAPPINGS;
                let is_possible = has_room && stamp <= self.limit;
                if is_possible {
                    self.in_space(Action::Track, space, address, (size, stack), stamp);
                }
                is_possible
            }
            Event::Untrack { space, address, size, stamp } => {
                let is_possible = stamp <= self.limit;
                if is_possible {
                    self.in_space(Action::Untrack, space, address, (size, StackId::NONE), stamp);
                }
                is_possible
            }
            Event::Tag { .. } | Event::ThreadStart { .. } => true,
        }
    }

    #[inline]
    fn moment(
        &mut self,
        action: Action,
        function: Function,
        address: Address,
        (size, stack): (u64, StackId),
        stamp: Stamp,
    ) {
        self.add(action, function, Space::HEAP, address, (size, stack), stamp);
    }

    fn in_space(
        &mut self,
        action: Action,
        space: Space,
        address: Address,
        (size, stack): (u64, StackId),
        stamp: Stamp,
    ) {
        self.add(action, Function::Malloc, space, address, (size, stack), stamp);
    }

    #[inline]
    fn add(
        &mut self,
        action: Action,
        function: Function,
        space: Space,
        address: Address,
        (size, stack): (u64, StackId),
        stamp: Stamp,
    ) {
        // Only damage makes a stream go back in time; the merge relies on it not to.
        self.latest = self.latest.max(stamp);
        let (stamp, ring, origin, state) = (self.latest, self.ring, self.origin, State::Pending);
        let event = MergedEvent { stamp, address, size, stack, origin, ring, action, function, space, state };
        self.batch.push(event);
    }
}

/// The stamp of a stream's last event; `None` if it has none.
pub(crate) fn last_stamp(recording: &Recording, stream: &Stream) -> Option<Stamp> {
    stream.segments.iter().rev().find_map(|&segment| {
        // Alone: of a stream of which nothing can be decoded, each is to be looked at once.
        let alone = Stream { process: stream.process, ring: stream.ring, segments: vec![segment] };
        let mut decoder = StreamDecoder::new(recording, &alone, LAST_RECORDS);
        let mut latest = None;
        loop {
            decoder.decode_batch();
            match decoder.batch.last() {
                Some(event) => latest = Some(event.stamp),
                None => return latest,
            }
        }
    })
}

/// How many records are decoded at once where only the last is wanted.
const LAST_RECORDS: usize = 256;
