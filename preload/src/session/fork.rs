//! A forked child: another process of the same recording.
//!
//! | state | in the child |
//! |---|---|
//! | own word | wiped by the kernel, or by a handler of the C library's where the kernel does not; which is how the first event notices |
//! | control word | the parent's until then, of its own afterwards; it records if the parent did at the fork |
//! | tags, domains | their numbers are a copy, new ones are the recording's next |
//! | file, extents, stack and metadata segments | shared with the parent, both append |
//! | hash tables, rules, modules | a copy that stays right: the child has the same code at the same addresses |
//! | epoch | the parent's, until the child loads something: then one of its own, for the two may load different things at one address |
//! | samplers, lines of totals | the former wiped by the kernel, so that nobody counts in a line of the parent's; each thread takes others |
//! | streams | the parent's; each thread of the child sees that its place is of another process, and takes a fresh one |
//! | try-locks | released: their holders do not exist here |

use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};

use tm_common::header::Loss;
use tm_common::ids::Stamp;

use super::Session;
use super::control::Control;
use crate::python::PYTHON;
use crate::sys::objects::elf;
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

/// A handler of pthread_atfork(3).
type Handler = Option<unsafe extern "C" fn()>;
/// What that calls: before the fork, in the parent, in the child, the library that goes with them.
type Register = unsafe extern "C" fn(Handler, Handler, Handler, *const c_void) -> i32;

/// Tells whether the C library tells a child that it is one.
static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// Tells whether [`be_told`] has succeeded.
pub fn is_told() -> bool {
    // Relaxed: set before there are other threads.
    IS_TOLD.load(Ordering::Relaxed)
}

/// Has the C library tell a child that it is one, where the kernel may not wipe what is to be wiped. One that is made by a system
/// call of the program's own is not told. False if that cannot be.
#[cold]
pub fn be_told() -> bool {
    let [register] = elf::first_of([c"__register_atfork"]);
    if register == 0 {
        return false;
    }
    // SAFETY: the function of that name.
    let register: Register = unsafe { core::mem::transmute(register) };
    // SAFETY: the handler stays: this library is never unloaded.
    let is_told = unsafe { register(None, None, Some(in_child), core::ptr::null()) } == 0;
    IS_TOLD.store(is_told, Ordering::Relaxed);
    is_told
}

unsafe extern "C" fn in_child() {
    let session = &super::SESSION;
    // Relaxed: the process has one thread now. One that has a number has been wiped, and has made itself a process.
    if is_child_of_recorded(session.pid.load(Ordering::Relaxed), syscall::getpid()) {
        session.threads.empty_samplers();
        session.control.forget_own();
    }
}

/// Tells whether the process `pid` is a child of one that is recorded, `recorded`: 0 if nothing is, in children neither.
fn is_child_of_recorded(recorded: u32, pid: u32) -> bool {
    recorded != 0 && recorded != pid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_a_process_that_records_nothing_are_left_alone() {
        let found = [(0, 7), (7, 7), (6, 7)].map(|(recorded, pid)| is_child_of_recorded(recorded, pid));
        assert_eq!(found, [false, false, true]);
    }
}
