//! One process's streams as one, in the order of their stamps. Ties go to any stream; within one, order is kept.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tm_common::ids::{ProcessIndex, Stamp};

use super::damage::Damage;
use super::event::MergedEvent;
use super::event_stream::EventStream;
use super::read_ahead::{Decoders, StreamEvents};
use super::stream::StreamDecoder;
use crate::reader::Recording;

/// How many records of one stream are decoded at once: fewer are not worth waking a processor up for, or passing a batch
/// from one processor's cache to another's. Each of many streams has fewer, so that memory stays small.
const BATCH_RECORDS_MAX: usize = 1 << 16;
/// The same where the reader decodes them itself: what it decoded is in its processor's second cache still, 160 KiB.
const BATCH_RECORDS_HERE: usize = 1 << 12;
const BATCH_RECORDS_MIN: usize = 512;
/// How many of all streams together, while that is possible: twice 10 MiB.
const ALL_RECORDS: usize = 1 << 18;

/// A k-way merge that stays with a stream as long as it is the earliest.
#[derive(Debug)]
pub struct Merge<S> {
    streams: Vec<S>,
    /// The next stamps of all streams but the current one.
    waiting: BinaryHeap<Reverse<(Stamp, usize)>>,
    current: usize,
    /// The current stream is the earliest up to and including this stamp.
    current_until: Stamp,
}

impl<'a> Merge<StreamEvents<'a>> {
    /// At the start of `process`.
    pub(crate) fn new(
        recording: &'a Recording,
        process: ProcessIndex,
        decoders: &Decoders<'a>,
    ) -> Merge<StreamEvents<'a>> {
        let streams = recording.streams_of(process);
        let batch_max = if decoders.has_threads() { BATCH_RECORDS_MAX } else { BATCH_RECORDS_HERE };
        let batch_records = (ALL_RECORDS / streams.len().max(1)).clamp(BATCH_RECORDS_MIN, batch_max);
        let events =
            |stream| StreamEvents::new(StreamDecoder::new(recording, stream, batch_records), decoders);
        Merge::of(streams.iter().map(events).collect())
    }
}

impl<S: EventStream> Merge<S> {
    /// Merges `streams`. Events with equal stamps come in the order of their streams.
    pub fn of(streams: Vec<S>) -> Merge<S> {
        let mut merge =
            Merge { streams, waiting: BinaryHeap::new(), current: usize::MAX, current_until: Stamp(0) };
        merge.resume();
        merge
    }

    /// The streams. [`Merge::resume`] has to follow if any of them changes.
    pub fn streams_mut(&mut self) -> &mut Vec<S> {
        &mut self.streams
    }

    /// Looks at all streams anew: some may have more than before, and there may be new ones.
    pub fn resume(&mut self) {
        self.waiting.clear();
        let waiting = self.streams.iter_mut().enumerate().filter_map(|(place, stream)| {
            let first = stream.rest().first()?.stamp;
            Some(Reverse((first, place)))
        });
        self.waiting.extend(waiting);
        self.take_earliest();
    }

    /// How many streams there are.
    pub fn n_streams(&self) -> usize {
        self.streams.len()
    }

    /// Appends up to `n_wanted` of the next events to `events`; `false` if there are no more.
    pub fn take(&mut self, mut n_wanted: usize, events: &mut Vec<MergedEvent>) -> bool {
        while n_wanted > 0 {
            let Some(stream) = self.streams.get_mut(self.current) else { return false };
            let rest = stream.rest();
            let rest = rest.get(..n_wanted).unwrap_or(rest);
            // A stream that is alone comes whole, one of many an event or two at a time.
            let is_whole = rest.last().is_some_and(|event| event.stamp <= self.current_until);
            let earliest = || rest.iter().position(|event| event.stamp > self.current_until);
            let n_taken = if is_whole { rest.len() } else { earliest().unwrap_or(rest.len()) };
            events.extend_from_slice(rest.get(..n_taken).unwrap_or_default());
            let next = rest.get(n_taken).map(|event| event.stamp);
            stream.advance(n_taken);
            n_wanted -= n_taken;
            if let Some(next) = next {
                self.waiting.push(Reverse((next, self.current)));
            }
            if next.is_some() || n_taken == 0 {
                self.take_earliest();
            }
        }
        true
    }

    /// See [`EventStream::damage_until`].
    pub fn damage_until(&self, until: Stamp) -> Damage {
        let mut sum = Damage::default();
        for stream in &self.streams {
            sum.add(&stream.damage_until(until));
        }
        sum
    }

    fn take_earliest(&mut self) {
        self.current = self.waiting.pop().map_or(usize::MAX, |Reverse((_, place))| place);
        self.current_until = self.waiting.peek().map_or(Stamp(u64::MAX), |Reverse((stamp, _))| *stamp);
    }
}
