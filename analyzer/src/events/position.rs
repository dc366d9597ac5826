//! How far a stream was written at a moment.

use tm_common::ids::Stamp;

use super::event::{Action, MergedEvent};
use super::records::RecordDecoder;
use crate::reader::Recording;
use crate::reader::checkpoint::Passed;
use crate::reader::streams::{Stream, StreamSegment};

/// Where in `stream` the events later than `until` begin. Segments that cannot be read are passed over.
pub(crate) fn position(recording: &Recording, stream: &Stream, until: Stamp) -> Passed {
    let n_begun = stream.segments.partition_point(|segment| segment.base <= until);
    let Some(last) = n_begun.checked_sub(1) else { return stream.passed };
    let mut reading =
        Reading { recording, records: RecordDecoder::new(stream.index, stream.passed.tag), until };
    let mut buffer = Vec::new();
    for (place, segment) in stream.segments.iter().enumerate().take(n_begun) {
        // The tag is all that is wanted of those before.
        if place < last && recording.tags.is_empty() {
            continue;
        }
        let tag = reading.records.tag();
        let is_read = recording.file.read(segment.offset, segment.len, &mut buffer).is_ok();
        let bytes = if is_read { buffer.as_slice() } else { &[] };
        let (n_bytes, is_half) = reading.read(segment, bytes);
        if place == last {
            let bytes = if is_read { n_bytes } else { segment.len };
            return Passed { sequence: segment.sequence, bytes, tag, is_half };
        }
    }
    stream.passed
}

/// A stream being decoded up to a moment.
struct Reading<'a> {
    recording: &'a Recording,
    records: RecordDecoder,
    until: Stamp,
}

impl Reading<'_> {
    /// How many bytes of a segment's records are of events up to the moment, and whether the next begins before it and ends after it.
    fn read(&mut self, segment: &StreamSegment, bytes: &[u8]) -> (usize, bool) {
        let Reading { recording, records, until } = self;
        records.begin_segment(segment.base, segment.thread, segment.limit, segment.sample_rate);
        let (tags, repeats) = (&recording.thread_tags, &recording.stacks.repeats);
        let (mut position, mut batch) = (0, Vec::<MergedEvent>::new());
        while position < bytes.len() {
            batch.clear();
            let rest = bytes.get(position..).unwrap_or_default();
            // What is damaged was passed over when it was replayed.
            let Ok(n_bytes) = records.decode(rest, tags, repeats, 1, &mut batch) else {
                return (bytes.len(), false);
            };
            match batch.as_slice() {
                [begin, end, ..] if begin.action == Action::ReallocateBegin && end.stamp > *until => {
                    return (position, begin.stamp <= *until);
                }
                [event, ..] if event.stamp > *until => return (position, false),
                _ => position += n_bytes,
            }
        }
        (position, false)
    }
}
