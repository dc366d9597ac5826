//! The identity of the thread that writes in a stream: its names, and a number that may stand for many threads. It is recorded when
//! the thread writes for the first time, so that one of which there is nothing to say takes no room.
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
use crate::sys::process::signals::SignalsBlocked;
use crate::sys::syscall::{self, ThreadName};

/// The number of threads of a recording with a limit that have a number each, ...
const NUMBERED_MAX: u32 = 256;
/// ... and of threads that a process and those that it descends from have recorded from which on not every name has one.
const NAMED_MAX: u32 = 4096;

/// The number of new names of a thread that are all recorded, and the number of further ones of which one is, besides
/// what is found now and then: a thread that is named after each of its tasks must not fill the file.
const RENAMES: (u32, u32) = (256, 64);

/// See the module's text. All zeros is that of a thread that is not recorded.
#[derive(Debug)]
pub struct Identity {
    index: AtomicU32,
    tid: AtomicU32,
    /// One of the three below.
    state: AtomicU32,
    /// How many names were given to what has the number.
    n_renames: AtomicU32,
    /// The thread's own, changed while no signal is handled.
    recorded: Cell<Recorded>,
}

/// The latest name that it is known by is the one in [`Recorded`].
const UNRECORDED: u32 = 0;
/// It is not recorded, and another thread has given it a name.
const RENAMED: u32 = 1;
/// From here on other threads record the names that they give it.
const RECORDED: u32 = 2;

/// What was recorded of the thread, or of one before it in its place.
#[derive(Clone, Copy, Debug)]
struct Recorded {
    /// One more than the number of the process in which that was; 0 for nothing.
    process: u32,
    index: ThreadIndex,
    first_name: ThreadName,
    /// The latest name of the thread that it knows itself.
    name: ThreadName,
    record: *mut MappedThread,
}

impl Identity {
    /// Makes it that of another thread, the calling one, which blocks all signals.
    pub fn assign(&self, index: ThreadIndex, tid: u32) {
        // Relaxed, all: others look at them only after they have found the thread.
        self.index.store(index.0, Ordering::Relaxed);
        self.tid.store(tid, Ordering::Relaxed);
        self.state.store(UNRECORDED, Ordering::Relaxed);
        self.recorded.set(Recorded { name: syscall::thread_name(), ..self.recorded.get() });
    }

    /// Returns the thread's number; it is not in the recording until [`Identity::record`], which may make it another one.
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
    /// recording.
    #[inline]
    pub fn record(&self, recording: &Recording, stamp: Stamp) -> ThreadIndex {
        if !self.is_recorded() {
            self.record_first(recording, stamp);
        }
        self.index()
    }

    #[cold]
    fn record_first(&self, recording: &Recording, stamp: Stamp) {
        // A handler that allocates would record the thread in the middle of this.
        let _blocked = (!restrictions::are_total()).then(SignalsBlocked::now);
        // SeqCst, all: what another thread does between the two it finds to be its own to record, or we do.
        let state = self.state.load(Ordering::SeqCst);
        if state == RECORDED {
            return;
        }
        let before = self.recorded.get();
        let is_asked = state == RENAMED && !restrictions::are_total();
        let name = if is_asked { syscall::thread_name() } else { before.name };
        let process = recording.process().0 + 1;
        let is_next = before.process == process && !before.record.is_null();
        if is_next && recording.has_many_threads(before.first_name == name) {
            // SAFETY: segments of metadata stay mapped.
            let record = unsafe { &*before.record };
            // Relaxed: a count.
            record.n_more.fetch_add(1, Ordering::Relaxed);
            self.index.store(before.index.0, Ordering::Relaxed);
            self.recorded.set(Recorded { name, ..before });
        } else {
            let (index, first_name) = (self.index(), name);
            let record = recording.add_thread(index, self.tid(), name, stamp);
            self.recorded.set(Recorded { process, index, first_name, name, record });
            self.n_renames.store(0, Ordering::Relaxed);
            recording.n_threads_recorded.fetch_add(1, Ordering::Relaxed);
        }
        if self.state.swap(RECORDED, Ordering::SeqCst) != state {
            self.look_at_name(recording);
        }
    }

    /// Records the thread's name, which is the calling one, if it has changed since it was recorded. Called now and then.
    #[cold]
    pub fn look_at_name(&self, recording: &Recording) {
        if restrictions::are_total() {
            return;
        }
        let _blocked = SignalsBlocked::now();
        let (known, name) = (self.recorded.get(), syscall::thread_name());
        if known.name == name {
            return;
        }
        let is_recorded = self.is_recorded();
        if !is_recorded || !self.stands_for_many() || self.may_be_renamed() {
            self.recorded.set(Recorded { name, ..known });
            if is_recorded {
                recording.add_thread(self.index(), self.tid(), name, recording.now());
            }
        }
    }

    /// Records the name that the thread, which is the calling one, has given itself.
    pub fn has_renamed_itself(&self, recording: &Recording) {
        if !self.is_recorded() || self.stands_for_many() || self.may_be_renamed() {
            self.look_at_name(recording);
        }
    }

    /// Records the name that another thread has given to the thread. One that is not recorded has its latest name when it is.
    #[cold]
    pub fn was_renamed(&self, recording: &Recording, name: ThreadName) {
        // SeqCst: after the name was given, see `record_first`.
        let told = self.state.compare_exchange(UNRECORDED, RENAMED, Ordering::SeqCst, Ordering::SeqCst);
        if told == Err(RECORDED) && self.may_be_renamed() {
            recording.add_thread(self.index(), self.tid(), name, recording.now());
        }
    }

    /// Tells whether it is recorded. Asked by the thread itself.
    fn is_recorded(&self) -> bool {
        // Relaxed: only the thread itself changes it to that.
        self.state.load(Ordering::Relaxed) == RECORDED
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
        self.header().filter(|header| header.limit_grains > 0).is_some_and(|header| {
            self.n_threads_recorded.load(Ordering::Relaxed) >= NAMED_MAX
                || is_of_name && header.n_threads.load(Ordering::Relaxed) > NUMBERED_MAX
        })
    }
}
