//! A stream: one thread's chain of event segments. The thread alone writes; each record is published by one store.

use core::sync::atomic::Ordering;

use tm_common::event::{Encoder, Event, MAX_BYTES};
use tm_common::header::GRAIN_BYTES;
use tm_common::ids::{ProcessIndex, Stamp, StreamIndex, ThreadIndex};
use tm_common::sampling::SampleRate;
use tm_common::segment::{GRAINS_MAX, HEADER_BYTES, MappedSegment, SegmentHeader, SegmentKind};
use tm_common::varint::Writer;

use super::Recording;
use super::identity::Identity;
use super::own_extent::OwnExtent;
use crate::lockfree::room;
use crate::sys::memory::pages;
use crate::sys::process::signals::SignalsBlocked;

/// The sizes of a stream's first segments: small for the many threads that allocate little. The others have 64 KiB, in
/// extents of the stream's own. Where a keeper gives room back, all of a forked process's may be: so they come back once it has ended.
const FIRST_GRAINS: [u16; 2] = [1, 4];

/// The writing end. All zeros is a stream without a segment.
#[derive(Debug)]
pub struct Stream {
    /// Where it writes; null if it has left its segment, else mapped.
    segment: *mut MappedSegment,
    /// The size of that: what is full may be another's in the file.
    grains: u16,
    /// The extent in which the segment is, from the third one on.
    own: OwnExtent,
    /// Where the next record goes.
    next: *mut u8,
    /// The last place where a record may start: a whole buffer fits behind it.
    limit: *mut u8,
    index: StreamIndex,
    /// The place of the next segment in the chain; 0 for a stream that has no number yet.
    sequence: u32,
    process: ProcessIndex,
    thread: Option<&'static Identity>,
    /// Whether the thread has not written here yet, ...
    is_new: bool,
    /// ... and where the one before has left room for it; null if it has not.
    left_at: *mut u8,
    /// The rate of its next segment, and of the present one.
    sample_rate: SampleRate,
    encoder: Encoder,
}

impl Stream {
    /// Gives the stream, and the rest of its segment, to another thread of the process, which is recorded when it writes here.
    pub fn hand_over(&mut self, recording: &Recording, thread: &'static Identity) {
        let was_in_use = self.sequence > 0 && self.process == recording.process();
        let left_at = if was_in_use { self.next.max(self.left_at) } else { core::ptr::null_mut() };
        self.abandon_segment();
        (self.thread, self.is_new, self.left_at) = (Some(thread), true, left_at);
        if !was_in_use {
            self.segment = core::ptr::null_mut();
            self.sequence = 0;
            // SAFETY: the stream was the parent's, whose extent this process has mapped for nobody else.
            unsafe { self.own.unmap() };
        }
    }

    /// Returns the extent that it has for itself.
    pub fn own_extent(&self) -> &OwnExtent {
        &self.own
    }

    /// Makes what is written from here on samples of this rate, in a segment of its own.
    pub fn sample_at(&mut self, sample_rate: SampleRate) {
        if self.sample_rate != sample_rate {
            self.sample_rate = sample_rate;
            self.abandon_segment();
        }
    }

    /// Leaves the rest of the segment unused; the chain goes on in a fresh one.
    pub fn abandon_segment(&mut self) {
        self.next = core::ptr::null_mut();
        self.limit = core::ptr::null_mut();
        self.left_at = core::ptr::null_mut();
    }

    /// Returns the number of the thread, which is the calling one, for something that names it: it is recorded as of `stamp`.
    pub fn writer(&self, recording: &Recording, stamp: Stamp) -> ThreadIndex {
        self.thread.map_or(ThreadIndex(0), |thread| thread.record(recording, stamp))
    }

    /// Returns the latest stamp that was written.
    pub fn latest_stamp(&self) -> Stamp {
        self.encoder.stamp()
    }

    /// Writes and publishes an event. Counts it as lost, and returns `false`, if the file cannot grow.
    ///
    /// Always inlined: the event is never put together in memory.
    #[inline(always)]
    pub fn write(&mut self, recording: &Recording, event: Event) -> bool {
        let is_written = self.try_write(recording, event);
        if !is_written {
            recording.lose_for_want_of_room();
        }
        is_written
    }

    /// Writes like [`Stream::write`] what is no event of the program's: returns `false`, and writes nothing, if the
    /// file cannot grow.
    #[inline(always)]
    pub fn try_write(&mut self, recording: &Recording, event: Event) -> bool {
        if self.next >= self.limit && !self.make_room(recording, stamp_of(&event)) {
            return false;
        }
        // SAFETY: `next < limit`: a fresh segment has room.
        unsafe { self.put(event) };
        true
    }

    /// Writes and publishes an event of this moment, if nothing else is to be done for it: there is room in the segment, and the clock is the
    /// processor's counter. Returns whether it did.
    #[inline(always)]
    pub fn write_at_hand(&mut self, recording: &Recording, event: impl FnOnce(Stamp) -> Event) -> bool {
        let Some(stamp) = recording.now_by_counter().filter(|_| self.next < self.limit) else { return false };
        // SAFETY: `next < limit`.
        unsafe { self.put(event(stamp)) };
        true
    }

