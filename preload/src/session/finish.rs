//! The end of a process: written down, and the unused tail of the file given back. Later events are still recorded.

use core::sync::atomic::Ordering;

use tm_common::metadata::Ending;

use super::Session;
use crate::sys::syscall;

/// Called by the library's destructor and by the functions that run none: `_exit`, `_Exit`, `quick_exit`.
#[cold]
pub fn finish(session: &Session, ending: Ending) {
    // A child of vfork runs in its parent's memory; its end is not the parent's.
    // Relaxed: constant between forks.
    if !session.is_recording_already() || syscall::getpid() != session.pid.load(Ordering::Relaxed) {
        return;
    }
    let recording = &session.recording;
    // SAFETY: null, or in a segment, which stays mapped.
    if let Some(process) = unsafe { session.process.load(Ordering::Relaxed).as_ref() } {
        process.end_stamp.store(recording.now().0, Ordering::Relaxed);
        // Release: publishes the stamp.
        process.ended.store(ending as u32, Ordering::Release);
    }
    recording.calibrate_now();
    recording.trim();
}
