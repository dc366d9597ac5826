//! The process that a request is for, so that its place can be taken again once that process has ended.
//!
//! The pid in a process's record is its own, which elsewhere is somebody else's or nobody's if it runs in a pid namespace of
//! its own (pid_namespaces(7)). So a request says what the pid was where it was asked: who is in the same namespace would
//! see the process as well.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering::Relaxed;

use tm_common::header::MappedRequest;
use tm_common::ids::ProcessIndex;

/// A process that is asked for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// Its number in the recording.
    pub process: ProcessIndex,
    pid: u32,
    /// 0 if not known.
    pid_namespace: u32,
}

impl Addressee {
    /// The process that has this pid here.
    pub fn new(process: ProcessIndex, pid: u32) -> Addressee {
        Addressee { process, pid, pid_namespace: own_pid_namespace() }
    }

    /// The addressee of a request, which the caller has received.
    pub fn of(request: &MappedRequest) -> Addressee {
        Addressee {
            process: ProcessIndex(request.process.load(Relaxed)),
            pid: request.pid.load(Relaxed),
            pid_namespace: request.pid_namespace.load(Relaxed),
        }
    }

    /// Addresses a request, which the caller publishes.
    pub fn write(&self, request: &MappedRequest) {
        request.process.store(self.process.0, Relaxed);
        request.pid.store(self.pid, Relaxed);
        request.pid_namespace.store(self.pid_namespace, Relaxed);
    }

    /// Whether it is certain that the process has ended; `present` is one that was made here. One whose pid was given to
    /// another is not known to have; nor is one that waits for its parent to ask how: it looks like one of whose threads
    /// the first has ended.
    pub fn has_ended(&self, present: &Addressee) -> bool {
        let Ok(pid @ 1..) = libc::pid_t::try_from(self.pid) else { return false };
        if self.pid_namespace == 0 || self.pid_namespace != present.pid_namespace {
            return false;
        }
        // SAFETY: takes no pointer, and sends nothing: signal 0 asks whether there is such a process.
        let found = unsafe { libc::kill(pid, 0) };
        found == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
    }
}

/// The pid namespace of this process; 0 if the pids in its `/proc` are those of another one.
fn own_pid_namespace() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    // From the namespace of this /proc inward.
    let pids = status.lines().find_map(|line| line.strip_prefix("NStgid:"));
    let is_that_of_proc = pids.is_some_and(|pids| pids.split_whitespace().count() == 1);
    let namespace = fs::metadata("/proc/self/ns/pid").ok().filter(|_| is_that_of_proc);
    namespace.and_then(|found| u32::try_from(found.ino()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_who_is_certainly_gone_has_ended() {
        let addressee = |pid| Addressee::new(ProcessIndex(3), pid);
        let here = &addressee(std::process::id());
        assert!(!addressee(std::process::id()).has_ended(here));
        // Somebody else's, as a rule.
        assert!(!addressee(1).has_ended(here));
        // Nobody's: kill(2) takes these for groups.
        assert!(!addressee(0).has_ended(here) && !addressee(u32::MAX).has_ended(here));

        let mut child = Command::new("true").spawn().unwrap();
        let child_pid = child.id();
        while !tm_analyzer::host::Stat::of(child_pid).unwrap().has_ended() {
            std::thread::yield_now();
        }
        assert!(!addressee(child_pid).has_ended(here), "its parent may ask for it");
        child.wait().unwrap();
        let gone = addressee(child_pid);
        assert!(gone.has_ended(here));
        for pid_namespace in [0, gone.pid_namespace + 1] {
            assert!(!Addressee { pid_namespace, ..gone }.has_ended(here), "it may run there");
        }
    }

    #[test]
    fn a_request_says_who_is_asked() {
        let (request, addressee) = (MappedRequest::free(), Addressee::new(ProcessIndex(3), 70));
        addressee.write(&request);
        assert_eq!(Addressee::of(&request), addressee);
    }
}
