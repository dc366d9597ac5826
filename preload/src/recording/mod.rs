//! Layer 3: the recording, a file that every thread writes through one shared mapping.
//!
//! Contract of everything that an event calls (`stream`, `stack_table`, `clock`): no allocation, lock, system call or
//! panic. Growth is `#[cold]`: it makes system calls and takes try-locks, on which nobody
//! waits; only while the file is being cut at a process's end is a claim of room tried again for a while.

pub mod clock;
pub mod extent;
pub mod file;
mod free_extents;
pub mod identity;
pub mod metadata;
pub mod output;
pub mod own_extent;
mod shared;
pub mod stack_table;
pub mod stream;
pub mod totals;

#[cfg(test)]
mod tests;

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use tm_common::header::{Loss, MappedHeader, SHARED_ROOMS};
use tm_common::ids::{Epoch, ProcessIndex};
use tm_common::segment::MappedSegment;

use crate::lockfree::try_lock::TryLock;
use crate::lockfree::writers;
use crate::sys::message::Message;
use crate::sys::syscall::{self, Errno};
use file::FileIdentity;

/// The longest path that the kernel takes, `PATH_MAX`.
pub const PATH_BYTES: usize = 4096;

/// The recording of this program, and this process's part in it.
#[derive(Debug)]
pub struct Recording {
    header: AtomicPtr<MappedHeader>,
    /// Set before `header` is published, constant afterwards.
    file: UnsafeCell<FileIdentity>,
    extent: AtomicPtr<MappedSegment>,
    extent_grains: AtomicU32,
    growing: TryLock,
    metadata: AtomicPtr<MappedSegment>,
    /// What the process takes room from together with others, as the header had it.
    joined: [AtomicU64; SHARED_ROOMS],
    /// Where the process's threads have their lines of totals.
    totals: AtomicPtr<MappedSegment>,
    process: AtomicU32,
    /// How many threads this process and those that it descends from have recorded.
    n_threads_recorded: AtomicU32,
    epoch: AtomicU32,
    own_epoch: AtomicU32,
    calibrating: TryLock,
    clock_is_counter: AtomicBool,
    withheld: clock::Withheld,
    clock_shift: AtomicU32,
    last_calibration: AtomicU64,
    /// The number of times in a row that the file could not grow, ...
    n_failures: AtomicU32,
    /// ... and how many claims were refused since the last time without a try.
    n_refused: AtomicU32,
    /// Whether that was because of its limit.
    is_at_limit: AtomicBool,
    /// The beginning of the list of free extents as it was then.
    free_at_failure: AtomicU64,
    said_failure: AtomicBool,
    /// Events lost before there was a header to count them in; added to it when it is published.
    n_lost_early: AtomicU64,
}

// SAFETY: `file` is written before `header` is published and only read afterwards; all else is atomic.
unsafe impl Sync for Recording {}

impl Recording {
    /// Makes a recording that has not begun.
    pub const fn new() -> Recording {
        Recording {
            header: AtomicPtr::new(core::ptr::null_mut()),
            file: UnsafeCell::new(FileIdentity::NONE),
            extent: AtomicPtr::new(core::ptr::null_mut()),
            extent_grains: AtomicU32::new(extent::FIRST_GRAINS),
            growing: TryLock::new(),
            metadata: AtomicPtr::new(core::ptr::null_mut()),
            joined: [const { AtomicU64::new(0) }; SHARED_ROOMS],
            totals: AtomicPtr::new(core::ptr::null_mut()),
            n_threads_recorded: AtomicU32::new(0),
            process: AtomicU32::new(0),
            epoch: AtomicU32::new(0),
            own_epoch: AtomicU32::new(0),
            calibrating: TryLock::new(),
            clock_is_counter: AtomicBool::new(false),
            withheld: clock::Withheld::no(),
            clock_shift: AtomicU32::new(0),
            last_calibration: AtomicU64::new(0),
            n_failures: AtomicU32::new(0),
            n_refused: AtomicU32::new(0),
            is_at_limit: AtomicBool::new(false),
            free_at_failure: AtomicU64::new(0),
            said_failure: AtomicBool::new(false),
            n_lost_early: AtomicU64::new(0),
        }
    }

