//! Sorts the event segments into streams, a chain each. Does not decode them.

use tm_common::header::GRAIN_BYTES;
use tm_common::ids::{ProcessIndex, Stamp, StreamIndex, ThreadIndex};
use tm_common::sampling::SampleRate;
use tm_common::segment::{HEADER_BYTES, SegmentKind};

use super::checkpoint::{Checkpoint, FoldedStream, Passed};
use super::headers::FoundSegment;
use super::problem::Problem;

/// Where events of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSegment {
    /// Where the events start, in bytes from the file's start.
    pub offset: u64,
    /// Their size in bytes.
    pub len: usize,
    /// Its place in the stream's chain.
    pub sequence: u32,
    /// What the first time difference counts from.
    pub base: Stamp,
    /// What a later segment's counts from: nothing in this one is later.
    pub limit: Stamp,
    /// The thread of the first event.
    pub thread: ThreadIndex,
    /// How many bytes there are from one sample to the next.
    pub sample_rate: SampleRate,
    /// Whether no record begins in it any more, for want of room.
    pub is_full: bool,
}

/// The segments of one stream in their order: stamps never decrease along it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Whose events these are.
    pub process: ProcessIndex,
    /// Its number among those of the process.
    pub index: StreamIndex,
    /// Its chain, without what is missing and what is folded.
    pub segments: Vec<StreamSegment>,
    /// What of the first segment is folded.
    pub passed: Passed,
}

impl Stream {
    /// What is passed over if all of it is folded, and nothing comes any more.
    pub(crate) fn end(&self) -> Passed {
        let passed =
            |last: &StreamSegment| Passed { sequence: last.sequence.saturating_add(1), ..Passed::default() };
        self.segments.last().map_or(self.passed, passed)
    }

    /// The places before that of `sequence` where a segment is missing.
    pub(crate) fn missing_before(&self, sequence: u32) -> u64 {
        let (mut missing, mut next) = (0, u64::from(self.passed.sequence));
        for segment in self.segments.iter().filter(|segment| segment.sequence <= sequence) {
            missing += u64::from(segment.sequence).saturating_sub(next);
            next = u64::from(segment.sequence) + 1;
        }
        missing
    }
}

/// What a chain of segments can be expected to be.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// Whole. The number is how many streams the file's header counts: of a stream whose only segment is lost nothing else
    /// tells.
    Whole(u32),
    /// Whole up to this moment: the file is being written. The later one of two segments that were begun since may have
    /// been found alone; and a stream may be counted that has no segment yet.
    AsOf(Stamp),
}

/// The streams of all processes, by process and number.
pub fn streams(
    segments: &[FoundSegment],
    file_len: u64,
    checkpoint: Option<&Checkpoint>,
    expected: Expected,
    problems: &mut Vec<Problem>,
) -> Vec<Stream> {
    let mut events: Vec<&FoundSegment> =
        segments.iter().filter(|found| found.header.kind == SegmentKind::Events).collect();
    events.sort_by_key(|found| (found.header.process, found.header.stream, found.header.sequence));
    let (mut missing, mut streams_with_gaps) = checkpoint.map_or((0, 0), |checkpoint| checkpoint.missing);
    let mut duplicates = 0;
    // Those that are folded whole are known too.
    let is_gone =
        |folded: &&FoldedStream| events.binary_search_by_key(&folded.key(), |it| stream_of(it)).is_err();
    let n_gone = checkpoint.map_or(0, |checkpoint| checkpoint.streams.iter().filter(is_gone).count());
    let (mut streams, mut n_found) = (Vec::new(), n_gone as u64);
    for chain in events.chunk_by(|a, b| stream_of(a) == stream_of(b)) {
        n_found += 1;
        let Some(first) = chain.first() else { continue };
        let (process, index) = stream_of(first);
        let passed =
            checkpoint.and_then(|checkpoint| checkpoint.of_stream(process, index)).unwrap_or_default();
        let mut stream = Stream { process, index, segments: Vec::with_capacity(chain.len()), passed };
        let (mut next, mut missing_here) = (u64::from(passed.sequence), 0);
        let needed = chain.iter().filter(|found| found.header.sequence >= passed.sequence);
        for found in needed {
            let place = u64::from(found.header.sequence);
            if place < next {
                duplicates += 1;
                continue;
            }
            if place > next && matches!(expected, Expected::AsOf(moment) if found.header.base_stamp > moment)
            {
                break;
            }
            missing_here += place - next;
            next = place + 1;
            stream.segments.push(StreamSegment {
                offset: found.offset + HEADER_BYTES as u64,
                len: found.used_bytes(file_len),
                sequence: found.header.sequence,
                base: found.header.base_stamp,
                limit: Stamp(u64::MAX),
                thread: found.header.thread,
                sample_rate: found.header.sample_rate,
                is_full: found.is_full(),
            });
        }
        if stream.segments.is_empty() {
            continue;
        }
        limit_by_followers(&mut stream.segments);
        // A checkpoint may say any number.
        missing = missing.saturating_add(missing_here);
        streams_with_gaps = streams_with_gaps.saturating_add(u64::from(missing_here > 0));
        streams.push(stream);
    }
    // Each takes a grain at least: a greater number is damage of its own, or the file is cut, which is said.
    let n_streams = match expected {
        Expected::Whole(n_streams) => {
            Some(u64::from(n_streams)).filter(|&n| n <= file_len / GRAIN_BYTES as u64)
        }
        Expected::AsOf(_) => None,
    };
    let lost_streams = n_streams.unwrap_or(0).saturating_sub(n_found);
    missing = missing.saturating_add(lost_streams);
    streams_with_gaps = streams_with_gaps.saturating_add(lost_streams);
    if missing > 0 {
        problems.push(Problem::MissingSegments { count: missing, streams: streams_with_gaps });
    }
    if duplicates > 0 {
        problems.push(Problem::DuplicateSegments { count: duplicates });
    }
    streams
}

/// Segments' headers are checked and events are not: what leads beyond the followers' first stamps is damage.
fn limit_by_followers(segments: &mut [StreamSegment]) {
    let mut limit = Stamp(u64::MAX);
    for segment in segments.iter_mut().rev() {
        segment.limit = limit;
        limit = limit.min(segment.base);
    }
}

fn stream_of(found: &FoundSegment) -> (ProcessIndex, StreamIndex) {
    (found.header.process, found.header.stream)
}
