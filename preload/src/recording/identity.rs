//! The identity of the thread that writes in a stream: its number and names. It is recorded when the thread writes for the first time, so that one of
//! which there is nothing to say takes no room.
//!
//! Where there is a limit, nothing may grow with each of the threads that come and go for ever: from some number of threads on, one
//! that has the place and the name of one that has ended goes on under its number, and is counted there; and where names are endless
//! too, one that has its place.

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};

use tm_common::ids::{Stamp, ThreadIndex};
use tm_common::metadata::MappedThread;

use super::Recording;
use crate::sys::process::restrictions;
use crate::sys::syscall::{self, ThreadName};

/// The number of threads of a recording with a limit that have a number each, ...
const NUMBERED_MAX: u32 = 256;
/// ... and of threads that a process has recorded from which on not every name has one.
const NAMED_MAX: u32 = 4096;

/// The number of new names of a thread that are all recorded, and the number of further ones of which one is, besides
/// what is found now and then: a thread that is named after each of its tasks must not fill the file.
const RENAMES: (u32, u32) = (256, 64);

/// See the module's text. All zeros is that of a thread that is not recorded.
#[derive(Debug)]
pub struct Identity {
    index: AtomicU32,
    tid: AtomicU32,
    /// One of the four below.
    state: AtomicU32,
    /// How many names were given to what has the number.
    n_renames: AtomicU32,
    /// The thread's own.
    recorded: Cell<Recorded>,
}

const UNRECORDED: u32 = 0;
const BEING_RECORDED: u32 = 1;
/// Another thread has given it a name meanwhile.
const BEING_RENAMED: u32 = 2;
/// From here on other threads record the names that they give it.
const RECORDED: u32 = 3;

/// What was recorded of the thread, or of one before it in its place.
#[derive(Clone, Copy, Debug)]
struct Recorded {
    /// One more than the number of the process in which that was; 0 for nothing.
    process: u32,
    index: ThreadIndex,
    first_name: ThreadName,
    /// The latest one that it has recorded itself.
    name: ThreadName,
    record: *mut MappedThread,
}

impl Identity {
    /// Makes it that of another thread, the calling one.
    pub fn assign(&self, index: ThreadIndex, tid: u32) {
        // Relaxed, all: others look at them only after they have found the thread.
        self.index.store(index.0, Ordering::Relaxed);
        self.tid.store(tid, Ordering::Relaxed);
        self.state.store(UNRECORDED, Ordering::Relaxed);
    }

    /// Returns the thread's number in the recording; until it is recorded that may be one that nobody else has.
    pub fn index(&self) -> ThreadIndex {
        // Relaxed: only changed by the thread itself.
        ThreadIndex(self.index.load(Ordering::Relaxed))
    }

    /// Returns the kernel's number of the thread.
    pub fn tid(&self) -> u32 {
        // Relaxed: received with the place.
        self.tid.load(Ordering::Relaxed)
    }

    /// Records the thread, which is the calling one, as of `stamp` if it is not yet; returns its number. Only then is it in the
    /// recording: a handler that interrupts this does the same, and one that does not come back leaves it to the next time.
    #[inline]
    pub fn record(&self, recording: &Recording, stamp: Stamp) -> ThreadIndex {
        // Relaxed: the thread's own.
        if self.state.load(Ordering::Relaxed) != RECORDED {
            self.record_first(recording, stamp);
        }
        self.index()
    }

    #[cold]
    fn record_first(&self, recording: &Recording, stamp: Stamp) {
        // SeqCst, all: before the name is read, so that who gives it another one later finds that it is being recorded.
        self.state.swap(BEING_RECORDED, Ordering::SeqCst);
        let name = if restrictions::are_total() { ThreadName::default() } else { syscall::thread_name() };
        let process = recording.process().0 + 1;
        let before = self.recorded.get();
        let is_next = before.process == process && !before.record.is_null();
        if is_next && recording.has_many_threads(before.first_name == name) {
            // SAFETY: segments of metadata stay mapped.
            let record = unsafe { &*before.record };
            // Relaxed: a count.
            record.n_more.fetch_add(1, Ordering::Relaxed);
            self.index.store(before.index.0, Ordering::Relaxed);
            self.recorded.set(Recorded { name, ..before });
        } else {
            let record = recording.add_thread(self.index(), self.tid(), name, stamp);
            let first_name = name;
            self.recorded.set(Recorded { process, index: self.index(), first_name, name, record });
            self.n_renames.store(0, Ordering::Relaxed);
            recording.n_threads_recorded.fetch_add(1, Ordering::Relaxed);
        }
        if self.state.swap(RECORDED, Ordering::SeqCst) == BEING_RENAMED {
            self.look_at_name(recording);
        }
    }

    /// Records the thread's name, which is the calling one, if it has changed since it was recorded. Called now and then.
    #[cold]
    pub fn look_at_name(&self, recording: &Recording) {
        // Relaxed: the thread's own.
        if self.state.load(Ordering::Relaxed) != RECORDED || restrictions::are_total() {
            return;
        }
        let (known, name) = (self.recorded.get(), syscall::thread_name());
        if known.name != name && (!self.stands_for_many() || self.may_be_renamed()) {
            self.recorded.set(Recorded { name, ..known });
            recording.add_thread(self.index(), self.tid(), name, recording.now());
        }
    }

    /// Records the name that the thread, which is the calling one, has given itself.
    pub fn has_renamed_itself(&self, recording: &Recording) {
        if self.stands_for_many() || self.may_be_renamed() {
            self.look_at_name(recording);
        }
    }

    /// Records the name that another thread has given to the thread. One that is not recorded has its latest name when it is.
    #[cold]
    pub fn was_renamed(&self, recording: &Recording, name: ThreadName) {
        // SeqCst: after the name was given, see `record_first`.
        let told =
            self.state.compare_exchange(BEING_RECORDED, BEING_RENAMED, Ordering::SeqCst, Ordering::SeqCst);
        if told == Err(RECORDED) && self.may_be_renamed() {
            recording.add_thread(self.index(), self.tid(), name, recording.now());
        }
    }

    /// Tells whether others had its number before it. Asked by the thread itself.
    fn stands_for_many(&self) -> bool {
        // SAFETY: null, or in a segment of metadata, which stays mapped.
        let record = unsafe { self.recorded.get().record.as_ref() };
        record.is_some_and(|record| record.n_more.load(Ordering::Relaxed) > 0)
    }

    /// Tells whether one more new name is to be recorded: the more there were, the fewer.
    fn may_be_renamed(&self) -> bool {
        let (all, interval) = RENAMES;
        // Relaxed: only counts.
        let n = self.n_renames.fetch_add(1, Ordering::Relaxed);
        n < all || n.is_multiple_of(interval)
    }
}

impl Recording {
    /// Tells whether a thread that comes now goes on under the number of the one before it, which has its name or another one: see the
    /// module's text.
    fn has_many_threads(&self, is_of_name: bool) -> bool {
        // Relaxed, both: counts.
        let n_recorded = self.n_threads_recorded.load(Ordering::Relaxed);
        let has_numbers = |n_threads: &AtomicU32| n_threads.load(Ordering::Relaxed) <= NUMBERED_MAX;
        let limited = self.header().filter(|header| header.limit_grains > 0);
        limited.is_some_and(|header| n_recorded > NAMED_MAX || is_of_name && !has_numbers(&header.n_threads))
    }
}
