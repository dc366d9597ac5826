//! A running process, by its pid: who it is here, and what it calls itself.

use std::fs;
use std::io;

use crate::error::{Error, Result};

/// A running process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The process here, also if the id of one of its threads was given.
    pub pid: u32,
    /// What `getpid` tells it: another number if it is in a namespace of its own.
    pub own_pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
}

impl Target {
    /// The process `pid`.
    ///
    /// # Errors
    /// There is none, it has ended and waits for its parent, or it may not be looked at.
    pub fn of(pid: u32) -> Result<Target> {
        let status = match fs::read_to_string(format!("/proc/{pid}/status")) {
            Ok(status) => status,
            Err(error) => return Err(unreadable(pid, error)),
        };
        let (pid, own_pid) = pids(&status).unwrap_or((pid, pid));
        match Stat::of(pid) {
            Some(stat) if stat.has_ended() => Err(Error::HasEnded { pid }),
            Some(stat) => Ok(Target { pid, own_pid, start_ticks: stat.start_ticks }),
            None => Err(Error::NoSuchPid { pid }),
        }
    }
}

/// What every process may know of any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    state: char,
    /// When it started, in clock ticks since boot: with the pid its identity.
    pub start_ticks: u64,
}

impl Stat {
    /// Reads the entry of process `pid`; `None` if there is none.
    pub fn of(pid: u32) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Whether the process has ended, and only its parent has not asked yet how.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    fn parse(stat: &str) -> Option<Stat> {
        // The name in field 2 may hold anything; what follows its last bracket starts with field 3.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let state = fields.next()?.chars().next()?;
        Some(Stat { state, start_ticks: fields.nth(22 - 4)?.parse().ok()? })
    }
}

/// The pid here and the one in the process's own namespace.
fn pids(status: &str) -> Option<(u32, u32)> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let pid = field("Tgid:")?.trim().parse().ok()?;
    // From the namespace of this /proc inward. Kernels without namespaces have no such line.
    let own = field("NStgid:").and_then(|pids| pids.split_whitespace().next_back()?.parse().ok());
    Some((pid, own.unwrap_or(pid)))
}

/// A file about process `pid` could not be read.
pub(crate) fn unreadable(pid: u32, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Error::MayNotBeLookedAt { pid },
        io::ErrorKind::NotFound => Error::NoSuchPid { pid },
        _ if error.raw_os_error() == Some(libc::ESRCH) => Error::NoSuchPid { pid },
        _ => Error::CannotBeLookedAt { pid, source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_and_others_are_not() {
        let pid = std::process::id();
        let target = Target::of(pid).unwrap();
        assert_eq!((target.pid, Some(target.start_ticks)), (pid, Stat::of(pid).map(|stat| stat.start_ticks)));
        // The kernel's largest is 2^22.
        assert!(matches!(Target::of(1 << 23), Err(Error::NoSuchPid { pid: 8_388_608 })));
    }

    #[test]
    fn one_that_waits_for_its_parent_has_ended() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        while !Stat::of(child.id()).unwrap().has_ended() {
            std::thread::yield_now();
        }
        assert!(matches!(Target::of(child.id()), Err(Error::HasEnded { pid }) if pid == child.id()));
        child.wait().unwrap();
    }

    #[test]
    fn names_with_brackets_and_namespaces_are_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4321 2 3";
        assert_eq!(Stat::parse(stat), Some(Stat { state: 'S', start_ticks: 4321 }));
        assert_eq!(Stat::parse("7 (a"), None);
        assert_eq!(pids("Name:\ta\nTgid:\t70\nPid:\t71\nNStgid:\t70\t12\t3\n"), Some((70, 3)));
        assert_eq!(pids("Tgid:\t70\n"), Some((70, 70)));
    }
}