    /// Writes and publishes an event.
    ///
    /// # Safety
    /// `next < limit`: a whole buffer fits behind it.
    #[inline(always)]
    unsafe fn put(&mut self, event: Event) {
        // SAFETY: the caller's; the segment is this stream's alone, and what lies behind its committed length is nothing yet.
        unsafe {
            let len = self.encoder.encode(event, &mut *self.next.cast::<[u8; Writer::CAPACITY]>());
            self.next = self.next.add(len);
            let start = self.segment.cast::<u8>().add(HEADER_BYTES);
            let used = self.next.offset_from_unsigned(start) as u32;
            room::commit(&(*self.segment).used, used);
        }
    }

    /// Makes room for an event of `stamp`: the thread's first one here, or one for which the segment has none.
    #[cold]
    fn make_room(&mut self, recording: &Recording, stamp: Stamp) -> bool {
        if self.is_new {
            return self.begin_thread(recording, stamp);
        }
        self.begin_segment(recording, stamp)
    }

    /// Records the thread, and writes that the stream is its own from here on if it was another one's.
    ///
    /// ```text
    ///  left_at  sequence
    ///  some     > 0        goes on where the one before was, and writes that it is another
    ///  null     > 0        that one had left its segment: a fresh one, and the same
    ///  null     0          a fresh stream: its first segment says whose it is
    /// ```
    fn begin_thread(&mut self, recording: &Recording, stamp: Stamp) -> bool {
        let thread = self.writer(recording, stamp);
        let had_other_writer = self.sequence > 0;
        if !self.left_at.is_null() {
            // SAFETY: it is in the stream's segment, which is mapped.
            unsafe { self.write_from(self.left_at) };
        }
        if self.next >= self.limit && !self.begin_segment(recording, stamp) {
            return false;
        }
        self.is_new = false;
        if had_other_writer {
            // SAFETY: `next < limit`.
            unsafe { self.put(Event::ThreadStart { thread, stamp }) };
        }
        self.next < self.limit || self.begin_segment(recording, stamp)
    }

    /// Takes a fresh segment whose stamps count from the first event's, `stamp`.
    #[cold]
    fn begin_segment(&mut self, recording: &Recording, stamp: Stamp) -> bool {
        let Some(header) = recording.header() else { return false };
        self.leave_segment();
        let comes_back = recording.is_forked() && recording.prefers_what_comes_back();
        let first = FIRST_GRAINS.get(self.sequence as usize).copied();
        let claimed = match first {
            Some(wanted) if !comes_back => recording.claim(1, wanted),
            _ => {
                let stream = (self.sequence > 0).then_some(self.index);
                let n_filled = self.sequence.saturating_sub(1);
                // SAFETY: it was just left.
                unsafe { recording.claim_own(&mut self.own, stream, n_filled, first.unwrap_or(GRAINS_MAX)) }
            }
        };
        let Some(room) = claimed else { return false };
        // A handler that left by siglongjmp would leave a number without a segment: a hole in the chain.
        let _blocked = SignalsBlocked::now();
        if self.sequence == 0 {
            // Relaxed: numbers only have to be distinct.
            self.index = StreamIndex(header.n_streams.fetch_add(1, Ordering::Relaxed));
            self.process = recording.process();
        }
        if !self.sample_rate.is_every() {
            recording.raise_version();
        }
        let base = stamp.max(if self.sequence == 0 { Stamp(0) } else { self.encoder.stamp() });
        let header = SegmentHeader {
            kind: SegmentKind::Events,
            grains: room.grains,
            used: 0,
            process: self.process,
            stream: self.index,
            sequence: self.sequence,
            thread: self.thread.map_or(ThreadIndex(0), Identity::index),
            base_stamp: base,
            sample_rate: self.sample_rate,
        };
        self.encoder.reset(base);
        self.sequence += 1;
        (self.segment, self.grains) = (room.start, room.grains);
        // SAFETY: the room is ours alone, `grains` long, and longer than a header and a buffer.
        unsafe {
            room.start.write(header.mapped());
            self.write_from(room.start.cast::<u8>().add(HEADER_BYTES));
        }
        true
    }

    /// Writes from `next` on, a place in the segment.
    ///
    /// # Safety
    /// The segment is mapped.
    unsafe fn write_from(&mut self, next: *mut u8) {
        self.next = next;
        let len = usize::from(self.grains) * GRAIN_BYTES;
        // SAFETY: the segment is so long.
        self.limit = unsafe { self.segment.cast::<u8>().add(len - Writer::CAPACITY) };
        self.left_at = core::ptr::null_mut();
    }

    /// Has no segment any more: nothing is written before there is a fresh one. The pages of the one that is left are the file's
    /// alone from then on.
    fn leave_segment(&mut self) {
        self.abandon_segment();
        let left = core::mem::replace(&mut self.segment, core::ptr::null_mut());
        if !left.is_null() {
            // The extent that it is in is unmapped after it was left.
            pages::let_go(left.cast(), usize::from(self.grains) * GRAIN_BYTES);
        }
    }
}

const _: () = assert!(MAX_BYTES <= Writer::CAPACITY && HEADER_BYTES + Writer::CAPACITY < GRAIN_BYTES);

fn stamp_of(event: &Event) -> Stamp {
    match *event {
        Event::Allocate { stamp, .. }
        | Event::Free { stamp, .. }
        | Event::Track { stamp, .. }
        | Event::Untrack { stamp, .. }
        | Event::UntrackAll { stamp, .. }
        | Event::Move { stamp, .. }
        | Event::Label { stamp, .. }
        | Event::Totals { stamp, .. }
        | Event::Tag { stamp, .. }
        | Event::ThreadStart { stamp, .. } => stamp,
        Event::Reallocate { begin, .. } => begin,
    }
}
