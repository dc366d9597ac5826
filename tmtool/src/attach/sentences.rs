//! What is said where attach or detach cannot do what was asked: what was found, what was done about it, and what to do.

use std::time::Duration;

use super::borrowed::Failed;
use super::bring::NotBrought;
use super::checks::Checked;
use super::door::Answer;
use super::status::why_forbidden;
use super::threads::NotFound;
use crate::errors::{Cause, Error};
use tm_common::attach::result;

fn message(text: String) -> Error {
    Error::Message(text)
}

/// Attach, where it is attached.
pub fn attached_already(pid: u32) -> Error {
    message(format!(
        "process {pid} is attached to already; 'tmtool detach {pid}' ends that, 'tmtool watch {pid}' shows it"
    ))
}

/// Attach, where the library came otherwise.
pub fn recorded_already(pid: u32) -> Error {
    message(format!(
        "process {pid} has libtm.so already, as it was started under it; 'tmtool start {pid}' has it record if it does not"
    ))
}

/// Attach with another file, where there is a recording.
pub fn goes_on(pid: u32) -> Error {
    Error::Usage(format!(
        "process {pid} was attached to before, and its recording goes on, so -o has no meaning; leave it out"
    ))
}

/// Detach, where nothing is.
pub fn not_attached(pid: u32) -> Error {
    message(format!(
        "process {pid} is not attached to, so there is nothing to detach; begin with 'tmtool attach {pid}'"
    ))
}

/// Detach, once more.
pub fn detached_already(pid: u32) -> Error {
    message(format!("process {pid} is not attached to any more, so there is nothing to detach"))
}

/// Detach, where the library came otherwise.
pub fn cannot_be_detached(pid: u32) -> Error {
    message(format!(
        "process {pid} was started under libtm.so, which cannot be taken out; 'tmtool stop {pid}' has it record no more"
    ))
}

/// The library is there and has no door.
pub fn no_door(pid: u32) -> Error {
    message(format!(
        "libtm.so was loaded into process {pid} and cannot be found there; it records nothing, and its calls are its own"
    ))
}

/// There is no thread to be borrowed.
pub fn no_thread(checked: &Checked, error: NotFound, patience: Duration) -> Error {
    let pid = checked.pid;
    let seconds = patience.as_secs_f64();
    let left = "it was left as it was";
    match error {
        NotFound::Forbidden => message(why_forbidden(pid, &checked.target, &checked.own)),
        NotFound::Ended => Error::Cause(Cause::HasEnded { pid }),
        NotFound::NoLoader => message(format!(
            "process {pid} has no glibc with a dynamic loader that could load libtm.so; {left}"
        )),
        NotFound::NoneFit(Some(reason)) => message(format!(
            "no thread of process {pid} could be made to load libtm.so within {seconds} s: each time that one was looked at, mostly, it \
             {}; {left}; try again, or longer with --timeout",
            reason.clause()
        )),
        NotFound::NoneFit(None) => message(format!(
            "no thread of process {pid} stops within {seconds} s: all wait in the kernel, for a disk or a child; {left}; try again"
        )),
    }
}

/// What a borrowed thread was to do has failed.
pub fn failed(pid: u32, failed: Failed, patience: Duration) -> Error {
    let seconds = patience.as_secs_f64();
    match failed {
        Failed::System(action, error) => {
            message(format!("process {pid} was left as it was, since tmtool cannot {action}: {error}"))
        }
        Failed::Ended => Error::Cause(Cause::HasEnded { pid }),
        Failed::Crashed(signal) => message(format!(
            "a thread of process {pid} got signal {signal} while it called libtm.so for tmtool; its state was put back, and the call left \
             unfinished: the process may not be sound any more"
        )),
        Failed::GivenUp => message(format!(
            "a thread of process {pid} has waited {seconds} s for a lock that another one holds, to load libtm.so; it was put back, and the \
             process left as it was; try again"
        )),
        Failed::GoesOn => message(format!(
            "a thread of process {pid} has not come back within {seconds} s and more from loading libtm.so; it goes on, and returns to its \
             own work by itself: look with 'tmtool info' or attach again later"
        )),
    }
}

/// The library was not brought.
pub fn not_brought(pid: u32, error: NotBrought, patience: Duration) -> Error {
    match error {
        NotBrought::Failed(error) => failed(pid, error, patience),
        NotBrought::NoLoader => message(format!(
            "process {pid} has no dlopen: its glibc is older than 2.34 and it has no libdl; start it with 'tmtool run'"
        )),
        NotBrought::Loader(reason) => {
            message(format!("process {pid} cannot load libtm.so: {reason}; it was left as it was"))
        }
        NotBrought::NoPlace(error) => message(format!(
            "there is no place in process {pid} for libtm.so: it can have no file in memory, and none in its /tmp, /var/tmp or /dev/shm \
             ({error}); it was left as it was"
        )),
    }
}

/// Recording did not begin.
pub fn not_begun(pid: u32, error: &Error) -> Error {
    message(format!(
        "{error}; calls of process {pid} are led to libtm.so and not recorded: 'tmtool detach {pid}' leads them back"
    ))
}

/// The library refuses.
pub fn refused(pid: u32, answer: &Answer) -> Error {
    match answer.result {
        result::NO_RECORDING if !answer.message.is_empty() => {
            message(format!("process {pid}: {}", answer.message))
        }
        result::NO_RECORDING => {
            message(format!("process {pid} has no recording that could go on; start it anew"))
        }
        result::NO_SPACE => message(format!(
            "the recording of process {pid} cannot grow, since its file is gone or its disk is full; what was recorded before is whole"
        )),
        result::BUSY => {
            message(format!("a thread of process {pid} is giving a command about its traces; try again"))
        }
        _ => message(format!(
            "the libtm.so in process {pid} is of another version than this tmtool; use the tmtool that attached to it"
        )),
    }
}
