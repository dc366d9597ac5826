//! A forked child: another process of the same recording.
//!
//! | state | in the child |
//! |---|---|
//! | own word | wiped by the kernel, which is how the first event notices |
//! | control word | the parent's until then, of its own afterwards; it records if the parent did at the fork |
//! | tags, domains | their numbers are a copy, new ones are the recording's next |
//! | file, extents, stack and metadata segments | shared with the parent, both append |
//! | hash tables, rules, modules | a copy that stays right: the child has the same code at the same addresses |
//! | epoch | the parent's, until the child loads something: then one of its own, for the two may load different things at one address |
//! | samplers, lines of totals | the former wiped by the kernel, so that nobody counts in a line of the parent's; each thread takes others |
//! | streams | the parent's; each thread of the child sees that its place is of another process, and takes a fresh one |
//! | try-locks | released: their holders do not exist here |

use core::sync::atomic::Ordering;

use tm_common::header::Loss;
use tm_common::ids::Stamp;

use super::Session;
use super::control::Control;
use crate::python::PYTHON;
use crate::sys::process::signals::SignalsBlocked;
use crate::sys::syscall;

/// Makes the calling process a process of its own in the recording; whether it is one now.
#[cold]
pub fn continue_in_child(session: &Session) -> bool {
    // A handler that left by siglongjmp would leave the child without a process for ever.
    let _blocked = SignalsBlocked::now();
    // The word decides who sets up, and not a pid that differs from the parent's: each namespace of pids has a 1.
    // Whoever comes meanwhile, in a signal handler or in a thread that the child has started already, loses an event.
    if let Err(own) = session.control.begin_child() {
        if Control::has_number(own) {
            return true;
        }
        session.recording.lose(Loss::NotReady);
        return false;
    }
    let pid = syscall::getpid();
    // Relaxed: published by the word.
    session.pid.store(pid, Ordering::Relaxed);
    let recording = &session.recording;
    // Relaxed: the child's own copy.
    let latest_command = Stamp(session.latest_command.load(Ordering::Relaxed));
    let fork_stamp = session.threads.latest_stamp().max(latest_command);
    session.stacks.after_fork();
    session.unwinder.modules.after_fork();
    session.unwinder.registered.after_fork();
    PYTHON.after_fork();
    session.commanding.after_fork();
    session.threads.after_fork();
    let parent = recording.begin_process();
    let parent_epoch = recording.epoch();
    let control = Control::first_word(session.on());
    let process = recording.add_process(Some((parent, parent_epoch)), pid, fork_stamp, control);
    session.use_process(process, fork_stamp);
    session.control.finish_child(recording.process().0 + 1);
    true
}
