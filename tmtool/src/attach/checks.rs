//! What can be known of a process before it is touched: whether there is a way in, and whether calls of it can be led.

use super::door::Library;
use super::memory::Memory;
use super::seccomp;
use super::status::{Status, why_forbidden};
use crate::errors::{Error, Result};
use tm_analyzer::host::Target;
use tm_analyzer::inspect::inspect_running;

/// A process that can be attached to, as far as that can be known.
#[derive(Debug)]
pub struct Checked {
    /// The process here.
    pub pid: u32,
    /// Its memory.
    pub memory: Memory,
    /// What it is.
    pub target: Status,
    /// What tmtool is.
    pub own: Status,
    /// What it has of libtm.so.
    pub library: Library,
    /// What a recording will not hold.
    pub notes: Vec<String>,
    /// Its filters let it have files in memory.
    pub has_files_in_memory: bool,
}

/// Checks process `pid`.
///
/// # Errors
/// There is no way in, or nothing to be seen there.
pub fn check(pid: u32) -> Result<Checked> {
    let message = |text: String| Err(Error::Message(text));
    let pid = Target::of(pid)?.pid;
    if pid == std::process::id() {
        return message(format!("process {pid} is this tmtool itself; give the pid of another one"));
    }
    let (Some(target), own) = (Status::of(pid), Status::own()) else {
        return Err(Error::Cause(crate::errors::Cause::NoSuchPid { pid }));
    };
    if !target.has_memory {
        return message(format!(
            "process {pid} ({}) is a thread of the kernel's, which has no heap; give the pid of a program",
            target.name
        ));
    }
    if target.state == Some('T') {
        return message(format!(
            "process {pid} is stopped, so none of its threads can do anything; let it go on ('kill -CONT {pid}') first"
        ));
    }
    if target.tracer != 0 {
        return message(why_forbidden(pid, &target, &own));
    }
    let Ok(memory) = Memory::of(pid) else { return message(why_forbidden(pid, &target, &own)) };
    let notes = inspect_running(pid)
        .map_err(|refusal| Error::Message(format!("cannot attach to process {pid}: {refusal}")))?;
    if target.seccomp == 1 {
        return message(format!(
            "process {pid} is in seccomp's strict mode, which leaves it four system calls; it can be recorded if it is started \
             with 'tmtool run'"
        ));
    }
    let library = Library::of(&memory);
    Ok(Checked { pid, memory, target, own, library, notes, has_files_in_memory: true })
}

/// Checks the filters of a process, of which thread `tid` stands still and was seized.
///
/// # Errors
/// They refuse what a recording needs, or may do so.
pub fn filters(checked: &mut Checked, tid: u32) -> Result<()> {
    let Checked { pid, target, own, has_files_in_memory, .. } = checked;
    let of_threads = Status::of_threads(*pid);
    if of_threads.iter().any(|thread| thread.filtering() != target.filtering()) {
        return Err(Error::Message(format!(
            "threads of process {pid} have seccomp filters of their own, which may end it for what a recording needs; start it with \
             'tmtool run'"
        )));
    }
    if target.seccomp != 2 {
        return Ok(());
    }
    let filters = seccomp::filters(tid);
    if let Ok(filters) = &filters {
        *has_files_in_memory = seccomp::allow_files_in_memory(filters);
    }
    let message = match filters.map(|filters| seccomp::refused(&filters)) {
        Ok(None) => return Ok(()),
        Ok(Some(call)) => format!(
            "process {pid} has a seccomp filter that does not let it call {call}, which a recording needs; start it with 'tmtool run', \
             which begins before the filter"
        ),
        // The filters of a container, which are tmtool's own too, let a recording be made.
        Err(_) if own.seccomp == 2 && own.n_filters == target.n_filters => return Ok(()),
        Err(error) => format!(
            "process {pid} has a seccomp filter that may end it for what a recording needs, and the filter cannot be looked at \
             ({error}); run tmtool as root, or start it with 'tmtool run'"
        ),
    };
    Err(Error::Message(message))
}
