//! The events of one stream, read as they are written.
//!
//! ```text
//!  segments of the chain    | left behind | whole       | whole | growing        | begun, nothing in it
//!                                           ^ read up to here     ^ `used` when it was looked at
//! ```
//!
//! A stream's thread never writes to a segment again once it has written to the next one. The first record there is published
//! by a store that publishes all before it, so a reader that has seen it finds the segment before whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use tm_common::header::GRAIN_BYTES;
use tm_common::ids::{ProcessIndex, Stamp, StreamIndex, ThreadIndex};
use tm_common::sampling::SampleRate;
use tm_common::segment::{HEADER_BYTES, SegmentHeader};

use crate::events::{Damage, DamagedFrom, MergedEvent, RecordDecoder};
use crate::reader::{FoundSegment, Headers, OpenFile, Recording, Repeats, ThreadTags};

/// A segment that is not left behind.
#[derive(Debug)]
struct Segment {
    offset: u64,
    grains: u16,
    base: Stamp,
    thread: ThreadIndex,
    sample_rate: SampleRate,
    /// The look that found it.
    found_in: u64,
}

impl Segment {
    /// The most bytes that may be in use after its header.
    fn capacity(&self) -> usize {
        (usize::from(self.grains) * GRAIN_BYTES).saturating_sub(HEADER_BYTES)
    }
}

/// How far a segment has been read.
#[derive(Clone, Copy, Debug)]
struct Place {
    sequence: u32,
    /// Bytes after the header.
    n_read: usize,
    /// Whether nothing more of it is wanted: it is whole and was read to its end, or is damaged.
    is_done: bool,
}

/// The reading end of a stream.
#[derive(Debug)]
pub(super) struct GrowingStream {
    /// Only while it may be read.
    file: Option<OpenFile>,
    thread_tags: Arc<ThreadTags>,
    repeats: Arc<Repeats>,
    /// The segments by place in the chain.
    segments: BTreeMap<u32, Segment>,
    current: Option<Place>,
    /// The place in the chain that follows what was read.
    next_sequence: u32,
    /// The segment that may be growing, and how many bytes were in use when it was looked at. Those before it are whole,
    /// and those after it are not to be read yet.
    growing: Option<(u32, usize)>,
    records: RecordDecoder,
    /// The place in the chain of the first segment that is not folded as a whole.
    first_sequence: u32,
    buffer: Vec<u8>,
    position: usize,
    /// What could not be decoded.
    pub damage: Damage,
}

impl GrowingStream {
    /// A stream of which nothing was read but what is folded.
    pub fn new(stream: StreamIndex, process: ProcessIndex, recording: &Recording) -> GrowingStream {
        let checkpoint = recording.checkpoint.as_ref();
        let passed = checkpoint.and_then(|it| it.of_stream(process, stream)).unwrap_or_default();
        GrowingStream {
            file: None,
            thread_tags: Arc::clone(&recording.thread_tags),
            repeats: Arc::clone(&recording.stacks.repeats),
            segments: BTreeMap::new(),
            current: None,
            next_sequence: passed.sequence,
            growing: None,
            records: RecordDecoder::after(passed, stream),
            first_sequence: passed.sequence,
            buffer: Vec::new(),
            position: 0,
            damage: Damage::default(),
        }
    }

    /// Adds a segment that was found in look number `look`; `false` if its place in the chain is taken or was passed, and not
    /// because it is folded.
    pub fn add(&mut self, found: &FoundSegment, look: u64) -> bool {
        let header = &found.header;
        if header.sequence < self.first_sequence {
            return true;
        }
        let is_new = header.sequence >= self.next_sequence && !self.segments.contains_key(&header.sequence);
        if is_new {
            let segment = Segment {
                offset: found.offset,
                grains: header.grains,
                base: header.base_stamp,
                thread: header.thread,
                sample_rate: header.sample_rate,
                found_in: look,
            };
            self.segments.insert(header.sequence, segment);
        }
        is_new
    }

    /// Sees how much there is to read now, in look number `look`.
    pub fn look(&mut self, file: &OpenFile, headers: &mut Headers, look: u64) {
        self.file = Some(file.clone());
        self.growing = None;
        let first = self.current.map_or(self.next_sequence, |place| place.sequence);
        let mut known = Vec::new();
        let mut expected = first;
        for (&sequence, segment) in self.segments.range(first..) {
            // Of two segments the look may have found the later one alone; but the next look finds both, or one is lost.
            if sequence != expected && segment.found_in == look {
                break;
            }
            expected = sequence.saturating_add(1);
            known.push(sequence);
        }
        while let Some(sequence) = known.pop() {
            let Some(segment) = self.segments.get(&sequence) else { continue };
            // It is read before the bytes.
            let used = headers.used_now(file, segment.offset).unwrap_or(0) as usize;
            if used > 0 || known.is_empty() {
                self.growing = Some((sequence, used.min(segment.capacity())));
                break;
            }
        }
    }

