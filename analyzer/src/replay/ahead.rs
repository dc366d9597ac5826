//! Decodes streams a batch ahead of whoever reads them, on threads of their own.
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

use super::event::MergedEvent;
use super::stream::{Damage, StreamDecoder};

/// More are of no use: one thread decodes faster than the reader replays.
const THREADS_MAX: usize = 4;

/// Threads that decode.
#[derive(Clone, Debug)]
pub(super) struct Decoders<'a> {
    queue: Sender<Arc<Slot<'a>>>,
}

impl<'a> Decoders<'a> {
    /// Does `work`, and ends the threads after it.
    pub fn with<T>(work: impl FnOnce(&Decoders<'a>) -> T) -> T {
        let (queue, jobs) = mpsc::channel();
        let jobs = Mutex::new(jobs);
        thread::scope(|scope| {
            let n_processors = thread::available_parallelism().map_or(1, NonZero::get);
            for _ in 0..n_processors.saturating_sub(1).min(THREADS_MAX) {
                // Without the thread the reader decodes.
                let _ = thread::Builder::new().spawn_scoped(scope, || decode_all(&jobs));
            }
            // The threads end when the last sender is gone.
            work(&Decoders { queue })
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
pub(super) struct StreamEvents<'a> {
    batch: Vec<MergedEvent>,
    next_in_batch: usize,
    /// What could not be decoded of the batches so far.
    pub damage: Damage,
    /// The rest of the stream, if there is any.
    ahead: Option<(Arc<Slot<'a>>, Decoders<'a>)>,
}

impl<'a> StreamEvents<'a> {
    /// Those that `decoder` is before. The first batch is decoded here: most streams of many have no other.
    pub fn new(mut decoder: Box<StreamDecoder<'a>>, decoders: &Decoders<'a>) -> StreamEvents<'a> {
        decoder.decode_batch();
        let slot = Arc::new(Slot { place: Mutex::new(Place::Elsewhere), done: Condvar::new() });
        let mut events = StreamEvents {
            batch: Vec::new(),
            next_in_batch: 0,
            damage: Damage::default(),
            ahead: Some((slot, decoders.clone())),
        };
        events.accept(decoder);
        events
    }

    /// The next events, some of them; none at the end.
    #[inline]
    pub fn rest(&mut self) -> &[MergedEvent] {
        if self.next_in_batch >= self.batch.len() {
            self.refill();
        }
        self.batch.get(self.next_in_batch..).unwrap_or_default()
    }

    /// Goes on behind the first `n` of [`StreamEvents::rest`].
    #[inline]
    pub fn advance(&mut self, n: usize) {
        self.next_in_batch += n;
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
        self.damage.clone_from(&decoder.damage);
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