    /// Returns the mapped header; `None` before the file exists.
    #[inline]
    pub fn header(&self) -> Option<&MappedHeader> {
        // Acquire: receives the header's content and `file` from `output::create`.
        // SAFETY: a published header stays mapped as long as the process lives.
        unsafe { self.header.load(Ordering::Acquire).as_ref() }
    }

    /// Returns the file; meaningful once there is a header.
    pub fn file(&self) -> &FileIdentity {
        // SAFETY: not written after the header was published, see the field.
        unsafe { &*self.file.get() }
    }

    /// Returns the number of the calling process.
    #[inline]
    pub fn process(&self) -> ProcessIndex {
        // Relaxed: changed only while the process has one thread (start and fork).
        ProcessIndex(self.process.load(Ordering::Relaxed))
    }

    /// Returns the process's epoch.
    #[inline]
    pub fn epoch(&self) -> Epoch {
        // Relaxed: an epoch changes when a module has gone, whose addresses nobody can be executing.
        Epoch(self.epoch.load(Ordering::Relaxed))
    }

    /// Begins an epoch of this process, and returns the one that ended.
    pub fn begin_epoch(&self) -> Epoch {
        let Some(header) = self.header() else { return Epoch(0) };
        self.use_own_epoch();
        // Relaxed: numbers only have to be distinct.
        let next = header.n_epochs.fetch_add(1, Ordering::Relaxed);
        self.own_epoch.store(next, Ordering::Relaxed);
        Epoch(self.epoch.swap(next, Ordering::Relaxed))
    }

    /// Gives the process an epoch of its own, before something is loaded. A forked child shares its parent's epoch, and
    /// with it the parent's stack nodes, until it loads something of its own.
    pub fn use_own_epoch(&self) {
        // Relaxed: see `epoch`.
        self.epoch.store(self.own_epoch.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Returns the epoch that the process has or will have for itself.
    pub fn own_epoch(&self) -> Epoch {
        // Relaxed: see `epoch`.
        Epoch(self.own_epoch.load(Ordering::Relaxed))
    }

    /// Makes the calling process a new one of the recording, after a fork. Returns its parent.
    pub fn begin_process(&self) -> ProcessIndex {
        let Some(header) = self.header() else { return ProcessIndex(0) };
        // Relaxed: numbers only have to be distinct; the process has one thread now.
        let number = header.n_processes.fetch_add(1, Ordering::Relaxed);
        let parent = ProcessIndex(self.process.swap(number, Ordering::Relaxed));
        self.own_epoch.store(header.n_epochs.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        writers::enter(&header.writers, syscall::getpid(), syscall::process_exists);
        // Most children live shortly: what they need beyond the parent's extent starts small.
        self.extent_grains.store(extent::CHILD_GRAINS, Ordering::Relaxed);
        // Relaxed: the process has one thread now. The parent's threads go on writing theirs.
        self.totals.store(core::ptr::null_mut(), Ordering::Relaxed);
        // Try-locks of the parent's other threads were copied locked.
        self.growing.after_fork();
        self.calibrating.after_fork();
        parent
    }

    /// Counts an event that is not in the recording.
    #[cold]
    pub fn lose(&self, loss: Loss) {
        // Relaxed: counters.
        match self.header() {
            Some(header) => header.lost[loss as usize].fetch_add(1, Ordering::Relaxed),
            None => self.n_lost_early.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// Counts an event for which there is no room.
    #[cold]
    pub fn lose_for_want_of_room(&self) {
        // Relaxed: a word for reports.
        let is_at_limit = self.is_at_limit.load(Ordering::Relaxed);
        self.lose(if is_at_limit { Loss::AtLimit } else { Loss::NoSpace });
    }

    /// Says once that the file cannot grow, and that it has reached its limit once for all of its processes. Events are counted as lost
    /// until it can again.
    #[cold]
    fn report_growth_failure(&self, error: Errno) {
        // Relaxed: decides who speaks.
        let is_first = |header: &MappedHeader| header.said_limit.swap(1, Ordering::Relaxed) == 0;
        if !self.said_failure.swap(true, Ordering::Relaxed)
            && (error != extent::AT_LIMIT || self.header().is_none_or(is_first))
        {
            let message = Message::start("the recording ").bytes(self.file().path.as_bytes());
            let message = match error {
                extent::AT_LIMIT => message.text(" has reached its limit (TM_LIMIT)"),
                error => message.text(" cannot grow: ").error(error),
            };
            message.text("; events are being lost").say();
        }
    }
}
