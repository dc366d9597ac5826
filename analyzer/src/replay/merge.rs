//! One process's streams as one, in the order of their stamps. Ties go to any stream; within one, order is kept.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tm_common::ids::{ProcessIndex, Stamp};

use super::event::MergedEvent;
use super::stream::{Damage, StreamDecoder};
use crate::reader::Recording;

/// A k-way merge that stays with a stream as long as it is the earliest.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    streams: Vec<StreamDecoder<'a>>,
    /// The next stamps of all streams but the current one.
    waiting: BinaryHeap<Reverse<(Stamp, usize)>>,
    current: usize,
    /// The current stream is the earliest up to and including this stamp.
    current_until: Stamp,
}

impl<'a> Merge<'a> {
    /// At the start of `process`.
    pub fn new(recording: &'a Recording, process: ProcessIndex) -> Merge<'a> {
        let streams = recording.streams.iter().filter(|stream| stream.process == process);
        let mut streams: Vec<_> = streams.map(|stream| StreamDecoder::new(&recording.file, stream)).collect();
        let waiting = streams.iter_mut().enumerate().filter_map(|(place, stream)| {
            let first = stream.peek()?.stamp;
            Some(Reverse((first, place)))
        });
        let waiting = waiting.collect();
        let mut merge = Merge { streams, waiting, current: usize::MAX, current_until: Stamp(0) };
        merge.take_earliest();
        merge
    }

    /// How many streams there are.
    pub fn n_streams(&self) -> usize {
        self.streams.len()
    }

    /// The next event.
    #[inline]
    pub fn next(&mut self) -> Option<MergedEvent> {
        loop {
            let stream = self.streams.get_mut(self.current)?;
            match stream.peek() {
                Some(event) if event.stamp <= self.current_until => {
                    let event = *event;
                    stream.advance();
                    return Some(event);
                }
                Some(event) => self.waiting.push(Reverse((event.stamp, self.current))),
                None => {}
            }
            self.take_earliest();
        }
    }

    /// What could not be decoded so far.
    pub fn damage(&self) -> Damage {
        let mut sum = Damage::default();
        for stream in &self.streams {
            sum.add(&stream.damage);
        }
        sum
    }

    fn take_earliest(&mut self) {
        self.current = self.waiting.pop().map_or(usize::MAX, |Reverse((_, place))| place);
        self.current_until = self.waiting.peek().map_or(Stamp(u64::MAX), |Reverse((stamp, _))| *stamp);
    }
}
