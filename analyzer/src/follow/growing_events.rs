//! What the merge takes events from: a stream, or those that it gave back.

use tm_common::ids::Stamp;

use super::growing_stream::{GrowingStream, keep_rest};
use crate::events::{Damage, EventStream, MergedEvent};

/// How many records of one stream are decoded at once.
const BATCH_RECORDS: usize = 2048;

/// Events in the order of their stamps.
#[derive(Debug, Default)]
pub struct GrowingEvents {
    stream: Option<GrowingStream>,
    batch: Vec<MergedEvent>,
    next_in_batch: usize,
}

impl GrowingEvents {
    /// Those of a stream.
    pub(super) fn of(stream: GrowingStream) -> GrowingEvents {
        GrowingEvents { stream: Some(stream), ..GrowingEvents::default() }
    }

    /// The stream, if it is one's.
    pub(super) fn stream_mut(&mut self) -> Option<&mut GrowingStream> {
        self.stream.as_mut()
    }

    /// Puts `events` before those that are here already.
    pub(super) fn put_before(&mut self, events: &mut dyn Iterator<Item = MergedEvent>) {
        let rest = self.batch.split_off(self.next_in_batch.min(self.batch.len()));
        self.batch.clear();
        self.next_in_batch = 0;
        self.batch.extend(events);
        self.batch.extend(rest);
    }

    /// Until the next look: keeps what is still to be read alone, and the file if it is to stay open.
    pub(super) fn pause(&mut self, keep_open: bool) {
        keep_rest(&mut self.batch, &mut self.next_in_batch);
        self.stream.iter_mut().for_each(|stream| stream.pause(keep_open));
    }

    /// The memory that events take, in bytes.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let buffered = self.stream.as_ref().map_or(0, GrowingStream::buffered_bytes);
        self.batch.capacity() * size_of::<MergedEvent>() + buffered
    }
}

impl EventStream for GrowingEvents {
    #[inline]
    fn rest(&mut self) -> &[MergedEvent] {
        if self.next_in_batch >= self.batch.len()
            && let Some(stream) = &mut self.stream
        {
            self.batch.clear();
            self.next_in_batch = 0;
            stream.decode(BATCH_RECORDS, &mut self.batch);
        }
        self.batch.get(self.next_in_batch..).unwrap_or_default()
    }

    #[inline]
    fn advance(&mut self, n: usize) {
        self.next_in_batch += n;
    }

    /// All of it: a follower says what is known so far.
    fn damage_until(&self, _until: Stamp) -> Damage {
        self.stream.as_ref().map(|stream| stream.damage.clone()).unwrap_or_default()
    }
}
