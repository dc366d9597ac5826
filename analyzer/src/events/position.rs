//! How far a stream was written at a moment.

use tm_common::ids::{Stamp, TagIndex};

use super::event::{Action, MergedEvent};
use super::records::RecordDecoder;
use crate::reader::Recording;
use crate::reader::checkpoint::Passed;
use crate::reader::streams::{Stream, StreamSegment};

/// Stands for a tag that is not known yet: no stream has it.
const UNKNOWN: TagIndex = TagIndex(u32::MAX);

/// Where in `stream` the events later than `until` begin. Segments that cannot be read are passed over, and so is the last one if all
/// of its events are earlier and `is_left` says that no others come in it: how much of it is in use was known before the followers were found.
pub(crate) fn position(
    recording: &Recording,
    stream: &Stream,
    until: Stamp,
    is_left: impl Fn(&StreamSegment) -> bool,
) -> Passed {
    let n_begun = stream.segments.partition_point(|segment| segment.base <= until);
    let Some((last, before)) = stream.segments.get(..n_begun).and_then(<[_]>::split_last) else {
        return stream.passed;
    };
    let tag = tag_after(recording, stream, before);
    let (n_bytes, is_half, tag_at_end) = Reading { recording, until }.read(stream, last, tag);
    if n_bytes >= last.len && !is_half && is_left(last) {
        return Passed {
            sequence: last.sequence.saturating_add(1),
            bytes: 0,
            tag: tag_at_end,
            is_half: false,
        };
    }
    Passed { sequence: last.sequence, bytes: n_bytes, tag, is_half }
}

/// The tag in force after `segments` of a stream, which are its first ones: the last that says it decides.
fn tag_after(recording: &Recording, stream: &Stream, segments: &[StreamSegment]) -> TagIndex {
    if recording.tags.is_empty() {
        return stream.passed.tag;
    }
    let reading = Reading { recording, until: Stamp(u64::MAX) };
    let tags = segments.iter().rev().map(|segment| reading.read(stream, segment, UNKNOWN).2);
    tags.into_iter().find(|&tag| tag != UNKNOWN).unwrap_or(stream.passed.tag)
}

/// Segments being decoded up to a moment.
struct Reading<'a> {
    recording: &'a Recording,
    until: Stamp,
}

impl Reading<'_> {
    /// How many bytes of a segment's records are of events up to the moment, whether the next begins before it and ends after it, and
    /// which tag is in force then, if `tag` is at its start.
    fn read(&self, stream: &Stream, segment: &StreamSegment, tag: TagIndex) -> (usize, bool, TagIndex) {
        let Reading { recording, until } = self;
        let mut bytes = Vec::new();
        if recording.file.read(segment.offset, segment.len, &mut bytes).is_err() {
            return (segment.len, false, tag);
        }
        let mut records = RecordDecoder::new(stream.index, tag);
        records.begin_segment(segment.base, segment.thread, segment.limit, segment.sample_rate);
        let (tags, repeats) = (&recording.thread_tags, &recording.stacks.repeats);
        let (mut position, mut batch) = (0, Vec::<MergedEvent>::new());
        while position < bytes.len() {
            batch.clear();
            let rest = bytes.get(position..).unwrap_or_default();
            // What is damaged was passed over when it was replayed.
            let Ok(n_bytes) = records.decode(rest, tags, repeats, 1, &mut batch) else {
                return (bytes.len(), false, records.tag());
            };
            match batch.as_slice() {
                [begin, end, ..] if begin.action == Action::ReallocateBegin && end.stamp > *until => {
                    return (position, begin.stamp <= *until, records.tag());
                }
                [event, ..] if event.stamp > *until => return (position, false, records.tag()),
                _ => position += n_bytes,
            }
        }
        (position, false, records.tag())
    }
}
