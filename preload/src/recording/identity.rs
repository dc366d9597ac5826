//! Who writes in a stream: a thread's number and names. It is recorded when the thread writes for the first time, so that one of
//! which there is nothing to say takes no room.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use tm_common::ids::{Stamp, ThreadIndex};

use super::Recording;
use crate::sys::process::restrictions;
use crate::sys::syscall::{self, THREAD_NAME_BYTES};

/// See the module's text. All zeros is that of a thread that is not recorded.
#[derive(Debug)]
pub struct Identity {
    index: AtomicU32,
    tid: AtomicU32,
    /// One of the three below.
    state: AtomicU32,
    /// The latest name that the thread itself has recorded.
    name: UnsafeCell<[u8; THREAD_NAME_BYTES]>,
}

const UNRECORDED: u32 = 0;
/// From here on other threads record the names that they give it.
const BEING_RECORDED: u32 = 1;
const RECORDED: u32 = 2;

impl Identity {
    /// Makes it that of another thread, the calling one.
    pub fn assign(&self, index: ThreadIndex, tid: u32) {
        // Relaxed, all: others look at them only after they have found the thread.
        self.index.store(index.0, Ordering::Relaxed);
        self.tid.store(tid, Ordering::Relaxed);
        self.state.store(UNRECORDED, Ordering::Relaxed);
    }

    /// Returns the thread's number in the recording.
    pub fn index(&self) -> ThreadIndex {
        // Relaxed: only changed by the thread itself.
        ThreadIndex(self.index.load(Ordering::Relaxed))
    }

    /// Returns the kernel's number of the thread.
    pub fn tid(&self) -> u32 {
        // Relaxed: received with the place.
        self.tid.load(Ordering::Relaxed)
    }

    /// Records the thread, which is the calling one, as of `stamp` if it is not yet. Only then is it in the recording: a handler that
    /// interrupts this does the same, and one that does not come back leaves it to the next time.
    #[cold]
    pub fn record(&self, recording: &Recording, stamp: Stamp) {
        // Relaxed: the thread's own.
        if self.state.load(Ordering::Relaxed) == RECORDED {
            return;
        }
        // SeqCst: before the name is read, so that who gives it another one later finds that it is to be recorded.
        self.state.swap(BEING_RECORDED, Ordering::SeqCst);
        let name = if restrictions::are_total() { [0; THREAD_NAME_BYTES] } else { syscall::thread_name() };
        // SAFETY: only the thread uses the name; a nested event that comes here writes the same bytes.
        unsafe { *self.name.get() = name };
        recording.add_thread(self.index(), self.tid(), name, stamp);
        // Relaxed: the thread's own.
        self.state.store(RECORDED, Ordering::Relaxed);
    }

    /// Records the thread's name, which is the calling one, if it has changed since it was recorded.
    #[cold]
    pub fn look_at_name(&self, recording: &Recording) {
        // Relaxed: the thread's own.
        if self.state.load(Ordering::Relaxed) != RECORDED || restrictions::are_total() {
            return;
        }
        let name = syscall::thread_name();
        // SAFETY: as in `record`.
        let known = unsafe { &mut *self.name.get() };
        if *known != name {
            *known = name;
            recording.add_thread(self.index(), self.tid(), name, recording.now());
        }
    }

    /// Records the name that another thread has given to the thread. Of one that is not recorded the latest name is, when it is.
    #[cold]
    pub fn renamed(&self, recording: &Recording, name: [u8; THREAD_NAME_BYTES]) {
        // SeqCst: after the name was given, see `record`.
        if self.state.load(Ordering::SeqCst) != UNRECORDED {
            recording.add_thread(self.index(), self.tid(), name, recording.now());
        }
    }
}
