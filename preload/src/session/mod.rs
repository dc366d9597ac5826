//! Layer 5: this process as a recorder: when it records, its threads, what a fork makes of it, and its end.
//!
//! ```text
//!            first call            fork                 first call in the child
//!   New --> Starting --> Recording ----> (word wiped) --> Recording, as another process
//!                  \---> Idle: TM_DISABLE=1, or no file could be made
//! ```

pub mod finish;
pub mod fork;
pub mod start;
pub mod threads;
pub mod withdraw;

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use tm_common::header::Loss;
use tm_common::metadata::MappedProcess;

use crate::recording::Recording;
use crate::recording::stack_table::StackTable;
use crate::unwind::walk::Unwinder;
use threads::Threads;

/// Everything that the hooks share. There is one, [`SESSION`].
#[derive(Debug)]
pub struct Session {
    /// The file.
    pub recording: Recording,
    /// The stacks in it.
    pub stacks: StackTable,
    /// How to walk.
    pub unwinder: Unwinder,
    /// Who records.
    pub threads: Threads,
    /// `TM_NFRAME`.
    pub n_frames_max: AtomicU32,
    /// `TM_SELF_CHECK`.
    pub self_check_interval: AtomicU32,
    word: AtomicPtr<AtomicU32>,
    phase: AtomicU32,
    pid: AtomicU32,
    process: AtomicPtr<MappedProcess>,
}

/// The process's session.
pub static SESSION: Session = Session {
    recording: Recording::new(),
    stacks: StackTable::new(),
    unwinder: Unwinder::new(),
    threads: Threads::new(),
    n_frames_max: AtomicU32::new(tm_common::settings::N_FRAMES_MAX),
    self_check_interval: AtomicU32::new(0),
    word: AtomicPtr::new((&raw const UNKNOWN).cast_mut()),
    phase: AtomicU32::new(Phase::New as u32),
    pid: AtomicU32::new(0),
    process: AtomicPtr::new(core::ptr::null_mut()),
};

/// Where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Phase {
    New,
    Starting,
    Recording,
    Idle,
}

/// What the word that every hook reads says. It stands in a page that the kernel wipes in a forked child.
const WORD_UNKNOWN: u32 = 0;
const WORD_RECORDING: u32 = 1;
const WORD_IDLE: u32 = 2;
/// A forked child is being made a process of its own.
const WORD_FORKED: u32 = 3;

static UNKNOWN: AtomicU32 = AtomicU32::new(WORD_UNKNOWN);
static IDLE: AtomicU32 = AtomicU32::new(WORD_IDLE);

impl Session {
    #[inline]
    fn word(&self) -> u32 {
        // Acquire: receives the word's page; Acquire on the word: receives what `start` or `fork` has set up.
        // SAFETY: points to a static or to a page that is never unmapped.
        unsafe { (*self.word.load(Ordering::Acquire)).load(Ordering::Acquire) }
    }

    /// Whether events are recorded. The first call starts the recording, the first one after a fork continues it.
    #[inline]
    pub fn is_recording(&self) -> bool {
        match self.word() {
            WORD_RECORDING => true,
            WORD_IDLE => false,
            _ => self.enter(),
        }
    }

    /// Whether events are recorded at this moment; starts nothing.
    fn is_recording_already(&self) -> bool {
        self.word() == WORD_RECORDING
    }

    #[cold]
    fn enter(&self) -> bool {
        let (new, starting) = (Phase::New as u32, Phase::Starting as u32);
        // Acquire: receives what another thread's start or fork has set up.
        match self.phase.compare_exchange(new, starting, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => start::start(self),
            Err(phase) if phase == Phase::Recording as u32 => fork::continue_in_child(self),
            Err(phase) if phase == starting => {
                // Another thread starts right now, or the start itself came here.
                self.recording.lose(Loss::NotReady);
                false
            }
            Err(_) => false,
        }
    }

    fn set_phase(&self, phase: Phase) {
        // Release: publishes what was set up.
        self.phase.store(phase as u32, Ordering::Release);
    }

    /// From now on hooks read `word` at every event.
    fn use_word(&self, word: *mut AtomicU32) {
        // Release: publishes the word's page.
        self.word.store(word, Ordering::Release);
    }
}
