//! The end of a process: written down, and the unused tail of the file given back. Later events are still recorded.

use core::sync::atomic::Ordering;

use tm_common::metadata::Ending;

use super::{Session, threads};
use crate::sys::syscall;

/// Writes down the end of the process. The library's destructor calls it, and the functions that run none: `_exit`,
/// `_Exit`, `quick_exit`.
#[cold]
pub fn finish(session: &Session, ending: Ending) {
    if !is_own(session) {
        return;
    }
    // SAFETY: null, or in a segment, which stays mapped.
    if let Some(process) = unsafe { session.process.load(Ordering::Relaxed).as_ref() } {
        process.end_stamp.store(session.recording.now().0, Ordering::Relaxed);
        // Release: publishes the stamp.
        process.ended.store(ending as u32, Ordering::Release);
    }
    threads::renamed(session);
    give_back(session);
}

/// Gives back the unused tail of the file; before the process becomes another program, too.
#[cold]
pub fn give_back(session: &Session) {
    if is_own(session) {
        session.recording.calibrate_now();
        session.recording.trim(threads::own_extents());
    }
}

/// Tells whether this is the process that records: a child of vfork runs in its parent's memory, and its end is not the parent's.
fn is_own(session: &Session) -> bool {
    // Relaxed: constant between forks.
    session.is_ready() && syscall::getpid() == session.pid.load(Ordering::Relaxed)
}
