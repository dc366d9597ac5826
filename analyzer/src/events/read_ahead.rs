//! Decodes streams a batch ahead of their reader, on threads of their own.
//!
//! ```text
//!  reader           | batch n          | batch n+1        |      a Slot's decoder is with the reader,
//!  a thread of ours |    batch n + 1   |    batch n + 2   |      in the queue, or with a thread
//! ```
//!
//! A batch is decoded by a thread or, if none has begun it when it is wanted, by the reader: so nothing waits for a
//! thread that has no processor, and what is read is the same with any number of them.

use std::num::NonZero;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tm_common::ids::Stamp;

use super::damage::Damage;
use super::event::MergedEvent;
use super::event_stream::EventStream;
use super::stream::StreamDecoder;

/// More are of no use: one thread decodes faster than the reader replays.
const THREADS_MAX: usize = 4;

/// Threads that decode.
#[derive(Clone, Debug)]
pub(crate) struct Decoders<'a> {
    queue: Sender<Arc<Slot<'a>>>,
    n_threads: usize,
}

impl<'a> Decoders<'a> {
    /// Does `work`, and ends the threads after it.
    pub fn with<T>(work: impl FnOnce(&Decoders<'a>) -> T) -> T {
        Decoders::beside(0, work)
    }

    /// Does the same where `n_busy` processors have other things to do.
    pub fn beside<T>(n_busy: usize, work: impl FnOnce(&Decoders<'a>) -> T) -> T {
        let n_processors = thread::available_parallelism().map_or(1, NonZero::get);
        Decoders::with_threads(n_processors.saturating_sub(1 + n_busy).min(THREADS_MAX), work)
    }

    /// Whether there are threads that decode.
    pub fn has_threads(&self) -> bool {
        self.n_threads > 0
    }

    /// Does `work` without a thread besides the calling one.
    pub fn without_threads<T>(work: impl FnOnce(&Decoders<'a>) -> T) -> T {
        Decoders::with_threads(0, work)
    }

    fn with_threads<T>(n_threads: usize, work: impl FnOnce(&Decoders<'a>) -> T) -> T {
        let (queue, jobs) = mpsc::channel();
        let jobs = Mutex::new(jobs);
        thread::scope(|scope| {
            for _ in 0..n_threads {
                // Without the thread the reader decodes.
                let _ = thread::Builder::new().spawn_scoped(scope, || decode_all(&jobs));
            }
            // The threads end when the last sender is gone.
            work(&Decoders { queue, n_threads })
        })
    }
}

/// What a thread does.
fn decode_all(jobs: &Mutex<Receiver<Arc<Slot<'_>>>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(slot) = job else { return };
        let Some(mut decoder) = slot.take_queued() else { continue };
        decoder.decode_batch();
        *slot.lock() = Place::Done(decoder);
        slot.done.notify_one();
    }
}

/// Where a stream's decoder is while the reader does not have it.
#[derive(Debug)]
enum Place<'a> {
    /// Nobody has begun the next batch.
    Queued(Box<StreamDecoder<'a>>),
    /// A thread or the reader has it.
    Elsewhere,
    /// The next batch is there.
    Done(Box<StreamDecoder<'a>>),
}

#[derive(Debug)]
struct Slot<'a> {
    place: Mutex<Place<'a>>,
    done: Condvar,
}

impl<'a> Slot<'a> {
    fn lock(&self) -> MutexGuard<'_, Place<'a>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The decoder, if nobody has begun the next batch.
    fn take_queued(&self) -> Option<Box<StreamDecoder<'a>>> {
        let mut place = self.lock();
        match std::mem::replace(&mut *place, Place::Elsewhere) {
            Place::Queued(decoder) => Some(decoder),
            other => {
                *place = other;
                None
            }
        }
    }

    /// The decoder with its next batch.
    fn take_done(&self) -> Box<StreamDecoder<'a>> {
        if let Some(mut decoder) = self.take_queued() {
            decoder.decode_batch();
            return decoder;
        }
        let mut place = self.lock();
        loop {
            match std::mem::replace(&mut *place, Place::Elsewhere) {
                Place::Done(decoder) => return decoder,
                other => *place = other,
            }
            place = self.done.wait(place).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The events of one stream, one after the other.
#[derive(Debug)]
pub struct StreamEvents<'a> {
    batch: Vec<MergedEvent>,
    next_in_batch: usize,
    /// What could not be decoded of the batches so far: see [`StreamDecoder::damage`].
    damage: Vec<(Stamp, Damage)>,
    /// The rest of the stream, if there is any.
    ahead: Option<(Arc<Slot<'a>>, Decoders<'a>)>,
}

impl<'a> StreamEvents<'a> {
    /// Those that `decoder` is before. The first batch is decoded here: most streams of many have no other.
    pub(super) fn new(mut decoder: Box<StreamDecoder<'a>>, decoders: &Decoders<'a>) -> StreamEvents<'a> {
        decoder.decode_batch();
        let slot = Arc::new(Slot { place: Mutex::new(Place::Elsewhere), done: Condvar::new() });
        let mut events = StreamEvents {
            batch: Vec::new(),
            next_in_batch: 0,
            damage: Vec::new(),
            ahead: Some((slot, decoders.clone())),
        };
        events.accept(decoder);
        events
    }

    #[cold]
    fn refill(&mut self) {
        if let Some((slot, _)) = &self.ahead {
            let decoder = slot.take_done();
            self.accept(decoder);
        }
    }

    /// Takes the batch of `decoder`, and sends it for the next one.
    fn accept(&mut self, mut decoder: Box<StreamDecoder<'a>>) {
        std::mem::swap(&mut self.batch, &mut decoder.batch);
        self.next_in_batch = 0;
        self.damage.append(&mut decoder.damage);
        if decoder.is_at_end() {
            self.ahead = None;
        }
        if let Some((slot, decoders)) = &self.ahead {
            *slot.lock() = Place::Queued(decoder);
            // Without threads nobody takes it but the reader.
            let _ = decoders.queue.send(Arc::clone(slot));
        }
    }
}

impl EventStream for StreamEvents<'_> {
    #[inline]
    fn rest(&mut self) -> &[MergedEvent] {
        if self.next_in_batch >= self.batch.len() {
            self.refill();
        }
        self.batch.get(self.next_in_batch..).unwrap_or_default()
    }

    #[inline]
    fn advance(&mut self, n: usize) {
        self.next_in_batch += n;
    }

    fn damage_until(&self, until: Stamp) -> Damage {
        let n_until = self.damage.partition_point(|(latest, _)| *latest <= until);
        let (_, damage) = n_until.checked_sub(1).and_then(|last| self.damage.get(last)).cloned().unzip();
        damage.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use tm_common::event::Event;
    use tm_common::functions::Function;
    use tm_common::ids::{Address, ProcessIndex, StackId};

    use super::*;
    use crate::reader::Recording;
    use tm_testing::{Random, RecordingBuilder};

    /// What the streams of `recording` hold and what is damaged, read in turns of one batch.
    fn read(
        recording: &Recording,
        n_threads: usize,
        batch_records: usize,
    ) -> Vec<(Vec<MergedEvent>, Damage)> {
        Decoders::with_threads(n_threads, |decoders| {
            let decoder = |stream| StreamDecoder::new(recording, stream, batch_records);
            let streams = recording.streams.iter();
            let mut streams: Vec<_> =
                streams.map(|stream| StreamEvents::new(decoder(stream), decoders)).collect();
            let mut events = vec![Vec::new(); streams.len()];
            let mut n_read = usize::MAX;
            while n_read > 0 {
                n_read = 0;
                for (stream, events) in streams.iter_mut().zip(&mut events) {
                    events.extend_from_slice(stream.rest());
                    let n = stream.rest().len();
                    stream.advance(n);
                    n_read += n;
                }
            }
            events
                .into_iter()
                .zip(streams)
                .map(|(events, stream)| (events, stream.damage_until(Stamp(u64::MAX))))
                .collect()
        })
    }

    #[test]
    fn what_is_read_does_not_depend_on_threads_and_batches() {
        let (mut random, mut builder) = (Random::new(3), RecordingBuilder::with_process());
        for place in 0..60_000 {
            let (address, stamp) = (Address(16 * (1 + random.below(500))), Stamp(10 * place));
            let (function, stack, size) = (Function::Malloc, StackId::NONE, random.below(1_000));
            let event = Event::Allocate { function, address, size, stack, stamp };
            builder.event(ProcessIndex(0), random.below(3) as u32, &event);
        }
        builder.garbage(ProcessIndex(0), 1, &[0xff; 20]);
        let file = builder.file();
        let recording = Recording::open(file.path()).expect("it is valid");
        let whole = read(&recording, 0, usize::MAX);
        assert_eq!(whole.iter().map(|(events, _)| events.len()).sum::<usize>(), 60_000);
        assert_eq!(whole.iter().map(|(_, damage)| damage.segments).sum::<u64>(), 1);
        for (n_threads, batch_records) in [(0, 7), (1, 1), (1, 100), (2, 13), (4, 5_000)] {
            assert!(read(&recording, n_threads, batch_records) == whole, "{n_threads}, {batch_records}");
        }
    }
}
