//! A forked child: another process of the same recording.
//!
//! | state | in the child |
//! |---|---|
//! | the word | wiped by the kernel, which is how the first event notices |
//! | file, extents, stack and metadata segments | shared with the parent, both append |
//! | hash tables, rules, modules | a copy that stays right: the child has the same code at the same addresses |
//! | epoch | the parent's, until the child loads something: then one of its own, for the two may load different things at one address |
//! | rings | the parent's; each thread of the child sees that its place is of another process, and takes a fresh one |
//! | try-locks | released: their holders do not exist here |

use core::sync::atomic::Ordering;

use tm_common::header::Loss;

use super::{Session, WORD_FORKED, WORD_RECORDING, WORD_UNKNOWN};
use crate::sys::signals::SignalsBlocked;
use crate::sys::syscall;

/// Makes the calling process a process of its own in the recording; whether it records now.
#[cold]
pub fn continue_in_child(session: &Session) -> bool {
    // A handler that left by siglongjmp would leave the child without a process for ever.
    let _blocked = SignalsBlocked::now();
    // SAFETY: the page of the word, mapped as long as the process lives.
    let word = unsafe { &*session.word.load(Ordering::Relaxed) };
    // The word decides who sets up, and not a pid that differs from the parent's: each namespace of pids has a 1.
    // Whoever comes meanwhile, in a signal handler or in a thread that the child has started already, loses an event.
    // Acquire: receives what was set up if it was just finished.
    match word.compare_exchange(WORD_UNKNOWN, WORD_FORKED, Ordering::Acquire, Ordering::Acquire) {
        Ok(_) => {}
        Err(WORD_RECORDING) => return true,
        Err(_) => {
            session.recording.lose(Loss::NotReady);
            return false;
        }
    }
    let pid = syscall::getpid();
    // Relaxed: published by the word.
    session.pid.store(pid, Ordering::Relaxed);
    let recording = &session.recording;
    let fork_stamp = session.threads.latest_stamp();
    session.stacks.after_fork();
    session.unwinder.modules.after_fork();
    let parent = recording.begin_process();
    let parent_epoch = recording.epoch();
    let process = recording.add_process(Some((parent, parent_epoch)), pid, fork_stamp);
    // Relaxed: published by the word.
    session.process.store(process, Ordering::Relaxed);
    // Release: publishes all of the above.
    word.store(WORD_RECORDING, Ordering::Release);
    true
}
