//! A request in the header: what a process is asked to do from outside, `docs/format.md` section "Commands".

use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::MappedHeader;
use crate::bytes::{array, u32_at, u64_at};
use crate::ids::{ProcessIndex, Stamp};
use crate::metadata::CommandKind;

/// The number of requests that may wait.
pub const REQUESTS_MAX: usize = 24;
/// The room for a request's name with its NUL.
pub const REQUEST_NAME_BYTES: usize = 104;

/// A state: nobody's, or being written by who holds the lock on the file.
pub const FREE: u32 = 0;
/// A state: it stands there for the process.
pub const READY: u32 = 1;

/// A command to a process from outside, until the process has made a [`crate::metadata::MappedCommand`] of it: readers
/// take one that is [`READY`] for one. A process looks for them when its control word says so.
#[repr(C)]
#[derive(Debug)]
pub struct MappedRequest {
    /// [`FREE`] or [`READY`].
    pub state: AtomicU32,
    /// Whose traces.
    pub process: AtomicU32,
    /// A [`crate::metadata::CommandKind`].
    pub kind: AtomicU32,
    /// See [`crate::metadata::CommandKind`].
    pub argument: AtomicU32,
    /// The moment.
    pub stamp: AtomicU64,
    /// The name, ended by a NUL; as words, that it may be read while it changes.
    pub name: [AtomicU64; REQUEST_NAME_BYTES / 8],
    /// The process's pid where it was asked: another than its own if it is in a namespace of its own.
    pub pid: AtomicU32,
    /// The pid namespace in which it is that, by the number of its inode; 0 if not known.
    pub pid_namespace: AtomicU32,
}

impl MappedRequest {
    /// Makes a place that nobody has.
    #[must_use]
    pub const fn free() -> MappedRequest {
        MappedRequest {
            state: AtomicU32::new(FREE),
            process: AtomicU32::new(0),
            kind: AtomicU32::new(0),
            argument: AtomicU32::new(0),
            stamp: AtomicU64::new(0),
            name: [const { AtomicU64::new(0) }; REQUEST_NAME_BYTES / 8],
            pid: AtomicU32::new(0),
            pid_namespace: AtomicU32::new(0),
        }
    }

    /// Tells whether it stands there for `process`. A thread that makes another request of it says so by a release
    /// fence between [`FREE`] and the rest.
    #[must_use]
    pub fn is_ready_for(&self, process: ProcessIndex) -> bool {
        let is_ready = || self.state.load(Ordering::Acquire) == READY;
        // Acquire: whoever sees the process of another request sees that it was free before. Acquire in the state: receives
        // the request.
        is_ready() && self.process.load(Ordering::Acquire) == process.0 && is_ready()
    }
}

const _: () = assert!(size_of::<MappedRequest>() == 136);

/// A command from outside that the process has not seen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of MappedRequest")]
pub struct Request {
    pub process: ProcessIndex,
    pub kind: CommandKind,
    pub argument: u32,
    pub stamp: Stamp,
    /// Ended by a NUL.
    pub name: [u8; REQUEST_NAME_BYTES],
}

impl Request {
    /// Returns the one at `place` of a header, if it is ready.
    pub(super) fn parse(header: &[u8], place: usize) -> Option<Request> {
        let at = offset_of!(MappedHeader, requests) + place * size_of::<MappedRequest>();
        let u32_of = |offset| u32_at(header, at + offset).ok();
        if u32_of(offset_of!(MappedRequest, state))? != READY {
            return None;
        }
        Some(Request {
            process: ProcessIndex(u32_of(offset_of!(MappedRequest, process))?),
            kind: CommandKind::from_id(u32_of(offset_of!(MappedRequest, kind))?)?,
            argument: u32_of(offset_of!(MappedRequest, argument))?,
            stamp: Stamp(u64_at(header, at + offset_of!(MappedRequest, stamp)).ok()?),
            name: array(header, at + offset_of!(MappedRequest, name)).ok()?,
        })
    }
}
