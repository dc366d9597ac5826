//! Decodes one stream, segment by segment and in batches.

use tm_common::ids::Stamp;
use tm_common::segment::{HEADER_BYTES, SegmentHeader, SegmentKind};

use super::damage::Damage;
use super::event::MergedEvent;
use super::records::{DamagedFrom, RecordDecoder};
use crate::reader::checkpoint::Passed;
use crate::reader::file::RecordingFile;
use crate::reader::streams::{Stream, StreamSegment};
use crate::reader::{Recording, Repeats, ThreadTags};

/// Decodes one stream, batch by batch.
#[derive(Debug)]
pub(super) struct StreamDecoder<'a> {
    file: &'a RecordingFile,
    thread_tags: &'a ThreadTags,
    repeats: &'a Repeats,
    stream: &'a Stream,
    next_segment: usize,
    buffer: Vec<u8>,
    position: usize,
    records: RecordDecoder,
    batch_records: usize,
    /// Whether somebody may be writing to the file.
    is_written: bool,
    /// The latest batch.
    pub batch: Vec<MergedEvent>,
    /// What could not be decoded so far: as a whole each time that something was added, with the latest stamp before that.
    pub damage: Vec<(Stamp, Damage)>,
    whole_damage: Damage,
}

impl<'a> StreamDecoder<'a> {
    /// At the stream's start, in batches of `batch_records`.
    pub fn new(recording: &'a Recording, stream: &'a Stream, batch_records: usize) -> Box<StreamDecoder<'a>> {
        Box::new(StreamDecoder {
            file: &recording.file,
            thread_tags: &recording.thread_tags,
            repeats: &recording.stacks.repeats,
            stream,
            next_segment: 0,
            buffer: Vec::new(),
            position: 0,
            records: RecordDecoder::after(stream.passed, stream.index),
            batch_records,
            is_written: recording.as_of.is_some(),
            batch: Vec::new(),
            damage: Vec::new(),
            whole_damage: Damage::default(),
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
        self.records.begin_segment(segment.base, segment.thread, segment.limit, segment.sample_rate);
        self.file.note_events_read(segment.len);
        if let Err(error) = self.file.read(segment.offset, segment.len, &mut self.buffer) {
            self.buffer.clear();
            self.note_damage(segment.base, |damage| damage.add_unreadable(&error));
        } else if self.is_written && !self.is_there(segment) {
            // A keeper has given its room back, and who knows whose events these are.
            self.buffer.clear();
            self.note_damage(segment.base, |damage| damage.add_gap(1));
        }
        let (tags, repeats) = (self.thread_tags, self.repeats);
        self.position = self.records.pass_folded(segment.sequence, &self.buffer, tags, repeats);
        true
    }

    /// Whether what was read is still the segment that was found.
    fn is_there(&mut self, segment: &StreamSegment) -> bool {
        let at = segment.offset - HEADER_BYTES as u64;
        let mut bytes = Vec::new();
        let is_read = self.file.read(at, HEADER_BYTES, &mut bytes).is_ok();
        let header = SegmentHeader::parse(&bytes).ok().flatten().filter(|_| is_read);
        header.is_some_and(|header| {
            let place = (header.process, header.stream, header.sequence);
            header.kind == SegmentKind::Events
                && place == (self.stream.process, self.stream.index, segment.sequence)
        })
    }

    /// Notes damage behind the event of a stamp.
    #[cold]
    fn note_damage(&mut self, latest: Stamp, note: impl FnOnce(&mut Damage)) {
        note(&mut self.whole_damage);
        self.damage.push((latest, self.whole_damage.clone()));
    }

    /// Goes on in the segment, to its end or until the batch is full.
    fn decode_records(&mut self) {
        debug_assert!(self.position <= self.buffer.len(), "the decoder is behind the end of its segment");
        let bytes = self.buffer.get(self.position..).unwrap_or_default();
        match self.records.decode(bytes, self.thread_tags, self.repeats, self.batch_records, &mut self.batch)
        {
            Ok(n_bytes) => self.position += n_bytes,
            Err(DamagedFrom(place)) => {
                let n_bytes = bytes.len() - place;
                let begun =
                    self.next_segment.checked_sub(1).and_then(|place| self.stream.segments.get(place));
                let latest = begun.map_or(Stamp(0), |segment| segment.base).max(self.records.latest());
                self.note_damage(latest, |damage| damage.add_segment(n_bytes));
                self.position = self.buffer.len();
            }
        }
    }
}

/// The stamp of a stream's last event; `None` if it has none.
pub(super) fn last_stamp(recording: &Recording, stream: &Stream) -> Option<Stamp> {
    stream.segments.iter().rev().find_map(|&segment| {
        // Alone: of a stream of which nothing can be decoded, each is to be looked at once.
        let (process, index, passed) = (stream.process, stream.index, Passed::default());
        let alone = Stream { process, index, segments: vec![segment], passed };
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