    /// Until the next look: keeps what is still to be decoded alone, and the file if it is to stay open. Most of many
    /// threads rest.
    pub fn pause(&mut self, keep_open: bool) {
        keep_rest(&mut self.buffer, &mut self.position);
        if !keep_open {
            self.file = None;
        }
    }

    /// The memory that bytes to be decoded take.
    #[cfg(test)]
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Appends the next events to `batch` until it has `n_wanted`, as far as there are any.
    pub fn decode(&mut self, n_wanted: usize, batch: &mut Vec<MergedEvent>) {
        while batch.len() < n_wanted {
            if self.position >= self.buffer.len() && !self.read_more() {
                return;
            }
            debug_assert!(self.position <= self.buffer.len(), "the decoder is behind what was read");
            let bytes = self.buffer.get(self.position..).unwrap_or_default();
            match self.records.decode(bytes, &self.thread_tags, &self.repeats, n_wanted, batch) {
                Ok(n_bytes) => self.position += n_bytes,
                Err(DamagedFrom(place)) => {
                    self.damage.add_segment(bytes.len() - place);
                    self.position = self.buffer.len();
                    self.current.iter_mut().for_each(|place| place.is_done = true);
                }
            }
        }
    }

    /// Reads what follows the bytes in the buffer, which are decoded; `false` if there is nothing yet.
    fn read_more(&mut self) -> bool {
        self.buffer.clear();
        self.position = 0;
        let (Some((growing, used)), Some(file)) = (self.growing, self.file.clone()) else { return false };
        loop {
            let place = match self.current {
                Some(place) if place.sequence == growing => {
                    if place.is_done || place.n_read >= used {
                        return false;
                    }
                    self.read(&file, place, used);
                    return true;
                }
                Some(place) if place.is_done => match self.begin_next() {
                    Some(next) => next,
                    None => return false,
                },
                Some(place) => place,
                None => match self.begin_next() {
                    Some(next) => next,
                    None => return false,
                },
            };
            self.current = Some(place);
            if place.sequence != growing {
                self.read_whole(&file, place);
                return true;
            }
        }
    }

    /// Leaves the current segment behind, which is done, and begins the next one.
    fn begin_next(&mut self) -> Option<Place> {
        if let Some(place) = self.current.take() {
            self.segments.remove(&place.sequence);
        }
        let mut known = self.segments.range(self.next_sequence..);
        let (&sequence, segment) = known.next()?;
        // Segments' headers are checked and events are not: what leads beyond the next one's first stamp is damage.
        let limit = known.next().map_or(Stamp(u64::MAX), |(_, next)| next.base);
        self.records.begin_segment(segment.base, segment.thread, limit, segment.sample_rate);
        self.damage.add_gap(sequence.saturating_sub(self.next_sequence));
        self.next_sequence = sequence.saturating_add(1);
        Some(Place { sequence, n_read: 0, is_done: false })
    }

    /// Reads a segment up to `used` bytes.
    fn read(&mut self, file: &OpenFile, mut place: Place, used: usize) {
        let Some(segment) = self.segments.get(&place.sequence) else { return };
        let offset = segment.offset + (HEADER_BYTES + place.n_read) as u64;
        if let Err(error) = file.read(offset, used.saturating_sub(place.n_read), &mut self.buffer) {
            self.damage.add_unreadable(&error);
            self.buffer.clear();
        }
        let (tags, repeats) = (&self.thread_tags, &self.repeats);
        self.position = self.records.pass_folded(place.sequence, &self.buffer, tags, repeats);
        place.n_read = used;
        self.current = Some(place);
    }

    /// Reads the rest of a segment that does not grow any more.
    fn read_whole(&mut self, file: &OpenFile, place: Place) {
        if let Some(segment) = self.segments.get(&place.sequence) {
            let capacity = segment.capacity();
            let read = file.read(segment.offset, HEADER_BYTES, &mut self.buffer);
            let header = SegmentHeader::parse(&self.buffer);
            self.buffer.clear();
            match (read, header) {
                (Err(error), _) => self.damage.add_unreadable(&error),
                (_, Ok(Some(header))) => self.read(file, place, capacity.min(header.used as usize)),
                _ => self.damage.add_segment(capacity.saturating_sub(place.n_read)),
            }
        }
        self.current = Some(Place { is_done: true, ..place });
    }
}

/// Takes out the first `n_read` items, and gives back the memory that the others do not need.
pub(super) fn keep_rest<T>(items: &mut Vec<T>, n_read: &mut usize) {
    items.drain(..items.len().min(*n_read));
    items.shrink_to_fit();
    *n_read = 0;
}
